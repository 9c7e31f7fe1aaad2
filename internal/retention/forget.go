package retention

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/signer"
)

// People is the store of what is stored about people. Each method that changes something does so in
// transactions that take effect as a whole.
type People interface {
	// RequestsOf calls f for every request that concerns a person ([request.Request.Concerns]), in
	// any order. The person's UIN has to be a valid NRIC or FIN.
	RequestsOf(ctx context.Context, p signer.Person, f func(*request.Request)) error

	// Phones is the method of signer.Store, and Jobs that of request.Outbox.
	Phones(ctx context.Context, uin string) ([]signer.Phone, error)
	Jobs(ctx context.Context, requestID string) ([]request.Job, error)

	// ForgetRequest is request.Store.Update for a request that is to be forgotten. In the same
	// transaction it erases the request's records of calls, the errors of its jobs, and the text of
	// its events that reveal a person. The error is a [request.ErrInProgress] if the request has a
	// pending job other than a renewal or a purge.
	ForgetRequest(
		ctx context.Context, id string, now time.Time,
		change func(*request.Request) (request.Effects, error), reveals func(text string) bool,
	) error

	// ForgetPhones calls forget for every phone of a person, writes the result, and erases the
	// phones' events. In the phones' trails in the audit log it erases the texts that reveal the
	// person, and adds an event that names the operator. It returns the number of phones.
	ForgetPhones(
		ctx context.Context, uin, by string, now time.Time, forget func(*signer.Phone) error,
		reveals func(text string) bool,
	) (n int, err error)

	// CallsOf counts the records of calls of a request, without reading them.
	CallsOf(ctx context.Context, requestID string) (n int, err error)

	// ForgetCallsOf erases the records of calls that reveal a person, and returns how many.
	ForgetCallsOf(ctx context.Context, reveals func(text string) bool) (n int, err error)

	// ForgetProposals erases what operators have proposed for a person.
	ForgetProposals(ctx context.Context, uin string) error
}

// Forgotten says how much of a person was found.
type Forgotten struct{ Requests, Phones, Calls int }

// ErrRevealing is the error for a name or reason of an operator that reveals the person.
var ErrRevealing = errors.New("the operator's name or reason names the person, and would stay")

// Found is everything that is stored about a person. Calls are those of the requests only: Forget
// looks at all others too.
type Found struct {
	Forgotten         // what Forget removes or changes
	Signed    int     // signed documents, which stay
	Active    []error // the requests that do not permit Forget now: [request.ErrInProgress]
}

// Find finds what Forget would remove. It does not read the records of calls.
func Find(
	ctx context.Context, s People, uin string, now func() time.Time,
) (found Found, err error) {
	t, err := find(ctx, s, uin, now)
	if err != nil {
		return found, err
	}
	found = Found{
		Forgotten: Forgotten{Requests: len(t.requests), Phones: t.phones}, Signed: t.signed,
		Active: t.active,
	}
	for _, id := range t.requests {
		n, err := s.CallsOf(ctx, id)
		if err != nil {
			return found, err
		}
		found.Calls += n
	}
	return found, nil
}

// Permits returns the errors with which Forget would refuse now, because requests of the person are
// in progress.
func Permits(ctx context.Context, s People, uin string, now func() time.Time) error {
	t, err := find(ctx, s, uin, now)
	return errors.Join(append(t.active, err)...)
}

// traces are the numbers and ids of everything that is stored about a person.
type traces struct {
	signer.Person
	phones   int
	requests []string // ids
	signed   int
	active   []error                // requests in progress
	reveals  func(text string) bool // whether a text reveals the person
}

func find(ctx context.Context, s People, uin string, now func() time.Time) (t traces, err error) {
	t.UIN = signer.Normalize(uin)
	phones, err := s.Phones(ctx, t.UIN)
	if err != nil {
		return t, err
	}
	t.phones = len(phones)
	names := map[string]bool{}
	for _, phone := range phones {
		if cert, err := x509.ParseCertificate(phone.Certificate); err == nil {
			names[cert.Subject.CommonName] = true
		}
	}
	err = s.RequestsOf(ctx, t.Person, func(r *request.Request) {
		t.requests = append(t.requests, r.ID)
		if r.Signer != nil {
			names[r.Signer.Name] = true
		}
		if r.Signed != nil {
			names[r.Signed.Name] = true
			t.signed++
		}
		if _, err := r.Forget("", now()); err != nil {
			t.active = append(t.active, err)
		}
	})
	if err != nil {
		return t, err
	}
	for _, id := range t.requests {
		jobs, err := s.Jobs(ctx, id)
		if err != nil {
			return t, err
		}
		for _, j := range jobs {
			if j.Status == request.JobPending &&
				j.Kind != request.JobRenew && j.Kind != request.JobPurge {
				t.active = append(
					t.active, fmt.Errorf("%s: %w: job %s", id, request.ErrInProgress, j.Kind),
				)
			}
		}
	}
	t.reveals = revealing(t.Person, names)
	return t, nil
}

// Forget removes a person's UIN, its hash, names, certificates and credentials from everything that
// is stored about the person, and revokes the phones. by is the operator, whom the trails name. The
// requests, their trails and the audit log stay.
//
// If a request of the person is in progress the error is a [request.ErrInProgress] that names it,
// and nothing is changed. After another error, or a crash, some things are forgotten; Forget may
// run again. Records of calls are erased first, because they are found by the names in the others,
// and proposals last, because one of them may be what is carried out. It may run while the service
// does. The error is [ErrRevealing] if by reveals the person.
func Forget(
	ctx context.Context, s People, uin, by string, now func() time.Time, random io.Reader,
) (done Forgotten, err error) {
	t, err := find(ctx, s, uin, now)
	if err = errors.Join(append(t.active, err)...); err != nil {
		return done, err
	}
	if t.reveals(by) {
		return done, ErrRevealing
	}
	if done.Calls, err = s.ForgetCallsOf(ctx, t.reveals); err != nil {
		return done, err
	}
	done.Phones, err = s.ForgetPhones(ctx, t.UIN, by, now(), func(phone *signer.Phone) error {
		return phone.Forget(now(), random)
	}, t.reveals)
	if err != nil {
		return done, err
	}
	for _, id := range t.requests {
		err := s.ForgetRequest(ctx, id, now(), func(r *request.Request) (request.Effects, error) {
			return r.Forget(by, now())
		}, t.reveals)
		if err != nil {
			return done, fmt.Errorf("forgetting the signer of %s: %w", id, err)
		}
		done.Requests++
	}
	return done, s.ForgetProposals(ctx, t.UIN)
}
