package console

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/signet-sign/signet/internal/operator"
	"github.com/signet-sign/signet/internal/server/httpx"
	"github.com/signet-sign/signet/internal/server/security"
	"github.com/signet-sign/signet/internal/signer"
)

// MinPassword is the length in bytes of the shortest password that the configuration may set. With
// one guess per [penalty], a password of this length cannot be guessed.
const MinPassword = 16

// penalty is how long the answer to a wrong password takes. Wrong passwords are answered one at a
// time; requests with the right password are not delayed.
const penalty = 300 * time.Millisecond

// Role is the set of rights of an operator. Each role includes those below it.
type Role int

// The roles.
const (
	NoRole   Role = iota
	Viewer        // see everything but documents, evidence and the audit log
	Operator      // see these too, act on requests, run tests and checks
	Admin         // change relying parties, and end sessions
)

// ParseRole returns the role with a name, or NoRole.
func ParseRole(name string) Role { return Role(slices.Index(roleNames, name)) + 1 }

var roleNames = []string{"viewer", "operator", "admin"}

func (r Role) String() string {
	if r == NoRole {
		return "none"
	}
	return roleNames[r-1]
}

// needs returns the role that a request needs. What is not listed and is no GET needs Admin.
func needs(r *http.Request) Role {
	at := r.URL.Path
	read := r.Method == http.MethodGet || r.Method == http.MethodHead
	is := func(pattern string) bool {
		ok, _ := path.Match(pattern, at)
		return ok
	}
	switch {
	case read && recorded(path.Base(at)):
		return Operator
	case read, at == "/console/logout", at == "/console/sessions/token":
		return Viewer
	case r.Method == http.MethodPost && slices.ContainsFunc(forOperators, is):
		return Operator
	}
	return Admin
}

// forOperators are the paths (path.Match) of what operators may do by POST. They are whole paths,
// because the last segment of another one may be the id of a relying party.
var forOperators = []string{
	"/console/requests/*/*", "/console/webhooks/*", "/console/doctor", "/console/parties/test",
	"/console/party/*/test",
}

// recorded reports whether reading a file is recorded, and needs more than the role of a viewer.
func recorded(file string) bool {
	return file == evidenceFile || file == documentFile || file == auditFile
}

// operatorKey is the key of the operator in the context of a request.
type operatorKey struct{}

// who is the operator of a request.
type who struct {
	name    string
	role    Role
	subject string    // at the identity provider; "" without a login by OpenID Connect
	begun   time.Time // the login; zero without a session
}

func operatorOf(ctx context.Context) who {
	w, ok := ctx.Value(operatorKey{}).(who)
	if !ok {
		return who{name: "console", role: Admin}
	}
	return w
}

// operator returns the name of the operator who made the request.
func (c *Console) operator(r *http.Request) string { return operatorOf(r.Context()).name }

// Guard answers for operators only. They have a session (session.go), whose secret is a cookie or a
// bearer token (RFC 6750), or the password by HTTP Basic
// authentication (RFC 7617) with a user name of their choice, which the trail records. All
// operators share one password, so that user name proves nothing, and everyone who has it is an
// admin.
func (c *Console) Guard(next http.Handler) http.Handler {
	if c.Password == "" && c.Login == nil {
		return next
	}
	want := sha256.Sum256([]byte(c.Password))
	turn := make(chan struct{}, 1)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch s, err := c.sessionOf(r); {
		case err == nil:
			c.serveAs(w, r, who{s.Name, ParseRole(s.Role), s.Subject, s.Begun}, "oidc", next)
			return
		case !errors.Is(err, operator.ErrNoSession):
			c.refuse(w, r, httpx.Fault(w, r, c.Log, "reading an operator's session", err), "")
			return
		}
		user, password, ok := r.BasicAuth()
		if password != "" && c.Failures.Blocked(w, r.RemoteAddr) {
			security.Note(r.Context(), security.Event{
				Action: security.ConsoleLogin, Method: "password",
				Reason: "too many wrong passwords from this address", Failed: true,
			})
			c.refuse(w, r, http.StatusTooManyRequests, "Too many wrong passwords. Wait a minute.")
			return
		}
		got := sha256.Sum256([]byte(password))
		if c.Password != "" && ok && subtle.ConstantTimeCompare(got[:], want[:]) == 1 &&
			operatorName(user) != "" {
			c.serveAs(w, r, who{name: operatorName(user), role: Admin}, "password", next)
			return
		}
		if password != "" {
			select {
			case turn <- struct{}{}:
			case <-r.Context().Done():
				return
			}
			time.Sleep(penalty)
			<-turn
			c.Failures.Count(r.RemoteAddr)
			security.Note(r.Context(), security.Event{
				Action: security.ConsoleLogin, Actor: operatorName(user), Method: "password",
				Reason: "wrong name or password", Failed: true,
			})
		}
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		if c.Login != nil && password == "" &&
			strings.Contains(r.Header.Get("Accept"), "text/html") {
			if r.Method == http.MethodGet {
				http.Redirect(w, r, loginURL(r.URL.RequestURI()), http.StatusSeeOther)
				return
			}
			c.Kit.Error(w, r, http.StatusUnauthorized, "")
			return
		}
		h.Set("WWW-Authenticate", `Basic realm="Signet console", charset="UTF-8"`)
		c.refuse(
			w, r, http.StatusUnauthorized,
			"Log in with a name of your choice, which the trail will show, and the console's password.",
		)
	})
}

// refuse answers a request that does not reach its handler: a call of the API with JSON, others
// with the text, or with a page if there is none.
func (c *Console) refuse(w http.ResponseWriter, r *http.Request, status int, text string) {
	switch {
	case strings.HasPrefix(r.URL.Path, apiBase):
		httpx.WriteJSON(w, status, guardError(status))
	case text != "":
		http.Error(w, text, status)
	default:
		c.Kit.Error(w, r, status, "")
	}
}

// serveAs answers the request of an operator whose role allows it.
func (c *Console) serveAs(
	w http.ResponseWriter, r *http.Request, operator who, method string, next http.Handler,
) {
	if r.Method != http.MethodGet || recorded(path.Base(r.URL.Path)) {
		security.Note(r.Context(), security.Event{
			Action: security.Console, Actor: operator.name, Method: method,
		})
	}
	if need := needs(r); operator.role < need {
		security.Note(r.Context(), security.Event{Reason: "the role is " + operator.role.String()})
		c.refuse(w, r, http.StatusForbidden, "")
		return
	}
	inner := r.WithContext(context.WithValue(r.Context(), operatorKey{}, operator))
	next.ServeHTTP(w, inner)
	r.Pattern = inner.Pattern // for security events
	r.SetPathValue("request_id", inner.PathValue("request_id"))
}

// operatorName returns a user name without unprintable characters and without the number of a
// person, of at most 64 bytes. It returns "" if nothing is left.
func operatorName(user string) string {
	const most = 64
	user = strings.TrimSpace(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, signer.HideUINs(strings.ToValidUTF8(user, ""))))
	if len(user) > most {
		user = strings.ToValidUTF8(user[:most], "")
	}
	return user
}
