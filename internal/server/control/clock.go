package control

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/server/httpx"
)

// Clock is the clock of a sandbox. It shows the time of Base until a test moves or stops it. The
// zero Clock is ready for use.
type Clock struct {
	Base func() time.Time // nil means time.Now

	mu     sync.Mutex
	ahead  time.Duration // of Base
	frozen time.Time     // time at which it is stopped; zero if it runs
}

// errBeforeWall refuses times at which the sandbox's certificates may not be valid yet.
var errBeforeWall = errors.New("the clock cannot be set to a time before that of this machine")

func (c *Clock) base() time.Time {
	if c.Base == nil {
		return time.Now()
	}
	return c.Base()
}

// Now returns the sandbox's time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now()
}

func (c *Clock) now() time.Time {
	if !c.frozen.IsZero() {
		return c.frozen
	}
	return c.base().Add(c.ahead)
}

// Advance moves the clock forward.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += d
	if !c.frozen.IsZero() {
		c.frozen = c.frozen.Add(d)
	}
}

// Set moves the clock to t, which must not be before the time of Base.
func (c *Clock) Set(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	base := c.base()
	if t.Before(base) {
		return errBeforeWall
	}
	c.ahead = t.Sub(base)
	if !c.frozen.IsZero() {
		c.frozen = t
	}
	return nil
}

// Freeze stops the clock, or makes it run again from its present time.
func (c *Clock) Freeze(stop bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch now := c.now(); {
	case stop:
		c.frozen = now
	case !c.frozen.IsZero():
		c.ahead, c.frozen = now.Sub(c.base()), time.Time{}
	}
}

// Reset makes the clock show the time of Base again.
func (c *Clock) Reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead, c.frozen = 0, time.Time{}
}

// State returns the clock's time and whether it is stopped.
func (c *Clock) State() (now time.Time, frozen bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now(), !c.frozen.IsZero()
}

// ClockView is a clock as the control listener shows it.
type ClockView struct {
	Now    time.Time `json:"now"`
	Frozen bool      `json:"frozen"`
}

func (o ownClock) view(now time.Time) ClockView {
	return ClockView{o.shows(now).UTC(), !o.Stopped.IsZero()}
}

// clock answers GET /clock with the sandbox's clock, or that of the request or party which the
// query names.
func (c *API) clock(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	return c.showClock(r.Context(), w, q.Get("request_id"), q.Get("client_id"))
}

func (c *API) showClock(
	ctx context.Context, w http.ResponseWriter, requestID, clientID string,
) error {
	now, frozen := c.Clock.State()
	v := ClockView{now.UTC(), frozen}
	if err := c.known(ctx, clientID, requestID); err != nil {
		return err
	}
	switch {
	case requestID != "":
		v = c.Clocks.of(requestID).view(now)
	case clientID != "":
		v = c.Clocks.ofParty(clientID).view(now)
	}
	httpx.WriteJSON(w, http.StatusOK, v)
	return nil
}

// ClockChange is the body of POST /clock. It has one of the first four members.
type ClockChange struct {
	Advance string    `json:"advance"` // a duration such as "31m"
	Set     time.Time `json:"set"`     // RFC 3339
	Freeze  *bool     `json:"freeze"`  // stop the clock, or make it run
	Reset   bool      `json:"reset"`   // show the machine's time again

	// RequestID or ClientID says whose clock is changed: that of the request, or of the party with
	// all its requests. These clocks may go back; that of the sandbox shows the machine's time or a
	// later one.
	RequestID ID `json:"request_id"`
	ClientID  ID `json:"client_id"`
}

// maxAdvance is the largest step of a clock.
const maxAdvance = 10 * 365 * 24 * time.Hour

var errAdvance = api.ErrClientSide(
	`"advance" must be a duration such as "31m"; only the time of a request or party goes back`,
)

// change checks a change of a clock and makes it.
func (c *API) change(ctx context.Context, in ClockChange) error {
	n := 0
	for _, given := range []bool{in.Advance != "", !in.Set.IsZero(), in.Freeze != nil, in.Reset} {
		if given {
			n++
		}
	}
	switch {
	case n != 1:
		return api.ErrClientSide(`the body must have one of "advance", "set", "freeze" and "reset"`)
	case in.RequestID != "" && in.ClientID != "":
		return api.ErrClientSide(`the body must not have both "request_id" and "client_id"`)
	case in.RequestID != "" || in.ClientID != "":
		m, err := movementOf(in)
		if err != nil {
			return err
		}
		c.Clocks.moving.Lock()
		defer c.Clocks.moving.Unlock()
		if in.RequestID != "" {
			return notFound(c.moveRequest(ctx, string(in.RequestID), m))
		}
		return notFound(c.moveParty(ctx, string(in.ClientID), m))
	case in.Freeze != nil:
		c.Clock.Freeze(*in.Freeze)
	case in.Reset:
		c.Clock.Reset()
	case !in.Set.IsZero():
		if err := c.Clock.Set(in.Set); err != nil {
			return api.ErrClientSide(err.Error())
		}
	default:
		d, err := time.ParseDuration(in.Advance)
		if err != nil || d.Abs() > maxAdvance || d < 0 {
			return errAdvance
		}
		c.Clock.Advance(d)
	}
	return nil
}

// moveClock changes a clock when all jobs that were due before have run, and returns after those
// that became due by it have run.
func (c *API) moveClock(w http.ResponseWriter, r *http.Request) error {
	var in ClockChange
	if err := httpx.ReadJSON(w, r, &in); err != nil {
		return err
	}
	err := c.Worker.WhileIdle(r.Context(), func() error { return c.change(r.Context(), in) })
	// A change that failed may have moved some of a party's clocks.
	if failed := c.Clocks.save(); err == nil {
		err = failed
	}
	if err != nil {
		return err
	}
	if err := c.Worker.Drain(r.Context()); err != nil {
		return err
	}
	return c.showClock(r.Context(), w, string(in.RequestID), string(in.ClientID))
}
