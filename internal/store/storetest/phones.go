package storetest

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/signet-sign/signet/internal/signer"
)

var phoneTests = []test{
	{name: "add and find", run: addPhones},
	{name: "revoke", run: revokePhone},
	{name: "rename", run: renamePhone},
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
		if err := s.AddPhone(s.t.Context(), p); err != nil {
			s.t.Fatalf("AddPhone(%s): %v", p.ID, err)
		}
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
	for _, p := range []signer.Phone{b, a} {
		if err := s.RevokePhone(t.Context(), p.ID, p.RevokedAt); err != nil {
			t.Fatal(err)
		}
	}
	// the first time counts
	if err := s.RevokePhone(t.Context(), a.ID, start.Add(9*time.Hour)); err != nil {
		t.Errorf("a second RevokePhone: %v", err)
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

// renamePhone changes the name and nothing else.
func renamePhone(t *testing.T, s *suite, _ Harness) {
	a, b := phone("a", "S8979373D", 0), phone("b", "S8979373D", time.Second)
	s.add(a, b)
	a.Name = "Tan's phone, 美玲的手机"
	if err := s.RenamePhone(t.Context(), a.ID, a.Name); err != nil {
		t.Fatal(err)
	}
	list, err := s.Phones(t.Context(), "S8979373D")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]signer.Phone{a, b}, list); diff != "" {
		t.Errorf("Phones (-want +got):\n%s", diff)
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
		if err := s.RevokePhone(t.Context(), id, start); !errors.Is(err, signer.ErrNoPhone) {
			t.Errorf("RevokePhone(%q): %v", id, err)
		}
		if err := s.RenamePhone(t.Context(), id, "any"); !errors.Is(err, signer.ErrNoPhone) {
			t.Errorf("RenamePhone(%q): %v", id, err)
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
		if err := s.AddPhone(t.Context(), p); err == nil {
			t.Errorf("AddPhone(%+v) succeeded", p)
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
