package token

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/party"
)

// Call is one of the three calls that a token can authorise (docs/contract.md, 2).
type Call int

// The calls.
const (
	Initiate Call = iota // POST /sign-requests
	Result               // GET /sign-requests/{request_id}/signed-doc
	Cancel               // POST /sign-requests/cancel
)

func (c Call) String() string {
	if c < 0 || int(c) >= len(claimTable) {
		return fmt.Sprintf("Call(%d)", int(c))
	}
	return claimTable[c].name
}

// claimRules are the rules for the claims of one call. nbf and aud hold for every call
// (docs/contract.md, 2.3.9 and 2.3.10). Other claims that no rule names are ignored (2.3.7).
type claimRules struct {
	name      string
	required  []claimRule
	client    []string // the claims that name the party; nil if the token does not name it
	singleUse bool     // the call uses the jti
	// the jti is used in the transaction of the call's change: see Verifier.Verify
	byChange bool

	// arguments reads the arguments after the token was found authentic; its errors are answers.
	// May be nil.
	arguments func(*Claims, object) error
}

type claimRule struct {
	claim string
	read  func(*Claims, Value) error
}

// claimTable has the rules of each call. A document name, location or request id is an argument and
// not listed here (docs/contract.md, 14.7 and 14.37). Cancel requires no jti (docs/contract.md,
// 6.1.5): a repeated cancel has the answer of the request's state instead of UNAUTHORIZED.
var claimTable = [...]claimRules{
	Initiate: {
		name:      "initiate",
		required:  []claimRule{{"iat", readIssuedAt}, {"exp", readExpiresAt}, {"jti", readJTI}},
		client:    []string{"client_id"},
		singleUse: true,
		byChange:  true,
		arguments: readDocument,
	},
	Result: {
		name: "result",
		required: []claimRule{
			{"iat", readIssuedAt},
			{"exp", readExpiresAt},
			{"jti", readJTI},
			{"exchange_code", readExchangeCode},
		},
		singleUse: true,
	},
	Cancel: {
		name:      "cancel",
		required:  []claimRule{{"iat", readIssuedAt}, {"exp", readExpiresAt}},
		client:    []string{"client_id", "client_request"}, // docs/contract.md, 14.1
		arguments: readRequestID,
	},
}

// Claims are the claims of a verified token. Times and ClientID are set for every call.
type Claims struct {
	ClientID  string // also set for Result, whose tokens need not name it
	JTI       string // UUID in lower case; empty for Cancel
	IssuedAt  time.Time
	ExpiresAt time.Time
	NotBefore time.Time // zero if absent
	// when the record of the jti may be removed; zero if the token may be used again
	KeepUntil time.Time

	// Initiate.
	DocName       string         // trimmed, safe to show, see CheckDisplayText
	Locations     []api.Location // 1 to api.MaxLocations, no two the same
	SignerUINHash string         // 64 hex digits in lower case; empty if any person may sign

	// Result. This is a secret: compare it in constant time and do not log it.
	ExchangeCode string

	// Result: when this token was first used for this request, to the second.
	FirstUsed time.Time

	// Cancel. It has the form of an id; the request may not exist.
	RequestID string
}

// judge reads the claims of one call. Its errors are causes.
func (rules *claimRules) judge(o object, lenient bool) (*Claims, error) {
	claims := new(Claims)
	for _, rule := range rules.required {
		v := o.get(rule.claim)
		if v == nil {
			if lenient && rule.claim == "exp" {
				// The table lists iat before exp.
				claims.ExpiresAt = claims.IssuedAt.Add(maxLifetime)
				continue
			}
			return nil, fmt.Errorf("claim %s: missing", rule.claim)
		}
		if err := rule.read(claims, v); err != nil {
			return nil, fmt.Errorf("claim %s: %w", rule.claim, err)
		}
	}
	if v := o.get("nbf"); v != nil {
		var err error
		if claims.NotBefore, err = readSeconds(v); err != nil {
			return nil, fmt.Errorf("claim nbf: %w", err)
		}
	}
	return claims, rules.readClient(claims, o)
}

// readClient reads the party's id. It reads client_id also if the table names no claim for the
// party, because a token that names one party must not be accepted for another party with the same
// keys.
func (rules *claimRules) readClient(claims *Claims, o object) error {
	names := rules.client
	if names == nil {
		names = []string{"client_id"}
	}
	for _, name := range names {
		v := o.get(name)
		if v == nil {
			continue
		}
		id, ok := v.Text()
		if !ok || !party.ValidClientID(id) {
			return fmt.Errorf("claim %s: not a client id", name)
		}
		if claims.ClientID != "" && claims.ClientID != id {
			return fmt.Errorf("claims %s: they differ", strings.Join(names, " and "))
		}
		claims.ClientID = id
	}
	if claims.ClientID == "" && rules.client != nil {
		return fmt.Errorf("claim %s: missing", strings.Join(names, " or "))
	}
	return nil
}

// Limits of token times (docs/contract.md, 2.3 and 14.5).
const (
	maxLifetime = 120 * time.Second // from iat to exp
	maxAhead    = 10 * time.Second  // how far a party's clock may be ahead of this one
	expLeeway   = 0                 // how long after exp a token is accepted
)

// judgeTimes applies the two-minute rule. Its errors are causes.
func (c *Claims) judgeTimes(now time.Time) error {
	lifetime := c.ExpiresAt.Sub(c.IssuedAt)
	switch {
	case lifetime <= 0:
		return errors.New("claim exp: not after iat")
	case lifetime > maxLifetime:
		return fmt.Errorf(
			"claim exp: %s s after iat, the most is %d s", seconds(lifetime),
			maxLifetime/time.Second,
		)
	case now.After(c.ExpiresAt.Add(expLeeway)):
		return fmt.Errorf(
			"claim exp: the token expired %s ago", now.Sub(c.ExpiresAt).Round(time.Millisecond),
		)
	case c.IssuedAt.After(now.Add(maxAhead)):
		return fmt.Errorf(
			"claim iat: %s ahead of our clock", c.IssuedAt.Sub(now).Round(time.Millisecond),
		)
	case c.NotBefore.After(now.Add(maxAhead)):
		return fmt.Errorf(
			"claim nbf: %s ahead of our clock", c.NotBefore.Sub(now).Round(time.Millisecond),
		)
	}
	return nil
}

// seconds formats a duration as a number of seconds.
func seconds(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) }

func readIssuedAt(c *Claims, v Value) (err error) {
	c.IssuedAt, err = readSeconds(v)
	return err
}

func readExpiresAt(c *Claims, v Value) (err error) {
	c.ExpiresAt, err = readSeconds(v)
	return err
}

// readSeconds reads a NumericDate (RFC 7519, section 2): seconds since 1970, with or without a
// fraction. The difference of two such numbers is exact, because both are float64 values with the
// same binary exponent.
func readSeconds(v Value) (time.Time, error) {
	const end = 1e11 // year 5138; larger values would overflow a duration
	seconds, err := strconv.ParseFloat(string(v), 64)
	switch {
	case !v.isNumber(), seconds < 0:
		return time.Time{}, errors.New("not a number of seconds since 1970")
	case err != nil, seconds >= end:
		return time.Time{}, errors.New(
			"too large for seconds since 1970; milliseconds must be divided by 1000",
		)
	}
	whole, fraction := math.Modf(seconds)
	return time.Unix(int64(whole), int64(fraction*1e9)), nil
}

func readJTI(c *Claims, v Value) error {
	s, ok := v.Text()
	if !ok || !isUUID(s) {
		return errors.New("not a UUID")
	}
	c.JTI = strings.ToLower(s)
	return nil
}

// isUUID reports whether s is a UUID of any version in the hyphenated form (RFC 9562, section 4),
// in any case.
func isUUID(s string) bool {
	const hyphenated = 36 // uuid.Validate also accepts forms of other lengths
	return len(s) == hyphenated && uuid.Validate(s) == nil
}

func readExchangeCode(c *Claims, v Value) error {
	s, ok := v.Text()
	if !ok || !couldBeID(s) {
		return errors.New("not a code of this service")
	}
	c.ExchangeCode = s
	return nil
}

// couldBeID reports whether a text has the alphabet and the length of the ids and codes that this
// service issues. Other texts need no lookup, and some databases return an error for them.
func couldBeID(s string) bool {
	const longest = 64 // "signv3-" and a UUID are 43
	if s == "" || len(s) > longest {
		return false
	}
	for i := range len(s) {
		if !isBase64URL(s[i]) {
			return false
		}
	}
	return true
}
