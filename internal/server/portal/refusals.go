package portal

import (
	"time"

	"github.com/signet-sign/signet/internal/server/httpx"
	"github.com/signet-sign/signet/internal/server/ui"
)

// NoAccess is the page for a person who may not see the document: not the person whom the relying
// party named, or not the first who opened it. Its only action is "Leave Sign Portal", which posts
// to /sign/{id}/leave. Its Document is empty and the template does not show it, because the name of
// a document can be confidential too.
type NoAccess struct {
	ui.Summary
	Signer ui.Person
	// Intended says that the relying party named another person; otherwise another person opened
	// the request first.
	Intended bool
}

func (p NoAccess) Meta() ui.Meta {
	return ui.Meta{
		Template: "no_access",
		Title:    "noaccess.title",
		Shell:    ui.ShellPortal,
		Script:   "portal",
		Login:    true, Waiting: p.Signer.Waiting,
		Targets: p.Targets(),
	}
}

// LinkInvalid is the page for a link that Signet does not know. It is the same for every cause, so
// that guessing a link reveals nothing.
type LinkInvalid struct{}

func (p LinkInvalid) Meta() ui.Meta {
	return ui.Meta{
		Template: "link_invalid",
		Title:    "link.title",
		Shell:    ui.ShellPortal,
		Script:   "portal",
	}
}

// Home is the first page of a service.
type Home struct{}

func (p Home) Meta() ui.Meta {
	return ui.Meta{
		Template: "home", Title: "home.title", Shell: ui.ShellPortal, Script: "portal",
	}
}

// Cancelled is the page of a request that the relying party cancelled.
type Cancelled struct {
	ui.Summary
	// At is the time of the cancel.
	At time.Time
	// Signer is the person who is logged in, or nil.
	Signer *ui.Person
}

func (p Cancelled) Meta() ui.Meta {
	return ui.Meta{
		Template: "cancelled", Title: "cancelled.title", Args: []any{p.Party.Name},
		Shell:  ui.ShellPortal,
		Script: "portal", Targets: p.Targets(), Waiting: p.Signer.WaitingPhones(),
	}
}

// AlreadySigned is the page of a signed request for a person who is not logged
// in as its signer.
type AlreadySigned struct {
	ui.Summary
	SignedAt time.Time
	// CanLogin offers a login to see the signed document (post to /sign/{id}/login).
	CanLogin bool
}

func (p AlreadySigned) Meta() ui.Meta {
	return ui.Meta{
		Template: "already_signed", Title: "already.title", Shell: ui.ShellPortal,
		Script: "portal", Targets: p.Targets(), Login: true,
	}
}

// Expired is the page of an expired request. The page follows Live, because an expired request can
// still be cancelled.
type Expired struct {
	ui.Summary
	Live httpx.Live
	// Signer is the person who is logged in, or nil.
	Signer *ui.Person
}

func (p Expired) Meta() ui.Meta {
	return ui.Meta{
		Template: "expired", Title: "expired.title", Shell: ui.ShellPortal,
		Script: "portal", Live: p.Follow(p.Live), Targets: p.Targets(),
		Waiting: p.Signer.WaitingPhones(),
	}
}

// LoginFailed is the page for a login that failed at the identity provider. "Try again" posts to
// /sign/{id}/login if Summary.ID is set; otherwise the page only explains the failure.
type LoginFailed struct {
	ui.Summary
	// Denied says that the person declined the login, Unavailable that the provider does not
	// answer.
	Denied, Unavailable bool
	// RetryURL is the link of "Try again" if there is no request, such as /phone/. It may be empty.
	RetryURL string
}

func (p LoginFailed) Meta() ui.Meta {
	return ui.Meta{
		Template: "login_failed",
		Title:    "login.failed.title",
		Shell:    ui.ShellPortal,
		Script:   "portal",
		Targets:  p.Targets(),
		Login:    true,
	}
}
