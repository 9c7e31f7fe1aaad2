package e2e_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/party/partytest"
)

// startTLS runs a sandbox with TLS on all addresses of this machine.
func startTLS(t *testing.T, data string, edit func(*config.Config)) *sandbox {
	t.Helper()
	rp := partytest.Start(t)
	c := configOf(rp)
	c.Listen, c.TLS, c.Data = "0.0.0.0:0", true, data
	if edit != nil {
		edit(&c)
	}
	return runAt(t, rp, c, time.Now, nil, slog.New(slog.DiscardHandler))
}

// download returns the root certificate as a phone gets it, which does not trust it yet.
func (s *sandbox) download(t *testing.T) []byte {
	t.Helper()
	wary := &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
	}}
	defer wary.CloseIdleConnections()
	resp, body := get(t, wary, s.url+"/sandbox-root.crt")
	if resp.StatusCode != http.StatusOK ||
		resp.Header.Get("Content-Type") != "application/x-x509-ca-cert" {
		t.Fatalf("%d %v", resp.StatusCode, resp.Header)
	}
	return []byte(body)
}

// TestSandboxTLS checks that a client that trusts the sandbox's root, and no other, finds the
// sandbox at its public URL, which is an address of this machine; that the start page names the
// root; and that the demo relying party, which does not trust it, works.
func TestSandboxTLS(t *testing.T) {
	data := t.TempDir()
	s := startTLS(t, data, nil)
	public, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	if ip := net.ParseIP(public.Hostname()); public.Scheme != "https" || ip == nil ||
		ip.IsUnspecified() {
		t.Fatalf("public URL %s", s.url)
	}
	root := s.download(t)
	browser := tlsClient(s.app.Addr, root)
	for _, host := range []string{public.Host, "localhost:" + public.Port()} {
		resp, page := get(t, browser, "https://"+host+"/")
		file := s.app.Root().File
		if resp.StatusCode != http.StatusOK || resp.ProtoMajor != 2 ||
			!strings.Contains(page, s.url+"/sandbox-root.crt") ||
			!strings.Contains(page, s.app.Root().Fingerprint) ||
			!strings.Contains(page, "export CURL_CA_BUNDLE=&#39;"+file) {
			t.Errorf("%s: %d, HTTP/%d:\n%s", host, resp.StatusCode, resp.ProtoMajor, page)
		}
		if hsts := resp.Header.Get("Strict-Transport-Security"); hsts != "" {
			t.Errorf("%s: Strict-Transport-Security: %s", host, hsts)
		}
		if stored, err := os.ReadFile(file); err != nil || !bytes.Equal(stored, root) {
			t.Errorf("the file %s is not the root: %v", file, err)
		}
	}
	if _, err := http.Get(s.url + "/"); err == nil {
		t.Error("a client without the root is answered")
	}
	// Initiate with the JWKS of the demo, and its webhook when the signer has signed.
	resp, err := browser.PostForm(s.url+"/demo/requests", url.Values{"places": {"one"}})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusSeeOther {
		t.Fatalf("the demo's request: %d\n%s", resp.StatusCode, body)
	}
	var list struct {
		Requests []struct {
			ID string `json:"request_id"`
		}
	}
	s.get(t, "/requests?client_id=signet-demo", &list)
	if len(list.Requests) != 1 {
		t.Fatalf("%+v", list)
	}
	s.play(t, api.Initiated{RequestID: list.Requests[0].ID}, alice, "approve")
	at := s.url + resp.Header.Get("Location")
	for begin := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		_, page := get(t, browser, at)
		if strings.Contains(page, "Signature verified") {
			break
		}
		if time.Since(begin) > time.Minute {
			t.Fatalf("the demo has no webhook:\n%s", page)
		}
	}

	// A kept folder has the same root; another folder has another one.
	s.stop()
	if again := startTLS(t, data, nil).download(t); !bytes.Equal(again, root) {
		t.Error("the root of a kept folder is another one")
	}
	if other := startTLS(t, t.TempDir(), nil).download(t); bytes.Equal(other, root) {
		t.Error("two folders have one root")
	}
}

// TestSandboxTLSPhone checks that a browser that is not on this machine, and that trusts the
// certificate, keeps a key: browsers do so for https pages only.
func TestSandboxTLSPhone(t *testing.T) {
	_, port, _ := net.SplitHostPort(freeAddr(t))
	s := startTLS(t, t.TempDir(), func(c *config.Config) {
		c.Listen, c.PublicURL = "0.0.0.0:"+port, "https://signet.test:"+port
	})
	roots := tlsClient(s.app.Addr, s.app.Root().PEM).Transport.(*http.Transport).TLSClientConfig
	roots.ServerName = "signet.test"
	conn, err := tls.Dial("tcp", "127.0.0.1:"+port, roots)
	if err != nil {
		t.Fatal(err)
	}
	leaf := conn.ConnectionState().PeerCertificates[0]
	conn.Close()
	sum := sha256.Sum256(leaf.RawSubjectPublicKeyInfo)
	phone := newBrowser(t, 390, 844,
		chromedp.Flag("host-resolver-rules", "MAP signet.test 127.0.0.1"),
		chromedp.Flag(
			"ignore-certificate-errors-spki-list", base64.StdEncoding.EncodeToString(sum[:]),
		),
	)
	phone.enrol(s)
	if secure, err := eval[bool](phone, `isSecureContext && location.protocol == "https:"`); err != nil ||
		!secure {
		t.Error(fmt.Errorf("no secure context: %w", err))
	}
}
