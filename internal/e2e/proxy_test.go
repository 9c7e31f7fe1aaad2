package e2e_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/party/partytest"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/token"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// front is a proxy that runs with the sample of its configuration in deploy/proxy.
type front struct {
	*testing.T
	addr  string // localhost:port
	dir   string
	roots *x509.CertPool
	log   bytes.Buffer
	// the first node, and what answers in place of the others
	nodes [3]string
	// whether each node is ready; only haproxy asks, at the addresses in controls
	ready    [3]atomic.Bool
	controls [3]string
	soon     bool // it waits for a node for two seconds only
}

func newFront(t *testing.T) *front {
	t.Helper()
	_, port, err := net.SplitHostPort(freeAddr(t))
	if err != nil {
		t.Fatal(err)
	}
	f := &front{T: t, addr: "localhost:" + port, dir: t.TempDir(), roots: x509.NewCertPool()}
	if err := os.Chmod(filepath.Dir(f.dir), 0o755); err != nil { // for a worker of nginx
		t.Fatal(err)
	}
	for i := range f.nodes {
		f.nodes[i] = freeAddr(t) // refuses connections
		health := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/readyz" || !f.ready[i].Load() {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		}))
		t.Cleanup(health.Close)
		f.controls[i] = strings.TrimPrefix(health.URL, "http://")
	}
	f.certificate()
	return f
}

// certificate writes signet.crt, signet.key and signet.pem.
func (f *front) certificate() {
	crt, private := newCertificate(f, "localhost")
	f.roots.AppendCertsFromPEM(crt)
	for name, text := range map[string][]byte{
		"signet.crt": crt, "signet.key": private, "signet.pem": append(crt, private...),
	} {
		if err := os.WriteFile(filepath.Join(f.dir, name), text, 0o600); err != nil {
			f.Fatal(err)
		}
	}
}

// configuration writes the sample with the addresses and paths of this test.
func (f *front) configuration(sample string, replace ...string) (path string) {
	f.Helper()
	text, err := os.ReadFile("../../deploy/proxy/" + sample)
	if err != nil {
		f.Fatal(err)
	}
	for i := 0; i < len(replace); i += 2 {
		if !bytes.Contains(text, []byte(replace[i])) {
			f.Errorf("%s does not have %q", sample, replace[i])
		}
	}
	path = filepath.Join(f.dir, sample)
	if err := os.WriteFile(path, []byte(strings.NewReplacer(replace...).Replace(string(text))), 0o600); err != nil {
		f.Fatal(err)
	}
	return path
}

// run starts the proxy, and waits until it answers.
func (f *front) run(program string, args ...string) (stop func()) {
	f.Helper()
	c := exec.Command(program, args...)
	c.Stdout, c.Stderr = &f.log, &f.log
	if err := c.Start(); err != nil {
		f.Fatal(err)
	}
	stop = func() {
		// Programs that a shell has put in the background ignore SIGINT.
		_ = c.Process.Signal(syscall.SIGTERM)
		_ = c.Wait()
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		conn, err := net.Dial("tcp", f.addr)
		if err == nil {
			conn.Close()
			return stop
		}
		if time.Now().After(deadline) {
			stop()
			f.Fatalf("%s does not listen: %s", program, &f.log)
		}
	}
}

// haproxy runs haproxy with the present nodes.
func (f *front) haproxy(path string) (stop func()) {
	f.Helper()
	replace := []string{
		"bind :443 ssl crt /etc/haproxy/signet.pem",
		"bind " + strings.Replace(f.addr, "localhost", "127.0.0.1", 1) +
			" ssl crt " + filepath.Join(f.dir, "signet.pem"),
	}
	for i, name := range []string{"node1", "node2", "node3"} {
		_, port, err := net.SplitHostPort(f.controls[i])
		if err != nil {
			f.Fatal(err)
		}
		replace = append(replace, name+":8080", f.nodes[i]+" port "+port)
	}
	if f.soon {
		replace = append(replace, "timeout server 75s", "timeout server 2s")
	}
	return f.run(path, "-db", "-f", f.configuration("haproxy.cfg", replace...))
}

// nginx runs nginx with the present nodes.
func (f *front) nginx(path string) (stop func()) {
	f.Helper()
	replace := []string{
		"listen 443 ", "listen " + strings.Replace(f.addr, "localhost", "127.0.0.1", 1) + " ",
		"/etc/nginx/", f.dir + "/", "/var/log/nginx/", f.dir + "/",
	}
	for i, name := range []string{"node1", "node2", "node3"} {
		replace = append(replace, name+":8080", f.nodes[i])
	}
	if f.soon {
		replace = append(replace, "proxy_read_timeout      75s", "proxy_read_timeout 2s")
	}
	return f.run(
		path, "-p", f.dir, "-c", f.configuration("nginx.conf", replace...), "-g",
		"daemon off; pid "+f.dir+"/pid;",
	)
}

// trust makes the test's calls trust the proxy's certificate.
func (f *front) trust() {
	old := http.DefaultTransport
	trusting := old.(*http.Transport).Clone()
	trusting.TLSClientConfig = &tls.Config{RootCAs: f.roots}
	trusting.ForceAttemptHTTP2 = true
	http.DefaultTransport = trusting
	f.Cleanup(func() {
		http.DefaultTransport = old
		trusting.CloseIdleConnections()
	})
}

// oneProtocol returns a transport that speaks HTTP/1.1 only. If a node dies, haproxy refuses the
// stream of an HTTP/2 call that the node may have answered, and clients send such a call again by
// themselves.
func (f *front) oneProtocol() *http.Transport {
	return &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: f.roots},
		TLSNextProto:    map[string]func(string, *tls.Conn) http.RoundTripper{},
	}
}

// slowReader is a body that comes with 1 MB a second.
type slowReader struct{ body io.Reader }

func (s *slowReader) Read(p []byte) (int, error) {
	time.Sleep(10 * time.Millisecond)
	return s.body.Read(p[:min(len(p), 10_000)])
}

// TestProxies makes the journey of a relying party and of a signer through haproxy and nginx, with
// the samples of their configurations. Of three nodes one refuses connections; one accepts them and
// is not ready, which only haproxy notices.
func TestProxies(t *testing.T) {
	for _, test := range []struct {
		program, debian string
		run             func(f *front, path string) (stop func())
		asksReadiness   bool
	}{
		{"haproxy", "haproxy", (*front).haproxy, true},
		{"nginx", "nginx-light", (*front).nginx, false},
	} {
		t.Run(test.program, func(t *testing.T) {
			path := tool(t, test.program, test.debian)
			if path == "" {
				return
			}
			f := newFront(t)
			f.trust()
			s := start(t, func(c *config.Config) {
				c.PublicURL, c.TrustedProxies = "https://"+f.addr, config.List{"127.0.0.1"}
			})
			f.nodes[0] = s.app.Addr.String()
			f.ready[0].Store(true)
			f.ready[1].Store(true)
			if test.asksReadiness {
				broken := httptest.NewServer(http.HandlerFunc(
					func(w http.ResponseWriter, r *http.Request) {
						t.Errorf("a node that is not ready gets %s %s", r.Method, r.URL.Path)
					}))
				defer broken.Close()
				f.nodes[2] = strings.TrimPrefix(broken.URL, "http://")
			}
			stop := test.run(f, path)
			defer stop()
			if test.asksReadiness {
				time.Sleep(2500 * time.Millisecond) // the first checks
			}

			big := pdftest.New(
				pdftest.Object(900, pdftest.Stream("", strings.Repeat("x", 1_500_000))),
			)
			var in api.Initiated
			a := s.upload(t, s.party.Token(token.Initiate), big)
			if err := json.Unmarshal([]byte(a.body), &in); err != nil || a.status != http.StatusOK {
				t.Fatalf("an upload of %d bytes: %d %s", len(big), a.status, a.body)
			}
			if signed := s.signedPDF(t, in); !bytes.HasPrefix(signed, big) {
				t.Errorf("the signed document has %d bytes", len(signed))
			}
			slow := pdftest.New(
				pdftest.Object(900, pdftest.Stream("", strings.Repeat("x", 9_900_000))),
			)
			a = do(
				t, "POST", s.url+"/api/v3/sign-requests", s.party.Token(token.Initiate),
				"application/octet-stream", &slowReader{bytes.NewReader(slow)},
			)
			if a.status != http.StatusOK {
				t.Errorf("an upload of %d bytes, 1 MB a second: %d %s", len(slow), a.status, a.body)
			}
			for range 6 { // each node is in turn
				seesCancel(t, s)
			}
			page := s.visitor(t).get(t, s.initiate(t).SigningURL)
			page.shows(t, http.StatusOK, "Log in")
			if page.header.Get("Strict-Transport-Security") == "" {
				t.Error("the page has no Strict-Transport-Security")
			}
			stop()
			for _, name := range []string{"signet.log", "signet-error.log"} {
				if log, err := os.ReadFile(filepath.Join(f.dir, name)); err == nil {
					f.log.Write(log)
				}
			}
			if !strings.Contains(f.log.String(), "POST") {
				t.Errorf("the log has no calls: %s", &f.log)
			}
			if strings.Contains(f.log.String(), in.RequestID) {
				t.Errorf("the log has URLs: %s", &f.log)
			}
		})
	}
}

// TestProxyHeaders checks that neither proxy passes on what a client says of its own address.
func TestProxyHeaders(t *testing.T) {
	for program, run := range map[string]func(*front, string) func(){
		"haproxy": (*front).haproxy, "nginx": (*front).nginx,
	} {
		t.Run(program, func(t *testing.T) {
			path := tool(t, program, program)
			if path == "" {
				return
			}
			f := newFront(t)
			f.trust()
			echo := httptest.NewServer(http.HandlerFunc(
				func(w http.ResponseWriter, r *http.Request) {
					_ = json.NewEncoder(w).Encode(map[string][]string{
						"x": r.Header.Values("X-Forwarded-For"), "f": r.Header.Values("Forwarded"),
						"host": {r.Host},
					})
				}))
			defer echo.Close()
			for i := range f.nodes {
				f.nodes[i] = strings.TrimPrefix(echo.URL, "http://")
				f.ready[i].Store(true)
			}
			defer run(f, path)()
			r, err := http.NewRequestWithContext(
				context.Background(),
				"GET",
				"https://"+f.addr+"/",
				nil,
			)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("X-Forwarded-For", "192.0.2.1")
			r.Header.Set("Forwarded", "for=192.0.2.1")
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			want := `{"f":null,"host":["` + f.addr + `"],"x":["127.0.0.1"]}`
			if got := strings.TrimSpace(string(body)); got != want {
				t.Errorf("the node gets %s, want %s", got, want)
			}
		})
	}
}

// TestProxyRefusals checks what the proxies answer themselves: relying parties get the refusals of
// the contract, people a page.
func TestProxyRefusals(t *testing.T) {
	away, tooLarge := api.ErrUnavailable, request.ErrTooLarge
	const ofNode = "an answer of the node"
	for program, run := range map[string]func(*front, string) func(){
		"haproxy": (*front).haproxy, "nginx": (*front).nginx,
	} {
		t.Run(program, func(t *testing.T) {
			path := tool(t, program, program)
			if path == "" {
				return
			}
			f := newFront(t)
			f.soon = true
			client := &http.Client{Transport: f.oneProtocol(), Timeout: 20 * time.Second}
			release := make(chan struct{})
			// A node that hangs, closes without an answer, or refuses itself, as its path says.
			node := httptest.NewServer(http.HandlerFunc(
				func(w http.ResponseWriter, r *http.Request) {
					switch {
					case strings.HasSuffix(r.URL.Path, "/hangs"):
						<-release
					case strings.HasSuffix(r.URL.Path, "/closes"):
						panic(http.ErrAbortHandler)
					default:
						w.Header().Set("Retry-After", "7")
						w.WriteHeader(http.StatusServiceUnavailable)
						_, _ = io.WriteString(w, ofNode)
					}
				}))
			node.Config.ErrorLog = log.New(io.Discard, "", 0)
			defer node.Close()
			defer close(release)
			for i := range f.nodes {
				f.nodes[i] = strings.TrimPrefix(node.URL, "http://")
				f.ready[i].Store(true)
			}
			defer run(f, path)()
			check := func(method, path, body string, refusal *api.Error, page string) {
				t.Helper()
				r, err := http.NewRequestWithContext(
					t.Context(), method, "https://"+f.addr+path, strings.NewReader(body),
				)
				if err != nil {
					t.Fatal(err)
				}
				resp, err := client.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				text, err := io.ReadAll(resp.Body)
				if err != nil {
					t.Fatal(err)
				}
				after, kind := resp.Header.Get("Retry-After"), resp.Header.Get("Content-Type")
				status, wantAfter := http.StatusServiceUnavailable, "10"
				if refusal == tooLarge {
					status, wantAfter = http.StatusBadRequest, ""
				}
				good := strings.Contains(string(text), page)
				if refusal != nil {
					var got api.Error
					err := json.Unmarshal(text, &got)
					good = err == nil && got == *refusal && kind == "application/json"
				} else if page == ofNode {
					wantAfter = "7"
				} else {
					good = good && strings.HasPrefix(kind, "text/html")
				}
				if !good || resp.StatusCode != status || after != wantAfter {
					t.Errorf(
						"%s %s: %d %s, Retry-After %q: %s", method, path, resp.StatusCode, kind,
						after, text,
					)
				}
			}
			check("GET", "/sign/refuses", "", nil, ofNode)
			check("POST", api.BasePath+"/refuses", "{}", nil, ofNode)
			paths := []string{"hangs", "closes"}
			if program == "haproxy" { // it closes the client's connection, too
				paths = paths[:1]
			}
			for _, p := range paths {
				check("GET", api.BasePath+"/sign-requests/"+p, "", away, "")
				check("POST", api.BasePath+"/sign-requests/"+p, "{}", away, "")
				check("GET", "/sign/"+p, "", nil, "<!doctype html>")
			}
			if program == "nginx" {
				check("POST", api.BasePath+"/sign-requests", strings.Repeat("x", 11<<20), tooLarge, "")
			}
			node.CloseClientConnections()
			node.Listener.Close()
			for i := range f.ready {
				f.ready[i].Store(false)
			}
			for _, again := range []bool{false, true} {
				if again {
					time.Sleep(2500 * time.Millisecond) // haproxy knows that no node is ready
				}
				check("POST", api.BasePath+"/sign-requests", "{}", away, "")
				check("GET", "/sign/x", "", nil, "<!doctype html>")
			}
		})
	}
}

// TestConsoleProxy reaches a node that ends TLS, and its console, through haproxy with the samples
// for that.
func TestConsoleProxy(t *testing.T) {
	path := tool(t, "haproxy", "haproxy")
	if path == "" {
		return
	}
	f := newFront(t)
	f.trust()
	file := func(name string) string { return filepath.Join(f.dir, name) }
	const password = "a password of some length"
	c := configOf(partytest.Start(t))
	c.Data, c.AllowPrivate, c.ConsolePassword = t.TempDir(), true, password
	c.Listen, c.Control, c.ControlTLS = freeAddr(t), freeAddr(t), true
	c.PublicURL = "https://" + f.addr
	c.TLSCertificate, c.TLSKey = file("signet.crt"), file("signet.key")
	c.TrustedProxies = config.List{"127.0.0.1"}
	running(t, c)
	console := freeAddr(t)
	nodes := []string{
		"/etc/haproxy/nodes.pem", file("signet.crt"), "/etc/haproxy/signet.pem", file("signet.pem"),
		"verifyhost sign.example.com", "verifyhost localhost",
	}
	_, control, err := net.SplitHostPort(c.Control)
	if err != nil {
		t.Fatal(err)
	}
	operators := f.configuration("haproxy-console.cfg", append(
		nodes, "bind :8443 ", "bind "+console+" ", "node1:8081", c.Control, "node2:8081", freeAddr(t),
		"node3:8081", freeAddr(t),
	)...)
	public := f.configuration("haproxy.cfg", append(
		nodes, "default-server check port", "# check port", "#default-server ssl", "default-server ssl",
		"bind :443 ", "bind "+strings.Replace(f.addr, "localhost", "127.0.0.1", 1)+" ",
		"port 8081", "port "+control,
		"node1:8080", c.Listen, "node2:8080", freeAddr(t)+" port 1", "node3:8080", freeAddr(t)+" port 1",
	)...)
	defer f.run(path, "-db", "-f", public, "-f", operators)()
	_, port, err := net.SplitHostPort(console)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		url, password, want string
		status              int
	}{
		{"https://" + f.addr + "/.well-known/keys.json", "", "keys", http.StatusOK},
		{"https://localhost:" + port + "/console/", password, "Relying parties", http.StatusOK},
		{"https://localhost:" + port + "/console/", "", "", http.StatusUnauthorized},
	} {
		// Nodes that are not there are in turn until haproxy has noticed it.
		var status int
		var body []byte
		end := time.Now().Add(time.Minute)
		for ; time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, test.url, nil)
			if err != nil {
				t.Fatal(err)
			}
			if test.password != "" {
				r.SetBasicAuth("mei", test.password)
			}
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				continue
			}
			body, err = io.ReadAll(resp.Body)
			resp.Body.Close()
			if status = resp.StatusCode; err == nil && status != http.StatusServiceUnavailable {
				break
			}
		}
		if status != test.status || !strings.Contains(string(body), test.want) {
			t.Errorf("%s: %d %.200s", test.url, status, body)
		}
	}
}
