// Package conform judges a Sign V3 server from outside, as a relying party sees it, by the numbered
// rules of docs/contract.md. Start at [Judge]; the rules are the tables in the files rules_*.go,
// and are judged in their order. [Mistakes] are the mistakes of a server that the rules find.
//
// The package is a client: what it needs besides the API is a person who signs, which the sandbox's
// control listener or a GET of the signing URL stands for, and the party's webhook URL, where it
// listens. A rule for which something is missing has the outcome "cannot tell". Rules about pages,
// crashes and the inside of a server are not judged.
package conform

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/signet-sign/signet/client"
	"github.com/signet-sign/signet/internal/conform/report"
)

// Party is a relying party that is registered with the server.
type Party struct {
	ClientID string
	Key      client.Key // whose public half is in the party's JWKS
}

// Config says what is judged and with what.
type Config struct {
	// BaseURL is the base of the API, such as "https://sign.example/api/v3".
	BaseURL string

	// KeysURL is the server's JWKS; "" means api.PathKeys on BaseURL's host.
	KeysURL string

	Party Party

	// Other is a second party, whose requests the first must not see. May be nil.
	Other *Party

	// Control is the URL of the sandbox's control listener, which acts as the signer and lets time
	// pass; ControlToken is its token. Both may be empty.
	Control, ControlToken string

	// SignByGet says that a GET of the signing URL signs, as in MockPass and in a sandbox with
	// auto_sign_on_get.
	SignByGet bool

	// RedirectURL is the URL that Party has registered for returning signers. May be empty.
	RedirectURL string

	// Webhooks receives the webhooks of Party, at any path. A GET there is answered with its JWKS,
	// and one of /other-jwks with that of Other. Judge closes it. May be nil.
	Webhooks net.Listener

	// Wait allows rules to wait two minutes for the end of a link if Control is empty.
	Wait bool

	// Rules are the numbers of rules or sections, such as "2.3" or "5.2.1"; nil means all.
	Rules []string

	// Mistake is made by the server, or seems to be: see [Mistakes]. May be nil.
	Mistake *Mistake
}

// rule is a rule of docs/contract.md that can be judged from outside.
type rule struct {
	number string
	basis  string // the first evidence of the rule
	title  string

	// judge calls j.fail if the server does not follow the rule, or if that cannot be told.
	judge func(ctx context.Context, j *judge)
}

// The bases of rules: a page of the public documentation, other public material, or a decision that
// Signet has made where both are silent. A server that breaks only decided rules may be right.
const (
	page     = "page"
	observed = "observed"
	decided  = "decided"
)

// rules returns all rules in the order of their numbers.
func rules() []rule {
	all := slices.Concat(
		tokenRules(), initiateRules(), documentRules(), signerRules(), resultRules(), cancelRules(),
		webhookRules(), otherRules(),
	)
	parts := func(number string) (list []int) {
		for part := range strings.SplitSeq(number, ".") {
			n, _ := strconv.Atoi(part) // a test holds the numbers against docs/contract.md
			list = append(list, n)
		}
		return list
	}
	slices.SortFunc(
		all, func(a, b rule) int { return slices.Compare(parts(a.number), parts(b.number)) },
	)
	return all
}

// unknownError says why a rule cannot be judged.
type unknownError struct{ reason string }

func (e unknownError) Error() string { return e.reason }

func cannotTell(format string, args ...any) error {
	return unknownError{fmt.Sprintf(format, args...)}
}

// judge is the state that the rules share.
//
// A rule is a series of calls and checks. After the first failure the methods that make calls make
// none and return empty values, so that a rule need not look at the error after each step.
type judge struct {
	Config
	recorder *report.Recorder
	http     *http.Client // follows no redirects; recorded
	steering *http.Client // of the control listener; not recorded, because it is no evidence
	sdk      *client.Client
	hooks    *receiver // nil without Config.Webhooks
	v30      bool      // the server knows the claims of V3.0 only
	cancels  bool      // the server has the call cancel, which is newer than the others

	open   *request    // that stays unsigned
	signed *request    // that is signed
	tried  *deliveries // of webhooks that are not accepted at once
	shown  []arrival   // that are evidence for the present rule

	mu  sync.Mutex
	err error // the first failure of the present rule
}

// fail keeps the failure of the present rule, if err is one and the first: an unknownError if the
// rule cannot be judged, and otherwise what is wrong.
func (j *judge) fail(err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.err == nil {
		j.err = err
	}
}

func (j *judge) failf(format string, args ...any) { j.fail(fmt.Errorf(format, args...)) }

func (j *judge) failed() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.err != nil
}

// ErrSetUp is the error of a server that cannot be judged, because it refuses an ordinary call.
var ErrSetUp = errors.New("the server cannot be judged")

// Judge judges a server. The error is about the configuration, or wraps [ErrSetUp], or is the end
// of ctx.
func Judge(ctx context.Context, config Config) (*report.Report, error) {
	if config.Webhooks != nil {
		defer config.Webhooks.Close()
	}
	if err := config.CheckRules(); err != nil {
		return nil, err
	}
	j, err := newJudge(config)
	if err != nil {
		return nil, err
	}
	if j.hooks != nil {
		defer j.hooks.close()
	}
	if err := j.chooseForm(ctx); err != nil {
		return nil, err
	}
	r := &report.Report{Name: "signet conform", Subject: config.BaseURL, Began: time.Now()}
	for _, rule := range rules() {
		if !config.wants(rule.number) {
			continue
		}
		j.recorder.Take()
		j.shown, j.err = nil, nil
		began := time.Now()
		rule.judge(ctx, j)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		v := report.Verdict{
			Rule: rule.number, Title: rule.title, Basis: rule.basis, Outcome: report.Pass,
			Took: time.Since(began), Evidence: j.recorder.Take(),
		}
		for _, a := range j.shown {
			v.Evidence = append(v.Evidence, a.recorder.Exchanges()...)
		}
		if j.err != nil {
			v.Outcome, v.Reason = report.Fail, j.err.Error()
		}
		if _, unknown := errors.AsType[unknownError](j.err); unknown {
			v.Outcome = report.CannotTell
		}
		r.Verdicts = append(r.Verdicts, v)
	}
	return r, nil
}

// CheckRules returns an error if an entry of Rules is the number of no rule that can be judged and
// of no section that has one.
func (c *Config) CheckRules() error {
	for _, number := range c.Rules {
		if !slices.ContainsFunc(rules(), func(r rule) bool { return within(r.number, number) }) {
			return fmt.Errorf("no rule that can be judged has the number %q", number)
		}
	}
	return nil
}

// wants reports whether a rule is one of those to judge.
func (c *Config) wants(number string) bool {
	return c.Rules == nil || slices.ContainsFunc(c.Rules, func(r string) bool {
		return within(number, r)
	})
}

// within reports whether a rule is the one with a number, or of the section with it.
func within(rule, number string) bool {
	return rule == number || strings.HasPrefix(rule, number+".")
}

func newJudge(config Config) (*judge, error) {
	j := &judge{Config: config, recorder: new(report.Recorder)}
	transport := http.RoundTripper(http.DefaultTransport.(*http.Transport).Clone())
	if m := config.Mistake; m != nil && m.transport != nil {
		transport = m.transport(transport)
	}
	j.steering = &http.Client{Transport: transport, Timeout: time.Minute}
	j.http = &http.Client{
		Transport: j.recorder.Transport(transport), Timeout: time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}
	var err error
	j.sdk, err = client.New(client.Config{
		BaseURL: config.BaseURL, ClientID: config.Party.ClientID, Key: config.Party.Key.Signer,
		KeyID: config.Party.Key.ID, KeysURL: config.KeysURL, HTTPClient: j.http,
	})
	if err != nil {
		return nil, err
	}
	j.BaseURL = strings.TrimRight(config.BaseURL, "/")
	if config.Webhooks != nil {
		j.hooks, err = receive(config.Webhooks, config.Mistake, config.Party.Key, config.Other)
		if err != nil {
			return nil, err
		}
	}
	return j, nil
}

// chooseForm finds out whether the server has what the first documentation of V3.0 lacked.
func (j *judge) chooseForm(ctx context.Context) error {
	a := j.do(ctx, j.cancelOf(unknownID())())
	j.cancels = a.code() != "" || a.status != http.StatusNotFound
	for _, v30 := range []bool{false, true} {
		j.v30 = v30
		a := j.do(ctx, j.initiate())
		if j.err != nil {
			return fmt.Errorf("%w: %w", ErrSetUp, j.err)
		}
		if a.succeeded() { // another status than 200 is judged
			return nil
		}
		if v30 {
			return fmt.Errorf(
				"%w: an ordinary call of initiate is answered %s; check the base URL, the client "+
					"id, the key and the JWKS that the server has for it", ErrSetUp, a,
			)
		}
	}
	return nil
}
