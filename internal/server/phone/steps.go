package phone

import (
	"slices"

	"github.com/signet-sign/signet/api"
)

//go:generate go run generate.go ../../../web/src/lib/steps.ts

// Step is a part of a phone's page. The page holds all its steps and shows one at a time. Templates
// range over the lists of this file, and the types of the scripts are generated from them.
type Step string

// The steps of the approval page. Those in capitals are problems; where a refusal has the code of a
// problem, the page shows that.
const (
	StepLoading  Step = "loading"
	StepAsk      Step = "ask"
	StepApproved Step = "approved"
	StepSigned   Step = "signed"
	StepRejected Step = "rejected"

	StepCancelled       Step = api.CodeCancelled
	StepExpired         Step = api.CodeExpired
	StepNoActiveSession Step = api.CodeNoActiveSession
	StepNoAccess        Step = api.CodeNoAccess
	StepAlreadySigned   Step = api.CodeAlreadySigned
	StepNotEnrolled     Step = api.CodePhoneNotEnrolled
	StepPhoneWaiting    Step = api.CodePhoneWaiting
	StepOffline         Step = "OFFLINE"
	StepUnsupported     Step = "UNSUPPORTED"
	StepGeneral         Step = "GENERAL"
	StepStaleCode       Step = "STALE_CODE"
	StepNotScanned      Step = "NOT_SCANNED"
	StepReplaced        Step = "REPLACED"
	StepTimedOut        Step = "TIMED_OUT"
	StepLeft            Step = "LEFT"
	StepFailed          Step = "FAILED"
	StepOtherPhone      Step = "OTHER_PHONE"
	StepMismatch        Step = "MISMATCH"
)

// problems are the steps that have the texts phone.problem.*.
func problems() []Step {
	return []Step{
		StepCancelled, StepExpired, StepNoActiveSession, StepNoAccess, StepAlreadySigned,
		StepNotEnrolled, StepPhoneWaiting, StepOffline, StepUnsupported, StepGeneral, StepStaleCode,
		StepNotScanned, StepReplaced, StepTimedOut, StepLeft, StepFailed, StepOtherPhone,
		StepMismatch,
	}
}

// endings are the steps that say how a session ended while a phone was enrolled.
func endings() []Step {
	return []Step{
		StepCancelled, StepExpired, StepOtherPhone, StepReplaced, StepTimedOut, StepLeft,
		StepFailed, StepRejected,
	}
}

// scanNext reports whether scanning a fresh code solves a problem.
func scanNext(s Step) bool {
	return slices.Contains([]Step{
		StepNoActiveSession, StepStaleCode, StepNotScanned, StepReplaced, StepTimedOut, StepLeft,
		StepFailed,
	}, s)
}

// Steps returns the steps of the approval page.
func (p Approve) Steps() []Step {
	own := []Step{StepLoading, StepAsk, StepApproved, StepSigned, StepRejected}
	return append(own, p.Problems()...)
}

// Problems returns the steps that say why nothing can be approved.
func (p Approve) Problems() []Step { return problems() }

// Steps returns the steps of the enrolment page.
func (p Enrol) Steps() []Step { return []Step{"start", "waiting", "done"} }

// Ends returns the notices of the enrolment page about the end of the session that Next leads to.
func (p Enrol) Ends() []Step {
	if p.Request() == nil {
		return nil
	}
	return endings()
}
