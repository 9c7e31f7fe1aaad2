package store_test

import (
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/store"
)

// plainRequest is what a fresh request looks like, without effects.
func plainRequest(i int) *request.Request {
	at := time.Date(2026, 3, 14, 9, 26, 53, 0, time.UTC)
	return &request.Request{
		ID: fmt.Sprintf("%s-7000-8000-%012d", request.FirstID(at), i), ClientID: "BENCH",
		State:   request.StateCreated,
		DocName: "agreement.pdf", Locations: []api.Location{{Page: 1, X: 0.1, Y: 0.2}},
		ExchangeHash: make([]byte, 32), CreatedAt: at, ExpiresAt: at.Add(30 * time.Minute),
		Document: request.Document{
			Key: "a/original", Size: 100_000, SHA256: make([]byte, 32), Pages: 3,
		},
	}
}

// benchUpdate measures one durable change as callers see it, from so many of them at once.
func benchUpdate(b *testing.B, open func(testing.TB) *store.Store) {
	for _, callers := range []int{1, 8, 32, 128} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			s := open(b)
			const n = 1000
			var fill sync.WaitGroup
			for k := range 20 {
				fill.Go(func() {
					for i := k; i < n; i += 20 {
						if err := s.Create(b.Context(), plainRequest(i), request.Effects{}); err != nil {
							b.Error(err)
						}
					}
				})
			}
			fill.Wait()
			b.ResetTimer()
			var next atomic.Int64
			var all sync.WaitGroup
			for range callers {
				all.Go(func() {
					for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
						err := s.Update(
							b.Context(),
							plainRequest(int(i*7919)%n).ID,
							only(func(r *request.Request) error {
								r.CancelledAt = r.CreatedAt.Add(time.Duration(i) * time.Second)
								return nil
							}),
						)
						if err != nil {
							b.Error(err)
						}
					}
				})
			}
			all.Wait()
		})
	}
}

func BenchmarkUpdateSQLite(b *testing.B) {
	benchUpdate(
		b,
		func(b testing.TB) *store.Store { return openSQLite(b, filepath.Join(b.TempDir(), "bench.db")) },
	)
}
