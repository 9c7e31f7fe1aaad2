package relyingparty

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// kid is that of a key of ours.
func kid(key *ecdsa.PrivateKey) string {
	public, err := key.PublicKey.Bytes()
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(public)
	return base64.RawURLEncoding.EncodeToString(sum[:6])
}

func (p *Planted) jwks(w http.ResponseWriter, r *http.Request) {
	if p.makes("JWKS behind a redirect") && r.URL.Path != "/moved" {
		http.Redirect(w, r, "/moved", http.StatusFound)
		return
	}
	if p.makes("slow JWKS") {
		time.Sleep(fetchTime + 500*time.Millisecond)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var set jose.JSONWebKeySet
	for i, key := range p.keys {
		k := jose.JSONWebKey{Key: key.Public(), KeyID: kid(key), Use: "sig"}
		switch {
		case p.makes("JWKS without use"):
			k.Use = ""
		case p.makes("JWKS for encryption"):
			k.Use = "enc"
		case p.makes("JWKS with another alg"):
			k.Algorithm = "ES384"
		case p.makes("private key in the JWKS") && i > 0: // the service does not use such a key
			k.Key = key
		case p.makes("one kid for two keys"):
			k.KeyID = kid(p.keys[0])
		}
		set.Keys = append(set.Keys, k)
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(set)
	if p.coming != nil {
		p.keys = append(p.keys, p.coming) // for the next fetch
	}
}

// Rotate is the action.
func (p *Planted) Rotate(context.Context, string) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.makes("key never rotated") {
		return "", nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", err
	}
	if p.makes("key used before it is published") {
		p.coming = key
		return kid(key), nil
	}
	p.keys = append(p.keys, key)
	if p.makes("key replaced without overlap") {
		p.keys = p.keys[len(p.keys)-1:]
	}
	return kid(key), nil
}
