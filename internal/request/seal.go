package request

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"

	"github.com/signet-sign/signet/pades"
)

// sealBackoff is how long a seal waits after each failed attempt, above all for a timestamp authority that is away. After the
// last the signer is asked anew.
var sealBackoff = []time.Duration{1 * time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 20 * time.Second, 30 * time.Second, 60 * time.Second}

// errGate marks a finished document that is not what the signer approved. Trying again would not help.
var errGate = errors.New("release gate")

// Seal finishes a document that a phone has approved: the job that Approve leaves behind. Every step can be done again after
// a crash, by any process: bytes first, under a name of this attempt's own, then the record that makes them visible.
func (s *Service) Seal(ctx context.Context, job *Job) []Event {
	err := s.seal(ctx, job.RequestID)
	switch {
	case err == nil:
		job.Finish()
		return nil
	case ctx.Err() != nil: // we are stopping; that is nobody's failure
		job.Retry(s.now(), err)
		return nil
	case job.Attempts <= len(sealBackoff) && !errors.Is(err, errGate):
		s.Log.Warn("sealing failed, will be tried again", "request_id", job.RequestID, "attempt", job.Attempts, "err", err)
		job.Retry(s.now().Add(sealBackoff[job.Attempts-1]), err)
		return []Event{{At: s.now(), Kind: EventSealRetried, Detail: Detail{"attempt": fmt.Sprint(job.Attempts), "error": err.Error()}}}
	}
	s.Log.Error("ALARM: a document that was approved cannot be sealed", "request_id", job.RequestID, "attempt", job.Attempts, "err", err)
	failed := s.update(ctx, job.RequestID, func(r *Request, now time.Time) (Effects, error) {
		return r.endSession(ActSealFailed, OutcomeFailed, now), nil
	})
	if failed != nil {
		job.Retry(s.now().Add(5*time.Second), errors.Join(err, failed))
		return nil
	}
	job.Fail(err)
	return nil
}

func (s *Service) seal(ctx context.Context, id string) error {
	r, err := s.Store.Get(ctx, id)
	if err != nil {
		return err
	}
	if table[ActSeal][r.State].to == "" {
		return nil // done before a crash, or by another process
	}
	doc, err := s.finish(ctx, r)
	if err != nil {
		return err
	}
	won := false
	err = s.update(ctx, id, func(r *Request, now time.Time) (e Effects, err error) {
		won = false
		c := table[ActSeal][r.State]
		if c.to == "" {
			return e, nil
		}
		won = true
		doc.At = now
		r.State, r.Signed = c.to, doc
		e.record(now, EventSigned, Detail{"sha256": fmt.Sprintf("%x", doc.SHA256)})
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
		s.Sealed(doc.At.Sub(r.Approval.At))
	}
	return err
}

// finish writes the signed document and verifies what it has written, as a stranger would.
func (s *Service) finish(ctx context.Context, r *Request) (*SignedDocument, error) {
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
	turn, err := s.takeTurn(ctx, r.ClientID)
	if err != nil {
		return nil, err
	}
	defer turn.end()
	o := pades.SealOptions{
		Chain: append([]*x509.Certificate{cert}, s.Chain...), Timestamper: stamping{s.Timestamper, turn}, Known: s.Known,
		NoDocumentTimestamp: s.Level < pades.LevelLTA, TimestampField: r.ID + "-timestamp", Rand: s.Rand, Limits: s.PDFLimits, Memo: s.memo,
	}
	if s.Level > pades.LevelT {
		o.Evidence = asking{s.Revocation, turn}
	}
	appended, _, err := pades.Seal(ctx, original, p, r.Approval.Signature, o)
	turn.end()
	if err != nil {
		return nil, err
	}

	name, err := s.secret()
	if err != nil {
		return nil, err
	}
	key := r.ID + "/signed-" + name
	sum := hashing{h: sha256.New(), r: io.MultiReader(
		io.NewSectionReader(original, 0, original.Size()), bytes.NewReader(appended))}
	size, err := s.Documents.Put(ctx, key, &sum)
	if err != nil {
		return nil, err
	}
	doc := &SignedDocument{
		Document: Document{Key: key, Size: size, SHA256: sum.h.Sum(nil), Pages: r.Document.Pages},
		Name:     cert.Subject.CommonName,
	}
	if err := s.gate(ctx, r, doc, p, cert); err != nil {
		s.discard(key)
		return nil, err
	}
	return doc, nil
}

// gate reads the stored document back and insists on exactly one new signature, by the phone's certificate, over the digest
// that the signer approved. That digest covers the uploaded bytes, so they are untouched.
func (s *Service) gate(ctx context.Context, r *Request, doc *SignedDocument, p *pades.Prepared, cert *x509.Certificate) error {
	b, err := s.Documents.Open(ctx, doc.Key)
	if err != nil {
		return err
	}
	defer b.Close()
	report, err := s.verify(ctx, r.ClientID, b)
	if err != nil {
		return fmt.Errorf("%w: %w", errGate, err)
	}
	want := pades.Expectation{Prepared: p, Certificate: cert, Before: r.Document.Signatures, Level: s.Level}
	if err := report.Meets(want); err != nil {
		return fmt.Errorf("%w: %w", errGate, err)
	}
	doc.Level, doc.Until = report.Signatures[r.Document.Signatures].Level.String(), report.Until()
	return nil
}

// trust says how documents are judged now.
func (s *Service) trust() pades.VerifyOptions {
	return pades.VerifyOptions{Roots: s.Roots, TSARoots: s.TSARoots, Now: s.now(), Limits: s.PDFLimits, Memo: s.memo}
}

// hashing is a reader that remembers the hash of what went through.
type hashing struct {
	r io.Reader
	h hash.Hash
}

func (t *hashing) Read(p []byte) (int, error) {
	n, err := t.r.Read(p)
	t.h.Write(p[:n])
	return n, err
}
