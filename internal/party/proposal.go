package party

import (
	"context"
	"errors"
	"time"
)

// Proposal is a change of a party that waits for a second operator. A party has one at most.
type Proposal struct {
	Party             // as it is to be, but for logo and Disabled; a client id alone: removed
	Version int64     // of the party that the operator saw
	By      string    // the operator's user name
	Subject string    // the operator's subject at the identity provider
	At      time.Time // names the proposal among those of the party
}

// Removal reports whether the proposed change is that the party is removed.
func (p *Proposal) Removal() bool { return p.Party == Party{ClientID: p.ClientID} }

// Errors of refused proposals and approvals.
var (
	ErrFourEyes    = errors.New("the change needs a second operator")
	ErrNoProposal  = errors.New("the relying party has no such proposed change")
	ErrOwnProposal = errors.New("the operator has proposed the change")
)

// NeedsApproval reports whether a change from old to p needs a second operator: with FourEyes, if a
// URL differs, or what may answer there. The keys of a party are those at its JWKS URL.
func (r *Registrar) NeedsApproval(old, p Party) bool {
	return r.FourEyes && (old.JWKSURL != p.JWKSURL || old.RedirectURL != p.RedirectURL ||
		old.WebhookURL != p.WebhookURL || old.AllowPrivate != p.AllowPrivate || old.CA != p.CA)
}

// Propose stores the change to p for a second operator, in the place of an older proposal. subject
// is the operator's at the identity provider. Errors are those of [Registrar.Edit].
func (r *Registrar) Propose(ctx context.Context, by, subject string, version int64, p Party) error {
	if found := p.Problems(r.Policy); len(found) > 0 {
		return Invalid(found)
	}
	old, err := r.managed(ctx, p.ClientID, version)
	if err != nil {
		return err
	}
	return r.propose(ctx, by, subject, old, p)
}

// ProposeRemoval stores that a party is to be removed, as Propose does. Errors are those of
// [Registrar.Remove].
func (r *Registrar) ProposeRemoval(
	ctx context.Context, by, subject, clientID string, version int64,
) error {
	old, err := r.managed(ctx, clientID, version)
	if err != nil {
		return err
	}
	if !old.Disabled {
		return ErrEnabled
	}
	return r.propose(ctx, by, subject, old, Party{ClientID: clientID})
}

func (r *Registrar) propose(
	ctx context.Context, by, subject string, old Registration, p Party,
) error {
	c := r.change(p.ClientID, by, ChangeProposed)
	c.Edits = Edits(old.Party, p)
	// The time is stored in microseconds.
	at := c.At.Truncate(time.Microsecond)
	return r.Store.ProposeParty(
		ctx, Proposal{Party: p, Version: old.Version, By: by, Subject: subject, At: at}, c,
	)
}

// Proposal returns the proposed change of a party, and the edits that it makes, as operators may
// see them. The error is ErrNoProposal if there is none.
func (r *Registrar) Proposal(ctx context.Context, clientID string) (Proposal, []Edit, error) {
	p, err := r.Store.Proposal(ctx, clientID)
	if err != nil {
		return Proposal{}, nil, err
	}
	old, err := r.Store.Registration(ctx, clientID)
	return p, Edits(old.Party, p.Party), err
}

// Approve makes the change that another operator proposed at a time. The error is ErrOwnProposal if
// subject proposed it, ErrNoProposal if it is not the party's proposal any more, or one of those of
// [Registrar.Edit] and [Registrar.Remove]. The kind of the change that was made is ChangeApproved,
// or ChangeRemoved.
func (r *Registrar) Approve(
	ctx context.Context, by, subject, clientID string, at time.Time,
) (ChangeKind, error) {
	p, shown, err := r.Proposal(ctx, clientID)
	switch {
	case err != nil:
		return "", err
	case !p.At.Equal(at):
		return "", ErrNoProposal
	case p.Subject == subject || subject == "":
		return "", ErrOwnProposal
	}
	old, err := r.managed(ctx, clientID, p.Version)
	if err != nil {
		return "", err
	}
	c := r.change(clientID, by, ChangeApproved)
	if p.Removal() {
		c.Kind = ChangeRemoved // whose version is that of a disabled party
	} else {
		if found := p.Problems(r.Policy); len(found) > 0 {
			return "", Invalid(found)
		}
		p.Disabled, c.Edits = old.Disabled, shown
	}
	return c.Kind, r.then(ctx, r.Store.ApproveParty(ctx, p, c))
}

// Reject removes the change that an operator proposed at a time, who may be the one that rejects
// it. Of a rejection and an approval at one time, one succeeds.
func (r *Registrar) Reject(ctx context.Context, by, clientID string, at time.Time) error {
	return r.Store.RejectParty(ctx, clientID, at, r.change(clientID, by, ChangeRejected))
}
