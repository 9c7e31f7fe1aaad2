package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Times of the service's keys (docs/contract.md, 8.2.2).
const (
	keysLifetime = time.Hour      // how long a set is used before it is fetched again
	keysGrace    = 24 * time.Hour // how long it is used if the service's keys cannot be fetched
	// between two fetches while there is a set, because forged webhooks must not cause more
	refetchPause = time.Minute
	// of one fetch; not longer than senders wait for webhooks
	fetchTimeout = 10 * time.Second
)

// keySet is one fetched JWKS. It does not change.
type keySet struct {
	byID map[string][]jose.JSONWebKey
}

// keyCache caches the service's keys. A fetch does not end with the webhook that caused it: the
// sender gives up after two seconds, and the next attempt must find the result.
type keyCache struct {
	url  string
	http *http.Client
	now  func() time.Time

	mu      sync.Mutex
	set     *keySet // nil before the first fetch
	fetched time.Time
	tried   time.Time
	err     error         // of the latest fetch
	flight  chan struct{} // closed when the running fetch ends; nil if none runs
}

func newKeyCache(url string, client *http.Client, now func() time.Time) *keyCache {
	return &keyCache{url: url, http: client, now: now}
}

// get returns the keys. It fetches them if they are old.
func (c *keyCache) get(ctx context.Context) (*keySet, error) {
	c.mu.Lock()
	set, now := c.set, c.now()
	age, pause := now.Sub(c.fetched), now.Sub(c.tried)
	if set != nil && (age < keysLifetime || age < keysGrace && pause < refetchPause) {
		c.mu.Unlock()
		return set, nil
	}
	flight := c.fetch(ctx)
	c.mu.Unlock()
	fresh, err := c.wait(ctx, flight)
	if err != nil && set != nil && age < keysGrace {
		return set, nil
	}
	return fresh, err
}

// newer returns other keys than those that have just failed, or nil if there are none, or the last
// fetch was too recent.
func (c *keyCache) newer(ctx context.Context, failed *keySet) (*keySet, error) {
	c.mu.Lock()
	if set := c.set; set != failed {
		c.mu.Unlock()
		return set, nil
	}
	if c.now().Sub(c.tried) < refetchPause {
		c.mu.Unlock()
		return nil, nil
	}
	flight := c.fetch(ctx)
	c.mu.Unlock()
	return c.wait(ctx, flight)
}

// fetch returns the running fetch, or starts one. The caller holds c.mu since it found that the
// keys are old: without it, a fetch could end in between and be made again.
func (c *keyCache) fetch(ctx context.Context) (flight chan struct{}) {
	if c.flight == nil {
		c.flight = make(chan struct{})
		c.tried = c.now()
		go c.fly(context.WithoutCancel(ctx), c.flight)
	}
	return c.flight
}

// wait waits for a fetch, and returns the keys.
func (c *keyCache) wait(ctx context.Context, flight chan struct{}) (*keySet, error) {
	select {
	case <-flight:
	case <-ctx.Done():
		return nil, fmt.Errorf("client: the service's keys: %w", context.Cause(ctx))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return nil, fmt.Errorf("client: the service's keys: %w", c.err)
	}
	return c.set, nil
}

func (c *keyCache) fly(ctx context.Context, done chan struct{}) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	set, err := c.load(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		c.set, c.fetched = set, c.now()
	}
	c.err, c.flight = err, nil
	close(done)
}

func (c *keyCache) load(ctx context.Context) (*keySet, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url, http.NoBody)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if !succeeded(resp) {
		return nil, fmt.Errorf("status %d", resp.StatusCode)
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxAnswer {
		return nil, fmt.Errorf("more than %d bytes", maxAnswer)
	}
	return parseKeys(text)
}

// parseKeys parses a JWKS (RFC 7517). It ignores keys of other kinds and for other uses, because a
// set may contain several, including kinds that this version does not know.
func parseKeys(text []byte) (*keySet, error) {
	var jwks struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(text, &jwks); err != nil {
		return nil, fmt.Errorf("not a JWKS: %w", err)
	}
	set := &keySet{byID: map[string][]jose.JSONWebKey{}}
	for _, raw := range jwks.Keys {
		var key jose.JSONWebKey
		if json.Unmarshal(raw, &key) != nil {
			continue
		}
		alg := string(algorithmOf(key.Key)) // "" also for private keys
		if alg == "" || key.KeyID == "" || key.Use != "" && key.Use != "sig" ||
			key.Algorithm != "" && key.Algorithm != alg {
			continue
		}
		set.byID[key.KeyID] = append(set.byID[key.KeyID], key)
	}
	if len(set.byID) == 0 {
		return nil, errors.New("the JWKS has no usable key")
	}
	return set, nil
}

// verify returns the payload of the token if one of the set's keys has signed it.
func (s *keySet) verify(jws *jose.JSONWebSignature) (payload []byte, ok bool) {
	header := jws.Signatures[0].Protected
	for _, key := range s.byID[header.KeyID] {
		if header.Algorithm != string(algorithmOf(key.Key)) {
			continue
		}
		if payload, err := jws.Verify(key.Key); err == nil {
			return payload, true
		}
	}
	return nil, false
}
