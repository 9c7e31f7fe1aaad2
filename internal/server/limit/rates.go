package limit

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Rates bounds how often something happens for each key, by a token bucket. The zero Rates is ready
// for use.
type Rates struct {
	Now func() time.Time // nil: time.Now

	mu      sync.Mutex
	buckets map[string]*rate.Limiter
}

// maxBuckets is how many buckets are kept before those that are full are dropped.
const maxBuckets = 10_000

func (r *Rates) now() time.Time {
	if r.Now == nil {
		return time.Now()
	}
	return r.Now()
}

// Allow reports whether something may happen for a key now, and counts it if so. All calls for a
// key have the same limit and burst.
func (r *Rates) Allow(key string, limit rate.Limit, burst int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	return r.bucket(now, key, limit, burst).AllowN(now, 1)
}

// Take counts something that has happened for a key, also beyond the limit. What is beyond is a
// debt, which ends with time as the limit says.
func (r *Rates) Take(key string, limit rate.Limit, burst int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	r.bucket(now, key, limit, burst).ReserveN(now, 1)
}

// Spent reports whether Allow would refuse the key now. It counts nothing.
func (r *Rates) Spent(key string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	b := r.buckets[key]
	return b != nil && b.TokensAt(r.now()) < 1
}

// bucket returns the bucket of a key. r.mu is held.
func (r *Rates) bucket(
	now time.Time, key string, limit rate.Limit, burst int,
) *rate.Limiter {
	b := r.buckets[key]
	if b == nil {
		if r.buckets == nil {
			r.buckets = map[string]*rate.Limiter{}
		}
		if len(r.buckets) >= maxBuckets {
			for k, b := range r.buckets {
				if b.TokensAt(now) >= float64(b.Burst()) { // as a new one would be
					delete(r.buckets, k)
				}
			}
		}
		b = rate.NewLimiter(limit, burst)
		r.buckets[key] = b
	}
	return b
}
