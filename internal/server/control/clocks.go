package control

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/request"
)

// Clocks are the clocks of single requests and of relying parties, which tests move in a sandbox
// without moving its own. A party's clock is that of all its requests. All times are those of the
// sandbox's clock unless they say otherwise. The zero Clocks, in which every clock shows the
// sandbox's time, is ready for use.
//
// The store has a request's times by the sandbox's clock: [request.Service.Age] moves them. So
// Clocks is needed only to know what is stopped, and what a clock shows.
type Clocks struct {
	Sandbox *Clock // the sandbox's clock, which is saved too; may be nil

	// Save keeps clocks for the next start, which gives them to [Clocks.Load]. May be nil. It is
	// called after each change.
	Save func(clocks []byte) error

	moving sync.Mutex // held while clocks are moved
	saving sync.Mutex // held while clocks are saved

	mu       sync.Mutex
	requests map[string]ownClock // those that differ from the sandbox's
	parties  map[string]ownClock // by client id
	stopped  int                 // number of requests whose clock is stopped
}

// ownClock is a clock relative to the sandbox's.
type ownClock struct {
	Ahead   time.Duration `json:"ahead"`            // nanoseconds
	Stopped time.Time     `json:"stopped,omitzero"` // the sandbox's time at which it was stopped
}

// shows returns the time of the clock while the sandbox's is now.
func (o ownClock) shows(now time.Time) time.Time {
	if !o.Stopped.IsZero() {
		now = o.Stopped
	}
	return now.Add(o.Ahead)
}

// Stopped implements [request.Clocks].
func (c *Clocks) Stopped(requestID string) (at time.Time, ok bool) {
	at = c.of(requestID).Stopped
	return at, !at.IsZero()
}

// Count implements [request.Clocks].
func (c *Clocks) Count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stopped
}

// number returns how many requests and relying parties have a clock that differs from the
// sandbox's.
func (c *Clocks) number() (requests, parties int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.requests), len(c.parties)
}

// of returns the clock of a request.
func (c *Clocks) of(requestID string) ownClock {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.requests[requestID]
}

// ofParty returns the clock of a relying party.
func (c *Clocks) ofParty(clientID string) ownClock {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.parties[clientID]
}

// put sets the clock of a request.
func (c *Clocks) put(requestID string, o ownClock) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.requests[requestID].Stopped.IsZero() {
		c.stopped--
	}
	if !o.Stopped.IsZero() {
		c.stopped++
	}
	replace(&c.requests, requestID, o)
}

// putParty sets the clock of a relying party.
func (c *Clocks) putParty(clientID string, o ownClock) {
	c.mu.Lock()
	defer c.mu.Unlock()
	replace(&c.parties, clientID, o)
}

// replace sets an entry, and removes one that is as the sandbox's clock.
func replace(in *map[string]ownClock, key string, o ownClock) {
	if o == (ownClock{}) {
		delete(*in, key)
		return
	}
	if *in == nil {
		*in = map[string]ownClock{}
	}
	(*in)[key] = o
}

// Arrived gives a new request the clock of its relying party.
func (c *Clocks) Arrived(r *request.Request) error {
	o := c.ofParty(r.ClientID)
	if o == (ownClock{}) {
		return nil
	}
	c.put(r.ID, o)
	return c.save()
}

// movement is a change of a clock, which returns how far the clock goes forward by it and whether
// it is stopped afterwards.
type movement func(o ownClock, now time.Time) (by time.Duration, stopped bool)

// movementOf returns the change that is asked for.
func movementOf(in ClockChange) (movement, error) {
	switch {
	case in.Freeze != nil:
		return func(ownClock, time.Time) (time.Duration, bool) { return 0, *in.Freeze }, nil
	case in.Reset:
		return func(o ownClock, now time.Time) (time.Duration, bool) {
			return now.Sub(o.shows(now)), false
		}, nil
	case !in.Set.IsZero():
		return func(o ownClock, now time.Time) (time.Duration, bool) {
			return in.Set.Truncate(time.Microsecond).Sub(o.shows(now)), !o.Stopped.IsZero()
		}, nil
	}
	d, err := time.ParseDuration(in.Advance)
	if err != nil || d.Abs() > maxAdvance {
		return nil, errAdvance
	}
	d = d.Truncate(time.Microsecond)
	return func(o ownClock, _ time.Time) (time.Duration, bool) {
		return d, !o.Stopped.IsZero()
	}, nil
}

// moved returns the clock after a change at the sandbox's time now, and by how much the requests
// that have it become older.
func (o ownClock) moved(m movement, now time.Time) (after ownClock, older time.Duration) {
	by, stop := m(o, now)
	after = ownClock{Ahead: o.Ahead + by, Stopped: o.Stopped}
	older = by
	switch {
	case stop && o.Stopped.IsZero():
		after.Stopped = now
	case !stop && !o.Stopped.IsZero():
		stood := now.Sub(o.Stopped)
		after.Ahead -= stood
		after.Stopped = time.Time{}
		older -= stood
	}
	return after, older
}

// now returns the sandbox's time in the precision that stores keep.
func (c *API) now() time.Time { return c.Requests.Now().UTC().Truncate(time.Microsecond) }

// moveRequest changes the clock of a request. A clock that starts to go does so after the request
// has been made younger by the time for which it stood, so that nothing expires in between.
func (c *API) moveRequest(ctx context.Context, id string, m movement) error {
	after, older := c.Clocks.of(id).moved(m, c.now())
	if older != 0 {
		if err := c.Requests.Age(ctx, id, older); err != nil {
			return err
		}
	} else if _, err := c.Requests.Get(ctx, id); err != nil {
		return err
	}
	c.Clocks.put(id, after)
	return c.Requests.Reschedule(ctx, id)
}

// moveParty changes the clocks of a relying party and of all its requests.
func (c *API) moveParty(ctx context.Context, clientID string, m movement) error {
	if err := c.known(ctx, clientID, ""); err != nil {
		return err
	}
	after, _ := c.Clocks.ofParty(clientID).moved(m, c.now())
	c.Clocks.putParty(clientID, after) // first, for requests that are made now
	return c.ofParty(ctx, clientID, func(r *request.Request) error {
		return c.moveRequest(ctx, r.ID, m)
	})
}

// ofParty calls do for each request of a relying party.
func (c *API) ofParty(
	ctx context.Context, clientID string, do func(*request.Request) error,
) error {
	f := request.Filter{ClientID: clientID, Limit: 100}
	for {
		page, err := c.Requests.List(ctx, c.Lister, f)
		if err != nil {
			return err
		}
		for _, r := range page.Requests {
			if err := do(r); err != nil {
				return err
			}
		}
		if !page.More {
			return nil
		}
		f.Before = page.Last
	}
}

// resetClocks has every clock show the sandbox's time.
func (c *API) resetClocks(ctx context.Context) error {
	c.Clocks.moving.Lock()
	defer c.Clocks.moving.Unlock()
	m, err := movementOf(ClockChange{Reset: true})
	if err != nil {
		return err
	}
	c.Clocks.mu.Lock()
	ids := slices.Collect(maps.Keys(c.Clocks.requests))
	c.Clocks.parties = nil
	c.Clocks.mu.Unlock()
	for _, id := range ids {
		if err := c.moveRequest(ctx, id, m); err != nil && !errors.Is(err, api.ErrNoRecord) {
			return err
		}
	}
	return nil
}
