package sign

import (
	"context"
	"time"
)

// EventEvidence notes that an operator took the evidence of a request; detail: by.
const EventEvidence EventKind = "evidence"

// Evidence is everything that tells what became of a request.
type Evidence struct {
	Request *Request
	Events  []Event // the last one is the taking of this evidence
	Jobs    []Job
	Signed  Blob // the signed document; nil if there is none. The caller closes it.
}

// TakeEvidence collects the evidence of a request for an operator, and notes in the trail who took it. There is no rule against
// it: relying parties lose access to a signed document after an hour, operators never do.
func (s *Service) TakeEvidence(ctx context.Context, id, by string) (e *Evidence, err error) {
	err = s.update(ctx, id, func(r *Request, now time.Time) error {
		r.record(now, EventEvidence, Detail{"by": by})
		return nil
	})
	if err != nil {
		return nil, err
	}
	e = new(Evidence)
	if e.Request, err = s.Get(ctx, id); err != nil {
		return nil, err
	}
	if e.Events, err = s.Store.Events(ctx, id); err != nil {
		return nil, err
	}
	if e.Jobs, err = s.Outbox.Jobs(ctx, id); err != nil {
		return nil, err
	}
	if e.Request.State == Signed {
		if e.Signed, err = s.Documents.Open(ctx, e.Request.Signed.Key); err != nil {
			return nil, err
		}
	}
	return e, nil
}
