package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/vault"
)

var documentKeyTests = []test{
	{name: "add and delete", run: addDocumentKeys},
	{name: "rewrap", run: rewrapDocumentKeys},
	{name: "spare", run: spareDocumentKeys},
	{name: "durable", run: keepDocumentKeys},
}

func documentKey(document, id, by string) vault.Key {
	return vault.Key{
		Document: document, ID: id, WrappedBy: by, Wrapped: []byte("\x00\xff" + document + id),
		CreatedAt: start,
	}
}

func (s *suite) addDocumentKeys(keys ...vault.Key) {
	s.t.Helper()
	for _, k := range keys {
		if err := s.AddDocumentKey(s.t.Context(), k); err != nil {
			s.t.Fatal(err)
		}
	}
}

func (s *suite) hasDocumentKeys(document string, want ...vault.Key) {
	s.t.Helper()
	got, err := s.DocumentKeys(s.t.Context(), document)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		s.t.Errorf("%s: %v, (-want +got):\n%s", document, err, diff)
	}
}

func addDocumentKeys(t *testing.T, s *suite, _ Harness) {
	a, again := documentKey("r/a", "1", "w-1"), documentKey("r/a", "2", "w-1")
	b, other := documentKey("r/b", "1", "w-1"), documentKey("r2/a", "1", "w-1")
	s.hasDocumentKeys("r/a")
	s.addDocumentKeys(again, a, b, other)
	s.hasDocumentKeys("r/a", a, again)
	if err := s.AddDocumentKey(t.Context(), a); err == nil {
		t.Error("a key is stored twice")
	}
	for _, documents := range [][]string{{}, {"r/a", "r/missing", "r2/a", "unknown/x"}, {"r/a"}} {
		if err := s.DeleteDocumentKeys(t.Context(), documents...); err != nil {
			t.Fatal(err)
		}
	}
	s.hasDocumentKeys("r/a")
	s.hasDocumentKeys("r2/a")
	s.hasDocumentKeys("r/b", b)
}

func rewrapDocumentKeys(t *testing.T, s *suite, _ Harness) {
	ctx := t.Context()
	names := func(want ...string) {
		t.Helper()
		if got, err := s.WrappingKeys(ctx); err != nil || !slices.Equal(got, want) {
			t.Errorf("WrappingKeys = %q, %v; want %q", got, err, want)
		}
	}
	names()
	var keys []vault.Key
	for i := range 7 {
		keys = append(keys, documentKey(fmt.Sprintf("r/%d", i/2), fmt.Sprint(i), "w-1"))
	}
	newer := documentKey("r/new", "1", "w-2")
	s.addDocumentKeys(append(keys, newer)...)
	names("w-1", "w-2")
	var got []vault.Key
	for after := (vault.Key{}); ; after = got[len(got)-1] {
		page, err := s.KeysWrappedBy(ctx, "w-1", after, 3)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		got = append(got, page...)
	}
	if diff := cmp.Diff(keys, got); diff != "" {
		t.Errorf("KeysWrappedBy (-want +got):\n%s", diff)
	}
	for i := range keys {
		keys[i].WrappedBy, keys[i].Wrapped = "w-2", []byte{byte(i)}
	}
	if err := s.DeleteDocumentKeys(ctx, "r/3"); err != nil {
		t.Fatal(err)
	}
	if err := s.RewrapDocumentKeys(ctx, keys); err != nil {
		t.Fatal(err)
	}
	names("w-2")
	s.hasDocumentKeys("r/0", keys[0], keys[1])
	s.hasDocumentKeys("r/3") // was deleted before it was wrapped again
	s.hasDocumentKeys("r/new", newer)
}

func spareDocumentKeys(t *testing.T, s *suite, _ Harness) {
	var want []string
	for i, state := range []request.State{
		request.StateCreated, request.StateLocked, request.StateSession, request.StateSealing,
		request.StateStalled, request.StateSigned, request.StateExpired, request.StateCancelled,
	} {
		r := signed(i)
		r.State = state
		s.create(r)
		s.addDocumentKeys(documentKey(r.ID+"/a", "1", "w-1"))
		if state == request.StateExpired || state == request.StateCancelled {
			want = append(want, r.ID+"/a")
		}
	}
	renewed := s.create(signed(9))
	s.addDocumentKeys(
		documentKey(renewed.ID+"/a", "1", "w-1"), documentKey(renewed.ID+"/b", "1", "w-1"),
		documentKey("unknown/a", "1", "w-1"), documentKey("unknown/a", "2", "w-1"),
	)
	want = append(want, renewed.ID+"/a", renewed.ID+"/b", "unknown/a")
	for before, want := range map[time.Time][]string{start: nil, start.Add(time.Second): want} {
		got, err := s.SpareDocumentKeys(t.Context(), before)
		slices.Sort(got)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("before %s: %v, (-want +got):\n%s", before, err, diff)
		}
	}
}

func keepDocumentKeys(t *testing.T, s *suite, h Harness) {
	a, b := documentKey("r/a", "1", "w-1"), documentKey("r/b", "1", "w-1")
	s.addDocumentKeys(a, b)
	if err := s.DeleteDocumentKeys(t.Context(), "r/b"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = s.another(h)
	s.hasDocumentKeys("r/a", a)
	s.hasDocumentKeys("r/b")
}
