package obs_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/signet-sign/signet/internal/obs"
)

// TestObserve checks that the log and the metrics name routes by their pattern, never by the path
// of a request; and the connection stays in reach for those who stream.
func TestObserve(t *testing.T) {
	var log bytes.Buffer
	m := obs.NewMetrics()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /sign/{request_id}", func(w http.ResponseWriter, r *http.Request) {
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Errorf("flush: %v", err)
		}
	})
	mux.HandleFunc(
		"POST /teapot",
		func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusTeapot) },
	)
	h := obs.Observe(
		mux, slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})), m,
		nil,
	)
	for _, call := range []string{"GET /sign/SECRET?c=SECRET", "POST /teapot", "GET /SECRET"} {
		method, target, _ := strings.Cut(call, " ")
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(method, target, nil))
	}
	m.Fetched(nil)
	m.Fetched(http.ErrServerClosed)
	m.Attempted("webhook", "done")
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	text := w.Body.String()
	for _, want := range []string{
		`signet_http_request_duration_seconds_count{method="GET",route="GET /sign/{request_id}",status="200"} 1`,
		`signet_http_request_duration_seconds_count{method="POST",route="POST /teapot",status="418"} 1`,
		`signet_http_request_duration_seconds_count{method="GET",route="none",status="404"} 1`,
		`signet_jwks_fetches_total{outcome="ok"} 1`,
		`signet_jwks_fetches_total{outcome="error"} 1`,
		`signet_jobs_total{kind="webhook",status="done"} 1`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
	if lines := strings.Count(log.String(), "msg=http"); lines != 3 {
		t.Errorf("%d lines in the log", lines)
	}
	if strings.Contains(text+log.String(), "SECRET") {
		t.Error("log or metrics hold a path")
	}
}

// TestMethods checks that invented methods do not make the metrics grow.
func TestMethods(t *testing.T) {
	m := obs.NewMetrics()
	h := obs.Observe(http.NotFoundHandler(), slog.New(slog.DiscardHandler), m, nil)
	for _, method := range []string{"MADEUP1", "MADEUP2"} {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(method, "/", nil))
	}
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if strings.Contains(w.Body.String(), "MADEUP") {
		t.Error("a method that was made up has a metric of its own")
	}
}

func TestNewLogger(t *testing.T) {
	var out bytes.Buffer
	level := new(slog.LevelVar)
	log := obs.NewLogger(&out, level, "")
	level.Set(slog.LevelWarn)
	log.Info("quiet")
	log.Warn("loud")
	if text := out.String(); strings.Contains(text, "quiet") || !strings.Contains(text, "loud") {
		t.Errorf("the log is %s", text)
	}
}
