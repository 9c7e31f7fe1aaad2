package partytest

import (
	"context"
	"sync"
	"time"
)

// Replay is a token.Replay in memory. The zero Replay is ready for use.
type Replay struct {
	mu       sync.Mutex
	used     map[string]time.Time
	purposes map[string]string // that UseFor has recorded
	err      error
}

// Use implements token.Replay.
func (r *Replay) Use(
	_ context.Context, clientID, jti string, until time.Time,
) (first bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return false, r.err
	}
	id := clientID + "/" + jti
	if _, used := r.used[id]; used {
		return false, nil
	}
	if r.used == nil {
		r.used = make(map[string]time.Time)
	}
	r.used[id] = until
	return true, nil
}

// UseFor implements token.Replay.
func (r *Replay) UseFor(
	ctx context.Context, clientID, jti, purpose string, until time.Time,
) (recorded string, err error) {
	first, err := r.Use(ctx, clientID, jti, until)
	r.mu.Lock()
	defer r.mu.Unlock()
	if first {
		if r.purposes == nil {
			r.purposes = make(map[string]string)
		}
		r.purposes[clientID+"/"+jti] = purpose
	}
	return r.purposes[clientID+"/"+jti], err
}

// Used implements token.Replay.
func (r *Replay) Used(_ context.Context, clientID, jti string) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, used := r.used[clientID+"/"+jti]
	return used, r.err
}

// Until returns when the record of the jti may be removed, and false if the jti was not used.
func (r *Replay) Until(clientID, jti string) (time.Time, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	until, used := r.used[clientID+"/"+jti]
	return until, used
}

// Len returns the number of used ids.
func (r *Replay) Len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.used)
}

// Fail makes every later use fail with err. A nil err makes it work again.
func (r *Replay) Fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err = err
}
