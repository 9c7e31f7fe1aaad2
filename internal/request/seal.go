package request

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/pades"
)

// DefaultSealTimeout is how long Seal is retried by default.
const DefaultSealTimeout = 24 * time.Hour

// The pauses between attempts to seal are 1, 2, 4 and so on seconds, up to sealMaxWait.
const (
	sealMinWait = time.Second
	sealMaxWait = time.Hour
)

// sealWait returns the pause after the given number of failed attempts.
func sealWait(tries int) time.Duration {
	return min(sealMinWait<<min(tries-1, 12), sealMaxWait)
}

// errGate is the error for a signed document that is not what the signer approved. Retrying does
// not help.
var errGate = errors.New("release gate")

// Seal finishes a document that a phone has approved. It runs the job that Approve adds. Every step
// can be repeated after a crash, by any process: it writes the bytes first, under a name of this
// attempt, and then the record that makes them visible. While no timestamp authority answers, the
// job is retried until Approval.SealBy. Then the request is stalled: the phone's signature is kept
// until an operator seals it again or aborts it, or the relying party cancels.
func (s *Service) Seal(ctx context.Context, job *Job) []Event {
	r, err := s.Store.Get(ctx, job.RequestID)
	switch {
	case err != nil:
		job.Retry(s.NowOf(job.RequestID).Add(sealRecordWait), err)
		return nil
	case table[ActSeal][r.State].to == "": // done before a crash, or by another process
		job.Finish()
		return nil
	// another job retries earlier, or a crash prevented this one from waiting
	case r.Approval.NextTry.After(s.NowOf(r.ID)):
		job.Retry(r.Approval.NextTry, errors.New("the next attempt is not due"))
		return nil
	}
	switch err := s.seal(ctx, r); {
	case err == nil:
		job.Finish()
	case ctx.Err() != nil: // the process stops, which is not a failure
		job.Retry(s.NowOf(r.ID), err)
	default:
		s.sealFailed(ctx, r, job, err)
	}
	return nil
}

// sealRecordWait is the pause after a failure of the database rather than of sealing.
const sealRecordWait = 5 * time.Second

// sealFailed schedules the next attempt, or makes the request stalled if there is none.
func (s *Service) sealFailed(ctx context.Context, tried *Request, job *Job, cause error) {
	var due time.Time // of the next attempt; zero if there is none
	stalled := false
	err := s.update(ctx, tried.ID, func(r *Request, now time.Time) (e Effects, _ error) {
		due, stalled = time.Time{}, false
		c := table[ActSealFailed][r.State]
		if c.to == "" || r.Approval.SessionID != tried.Approval.SessionID {
			return e, nil // an operator has aborted it, or another process has finished it
		}
		r.Approval.Tries++
		detail := Detail{Attempt: fmt.Sprint(r.Approval.Tries), Error: cause.Error()}
		left := r.Approval.sealBy(s.SealTimeout).Sub(now)
		if left < sealMinWait || errors.Is(cause, errGate) {
			stalled = true
			r.State = c.to
			e.record(now, EventSealFailed, detail)
			return e, nil
		}
		due = now.Add(min(left, sealWait(r.Approval.Tries)))
		r.Approval.NextTry = due
		e.record(now, EventSealRetried, detail)
		return e, nil
	})
	switch {
	case err != nil:
		job.Retry(s.NowOf(job.RequestID).Add(sealRecordWait), errors.Join(cause, err))
	case stalled:
		s.Log.Error(
			"ALARM: a document that was approved cannot be sealed", "request_id", tried.ID, "err",
			cause,
		)
		if s.Stalled != nil {
			s.Stalled()
		}
		job.Fail(cause)
	case due.IsZero():
		job.Finish()
	default:
		s.Log.Warn(
			"sealing failed, will be tried again", "request_id", tried.ID, "due", due, "err", cause,
		)
		job.Retry(due, cause)
	}
}

// ErrNotSealing is the refusal of SealAgain and Abort if no approved document waits. Operators see
// the text.
var ErrNotSealing = &api.Error{
	Code: "NOT_SEALING", Description: "No approved document waits to be sealed",
}

// SealAgain makes the sealing of an approved document due now, whether it waits for its next
// attempt or is stalled. A stalled one gets a new time limit. by names the operator in the trail.
func (s *Service) SealAgain(ctx context.Context, id, by string) error {
	return s.update(ctx, id, func(r *Request, now time.Time) (e Effects, _ error) {
		if err := r.refusal(ActSealAgain); err != nil {
			return e, err
		}
		r.State = table[ActSealAgain][r.State].to
		a := r.Approval
		a.SealBy, a.NextTry, a.Tries = now.Add(s.SealTimeout), time.Time{}, 0
		e.record(now, EventSealAgain, Detail{By: by})
		e.Enqueue(JobSeal, now)
		return e, nil
	})
}

// Abort discards the phone's signature of a document that is not sealed yet. The signer can sign
// again if the request has not expired. by names the operator in the trail.
func (s *Service) Abort(ctx context.Context, id, by string) error {
	return s.update(ctx, id, func(r *Request, now time.Time) (e Effects, _ error) {
		if err := r.refusal(ActAbort); err != nil {
			return e, err
		}
		e.record(now, EventSealAborted, Detail{By: by})
		e.add(r.endSession(ActAbort, OutcomeFailed, now))
		return e, nil
	})
}

// sealBy returns the end of the time for sealing, also for approvals of earlier releases, which do
// not contain it.
func (a *Approval) sealBy(timeout time.Duration) time.Time {
	if a.SealBy.IsZero() {
		return a.At.Add(timeout)
	}
	return a.SealBy
}

// seal finishes the document of r, which is approved.
func (s *Service) seal(ctx context.Context, r *Request) error {
	approved := r.Approval
	doc, err := s.finish(ctx, r)
	if err != nil {
		return err
	}
	won := false
	err = s.update(ctx, r.ID, func(r *Request, now time.Time) (e Effects, err error) {
		won = false
		c := table[ActSeal][r.State]
		if c.to == "" || r.Approval.SessionID != approved.SessionID {
			return e, nil
		}
		won = true
		doc.At = now
		r.State, r.Signed = c.to, doc
		e.record(now, EventSigned, Detail{SHA256: fmt.Sprintf("%x", doc.SHA256)})
		e.Enqueue(JobWebhook, now)
		if s.Level == pades.LevelLTA {
			e.Enqueue(JobRenew, s.renewalDue(doc.Until))
		}
		e.purge(now)
		return e, nil
	})
	if err == nil && !won {
		s.discard(doc.Key)
	}
	if err == nil && won && s.Sealed != nil {
		s.Sealed(doc.At.Sub(approved.At))
	}
	return err
}

// finish writes the signed document and then reads and verifies it as any verifier would.
func (s *Service) finish(ctx context.Context, r *Request) (*SignedDocument, error) {
	s.enter(r.ID, PhaseStamp)
	defer s.enter(r.ID, "")
	original, err := s.Documents.Open(ctx, r.Document.Key)
	if err != nil {
		return nil, err
	}
	defer original.Close()
	p, err := s.prepared(ctx, r.Session.Prepared)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(r.Approval.Certificate)
	if err != nil {
		return nil, err
	}
	turn, err := s.parsing.take(ctx, r.ClientID)
	if err != nil {
		return nil, err
	}
	defer turn.end()
	above, err := s.Chain(cert)
	if err != nil {
		return nil, err
	}
	o := pades.SealOptions{
		Chain:       append([]*x509.Certificate{cert}, above...),
		Timestamper: turnlessTimestamper{s.Timestamper, turn, r}, Known: s.Known,
		NoDocumentTimestamp: s.Level < pades.LevelLTA, TimestampField: r.ID + "-timestamp",
		Rand: s.Rand, Limits: s.PDFLimits, Memo: s.memo,
	}
	if s.Level > pades.LevelT {
		o.Evidence = turnlessEvidence{s.Revocation, turn, func() { s.enter(r.ID, PhaseProve) }}
	}
	appended, _, err := pades.Seal(ctx, original, p, r.Approval.Signature, o)
	turn.end()
	if err != nil {
		return nil, err
	}

	s.enter(r.ID, PhaseCheck)
	key, err := s.newKey(r.ID, signedPrefix)
	if err != nil {
		return nil, err
	}
	doc := &SignedDocument{Name: cert.Subject.CommonName}
	doc.Document, err = s.put(ctx, key, io.MultiReader(
		io.NewSectionReader(original, 0, original.Size()), bytes.NewReader(appended),
	))
	if err != nil {
		return nil, err
	}
	doc.Pages = r.Document.Pages
	if err := s.gate(ctx, r, doc, p, cert); err != nil {
		s.discard(key)
		return nil, err
	}
	return doc, nil
}

// gate reads the stored document and requires exactly one new signature, by the phone's
// certificate, over the digest that the signer approved. That digest covers the uploaded bytes, so
// they are unchanged.
func (s *Service) gate(
	ctx context.Context, r *Request, doc *SignedDocument, p *pades.Prepared, cert *x509.Certificate,
) error {
	b, err := s.Documents.Open(ctx, doc.Key)
	if err != nil {
		return err
	}
	defer b.Close()
	report, err := s.verify(ctx, r.ClientID, b)
	if err != nil {
		return err
	}
	want := pades.Expectation{
		Prepared: p, Certificate: cert, Before: r.Document.Signatures, Level: s.Level,
	}
	if err := report.Meets(want); err != nil {
		return fmt.Errorf("%w: %w", errGate, err)
	}
	doc.Level, doc.Until = report.Signatures[r.Document.Signatures].Level.String(), report.Until()
	return nil
}

// trust returns the options with which documents are verified now.
func (s *Service) trust() pades.VerifyOptions {
	return pades.VerifyOptions{
		Roots: s.Roots, TSARoots: s.TSARoots, Now: s.now(), Limits: s.PDFLimits, Memo: s.memo,
	}
}
