// Package fault injects faults into the sandbox that a real service and network may have: lost and
// duplicate webhooks, failed calls, lost answers, and a timestamp authority that is down.
//
// A [Set] holds the rules and selects the calls to inject a fault into. Start at [Set.Handler],
// [Set.Webhooks] and [Set.Timestamper], which wrap working parts. `signet serve` does not use this
// package; package control has the calls that change the rules.
package fault

import (
	"crypto/ecdsa"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// Kind is the kind of a fault.
type Kind string

// The kinds of faults.
const (
	Error Kind = "error" // a call is answered with 500 and not executed
	Reset Kind = "reset" // the connection is reset and the call not executed
	Slow  Kind = "slow"  // a call is executed after a delay
	// a call is executed, and the connection closed without an answer
	AnswerLost Kind = "answer-lost"
	// a call is answered with 503 and the delay as Retry-After, and not executed
	Unavailable Kind = "unavailable"

	// a result call is answered with [ErrRequestFailed]
	ResultFailed Kind = "result-failed"

	DownloadExpired Kind = "download-expired" // a download link expires immediately, and stays so
	DownloadDamaged Kind = "download-damaged" // a byte of the document is changed
	// the connection is closed before the end of the document
	DownloadCut Kind = "download-cut"

	// an answer has a further member, and that of a refusal another description
	AnswerExtended Kind = "answer-extended"

	WebhookLost    Kind = "webhook-lost"    // not sent, and counts as delivered
	WebhookLate    Kind = "webhook-late"    // sent after a delay
	WebhookDoubled Kind = "webhook-doubled" // sent twice
	// sent after the next webhook to the party, or after a delay if there is none
	WebhookReordered Kind = "webhook-reordered"
	// sent with a changed claim, so that the signature is wrong; every second one has a signature
	// of zeros, which some libraries took for valid
	WebhookForged  Kind = "webhook-forged"
	WebhookExpired Kind = "webhook-expired" // sent with a token that has expired
	// sent with a token signed by another key; every second one under a kid that is not published
	WebhookWrongKey Kind = "webhook-wrong-key"
	// sent with a token whose alg is none; every second one writes it nOnE
	WebhookUnsigned Kind = "webhook-unsigned"
	// sent with a token that the service's public key has "signed" as a shared secret
	WebhookHMAC Kind = "webhook-hmac"
	// sent with a token whose header has its key
	WebhookOwnKey Kind = "webhook-own-key"
	// sent with a genuine token for another party
	WebhookOtherAudience Kind = "webhook-other-audience"
	// sent with a genuine token for a request that does not exist
	WebhookOtherRequest Kind = "webhook-other-request"
	// sent with a genuine token that has a further claim
	WebhookExtended Kind = "webhook-extended"
	// sent with a token that is signed by a key that the service has just published
	WebhookNewKey Kind = "webhook-new-key"

	// a sign session lasts for the delay at least, and phones do not answer in it
	SessionHangs Kind = "session-hangs"

	TSADown     Kind = "tsa-down"     // the timestamp authority does not answer
	SealingSlow Kind = "sealing-slow" // the timestamp authority answers after a delay
)

// kinds has the usual delay of each kind; 0: the kind has none.
var kinds = map[Kind]time.Duration{
	Error: 0, Reset: 0, Slow: someDelay, AnswerLost: 0, Unavailable: someDelay, ResultFailed: 0,
	DownloadExpired: 0, DownloadDamaged: 0, DownloadCut: 0, AnswerExtended: 0,
	WebhookLost: 0, WebhookLate: someDelay, WebhookDoubled: 0, WebhookReordered: someDelay,
	WebhookForged: 0, WebhookExpired: 0, WebhookWrongKey: 0, WebhookUnsigned: 0, WebhookHMAC: 0,
	WebhookOwnKey: 0, WebhookOtherAudience: 0, WebhookNewKey: 0, WebhookOtherRequest: 0,
	WebhookExtended: 0,
	SessionHangs:    time.Hour, TSADown: 0, SealingSlow: someDelay,
}

const someDelay = 5 * time.Second

// Kinds lists the kinds of faults.
func Kinds() []Kind { return slices.Sorted(maps.Keys(kinds)) }

// Calls lists the calls that rules can be for.
func Calls() []string { return slices.Clone(calls) }

// calls are the calls that rules can be for.
var calls = []string{"initiate", "cancel", "result", "download", "keys"}

// callsOf returns the calls that can have a fault.
func callsOf(k Kind) []string {
	switch k {
	case Error, Reset, Slow, AnswerLost, Unavailable:
		return calls
	case ResultFailed:
		return []string{"result"}
	case DownloadExpired, DownloadDamaged, DownloadCut:
		return []string{"download"}
	case AnswerExtended:
		return []string{"initiate", "cancel", "result"}
	}
	return nil
}

// Rule selects a fault and the calls to inject it into.
type Rule struct {
	Kind        Kind    `json:"kind"                  yaml:"kind"`
	Probability float64 `json:"probability,omitempty" yaml:"probability"` // up to 1; 0 is 1
	// of injections; 0 is any number
	Count int      `json:"count,omitempty"       yaml:"count"`
	Delay Duration `json:"delay,omitzero"        yaml:"delay"` // 0 is 5 s; an hour for SessionHangs

	// Only for calls of this kind (initiate, cancel, result, download, keys), this relying party
	// and this request.
	Call      string `json:"call,omitempty"       yaml:"call"`
	ClientID  string `json:"client_id,omitempty"  yaml:"client_id"`
	RequestID string `json:"request_id,omitempty" yaml:"request_id"`
}

// Duration is a time.Duration whose text is "1m30s".
type Duration time.Duration

// UnmarshalText reads the text.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	*d = Duration(v)
	return err
}

// MarshalText writes the text.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// Check returns an error for a rule that makes no sense, and sets what is not set.
func (r *Rule) Check() error {
	_, ok := kinds[r.Kind]
	switch {
	case !ok:
		return fmt.Errorf("unknown fault %q; there are %v", r.Kind, Kinds())
	case r.Probability < 0 || r.Probability > 1:
		return fmt.Errorf("%s: the probability must be between 0 and 1", r.Kind)
	case r.Count < 0 || r.Delay < 0:
		return fmt.Errorf("%s: count and delay must not be negative", r.Kind)
	case r.Call != "" && !slices.Contains(calls, r.Call):
		return fmt.Errorf("%s: unknown call %q; there are %v", r.Kind, r.Call, calls)
	case r.Call != "" && !slices.Contains(callsOf(r.Kind), r.Call):
		return fmt.Errorf("%s: the call %s cannot have this fault", r.Kind, r.Call)
	}
	if r.Probability == 0 {
		r.Probability = 1
	}
	if r.Delay == 0 {
		r.Delay = Duration(kinds[r.Kind])
	}
	return nil
}

// Rehearsal returns rules that inject a low rate of every fault but ResultFailed, after which a
// relying party would not ask again.
func Rehearsal() (rules []Rule) {
	for _, kind := range Kinds() {
		if kind == ResultFailed {
			continue
		}
		rule := Rule{Kind: kind, Probability: 0.03}
		if kind == SessionHangs {
			rule.Delay = Duration(5 * time.Minute) // and then the signer may try again
		}
		rules = append(rules, rule)
	}
	return rules
}

// Target is a call that a fault may be injected into.
type Target struct {
	Call                string // one of calls, or "webhook", "session" or "sealing"
	ClientID, RequestID string // "" if not known
	Token               string // of the call; may be empty, is not verified
}

// Injection is a fault that was injected.
type Injection struct {
	Kind Kind
	Target
}

// Recent is an injection as [Set.Recent] lists it.
type Recent struct {
	At        time.Time `json:"at"`
	Kind      Kind      `json:"kind"`
	Call      string    `json:"call"`
	ClientID  string    `json:"client_id,omitempty"`
	RequestID string    `json:"request_id,omitempty"`
}

// maxRecent is how many injections a Set remembers.
const maxRecent = 50

// Status is a rule and how often it was applied.
type Status struct {
	ID int `json:"id"` // for Remove
	Rule
	Injected int `json:"injected"`

	configured bool // the set was made with it
}

// spent reports whether the rule has been applied as often as it may be.
func (r *Status) spent() bool { return r.Count > 0 && r.Injected >= r.Count }

// Set is the rules in force. It is safe for concurrent use.
type Set struct {
	injected   func(Injection)
	now        func() time.Time
	configured []Rule // those that the set was made with

	// Save keeps what was done to the set since it was made, for the next start of the sandbox,
	// which gives it to [Set.Load]. May be nil. It is called after each change.
	Save func(state []byte)

	mu    sync.Mutex
	rules []*Status
	added int // number of rules ever added
	rand  *rand.Rand
	// of WebhookNewKey, published with the keys of the service; nil before the first one
	newKey *ecdsa.PrivateKey
	held   map[string][]held // webhooks of WebhookReordered, by client id
	silent map[string]bool   // ids of sessions in which phones do not answer
	recent []Recent          // oldest first
	ended  map[string]string // links that DownloadExpired has ended, by request id
}

// NewSet returns a set of these rules. The seed determines the choices of rules with a probability:
// the same calls in the same order get the same faults. injected is called for each injection.
func NewSet(
	seed uint64, now func() time.Time, injected func(Injection), rules ...Rule,
) (*Set, error) {
	s := &Set{injected: injected, now: now, rand: rand.New(rand.NewPCG(seed, 0))}
	for _, r := range rules {
		if err := r.Check(); err != nil {
			return nil, err
		}
		s.configured = append(s.configured, r)
	}
	s.configure()
	return s, nil
}

// configure adds the rules that the set was made with.
func (s *Set) configure() {
	for _, r := range s.configured {
		s.add(Status{Rule: r, configured: true})
	}
}

// add adds a rule with the next id.
func (s *Set) add(r Status) {
	s.added++
	r.ID = s.added
	s.rules = append(s.rules, &r)
}

// Add adds a rule.
func (s *Set) Add(r Rule) error {
	if err := r.Check(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.add(Status{Rule: r})
	s.save()
	return nil
}

// Clear removes all rules. In sessions that hang phones answer again.
func (s *Set) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rules, s.silent, s.ended = nil, nil, nil
	s.save()
}

// Restart makes the rules those that the set was made with. In sessions that hang phones answer
// again.
func (s *Set) Restart() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rules, s.silent, s.ended = nil, nil, nil
	s.configure()
	s.save()
}

// RestartFor is Restart for the rules that it is asked about, and for the sessions with these ids.
func (s *Set) RestartFor(of func(Rule) bool, sessions map[string]bool) {
	mine := map[int]bool{}
	for _, r := range s.Rules() { // which of asks the store about
		mine[r.ID] = of(r.Rule)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rules = slices.DeleteFunc(s.rules, func(r *Status) bool {
		return mine[r.ID] && !r.configured
	})
	for _, r := range s.rules {
		if mine[r.ID] {
			r.Injected = 0
		}
	}
	maps.DeleteFunc(s.silent, func(id string, _ bool) bool { return sessions[id] })
	s.save()
}

// Remove removes the rule with an id, and reports whether there was one.
func (s *Set) Remove(id int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.rules)
	s.rules = slices.DeleteFunc(s.rules, func(r *Status) bool { return r.ID == id })
	s.save()
	return len(s.rules) < n
}

// Recent lists the newest injections, the newest first.
func (s *Set) Recent() []Recent {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := slices.Clone(s.recent)
	slices.Reverse(list)
	return list
}

// Rules lists the rules, the oldest first.
func (s *Set) Rules() []Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := []Status{}
	for _, r := range s.rules {
		list = append(list, *r)
	}
	return list
}

// Added returns the number of rules that were added since the set was made and may still be
// applied.
func (s *Set) Added() (n int) {
	for _, r := range s.Rules() {
		if !r.configured && !r.spent() {
			n++
		}
	}
	return n
}

// take returns the first rule of these kinds that applies to the target, and counts it; ok is false
// if there is none.
func (s *Set) take(t Target, of ...Kind) (rule Status, ok bool) {
	s.mu.Lock()
	for _, r := range s.rules {
		ok = slices.Contains(of, r.Kind) && r.applies(t) && s.rand.Float64() < r.Probability
		if ok {
			r.Injected++
			rule = *r
			s.recent = append(s.recent, Recent{
				s.now().UTC(), rule.Kind, t.Call, t.ClientID, t.RequestID,
			})
			s.recent = s.recent[max(0, len(s.recent)-maxRecent):]
			if r.Count > 0 && !r.configured {
				s.save()
			}
			break
		}
	}
	s.mu.Unlock()
	if ok {
		s.injected(Injection{rule.Kind, t})
	}
	return rule, ok
}

func (r *Status) applies(t Target) bool {
	return !r.spent() &&
		(r.Call == "" || r.Call == t.Call) &&
		(r.ClientID == "" || r.ClientID == t.ClientID) &&
		(r.RequestID == "" || r.RequestID == t.RequestID)
}
