package obs

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// Quiet returns a handler that passes on one line a minute of those whose attribute "err" is an
// error that same reports, and drops the others, except one of a higher level. The line has the
// number of those that were dropped before it. It is for an outage, during which everything fails
// for the same reason.
func Quiet(next slog.Handler, same func(error) bool) slog.Handler {
	return quiet{next, same, new(outage)}
}

type quiet struct {
	next slog.Handler
	same func(error) bool
	*outage
}

// outage is the state that the handlers of one log share.
type outage struct {
	mu      sync.Mutex
	last    time.Time // of the line that was passed on last
	level   slog.Level
	dropped int // since then
}

// Enabled implements slog.Handler.
func (q quiet) Enabled(ctx context.Context, l slog.Level) bool { return q.next.Enabled(ctx, l) }

// Handle implements slog.Handler.
func (q quiet) Handle(ctx context.Context, r slog.Record) error {
	matches := false
	r.Attrs(func(a slog.Attr) bool {
		if err, ok := a.Value.Any().(error); ok && a.Key == "err" {
			matches = q.same(err)
		}
		return !matches
	})
	if !matches {
		return q.next.Handle(ctx, r)
	}
	q.mu.Lock()
	if r.Time.Sub(q.last) < time.Minute && r.Level <= q.level {
		q.dropped++
		q.mu.Unlock()
		return nil
	}
	dropped := q.dropped
	q.last, q.level, q.dropped = r.Time, r.Level, 0
	q.mu.Unlock()
	if dropped > 0 {
		r = r.Clone()
		r.AddAttrs(slog.Int("dropped_lines", dropped))
	}
	return q.next.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (q quiet) WithAttrs(attrs []slog.Attr) slog.Handler {
	q.next = q.next.WithAttrs(attrs)
	return q
}

// WithGroup implements slog.Handler.
func (q quiet) WithGroup(name string) slog.Handler {
	q.next = q.next.WithGroup(name)
	return q
}
