package console

import (
	"time"

	"github.com/signet-sign/signet/internal/server/ui"
)

// SessionsPage is the page of operators' sessions, newest request first. Each form posts a
// session's ID to /console/sessions/end.
type SessionsPage struct {
	Login      bool   // operators log in by OpenID Connect
	Name, Role string // of the operator who looks
	LoggedIn   bool   // with a session, which a post to /console/logout ends
	MayEnd     bool
	Sessions   []SessionRow
}

// SessionRow is one session. Address and Browser are those of its login.
type SessionRow struct {
	ID, Name, Role   string
	Begun, Seen      time.Time
	Address, Browser string
}

func (p SessionsPage) Meta() ui.Meta {
	return consoleMeta("console_sessions", "console.sessions.title")
}

// LoggedOut is the page after a log-out.
type LoggedOut struct{}

func (p LoggedOut) Meta() ui.Meta {
	return consoleMeta("console_logged_out", "console.loggedout.title")
}

// TokenPage shows the secret of a session for the command line, once.
type TokenPage struct {
	Token, Role string
	Ends        time.Time
}

func (p TokenPage) Meta() ui.Meta {
	return consoleMeta("console_token", "console.token.title")
}
