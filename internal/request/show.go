package request

import (
	"context"
	"time"

	"github.com/signet-sign/signet/api"
)

// HasDocument reports whether a document is stored: as uploaded while the request is open, or
// signed.
func (r *Request) HasDocument() bool { return r.State.KeepsUpload() || r.State.Signed() }

// Show opens the document of a request for an operator, and records the operator in the trail. A
// request without a document is api.ErrNoRecord. The caller closes the document.
func (s *Service) Show(ctx context.Context, id, by string) (doc Blob, r *Request, err error) {
	err = s.update(ctx, id, func(r *Request, now time.Time) (e Effects, err error) {
		if !r.HasDocument() {
			return e, api.ErrNoRecord
		}
		e.record(now, EventShown, Detail{By: by})
		return e, nil
	})
	if err != nil {
		return nil, nil, err
	}
	err = twice(func() (err error) {
		if r, err = s.Get(ctx, id); err != nil {
			return err
		}
		if !r.HasDocument() {
			return api.ErrNoRecord
		}
		key := r.Document.Key
		if r.State.Signed() {
			key = r.Signed.Key
		}
		doc, err = s.Documents.Open(ctx, key)
		return err
	})
	return doc, r, err
}
