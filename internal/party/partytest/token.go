package partytest

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"maps"

	"github.com/google/uuid"

	"github.com/signet-sign/signet/internal/token"
)

// Draft is a token before it is signed. Values may be json.RawMessage to fix their JSON text.
type Draft struct {
	Header map[string]any
	Claims map[string]any
	Key    Key
}

// Edit changes a draft.
type Edit func(*Draft)

// Claim sets a claim.
func Claim(name string, v any) Edit { return func(d *Draft) { d.Claims[name] = v } }

// Claims sets several claims.
func Claims(claims map[string]any) Edit { return func(d *Draft) { maps.Copy(d.Claims, claims) } }

// NoClaim removes a claim.
func NoClaim(name string) Edit { return func(d *Draft) { delete(d.Claims, name) } }

// Header sets a member of the JOSE header.
func Header(name string, v any) Edit { return func(d *Draft) { d.Header[name] = v } }

// NoHeader removes a member of the JOSE header.
func NoHeader(name string) Edit { return func(d *Draft) { delete(d.Header, name) } }

// Alg uses the party's key for ES384 or ES512 instead of the one for ES256.
func (p *Party) Alg(alg string) Edit {
	return func(d *Draft) {
		d.Key = p.keys[alg]
		d.Header["alg"], d.Header["kid"] = alg, d.Key.Kid
	}
}

// Draft returns a valid token for the call, changed by edits. An initiate token asks for one
// signature on page 1. Result and cancel tokens require the edits Claim("exchange_code", ...) and
// Claim("request_id", ...).
func (p *Party) Draft(call token.Call, edits ...Edit) *Draft {
	now := p.Now().Unix()
	key := p.keys["ES256"]
	d := &Draft{
		Header: map[string]any{"alg": key.Alg, "kid": key.Kid, "typ": "JWT"},
		Claims: map[string]any{"iat": now, "exp": now + 120},
		Key:    key,
	}
	switch call {
	case token.Initiate:
		d.Claims["client_id"] = p.ClientID
		d.Claims["jti"] = uuid.NewString()
		d.Claims["doc_name"] = "Agreement.pdf"
		d.Claims["sign_locations"] = []any{map[string]any{"page": 1, "x": 0.1, "y": 0.1}}
	case token.Result:
		d.Claims["jti"] = uuid.NewString()
		d.Claims["exchange_code"] = uuid.NewString()
	case token.Cancel:
		d.Claims["client_id"] = p.ClientID
		d.Claims["request_id"] = "signv3-" + uuid.Must(uuid.NewV7()).String()
	}
	for _, edit := range edits {
		edit(d)
	}
	return d
}

// Token signs a draft. It panics on claims that JSON cannot hold.
func (p *Party) Token(call token.Call, edits ...Edit) string {
	d := p.Draft(call, edits...)
	return d.Key.Sign(marshal(d.Header), marshal(d.Claims))
}

// Sign makes a compact JWS of exactly these texts with the key and its algorithm, also if the
// header names another one.
func (k Key) Sign(header, payload []byte) string {
	input := SigningInput(header, payload)
	return input + "." + base64.RawURLEncoding.EncodeToString(k.Signature(input))
}

// SigningInput returns the text that a compact JWS signs.
func SigningInput(header, payload []byte) string {
	return base64.RawURLEncoding.EncodeToString(header) +
		"." + base64.RawURLEncoding.EncodeToString(payload)
}

// Signature signs the input as JOSE does: r and s, each of the length of the curve's order (RFC
// 7518, section 3.4).
func (k Key) Signature(input string) []byte {
	r, s, err := ecdsa.Sign(rand.Reader, k.Private, k.Digest(input))
	if err != nil {
		panic(err) // only if there is no randomness
	}
	size := (k.Private.Curve.Params().BitSize + 7) / 8
	out := make([]byte, 2*size)
	r.FillBytes(out[:size])
	s.FillBytes(out[size:])
	return out
}

// Digest returns the hash of the input by the key's algorithm.
func (k Key) Digest(input string) []byte {
	switch k.Alg {
	case "ES384":
		sum := sha512.Sum384([]byte(input))
		return sum[:]
	case "ES512":
		sum := sha512.Sum512([]byte(input))
		return sum[:]
	default:
		sum := sha256.Sum256([]byte(input))
		return sum[:]
	}
}
