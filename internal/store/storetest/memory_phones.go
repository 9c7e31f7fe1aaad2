package storetest

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/signet-sign/signet/internal/signer"
)

// ChangePhones implements signer.Store.
func (m *Memory) ChangePhones(
	ctx context.Context, uin string,
	change func(phones []signer.Phone) ([]signer.Phone, []signer.Event, error),
) error {
	unlock, err := m.hold(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	changed, events, err := change(
		m.phonesWhere(
			func(p signer.Phone) bool { return p.UIN == uin },
			func(p signer.Phone) time.Time { return p.EnrolledAt },
		),
	)
	if err != nil {
		return err
	}
	for _, p := range changed {
		for _, q := range m.phones {
			if (q.ID == p.ID) != (q.Serial == p.Serial) || q.ID == p.ID && q.UIN != uin {
				return errors.New("memory: the id or serial number of a new phone is taken")
			}
		}
	}
	for _, p := range changed {
		p.Certificate = slices.Clone(p.Certificate)
		m.phones[p.ID] = p
	}
	m.phoneEvents[uin] = append(m.phoneEvents[uin], events...)
	return nil
}

// PhoneEvents implements signer.Store.
func (m *Memory) PhoneEvents(ctx context.Context, uin string) ([]signer.Event, error) {
	unlock, err := m.hold(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	return slices.Clone(m.phoneEvents[uin]), nil
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
	return m.phonesWhere(is, when), nil
}

func (m *Memory) phonesWhere(
	is func(signer.Phone) bool, when func(signer.Phone) time.Time,
) (list []signer.Phone) {
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
	return list
}
