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

// DefaultRenewBefore is how long before the end of the newest document time stamp's certificate a
// document is renewed.
const DefaultRenewBefore = 90 * 24 * time.Hour

// renewBackoff is how long a renewal waits after each failed attempt, and from the last on always:
// there are months of time.
var renewBackoff = []time.Duration{
	time.Minute, 10 * time.Minute, time.Hour, 6 * time.Hour, 24 * time.Hour,
}

// renewAlarm is the number of failures in a row from which on an operator has to look.
const renewAlarm = 3

// errOvertaken: another attempt has renewed the document.
var errOvertaken = errors.New("another attempt has renewed the document")

// renewalDue is when a document whose newest time stamp holds until then is to be renewed.
func (s *Service) renewalDue(until time.Time) time.Time { return until.Add(-s.RenewBefore) }

// Renew keeps a signed document valid beyond the certificate of its newest document time stamp (EN
// 319 142-1, 5.4.3): the job that the sealing of a document of level B-LTA leaves behind. The job
// stays pending for as long as the document is kept and becomes due again before each end. Its
// payload counts the failures since the last success.
//
// The new name is put into the record first, so that no sweep takes the bytes for strays; then come
// the bytes, then their verification, then the record that makes them visible and gives up the old
// ones. At every moment the record names a whole document. Of two nodes that renew at the same time
// the one whose name is in the record wins.
func (s *Service) Renew(ctx context.Context, job *Job) []Event {
	until, err := s.renew(ctx, job.RequestID)
	var early *pades.NotDueError
	switch {
	case errors.As(err, &early): // done before a crash, or the operator wants it later now
		until, err = early.Until, nil
	case errors.Is(err, errOvertaken):
		job.Retry(s.now().Add(renewBackoff[0]), err) // and then it is not due
		return nil
	case ctx.Err() != nil: // we are stopping
		job.Retry(s.now(), err)
		return nil
	}
	if err == nil {
		job.Finish()
		if !until.IsZero() {
			job.Status, job.DueAt, job.Payload = JobPending, s.renewalDue(until), ""
		}
		return nil
	}
	failures, _ := strconv.Atoi(job.Payload) // nothing there is 0
	wait := renewBackoff[min(failures, len(renewBackoff)-1)]
	failures++
	job.Payload = strconv.Itoa(failures)
	if failures < renewAlarm {
		s.Log.Warn(
			"renewing a document failed, will be tried again", "request_id", job.RequestID,
			"failures", failures, "err", err,
		)
	} else {
		s.Log.Error("ALARM: a signed document cannot be renewed", "request_id", job.RequestID, "failures", failures, "err", err)
	}
	job.Retry(s.now().Add(wait), err)
	return []Event{
		{
			At:     s.now(),
			Kind:   EventRenewFailed,
			Detail: Detail{Failures: job.Payload, Error: err.Error()},
		},
	}
}

// renew returns until when the document now holds; zero if there is nothing to be renewed, now or
// later.
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
	turn, err := s.takeTurn(ctx, r.ClientID)
	if err != nil {
		return until, err
	}
	defer turn.end()
	update, err := pades.Renew(ctx, old, old.Size(), pades.RenewOptions{
		ExtendOptions: pades.ExtendOptions{
			Evidence: asking{s.Revocation, turn}, Known: s.Known,
			Timestamper: stamping{s.Timestamper, turn}, FieldName: id + "-timestamp", Rand: s.Rand,
			Limits: s.PDFLimits, Memo: s.memo,
		},
		Verify: s.trust(), Before: s.RenewBefore, Others: true,
	})
	turn.end()
	if err != nil {
		return until, err
	}

	name, err := s.secret()
	if err != nil {
		return until, err
	}
	key := id + "/" + signedPrefix + name
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
			doc.At = n.Signed.At // it is the same signature
			n.Signed = doc
			e.record(
				now,
				EventRenewed,
				Detail{
					SHA256: fmt.Sprintf("%x", doc.SHA256),
					Until:  doc.Until.UTC().Format(time.RFC3339),
				},
			)
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

// rewrite writes the renewed document, reads it back, and insists that the signature is still the
// one that was approved, at its level, under a time stamp that lasts longer than the old one.
func (s *Service) rewrite(
	ctx context.Context, r *Request, key string, old Blob, update []byte,
) (*SignedDocument, error) {
	was, sum := sha256.New(), sha256.New()
	whole := io.MultiReader(
		io.TeeReader(io.NewSectionReader(old, 0, old.Size()), was), bytes.NewReader(update),
	)
	size, err := s.Documents.Put(ctx, key, io.TeeReader(whole, sum))
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(was.Sum(nil), r.Signed.SHA256) {
		return nil, fmt.Errorf("%w: the stored document is not the one on record", errGate)
	}
	doc := *r.Signed
	doc.Key, doc.Size, doc.SHA256, doc.Renewal = key, size, sum.Sum(nil), ""
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
	case !bytes.Equal(ours.Signer.Raw, r.Approval.Certificate) || ours.Level.String() != r.Signed.Level:
		return nil, fmt.Errorf("%w: another signature than the one on record", errGate)
	case !doc.Until.After(r.Signed.Until):
		return nil, fmt.Errorf("%w: it holds until %s only", errGate, doc.Until)
	}
	return &doc, nil
}
