package storetest

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/signet-sign/signet/internal/rp/calls"
)

// AddCalls implements calls.Store.
func (m *Memory) AddCalls(ctx context.Context, records []calls.Record, limits calls.Limits) error {
	unlock, err := m.hold(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	for _, r := range records {
		m.lastCall++
		r.ID = m.lastCall
		b, err := json.Marshal(r)
		if err != nil {
			return err
		}
		var own calls.Record
		if err := json.Unmarshal(b, &own); err != nil {
			return err
		}
		m.calls = append([]calls.Record{own}, m.calls...)
		party, request := limits.Party, limits.Request
		if !r.Authentic {
			party, request = limits.PartyStrangers, limits.RequestStrangers
		}
		m.keepCalls(party, func(c calls.Record) bool { return c.Party == r.Party && c.Authentic == r.Authentic })
		m.keepCalls(request, func(c calls.Record) bool {
			return r.RequestID != "" && c.RequestID == r.RequestID && c.Authentic == r.Authentic
		})
		m.tell(r.RequestID)
	}
	return nil
}

// keepCalls drops the calls that match beyond the newest so many.
func (m *Memory) keepCalls(most int, matches func(calls.Record) bool) (dropped int64) {
	n := 0
	m.calls = slices.DeleteFunc(m.calls, func(c calls.Record) bool {
		if matches(c) {
			n++
		}
		drop := n > most && matches(c)
		if drop {
			dropped++
		}
		return drop
	})
	return dropped
}

// Calls implements calls.Store.
func (m *Memory) Calls(ctx context.Context, f calls.Filter) (list []calls.Record, err error) {
	unlock, err := m.hold(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	for _, c := range m.calls {
		switch {
		case len(list) >= f.Limit,
			f.ID != 0 && c.ID != f.ID,
			f.RequestID != "" && c.RequestID != f.RequestID,
			f.Party != "" && c.Party != f.Party,
			f.Kind != "" && c.Kind != f.Kind,
			f.Refused && !c.Refused(),
			f.Before > 0 && c.ID >= f.Before:
			continue
		}
		list = append(list, c)
	}
	return list, nil
}

// ForgetCalls implements calls.Store.
func (m *Memory) ForgetCalls(ctx context.Context, before time.Time, keep int) (int64, error) {
	unlock, err := m.hold(ctx)
	if err != nil {
		return 0, err
	}
	defer unlock()
	n := m.keepCalls(0, func(c calls.Record) bool { return c.At.Before(before) })
	return n + m.keepCalls(keep, func(calls.Record) bool { return true }), nil
}
