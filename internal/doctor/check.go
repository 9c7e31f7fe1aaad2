// Package doctor checks a service and everything that it depends on, and says of each fault what to
// do. [Examine] is for a start that is to come, [Diagnose] for a deployment as it is, and a
// [Service] for the running one, whose readiness is a part of the checks. Start at the table in
// checks. No check changes anything, and no finding has a secret.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/deployment"
	"github.com/signet-sign/signet/internal/documents"
	"github.com/signet-sign/signet/internal/keydir"
	"github.com/signet-sign/signet/internal/obs"
	"github.com/signet-sign/signet/internal/parts"
	"github.com/signet-sign/signet/internal/server/console"
	"github.com/signet-sign/signet/internal/store"
)

// Level says how serious a finding is.
type Level string

// The levels.
const (
	OK      Level = "ok"
	Warning Level = "warning" // the service works, and will not for long or not for everyone
	Fault   Level = "fault"   // the service does not work
)

// Finding is the result of a check. It contains no secret.
type Finding struct {
	Check  string `json:"check"` // "database"
	Level  Level  `json:"level"`
	Text   string `json:"text,omitempty"`   // what is so
	Remedy string `json:"remedy,omitempty"` // what to do; empty if OK
}

func ok(format string, args ...any) Finding {
	return Finding{Level: OK, Text: fmt.Sprintf(format, args...)}
}

func warning(remedy, format string, args ...any) Finding {
	return Finding{Level: Warning, Text: fmt.Sprintf(format, args...), Remedy: remedy}
}

// faulty returns a fault if err is not nil, and otherwise OK with text.
func faulty(err error, remedy, text string) Finding {
	if err != nil {
		return Finding{Level: Fault, Text: console.PlainText(err.Error()), Remedy: remedy}
	}
	return Finding{Level: OK, Text: text}
}

// Service is a service that is checked, or the parts of one that does not run.
type Service struct {
	Config    *config.Config
	Now       func() time.Time
	After     func(time.Duration) <-chan time.Time
	Log       *slog.Logger
	Listen    string // address of the public listener
	Free      func(path string) (bytes uint64, err error)
	InMemory  func(path string) bool // whether a stop of the machine loses what is stored there
	OpenFiles func() uint64          // how many files and sockets this process can have open
	Running   bool                   // it is the service of this process
	ID        string                 // identity of the deployment; "" if it is not known
	Store     *store.Store
	away      bool // the database exists, as far as is known, and cannot be opened
	Documents documents.Store
	Keys      *keydir.Dir                     // nil until it is opened
	Clock     *parts.Clock                    // nil in a sandbox
	Stamps    func(ctx context.Context) error // of the last timestamp
}

// marked checks that a part is of the deployment.
func (s *Service) marked(ctx context.Context, p deployment.Part) error {
	switch m, err := p.Mark(ctx); {
	case err != nil:
		return err
	case m.ID != s.ID:
		return fmt.Errorf("%s is not of this deployment any more: is it mounted?", p)
	}
	return nil
}

// occasions are the occasions on which a check is made.
type occasions int

const (
	atReadiness occasions = 1 << iota // GET /readyz, often: cheap, and nothing leaves the machine
	atStart                           // signet serve --check
	atDoctor                          // signet doctor, and the console: calls others, and signs

	always = atReadiness | atStart | atDoctor
)

// needs are the parts without which a check is not made.
type needs int

const (
	needsIdentity needs = 1 << iota // of a deployment that has one
	needsStore
	needsPartitions // a store that has them
	needsDocuments
	needsClock
	needsStamps
	needsProvider // of the keys, whose absence checkKeys reports
)

// check is one of the checks of a service.
type check struct {
	name     string // of its findings, unless they have others
	at       occasions
	needs    needs
	optional bool // a service is ready in spite of a fault
	run      func(ctx context.Context, s *Service) []Finding
}

// checks are all checks of an open service, in the order of their findings.
func checks() []check {
	type several = func(context.Context, *Service) []Finding
	one := func(run func(context.Context, *Service) Finding) several {
		return func(ctx context.Context, s *Service) []Finding { return []Finding{run(ctx, s)} }
	}
	return []check{
		{"database", always, needsStore, false, one(checkDatabase)},
		{"migrations", always, needsStore, false, one(checkSchema)},
		{"partitions", always, needsPartitions, true, one(checkPartitions)},
		{"facts", atStart | atDoctor, needsStore, false, checkFacts},
		{"documents", always, needsDocuments, false, one(checkDocuments)},
		{"document deletion", always, needsDocuments, true, one(checkSweep)},
		{
			"document keys", atStart | atDoctor, needsStore | needsIdentity | needsProvider,
			false, one(checkDocumentKeys),
		},
		{"keys", always, needsIdentity, false, checkKeys},
		{
			"secrets", atStart | atDoctor, needsIdentity | needsProvider, false, checkSecrets,
		},
		{"clock", always, needsClock, false, one(checkClock)},
		{"timestamps", atReadiness, needsStamps, true, one(checkLastStamp)},
		{"database server", atDoctor, needsStore, false, checkServer},
		{"disk", atDoctor, 0, false, one(checkDisk)},
		{"owner", atDoctor, needsIdentity, false, one(checkOwner)},
		{"certificates", atDoctor, needsIdentity, false, checkCertificates},
		{"timestamps", atDoctor, needsIdentity, false, checkAuthorities},
		{
			"signature", atStart, needsIdentity | needsProvider, false, one(checkAuthority),
		},
		{
			"signature", atDoctor, needsIdentity | needsProvider, false, one(checkSignature),
		},
		{"login", atDoctor, needsProvider, false, checkLogin},
		{"exposure", atDoctor, 0, false, checkExposure},
		{"limits", atStart | atDoctor, 0, false, checkLimits},
		{"tls", atStart | atDoctor, 0, false, checkTLS},
		{"tls", atDoctor, 0, false, checkACME},
		{"listen", atStart | atDoctor, 0, false, checkAddresses},
		{"proxy", atDoctor, needsIdentity | needsProvider, false, checkProxy},
		{"traces", atDoctor, 0, false, checkCollector},
		{"relying party", atDoctor, 0, false, checkParties},
	}
}

// possible reports whether the service has the parts that a check needs.
func (c check) possible(s *Service) bool {
	return (c.needs&needsIdentity == 0 || s.ID != "") &&
		(c.needs&needsStore == 0 || s.Store != nil) &&
		(c.needs&needsPartitions == 0 || s.Store != nil && s.Store.Partitioned()) &&
		(c.needs&needsDocuments == 0 || s.Documents != nil) &&
		(c.needs&needsClock == 0 || s.Clock != nil) &&
		(c.needs&needsStamps == 0 || s.Stamps != nil) &&
		(c.needs&needsProvider == 0 || s.provided())
}

// provided reports whether the keys are not in a token or key management service that is away.
func (s *Service) provided() bool {
	_, err := s.openKeys()
	return !errors.As(err, new(parts.ProviderError))
}

// findings makes the check, and names its findings.
func (c check) findings(ctx context.Context, s *Service) []Finding {
	list := c.run(ctx, s)
	for i := range list {
		if list[i].Check == "" {
			list[i].Check = c.name
		}
	}
	return list
}

// run makes the checks of an occasion one after the other.
func (s *Service) run(ctx context.Context, at occasions) (list []Finding) {
	for _, c := range checks() {
		if c.at&at != 0 && c.possible(s) {
			list = append(list, c.findings(ctx, s)...)
		}
	}
	return list
}

// Diagnose makes all checks of a running service.
func (s *Service) Diagnose(ctx context.Context) []Finding { return s.run(ctx, atDoctor) }

// Health returns the checks of the readiness.
func (s *Service) Health() (list []obs.Check) {
	for _, c := range checks() {
		if c.at&atReadiness == 0 || !c.possible(s) {
			continue
		}
		list = append(list, obs.Check{
			Name: c.name, Optional: c.optional, Run: func(ctx context.Context) error {
				var errs []error
				for _, f := range c.findings(ctx, s) {
					if f.Level == Fault {
						errs = append(errs, errors.New(f.Text))
					}
				}
				return errors.Join(errs...)
			},
		})
	}
	return list
}
