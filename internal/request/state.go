package request

import (
	"errors"
	"time"

	"github.com/signet-sign/signet/api"
)

// State is the state of a sign request. The zero value is not a state.
type State string

// The eight states. Signed and Cancelled are final, and so is Expired except for a cancel.
const (
	StateCreated   State = "created"   // no person has opened it
	StateLocked    State = "locked"    // it belongs to one signer
	StateSession   State = "session"   // the signer pressed Proceed to Sign; a QR code is shown
	StateSealing   State = "sealing"   // the phone has signed; the document is being finished
	StateStalled   State = "stalled"   // the phone has signed; finishing took too long
	StateSigned    State = "signed"    // the signed document exists
	StateExpired   State = "expired"   // its 30 minutes are over
	StateCancelled State = "cancelled" // the relying party cancelled it
)

// Action is an act of a person or the worker, or a passing of time, that may change a request.
type Action string

// The actions, in the order of the table in doc.go.
const (
	ActOpen       Action = "open"        // the signer opens the document
	ActOpenOther  Action = "open, other" // another person tries to
	ActProceed    Action = "proceed"     // the signer presses Proceed to Sign
	ActApprove    Action = "approve"     // the phone approves this session with a valid signature
	ActReject     Action = "reject"      // the phone rejects
	ActLeave      Action = "leave"       // the signer leaves the QR page
	ActTimeOut    Action = "time-out"    // the session times out
	ActExpire     Action = "expire"      // the request's time is over
	ActSeal       Action = "seal"        // the document is finished
	ActSealFailed Action = "seal failed" // the document could not be finished in time, or at all
	ActSealAgain  Action = "seal again"  // an operator requests sealing again
	ActAbort      Action = "abort"       // an operator discards the phone's signature
	ActRenew      Action = "renew"       // the signed document gets another timestamp
	ActCancel     Action = "cancel"      // the relying party cancels
	ActResult     Action = "result"      // the relying party asks for the result
)

// cell is one cell of the table: a next state, or a refusal. In the zero cell nothing happens. A
// logged refusal is recorded in the trail, because a phone had a challenge that it could no longer
// answer.
type cell struct {
	to State
	// a session ends without a signature; if the request's time is over too, it expires in the same
	// change
	ends   bool
	refuse *api.Error
	logged bool
}

func to(s State) cell                { return cell{to: s} }
func endsTo(s State) cell            { return cell{to: s, ends: true} }
func refuse(e *api.Error) cell       { return cell{refuse: e} }
func refuseLogged(e *api.Error) cell { return cell{refuse: e, logged: true} }

// states and actions list the table's columns and rows.
var (
	states = []State{
		StateCreated, StateLocked, StateSession, StateSealing, StateStalled, StateSigned,
		StateExpired, StateCancelled,
	}
	actions = []Action{
		ActOpen, ActOpenOther, ActProceed, ActApprove, ActReject, ActLeave, ActTimeOut, ActExpire,
		ActSeal, ActSealFailed, ActSealAgain, ActAbort, ActRenew, ActCancel, ActResult,
	}
)

// table is the whole life of a sign request. It alone decides which actions are allowed: no other
// file compares states, which a test checks. Other tests walk every cell, and compare the table
// with the one in doc.go.
var table = map[Action]map[State]cell{
	ActOpen: {
		StateCreated:   to(StateLocked),
		StateLocked:    to(StateLocked),
		StateSession:   to(StateSession),
		StateSealing:   to(StateSealing),
		StateStalled:   to(StateStalled),
		StateSigned:    refuse(api.ErrAlreadySigned),
		StateExpired:   refuse(api.ErrExpired),
		StateCancelled: refuse(api.ErrCancelled),
	},
	ActOpenOther: {
		StateCreated:   refuse(api.ErrNoAccess),
		StateLocked:    refuse(api.ErrNoAccess),
		StateSession:   refuse(api.ErrNoAccess),
		StateSealing:   refuse(api.ErrNoAccess),
		StateStalled:   refuse(api.ErrNoAccess),
		StateSigned:    refuse(api.ErrNoAccess),
		StateExpired:   refuse(api.ErrExpired),
		StateCancelled: refuse(api.ErrCancelled),
	},
	ActProceed: {
		StateCreated:   refuse(api.ErrNotOpened),
		StateLocked:    to(StateSession),
		StateSession:   to(StateSession), // a new session; the old QR code stops working
		StateSealing:   refuse(api.ErrSigning),
		StateStalled:   refuse(api.ErrSigning),
		StateSigned:    refuse(api.ErrAlreadySigned),
		StateExpired:   refuse(api.ErrExpired),
		StateCancelled: refuse(api.ErrCancelled),
	},
	ActApprove: { // an approval that repeats the accepted one does not reach the table
		StateCreated:   refuse(api.ErrNoActiveSession),
		StateLocked:    refuseLogged(api.ErrNoActiveSession),
		StateSession:   to(StateSealing),
		StateSealing:   refuse(api.ErrSigning),
		StateStalled:   refuse(api.ErrSigning),
		StateSigned:    refuse(api.ErrAlreadySigned),
		StateExpired:   refuseLogged(api.ErrExpired),
		StateCancelled: refuseLogged(api.ErrCancelled),
	},
	ActReject: endSession,
	ActLeave:  endSession,
	ActTimeOut: {
		StateCreated: {}, StateLocked: {}, StateSession: endsTo(StateLocked), StateSealing: {},
		StateStalled: {}, StateSigned: {}, StateExpired: {}, StateCancelled: {},
	},
	ActExpire: {
		StateCreated: to(StateExpired), StateLocked: to(StateExpired), StateSession: {},
		StateSealing: {}, StateStalled: {}, StateSigned: {}, StateExpired: {}, StateCancelled: {},
	},
	ActSeal: {
		StateCreated: {}, StateLocked: {}, StateSession: {}, StateSealing: to(StateSigned),
		StateStalled: {}, StateSigned: {}, StateExpired: {}, StateCancelled: {},
	},
	ActSealFailed: {
		StateCreated: {}, StateLocked: {}, StateSession: {}, StateSealing: to(StateStalled),
		StateStalled: {}, StateSigned: {}, StateExpired: {}, StateCancelled: {},
	},
	ActSealAgain: {
		StateCreated:   refuse(ErrNotSealing),
		StateLocked:    refuse(ErrNotSealing),
		StateSession:   refuse(ErrNotSealing),
		StateSealing:   to(StateSealing),
		StateStalled:   to(StateSealing),
		StateSigned:    refuse(ErrNotSealing),
		StateExpired:   refuse(ErrNotSealing),
		StateCancelled: refuse(ErrNotSealing),
	},
	ActAbort: {
		StateCreated:   refuse(ErrNotSealing),
		StateLocked:    refuse(ErrNotSealing),
		StateSession:   refuse(ErrNotSealing),
		StateSealing:   endsTo(StateLocked),
		StateStalled:   endsTo(StateLocked),
		StateSigned:    refuse(ErrNotSealing),
		StateExpired:   refuse(ErrNotSealing),
		StateCancelled: refuse(ErrNotSealing),
	},
	ActRenew: {
		StateCreated: {}, StateLocked: {}, StateSession: {}, StateSealing: {}, StateStalled: {},
		StateSigned: to(StateSigned), StateExpired: {}, StateCancelled: {},
	},
	ActCancel: {
		StateCreated:   to(StateCancelled),
		StateLocked:    to(StateCancelled),
		StateSession:   refuse(api.ErrActiveSession),
		StateSealing:   refuse(api.ErrActiveSession),
		StateStalled:   to(StateCancelled),
		StateSigned:    refuse(api.ErrAlreadySigned),
		StateExpired:   to(StateCancelled),
		StateCancelled: refuse(api.ErrAlreadyCancelled),
	},
	ActResult: {
		StateCreated:   refuse(api.ErrNotSigned),
		StateLocked:    refuse(api.ErrNotSigned),
		StateSession:   refuse(api.ErrNotSigned),
		StateSealing:   refuse(api.ErrNotSigned),
		StateStalled:   refuse(api.ErrNotSigned),
		StateSigned:    to(StateSigned), // for an hour; then SIGNED_ACCESS_EXPIRED
		StateExpired:   refuse(api.ErrExpired),
		StateCancelled: refuse(api.ErrCancelled),
	},
}

// Cell is a cell of the table for readers outside the package. It has neither To nor Refusal if the
// action cannot happen in the state.
type Cell struct {
	State   State
	Action  Action
	To      State // the next state, which may be the same
	Refusal *api.Error
}

// Cells returns all cells of the table, by action and state in the order of doc.go.
func Cells() (all []Cell) {
	for _, a := range actions {
		for _, s := range states {
			c := table[a][s]
			all = append(all, Cell{State: s, Action: a, To: c.to, Refusal: c.refuse})
		}
	}
	return all
}

// endSession is the row of the two actions by which people end a session without a signature.
var endSession = map[State]cell{
	StateCreated:   refuse(api.ErrNoActiveSession),
	StateLocked:    refuse(api.ErrNoActiveSession),
	StateSession:   endsTo(StateLocked),
	StateSealing:   refuse(api.ErrSigning),
	StateStalled:   refuse(api.ErrSigning),
	StateSigned:    refuse(api.ErrAlreadySigned),
	StateExpired:   refuse(api.ErrExpired),
	StateCancelled: refuse(api.ErrCancelled),
}

// adopted returns the state after [Service.Adopt]. Adopting is no action of the table: it repeats
// what the table has decided in the lost database, from whatever state the restored one has. The
// zero state is that of a request that is not in it.
func (s State) adopted() (State, error) {
	switch s {
	case StateSigned:
		return s, ErrAdopted
	case StateCancelled:
		return s, errors.New("the request is cancelled in the database")
	}
	return StateSigned, nil
}

// traits are the properties of a request in a state. The predicates below give them names.
type traits struct {
	session  bool // a sign session runs
	upload   bool // the uploaded document is needed
	approved bool // a phone's approval was accepted
	signed   bool // the signed document exists
	over     bool // a signer has nothing to see any more
	final    bool // no more documents are stored, except renewals
}

var traitsOf = map[State]traits{
	StateCreated:   {upload: true},
	StateLocked:    {upload: true},
	StateSession:   {upload: true, session: true},
	StateSealing:   {upload: true, approved: true},
	StateStalled:   {upload: true, approved: true},
	StateSigned:    {approved: true, signed: true, final: true},
	StateExpired:   {over: true, final: true},
	StateCancelled: {over: true, final: true},
}

// InSession reports whether a sign session runs. Its end is in Session.EndsAt.
func (s State) InSession() bool { return traitsOf[s].session }

// Approved reports whether a phone's approval was accepted: the document is signed, or waits to be
// sealed.
func (s State) Approved() bool { return traitsOf[s].approved }

// Sealing reports whether the service attempts to finish the document.
func (s State) Sealing() bool { return table[ActSeal][s].to != "" }

// Signed reports whether the signed document exists.
func (s State) Signed() bool { return traitsOf[s].signed }

// MayLogin reports whether a signer may log in to see the request.
func (s State) MayLogin() bool { return !traitsOf[s].over }

// MayAnnounce reports whether a webhook may announce the request.
func (s State) MayAnnounce() bool { return traitsOf[s].signed }

// KeepsUpload reports whether the uploaded document and the prepared one are needed.
func (s State) KeepsUpload() bool { return traitsOf[s].upload }

// Final reports whether the request is over: only a cancel of an expired one changes it.
func (s State) Final() bool { return traitsOf[s].final }

// ForSigner returns the state that signers see. For them a stalled request is one that is being
// sealed.
func (s State) ForSigner() State {
	if s == StateStalled {
		return StateSealing
	}
	return s
}

// Refusal returns the error with which the table refuses an action, or nil.
func (s State) Refusal(a Action) *api.Error { return table[a][s].refuse }

// DueAt returns when time changes r next; ok is false if it never will.
func (r *Request) DueAt() (at time.Time, ok bool) {
	switch {
	case table[ActTimeOut][r.State].ends:
		return r.Session.EndsAt, true
	case table[ActExpire][r.State].to != "":
		return r.ExpiresAt, true
	}
	return time.Time{}, false
}
