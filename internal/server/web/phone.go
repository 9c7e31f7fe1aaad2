package web

import (
	"net/url"
	"path"
	"strings"
	"time"
)

// Phone is one enrolled device of a person.
type Phone struct {
	ID          string
	Name        string
	EnrolledAt  time.Time
	Certificate Certificate
	// Revoked says that the device can no longer approve.
	Revoked bool
}

// PendingRequest is a sign session that waits for the person's approval.
type PendingRequest struct {
	Party    Party
	Document string
	// URL is /phone/sign/{request_id}/{session}.
	URL    string
	EndsAt time.Time
}

// PhoneHome is the phone's first page. The browser knows which of the devices it
// is (the key is in IndexedDB) and marks it; "Remove" posts
// phone_id to /phone/revoke.
type PhoneHome struct {
	// Account is the signed-in person, or nil when nobody is: then the page
	// offers to log in (link to LoginURL).
	Account  *Person
	LoginURL string
	Phones   []Phone
	Requests []PendingRequest
	// CanRevoke shows the "Remove" buttons.
	CanRevoke bool
}

func (p PhoneHome) meta() meta {
	return meta{template: "phone_home", title: "phone.home.title", shell: shellPhone, script: "phone", login: true}
}

// PhoneEnrol makes a key on this device and has it certified. Only for a
// signed-in person; its script calls /phone/api/enrol/start and
// /phone/api/enrol.
type PhoneEnrol struct {
	Account Person
	// Next is the path to go to afterwards, such as /phone/sign/...; "" means
	// /phone/. Anything but a path of the phone is ignored.
	Next string
	// Name is the suggested name of the device; the browser fills one in when
	// it is empty.
	Name string
}

// NextPath is Next if it is safe to follow, else the phone's home.
func (p PhoneEnrol) NextPath() string {
	u, err := url.Parse(p.Next)
	if err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(path.Clean(u.Path), "/phone/") {
		return "/phone/"
	}
	return u.RequestURI()
}

func (p PhoneEnrol) meta() meta {
	return meta{template: "phone_enrol", title: "phone.enrol.title", shell: shellPhone, script: "phone"}
}

// PhoneApprove is the approval page. Its script asks for the challenge at
// /phone/api/sign/{request_id}/{session}/challenge, shows what is to be signed and
// posts the answer; the page itself holds nothing secret.
type PhoneApprove struct {
	Account   Person
	RequestID string
	Session   string
}

// API is the URL prefix of the session's calls.
func (p PhoneApprove) API() string {
	return "/phone/api/sign/" + url.PathEscape(p.RequestID) + "/" + url.PathEscape(p.Session)
}

// Problems are the codes that the page has texts for.
func (p PhoneApprove) Problems() []string { return phoneProblems() }

// PortalURL is the request's portal page: the way back for a person who opened the
// session on this device.
func (p PhoneApprove) PortalURL() string { return Summary{ID: p.RequestID}.Path("") }

// EnrolURL is where a device without a key is sent, and comes back from.
func (p PhoneApprove) EnrolURL() string {
	next := "/phone/sign/" + url.PathEscape(p.RequestID) + "/" + url.PathEscape(p.Session)
	return "/phone/enrol?next=" + url.QueryEscape(next)
}

func (p PhoneApprove) meta() meta {
	return meta{template: "phone_approve", title: "phone.approve.title", shell: shellPhone, script: "phone"}
}

// PhoneProblem is one plain page for a request that cannot be approved (any
// more).
type PhoneProblem struct {
	// Code is the error code, such as REQUEST_CANCELLED; an unknown one gives
	// the general page.
	Code string
	// Party is the relying party, when it is known.
	Party Party
}

// phoneProblems are the codes that have texts of their own.
func phoneProblems() []string {
	return []string{
		"REQUEST_CANCELLED", "REQUEST_EXPIRED", "NO_ACTIVE_SESSION", "NO_ACCESS",
		"DOCUMENT_ALREADY_SIGNED", "PHONE_NOT_ENROLLED", "OFFLINE", "UNSUPPORTED", "GENERAL",
	}
}

// Key is the code whose texts are shown.
func (p PhoneProblem) Key() string {
	for _, c := range phoneProblems() {
		if c == p.Code {
			return c
		}
	}
	return "GENERAL"
}

func (p PhoneProblem) meta() meta {
	return meta{template: "phone_problem", title: "phone.problem." + p.Key() + ".title", shell: shellPhone, script: "phone"}
}
