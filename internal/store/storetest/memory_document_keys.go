package storetest

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/vault"
)

// compareKeys orders keys by document and id.
func compareKeys(a, b vault.Key) int {
	ad, an, _ := strings.Cut(a.Document, "/")
	bd, bn, _ := strings.Cut(b.Document, "/")
	return cmp.Or(cmp.Compare(ad, bd), cmp.Compare(an, bn), cmp.Compare(a.ID, b.ID))
}

// keysWhere returns copies of keys in order.
func (m *Memory) keysWhere(
	ctx context.Context, wanted func(vault.Key) bool,
) (list []vault.Key, err error) {
	unlock, err := m.hold(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	for _, k := range m.keys {
		if wanted(k) {
			k.Wrapped = slices.Clone(k.Wrapped)
			list = append(list, k)
		}
	}
	slices.SortFunc(list, compareKeys)
	return list, nil
}

// AddDocumentKey implements vault.Keys.
func (m *Memory) AddDocumentKey(ctx context.Context, k vault.Key) error {
	unlock, err := m.hold(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if slices.ContainsFunc(m.keys, func(o vault.Key) bool { return compareKeys(o, k) == 0 }) {
		return errors.New("memory: the id of a document's key is taken")
	}
	k.Wrapped = slices.Clone(k.Wrapped)
	m.keys = append(m.keys, k)
	return nil
}

// DocumentKeys implements vault.Keys.
func (m *Memory) DocumentKeys(ctx context.Context, document string) ([]vault.Key, error) {
	return m.keysWhere(ctx, func(k vault.Key) bool { return k.Document == document })
}

// DeleteDocumentKeys implements vault.Keys.
func (m *Memory) DeleteDocumentKeys(ctx context.Context, documents ...string) error {
	unlock, err := m.hold(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	m.keys = slices.DeleteFunc(m.keys, func(k vault.Key) bool {
		return slices.Contains(documents, k.Document)
	})
	return nil
}

// WrappingKeys implements vault.Keys.
func (m *Memory) WrappingKeys(ctx context.Context) (names []string, err error) {
	all, err := m.keysWhere(ctx, func(vault.Key) bool { return true })
	for _, k := range all {
		names = append(names, k.WrappedBy)
	}
	slices.Sort(names)
	return slices.Compact(names), err
}

// KeysWrappedBy implements vault.Keys.
func (m *Memory) KeysWrappedBy(
	ctx context.Context, name string, after vault.Key, limit int,
) ([]vault.Key, error) {
	list, err := m.keysWhere(ctx, func(k vault.Key) bool {
		return k.WrappedBy == name && compareKeys(k, after) > 0
	})
	return list[:min(limit, len(list))], err
}

// RewrapDocumentKeys implements vault.Keys.
func (m *Memory) RewrapDocumentKeys(ctx context.Context, keys []vault.Key) error {
	unlock, err := m.hold(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	for _, k := range keys {
		for i, o := range m.keys {
			if compareKeys(o, k) == 0 {
				m.keys[i].WrappedBy, m.keys[i].Wrapped = k.WrappedBy, slices.Clone(k.Wrapped)
			}
		}
	}
	return nil
}

// SpareDocumentKeys implements vault.Keys.
func (m *Memory) SpareDocumentKeys(
	ctx context.Context, before time.Time,
) (documents []string, err error) {
	all, err := m.keysWhere(ctx, func(vault.Key) bool { return true })
	if err != nil {
		return nil, err
	}
	unlock, err := m.hold(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	count := map[string]int{}
	for _, k := range all {
		id, _, _ := strings.Cut(k.Document, "/")
		count[id]++
	}
	for _, k := range all {
		id, _, _ := strings.Cut(k.Document, "/")
		spare := true
		if r := m.requests[id]; r != nil {
			switch r.request.State {
			case request.StateCancelled, request.StateExpired:
			case request.StateSigned:
				spare = count[id] > 1
			default:
				spare = false
			}
		}
		if spare && k.CreatedAt.Before(before) {
			documents = append(documents, k.Document)
		}
	}
	return slices.Compact(documents), nil
}
