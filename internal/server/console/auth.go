package console

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"path"
	"strings"
	"time"
	"unicode"

	"github.com/signet-sign/signet/internal/server/security"
)

// MinPassword is the length in bytes of the shortest password that the configuration may set. With
// one guess per [penalty], a password of this length cannot be guessed.
const MinPassword = 16

// penalty is how long the answer to a wrong password takes. Wrong passwords are answered one at a
// time; requests with the right password are not delayed.
const penalty = 300 * time.Millisecond

// guard requires a password by HTTP Basic authentication (RFC 7617). Operators choose their user
// names, which the trail records. All operators share one password, so a user name proves nothing.
func (c *Console) guard(next http.Handler) http.Handler {
	if c.Password == "" {
		return next
	}
	want := sha256.Sum256([]byte(c.Password))
	turn := make(chan struct{}, 1)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, ok := r.BasicAuth()
		got := sha256.Sum256([]byte(password))
		if ok && subtle.ConstantTimeCompare(got[:], want[:]) == 1 && operatorName(user) != "" {
			if file := path.Base(r.URL.Path); r.Method != http.MethodGet || file == evidenceFile ||
				file == auditFile {
				security.Note(r.Context(), security.Event{
					Action: security.Console, Actor: operatorName(user), Method: "password",
				})
			}
			next.ServeHTTP(w, r)
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
			security.Note(r.Context(), security.Event{
				Action: security.ConsoleLogin, Actor: operatorName(user), Method: "password",
				Reason: "wrong name or password", Failed: true,
			})
		}
		h := w.Header()
		h.Set("WWW-Authenticate", `Basic realm="Signet console", charset="UTF-8"`)
		h.Set("Cache-Control", "no-store")
		http.Error(
			w,
			"Log in with a name of your choice, which the trail will show, and the console's password.",
			http.StatusUnauthorized,
		)
	})
}

// operator returns the name of the operator who made the request.
func (c *Console) operator(r *http.Request) string {
	if user, _, ok := r.BasicAuth(); ok && c.Password != "" {
		return operatorName(user)
	}
	return "console"
}

// operatorName returns a user name without unprintable characters, of at most 64 bytes. It returns
// "" if nothing is left.
func operatorName(user string) string {
	const most = 64
	user = strings.TrimSpace(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(user, "")))
	if len(user) > most {
		user = strings.ToValidUTF8(user[:most], "")
	}
	return user
}
