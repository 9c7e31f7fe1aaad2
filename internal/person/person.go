// Package person implements what operators do for one person: see what is stored, end the wait of a
// phone, and have the person forgotten. Start at [Service.Do].
//
// With FourEyes an act waits until a second operator approves it. Package signer changes phones,
// package retention forgets; package operator has the sessions of operators, and their roles are
// package console's.
package person

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/signet-sign/signet/internal/retention"
	"github.com/signet-sign/signet/internal/signer"
)

// Kind is the kind of an operator's act.
type Kind string

// The kinds of acts.
const (
	Lift   Kind = "lift"   // end the wait of a phone ([signer.Service.Lift])
	Forget Kind = "forget" // [retention.Forget]
)

// Act is one act of an operator for a person, with its reason.
type Act struct {
	Kind    Kind
	UIN     string
	PhoneID string // of Lift
	Reason  string // at most 200 characters; it must not contain an NRIC or FIN
}

// Operator is who acts. Subject is the operator's at the identity provider.
type Operator struct{ Name, Subject string }

// Proposal is an act that waits for a second operator.
type Proposal struct {
	Act
	ID string // UUID
	By Operator
	At time.Time
	// ClaimedUntil is not zero if an operator has approved the proposal: until then it is being
	// carried out, and after it that has not ended, because the process has.
	ClaimedUntil time.Time
}

// Claimed reports whether the proposal is being carried out.
func (p Proposal) Claimed(now time.Time) bool { return now.Before(p.ClaimedUntil) }

const (
	proposalLife = 7 * 24 * time.Hour // how long a proposal waits
	// claimLife is how long an approved proposal may take. It is interrupted then, and can be
	// approved again; after a crash it waits again from then on.
	claimLife = 10 * time.Minute
)

// Store keeps what is stored about people. All methods may be called concurrently, on any nodes.
type Store interface {
	retention.People

	// ProposeForPerson stores a proposal in the place of the one for the same act, and deletes
	// those that were made before a time and never claimed.
	ProposeForPerson(ctx context.Context, p Proposal, before time.Time) error

	// PersonProposals lists the proposals that were made since a time, and older ones that are
	// claimed, oldest first.
	PersonProposals(ctx context.Context, since time.Time) ([]Proposal, error)

	// ClaimProposal claims a proposal from now until a time. The error is ErrNoProposal if there is
	// none, and ErrClaimed if another claim has not ended.
	ClaimProposal(ctx context.Context, id string, now, until time.Time) error

	// UnclaimProposal ends the claim until a time. It does nothing if there is none, because the
	// proposal was replaced.
	UnclaimProposal(ctx context.Context, id string, until time.Time) error

	// RejectProposal deletes a proposal. The errors are those of ClaimProposal.
	RejectProposal(ctx context.Context, id string, now time.Time) error

	// ChangeProposedPhones is ChangePhones of signer.Store, and deletes a proposal in the same
	// transaction. Without the proposal it changes nothing; the error is ErrNoProposal.
	ChangeProposedPhones(
		ctx context.Context, id, uin string,
		change func(phones []signer.Phone) ([]signer.Phone, []signer.Event, error),
	) error
}

// Service does what operators ask for.
type Service struct {
	Store    Store
	Signers  *signer.Service
	FourEyes bool // an act waits for a second operator
	Now      func() time.Time
	Rand     io.Reader

	// Before writes what is in memory and concerns people; After removes what was deleted from the
	// database's files. They are called before and after a person is forgotten.
	Before, After func(context.Context) error
}

// Errors of refused acts.
var (
	ErrNoUIN = errors.New("it is not an NRIC or FIN")
	// ErrReason is the error for a reason that is empty or too long, or contains an NRIC or FIN.
	ErrReason = errors.New(
		"the reason must have 1 to 200 characters of plain text, and no NRIC or FIN",
	)
	ErrNoProposal  = errors.New("there is no such proposal")
	ErrOwnProposal = errors.New("the operator has proposed it")
	// ErrClaimed is the error for a proposal that is being carried out.
	ErrClaimed = errors.New("another operator has approved it, and it is being carried out")
)

// About is everything that is stored about a person.
type About struct {
	Phones []signer.Phone // oldest first
	retention.Found
}

// Look returns what is stored about a person.
func (s *Service) Look(ctx context.Context, uin string) (a About, err error) {
	if uin = signer.Normalize(uin); !signer.ValidUIN(uin) {
		return a, ErrNoUIN
	}
	if a.Phones, err = s.Store.Phones(ctx, uin); err != nil {
		return a, err
	}
	if err := s.Before(ctx); err != nil {
		return a, err
	}
	a.Found, err = retention.Find(ctx, s.Store, uin, s.now)
	return a, err
}

func (s *Service) now() time.Time { return s.Now().UTC().Truncate(time.Microsecond) }

// Done is the outcome of an act.
type Done struct {
	Proposed bool // it waits for a second operator
	retention.Forgotten
}

// Do does an act, or with FourEyes stores it as a proposal, in the place of the one for the same
// act. The errors are ErrNoUIN and ErrReason, those of [signer.Service.Lift] and those of
// [retention.Forget]; a proposal is refused with the same errors as the act.
func (s *Service) Do(ctx context.Context, by Operator, a Act) (done Done, err error) {
	a.UIN, a.Reason = signer.Normalize(a.UIN), strings.TrimSpace(a.Reason)
	if a.Kind == Lift && a.UIN == "" {
		phone, err := s.Signers.Store.Phone(ctx, a.PhoneID)
		if err != nil {
			return done, err
		}
		a.UIN = phone.UIN
	}
	if a.Kind == Forget && !signer.ValidUIN(a.UIN) {
		return done, ErrNoUIN
	}
	if !plain(a.Reason) {
		return done, ErrReason
	}
	if !s.FourEyes {
		if a.Kind == Lift {
			return done, lift(ctx, s.Signers, by.Name, a)
		}
		if done, err = s.forget(ctx, by.Name, a); err == nil {
			err = s.After(ctx)
		}
		return done, err
	}
	if err := s.check(ctx, a); err != nil {
		return done, err
	}
	id, err := uuid.NewRandomFromReader(s.Rand)
	if err != nil {
		return done, err
	}
	now := s.now()
	p := Proposal{Act: a, ID: id.String(), By: by, At: now}
	return Done{Proposed: true}, s.Store.ProposeForPerson(ctx, p, now.Add(-proposalLife))
}

// check returns the error with which the act would fail now.
func (s *Service) check(ctx context.Context, a Act) error {
	if a.Kind == Forget {
		return retention.Permits(ctx, s.Store, a.UIN, s.now)
	}
	phone, err := s.Signers.Store.Phone(ctx, a.PhoneID)
	now := s.now()
	switch {
	case err != nil:
		return err
	case phone.UIN != a.UIN || phone.Revoked(now):
		return signer.ErrNoPhone
	case !phone.Waiting(now) && !phone.Leaving(now):
		return signer.ErrNotWaiting
	}
	return nil
}

// lift ends the wait of a phone. by is whom the trails name.
func lift(ctx context.Context, signers *signer.Service, by string, a Act) error {
	return signers.Lift(ctx, signer.Person{UIN: a.UIN}, a.PhoneID, by, a.Reason)
}

// liftProposed is lift for a proposal, which it takes in the same transaction.
func (s *Service) liftProposed(ctx context.Context, by string, p Proposal) error {
	signers := *s.Signers
	signers.Store = taking{s.Signers.Store, s.Store, p.ID}
	return lift(ctx, &signers, by, p.Act)
}

// taking is a store of phones whose changes take a proposal.
type taking struct {
	signer.Store
	proposals Store
	id        string
}

func (t taking) ChangePhones(
	ctx context.Context, uin string,
	change func(phones []signer.Phone) ([]signer.Phone, []signer.Event, error),
) error {
	return t.proposals.ChangeProposedPhones(ctx, t.id, uin, change)
}

// forget has a person forgotten, except for After. by is whom the trails name.
func (s *Service) forget(ctx context.Context, by string, a Act) (done Done, err error) {
	if err := s.Before(ctx); err != nil {
		return done, err
	}
	by += ": " + a.Reason
	done.Forgotten, err = retention.Forget(ctx, s.Store, a.UIN, by, s.now, s.Rand)
	return done, err
}

// Proposals lists the proposals that wait or are being carried out, oldest first.
func (s *Service) Proposals(ctx context.Context) ([]Proposal, error) {
	return s.Store.PersonProposals(ctx, s.now().Add(-proposalLife))
}

// proposal returns one that waits, or ErrNoProposal.
func (s *Service) proposal(ctx context.Context, id string) (Proposal, error) {
	list, err := s.Proposals(ctx)
	if err != nil {
		return Proposal{}, err
	}
	for _, p := range list {
		if p.ID == id {
			return p, nil
		}
	}
	return Proposal{}, ErrNoProposal
}

// forgetProposed is forget for a proposal, which it claims first. It ends before the claim does, so
// that no other approval is carried out at the same time. [retention.Forget] deletes the proposal
// last, so that after a crash it is there and can be approved again.
func (s *Service) forgetProposed(ctx context.Context, by string, p Proposal) (Done, error) {
	claimed, cancel := context.WithTimeout(ctx, claimLife)
	defer cancel()
	now := s.now()
	until := now.Add(claimLife)
	if err := s.Store.ClaimProposal(ctx, p.ID, now, until); err != nil {
		return Done{}, err
	}
	done, err := s.forget(claimed, by, p.Act)
	if err != nil {
		unclaimed := s.Store.UnclaimProposal(context.WithoutCancel(ctx), p.ID, until)
		return done, errors.Join(err, unclaimed)
	}
	return done, s.After(ctx)
}

// Approve does what another operator has proposed, and returns the proposal. The trails name both.
// The error is ErrOwnProposal if the operator has proposed it, ErrNoProposal if it does not wait
// any more, ErrClaimed, or one of the act, after which the proposal waits on. Of approvals and
// rejections at one time one succeeds.
func (s *Service) Approve(
	ctx context.Context, by Operator, id string,
) (p Proposal, done Done, err error) {
	if p, err = s.proposal(ctx, id); err != nil {
		return p, done, err
	}
	if p.By.Subject == by.Subject || by.Subject == "" {
		return p, done, ErrOwnProposal
	}
	both := p.By.Name + ", approved by " + by.Name
	if p.Kind == Lift {
		return p, done, s.liftProposed(ctx, both, p)
	}
	done, err = s.forgetProposed(ctx, both, p)
	return p, done, err
}

// Reject deletes a proposal, and returns it. The operator who made it may do so. The error is
// ErrNoProposal or ErrClaimed.
func (s *Service) Reject(ctx context.Context, id string) (Proposal, error) {
	p, err := s.proposal(ctx, id)
	if err != nil {
		return p, err
	}
	return p, s.Store.RejectProposal(ctx, id, s.now())
}

// plain reports whether a text may be a reason. The trails keep it, which name no person by number.
func plain(text string) bool {
	const longest = 200
	if text == "" || !utf8.ValidString(text) || utf8.RuneCountInString(text) > longest {
		return false
	}
	for i := range text {
		if signer.ValidUIN(signer.Normalize(text[i:min(i+9, len(text))])) {
			return false
		}
	}
	return !strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) })
}
