package obs_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/signet-sign/signet/internal/obs"
)

// TestTracerAway checks that a collector that fails delays no request, and that the log says so.
func TestTracerAway(t *testing.T) {
	calls := 0
	collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		calls++
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer collector.Close()
	var log bytes.Buffer
	tracer := obs.NewTracer(collector.URL, slog.New(slog.NewTextHandler(&log, nil)))
	h := obs.Observe(
		http.NotFoundHandler(), slog.New(slog.DiscardHandler), obs.NewMetrics(), tracer,
	)
	for range 10_000 { // more than wait for the collector
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := tracer.Run(ctx); err != nil {
		t.Error(err)
	}
	if calls != 1 || !strings.Contains(log.String(), "503 Service Unavailable") {
		t.Errorf("%d calls, and the log is %s", calls, &log)
	}
}

// TestTracerNone checks that a program without a collector passes on the trace of a request.
func TestTracerNone(t *testing.T) {
	var got string
	var none *obs.Tracer
	client := none.Client(roundTrip(func(r *http.Request) (*http.Response, error) {
		got = r.Header.Get("Traceparent")
		return nil, http.ErrServerClosed
	}))
	const trace = "4bf92f3577b34da6a3ce929d0e0e4736"
	h := obs.Observe(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		out := httptest.NewRequestWithContext(r.Context(), "GET", "http://rp.test/?secret=1", nil)
		_, _ = client.RoundTrip(out)
		if out.Header.Get("Traceparent") != "" {
			t.Error("the caller's request was changed")
		}
	}), slog.New(slog.DiscardHandler), obs.NewMetrics(), none)
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Traceparent", "00-"+trace+"-00f067aa0ba902b7-01")
	h.ServeHTTP(httptest.NewRecorder(), r)
	if !strings.HasPrefix(got, "00-"+trace+"-") || strings.Contains(got, "00f067aa0ba902b7") {
		t.Errorf("the traceparent is %q", got)
	}
	if err := none.Run(t.Context()); err != nil {
		t.Error(err)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
