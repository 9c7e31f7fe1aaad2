package calllog

import (
	"crypto/rand"
	"slices"

	"github.com/signet-sign/signet/internal/token"
)

// The checks that follow those of the token.
const (
	CheckRequest  token.Check = "request"      // of a result call, before the token's
	CheckRate     token.Check = "rate"         // how many calls and uploads the party makes
	CheckContent  token.Check = "content type" // and content encoding
	CheckDocument token.Check = "document"
	CheckState    token.Check = "state of the request"
)

// checks are the checks of each call, in their order.
var checks = map[Kind][]token.Check{
	Initiate: append(slices.Clone(tokenChecks),
		token.CheckJTI, token.CheckArguments, CheckRate, CheckContent, CheckDocument),
	Cancel: append(slices.Clone(tokenChecks),
		token.CheckArguments, CheckRate, CheckContent, CheckState),
	Result: slices.Concat([]token.Check{CheckRequest}, tokenChecks,
		[]token.Check{token.CheckJTI, CheckRate, CheckState}),
}

var tokenChecks = []token.Check{
	token.CheckAuthorization, token.CheckHeader, token.CheckForm, token.CheckPayload,
	token.CheckClaims, token.CheckTimes, token.CheckAudience, token.CheckParty, token.CheckKey,
	token.CheckSignature,
}

// expected says in words what passes a check.
var expected = map[token.Check]string{
	CheckRequest:             "the request of the path exists",
	token.CheckAuthorization: "one header with a compact JWS and nothing else",
	token.CheckHeader:        "alg ES256, ES384 or ES512, a kid, and no key",
	token.CheckForm:          "r and s of fixed length, one after the other",
	token.CheckPayload:       "a JSON object",
	token.CheckClaims:        "the claims that authenticate the call are there and well-formed",
	token.CheckTimes:         "exp at most 120 s after iat and not over; iat not in the future",
	token.CheckAudience:      "no aud, or one of this service",
	token.CheckParty:         "the client id is registered and not disabled",
	token.CheckKey:           "the party's JWKS has one key with the token's kid, on the curve of alg",
	token.CheckSignature:     "the signature verifies with that key",
	token.CheckJTI:           "a jti that was not used before",
	token.CheckArguments:     "the arguments of the call are there and well-formed",
	CheckRate:                "no more calls and uploads than the party may make",
	CheckContent:             "the content type of the call",
	CheckDocument:            "a PDF that can be signed at these places",
	CheckState:               "a request of this party whose state allows the call",
}

// Diagnosis helps a relying party to mend a refused call.
type Diagnosis struct {
	ID     string      `json:"id"`               // for people to refer to
	Check  token.Check `json:"check"`            // that failed
	Remedy string      `json:"remedy,omitempty"` // one sentence
}

// Diagnose returns a diagnosis with a new ID.
func Diagnose(check token.Check, remedy string) *Diagnosis {
	return &Diagnosis{ID: rand.Text()[:12], Check: check, Remedy: remedy}
}

// The results of a check.
const (
	Passed     = "passed"
	Failed     = "failed"
	NotReached = "not reached"
)

// Checked is what became of one check.
type Checked struct {
	Check    token.Check `json:"check"`
	Result   string      `json:"result"`
	Expected string      `json:"expected"`
	Got      string      `json:"got,omitempty"` // of the check that failed
}

// Checks lists all checks of a refused call, in their order; nil if it has no diagnosis.
func (r *Record) Checks() (list []Checked) {
	if r.Diagnosis == nil || !slices.Contains(checks[r.Kind], r.Diagnosis.Check) {
		return nil
	}
	result := Passed
	for _, check := range checks[r.Kind] {
		c := Checked{Check: check, Result: result, Expected: expected[check]}
		if check == r.Diagnosis.Check {
			c.Result, c.Got, result = Failed, r.Reason, NotReached
			if c.Got == "" {
				c.Got = r.Description
			}
		}
		list = append(list, c)
	}
	return list
}
