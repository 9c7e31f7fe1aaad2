package party

import (
	"context"
	"time"

	"github.com/signet-sign/signet/internal/safehttp"
)

// Diagnoser tries for an operator what calls of and to a relying party depend on. It uses no cache
// and fills none.
type Diagnoser struct {
	Policy safehttp.Policy // that parties are registered under
}

// Diagnosis is what was found. Nil errors are good news; error texts hold no URL.
type Diagnosis struct {
	Keys    []KeyInfo     // that tokens can be signed with
	Ignored []string      // why the other keys of the JWKS are of no use
	KeysErr error         // why there is no key at all
	KeysIn  time.Duration // how long the JWKS took

	RedirectErr error // what is wrong with the form of the redirect URL; it is not requested

	Webhook    safehttp.Reached // of the webhook's host, which was connected to and not called
	WebhookErr error
}

// KeyInfo is one key of a JWKS.
type KeyInfo struct {
	Kid, Curve string
	Alg        string // the only one that its party allows; empty: whatever fits the curve
	Twice      bool   // another key has the same kid, so neither can be used

	LastUsed time.Time // by a token that it verified, as far as this process knows; zero: never
}

// Diagnose tries p's URLs, each once.
func (d Diagnoser) Diagnose(ctx context.Context, p *Party) Diagnosis {
	var found Diagnosis
	keys := NewKeys(KeysConfig{Client: safehttp.NewClient(d.Policy)})
	begin := time.Now() // measures a duration, so not the clock of the sandbox
	set, err := keys.try(ctx, p)
	found.KeysIn, found.KeysErr = time.Since(begin), err
	if set != nil {
		found.Keys, found.Ignored = set.describe(), set.ignored
	}
	found.RedirectErr = checkBrowserURL(p.RedirectURL, d.Policy)
	if p.WebhookURL != "" {
		found.Webhook, found.WebhookErr = d.Policy.Reach(ctx, p.WebhookURL)
	}
	return found
}
