package e2e_test

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/storage"
	"github.com/chromedp/chromedp"

	"github.com/signet-sign/signet/internal/party/partytest"
)

// TestLoginOverTLS logs an operator and a signer in with a browser, at listeners that end TLS
// themselves: the browser takes the cookies, which no sibling domain can set or read, the forms
// work, and every answer has the headers that https is worth.
func TestLoginOverTLS(t *testing.T) {
	const public, console = "https://www.sign.test", "https://console.sign.test"
	provider := newOperatorProvider(t)
	provider.claims = map[string]any{
		"sub": "1", "email": "ann@example.test", "groups": "it", "uin": "S8979373D",
		"name": "TAN XIAO HUI",
	}
	dir := t.TempDir()
	certificate, key := newCertificate(t, "*.sign.test")
	party := partytest.Start(t)
	c := provider.config(t, party, "it=admin")
	c.Listen, c.PublicURL, c.ConsoleURL, c.ControlTLS = freeAddr(t), public, console, true
	c.TLSCertificate, c.TLSKey = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	c.OIDCIssuer, c.OIDCClientID = provider.URL, "console"
	c.OIDCUINClaim, c.OIDCNameClaim = "uin", "name"
	for path, text := range map[string][]byte{c.TLSCertificate: certificate, c.TLSKey: key} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	running(t, c)

	block, _ := pem.Decode(certificate)
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(leaf.RawSubjectPublicKeyInfo)
	b := newBrowser(
		t, 1280, 900,
		chromedp.Flag("host-resolver-rules",
			"MAP www.sign.test:443 "+c.Listen+", MAP console.sign.test:443 "+c.Control),
		chromedp.Flag(
			"ignore-certificate-errors-spki-list", base64.StdEncoding.EncodeToString(sum[:]),
		),
	)
	cookies := func() map[string]*network.Cookie {
		t.Helper()
		found := map[string]*network.Cookie{}
		for _, c := range command(b, storage.GetCookies, storage.GetCookiesParams{}).Cookies {
			if strings.HasSuffix(c.Domain, "sign.test") {
				found[c.Name] = c
			}
		}
		return found
	}
	kept := func(name, domain, path string) string {
		t.Helper()
		c := cookies()[name]
		if c == nil {
			t.Fatalf("the browser has no cookie %s, but %v", name, cookies())
		}
		if c.Domain != domain || c.Path != path || !c.Secure || !c.HTTPOnly || c.SameSite != "Lax" {
			t.Errorf("the cookie is %+v", c)
		}
		return c.Value
	}

	b.open(console + "/console/people")
	b.sees("Find a person")
	secret := kept("__Host-signet_console", "console.sign.test", "/")
	for name := range cookies() {
		if strings.Contains(name, "login") {
			t.Errorf("the cookie %s of the attempt is left", name)
		}
	}

	_, in := initiateOver(t, tlsClient(address(t, c.Listen), certificate), party, public)
	b.open(in.SigningURL)
	b.press("Log in")
	b.sees("Proceed to Sign")
	var signers string
	for name, c := range cookies() {
		if strings.HasPrefix(name, "__Host-signet_sign_") {
			signers = name
			kept(name, "www.sign.test", "/")
		} else if strings.HasPrefix(c.Name, "__Secure-") {
			t.Errorf("a sibling domain can set the cookie %s", name)
		}
	}
	if signers == "" {
		t.Fatalf("the signer's cookies are %v", cookies())
	}

	// What a page of a sibling domain can do to the console's cookie: nothing.
	planted := b.read(`
		document.cookie = "__Host-signet_console=planted; Domain=sign.test; Path=/; Secure";
		document.cookie = "` + signers + `=planted; Domain=sign.test; Path=/; Secure";
		document.cookie = "signet_console=` + secret + `; Domain=sign.test; Path=/; Secure";
		document.cookie`)
	if strings.Contains(planted, "__Host-") || strings.Contains(planted, signers) {
		t.Errorf("a sibling domain has the cookies %s", planted)
	}
	if c := cookies()["__Host-signet_console"]; c == nil || c.Value != secret {
		t.Errorf("the console's cookie is %+v", c)
	}
	with := func(name string) *http.Response {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), "GET", console+"/console/people", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept", "text/html")
		r.AddCookie(&http.Cookie{Name: name, Value: secret})
		resp, err := tlsClient(address(t, c.Control), certificate).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp
	}
	if got := with("__Host-signet_console"); got.StatusCode != 200 || got.ProtoMajor != 2 {
		t.Errorf("the session: %s by HTTP/%d", got.Status, got.ProtoMajor)
	}
	for _, name := range []string{"signet_console", "__Secure-signet_console"} {
		if got := with(name); got.StatusCode != http.StatusSeeOther {
			t.Errorf("the session in the cookie %s: %s", name, got.Status)
		}
	}

	for url, addr := range map[string]string{
		public + "/": c.Listen, public + "/verify": c.Listen, public + "/nothing": c.Listen,
		public + "/login/callback?state=x": c.Listen, public + "/openapi.yaml": c.Listen,
		public + "/sign/" + in.RequestID: c.Listen, public + "/static/nothing": c.Listen,
		public + "/api/v3/sign-requests": c.Listen, public + "/favicon.ico": c.Listen,
		console + "/console/": c.Control, console + "/console/login": c.Control,
		console + "/console/login/callback?state=x": c.Control, console + "/metrics": c.Control,
		console + "/livez": c.Control, console + "/nothing": c.Control,
	} {
		resp, _ := get(t, tlsClient(address(t, addr), certificate), url)
		for name, want := range map[string]string{
			"Strict-Transport-Security": "max-age=63072000", "X-Content-Type-Options": "nosniff",
		} {
			if got := resp.Header[name]; !slices.Equal(got, []string{want}) {
				t.Errorf("%s: %s, %s is %q", url, resp.Status, name, got)
			}
		}
		for _, c := range resp.Cookies() {
			if !c.Secure || !strings.HasPrefix(c.Name, "__Host-") {
				t.Errorf("%s sets %s", url, c.Raw)
			}
		}
	}

	b.open(console + "/console/sessions")
	b.press("Log out")
	b.sees("Logged out")
	if c := cookies()["__Host-signet_console"]; c != nil {
		t.Errorf("after the log-out the browser has %+v", c)
	}
	if got := with("__Host-signet_console"); got.StatusCode != http.StatusSeeOther {
		t.Errorf("after the log-out the session gives %s", got.Status)
	}
}

// address is a TCP address.
func address(t *testing.T, addr string) net.Addr {
	t.Helper()
	a, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return a
}
