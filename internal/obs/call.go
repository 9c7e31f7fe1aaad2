package obs

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync"
)

// call has the members of each log line of one HTTP request.
type call struct {
	trace, span, parent string // ids in hexadecimal; parent is the caller's span, or ""

	mu    sync.Mutex
	attrs []slog.Attr
}

// callKey is the key of the call in the context of a request.
type callKey struct{}

// begin returns a context for the request, whose lines in the log have its trace id: the one of the
// caller's traceparent (W3C Trace Context), or a new one.
func begin(r *http.Request) (context.Context, *call) {
	c := &call{span: randomID(8)}
	c.trace, c.parent = parseTraceparent(r.Header.Get("Traceparent"))
	if c.trace == "" {
		c.trace = randomID(16)
	}
	c.attrs = []slog.Attr{slog.String("trace", c.trace)}
	return context.WithValue(r.Context(), callKey{}, c), c
}

// parseTraceparent returns the ids of trace and span in a traceparent of version 00; "" if it is
// not valid.
func parseTraceparent(text string) (trace, span string) {
	parts := strings.Split(text, "-")
	if len(parts) != 4 || parts[0] != "00" || len(parts[1]) != 32 || len(parts[2]) != 16 ||
		len(parts[3]) != 2 ||
		strings.Trim(parts[1], "0") == "" || strings.Trim(parts[2], "0") == "" {
		return "", ""
	}
	for _, part := range parts {
		if strings.Trim(part, "0123456789abcdef") != "" {
			return "", ""
		}
	}
	return parts[1], parts[2]
}

// Note adds attributes to the later lines of the request that ctx belongs to. Attributes that are
// empty texts are left out.
func Note(ctx context.Context, attrs ...slog.Attr) {
	c, ok := ctx.Value(callKey{}).(*call)
	if !ok {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, a := range attrs {
		if a.Value.Kind() != slog.KindString || a.Value.String() != "" {
			c.attrs = append(c.attrs, a)
		}
	}
}

// inCall is a handler that adds what is noted of the request to its lines.
type inCall struct{ slog.Handler }

// Handle implements slog.Handler.
func (h inCall) Handle(ctx context.Context, r slog.Record) error {
	if c, ok := ctx.Value(callKey{}).(*call); ok {
		r = r.Clone()
		c.mu.Lock()
		r.AddAttrs(c.attrs...)
		c.mu.Unlock()
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h inCall) WithAttrs(attrs []slog.Attr) slog.Handler {
	return inCall{h.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (h inCall) WithGroup(name string) slog.Handler { return inCall{h.Handler.WithGroup(name)} }
