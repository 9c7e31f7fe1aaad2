package request

import "github.com/signet-sign/signet/api"

// State is where a sign request stands. The zero value is not a state.
type State string

// The seven states. Signed, Cancelled and (but for a cancel) Expired are final.
const (
	StateCreated   State = "created"   // nobody has opened it
	StateLocked    State = "locked"    // it belongs to one signer
	StateSession   State = "session"   // the signer pressed Proceed to Sign; a QR code is shown
	StateSealing   State = "sealing"   // the phone's signature is stored; the document is being finished
	StateSigned    State = "signed"    // the signed document is there
	StateExpired   State = "expired"   // its 30 minutes are over
	StateCancelled State = "cancelled" // the relying party took it back
)

// fallback stands in the table for "locked, or expired if its time is over meanwhile": where a session goes that ends
// without a signature.
const fallback State = "locked or expired"

// Action is what somebody, or time, does to a request.
type Action string

// The actions, in the order of the table in doc.go.
const (
	ActOpen       Action = "open"        // the signer opens the document
	ActOpenOther  Action = "open, other" // somebody else tries to
	ActProceed    Action = "proceed"     // the signer presses Proceed to Sign
	ActApprove    Action = "approve"     // the phone approves this session with a valid signature
	ActReject     Action = "reject"      // the phone rejects
	ActLeave      Action = "leave"       // the signer leaves the QR page
	ActTimeOut    Action = "time-out"    // the session's own end has come
	ActExpire     Action = "expire"      // the request's end has come
	ActSeal       Action = "seal"        // the document is finished
	ActSealFailed Action = "seal failed" // the document cannot be finished, for good
	ActRenew      Action = "renew"       // the signed document gets a further time stamp
	ActCancel     Action = "cancel"      // the relying party cancels
	ActResult     Action = "result"      // the relying party asks for the result
)

// cell is one cell of the table: a next state, or a refusal. The zero cell means that nothing happens: time has no one to
// tell. A logged refusal is worth an audit event, because somebody held a phone that was too late.
type cell struct {
	to     State
	refuse *api.Error
	logged bool
}

func to(s State) cell                { return cell{to: s} }
func refuse(e *api.Error) cell       { return cell{refuse: e} }
func refuseLogged(e *api.Error) cell { return cell{refuse: e, logged: true} }

// states and actions list the table's columns and rows.
var (
	states  = []State{StateCreated, StateLocked, StateSession, StateSealing, StateSigned, StateExpired, StateCancelled}
	actions = []Action{
		ActOpen, ActOpenOther, ActProceed, ActApprove, ActReject, ActLeave, ActTimeOut, ActExpire,
		ActSeal, ActSealFailed, ActRenew, ActCancel, ActResult,
	}
)

// table is the whole life of a sign request. Nothing else in the program decides whether something may happen; a test walks
// every cell, and another holds it against the table in doc.go.
var table = map[Action]map[State]cell{
	ActOpen: {
		StateCreated:   to(StateLocked),
		StateLocked:    to(StateLocked),
		StateSession:   to(StateSession),
		StateSealing:   to(StateSealing),
		StateSigned:    refuse(api.ErrAlreadySigned),
		StateExpired:   refuse(api.ErrExpired),
		StateCancelled: refuse(api.ErrCancelled),
	},
	ActOpenOther: {
		StateCreated:   refuse(api.ErrNoAccess),
		StateLocked:    refuse(api.ErrNoAccess),
		StateSession:   refuse(api.ErrNoAccess),
		StateSealing:   refuse(api.ErrNoAccess),
		StateSigned:    refuse(api.ErrNoAccess),
		StateExpired:   refuse(api.ErrExpired),
		StateCancelled: refuse(api.ErrCancelled),
	},
	ActProceed: {
		StateCreated:   refuse(api.ErrNotOpened),
		StateLocked:    to(StateSession),
		StateSession:   to(StateSession), // a new session: the old QR code is dead
		StateSealing:   refuse(api.ErrSigning),
		StateSigned:    refuse(api.ErrAlreadySigned),
		StateExpired:   refuse(api.ErrExpired),
		StateCancelled: refuse(api.ErrCancelled),
	},
	ActApprove: { // the same approval again is answered like the first, before the table is asked
		StateCreated:   refuse(api.ErrNoActiveSession),
		StateLocked:    refuseLogged(api.ErrNoActiveSession),
		StateSession:   to(StateSealing),
		StateSealing:   refuse(api.ErrSigning),
		StateSigned:    refuse(api.ErrAlreadySigned),
		StateExpired:   refuseLogged(api.ErrExpired),
		StateCancelled: refuseLogged(api.ErrCancelled),
	},
	ActReject: endSession,
	ActLeave:  endSession,
	ActTimeOut: {
		StateCreated: {}, StateLocked: {}, StateSession: to(fallback), StateSealing: {}, StateSigned: {}, StateExpired: {}, StateCancelled: {},
	},
	ActExpire: {
		StateCreated: to(StateExpired), StateLocked: to(StateExpired), StateSession: {}, StateSealing: {}, StateSigned: {}, StateExpired: {}, StateCancelled: {},
	},
	ActSeal: {
		StateCreated: {}, StateLocked: {}, StateSession: {}, StateSealing: to(StateSigned), StateSigned: {}, StateExpired: {}, StateCancelled: {},
	},
	ActSealFailed: {
		StateCreated: {}, StateLocked: {}, StateSession: {}, StateSealing: to(fallback), StateSigned: {}, StateExpired: {}, StateCancelled: {},
	},
	ActRenew: {
		StateCreated: {}, StateLocked: {}, StateSession: {}, StateSealing: {}, StateSigned: to(StateSigned), StateExpired: {}, StateCancelled: {},
	},
	ActCancel: {
		StateCreated:   to(StateCancelled),
		StateLocked:    to(StateCancelled),
		StateSession:   refuse(api.ErrActiveSession),
		StateSealing:   refuse(api.ErrActiveSession),
		StateSigned:    refuse(api.ErrAlreadySigned),
		StateExpired:   to(StateCancelled),
		StateCancelled: refuse(api.ErrAlreadyCancelled),
	},
	ActResult: {
		StateCreated:   refuse(api.ErrNotSigned),
		StateLocked:    refuse(api.ErrNotSigned),
		StateSession:   refuse(api.ErrNotSigned),
		StateSealing:   refuse(api.ErrNotSigned),
		StateSigned:    to(StateSigned), // for an hour; then SIGNED_ACCESS_EXPIRED
		StateExpired:   refuse(api.ErrExpired),
		StateCancelled: refuse(api.ErrCancelled),
	},
}

// endSession is the row of the two ways in which people end a session without a signature.
var endSession = map[State]cell{
	StateCreated:   refuse(api.ErrNoActiveSession),
	StateLocked:    refuse(api.ErrNoActiveSession),
	StateSession:   to(fallback),
	StateSealing:   refuse(api.ErrSigning),
	StateSigned:    refuse(api.ErrAlreadySigned),
	StateExpired:   refuse(api.ErrExpired),
	StateCancelled: refuse(api.ErrCancelled),
}
