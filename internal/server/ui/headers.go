package ui

import (
	"net/http"
	"net/url"
	"strings"
)

// setPageHeaders sets what every page carries.
//
// Referrer-Policy is same-origin and not no-referrer: nothing leaves for another
// origin either way, but no-referrer makes a browser send "Origin: null" with our
// own forms, which the cross-origin check must refuse when a browser is too old
// to send Sec-Fetch-Site.
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

// pagePolicy is the Content-Security-Policy of a page: own origin only, no
// inline script or style, no frames in either direction.
//
// A form's answer may redirect to another origin: to the identity provider, back
// to the relying party. Chromium holds every hop of such a chain against
// form-action, and neither a provider nor a relying party tells us its hops, so
// a target allows its scheme; a page without such a form allows our origin only.
//
// 'wasm-unsafe-eval' is absent on purpose: the viewer falls back to plain script
// for JPEG 2000 and JBIG2.
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
