package request

import (
	"context"
	"errors"
	"io/fs"

	"github.com/signet-sign/signet/pades"
)

// Evidence is everything that is stored about a request.
type Evidence struct {
	Request *Request
	Events  []Event // the last one records that this evidence was taken
	Jobs    []Job

	// Uploaded is the uploaded document while the request is open, and Signed the signed one; nil
	// if there is none. The caller closes the evidence.
	Uploaded, Signed Blob

	// Report is the result of verifying the signed document for this evidence.
	Report *pades.Summary
}

// Close closes the documents.
func (e *Evidence) Close() error {
	var errs []error
	for _, b := range []Blob{e.Uploaded, e.Signed} {
		if b != nil {
			errs = append(errs, b.Close())
		}
	}
	return errors.Join(errs...)
}

// TakeEvidence collects the evidence of a request for an operator, and records the operator in the
// trail. It works in every state: only relying parties lose access to a signed document after an
// hour.
func (s *Service) TakeEvidence(ctx context.Context, id, by string) (e *Evidence, err error) {
	if err := s.note(ctx, id, EventEvidence, Detail{By: by}); err != nil {
		return nil, err
	}
	err = twice(func() error {
		e = new(Evidence)
		err := s.collect(ctx, id, e)
		if err != nil {
			return errors.Join(err, e.Close())
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return e, nil
}

// twice calls read again if a document is missing that a record names: the request was sealed or
// renewed between the two.
func twice(read func() error) error {
	err := read()
	if errors.Is(err, fs.ErrNotExist) {
		err = read()
	}
	return err
}

// collect reads everything but the operator's event into e, which the caller closes.
func (s *Service) collect(ctx context.Context, id string, e *Evidence) (err error) {
	if e.Request, err = s.Get(ctx, id); err != nil {
		return err
	}
	if e.Events, err = s.Store.Events(ctx, id); err != nil {
		return err
	}
	if e.Jobs, err = s.Outbox.Jobs(ctx, id); err != nil {
		return err
	}
	if e.Request.State.KeepsUpload() {
		e.Uploaded, err = s.Documents.Open(ctx, e.Request.Document.Key)
		return err
	}
	if !e.Request.State.Signed() { // the documents are deleted, or will be
		return nil
	}
	if e.Signed, err = s.Documents.Open(ctx, e.Request.Signed.Key); err != nil {
		return err
	}
	report, err := s.verify(ctx, e.Request.ClientID, e.Signed)
	if err != nil && !errors.Is(err, errGate) {
		return err
	}
	if err != nil { // an unreadable file is evidence too
		e.Report = &pades.Summary{
			Indication: pades.TotalFailed, SubIndication: pades.FormatFailure,
			Signatures: []pades.SignatureSummary{},
			Problems: []pades.ProblemSummary{
				{SubIndication: pades.FormatFailure, Text: err.Error()},
			},
		}
		return nil
	}
	e.Report = new(report.Summary())
	return nil
}
