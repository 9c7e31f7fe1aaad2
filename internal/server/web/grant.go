package web

import (
	"net/http"
	"net/url"
	"time"
)

// Grant says that a browser was let into a sign session: it read a fresh QR code, or it is the one in which the signer is logged
// in at the portal. It travels in a sealed cookie only, so that a link that is sent on takes nobody along, and a reload keeps it.
type Grant struct {
	Request string `json:"request"`
	Session string `json:"session"`
	Here    bool   `json:"here"` // opened from the portal in this browser, which waits to have the signer back
}

// Sealer seals what browsers carry for us.
type Sealer interface {
	Seal(purpose string, v any) string
	Open(text, purpose string, v any) bool
}

const grantCookie = "signet_session"

// grantAge is longer than a session lives: afterwards the page still says what became of it.
const grantAge = time.Hour

// SetGrant gives a browser its grant.
func SetGrant(w http.ResponseWriter, s Sealer, g Grant, secure bool) {
	http.SetCookie(w, &http.Cookie{
		Name: grantCookie, Value: s.Seal("grant", g), Path: PhoneApprove{RequestID: g.Request}.Path(),
		HttpOnly: true, Secure: secure, SameSite: http.SameSiteLaxMode, MaxAge: int(grantAge.Seconds()),
	})
}

// GrantOf reads the browser's grant for a request.
func GrantOf(r *http.Request, s Sealer, requestID string) (Grant, bool) {
	for _, c := range r.CookiesNamed(grantCookie) {
		var g Grant
		if s.Open(c.Value, "grant", &g) && g.Request == requestID {
			return g, true
		}
	}
	return Grant{}, false
}

// Path is the phone's page of the request, and the prefix of its calls.
func (p PhoneApprove) Path() string { return "/phone/sign/" + url.PathEscape(p.RequestID) }
