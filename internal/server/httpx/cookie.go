package httpx

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"time"
)

// CookieName returns the name of a cookie for path. With https it has the prefix "__Host-" (RFC
// 6265bis): neither a sibling domain nor a page without https can set such a cookie, beside the
// service's own or in its place. Browsers send it with requests for all paths, so the name for a
// path other than "/" ends with a hash of it. Without https the name has no prefix, because
// browsers would reject the cookie.
func CookieName(name, path, publicURL string) string {
	switch {
	case !isHTTPS(publicURL):
		return name
	case path == "/":
		return "__Host-" + name
	}
	sum := sha256.Sum256([]byte(path))
	return "__Host-" + name + "_" + hex.EncodeToString(sum[:8])
}

// Cookies returns the cookies of a request with the name of [CookieName], the first five of them.
// With https browsers have one. Without, other paths of the host may have set more, and to judge
// one may take a query of the database; a header has space for 3,000.
func Cookies(r *http.Request, name, path, publicURL string) []*http.Cookie {
	const most = 5
	all := r.CookiesNamed(CookieName(name, path, publicURL))
	return all[:min(most, len(all))]
}

// DropCookies removes the oldest cookies for all paths whose names begin with prefix from the
// browser, but for four and the one with the name newest. So those that were left do not fill the
// header of every request, of which proxies accept 8 KiB.
func DropCookies(w http.ResponseWriter, r *http.Request, prefix, newest, publicURL string) {
	const others = 4
	var names []string
	for _, c := range r.Cookies() { // browsers send the oldest first
		if strings.HasPrefix(c.Name, prefix) && c.Name != newest {
			names = append(names, c.Name)
		}
	}
	for _, name := range names[:max(0, len(names)-others)] {
		http.SetCookie(w, &http.Cookie{
			Name: name, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode,
			Secure: isHTTPS(publicURL), MaxAge: -1,
		})
	}
}

// NewCookie returns a cookie of the service at publicURL for path, which has another path if the
// name does (see [CookieName]). age is how long the browser keeps it; a
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
	if c.Secure {
		c.Path = "/"
	}
	return c
}

func isHTTPS(url string) bool { return strings.HasPrefix(url, "https://") }
