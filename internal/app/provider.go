package app

import (
	"net/http"
	"strings"
)

// toProvider reaches the identity provider. In a sandbox its calls go directly to the handler, so
// that they work whatever the public URL is.
func (a *App) toProvider(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		if strings.HasPrefix(r.URL.String(), a.Config.PublicURL+"/") {
			return serveLocally(a.handler, r)
		}
		return next.RoundTrip(r)
	})
}
