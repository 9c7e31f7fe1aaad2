// Package keydir owns the private keys and secrets of the service: files in one
// directory, mode 0600, made on first use.
//
// Start at [Dir.Signer] for EC keys (PKCS#8 PEM, given out as crypto.Signer so
// that a hardware module can stand in) and [Dir.Secret] for symmetric ones.
// [Dir.Create] is the primitive below both: a file appears whole or not at all,
// never overwrites another, and survives a power cut once Create has returned.
//
// The package does not rotate, encrypt or export keys, and never holds the key
// of a signer: that one lives on the signer's phone.
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
	"os"
	"path/filepath"
	"strings"
)

// SecretSize is the length of a symmetric secret in bytes.
const SecretSize = 32

// maxFile bounds what is read back: every file here is a key, a secret or a
// certificate.
const maxFile = 64 << 10

var (
	// ErrPermissions reports a key file that others on the machine can read.
	ErrPermissions = errors.New("keys: file is accessible to group or others; run chmod 600")
	// ErrName reports a file name that would leave the directory.
	ErrName = errors.New("keys: not a plain file name")
)

// Dir is a directory of keys. Its methods may be called concurrently, by
// several processes too: anyone who creates a file first wins and all others load
// that one.
type Dir struct {
	path string
	rand io.Reader
}

// Open returns the directory at path, creating it with mode 0700 if needed.
// Randomness for keys and secrets is read from rand. (The standard library
// draws EC keys from the system's generator whatever it is given.)
func Open(path string, rand io.Reader) (*Dir, error) {
	if rand == nil {
		return nil, errors.New("keys: no source of randomness")
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	return &Dir{path: path, rand: rand}, nil
}

// Signer returns the EC key of that name (file <name>.key), made on first use.
// curve must be P-256 or P-384; a stored key of another curve is an error.
func (d *Dir) Signer(name string, curve elliptic.Curve) (crypto.Signer, error) {
	if curve != elliptic.P256() && curve != elliptic.P384() {
		return nil, fmt.Errorf("keys: curve %s is not offered", curve.Params().Name)
	}
	file := name + ".key"
	data, err := d.Read(file)
	if errors.Is(err, fs.ErrNotExist) {
		key, err := ecdsa.GenerateKey(curve, d.rand)
		if err != nil {
			return nil, fmt.Errorf("keys: %s: %w", file, err)
		}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return nil, fmt.Errorf("keys: %s: %w", file, err)
		}
		data, err = d.Create(file, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
		if err != nil {
			return nil, err
		}
	} else if err != nil {
		return nil, err
	}
	return parseEC(file, data, curve)
}

// Existing returns the EC key of that name and never makes one. The error is
// fs.ErrNotExist (wrapped) where there is none. Use it when something that
// depends on the key already exists: a new key could not replace it.
func (d *Dir) Existing(name string, curve elliptic.Curve) (crypto.Signer, error) {
	data, err := d.Read(name + ".key")
	if err != nil {
		return nil, err
	}
	return parseEC(name+".key", data, curve)
}

func parseEC(file string, data []byte, curve elliptic.Curve) (crypto.Signer, error) {
	block, rest := pem.Decode(data)
	if block == nil || block.Type != "PRIVATE KEY" || len(bytes.TrimSpace(rest)) > 0 {
		return nil, fmt.Errorf("keys: %s: not one PKCS#8 PEM block", file)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		// the cause could quote key bytes
		return nil, fmt.Errorf("keys: %s: unreadable private key", file)
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || key.Curve != curve {
		return nil, fmt.Errorf("keys: %s: not a %s key", file, curve.Params().Name)
	}
	return key, nil
}

// Secret returns the 32 bytes of that name (file <name>.secret), made on first use.
func (d *Dir) Secret(name string) ([]byte, error) {
	file := name + ".secret"
	data, err := d.Read(file)
	if errors.Is(err, fs.ErrNotExist) {
		fresh := make([]byte, SecretSize)
		if _, err := io.ReadFull(d.rand, fresh); err != nil {
			return nil, fmt.Errorf("keys: %s: %w", file, err)
		}
		data, err = d.Create(file, fresh)
		if err != nil {
			return nil, err
		}
	} else if err != nil {
		return nil, err
	}
	if len(data) != SecretSize {
		return nil, fmt.Errorf("keys: %s: %d bytes instead of %d", file, len(data), SecretSize)
	}
	return data, nil
}

// Read returns the content of a file that Create made. It refuses files that
// others may read, regardless of who changed the mode.
func (d *Dir) Read(file string) ([]byte, error) {
	if !plain(file) {
		return nil, ErrName
	}
	f, err := os.Open(filepath.Join(d.path, file))
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%w (%s)", ErrPermissions, file)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("keys: %s: %w", file, err)
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("keys: %s: too large", file)
	}
	return data, nil
}

// Create makes the file with this content if it does not exist and returns the
// content that the file then has: data, or what another process stored first.
// When it returns nil the file and its name are on disk.
func (d *Dir) Create(file string, data []byte) ([]byte, error) {
	if !plain(file) {
		return nil, ErrName
	}
	// os.CreateTemp uses mode 0600. A crash leaves at most a nameless rest that
	// no reader looks at.
	tmp, err := os.CreateTemp(d.path, ".new-*")
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(data)
	if err == nil {
		err = tmp.Sync()
	}
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return nil, fmt.Errorf("keys: %s: %w", file, err)
	}
	// A hard link, unlike rename, fails when the name is taken: two processes
	// that start together agree on one key.
	err = os.Link(tmp.Name(), filepath.Join(d.path, file))
	lost := errors.Is(err, fs.ErrExist)
	if err != nil && !lost {
		return nil, fmt.Errorf("keys: %s: %w", file, err)
	}
	if err := syncDir(d.path); err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	if lost {
		return d.Read(file)
	}
	return data, nil
}

func plain(file string) bool {
	return file != "" && !strings.HasPrefix(file, ".") && filepath.Base(file) == file &&
		!strings.ContainsAny(file, `/\`)
}

func syncDir(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	err = f.Sync()
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}
