package party

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/signet-sign/signet/internal/safehttp"
)

// Diagnoser tests the URLs of a relying party for an operator. It neither reads nor fills a cache.
type Diagnoser struct {
	Policy safehttp.Policy // policy that parties are registered under
}

// Diagnosis is the result of [Diagnoser.Diagnose]. A nil error means success. Error texts contain
// no URL.
type Diagnosis struct {
	Keys    []KeyInfo     // keys that tokens can be signed with
	Ignored []string      // why the other keys of the JWKS cannot be used
	KeysErr error         // why there is no usable key
	KeysIn  time.Duration // how long fetching the JWKS took

	RedirectErr error // what is wrong with the redirect URL, which is not requested

	Webhook    safehttp.Reached // result of connecting to the webhook's host, without a request
	WebhookErr error
}

// Probe posts an empty JSON object to p's webhook, which each receiver has to refuse because it has
// no token, and returns the answer without its body. The errors contain no URL.
func (d Diagnoser) Probe(ctx context.Context, p *Party) (*http.Response, error) {
	r, err := http.NewRequestWithContext(
		ctx, http.MethodPost, p.WebhookURL, strings.NewReader("{}"),
	)
	if err != nil {
		return nil, errors.New("the URL cannot be parsed")
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "Signet doctor")
	client := safehttp.NewClient(p.Policy(d.Policy))
	defer client.CloseIdleConnections()
	answer, err := client.Do(r)
	if err != nil {
		if wrapped := new(url.Error); errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		return nil, err
	}
	return answer, answer.Body.Close()
}

// KeyInfo is one key of a JWKS.
type KeyInfo struct {
	Kid, Curve string
	Alg        string // the only algorithm that the party allows; empty for any that fits the curve
	Twice      bool   // another key has the same kid, so neither can be used

	LastUsed time.Time // when it last verified a token in this process; zero for never
}

// Diagnose tests each of p's URLs once.
func (d Diagnoser) Diagnose(ctx context.Context, p *Party) Diagnosis {
	var found Diagnosis
	keys := NewKeys(KeysConfig{Clients: &Clients{Policy: d.Policy}})
	begin := time.Now() // measures a duration, so it is not the sandbox's clock
	set, err := keys.try(ctx, p)
	found.KeysIn, found.KeysErr = time.Since(begin), err
	if set != nil {
		found.Keys, found.Ignored = set.describe(), set.ignored
	}
	found.RedirectErr = checkBrowserURL(p.RedirectURL, d.Policy)
	if p.WebhookURL != "" {
		found.Webhook, found.WebhookErr = p.Policy(d.Policy).Reach(ctx, p.WebhookURL)
	}
	return found
}
