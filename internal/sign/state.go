package sign

import "github.com/signet-sign/signet/api"

// State is where a sign request stands. The zero value is not a state.
type State string

// The seven states. Signed, Cancelled and (but for a cancel) Expired are final.
const (
	Created   State = "created"   // nobody has opened it
	Locked    State = "locked"    // it belongs to one signer
	Session   State = "session"   // the signer pressed Proceed to Sign; a QR code is shown
	Sealing   State = "sealing"   // the phone's signature is stored; the document is being finished
	Signed    State = "signed"    // the signed document is there
	Expired   State = "expired"   // its 30 minutes are over
	Cancelled State = "cancelled" // the relying party took it back
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
	states  = []State{Created, Locked, Session, Sealing, Signed, Expired, Cancelled}
	actions = []Action{
		ActOpen, ActOpenOther, ActProceed, ActApprove, ActReject, ActLeave, ActTimeOut, ActExpire,
		ActSeal, ActSealFailed, ActRenew, ActCancel, ActResult,
	}
)

// table is the whole life of a sign request. Nothing else in the program decides whether something may happen; a test walks
// every cell, and another holds it against the table in doc.go.
var table = map[Action]map[State]cell{
	ActOpen: {
		Created:   to(Locked),
		Locked:    to(Locked),
		Session:   to(Session),
		Sealing:   to(Sealing),
		Signed:    refuse(api.ErrAlreadySigned),
		Expired:   refuse(api.ErrExpired),
		Cancelled: refuse(api.ErrCancelled),
	},
	ActOpenOther: {
		Created:   refuse(api.ErrNoAccess),
		Locked:    refuse(api.ErrNoAccess),
		Session:   refuse(api.ErrNoAccess),
		Sealing:   refuse(api.ErrNoAccess),
		Signed:    refuse(api.ErrNoAccess),
		Expired:   refuse(api.ErrExpired),
		Cancelled: refuse(api.ErrCancelled),
	},
	ActProceed: {
		Created:   refuse(api.ErrNotOpened),
		Locked:    to(Session),
		Session:   to(Session), // a new session: the old QR code is dead
		Sealing:   refuse(api.ErrSigning),
		Signed:    refuse(api.ErrAlreadySigned),
		Expired:   refuse(api.ErrExpired),
		Cancelled: refuse(api.ErrCancelled),
	},
	ActApprove: { // the same approval again is answered like the first, before the table is asked
		Created:   refuse(api.ErrNoActiveSession),
		Locked:    refuseLogged(api.ErrNoActiveSession),
		Session:   to(Sealing),
		Sealing:   refuse(api.ErrSigning),
		Signed:    refuse(api.ErrAlreadySigned),
		Expired:   refuseLogged(api.ErrExpired),
		Cancelled: refuseLogged(api.ErrCancelled),
	},
	ActReject: endSession,
	ActLeave:  endSession,
	ActTimeOut: {
		Created: {}, Locked: {}, Session: to(fallback), Sealing: {}, Signed: {}, Expired: {}, Cancelled: {},
	},
	ActExpire: {
		Created: to(Expired), Locked: to(Expired), Session: {}, Sealing: {}, Signed: {}, Expired: {}, Cancelled: {},
	},
	ActSeal: {
		Created: {}, Locked: {}, Session: {}, Sealing: to(Signed), Signed: {}, Expired: {}, Cancelled: {},
	},
	ActSealFailed: {
		Created: {}, Locked: {}, Session: {}, Sealing: to(fallback), Signed: {}, Expired: {}, Cancelled: {},
	},
	ActRenew: {
		Created: {}, Locked: {}, Session: {}, Sealing: {}, Signed: to(Signed), Expired: {}, Cancelled: {},
	},
	ActCancel: {
		Created:   to(Cancelled),
		Locked:    to(Cancelled),
		Session:   refuse(api.ErrActiveSession),
		Sealing:   refuse(api.ErrActiveSession),
		Signed:    refuse(api.ErrAlreadySigned),
		Expired:   to(Cancelled),
		Cancelled: refuse(api.ErrAlreadyCancelled),
	},
	ActResult: {
		Created:   refuse(api.ErrNotSigned),
		Locked:    refuse(api.ErrNotSigned),
		Session:   refuse(api.ErrNotSigned),
		Sealing:   refuse(api.ErrNotSigned),
		Signed:    to(Signed), // for an hour; then SIGNED_ACCESS_EXPIRED
		Expired:   refuse(api.ErrExpired),
		Cancelled: refuse(api.ErrCancelled),
	},
}

// endSession is the row of the two ways in which people end a session without a signature.
var endSession = map[State]cell{
	Created:   refuse(api.ErrNoActiveSession),
	Locked:    refuse(api.ErrNoActiveSession),
	Session:   to(fallback),
	Sealing:   refuse(api.ErrSigning),
	Signed:    refuse(api.ErrAlreadySigned),
	Expired:   refuse(api.ErrExpired),
	Cancelled: refuse(api.ErrCancelled),
}
