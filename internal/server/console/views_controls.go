package console

import (
	"fmt"
	"strings"
	"time"

	"github.com/signet-sign/signet/internal/server/ui"
)

// The types Clock, Signers and Faults are the answers of the control listener as far as pages show
// them; package control describes their members.

// Clock is a clock of the sandbox.
type Clock struct {
	Now    time.Time `json:"now"`
	Frozen bool      `json:"frozen"`
}

// ClockPage is the page of the sandbox's clocks: that of the request or of the relying party which
// it names, and otherwise that of the sandbox. Its forms post to /console/clock with the button
// that was pressed in "do".
type ClockPage struct {
	Clock
	RequestID, ClientID string      // whose clock it is; both "": the sandbox's
	Parties             []ui.Choice // "" first
	Problem             string      // why the last change was refused
	Done                bool        // the last change was made
}

// At is the clock's time as the control listener reads and writes it.
func (p ClockPage) At() string { return p.Now.UTC().Format(time.RFC3339) }

// Meta implements ui.Page.
func (p ClockPage) Meta() ui.Meta { return consoleMeta("console_clock", "console.clock.title") }

// Signers is the personas, and what the next signers do.
type Signers struct {
	Personas   []Persona `json:"personas"`
	Behaviours []string  `json:"behaviours"`
	Queue      []Plan    `json:"queue"`
}

// Persona is a person of the sandbox with what they usually do. The persons are made up.
type Persona struct {
	UIN       string `json:"uin"`
	Name      string `json:"name"`
	Behaviour string `json:"behaviour"`
}

// Plan is the behaviour of the next signer.
type Plan struct {
	As       string `json:"as"`
	Do       string `json:"do"`
	ClientID string `json:"client_id"`
}

// PersonasPage is the page of the sandbox's signers. Its forms post to /console/personas and
// /console/personas/clear.
type PersonasPage struct {
	Signers
	Plan      // what the form has after a refusal
	RequestID string
	Parties   []ui.Choice // "" first
	Problem   string
	Done      bool
}

// Meta implements ui.Page.
func (p PersonasPage) Meta() ui.Meta {
	return consoleMeta("console_personas", "console.personas.title")
}

// Faults is the faults that the sandbox injects.
type Faults struct {
	Rules  []Fault    `json:"rules"`
	Kinds  []string   `json:"kinds"`
	Calls  []string   `json:"calls"`
	Recent []Injected `json:"recent"`
}

// Fault is one rule.
type Fault struct {
	ID          int     `json:"id"`
	Kind        string  `json:"kind"`
	Probability float64 `json:"probability"`
	Count       int     `json:"count"`
	Delay       string  `json:"delay"`
	Call        string  `json:"call"`
	ClientID    string  `json:"client_id"`
	RequestID   string  `json:"request_id"`
	Injected    int     `json:"injected"`
}

// Scope says what the rule is for, or is "" if that is everything.
func (f Fault) Scope() string {
	var parts []string
	for _, part := range []string{f.Call, f.ClientID, f.RequestID} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, ", ")
}

// Rate says how often the fault is injected: its probability and most number.
func (f Fault) Rate() string {
	rate := fmt.Sprintf("%g %%", f.Probability*100)
	if f.Count > 0 {
		rate += fmt.Sprintf(", %d×", f.Count)
	}
	return rate
}

// Injected is a fault that was injected.
type Injected struct {
	At        time.Time `json:"at"`
	Kind      string    `json:"kind"`
	Call      string    `json:"call"`
	ClientID  string    `json:"client_id"`
	RequestID string    `json:"request_id"`
}

// FaultsPage is the page of the sandbox's faults. Its forms post to /console/faults and
// /console/faults/remove.
type FaultsPage struct {
	Faults

	// What the form has after a refusal.
	Kind, Probability, Count, Delay, Call, ClientID, RequestID string

	Parties []ui.Choice // "" first
	Problem string
	Done    bool
}

// Meta implements ui.Page.
func (p FaultsPage) Meta() ui.Meta { return consoleMeta("console_faults", "console.faults.title") }
