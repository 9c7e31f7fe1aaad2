package phone

import (
	"cmp"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/signet-sign/signet/internal/server/login"
	"github.com/signet-sign/signet/internal/server/ui"
)

// Device is one enrolled phone of a person.
type Device struct {
	ID          string
	Name        string
	EnrolledAt  time.Time
	Certificate ui.Certificate
	// Revoked says that the phone can no longer approve.
	Revoked bool
	// Waiting says that the device cannot approve yet.
	Waiting bool
	// Leaving says that it is being removed, and can approve until the announced time.
	Leaving bool
}

// Home is the phone's first page. The script recognises and marks this device by its key in
// IndexedDB. "Remove" asks for confirmation and posts phone_id to /phone/revoke; "Rename" posts
// phone_id and name to /phone/rename.
//
// The page lists no pending requests. A phone gets a request only by the code on the signer's own
// screen, so no other party can show a request to a person who did not ask for it.
type Home struct {
	// Account is the person who is logged in. If it is nil, the page links to LoginURL.
	Account  *ui.Person
	LoginURL string
	Phones   []Device
	// Removed and Renamed are the name of the phone that was just removed or renamed, or "".
	Removed, Renamed string
	// Stopped is the name of the phone that was stopped just now, Approved of the one that this
	// phone approved, or "".
	Stopped, Approved string
	// Kept is the name of the phone whose removal was stopped, or "".
	Kept string
	// Delayed says that a removal is announced for a time before it is done.
	Delayed bool
	// Waiting announces phones that wait, or is nil.
	Waiting *ui.Waiting
}

// Active returns the phones that can approve, now or after their wait.
func (p Home) Active() []Device { return p.phones(false) }

// Gone returns the phones that were removed.
func (p Home) Gone() []Device { return p.phones(true) }

func (p Home) phones(revoked bool) []Device {
	var some []Device
	for _, ph := range p.Phones {
		if ph.Revoked == revoked {
			some = append(some, ph)
		}
	}
	return some
}

func (p Home) Meta() ui.Meta {
	return ui.Meta{
		Template: "phone_home", Title: "phone.home.title", Shell: ui.ShellPhone, Script: "phone",
		Login: true, Waiting: p.Waiting,
	}
}

// Enrol is the page that creates a key on this device and gets a certificate for it. It requires a
// login. Its script calls /phone/api/enrol/start and /phone/api/enrol.
type Enrol struct {
	Account ui.Person
	// Next is the path of the phone page that follows, such as /phone/sign/...; "" means /phone/.
	// Other paths are ignored.
	Next string
	// Name is the suggested name of the device. If it is empty the script suggests one.
	Name string
	// Session is the end in Unix milliseconds of the sign session that Next leads to, or 0. The
	// page says so if the session ends before the phone is enrolled.
	Session int64
}

// Request is the sign request that Next leads to, or nil. The page follows its public state.
func (p Enrol) Request() *ui.Summary {
	id, ok := strings.CutPrefix(p.NextPath(), "/phone/sign/")
	if !ok || p.Session == 0 || id == "" || strings.ContainsAny(id, "/?") {
		return nil
	}
	return &ui.Summary{ID: id}
}

// NextPath returns Next if it is safe to follow, and the phone's home page otherwise.
func (p Enrol) NextPath() string { return ownPath(p.Next) }

func (p Enrol) Meta() ui.Meta {
	return ui.Meta{
		Template: "phone_enrol", Title: "phone.enrol.title", Shell: ui.ShellPhone, Script: "phone",
		Login: true, Waiting: p.Account.Waiting,
	}
}

// Approve is the approval page. Its script fetches the challenge from
// /phone/sign/{request_id}/challenge, checks and shows the document, and posts the answer. The page
// contains no secret.
type Approve struct {
	Account   ui.Person
	RequestID string
	// Party is the relying party. It is set only after the phone is known to belong to the signer.
	Party ui.Party
	// Warnings are the kinds of content of the document that the person is warned of.
	Warnings []string
	// Step is the first step of the page. "" fetches the challenge; all others say that the person
	// has nothing more to do.
	Step Step
	// Here says that this browser came from the portal and returns to it.
	Here bool
}

// First returns the step that is shown before the script runs.
func (p Approve) First() Step { return cmp.Or(p.Step, StepLoading) }

// PortalURL returns the URL of the request's portal page, for a person who opened the session on
// this device.
func (p Approve) PortalURL() string { return ui.Summary{ID: p.RequestID}.Path("") }

// Path returns the path of the page, which is also the prefix of its calls.
func (p Approve) Path() string { return login.PhonePath(p.RequestID) }

// DocumentURL returns the URL of the document to sign, for the viewer.
func (p Approve) DocumentURL() string { return p.Path() + "/prepared" }

// EnrolURL returns the URL that enrols a device without a key and then returns here.
func (p Approve) EnrolURL() string { return "/phone/enrol?next=" + url.QueryEscape(p.Path()) }

func (p Approve) Meta() ui.Meta {
	return ui.Meta{
		Template: "phone_approve", Title: "phone.approve.title", Shell: ui.ShellPhone,
		Script: "phone", Login: true, Waiting: p.Account.Waiting,
	}
}

// Scan is the page that reads a QR code with the camera. The camera starts when the person asks for
// it.
type Scan struct {
	// Why is the problem that a fresh code solves, STALE_CODE or NOT_SCANNED, or "". The code
	// changes every second, and a phone's own camera app is often slower than that; this page is
	// not.
	Why Step
	// Waiting announces phones that wait, or is nil.
	Waiting *ui.Waiting
	// Account is the person who is logged in, or nil.
	Account *ui.Person
}

func (p Scan) Meta() ui.Meta {
	return ui.Meta{
		Template: "phone_scan", Title: "phone.scan.title", Shell: ui.ShellPhone, Script: "phone",
		Waiting: p.Waiting, Login: p.Account != nil,
	}
}

// Offline is the page that the service worker keeps and shows if there is no connection.
type Offline struct{}

func (p Offline) Meta() ui.Meta {
	return ui.Meta{
		Template: "phone_offline", Title: "phone.offline.title", Shell: ui.ShellPhone,
		Script: "phone",
	}
}

// Problem is the page for a request that cannot be approved.
type Problem struct {
	// Code is the error code, such as REQUEST_CANCELLED. An unknown code shows the general page.
	Code string
	// Party is the relying party, or zero if it is not known.
	Party ui.Party
	// Account is the person who is logged in, or nil.
	Account *ui.Person
}

// Key returns the code whose texts are shown.
func (p Problem) Key() Step {
	if s := Step(p.Code); slices.Contains(problems(), s) {
		return s
	}
	return StepGeneral
}

// Scan reports whether scanning a code is the next step.
func (p Problem) Scan() bool { return scanNext(p.Key()) }

func (p Problem) Meta() ui.Meta {
	return ui.Meta{
		Template: "phone_problem", Title: "phone.problem." + string(p.Key()) + ".title",
		Shell: ui.ShellPhone, Script: "phone", Login: p.Account != nil,
	}
}
