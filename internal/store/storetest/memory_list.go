package storetest

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/signet-sign/signet/internal/request"
)

// List implements request.Lister.
func (m *Memory) List(ctx context.Context, f request.Filter) ([]*request.Request, error) {
	found, err := m.search(ctx, f)
	if err != nil {
		return nil, err
	}
	order := func(a, b request.Cursor) int {
		if f.OldestFirst {
			a, b = b, a
		}
		return cmp.Or(
			cmp.Compare(b.Group, a.Group), b.CreatedAt.Compare(a.CreatedAt),
			cmp.Compare(b.ID, a.ID),
		)
	}
	slices.SortFunc(
		found,
		func(a, b *request.Request) int { return order(f.CursorAt(a), f.CursorAt(b)) },
	)
	if !f.Before.IsZero() {
		found = slices.DeleteFunc(
			found,
			func(r *request.Request) bool { return order(f.Before, f.CursorAt(r)) >= 0 },
		)
	}
	return found[:min(max(f.Limit, 0), len(found))], nil
}

// Count implements request.Lister.
func (m *Memory) Count(ctx context.Context, f request.Filter) (map[request.State]int, error) {
	found, err := m.search(ctx, f)
	if err != nil {
		return nil, err
	}
	counts := map[request.State]int{}
	for _, r := range found {
		if f.Limit == 0 || counts[r.State] < f.Limit {
			counts[r.State]++
		}
	}
	return counts, nil
}

// Timeline implements request.Lister.
func (m *Memory) Timeline(
	ctx context.Context, from time.Time, step time.Duration, n int,
) (counts []map[request.State]int, err error) {
	for i := range n {
		begin := from.Add(time.Duration(i) * step)
		count, err := m.Count(ctx, request.Filter{From: begin, To: begin.Add(step)})
		if err != nil {
			return nil, err
		}
		counts = append(counts, count)
	}
	return counts, nil
}

func (m *Memory) search(
	ctx context.Context, f request.Filter,
) (found []*request.Request, err error) {
	unlock, err := m.hold(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	for _, rec := range m.requests {
		r, err := rec.read()
		if err != nil {
			return nil, err
		}
		if matches(f, r) {
			found = append(found, r)
		}
	}
	return found, nil
}

func matches(f request.Filter, r *request.Request) bool {
	switch {
	case f.ClientID != "" && r.ClientID != f.ClientID,
		f.State != "" && r.State != f.State,
		!f.From.IsZero() && r.CreatedAt.Before(f.From),
		!f.To.IsZero() && !r.CreatedAt.Before(f.To):
		return false
	case f.ByID():
		return r.ID == f.Text
	}
	text := asciiLower(f.Text)
	return strings.Contains(asciiLower(r.DocName), text) || strings.Contains(r.ID, text) ||
		r.Signer != nil && strings.Contains(asciiLower(r.Signer.Name), text)
}

func asciiLower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}
