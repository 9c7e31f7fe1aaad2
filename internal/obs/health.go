package obs

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"time"
)

// Check is something that the program needs.
type Check struct {
	Name string // "database"

	// Optional is set if the program is ready without it.
	Optional bool

	// Run returns why the program cannot do with what it looks at.
	Run func(ctx context.Context) error
}

// Health answers whether the program is alive and ready.
type Health struct {
	checks []*running

	mu       sync.Mutex
	report   Report
	at       time.Time // of report; zero: there is none
	asked    time.Time // when readiness was asked for last
	stopping bool
}

// Report is the JSON of GET /readyz.
type Report struct {
	Ready    bool              `json:"ready"`
	Stopping bool              `json:"stopping,omitempty"`
	Checks   map[string]Result `json:"checks"`
}

// Result is what became of a check.
type Result struct {
	OK       bool   `json:"ok"`
	Optional bool   `json:"optional,omitempty"` // the program is ready without it
	Why      string `json:"why,omitempty"`      // it is not OK
}

// How long a check may take, and how long a report is good for.
const (
	checkTimeout = 2 * time.Second
	reportAge    = time.Second
)

// running is a check and its answer, which may come too late.
type running struct {
	Check
	mu     sync.Mutex
	answer chan error // of the run under way; nil: none
}

// NewHealth returns the health of a program that needs what the checks look at.
func NewHealth(checks ...Check) *Health {
	h := new(Health)
	for _, c := range checks {
		h.checks = append(h.checks, &running{Check: c})
	}
	return h
}

// Stop makes the program not ready for good, because it is about to stop. It reports whether
// anything has asked for its readiness in the last minute, such as a load balancer.
func (h *Health) Stop() (asked bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stopping = true
	return !h.asked.IsZero() && time.Since(h.asked) < time.Minute
}

// Report runs all checks at once. A report is good for a second.
func (h *Health) Report(ctx context.Context) Report {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.at.IsZero() || time.Since(h.at) > reportAge {
		h.report, h.at = h.run(context.WithoutCancel(ctx)), time.Now()
	}
	r := h.report
	r.Stopping = h.stopping
	r.Ready = r.Ready && !h.stopping
	return r
}

func (h *Health) run(ctx context.Context) Report {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	results := make([]Result, len(h.checks))
	var all sync.WaitGroup
	for i, c := range h.checks {
		all.Go(func() {
			results[i] = Result{OK: true, Optional: c.Optional}
			if err := c.run(ctx); err != nil {
				results[i].OK, results[i].Why = false, err.Error()
			}
		})
	}
	all.Wait()
	r := Report{Ready: true, Checks: map[string]Result{}}
	for i, c := range h.checks {
		r.Checks[c.Name] = results[i]
		r.Ready = r.Ready && (results[i].OK || c.Optional)
	}
	return r
}

var errNoAnswer = errors.New("no answer within " + checkTimeout.String())

// run runs the check until ctx ends. A check that is still running, as on a network file system
// that does not answer, is not started again.
func (c *running) run(ctx context.Context) error {
	c.mu.Lock()
	answer := c.answer
	if answer == nil {
		answer = make(chan error, 1)
		c.answer = answer
		go func() {
			err := c.Run(ctx)
			c.mu.Lock()
			c.answer = nil
			c.mu.Unlock()
			answer <- err
		}()
	}
	c.mu.Unlock()
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return errNoAnswer
	}
}

// Live is the handler of GET /livez: the program answers.
func (*Health) Live(w http.ResponseWriter, _ *http.Request) {
	writeHealth(w, http.StatusOK, map[string]bool{"live": true})
}

// Ready is the handler of GET /readyz: the [Report], with status 200 if the program is ready and
// 503 if it is not.
func (h *Health) Ready(w http.ResponseWriter, r *http.Request) {
	report := h.Report(r.Context())
	h.mu.Lock()
	h.asked = time.Now()
	h.mu.Unlock()
	status := http.StatusOK
	if !report.Ready {
		status = http.StatusServiceUnavailable
	}
	writeHealth(w, status, report)
}

func writeHealth(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the caller has gone
}
