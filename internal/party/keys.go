package party

import (
	"cmp"
	"context"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"
)

// KeysConfig is the configuration of [Keys]. Zero durations and counts mean the numbers of
// docs/contract.md, 8.1.
type KeysConfig struct {
	// Clients does the fetches, under the policy that parties are registered under.
	Clients *Clients

	// Now is the clock; nil means time.Now.
	Now func() time.Time

	// OnFetch is called after every fetch, successful or not, for metrics and logs. It must return
	// quickly and be safe for concurrent use. May be nil.
	OnFetch func(Fetch)

	// Store keeps fetched sets, so that a process that starts while a party's endpoint is down can
	// use a set for the rest of its Lifetime. May be nil.
	Store KeyStore

	// Log logs errors of Store. May be nil.
	Log *slog.Logger

	// RefetchUnknownKid fetches a set again if a token names a key that it lacks. It is off by
	// default: the contract's rule for rotation (publish an hour ahead) does not require it and
	// staging does not do it, so a relying party that rotates too fast should see the failure
	// (docs/contract.md, 14.26).
	RefetchUnknownKid bool

	// RefetchFailed also fetches a set again if a signature does not verify with the key that the
	// token names, so that a new key under an old kid works. It is for the sandbox.
	RefetchFailed bool

	// RequireUse ignores keys without the member use (docs/contract.md, 14.32).
	RequireUse bool

	// RefetchGap is the minimum interval of fetches for these reasons, because any client can
	// invent a kid. Default 1 min.
	RefetchGap time.Duration

	// RefetchWaits lets calls wait for the end of RefetchGap instead of using the old set. It is
	// for the sandbox, in which a test may use a key as soon as it has published it.
	RefetchWaits bool

	Timeout  time.Duration // of one try; default 3 s
	Tries    int           // default 3
	Pause    time.Duration // between two tries; default 100 ms
	Lifetime time.Duration // of a fetched set; default 1 h
	// how long a failure is cached, so that a host that is down gets few requests; default 5 s
	Penalty time.Duration

	// Wall is the clock of RefetchGap and Penalty, which limit requests on the network. Now, which
	// tests of the sandbox stop and move, has the ages of sets. Nil means Now.
	Wall func() time.Time
}

// Fetch describes one fetch of a JWKS.
type Fetch struct {
	ClientID string
	Tries    int           // at least 1
	Took     time.Duration // all tries and pauses
	Usable   int           // keys that tokens can name; 0 if Err is set
	Err      error         // of the last try
}

// KeyStore keeps the last fetched keys of each party. All nodes share it.
type KeyStore interface {
	// SaveKeys replaces the keys of the party, unless newer ones are stored.
	SaveKeys(ctx context.Context, k StoredKeys) error

	// LoadKeys returns the keys of a party; ok is false if there are none.
	LoadKeys(ctx context.Context, clientID string) (k StoredKeys, ok bool, err error)
}

// StoredKeys are the usable keys of a party's JWKS.
type StoredKeys struct {
	ClientID  string
	URL       string // where they were fetched from, with the party's settings if it has some
	Epoch     int64  // [Party].KeysEpoch at that time
	JWKS      []byte // a JWK set (RFC 7517)
	FetchedAt time.Time
}

// Keys fetches and caches the JWKS of relying parties. It uses a set for at most its Lifetime, also
// if the next fetch fails, so that a key that its owner has withdrawn stops working even if the
// owner's server is down. It is safe for concurrent use. All calls that need a set wait for the
// same fetch.
type Keys struct {
	config KeysConfig

	mu      sync.Mutex
	entries map[source]*entry
}

// source identifies where keys come from. It contains the URL or the configured set, so that a
// party that is registered again with another URL starts without keys, and the epoch, so that an
// operator's renewal discards what is cached.
type source struct {
	clientID, url string
	epoch         int64
}

func sourceOf(p *Party) source { return source{p.ClientID, p.origin() + p.JWKS, p.KeysEpoch} }

// entry is one fetch and its outcome.
type entry struct {
	done chan struct{} // closed when the outcome is set

	// The outcome, written once before done is closed.
	set     *keySet
	err     error
	fetched time.Time // when the fetch began
	until   time.Time // when it must no longer be used; by KeysConfig.Wall if err is set

	// Guarded by Keys.mu.
	renewable time.Time // when an unknown kid may cause the next fetch, by KeysConfig.Wall
	renewal   *entry    // that fetch while it runs
	failed    error     // why the newest fetch failed, after which set is still used
}

// NewKeys returns an empty cache.
func NewKeys(config KeysConfig) *Keys {
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Wall == nil {
		config.Wall = config.Now
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

// CachedKeys are the keys of a party that this process has cached.
type CachedKeys struct {
	Keys      []KeyInfo
	Ignored   []string // why the other keys of the JWKS cannot be used
	Err       error    // why there are no keys; the next fetch is not before Until
	Failed    error    // why the newest fetch failed, after which Keys are still used
	FetchedAt time.Time
	Until     time.Time
}

// Cached returns what is cached of a party's keys, without a fetch. ok is false if nothing is.
func (k *Keys) Cached(p *Party) (found CachedKeys, ok bool) {
	k.mu.Lock()
	e := k.entries[sourceOf(p)]
	if e != nil {
		found.Failed = e.failed
	}
	k.mu.Unlock()
	if e == nil || !e.ended() || k.stale(e) {
		return CachedKeys{}, false
	}
	found.Err, found.FetchedAt, found.Until = e.err, e.fetched, e.until
	if e.set != nil {
		found.Keys, found.Ignored = e.set.describe(), e.set.ignored
	}
	return found, true
}

// Fetch fetches the party's keys unless an outcome is cached, and returns the outcome's error.
func (k *Keys) Fetch(ctx context.Context, p *Party) error {
	_, err := k.current(ctx, p).wait(ctx)
	return err
}

// Find returns the key that a token of this party names by kid and uses with alg, which is ES256,
// ES384 or ES512. It fetches the party's JWKS if no current one is cached. Its errors are for the
// log: they say why there is no such key and contain no URL.
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

// FindAgain is [Keys.Find] after a signature that did not verify with old. It fetches the set again
// if [KeysConfig] allows that. It returns nil if there is no other key with this kid.
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
	if err != nil || key.Public.Equal(old.Public) { // and no other call has renewed it
		key, err = k.newer(ctx, p, e, set).find(old.kid, alg)
	}
	if err != nil || key.Public.Equal(old.Public) {
		return nil
	}
	return key
}

// newer returns the set of a new fetch, or set if the fetch fails or is not due yet.
func (k *Keys) newer(ctx context.Context, p *Party, e *entry, set *keySet) *keySet {
	if renewed := k.renew(ctx, p, e); renewed != nil {
		if newer, err := renewed.wait(ctx); err == nil {
			return newer
		}
	}
	return set
}

// Offered describes which keys of a party are cached and how old they are, for the explanation of a
// refusal. It returns "" if none are.
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
	from := "was given, not fetched"
	if p.JWKS == "" {
		age := k.config.Now().Sub(cached.FetchedAt).Round(time.Second)
		from = "was fetched " + age.String() + " ago"
	}
	text := "the JWKS " + from + ", its kids: " + strings.Join(kids, ", ")
	if len(cached.Ignored) > 0 {
		text += "; ignored are " + strings.Join(cached.Ignored[:min(len(cached.Ignored), most)], "; ")
	}
	if cached.Failed != nil {
		text += "; a newer fetch failed: " + cached.Failed.Error()
	}
	return text
}

// current returns the entry to use now. It starts a fetch if there is none.
func (k *Keys) current(ctx context.Context, p *Party) *entry {
	from := sourceOf(p)
	k.mu.Lock()
	defer k.mu.Unlock()
	e := k.entries[from]
	if e != nil && !k.stale(e) {
		return e
	}
	before := k.before(from)
	k.sweep()
	e = &entry{done: make(chan struct{})}
	k.entries[from] = e
	// All calls that arrive during the fetch wait for it, so it does not end with the context of
	// the first call.
	go k.fill(context.WithoutCancel(ctx), p, e, before, nil)
	return e
}

// renew starts or joins the fetch for an unknown kid. It returns nil if the fetch is not due yet.
// The old entry stays in use until the fetch succeeds; otherwise any client could remove a party's
// keys by inventing kids while the party's server is down.
func (k *Keys) renew(ctx context.Context, p *Party, old *entry) *entry {
	from := sourceOf(p)
	k.mu.Lock()
	defer k.mu.Unlock()
	wait := old.renewable.Sub(k.config.Wall())
	switch {
	case old.renewal != nil:
		return old.renewal
	case k.entries[from] != old:
		// Another call has renewed it. This may be nil after a renewal by an operator.
		return k.entries[from]
	case wait > 0 && !k.config.RefetchWaits:
		return nil
	}
	e := &entry{done: make(chan struct{})}
	old.renewal = e
	go func() {
		time.Sleep(wait) // not at all if it is not positive
		k.fill(context.WithoutCancel(ctx), p, e, old.set, old)
	}()
	return e
}

// before returns the keys that a new fetch replaces, and drops entries of older epochs, with mu
// held.
func (k *Keys) before(from source) (set *keySet) {
	var last time.Time
	for s, e := range k.entries {
		if s.clientID != from.clientID {
			continue
		}
		if e.ended() && e.set != nil && e.fetched.After(last) {
			set, last = e.set, e.fetched
		}
		if s.epoch < from.epoch { // a fetch that runs still serves the calls that wait for it
			delete(k.entries, s)
		}
	}
	return set
}

// fill fetches the keys and publishes the outcome. If the fetch fails, the outcome is the stored
// keys while they are valid. Keys that were there before keep the time of their last use. If it
// succeeds, e takes the place of renewed, which may be nil, before a call can see the outcome.
func (k *Keys) fill(ctx context.Context, p *Party, e *entry, before *keySet, renewed *entry) {
	start, began := k.config.Now(), k.config.Wall()
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
		// The server may have read the set at any time since the fetch began.
		e.until = e.fetched.Add(k.config.Lifetime)
	} else {
		e.until = k.config.Wall().Add(k.config.Penalty)
	}

	if k.config.OnFetch != nil {
		report := Fetch{ClientID: p.ClientID, Tries: tries, Took: now.Sub(start), Err: err}
		if set != nil {
			report.Usable = len(set.keys)
		}
		k.config.OnFetch(report)
	}

	k.mu.Lock()
	e.renewable = began.Add(k.config.RefetchGap)
	if e.set != nil {
		e.failed = err
	}
	if renewed != nil {
		renewed.renewal, renewed.renewable, renewed.failed = nil, e.renewable, err
		if from := sourceOf(p); e.err == nil && k.entries[from] == renewed {
			k.entries[from] = e
		}
	}
	close(e.done)
	k.mu.Unlock()
	if set != nil {
		k.save(ctx, p, set, start)
	}
}

// storeTimeout bounds one access to the store, so that a database that is down does not delay
// calls.
const storeTimeout = 5 * time.Second

// save stores the keys of a set with the time at which they were fetched.
func (k *Keys) save(ctx context.Context, p *Party, set *keySet, fetched time.Time) {
	if k.config.Store == nil || p.JWKS != "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	text, err := set.marshal()
	if err == nil {
		err = k.config.Store.SaveKeys(
			ctx, StoredKeys{p.ClientID, p.origin(), p.KeysEpoch, text, fetched},
		)
	}
	if err != nil {
		k.config.Log.Warn(
			"the keys of a relying party were not stored", "client_id", p.ClientID, "err", err,
		)
	}
}

// load returns the stored keys of a party and when they were fetched, if they are valid now:
// fetched from the party's present URL, with its settings, since its keys were renewed, and within
// their lifetime.
func (k *Keys) load(ctx context.Context, p *Party, now time.Time) (*keySet, time.Time) {
	if k.config.Store == nil || p.JWKS != "" {
		return nil, time.Time{}
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	stored, ok, err := k.config.Store.LoadKeys(ctx, p.ClientID)
	age := now.Sub(stored.FetchedAt)
	present := ok && stored.URL == p.origin() && stored.Epoch == p.KeysEpoch && age >= 0 &&
		age < k.config.Lifetime
	if err == nil && !present {
		return nil, time.Time{}
	}
	var set *keySet
	if err == nil {
		set, err = parseKeySet(stored.JWKS, false)
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

// sweep removes stale entries, including those of parties that are gone. Each fetch calls it, with
// mu held.
func (k *Keys) sweep() {
	for from, e := range k.entries {
		if k.stale(e) {
			delete(k.entries, from)
		}
	}
}

// ended reports whether the outcome is set.
func (e *entry) ended() bool {
	select {
	case <-e.done:
		return true
	default:
		return false
	}
}

// stale reports whether the entry must not be used. An entry whose fetch is running is not stale.
// One that was fetched after now is stale, because the clock was set back.
func (k *Keys) stale(e *entry) bool {
	if !e.ended() {
		return false
	}
	if e.err != nil {
		return !k.config.Wall().Before(e.until)
	}
	now := k.config.Now()
	return !now.Before(e.until) || now.Before(e.fetched)
}

// wait waits for the outcome or the end of ctx.
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
