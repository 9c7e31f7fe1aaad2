package request

import (
	"context"
	"crypto/subtle"
	"time"

	"github.com/signet-sign/signet/api"
)

// Result answers the relying party that asks for the signed document (docs/contract.md, 5). The
// caller has authenticated the party. The exchange code proves that the party initiated the
// request. A repeated call gets the URL of the first one, which was at the time first.
func (s *Service) Result(
	ctx context.Context, id, exchangeCode string, first time.Time,
) (*api.Result, error) {
	r, err := s.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	if subtle.ConstantTimeCompare(exchangeHash(exchangeCode), r.ExchangeHash) != 1 {
		return nil, api.ErrUnauthorized.Because("the exchange code is not this request's")
	}
	if err := r.resultAt(s.NowOf(id)); err != nil {
		return nil, err
	}
	if err := s.note(ctx, id, EventResult, Detail{}); err != nil {
		return nil, err
	}
	url, exp := s.linkSince(r.ID, first)
	return &api.Result{SignedDocURL: url, SignerInfo: r.SignerInfo(), Exp: exp.Unix()}, nil
}

// resultAt returns nil if the signed document may be fetched at now.
func (r *Request) resultAt(now time.Time) error {
	if err := r.refusal(ActResult); err != nil {
		return err
	}
	if now.After(r.Signed.At.Add(api.ResultLifetime * time.Second)) {
		return api.ErrSignedAccessExpired
	}
	return nil
}

// note adds an event to the trail without another change.
func (s *Service) note(ctx context.Context, id string, kind EventKind, d Detail) error {
	return s.update(ctx, id, func(_ *Request, now time.Time) (e Effects, err error) {
		e.record(now, kind, d)
		return e, nil
	})
}
