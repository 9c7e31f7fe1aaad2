package keydir

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// PEM types of the files of a protected directory. The first is also that of a plain one.
const (
	typePlain   = "PRIVATE KEY"  // PKCS#8
	typeSealed  = "SEALED KEY"   // a private key or secret, encrypted by a Sealer
	typeModule  = "MODULE KEY"   // the record of a private key in a Module
	typeSealing = "SEALING KEY"  // the record of a Sealer
	providedBy  = "Key-Provider" // header: the Provider's name
)

// sealingFile has the record of the key under which the others are encrypted.
const sealingFile = "sealing.pem"

var (
	// ErrNotProtected is the error for a key or secret in a plain file, where a [Protection] is
	// set.
	ErrNotProtected = errors.New("keys: file is not encrypted; run signet secret encrypt")
	// ErrProtected is the error for an encrypted file, where no [Protection] is set.
	ErrProtected = errors.New(
		"keys: file is encrypted; set keys and keys_password as on the node that made it",
	)
	// ErrSealing is the error for protected files without the key that opens them.
	ErrSealing = errors.New("keys: " + sealingFile + " is missing; restore it from a backup")
)

// A Sealer encrypts secrets. Its methods may be called concurrently.
type Sealer interface {
	// Seal encrypts and authenticates a secret, and authenticates about, which is not stored.
	Seal(secret, about []byte) ([]byte, error)
	// Open decrypts what Seal returned for the same about.
	Open(sealed, about []byte) ([]byte, error)
}

// A Provider makes the key under which secrets are encrypted.
type Provider interface {
	// Name names the kind of provider in files and errors.
	Name() string
	// NewSealer makes a key, and returns a record of it that is safe in a file.
	NewSealer() (record []byte, err error)
	// Sealer returns the key of a record.
	Sealer(record []byte) (Sealer, error)
}

// A Module is a [Provider] that has private keys itself, which never leave it.
type Module interface {
	Provider
	// NewSigner makes an EC key, and returns a record that finds it.
	NewSigner(curve elliptic.Curve) (record []byte, err error)
	// Signer returns the key of a record.
	Signer(record []byte) (crypto.Signer, error)
	// Discard deletes a key that NewSigner made.
	Discard(record []byte) error
}

// Protection encrypts the secrets of directories under a key of a [Provider], and their private
// keys too, unless the provider is a [Module], which has them itself. Its methods may be called
// concurrently.
type Protection struct {
	dir      *Dir
	provider Provider
	decrypt  []string // see Protect

	mu     sync.Mutex
	sealer Sealer
}

// Protect returns the protection whose record is in d. It makes none until the first secret is
// encrypted. A [Module] signs only: the private keys with these names and those of their [KeyRing],
// which are to decrypt, are encrypted in files all the same.
func Protect(d *Dir, p Provider, decrypt ...string) *Protection {
	return &Protection{dir: d, provider: p, decrypt: decrypt}
}

// sealsKey reports whether the private key in a file is encrypted there in spite of a Module.
func (p *Protection) sealsKey(file string) bool {
	name, _ := strings.CutSuffix(file, ".key")
	i := strings.LastIndexByte(name, '-')
	if i > 0 && strings.Trim(name[i+1:], "0123456789") == "" {
		name = name[:i]
	}
	return slices.Contains(p.decrypt, name)
}

// With returns the directory with the protection of its keys and secrets; nil is none.
func (d *Dir) With(p *Protection) *Dir {
	protected := *d
	protected.protection = p
	return &protected
}

// Protection returns the protection of the directory; nil if there is none.
func (d *Dir) Protection() *Protection { return d.protection }

// Close closes a provider that is an [io.Closer]. p may be nil.
func (p *Protection) Close() error {
	if p == nil {
		return nil
	}
	if c, ok := p.provider.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// Check returns an error if the keys cannot be used for now, because what has them does not answer.
// p may be nil.
func (p *Protection) Check() error {
	if p == nil {
		return nil
	}
	if c, ok := p.provider.(interface{ Check() error }); ok {
		return c.Check()
	}
	return nil
}

// existing returns the sealer. The error is ErrSealing if it has none yet.
func (p *Protection) existing() (Sealer, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.sealer != nil {
		return p.sealer, nil
	}
	record, err := p.record()
	if err != nil {
		return nil, err
	}
	s, err := p.provider.Sealer(record)
	if err != nil {
		return nil, fmt.Errorf("keys: %s: %w", sealingFile, err)
	}
	p.sealer = s
	return s, nil
}

// record reads the record of the sealer.
func (p *Protection) record() ([]byte, error) {
	data, err := p.dir.Read(imported(sealingFile, p.provider))
	if errors.Is(err, fs.ErrNotExist) {
		data, err = p.dir.Read(sealingFile)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrSealing
	}
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(data)
	if block == nil || block.Type != typeSealing {
		return nil, fmt.Errorf("keys: %s: not a %s in PEM", sealingFile, typeSealing)
	}
	if by := block.Headers[providedBy]; by != p.provider.Name() {
		return nil, fmt.Errorf(
			"keys: %s was made by the provider %q, not by %q", sealingFile, by, p.provider.Name(),
		)
	}
	return block.Bytes, nil
}

// ensure returns the sealer. It makes one unless the directory of the protection has keys, which
// another one must have encrypted.
func (p *Protection) ensure() (Sealer, error) {
	// The list is made first: another process may create the sealer and then keys.
	files, err := p.dir.List()
	if err != nil {
		return nil, err
	}
	s, err := p.existing()
	if !errors.Is(err, ErrSealing) {
		return s, err
	}
	if slices.ContainsFunc(files, func(f File) bool { return isKey(f.Name) }) {
		return nil, err
	}
	return p.create()
}

// seal encrypts the content of a file.
func seal(s Sealer, file string, secret []byte) ([]byte, error) {
	sealed, err := s.Seal(secret, []byte(file))
	if err != nil {
		return nil, fmt.Errorf("keys: %s: %w", file, err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: typeSealed, Bytes: sealed}), nil
}

// create makes the sealer, or loads that of another process.
func (p *Protection) create() (Sealer, error) {
	record, err := p.provider.NewSealer()
	if err != nil {
		return nil, fmt.Errorf("keys: %s: %w", sealingFile, err)
	}
	if _, err := p.dir.Create(sealingFile, encodeSealing(p.provider, record)); err != nil {
		return nil, err
	}
	return p.existing()
}

func encodeSealing(p Provider, record []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{
		Type: typeSealing, Headers: map[string]string{providedBy: p.Name()}, Bytes: record,
	})
}

// open decrypts the content of a file, or returns it as it is if there is no protection.
func (p *Protection) open(file string, data []byte) ([]byte, error) {
	block, _ := pem.Decode(data)
	sealed := block != nil && block.Type == typeSealed
	switch {
	case p == nil && sealed:
		return nil, fmt.Errorf("%w (%s)", ErrProtected, file)
	case p == nil:
		return data, nil
	case !sealed:
		return nil, fmt.Errorf("%w (%s)", ErrNotProtected, file)
	}
	s, err := p.existing()
	if err != nil {
		return nil, err
	}
	secret, err := s.Open(block.Bytes, []byte(file))
	if err != nil {
		return nil, fmt.Errorf(
			"keys: %s was not encrypted under the key of %s, or is damaged: %w", file, sealingFile,
			err,
		)
	}
	return secret, nil
}

// protect returns the content of the file of a secret.
func (d *Dir) protect(file string, secret []byte) ([]byte, error) {
	if d.protection == nil {
		return secret, nil
	}
	s, err := d.protection.ensure()
	if err != nil {
		return nil, err
	}
	return seal(s, file, secret)
}

// newKey makes an EC key and returns the content of its file.
func (d *Dir) newKey(file string, curve elliptic.Curve) ([]byte, error) {
	if m, ok := d.module(); ok && !d.protection.sealsKey(file) {
		// The sealer comes first, because ensure makes none after a key.
		if _, err := d.protection.ensure(); err != nil {
			return nil, err
		}
		record, err := m.NewSigner(curve)
		if err != nil {
			return nil, fmt.Errorf("keys: %s: %w", file, err)
		}
		return encodeModule(m, record), nil
	}
	key, err := ecdsa.GenerateKey(curve, d.rand)
	if err != nil {
		return nil, fmt.Errorf("keys: %s: %w", file, err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("keys: %s: %w", file, err)
	}
	return d.protect(file, pem.EncodeToMemory(&pem.Block{Type: typePlain, Bytes: der}))
}

func encodeModule(m Module, record []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{
		Type: typeModule, Headers: map[string]string{providedBy: m.Name()}, Bytes: record,
	})
}

// discard deletes the key of a file that could not be created from the module that has it.
func (d *Dir) discard(text []byte) error {
	m, ok := d.module()
	block, _ := pem.Decode(text)
	if !ok || block == nil || block.Type != typeModule {
		return nil
	}
	return m.Discard(block.Bytes)
}

func (d *Dir) module() (Module, bool) {
	if d.protection == nil {
		return nil, false
	}
	m, ok := d.protection.provider.(Module)
	return m, ok
}

// key returns the key of a file.
func (d *Dir) key(file string, data []byte, curve elliptic.Curve) (crypto.Signer, error) {
	block, rest := pem.Decode(data)
	if block == nil || len(bytes.TrimSpace(rest)) > 0 {
		return nil, fmt.Errorf("keys: %s: not one PEM block", file)
	}
	if block.Type != typeModule {
		text, err := d.protection.open(file, data)
		if err != nil {
			return nil, err
		}
		return parseEC(file, text, curve)
	}
	m, ok := d.module()
	if !ok || m.Name() != block.Headers[providedBy] {
		return nil, fmt.Errorf(
			"keys: %s: the key is in a %s module; set keys as on the node that made it", file,
			block.Headers[providedBy],
		)
	}
	key, err := m.Signer(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("keys: %s: %w", file, err)
	}
	if pub, ok := key.Public().(*ecdsa.PublicKey); !ok || pub.Curve != curve {
		return nil, fmt.Errorf("keys: %s: not a %s key", file, curve.Params().Name)
	}
	return key, nil
}

// isKey reports whether a file is a private key or a secret.
func isKey(file string) bool {
	return strings.HasSuffix(file, ".key") || strings.HasSuffix(file, ".secret")
}

// existingKeys returns the files of the directory's private keys and secrets, in a folder.
func (d *Dir) existingKeys() (folder, []File, error) {
	path, err := d.folder()
	if err != nil {
		return "", nil, err
	}
	list, err := d.List()
	return path, slices.DeleteFunc(list, func(f File) bool { return !isKey(f.Name) }), err
}

// Encrypt encrypts the plain keys and secrets of folders, and returns their files. It leaves the
// times of the files as they are, because a [Ring] tells by them which secret to use. The next call
// completes one that was interrupted. No process may use the folders.
func (p *Protection) Encrypt(dirs ...*Dir) (files []string, err error) {
	plain := map[*Dir][]File{}
	protected := false
	for _, d := range dirs {
		_, list, err := d.existingKeys()
		if err != nil {
			return nil, err
		}
		for _, f := range list {
			data, err := d.Read(f.Name)
			if err != nil {
				return nil, err
			}
			if block, _ := pem.Decode(data); block != nil && block.Type != typePlain {
				protected = true
			} else {
				plain[d] = append(plain[d], f)
			}
		}
	}
	s, err := p.existing()
	if errors.Is(err, ErrSealing) && !protected {
		s, err = p.create()
	}
	if err != nil {
		return nil, err
	}
	for _, d := range dirs {
		path, err := d.folder()
		if err != nil {
			return files, err
		}
		for _, f := range plain[d] {
			data, err := d.Read(f.Name)
			if err != nil {
				return files, err
			}
			text, err := seal(s, f.Name, data)
			if err != nil {
				return files, err
			}
			if err := path.replace(f.Name, text, f.Changed); err != nil {
				return files, fmt.Errorf("keys: %s: %w", f.Name, err)
			}
			files = append(files, filepath.Join(filepath.Base(string(path)), f.Name))
		}
	}
	return files, nil
}
