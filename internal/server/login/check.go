package login

import (
	"context"
	"crypto/ecdsa"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"golang.org/x/oauth2"
)

var (
	// ErrClient is the error of a provider that does not accept the client.
	ErrClient = errors.New("the identity provider does not accept the client")
	// ErrRequest is the error of a provider that accepts the client, and not its redirect URI, its
	// scopes or another part of its request.
	ErrRequest = errors.New("the identity provider does not accept the client's request")
)

// Check discovers the provider, compares what it offers with the profile, and fetches its keys. It
// learns whether the provider accepts the client: it pushes an authorization request, which shows
// too whether the redirect URI and the scopes are the client's, or redeems a code that the provider
// has not issued. No person logs in.
func (l *Login) Check(ctx context.Context) error {
	p, f, err := l.discover(ctx)
	if err != nil {
		return err
	}
	if err := l.checkKeys(ctx, p.KeysURL); err != nil {
		return fmt.Errorf("fetching the keys of the identity provider: %w", err)
	}
	a := attempt{State: random(), Nonce: random(), Verifier: oauth2.GenerateVerifier()}
	var refused *refusal
	if f.push {
		_, err := l.push(ctx, p, f, l.authorization(a, ""), &a)
		if errors.As(err, &refused) && refused.ofClient() {
			return fmt.Errorf("%w: %w", ErrClient, err)
		}
		if refused != nil {
			return fmt.Errorf("%w: %w", ErrRequest, err)
		}
		return err
	}
	var key *ecdsa.PrivateKey
	if f.dpop {
		if key, _, err = newDPoPKey(); err != nil {
			return err
		}
	}
	_, err = l.post(ctx, p, f, p.TokenURL, l.redemption("signet-check", a.Verifier), key)
	switch {
	case err == nil:
		return errors.New("the identity provider gives a token for a code that it has not issued")
	case !errors.As(err, &refused):
		return fmt.Errorf("asking the identity provider for a token: %w", err)
	case refused.ofClient():
		return fmt.Errorf("%w: %w", ErrClient, err)
	}
	return nil // the code is refused, and not the client
}

// checkKeys checks that a provider's key set has a key.
func (l *Login) checkKeys(ctx context.Context, address string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	resp, err := l.provider.client.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close() // its transport has read the body, and bounded it
	var set struct{ Keys []json.RawMessage }
	switch err := json.NewDecoder(resp.Body).Decode(&set); {
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("the answer is %s", resp.Status)
	case err != nil:
		return err
	case len(set.Keys) == 0:
		return errors.New("there is none")
	}
	return nil
}
