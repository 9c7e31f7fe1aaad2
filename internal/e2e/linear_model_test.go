package e2e_test

import (
	"fmt"

	"github.com/anishathalye/porcupine"

	"github.com/signet-sign/signet/api"
)

// The model of one sign request, for the linearizability checker: the answers of a single thread
// that makes all calls one after the other. It is written from the contract, not from the code. A
// step has several next states if a background worker may have run before it, or if a connection
// was cut, so that the call may have been made or not.

// call is the input of an operation.
type call struct {
	do   string // initiate, open, proceed, approve, reject, leave, cancel, result; clock, restart
	who  string // NRIC
	node int
	step int // seconds that a clock moves
}

// outcome is the code of a refusal, or "" for success. It is unknown if the connection was cut, and
// dropped if the node's side cut it.
type outcome struct {
	code             string
	unknown, dropped bool
}

const modelNodes = 3

// standing is the state of the request. It is a value, so that equal states are equal.
type standing struct {
	state    string // "" before initiate
	signer   string
	sessions int // begun
	ends     int // of the session, in seconds since the beginning
	expires  int
	now      [modelNodes]int // each node has its own clock
}

const (
	modelRequest = api.RequestLifetime
	modelSession = 180
)

// settled is what time does by the clock of a node.
func (s standing) settled(node int) standing {
	if s.state == "session" && s.now[node] >= s.ends {
		s.state = "locked"
	}
	if (s.state == "created" || s.state == "locked") && s.now[node] >= s.expires {
		s.state = "expired"
	}
	return s
}

// step lists the states after a call with this outcome; none: the outcome cannot be.
func (s standing) step(in call, out outcome) (next []standing) {
	switch in.do {
	case "clock":
		s.now[in.node] += in.step
		return []standing{s}
	case "restart":
		s.now[in.node] = in.step // a clock that was saved, perhaps another node's
		return []standing{s}
	}
	add := func(n standing) {
		for _, known := range next {
			if known == n {
				return
			}
		}
		next = append(next, n)
	}
	for from := range s.background() {
		after, answers := from.settled(in.node).answer(in)
		for _, code := range answers {
			switch {
			case out.unknown && code == "":
				add(after)
				add(from)
			case out.unknown:
				add(from)
			case out.code == code && code == "":
				add(after)
			case out.code == code:
				add(from)
			}
		}
	}
	return next
}

// background is what workers may have made of the request before a call: any node's may have
// written down what time has done by its clock, and the document of an approved request may be
// finished.
func (s standing) background() map[standing]bool {
	all := map[standing]bool{s: true}
	for node := range modelNodes {
		all[s.settled(node)] = true
	}
	if s.state == "sealing" {
		done := s
		done.state = "signed"
		all[done] = true
	}
	return all
}

// answer is what a call does to a request that stands like this, and which answers it may give.
// Success comes with the state after it; a refusal changes nothing.
func (s standing) answer(in call) (after standing, codes []string) {
	after = s
	gone := map[string]string{"expired": api.CodeExpired, "cancelled": api.CodeCancelled}[s.state]
	signersStep := func() string { // the order in which a signer's step is judged
		switch {
		case gone != "":
			return gone
		case s.signer != "" && s.signer != in.who:
			return api.CodeNoAccess
		case s.state == "signed":
			return api.CodeAlreadySigned
		case s.state == "sealing" && in.do != "open":
			return api.CodeSigning
		}
		return ""
	}
	switch in.do {
	case "initiate":
		after.state, after.expires = "created", s.now[in.node]+modelRequest
		return after, []string{""}
	case "open":
		if s.state == "created" {
			after.state = "locked"
		}
		if code := signersStep(); code != "" {
			return after, []string{code}
		}
		after.signer = in.who
		return after, []string{""}
	case "proceed":
		if code := signersStep(); code != "" {
			return after, []string{code}
		}
		if s.state == "created" {
			return after, []string{api.CodeNotOpened}
		}
		after.state, after.ends = "session", s.now[in.node]+modelSession
		after.sessions++
		return after, []string{""}
	case "approve", "reject", "leave":
		if code := signersStep(); code != "" {
			return after, []string{code}
		}
		if s.state != "session" {
			return after, []string{api.CodeNoActiveSession}
		}
		codes = []string{""}
		// it may hold the code of a session that was replaced in the meantime
		if s.sessions > 1 && in.do != "leave" {
			codes = append(codes, api.CodeNoActiveSession)
		}
		after.state = map[string]string{"approve": "sealing"}[in.do]
		if after.state == "" {
			after.state = "locked"
		}
		return after.settled(in.node), codes
	case "cancel":
		switch s.state {
		case "session", "sealing":
			return after, []string{api.CodeActiveSession}
		case "signed":
			return after, []string{api.CodeAlreadySigned}
		case "cancelled":
			return after, []string{api.CodeAlreadyCancelled}
		}
		after.state = "cancelled"
		return after, []string{""}
	case "result":
		switch {
		case gone != "":
			return after, []string{gone}
		case s.state != "signed":
			return after, []string{api.CodeNotSigned}
		}
		// the model does not have the hour of access
		return after, []string{"", api.CodeSignedAccessExpired}
	}
	panic("no such call: " + in.do)
}

// requestModel is the model as the checker takes it.
func requestModel() porcupine.Model {
	m := porcupine.NondeterministicModel{
		Init: func() []any { return []any{standing{}} },
		Step: func(state, in, out any) (next []any) {
			for _, n := range state.(standing).step(in.(call), out.(outcome)) {
				next = append(next, n)
			}
			return next
		},
		DescribeOperation: func(in, out any) string { return fmt.Sprintf("%+v -> %+v", in, out) },
	}
	return m.ToModel()
}
