package login

import (
	"net/http"
	"net/url"
	"time"

	"github.com/signet-sign/signet/internal/server/httpx"
)

// Grant says that a browser may take part in a sign session, because it scanned a fresh QR code or
// the signer is logged in to the portal in it. It is stored in a sealed cookie only, so that a
// forwarded link gives no access, and reloading a page keeps access.
type Grant struct {
	Request string `json:"request"`
	Session string `json:"session"`
	// The person opened the session from the portal in this browser, and returns there.
	Here bool `json:"here"`
}

const grantCookie = "signet_session"

// grantAge is longer than a session lives, so that the page can still show its outcome afterwards.
const grantAge = time.Hour

// SetGrant stores a grant in the browser, which with https keeps the five newest.
func (l *Login) SetGrant(w http.ResponseWriter, r *http.Request, g Grant) {
	l.setScoped(w, r, grantCookie, l.Seal("grant", g), PhonePath(g.Request), grantAge)
}

// GrantOf returns the browser's grant for a request.
func (l *Login) GrantOf(r *http.Request, requestID string) (Grant, bool) {
	for _, c := range httpx.Cookies(r, grantCookie, PhonePath(requestID), l.c.PublicURL) {
		var g Grant
		if l.Open(c.Value, "grant", &g) && g.Request == requestID {
			return g, true
		}
	}
	return Grant{}, false
}

// PhonePath returns the path of a request's phone page, which is also the prefix of its calls.
func PhonePath(requestID string) string { return "/phone/sign/" + url.PathEscape(requestID) }
