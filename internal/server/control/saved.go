package control

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"maps"
	"time"

	"github.com/signet-sign/signet/internal/signer"
)

// savedClocks is the clocks as they are kept from one start of a sandbox to the next.
type savedClocks struct {
	Ahead    time.Duration       `json:"ahead"`           // of the sandbox's clock, in nanoseconds
	Frozen   time.Time           `json:"frozen,omitzero"` // time that the sandbox's clock shows
	Requests map[string]ownClock `json:"requests,omitempty"`
	Parties  map[string]ownClock `json:"parties,omitempty"`
}

// save keeps all clocks for the next start.
func (c *Clocks) save() error {
	if c.Save == nil {
		return nil
	}
	c.saving.Lock()
	defer c.saving.Unlock()
	var all savedClocks
	if s := c.Sandbox; s != nil {
		s.mu.Lock()
		all.Ahead, all.Frozen = s.ahead, s.frozen
		s.mu.Unlock()
	}
	c.mu.Lock()
	all.Requests, all.Parties = maps.Clone(c.requests), maps.Clone(c.parties)
	c.mu.Unlock()
	text, err := json.Marshal(all)
	if err != nil {
		return err
	}
	if err := c.Save(text); err != nil {
		return fmt.Errorf("saving the clocks: %w", err)
	}
	return nil
}

// Load makes all clocks show what they would show if the sandbox had not been stopped. It is to be
// called before the clocks are used, with what Save was called with last.
func (c *Clocks) Load(text []byte) error {
	var all savedClocks
	if err := json.Unmarshal(text, &all); err != nil {
		return err
	}
	if s := c.Sandbox; s != nil {
		s.ahead, s.frozen = all.Ahead, all.Frozen
	}
	for id, o := range all.Requests {
		c.put(id, o)
	}
	for id, o := range all.Parties {
		c.putParty(id, o)
	}
	return nil
}

// save keeps the queue for the next start. It requires s.mu to be held.
func (s *Signers) save() {
	if s.Save == nil {
		return
	}
	text, _ := json.Marshal(s.queue) // strings only
	s.Save(text)
}

// Load restores the queue with what Save was called with last.
func (s *Signers) Load(text []byte) error { return json.Unmarshal(text, &s.queue) }

// savedPhone is a software phone as it is kept from one start of a sandbox to the next.
type savedPhone struct {
	ID  string `json:"id"`
	Key []byte `json:"key"` // PKCS #8
}

// save keeps the phones for the next start. It requires s.mu to be held.
func (s *SoftPhones) save() error {
	if s.Save == nil {
		return nil
	}
	all := map[string]savedPhone{}
	for uin, ph := range s.phones {
		der, err := x509.MarshalPKCS8PrivateKey(ph.key)
		if err != nil {
			return err
		}
		all[uin] = savedPhone{ph.ID, der}
	}
	text, err := json.Marshal(all)
	if err != nil {
		return err
	}
	s.Save(text)
	return nil
}

// Load restores the phones with what Save was called with last.
func (s *SoftPhones) Load(text []byte) error {
	var all map[string]savedPhone
	if err := json.Unmarshal(text, &all); err != nil {
		return err
	}
	s.phones = map[string]*softPhone{}
	for uin, ph := range all {
		key, err := x509.ParsePKCS8PrivateKey(ph.Key)
		if err != nil {
			return err
		}
		private, ok := key.(*ecdsa.PrivateKey)
		if !ok {
			return fmt.Errorf("the key of phone %s is a %T", ph.ID, key)
		}
		s.phones[uin] = &softPhone{signer.Phone{ID: ph.ID}, private}
	}
	return nil
}
