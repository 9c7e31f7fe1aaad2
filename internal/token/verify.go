package token

import (
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/party"
)

// VerifierConfig is the configuration of a [Verifier].
type VerifierConfig struct {
	Parties party.Parties
	Keys    *party.Keys
	Replay  Replay

	// PublicURL is the URL of this service. A token with the claim aud must name it, its host or a
	// host of Singpass. Local also accepts localhost and IP addresses, because the sandbox has many
	// URLs.
	PublicURL string
	Local     bool

	// Now is the clock; nil means time.Now.
	Now func() time.Time

	// Wall is a second clock: a token is in time if it is in time by Now or by Wall. It is for the
	// sandbox, whose clock tests move while the parties' clocks run on. May be nil.
	Wall func() time.Time

	// Lenient accepts a token without exp, as if it ended 120 s after iat, and a jti that was used
	// before (docs/contract.md, 14.5). It is for the development of clients in the sandbox. All
	// other rules hold.
	Lenient bool

	// Explain looks for the cause of a signature that does not verify, which costs some thirty
	// verifications more. The service does not, because anyone can make it refuse tokens.
	Explain bool
}

// Verifier verifies the tokens of relying parties. It is safe for concurrent use.
type Verifier struct {
	config VerifierConfig
}

// NewVerifier returns a verifier.
func NewVerifier(config VerifierConfig) *Verifier {
	if config.Now == nil {
		config.Now = time.Now
	}
	return &Verifier{config: config}
}

// Verify verifies the token of an Initiate or Cancel call, which names its party. authorization is
// the value of the only Authorization header.
//
// An error that is an *api.Error (by errors.As) is the answer to the call: UNAUTHORIZED for any
// fault of the token, CLIENT_SIDE_ERROR for arguments of an authentic call. Any other error is a
// failure of the service.
//
// When Verify returns an Initiate token without error, the jti was not used before, and is not
// recorded as used yet. The caller records it in the transaction that creates the request, which
// fails if another call has used it, or with [Verifier.Spend] if the call fails. So a call takes
// one commit instead of two. With CLIENT_SIDE_ERROR, Verify has recorded the jti.
func (v *Verifier) Verify(
	ctx context.Context, authorization string, call Call,
) (*Claims, *party.Party, error) {
	if call != Initiate && call != Cancel {
		return nil, nil, fmt.Errorf("token: Verify does not know the party of %s", call)
	}
	return v.verify(ctx, authorization, call, "")
}

// errNoOwner is the cause for a token for a request that does not exist.
var errNoOwner = errors.New("no relying party has the request")

// VerifyResult verifies the token of a Result call. clientID is the party that owns the request in
// the call's path, because the token need not name it (docs/contract.md, 5.1.2). Errors are those
// of [Verifier.Verify].
//
// A proxy may send a GET twice, so a token may be used again for the same request while it lives
// (docs/contract.md, 5.1.6). Its jti is used up for everything else, other tokens with that jti
// too.
//
// A token for a request that does not exist, of which clientID is "", is refused after the same
// work as one for a request that does, so that the time of an answer does not tell which ids exist.
// What still differs is a fetch of keys that are not in the cache.
func (v *Verifier) VerifyResult(
	ctx context.Context, authorization, clientID, requestID string,
) (*Claims, *party.Party, error) {
	claims, p, err := v.verify(ctx, authorization, Result, clientID)
	if err != nil {
		return nil, nil, err
	}
	claims.FirstUsed = v.config.Now().Truncate(time.Second)
	if claims.KeepUntil.IsZero() {
		return claims, p, nil
	}
	sum := sha256.Sum256([]byte(requestID + "\n" + authorization))
	use := base64.RawURLEncoding.EncodeToString(sum[:])
	recorded, err := v.config.Replay.UseFor(
		ctx, claims.ClientID, claims.JTI,
		use+" "+strconv.FormatInt(claims.FirstUsed.Unix(), 10), claims.KeepUntil,
	)
	if err != nil {
		return nil, nil, fmt.Errorf("remember the jti of a token: %w", err)
	}
	before, at, _ := strings.Cut(recorded, " ")
	unix, err := strconv.ParseInt(at, 10, 64)
	if before != use || err != nil {
		return nil, nil, api.ErrUnauthorized.Because(
			"%s: %w", claimTable[Result].name,
			failed(CheckJTI, errors.New("claim jti: used before")),
		)
	}
	claims.FirstUsed = time.Unix(unix, 0).UTC()
	return claims, p, nil
}

// Judge checks what the token of a call says by itself, without a relying party's key: its text,
// its header, its claims, its times and its arguments. [FailedCheck] names the check that an error
// is from, and [Advise] has a remedy.
func Judge(authorization string, call Call, now time.Time) error {
	v := NewVerifier(VerifierConfig{Now: func() time.Time { return now }})
	rules := &claimTable[call]
	t, claims, err := v.read(authorization, rules)
	if err != nil || rules.arguments == nil {
		return err
	}
	return failed(CheckArguments, rules.arguments(claims, t.claims))
}

// JudgeSignature checks the signature of a token that passes [Judge] with the keys of a JWKS, and
// looks for the cause if it does not verify, as the sandbox does.
func JudgeSignature(ctx context.Context, authorization string, jwks []byte) error {
	t, err := parseToken(authorization)
	if err != nil {
		return err
	}
	v := NewVerifier(VerifierConfig{Keys: party.NewKeys(party.KeysConfig{}), Explain: true})
	return v.verifySignature(ctx, t, &party.Party{JWKS: string(jwks)})
}

// read does the checks of a token that need no relying party. Its errors are causes.
func (v *Verifier) read(authorization string, rules *claimRules) (*token, *Claims, error) {
	t, err := parseToken(authorization)
	if err != nil {
		return nil, nil, err
	}
	claims, err := rules.judge(t.claims, v.config.Lenient)
	if err != nil {
		return nil, nil, failed(CheckClaims, err)
	}
	if err := v.judgeTimes(claims); err != nil {
		return nil, nil, failed(CheckTimes, err)
	}
	return t, claims, nil
}

// verify does the cheap checks first: text, header and claims, then the party, then its key (which
// may require a fetch), then the signature. It records the jti last, so that a forged token causes
// no write.
func (v *Verifier) verify(
	ctx context.Context, authorization string, call Call, owner string,
) (*Claims, *party.Party, error) {
	rules := &claimTable[call]
	refuse := func(cause error) (*Claims, *party.Party, error) {
		return nil, nil, api.ErrUnauthorized.Because("%s: %w", rules.name, cause)
	}

	t, claims, err := v.read(authorization, rules)
	if err != nil {
		return refuse(err)
	}
	if err := v.judgeAudience(t.claims.get("aud")); err != nil {
		return refuse(failed(CheckAudience, err))
	}
	if rules.client == nil {
		if owner == "" {
			return refuse(failed(CheckSignature, cmp.Or(t.waste(), errNoOwner)))
		}
		if claims.ClientID != "" && claims.ClientID != owner {
			_ = t.waste()
			return refuse(failed(
				CheckParty,
				errors.New("claim client_id: not the party that the request belongs to"),
			))
		}
		claims.ClientID = owner
	}

	p, err := v.config.Parties.Party(ctx, claims.ClientID)
	switch {
	case errors.Is(err, party.ErrUnknown):
		return refuse(failed(CheckParty, fmt.Errorf("party: %w", err)))
	case err != nil:
		return nil, nil, fmt.Errorf("look up the party of a token: %w", err)
	case p.Problem != nil:
		return refuse(failed(CheckParty, fmt.Errorf("party: %w", p.Problem)))
	case p.Disabled:
		return refuse(failed(CheckParty, fmt.Errorf("party: %w", party.ErrDisabled)))
	}
	if err := v.verifySignature(ctx, t, p); err != nil {
		if ctx.Err() != nil { // it is not known whether the token is good
			return nil, nil, fmt.Errorf("verify the signature of a token: %w", context.Cause(ctx))
		}
		if call == Result && FailedCheck(err) == CheckKey {
			_ = t.waste()
		}
		return refuse(err)
	}
	var arguments error
	if rules.arguments != nil {
		arguments = rules.arguments(claims, t.claims)
	}
	if rules.singleUse && !v.config.Lenient {
		claims.KeepUntil = claims.ExpiresAt.Add(replayMargin)
		first := true
		if call != Result || arguments != nil { // VerifyResult records that of a good one
			first, err = v.first(ctx, claims, rules.byChange && arguments == nil)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("remember the jti of a token: %w", err)
		}
		if !first {
			return refuse(failed(CheckJTI, errors.New("claim jti: used before")))
		}
	}
	if arguments != nil {
		return nil, nil, failed(CheckArguments, arguments)
	}
	return claims, p, nil
}

// verifySignature checks the signature with the party's key that the token names.
func (v *Verifier) verifySignature(ctx context.Context, t *token, p *party.Party) error {
	check := CheckKey
	var public *ecdsa.PublicKey
	key, err := v.config.Keys.Find(ctx, p, t.kid, string(t.alg))
	if err == nil {
		check, public = CheckSignature, key.Public
		err = t.verify(public)
		if err != nil {
			if key = v.config.Keys.FindAgain(ctx, p, key, string(t.alg)); key != nil {
				public = key.Public
				err = t.verify(public)
			}
		}
	}
	if err != nil {
		if v.config.Explain {
			others := v.config.Keys.Others(p, public)
			if mistake := t.likelyMistake(public, others); mistake != "" {
				err = fmt.Errorf("%w; %s", err, mistake)
			}
		}
		if offered := v.config.Keys.Offered(p); offered != "" {
			err = fmt.Errorf("%w; %s", err, offered)
		}
		return failed(check, err)
	}
	key.MarkUsed(v.config.Now())
	return nil
}

// judgeTimes applies the two-minute rule by each clock. The error is that of the first clock.
func (v *Verifier) judgeTimes(claims *Claims) error {
	err := claims.judgeTimes(v.config.Now())
	if err != nil && v.config.Wall != nil && claims.judgeTimes(v.config.Wall()) == nil {
		return nil
	}
	return err
}

// first reports whether the jti was not used before, and records it unless onlyLook is set.
func (v *Verifier) first(ctx context.Context, c *Claims, onlyLook bool) (bool, error) {
	if onlyLook {
		used, err := v.config.Replay.Used(ctx, c.ClientID, c.JTI)
		return !used, err
	}
	return v.config.Replay.Use(ctx, c.ClientID, c.JTI, c.KeepUntil)
}

// Spend records the jti of an Initiate call that failed, so that its token authorises no other
// call.
func (v *Verifier) Spend(ctx context.Context, c *Claims) error {
	if c.KeepUntil.IsZero() {
		return nil
	}
	_, err := v.config.Replay.Use(ctx, c.ClientID, c.JTI, c.KeepUntil)
	return err
}
