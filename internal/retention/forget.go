package retention

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/signer"
)

// People is the store of what is stored about people. Each method that changes something does so in
// transactions that take effect as a whole.
type People interface {
	request.Lister

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
	// phones' events. It adds an event that names the operator to the phones' trails in the audit
	// log, which name no person. It returns the number of phones.
	ForgetPhones(
		ctx context.Context, uin, by string, now time.Time, forget func(*signer.Phone) error,
	) (n int, err error)

	// ForgetCallsOf erases the records of calls that reveal a person, and returns how many.
	ForgetCallsOf(ctx context.Context, reveals func(text string) bool) (n int, err error)
}

// Forgotten says how much of a person was found.
type Forgotten struct{ Requests, Phones, Calls int }

// Forget removes a person's UIN, its hash, names, certificates and credentials from everything that
// is stored about the person, and revokes the phones. by is the operator, whom the trails name. The
// requests, their trails and the audit log stay.
//
// If a request of the person is in progress the error is a [request.ErrInProgress] that names it,
// and nothing is changed. After another error, or a crash, some things are forgotten; Forget may
// run again.
func Forget(
	ctx context.Context, s People, uin, by string, now func() time.Time, random io.Reader,
) (done Forgotten, err error) {
	p := signer.Person{UIN: signer.Normalize(uin)}
	phones, err := s.Phones(ctx, p.UIN)
	if err != nil {
		return done, err
	}
	names := map[string]bool{}
	for _, phone := range phones {
		if cert, err := x509.ParseCertificate(phone.Certificate); err == nil {
			names[cert.Subject.CommonName] = true
		}
	}
	var ids []string
	var active []error
	err = each(ctx, s, func(r *request.Request) {
		if !r.Concerns(p) {
			return
		}
		ids = append(ids, r.ID)
		if r.Signer != nil {
			names[r.Signer.Name] = true
		}
		if r.Signed != nil {
			names[r.Signed.Name] = true
		}
		if _, err := r.Forget(by, now()); err != nil {
			active = append(active, err)
		}
	})
	if err = errors.Join(append(active, err)...); err != nil {
		return done, err
	}
	for _, id := range ids {
		jobs, err := s.Jobs(ctx, id)
		if err != nil {
			return done, err
		}
		for _, j := range jobs {
			if j.Status == request.JobPending &&
				j.Kind != request.JobRenew && j.Kind != request.JobPurge {
				return done, fmt.Errorf("%s: %w: job %s", id, request.ErrInProgress, j.Kind)
			}
		}
	}

	reveals := revealing(p, names)
	done.Phones, err = s.ForgetPhones(ctx, p.UIN, by, now(), func(phone *signer.Phone) error {
		return phone.Forget(now(), random)
	})
	if err != nil {
		return done, err
	}
	for _, id := range ids {
		err := s.ForgetRequest(ctx, id, now(), func(r *request.Request) (request.Effects, error) {
			return r.Forget(by, now())
		}, reveals)
		if err != nil {
			return done, fmt.Errorf("forgetting the signer of %s: %w", id, err)
		}
		done.Requests++
	}
	done.Calls, err = s.ForgetCallsOf(ctx, reveals)
	return done, err
}

// each calls f for every request.
func each(ctx context.Context, from request.Lister, f func(*request.Request)) error {
	filter := request.Filter{Limit: 200}
	for {
		page, err := from.List(ctx, filter)
		if err != nil || len(page) == 0 {
			return err
		}
		filter.Before = filter.CursorAt(page[len(page)-1])
		for _, r := range page {
			f(r)
		}
	}
}

// revealing returns a function that reports whether a text reveals a person: whether it, or a
// string in it if it is JSON, contains the UIN, its hash, or one of the names as whole words, in
// either case.
func revealing(p signer.Person, names map[string]bool) func(text string) bool {
	pattern := `(?i)` + regexp.QuoteMeta(p.UIN) + `|` + p.Hash()
	for name := range names {
		if name = strings.TrimSpace(name); name != "" {
			pattern += `|(?:^|[^\pL\pN])` + regexp.QuoteMeta(name) + `(?:$|[^\pL\pN])`
		}
	}
	revealed := regexp.MustCompile(pattern).MatchString
	return func(text string) bool {
		var value any
		if json.Unmarshal([]byte(text), &value) != nil {
			return revealed(text)
		}
		return anyString(value, revealed)
	}
}

// anyString reports whether a holds for one of the strings in a JSON value.
func anyString(value any, a func(string) bool) bool {
	switch v := value.(type) {
	case string:
		return a(v)
	case []any:
		return slices.ContainsFunc(v, func(v any) bool { return anyString(v, a) })
	case map[string]any:
		for _, v := range v {
			if anyString(v, a) {
				return true
			}
		}
	}
	return false
}
