// Package relyingparty judges a relying party from the other side: a sandbox is the service that it
// calls. Start at [Judge]; [rules] is the table of the rules, and the files scenario_*.go have what
// happens to the relying party.
//
// The judge makes the relying party act by [Config]'s actions, injects faults through the sandbox's
// control listener, and reads the calls there. What it cannot see, such as whether a document
// counts as signed, an action tells; without it the outcome is "cannot tell".
package relyingparty

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/signet-sign/signet/internal/conform/report"
)

// An Action makes the relying party do something, or asks it. The error says that it failed.
type Action func(ctx context.Context, requestID string) (output string, err error)

// Config says who is judged and with what.
type Config struct {
	// Control is the URL of the control listener of a sandbox in which the party is registered. The
	// judge moves the sandbox's clock at its end.
	Control string

	ClientID    string
	JWKSURL     string
	RedirectURL string // "" if no page is there
	WebhookURL  string // "" if the party has none

	// Initiate uploads a document, which any persona may sign. Cancel cancels a request, and tries
	// again as the party does. Each returns when the party has finished, with an error if it did
	// not succeed.
	Initiate, Cancel Action

	// Handled prints how often the party has taken a request for signed and stored its document: 0,
	// 1 or more. Its error counts only if it prints no number. May be nil.
	Handled Action

	// Rotate makes the party use another key. May be nil.
	Rotate Action

	// Patience is how long the party may take for what it does by itself, such as a download; 0
	// means 10 s.
	Patience time.Duration

	// KeysPause is the time before the service changes its key, after which a party that fetches
	// keys at most once a minute fetches them again; 0 means 61 s.
	KeysPause time.Duration

	// Rules are the rules to judge: ids such as "W2", or letters such as "W"; nil means all.
	Rules []string
}

// judge is the state that the scenarios share.
type judge struct {
	Config
	http *http.Client // follows no redirects

	initiating sync.Mutex // held during Initiate, so that its request can be told
	known      map[string]bool

	mu       sync.Mutex
	verdicts map[string]report.Verdict
}

// finding is the verdict of a scenario on a rule.
type finding struct {
	outcome  report.Outcome
	reason   string
	evidence []report.Exchange
}

func pass(evidence ...report.Exchange) finding {
	return finding{outcome: report.Pass, evidence: evidence}
}

func fail(evidence []report.Exchange, format string, args ...any) finding {
	return finding{report.Fail, fmt.Sprintf(format, args...), evidence}
}

func cannotTell(format string, args ...any) finding {
	return finding{report.CannotTell, fmt.Sprintf(format, args...), nil}
}

// CheckRules returns an error if an entry of Rules names no rule.
func (c *Config) CheckRules() error {
	for _, name := range c.Rules {
		if !slices.ContainsFunc(rules, func(r rule) bool { return r.called(name) }) {
			return fmt.Errorf("there is no rule %q", name)
		}
	}
	return nil
}

// Judge judges a relying party. The error is about the configuration, or the end of ctx.
func Judge(ctx context.Context, c Config) (*report.Report, error) {
	if c.Initiate == nil || c.Cancel == nil {
		return nil, errors.New("the actions initiate and cancel are needed")
	}
	if err := c.CheckRules(); err != nil {
		return nil, err
	}
	c.Patience = cmp.Or(c.Patience, 10*time.Second)
	c.KeysPause = cmp.Or(c.KeysPause, 61*time.Second)
	j := &judge{
		Config: c, known: map[string]bool{}, verdicts: map[string]report.Verdict{},
		http: &http.Client{
			Timeout: time.Minute,
			CheckRedirect: func(*http.Request, []*http.Request) error {
				return http.ErrUseLastResponse
			},
		},
	}
	r := &report.Report{Name: "signet conform-rp", Subject: c.ClientID, Began: time.Now()}
	if _, err := j.newRequests(ctx); err != nil { // those that are there already
		return nil, fmt.Errorf("the sandbox: %w", err)
	}
	for _, phase := range phases() {
		var running sync.WaitGroup
		for _, s := range phase {
			if slices.ContainsFunc(s.rules, j.wanted) {
				running.Go(func() { j.play(ctx, s) })
			}
		}
		running.Wait()
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	for _, rule := range rules {
		if v, ok := j.verdicts[rule.id]; ok {
			r.Verdicts = append(r.Verdicts, v)
		}
	}
	return r, nil
}

func (j *judge) wanted(id string) bool {
	return j.Rules == nil || slices.ContainsFunc(j.Rules, rule{id: id}.called)
}

// play runs a scenario and keeps what it finds.
func (j *judge) play(ctx context.Context, s scenario) {
	begin := time.Now()
	found, err := s.run(ctx, j)
	j.mu.Lock()
	defer j.mu.Unlock()
	for i, id := range s.rules {
		f := cannotTell("%v", err)
		if err == nil {
			f = found[i]
		}
		if !j.wanted(id) {
			continue
		}
		at := slices.IndexFunc(rules, func(r rule) bool { return r.id == id })
		j.verdicts[id] = report.Verdict{
			Rule: id, Title: rules[at].title, Basis: rules[at].basis, Outcome: f.outcome,
			Reason: f.reason, Took: time.Since(begin), Evidence: f.evidence,
		}
	}
}
