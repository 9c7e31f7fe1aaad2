package party

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/signet-sign/signet/internal/safehttp"
)

// Registration is a party that operators manage, as the store keeps it.
type Registration struct {
	Party
	Version              int64 // starts at 1; each change adds one
	CreatedAt, ChangedAt time.Time
}

// Store keeps the parties that operators manage, and the changes that operators made. Changes are
// durable when a method returns. All methods may be called concurrently, on any number of nodes.
// Every change stores its [Change] in the same transaction.
type Store interface {
	// Registrations lists the parties by client id. It also returns how often the keys of each
	// party were renewed, including parties that are not listed.
	Registrations(ctx context.Context) ([]Registration, map[string]int64, error)

	// Registration returns one party; ErrUnknown if there is none.
	Registration(ctx context.Context, clientID string) (Registration, error)

	// AddParty registers a party, without a logo; ErrExists if the client id is taken.
	AddParty(ctx context.Context, p Party, c Change) error

	// ChangeParty replaces everything but the logo of the party with this client id, if its version
	// is still the given one. The error is ErrChanged if the version is another one, and ErrUnknown
	// if there is no such party.
	ChangeParty(ctx context.Context, p Party, version int64, c Change) error

	// ChangeLogo replaces the logo of a party; the zero Logo removes it. Errors are those of
	// ChangeParty.
	ChangeLogo(ctx context.Context, clientID string, version int64, l Logo, c Change) error

	// RemoveParty removes a party that has no request. The error is ErrInUse if it has one; other
	// errors are those of ChangeParty. The trail of its changes is kept.
	RemoveParty(ctx context.Context, clientID string, version int64, c Change) error

	// RenewKeys adds one to the renewals of a party's keys. The party may be a configured one.
	RenewKeys(ctx context.Context, clientID string, c Change) error

	// ProposeParty stores a proposed change in the place of the party's older one. Errors are those
	// of ChangeParty. ChangeParty and RemoveParty delete the proposed change of their party.
	ProposeParty(ctx context.Context, p Proposal, c Change) error

	// Proposal returns the proposed change of a party, or ErrNoProposal.
	Proposal(ctx context.Context, clientID string) (Proposal, error)

	// ApproveParty is ChangeParty for a proposed change, or RemoveParty if it is a removal, and
	// RejectParty deletes the one that was proposed at a time. The error is ErrNoProposal if it is
	// not the party's proposal any more.
	ApproveParty(ctx context.Context, p Proposal, c Change) error
	RejectParty(ctx context.Context, clientID string, at time.Time, c Change) error

	// PartyChanges lists the newest changes of a party, the latest first.
	PartyChanges(ctx context.Context, clientID string, limit int) ([]Change, error)

	// LogoPNG returns the picture that a party has under this name, or ErrNoLogo.
	LogoPNG(ctx context.Context, name string) ([]byte, error)

	// WatchParties returns a channel that gets a value within a second after every change on any
	// node. Several changes may cause one value. stop ends it and may be called twice.
	WatchParties() (changed <-chan struct{}, stop func())

	Receivers
}

// Change is a change of a party by an operator.
type Change struct {
	ClientID string
	At       time.Time
	By       string // the operator's user name
	Kind     ChangeKind
	Edits    []Edit // empty if Kind says everything
}

// ChangeKind is the kind of a change.
type ChangeKind string

// The kinds.
const (
	ChangeRegistered  ChangeKind = "registered"
	ChangeEdited      ChangeKind = "edited"
	ChangeLogo        ChangeKind = "logo"
	ChangeDisabled    ChangeKind = "disabled"
	ChangeEnabled     ChangeKind = "enabled"
	ChangeRemoved     ChangeKind = "removed"
	ChangeKeysRenewed ChangeKind = "keys_renewed"
	ChangeProposed    ChangeKind = "proposed"
	ChangeApproved    ChangeKind = "approved"
	ChangeRejected    ChangeKind = "rejected"
	ChangePaused      ChangeKind = "webhooks_paused" // by the service
	ChangeResumed     ChangeKind = "webhooks_resumed"
)

// Edit is the old and the new value of a field, as operators may see them: with URLs whose queries
// are hidden, which still shows whether a query changed.
type Edit struct {
	Field    Field
	From, To string
}

// Errors of refused changes.
var (
	ErrExists     = errors.New("a relying party has this client id already")
	ErrConfigured = errors.New("the relying party is registered in the configuration")
	ErrChanged    = errors.New("another operator has changed the relying party")
	ErrInUse      = errors.New("the relying party has sign requests")
	ErrEnabled    = errors.New("the relying party is not disabled")
	ErrFormer     = errors.New("the client id was a relying party's before: choose another one")
)

// Registrar makes the changes that operators ask for. A change is in force on this node when the
// method returns, and on other nodes after their [Registry] has read it.
type Registrar struct {
	Registry *Registry
	Store    Store
	Policy   safehttp.Policy // policy that parties are registered under
	Now      func() time.Time
	Rand     io.Reader

	// FourEyes makes a removal, and a change of a party's URLs, AllowPrivate or CA, wait for a
	// second operator ([Registrar.Propose]). A client id is then registered once, so that no
	// operator alone can give it other URLs.
	FourEyes bool
}

// Invalid is what is wrong with a registration, by field.
type Invalid map[Field]error

// Error implements error.
func (e Invalid) Error() string {
	return fmt.Sprintf("%d fields of the registration are not valid", len(e))
}

// NewClientID returns a new client id: 24 random bytes as 32 characters of base64url.
func (r *Registrar) NewClientID() (string, error) {
	id := make([]byte, 24)
	if _, err := io.ReadFull(r.Rand, id); err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(id), nil
}

// Register adds a party. The error is an [Invalid], ErrExists, ErrConfigured or ErrFormer, or a
// failure of the store.
func (r *Registrar) Register(ctx context.Context, by string, p Party) error {
	if found := p.Problems(r.Policy); len(found) > 0 {
		return Invalid(found)
	}
	if r.Registry.Configured(p.ClientID) {
		return ErrConfigured
	}
	if r.FourEyes {
		// Who has a line of the trail but no registration was removed.
		trail, err := r.Store.PartyChanges(ctx, p.ClientID, 1)
		if err != nil {
			return err
		}
		_, err = r.Store.Registration(ctx, p.ClientID)
		if len(trail) > 0 && errors.Is(err, ErrUnknown) {
			return ErrFormer
		}
	}
	c := r.change(p.ClientID, by, ChangeRegistered)
	c.Edits = Edits(Party{}, p)
	return r.then(ctx, r.Store.AddParty(ctx, p, c))
}

// Edit changes the name and URLs of a party to those of p, if the party still has that version.
// Errors are those of Register and of [Store].ChangeParty, and ErrFourEyes.
func (r *Registrar) Edit(ctx context.Context, by string, version int64, p Party) error {
	if found := p.Problems(r.Policy); len(found) > 0 {
		return Invalid(found)
	}
	old, err := r.managed(ctx, p.ClientID, version)
	if err != nil {
		return err
	}
	if r.NeedsApproval(old.Party, p) {
		return ErrFourEyes
	}
	p.Disabled = old.Disabled
	c := r.change(p.ClientID, by, ChangeEdited)
	if c.Edits = Edits(old.Party, p); len(c.Edits) == 0 {
		return nil
	}
	return r.then(ctx, r.Store.ChangeParty(ctx, p, version, c))
}

// SetDisabled disables or enables a party. It does nothing if the party already is.
func (r *Registrar) SetDisabled(
	ctx context.Context, by, clientID string, version int64, disabled bool,
) error {
	old, err := r.managed(ctx, clientID, version)
	if err != nil || old.Disabled == disabled {
		return err
	}
	kind := ChangeEnabled
	if disabled {
		kind = ChangeDisabled
	}
	old.Disabled = disabled
	return r.then(ctx, r.Store.ChangeParty(ctx, old.Party, version, r.change(clientID, by, kind)))
}

// SetLogo sets the logo of a party; the zero Logo removes it.
func (r *Registrar) SetLogo(ctx context.Context, by, clientID string, version int64, l Logo) error {
	if _, err := r.managed(ctx, clientID, version); err != nil {
		return err
	}
	return r.then(
		ctx, r.Store.ChangeLogo(ctx, clientID, version, l, r.change(clientID, by, ChangeLogo)),
	)
}

// Remove removes a party that is disabled and has no request. It has to be disabled, because a call
// that is running could otherwise create a request without a party. With FourEyes the error is
// ErrFourEyes.
func (r *Registrar) Remove(ctx context.Context, by, clientID string, version int64) error {
	old, err := r.managed(ctx, clientID, version)
	if err != nil {
		return err
	}
	switch {
	case !old.Disabled:
		return ErrEnabled
	case r.FourEyes:
		return ErrFourEyes
	}
	return r.then(
		ctx, r.Store.RemoveParty(ctx, clientID, version, r.change(clientID, by, ChangeRemoved)),
	)
}

// RenewKeys discards the cached keys of a party on every node, so that its next token fetches them.
// The party may be a configured one. It is for a stolen key, which would otherwise work for the
// rest of the keys' lifetime.
func (r *Registrar) RenewKeys(ctx context.Context, by, clientID string) error {
	if _, err := r.Registry.Party(ctx, clientID); err != nil {
		return err
	}
	return r.then(ctx, r.Store.RenewKeys(ctx, clientID, r.change(clientID, by, ChangeKeysRenewed)))
}

// managed returns a party that operators may change, in the version that the operator saw.
func (r *Registrar) managed(
	ctx context.Context, clientID string, version int64,
) (Registration, error) {
	if r.Registry.Configured(clientID) {
		return Registration{}, ErrConfigured
	}
	old, err := r.Store.Registration(ctx, clientID)
	if err == nil && old.Version != version {
		err = ErrChanged
	}
	return old, err
}

func (r *Registrar) change(clientID, by string, kind ChangeKind) Change {
	return Change{ClientID: clientID, At: r.Now(), By: by, Kind: kind}
}

// then reloads the registry after a change.
func (r *Registrar) then(ctx context.Context, err error) error {
	if err != nil {
		return err
	}
	// The change is durable. If this read fails, the node reads the change later, as other nodes
	// do.
	_ = r.Registry.Reload(context.WithoutCancel(ctx))
	return nil
}

// Edits returns the fields that differ, for the trail.
func Edits(from, to Party) (list []Edit) {
	text := func(f Field, a, b string) {
		if a != b {
			list = append(list, Edit{f, a, b})
		}
	}
	secret := func(f Field, a, b string) {
		if a == b {
			return
		}
		shownA, shownB := ShownURL(a), ShownURL(b)
		if shownA == shownB {
			shownB += " (another query)"
		}
		list = append(list, Edit{f, shownA, shownB})
	}
	text(FieldName, from.Name, to.Name)
	secret(FieldJWKS, from.JWKSURL, to.JWKSURL)
	secret(FieldRedirect, from.RedirectURL, to.RedirectURL)
	secret(FieldWebhook, from.WebhookURL, to.WebhookURL)
	text(FieldDownload, yes(from.AllowDownload), yes(to.AllowDownload))
	text(FieldAllPages, yes(from.RequireAllPages), yes(to.RequireAllPages))
	text(FieldLadder, yes(from.WebhookLadder), yes(to.WebhookLadder))
	text(FieldPrivate, yes(from.AllowPrivate), yes(to.AllowPrivate))
	text(FieldCA, ShownCA(from.CA), ShownCA(to.CA))
	return list
}

// yes returns the text of a setting, which is empty if it is off.
func yes(on bool) string {
	if on {
		return "yes"
	}
	return ""
}
