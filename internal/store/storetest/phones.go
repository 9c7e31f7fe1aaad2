package storetest

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/signet-sign/signet/internal/signer"
)

var phoneTests = []test{
	{name: "add and find", run: addPhones},
	{name: "revoke", run: revokePhone},
	{name: "edit", run: editPhone},
	{name: "events", run: phoneEvents},
	{name: "at once", run: phonesAtOnce},
	{name: "on nodes", run: phonesOnNodes, shared: true},
	{name: "unknown", run: unknownPhone},
	{name: "taken", run: takenPhone},
}

func phone(id, uin string, after time.Duration) signer.Phone {
	return signer.Phone{
		ID: id, UIN: uin, Serial: "0a" + id, Name: "Ah Kow’s phone",
		Certificate: []byte("der of " + id + "\x00\xff"),
		EnrolledAt:  start.Add(after),
	}
}

func (s *suite) add(phones ...signer.Phone) {
	s.t.Helper()
	for _, p := range phones {
		if err := s.addPhone(p); err != nil {
			s.t.Fatalf("adding phone %s: %v", p.ID, err)
		}
	}
}

func (s *suite) addPhone(p signer.Phone, events ...signer.Event) error {
	return s.ChangePhones(
		s.t.Context(),
		p.UIN,
		func([]signer.Phone) ([]signer.Phone, []signer.Event, error) {
			return []signer.Phone{p}, events, nil
		},
	)
}

// changePhone edits one phone of a person.
func (s *suite) changePhone(uin, id string, edit func(*signer.Phone)) {
	s.t.Helper()
	err := s.ChangePhones(
		s.t.Context(),
		uin,
		func(phones []signer.Phone) ([]signer.Phone, []signer.Event, error) {
			for _, p := range phones {
				if p.ID == id {
					edit(&p)
					return []signer.Phone{p}, nil, nil
				}
			}
			return nil, nil, signer.ErrNoPhone
		},
	)
	if err != nil {
		s.t.Fatalf("changing phone %s: %v", id, err)
	}
}

func addPhones(t *testing.T, s *suite, _ Harness) {
	young, old := phone("a", "S8979373D", time.Hour), phone("b", "S8979373D", 0)
	other := phone("c", "S8116474F", 0)
	s.add(young, old, other)
	for _, want := range []signer.Phone{young, old, other} {
		got, err := s.Phone(t.Context(), want.ID)
		if err != nil || cmp.Diff(want, got) != "" {
			t.Errorf("Phone(%s) = %+v, %v", want.ID, got, err)
		}
		got, err = s.PhoneBySerial(t.Context(), want.Serial)
		if err != nil || cmp.Diff(want, got) != "" {
			t.Errorf("PhoneBySerial(%s) = %+v, %v", want.Serial, got, err)
		}
	}
	list, err := s.Phones(t.Context(), "S8979373D")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]signer.Phone{old, young}, list); diff != "" {
		t.Errorf("Phones (-want +got):\n%s", diff)
	}
}

func revokePhone(t *testing.T, s *suite, _ Harness) {
	a, b := phone("a", "S8979373D", 0), phone("b", "S8979373D", time.Second)
	s.add(a, b, phone("c", "S8116474F", 0))
	b.RevokedAt, a.RevokedAt = start.Add(time.Hour), start.Add(2*time.Hour)
	b.RevokedReason = 4
	for _, p := range []signer.Phone{b, a} {
		s.changePhone(p.UIN, p.ID, func(q *signer.Phone) {
			q.RevokedAt, q.RevokedReason = p.RevokedAt, p.RevokedReason
		})
	}
	list, err := s.RevokedPhones(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]signer.Phone{b, a}, list); diff != "" {
		t.Errorf("RevokedPhones (-want +got):\n%s", diff)
	}
	if got, err := s.Phone(t.Context(), a.ID); err != nil || cmp.Diff(a, got) != "" {
		t.Errorf("Phone = %+v, %v; want it revoked", got, err)
	}
}

// editPhone changes the fields of a phone that may change, and no other phone.
func editPhone(t *testing.T, s *suite, _ Harness) {
	a, b := phone("a", "S8979373D", 0), phone("b", "S8979373D", time.Second)
	b.ActiveAt = start.Add(24 * time.Hour)
	s.add(a, b)
	b.Name, b.ActiveAt = "Tan's phone, 美玲的手机", start.Add(time.Minute)
	s.changePhone(b.UIN, b.ID, func(p *signer.Phone) { p.Name, p.ActiveAt = b.Name, b.ActiveAt })
	list, err := s.Phones(t.Context(), "S8979373D")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]signer.Phone{a, b}, list); diff != "" {
		t.Errorf("Phones (-want +got):\n%s", diff)
	}
}

// phoneEvents are written with the change that they tell of, in their order, or not at all.
func phoneEvents(t *testing.T, s *suite, _ Harness) {
	event := func(id string, kind signer.EventKind, detail signer.Detail) signer.Event {
		return signer.Event{PhoneID: id, At: start, Kind: kind, Detail: detail}
	}
	want := []signer.Event{
		event("a", signer.EventEnrolled, signer.Detail{Name: "Ah Kow’s phone", ActiveAt: start}),
		event("b", signer.EventEnrolled, signer.Detail{}),
		event("a", signer.EventStopped, signer.Detail{By: "b"}),
	}
	if err := s.addPhone(phone("a", "S8979373D", 0), want[0]); err != nil {
		t.Fatal(err)
	}
	if err := s.addPhone(phone("b", "S8979373D", 0), want[1:]...); err != nil {
		t.Fatal(err)
	}
	other := event("c", signer.EventEnrolled, signer.Detail{})
	if err := s.addPhone(phone("c", "S8116474F", 0), other); err != nil {
		t.Fatal(err)
	}
	taken := phone("d", "S8979373D", 0)
	taken.Serial = phone("a", "", 0).Serial
	if err := s.addPhone(taken, event("d", signer.EventEnrolled, signer.Detail{})); err == nil {
		t.Error("a phone with a serial number that is taken was added")
	}
	refusal := errors.New("refused")
	err := s.ChangePhones(
		t.Context(),
		"S8979373D",
		func(have []signer.Phone) ([]signer.Phone, []signer.Event, error) {
			return have, want, refusal
		},
	)
	if !errors.Is(err, refusal) {
		t.Errorf("a refused change: %v", err)
	}
	for uin, want := range map[string][]signer.Event{
		"S8979373D": want, "S8116474F": {other}, "x": nil,
	} {
		got, err := s.PhoneEvents(t.Context(), uin)
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); err != nil || diff != "" {
			t.Errorf("events of %s: %v (-want +got):\n%s", uin, err, diff)
		}
	}
}

func phonesAtOnce(t *testing.T, s *suite, _ Harness) { addFromAll(t, s) }

func phonesOnNodes(t *testing.T, s *suite, h Harness) { addFromAll(t, s, s.another(h)) }

// addFromAll adds phones of one person everywhere at once, three at most: each change sees what the
// others wrote.
func addFromAll(t *testing.T, stores ...*suite) {
	full := errors.New("three are enough")
	for round := range 5 {
		uin := "S000000" + string(rune('0'+round)) + "X"
		var added atomic.Int32
		together(20, func(i int) {
			p := phone(uin+string(rune('a'+i)), uin, 0)
			err := stores[i%len(stores)].ChangePhones(
				t.Context(),
				uin,
				func(have []signer.Phone) ([]signer.Phone, []signer.Event, error) {
					if len(have) >= 3 {
						return nil, nil, full
					}
					return []signer.Phone{p}, nil, nil
				},
			)
			switch {
			case err == nil:
				added.Add(1)
			case !errors.Is(err, full):
				t.Error(err)
			}
		})
		list, err := stores[0].Phones(t.Context(), uin)
		if err != nil || len(list) != 3 || added.Load() != 3 {
			t.Errorf("round %d: %d phones, %d added, %v", round, len(list), added.Load(), err)
		}
	}
}

func unknownPhone(t *testing.T, s *suite, _ Harness) {
	for _, id := range []string{"x", "", "\x00", "\xff"} {
		if _, err := s.Phone(t.Context(), id); !errors.Is(err, signer.ErrNoPhone) {
			t.Errorf("Phone(%q): %v", id, err)
		}
		if _, err := s.PhoneBySerial(t.Context(), id); !errors.Is(err, signer.ErrNoPhone) {
			t.Errorf("PhoneBySerial(%q): %v", id, err)
		}
	}
	for _, list := range []func() ([]signer.Phone, error){
		func() ([]signer.Phone, error) { return s.Phones(t.Context(), "x") },
		func() ([]signer.Phone, error) { return s.RevokedPhones(t.Context()) },
	} {
		if got, err := list(); len(got) != 0 || err != nil {
			t.Errorf("got %+v, %v; want none", got, err)
		}
	}
}

func takenPhone(t *testing.T, s *suite, _ Harness) {
	first := phone("a", "S8979373D", 0)
	s.add(first)
	sameID, sameSerial := phone("a", "S8116474F", 0), phone("b", "S8116474F", 0)
	sameID.Serial, sameSerial.Serial = "ff", first.Serial
	for _, p := range []signer.Phone{sameID, sameSerial} {
		if err := s.addPhone(p); err == nil {
			t.Errorf("adding %+v succeeded", p)
		}
	}
	if got, err := s.Phone(t.Context(), "a"); err != nil || cmp.Diff(first, got) != "" {
		t.Errorf("Phone = %+v, %v; want the first", got, err)
	}
	if list, err := s.Phones(t.Context(), "S8116474F"); err != nil ||
		cmp.Diff([]signer.Phone{}, list, cmpopts.EquateEmpty()) != "" {
		t.Errorf("Phones = %+v, %v; want none", list, err)
	}
}
