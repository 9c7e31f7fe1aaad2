package httpx

import (
	"net/http"
	"strings"
	"time"
)

// CookieName returns the name of a cookie for path, with the prefix of RFC 6265bis that binds it to
// https: "__Host-" if the cookie is for the whole host, "__Secure-" otherwise. Neither a sibling
// domain nor a page without https can set a "__Host-" cookie. Without https the name has no prefix,
// because browsers would reject the cookie.
func CookieName(name, path, publicURL string) string {
	switch {
	case !isHTTPS(publicURL):
		return name
	case path == "/":
		return "__Host-" + name
	}
	return "__Secure-" + name
}

// Cookies returns the cookies of a request with the name of [CookieName], the first five of them. A
// sibling domain can set others beside the service's own, and to judge one may take a query of the
// database; a header has space for 3,000.
func Cookies(r *http.Request, name, path, publicURL string) []*http.Cookie {
	const most = 5
	all := r.CookiesNamed(CookieName(name, path, publicURL))
	return all[:min(most, len(all))]
}

// NewCookie returns a cookie of the service at publicURL. age is how long the browser keeps it; a
// negative age removes it. SameSite is Lax, because the identity provider and relying parties send
// browsers here by top-level navigation.
func NewCookie(name, value, path, publicURL string, age time.Duration) *http.Cookie {
	c := &http.Cookie{
		Name: CookieName(name, path, publicURL), Value: value, Path: path, HttpOnly: true,
		SameSite: http.SameSiteLaxMode, Secure: isHTTPS(publicURL), MaxAge: int(age.Seconds()),
	}
	if age < 0 {
		c.MaxAge = -1
	}
	return c
}

func isHTTPS(url string) bool { return strings.HasPrefix(url, "https://") }
