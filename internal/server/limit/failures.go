package limit

import (
	"net/http"
	"strconv"

	"golang.org/x/time/rate"
)

// Failures bounds how often logins fail from one network. A nil *Failures has no limit.
type Failures struct {
	PerMinute int // as many may come at once; 0: no limit

	rates Rates
}

// Blocked reports whether logins from a client's address have failed too often, so that no further
// one is judged. It then sets Retry-After.
func (f *Failures) Blocked(w http.ResponseWriter, address string) bool {
	if f == nil || f.PerMinute == 0 || !f.rates.Spent(Network(address)) {
		return false
	}
	w.Header().Set("Retry-After", strconv.Itoa(max(1, 60/f.PerMinute)))
	return true
}

// Count counts a login from a client's address that has failed.
func (f *Failures) Count(address string) {
	if f != nil && f.PerMinute > 0 {
		f.rates.Allow(Network(address), rate.Limit(float64(f.PerMinute)/60), f.PerMinute)
	}
}
