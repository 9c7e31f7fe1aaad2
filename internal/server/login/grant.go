package login

import (
	"net/http"
	"net/url"
	"time"
)

// Grant says that a browser was let into a sign session: it read a fresh QR code, or it is the one
// in which the signer is logged in at the portal. It travels in a sealed cookie only, so that a
// link that is sent on takes nobody along, and a reload keeps it.
type Grant struct {
	Request string `json:"request"`
	Session string `json:"session"`
	// opened from the portal in this browser, which waits to have the signer back
	Here bool `json:"here"`
}

const grantCookie = "signet_session"

// grantAge is longer than a session lives: afterwards the page still says what became of it.
const grantAge = time.Hour

// SetGrant gives a browser its grant.
func (l *Login) SetGrant(w http.ResponseWriter, g Grant) {
	http.SetCookie(w, l.cookie(grantCookie, l.Seal("grant", g), PhonePath(g.Request), grantAge))
}

// GrantOf reads the browser's grant for a request.
func (l *Login) GrantOf(r *http.Request, requestID string) (Grant, bool) {
	for _, c := range r.CookiesNamed(l.name(grantCookie, PhonePath(requestID))) {
		var g Grant
		if l.Open(c.Value, "grant", &g) && g.Request == requestID {
			return g, true
		}
	}
	return Grant{}, false
}

// PhonePath is the phone's page of a request, and the prefix of its calls.
func PhonePath(requestID string) string { return "/phone/sign/" + url.PathEscape(requestID) }
