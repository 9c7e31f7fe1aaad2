package party

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/signet-sign/signet/internal/safehttp"
)

// Registry keeps all parties in memory: those of the configuration, and those that operators
// manage, as the store has them. It implements [Parties]. A call reads a map; every change makes a
// new map. The zero Registry is empty and ready for use.
type Registry struct {
	now atomic.Pointer[snapshot]

	// held while reading the store, so that an older answer does not replace a newer one
	reading sync.Mutex

	mu         sync.Mutex // guards the parts of the snapshot
	store      Store      // nil if there are configured parties only
	configured map[string]*Party
	managed    []Registration
	epochs     map[string]int64  // renewals of keys by client id
	logos      map[string][]byte // that configured parties name
}

// snapshot is all parties at one moment. It never changes.
type snapshot struct {
	parties map[string]*Party
	fixed   map[string]*Party // those of the configuration
}

// NewRegistry returns a registry of these parties. It fails like [Registry.Replace].
func NewRegistry(policy safehttp.Policy, parties ...Party) (*Registry, error) {
	r := new(Registry)
	if err := r.Replace(policy, parties...); err != nil {
		return nil, err
	}
	return r, nil
}

// Replace replaces the configured parties, all at once. If a party is not valid or a client id
// occurs twice, it returns an error and keeps the old parties. A URL that only has a superfluous
// part does not fail: it becomes the party's Problem, so that the other parties stay usable.
func (r *Registry) Replace(policy safehttp.Policy, parties ...Party) error {
	set := make(map[string]*Party, len(parties))
	for _, p := range parties {
		if p.Problem = p.Validate(policy); p.Problem != nil {
			if bare := p.bare(); bare.Validate(policy) != nil {
				return p.Problem
			}
		}
		if set[p.ClientID] != nil {
			return fmt.Errorf("client %s: registered twice", p.ClientID)
		}
		set[p.ClientID] = &p
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.configured = set
	r.publish()
	return nil
}

// AddLogo adds a logo that configured parties name.
func (r *Registry) AddLogo(l Logo) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.logos == nil {
		r.logos = map[string][]byte{}
	}
	r.logos[l.Name] = l.PNG
}

// Open reads the parties that operators manage. Reload and Run then keep them up to date.
func (r *Registry) Open(ctx context.Context, store Store) error {
	r.mu.Lock()
	r.store = store
	r.mu.Unlock()
	return r.Reload(ctx)
}

// Reload reads the store. If that fails, nothing changes.
func (r *Registry) Reload(ctx context.Context) error {
	r.reading.Lock()
	defer r.reading.Unlock()
	managed, epochs, err := r.store.Registrations(ctx)
	if err != nil {
		return fmt.Errorf("reading the relying parties: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.managed, r.epochs = managed, epochs
	r.publish()
	return nil
}

// publish makes the snapshot, with mu held.
func (r *Registry) publish() {
	next := &snapshot{
		parties: make(map[string]*Party, len(r.managed)+len(r.configured)), fixed: r.configured,
	}
	add := func(p Party) {
		p.KeysEpoch = r.epochs[p.ClientID]
		next.parties[p.ClientID] = &p
	}
	for _, m := range r.managed {
		add(m.Party)
	}
	for _, p := range r.configured { // the configuration takes precedence
		add(*p)
	}
	r.now.Store(next)
}

// slowPoll is how often a node reads the store without a notification. The notification of another
// node may be lost while the connection to the database is down.
const slowPoll = 10 * time.Second

// Run reloads the registry after each change in the store, on any node, until ctx ends.
func (r *Registry) Run(ctx context.Context, log *slog.Logger) error {
	changed, stop := r.store.WatchParties()
	defer stop()
	tick := time.NewTicker(slowPoll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		case <-tick.C:
		}
		if err := r.Reload(ctx); err != nil && ctx.Err() == nil {
			log.Warn("the relying parties stay as they were", "err", err)
		}
	}
}

// Party implements [Parties].
func (r *Registry) Party(_ context.Context, clientID string) (*Party, error) {
	if s := r.now.Load(); s != nil {
		if p := s.parties[clientID]; p != nil {
			return p, nil
		}
	}
	return nil, ErrUnknown
}

// Configured reports whether the party is in the configuration, so that operators cannot change it
// in the console.
func (r *Registry) Configured(clientID string) bool {
	s := r.now.Load()
	return s != nil && s.fixed[clientID] != nil
}

// All returns the parties, ordered by name. The caller must not change them.
func (r *Registry) All() []*Party {
	s := r.now.Load()
	if s == nil {
		return nil
	}
	return slices.SortedFunc(maps.Values(s.parties), func(a, b *Party) int {
		return cmp.Or(
			cmp.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)),
			cmp.Compare(a.ClientID, b.ClientID),
		)
	})
}

// ErrNoLogo means that no party has a logo of this name.
var ErrNoLogo = errors.New("no relying party has this logo")

// Logo returns the PNG of a name. If the snapshot lacks the name it asks the store, because the
// page of another node may name a new logo. The error is ErrNoLogo, or a failure of the store.
func (r *Registry) Logo(ctx context.Context, name string) ([]byte, error) {
	r.mu.Lock()
	png, store := r.logos[name], r.store
	r.mu.Unlock()
	switch {
	case png != nil:
		return png, nil
	case store == nil || !logoName(name):
		return nil, ErrNoLogo
	}
	return store.LogoPNG(ctx, name)
}
