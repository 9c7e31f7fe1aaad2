package person_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/person"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/retention"
	"github.com/signet-sign/signet/internal/signer"
)

// waiting lists the proposals that wait.
func (w *world) waiting() []person.Proposal {
	w.t.Helper()
	list, err := w.Proposals(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return list
}

// TestFourEyes checks that nothing happens before a second operator approves, who is another
// person, that the trail names both, and that a proposal is good once and for a week.
func TestFourEyes(t *testing.T) {
	w := newWorld(t, true)
	w.enrol(alice)
	waits, other := w.enrol(alice), w.enrol(alice)
	lift := person.Act{Kind: person.Lift, PhoneID: waits.ID, Reason: "ticket 12"}
	approve := func(by person.Operator, id string) error {
		t.Helper()
		_, _, err := w.Approve(t.Context(), by, id)
		return err
	}
	if done, err := w.do(ann, lift); err != nil || !done.Proposed || w.active(waits.ID) {
		t.Fatalf("%+v, %v, active %t", done, err, w.active(waits.ID))
	}
	w.refused("another person's phone", ann, person.Act{
		Kind: person.Lift, UIN: bob.UIN, PhoneID: waits.ID, Reason: "x",
	}, signer.ErrNoPhone)
	list := w.waiting()
	if len(list) != 1 || list[0].By != ann || list[0].UIN != alice.UIN || !list[0].At.Equal(w.now) {
		t.Fatalf("proposals %+v", list)
	}
	id := list[0].ID
	for name, by := range map[string]person.Operator{
		"the same operator": ann, "under another name": {Name: "ben", Subject: ann.Subject},
		"without a subject": {Name: "ben"},
	} {
		if err := approve(by, id); !errors.Is(err, person.ErrOwnProposal) || w.active(waits.ID) {
			t.Errorf("%s: %v, active %t", name, err, w.active(waits.ID))
		}
	}
	if err := approve(ben, "x"); !errors.Is(err, person.ErrNoProposal) {
		t.Errorf("no proposal: %v", err)
	}

	// The same act again takes the place of the proposal; another one does not.
	again := lift
	again.Reason = "ticket 13"
	if _, err := w.do(ben, again); err != nil {
		t.Fatal(err)
	}
	if _, err := w.do(ann, person.Act{Kind: person.Lift, PhoneID: other.ID, Reason: "x"}); err != nil {
		t.Fatal(err)
	}
	if err := approve(ben, id); !errors.Is(err, person.ErrNoProposal) {
		t.Errorf("a proposal that was replaced: %v", err)
	}
	list = w.waiting()
	i := slices.IndexFunc(list, func(p person.Proposal) bool { return p.PhoneID == waits.ID })
	if len(list) != 2 || i < 0 || list[i].By != ben {
		t.Fatalf("proposals %+v", list)
	}
	if err := approve(ben, list[i].ID); !errors.Is(err, person.ErrOwnProposal) {
		t.Errorf("the operator who proposed it last: %v", err)
	}
	if err := approve(ann, list[i].ID); err != nil || !w.active(waits.ID) || w.active(other.ID) {
		t.Errorf("%v, active %t, the other one %t", err, w.active(waits.ID), w.active(other.ID))
	}
	want := signer.Detail{Operator: "ben, approved by ann", Why: "ticket 13"}
	if e := w.last(alice); e.Detail != want || e.Kind != signer.EventApproved {
		t.Errorf("the trail has %+v, want %+v", e, want)
	}
	if err := approve(ann, list[i].ID); !errors.Is(err, person.ErrNoProposal) {
		t.Errorf("again: %v", err)
	}

	// Its own operator rejects one, and one that is too old is none.
	id = w.waiting()[0].ID
	if p, err := w.Reject(t.Context(), id); err != nil || p.PhoneID != other.ID {
		t.Errorf("Reject: %+v, %v", p, err)
	}
	if err := approve(ben, id); !errors.Is(err, person.ErrNoProposal) || w.active(other.ID) {
		t.Errorf("a rejected proposal: %v, active %t", err, w.active(other.ID))
	}
	if _, err := w.Reject(t.Context(), id); !errors.Is(err, person.ErrNoProposal) {
		t.Errorf("Reject again: %v", err)
	}
	forget := person.Act{Kind: person.Forget, UIN: alice.UIN, Reason: "ticket 14"}
	if _, err := w.do(ann, forget); err != nil {
		t.Fatal(err)
	}
	id = w.waiting()[0].ID
	w.now = w.now.Add(7*24*time.Hour + time.Second)
	if err := approve(ben, id); !errors.Is(err, person.ErrNoProposal) || len(w.waiting()) > 0 {
		t.Errorf("a proposal of a week ago: %v, %+v", err, w.waiting())
	}
}

// TestRefusedAfterProposal checks that what is no longer possible is refused to the second
// operator, and that the proposal waits on.
func TestRefusedAfterProposal(t *testing.T) {
	w := newWorld(t, true)
	w.enrol(alice)
	waits := w.enrol(alice)
	if _, err := w.do(ann, person.Act{Kind: person.Lift, PhoneID: waits.ID, Reason: "x"}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.do(ann, person.Act{Kind: person.Forget, UIN: alice.UIN, Reason: "x"}); err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(25 * time.Hour) // the phone can sign
	id := w.request(1, request.StateLocked, alice)
	w.now = w.now.Add(time.Minute)
	want := map[person.Kind]error{person.Lift: signer.ErrNotWaiting, person.Forget: request.ErrInProgress}
	for _, p := range w.waiting() {
		if _, _, err := w.Approve(t.Context(), ben, p.ID); !errors.Is(err, want[p.Kind]) {
			t.Errorf("%s: %v, want %v", p.Kind, err, want[p.Kind])
		}
	}
	if len(w.waiting()) != 2 || w.forgotten(id) != "" {
		t.Errorf("proposals %+v", w.waiting())
	}
	w.refused("another proposal", ann, person.Act{
		Kind: person.Forget, UIN: alice.UIN, Reason: "x",
	}, request.ErrInProgress)
}

// TestApprovedOnce checks that of two operators who approve one proposal at one time, one does the
// act, and the trail has one event.
func TestApprovedOnce(t *testing.T) {
	w := newWorld(t, true)
	w.enrol(alice)
	waits := w.enrol(alice)
	if _, err := w.do(ann, person.Act{Kind: person.Lift, PhoneID: waits.ID, Reason: "x"}); err != nil {
		t.Fatal(err)
	}
	id := w.waiting()[0].ID
	errs := make([]error, 2)
	var both sync.WaitGroup
	for i, by := range []person.Operator{ben, carl} {
		both.Go(func() { _, _, errs[i] = w.Approve(t.Context(), by, id) })
	}
	both.Wait()
	done := 0
	for _, err := range errs {
		switch {
		case err == nil:
			done++
		case !errors.Is(err, person.ErrNoProposal) && !errors.Is(err, signer.ErrNotWaiting):
			t.Error(err)
		}
	}
	events, err := w.store.PhoneEvents(t.Context(), alice.UIN)
	if err != nil || done != 1 || len(events) != 3 || !w.active(waits.ID) {
		t.Errorf("done %d times, %d events, %v", done, len(events), err)
	}
}

// TestApprovalExcludesOthers checks that no other operator rejects or approves what is being done, that
// a rejection which comes first prevents it, that a proposal waits again after the act has failed, and
// that it does not come back in the place of a newer one.
func TestApprovalExcludesOthers(t *testing.T) {
	w := newWorld(t, true)
	w.enrol(alice)
	forget := person.Act{Kind: person.Forget, UIN: alice.UIN, Reason: "x"}
	if _, err := w.do(ann, forget); err != nil {
		t.Fatal(err)
	}
	id := w.waiting()[0].ID
	// failing approves the proposal, and fails after other operators acted.
	failing := func(then func()) {
		t.Helper()
		none := w.Before
		defer func() { w.Before = none }()
		began := time.Now()
		w.Before = func(ctx context.Context) error {
			w.Before = none
			// the act ends before its claim, and after it another operator may do it
			if end, ok := ctx.Deadline(); !ok || end.After(time.Now().Add(10*time.Minute)) ||
				end.Before(began.Add(10*time.Minute)) {
				t.Errorf("it began at %s and ends at %s, %t", began, end, ok)
			}
			then()
			return errors.New("no space")
		}
		if _, _, err := w.Approve(t.Context(), ben, id); err == nil || err.Error() != "no space" {
			t.Errorf("Approve: %v", err)
		}
		phones, err := w.store.Phones(t.Context(), alice.UIN)
		if err != nil || len(phones) != 1 {
			t.Errorf("after the failure: %d phones, %v", len(phones), err)
		}
	}
	failing(func() {
		_, rejected := w.Reject(t.Context(), id)
		_, _, approved := w.Approve(t.Context(), carl, id)
		if !errors.Is(rejected, person.ErrClaimed) || !errors.Is(approved, person.ErrClaimed) {
			t.Errorf("during the act: rejected %v, approved %v", rejected, approved)
		}
		if list := w.waiting(); len(list) != 1 || !list[0].Claimed(w.now) {
			t.Errorf("during the act: proposals %+v", list)
		}
	})
	if list := w.waiting(); len(list) != 1 || list[0].ID != id || !list[0].ClaimedUntil.IsZero() {
		t.Errorf("afterwards: proposals %+v", list)
	}

	newer := forget
	newer.Reason = "y"
	failing(func() {
		if _, err := w.do(carl, newer); err != nil {
			t.Error(err)
		}
	})
	list := w.waiting()
	if len(list) != 1 || list[0].Reason != "y" || list[0].By != carl || list[0].Claimed(w.now) {
		t.Fatalf("after a newer one: proposals %+v", list)
	}

	id = list[0].ID
	w.Store = &rejecting{Store: w.store, reject: func() {
		if err := w.store.RejectProposal(t.Context(), id, w.now); err != nil {
			t.Error(err)
		}
	}}
	if _, _, err := w.Approve(t.Context(), ben, id); !errors.Is(err, person.ErrNoProposal) {
		t.Errorf("a proposal that was rejected before the act: %v", err)
	}
	if phones, err := w.store.Phones(t.Context(), alice.UIN); err != nil || len(phones) != 1 {
		t.Errorf("after the rejection: %d phones, %v", len(phones), err)
	}
}

// rejecting is a store in which a proposal is rejected when it was read.
type rejecting struct {
	person.Store
	reject func()
}

func (r *rejecting) PersonProposals(
	ctx context.Context, since time.Time,
) ([]person.Proposal, error) {
	list, err := r.Store.PersonProposals(ctx, since)
	r.reject()
	return list, err
}

// TestForgetProposed checks that two operators have a person forgotten, whom neither's name
// reveals, and that no proposal for the person is left, which would have the number.
func TestForgetProposed(t *testing.T) {
	w := newWorld(t, true)
	w.enrol(alice)
	waits := w.enrol(alice)
	id := w.request(1, request.StateCancelled, alice)
	for _, a := range []person.Act{
		{Kind: person.Lift, PhoneID: waits.ID, Reason: "ticket 12"},
		{Kind: person.Forget, UIN: alice.UIN, Reason: "ticket 13"},
		{Kind: person.Forget, UIN: bob.UIN, Reason: "ticket 14"},
	} {
		if _, err := w.do(ann, a); err != nil {
			t.Fatal(err)
		}
	}
	list := w.waiting()
	i := slices.IndexFunc(list, func(p person.Proposal) bool { return p.Reason == "ticket 13" })
	namesake := person.Operator{Name: "tan xiao hui", Subject: "9"}
	if _, _, err := w.Approve(t.Context(), namesake, list[i].ID); !errors.Is(
		err, retention.ErrRevealing,
	) {
		t.Errorf("a namesake: %v", err)
	}
	p, done, err := w.Approve(t.Context(), ben, list[i].ID)
	want := retention.Forgotten{Requests: 1, Phones: 2}
	if err != nil || done.Proposed || done.Forgotten != want || p.UIN != alice.UIN {
		t.Errorf("%+v, %+v, %v", p, done, err)
	}
	if got := w.forgotten(id); got != "ann, approved by ben: ticket 13" {
		t.Errorf("the trail names %q", got)
	}
	if list = w.waiting(); len(list) != 1 || list[0].UIN != bob.UIN {
		t.Errorf("proposals %+v", list)
	}
}
