package relyingparty

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/signet-sign/signet/internal/conform/report"
)

// jwk is a key of a JWKS with all its members.
type jwk map[string]json.RawMessage

func (k jwk) text(name string) string {
	var text string
	_ = json.Unmarshal(k[name], &text) // "" for what is no string
	return text
}

// Limits of a JWKS and its fetch (docs/contract.md, 8.1.5 and 8.1.7).
const (
	maxJWKS   = 64 << 10
	fetchTime = 3 * time.Second
	fetches   = 3
)

// fetchKeys fetches the party's JWKS as the service does: up to three times. The evidence has the
// members' names, and not their values.
func (j *judge) fetchKeys(ctx context.Context) (set []jwk, evidence report.Exchange, err error) {
	for range fetches {
		if set, evidence, err = j.tryKeys(ctx); err == nil {
			break
		}
	}
	return set, evidence, err
}

func (j *judge) tryKeys(ctx context.Context) ([]jwk, report.Exchange, error) {
	evidence := report.Exchange{At: time.Now(), Request: "GET the JWKS"}
	ctx, cancel := context.WithTimeout(ctx, fetchTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, j.JWKSURL, http.NoBody)
	if err != nil {
		return nil, evidence, err
	}
	resp, err := j.http.Do(req)
	if err != nil {
		evidence.Answer = errNoAnswer.Error()
		return nil, evidence, errNoAnswer
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxJWKS+1))
	evidence.Answer = fmt.Sprintf("%s, %d bytes", resp.Status, len(body))
	var set struct {
		Keys []jwk `json:"keys"`
	}
	switch {
	case err != nil:
	case resp.StatusCode != http.StatusOK:
		err = fmt.Errorf("it answers %s", resp.Status)
	case len(body) > maxJWKS:
		err = errors.New("it has more than 64 KiB")
	case json.Unmarshal(body, &set) != nil || len(set.Keys) == 0:
		err = errors.New("it is no JWKS with a key")
	}
	for _, k := range set.Keys {
		evidence.Answer += fmt.Sprintf(
			"\nkid %q with the members %s", k.text("kid"),
			strings.Join(slices.Sorted(maps.Keys(k)), ", "),
		)
	}
	return set.Keys, evidence, err
}

const errNoAnswer = stringError("no answer within 3 s")

// private are the members of keys that are not public (RFC 7518, section 6).
var private = []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"}

// algorithms are those of the curves.
var algorithms = map[string]string{"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}

func keys(ctx context.Context, j *judge) ([]finding, error) {
	set, evidence, err := j.fetchKeys(ctx)
	for end := time.Now().Add(j.Patience); errors.Is(err, errNoAnswer) && time.Now().Before(end); {
		// the party may have just been started
		if err := rest(ctx, 250*time.Millisecond); err != nil {
			return nil, err
		}
		set, evidence, err = j.fetchKeys(ctx)
	}
	if err != nil {
		return []finding{
			fail([]report.Exchange{evidence}, "%v", err), cannotTell("there is no JWKS"),
			cannotTell("there is no JWKS"), cannotTell("there is no JWKS"),
		}, nil
	}
	found := []finding{pass(evidence), pass(evidence), pass(evidence), pass(evidence)}
	seen := map[string]bool{}
	for _, k := range set {
		kid := k.text("kid")
		if k.text("kty") == "EC" && k.text("use") != "sig" {
			found[1] = fail([]report.Exchange{evidence}, "the key %q has no use sig", kid)
		}
		curve := algorithms[k.text("crv")]
		if alg := k.text("alg"); k.text("kty") == "EC" && alg != "" && alg != curve {
			found[1] = fail(
				[]report.Exchange{evidence}, "the key %q has alg %q, and its curve is for %q", kid,
				alg, curve,
			)
		}
		for _, name := range private {
			if _, ok := k[name]; ok {
				found[2] = fail(
					[]report.Exchange{evidence}, "the key %q has the member %s", kid, name,
				)
			}
		}
		if kid == "" || seen[kid] {
			found[3] = fail(
				[]report.Exchange{evidence}, "the kid %q is missing or stands twice", kid,
			)
		}
		seen[kid] = true
	}
	return found, nil
}

// keysRotated has the party use another key. The service uses a JWKS for an hour, so the key before
// it stays in the set, and tokens are signed by it.
func keysRotated(ctx context.Context, j *judge) ([]finding, error) {
	if j.Rotate == nil {
		return []finding{cannotTell("there is no action that rotates the key")}, nil
	}
	before, first, err := j.fetchKeys(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := j.Rotate(ctx, ""); err != nil {
		return nil, fmt.Errorf("the party cannot rotate its key: %w", err)
	}
	after, second, err := j.fetchKeys(ctx)
	if err != nil {
		return nil, err
	}
	evidence := []report.Exchange{first, second}
	has := func(set []jwk, kid string) bool {
		return slices.ContainsFunc(set, func(k jwk) bool { return k.text("kid") == kid })
	}
	for _, k := range before {
		if kid := k.text("kid"); !has(after, kid) {
			return []finding{fail(evidence, "the key %q is gone at once", kid)}, nil
		}
	}
	if !slices.ContainsFunc(after, func(k jwk) bool { return !has(before, k.text("kid")) }) {
		return []finding{fail(evidence, "no new key was published")}, nil
	}
	if _, err := j.initiate(ctx); err != nil {
		return []finding{fail(evidence, "after the change: %v", err)}, nil
	}
	return []finding{pass(evidence...)}, nil
}
