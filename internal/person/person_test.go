package person_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/ca"
	"github.com/signet-sign/signet/internal/person"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/retention"
	"github.com/signet-sign/signet/internal/signer"
	"github.com/signet-sign/signet/internal/store"
	"github.com/signet-sign/signet/internal/store/storetest"
)

var (
	alice = signer.Person{UIN: "S8979373D", Name: "TAN XIAO HUI"}
	bob   = signer.Person{UIN: "S8116474F", Name: "LIM CHENG HAO"}

	ann  = person.Operator{Name: "ann", Subject: "1"}
	ben  = person.Operator{Name: "ben", Subject: "2"}
	carl = person.Operator{Name: "carl", Subject: "3"}
)

// world is a service on a database, with a clock.
type world struct {
	*person.Service
	t     *testing.T
	store *store.Store
	now   time.Time
	calls []string // of Before and After
	fails map[string]error
}

func newWorld(t *testing.T, fourEyes bool) *world {
	t.Helper()
	w := &world{
		t: t, now: time.Now().UTC().Truncate(time.Second), fails: map[string]error{},
	}
	clock := func() time.Time { return w.now }
	var err error
	w.store, err = store.Open(t.Context(), store.Options{
		Database: storetest.File(t), Kind: store.Sandbox,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.store.Close() })
	authority, err := ca.Open(t.TempDir(), ca.Options{
		Name: "Test", BaseURL: "http://localhost/pki", Now: clock, Rand: rand.Reader,
	})
	if err != nil {
		t.Fatal(err)
	}
	hook := func(name string) func(context.Context) error {
		return func(context.Context) error {
			w.calls = append(w.calls, name)
			return w.fails[name]
		}
	}
	w.Service = &person.Service{
		Store: w.store, FourEyes: fourEyes, Now: clock, Rand: rand.Reader,
		Before: hook("before"), After: hook("after"),
		Signers: &signer.Service{
			Store: w.store, Authority: authority,
			ChallengeSecrets: func() [][]byte { return [][]byte{make([]byte, 32)} },
			Replay:           w.store, Delay: 24 * time.Hour, Now: clock, Rand: rand.Reader,
			Log: slog.New(slog.DiscardHandler),
		},
	}
	return w
}

// enrol sets up a phone. The first one of a person can sign, each further one waits.
func (w *world) enrol(p signer.Person) signer.Phone {
	w.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		w.t.Fatal(err)
	}
	challenge, err := w.Signers.Challenge(p)
	if err != nil {
		w.t.Fatal(err)
	}
	digest := sha256.Sum256(challenge)
	proof, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
	if err != nil {
		w.t.Fatal(err)
	}
	phone, err := w.Signers.Enrol(w.t.Context(), p, signer.Enrolment{
		Name: "Phone", Key: &key.PublicKey, Challenge: challenge, Proof: proof,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return phone
}

// request stores a request in a state, for p.
func (w *world) request(i int, state request.State, p signer.Person) string {
	w.t.Helper()
	r := &request.Request{
		ID: fmt.Sprintf("signv3-01959a3c-0000-7000-8000-%012d", i), ClientID: "shop", State: state,
		DocName: "lease.pdf", SignerHash: p.Hash(), CreatedAt: w.now,
		ExpiresAt: w.now.Add(time.Hour), CancelledAt: w.now,
	}
	if err := w.store.Create(w.t.Context(), r, request.Effects{}); err != nil {
		w.t.Fatal(err)
	}
	return r.ID
}

func (w *world) active(id string) bool {
	w.t.Helper()
	phone, err := w.store.Phone(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	return phone.Active(w.now)
}

func (w *world) do(by person.Operator, a person.Act) (person.Done, error) {
	w.t.Helper()
	return w.Do(w.t.Context(), by, a)
}

// refused checks that an act is refused with an error.
func (w *world) refused(name string, by person.Operator, a person.Act, want error) {
	w.t.Helper()
	if done, err := w.do(by, a); !errors.Is(err, want) || done != (person.Done{}) {
		w.t.Errorf("%s: %+v, %v; want %v", name, done, err, want)
	}
}

// last is the last event of a person's phones.
func (w *world) last(p signer.Person) signer.Event {
	w.t.Helper()
	events, err := w.store.PhoneEvents(w.t.Context(), p.UIN)
	if err != nil || len(events) == 0 {
		w.t.Fatal(events, err)
	}
	return events[len(events)-1]
}

// forgotten returns by whom the trail of a request says that its signer was forgotten, or "".
func (w *world) forgotten(id string) string {
	w.t.Helper()
	events, err := w.store.Events(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	if len(events) == 0 || events[len(events)-1].Kind != request.EventForgotten {
		return ""
	}
	return events[len(events)-1].Detail.By
}

// TestReasons checks that an act needs a reason, which the trails keep, so that it names no person
// by number and is text of one line.
func TestReasons(t *testing.T) {
	for _, fourEyes := range []bool{false, true} {
		w := newWorld(t, fourEyes)
		w.enrol(alice)
		waits := w.enrol(alice)
		id := w.request(1, request.StateCancelled, alice)
		for name, reason := range map[string]string{
			"none": "", "spaces": " \t ", "too long": strings.Repeat("x", 201),
			"of two lines": "a\nb", "with an escape": "a\x1b[31m", "not text": "a\xff",
			"a right-to-left override": "a\u202eb", "the person's number": "for S8979373D",
			"a number in lower case": "for s8979373d.", "another person's number": "(S8116474F)",
			"a number among letters": "éS8979373Dé",
		} {
			for _, a := range []person.Act{
				{Kind: person.Lift, PhoneID: waits.ID, Reason: reason},
				{Kind: person.Forget, UIN: alice.UIN, Reason: reason},
			} {
				w.refused(name, ann, a, person.ErrReason)
			}
		}
		if w.active(waits.ID) || w.forgotten(id) != "" || len(w.waiting()) > 0 {
			t.Error("a refused act had an effect")
		}
		longest := strings.Repeat("永", 200)
		a := person.Act{Kind: person.Lift, PhoneID: waits.ID, Reason: " " + longest + "\n"}
		if done, err := w.do(ann, a); err != nil || done.Proposed != fourEyes {
			t.Errorf("a reason of 200 characters: %+v, %v", done, err)
		}
		if fourEyes {
			if list := w.waiting(); len(list) != 1 || list[0].Reason != longest {
				t.Errorf("proposals %+v", list)
			}
		} else if e := w.last(alice); e.Detail.Why != longest || e.Detail.Operator != "ann" {
			t.Errorf("the trail has %+v", e)
		}
	}
}

// TestLift checks that an operator ends the wait of one phone, by its id, and no other person's.
func TestLift(t *testing.T) {
	w := newWorld(t, false)
	first, waits := w.enrol(alice), w.enrol(alice)
	w.enrol(bob)
	lift := func(uin, id string) person.Act {
		return person.Act{Kind: person.Lift, UIN: uin, PhoneID: id, Reason: "ticket 12"}
	}
	w.refused("a phone that can sign", ann, lift("", first.ID), signer.ErrNotWaiting)
	w.refused("another person's phone", ann, lift(bob.UIN, waits.ID), signer.ErrNoPhone)
	w.refused("no phone", ann, lift("", "x"), signer.ErrNoPhone)
	if _, err := w.do(ann, lift(" s8979373d", waits.ID)); err != nil || !w.active(waits.ID) {
		t.Errorf("%v, active %t", err, w.active(waits.ID))
	}
	want := signer.Event{
		PhoneID: waits.ID, At: w.now, Kind: signer.EventApproved,
		Detail: signer.Detail{Operator: "ann", Why: "ticket 12"},
	}
	if got := w.last(alice); got != want {
		t.Errorf("the trail has %+v, want %+v", got, want)
	}
	if err := w.Signers.Revoke(t.Context(), alice, first.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := w.do(ann, lift("", first.ID)); err != nil || w.active(first.ID) {
		t.Errorf("a removal: %v, active %t", err, w.active(first.ID))
	}
	if len(w.calls) > 0 {
		t.Errorf("it called %v", w.calls)
	}
}

// TestForget checks that a person is forgotten, and no other one, that the trail says who did it
// and why, and that what is in memory is written before and what was deleted removed after.
func TestForget(t *testing.T) {
	w := newWorld(t, false)
	phone, bobs := w.enrol(alice), w.enrol(bob)
	over, others := w.request(1, request.StateCancelled, alice), w.request(2, request.StateCancelled, bob)
	forget := person.Act{Kind: person.Forget, UIN: " s8979373d\n", Reason: "ticket 12"}
	w.refused("no number", ann, person.Act{
		Kind: person.Forget, UIN: "S8979373A", Reason: "x",
	}, person.ErrNoUIN)
	w.refused("without one", ann, person.Act{Kind: person.Forget, Reason: "x"}, person.ErrNoUIN)
	for name, by := range map[string]person.Operator{
		"the person's name":   {Name: "Tan Xiao Hui"},
		"the person's number": {Name: "s8979373d@example.com"},
		"the person's hash":   {Name: alice.Hash()},
	} {
		w.refused("an operator with "+name, by, forget, retention.ErrRevealing)
	}
	named := forget
	named.Reason = "Mr Tan Xiao Hui asks for it"
	w.refused("a reason with the name", ann, named, retention.ErrRevealing)

	w.calls, w.fails["before"] = nil, errors.New("the disk is full")
	w.refused("nothing is written", ann, forget, w.fails["before"])
	if w.forgotten(over) != "" || !w.active(phone.ID) || !slices.Equal(w.calls, []string{"before"}) {
		t.Errorf("it was done nevertheless: %v", w.calls)
	}
	w.calls, w.fails["before"] = nil, nil
	w.fails["after"] = errors.New("the disk is full")
	if _, err := w.do(ann, forget); !errors.Is(err, w.fails["after"]) {
		t.Errorf("what was deleted is left in the files, and the error is %v", err)
	}
	w.fails["after"] = nil
	if !slices.Equal(w.calls, []string{"before", "after"}) {
		t.Errorf("calls %v", w.calls)
	}
	if done, err := w.do(ann, forget); err != nil || done != (person.Done{}) {
		t.Errorf("again: %+v, %v", done, err)
	}
	if got := w.forgotten(over); got != "ann: ticket 12" {
		t.Errorf("the trail names %q", got)
	}
	r, err := w.store.Get(t.Context(), over)
	if err != nil || r.SignerHash != "" || r.DocName != "document.pdf" {
		t.Errorf("the request is %+v, %v", r, err)
	}
	about, err := w.Look(t.Context(), alice.UIN)
	if err != nil || len(about.Phones) != 0 || about.Forgotten != (retention.Forgotten{}) {
		t.Errorf("left: %+v, %v", about, err)
	}
	if w.active(phone.ID) {
		t.Error("the phone can sign")
	}
	about, err = w.Look(t.Context(), " s8116474f")
	if err != nil || len(about.Phones) != 1 || about.Requests != 1 || w.forgotten(others) != "" ||
		!w.active(bobs.ID) {
		t.Errorf("of another person: %+v, %v", about, err)
	}
}

// TestLook checks what is found of a person, also what does not permit to forget the person.
func TestLook(t *testing.T) {
	w := newWorld(t, false)
	for _, uin := range []string{"", "S8979373A", "x", alice.Hash()} {
		if _, err := w.Look(t.Context(), uin); !errors.Is(err, person.ErrNoUIN) {
			t.Errorf("%q: %v", uin, err)
		}
	}
	w.enrol(alice)
	w.enrol(alice)
	w.request(1, request.StateCancelled, alice)
	open := w.request(2, request.StateCreated, alice)
	w.request(3, request.StateCreated, bob)
	about, err := w.Look(t.Context(), "s8979373d ")
	if err != nil || len(about.Phones) != 2 || about.Requests != 2 || about.Signed != 0 ||
		len(about.Active) != 1 || !errors.Is(about.Active[0], request.ErrInProgress) ||
		!strings.Contains(about.Active[0].Error(), open) {
		t.Errorf("%+v, %v", about, err)
	}
	if strings.Contains(fmt.Sprint(about.Active), alice.UIN) {
		t.Error("an error has the number")
	}
	w.fails["before"] = api.ErrUnavailable
	if _, err := w.Look(t.Context(), alice.UIN); !errors.Is(err, api.ErrUnavailable) {
		t.Errorf("without what is in memory: %v", err)
	}
}
