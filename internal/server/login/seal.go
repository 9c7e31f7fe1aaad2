package login

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"slices"
)

// sealer encrypts and authenticates the contents of cookies (AES-256-GCM, random nonce). It also
// authenticates their purpose, so that a cookie is not accepted as one of another kind. Cookies are
// read by later releases: contents of a new form get a new purpose.
type sealer struct{ aead cipher.AEAD }

func newSealer(secret []byte) (sealer, error) {
	block, err := aes.NewCipher(secret)
	if err != nil {
		return sealer{}, err
	}
	aead, err := cipher.NewGCM(block)
	return sealer{aead}, err
}

func (s sealer) seal(purpose string, v any) string {
	plain, err := json.Marshal(v)
	if err != nil {
		panic(err) // own types only
	}
	nonce := make([]byte, s.aead.NonceSize())
	rand.Read(nonce)
	return base64.RawURLEncoding.EncodeToString(s.aead.Seal(nonce, nonce, plain, []byte(purpose)))
}

func (s sealer) open(text, purpose string, v any) bool {
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(b) < s.aead.NonceSize() {
		return false
	}
	n := s.aead.NonceSize()
	plain, err := s.aead.Open(nil, b[:n], b[n:], []byte(purpose))
	return err == nil && json.Unmarshal(plain, v) == nil
}

// sealers seals with the first of its secrets, and opens with all.
type sealers func() [][]byte

func (s sealers) seal(purpose string, v any) string {
	one, err := newSealer(s()[0])
	if err != nil {
		panic(err) // New has checked the length
	}
	return one.seal(purpose, v)
}

func (s sealers) open(text, purpose string, v any) bool {
	return slices.ContainsFunc(s(), func(secret []byte) bool {
		one, err := newSealer(secret)
		return err == nil && one.open(text, purpose, v)
	})
}

// Seal seals v for a cookie with a purpose of the edges'. Open opens it.
func (l *Login) Seal(purpose string, v any) string { return l.seal.seal("edge "+purpose, v) }

// Open decodes text that Seal made for purpose into v, and reports whether it could.
func (l *Login) Open(text, purpose string, v any) bool {
	return l.seal.open(text, "edge "+purpose, v)
}
