package vectors

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/party"
	"github.com/signet-sign/signet/internal/party/partytest"
	"github.com/signet-sign/signet/internal/safehttp"
	"github.com/signet-sign/signet/internal/token"
)

// tokenFile is tokens.json.
type tokenFile struct {
	About       string             `json:"about"`
	Now         int64              `json:"now"`
	PublicURL   string             `json:"public_url"`
	ClientID    string             `json:"client_id"`
	RequestID   string             `json:"request_id"` // of the party; the result calls are for it
	JWKS        json.RawMessage    `json:"jwks"`
	PrivateKeys jose.JSONWebKeySet `json:"private_keys"`
	Tokens      []tokenVector      `json:"tokens"`
}

// tokenVector is one value of the Authorization header.
type tokenVector struct {
	Name          string      `json:"name"`
	Call          string      `json:"call"` // initiate, result or cancel
	Authorization string      `json:"authorization"`
	After         string      `json:"after,omitempty"` // name of the token that was accepted before
	Accepted      bool        `json:"accepted"`
	Check         token.Check `json:"check,omitempty"`  // that refuses it
	Reason        string      `json:"reason,omitempty"` // of Signet, for its log
	Error         *api.Error  `json:"error,omitempty"`  // the answer
}

// tokenCase is a token before it is made.
type tokenCase struct {
	name  string
	calls []token.Call
	edit  partytest.Edit
	text  func(key partytest.Key, compact string) string // changes the token
	check token.Check                                    // that refuses it; "" if it is accepted
	after string
}

var (
	everyCall = []token.Call{token.Initiate, token.Result, token.Cancel}
	singleUse = []token.Call{token.Initiate, token.Result}
	initiate  = []token.Call{token.Initiate}
	result    = []token.Call{token.Result}
	cancel    = []token.Call{token.Cancel}
)

// number is a JSON number in exactly this spelling.
func number(text string) json.RawMessage { return json.RawMessage(text) }

func times(iat, exp any) partytest.Edit {
	return partytest.Claims(map[string]any{"iat": iat, "exp": exp})
}

func tokenCases(foreign partytest.Key) []tokenCase {
	claim, noClaim := partytest.Claim, partytest.NoClaim
	header, noHeader := partytest.Header, partytest.NoHeader
	cases := []tokenCase{
		{name: "ordinary", calls: everyCall},
		{name: "no typ", calls: initiate, edit: noHeader("typ")},
		{name: "typ jwt", calls: initiate, edit: header("typ", "jwt")},
		{name: "typ JOSE", calls: initiate, edit: header("typ", "JOSE")},
		{name: "a further header member", calls: initiate, edit: header("x5t", "AAAA")},
		{name: "iat 10 s ahead", calls: everyCall, edit: times(now+10, now+100)},
		{name: "exp now", calls: everyCall, edit: times(now-100, now)},
		{name: "120 s", calls: everyCall, edit: times(now, now+120)},
		{
			name: "fractions", calls: everyCall,
			edit: times(number("1759999999.5"), number("1760000119.5")),
		},
		{
			name: "times written .0", calls: everyCall,
			edit: times(number("1760000000.0"), number("1760000120.0")),
		},
		{
			name: "times with an exponent", calls: everyCall,
			edit: times(number("1.76e9"), number("176000012E1")),
		},
		{name: "nbf 10 s ahead", calls: everyCall, edit: claim("nbf", now+10)},
		{
			name: "aud is the service's URL", calls: everyCall,
			edit: claim("aud", publicURL+"/api/v3"),
		},
		{
			name: "aud is a list with its host", calls: everyCall,
			edit: claim("aud", []string{"other.example", "sign.example"}),
		},
		{name: "further claims", calls: everyCall, edit: claim("scope", []string{"a", "b"})},
		{
			name: "a jti in upper case", calls: singleUse,
			edit: claim("jti", strings.ToUpper(fixedUUID("upper"))),
		},
		{name: "a jti that is no UUID", calls: cancel, edit: claim("jti", "1")},
		{name: "no jti", calls: cancel, edit: noClaim("jti")},
		{name: "client_id", calls: result, edit: claim("client_id", clientID)},
		{name: "client_request only", calls: cancel, edit: func(d *partytest.Draft) {
			delete(d.Claims, "client_id")
			d.Claims["client_request"] = clientID
		}},
		{name: "client_request too", calls: cancel, edit: claim("client_request", clientID)},
		{name: "the same token again", calls: result, after: "result: ordinary"},
		{name: "the same token again", calls: cancel, after: "cancel: ordinary"},
	}
	cutAt := func(n int) func(partytest.Key, string) string {
		return func(_ partytest.Key, t string) string {
			return strings.Join(strings.Split(t, ".")[:n], ".")
		}
	}
	for _, refused := range []struct {
		check token.Check
		cases []tokenCase
	}{
		{token.CheckAuthorization, []tokenCase{
			{
				name: "empty", calls: everyCall,
				text: func(partytest.Key, string) string { return "" },
			},
			{
				name: "Bearer", calls: everyCall,
				text: func(_ partytest.Key, t string) string { return "Bearer " + t },
			},
			{
				name: "white space at the end", calls: everyCall,
				text: func(_ partytest.Key, t string) string { return t + " " },
			},
			{name: "two parts", calls: everyCall, text: cutAt(2)},
			{
				name: "padding", calls: everyCall,
				text: func(_ partytest.Key, t string) string { return t + "==" },
			},
		}},
		{token.CheckHeader, []tokenCase{
			{name: "alg none", calls: everyCall, edit: header("alg", "none"), text: unsigned},
			{name: "alg none with a signature", calls: everyCall, edit: header("alg", "none")},
			{
				name: "alg HS256 with the public key as the secret", calls: everyCall,
				edit: header("alg", "HS256"), text: sharedSecret,
			},
			{name: "alg RS256", calls: everyCall, edit: header("alg", "RS256")},
			{name: "alg in lower case", calls: everyCall, edit: header("alg", "es256")},
			{name: "no kid", calls: everyCall, edit: noHeader("kid")},
			{name: "typ dpop+jwt", calls: everyCall, edit: header("typ", "dpop+jwt")},
			{name: "jwk", calls: everyCall, edit: func(d *partytest.Draft) {
				d.Key = foreign
				d.Header["jwk"] = foreign.JWK()
			}},
			{name: "jku", calls: everyCall, edit: header("jku", "https://other.example/jwks")},
			{name: "crit", calls: everyCall, edit: header("crit", []string{"exp"})},
		}},
		{token.CheckForm, []tokenCase{
			{name: "signature in DER", calls: everyCall, text: inDER},
			{name: "ES384 with a key of ES256", calls: everyCall, edit: header("alg", "ES384")},
		}},
		{token.CheckPayload, []tokenCase{
			{name: "a doubled claim", calls: everyCall, edit: func(d *partytest.Draft) {
				d.Claims["nested"] = json.RawMessage(`{"a":1,"a":2}`)
			}},
			{
				name:  "nested 9 deep",
				calls: everyCall,
				edit: claim("nested", json.RawMessage(
					strings.Repeat("[", 8)+strings.Repeat("]", 8),
				)),
			},
		}},
		{token.CheckClaims, []tokenCase{
			{name: "no iat", calls: everyCall, edit: noClaim("iat")},
			{name: "no exp", calls: everyCall, edit: noClaim("exp")},
			{name: "times as strings", calls: everyCall, edit: times("1760000000", "1760000120")},
			{name: "milliseconds", calls: everyCall, edit: times(now*1000, now*1000+120_000)},
			{name: "no jti", calls: singleUse, edit: noClaim("jti")},
			{name: "a jti that is no UUID", calls: singleUse, edit: claim("jti", "token-1")},
			{
				name: "a jti without hyphens", calls: singleUse,
				edit: claim("jti", strings.ReplaceAll(fixedUUID("h"), "-", "")),
			},
			{name: "no client_id", calls: initiate, edit: noClaim("client_id")},
			{name: "client_id is a number", calls: initiate, edit: claim("client_id", 7)},
			{
				name: "neither client_id nor client_request", calls: cancel,
				edit: noClaim("client_id"),
			},
			{
				name: "client_request differs", calls: cancel,
				edit: claim("client_request", "another"),
			},
			{name: "no exchange_code", calls: result, edit: noClaim("exchange_code")},
			{name: "nbf is a string", calls: everyCall, edit: claim("nbf", "now")},
		}},
		{token.CheckTimes, []tokenCase{
			{name: "121 s", calls: everyCall, edit: times(now, now+121)},
			{name: "120.001 s", calls: everyCall, edit: times(now, number("1760000120.001"))},
			{name: "exp is iat", calls: everyCall, edit: times(now, now)},
			{name: "exp a second ago", calls: everyCall, edit: times(now-60, now-1)},
			{name: "iat 11 s ahead", calls: everyCall, edit: times(now+11, now+100)},
			{name: "nbf 11 s ahead", calls: everyCall, edit: claim("nbf", now+11)},
		}},
		{token.CheckAudience, []tokenCase{
			{
				name: "aud is another service", calls: everyCall,
				edit: claim("aud", "https://other.example"),
			},
			{name: "aud is a number", calls: everyCall, edit: claim("aud", 7)},
		}},
		{token.CheckParty, []tokenCase{
			{name: "an unknown client_id", calls: initiate, edit: claim("client_id", "another")},
			{name: "another party's client_id", calls: result, edit: claim("client_id", "another")},
		}},
		{token.CheckKey, []tokenCase{
			{name: "an unknown kid", calls: everyCall, edit: header("kid", "vectors-unknown")},
			{
				name: "the kid in another case", calls: everyCall,
				edit: header("kid", "VECTORS-ES256"),
			},
		}},
		{token.CheckSignature, []tokenCase{
			{
				name: "another key", calls: everyCall,
				edit: func(d *partytest.Draft) { d.Key = foreign },
			},
			{name: "claims changed after signing", calls: everyCall, text: changed},
		}},
		{token.CheckJTI, []tokenCase{
			{name: "the same token again", calls: initiate, after: "initiate: ordinary"},
			{
				name: "its jti in another token", calls: result, edit: times(now-1, now+60),
				after: "result: ordinary",
			},
			{
				name: "the jti of an initiate", calls: result,
				edit: claim("jti", fixedUUID("initiate: ordinary")), after: "initiate: ordinary",
			},
		}},
		{token.CheckArguments, []tokenCase{
			{name: "no doc_name", calls: initiate, edit: noClaim("doc_name")},
			{name: "no sign_locations", calls: initiate, edit: noClaim("sign_locations")},
			{name: "signer_uin_hash is null", calls: initiate, edit: claim("signer_uin_hash", nil)},
			{
				name: "signer_uin_hash is an NRIC", calls: initiate,
				edit: claim("signer_uin_hash", "S8979373D"),
			},
			{name: "no request_id", calls: cancel, edit: noClaim("request_id")},
			{name: "request_id is null", calls: cancel, edit: claim("request_id", nil)},
			{name: "request_id has a slash", calls: cancel, edit: claim("request_id", "signv3-/x")},
		}},
	} {
		for _, c := range refused.cases {
			c.check = refused.check
			cases = append(cases, c)
		}
	}
	return cases
}

// inDER writes the signature as ASN.1, as most libraries return it.
func inDER(key partytest.Key, compact string) string {
	input := compact[:strings.LastIndexByte(compact, '.')]
	der, err := derSignature(key, input)
	if err != nil {
		return ""
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(der)
}

// unsigned drops the signature.
func unsigned(_ partytest.Key, compact string) string {
	return compact[:strings.LastIndexByte(compact, '.')+1]
}

// sharedSecret signs with the public key's PEM as the secret of an HMAC, which a verifier accepts
// that lets the token choose the algorithm.
func sharedSecret(key partytest.Key, compact string) string {
	input := compact[:strings.LastIndexByte(compact, '.')]
	der, err := x509.MarshalPKIXPublicKey(&key.Private.PublicKey)
	if err != nil {
		return ""
	}
	mac := hmac.New(sha256.New, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	mac.Write([]byte(input))
	return input + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// changed changes the claims after they were signed.
func changed(_ partytest.Key, compact string) string {
	parts := strings.Split(compact, ".")
	claims, _ := base64.RawURLEncoding.DecodeString(parts[1])
	parts[1] = base64.RawURLEncoding.EncodeToString(append([]byte(" "), claims...))
	return strings.Join(parts, ".")
}

// draft is an ordinary token of a call.
func draft(call token.Call, key partytest.Key, jti string) *partytest.Draft {
	d := &partytest.Draft{
		Header: map[string]any{"alg": key.Alg, "kid": key.Kid, "typ": "JWT"},
		Claims: map[string]any{"iat": now, "exp": now + api.TokenLifetime, "jti": jti}, Key: key,
	}
	switch call {
	case token.Initiate:
		d.Claims["client_id"], d.Claims["doc_name"] = clientID, "Agreement.pdf"
		d.Claims["sign_locations"] = []any{map[string]any{"page": 1, "x": 0.1, "y": 0.1}}
	case token.Result:
		d.Claims["exchange_code"] = "4f0e2b1c-9d3a-4c55-8f6e-7a1b2c3d4e5f"
	case token.Cancel:
		d.Claims["client_id"], d.Claims["request_id"] = clientID, requestID
	}
	return d
}

func makeTokens() (any, error) {
	f := &tokenFile{
		About: "Values of the header Authorization, judged at the time now for the party with this JWKS. " +
			"README.md in this folder describes the members.",
		Now: now, PublicURL: publicURL, ClientID: clientID, RequestID: requestID,
	}
	foreign, err := testKey("ES256", "vectors-foreign")
	if err != nil {
		return nil, err
	}
	foreign.Kid = "vectors-es256"
	var public []map[string]any
	keys := map[string]partytest.Key{}
	for _, alg := range []string{"ES256", "ES384", "ES512"} {
		key, err := testKey(alg, "vectors-"+strings.ToLower(alg))
		if err != nil {
			return nil, err
		}
		keys[alg] = key
		public = append(public, key.JWK())
		f.PrivateKeys.Keys = append(f.PrivateKeys.Keys, privateJWK(key))
	}
	f.JWKS = partytest.JWKS(public...)
	cases := tokenCases(foreign)
	for _, alg := range []string{"ES384", "ES512"} {
		cases = append(
			cases,
			tokenCase{name: alg, calls: everyCall, edit: func(d *partytest.Draft) {
				d.Key = keys[alg]
				d.Header["alg"], d.Header["kid"] = alg, d.Key.Kid
			}},
		)
	}
	for _, c := range cases {
		for _, call := range c.calls {
			v := tokenVector{
				Name: call.String() + ": " + c.name, Call: call.String(), After: c.after,
				Accepted: c.check == "", Check: c.check,
			}
			jti := v.Name
			if c.after != "" {
				jti = c.after
			}
			d := draft(call, keys["ES256"], fixedUUID(jti))
			if c.edit != nil {
				c.edit(d)
			}
			if v.Authorization, err = compact(d); err != nil {
				return nil, fmt.Errorf("%s: %w", v.Name, err)
			}
			if c.text != nil {
				v.Authorization = c.text(d.Key, v.Authorization)
			}
			f.Tokens = append(f.Tokens, v)
		}
	}
	return f, f.judge(func(v *tokenVector, got tokenVector) error {
		if v.Accepted != got.Accepted || v.Check != got.Check {
			return fmt.Errorf(
				"%s: the code says %t %q: %s", v.Name, got.Accepted, got.Check, got.Reason,
			)
		}
		*v = got
		return nil
	})
}

// compact signs a draft.
func compact(d *partytest.Draft) (string, error) {
	header, err := json.Marshal(d.Header)
	if err != nil {
		return "", err
	}
	payload, err := json.Marshal(d.Claims)
	if err != nil {
		return "", err
	}
	return sign(d.Key, header, payload)
}

// callNamed returns the call with a name.
func callNamed(name string) (token.Call, error) {
	for _, call := range everyCall {
		if call.String() == name {
			return call, nil
		}
	}
	return 0, fmt.Errorf("there is no call %q", name)
}

// verifier is a verifier with the party and the clock of the file.
func (f *tokenFile) verifier() (*token.Verifier, error) {
	parties, err := party.NewRegistry(safehttp.Policy{}, party.Party{
		ClientID: f.ClientID, Name: "Vectors", JWKS: string(f.JWKS),
		RedirectURL: "https://shop.example/back",
	})
	if err != nil {
		return nil, err
	}
	clock := func() time.Time { return time.Unix(f.Now, 0) }
	return token.NewVerifier(token.VerifierConfig{
		Parties: parties, Keys: party.NewKeys(party.KeysConfig{Now: clock}), Now: clock,
		Replay: new(partytest.Replay), PublicURL: f.PublicURL,
	}), nil
}

// verify judges a token by the code.
func (f *tokenFile) verify(
	v *token.Verifier, call token.Call, authorization string,
) (*token.Claims, error) {
	ctx := context.Background()
	if call == token.Result {
		claims, _, err := v.VerifyResult(ctx, authorization, f.ClientID, f.RequestID)
		return claims, err
	}
	claims, _, err := v.Verify(ctx, authorization, call)
	if err == nil { // what initiate does when it makes the request
		err = v.Spend(ctx, claims)
	}
	return claims, err
}

// judge has each token judged by the code, and compares what the code says.
func (f *tokenFile) judge(compare func(v *tokenVector, got tokenVector) error) error {
	named := map[string]tokenVector{}
	for i := range f.Tokens {
		vector := &f.Tokens[i]
		named[vector.Name] = *vector
		verifier, err := f.verifier()
		if err != nil {
			return err
		}
		if vector.After != "" {
			before := named[vector.After]
			call, err := callNamed(before.Call)
			if err != nil {
				return fmt.Errorf("%s: after %q: %w", vector.Name, vector.After, err)
			}
			if _, err := f.verify(verifier, call, before.Authorization); err != nil {
				return fmt.Errorf("%s: %w", vector.After, err)
			}
		}
		call, err := callNamed(vector.Call)
		if err != nil {
			return fmt.Errorf("%s: %w", vector.Name, err)
		}
		got := *vector
		_, err = f.verify(verifier, call, vector.Authorization)
		got.Accepted, got.Check, got.Reason, got.Error = err == nil, "", "", nil
		if err != nil {
			got.Check, got.Reason = token.FailedCheck(err), reason(err)
			if got.Error, err = answerOf(err); err != nil {
				return fmt.Errorf("%s: %w", vector.Name, err)
			}
		}
		if err := compare(vector, got); err != nil {
			return err
		}
	}
	return nil
}

// reason is the cause of a refusal without the code of the answer.
func reason(err error) string {
	_, cause, found := strings.Cut(err.Error(), " because ")
	if !found {
		return err.Error()
	}
	return cause
}

// answerOf is the answer that an error is.
func answerOf(err error) (*api.Error, error) {
	refusal, ok := errors.AsType[*api.Error](err)
	if !ok {
		return nil, fmt.Errorf("it is no answer: %w", err)
	}
	return refusal, nil
}
