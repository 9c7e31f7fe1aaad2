package keydir

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// An Importer is a [Module] that takes existing private keys.
type Importer interface {
	Module
	// Import stores a key, and returns a record that finds it.
	Import(key *ecdsa.PrivateKey) (record []byte, err error)
}

// imported returns the name of the file that a provider has of an imported key or secret, until
// [Protection.FinishImport] puts it in place of the other.
func imported(file string, p Provider) string { return file + "." + p.Name() }

// Import brings the keys and secrets of directories, which from protects (nil: plain files), under
// this protection, and returns their files. It verifies that each private key signs as before. What
// is there stays, so that processes with the earlier protection go on; those with this one use the
// imported files. The next call completes one that was interrupted.
func (p *Protection) Import(from *Protection, dirs ...*Dir) (files []string, err error) {
	s, err := p.existing()
	if errors.Is(err, ErrSealing) || err != nil && from != nil { // the record is that of from
		var record []byte
		if record, err = p.provider.NewSealer(); err == nil {
			_, err = p.dir.Create(
				imported(sealingFile, p.provider), encodeSealing(p.provider, record),
			)
		}
		if err == nil {
			s, err = p.existing()
		}
	}
	if err != nil {
		return nil, err
	}
	for _, d := range dirs {
		path, list, err := d.existingKeys()
		if err != nil {
			return files, err
		}
		for _, f := range list {
			done, err := p.importFile(s, from, d, f)
			if err != nil {
				return files, err
			}
			if done {
				files = append(files, filepath.Join(filepath.Base(string(path)), f.Name))
			}
		}
	}
	return files, nil
}

// importFile imports one file, unless it is imported already.
func (p *Protection) importFile(s Sealer, from *Protection, d *Dir, f File) (bool, error) {
	file, target := f.Name, imported(f.Name, p.provider)
	path, err := d.folder()
	if err != nil {
		return false, err
	}
	if _, err := d.Read(target); !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	data, err := d.Read(file)
	if err != nil {
		return false, err
	}
	if block, _ := pem.Decode(data); block != nil && block.Type == typeModule {
		return false, fmt.Errorf("keys: %s: the key is in a module, which does not export it", file)
	}
	text, err := from.open(file, data)
	if err != nil {
		return false, err
	}
	m, module := p.provider.(Module)
	if !module || !strings.HasSuffix(file, ".key") || p.sealsKey(file) {
		if text, err = seal(s, file, text); err != nil {
			return false, err
		}
		return true, path.replace(target, text, f.Changed)
	}
	key, err := parseEC(file, text, elliptic.P256())
	if err != nil {
		key, err = parseEC(file, text, elliptic.P384())
	}
	if err != nil {
		return false, err
	}
	record, err := importKey(m, key.(*ecdsa.PrivateKey))
	if err != nil {
		return false, fmt.Errorf("keys: %s: %w", file, err)
	}
	err = path.replace(target, encodeModule(m, record), f.Changed)
	if err != nil {
		err = errors.Join(err, m.Discard(record))
	}
	return true, err
}

// importKey imports a key, and verifies that the module signs with it.
func importKey(m Module, key *ecdsa.PrivateKey) ([]byte, error) {
	i, ok := m.(Importer)
	if !ok {
		return nil, fmt.Errorf("the provider %q does not import private keys", m.Name())
	}
	record, err := i.Import(key)
	if err != nil {
		return nil, err
	}
	signer, err := m.Signer(record)
	if err == nil {
		digest := sha256.Sum256(record)
		var sig []byte
		sig, err = signer.Sign(rand.Reader, digest[:], crypto.SHA256)
		if err == nil && !(key.PublicKey.Equal(signer.Public()) &&
			ecdsa.VerifyASN1(&key.PublicKey, digest[:], sig)) {
			err = errors.New("the imported key signs otherwise than before")
		}
	}
	if err != nil {
		return nil, errors.Join(err, m.Discard(record))
	}
	return record, nil
}

// FinishImport puts the imported files in place of those from which they were imported, and returns
// their names. Processes with the earlier protection cannot use the directories any more.
func (p *Protection) FinishImport(dirs ...*Dir) (files []string, err error) {
	suffix := imported("", p.provider)
	lists := make([][]File, len(dirs))
	for i, d := range dirs {
		if lists[i], err = d.List(); err != nil {
			return nil, err
		}
		for _, f := range lists[i] {
			if !isKey(f.Name) {
				continue
			}
			if err := p.has(d, f.Name); err != nil {
				return nil, err
			}
		}
	}
	for i, d := range dirs {
		path, err := d.folder()
		if err != nil {
			return files, err
		}
		for _, f := range lists[i] {
			file, ok := strings.CutSuffix(f.Name, suffix)
			if !ok || !isKey(file) && file != sealingFile {
				continue
			}
			err := os.Rename(path.file(f.Name), path.file(file))
			if err != nil {
				return files, fmt.Errorf("keys: %w", err)
			}
			files = append(files, filepath.Join(filepath.Base(string(path)), file))
		}
		if err := path.sync(); err != nil {
			return files, fmt.Errorf("keys: %w", err)
		}
	}
	return files, nil
}

// has returns an error if a key or secret is not under the protection.
func (p *Protection) has(d *Dir, file string) error {
	data, err := d.With(p).Read(file)
	if err != nil {
		return err
	}
	if block, _ := pem.Decode(data); block != nil && block.Type == typeModule &&
		block.Headers[providedBy] == p.provider.Name() {
		return nil
	}
	_, err = p.open(file, data)
	return err
}

// CheckProtected returns an error if a file is a key or secret that the protection of the directory
// does not open.
func (d *Dir) CheckProtected(file string) error {
	if !isKey(file) {
		return nil
	}
	return d.protection.has(d, file)
}
