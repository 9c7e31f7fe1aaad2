package storetest

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/signet-sign/signet/internal/party"
)

// parties is what [Memory] keeps of relying parties.
type parties struct {
	registered map[string]party.Registration
	pictures   map[string][]byte // by client id
	epochs     map[string]int64
	changes    []party.Change
	keys       map[string]party.StoredKeys // by client id
	proposals  map[string]party.Proposal   // by client id
	receivers  map[string]party.Receiver   // by client id
}

// partiesTopic is what the parties are called where requests have their ids.
const partiesTopic = "parties"

// WatchParties implements party.Store.
func (m *Memory) WatchParties() (<-chan struct{}, func()) { return m.Watch(partiesTopic) }

// Registrations implements party.Store.
func (m *Memory) Registrations(
	ctx context.Context,
) ([]party.Registration, map[string]int64, error) {
	unlock, err := m.hold(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer unlock()
	list := slices.SortedFunc(
		maps.Values(m.parties.registered),
		func(a, b party.Registration) int { return cmp.Compare(a.ClientID, b.ClientID) },
	)
	return list, maps.Clone(m.parties.epochs), nil
}

// Registration implements party.Store.
func (m *Memory) Registration(ctx context.Context, clientID string) (party.Registration, error) {
	unlock, err := m.hold(ctx)
	if err != nil {
		return party.Registration{}, err
	}
	defer unlock()
	r, ok := m.parties.registered[clientID]
	if !ok {
		return party.Registration{}, party.ErrUnknown
	}
	return r, nil
}

// AddParty implements party.Store.
func (m *Memory) AddParty(ctx context.Context, p party.Party, c party.Change) error {
	return m.changeParties(ctx, c, func() error {
		if _, taken := m.parties.registered[p.ClientID]; taken {
			return party.ErrExists
		}
		p.Logo, p.KeysEpoch = "", 0
		m.parties.registered[p.ClientID] = party.Registration{
			Party: p, Version: 1, CreatedAt: c.At, ChangedAt: c.At,
		}
		return nil
	})
}

// ChangeParty implements party.Store.
func (m *Memory) ChangeParty(
	ctx context.Context, p party.Party, version int64, c party.Change,
) error {
	return m.changeParty(ctx, p.ClientID, version, c, func(r *party.Registration) error {
		p.Logo, p.KeysEpoch = r.Logo, 0
		r.Party = p
		delete(m.parties.proposals, p.ClientID)
		return nil
	})
}

// ChangeLogo implements party.Store.
func (m *Memory) ChangeLogo(
	ctx context.Context, clientID string, version int64, l party.Logo, c party.Change,
) error {
	return m.changeParty(ctx, clientID, version, c, func(r *party.Registration) error {
		r.Logo = l.Name
		m.parties.pictures[clientID] = slices.Clone(l.PNG)
		return nil
	})
}

// RemoveParty implements party.Store.
func (m *Memory) RemoveParty(
	ctx context.Context, clientID string, version int64, c party.Change,
) error {
	return m.changeParty(ctx, clientID, version, c, func(*party.Registration) error {
		for _, rec := range m.requests {
			if rec.request.ClientID == clientID {
				return party.ErrInUse
			}
		}
		delete(m.parties.registered, clientID)
		delete(m.parties.pictures, clientID)
		delete(m.parties.receivers, clientID)
		delete(m.parties.proposals, clientID)
		return nil
	})
}

// RenewKeys implements party.Store.
func (m *Memory) RenewKeys(ctx context.Context, clientID string, c party.Change) error {
	return m.changeParties(ctx, c, func() error { m.parties.epochs[clientID]++; return nil })
}

// ProposeParty implements party.Store.
func (m *Memory) ProposeParty(ctx context.Context, p party.Proposal, c party.Change) error {
	return m.changeParties(ctx, c, func() error {
		switch r, ok := m.parties.registered[p.ClientID]; {
		case !ok:
			return party.ErrUnknown
		case r.Version != p.Version:
			return party.ErrChanged
		}
		p.At = p.At.Truncate(time.Microsecond).UTC()
		m.parties.proposals[p.ClientID] = p
		return nil
	})
}

// Proposal implements party.Store.
func (m *Memory) Proposal(ctx context.Context, clientID string) (party.Proposal, error) {
	unlock, err := m.hold(ctx)
	if err != nil {
		return party.Proposal{}, err
	}
	defer unlock()
	p, ok := m.parties.proposals[clientID]
	if !ok {
		return party.Proposal{}, party.ErrNoProposal
	}
	return p, nil
}

// RejectParty implements party.Store.
func (m *Memory) RejectParty(
	ctx context.Context, clientID string, at time.Time, c party.Change,
) error {
	return m.changeParties(ctx, c, func() error {
		if p, ok := m.parties.proposals[clientID]; !ok || !p.At.Equal(at) {
			return party.ErrNoProposal
		}
		delete(m.parties.proposals, clientID)
		return nil
	})
}

// changeParty changes or removes a party of one version.
func (m *Memory) changeParty(
	ctx context.Context, clientID string, version int64, c party.Change,
	change func(*party.Registration) error,
) error {
	return m.changeParties(ctx, c, func() error {
		r, ok := m.parties.registered[clientID]
		switch {
		case !ok:
			return party.ErrUnknown
		case r.Version != version:
			return party.ErrChanged
		}
		if err := change(&r); err != nil {
			return err
		}
		r.Version, r.ChangedAt = r.Version+1, c.At
		if _, still := m.parties.registered[clientID]; still {
			m.parties.registered[clientID] = r
		}
		return nil
	})
}

func (m *Memory) changeParties(ctx context.Context, c party.Change, change func() error) error {
	unlock, err := m.hold(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if err := change(); err != nil {
		return err
	}
	m.recordChange(c)
	return nil
}

func (m *Memory) recordChange(c party.Change) {
	c.Edits = slices.Clone(c.Edits)
	c.At = c.At.Truncate(time.Microsecond).UTC()
	m.parties.changes = append(m.parties.changes, c)
	m.tell(partiesTopic)
}

// Receiver implements party.Receivers.
func (m *Memory) Receiver(ctx context.Context, clientID string) (party.Receiver, error) {
	unlock, err := m.hold(ctx)
	if err != nil {
		return party.Receiver{}, err
	}
	defer unlock()
	r := m.parties.receivers[clientID]
	r.ClientID = clientID
	return r, nil
}

// Receivers implements party.Receivers.
func (m *Memory) Receivers(ctx context.Context) ([]party.Receiver, error) {
	unlock, err := m.hold(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	return slices.SortedFunc(
		maps.Values(m.parties.receivers),
		func(a, b party.Receiver) int { return cmp.Compare(a.ClientID, b.ClientID) },
	), nil
}

// ChangeReceiver implements party.Receivers.
func (m *Memory) ChangeReceiver(
	ctx context.Context, clientID string, change func(*party.Receiver) (*party.Change, error),
) error {
	unlock, err := m.hold(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	r := m.parties.receivers[clientID]
	r.ClientID = clientID
	held := !r.HeldUntil.IsZero()
	c, err := change(&r)
	if err != nil {
		return err
	}
	m.parties.receivers[clientID] = r
	if r == (party.Receiver{ClientID: clientID}) {
		delete(m.parties.receivers, clientID)
	}
	if held && r.HeldUntil.IsZero() {
		signal(m.ready)
	}
	if c != nil {
		m.recordChange(*c)
	}
	return nil
}

// PartyChanges implements party.Store.
func (m *Memory) PartyChanges(
	ctx context.Context, clientID string, limit int,
) (list []party.Change, err error) {
	unlock, err := m.hold(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	for _, c := range slices.Backward(m.parties.changes) {
		if c.ClientID == clientID && len(list) < limit {
			list = append(list, c)
		}
	}
	return list, nil
}

// LogoPNG implements party.Store.
func (m *Memory) LogoPNG(ctx context.Context, name string) ([]byte, error) {
	unlock, err := m.hold(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	for id, r := range m.parties.registered {
		if r.Logo == name && name != "" {
			return slices.Clone(m.parties.pictures[id]), nil
		}
	}
	return nil, party.ErrNoLogo
}

// SaveKeys implements party.KeyStore.
func (m *Memory) SaveKeys(ctx context.Context, k party.StoredKeys) error {
	unlock, err := m.hold(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if !m.parties.keys[k.ClientID].FetchedAt.After(k.FetchedAt) {
		m.parties.keys[k.ClientID] = k
	}
	return nil
}

// LoadKeys implements party.KeyStore.
func (m *Memory) LoadKeys(ctx context.Context, clientID string) (party.StoredKeys, bool, error) {
	unlock, err := m.hold(ctx)
	if err != nil {
		return party.StoredKeys{}, false, err
	}
	defer unlock()
	k, ok := m.parties.keys[clientID]
	return k, ok, nil
}
