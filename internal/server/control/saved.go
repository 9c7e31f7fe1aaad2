package control

import (
	"encoding/json"
	"fmt"
	"maps"
	"time"
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
