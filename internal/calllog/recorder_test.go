package calllog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signet-sign/signet/internal/token"
)

// shelf is a store that keeps everything, or fails.
type shelf struct {
	mu      sync.Mutex
	records []Record
	writes  int
	err     error
}

func (s *shelf) AddCalls(_ context.Context, records []Record, _ Limits) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes++
	if s.err == nil {
		s.records = append(s.records, records...)
	}
	return s.err
}

func (s *shelf) Calls(context.Context, Filter) ([]Record, error)            { return nil, nil }
func (s *shelf) ForgetCalls(context.Context, time.Time, int) (int64, error) { return 0, nil }

// bench is a recorder with a clock that a test moves.
type bench struct {
	*Recorder
	shelf            shelf
	now              time.Time
	written, dropped int
}

func newBench(mode Mode) *bench {
	b := &bench{now: time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)}
	b.Recorder = NewRecorder(Config{
		Store: &b.shelf, Mode: mode, Limits: DefaultLimits, Now: func() time.Time { return b.now },
		Log:        slog.New(slog.DiscardHandler),
		Registered: func(_ context.Context, id string) bool { return id == "shop" || id == "rival" },
		Counted:    func(written, dropped int) { b.written += written; b.dropped += dropped },
	})
	return b
}

func (b *bench) flush(t *testing.T) []Record {
	t.Helper()
	b.shelf.records = nil
	if err := b.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	return b.shelf.records
}

func of(client string) string { return compact(`{"alg":"ES256"}`, `{"client_id":"`+client+`"}`) }

func TestModes(t *testing.T) {
	for mode, want := range map[Mode]string{None: "false false", Refused: "true false", All: "true true"} {
		r := newBench(mode).Recorder
		if got := fmt.Sprint(r.Wants(true), " ", r.Wants(false)); got != want {
			t.Errorf("%s: %s", mode, got)
		}
	}
	var none *Recorder
	none.Record(Record{}, "")
	if errors.Join(none.Flush(t.Context()), none.Run(t.Context())) != nil {
		t.Error("no recorder fails")
	}
}

// TestWho checks whose call it is, as proven and as claimed.
func TestWho(t *testing.T) {
	const id = "signv3-0199cc9c-8b7c-70df-b29b-39843a10c332"
	for _, test := range []struct {
		name  string
		in    Record
		token string
		want  string // party, claimed, request
	}{
		{"authentic", Record{Authentic: true}, of("shop"), "shop||"},
		{"claims to be registered", Record{}, of("shop"), "shop||"},
		{"is not registered", Record{}, of("unknown"), "|unknown|"},
		{"result: the request's party", Record{Authentic: true, Party: "shop", RequestID: id}, compact(`{}`, `{"exchange_code":"x"}`), "shop||" + id},
		{"result: names another", Record{Party: "shop", RequestID: id}, of("rival"), "shop|rival|" + id},
		{"cancel: its token names the request", Record{Authentic: true}, compact(`{}`, `{"client_request":"shop","request_id":"`+id+`"}`), "shop||" + id},
		{"a path that is no id", Record{RequestID: "8c2f3a52-7a7b-4f0e-9d58-0d8d7a2f5c11"}, "", "||"},
		{"a download", Record{Authentic: true, Party: "shop", RequestID: id}, "", "shop||" + id},
	} {
		b := newBench(All)
		b.Record(test.in, test.token)
		r := b.flush(t)[0]
		if got := r.Party + "|" + r.Claimed + "|" + r.RequestID; got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
	b := newBench(All)
	b.Record(
		Record{
			Took:        3 * time.Second,
			Reason:      "at https://rp.example/jwks?key=hush",
			Description: strings.Repeat("d", 1000),
		},
		"",
	)
	if r := b.flush(t)[0]; !r.At.Equal(b.now.Add(-3*time.Second)) ||
		strings.Contains(r.Reason, "hush") ||
		len(r.Description) > 310 {
		t.Errorf("%+v", r)
	}
}

// TestGarbage checks that strangers fill neither memory nor disk, and take nothing from authentic
// calls or from each other's parties.
func TestGarbage(t *testing.T) {
	b := newBench(Refused)
	junk := strings.Repeat("A", 1<<20)
	for i := range 100_000 {
		b.Record(Record{Error: "UNAUTHORIZED"}, junk)
		if i%10_000 == 0 {
			b.Record(Record{Authentic: true, Error: "CLIENT_SIDE_ERROR"}, of("shop"))
		}
	}
	if n := len(b.unauthenticated); n > queueUnauthenticated {
		t.Errorf("%d unauthenticated calls wait", n)
	}
	for _, e := range b.unauthenticated {
		if len(e.compact) > token.MaxToken+1 {
			t.Fatalf("a token of %d bytes waits", len(e.compact))
		}
	}
	authentic, others := 0, 0
	for _, r := range b.flush(t) {
		if r.Authentic {
			authentic++
		} else {
			others++
		}
	}
	if authentic != 10 || others > burstUnauthenticatedPerParty {
		t.Errorf("%d of 10 authentic records, %d unauthenticated", authentic, others)
	}
	if b.written != authentic+others || b.written+b.dropped != 100_010 {
		t.Errorf("counted %d written and %d dropped", b.written, b.dropped)
	}

	// Callers that name no party have used up their rate. A developer's bad token is still
	// recorded.
	b.now = b.now.Add(time.Second)
	for range 20 {
		b.Record(Record{Error: "UNAUTHORIZED"}, junk)
	}
	b.Record(Record{Error: "UNAUTHORIZED"}, of("shop"))
	shop, unknown := 0, 0
	for _, r := range b.flush(t) {
		if r.Party == "shop" {
			shop++
		} else {
			unknown++
		}
	}
	if shop != 1 || unknown > rateUnauthenticatedPerParty {
		t.Errorf("%d of the shop, %d of unknown parties in a second", shop, unknown)
	}
}

// TestRate checks that one party's flood takes nothing from another party.
func TestRate(t *testing.T) {
	b := newBench(All)
	total := 0
	for range 4 {
		for range 500 {
			b.Record(Record{Authentic: true}, of("shop"))
		}
		total += len(b.flush(t))
	}
	if total != burstPerParty {
		t.Errorf("%d at once", total)
	}
	b.Record(Record{Authentic: true}, of("rival"))
	if n := len(b.flush(t)); n != 1 {
		t.Errorf("another party: %d", n)
	}
	b.now = b.now.Add(-time.Hour) // a clock that goes back brings nothing, and breaks nothing
	b.Record(Record{Authentic: true}, of("shop"))
	b.now = b.now.Add(time.Hour + 100*time.Millisecond)
	for range 50 {
		b.Record(Record{Authentic: true}, of("shop"))
	}
	if n := len(b.flush(t)); n != ratePerParty/10 {
		t.Errorf("%d after a tenth of a second", n)
	}
}

// TestFullQueue checks that records beyond the queue are dropped and counted without waiting.
func TestFullQueue(t *testing.T) {
	b := newBench(All)
	for range queueAuthentic + 7 {
		b.Record(Record{Authentic: true}, "")
	}
	b.shelf.err = errors.New("the disk is full")
	if err := b.Flush(t.Context()); err == nil ||
		!strings.Contains(err.Error(), "the disk is full") {
		t.Errorf("Flush: %v", err)
	}
	if b.shelf.writes != 1 || b.written != 0 || b.dropped != queueAuthentic+7 {
		t.Errorf(
			"%d writes, counted %d written and %d dropped", b.shelf.writes, b.written, b.dropped,
		)
	}
}

// TestRun checks that records are written soon and in batches, that Flush writes the last ones, and
// that a reader that gives up does not lose records.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(All)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- b.Run(ctx) }()
		for range 10 {
			b.Record(Record{Authentic: true}, of("shop"))
		}
		time.Sleep(2 * batchDelay) // of the bubble's clock
		synctest.Wait()
		if len(b.shelf.records) != 10 || b.shelf.writes != 1 {
			t.Errorf("%d records in %d writes", len(b.shelf.records), b.shelf.writes)
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		b.Record(Record{Authentic: true}, "")
		if err := b.Flush(ctx); err != nil || len(b.shelf.records) != 11 {
			t.Errorf("%d records, %v", len(b.shelf.records), err)
		}
	})
}
