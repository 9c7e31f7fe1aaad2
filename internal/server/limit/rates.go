package limit

import (
	"sync"

	"golang.org/x/time/rate"
)

// Rates bounds how often something happens for each key, by a token bucket. The zero Rates is ready
// for use.
type Rates struct {
	mu      sync.Mutex
	buckets map[string]*rate.Limiter
}

// maxBuckets is how many buckets are kept before those that are full are dropped.
const maxBuckets = 10_000

// Allow reports whether something may happen for a key now, and counts it if so. All calls for a
// key have the same limit and burst.
func (r *Rates) Allow(key string, limit rate.Limit, burst int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	b := r.buckets[key]
	if b == nil {
		if r.buckets == nil {
			r.buckets = map[string]*rate.Limiter{}
		}
		if len(r.buckets) >= maxBuckets {
			for k, b := range r.buckets {
				if b.Tokens() >= float64(b.Burst()) { // as a new one would be
					delete(r.buckets, k)
				}
			}
		}
		b = rate.NewLimiter(limit, burst)
		r.buckets[key] = b
	}
	return b.Allow()
}

// Spent reports whether Allow would refuse the key now. It counts nothing.
func (r *Rates) Spent(key string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	b := r.buckets[key]
	return b != nil && b.Tokens() < 1
}
