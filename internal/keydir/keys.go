// Package keydir keeps the private keys and secrets of the service in the files of one directory.
// It creates them on first use. The directory is a folder, whose files have mode 0600, or [Files]
// that are stored elsewhere, such as in a database.
//
// Start at [Dir.Signer] for EC keys (PKCS#8 PEM, returned as crypto.Signer so that a hardware
// module can replace them) and [Dir.Secret] for symmetric ones. Both use [Dir.Create], which writes
// a file completely or not at all and never overwrites one. The file survives a power loss after
// Create returns.
//
// [Ring] is a secret that can be rotated. [Dir.With] encrypts secrets under a key of a [Provider];
// private keys are encrypted too, or they are in a [Module]. The package never has the key of a
// signer, which only the signer's phone has; package signer certifies it.
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
)

// SecretSize is the length of a symmetric secret in bytes.
const SecretSize = 32

// maxFile bounds what is read. Every file is a key, a secret or a certificate.
const maxFile = 64 << 10

var (
	// ErrPermissions is the error for a key file that others on the machine can read.
	ErrPermissions = errors.New("file is accessible to group or others; run chmod 600")
	// ErrName is the error for a file name that would leave the directory.
	ErrName = errors.New("keys: not a plain file name")
)

// Dir is a directory of keys. Several goroutines and processes may call its methods concurrently:
// the first to create a file succeeds, and all others load that file.
type Dir struct {
	files      Files
	rand       io.Reader
	protection *Protection // nil: keys and secrets are in plain files
}

// Open returns the directory at path. It creates it with mode 0700 if needed. Secrets are read from
// rand. The standard library generates EC keys from the system's random source regardless of rand.
func Open(path string, rand io.Reader) (*Dir, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	return New(folder(path), rand)
}

// New returns the directory whose files are stored in files.
func New(files Files, rand io.Reader) (*Dir, error) {
	if rand == nil {
		return nil, errors.New("keys: no source of randomness")
	}
	return &Dir{files: files, rand: rand}, nil
}

// Signer returns the EC key with that name (file <name>.key), and creates it on first use. curve
// must be P-256 or P-384; a stored key on another curve is an error.
func (d *Dir) Signer(name string, curve elliptic.Curve) (crypto.Signer, error) {
	if curve != elliptic.P256() && curve != elliptic.P384() {
		return nil, fmt.Errorf("keys: curve %s is not offered", curve.Params().Name)
	}
	file := name + ".key"
	data, err := d.Read(file)
	if errors.Is(err, fs.ErrNotExist) {
		fresh, err := d.newKey(file, curve)
		if err != nil {
			return nil, err
		}
		data, err = d.Create(file, fresh)
		if err == nil && !bytes.Equal(data, fresh) { // another process was first
			err = d.discard(fresh)
		}
		if err != nil {
			return nil, err
		}
	} else if err != nil {
		return nil, err
	}
	return d.key(file, data, curve)
}

// Existing returns the EC key with that name and never creates one. The error wraps fs.ErrNotExist
// if there is none. It is for a key that something existing depends on, which a new key could not
// replace.
func (d *Dir) Existing(name string, curve elliptic.Curve) (crypto.Signer, error) {
	data, err := d.Read(name + ".key")
	if err != nil {
		return nil, err
	}
	return d.key(name+".key", data, curve)
}

func parseEC(file string, data []byte, curve elliptic.Curve) (crypto.Signer, error) {
	block, rest := pem.Decode(data)
	if block == nil || block.Type != typePlain || len(bytes.TrimSpace(rest)) > 0 {
		return nil, fmt.Errorf("keys: %s: not one PKCS#8 PEM block", file)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		// The cause could contain key bytes.
		return nil, fmt.Errorf("keys: %s: unreadable private key", file)
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || key.Curve != curve {
		return nil, fmt.Errorf("keys: %s: not a %s key", file, curve.Params().Name)
	}
	return key, nil
}

// Secret returns the 32 bytes with that name (file <name>.secret), and creates them on first use.
func (d *Dir) Secret(name string) ([]byte, error) {
	secret, err := d.ExistingSecret(name)
	if !errors.Is(err, fs.ErrNotExist) {
		return secret, err
	}
	if err := d.createSecret(name); err != nil {
		return nil, err
	}
	return d.ExistingSecret(name)
}

// ExistingSecret is Secret, but never creates one. The error wraps fs.ErrNotExist if there is none.
func (d *Dir) ExistingSecret(name string) ([]byte, error) {
	file := name + ".secret"
	data, err := d.Read(file)
	if err != nil {
		return nil, err
	}
	size := len(data)
	data, err = d.protection.open(file, data)
	if errors.Is(err, ErrNotProtected) && size != SecretSize {
		return nil, fmt.Errorf(
			"keys: %s: %d bytes, which are neither a secret nor all of an encrypted one", file, size,
		)
	}
	if err != nil {
		return nil, err
	}
	if len(data) != SecretSize {
		return nil, fmt.Errorf("keys: %s: %d bytes instead of %d", file, len(data), SecretSize)
	}
	return data, nil
}

// createSecret creates a secret, unless another process has created it first.
func (d *Dir) createSecret(name string) error {
	file := name + ".secret"
	fresh := make([]byte, SecretSize)
	if _, err := io.ReadFull(d.rand, fresh); err != nil {
		return fmt.Errorf("keys: %s: %w", file, err)
	}
	text, err := d.protect(file, fresh)
	if err != nil {
		return err
	}
	_, err = d.Create(file, text)
	return err
}
