package party_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/signet-sign/signet/internal/party"
	"github.com/signet-sign/signet/internal/party/partytest"
	"github.com/signet-sign/signet/internal/safehttp"
)

// TestKeysInConfiguration checks that a configured set is used without a fetch.
func TestKeysInConfiguration(t *testing.T) {
	b := newKeyBench(t, func(c *party.KeysConfig) { c.RefetchUnknownKid = true })
	b.renewable.JWKSURL, b.renewable.JWKS = "", string(partytest.JWKS(b.party.Key("ES256").JWK()))
	policy := safehttp.Policy{AllowPrivate: true}
	if err := b.renewable.Validate(policy); err != nil {
		t.Fatal(err)
	}
	if err := b.cancel(); err != nil {
		t.Error(err)
	}
	wantCause(t, b.cancel(b.party.Alg("ES384")), "the JWKS was given, not fetched, its kids: ")
	b.renewable.JWKS = string(partytest.JWKS(b.party.Key("ES384").JWK()))
	if err := b.cancel(b.party.Alg("ES384")); err != nil {
		t.Errorf("another set: %v", err)
	}
	if n := b.party.Fetches(); n != 0 {
		t.Errorf("%d fetches", n)
	}
	for text, url := range map[string]string{
		`{"keys":[]}`: "", b.renewable.JWKS: "https://shop.example/jwks", "": "",
	} {
		p := b.renewable.Party
		p.JWKS, p.JWKSURL = text, url
		if err := p.Validate(policy); err == nil || !strings.Contains(err.Error(), "JWKS URL") {
			t.Errorf("JWKS %q and URL %q: %v", text, url, err)
		}
	}
}

func TestKeySets(t *testing.T) {
	b := newKeyBench(t, nil)
	good, second := b.party.Key("ES256").JWK(), b.party.Key("ES384").JWK()
	other := partytest.Start(t).Key("ES256").JWK()
	other["kid"] = good["kid"]
	with := func(name string, v any) map[string]any {
		k := b.party.Key("ES256").JWK()
		if v == nil {
			delete(k, name)
		} else {
			k[name] = v
		}
		return k
	}
	changed := func(encode func([]byte) string) []byte {
		k := b.party.Key("ES256").JWK()
		for _, name := range []string{"x", "y"} {
			raw, _ := base64.RawURLEncoding.DecodeString(k[name].(string))
			k[name] = encode(raw)
		}
		return partytest.JWKS(k, second)
	}
	turned := b.party.Key("ES256").JWK()
	turned["x"], turned["y"] = turned["y"], turned["x"]
	swapped := partytest.JWKS(turned, second)
	many := make([]map[string]any, 101)
	for i := range many {
		many[i] = map[string]any{"kty": "RSA", "kid": fmt.Sprint(i)}
	}
	duplicate := bytes.Replace(
		partytest.JWKS(good), []byte(`"kty":"EC"`), []byte(`"kty":"EC","k\u0074y":"EC"`), 1,
	)

	cases := []struct {
		name  string
		jwks  []byte
		cause string // empty: the key works
	}{
		{"one key", partytest.JWKS(good), ""},
		{"without use", partytest.JWKS(with("use", nil)), ""},
		{"without alg", partytest.JWKS(with("alg", nil)), ""},
		{"with key_ops", partytest.JWKS(with("key_ops", []string{"verify"})), ""},
		{"with unknown members", partytest.JWKS(with("exp", 5)), ""},
		{"a hundred others", partytest.JWKS(append(many[:99:99], good)...), ""},
		{
			"malformed ones beside it",
			partytest.JWKS(
				nil, map[string]any{}, map[string]any{"kty": "EC"}, with("crv", "secp256k1"), good,
			),
			"",
		},
		{
			"an encryption key of the same kid beside it",
			partytest.JWKS(with("use", "enc"), good),
			"",
		},
		{
			"other members of the set",
			append([]byte(`{"a":[{"keys":[]}],`), partytest.JWKS(good)[1:]...),
			"",
		},

		{"more than a hundred", partytest.JWKS(many...), "more than 100 keys"},
		{"the same key twice", partytest.JWKS(good, second, good), ""},
		{"two keys with one kid", partytest.JWKS(good, second, other), "several keys"},
		{
			"one key for two algorithms",
			partytest.JWKS(with("alg", nil), second, good),
			"several keys",
		},
		{"use enc", partytest.JWKS(with("use", "enc"), second), "use is not sig"},
		{
			"use no string",
			partytest.JWKS(with("use", 1), second),
			"of type number and must be of type string",
		},
		{
			"key_ops sign",
			partytest.JWKS(with("key_ops", []string{"sign"}), second),
			"key_ops has no verify",
		},
		{
			"key_ops no array",
			partytest.JWKS(with("key_ops", "verify"), second),
			"key_ops is not an array",
		},
		{
			"alg ES384",
			partytest.JWKS(with("alg", "ES384"), second),
			"its alg is not the token's alg ES256",
		},
		{
			"alg ECDH-ES",
			partytest.JWKS(with("alg", "ECDH-ES"), second),
			"its alg is not the token's alg",
		},
		{
			"alg no string",
			partytest.JWKS(with("alg", 1), second),
			"of type number and must be of type string",
		},
		{"kty RSA", partytest.JWKS(with("kty", "RSA"), second), "invalid RSA key"},
		{
			"kty oct",
			partytest.JWKS(map[string]any{"kty": "oct", "kid": good["kid"], "k": "AAAA"}),
			"no usable key",
		},
		{"kid absent", partytest.JWKS(with("kid", nil), second), "kid is missing"},
		{
			"kid number",
			partytest.JWKS(with("kid", 7), second),
			"of type number and must be of type string",
		},
		{"crv P-384", partytest.JWKS(with("crv", "P-384"), second), "of another curve than crv"},
		{"crv absent", partytest.JWKS(with("crv", nil), second), "unsupported elliptic curve"},
		{
			"crv Ed25519",
			partytest.JWKS(with("crv", "Ed25519"), second),
			"unsupported elliptic curve",
		},
		{"x absent", partytest.JWKS(with("x", nil), second), "missing x/y"},
		{
			"x short", partytest.JWKS(with("x", "AAAA"), second),
			"wrong length for x: leading zeros belong to it",
		},
		{
			"x with padding",
			partytest.JWKS(with("x", good["x"].(string)+"="), second),
			"x and y have padding",
		},
		{"x damaged", partytest.JWKS(with("x", "#"), second), "illegal base64"},
		{"not on the curve", partytest.JWKS(with("x", good["y"]), second), "not on declared curve"},
		{"hexadecimal", changed(hex.EncodeToString), "x and y are in hexadecimal"},
		{
			"standard base64",
			changed(func(b []byte) string { return "+" + base64.RawStdEncoding.EncodeToString(b)[1:] }),
			"x and y are in standard base64",
		},
		{
			"little-endian",
			changed(func(b []byte) string {
				slices.Reverse(b)
				return base64.RawURLEncoding.EncodeToString(b)
			}),
			"x and y are little-endian",
		},
		{
			"signs of big integers",
			changed(func(b []byte) string {
				return base64.RawURLEncoding.EncodeToString(append([]byte{0}, b...))
			}),
			"a zero octet too many",
		},
		{"swapped", swapped, "x and y are swapped"},
		{
			"kty OKP",
			partytest.JWKS(
				map[string]any{"kty": "OKP", "crv": "Ed25519", "kid": good["kid"], "x": good["x"]},
				second,
			),
			"kty is not EC",
		},
		{
			"crv of 60 KB",
			partytest.JWKS(with("crv", strings.Repeat("P", 60_000)), second),
			strings.Repeat("P", 60) + ")",
		},
		{
			"private key published",
			partytest.JWKS(with("d", good["x"]), second),
			"the private key is published",
		},
		{"member twice", duplicate, "duplicate key 'kty'"},
		{"no key at all", partytest.JWKS(), "no usable key"},
		{"keys null", []byte(`{"keys":null}`), "no array keys"},
		{"keys object", []byte(`{"keys":{}}`), "no array keys"},
		{"keys twice", []byte(`{"keys":[],"keys":[]}`), "duplicate key"},
		{
			"the key alone",
			bytes.TrimSuffix(
				bytes.TrimPrefix(partytest.JWKS(good), []byte(`{"keys":[`)),
				[]byte(`]}`),
			),
			"no array keys",
		},
		{"array", []byte(`[]`), "no array keys"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			b.renew()
			b.party.ServeJWKS(serve(200, c.jwks))
			err := b.cancel()
			if c.cause == "" && err != nil {
				t.Error(err)
			}
			if c.cause != "" {
				wantCause(t, err, c.cause)
			}
		})
	}
}
