package ui

import (
	"net/http"
	"net/url"
	"strings"
)

// setPageHeaders sets the headers of every page.
//
// Referrer-Policy is same-origin and not no-referrer. Neither sends a referrer to another origin,
// but with no-referrer a browser sends "Origin: null" with forms to this origin, which the
// cross-origin check refuses if the browser does not send Sec-Fetch-Site.
func setPageHeaders(h http.Header, formTargets []string) {
	h.Set("Content-Security-Policy", pagePolicy(formTargets))
	h.Set("Referrer-Policy", "same-origin")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY") // for browsers without frame-ancestors
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(self), microphone=(), geolocation=(), payment=(), usb=()")
	h.Set("Cache-Control", "no-store")
}

// pagePolicy returns the Content-Security-Policy of a page: own origin only, no inline script or
// style, no frames in either direction.
//
// A form's answer may redirect to another origin: to the identity provider or to the relying party.
// Chromium applies form-action to every redirect of such a chain, and Signet does not know the
// redirects of a provider or a relying party, so a target allows its whole scheme. A page without
// such a form allows its own origin only.
//
// 'wasm-unsafe-eval' is absent on purpose: the viewer decodes JPEG 2000 and JBIG2 in plain script
// instead.
func pagePolicy(formTargets []string) string {
	form := []string{"'self'"}
	seen := map[string]bool{}
	for _, t := range formTargets {
		u, err := url.Parse(t)
		if err != nil || (u.Scheme != "https" && u.Scheme != "http") || seen[u.Scheme] {
			continue
		}
		seen[u.Scheme] = true
		form = append(form, u.Scheme+":")
	}
	return strings.Join([]string{
		"default-src 'none'",
		"script-src 'self'",
		"style-src 'self'",
		"img-src 'self'",
		"font-src 'self'",
		"connect-src 'self'",
		"worker-src 'self'",
		"manifest-src 'self'",
		"form-action " + strings.Join(form, " "),
		"base-uri 'none'",
		"frame-ancestors 'none'",
	}, "; ")
}
