package request

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"github.com/signet-sign/signet/api"
)

// EventShown records that an operator looked at the document; detail: by.
const EventShown EventKind = "shown"

// HasDocument reports whether a document is stored: as uploaded while the request is open, or
// signed.
func (r *Request) HasDocument() bool { return r.State.KeepsUpload() || r.State.Signed() }

// Show opens the document of a request for an operator, and records the operator in the trail. A
// request without a document is api.ErrNoRecord. The caller closes the document.
func (s *Service) Show(ctx context.Context, id, by string) (Blob, *Request, error) {
	err := s.update(ctx, id, func(r *Request, now time.Time) (e Effects, err error) {
		if !r.HasDocument() {
			return e, api.ErrNoRecord
		}
		e.record(now, EventShown, Detail{By: by})
		return e, nil
	})
	if err != nil {
		return nil, nil, err
	}
	for again := false; ; again = true {
		r, err := s.Get(ctx, id)
		if err != nil {
			return nil, nil, err
		}
		if !r.HasDocument() {
			return nil, nil, api.ErrNoRecord
		}
		key := r.Document.Key
		if r.State.Signed() {
			key = r.Signed.Key
		}
		doc, err := s.Documents.Open(ctx, key)
		if errors.Is(err, fs.ErrNotExist) && !again {
			continue // it was sealed or renewed after the read above
		}
		return doc, r, err
	}
}
