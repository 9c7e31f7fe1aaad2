package portal

import (
	"time"

	"github.com/signet-sign/signet/internal/server/httpx"
	"github.com/signet-sign/signet/internal/server/ui"
)

// NoAccess is shown to a person who may not see the document: not the one whom
// the relying party named, or not the first who opened it. The only way on is
// "Leave Sign Portal" (post to /sign/{id}/leave). Document stays empty in it:
// the name of a document can be a secret too, and the template does not show it.
type NoAccess struct {
	ui.Summary
	Signer ui.Person
	// Intended says that the relying party named another person; otherwise another person came
	// first.
	Intended bool
}

func (p NoAccess) Meta() ui.Meta {
	return ui.Meta{
		Template: "no_access",
		Title:    "noaccess.title",
		Shell:    ui.ShellPortal,
		Script:   "portal",
		Login:    true,
		Targets:  p.Targets(),
	}
}

// LinkInvalid is the one page for a link that Signet does not know, so that a
// guess learns nothing.
type LinkInvalid struct{}

func (p LinkInvalid) Meta() ui.Meta {
	return ui.Meta{
		Template: "link_invalid",
		Title:    "link.title",
		Shell:    ui.ShellPortal,
		Script:   "portal",
	}
}

// Cancelled tells that the relying party cancelled the request, and when.
type Cancelled struct {
	ui.Summary
	// At is the time of the cancel.
	At time.Time
}

func (p Cancelled) Meta() ui.Meta {
	return ui.Meta{
		Template: "cancelled", Title: "cancelled.title", Args: []any{p.Party.Name},
		Shell:  ui.ShellPortal,
		Script: "portal", Targets: p.Targets(),
	}
}

// AlreadySigned is the page of a signed request for a person who is not logged
// in as its signer.
type AlreadySigned struct {
	ui.Summary
	SignedAt time.Time
	// CanLogin offers the signer to log in and see the signed document (post to
	// /sign/{id}/login).
	CanLogin bool
}

func (p AlreadySigned) Meta() ui.Meta {
	return ui.Meta{
		Template: "already_signed", Title: "already.title", Shell: ui.ShellPortal,
		Script: "portal", Targets: p.Targets(), Login: true,
	}
}

// Expired tells that the time to sign has passed. Live is followed because an
// expired request can still be cancelled.
type Expired struct {
	ui.Summary
	Live httpx.Live
}

func (p Expired) Meta() ui.Meta {
	return ui.Meta{
		Template: "expired", Title: "expired.title", Shell: ui.ShellPortal,
		Script: "portal", Live: p.Follow(p.Live), Targets: p.Targets(),
	}
}

// LoginFailed tells that the identity provider's login did not work out. Trying
// again posts to /sign/{id}/login when Summary.ID is set; without it the page only
// explains.
type LoginFailed struct {
	ui.Summary
	// Denied says that the person declined the login, rather than that it
	// failed.
	Denied bool
	// RetryURL is where "Try again" leads by GET when there is no request, such
	// as /phone/. May be empty.
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
