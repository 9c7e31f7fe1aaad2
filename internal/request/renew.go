package request

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/signet-sign/signet/pades"
)

// DefaultRenewBefore is how long before the end of its newest timestamp's certificate a document is
// renewed by default.
const DefaultRenewBefore = 90 * 24 * time.Hour

// renewBackoff is the pauses after failed attempts; the last one repeats. A renewal has months of
// time.
var renewBackoff = []time.Duration{
	time.Minute, 10 * time.Minute, time.Hour, 6 * time.Hour, 24 * time.Hour,
}

// renewAlarm is the number of consecutive failures that raises an alarm.
const renewAlarm = 3

// errOvertaken is the error of an attempt that another one has overtaken.
var errOvertaken = errors.New("another attempt has renewed the document")

// renewalDue returns when to renew a document whose newest timestamp is valid until the given time.
func (s *Service) renewalDue(until time.Time) time.Time { return until.Add(-s.RenewBefore) }

// Renew keeps a signed document verifiable beyond the certificate of its newest document timestamp
// (EN 319 142-1, 5.4.3). It runs the job that sealing at level B-LTA adds. The job stays pending
// while the document is kept, and is due again before each end. Its payload counts the failures
// since the last success.
//
// Renew first puts the new name into the record, so that PurgeStrays does not delete the bytes.
// Then it writes the bytes and verifies them, and then changes the record to the new bytes. The
// record always names a complete document. If two nodes renew at the same time, the one whose name
// is in the record succeeds.
func (s *Service) Renew(ctx context.Context, job *Job) []Event {
	until, err := s.renew(ctx, job.RequestID)
	var early *pades.NotDueError
	switch {
	case errors.As(err, &early): // done before a crash, or RenewBefore was reduced
		until, err = early.Until, nil
	case errors.Is(err, errOvertaken):
		job.Retry(s.NowOf(job.RequestID).Add(renewBackoff[0]), err) // and then it is not due
		return nil
	case ctx.Err() != nil: // the process stops
		job.Retry(s.NowOf(job.RequestID), err)
		return nil
	}
	if err == nil {
		job.Finish()
		if !until.IsZero() {
			job.Status, job.DueAt, job.Payload = JobPending, s.renewalDue(until), ""
		}
		return nil
	}
	failures, _ := strconv.Atoi(job.Payload) // an empty payload is 0
	wait := renewBackoff[min(failures, len(renewBackoff)-1)]
	failures++
	job.Payload = strconv.Itoa(failures)
	if failures < renewAlarm {
		s.Log.Warn(
			"renewing a document failed, will be tried again", "request_id", job.RequestID,
			"failures", failures, "err", err,
		)
	} else {
		s.Log.Error(
			"ALARM: a signed document cannot be renewed", "request_id", job.RequestID,
			"failures", failures, "err", err,
		)
	}
	job.Retry(s.NowOf(job.RequestID).Add(wait), err)
	return []Event{{
		At: s.NowOf(job.RequestID), Kind: EventRenewFailed,
		Detail: Detail{Failures: job.Payload, Error: err.Error()},
	}}
}

// renew returns until when the document is now verifiable, or zero if there is nothing to renew,
// now or later.
func (s *Service) renew(ctx context.Context, id string) (until time.Time, err error) {
	r, err := s.Store.Get(ctx, id)
	if err != nil {
		return until, err
	}
	if table[ActRenew][r.State].to == "" || r.Signed.Level != pades.LevelLTA.String() {
		return until, nil
	}
	old, err := s.Documents.Open(ctx, r.Signed.Key)
	if err != nil {
		return until, err
	}
	defer old.Close()
	turn, err := s.parsing.take(ctx, r.ClientID)
	if err != nil {
		return until, err
	}
	defer turn.end()
	update, err := pades.Renew(ctx, old, old.Size(), pades.RenewOptions{
		ExtendOptions: pades.ExtendOptions{
			Evidence: turnlessEvidence{s.Revocation, turn, nil}, Known: s.Known,
			Timestamper: turnlessTimestamper{s.Timestamper, turn, r}, FieldName: id + "-timestamp",
			Rand: s.Rand, Limits: s.PDFLimits, Memo: s.memo,
		},
		Verify: s.trust(), Before: s.RenewBefore, Others: true,
	})
	turn.end()
	if err != nil {
		return until, err
	}

	key, err := s.newKey(id, signedPrefix)
	if err != nil {
		return until, err
	}
	err = s.update(ctx, id, func(n *Request, _ time.Time) (Effects, error) {
		if table[ActRenew][n.State].to == "" || n.Signed.Key != r.Signed.Key {
			return Effects{}, errOvertaken
		}
		n.Signed.Renewal = key
		return Effects{}, nil
	})
	if err != nil {
		return until, err
	}
	doc, err := s.rewrite(ctx, r, key, old, update)
	if err == nil {
		err = s.update(ctx, id, func(n *Request, now time.Time) (e Effects, err error) {
			if table[ActRenew][n.State].to == "" || n.Signed.Key != r.Signed.Key ||
				n.Signed.Renewal != key {
				return e, errOvertaken
			}
			doc.At = n.Signed.At // the signature is the same
			n.Signed = doc
			e.record(now, EventRenewed, Detail{
				SHA256: fmt.Sprintf("%x", doc.SHA256), Until: doc.Until.UTC().Format(time.RFC3339),
			})
			e.purge(now)
			return e, nil
		})
	}
	if err != nil {
		s.abandon(key, err)
		return until, err
	}
	return doc.Until, nil
}

// rewrite writes the renewed document, reads it, and checks that it has the signature that was
// approved, at its level, under a timestamp that is valid for longer than the old one.
func (s *Service) rewrite(
	ctx context.Context, r *Request, key string, old Blob, update []byte,
) (*SignedDocument, error) {
	was := sha256.New()
	stored, err := s.put(ctx, key, io.MultiReader(
		io.TeeReader(io.NewSectionReader(old, 0, old.Size()), was), bytes.NewReader(update),
	))
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(was.Sum(nil), r.Signed.SHA256) {
		return nil, fmt.Errorf("%w: the stored document is not the one on record", errGate)
	}
	doc := *r.Signed
	doc.Key, doc.Size, doc.SHA256, doc.Renewal = key, stored.Size, stored.SHA256, ""
	b, err := s.Documents.Open(ctx, key)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	report, err := s.verify(ctx, r.ClientID, b)
	if err != nil {
		return nil, err
	}
	ours := report.Signatures[min(r.Document.Signatures, len(report.Signatures)-1)]
	doc.Until = report.Until()
	switch {
	case len(ours.Problems) > 0:
		return nil, fmt.Errorf("%w: %w", errGate, ours.Err())
	case !r.Approval.certified(ours.Signer.Raw) || ours.Level.String() != r.Signed.Level:
		return nil, fmt.Errorf("%w: another signature than the one on record", errGate)
	case !doc.Until.After(r.Signed.Until):
		return nil, fmt.Errorf("%w: it holds until %s only", errGate, doc.Until)
	}
	return &doc, nil
}
