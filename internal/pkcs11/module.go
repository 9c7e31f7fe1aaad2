//go:build pkcs11

package pkcs11

import (
	"crypto"
	"crypto/cipher"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/ThalesGroup/crypto11"

	"github.com/signet-sign/signet/internal/keydir"
)

// label is the CKA_LABEL of all objects that this package makes.
const label = "signet"

// idSize is the length in bytes of CKA_ID, which is random, and is the record of a key.
const idSize = 16

const built = true

// reopenWait is the least time between two attempts to open a token that is away.
const reopenWait = time.Second

// ErrAway is the error while the token does not answer.
var ErrAway = errors.New("the token is away")

var errMissing = errors.New(
	"the token does not have the key: it is another token, or it was initialised again",
)

// module is a token that is logged in. After an error it is opened again: of a token that was
// pulled out, sessions and handles of objects are not valid any more.
type module struct {
	config crypto11.Config

	mu     sync.RWMutex
	token  *crypto11.Context // nil while it is away
	tried  time.Time         // the last opening
	found  sync.Map          // crypto11.Signer by record
	closed bool
}

// Open loads the C library that a URI names (RFC 7512: token or serial, and module-path) and logs
// in to the token with the user's PIN. The module is an [io.Closer] too.
func Open(uri, pin string) (keydir.Module, error) {
	t, err := parse(uri)
	if err != nil {
		return nil, err
	}
	m := &module{config: crypto11.Config{
		Path: t.library, TokenLabel: t.label, TokenSerial: t.serial, Pin: pin,
	}}
	config := m.config
	m.token, err = crypto11.Configure(&config)
	if err != nil {
		return nil, err
	}
	return m, nil
}

// Close logs out.
func (m *module) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	if m.token == nil {
		return nil
	}
	return m.token.Close()
}

// use calls f with the token. After an error it opens the token again, and calls f once more.
func (m *module) use(f func(*crypto11.Context) error) error {
	m.mu.RLock()
	used := m.token
	err := ErrAway
	if used != nil {
		err = f(used)
	}
	m.mu.RUnlock()
	if err == nil {
		return nil
	}
	if again := m.reopen(used); again != nil {
		if errors.Is(again, ErrAway) {
			return again
		}
		return err
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.token == nil {
		return ErrAway
	}
	return f(m.token)
}

var errTried = errors.New("it was opened again a moment ago")

// reopen opens the token again, unless another call has done so since used failed.
func (m *module) reopen(used *crypto11.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch now := time.Now(); {
	case m.closed || m.token != used:
		return nil
	case now.Sub(m.tried) < reopenWait && used == nil:
		return ErrAway
	case now.Sub(m.tried) < reopenWait:
		return errTried
	default:
		m.tried = now
	}
	if used != nil {
		_ = used.Close() // of a token that may not be there
		m.token = nil
		m.found.Clear()
	}
	config := m.config
	token, err := crypto11.Configure(&config)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrAway, err)
	}
	m.token = token
	return nil
}

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
	return id, m.use(func(token *crypto11.Context) error {
		_, err := token.GenerateSecretKeyWithLabel(id, []byte(label), 256, crypto11.CipherAES)
		return err
	})
}

// Sealer implements [keydir.Provider].
func (m *module) Sealer(record []byte) (keydir.Sealer, error) {
	s := sealer{m, record}
	return s, s.use(func(cipher.AEAD) error { return nil })
}

// sealer encrypts with AES-256-GCM in the token. A random nonce precedes what is sealed.
type sealer struct {
	module *module
	record []byte
}

// use calls f with the cipher.
func (s sealer) use(f func(cipher.AEAD) error) error {
	return s.module.use(func(token *crypto11.Context) (err error) {
		found, err := token.FindKeys(s.record, nil)
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return errMissing
		}
		aead, err := found[0].NewGCM()
		if err != nil {
			return err
		}
		defer func() { // crypto11 panics with the token's error
			if failed := recover(); failed != nil {
				err = fmt.Errorf("the token does not encrypt: %v", failed)
			}
		}()
		return f(aead)
	})
}

func (s sealer) Seal(secret, about []byte) (sealed []byte, err error) {
	err = s.use(func(aead cipher.AEAD) error {
		nonce := make([]byte, aead.NonceSize())
		if _, err := rand.Read(nonce); err != nil {
			return err
		}
		sealed = aead.Seal(nonce, nonce, secret, about)
		return nil
	})
	return sealed, err
}

func (s sealer) Open(sealed, about []byte) (secret []byte, err error) {
	err = s.use(func(aead cipher.AEAD) (err error) {
		n := aead.NonceSize()
		if len(sealed) < n {
			return errors.New("too short")
		}
		secret, err = aead.Open(nil, sealed[:n], sealed[n:], about)
		return err
	})
	return secret, err
}

// NewSigner makes a key that the token does not export.
func (m *module) NewSigner(curve elliptic.Curve) ([]byte, error) {
	id, err := newID()
	if err != nil {
		return nil, err
	}
	return id, m.use(func(token *crypto11.Context) error {
		_, err := token.GenerateECDSAKeyPairWithLabel(id, []byte(label), curve)
		return err
	})
}

func find(token *crypto11.Context, record []byte) (crypto11.Signer, error) {
	found, err := token.FindKeyPairs(record, nil)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, errMissing
	}
	return found[0], nil
}

// Signer implements [keydir.Module].
func (m *module) Signer(record []byte) (crypto.Signer, error) {
	s := &signer{module: m, record: record}
	return s, m.use(func(token *crypto11.Context) error {
		key, err := find(token, record)
		if err == nil {
			s.public = key.Public()
			m.found.Store(string(record), key)
		}
		return err
	})
}

// signer is a key, whose handle changes when the token is opened again.
type signer struct {
	module *module
	record []byte
	public crypto.PublicKey
}

func (s *signer) Public() crypto.PublicKey { return s.public }

func (s *signer) Sign(
	rand io.Reader, digest []byte, opts crypto.SignerOpts,
) (sig []byte, err error) {
	err = s.module.use(func(token *crypto11.Context) error {
		var key crypto.Signer
		if known, ok := s.module.found.Load(string(s.record)); ok {
			key = known.(crypto.Signer)
		} else {
			found, err := find(token, s.record)
			if err != nil {
				return err
			}
			key = found
			s.module.found.Store(string(s.record), found)
		}
		var err error
		sig, err = key.Sign(rand, digest, opts)
		return err
	})
	return sig, err
}

// Discard implements [keydir.Module].
func (m *module) Discard(record []byte) error {
	m.found.Delete(string(record))
	return m.use(func(token *crypto11.Context) error {
		key, err := find(token, record)
		if err != nil {
			return err
		}
		return key.Delete()
	})
}
