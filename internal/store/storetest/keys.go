package storetest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/signet-sign/signet/internal/party"
)

var keyTests = []test{
	{name: "saved keys", run: saveKeys},
	{name: "saved keys are durable", run: keepKeys},
}

func saveKeys(t *testing.T, s *suite, _ Harness) {
	if k, ok, err := s.LoadKeys(t.Context(), "a"); ok || err != nil {
		t.Errorf("before: %+v, %v", k, err)
	}
	first := party.StoredKeys{
		ClientID:  "a",
		URL:       "https://a.example/",
		Epoch:     0,
		JWKS:      []byte(`{"keys":["\u0000 é"]}`),
		FetchedAt: start,
	}
	newer, older, other := first, first, first
	newer.URL, newer.Epoch, newer.JWKS, newer.FetchedAt = "https://a.example/2", 3, []byte(
		`{}`,
	), start.Add(time.Microsecond)
	older.JWKS, older.FetchedAt = []byte(`{"old":1}`), start.Add(-time.Second)
	other.ClientID = "b"
	for _, step := range []struct{ save, want party.StoredKeys }{
		{first, first}, {newer, newer}, {older, newer}, {other, newer},
	} {
		if err := s.SaveKeys(t.Context(), step.save); err != nil {
			t.Fatal(err)
		}
		got, ok, err := s.LoadKeys(t.Context(), "a")
		if d := cmp.Diff(step.want, got); !ok || err != nil || d != "" {
			t.Errorf("%v, %s", err, d)
		}
	}
	if got, ok, err := s.LoadKeys(t.Context(), "b"); !ok || err != nil || got.ClientID != "b" {
		t.Errorf("%+v, %v", got, err)
	}
}

func keepKeys(t *testing.T, s *suite, h Harness) {
	k := party.StoredKeys{
		ClientID:  "a",
		URL:       "https://a.example/",
		JWKS:      []byte(`{}`),
		FetchedAt: start,
	}
	if err := s.SaveKeys(t.Context(), k); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	got, ok, err := s.another(h).LoadKeys(t.Context(), "a")
	if d := cmp.Diff(k, got); !ok || err != nil || d != "" {
		t.Errorf("%v, %s", err, d)
	}
}
