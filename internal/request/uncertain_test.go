package request_test

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/request"
)

// uncertain is a store whose connection breaks while it commits, once: the change is made, and the
// caller is not told.
type uncertain struct {
	request.Store
	certain int    // changes that are answered before that
	id      string // of the request that was created last
}

func (u *uncertain) outcome(err error) error {
	if u.certain--; err == nil && u.certain == -1 {
		return request.ErrUncertain
	}
	return err
}

func (u *uncertain) Create(ctx context.Context, r *request.Request, e request.Effects) error {
	u.id = r.ID
	return u.outcome(u.Store.Create(ctx, r, e))
}

func (u *uncertain) Update(
	ctx context.Context, id string, change func(*request.Request) (request.Effects, error),
) error {
	return u.outcome(u.Store.Update(ctx, id, change))
}

// TestUncertainOutcome checks that when it is not known whether a record names new bytes, they
// stay, and a further attempt finds everything in order.
func TestUncertainOutcome(t *testing.T) {
	t.Run("initiate", func(t *testing.T) {
		w := newWorld(t)
		u := &uncertain{Store: w.Store}
		w.Store = u
		a := request.Application{
			ClientID: shop, DocName: "lease.pdf",
			Locations: []api.Location{{Page: 1, X: 0.1, Y: 0.1}},
		}
		if _, err := w.Initiate(t.Context(), a, bytes.NewReader(minimal())); !errors.Is(
			err, request.ErrUncertain,
		) {
			t.Fatal(err)
		}
		r, err := w.Get(t.Context(), u.id)
		if err != nil {
			t.Fatal(err)
		}
		b, err := w.docs.Open(t.Context(), r.Document.Key)
		if err != nil {
			t.Fatal("a record without bytes:", err)
		}
		_ = b.Close()
	})
	t.Run("prepare", func(t *testing.T) {
		w := newWorld(t)
		in := w.in(t, request.StateSession)
		real := w.Store
		w.Store = &uncertain{Store: real}
		if _, err := w.scan(t.Context(), in.RequestID, alice); !errors.Is(
			err, request.ErrUncertain,
		) {
			t.Fatal(err)
		}
		w.Store = real
		if err := w.approve(t.Context(), in.RequestID, alice); err != nil {
			t.Fatal("the phone cannot ask again:", err)
		}
		w.drain(t)
		if r, _, report := w.signed(t, in.RequestID); report.Err() != nil {
			t.Errorf("%s: %v", r.State, report.Err())
		}
	})
	t.Run("renew", func(t *testing.T) {
		w := newWorld(t)
		in, _, _ := w.due(t)
		real := w.Store
		// the change that shows the new bytes, after the one that announces them
		w.Store = &uncertain{Store: real, certain: 1}
		job := request.Job{RequestID: in.RequestID, Kind: request.JobRenew, Attempts: 1}
		w.Renew(t.Context(), &job)
		w.Store = real
		if _, _, report := w.signed(t, in.RequestID); report.Err() != nil ||
			len(report.Signatures) != 3 {
			t.Errorf("%d signatures: %v", len(report.Signatures), report.Err())
		}
		w.drain(t)
		r, _, _ := w.signed(t, in.RequestID)
		if keys, err := w.docs.Keys(t.Context(), in.RequestID); err != nil || len(keys) != 1 ||
			keys[0] != r.Signed.Key {
			t.Errorf("%v are stored (%v), want %s", keys, err, r.Signed.Key)
		}
	})
}
