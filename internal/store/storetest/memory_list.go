package storetest

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/signet-sign/signet/internal/sign"
)

// List implements sign.Lister.
func (m *Memory) List(ctx context.Context, f sign.Filter) ([]*sign.Request, error) {
	found, err := m.search(ctx, f)
	if err != nil {
		return nil, err
	}
	newestFirst := func(a, b sign.Cursor) int { return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(b.ID, a.ID)) }
	slices.SortFunc(found, func(a, b *sign.Request) int { return newestFirst(sign.CursorAt(a), sign.CursorAt(b)) })
	if !f.Before.IsZero() {
		found = slices.DeleteFunc(found, func(r *sign.Request) bool { return newestFirst(f.Before, sign.CursorAt(r)) >= 0 })
	}
	return found[:min(max(f.Limit, 0), len(found))], nil
}

// Count implements sign.Lister.
func (m *Memory) Count(ctx context.Context, f sign.Filter) (map[sign.State]int, error) {
	found, err := m.search(ctx, f)
	if err != nil {
		return nil, err
	}
	counts := map[sign.State]int{}
	for _, r := range found {
		counts[r.State]++
	}
	return counts, nil
}

func (m *Memory) search(ctx context.Context, f sign.Filter) (found []*sign.Request, err error) {
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

func matches(f sign.Filter, r *sign.Request) bool {
	switch {
	case f.ClientID != "" && r.ClientID != f.ClientID,
		f.State != "" && r.State != f.State,
		!f.From.IsZero() && r.CreatedAt.Before(f.From),
		!f.To.IsZero() && !r.CreatedAt.Before(f.To):
		return false
	case f.ByID():
		return r.ID == f.Text
	}
	return strings.Contains(asciiLower(r.DocName), asciiLower(f.Text))
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
