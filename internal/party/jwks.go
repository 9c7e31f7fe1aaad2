package party

import (
	"crypto/ecdsa"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/json"
)

// maxKeys is the largest number of keys in a JWKS. Rotation requires two, and 64 KiB hold several
// hundred.
const maxKeys = 100

// MaxKid is the length limit of a key id in bytes. Thumbprints have 43, UUIDs 36.
const MaxKid = 256

// Key is one public key of a relying party that can verify tokens. [Keys.Find] returns it.
type Key struct {
	Public *ecdsa.PublicKey // on P-256, P-384 or P-521

	kid string
	// the only algorithm that the party allows; empty for the one that fits the curve
	alg string
	// when it last verified a token, in microseconds since 1970; 0 for never in this process
	used *atomic.Int64
}

// MarkUsed records that the key verified a token.
func (k *Key) MarkUsed(at time.Time) { k.used.Store(at.UnixMicro()) }

func (k *Key) curve() string { return k.Public.Curve.Params().Name }

// keySet is the usable keys of a JWKS.
type keySet struct {
	keys    []Key
	ignored []string // why the other keys cannot be used, for the log

	// up to maxOthers keys that earlier sets of the party had, for the explanation of refusals
	withdrawn []Key
}

// parseKeySet parses a JWKS (RFC 7517). It ignores keys that are malformed or for another purpose.
// A set without a usable key is an error.
func parseKeySet(text []byte, requireUse bool) (*keySet, error) {
	var document struct {
		Keys []json.RawMessage `json:"keys"`
	}
	err := json.Unmarshal(text, &document)
	switch {
	case errors.As(err, new(*json.SyntaxError)):
		return nil, fmt.Errorf("JWKS: not valid JSON: %w", err)
	case errors.As(err, new(*json.UnmarshalTypeError)), err == nil && document.Keys == nil:
		return nil, errors.New("JWKS: there is no array keys")
	case err != nil:
		return nil, fmt.Errorf("JWKS: %w", err)
	case len(document.Keys) > maxKeys:
		return nil, fmt.Errorf("JWKS: more than %d keys", maxKeys)
	}
	set := new(keySet)
	for i, item := range document.Keys {
		k, err := parseKey(item, requireUse)
		if err != nil {
			set.ignored = append(set.ignored, "keys["+strconv.Itoa(i)+"]: "+reason(err))
			continue
		}
		if !slices.ContainsFunc(set.keys, k.same) { // docs/contract.md, 14.33
			set.keys = append(set.keys, k)
		}
	}
	if len(set.keys) == 0 {
		return nil, fmt.Errorf("JWKS: no usable key%s", set.remarks())
	}
	return set, nil
}

// marshal returns the usable keys as a JWK set.
func (s *keySet) marshal() ([]byte, error) {
	var set jose.JSONWebKeySet
	for i := range s.keys {
		k := &s.keys[i]
		set.Keys = append(
			set.Keys, jose.JSONWebKey{Key: k.Public, KeyID: k.kid, Algorithm: k.alg, Use: "sig"},
		)
	}
	return json.Marshal(set)
}

// reason returns why a key is ignored, in at most maxReason bytes, because errors of the libraries
// quote their input.
func reason(err error) string {
	const maxReason = 100
	if wrong := (*json.UnmarshalTypeError)(nil); errors.As(err, &wrong) {
		return fmt.Sprintf("a member is of type %s and must be of type %s", wrong.Value, wrong.Type)
	}
	text := strings.TrimPrefix(err.Error(), "go-jose/go-jose: ")
	if strings.Contains(text, "wrong length for") { // one key in 128 of PyJWT 2.6
		text += ": leading zeros belong to it (RFC 7518, 6.2.1.2)"
	}
	return strings.ToValidUTF8(text[:min(len(text), maxReason)], "")
}

// parseKey parses one JWK (RFC 7517, section 4). It keeps only the public key.
func parseKey(text []byte, requireUse bool) (Key, error) {
	var jwk jose.JSONWebKey
	if err := json.Unmarshal(text, &jwk); err != nil {
		if mistake := coordinateMistake(text); mistake != "" {
			err = errors.New(mistake)
		}
		return Key{}, err
	}
	var more struct {
		Operations []string `json:"key_ops"` // not in JSONWebKey
	}
	if err := json.Unmarshal(text, &more); err != nil {
		return Key{}, errors.New("key_ops is not an array of strings")
	}
	switch public, ok := jwk.Key.(*ecdsa.PublicKey); {
	case !ok && !jwk.IsPublic():
		// Any reader of the set can sign with this key, so its signatures prove nothing.
		return Key{}, errors.New("the private key is published; withdraw it")
	case !ok:
		return Key{}, errors.New("kty is not EC")
	case jwk.Use == "" && requireUse:
		return Key{}, errors.New("use is missing")
	case jwk.Use != "" && jwk.Use != "sig":
		return Key{}, errors.New("use is not sig")
	case more.Operations != nil && !slices.Contains(more.Operations, "verify"):
		return Key{}, errors.New("key_ops has no verify")
	case jwk.KeyID == "" || len(jwk.KeyID) > MaxKid:
		return Key{}, errors.New("kid is missing or too long")
	default:
		return Key{Public: public, kid: jwk.KeyID, alg: jwk.Algorithm, used: new(atomic.Int64)}, nil
	}
}

// same reports whether other is the same key for the same use.
func (k *Key) same(other Key) bool {
	return k.kid == other.kid && k.alg == other.alg && k.Public.Equal(other.Public)
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

// follow copies the times of last use of the keys that an older set also has, and notes those that
// only it has.
func (s *keySet) follow(before *keySet) {
	if before == nil {
		return
	}
	for i := range s.keys {
		for j := range before.keys {
			if s.keys[i].kid == before.keys[j].kid &&
				s.keys[i].Public.Equal(before.keys[j].Public) {
				s.keys[i].used = before.keys[j].used
			}
		}
	}
	for _, old := range slices.Concat(before.keys, before.withdrawn) {
		here := func(k Key) bool { return k.Public.Equal(old.Public) }
		if len(s.withdrawn) < maxOthers && !slices.ContainsFunc(s.keys, here) {
			s.withdrawn = append(s.withdrawn, old)
		}
	}
}

// describe returns the keys for diagnosis.
func (s *keySet) describe() (list []KeyInfo) {
	for i := range s.keys {
		k := &s.keys[i]
		info := KeyInfo{Kid: k.kid, Curve: k.curve(), Alg: k.alg, Twice: s.count(k.kid) > 1}
		if used := k.used.Load(); used != 0 {
			info.LastUsed = time.UnixMicro(used)
		}
		list = append(list, info)
	}
	return list
}

// curves maps each JWS algorithm to its curve (RFC 7518, section 3.4).
var curves = map[string]string{"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}

// find returns the key with this kid, if it may be used with alg. Its errors are causes.
func (s *keySet) find(kid, alg string) (*Key, error) {
	switch s.count(kid) {
	case 0:
		return nil, fmt.Errorf(
			"key: the JWKS has no usable key with the token's kid%s", s.remarks(),
		)
	case 1:
	default:
		return nil, errors.New("key: the JWKS has several keys with the token's kid")
	}
	k := &s.keys[slices.IndexFunc(s.keys, func(k Key) bool { return k.kid == kid })]
	if k.curve() != curves[alg] {
		return nil, fmt.Errorf(
			"key: %s needs a key on %s, this one is on %s", alg, curves[alg], k.curve(),
		)
	}
	if k.alg != "" && k.alg != alg {
		return nil, fmt.Errorf("key: its alg is not the token's alg %s", alg)
	}
	return k, nil
}

// remarks returns why keys were ignored, as the end of a message.
func (s *keySet) remarks() string {
	const most = 5
	switch n := len(s.ignored); {
	case n == 0:
		return ""
	case n > most:
		return fmt.Sprintf(
			" (ignored %s; and %d more)", strings.Join(s.ignored[:most], "; "), n-most,
		)
	default:
		return fmt.Sprintf(" (ignored %s)", strings.Join(s.ignored, "; "))
	}
}
