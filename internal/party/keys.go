package party

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// KeysConfig is what [Keys] needs. Zero durations and counts mean the contract's numbers (section
// 8.1).
type KeysConfig struct {
	// Client does the fetches; make it with safehttp.NewClient and the policy that parties are
	// registered under.
	Client *http.Client

	// Now is the clock; nil means time.Now.
	Now func() time.Time

	// OnFetch is told of every fetch after it, successful or not, for metrics and logs. It must be
	// quick and safe for concurrent use. May be nil.
	OnFetch func(Fetch)

	// Store keeps the sets that were fetched, so that a process that starts while a party's
	// endpoint is down uses what was valid, for what is left of its Lifetime. Nil: none.
	Store KeyStore

	// Log is told when Store fails; nil: nothing is logged.
	Log *slog.Logger

	// RefetchUnknownKid fetches a set again when a token names a key that it lacks. The contract's
	// rule for rotation (publish an hour ahead) makes do without, and staging does not do it, so it
	// is off by default: a relying party that rotates too fast should find out here
	// (docs/contract.md, 14.26).
	RefetchUnknownKid bool

	// RefetchFailed also fetches a set again when a signature does not verify with the key that the
	// token names, so that a new key under an old kid works. It is for the sandbox.
	RefetchFailed bool

	// RefetchGap is the shortest time between two fetches for these reasons, because a stranger can
	// invent a kid: 1 min.
	RefetchGap time.Duration

	Timeout  time.Duration // of one try, 3 s
	Tries    int           // 3
	Pause    time.Duration // between two tries, 100 ms
	Lifetime time.Duration // of a set that was fetched, 1 h
	// how long a failure is remembered, 5 s, so that a dead host is not hammered
	Penalty time.Duration
}

// Fetch is what happened when a JWKS was fetched.
type Fetch struct {
	ClientID string
	Tries    int           // 1 and up
	Took     time.Duration // all tries and pauses
	Usable   int           // keys that tokens can name; 0 when Err is set
	Err      error         // of the last try
}

// KeyStore keeps the last keys that were fetched of each party. It is shared by all nodes.
type KeyStore interface {
	// SaveKeys replaces the keys of the party, unless newer ones are stored.
	SaveKeys(ctx context.Context, k StoredKeys) error

	// LoadKeys returns the keys of a party; ok is false if there are none.
	LoadKeys(ctx context.Context, clientID string) (k StoredKeys, ok bool, err error)
}

// StoredKeys are the usable keys of a party's JWKS.
type StoredKeys struct {
	ClientID  string
	URL       string // that they were fetched from
	Epoch     int64  // [Party].KeysEpoch of that time
	JWKS      []byte // a JWK set (RFC 7517)
	FetchedAt time.Time
}

// Keys fetches and caches the JWKS of relying parties. A set lives for its hour and not longer,
// also when the next fetch fails: a key that its owner has withdrawn must not work on because its
// server is down. It is safe for concurrent use; however many calls need a set, one fetch of it is
// under way.
type Keys struct {
	config KeysConfig

	mu      sync.Mutex
	entries map[source]*entry
}

// source is where keys come from. The URL, or the configured set, is part of it, so that a party
// that is registered again with another URL starts without keys, and so is the epoch, so that an
// operator who renews the keys leaves what is cached behind.
type source struct {
	clientID, url string
	epoch         int64
}

func sourceOf(p *Party) source { return source{p.ClientID, p.JWKSURL + p.JWKS, p.KeysEpoch} }

// entry is one fetch and its outcome.
type entry struct {
	done chan struct{} // closed when the outcome is there

	// The outcome, written once before done is closed.
	set     *keySet
	err     error
	fetched time.Time // when the fetch began
	until   time.Time // when it must no longer be used

	// Guarded by Keys.mu.
	renewable time.Time // when an unknown kid may cause the next fetch
	renewal   *entry    // that fetch while it is under way
}

// NewKeys returns an empty cache.
func NewKeys(config KeysConfig) *Keys {
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	config.Timeout = cmp.Or(config.Timeout, 3*time.Second)
	config.Tries = cmp.Or(config.Tries, 3)
	config.Pause = cmp.Or(config.Pause, 100*time.Millisecond)
	config.Lifetime = cmp.Or(config.Lifetime, time.Hour)
	config.RefetchGap = cmp.Or(config.RefetchGap, time.Minute)
	config.Penalty = cmp.Or(config.Penalty, 5*time.Second)
	return &Keys{config: config, entries: make(map[source]*entry)}
}

// CachedKeys is what this process has of a party's keys.
type CachedKeys struct {
	Keys      []KeyInfo
	Ignored   []string // why the other keys of the JWKS are of no use
	Err       error    // why there is none; there is no other fetch before Until
	FetchedAt time.Time
	Until     time.Time
}

// Cached tells what is cached of a party's keys, without a fetch; ok is false if nothing is.
func (k *Keys) Cached(p *Party) (found CachedKeys, ok bool) {
	k.mu.Lock()
	e := k.entries[sourceOf(p)]
	k.mu.Unlock()
	if e == nil || !e.ended() || e.stale(k.config.Now()) {
		return CachedKeys{}, false
	}
	found = CachedKeys{Err: e.err, FetchedAt: e.fetched, Until: e.until}
	if e.set != nil {
		found.Keys, found.Ignored = e.set.describe(), e.set.ignored
	}
	return found, true
}

// Fetch makes sure that there is an outcome in the cache and returns its error.
func (k *Keys) Fetch(ctx context.Context, p *Party) error {
	_, err := k.current(ctx, p).wait(ctx)
	return err
}

// Find returns the key that a token of this party names by kid and uses with alg, which is ES256,
// ES384 or ES512. It fetches the party's JWKS if no current one is cached. Its errors are for the
// log: they say why there is no such key and hold no URL.
func (k *Keys) Find(ctx context.Context, p *Party, kid, alg string) (*Key, error) {
	e := k.current(ctx, p)
	set, err := e.wait(ctx)
	if err != nil {
		return nil, err
	}
	if k.config.RefetchUnknownKid && set.count(kid) == 0 {
		set = k.newer(ctx, p, e, set)
	}
	return set.find(kid, alg)
}

// FindAgain is [Keys.Find] after a signature that did not verify with old: it fetches the set again
// if [KeysConfig] says so. The key is nil if there is no other one of this kid.
func (k *Keys) FindAgain(ctx context.Context, p *Party, old *Key, alg string) *Key {
	if !k.config.RefetchFailed {
		return nil
	}
	e := k.current(ctx, p)
	set, err := e.wait(ctx)
	if err != nil {
		return nil
	}
	key, err := set.find(old.kid, alg)
	if err != nil || key.Public.Equal(old.Public) { // another call has not renewed it
		key, err = k.newer(ctx, p, e, set).find(old.kid, alg)
	}
	if err != nil || key.Public.Equal(old.Public) {
		return nil
	}
	return key
}

// newer returns the set of another fetch, or set if it is too early for one, or if it fails.
func (k *Keys) newer(ctx context.Context, p *Party, e *entry, set *keySet) *keySet {
	if renewed := k.renew(ctx, p, e); renewed != nil {
		if newer, err := renewed.wait(ctx); err == nil {
			return newer
		}
	}
	return set
}

// Offered says in words which keys are cached of a party and how old they are, for the explanation
// of a refusal; empty if none are.
func (k *Keys) Offered(p *Party) string {
	cached, ok := k.Cached(p)
	if !ok || cached.Err != nil {
		return ""
	}
	const most = 5
	var kids []string
	for _, key := range cached.Keys[:min(len(cached.Keys), most)] {
		kids = append(kids, strconv.QuoteToASCII(key.Kid))
	}
	if more := len(cached.Keys) - most; more > 0 {
		kids = append(kids, strconv.Itoa(more)+" more")
	}
	from := "is of the configuration"
	if p.JWKS == "" {
		age := k.config.Now().Sub(cached.FetchedAt).Round(time.Second)
		from = "was fetched " + age.String() + " ago"
	}
	return "the JWKS " + from + ", its kids: " + strings.Join(kids, ", ")
}

// current returns the entry to use now, and starts a fetch if there is none.
func (k *Keys) current(ctx context.Context, p *Party) *entry {
	from := sourceOf(p)
	k.mu.Lock()
	defer k.mu.Unlock()
	e := k.entries[from]
	if e != nil && !e.stale(k.config.Now()) {
		return e
	}
	before := k.before(from)
	k.sweep()
	e = &entry{done: make(chan struct{})}
	k.entries[from] = e
	// All calls that arrive during the fetch wait for it, so it does not end with the context of
	// the first.
	go k.fill(context.WithoutCancel(ctx), p, e, before)
	return e
}

// renew starts or joins the fetch for an unknown kid; nil means that it is too early for one. Until
// it succeeds the old entry stays in use, or a stranger could take a party's keys away by inventing
// kids while its server is down.
func (k *Keys) renew(ctx context.Context, p *Party, old *entry) *entry {
	from := sourceOf(p)
	k.mu.Lock()
	defer k.mu.Unlock()
	switch now := k.config.Now(); {
	case old.renewal != nil:
		return old.renewal
	case k.entries[from] != old:
		// another call has renewed it; may be nil after a renewal by an operator
		return k.entries[from]
	case now.Before(old.renewable):
		return nil
	default:
		old.renewable = now.Add(k.config.RefetchGap)
	}
	e := &entry{done: make(chan struct{})}
	old.renewal = e
	go func(ctx context.Context) {
		k.fill(ctx, p, e, old.set)
		k.mu.Lock()
		defer k.mu.Unlock()
		old.renewal = nil
		if e.err == nil && k.entries[from] == old {
			k.entries[from] = e
		}
	}(context.WithoutCancel(ctx))
	return e
}

// before returns the keys that those of a new fetch follow, and drops what an operator has left
// behind; with mu held.
func (k *Keys) before(from source) (set *keySet) {
	var last time.Time
	for s, e := range k.entries {
		if s.clientID != from.clientID {
			continue
		}
		if e.ended() && e.set != nil && e.fetched.After(last) {
			set, last = e.set, e.fetched
		}
		if s.epoch < from.epoch { // a fetch under way still serves those who wait for it
			delete(k.entries, s)
		}
	}
	return set
}

// fill fetches and publishes the outcome. If the fetch fails, the stored keys are the outcome as
// long as they live. Keys that were there before keep the time of their last use.
func (k *Keys) fill(ctx context.Context, p *Party, e *entry, before *keySet) {
	start := k.config.Now()
	set, tries, err := k.fetch(ctx, p)
	now := k.config.Now()
	e.set, e.err, e.fetched = set, err, start
	if err != nil {
		if stored, at := k.load(ctx, p, now); stored != nil {
			e.set, e.err, e.fetched = stored, nil, at
		}
	}
	if e.set != nil {
		e.set.follow(before)
		// the server may have read the set at any time since
		e.until = e.fetched.Add(k.config.Lifetime)
	} else {
		e.until = now.Add(k.config.Penalty)
	}
	k.mu.Lock()
	e.renewable = start.Add(k.config.RefetchGap)
	k.mu.Unlock()

	if k.config.OnFetch != nil {
		report := Fetch{ClientID: p.ClientID, Tries: tries, Took: now.Sub(start), Err: err}
		if set != nil {
			report.Usable = len(set.keys)
		}
		k.config.OnFetch(report)
	}
	close(e.done)
	if set != nil {
		k.save(ctx, p, set, start)
	}
}

// storeTimeout bounds one access to the store, so that a database that is away does not delay
// calls.
const storeTimeout = 5 * time.Second

// save stores the keys of a set that was fetched at a time.
func (k *Keys) save(ctx context.Context, p *Party, set *keySet, fetched time.Time) {
	if k.config.Store == nil || p.JWKS != "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	text, err := set.marshal()
	if err == nil {
		err = k.config.Store.SaveKeys(
			ctx, StoredKeys{p.ClientID, p.JWKSURL, p.KeysEpoch, text, fetched},
		)
	}
	if err != nil {
		k.config.Log.Warn(
			"the keys of a relying party were not stored", "client_id", p.ClientID, "err", err,
		)
	}
}

// load returns the stored keys of a party, and when they were fetched, if they are valid now:
// fetched from the party's present URL since its keys were renewed, and within their lifetime.
func (k *Keys) load(ctx context.Context, p *Party, now time.Time) (*keySet, time.Time) {
	if k.config.Store == nil || p.JWKS != "" {
		return nil, time.Time{}
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	stored, ok, err := k.config.Store.LoadKeys(ctx, p.ClientID)
	age := now.Sub(stored.FetchedAt)
	if err == nil &&
		(!ok || stored.URL != p.JWKSURL || stored.Epoch != p.KeysEpoch || age < 0 || age >= k.config.Lifetime) {
		return nil, time.Time{}
	}
	var set *keySet
	if err == nil {
		set, err = parseKeySet(stored.JWKS)
	}
	if err != nil {
		k.config.Log.Warn(
			"the stored keys of a relying party cannot be read", "client_id", p.ClientID, "err",
			err,
		)
		return nil, time.Time{}
	}
	return set, stored.FetchedAt
}

// sweep drops what is stale, so that parties which are gone do not stay for ever. It runs once a
// fetch, with mu held.
func (k *Keys) sweep() {
	now := k.config.Now()
	for from, e := range k.entries {
		if e.stale(now) {
			delete(k.entries, from)
		}
	}
}

// ended reports whether the outcome is there.
func (e *entry) ended() bool {
	select {
	case <-e.done:
		return true
	default:
		return false
	}
}

// stale reports whether the entry must not be used. An entry whose fetch is under way is not stale.
// One that was fetched after now is: the clock was set back.
func (e *entry) stale(now time.Time) bool {
	return e.ended() && (!now.Before(e.until) || now.Before(e.fetched))
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
