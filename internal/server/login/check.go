package login

import (
	"context"
	"crypto/ecdsa"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	"golang.org/x/oauth2"
)

var (
	// ErrClient is the error of a provider that does not accept the client.
	ErrClient = errors.New("the identity provider does not accept the client")
	// ErrRequest is the error of a provider that accepts the client, and not its redirect URI, its
	// scopes or another part of its request.
	ErrRequest = errors.New("the identity provider does not accept the client's request")
	// ErrOffer is the error of a provider whose metadata does not list a scope, an authentication
	// class or a claim that the configuration names.
	ErrOffer = errors.New("the identity provider does not say that it offers")
)

// ErrNoDecryption is the error of a client that needs encrypted ID tokens and has no key for them,
// as when the key was made in a token, which only signs.
var ErrNoDecryption = errors.New("the key for encrypted ID tokens cannot decrypt")

// Check discovers the provider, compares what it offers with the profile, and fetches its keys. It
// learns whether the provider accepts the client: it pushes an authorization request, which shows
// too whether the redirect URI and the scopes are the client's, or redeems a code that the provider
// has not issued. No person logs in.
func (l *Login) Check(ctx context.Context) error {
	if l.c.Encrypted && (l.c.Keys == nil || len(l.c.Keys.decrypting()) == 0) {
		return ErrNoDecryption
	}
	p, f, err := l.discover(ctx)
	if err != nil {
		return err
	}
	if err := l.checkMethods(p); err != nil {
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
		if err != nil {
			return err
		}
		return l.checkOffer(p)
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
	return l.checkOffer(p) // the code is refused, and not the client
}

// checkMethods looks whether a login can have a result at all, by the lists of the provider's
// metadata. A list that is missing offers what this client uses.
func (l *Login) checkMethods(p *discovered) error {
	offers := func(list []string, need ...string) bool {
		return len(list) == 0 || slices.ContainsFunc(list, func(one string) bool {
			return slices.Contains(need, one)
		})
	}
	switch {
	case !offers(p.ResponseTypes, "code"):
		return fmt.Errorf("%w: authorization codes (response_types_supported)", ErrProfile)
	case !offers(p.ChallengeMethods, "S256"):
		return fmt.Errorf("%w: PKCE with S256 (code_challenge_methods_supported)", ErrProfile)
	case !offers(
		p.IDTokenAlgorithms, oidc.RS256, oidc.RS384, oidc.RS512, oidc.PS256, oidc.PS384, oidc.PS512,
		oidc.ES256, oidc.ES384, oidc.ES512, oidc.EdDSA,
	):
		return fmt.Errorf(
			"%w: ID tokens that its private key has signed, but %s", ErrProfile,
			strings.Join(p.IDTokenAlgorithms, ", "),
		)
	}
	if !strings.HasPrefix(l.c.Issuer, "https:") {
		return nil
	}
	for _, endpoint := range []string{p.AuthURL, p.TokenURL, p.KeysURL, p.PushURL} {
		if strings.HasPrefix(endpoint, "http:") {
			return fmt.Errorf("%w: https for all endpoints in its metadata", ErrProfile)
		}
	}
	return nil
}

// checkOffer compares the configuration with the lists in the provider's metadata that the login
// itself does not use. A list that is missing offers everything, except encrypted ID tokens (OpenID
// Connect Discovery 1.0, section 3).
func (l *Login) checkOffer(p *discovered) error {
	if l.c.Encrypted && !slices.ContainsFunc(p.EncryptionModes, func(alg string) bool {
		return slices.Contains(keyAlgorithms, jose.KeyAlgorithm(alg))
	}) {
		return fmt.Errorf("%w: ID tokens that are encrypted by ECDH-ES", ErrProfile)
	}
	lacks := func(list []string, one string) bool {
		return len(list) > 0 && !slices.Contains(list, one)
	}
	for _, scope := range l.c.Scopes {
		if lacks(p.Scopes, scope) {
			return fmt.Errorf("%w: the scope %s", ErrOffer, scope)
		}
	}
	if len(l.c.ACRValues) > 0 && len(p.ACRValues) > 0 &&
		!slices.ContainsFunc(l.c.ACRValues, func(acr string) bool {
			return slices.Contains(p.ACRValues, acr)
		}) {
		return fmt.Errorf("%w: the acr %s", ErrOffer, strings.Join(l.c.ACRValues, " or "))
	}
	for _, path := range l.claims {
		name, _, _ := strings.Cut(path, ".")
		if name != "" && lacks(p.ClaimNames, name) {
			return fmt.Errorf("%w: the claim %s", ErrOffer, name)
		}
	}
	return nil
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
	var set struct {
		Keys []struct{ Kty, Use string }
	}
	switch err := json.NewDecoder(resp.Body).Decode(&set); {
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("the answer is %s", resp.Status)
	case err != nil:
		return err
	case len(set.Keys) == 0:
		return errors.New("there is none")
	}
	for _, k := range set.Keys {
		if k.Use != "enc" && k.Kty != "oct" {
			return nil
		}
	}
	return errors.New("none of them is a public key for signatures")
}
