// Package operator has the sessions of the operators who use the console. A session is a row of the
// database, so that it holds on all nodes and survives restarts. Start at [Sessions].
//
// The package does not know how an operator logs in, nor what a role may do. Package console does.
package operator

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"time"
)

// Limits of a session: it ends after an hour without a request, and eight hours after its login.
const (
	Idle = time.Hour
	Life = 8 * time.Hour
)

// seenEvery is how exactly the time of the newest request is stored, which saves most writes.
const seenEvery = time.Minute

// ErrNoSession is the error for a session that does not exist or is over.
var ErrNoSession = errors.New("no such session")

// Session is one login of an operator.
type Session struct {
	ID      string // SHA-256 of the secret, in hex
	Subject string // at the identity provider
	Name    string
	Role    string // name of the role that the login gave
	Begun   time.Time
	Seen    time.Time // time of the newest request, to the minute
	Address string    // of the login
	Browser string    // user agent of the login
}

// Label names the session on pages. It opens nothing: only the secret does.
func (s Session) Label() string { return s.ID[:16] }

// over reports whether the session has ended by itself.
func (s Session) over(now time.Time) bool {
	return now.Sub(s.Seen) >= Idle || now.Sub(s.Begun) >= Life
}

// Store stores sessions. All methods may run concurrently.
type Store interface {
	// AddOperatorSession stores a new session.
	AddOperatorSession(ctx context.Context, s Session) error

	// OperatorSession returns the session with an ID, or [ErrNoSession].
	OperatorSession(ctx context.Context, id string) (Session, error)

	// OperatorSessions returns all sessions, the one with the newest request first.
	OperatorSessions(ctx context.Context) ([]Session, error)

	// SeeOperatorSession stores the time of the newest request, if the session still exists.
	SeeOperatorSession(ctx context.Context, id string, seen time.Time) error

	// EndOperatorSessions deletes sessions. It ignores missing ones. When it returns nil, the
	// deletion is durable.
	EndOperatorSessions(ctx context.Context, ids ...string) error
}

// Sessions are the sessions of all nodes.
type Sessions struct {
	Store Store
	Now   func() time.Time
}

// Begin begins a session and returns its secret. It sets the session's ID and times, and deletes
// the sessions that are over. A time in Begun stays, so that a session that an operator begins with
// another one does not outlive it.
func (s *Sessions) Begin(ctx context.Context, one Session) (secret string, err error) {
	all, err := s.Store.OperatorSessions(ctx)
	if err != nil {
		return "", err
	}
	now := s.Now()
	var over []string
	for _, old := range all {
		if old.over(now) {
			over = append(over, old.ID)
		}
	}
	if err := s.Store.EndOperatorSessions(ctx, over...); err != nil {
		return "", err
	}
	secret = rand.Text()
	one.ID, one.Seen = sessionID(secret), now
	if one.Begun.IsZero() {
		one.Begun = now
	}
	return secret, s.Store.AddOperatorSession(ctx, one)
}

// Peek returns the session with a secret. The error is [ErrNoSession] if there is none or it is
// over.
func (s *Sessions) Peek(ctx context.Context, secret string) (Session, error) {
	found, err := s.Store.OperatorSession(ctx, sessionID(secret))
	if err == nil && found.over(s.Now()) {
		err = ErrNoSession
	}
	if err != nil {
		return Session{}, err
	}
	return found, nil
}

// Find is Peek, and notes that the session was used.
func (s *Sessions) Find(ctx context.Context, secret string) (Session, error) {
	found, err := s.Peek(ctx, secret)
	if err != nil {
		return Session{}, err
	}
	now := s.Now()
	if now.Sub(found.Seen) >= seenEvery {
		found.Seen = now
		err = s.Store.SeeOperatorSession(ctx, found.ID, now)
	}
	return found, err
}

// All returns the sessions that are not over, the one with the newest request first.
func (s *Sessions) All(ctx context.Context) (list []Session, err error) {
	all, err := s.Store.OperatorSessions(ctx)
	now := s.Now()
	for _, one := range all {
		if !one.over(now) {
			list = append(list, one)
		}
	}
	return list, err
}

// End ends the session with a label, if there is one.
func (s *Sessions) End(ctx context.Context, label string) error {
	all, err := s.Store.OperatorSessions(ctx)
	if err != nil {
		return err
	}
	for _, one := range all {
		if one.Label() == label {
			return s.Store.EndOperatorSessions(ctx, one.ID)
		}
	}
	return nil
}

// EndOther ends the sessions of an operator whose role is not the given one, which a newer login
// has given, or "" if it has given none.
func (s *Sessions) EndOther(ctx context.Context, subject, role string) error {
	all, err := s.Store.OperatorSessions(ctx)
	var other []string
	for _, one := range all {
		if one.Subject == subject && one.Role != role {
			other = append(other, one.ID)
		}
	}
	if err != nil || len(other) == 0 {
		return err
	}
	return s.Store.EndOperatorSessions(ctx, other...)
}

// Leave ends the session with a secret, if there is one.
func (s *Sessions) Leave(ctx context.Context, secret string) error {
	return s.Store.EndOperatorSessions(ctx, sessionID(secret))
}

func sessionID(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}
