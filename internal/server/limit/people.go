package limit

import (
	"net/http"
	"strconv"

	"golang.org/x/time/rate"

	"github.com/signet-sign/signet/api"
)

// Kind is the kind of thing that a person starts.
type Kind string

// The kinds, which are counted apart.
const (
	Logins     Kind = "logins"
	Enrolments Kind = "enrolments"
	Sessions   Kind = "sign sessions"
)

// People bounds what each person starts. A nil *People has no limit.
type People struct {
	PerMinute int // of each kind; as many may come at once; 0: no limit

	rates Rates
}

// Admit counts what a person starts. Beyond the limit it sets Retry-After and returns
// [api.ErrTooManyRequests].
func (p *People) Admit(w http.ResponseWriter, k Kind, uin string) error {
	if p == nil || p.PerMinute == 0 ||
		p.rates.Allow(string(k)+" "+uin, rate.Limit(float64(p.PerMinute)/60), p.PerMinute) {
		return nil
	}
	w.Header().Set("Retry-After", strconv.Itoa(max(1, 60/p.PerMinute)))
	return api.ErrTooManyRequests.Because(
		"a person begins more than %d %s a minute", p.PerMinute, k,
	)
}
