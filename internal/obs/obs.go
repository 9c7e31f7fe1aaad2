// Package obs has the logs, metrics and traces of the running program. Start at [NewMetrics] and
// [Observe].
//
// Logs and metrics contain the patterns of routes ("/sign/{request_id}") and never paths, which
// contain secrets (a session's id, a download link's signature). Package console shows some metrics
// in pages.
package obs

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics are the program's metrics, in their own registry.
type Metrics struct {
	registry *prometheus.Registry
	http     *prometheus.HistogramVec
	fetches  *prometheus.CounterVec
	jobs     *prometheus.CounterVec
	calls    *prometheus.CounterVec
	sealing  prometheus.Histogram
	stalled  prometheus.Counter
	strays   *prometheus.CounterVec
	erased   *prometheus.CounterVec
	clock    prometheus.Gauge
	refusals *prometheus.CounterVec
	webhooks prometheus.Histogram
	waiting  *prometheus.GaugeVec
	limited  *prometheus.CounterVec
}

// Names of the metrics that [Metrics.Snapshot] reads.
const (
	nameHTTP    = "signet_http_request_duration_seconds"
	nameFetches = "signet_jwks_fetches_total"
	nameJobs    = "signet_jobs_total"
	nameCalls   = "signet_call_records_total"
	nameSealing = "signet_sealing_duration_seconds"
)

// NewMetrics returns metrics that are all registered.
func NewMetrics() *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		http: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: nameHTTP, Help: "Time to answer, by route, method and status.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10},
		}, []string{"route", "method", "status"}),
		fetches: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: nameFetches, Help: "Fetches of relying parties' keys, by outcome.",
		}, []string{"outcome"}),
		jobs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: nameJobs, Help: "Attempts at jobs of the outbox, by kind and status afterwards.",
		}, []string{"kind", "status"}),
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: nameCalls,
			Help: "Records of relying parties' calls, by whether they were written or dropped.",
		}, []string{"outcome"}),
		sealing: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: nameSealing, Help: "Time from a phone's approval to the signed document.",
			Buckets: []float64{.1, .25, .5, 1, 5},
		}),
	}
	m.stalled = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "signet_stalled_documents_total",
		Help: "Approved documents that could not be sealed in time.",
	})
	m.strays = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "signet_stray_documents_total",
		Help: "Documents of requests that are not in the database, by what a sweep did with them.",
	}, []string{"outcome"})
	m.erased = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "signet_erased_rows_total",
		Help: "Rows that were erased because they were kept for long enough, by table.",
	}, []string{"table"})
	m.clock = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "signet_clock_offset_seconds",
		Help: "How far the clock of this node is ahead of the database's.",
	})
	m.refusals = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "signet_refusals_total",
		Help: "Refused calls of relying parties, by call, error code and the check that failed.",
	}, []string{"call", "code", "check"})
	m.webhooks = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name:    "signet_webhook_age_seconds",
		Help:    "Time from the signed document to the webhook that the relying party accepted.",
		Buckets: []float64{.1, .5, 1, 2.5, 5, 10, 60, 600, 3600, 6 * 3600, 24 * 3600},
	})
	m.waiting = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "signet_waiting_requests",
		Help: "Requests that wait because their client has too many in progress, by listener.",
	}, []string{"listener"})
	m.limited = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "signet_limited_total",
		Help: "Connections and requests that a limit of a listener refused, by listener and limit.",
	}, []string{"listener", "limit"})
	for _, outcome := range []string{"ok", "error"} { // so that the first error is an increase
		m.fetches.WithLabelValues(outcome)
	}
	for _, outcome := range []string{"kept", "discarded", "deleted"} {
		m.strays.WithLabelValues(outcome)
	}
	m.Recorded(0, 0)
	m.registry.MustRegister(
		m.http, m.fetches, m.jobs, m.calls, m.sealing, m.stalled, m.strays, m.clock, m.refusals,
		m.webhooks, m.erased, m.waiting, m.limited,
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return m
}

// Fetched counts a JWKS fetch.
func (m *Metrics) Fetched(err error) {
	outcome := "ok"
	if err != nil {
		outcome = "error"
	}
	m.fetches.WithLabelValues(outcome).Inc()
}

// Attempted counts an attempt at a job.
func (m *Metrics) Attempted(kind, status string) { m.jobs.WithLabelValues(kind, status).Inc() }

// Sealed measures a sealing.
func (m *Metrics) Sealed(took time.Duration) { m.sealing.Observe(took.Seconds()) }

// Stalled counts a document that could not be sealed in time.
func (m *Metrics) Stalled() { m.stalled.Inc() }

// Strays counts stray documents.
func (m *Metrics) Strays(outcome string, n int) {
	m.strays.WithLabelValues(outcome).Add(float64(n))
}

// Refused counts a refused call of a relying party. check is the check that failed, or "".
func (m *Metrics) Refused(call, code, check string) {
	m.refusals.WithLabelValues(call, code, check).Inc()
}

// Announced measures a webhook that was accepted.
func (m *Metrics) Announced(after time.Duration) { m.webhooks.Observe(after.Seconds()) }

// Erased counts rows of a table that were kept for long enough.
func (m *Metrics) Erased(table string, n int) { m.erased.WithLabelValues(table).Add(float64(n)) }

// ClockOffset sets how far the clock of this node is ahead of the database's.
func (m *Metrics) ClockOffset(d time.Duration) { m.clock.Set(d.Seconds()) }

// Waits counts n more requests that wait at a listener.
func (m *Metrics) Waits(listener string, n int) {
	m.waiting.WithLabelValues(listener).Add(float64(n))
}

// Limited counts n connections or requests that a limit of a listener refused.
func (m *Metrics) Limited(listener, limit string, n int) {
	m.limited.WithLabelValues(listener, limit).Add(float64(n))
}

// Recorded counts records of calls.
func (m *Metrics) Recorded(written, dropped int) {
	m.calls.WithLabelValues("written").Add(float64(written))
	m.calls.WithLabelValues("dropped").Add(float64(dropped))
}

// Handler serves the metrics in the format of Prometheus.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// FormatJSON is the format of a log with one JSON object a line.
const FormatJSON = "json"

// NewLogger returns a logger that writes lines of at least level to w, as JSON or else as text. The
// level may change while the program runs. Lines of a request have the members that [Note] has
// added.
func NewLogger(w io.Writer, level slog.Leveler, format string) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if format == FormatJSON {
		return slog.New(inCall{slog.NewJSONHandler(escaping{w}, options)})
	}
	return slog.New(inCall{slog.NewTextHandler(w, options)})
}

// escaping writes lines of JSON. It escapes the characters outside of ASCII that encoding/json
// leaves as they are and a terminal acts on, such as C1 controls and changes of direction: clients
// put them into texts that are logged. All are in strings.
type escaping struct{ io.Writer }

func (e escaping) Write(line []byte) (int, error) {
	var out []byte
	for i, n := 0, 0; i < len(line); i += n {
		var r rune
		r, n = utf8.DecodeRune(line[i:])
		if r < 0x7f || unicode.IsGraphic(r) {
			if out != nil {
				out = append(out, line[i:i+n]...)
			}
			continue
		}
		if out == nil {
			out = append(make([]byte, 0, 2*len(line)), line[:i]...)
		}
		for _, unit := range utf16.Encode([]rune{r}) {
			out = fmt.Appendf(out, `\u%04x`, unit)
		}
	}
	if out == nil {
		return e.Writer.Write(line)
	}
	if _, err := e.Writer.Write(out); err != nil {
		return 0, err
	}
	return len(line), nil
}

// Observe logs and measures every request that next answers, gives it a trace id, and makes a span
// of it. t may be nil.
func Observe(next http.Handler, log *slog.Logger, m *Metrics, t *Tracer) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		rec := &recorder{ResponseWriter: w}
		ctx, c := begin(r)
		inner := r.WithContext(ctx)
		next.ServeHTTP(rec, inner)
		took := time.Since(start)
		r.Pattern = inner.Pattern // for what is around this handler
		r.SetPathValue("request_id", inner.PathValue("request_id"))
		route := r.Pattern // set by the ServeMux
		if route == "" {
			route = "none"
		}
		status := rec.status
		if status == 0 {
			status = http.StatusOK
		}
		method := methodOf(r)
		if t != nil {
			t.add(c.server(route, status, start, start.Add(took)))
		}
		m.http.WithLabelValues(route, method, strconv.Itoa(status)).Observe(took.Seconds())
		log.LogAttrs(
			inner.Context(), slog.LevelDebug, "http", slog.String("route", route),
			slog.String("method", method), slog.Int("status", status), slog.Duration("took", took),
		)
	})
}

// methodOf returns the method if RFC 9110 defines it (or PATCH), and "other" otherwise, because
// clients can invent any number of methods and each would add metrics.
func methodOf(r *http.Request) string {
	switch r.Method {
	case http.MethodGet,
		http.MethodHead,
		http.MethodPost,
		http.MethodPut,
		http.MethodPatch,
		http.MethodDelete,
		http.MethodConnect,
		http.MethodOptions,
		http.MethodTrace:
		return r.Method
	}
	return "other"
}

// recorder records the status.
type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

// Unwrap returns the original writer, for http.ResponseController.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
