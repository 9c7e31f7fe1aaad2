package httpx

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/server/limit"
)

// LiveOf returns the live state of a request.
func LiveOf(r *request.Request) Live {
	l := Live{State: string(r.State.ForSigner()), Outcome: string(r.Outcome), Seq: r.Version}
	if r.State.InSession() {
		l.SessionEndsAt = r.Session.EndsAt
		l.Scanned = r.Session.Prepared != nil
	}
	if r.Approval != nil {
		l.SealTries = r.Approval.Tries
	}
	return l
}

// Live is the state that a page was rendered from. The page follows the state by server-sent events
// and reloads when it changes, so Live must come from the same read as the rest of the page.
type Live struct {
	// State is one of created, locked, session, sealing, signed, expired,
	// cancelled.
	State string
	// Outcome is how the last sign session ended: rejected, timed_out, left, failed, or "" if there
	// was none.
	Outcome string
	// SessionEndsAt is the end of the present sign session; zero if there is none. A different end
	// means a new session with a new code.
	SessionEndsAt time.Time
	// Scanned says that the phone has opened the session.
	Scanned bool
	// SealTries is the number of failed attempts to seal the approved document.
	SealTries int
	// Phase is the step of the sealing that this node does now, or "".
	Phase string
	// Seq grows with every change, so that scripts can discard late answers.
	Seq int64
}

// SessionEndsMillis returns SessionEndsAt in Unix milliseconds, or 0.
func (l Live) SessionEndsMillis() int64 {
	if l.SessionEndsAt.IsZero() {
		return 0
	}
	return l.SessionEndsAt.UnixMilli()
}

// MarshalJSON returns the form that scripts read from the stream and from the poll.
func (l Live) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		State         string `json:"state"`
		Scanned       bool   `json:"scanned"`
		Outcome       string `json:"outcome"`
		SessionEndsAt int64  `json:"session_ends_at"`
		SealTries     int    `json:"seal_tries"`
		Phase         string `json:"phase"`
		Seq           int64  `json:"seq"`
	}{l.State, l.Scanned, l.Outcome, l.SessionEndsMillis(), l.SealTries, l.Phase, l.Seq})
}

// heartbeat is the interval of comments that keep proxies from closing an idle stream.
const heartbeat = 15 * time.Second

// A client has a minute, as the sum of the times that it makes writes wait, to read each mebibyte.
// The minute is longer than heartbeat, because in HTTP/2 a deadline also ends a stream that sends
// nothing.
const (
	slowest  = 1 << 20 // bytes
	mayTake  = 4 * heartbeat
	lifetime = time.Hour // of an event stream
)

// WhileRead returns a writer of a response that may take longer than the server's write timeout, as
// long as the client reads it: one that takes longer than a minute for a mebibyte loses it. Each
// Write is of much less than that. The time between writes does not count.
func WhileRead(w http.ResponseWriter) io.Writer {
	return &whileRead{w: w, rc: http.NewResponseController(w)}
}

type whileRead struct {
	w       io.Writer
	rc      *http.ResponseController
	written int           // bytes of the present mebibyte
	waited  time.Duration // to write them
}

// Write implements io.Writer.
func (r *whileRead) Write(p []byte) (n int, err error) {
	if r.written >= slowest {
		r.written, r.waited = 0, 0
	}
	err = r.wait(func() (err error) {
		n, err = r.w.Write(p)
		return err
	})
	r.written += n
	return n, err
}

// FlushError sends what is buffered.
func (r *whileRead) FlushError() error { return r.wait(r.rc.Flush) }

// wait calls f, which may wait for the client, in the time that is left.
func (r *whileRead) wait(f func() error) error {
	began := time.Now()
	_ = r.rc.SetWriteDeadline(began.Add(mayTake - r.waited))
	err := f()
	now := time.Now()
	r.waited += now.Sub(began)
	_ = r.rc.SetWriteDeadline(now.Add(mayTake)) // for the end of the answer
	return err
}

// Streams serves live states as server-sent events.
type Streams struct {
	Watcher request.Watcher
	// closed when the server stops. Streams then end, so that a graceful stop does not wait for
	// them.
	Stopping <-chan struct{}
	// Open bounds the open streams, by the network of the client; nil: no limit. Pages whose stream
	// is refused ask for the state now and then.
	Open *limit.Counts
}

// Serve sends the state, and again after every change, until the browser disconnects, the server
// stops or an hour is over. A browser then connects again, which checks its login again and ends
// what a client holds that does not read.
func (s Streams) Serve(
	w http.ResponseWriter, r *http.Request, id string, read func(context.Context) (Live, error),
) error {
	end, ok := s.Open.Begin(limit.Network(r.RemoteAddr))
	if !ok {
		w.Header().Set("Retry-After", "10")
		return api.ErrTooManyRequests.Because("the client has too many event streams")
	}
	defer end()
	changed, stop := s.Watcher.Watch(id)
	defer stop() // subscribe before the first read, so that no change in between is missed
	state, err := read(r.Context())
	if err != nil {
		return err
	}
	out := &whileRead{w: w, rc: http.NewResponseController(w)}
	send := func(text string) bool {
		_, err := io.WriteString(out, text)
		return err == nil && out.FlushError() == nil
	}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return nil
	}

	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	over := time.NewTimer(lifetime)
	defer over.Stop()
	for {
		body, err := json.Marshal(state)
		if err != nil {
			return err
		}
		if !send(fmt.Sprintf("event: state\nid: %d\ndata: %s\n\n", state.Seq, body)) {
			return nil
		}
		for last := state; state == last; {
			select {
			case <-r.Context().Done():
				return nil
			case <-s.Stopping:
				return nil
			case <-over.C:
				return nil
			case <-beat.C:
				if !send(": still here\n\n") {
					return nil
				}
			case <-changed:
				if state, err = read(r.Context()); err != nil {
					return nil // the browser reconnects and then gets the error
				}
			}
		}
	}
}
