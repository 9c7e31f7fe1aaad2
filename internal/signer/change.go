package signer

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"
)

// change runs a change to p's phones at one time, and logs its events once they are written.
func (s *Service) change(
	ctx context.Context, p Person,
	change func(phones []Phone, now time.Time) ([]Phone, []Event, error),
) error {
	var events []Event
	err := s.Store.ChangePhones(
		ctx,
		p.UIN,
		func(phones []Phone) (changed []Phone, _ []Event, err error) {
			changed, events, err = change(phones, s.now())
			for i := range events {
				d := &events[i].Detail
				d.ACR, d.AMR, d.AuthTime = p.Auth.ACR, p.Auth.AMR, p.Auth.At
			}
			return changed, events, err
		},
	)
	if err != nil {
		return err
	}
	for _, e := range events {
		attributes := []any{"phone", e.PhoneID}
		if by := cmp.Or(e.Detail.By, e.Detail.Operator); by != "" {
			attributes = append(attributes, "by", by)
		}
		if at := e.Detail.ActiveAt; !at.IsZero() { // the phone waits
			attributes = append(attributes, "active_at", at)
		}
		s.Log.InfoContext(ctx, "phone "+string(e.Kind), attributes...)
	}
	return nil
}

// changeOne changes one phone of p that is not revoked; for others the error is [ErrNoPhone].
// change returns the kind of the event, or "" if there is none.
func (s *Service) changeOne(
	ctx context.Context, p Person, phoneID string,
	change func(phone *Phone, now time.Time) (Event, error),
) error {
	return s.change(
		ctx,
		p,
		func(phones []Phone, now time.Time) (changed []Phone, events []Event, _ error) {
			phone, ok := find(phones, phoneID)
			if !ok || phone.Revoked(now) {
				return nil, nil, ErrNoPhone
			}
			e, err := change(&phone, now)
			if err != nil {
				return nil, nil, err
			}
			if e.Kind != "" {
				e.PhoneID, e.At = phone.ID, now
				events = append(events, e)
			}
			return []Phone{phone}, events, nil
		},
	)
}

func find(phones []Phone, id string) (Phone, bool) {
	i := slices.IndexFunc(phones, func(p Phone) bool { return p.ID == id })
	if i < 0 {
		return Phone{}, false
	}
	return phones[i], true
}

// Rename renames a phone of p.
func (s *Service) Rename(ctx context.Context, p Person, phoneID, name string) error {
	name, err := checkName(name)
	if err != nil {
		return err
	}
	return s.changeOne(ctx, p, phoneID, func(phone *Phone, _ time.Time) (Event, error) {
		phone.Name = name
		return Event{}, nil
	})
}

// Revoke revokes a phone of p. A phone that waits is revoked at once. One that can sign is revoked
// at the end of the delay, because a login alone is not enough to set up a phone beside it either;
// until then [Service.Keep] stops the removal, and [Service.Remove] ends the delay. Its certificate
// and its key are not accepted from its revocation on.
func (s *Service) Revoke(ctx context.Context, p Person, phoneID string) error {
	return s.changeOne(
		ctx,
		p,
		phoneID,
		func(phone *Phone, now time.Time) (Event, error) {
			e := Event{Kind: EventRemoved}
			switch {
			case phone.Leaving(now):
				return Event{}, nil // the delay goes on
			case phone.Waiting(now):
				e.Kind = EventStopped
				phone.RevokedAt = now
			default:
				phone.RevokedAt = now.Add(s.Delay)
				if s.Delay > 0 {
					e.Detail.ActiveAt = phone.RevokedAt
				}
			}
			phone.RevokedReason = reasonKeyCompromise
			return e, nil
		},
	)
}

// Keep stops the removal of a phone of p; if it is not being removed the error is [ErrNoPhone].
func (s *Service) Keep(ctx context.Context, p Person, phoneID string) error {
	return s.changeOne(
		ctx,
		p,
		phoneID,
		func(phone *Phone, now time.Time) (Event, error) {
			if !phone.Leaving(now) {
				return Event{}, ErrNoPhone
			}
			phone.RevokedAt, phone.RevokedReason = time.Time{}, 0
			return Event{Kind: EventKept}, nil
		},
	)
}

// Stop revokes a phone of p that waits; for others the error is [ErrNoPhone].
func (s *Service) Stop(ctx context.Context, p Person, phoneID string) error {
	return s.changeOne(
		ctx,
		p,
		phoneID,
		func(phone *Phone, now time.Time) (Event, error) {
			if !phone.Waiting(now) {
				return Event{}, ErrNoPhone
			}
			phone.RevokedAt, phone.RevokedReason = now, reasonKeyCompromise
			return Event{Kind: EventStopped}, nil
		},
	)
}

// StopOrKeep stops a phone of p that [Service.Announced] lists from coming or going; for others the
// error is [ErrNoPhone].
func (s *Service) StopOrKeep(ctx context.Context, p Person, phoneID string) error {
	err := s.Stop(ctx, p, phoneID)
	if errors.Is(err, ErrNoPhone) {
		err = s.Keep(ctx, p, phoneID)
	}
	return err
}

// RevokeCertificate revokes the phone of the certificate with a serial number in lower-case hex,
// for an operator. reason is a CRLReason (RFC 5280, 5.3.1). The error is [ErrNoPhone] if no phone
// has the certificate, and [ErrRevoked] if it is revoked.
func (s *Service) RevokeCertificate(
	ctx context.Context, serial string, reason int, operator string,
) error {
	found, err := s.Store.PhoneBySerial(ctx, serial)
	if err != nil {
		return err
	}
	err = s.changeOne(
		ctx,
		Person{UIN: found.UIN},
		found.ID,
		func(phone *Phone, now time.Time) (Event, error) {
			phone.RevokedAt, phone.RevokedReason = now, reason
			return Event{
				Kind: EventRevoked, Detail: Detail{Operator: operator, Reason: reason},
			}, nil
		},
	)
	if errors.Is(err, ErrNoPhone) {
		return ErrRevoked
	}
	return err
}

// Lift ends the wait of a phone at once, for an operator who says why: a new phone can sign, and
// one that is being removed is revoked. The error is [ErrNotWaiting] if the phone does neither, and
// [ErrNoPhone] if p has no such phone.
func (s *Service) Lift(ctx context.Context, p Person, phoneID, operator, why string) error {
	return s.changeOne(
		ctx,
		p,
		phoneID,
		func(phone *Phone, now time.Time) (Event, error) {
			e := Event{Kind: EventApproved, Detail: Detail{Operator: operator, Why: why}}
			switch {
			case phone.Waiting(now):
				phone.ActiveAt = now
			case phone.Leaving(now):
				e.Kind, phone.RevokedAt = EventRemoved, now
			default:
				return Event{}, ErrNotWaiting
			}
			return e, nil
		},
	)
}

// ErrNotWaiting is the error for a phone whose wait is over, or which does not wait.
var ErrNotWaiting = errors.New("the phone does not wait")

// ErrRevoked is the error for a certificate that is revoked already.
var ErrRevoked = errors.New("the certificate is revoked")

// Announced lists the phones of p that wait or are being removed.
func (s *Service) Announced(ctx context.Context, p Person) ([]Phone, error) {
	phones, err := s.Store.Phones(ctx, p.UIN)
	now := s.Now()
	return slices.DeleteFunc(phones, func(ph Phone) bool {
		return !ph.Waiting(now) && !ph.Leaving(now)
	}), err
}
