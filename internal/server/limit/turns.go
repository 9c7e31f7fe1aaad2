package limit

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/signet-sign/signet/api"
)

// Turns bounds how many requests of one network (see [Network]) are worked on at the same time.
// Further ones wait, in the order of their arrival. No network waits for another one: each has the
// same number of turns, however many connections it has.
//
// A turn ends when the answer begins, and so no client holds one by reading slowly. A handler that
// waits for something else than the processor ends its turn by [EndTurn]. Turns of those that do
// not say so, as of a login at a provider that hangs, end after Longest.
type Turns struct {
	Each    int           // turns of one network
	Waiting int           // requests of one network that may wait; 0: no limit
	Longest time.Duration // of a turn

	// Waits is called with 1 when a request begins to wait and with -1 when it has ended that, and
	// Refused for each one that may not wait. Either may be nil.
	Waits   func(n int)
	Refused func()

	mu    sync.Mutex
	lines map[string]*line // of the networks that hold turns
}

// line is the requests of one network.
type line struct {
	held    int             // turns
	waiting []chan struct{} // each is closed when the turn has come, which then counts as held
}

// Handler returns a handler that calls h for each request when its turn has come. refuse answers
// those that cannot wait. r.RemoteAddr has to be the client's address.
func (t *Turns) Handler(
	h http.Handler, refuse func(w http.ResponseWriter, r *http.Request, err error),
) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		network := Network(r.RemoteAddr)
		if err := t.take(r.Context(), network); err != nil {
			w.Header().Set("Retry-After", "1")
			refuse(w, r, err)
			return
		}
		turn := &turn{ResponseWriter: w, end: sync.OnceFunc(func() { t.release(network) })}
		defer turn.end()
		defer time.AfterFunc(t.Longest, turn.end).Stop()
		h.ServeHTTP(turn, r)
	})
}

// take waits for a turn. If too many wait already it returns [api.ErrTooManyRequests], and the
// error of ctx if that ends before.
func (t *Turns) take(ctx context.Context, network string) error {
	t.mu.Lock()
	l := t.lines[network]
	if l == nil {
		if t.lines == nil {
			t.lines = map[string]*line{}
		}
		l = &line{}
		t.lines[network] = l
	}
	if l.held < t.Each {
		l.held++
		t.mu.Unlock()
		return nil
	}
	if t.Waiting > 0 && len(l.waiting) >= t.Waiting {
		t.mu.Unlock()
		if t.Refused != nil {
			t.Refused()
		}
		return api.ErrTooManyRequests.Because("%d requests of the client wait", t.Waiting)
	}
	come := make(chan struct{})
	l.waiting = append(l.waiting, come)
	t.mu.Unlock()
	if t.Waits != nil {
		t.Waits(1)
		defer t.Waits(-1)
	}
	select {
	case <-come:
		return nil
	case <-ctx.Done():
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if i := slices.Index(l.waiting, come); i >= 0 {
		l.waiting = slices.Delete(l.waiting, i, i+1)
		return ctx.Err()
	}
	return nil // the turn came at the same moment
}

func (t *Turns) release(network string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.lines[network]
	if len(l.waiting) > 0 {
		close(l.waiting[0])
		l.waiting = l.waiting[1:]
		return
	}
	if l.held--; l.held == 0 {
		delete(t.lines, network)
	}
}

// turn is the response of a request that has a turn, which end ends.
type turn struct {
	http.ResponseWriter
	end func()
}

// WriteHeader implements http.ResponseWriter.
func (t *turn) WriteHeader(status int) {
	t.end()
	t.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (t *turn) Write(b []byte) (int, error) {
	t.end()
	return t.ResponseWriter.Write(b)
}

// Unwrap returns the original writer, for http.ResponseController.
func (t *turn) Unwrap() http.ResponseWriter { return t.ResponseWriter }

// EndTurn ends the turn of the request that w answers, if it has one: its handler is about to wait.
func EndTurn(w http.ResponseWriter) {
	for {
		switch v := w.(type) {
		case *turn:
			v.end()
			return
		case interface{ Unwrap() http.ResponseWriter }:
			w = v.Unwrap()
		default:
			return
		}
	}
}
