package rp

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync/atomic"

	"github.com/signet-sign/signet/internal/rp/outbound"
)

// Party is one relying party as it is registered (the contract, section 1.1). None of it ever travels in a request.
type Party struct {
	ClientID string // 1 to 128 characters of the base64url alphabet and "."; real ones have 32
	Name     string // shown to the signer, see [CheckDisplayText]; at most MaxName bytes
	LogoURL  string // shown to the signer; optional

	JWKSURL     string // where we fetch the keys of the party's tokens
	RedirectURL string // where the signer's browser returns to; query parameters are added
	WebhookURL  string // where we push the signed document; empty: the party only asks for the result
}

// MaxName is the longest display name of a party in bytes.
const MaxName = 100

const maxClientID = 128

// Validate reports the first thing that is wrong with the registration, by field. Addresses are judged by the policy that the
// client for JWKS and webhooks obeys, so that a party which registers is a party which can be called. It looks nothing up.
func (p *Party) Validate(policy outbound.Policy) error {
	if !validClientID(p.ClientID) {
		return fmt.Errorf("client id: it must be 1 to %d characters of A-Z a-z 0-9 . _ -", maxClientID)
	}
	if err := CheckDisplayText(p.Name, MaxName); err != nil {
		return fmt.Errorf("client %s: name %w", p.ClientID, err)
	}
	if p.LogoURL != "" {
		if err := checkBrowserURL(p.LogoURL, policy); err != nil {
			return fmt.Errorf("client %s: logo URL: %w", p.ClientID, err)
		}
	}
	if err := policy.CheckURL(p.JWKSURL); err != nil {
		return fmt.Errorf("client %s: JWKS URL: %w", p.ClientID, err)
	}
	if err := checkBrowserURL(p.RedirectURL, policy); err != nil {
		return fmt.Errorf("client %s: redirect URL: %w", p.ClientID, err)
	}
	if p.WebhookURL != "" {
		if err := policy.CheckURL(p.WebhookURL); err != nil {
			return fmt.Errorf("client %s: webhook URL: %w", p.ClientID, err)
		}
	}
	return nil
}

// checkBrowserURL judges a URL that the signer's browser opens and we do not: any host and port, no script, no cleartext.
func checkBrowserURL(text string, policy outbound.Policy) error {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return errors.New("it cannot be parsed")
	case u.Scheme != "https" && (u.Scheme != "http" || !policy.AllowPrivate):
		return errors.New("the scheme is not https")
	case u.Opaque != "" || u.Hostname() == "":
		return errors.New("there is no host")
	case u.User != nil:
		return errors.New("it holds user information")
	case u.Fragment != "":
		return errors.New("it holds a fragment")
	}
	return nil
}

func validClientID(id string) bool {
	if id == "" || len(id) > maxClientID {
		return false
	}
	for i := range len(id) {
		c := id[i]
		if !isBase64URL(c) && c != '.' {
			return false
		}
	}
	return true
}

// ErrUnknownParty means that nobody is registered under a client id.
var ErrUnknownParty = errors.New("no relying party has this client id")

// Parties finds relying parties. It is asked for every call of every relying party, so it must be fast, and it must be safe for
// concurrent use.
type Parties interface {
	// Party returns the party with exactly this client id. The caller must not change it. The error is ErrUnknownParty
	// when there is none; any other error means that the answer is not known now.
	Party(ctx context.Context, clientID string) (*Party, error)
}

// Registry is Parties in memory, from the configuration. The zero Registry is empty and ready for use.
type Registry struct {
	parties atomic.Pointer[map[string]*Party]
}

// NewRegistry returns a registry of these parties. It fails like [Registry.Replace].
func NewRegistry(policy outbound.Policy, parties ...Party) (*Registry, error) {
	r := new(Registry)
	if err := r.Replace(policy, parties...); err != nil {
		return nil, err
	}
	return r, nil
}

// Replace puts a new set of parties in the place of the old one, all at once: a call sees the one or the other. When a party
// is not valid or a client id comes twice it returns an error and keeps the old set.
func (r *Registry) Replace(policy outbound.Policy, parties ...Party) error {
	set := make(map[string]*Party, len(parties))
	for _, p := range parties {
		if err := p.Validate(policy); err != nil {
			return err
		}
		if set[p.ClientID] != nil {
			return fmt.Errorf("client %s: registered twice", p.ClientID)
		}
		set[p.ClientID] = &p
	}
	r.parties.Store(&set)
	return nil
}

// Party implements [Parties].
func (r *Registry) Party(_ context.Context, clientID string) (*Party, error) {
	if set := r.parties.Load(); set != nil {
		if p := (*set)[clientID]; p != nil {
			return p, nil
		}
	}
	return nil, ErrUnknownParty
}

// All returns the parties in no particular order, for the console. The caller must not change them.
func (r *Registry) All() []*Party {
	set := r.parties.Load()
	if set == nil {
		return nil
	}
	out := make([]*Party, 0, len(*set))
	for _, p := range *set {
		out = append(out, p)
	}
	return out
}
