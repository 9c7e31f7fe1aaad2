package storetest

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/signet-sign/signet/internal/calllog"
)

// AddCalls implements calllog.Store.
func (m *Memory) AddCalls(
	ctx context.Context, records []calllog.Record, limits calllog.Limits,
) error {
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
		var own calllog.Record
		if err := json.Unmarshal(b, &own); err != nil {
			return err
		}
		m.calls = append([]calllog.Record{own}, m.calls...)
		party, request := limits.Party, limits.Request
		if !r.Authentic {
			party, request = limits.PartyUnauthenticated, limits.RequestUnauthenticated
		}
		m.keepCalls(
			party,
			func(c calllog.Record) bool { return c.Party == r.Party && c.Authentic == r.Authentic },
		)
		m.keepCalls(request, func(c calllog.Record) bool {
			return r.RequestID != "" && c.RequestID == r.RequestID && c.Authentic == r.Authentic
		})
		m.tell(r.RequestID)
	}
	return nil
}

// keepCalls drops the calls that match beyond the newest so many.
func (m *Memory) keepCalls(most int, matches func(calllog.Record) bool) (dropped int64) {
	n := 0
	m.calls = slices.DeleteFunc(m.calls, func(c calllog.Record) bool {
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

// Calls implements calllog.Store.
func (m *Memory) Calls(ctx context.Context, f calllog.Filter) (list []calllog.Record, err error) {
	unlock, err := m.hold(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	calls := m.calls
	if f.After > 0 {
		calls = slices.Clone(calls)
		slices.Reverse(calls)
	}
	for _, c := range calls {
		switch {
		case len(list) >= f.Limit,
			c.ID <= f.After,
			f.ID != 0 && c.ID != f.ID,
			f.RequestID != "" && c.RequestID != f.RequestID,
			f.Party != "" && c.Party != f.Party,
			f.Kind != "" && c.Kind != f.Kind,
			f.Refused && !c.Refused(),
			f.Code != "" && c.Error != f.Code,
			f.Before > 0 && c.ID >= f.Before:
			continue
		}
		list = append(list, c)
	}
	return list, nil
}

// ForgetCalls implements calllog.Store.
func (m *Memory) ForgetCalls(ctx context.Context, before time.Time, keep int) (int64, error) {
	unlock, err := m.hold(ctx)
	if err != nil {
		return 0, err
	}
	defer unlock()
	n := m.keepCalls(0, func(c calllog.Record) bool { return c.At.Before(before) })
	return n + m.keepCalls(keep, func(calllog.Record) bool { return true }), nil
}
