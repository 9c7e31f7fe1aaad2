package rp

import (
	"cmp"
	"context"
	"net/http"
	"sync"
	"time"
)

// KeysConfig is what [Keys] needs. Zero durations and counts mean the contract's numbers (section 8.1).
type KeysConfig struct {
	// Client does the fetches; make it with outbound.NewClient and the policy that parties are registered under.
	Client *http.Client

	// Now is the clock; nil means time.Now.
	Now func() time.Time

	// OnFetch is told of every fetch after it, successful or not, for metrics and logs. It must be quick and safe for
	// concurrent use. May be nil.
	OnFetch func(Fetch)

	// RefetchUnknownKid fetches a set again when a token names a key that it lacks, at most once a minute and party. The
	// contract's rule for rotation (publish an hour ahead) makes do without, and staging does not do it, so it is off by
	// default: a relying party that rotates too fast should find out here (the contract, 14.26).
	RefetchUnknownKid bool

	Timeout  time.Duration // of one try, 3 s
	Tries    int           // 3
	Pause    time.Duration // between two tries, 100 ms
	Lifetime time.Duration // of a set that was fetched, 1 h
	Penalty  time.Duration // how long a failure is remembered, 5 s, so that a dead host is not hammered
}

// Fetch is what happened when a JWKS was fetched.
type Fetch struct {
	ClientID string
	Tries    int           // 1 and up
	Took     time.Duration // all tries and pauses
	Usable   int           // keys that tokens can name; 0 when Err is set
	Err      error         // of the last try
}

// refetchGap is the shortest time between two fetches for unknown kids: anybody can invent a kid.
const refetchGap = time.Minute

// Keys fetches and caches the JWKS of relying parties. A set lives for its hour and not longer, also when the next fetch fails:
// a key that its owner has withdrawn must not work on because its server is down. It is safe for concurrent use; however many
// calls need a set, one fetch of it is under way.
type Keys struct {
	config KeysConfig

	mu      sync.Mutex
	entries map[source]*entry
}

// source is where keys come from. The URL is part of it, so that a party registered anew with another URL starts afresh.
type source struct{ clientID, url string }

// entry is one fetch and its outcome.
type entry struct {
	done chan struct{} // closed when the outcome is there

	// The outcome, written once before done is closed.
	set   *keySet
	err   error
	until time.Time // when it must no longer be used

	// Guarded by Keys.mu.
	renewable time.Time // when an unknown kid may cause the next fetch
	renewal   *entry    // that fetch while it is under way
}

// NewKeys returns an empty cache.
func NewKeys(config KeysConfig) *Keys {
	if config.Now == nil {
		config.Now = time.Now
	}
	config.Timeout = cmp.Or(config.Timeout, 3*time.Second)
	config.Tries = cmp.Or(config.Tries, 3)
	config.Pause = cmp.Or(config.Pause, 100*time.Millisecond)
	config.Lifetime = cmp.Or(config.Lifetime, time.Hour)
	config.Penalty = cmp.Or(config.Penalty, 5*time.Second)
	return &Keys{config: config, entries: make(map[source]*entry)}
}

// Forget drops what is cached for a party, so that its next token fetches the keys: for an operator who must not wait an hour
// for a stolen key to be gone. A fetch under way serves those who wait for it and is not kept.
func (k *Keys) Forget(clientID string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for from := range k.entries {
		if from.clientID == clientID {
			delete(k.entries, from)
		}
	}
}

// find returns the key that a token of this party names. Its errors are causes.
func (k *Keys) find(ctx context.Context, p *Party, t *token) (*key, error) {
	e := k.current(ctx, p)
	set, err := e.wait(ctx)
	if err != nil {
		return nil, err
	}
	if k.config.RefetchUnknownKid && set.count(t.kid) == 0 {
		if renewed := k.renew(ctx, p, e); renewed != nil {
			if newer, err := renewed.wait(ctx); err == nil {
				set = newer
			}
		}
	}
	return set.find(t)
}

// current returns the entry to use now, and starts a fetch if there is none.
func (k *Keys) current(ctx context.Context, p *Party) *entry {
	from := source{p.ClientID, p.JWKSURL}
	k.mu.Lock()
	defer k.mu.Unlock()
	e := k.entries[from]
	if e != nil && !e.stale(k.config.Now()) {
		return e
	}
	k.sweep()
	e = &entry{done: make(chan struct{})}
	k.entries[from] = e
	// The fetch serves everybody who comes meanwhile, so it does not end with the one who came first.
	go k.fill(context.WithoutCancel(ctx), p, e)
	return e
}

// renew starts or joins the fetch for an unknown kid; nil means that it is too early for one. Until it succeeds the old entry
// stays in use, or anybody could take a party's keys away by inventing kids while its server is down.
func (k *Keys) renew(ctx context.Context, p *Party, old *entry) *entry {
	from := source{p.ClientID, p.JWKSURL}
	k.mu.Lock()
	defer k.mu.Unlock()
	switch now := k.config.Now(); {
	case old.renewal != nil:
		return old.renewal
	case k.entries[from] != old:
		return k.entries[from] // somebody else's renewal is done; may be nil after Forget
	case now.Before(old.renewable):
		return nil
	default:
		old.renewable = now.Add(refetchGap)
	}
	e := &entry{done: make(chan struct{})}
	old.renewal = e
	go func(ctx context.Context) {
		k.fill(ctx, p, e)
		k.mu.Lock()
		defer k.mu.Unlock()
		old.renewal = nil
		if e.err == nil && k.entries[from] == old {
			k.entries[from] = e
		}
	}(context.WithoutCancel(ctx))
	return e
}

// fill fetches and publishes the outcome.
func (k *Keys) fill(ctx context.Context, p *Party, e *entry) {
	defer close(e.done)
	start := k.config.Now()
	set, tries, err := k.fetch(ctx, p.JWKSURL)
	now := k.config.Now()
	e.set, e.err = set, err
	if err != nil {
		e.until = now.Add(k.config.Penalty)
	} else {
		e.until = start.Add(k.config.Lifetime) // the server may have read the set at any time since
	}
	k.mu.Lock()
	e.renewable = start.Add(refetchGap)
	k.mu.Unlock()

	if k.config.OnFetch != nil {
		report := Fetch{ClientID: p.ClientID, Tries: tries, Took: now.Sub(start), Err: err}
		if set != nil {
			report.Usable = len(set.keys)
		}
		k.config.OnFetch(report)
	}
}

// sweep drops what is stale, so that parties which are gone do not stay for ever. It runs once a fetch, with mu held.
func (k *Keys) sweep() {
	now := k.config.Now()
	for from, e := range k.entries {
		if e.stale(now) {
			delete(k.entries, from)
		}
	}
}

// stale reports whether the entry must not be used. An entry whose fetch is under way is not stale.
func (e *entry) stale(now time.Time) bool {
	select {
	case <-e.done:
		return !now.Before(e.until)
	default:
		return false
	}
}

// wait returns the outcome when it is there, or the end of the waiting.
func (e *entry) wait(ctx context.Context) (*keySet, error) {
	select {
	case <-e.done:
		return e.set, e.err
	default:
	}
	select {
	case <-e.done:
		return e.set, e.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
