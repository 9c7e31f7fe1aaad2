package token

import (
	"crypto"
	"crypto/ecdsa"
	_ "crypto/sha1" // of signatures made with it by mistake
	_ "crypto/sha256"
	_ "crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"math/big"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"github.com/signet-sign/signet/internal/party"
)

// A guess is a mistake of signing that can be proven: with it made on purpose, the signature
// verifies with the key that the token names.
type guess struct {
	cause  string // end of the refusal's reason, and how [Advise] finds the guess again
	remedy string

	// signed returns what was signed instead of the token's first two parts; nil: those.
	signed func(t *token) string
	// hash returns what of it was signed instead of the hash of alg; nil: that hash.
	hash func(right crypto.Hash, text []byte) []byte
	// order returns the bytes of r and s in their right order; nil: as they were sent.
	order func(r, s []byte) (right []byte)
}

const remedyInput = "Sign the first two parts of the token with the dot between them, as they " +
	"are sent: base64url without padding, and nothing before or after it."

const remedyHash = "Sign with the hash of alg, once: SHA-256 for ES256, SHA-384 for ES384, " +
	"SHA-512 for ES512."

// guesses are the mistakes that are tried, those first that are made most.
var guesses = []guess{
	{
		cause:  "it verifies with r and s swapped",
		remedy: "Send r first and then s, each of fixed length.",
		order:  func(r, s []byte) []byte { return slices.Concat(s, r) },
	},
	{
		cause:  "it verifies with the bytes of r and s in reverse order (little-endian)",
		remedy: "Write r and s big-endian: the most significant byte first.",
		order:  func(r, s []byte) []byte { return slices.Concat(reversed(r), reversed(s)) },
	},
	{
		cause:  "it is one of the same text with a newline at its end",
		remedy: remedyInput + " In a shell use printf %s instead of echo.",
		signed: func(t *token) string { return t.input() + "\n" },
	},
	{
		cause:  "it is one of the payload alone, in base64url",
		remedy: remedyInput,
		signed: func(t *token) string { return t.parts[1] },
	},
	{
		cause:  "it is one of the JSON of the claims, not of what is sent",
		remedy: remedyInput,
		signed: func(t *token) string { return decoded(t.parts[1]) },
	},
	{
		cause:  "it is one of the JSON of header and claims, not of what is sent",
		remedy: remedyInput,
		signed: func(t *token) string { return decoded(t.parts[0]) + "." + decoded(t.parts[1]) },
	},
	{
		cause:  "it is one of the JSON of header and claims, one after the other",
		remedy: remedyInput,
		signed: func(t *token) string { return decoded(t.parts[0]) + decoded(t.parts[1]) },
	},
	{
		cause:  "it is one of the header in base64url and the claims in JSON",
		remedy: remedyInput,
		signed: func(t *token) string { return t.parts[0] + "." + decoded(t.parts[1]) },
	},
	{
		cause:  "it is one of the two parts without the dot between them",
		remedy: remedyInput,
		signed: func(t *token) string { return t.parts[0] + t.parts[1] },
	},
	{
		cause:  "it is one of the two parts with a dot after them",
		remedy: remedyInput,
		signed: func(t *token) string { return t.input() + "." },
	},
	{
		cause:  "it is one of the two parts in base64url with padding",
		remedy: remedyInput,
		signed: func(t *token) string { return t.encoded(base64.URLEncoding) },
	},
	{
		cause:  "it is one of the two parts in standard base64 with padding",
		remedy: remedyInput,
		signed: func(t *token) string { return t.encoded(base64.StdEncoding) },
	},
	{
		cause:  "it is one of the two parts in standard base64 without padding",
		remedy: remedyInput,
		signed: func(t *token) string { return t.encoded(base64.RawStdEncoding) },
	},
	otherHash(crypto.SHA256, "SHA-256"),
	otherHash(crypto.SHA384, "SHA-384"),
	otherHash(crypto.SHA512, "SHA-512"),
	otherHash(crypto.SHA1, "SHA-1"),
	{
		cause: "it is one of the hash of the hash",
		remedy: remedyHash + " A function that hashes what it signs takes the text, not its " +
			"hash.",
		hash: func(h crypto.Hash, text []byte) []byte { return digest(h, digest(h, text)) },
	},
	{
		cause: "it is one of the hash in hexadecimal, hashed again",
		remedy: remedyHash + " A function that hashes what it signs takes the text, not its " +
			"hash.",
		hash: func(h crypto.Hash, text []byte) []byte {
			return digest(h, []byte(hex.EncodeToString(digest(h, text))))
		},
	},
	{
		cause: "it is one of the text without a hash",
		remedy: remedyHash + " A function that signs a hash, as NONEwithECDSA of Java does, takes " +
			"the hash of the text.",
		hash: func(_ crypto.Hash, text []byte) []byte { return text },
	},
}

func otherHash(h crypto.Hash, name string) guess {
	return guess{
		cause: "it is one with " + name, remedy: remedyHash,
		hash: func(_ crypto.Hash, text []byte) []byte { return digest(h, text) },
	}
}

// The causes that are about the key, and their remedies.
var keyGuesses = map[party.Belongs]guess{
	party.SameSet: {
		cause:  "the signature is that of another key of the JWKS",
		remedy: "Set the token's kid to that of the key that you sign with.",
	},
	party.Withdrawn: {
		cause:  "the signature is that of a key that the JWKS no longer has",
		remedy: "Sign with a key of the JWKS; keep an old key in it until you no longer use it.",
	},
	party.OtherParty: {
		cause: "the signature is that of a key of another relying party",
		remedy: "Put the client id into the token to which the key belongs, or sign with a key of " +
			"the JWKS of this client id.",
	},
}

// likelyMistake says what the signature is, which does not verify with the key that the token
// names, or returns "". key is that key, or nil if there is none, and others are keys that the
// token does not name. It verifies at most len(guesses) + len(others) signatures.
func (t *token) likelyMistake(key *ecdsa.PublicKey, others []party.OtherKey) string {
	right := hashes[t.alg]
	signature := t.jws.Signatures[0].Signature
	for _, other := range others {
		if verifies(other.Public, digest(right, []byte(t.input())), signature) {
			return keyGuesses[other.Belongs].cause + " (" + other.Name + ")"
		}
	}
	if key == nil {
		return ""
	}
	half := len(signature) / 2
	for _, g := range guesses {
		text, sent := t.input(), signature
		if g.signed != nil {
			text = g.signed(t)
		}
		sum := digest(right, []byte(text))
		if g.hash != nil {
			sum = g.hash(right, []byte(text))
		}
		if g.order != nil {
			sent = g.order(signature[:half], signature[half:])
		}
		if verifies(key, sum, sent) {
			return g.cause
		}
	}
	return ""
}

// adviseSignature returns the remedy for a cause of likelyMistake.
func adviseSignature(says func(text string) bool) string {
	for _, g := range keyGuesses {
		if says("; " + g.cause) {
			return g.remedy
		}
	}
	for _, g := range guesses {
		if says("; " + g.cause) {
			return g.remedy
		}
	}
	return ""
}

// hashes are those of the algorithms (RFC 7518, section 3.4).
var hashes = map[jose.SignatureAlgorithm]crypto.Hash{
	jose.ES256: crypto.SHA256, jose.ES384: crypto.SHA384, jose.ES512: crypto.SHA512,
}

// verifies reports whether r and s of the signature verify for a hash with the key.
func verifies(key *ecdsa.PublicKey, sum, signature []byte) bool {
	half := len(signature) / 2
	if len(signature) != 2*((key.Curve.Params().BitSize+7)/8) {
		return false // of another curve
	}
	r, s := new(big.Int).SetBytes(signature[:half]), new(big.Int).SetBytes(signature[half:])
	return ecdsa.Verify(key, sum, r, s)
}

func digest(h crypto.Hash, text []byte) []byte {
	sum := h.New()
	sum.Write(text)
	return sum.Sum(nil)
}

func reversed(b []byte) []byte {
	b = slices.Clone(b)
	slices.Reverse(b)
	return b
}

// input returns what a JWS signs.
func (t *token) input() string { return t.parts[0] + "." + t.parts[1] }

// encoded returns the input in another encoding.
func (t *token) encoded(as *base64.Encoding) string {
	texts := []string{
		as.EncodeToString([]byte(decoded(t.parts[0]))),
		as.EncodeToString([]byte(decoded(t.parts[1]))),
	}
	return strings.Join(texts, ".")
}

func decoded(part string) string {
	text, _ := base64.RawURLEncoding.DecodeString(part)
	return string(text)
}
