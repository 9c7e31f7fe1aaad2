package phone

import (
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/signet-sign/signet/internal/server/login"
	"github.com/signet-sign/signet/internal/server/ui"
)

// Device is one enrolled device of a person.
type Device struct {
	ID          string
	Name        string
	EnrolledAt  time.Time
	Certificate ui.Certificate
	// Revoked says that the device can no longer approve.
	Revoked bool
}

// Home is the phone's first page. The browser knows which of the devices it
// is (the key is in IndexedDB) and marks it; "Remove" asks once more and posts
// phone_id to /phone/revoke, "Rename" posts phone_id and name to /phone/rename.
//
// It lists no requests that wait: what a phone is asked to sign comes only by the
// code on the signer's own screen, so that nobody can put a request in front of
// a person who is looking at none.
type Home struct {
	// Account is the signed-in person, or nil when nobody is: then the page
	// offers to log in (link to LoginURL).
	Account  *ui.Person
	LoginURL string
	Phones   []Device
	// Removed is the name of the phone that was removed just now, Renamed of the one that was
	// renamed, or "".
	Removed, Renamed string
}

// Active are the phones that can approve.
func (p Home) Active() []Device { return p.phones(false) }

// Gone are the phones that were removed.
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
		Login: true,
	}
}

// Enrol makes a key on this device and has it certified. Only for a
// signed-in person; its script calls /phone/api/enrol/start and
// /phone/api/enrol.
type Enrol struct {
	Account ui.Person
	// Next is the path to go to afterwards, such as /phone/sign/...; "" means
	// /phone/. Anything but a path of the phone is ignored.
	Next string
	// Name is the suggested name of the device; the browser fills one in when
	// it is empty.
	Name string
	// Session is the end of the sign session that waits for this phone behind Next, in Unix
	// milliseconds, or 0. The page says when it is over before the phone is ready.
	Session int64
}

// Request is the sign request that Next is about, or nil. Its public state is followed.
func (p Enrol) Request() *ui.Summary {
	id, ok := strings.CutPrefix(p.NextPath(), "/phone/sign/")
	if !ok || p.Session == 0 || id == "" || strings.ContainsAny(id, "/?") {
		return nil
	}
	return &ui.Summary{ID: id}
}

// Ends are the ways in which the session can be over meanwhile.
func (p Enrol) Ends() []string {
	if p.Request() == nil {
		return nil
	}
	return []string{
		"REQUEST_CANCELLED",
		"REQUEST_EXPIRED",
		"OTHER_PHONE",
		"REPLACED",
		"TIMED_OUT",
		"LEFT",
		"FAILED",
		"rejected",
	}
}

// NextPath is Next if it is safe to follow, else the phone's home.
func (p Enrol) NextPath() string {
	u, err := url.Parse(p.Next)
	if err != nil || u.IsAbs() || u.Host != "" ||
		!strings.HasPrefix(path.Clean(u.Path), "/phone/") {
		return "/phone/"
	}
	return u.RequestURI()
}

func (p Enrol) Meta() ui.Meta {
	return ui.Meta{
		Template: "phone_enrol", Title: "phone.enrol.title", Shell: ui.ShellPhone, Script: "phone",
		Login: true,
	}
}

// Approve is the approval page. Its script asks for the challenge at
// /phone/sign/{request_id}/challenge, checks and shows what is to be signed and
// posts the answer; the page itself holds nothing secret.
type Approve struct {
	Account   ui.Person
	RequestID string
	// Party is the relying party, once the phone is known to be the signer's.
	Party ui.Party
	// Step is what the page begins with: "" asks for the challenge; "approved",
	// "signed", "rejected" and the codes of Problems say that the person's part is over.
	Step string
	// Here says that this browser came from the portal and goes back there.
	Here bool
}

// Problems are the codes that the page has texts for.
func (p Approve) Problems() []string { return phoneProblems() }

// ScanNext says that reading a fresh code is what solves the problem.
func (p Approve) ScanNext(code string) bool { return scanNext(code) }

// First is the step that is shown before the script runs.
func (p Approve) First() string {
	if p.Step == "" {
		return "loading"
	}
	return p.Step
}

// PortalURL is the request's portal page: the way back for a person who opened the
// session on this device.
func (p Approve) PortalURL() string { return ui.Summary{ID: p.RequestID}.Path("") }

// Path is the page itself, and the prefix of its calls.
func (p Approve) Path() string { return login.PhonePath(p.RequestID) }

// DocumentURL is where the viewer finds the document that is to be signed.
func (p Approve) DocumentURL() string { return p.Path() + "/prepared" }

// EnrolURL is where a device without a key is sent, and comes back from.
func (p Approve) EnrolURL() string { return "/phone/enrol?next=" + url.QueryEscape(p.Path()) }

func (p Approve) Meta() ui.Meta {
	return ui.Meta{
		Template: "phone_approve", Title: "phone.approve.title", Shell: ui.ShellPhone,
		Script: "phone", Login: true, Viewer: true,
	}
}

// Scan reads a QR code inside the app. The camera starts when the person asks for it.
type Scan struct {
	// Why is the problem that a fresh code solves here and now, STALE_CODE or NOT_SCANNED, or "". A
	// phone's own camera app is slow for a code that changes every second: this page reads it in a
	// moment.
	Why string
}

func (p Scan) Meta() ui.Meta {
	return ui.Meta{
		Template: "phone_scan", Title: "phone.scan.title", Shell: ui.ShellPhone, Script: "phone",
	}
}

// Offline is kept by the service worker and shown when there is no connection.
type Offline struct{}

func (p Offline) Meta() ui.Meta {
	return ui.Meta{
		Template: "phone_offline", Title: "phone.offline.title", Shell: ui.ShellPhone,
		Script: "phone",
	}
}

// Problem is one plain page for a request that cannot be approved (any
// more).
type Problem struct {
	// Code is the error code, such as REQUEST_CANCELLED; an unknown one gives
	// the general page.
	Code string
	// Party is the relying party, when it is known.
	Party ui.Party
}

// phoneProblems are the codes that have texts of their own.
func phoneProblems() []string {
	return []string{
		"REQUEST_CANCELLED", "REQUEST_EXPIRED", "NO_ACTIVE_SESSION", "NO_ACCESS",
		"DOCUMENT_ALREADY_SIGNED", "PHONE_NOT_ENROLLED", "OFFLINE", "UNSUPPORTED", "GENERAL",
		"STALE_CODE", "NOT_SCANNED", "REPLACED", "TIMED_OUT", "LEFT", "FAILED", "OTHER_PHONE",
		"MISMATCH",
	}
}

// Key is the code whose texts are shown.
func (p Problem) Key() string {
	for _, c := range phoneProblems() {
		if c == p.Code {
			return c
		}
	}
	return "GENERAL"
}

// Scan says that reading a code is the next step.
func (p Problem) Scan() bool { return scanNext(p.Key()) }

// scanNext are the problems that a fresh code solves.
func scanNext(code string) bool {
	switch code {
	case "NO_ACTIVE_SESSION",
		"STALE_CODE",
		"NOT_SCANNED",
		"REPLACED",
		"TIMED_OUT",
		"LEFT",
		"FAILED":
		return true
	}
	return false
}

func (p Problem) Meta() ui.Meta {
	return ui.Meta{
		Template: "phone_problem", Title: "phone.problem." + p.Key() + ".title",
		Shell: ui.ShellPhone, Script: "phone",
	}
}
