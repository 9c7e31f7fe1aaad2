package storetest

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/signet-sign/signet/internal/signer"
)

// AddPhone implements signer.Store.
func (m *Memory) AddPhone(ctx context.Context, p signer.Phone) error {
	unlock, err := m.hold(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	for _, q := range m.phones {
		if q.ID == p.ID || q.Serial == p.Serial {
			return errors.New("memory: the phone is there already")
		}
	}
	p.Certificate = slices.Clone(p.Certificate)
	m.phones[p.ID] = p
	return nil
}

// Phone implements signer.Store.
func (m *Memory) Phone(ctx context.Context, id string) (signer.Phone, error) {
	return m.onePhone(ctx, func(p signer.Phone) bool { return p.ID == id })
}

// PhoneBySerial implements signer.Store.
func (m *Memory) PhoneBySerial(ctx context.Context, serial string) (signer.Phone, error) {
	return m.onePhone(ctx, func(p signer.Phone) bool { return p.Serial == serial })
}

// Phones implements signer.Store.
func (m *Memory) Phones(ctx context.Context, uin string) ([]signer.Phone, error) {
	return m.listPhones(
		ctx, func(p signer.Phone) bool { return p.UIN == uin },
		func(p signer.Phone) time.Time { return p.EnrolledAt },
	)
}

// RevokedPhones implements signer.Store.
func (m *Memory) RevokedPhones(ctx context.Context) ([]signer.Phone, error) {
	return m.listPhones(
		ctx, func(p signer.Phone) bool { return !p.RevokedAt.IsZero() },
		func(p signer.Phone) time.Time { return p.RevokedAt },
	)
}

// RevokePhone implements signer.Store.
func (m *Memory) RevokePhone(ctx context.Context, id string, at time.Time) error {
	return m.changePhone(ctx, id, func(p *signer.Phone) {
		if p.RevokedAt.IsZero() {
			p.RevokedAt = at
		}
	})
}

// RenamePhone implements signer.Store.
func (m *Memory) RenamePhone(ctx context.Context, id, name string) error {
	return m.changePhone(ctx, id, func(p *signer.Phone) { p.Name = name })
}

func (m *Memory) changePhone(ctx context.Context, id string, change func(*signer.Phone)) error {
	unlock, err := m.hold(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	p, ok := m.phones[id]
	if !ok {
		return signer.ErrNoPhone
	}
	change(&p)
	m.phones[id] = p
	return nil
}

func (m *Memory) onePhone(ctx context.Context, is func(signer.Phone) bool) (signer.Phone, error) {
	list, err := m.listPhones(ctx, is, func(signer.Phone) time.Time { return time.Time{} })
	if err != nil {
		return signer.Phone{}, err
	}
	if len(list) == 0 {
		return signer.Phone{}, signer.ErrNoPhone
	}
	return list[0], nil
}

func (m *Memory) listPhones(
	ctx context.Context, is func(signer.Phone) bool, when func(signer.Phone) time.Time,
) ([]signer.Phone, error) {
	unlock, err := m.hold(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	var list []signer.Phone
	for _, p := range m.phones {
		if is(p) {
			p.Certificate = slices.Clone(p.Certificate)
			list = append(list, p)
		}
	}
	slices.SortFunc(
		list,
		func(a, b signer.Phone) int { return cmp.Or(when(a).Compare(when(b)), cmp.Compare(a.ID, b.ID)) },
	)
	return list, nil
}
