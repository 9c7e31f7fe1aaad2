package keydir

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"
)

// passwordWork is the binary logarithm of scrypt's cost. It needs 64 MiB of memory at each start,
// where age's default needs 256 MiB. A password of [MinPassword] bytes makes up for it.
const passwordWork = 16

// MinPassword is the least length of a password in bytes.
const MinPassword = 16

// ErrPassword is the error for a password that does not open the keys.
var ErrPassword = errors.New("the password is another one")

// Password is the [Provider] that encrypts under a random key, which is stored encrypted under a
// password (age, with scrypt). So another password needs one file to be written.
type Password struct {
	password string
	rand     io.Reader
}

// NewPassword returns the provider with a password.
func NewPassword(password string, rand io.Reader) (*Password, error) {
	if len(password) < MinPassword {
		return nil, fmt.Errorf("the password must have at least %d bytes", MinPassword)
	}
	return &Password{password, rand}, nil
}

// Name implements [Provider].
func (*Password) Name() string { return "password" }

// NewSealer implements [Provider].
func (p *Password) NewSealer() ([]byte, error) {
	key := make([]byte, SecretSize)
	if _, err := io.ReadFull(p.rand, key); err != nil {
		return nil, err
	}
	return p.encrypt(key)
}

func (p *Password) encrypt(key []byte) ([]byte, error) {
	to, err := age.NewScryptRecipient(p.password)
	if err != nil {
		return nil, err
	}
	to.SetWorkFactor(passwordWork)
	var record bytes.Buffer
	w, err := age.Encrypt(&record, to)
	if err != nil {
		return nil, err
	}
	_, err = w.Write(key)
	if err = errors.Join(err, w.Close()); err != nil {
		return nil, err
	}
	return record.Bytes(), nil
}

func (p *Password) decrypt(record []byte) ([]byte, error) {
	by, err := age.NewScryptIdentity(p.password)
	if err != nil {
		return nil, err
	}
	by.SetMaxWorkFactor(passwordWork)
	r, err := age.Decrypt(bytes.NewReader(record), by)
	if _, ok := errors.AsType[*age.NoIdentityMatchError](err); ok {
		return nil, ErrPassword
	}
	if err != nil {
		return nil, err
	}
	key, err := io.ReadAll(io.LimitReader(r, SecretSize+1))
	if err == nil && len(key) != SecretSize {
		err = errors.New("not a key")
	}
	return key, err
}

// Sealer implements [Provider].
func (p *Password) Sealer(record []byte) (Sealer, error) {
	key, err := p.decrypt(record)
	if err != nil {
		return nil, err
	}
	return NewSealer(key)
}

// NewSealer returns the sealer with a key of [SecretSize] bytes.
func NewSealer(key []byte) (Sealer, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	return software{aead}, err
}

// software is AES-256-GCM with random nonces, which precede what is sealed.
type software struct{ aead cipher.AEAD }

func (s software) Seal(secret, about []byte) ([]byte, error) {
	return s.aead.Seal(nil, nil, secret, about), nil
}

func (s software) Open(sealed, about []byte) ([]byte, error) {
	return s.aead.Open(nil, nil, sealed, about)
}

// ChangePassword encrypts the key of the protection under another password. Processes that run go
// on; they need the other password at their next start.
func (p *Protection) ChangePassword(to *Password) error {
	from, ok := p.provider.(*Password)
	if by, has := p.provider.(interface{ Password() *Password }); has {
		from = by.Password()
		ok = from != nil
	}
	if !ok {
		return fmt.Errorf("keys: the provider %q has no password in a file", p.provider.Name())
	}
	record, err := p.record()
	if err != nil {
		return err
	}
	key, err := from.decrypt(record)
	if err == nil {
		record, err = to.encrypt(key)
	}
	if err != nil {
		return fmt.Errorf("keys: %s: %w", sealingFile, err)
	}
	return p.dir.Replace(sealingFile, encodeSealing(p.provider, record))
}
