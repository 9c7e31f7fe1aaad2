package obs

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"time"
)

// Tracer sends spans to a collector, by OTLP over HTTP with JSON (OpenTelemetry Protocol 1.5). The
// exporter of OpenTelemetry's SDK would bring gRPC into the program. A nil Tracer sends nothing,
// and its client passes traces on all the same.
type Tracer struct {
	endpoint string
	client   *http.Client
	log      *slog.Logger
	spans    chan span
}

// Bounds of what waits for the collector.
const (
	spanQueue   = 4096 // more are dropped
	spanBatch   = 512
	spanEvery   = 2 * time.Second
	spanTimeout = 5 * time.Second
)

// NewTracer returns a tracer for the collector at a base URL, such as http://localhost:4318.
func NewTracer(endpoint string, log *slog.Logger) *Tracer {
	return &Tracer{
		endpoint: endpoint + "/v1/traces", client: &http.Client{Timeout: spanTimeout}, log: log,
		spans: make(chan span, spanQueue),
	}
}

// span is a span in the JSON of OTLP.
type span struct {
	TraceID string     `json:"traceId"`
	ID      string     `json:"spanId"`
	Parent  string     `json:"parentSpanId,omitempty"`
	Name    string     `json:"name"`
	Kind    int        `json:"kind"`
	Start   string     `json:"startTimeUnixNano"`
	End     string     `json:"endTimeUnixNano"`
	Attrs   []spanAttr `json:"attributes,omitempty"`
	Status  spanStatus `json:"status"`
}

// Kinds of spans, and the status of a failed one.
const (
	kindServer  = 2
	kindClient  = 3
	statusError = 2
)

type spanStatus struct {
	Code int `json:"code,omitempty"`
}

type spanAttr struct {
	Key   string    `json:"key"`
	Value spanValue `json:"value"`
}

type spanValue struct {
	Text string `json:"stringValue"`
}

// randomID returns n random bytes in hexadecimal.
func randomID(n int) string {
	id := make([]byte, n)
	_, _ = rand.Read(id) // never fails
	return hex.EncodeToString(id)
}

// finished sets when a span began and ended, and its attributes.
func (s span) finished(start, end time.Time, attrs []slog.Attr) span {
	s.Start, s.End = strconv.FormatInt(start.UnixNano(), 10), strconv.FormatInt(end.UnixNano(), 10)
	for _, a := range attrs {
		s.Attrs = append(s.Attrs, spanAttr{a.Key, spanValue{a.Value.String()}})
	}
	return s
}

// server returns the span of a request that was answered.
func (c *call) server(route string, status int, start, end time.Time) span {
	s := span{TraceID: c.trace, ID: c.span, Parent: c.parent, Name: route, Kind: kindServer}
	if status >= http.StatusInternalServerError {
		s.Status.Code = statusError
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return s.finished(start, end, append(c.attrs[1:len(c.attrs):len(c.attrs)],
		slog.String("http.route", route), slog.Int("http.response.status_code", status)))
}

// add queues a span.
func (t *Tracer) add(s span) {
	if t == nil {
		return
	}
	select {
	case t.spans <- s:
	default: // the collector is too slow
	}
}

// Run sends spans until ctx ends, and then those that wait.
func (t *Tracer) Run(ctx context.Context) error {
	if t == nil {
		return nil
	}
	tick := time.NewTicker(spanEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			t.flush(context.WithoutCancel(ctx))
			return nil
		case <-tick.C:
			t.flush(ctx)
		}
	}
}

// flush sends the spans that wait. While the collector is away it drops them.
func (t *Tracer) flush(ctx context.Context) {
	for len(t.spans) > 0 {
		var batch []span
		for len(t.spans) > 0 && len(batch) < spanBatch {
			batch = append(batch, <-t.spans)
		}
		if err := t.send(ctx, batch); err != nil {
			t.log.Warn("sending traces", "spans", len(batch), "err", err)
			return
		}
	}
}

func (t *Tracer) send(ctx context.Context, batch []span) error {
	body, err := json.Marshal(map[string]any{"resourceSpans": []any{map[string]any{
		"resource": map[string]any{"attributes": []spanAttr{{"service.name", spanValue{"signet"}}}},
		"scopeSpans": []any{
			map[string]any{"scope": map[string]string{"name": "signet"}, "spans": batch},
		},
	}}})
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, t.endpoint, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := t.client.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	// so that the connection is reused
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the collector answers %s", resp.Status)
	}
	return nil
}

// Client returns a transport that passes the trace of a request's context on, in the header
// traceparent, and makes a span of it. Without a trace in the context it begins one. Spans have the
// host, and no path or query.
func (t *Tracer) Client(next http.RoundTripper) http.RoundTripper {
	return roundTrip(func(r *http.Request) (*http.Response, error) {
		s := span{TraceID: randomID(16), ID: randomID(8), Name: r.Method, Kind: kindClient}
		if c, ok := r.Context().Value(callKey{}).(*call); ok {
			s.TraceID, s.Parent = c.trace, c.span
		}
		out := r.Clone(r.Context())
		out.Header.Set("Traceparent", "00-"+s.TraceID+"-"+s.ID+"-01")
		start := time.Now()
		resp, err := next.RoundTrip(out)
		attrs := []slog.Attr{slog.String("server.address", r.URL.Hostname())}
		if err != nil {
			s.Status.Code = statusError
		} else {
			attrs = append(attrs, slog.Int("http.response.status_code", resp.StatusCode))
		}
		t.add(s.finished(start, time.Now(), attrs))
		return resp, err
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
