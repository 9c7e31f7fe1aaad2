package web

import "time"

// NoAccess is shown to a person who may not see the document: not the one whom
// the relying party named, or not the first who opened it. The only way on is
// "Leave Sign Portal" (post to /sign/{id}/leave). Document stays empty in it:
// the name of a document can be a secret too, and the template does not show it.
type NoAccess struct {
	Summary
	Signer Person
	// Intended says that the relying party named another person; otherwise another person came first.
	Intended bool
}

func (p NoAccess) meta() meta {
	return meta{template: "no_access", title: "noaccess.title", shell: shellPortal, script: "portal", targets: p.targets()}
}

// LinkInvalid is the one page for a link that Signet does not know, so that a
// guess learns nothing.
type LinkInvalid struct{}

func (p LinkInvalid) meta() meta {
	return meta{template: "link_invalid", title: "link.title", shell: shellPortal, script: "portal"}
}

// Cancelled tells that the relying party cancelled the request, and when.
type Cancelled struct {
	Summary
	// At is the time of the cancel.
	At time.Time
}

func (p Cancelled) meta() meta {
	return meta{
		template: "cancelled", title: "cancelled.title", args: []any{p.Party.Name}, shell: shellPortal,
		script: "portal", targets: p.targets(),
	}
}

// AlreadySigned is the page of a signed request for a person who is not logged
// in as its signer.
type AlreadySigned struct {
	Summary
	SignedAt time.Time
	// CanLogin offers the signer to log in and see the signed document (post to
	// /sign/{id}/login).
	CanLogin bool
}

func (p AlreadySigned) meta() meta {
	return meta{
		template: "already_signed", title: "already.title", shell: shellPortal,
		script: "portal", targets: p.targets(), login: true,
	}
}

// Expired tells that the time to sign has passed. Live is followed because an
// expired request can still be cancelled.
type Expired struct {
	Summary
	Live Live
}

func (p Expired) meta() meta {
	return meta{
		template: "expired", title: "expired.title", shell: shellPortal,
		script: "portal", live: p.follow(p.Live), targets: p.targets(),
	}
}

// LoginFailed tells that the identity provider's login did not work out. Trying
// again posts to /sign/{id}/login when Summary.ID is set; without it the page only
// explains.
type LoginFailed struct {
	Summary
	// Denied says that the person declined the login, rather than that it
	// failed.
	Denied bool
	// RetryURL is where "Try again" leads by GET when there is no request, such
	// as /phone/. May be empty.
	RetryURL string
}

func (p LoginFailed) meta() meta {
	return meta{template: "login_failed", title: "login.failed.title", shell: shellPortal, script: "portal", targets: p.targets(), login: true}
}

// HTTPError is the page for a plain HTTP error.
type HTTPError struct {
	// Status is the HTTP status, 400 to 599.
	Status int
	// Reference names the log line, to be quoted to the operator. May be empty.
	Reference string
	// RetryURL is a path at which trying again makes sense, or "".
	RetryURL string
}

func (p HTTPError) meta() meta {
	return meta{template: "http_error", title: p.TitleKey(), shell: shellPortal, script: "portal"}
}

// TitleKey is the message that names the error.
func (p HTTPError) TitleKey() string { return p.key() + ".title" }

// TextKey is the message that explains the error.
func (p HTTPError) TextKey() string { return p.key() + ".text" }

func (p HTTPError) key() string {
	switch p.Status {
	case 403:
		return "error.403"
	case 404, 410:
		return "error.404"
	case 405:
		return "error.405"
	case 413:
		return "error.413"
	case 429:
		return "error.429"
	case 503:
		return "error.503"
	}
	if p.Status >= 400 && p.Status < 500 {
		return "error.400"
	}
	return "error.500"
}
