package request_test

import (
	"context"
	"crypto/x509"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/pades"
)

// phasesSeen notes the step of the sealing at each call of the two sources of a signature's proofs.
type phasesSeen struct {
	request.Timestamper
	pades.EvidenceSource
	note func()
}

func (p phasesSeen) Timestamp(ctx context.Context, imprint []byte) ([]byte, error) {
	p.note()
	return p.Timestamper.Timestamp(ctx, imprint)
}

func (p phasesSeen) Evidence(
	ctx context.Context, certs []*x509.Certificate,
) (responses, crls [][]byte, err error) {
	p.note()
	return p.EvidenceSource.Evidence(ctx, certs)
}

// TestSealPhases checks the step that the service names while it calls others, that those who watch
// the request are told of it, and that no step stays when the document is signed or failed.
func TestSealPhases(t *testing.T) {
	w := newWorld(t)
	id := w.initiate(t).RequestID
	if _, err := w.Open(t.Context(), id, alice); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Proceed(t.Context(), id, alice, request.SeenUnasked); err != nil {
		t.Fatal(err)
	}
	if err := w.approve(t.Context(), id, alice); err != nil {
		t.Fatal(err)
	}
	changed, stop := w.store.Watch(id)
	defer stop()
	var seen []request.SealPhase
	stamps, proofs := w.Timestamper, w.Revocation
	sources := phasesSeen{stamps, proofs, func() {
		seen = append(seen, w.SealPhase(id))
		select {
		case <-changed:
		default:
			if n := len(seen); n < 2 || seen[n-1] != seen[n-2] {
				t.Errorf("no watcher is told of the step %q", seen[n-1])
			}
		}
	}}
	w.Timestamper, w.Revocation = sources, sources
	if err := w.worker.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	seen = slices.Compact(seen)
	if want := []request.SealPhase{request.PhaseStamp, request.PhaseProve}; !slices.Equal(seen, want) {
		t.Errorf("the steps are %q, want %q", seen, want)
	}
	if r, err := w.Get(t.Context(), id); err != nil || r.State != request.StateSigned {
		t.Errorf("the request is %v, %v", r, err)
	}
	if phase := w.SealPhase(id); phase != "" {
		t.Errorf("the step %q stays", phase)
	}
}

// TestHourOfAccess checks that the hour begins when the document is signed, not when it was asked
// for or approved.
func TestHourOfAccess(t *testing.T) {
	w := newWorld(t)
	in := w.initiate(t)
	w.clock.advance(20 * time.Minute)
	if _, err := w.Open(t.Context(), in.RequestID, alice); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Proceed(t.Context(), in.RequestID, alice, request.SeenUnasked); err != nil {
		t.Fatal(err)
	}
	if err := w.approve(t.Context(), in.RequestID, alice); err != nil {
		t.Fatal(err)
	}
	w.clock.advance(5 * time.Minute)
	if err := w.worker.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	got, err := w.Result(t.Context(), in.RequestID, in.ExchangeCode, w.Now())
	if err != nil {
		t.Fatal(err)
	}
	if at := time.UnixMilli(got.SignerInfo.SignedAt); !at.Equal(w.clock.Now()) {
		t.Fatalf("signed_at is %s, now is %s", at, w.clock.Now())
	}
	w.clock.advance(time.Hour)
	if _, err := w.Result(t.Context(), in.RequestID, in.ExchangeCode, w.Now()); err != nil {
		t.Errorf("an hour after signed_at: %v", err)
	}
	w.clock.advance(time.Microsecond)
	if _, err := w.Result(t.Context(), in.RequestID, in.ExchangeCode, w.Now()); !errors.Is(
		err, api.ErrSignedAccessExpired,
	) {
		t.Errorf("later: %v", err)
	}
}

// TestGateRefusesForGood seals a document that the release gate does not accept, because the
// service does not trust who signs. The request is stalled at once, and what was written is gone.
func TestGateRefusesForGood(t *testing.T) {
	w := newWorld(t)
	stalled := 0
	w.Stalled = func() { stalled++ }
	in := w.in(t, request.StateSealing)
	before, err := w.docs.Keys(t.Context(), in.RequestID)
	if err != nil {
		t.Fatal(err)
	}
	roots := w.Roots
	w.Roots = x509.NewCertPool()
	w.drain(t)
	if got := w.state(t, in.RequestID); got != request.StateStalled || stalled != 1 {
		t.Errorf("the request is %s, %d alarms", got, stalled)
	}
	after, err := w.docs.Keys(t.Context(), in.RequestID)
	if err != nil || !slices.Equal(before, after) {
		t.Errorf("stored before: %q, afterwards: %q, %v", before, after, err)
	}
	w.Roots = roots
	if err := w.SealAgain(t.Context(), in.RequestID, "mei"); err != nil {
		t.Fatal(err)
	}
	w.drain(t)
	if got := w.state(t, in.RequestID); got != request.StateSigned {
		t.Errorf("sealed again, the request is %s", got)
	}
}
