package storetest

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/signet-sign/signet/internal/party"
)

var partyTests = []test{
	{name: "add and find", run: addParties},
	{name: "change", run: changeParty},
	{name: "one of many changes", run: changePartyAtOnce},
	{name: "logo", run: changeLogo},
	{name: "remove", run: removeParty},
	{name: "renew keys", run: renewKeys},
	{name: "trail", run: partyTrail},
	{name: "proposals", run: proposals},
	{name: "watch", run: watchParties},
	{name: "strange ids", run: strangeParties},
}

func aParty(id string) party.Party {
	return party.Party{
		ClientID: id, Name: "Shop " + id + " 永", JWKSURL: "https://" + id + ".example/jwks",
		RedirectURL: "https://" + id + ".example/back?a=b",
		WebhookURL:  "https://" + id + ".example/hook",
	}
}

func did(
	p party.Party, kind party.ChangeKind, after time.Duration, edits ...party.Edit,
) party.Change {
	return party.Change{
		ClientID: p.ClientID, At: start.Add(after), By: "Mei Lin", Kind: kind, Edits: edits,
	}
}

func (s *suite) register(parties ...party.Party) {
	s.t.Helper()
	for _, p := range parties {
		if err := s.AddParty(s.t.Context(), p, did(p, party.ChangeRegistered, 0)); err != nil {
			s.t.Fatalf("AddParty(%s): %v", p.ClientID, err)
		}
	}
}

func (s *suite) registration(id string) party.Registration {
	s.t.Helper()
	r, err := s.Registration(s.t.Context(), id)
	if err != nil {
		s.t.Fatalf("Registration(%s): %v", id, err)
	}
	return r
}

func addParties(t *testing.T, s *suite, _ Harness) {
	a, b := aParty("a"), aParty("b")
	b.WebhookURL, b.Disabled, b.AllowDownload, b.WebhookLadder = "", true, true, true
	b.AllowPrivate, b.CA = true, "a certificate\n"
	s.register(b, a)
	want := []party.Registration{
		{Party: a, Version: 1, CreatedAt: start, ChangedAt: start},
		{Party: b, Version: 1, CreatedAt: start, ChangedAt: start},
	}
	got, epochs, err := s.Registrations(t.Context())
	if err != nil || len(epochs) != 0 {
		t.Fatal(epochs, err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Registrations (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want[1], s.registration("b")); diff != "" {
		t.Errorf("Registration (-want +got):\n%s", diff)
	}
	again := aParty("a")
	again.Name = "Thief"
	if err := s.AddParty(t.Context(), again, did(again, party.ChangeRegistered, 0)); !errors.Is(
		err, party.ErrExists,
	) {
		t.Errorf("a taken client id: %v", err)
	}
	if got := s.registration("a"); got.Name != a.Name {
		t.Errorf("a taken client id now belongs to %q", got.Name)
	}
}

func changeParty(t *testing.T, s *suite, _ Harness) {
	p := aParty("a")
	s.register(p, aParty("b"))
	p.Name, p.JWKSURL, p.RedirectURL = "New", "https://new.example/j", "https://new.example/r"
	p.WebhookURL, p.Disabled = "", true
	p.AllowDownload, p.RequireAllPages, p.WebhookLadder = true, true, true
	p.AllowPrivate, p.CA = true, "a certificate\n"
	if err := s.ChangeParty(t.Context(), p, 1, did(p, party.ChangeEdited, time.Hour)); err != nil {
		t.Fatal(err)
	}
	want := party.Registration{
		Party: p, Version: 2, CreatedAt: start, ChangedAt: start.Add(time.Hour),
	}
	if diff := cmp.Diff(want, s.registration("a")); diff != "" {
		t.Errorf("after the change (-want +got):\n%s", diff)
	}
	for _, version := range []int64{0, 1, 3} {
		err := s.ChangeParty(t.Context(), aParty("a"), version, did(p, party.ChangeEdited, 0))
		if !errors.Is(err, party.ErrChanged) {
			t.Errorf("version %d: %v", version, err)
		}
	}
	err := s.ChangeParty(t.Context(), aParty("x"), 1, did(aParty("x"), party.ChangeEdited, 0))
	if !errors.Is(err, party.ErrUnknown) {
		t.Errorf("an unknown party: %v", err)
	}
	if diff := cmp.Diff(want, s.registration("a")); diff != "" {
		t.Errorf("after refused changes (-want +got):\n%s", diff)
	}
	if got := s.registration("b"); got.Version != 1 {
		t.Errorf("a neighbour was changed: %+v", got)
	}
}

func changePartyAtOnce(t *testing.T, s *suite, _ Harness) { changePartyFromAll(t, s) }

// changePartyFromAll changes one version of a party everywhere at once: one change is made.
func changePartyFromAll(t *testing.T, stores ...*suite) {
	stores[0].register(aParty("a"))
	var won atomic.Int32
	together(20, func(i int) {
		p := aParty("a")
		p.Name = fmt.Sprint("Shop ", i)
		err := stores[i%len(stores)].ChangeParty(t.Context(), p, 1, did(p, party.ChangeEdited, 0))
		switch {
		case err == nil:
			won.Add(1)
		case !errors.Is(err, party.ErrChanged):
			t.Errorf("change %d: %v", i, err)
		}
	})
	if got := stores[0].registration("a"); won.Load() != 1 || got.Version != 2 {
		t.Errorf("%d changes were made, version %d", won.Load(), got.Version)
	}
}

func changeLogo(t *testing.T, s *suite, _ Harness) {
	s.register(aParty("a"), aParty("b"))
	first, second := party.Logo{Name: "aa", PNG: []byte("first\x00\xff")}, party.Logo{
		Name: "bb", PNG: []byte("second"),
	}
	set := func(id string, version int64, l party.Logo) {
		t.Helper()
		change := did(aParty(id), party.ChangeLogo, time.Minute)
		err := s.ChangeLogo(t.Context(), id, version, l, change)
		if err != nil {
			t.Fatal(err)
		}
	}
	has := func(name, want string) {
		t.Helper()
		got, err := s.LogoPNG(t.Context(), name)
		if want == "" && !errors.Is(err, party.ErrNoLogo) ||
			want != "" && (err != nil || string(got) != want) {
			t.Errorf("LogoPNG(%q) = %q, %v; want %q", name, got, err, want)
		}
	}
	has("aa", "")
	set("a", 1, first)
	set("b", 1, first)
	has("aa", string(first.PNG))
	if got := s.registration("a"); got.Logo != "aa" || got.Version != 2 ||
		!got.ChangedAt.Equal(start.Add(time.Minute)) {
		t.Errorf("with a logo: %+v", got)
	}
	err := s.ChangeLogo(t.Context(), "a", 1, second, did(aParty("a"), party.ChangeLogo, 0))
	if !errors.Is(err, party.ErrChanged) {
		t.Errorf("an old version: %v", err)
	}
	has("bb", "")
	err = s.ChangeParty(t.Context(), aParty("a"), 2, did(aParty("a"), party.ChangeEdited, 0))
	if err != nil {
		t.Fatal(err)
	}
	if got := s.registration("a"); got.Logo != "aa" {
		t.Error("an edit took the logo away")
	}
	set("a", 3, second)
	has("bb", string(second.PNG))
	has("aa", string(first.PNG)) // the other party still has it
	set("b", 2, party.Logo{})
	has("aa", "")
	has("", "")
	has("\x00", "")
	if got := s.registration("b"); got.Logo != "" || got.Version != 3 {
		t.Errorf("without the logo: %+v", got)
	}
}

func removeParty(t *testing.T, s *suite, _ Harness) {
	busy := aParty(client)
	s.register(busy, aParty("a"))
	s.create(sample(1)) // of client
	remove := func(id string, version int64) error {
		return s.RemoveParty(t.Context(), id, version, did(aParty(id), party.ChangeRemoved, 0))
	}
	if err := remove(client, 1); !errors.Is(err, party.ErrInUse) {
		t.Errorf("a party with a request: %v", err)
	}
	if err := remove(client, 2); !errors.Is(err, party.ErrChanged) {
		t.Errorf("another version of a party with a request: %v", err)
	}
	if err := remove("a", 2); !errors.Is(err, party.ErrChanged) {
		t.Errorf("another version: %v", err)
	}
	if err := remove("x", 1); !errors.Is(err, party.ErrUnknown) {
		t.Errorf("an unknown party: %v", err)
	}
	if err := remove("a", 1); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Registration(t.Context(), "a"); !errors.Is(err, party.ErrUnknown) {
		t.Errorf("after the removal: %v", err)
	}
	if s.registration(client).Version != 1 {
		t.Error("a refused removal changed something")
	}
	if changes, err := s.PartyChanges(t.Context(), "a", 9); err != nil || len(changes) != 2 ||
		changes[0].Kind != party.ChangeRemoved {
		t.Errorf("the trail of a removed party: %+v, %v", changes, err)
	}
	s.register(aParty("a")) // the id is free again
	if got := s.registration("a"); got.Version != 1 {
		t.Errorf("registered again: %+v", got)
	}
}

func renewKeys(t *testing.T, s *suite, _ Harness) {
	s.register(aParty("a"))
	for _, id := range []string{"a", "configured", "a"} {
		err := s.RenewKeys(t.Context(), id, did(aParty(id), party.ChangeKeysRenewed, 0))
		if err != nil {
			t.Fatal(err)
		}
	}
	list, epochs, err := s.Registrations(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]int64{"a": 2, "configured": 1}, epochs); diff != "" ||
		len(list) != 1 ||
		list[0].Version != 1 {
		t.Errorf("epochs (-want +got):\n%s\n%+v", diff, list)
	}
}

func partyTrail(t *testing.T, s *suite, _ Harness) {
	p := aParty("a")
	s.register(p, aParty("b"))
	edit := party.Edit{Field: party.FieldName, From: "A", To: "B"}
	edited, renewed := did(
		p, party.ChangeEdited, time.Hour, edit, party.Edit{Field: party.FieldWebhook, To: "x"},
	), did(p, party.ChangeKeysRenewed, time.Minute)
	err := errors.Join(
		s.ChangeParty(t.Context(), p, 1, edited), s.RenewKeys(t.Context(), "a", renewed),
	)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.ChangeParty(t.Context(), p, 1, edited); err == nil {
		t.Fatal("an old version was changed")
	}
	// in the order in which they were made
	want := []party.Change{renewed, edited, did(p, party.ChangeRegistered, 0)}
	for _, n := range []int{9, 2} {
		got, err := s.PartyChanges(t.Context(), "a", n)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want[:min(n, len(want))], got); diff != "" {
			t.Errorf("the newest %d (-want +got):\n%s", n, diff)
		}
	}
}

func watchParties(t *testing.T, s *suite, _ Harness) {
	changed, stop := s.WatchParties()
	other, stopOther := s.Watch(sample(1).ID)
	defer stopOther()
	s.register(aParty("a"))
	if !signalled(changed) {
		t.Error("no signal for a new party")
	}
	if !quiet(other) {
		t.Error("a signal for a request")
	}
	for !quiet(changed) {
	}
	err := s.AddParty(t.Context(), aParty("a"), did(aParty("a"), party.ChangeRegistered, 0))
	if err == nil {
		t.Fatal("a taken client id was accepted")
	}
	if !quiet(changed) {
		t.Error("a signal for a refused change")
	}
	err = s.RenewKeys(t.Context(), "a", did(aParty("a"), party.ChangeKeysRenewed, 0))
	if err != nil {
		t.Fatal(err)
	}
	if !signalled(changed) {
		t.Error("no signal for a renewal of keys")
	}
	stop()
	stop()
}

func strangeParties(t *testing.T, s *suite, _ Harness) {
	for _, id := range []string{"", "x", "\x00", "\xff"} {
		if _, err := s.Registration(t.Context(), id); !errors.Is(err, party.ErrUnknown) {
			t.Errorf("Registration(%q): %v", id, err)
		}
		if list, err := s.PartyChanges(t.Context(), id, 9); err != nil || len(list) != 0 {
			t.Errorf("PartyChanges(%q) = %+v, %v", id, list, err)
		}
	}
	p := aParty("a")
	change := did(
		p, party.ChangeRegistered, 0, party.Edit{Field: party.FieldName, To: "a\x00b\xff"},
	)
	change.By = "a\x00\xff"
	if err := s.AddParty(t.Context(), p, change); err != nil {
		t.Errorf("a change in damaged words: %v", err)
	}
}

func nodesParty(t *testing.T, a *suite, h Harness) {
	b, c := a.another(h), a.another(h)
	changed, stop := b.WatchParties()
	defer stop()
	changePartyFromAll(t, a, b, c)
	if !signalled(changed) {
		t.Error("the other node did not hear of the change")
	}
	for !quiet(changed) {
	}
	err := a.RenewKeys(t.Context(), "a", did(aParty("a"), party.ChangeKeysRenewed, 0))
	if err != nil {
		t.Fatal(err)
	}
	if !signalled(changed) {
		t.Error("the other node did not hear of the renewal")
	}
	if _, epochs, err := b.Registrations(t.Context()); err != nil || epochs["a"] != 1 {
		t.Errorf("the other node knows %v, %v", epochs, err)
	}
}

func proposals(t *testing.T, s *suite, _ Harness) {
	ctx := t.Context()
	a := aParty("a")
	s.register(a, aParty("b"))
	first := party.Proposal{
		Party: a, Version: 1, By: "Mei Lin", Subject: "1234", At: start.Add(time.Minute).UTC(),
	}
	first.JWKSURL, first.WebhookURL = "https://a.example/new?b=c", ""
	first.AllowDownload, first.RequireAllPages, first.WebhookLadder = true, true, true
	first.AllowPrivate, first.CA = true, "a certificate\n"
	propose := func(p party.Proposal, want error) {
		t.Helper()
		err := s.ProposeParty(ctx, p, did(p.Party, party.ChangeProposed, time.Minute))
		if !errors.Is(err, want) {
			t.Errorf("ProposeParty: %v, want %v", err, want)
		}
	}
	has := func(want party.Proposal, wantErr error) {
		t.Helper()
		got, err := s.Proposal(ctx, "a")
		if diff := cmp.Diff(want, got); !errors.Is(err, wantErr) || diff != "" {
			t.Errorf("Proposal: %v (-want +got):\n%s", err, diff)
		}
	}
	none := party.Proposal{}
	has(none, party.ErrNoProposal)
	propose(first, nil)
	has(first, nil)
	stale, unknown := first, first
	stale.Version, unknown.Party = 2, aParty("x")
	propose(stale, party.ErrChanged)
	propose(unknown, party.ErrUnknown)
	has(first, nil)
	second := first
	second.RedirectURL, second.At = "https://a.example/other", first.At.Add(time.Microsecond)
	propose(second, nil)
	has(second, nil)
	reject := func(at time.Time, want error) {
		t.Helper()
		err := s.RejectParty(ctx, "a", at, did(a, party.ChangeRejected, time.Minute))
		if !errors.Is(err, want) {
			t.Errorf("RejectParty: %v, want %v", err, want)
		}
	}
	reject(first.At, party.ErrNoProposal)
	has(second, nil)
	reject(second.At, nil)
	has(none, party.ErrNoProposal)
	reject(second.At, party.ErrNoProposal)

	approve := func(p party.Proposal, want error) {
		t.Helper()
		err := s.ApproveParty(ctx, p, did(p.Party, party.ChangeApproved, time.Minute))
		if !errors.Is(err, want) {
			t.Errorf("ApproveParty: %v, want %v", err, want)
		}
	}
	approve(second, party.ErrNoProposal)
	propose(first, nil)
	approve(second, party.ErrNoProposal)
	has(first, nil)
	if r, err := s.Registration(ctx, "a"); err != nil || r.Version != 1 || r.JWKSURL != a.JWKSURL {
		t.Errorf("after refused approvals: %+v, %v", r, err)
	}
	approve(first, nil)
	has(none, party.ErrNoProposal)
	if r, err := s.Registration(ctx, "a"); err != nil || r.Version != 2 || r.Party != first.Party {
		t.Errorf("after the approval: %+v, %v", r, err)
	}
	reject(first.At, party.ErrNoProposal)

	first.Version = 2
	propose(first, nil)
	if err := s.ChangeParty(ctx, a, 2, did(a, party.ChangeEdited, time.Hour)); err != nil {
		t.Fatal(err)
	}
	has(none, party.ErrNoProposal) // it was for another version
	removal := func(id string) party.Proposal {
		s.register(aParty(id))
		p := party.Proposal{
			Party: party.Party{ClientID: id}, Version: 1, By: "Mei Lin", Subject: "1", At: first.At,
		}
		propose(p, nil)
		return p
	}
	s.create(sample(1)) // of client
	approve(removal(client), party.ErrInUse)
	removed := removal("gone")
	approve(removed, nil)
	if _, err := s.Registration(ctx, "gone"); !errors.Is(err, party.ErrUnknown) {
		t.Errorf("after an approved removal: %v", err)
	}
	approve(removed, party.ErrNoProposal)
	first.Version = 3
	propose(first, nil)
	if err := s.RemoveParty(ctx, "a", 3, did(a, party.ChangeRemoved, time.Hour)); err != nil {
		t.Fatal(err)
	}
	has(none, party.ErrNoProposal)
	changes, err := s.PartyChanges(ctx, "a", 50)
	var kinds []string
	for _, c := range changes {
		kinds = append(kinds, string(c.Kind))
	}
	const want = "[removed proposed edited proposed approved proposed rejected proposed proposed " +
		"registered]"
	if err != nil || fmt.Sprint(kinds) != want {
		t.Errorf("trail %v, %v; want %s", kinds, err, want)
	}
}
