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
	Version              int64 // 1 and up, one more with each change
	CreatedAt, ChangedAt time.Time
}

// Store keeps the parties that operators manage, and what operators did to parties. What it has
// done is durable when it returns; all may be called concurrently, from any number of nodes. Every
// change writes its [Change] with it.
type Store interface {
	// Registrations lists the parties by client id, and counts for each party, also one that is not
	// listed, how often its keys were renewed.
	Registrations(ctx context.Context) ([]Registration, map[string]int64, error)

	// Registration returns one party; ErrUnknown if there is none.
	Registration(ctx context.Context, clientID string) (Registration, error)

	// AddParty registers a party, without a logo; ErrExists if the client id is taken.
	AddParty(ctx context.Context, p Party, c Change) error

	// ChangeParty replaces the party of this client id if its version is still that one: all but
	// its logo. The error is ErrChanged if it is another one, ErrUnknown if there is no such party.
	ChangeParty(ctx context.Context, p Party, version int64, c Change) error

	// ChangeLogo replaces the logo of a party; the zero Logo takes it away. Errors are those of
	// ChangeParty.
	ChangeLogo(ctx context.Context, clientID string, version int64, l Logo, c Change) error

	// RemoveParty forgets a party that has no request; ErrInUse if it has one, else errors are
	// those of ChangeParty. The trail of its changes stays.
	RemoveParty(ctx context.Context, clientID string, version int64, c Change) error

	// RenewKeys counts one more renewal of a party's keys, also of a configured party.
	RenewKeys(ctx context.Context, clientID string, c Change) error

	// PartyChanges lists the newest changes of a party, the latest first.
	PartyChanges(ctx context.Context, clientID string, limit int) ([]Change, error)

	// LogoPNG returns the picture that a party has under this name, or ErrNoLogo.
	LogoPNG(ctx context.Context, name string) ([]byte, error)

	// WatchParties returns a channel that gets a signal after every change, on whatever node,
	// within a second. Signals of several changes may come as one. stop ends it and may be called
	// twice.
	WatchParties() (changed <-chan struct{}, stop func())
}

// Change is a line in the trail of a party: who did what, and when.
type Change struct {
	ClientID string
	At       time.Time
	By       string // the operator's user name
	Kind     ChangeKind
	Edits    []Edit // empty for what says it all
}

// ChangeKind is what was done.
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
)

// Edit is a field's old and new value, as people may see them: of a URL's query they see that it is
// another one.
type Edit struct {
	Field    Field
	From, To string
}

// What a change of a party may be refused for.
var (
	ErrExists     = errors.New("a relying party has this client id already")
	ErrConfigured = errors.New("the relying party is registered in the configuration")
	ErrChanged    = errors.New("another operator has changed the relying party")
	ErrInUse      = errors.New("the relying party has sign requests")
	ErrEnabled    = errors.New("the relying party is not disabled")
)

// Registrar makes the changes that operators ask for. A change is in force on this node when it
// returns, and on others when their [Registry] has heard of it.
type Registrar struct {
	Registry *Registry
	Store    Store
	Policy   safehttp.Policy // that parties are registered under
	Now      func() time.Time
	Rand     io.Reader
}

// Invalid says what is wrong with a registration, by field.
type Invalid map[Field]error

// Error implements error.
func (e Invalid) Error() string {
	return fmt.Sprintf("%d fields of the registration are not valid", len(e))
}

// NewClientID invents a client id: 24 random bytes as 32 characters of base64url.
func (r *Registrar) NewClientID() (string, error) {
	id := make([]byte, 24)
	if _, err := io.ReadFull(r.Rand, id); err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(id), nil
}

// Register adds a party. The error is an [Invalid], ErrExists or ErrConfigured, or says that it
// could not be done.
func (r *Registrar) Register(ctx context.Context, by string, p Party) error {
	if found := p.Problems(r.Policy); len(found) > 0 {
		return Invalid(found)
	}
	if r.Registry.Configured(p.ClientID) {
		return ErrConfigured
	}
	c := r.change(p.ClientID, by, ChangeRegistered)
	c.Edits = edits(Party{}, p)
	return r.then(ctx, r.Store.AddParty(ctx, p, c))
}

// Edit changes name and URLs of a party to those of p, if the party still has that version. Errors
// are those of Register and of [Store].ChangeParty.
func (r *Registrar) Edit(ctx context.Context, by string, version int64, p Party) error {
	if found := p.Problems(r.Policy); len(found) > 0 {
		return Invalid(found)
	}
	old, err := r.managed(ctx, p.ClientID, version)
	if err != nil {
		return err
	}
	p.Disabled = old.Disabled
	c := r.change(p.ClientID, by, ChangeEdited)
	if c.Edits = edits(old.Party, p); len(c.Edits) == 0 {
		return nil
	}
	return r.then(ctx, r.Store.ChangeParty(ctx, p, version, c))
}

// SetDisabled closes or opens the door for a party. To do what is done already is no error.
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

// SetLogo gives a party a logo; the zero Logo takes it away.
func (r *Registrar) SetLogo(ctx context.Context, by, clientID string, version int64, l Logo) error {
	if _, err := r.managed(ctx, clientID, version); err != nil {
		return err
	}
	return r.then(
		ctx, r.Store.ChangeLogo(ctx, clientID, version, l, r.change(clientID, by, ChangeLogo)),
	)
}

// Remove forgets a party that is disabled and has no request. Disabled, because a call of it that
// is under way could otherwise leave a request without a party.
func (r *Registrar) Remove(ctx context.Context, by, clientID string, version int64) error {
	old, err := r.managed(ctx, clientID, version)
	if err != nil {
		return err
	}
	if !old.Disabled {
		return ErrEnabled
	}
	return r.then(
		ctx, r.Store.RemoveParty(ctx, clientID, version, r.change(clientID, by, ChangeRemoved)),
	)
}

// RenewKeys throws away what every node has cached of a party's keys, configured or not, so that
// its next token fetches them: for a key that was stolen and must not work for what is left of its
// hour.
func (r *Registrar) RenewKeys(ctx context.Context, by, clientID string) error {
	if _, err := r.Registry.Party(ctx, clientID); err != nil {
		return err
	}
	return r.then(ctx, r.Store.RenewKeys(ctx, clientID, r.change(clientID, by, ChangeKeysRenewed)))
}

// managed returns a party that operators may change, in the version that the operator has seen.
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

// then brings a change that was made into force.
func (r *Registrar) then(ctx context.Context, err error) error {
	if err != nil {
		return err
	}
	// The change is durable. Should it not be readable now, the node hears of it like every other.
	_ = r.Registry.Reload(context.WithoutCancel(ctx))
	return nil
}

// edits lists what differs, for the trail.
func edits(from, to Party) (list []Edit) {
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
	return list
}
