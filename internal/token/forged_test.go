package token_test

import (
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/signet-sign/signet/internal/party/partytest"
	"github.com/signet-sign/signet/internal/token"
)

// TestRefusedText changes the text of a good token rather than its claims.
func TestRefusedText(t *testing.T) {
	b := newBench(t)
	key := b.party.Key("ES256")
	d := b.party.Draft(token.Initiate)
	header, _ := json.Marshal(d.Header)
	payload, _ := json.Marshal(d.Claims)
	good := key.Sign(header, payload)
	parts := strings.Split(good, ".")
	input := parts[0] + "." + parts[1]
	b64 := base64.RawURLEncoding.EncodeToString
	withHeader := func(h string) string { return key.Sign([]byte(h), payload) }
	withPayload := func(p string) string { return key.Sign(header, []byte(p)) }
	signed := func(signature []byte) string { return input + "." + b64(signature) }

	der, err := ecdsa.SignASN1(rand.Reader, key.Private, key.Digest(input))
	if err != nil {
		t.Fatal(err)
	}
	flipped := key.Signature(input)
	flipped[40] ^= 1
	hs256 := func(secret []byte, alg string) string {
		in := partytest.SigningInput([]byte(`{"alg":"`+alg+`","kid":"`+key.Kid+`"}`), payload)
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(in))
		return in + "." + b64(mac.Sum(nil))
	}
	spki, err := x509.MarshalPKIXPublicKey(&key.Private.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	other := partytest.Start(t).Key("ES256")
	wrongCurve := b.party.Key("ES384")
	unsigned := partytest.SigningInput([]byte(`{"alg":"none","kid":"`+key.Kid+`"}`), payload)

	type refusedText struct{ name, token, cause string }
	cases := []refusedText{
		{"nothing", "", "header is missing"},
		{"Bearer", "Bearer " + good, "without the prefix Bearer"},
		{"bearer in lower case", "bearer " + good, "without the prefix Bearer"},
		{"Bearer alone", "Bearer ", "without the prefix Bearer"},
		{"other scheme", "DPoP " + good, "white space"},
		{"leading space", " " + good, "white space"},
		{"trailing newline", good + "\n", "white space"},
		{"newline inside a part", good[:20] + "\r\n" + good[20:], "white space"},
		{"tab", good + "\t", "white space"},
		{
			"JSON serialisation",
			`{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`,
			"JSON serialisation",
		},
		{"two tokens in one header", good + "," + good, "not base64url"},
		{"quoted", `"` + good + `"`, "not base64url"},
		{"no dots", strings.ReplaceAll(good, ".", ""), "3 parts, this has 1"},
		{"two parts", input, "3 parts, this has 2"},
		{"four parts", good + ".AAAA", "3 parts, this has 4"},
		{"five parts, as encrypted ones have", good + ".AAAA.AAAA", "3 parts, this has 5"},
		{"empty header", "." + parts[1] + "." + parts[2], "token header: empty"},
		{"empty payload", parts[0] + ".." + parts[2], "token payload: empty"},
		{"empty signature", input + ".", "token signature: empty"},
		{"padding", good + "=", "not base64url"},
		{
			"base64 instead of base64url",
			strings.Replace(good, parts[2], "+/"+parts[2][2:], 1),
			"not base64url",
		},
		{
			"stray bits at the end",
			good[:len(good)-1] + nextLetter(good[len(good)-1]),
			"not base64url",
		},
		{"NUL", good + "\x00", "not base64url"},
		{"not ASCII", good + "é", "not base64url"},
		{"too long", good + strings.Repeat("A", 16<<10), "longer than"},

		{"header no JSON", withHeader(`{"alg":"ES256",}`), "header: not valid JSON"},
		{"header array", withHeader(`["ES256"]`), "header: not a JSON object"},
		{"header string", withHeader(`"ES256"`), "header: not a JSON object"},
		{"header followed by more", withHeader(string(header) + `{}`), "header: not valid JSON"},
		{
			"header with alg twice",
			withHeader(`{"alg":"none","alg":"ES256","kid":"` + key.Kid + `"}`),
			"same name",
		},
		{
			"header with kid twice",
			withHeader(`{"alg":"ES256","kid":"other","k\u0069d":"` + key.Kid + `"}`),
			"same name",
		},
		{
			"header with a byte order mark",
			withHeader("\ufeff" + string(header)),
			"header: not valid JSON",
		},
		{"payload no JSON", withPayload(`client_id=x`), "payload: not valid JSON"},
		{"payload array", withPayload(`[]`), "payload: not a JSON object"},
		{"payload null", withPayload(`null`), "payload: not a JSON object"},
		{
			"payload with a claim twice",
			withPayload(strings.Replace(string(payload), "{", `{"doc_name":"other.pdf",`, 1)),
			"same name",
		},
		{
			"payload with a claim twice, escaped",
			withPayload(strings.Replace(string(payload), "{", `{"\u0065xp":1,`, 1)),
			"same name",
		},
		{
			"payload with half a surrogate",
			withPayload(strings.Replace(string(payload), "Agreement", `Agreement\ud800`, 1)),
			"payload: not valid JSON",
		},
		{
			"payload not UTF-8",
			withPayload(strings.Replace(string(payload), "Agreement", "Agreement\xff", 1)),
			"payload: not valid JSON",
		},

		{"alg none, no signature", unsigned + ".", "alg is not ES256"},
		{"alg none, some signature", unsigned + "." + parts[2], "alg is not ES256"},
		{"HS256 with the public key as secret", hs256(spki, "HS256"), "alg is not ES256"},
		{
			"HS256 called ES256",
			hs256(spki, "ES256"),
			"needs r and s in 64 bytes (not DER), this has 32",
		},
		{"DER signature", signed(der), "not DER"},
		{"signature cut", signed(key.Signature(input)[:63]), "this has 63"},
		{"signature longer", signed(append(key.Signature(input), 0)), "this has 65"},
		{"signature of zeros", signed(make([]byte, 64)), "does not verify"},
		{"one bit of the signature", signed(flipped), "does not verify"},
		{"signed by another", signed(other.Signature(input)), "does not verify"},
		{
			"signature over another hash",
			signed(partytest.Key{Alg: "ES384", Private: key.Private}.Signature(input)),
			"does not verify",
		},
		{
			"P-384 key as ES256",
			wrongCurve.Sign([]byte(`{"alg":"ES256","kid":"`+wrongCurve.Kid+`"}`), payload),
			"needs r and s in 64 bytes",
		},
		{
			"P-256 key as ES384",
			key.Sign([]byte(`{"alg":"ES384","kid":"`+key.Kid+`"}`), payload),
			"needs r and s in 96 bytes",
		},
		{
			"payload changed",
			parts[0] + "." + b64(
				[]byte(strings.Replace(string(payload), "Agreement", "agreement", 1)),
			) + "." + parts[2],
			"does not verify",
		},
		{
			"header changed",
			b64([]byte(strings.Replace(string(header), "JWT", "jwt", 1))) +
				"." + parts[1] + "." + parts[2],
			"does not verify",
		},
	}
	// r and s out of range, each beside one that is right.
	order, right := key.Private.Params().N, key.Signature(input)
	for name, n := range map[string]*big.Int{
		"0": new(big.Int), "the order": order,
		"the order and 1":  new(big.Int).Add(order, big.NewInt(1)),
		"the field's size": key.Private.Params().P,
		"2^256 - 1":        new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 256), big.NewInt(1)),
	} {
		wrong := n.FillBytes(make([]byte, 32))
		for part, signature := range map[string][]byte{
			"r":       slices.Concat(wrong, right[32:]),
			"s":       slices.Concat(right[:32], wrong),
			"r and s": slices.Concat(wrong, wrong),
		} {
			cases = append(cases, refusedText{part + " is " + name, signed(signature), "does not verify"})
		}
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := b.verify(c.token, token.Initiate)
			wantRefusal(t, err, c.cause, c.token)
		})
	}
	if b.replay.Len() != 0 {
		t.Error("a refused token used an id up")
	}
	if _, _, err := b.verify(good, token.Initiate); err != nil {
		t.Errorf("the unchanged token: %v", err)
	}
}

// nextLetter is the character whose value in base64url is one more: the same bytes, when the bits
// are left over.
func nextLetter(c byte) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return string(alphabet[strings.IndexByte(alphabet, c)+1])
}
