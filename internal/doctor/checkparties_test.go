package doctor_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/signet-sign/signet/internal/doctor"
)

// partyMistakes are mistakes of relying parties.
var partyMistakes = []mistake{
	{
		"JWKS at a private address", func(c *clinic) {
			c.config.AllowPrivate = false
			p := &c.config.Parties[0]
			p.JWKSURL, p.RedirectURL = "https://localhost/jwks", "https://rp.test/"
			p.WebhookURL = ""
		},
		doctor.Fault, "relying party ID", "its JWKS", "set allow_private",
	},
	{
		"no relying party", func(c *clinic) { c.config.Parties = nil },
		doctor.Warning, "relying party", "there is none", "register one",
	},
	{
		"no JWKS", func(c *clinic) { c.config.Parties[0].JWKSURL = c.server(http.NotFound) },
		doctor.Fault, "relying party ID", "answered 404", "correct jwks_url",
	},
	{
		"JWKS without a key", func(c *clinic) {
			c.config.Parties[0].JWKSURL = c.server(text(`{"keys":[]}`))
		},
		doctor.Fault, "relying party ID", "no usable key", "publish its keys",
	},
	{
		"receiver in the past",
		func(c *clinic) { c.now = func() time.Time { return time.Now().Add(time.Hour) } },
		doctor.Warning, "relying party ID", "tokens are refused", "synchronise the clocks",
	},
	{
		"webhook away", func(c *clinic) {
			c.config.Parties[0].WebhookURL = "http://127.0.0.1:1/?key=" + clinicQuery
		},
		doctor.Fault, "relying party ID", "its webhook: The server refuses", "correct webhook_url",
	},
	{
		"webhook of an unknown authority", func(c *clinic) {
			s := httptest.NewTLSServer(http.NotFoundHandler())
			c.Cleanup(s.Close)
			c.config.Parties[0].WebhookURL = s.URL
		},
		doctor.Fault, "relying party ID", "authority that this machine does not trust", "webhook_url",
	},
	{
		"webhook of an unknown authority, remedy", func(c *clinic) {
			c.config.Parties[0].WebhookURL, _ = c.secureServer()
		},
		doctor.Fault, "relying party ID", "its webhook", "set ca_file of the relying party",
	},
	{
		"authority of a relying party has ended", func(c *clinic) {
			p := &c.config.Parties[0]
			p.WebhookURL, p.CAFile = c.secureServer()
			c.now = func() time.Time { return time.Now().AddDate(1, 0, 1) }
		},
		doctor.Fault, "relying party ID", "its ca_file: CN=Relying Party CA ended on",
		"replace it by the present authority",
	},
	{
		"authority of a relying party ends soon", func(c *clinic) {
			p := &c.config.Parties[0]
			p.WebhookURL, p.CAFile = c.secureServer()
			c.now = func() time.Time { return time.Now().AddDate(1, 0, -5) }
		},
		doctor.Warning, "relying party ID", "its ca_file: CN=Relying Party CA ends on",
		"replace it by the present authority",
	},
	{
		"another authority of a relying party", func(c *clinic) {
			p := &c.config.Parties[0]
			p.WebhookURL, _ = c.secureServer()
			_, p.CAFile = c.secureServer()
		},
		doctor.Fault, "relying party ID", "authority that this machine does not trust", "set ca_file",
	},
	{
		"JWKS with RSA keys only", func(c *clinic) {
			c.config.Parties[0].JWKSURL = c.server(
				text(`{"keys":[{"kty":"RSA","kid":"a","n":"AQAB","e":"AQAB"}]}`),
			)
		},
		doctor.Fault, "relying party ID", "kty is not EC", "publish its keys",
	},
	{
		"JWKS elsewhere", func(c *clinic) {
			c.config.Parties[0].JWKSURL = c.server(http.RedirectHandler("/x", http.StatusFound).ServeHTTP)
		},
		doctor.Fault, "relying party ID", "redirects are not followed", "correct jwks_url",
	},
	{
		"broken registration", func(c *clinic) {
			c.config.Parties[0].JWKSURL = strings.Replace(c.config.Parties[0].JWKSURL, "//", "//user@", 1)
		},
		doctor.Fault, "relying party ID", "user information", "correct its registration",
	},
	{
		"webhook redirects", func(c *clinic) {
			c.config.Parties[0].WebhookURL = c.server(func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, "https://rp.test/?key="+clinicQuery, http.StatusMovedPermanently)
			})
		},
		doctor.Fault, "relying party ID", "its webhook answers 301, and redirects are not followed",
		"to which it redirects",
	},
	{
		"no receiver at the webhook's path",
		func(c *clinic) { c.config.Parties[0].WebhookURL = c.server(http.NotFound) },
		doctor.Fault, "relying party ID", "its webhook answers 404", "correct webhook_url",
	},
	{
		"webhook hangs", func(c *clinic) {
			c.config.Parties[0].WebhookURL = c.server(func(_ http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body) // so that the end of the request is noticed
				<-r.Context().Done()
			})
		},
		doctor.Fault, "relying party ID", "its webhook: The server did not answer in time",
		"correct webhook_url",
	},
	{
		"webhook behind a login", func(c *clinic) {
			c.config.Parties[0].WebhookURL = c.server(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("WWW-Authenticate", `Basic realm="rp"`)
				w.WriteHeader(http.StatusUnauthorized)
			})
		},
		doctor.Fault, "relying party ID", "asks for a login", "without a login",
	},
	{
		"webhook of another content", func(c *clinic) {
			c.config.Parties[0].WebhookURL = c.server(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusUnsupportedMediaType)
			})
		},
		doctor.Fault, "relying party ID", "takes no application/json", "correct webhook_url",
	},
	{
		"receiver fails", func(c *clinic) {
			c.config.Parties[0].WebhookURL = c.server(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusBadGateway)
			})
		},
		doctor.Warning, "relying party ID", "its webhook answers 502", "look at its log",
	},
}

// text answers with a text.
func text(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }
}
