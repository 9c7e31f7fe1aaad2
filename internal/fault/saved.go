package fault

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// savedSet is a set as it is kept from one start of a sandbox to the next. The rules that it was
// made with are not in it: the next start has those of its own configuration.
type savedSet struct {
	Rules  []savedRule `json:"rules,omitempty"`
	Silent []string    `json:"silent,omitempty"`  // ids of sessions
	NewKey []byte      `json:"new_key,omitempty"` // PKCS #8; of WebhookNewKey
}

type savedRule struct {
	Rule
	Injected int `json:"injected,omitempty"`
}

// save keeps the set for the next start. It requires s.mu to be held.
func (s *Set) save() {
	if s.Save == nil {
		return
	}
	all := savedSet{Silent: slices.Sorted(maps.Keys(s.silent))}
	for _, r := range s.rules {
		if !r.configured {
			all.Rules = append(all.Rules, savedRule{r.Rule, r.Injected})
		}
	}
	if s.newKey != nil {
		all.NewKey, _ = x509.MarshalPKCS8PrivateKey(s.newKey) // no error for a P-256 key
	}
	text, _ := json.Marshal(all) // strings and numbers only
	s.Save(text)
}

// Load restores the set with what Save was called with last. It is to be called before the set is
// used.
func (s *Set) Load(text []byte) error {
	var all savedSet
	if err := json.Unmarshal(text, &all); err != nil {
		return err
	}
	for _, r := range all.Rules {
		if err := r.Check(); err != nil {
			return fmt.Errorf("a saved rule: %w", err)
		}
		s.add(Status{Rule: r.Rule, Injected: r.Injected})
	}
	if len(all.Silent) > 0 {
		s.silent = map[string]bool{}
	}
	for _, id := range all.Silent {
		s.silent[id] = true
	}
	if all.NewKey == nil {
		return nil
	}
	key, err := x509.ParsePKCS8PrivateKey(all.NewKey)
	if err != nil {
		return err
	}
	var ok bool
	if s.newKey, ok = key.(*ecdsa.PrivateKey); !ok {
		return errors.New("the key of " + string(WebhookNewKey) + " is no ECDSA key")
	}
	return nil
}
