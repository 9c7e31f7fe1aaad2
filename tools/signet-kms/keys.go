package main

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"sync"

	"go.step.sm/crypto/kms"
	"go.step.sm/crypto/kms/apiv1"
	_ "go.step.sm/crypto/kms/awskms"
	_ "go.step.sm/crypto/kms/azurekms"
	_ "go.step.sm/crypto/kms/cloudkms"
	_ "go.step.sm/crypto/kms/tpmkms"
	"go.step.sm/crypto/kms/uri"
)

// Keys are the calls. Other calls than Open may be concurrent. A record is the name by which the
// service of the keys finds one.
type Keys struct {
	manager    apiv1.KeyManager
	scheme     string
	keyRing    string   // where new keys are made; cloudkms only
	decryption string   // name of the key that decrypts; empty if there is none
	signers    sync.Map // crypto.Signer by record
}

// Open opens what a URI names. The attributes are those of go.step.sm/crypto/kms, and
//
//	decryption-key=NAME    an RSA key for Recipient and Decrypt (awskms, cloudkms)
//	key-ring=RESOURCE      the key ring of new keys (cloudkms)
func (k *Keys) Open(text string, _ *struct{}) error {
	u, err := uri.Parse(text)
	if err != nil {
		return err
	}
	k.scheme, k.keyRing, k.decryption = u.Scheme, u.Get("key-ring"), u.Get("decryption-key")
	switch k.scheme {
	case "awskms", "azurekms", "tpmkms":
	case "cloudkms":
		if k.keyRing == "" {
			return errors.New("key-ring is needed: projects/…/locations/…/keyRings/…")
		}
	default:
		return fmt.Errorf("the scheme %q is not supported", k.scheme)
	}
	k.manager, err = kms.New(context.Background(), apiv1.Options{URI: text})
	if err != nil {
		return err
	}
	if _, ok := k.manager.(apiv1.Decrypter); k.decryption != "" && !ok {
		return fmt.Errorf("decryption-key: %s has no keys that decrypt", k.scheme)
	}
	return nil
}

// NewSigner makes an EC key on the curve P-256 or P-384.
func (k *Keys) NewSigner(curve string, record *string) error {
	algorithm, ok := map[string]apiv1.SignatureAlgorithm{
		"P-256": apiv1.ECDSAWithSHA256, "P-384": apiv1.ECDSAWithSHA384,
	}[curve]
	if !ok {
		return fmt.Errorf("the curve %q is not supported", curve)
	}
	name := "signet-" + strings.ToLower(rand.Text())
	switch k.scheme {
	case "cloudkms":
		name = k.keyRing + "/cryptoKeys/" + name
	case "azurekms", "tpmkms":
		name = k.scheme + ":name=" + name
	}
	made, err := k.manager.CreateKey(
		&apiv1.CreateKeyRequest{Name: name, SignatureAlgorithm: algorithm},
	)
	if err != nil {
		return err
	}
	*record = made.Name
	return nil
}

func (k *Keys) signer(record string) (crypto.Signer, error) {
	if s, ok := k.signers.Load(record); ok {
		return s.(crypto.Signer), nil
	}
	s, err := k.manager.CreateSigner(&apiv1.CreateSignerRequest{SigningKey: record})
	if err != nil {
		return nil, err
	}
	if _, ok := s.Public().(*ecdsa.PublicKey); !ok {
		return nil, fmt.Errorf("the key is a %T", s.Public())
	}
	k.signers.Store(record, s)
	return s, nil
}

// Public returns the public key of a record as SubjectPublicKeyInfo.
func (k *Keys) Public(record string, der *[]byte) error {
	s, err := k.signer(record)
	if err != nil {
		return err
	}
	*der, err = x509.MarshalPKIXPublicKey(s.Public())
	return err
}

// Check looks for a public key, and not in memory. An empty record checks nothing.
func (k *Keys) Check(record string, _ *struct{}) error {
	if record == "" {
		return nil
	}
	_, err := k.manager.GetPublicKey(&apiv1.GetPublicKeyRequest{Name: record})
	return err
}

// Digest is what Keys.Sign signs.
type Digest struct {
	Record string
	Digest []byte
	Hash   crypto.Hash // by which the digest was made, as Go numbers it
}

// Sign returns an ECDSA signature in ASN.1.
func (k *Keys) Sign(d Digest, signature *[]byte) error {
	s, err := k.signer(d.Record)
	if err != nil {
		return err
	}
	*signature, err = s.Sign(rand.Reader, d.Digest, d.Hash)
	return err
}

// Discard deletes a key that NewSigner made, if the service of the keys can.
func (k *Keys) Discard(record string, _ *struct{}) error {
	deleter, ok := k.manager.(interface {
		DeleteKey(*apiv1.DeleteKeyRequest) error
	})
	if !ok {
		return nil
	}
	k.signers.Delete(record)
	return deleter.DeleteKey(&apiv1.DeleteKeyRequest{Name: record})
}

func (k *Keys) decrypter() (crypto.Decrypter, error) {
	d, ok := k.manager.(apiv1.Decrypter)
	if !ok || k.decryption == "" {
		return nil, errors.New("no decryption-key is set")
	}
	return d.CreateDecrypter(&apiv1.CreateDecrypterRequest{DecryptionKey: k.decryption})
}

// Recipient returns the public part of the key that decrypts as SubjectPublicKeyInfo.
func (k *Keys) Recipient(_ struct{}, der *[]byte) error {
	d, err := k.decrypter()
	if err != nil {
		return err
	}
	*der, err = x509.MarshalPKIXPublicKey(d.Public())
	return err
}

// Decrypt decrypts what was encrypted for Recipient with RSA-OAEP and SHA-256.
func (k *Keys) Decrypt(ciphertext []byte, text *[]byte) error {
	d, err := k.decrypter()
	if err != nil {
		return err
	}
	*text, err = d.Decrypt(rand.Reader, ciphertext, &rsa.OAEPOptions{Hash: crypto.SHA256})
	return err
}
