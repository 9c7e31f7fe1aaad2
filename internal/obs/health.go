package obs

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"time"
)

// Check is a check of something that the program requires.
type Check struct {
	Name string // "database"

	// Optional says that the program is ready without it.
	Optional bool

	// Run returns an error that says why the check failed.
	Run func(ctx context.Context) error
}

// Health reports whether the program is alive and ready.
type Health struct {
	checks []*running

	mu       sync.Mutex
	report   Report
	at       time.Time // of report; zero if there is none
	asked    time.Time // when readiness was last requested
	stopping bool
}

// Report is the JSON of GET /readyz.
type Report struct {
	Ready    bool              `json:"ready"`
	Stopping bool              `json:"stopping,omitempty"`
	Checks   map[string]Result `json:"checks"`
}

// Result is the result of a check.
type Result struct {
	OK       bool   `json:"ok"`
	Optional bool   `json:"optional,omitempty"` // the program is ready without it
	Why      string `json:"why,omitempty"`      // why it is not OK
}

// Timeout of a check, and lifetime of a report.
const (
	checkTimeout = 2 * time.Second
	reportAge    = time.Second
)

// running is a check and its result, which may arrive after the timeout.
type running struct {
	Check
	mu     sync.Mutex
	answer chan error // of the run in progress; nil if there is none
}

// NewHealth returns the health of a program with these checks.
func NewHealth(checks ...Check) *Health {
	h := new(Health)
	for _, c := range checks {
		h.checks = append(h.checks, &running{Check: c})
	}
	return h
}

// Stop makes the program permanently not ready, because it is about to stop. It reports whether a
// client, such as a load balancer, has requested readiness in the last minute.
func (h *Health) Stop() (asked bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stopping = true
	return !h.asked.IsZero() && time.Since(h.asked) < time.Minute
}

// Report runs all checks at the same time. It caches the report for a second.
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

// run runs the check until ctx ends. It does not start a check that is still running, as on a
// network file system that does not answer.
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

// Live serves GET /livez.
func (*Health) Live(w http.ResponseWriter, _ *http.Request) {
	writeHealth(w, http.StatusOK, map[string]bool{"live": true})
}

// Ready serves GET /readyz: the [Report], with status 200 if the program is ready and 503
// otherwise.
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
	_ = json.NewEncoder(w).Encode(v) // the caller has closed the connection
}
