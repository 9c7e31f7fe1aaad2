package token

import (
	"encoding/base64"
	"slices"
	"strings"
)

// Advise returns a sentence that tells the sender of a token how to mend it, or "" if the error of
// the check says it all. It looks for the mistake that is nearest to what was sent: authorization
// is the header's value, and cause is the text of the error. The sentence quotes no value of the
// token.
func Advise(authorization string, call Call, check Check, cause string) string {
	says := func(text string) bool { return strings.Contains(cause, text) }
	s := readSent(authorization)
	switch check {
	case CheckAuthorization:
		switch {
		case authorization == "":
			return "Send one header Authorization that holds the token and nothing else."
		case says("prefix Bearer"):
			return "Send the token alone: the header is \"Authorization: eyJ...\"."
		case says("white space"):
			return "Send the token in one line, without a prefix and without line breaks."
		case says("this has 5"):
			return "Sign the token (JWS); do not encrypt it (JWE)."
		case says("this has"), says("JSON serialisation"), says("not base64url"):
			return "Send the compact form that JWT libraries make: three parts in base64url with dots between them."
		}
	case CheckHeader:
		alg, _ := s.header.get("alg").Text()
		switch {
		case says("alg is") && strings.HasPrefix(alg, "HS"):
			return "Sign with a private EC key and ES256, not with a shared secret."
		case says("alg is"):
			return "Sign with ES256 and an EC key on P-256."
		case says("kid is missing"):
			return "Put the kid of the key in your JWKS into the token's header."
		case says("is refused, keys come"):
			return "Leave the key out of the token; publish it in your JWKS and name it by kid."
		}
	case CheckForm:
		if s.der() {
			return "The signature is in DER: make r and s of fixed length instead (Node: dsaEncoding \"ieee-p1363\"; Java: SHA256withECDSAinP1363Format; Go and Python: a JOSE library)."
		}
		return "Sign with a JOSE library; it makes r and s of fixed length."
	case CheckClaims, CheckArguments:
		return adviseClaims(s.claims, call, cause)
	case CheckTimes:
		switch {
		case says("the most is"):
			return "Set exp to iat + 120 or less."
		case says("not after iat"):
			return "Set exp to a time after iat, such as iat + 60."
		case says("expired"), says("ahead of"):
			return "Make a new token for each call, and set the clock of your machine; GET /clock of the control listener has the sandbox's time."
		}
	case CheckAudience:
		return "Leave aud out, or set it to the base URL of the service."
	case CheckParty:
		if says("no relying party has this client id") {
			return "Register the client id in the configuration (parties) or in the console."
		}
	case CheckKey:
		switch {
		case says("no usable key"):
			return "Publish the public key under the token's kid in your JWKS, or sign with a key that is in it."
		case says("several keys"):
			return "Give each key of your JWKS a kid of its own."
		case says("JWKS:"):
			return "Let your JWKS URL answer 200 with {\"keys\": [...]}; Test in the console tries it."
		}
	case CheckSignature:
		return "Publish the public key that belongs to your private key; the one with this kid in your JWKS is another."
	case CheckJTI:
		return "Make a new token, with a new UUID as jti, for each call and each retry."
	}
	return ""
}

// adviseClaims is about claims that are missing or have a wrong value.
func adviseClaims(claims object, call Call, cause string) string {
	says := func(text string) bool { return strings.Contains(cause, text) }
	switch {
	case says("milliseconds"):
		return "Divide by 1000: iat and exp are seconds (JavaScript: Math.floor(Date.now() / 1000))."
	case says("not a number of seconds"):
		return "Write iat and exp as numbers of seconds, not as strings or dates."
	case says("not a UUID"):
		return "Set jti to a new UUID, such as crypto.randomUUID() makes."
	case says("client_id: missing") && call == Initiate && claims.has("client_request"):
		return "Name the party with client_id; client_request is a claim of cancel."
	}
	if !says("missing") {
		return ""
	}
	for _, name := range claimNames {
		if claims.has(name) || !says(name) {
			continue
		}
		for _, m := range claims {
			if m.Name != name && canonical(m.Name) == canonical(name) {
				return "Write the claim as " + name + "; the names of claims have lower case and underscores."
			}
		}
	}
	return ""
}

// claimNames are the claims that a call can lack.
var claimNames = []string{
	"iat", "exp", "jti", "client_id", "request_id", "exchange_code", "doc_name", "sign_locations",
}

// canonical is what the spellings of one name have in common.
func canonical(name string) string {
	return strings.NewReplacer("_", "", "-", "").Replace(strings.ToLower(name))
}

// sent is what can be read of a token that may be malformed.
type sent struct {
	header, claims object
	signature      []byte
}

func readSent(authorization string) (s sent) {
	parts := strings.Split(authorization, ".")
	if len(parts) != 3 || len(authorization) > MaxToken {
		return s
	}
	s.header, _ = ReadPart(parts[0])
	s.claims, _ = ReadPart(parts[1])
	s.signature, _ = base64.RawURLEncoding.DecodeString(parts[2])
	return s
}

// der reports whether the signature is an ASN.1 SEQUENCE of its own length, as OpenSSL makes it.
func (s sent) der() bool {
	b := s.signature
	return len(b) > 2 && b[0] == 0x30 && slices.Contains([]int{len(b) - 2, 0x81}, int(b[1]))
}
