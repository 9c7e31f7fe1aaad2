//go:build pkcs11

package pkcs11

import (
	"crypto"
	"crypto/cipher"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/ThalesGroup/crypto11"

	"github.com/signet-sign/signet/internal/keydir"
)

// label is the CKA_LABEL of all objects that this package makes.
const label = "signet"

// idSize is the length in bytes of CKA_ID, which is random, and is the record of a key.
const idSize = 16

const built = true

// module is a token that is logged in.
type module struct{ token *crypto11.Context }

// Open loads the C library that a URI names (RFC 7512: token or serial, and module-path) and logs
// in to the token with the user's PIN. The module is an [io.Closer] too.
func Open(uri, pin string) (keydir.Module, error) {
	t, err := parse(uri)
	if err != nil {
		return nil, err
	}
	token, err := crypto11.Configure(&crypto11.Config{
		Path: t.library, TokenLabel: t.label, TokenSerial: t.serial, Pin: pin,
	})
	if err != nil {
		return nil, err
	}
	return &module{token}, nil
}

// Close logs out.
func (m *module) Close() error { return m.token.Close() }

// Name implements [keydir.Provider].
func (*module) Name() string { return "pkcs11" }

func newID() ([]byte, error) {
	id := make([]byte, idSize)
	_, err := rand.Read(id)
	return id, err
}

// NewSealer makes an AES-256 key that the token does not export.
func (m *module) NewSealer() ([]byte, error) {
	id, err := newID()
	if err != nil {
		return nil, err
	}
	_, err = m.token.GenerateSecretKeyWithLabel(id, []byte(label), 256, crypto11.CipherAES)
	return id, err
}

// Sealer implements [keydir.Provider].
func (m *module) Sealer(record []byte) (keydir.Sealer, error) {
	found, err := m.token.FindKeys(record, nil)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, errMissing
	}
	aead, err := found[0].NewGCM()
	return sealer{aead}, err
}

var errMissing = errors.New(
	"the token does not have the key: it is another token, or it was initialised again",
)

// sealer encrypts with AES-256-GCM in the token. A random nonce precedes what is sealed.
type sealer struct{ aead cipher.AEAD }

func (s sealer) Seal(secret, about []byte) (sealed []byte, err error) {
	nonce := make([]byte, s.aead.NonceSize())
	if _, err := rand.Read(nonce); err != nil {
		return nil, err
	}
	defer func() { // crypto11 panics with the token's error
		if failed := recover(); failed != nil {
			sealed, err = nil, fmt.Errorf("the token does not encrypt: %v", failed)
		}
	}()
	return s.aead.Seal(nonce, nonce, secret, about), nil
}

func (s sealer) Open(sealed, about []byte) ([]byte, error) {
	n := s.aead.NonceSize()
	if len(sealed) < n {
		return nil, errors.New("too short")
	}
	return s.aead.Open(nil, sealed[:n], sealed[n:], about)
}

// NewSigner makes a key that the token does not export.
func (m *module) NewSigner(curve elliptic.Curve) ([]byte, error) {
	id, err := newID()
	if err != nil {
		return nil, err
	}
	_, err = m.token.GenerateECDSAKeyPairWithLabel(id, []byte(label), curve)
	return id, err
}

func (m *module) find(record []byte) (crypto11.Signer, error) {
	found, err := m.token.FindKeyPairs(record, nil)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, errMissing
	}
	return found[0], nil
}

// Signer implements [keydir.Module].
func (m *module) Signer(record []byte) (crypto.Signer, error) { return m.find(record) }

// Discard implements [keydir.Module].
func (m *module) Discard(record []byte) error {
	key, err := m.find(record)
	if err != nil {
		return err
	}
	return key.Delete()
}
