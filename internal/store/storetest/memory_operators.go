package storetest

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/signet-sign/signet/internal/operator"
)

// AddOperatorSession implements operator.Store.
func (m *Memory) AddOperatorSession(ctx context.Context, o operator.Session) error {
	unlock, err := m.hold(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if slices.ContainsFunc(m.sessions, func(p operator.Session) bool { return p.ID == o.ID }) {
		return errors.New("memory: the id of a session is taken")
	}
	m.sessions = append(m.sessions, o)
	return nil
}

// OperatorSession implements operator.Store.
func (m *Memory) OperatorSession(ctx context.Context, id string) (operator.Session, error) {
	all, err := m.OperatorSessions(ctx)
	if err != nil {
		return operator.Session{}, err
	}
	for _, o := range all {
		if o.ID == id {
			return o, nil
		}
	}
	return operator.Session{}, operator.ErrNoSession
}

// OperatorSessions implements operator.Store.
func (m *Memory) OperatorSessions(ctx context.Context) ([]operator.Session, error) {
	unlock, err := m.hold(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	list := slices.Clone(m.sessions)
	slices.SortFunc(list, func(a, b operator.Session) int {
		return cmp.Or(b.Seen.Compare(a.Seen), cmp.Compare(a.ID, b.ID))
	})
	return list, nil
}

// SeeOperatorSession implements operator.Store.
func (m *Memory) SeeOperatorSession(ctx context.Context, id string, seen time.Time) error {
	unlock, err := m.hold(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	for i := range m.sessions {
		if m.sessions[i].ID == id {
			m.sessions[i].Seen = seen
		}
	}
	return nil
}

// EndOperatorSessions implements operator.Store.
func (m *Memory) EndOperatorSessions(ctx context.Context, ids ...string) error {
	unlock, err := m.hold(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	m.sessions = slices.DeleteFunc(m.sessions, func(o operator.Session) bool {
		return slices.Contains(ids, o.ID)
	})
	return nil
}
