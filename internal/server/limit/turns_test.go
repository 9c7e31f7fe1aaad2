package limit_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/server/limit"
)

// crowd sends requests to a handler under turns, of which each network has two.
type crowd struct {
	handler http.Handler
	turns   limit.Turns
	mu      sync.Mutex
	begun   int // requests that have got a turn
	refused []error
	waiting int // as Waits tells
	counted int // as Refused tells
}

func newCrowd(h http.HandlerFunc) *crowd {
	c := &crowd{turns: limit.Turns{Each: 2, Waiting: 398, Longest: time.Second}}
	c.turns.Waits = func(n int) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.waiting += n
	}
	c.turns.Refused = func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.counted++
	}
	c.handler = c.turns.Handler(
		http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c.mu.Lock()
			c.begun++
			c.mu.Unlock()
			h(w, r)
		}),
		func(_ http.ResponseWriter, _ *http.Request, err error) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.refused = append(c.refused, err)
		},
	)
	return c
}

// send sends n requests of an address, and waits until each is in the handler or waits.
func (c *crowd) send(ctx context.Context, address string, n int) {
	for range n {
		go func() {
			defer func() { _ = recover() }() // as net/http does
			r := httptest.NewRequestWithContext(ctx, "GET", "/", nil)
			r.RemoteAddr = address
			c.handler.ServeHTTP(httptest.NewRecorder(), r)
		}()
		synctest.Wait()
	}
}

func (c *crowd) check(t *testing.T, when string, begun, refused int) {
	t.Helper()
	synctest.Wait()
	if c.begun != begun || len(c.refused) != refused {
		t.Errorf(
			"%s: %d have begun, %d are refused; want %d, %d", when, c.begun, len(c.refused), begun,
			refused,
		)
	}
}

// TestTurns checks that beside 400 requests of one address another one's is served at once, and
// that theirs wait, in any address of the network.
func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end := make(chan struct{})
		c := newCrowd(func(http.ResponseWriter, *http.Request) { <-end })
		c.send(t.Context(), "[2001:db8::1]:1000", 1)
		c.send(t.Context(), "[2001:db8::2]:1000", 399)
		c.check(t, "400 requests", 2, 0)
		c.send(t.Context(), "[2001:db8::3]:1000", 1)
		c.check(t, "one more", 2, 1)
		if !errors.Is(c.refused[0], api.ErrTooManyRequests) {
			t.Errorf("refused with %v", c.refused[0])
		}
		if c.waiting != 398 || c.counted != 1 {
			t.Errorf("%d wait, %d are counted as refused", c.waiting, c.counted)
		}
		c.send(t.Context(), "[2001:db8:0:1::1]:1000", 1)
		c.check(t, "another network", 3, 1)
		close(end)
		c.check(t, "at the end", 401, 1)
		c.send(t.Context(), "[2001:db8::1]:1000", 2)
		c.check(t, "later", 403, 1)
		if c.waiting != 0 || c.counted != 1 {
			t.Errorf("in the end %d wait, %d are counted as refused", c.waiting, c.counted)
		}
	})
}

// TestTurnEnds checks what ends a turn, so that the next request gets it.
func TestTurnEnds(t *testing.T) {
	for name, test := range map[string]struct {
		handler http.HandlerFunc
		after   time.Duration
	}{
		"the handler returns": {func(http.ResponseWriter, *http.Request) {}, 0},
		"it panics": {
			func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, 0,
		},
		"the answer's header, as of a stream": {func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusOK)
			<-r.Context().Done()
		}, 0},
		"the answer's body, as of a download": {func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write([]byte("a part"))
			<-r.Context().Done()
		}, 0},
		"it says that it waits": {func(w http.ResponseWriter, r *http.Request) {
			limit.EndTurn(wrapped{w})
			<-r.Context().Done()
		}, 0},
		"it takes too long": {
			func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, time.Second,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				c := newCrowd(test.handler)
				c.send(ctx, "192.0.2.1:1000", 4)
				if test.after > 0 {
					c.check(t, "before", 2, 0)
					time.Sleep(test.after) // of the bubble
				}
				c.check(t, "after", 4, 0)
			})
		})
	}
}

// TestTurnGivenUp checks that a request whose client goes away gets no turn, and takes none.
func TestTurnGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end := make(chan struct{})
		c := newCrowd(func(http.ResponseWriter, *http.Request) { <-end })
		c.send(t.Context(), "192.0.2.1:1000", 2)
		ctx, gone := context.WithCancel(t.Context())
		c.send(ctx, "192.0.2.1:1000", 3)
		c.send(t.Context(), "192.0.2.1:1000", 1)
		gone()
		c.check(t, "when they have gone", 2, 3)
		for _, err := range c.refused {
			if !errors.Is(err, context.Canceled) {
				t.Errorf("refused with %v", err)
			}
		}
		close(end)
		c.check(t, "at the end", 3, 3)
		if c.waiting != 0 || c.counted != 0 {
			t.Errorf("%d wait, %d are counted as refused", c.waiting, c.counted)
		}
	})
}

// wrapped is a writer around another one.
type wrapped struct{ http.ResponseWriter }

func (w wrapped) Unwrap() http.ResponseWriter { return w.ResponseWriter }
