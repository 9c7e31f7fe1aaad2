package security

import (
	"context"
	"time"

	"github.com/signet-sign/signet/internal/server/limit"
)

const (
	// window is the time in which failures of one kind share two records.
	window = time.Minute

	// maxFailures bounds the kinds of failures in a window. Failures of further addresses count as
	// one kind for each action and reason.
	maxFailures = 1000
)

// failure is the key of failures that share records.
type failure struct {
	action          Action
	reason, network string
}

// repeat counts the failures of a window after the first.
type repeat struct {
	ends  time.Time
	first record
	n     int
}

// first reports whether a failure begins a window and must be written. Otherwise it counts the
// failure.
func (l *Log) first(r record) bool {
	f := failure{r.Action, r.Reason, limit.Network(r.address)}
	now := l.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	known := l.repeats[f]
	if known == nil && len(l.repeats) >= maxFailures {
		f.network = "others"
		known = l.repeats[f]
	}
	if known != nil {
		known.n++
		return false
	}
	if l.repeats == nil {
		l.repeats = map[failure]*repeat{}
	}
	l.repeats[f] = &repeat{ends: now.Add(window), first: r}
	return true
}

// Run writes the numbers of repeated failures when their windows end, until ctx ends.
func (l *Log) Run(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			l.flush(ctx, l.Now())
		}
	}
}

// Flush writes the numbers of all windows. It is for the end of the program, when no request is in
// progress.
func (l *Log) Flush(ctx context.Context) { l.flush(ctx, time.Time{}) }

// flush writes the numbers of the windows that have ended at now, or of all if now is zero.
func (l *Log) flush(ctx context.Context, now time.Time) {
	l.mu.Lock()
	var ended []*repeat
	for f, r := range l.repeats {
		if !now.IsZero() && now.Before(r.ends) {
			continue
		}
		delete(l.repeats, f)
		if r.n == 0 {
			continue
		}
		// The others have the first one's action and reason; other members may differ.
		r.first.Actor, r.first.Person, r.first.userAgent, r.first.requestID = "", "", "", ""
		r.first.address = f.network
		ended = append(ended, r)
	}
	l.mu.Unlock()
	for _, r := range ended {
		l.write(ctx, r.first, r.n)
	}
}
