package token

import (
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// Advise returns a sentence that tells the sender of a token how to mend it. It looks for the
// mistake that is nearest to what was sent: authorization is the header's value, and cause is the
// text of the error. The sentence quotes no value of the token.
func Advise(authorization string, call Call, check Check, cause string) string {
	if text := nearest(authorization, call, check, cause); text != "" {
		return text
	}
	return mend[check]
}

// mend is the advice about a mistake that is near to none of the usual ones.
var mend = map[Check]string{
	CheckAuthorization: "Send one header Authorization that holds the token and nothing else; " +
		"a token of the claims that the call needs is far below 16 KB.",
	CheckHeader: "Make the header of alg (ES256), kid and, if you like, typ (JWT).",
	CheckPayload: "Make the payload of JSON in UTF-8 and base64url without padding, as JWT " +
		"libraries do.",
	CheckClaims:    "Write the claim that the reason names as /reference describes it for this call.",
	CheckArguments: "Write the claim that the reason names as /reference describes it for this call.",
	CheckTimes:     "Set iat to the present time in seconds, and exp to iat + 60.",
	CheckAudience:  "Leave aud out, or set it to the base URL of the service, which the reason names.",
	CheckParty:     "Mend the registration of the relying party, in the configuration or the console.",
	CheckKey:       adviseJWKS,
	CheckSignature: "Publish the public key that belongs to your private key, under its kid. If it is " +
		"there, sign the first two parts of the token and the dot between them, as they are " +
		"sent, with the hash of alg.",
	CheckJTI: "Make a new token, with a new UUID as jti, for each call and each retry.",
}

// nearest returns the advice about a usual mistake, or "".
func nearest(authorization string, call Call, check Check, cause string) string {
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
		case says("not base64url") && strings.HasSuffix(authorization, "'"),
			says("not base64url") && strings.HasSuffix(authorization, `"`):
			return "Send the token without quotes; Python writes b'...' for bytes: decode() them first."
		case says("not base64url") && strings.ContainsAny(authorization, "+/="):
			return "Encode the three parts in base64url without padding: - and _ instead of + and " +
				"/, and no =."
		case says("this has"), says("JSON serialisation"), says("not base64url"):
			return "Send the compact form that JWT libraries make: three parts in base64url with " +
				"dots between them."
		}
	case CheckHeader:
		alg, _ := s.header.get("alg").Text()
		switch {
		case says("alg is") && strings.HasPrefix(alg, "HS"):
			return "Sign with a private EC key and ES256, not with a shared secret."
		case says("alg is"):
			return "Sign with ES256 and an EC key on P-256."
		case says("alg is missing"):
			return "Put alg, such as ES256, into the token's header."
		case says("kid is longer"):
			return "Give the key a shorter kid, such as its thumbprint (RFC 7638)."
		case says("kid is missing"):
			return "Put the kid of the key in your JWKS into the token's header."
		case says("is refused, keys come"):
			return "Leave the key out of the token; publish it in your JWKS and name it by kid."
		case says("no extension"):
			return "Leave crit and b64 out of the header."
		case says("typ is"):
			return "Leave typ out of the header, or set it to JWT."
		}
	case CheckForm:
		return s.adviseForm()
	case CheckPayload:
		switch {
		case s.header.has("zip"):
			return "Leave the payload uncompressed: tokens are signed (JWS), and only encrypted ones " +
				"(JWE) may be compressed."
		case says("same name"):
			return "Write each member once."
		case says("nested"), says("members"):
			return "Leave out what the call does not need: claims of your own are read, and ignored."
		}
	case CheckClaims, CheckArguments:
		return adviseClaims(s.claims, call, cause)
	case CheckTimes:
		switch {
		case s.hasLifetime():
			return "Write iat and exp as times in seconds since 1970, not as a lifetime: exp is iat + " +
				"120, not 120."
		case says("the most is"):
			return "Set exp to iat + 120 or less."
		case says("not after iat"):
			return "Set exp to a time after iat, such as iat + 60."
		case says("expired"), says("ahead of"):
			return "Make a new token for each call, and set the clock of your machine; GET " +
				"/clock of the control listener has the sandbox's time."
		}
	case CheckParty:
		switch {
		case says("no relying party has this client id"):
			return "Register the client id in the configuration (parties) or in the console."
		case says("disabled"):
			return "Enable the relying party in the console."
		case says("not the party that the request belongs to"):
			return "Call with the client id and the key with which the request was initiated."
		}
	case CheckKey:
		if remedy := adviseSignature(says); remedy != "" {
			return remedy
		}
		switch {
		case says("ignored"):
			return "Mend the key that the reason names: a JOSE library, or signet keys jwks, " +
				"writes valid ones."
		case says("fetch failed"):
			return adviseJWKS
		case says("no usable key"):
			return "Publish the public key under the token's kid in your JWKS, or sign with a " +
				"key that is in it."
		case says("needs a key on"):
			return "Set alg to the one of the key's curve: ES256 for P-256, ES384 for P-384, " +
				"ES512 for P-521."
		case says("several keys"):
			return "Give each key of your JWKS a kid of its own."
		}
	case CheckSignature:
		if remedy := adviseSignature(says); remedy != "" {
			return remedy
		}
	}
	return ""
}

const adviseJWKS = "Let your JWKS URL answer 200 with {\"keys\": [...]}; Test in the console tries it."

// adviseClaims is about claims that are missing or have a wrong value.
func adviseClaims(claims object, call Call, cause string) string {
	says := func(text string) bool { return strings.Contains(cause, text) }
	switch {
	case says("milliseconds"):
		return "Divide by 1000: iat and exp are seconds (JavaScript: Math.floor(Date.now() / " +
			"1000))."
	case says("not a number of seconds"):
		return "Write iat and exp as numbers of seconds since 1970, not as strings, dates or null."
	case says("not a UUID"):
		return "Set jti to a new UUID: crypto.randomUUID() in JavaScript, uuid.uuid4() in Python, " +
			"uuid.NewString() of github.com/google/uuid in Go."
	case says("they differ"):
		return "Leave client_request out: client_id names the party on every call."
	case says("exchange_code: not"):
		return "Send exchange_code as the answer of initiate has it, as a string."
	case says("request_id: it does not have the form"):
		return "Send request_id as the answer of initiate has it."
	case says("client_id: missing") && call == Initiate && claims.has("client_request"):
		return "Name the party with client_id; client_request is a claim of cancel."
	}
	if text := adviseArguments(claims, says); text != "" {
		return text
	}
	if !says("missing") {
		return ""
	}
	if says("].") {
		return "Give each place the members page, x and y: [{\"page\": 1, \"x\": 0.1, \"y\": 0.1}]."
	}
	for _, name := range claimNames {
		if claims.has(name) || !says(name) {
			continue
		}
		for _, m := range claims {
			if m.Name != name && canonical(m.Name) == canonical(name) {
				return "Write the claim as " + name + "; the names of claims have lower case and " +
					"underscores."
			}
		}
	}
	switch {
	case says("claim iat"), says("claim exp"):
		return "Add iat, the present time in seconds, and exp, such as iat + 60."
	case says("claim jti"):
		return "Add jti, a new UUID for each token."
	case says("claim request_id"):
		return "Put request_id into the claims of the token; the body of cancel has no effect."
	case says("claim exchange_code"):
		return "Put exchange_code, from the answer of initiate, into the claims of the token."
	case says("doc_name"):
		return "Add doc_name, the name of the document that the signer sees."
	case says("sign_locations"):
		return "Add sign_locations, a list such as [{\"page\": 1, \"x\": 0.1, \"y\": 0.1}]."
	case says("client_id"):
		return "Write your client id into the claim client_id; iss and sub are not read."
	}
	return ""
}

// adviseArguments is about values of claims that have to be written in another way.
func adviseArguments(claims object, says func(text string) bool) string {
	switch {
	case says("not a client id"):
		return "Send the client id as it is registered: letters, digits, dot, _ and -, without " +
			"spaces."
	case says("decimals"):
		return "Round x and y to 4 decimals (JavaScript: Math.round(x * 10000) / 10000; Python: " +
			"round(x, 4))."
	case says("must be less than 1"), says("must be at least 0"):
		return "Divide points by the page's width and height: x and y are fractions of the page, " +
			"from its lower left corner."
	case says("sign_locations must be an array"):
		if _, text := claims.get("sign_locations").Text(); text {
			return "Write the list itself into the claim, not a string with its JSON."
		}
		return "Write a list, also for one place: [{\"page\": 1, \"x\": 0.1, \"y\": 0.1}]."
	case says("must be a number"), says("counted from 1"):
		return "Write page, x and y as numbers, without quotes; the first page is 1."
	case says("signer_uin_hash"):
		return "Send SHA-256 of the NRIC or FIN in upper case as 64 hexadecimal digits; not " +
			"base64, no 0x. Without the claim anyone may sign."
	case says("sign_locations must have"):
		return "Send from 1 to 20 places; signet locate finds them by a text of the document."
	case says("must not contain the character"):
		return "Remove line breaks, control and invisible characters from doc_name."
	case says("doc_name must"):
		return "Write doc_name as a string of 1 to 255 characters, such as the name of the file."
	}
	return ""
}

// claimNames are the claims that a call can lack.
var claimNames = []string{
	"iat", "exp", "jti", "client_id", "request_id", "exchange_code", "doc_name", "sign_locations",
}

// canonical returns the same text for all spellings of one name.
func canonical(name string) string {
	return strings.NewReplacer("_", "", "-", "").Replace(strings.ToLower(name))
}

// sent has the readable parts of a token that may be malformed.
type sent struct {
	header, claims object
	signature      []byte
	encoded        string // signature as it was sent
}

func readSent(authorization string) (s sent) {
	parts := strings.Split(authorization, ".")
	if len(parts) != 3 || len(authorization) > MaxToken {
		return s
	}
	s.header, _ = ReadPart(parts[0])
	s.claims, _ = ReadPart(parts[1])
	s.encoded = parts[2]
	s.signature, _ = base64.RawURLEncoding.DecodeString(parts[2])
	return s
}

// hasLifetime reports whether exp is a number of seconds from now, and not a time since 1970.
func (s sent) hasLifetime() bool {
	const year2001 = 1e9
	exp, err := readSeconds(s.claims.get("exp"))
	return err == nil && exp.Unix() < year2001
}

// adviseForm is about a signature that has another length than r and s.
func (s sent) adviseForm() string {
	alg, _ := s.header.get("alg").Text()
	size := signatureSize[jose.SignatureAlgorithm(alg)]
	got := len(s.signature)
	_, err := hex.DecodeString(s.encoded)
	_, errTwice := hex.DecodeString(string(s.signature))
	twice := decodedText(string(s.signature))
	switch {
	case isDER(s.signature):
		return "The signature is in DER, as openssl makes it: make r and s of fixed length instead " +
			"(Node: dsaEncoding \"ieee-p1363\"; Java: SHA256withECDSAinP1363Format; PHP, Ruby and " +
			"shells: take both numbers out of the DER; Go and Python: a JOSE library)."
	case err == nil && got > 0:
		return "The signature is in hexadecimal: encode its bytes in base64url."
	case got == 2*size && errTwice == nil:
		return "The signature is hexadecimal text in base64url: encode its bytes instead."
	case size > 0 && (len(twice) == size || isDER(twice)):
		return "The signature is in base64 twice: encode its bytes once, in base64url."
	case got == 32:
		return "Sign with a private EC key and ES256; 32 bytes are those of HS256, a shared secret."
	case got == 256 || got == 384 || got == 512:
		return "Sign with an EC key on P-256; a signature of this length is one of RSA."
	case got == 0:
		return "Sign the token, and send the signature as its third part."
	case got < size && got >= size-4:
		return "Fill r and s with zeros on the left to half of these bytes each, or sign with a " +
			"JOSE library: a number has lost its leading zeros."
	case got > size && got <= size+2:
		return "Remove the zero byte before r or s, which is a sign (Java: " +
			"BigInteger.toByteArray), or sign with a JOSE library."
	}
	return "Sign with a JOSE library; it makes r and s of fixed length."
}

// decodedText decodes a text in base64 of either alphabet; nil: it is none.
func decodedText(text string) []byte {
	text = strings.NewReplacer("+", "-", "/", "_", "=", "").Replace(strings.TrimSpace(text))
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return nil
	}
	return b
}

// isDER reports whether a signature is an ASN.1 SEQUENCE of its own length, as OpenSSL makes it.
func isDER(b []byte) bool {
	return len(b) > 2 && b[0] == 0x30 && slices.Contains([]int{len(b) - 2, 0x81}, int(b[1]))
}
