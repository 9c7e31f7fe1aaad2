// Package kms keeps private keys in the key management service of a cloud, or in the TPM of the
// machine. [Open] returns them as a [keydir.Module].
//
// The SDKs of the clouds are in a program of its own, tools/signet-kms, which has a go.mod of its
// own: with go.step.sm/crypto/kms the module graph has nearly 700 modules, which relying parties
// that import the client would get, too. The package starts the program, makes JSON-RPC calls on
// its standard input, and starts it again after it has ended.
package kms

import (
	"cmp"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/signet-sign/signet/internal/keydir"
)

// Schemes are the schemes of URIs.
var Schemes = []string{"awskms", "cloudkms", "azurekms", "tpmkms"}

// ErrAbsent is the error if the program signet-kms is missing.
var ErrAbsent = errors.New("the program " + program + " is neither beside signet nor on the PATH")

// Check returns an error for a URI and password that [Open] would refuse. It does not call the
// service of the keys.
func Check(uri, password string) error {
	scheme, rest, _ := strings.Cut(uri, ":")
	switch {
	case !slices.Contains(Schemes, scheme):
		return fmt.Errorf("the scheme must be one of %s", strings.Join(Schemes, ", "))
	case strings.Contains(rest, "secret="):
		return errors.New("a secret in the URI would be logged; set it in the environment")
	case decrypts(uri) && password != "":
		return errors.New("either decryption-key or keys_password encrypts secrets, not both")
	case !decrypts(uri) && len(password) < keydir.MinPassword:
		return fmt.Errorf(
			"keys_password is needed to encrypt secrets, with at least %d bytes; "+
				"with awskms and cloudkms, decryption-key may name a key instead",
			keydir.MinPassword,
		)
	}
	_, err := find()
	return err
}

// decrypts reports whether a URI names the key that decrypts the key of secrets.
func decrypts(uri string) bool {
	return strings.Contains(uri, ":decryption-key=") || strings.Contains(uri, ";decryption-key=")
}

// Module has the keys that a URI names. It is an [io.Closer] too.
type Module struct {
	uri      string
	password *keydir.Password // nil if the URI has a decryption-key
	agent    agent

	mu     sync.Mutex
	public map[string]*ecdsa.PublicKey // by record

	checking sync.Mutex
	checked  time.Time // of the last check
	outcome  error
}

// checkAge is how long the outcome of a check is returned again. A call may cost money.
const checkAge = 15 * time.Second

// Check asks the service of the keys for a public key that is known already.
func (m *Module) Check() error {
	m.checking.Lock()
	defer m.checking.Unlock()
	age := checkAge
	if m.outcome != nil {
		age = time.Second
	}
	if time.Since(m.checked) < age {
		return m.outcome
	}
	m.mu.Lock()
	record := ""
	for record = range m.public {
		break
	}
	m.mu.Unlock()
	m.outcome = m.agent.call("Check", record, &struct{}{})
	m.checked = time.Now()
	return m.outcome
}

// Open starts signet-kms for a URI of go.step.sm/crypto/kms with the scheme awskms, cloudkms,
// azurekms or tpmkms. Secrets are encrypted under the RSA key that the attribute decryption-key
// names, or under the password.
func Open(uri, password string) (keydir.Module, error) {
	if err := Check(uri, password); err != nil {
		return nil, err
	}
	m := &Module{uri: uri, agent: agent{uri: uri}, public: map[string]*ecdsa.PublicKey{}}
	if password != "" {
		var err error
		if m.password, err = keydir.NewPassword(password, rand.Reader); err != nil {
			return nil, err
		}
	}
	if err := m.agent.start(); err != nil {
		return nil, err
	}
	return m, nil
}

// Close ends the program.
func (m *Module) Close() error { return m.agent.Close() }

// Name implements [keydir.Provider].
func (m *Module) Name() string {
	scheme, _, _ := strings.Cut(m.uri, ":")
	return scheme
}

// Password returns the password under which secrets are encrypted; nil if there is none.
func (m *Module) Password() *keydir.Password { return m.password }

// NewSealer implements [keydir.Provider].
func (m *Module) NewSealer() ([]byte, error) {
	if m.password != nil {
		return m.password.NewSealer()
	}
	var der []byte
	if err := m.agent.call("Recipient", struct{}{}, &der); err != nil {
		return nil, err
	}
	public, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, err
	}
	to, ok := public.(*rsa.PublicKey)
	if !ok {
		return nil, errors.New("decryption-key is not an RSA key")
	}
	key := make([]byte, keydir.SecretSize)
	if _, err := rand.Read(key); err != nil {
		return nil, err
	}
	return rsa.EncryptOAEP(sha256.New(), rand.Reader, to, key, nil)
}

// Sealer implements [keydir.Provider]. The key of secrets is in the memory of this process from
// then on.
func (m *Module) Sealer(record []byte) (keydir.Sealer, error) {
	if m.password != nil {
		return m.password.Sealer(record)
	}
	var key []byte
	if err := m.agent.call("Decrypt", record, &key); err != nil {
		return nil, err
	}
	return keydir.NewSealer(key)
}

// NewSigner implements [keydir.Module].
func (m *Module) NewSigner(curve elliptic.Curve) ([]byte, error) {
	var record string
	err := m.agent.call("NewSigner", curve.Params().Name, &record)
	return []byte(record), err
}

// Discard implements [keydir.Module]. The clouds' keys stay, without use.
func (m *Module) Discard(record []byte) error {
	return m.agent.call("Discard", string(record), &struct{}{})
}

// Signer implements [keydir.Module]. It asks for the public key once.
func (m *Module) Signer(record []byte) (crypto.Signer, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	name := string(record)
	if m.public[name] == nil {
		var der []byte
		if err := m.agent.call("Public", name, &der); err != nil {
			return nil, err
		}
		key, err := x509.ParsePKIXPublicKey(der)
		public, ok := key.(*ecdsa.PublicKey)
		if !ok {
			return nil, cmp.Or(err, fmt.Errorf("the key is a %T", key))
		}
		m.public[name] = public
	}
	return &signer{m, name, m.public[name]}, nil
}

// signer is one key.
type signer struct {
	module *Module
	record string
	public *ecdsa.PublicKey
}

func (s *signer) Public() crypto.PublicKey { return s.public }

// digest is the argument of Keys.Sign.
type digest struct {
	Record string
	Digest []byte
	Hash   crypto.Hash
}

// Sign returns a signature that it has verified, since it comes from outside.
func (s *signer) Sign(_ io.Reader, d []byte, opts crypto.SignerOpts) (sig []byte, err error) {
	err = s.module.agent.call("Sign", digest{s.record, d, opts.HashFunc()}, &sig)
	if err == nil && !ecdsa.VerifyASN1(s.public, d, sig) {
		err = errors.New("kms: the signature of the key management service is not valid")
	}
	return sig, err
}
