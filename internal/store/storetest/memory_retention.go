package storetest

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/signet-sign/signet/internal/calllog"
	"github.com/signet-sign/signet/internal/party"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/signer"
)

// ClaimSweep implements retention.Store.
func (m *Memory) ClaimSweep(ctx context.Context, now time.Time, every time.Duration) (bool, error) {
	unlock, err := m.hold(ctx)
	if err != nil {
		return false, err
	}
	defer unlock()
	if since := now.Sub(m.swept); -every <= since && since < every {
		return false, nil
	}
	m.swept = now
	return true, nil
}

// EraseRequests implements retention.Store.
func (m *Memory) EraseRequests(
	ctx context.Context, ids []string, now time.Time, may func(*request.Request) bool,
) (n int, err error) {
	unlock, err := m.hold(ctx)
	if err != nil {
		return 0, err
	}
	defer unlock()
	for _, id := range ids {
		rec := m.requests[id]
		busy := slices.ContainsFunc(m.jobs, func(j request.Job) bool {
			return j.RequestID == id && j.Status == request.JobPending &&
				(j.Kind != request.JobRenew || !j.Lease.IsZero())
		})
		if rec == nil || busy || !may(rec.request.Clone()) {
			continue
		}
		n++
		delete(m.requests, id)
		for i := range m.jobs {
			if m.jobs[i].RequestID == id {
				m.jobs[i] = request.Job{}
			}
		}
		m.keepCalls(0, func(c calllog.Record) bool { return c.RequestID == id })
		m.jobs = append(m.jobs, request.Job{
			ID: int64(len(m.jobs) + 1), RequestID: id, ClientID: rec.request.ClientID,
			Kind: request.JobPurge, Status: request.JobPending, DueAt: now,
		})
		m.tell(id)
	}
	return n, nil
}

// PhonesAfter implements retention.Store.
func (m *Memory) PhonesAfter(ctx context.Context, id string, limit int) ([]signer.Phone, error) {
	list, err := m.listPhones(
		ctx, func(p signer.Phone) bool { return p.ID > id },
		func(signer.Phone) time.Time { return time.Time{} },
	)
	slices.SortFunc(list, func(a, b signer.Phone) int { return cmp.Compare(a.ID, b.ID) })
	return list[:min(limit, len(list))], err
}

// ErasePhone implements retention.Store.
func (m *Memory) ErasePhone(
	ctx context.Context, p signer.Phone, _ time.Time, may func(signer.Phone) bool,
) (bool, error) {
	unlock, err := m.hold(ctx)
	if err != nil {
		return false, err
	}
	defer unlock()
	stored, ok := m.phones[p.ID]
	if !ok || stored.UIN != p.UIN || !may(stored) {
		return false, nil
	}
	delete(m.phones, p.ID)
	m.phoneEvents[p.UIN] = slices.DeleteFunc(
		m.phoneEvents[p.UIN], func(e signer.Event) bool { return e.PhoneID == p.ID },
	)
	return true, nil
}

// EraseChanges implements retention.Store.
func (m *Memory) EraseChanges(
	ctx context.Context, before, _ time.Time, limit int,
) (n int, err error) {
	unlock, err := m.hold(ctx)
	if err != nil {
		return 0, err
	}
	defer unlock()
	m.parties.changes = slices.DeleteFunc(m.parties.changes, func(c party.Change) bool {
		erase := n < limit && c.At.Before(before)
		if erase {
			n++
		}
		return erase
	})
	return n, nil
}
