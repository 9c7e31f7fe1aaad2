package rp

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// maxKeys is the most keys of one JWKS. Rotation needs two, and 64 KiB hold some hundred.
const maxKeys = 100

// key is one public key of a relying party that can verify tokens.
type key struct {
	kid    string
	curve  string // P-256, P-384 or P-521
	alg    string // the only algorithm that the party uses it with; empty: whatever fits the curve
	public *ecdsa.PublicKey
	comb   func() *comb  // made when the first token comes; may return nil
	used   *atomic.Int64 // when it last verified a token, in microseconds since 1970; 0: not since we run
}

// keySet is the usable keys of a JWKS.
type keySet struct {
	keys    []key
	ignored []string // why the other keys are of no use, for the log
}

// curves are those of docs/contract.md, 8.1.1, with the length of a coordinate in bytes (RFC 7518, section 6.2.1.2).
var curves = []struct {
	name   string
	size   int
	params elliptic.Curve
}{
	{"P-256", 32, elliptic.P256()},
	{"P-384", 48, elliptic.P384()},
	{"P-521", 66, elliptic.P521()},
}

// parseKeySet reads a JWKS (RFC 7517). Keys that are malformed or made for something else are left out and do not spoil the
// others; a set without any usable key is an error.
func parseKeySet(text []byte) (*keySet, error) {
	members, err := parseDocument(text)
	if err != nil {
		return nil, fmt.Errorf("JWKS: %w", err)
	}
	list := members.get("keys")
	if list.kind() != '[' {
		return nil, errors.New("JWKS: there is no array keys")
	}
	items := list.items()
	if len(items) > maxKeys {
		return nil, fmt.Errorf("JWKS: more than %d keys", maxKeys)
	}
	set := new(keySet)
	for i, item := range items {
		k, err := parseKey(item)
		if err != nil {
			set.ignored = append(set.ignored, "keys["+strconv.Itoa(i)+"]: "+err.Error())
			continue
		}
		if !slices.ContainsFunc(set.keys, k.same) { // docs/contract.md, 14.33
			set.keys = append(set.keys, *k)
		}
	}
	if len(set.keys) == 0 {
		return nil, fmt.Errorf("JWKS: no usable key%s", set.remarks())
	}
	return set, nil
}

// parseKey reads one JWK (RFC 7517, section 4). Only what makes a public key is kept.
func parseKey(v value) (*key, error) {
	if v.kind() != '{' {
		return nil, errNotObject
	}
	jwk, err := v.members()
	if err != nil {
		return nil, err
	}
	if kty, _ := jwk.get("kty").text(); kty != "EC" {
		return nil, errors.New("kty is not EC")
	}
	if jwk.has("d") {
		// Whoever can read the set can sign with this key, so its signatures prove nothing.
		return nil, errors.New("the private key is published; withdraw it")
	}
	if use := jwk.get("use"); use != nil {
		if s, _ := use.text(); s != "sig" {
			return nil, errors.New("use is not sig")
		}
	}
	if ops := jwk.get("key_ops"); ops != nil && !mayVerify(ops) {
		return nil, errors.New("key_ops has no verify")
	}
	k := &key{used: new(atomic.Int64)}
	if k.kid, _ = jwk.get("kid").text(); k.kid == "" || len(k.kid) > maxKid {
		return nil, errors.New("kid is missing, too long or not a string")
	}
	if alg := jwk.get("alg"); alg != nil {
		if k.alg, _ = alg.text(); k.alg == "" {
			return nil, errors.New("alg is not a string")
		}
	}
	crv, _ := jwk.get("crv").text()
	for _, curve := range curves {
		if curve.name != crv {
			continue
		}
		x, okX := coordinate(jwk.get("x"), curve.size)
		y, okY := coordinate(jwk.get("y"), curve.size)
		if !okX || !okY {
			return nil, fmt.Errorf("x or y is not a coordinate of %d bytes in base64url", curve.size)
		}
		point := append(append([]byte{4}, x...), y...) // SEC 1, section 2.3.3
		if k.public, err = ecdsa.ParseUncompressedPublicKey(curve.params, point); err != nil {
			return nil, errors.New("x and y are not a point on the curve")
		}
		k.curve = crv
		k.comb = sync.OnceValue(func() *comb { return newComb(k.public) })
		return k, nil
	}
	return nil, errors.New("crv is not P-256, P-384 or P-521")
}

// same reports whether other is the same key for the same use.
func (k *key) same(other key) bool {
	return k.kid == other.kid && k.alg == other.alg && k.public.Equal(other.public)
}

// verify reports whether r and s are the key's signature of a digest, which its algorithm's hash made.
func (k *key) verify(digest []byte, r, s *big.Int) bool {
	if c := k.comb(); c != nil {
		return c.verify(digest, r, s)
	}
	return ecdsa.Verify(k.public, digest, r, s)
}

func mayVerify(ops value) bool {
	if ops.kind() != '[' {
		return false
	}
	for _, op := range ops.items() {
		if s, _ := op.text(); s == "verify" {
			return true
		}
	}
	return false
}

func coordinate(v value, size int) ([]byte, bool) {
	s, _ := v.text()
	b, err := decodeBase64URL(s)
	return b, err == nil && len(b) == size
}

// count returns how many usable keys have this kid.
func (s *keySet) count(kid string) int {
	n := 0
	for i := range s.keys {
		if s.keys[i].kid == kid {
			n++
		}
	}
	return n
}

// follow takes over what was learnt of keys that an older set had too: when they were used, and their multiples.
func (s *keySet) follow(before *keySet) {
	if before == nil {
		return
	}
	for i := range s.keys {
		for j := range before.keys {
			if s.keys[i].kid == before.keys[j].kid && s.keys[i].public.Equal(before.keys[j].public) {
				s.keys[i].used, s.keys[i].comb = before.keys[j].used, before.keys[j].comb
			}
		}
	}
}

// describe lists the keys for people.
func (s *keySet) describe() (list []KeyInfo) {
	for _, k := range s.keys {
		info := KeyInfo{Kid: k.kid, Curve: k.curve, Alg: k.alg, Twice: s.count(k.kid) > 1}
		if used := k.used.Load(); used != 0 {
			info.LastUsed = time.UnixMicro(used)
		}
		list = append(list, info)
	}
	return list
}

// find returns the key of a token. Its errors are causes.
func (s *keySet) find(t *token) (*key, error) {
	switch s.count(t.kid) {
	case 0:
		return nil, fmt.Errorf("key: the JWKS has no usable key with the token's kid%s", s.remarks())
	case 1:
	default:
		return nil, errors.New("key: the JWKS has several keys with the token's kid")
	}
	var k *key
	for i := range s.keys {
		if s.keys[i].kid == t.kid {
			k = &s.keys[i]
		}
	}
	if k.curve != t.alg.curve {
		return nil, fmt.Errorf("key: %s needs a key on %s, this one is on %s", t.alg.name, t.alg.curve, k.curve)
	}
	if k.alg != "" && k.alg != t.alg.name {
		return nil, fmt.Errorf("key: its alg is not the token's alg %s", t.alg.name)
	}
	return k, nil
}

// remarks lists why keys were ignored, for the end of a message.
func (s *keySet) remarks() string {
	const most = 5
	switch n := len(s.ignored); {
	case n == 0:
		return ""
	case n > most:
		return fmt.Sprintf(" (ignored %s; and %d more)", strings.Join(s.ignored[:most], "; "), n-most)
	default:
		return fmt.Sprintf(" (ignored %s)", strings.Join(s.ignored, "; "))
	}
}
