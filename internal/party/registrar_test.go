package party_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/signet-sign/signet/internal/party"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/safehttp"
	"github.com/signet-sign/signet/internal/store"
	"github.com/signet-sign/signet/internal/store/storetest"
)

// operated is a registry with an operator before it.
type operated struct {
	*party.Registrar
	store *store.Store
	now   time.Time
}

func newOperated(t *testing.T, configured ...party.Party) *operated {
	t.Helper()
	o := &operated{store: storetest.Open(t), now: epoch}
	registry, err := party.NewRegistry(safehttp.Policy{}, configured...)
	if err != nil {
		t.Fatal(err)
	}
	if err := registry.Open(t.Context(), o.store); err != nil {
		t.Fatal(err)
	}
	o.Registrar = &party.Registrar{
		Registry: registry, Store: o.store, Now: func() time.Time { return o.now },
		Rand: bytes.NewReader(make([]byte, 99)),
	}
	return o
}

func shop(id string) party.Party {
	return party.Party{
		ClientID: id, Name: "Shop", JWKSURL: "https://shop.example/jwks",
		RedirectURL: "https://shop.example/back",
		WebhookURL:  "https://shop.example/hook?token=secret-1",
	}
}

// refuser returns a function that compares the error of a call with the one that it must have.
func refuser(t *testing.T) func(err, want error) {
	return func(err, want error) {
		t.Helper()
		if !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	}
}

// TestFourEyes checks that a change of URLs, or of what may answer there, needs another operator
// than the one who proposed it, and applies as it was shown.
func TestFourEyes(t *testing.T) {
	ctx := t.Context()
	o := newOperated(t)
	o.FourEyes = true
	refused := refuser(t)
	approve := func(ctx context.Context, by, subject, id string, at time.Time) error {
		_, err := o.Approve(ctx, by, subject, id, at)
		return err
	}
	refused(o.Register(ctx, "mei", shop("a")), nil)
	p := shop("a")
	p.Name = "Shop & Sons"
	refused(o.Edit(ctx, "mei", 1, p), nil) // a name alone
	for _, u := range []*string{&p.JWKSURL, &p.RedirectURL, &p.WebhookURL} {
		was := *u
		*u += "&x"
		refused(o.Edit(ctx, "mei", 2, p), party.ErrFourEyes)
		*u = was
	}
	private, trusting := p, p
	private.AllowPrivate = true
	_, trusting.CA = aServer(t, http.NotFound)
	refused(o.Edit(ctx, "mei", 2, private), party.ErrFourEyes)
	refused(o.Edit(ctx, "mei", 2, trusting), party.ErrFourEyes)
	p.JWKSURL = "https://shop.example/jwks2"
	bad := p
	bad.WebhookURL = "https://"
	if err := o.Propose(ctx, "mei", "1", 2, bad); !errors.As(err, new(party.Invalid)) {
		t.Errorf("an invalid proposal: %v", err)
	}
	refused(o.Propose(ctx, "mei", "1", 1, p), party.ErrChanged)
	refused(o.Propose(ctx, "mei", "1", 2, p), nil)
	first := o.now
	o.now = o.now.Add(time.Minute)
	p.JWKSURL = "https://shop.example/jwks3"
	refused(o.Propose(ctx, "mei", "1", 2, p), nil)
	// replaced since it was shown
	refused(approve(ctx, "lin", "2", "a", first), party.ErrNoProposal)
	refused(approve(ctx, "mei", "1", "a", o.now), party.ErrOwnProposal)
	refused(approve(ctx, "another name", "1", "a", o.now), party.ErrOwnProposal)
	refused(approve(ctx, "no login", "", "a", o.now), party.ErrOwnProposal)
	if got := o.found(t, "a").JWKSURL; got != shop("a").JWKSURL {
		t.Errorf("before the approval the JWKS URL is %s", got)
	}
	refused(approve(ctx, "lin", "2", "a", o.now), nil)
	if got := o.found(t, "a"); got.JWKSURL != p.JWKSURL || got.Name != p.Name {
		t.Errorf("after the approval: %+v", got)
	}
	refused(approve(ctx, "lin", "2", "a", o.now), party.ErrNoProposal)
	p.RedirectURL = "https://shop.example/other"
	refused(o.Propose(ctx, "mei", "1", 3, p), nil)
	refused(o.Reject(ctx, "lin", "a", o.now), nil)
	refused(approve(ctx, "lin", "2", "a", o.now), party.ErrNoProposal)
	changes, err := o.store.PartyChanges(ctx, "a", 3)
	if err != nil || changes[2].Kind != party.ChangeApproved || changes[2].By != "lin" ||
		len(changes[2].Edits) != 1 || changes[1].By != "mei" ||
		changes[0].Kind != party.ChangeRejected {
		t.Errorf("the trail is %+v, %v", changes, err)
	}
}

// TestRemovalByTwo checks that with FourEyes a removal needs two operators, and that no operator gives a
// client id again with other URLs.
func TestRemovalByTwo(t *testing.T) {
	ctx := t.Context()
	o := newOperated(t)
	o.FourEyes = true
	refused := refuser(t)
	refused(o.Register(ctx, "mei", shop("a")), nil)
	refused(o.ProposeRemoval(ctx, "mei", "1", "a", 1), party.ErrEnabled)
	refused(o.SetDisabled(ctx, "mei", "a", 1, true), nil)
	refused(o.Remove(ctx, "mei", "a", 2), party.ErrFourEyes)
	refused(o.ProposeRemoval(ctx, "mei", "1", "a", 1), party.ErrChanged)
	refused(o.ProposeRemoval(ctx, "mei", "1", "a", 2), nil)
	_, err := o.Approve(ctx, "mei", "1", "a", o.now)
	refused(err, party.ErrOwnProposal)
	refused(o.SetDisabled(ctx, "mei", "a", 2, false), nil) // makes the proposal void
	_, err = o.Approve(ctx, "lin", "2", "a", o.now)
	refused(err, party.ErrNoProposal)
	refused(o.SetDisabled(ctx, "mei", "a", 3, true), nil)
	refused(o.ProposeRemoval(ctx, "mei", "1", "a", 4), nil)
	kind, err := o.Approve(ctx, "lin", "2", "a", o.now)
	if refused(err, nil); kind != party.ChangeRemoved {
		t.Errorf("the change is %s", kind)
	}
	if _, err := o.Registry.Party(ctx, "a"); !errors.Is(err, party.ErrUnknown) {
		t.Errorf("removed: %v", err)
	}
	other := shop("a")
	other.JWKSURL = "https://other.example/jwks"
	refused(o.Register(ctx, "mei", other), party.ErrFormer)
	refused(o.Register(ctx, "mei", shop("b")), nil)
	refused(o.Register(ctx, "mei", shop("b")), party.ErrExists)
	o.FourEyes = false
	refused(o.Register(ctx, "mei", other), nil)
	changes, err := o.store.PartyChanges(ctx, "a", 3)
	if err != nil || changes[1].Kind != party.ChangeRemoved || changes[1].By != "lin" ||
		changes[2].Kind != party.ChangeProposed || changes[2].By != "mei" {
		t.Errorf("the trail is %+v, %v", changes, err)
	}
}

// TestRejectedWhileApproved checks that a change which is rejected while another operator approves
// it is not made.
func TestRejectedWhileApproved(t *testing.T) {
	ctx := t.Context()
	o := newOperated(t)
	o.FourEyes = true
	p := shop("a")
	if err := o.Register(ctx, "mei", p); err != nil {
		t.Fatal(err)
	}
	p.JWKSURL = "https://shop.example/jwks2"
	if err := o.Propose(ctx, "mei", "1", 1, p); err != nil {
		t.Fatal(err)
	}
	o.Store = &rejecting{Store: o.store, reject: func() {
		if err := o.Reject(ctx, "lin", "a", o.now); err != nil {
			t.Error(err)
		}
	}}
	if _, err := o.Approve(ctx, "kim", "3", "a", o.now); !errors.Is(err, party.ErrNoProposal) {
		t.Errorf("Approve: %v", err)
	}
	if got := o.found(t, "a").JWKSURL; got != shop("a").JWKSURL {
		t.Errorf("after the rejection the JWKS URL is %s", got)
	}
	changes, err := o.store.PartyChanges(ctx, "a", 1)
	if err != nil || changes[0].Kind != party.ChangeRejected {
		t.Errorf("the trail is %+v, %v", changes, err)
	}
}

// rejecting is a store in which a proposal is rejected when it was read.
type rejecting struct {
	*store.Store
	reject func()
}

func (r *rejecting) Proposal(ctx context.Context, clientID string) (party.Proposal, error) {
	p, err := r.Store.Proposal(ctx, clientID)
	r.reject()
	return p, err
}

// found is the party as calls find it.
func (o *operated) found(t *testing.T, id string) party.Party {
	t.Helper()
	p, err := o.Registry.Party(t.Context(), id)
	if err != nil {
		t.Fatalf("%s: %v", id, err)
	}
	return *p
}

func TestRegistrar(t *testing.T) {
	ctx := t.Context()
	o := newOperated(t, shop("fixed"))
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	refused := refuser(t)

	var invalid party.Invalid
	if err := o.Register(ctx, "mei", party.Party{ClientID: "a b", Name: " ", JWKSURL: "http://a.example"}); !errors.As(
		err, &invalid,
	) ||
		len(invalid) != 4 {
		t.Errorf("all that is wrong: %v, %v", invalid, err)
	}
	refused(o.Register(ctx, "mei", shop("fixed")), party.ErrConfigured)
	must(o.Register(ctx, "mei", shop("a")))
	refused(o.Register(ctx, "lin", shop("a")), party.ErrExists)
	if diff := cmp.Diff(shop("a"), o.found(t, "a")); diff != "" {
		t.Errorf("registered (-want +got):\n%s", diff)
	}

	edited := shop("a")
	edited.Name, edited.WebhookURL = "New Shop", "https://shop.example/hook?token=secret-2"
	o.now = o.now.Add(time.Hour)
	must(o.Edit(ctx, "lin", 1, edited))
	if got := o.found(t, "a"); got != edited {
		t.Errorf("edited: %+v", got)
	}
	refused(o.Edit(ctx, "mei", 1, shop("a")), party.ErrChanged)
	refused(o.Edit(ctx, "mei", 1, shop("x")), party.ErrUnknown)
	refused(o.Edit(ctx, "mei", 1, shop("fixed")), party.ErrConfigured)
	must(o.Edit(ctx, "mei", 2, edited)) // nothing new: no version, no line

	refused(o.Remove(ctx, "mei", "a", 2), party.ErrEnabled)
	must(o.SetDisabled(ctx, "mei", "a", 2, true))
	must(o.SetDisabled(ctx, "mei", "a", 3, true))
	if !o.found(t, "a").Disabled {
		t.Error("not disabled")
	}
	edited.Name = "Shop"
	must(o.Edit(ctx, "mei", 3, edited))
	if !o.found(t, "a").Disabled {
		t.Error("an edit opened the door again")
	}
	must(
		o.SetLogo(
			ctx, "mei", "a", 4, party.Logo{Name: strings.Repeat("ab", 16), PNG: []byte("png")},
		),
	)
	if png, err := o.Registry.Logo(ctx, o.found(t, "a").Logo); err != nil || string(png) != "png" {
		t.Errorf("logo: %q, %v", png, err)
	}
	for _, name := range []string{"", "x", strings.Repeat("cd", 16)} {
		if _, err := o.Registry.Logo(ctx, name); !errors.Is(err, party.ErrNoLogo) {
			t.Errorf("logo %q: %v", name, err)
		}
	}
	must(o.RenewKeys(ctx, "mei", "a"))
	must(o.RenewKeys(ctx, "mei", "fixed"))
	refused(o.RenewKeys(ctx, "mei", "x"), party.ErrUnknown)
	if a, fixed := o.found(t, "a"), o.found(t, "fixed"); a.KeysEpoch != 1 || fixed.KeysEpoch != 1 {
		t.Errorf("epochs %d and %d", a.KeysEpoch, fixed.KeysEpoch)
	}
	must(
		o.store.Create(
			ctx, &request.Request{ID: "signv3-1", ClientID: "a", CreatedAt: epoch},
			request.Effects{},
		),
	)
	refused(o.Remove(ctx, "mei", "a", 5), party.ErrInUse)
	must(o.Register(ctx, "mei", shop("b")))
	must(o.SetDisabled(ctx, "mei", "b", 1, true))
	must(o.Remove(ctx, "mei", "b", 2))
	if _, err := o.Registry.Party(ctx, "b"); !errors.Is(err, party.ErrUnknown) {
		t.Errorf("removed: %v", err)
	}

	changes, err := o.store.PartyChanges(ctx, "a", 9)
	must(err)
	var kinds []party.ChangeKind
	for _, c := range changes {
		kinds = append(kinds, c.Kind)
		for _, e := range c.Edits {
			if strings.Contains(e.From+e.To, "secret-") {
				t.Errorf("the trail holds a URL's secret: %+v", e)
			}
		}
	}
	want := []party.ChangeKind{
		party.ChangeKeysRenewed, party.ChangeLogo, party.ChangeEdited, party.ChangeDisabled,
		party.ChangeEdited, party.ChangeRegistered,
	}
	if diff := cmp.Diff(want, kinds); diff != "" {
		t.Errorf("trail (-want +got):\n%s", diff)
	}
	first := party.Change{
		ClientID: "a",
		At:       epoch.Add(time.Hour).UTC(),
		By:       "lin",
		Kind:     party.ChangeEdited,
		Edits: []party.Edit{
			{Field: party.FieldName, From: "Shop", To: "New Shop"},
			{
				Field: party.FieldWebhook,
				From:  "https://shop.example/hook?…",
				To:    "https://shop.example/hook?… (another query)",
			},
		},
	}
	if diff := cmp.Diff(first, changes[4]); diff != "" {
		t.Errorf("an edit's line (-want +got):\n%s", diff)
	}
}

func TestNewClientID(t *testing.T) {
	o := newOperated(t)
	id, err := o.NewClientID()
	if err != nil || len(id) != 32 {
		t.Errorf("%q, %v", id, err)
	}
	o.Rand = bytes.NewReader(nil)
	if _, err := o.NewClientID(); err == nil {
		t.Error("an id without randomness")
	}
}

// TestConfigurationGoesFirst checks that a party that was registered by hand and then put into the
// file is the file's.
func TestConfigurationGoesFirst(t *testing.T) {
	o := newOperated(t)
	if err := o.Register(t.Context(), "mei", shop("a")); err != nil {
		t.Fatal(err)
	}
	fixed := shop("a")
	fixed.Name = "From the file"
	if err := o.Registry.Replace(safehttp.Policy{}, fixed); err != nil {
		t.Fatal(err)
	}
	if got := o.found(t, "a"); got.Name != fixed.Name || !o.Registry.Configured("a") ||
		len(o.Registry.All()) != 1 {
		t.Errorf("%+v", got)
	}
	if err := o.Registry.Replace(safehttp.Policy{}); err != nil {
		t.Fatal(err)
	}
	if got := o.found(t, "a"); got.Name != "Shop" || o.Registry.Configured("a") {
		t.Errorf("out of the file again: %+v", got)
	}
}

// deaf is a store whose news are lost and that is away now and then.
type deaf struct {
	*store.Store
	away atomic.Bool
}

func (d *deaf) WatchParties() (<-chan struct{}, func()) { return nil, func() {} }

func (d *deaf) Registrations(ctx context.Context) ([]party.Registration, map[string]int64, error) {
	if d.away.Load() {
		return nil, nil, errors.New("the database is away")
	}
	return d.Store.Registrations(ctx)
}

// TestRegistryFollows checks that another node's change is in force after the store's signal, and
// without a signal after the next poll, and that nothing changes while the store is unavailable.
func TestRegistryFollows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := storetest.Open(t)
		lost := &deaf{Store: shared}
		ctx, stop := context.WithCancel(t.Context())
		var told, blind party.Registry
		for r, s := range map[*party.Registry]party.Store{&told: shared, &blind: lost} {
			if err := r.Open(ctx, s); err != nil {
				t.Fatal(err)
			}
			go func() { _ = r.Run(ctx, slog.New(slog.DiscardHandler)) }()
		}
		synctest.Wait()
		knows := func(r *party.Registry, id string) bool { _, err := r.Party(ctx, id); return err == nil }
		add := func(id string) {
			if err := shared.AddParty(ctx, shop(id), party.Change{ClientID: id}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		add("a")
		if !knows(&told, "a") || knows(&blind, "a") {
			t.Error("the news did not arrive, or arrived where they were lost")
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if !knows(&blind, "a") {
			t.Error("a node that hears nothing does not look")
		}
		lost.away.Store(true)
		add("b")
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if !knows(&blind, "a") || knows(&blind, "b") {
			t.Error("a store that is away changed something")
		}
		lost.away.Store(false)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if !knows(&blind, "b") {
			t.Error("the store is back, but the registry does not read it")
		}
		stop()
	})
}
