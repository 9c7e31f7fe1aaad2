package ca

import (
	"crypto/x509"
	"time"
)

// Listed is a certificate of the authority.
type Listed struct {
	Name  string // of its files: "issuing-2"
	State State
	From  time.Time // when a StateWaiting issuing CA begins to issue
	*x509.Certificate
}

// State says whether a certificate of the authority is in use now.
type State string

// The states of the authority's certificates.
const (
	StateInUse    State = "in use"
	StateWaiting  State = "waiting"  // an issuing CA that not every node knows yet
	StateReplaced State = "replaced" // it answers for what it issued
	StateRevoked  State = "revoked"
	StateEnded    State = "ended"
)

// List returns the root, the issuing CAs, their OCSP responders in use and the time-stamping unit
// in use.
func (a *Authority) List() []Listed {
	p, now := a.parts.Load(), a.opts.Now()
	list := []Listed{{Name: "root", State: StateInUse, Certificate: p.root.cert}}
	current, _ := a.current() // nil if all are revoked
	for _, i := range p.issuers {
		l := Listed{Name: i.name(), State: StateReplaced, Certificate: i.cert}
		switch {
		case p.revoked(i):
			l.State = StateRevoked
		case i == current:
			l.State = StateInUse
		case current != nil && i.n > current.n:
			l.State, l.From = StateWaiting, i.since.Add(takeUp)
		}
		list = append(
			list, l, Listed{Name: i.responder, State: StateInUse, Certificate: i.ocsp.cert},
		)
	}
	if p.tsa.cert != nil {
		list = append(list, Listed{Name: p.stampName, State: StateInUse, Certificate: p.tsa.cert})
	}
	for n := range list {
		if now.After(list[n].NotAfter) {
			list[n].State = StateEnded
		}
	}
	return list
}

// ListEnd returns when the CRL of a root on another machine ends; zero if the root's key is here.
func (a *Authority) ListEnd() time.Time {
	p := a.parts.Load()
	if l := p.listOf(p.root.cert); p.root.key == nil && l != nil {
		return l.NextUpdate
	}
	return time.Time{}
}
