package request

import (
	"context"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/signer"
)

// Open opens the request for p. The first person whom it admits becomes the signer, and only that
// person can open the request from then on (docs/contract.md, 3.3).
func (s *Service) Open(ctx context.Context, id string, p signer.Person) (*Request, error) {
	// Opening it again changes nothing, so it does not wait for a write.
	if r, err := s.Get(ctx, id); err != nil {
		return nil, err
	} else if r.Signer != nil && r.Signer.UIN == p.UIN {
		return r, r.refusal(ActOpen)
	}
	var opened *Request
	err := s.update(ctx, id, func(r *Request, now time.Time) (e Effects, err error) {
		action := ActOpen
		if !r.Admits(p) {
			action = ActOpenOther
		}
		c := table[action][r.State]
		if c.refuse != nil {
			return e, c.refuse
		}
		if r.Signer == nil {
			r.State, r.Signer = c.to, &p
			e.record(now, EventOpened, authDetail(p))
		}
		opened = r.Clone()
		return e, nil
	})
	return opened, err
}

// Document opens the uploaded document for the signer who has opened the request.
func (s *Service) Document(
	ctx context.Context, id string, p signer.Person,
) (*Request, Blob, error) {
	r, err := s.view(ctx, id, p)
	if err != nil {
		return nil, nil, err
	}
	if err := r.refusal(ActOpen); err != nil {
		return nil, nil, err
	}
	b, err := s.Documents.Open(ctx, r.Document.Key)
	return r, b, err
}

// SignedDocument opens the signed document for its signer, while the relying party may fetch it.
func (s *Service) SignedDocument(
	ctx context.Context, id string, p signer.Person,
) (*Request, Blob, error) {
	r, err := s.view(ctx, id, p)
	if err != nil {
		return nil, nil, err
	}
	if err := r.resultAt(s.NowOf(id)); err != nil {
		return nil, nil, err
	}
	b, err := s.Documents.Open(ctx, r.Signed.Key)
	return r, b, err
}

// Available reports whether the signed document may still be fetched.
func (s *Service) Available(r *Request) bool { return r.resultAt(s.NowOf(r.ID)) == nil }

// refusal returns the refusal of an action by the table, or nil.
func (r *Request) refusal(action Action) error {
	if c := table[action][r.State]; c.refuse != nil {
		return c.refuse
	}
	return nil
}

// actBy checks that p is the signer, and then whether the table allows the action.
func (r *Request) actBy(p signer.Person, action Action) (cell, error) {
	c := table[action][r.State]
	if r.Signer != nil && r.Signer.UIN != p.UIN || !r.Admits(p) {
		if c.refuse == api.ErrCancelled || c.refuse == api.ErrExpired {
			return c, c.refuse
		}
		return c, api.ErrNoAccess
	}
	return c, r.refusal(action)
}
