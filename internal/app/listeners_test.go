package app

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/config"
)

// everywhere is a sandbox that listens wherever the program can.
type everywhere struct{ *App }

// listenEverywhere opens a sandbox with every listener that there is. No address has more than two
// connections.
func listenEverywhere(t *testing.T, change func(*config.Config)) everywhere {
	t.Helper()
	c := config.SandboxDefaults()
	c.Listen, c.Control, c.ListenHTTP = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	c.PublicURL, c.TLS, c.ControlTLS, c.Data = "https://localhost", true, true, t.TempDir()
	c.ConnectionsPerAddress = 2
	change(&c)
	a, err := OpenSandbox(
		t.Context(), c, time.Now, func(string) string { return "" }, slog.New(slog.DiscardHandler),
	)
	if err != nil {
		t.Fatal(err)
	}
	return everywhere{a}
}

// listenerName is the name of each listener in the metrics, by the field of App.
var listenerName = map[string]string{
	"listener": publicName, "localListener": publicName,
	"controlListener": controlName, "httpListener": redirectName,
}

// run serves until the test ends, and returns the addresses of all listeners by their fields.
func (e everywhere) run(t *testing.T) map[string]string {
	t.Helper()
	addresses := map[string]string{}
	app, kind := reflect.ValueOf(e.App).Elem(), reflect.TypeFor[net.Listener]()
	for f, v := range app.Fields() {
		if f.Type != kind {
			continue
		}
		if v.IsNil() || listenerName[f.Name] == "" {
			t.Fatalf("%s: the test does not open it", f.Name)
		}
		addresses[f.Name] = map[string]net.Listener{
			"listener": e.listener, "controlListener": e.controlListener,
			"httpListener": e.httpListener, "localListener": e.localListener,
		}[f.Name].Addr().String()
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- e.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return addresses
}

// dial connects to a listener, with TLS if it has that.
func (e everywhere) dial(t *testing.T, field, address string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if field == "listener" || field == "controlListener" {
		return tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
	}
	return conn
}

// metric returns the value of a metric.
func (e everywhere) metric(t *testing.T, name, labels string) float64 {
	t.Helper()
	w := httptest.NewRecorder()
	e.metrics.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for line := range strings.Lines(w.Body.String()) {
		if text, ok := strings.CutPrefix(line, name+"{"+labels+"} "); ok {
			value, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
			if err != nil {
				t.Fatal(err)
			}
			return value
		}
	}
	return 0 // the listener is not served yet
}

// TestListeners checks that every listener that the program opens has the limit of connections of
// one address: beside two that send nothing a third one gets no answer, and is counted.
func TestListeners(t *testing.T) {
	e := listenEverywhere(t, func(*config.Config) {})
	addresses := e.run(t)
	for _, field := range slices.Sorted(maps.Keys(addresses)) {
		t.Run(field, func(t *testing.T) {
			labels := `limit="connections",listener="` + listenerName[field] + `"`
			before := e.metric(t, "signet_limited_total", labels)
			for i := range 3 {
				conn, err := net.Dial("tcp", addresses[field])
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				if i < 2 {
					continue // it sends nothing, and stays
				}
				// A listener with TLS answers this, too: with status 400.
				_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
				if n, err := conn.Read(make([]byte, 1)); n > 0 {
					t.Errorf("a connection beyond the limit is served: %v", err)
				}
			}
			e.wait(t, "signet_limited_total", labels, before+1)
		})
	}
}

// wait waits until a metric has at least a value. The sandbox's own calls count too.
func (e everywhere) wait(t *testing.T, name, labels string, least float64) {
	t.Helper()
	for e.metric(t, name, labels) < least {
		time.Sleep(time.Millisecond)
	}
}

// TestTurnsOfListeners checks that every listener gives turns to its clients' addresses. The sandbox
// has none to give: of one client, which a trusted proxy names, two requests wait, and the third one
// is refused, with the headers of every answer.
func TestTurnsOfListeners(t *testing.T) {
	e := listenEverywhere(t, func(c *config.Config) { c.TrustedProxies = []string{"127.0.0.1/32"} })
	e.turns = 0
	addresses := e.run(t)
	for i, field := range slices.Sorted(maps.Keys(addresses)) {
		t.Run(field, func(t *testing.T) {
			waiting := `listener="` + listenerName[field] + `"`
			answers := make(chan *http.Response, 3)
			for range 3 {
				conn := e.dial(t, field, addresses[field])
				go func() {
					fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: localhost\r\n"+
						"X-Forwarded-For: 203.0.113.%d\r\n\r\n", i+1)
					if resp, err := http.ReadResponse(bufio.NewReader(conn), nil); err == nil {
						answers <- resp
					}
				}()
			}
			resp := <-answers
			resp.Body.Close()
			h := resp.Header
			if resp.StatusCode != http.StatusTooManyRequests || h.Get("Retry-After") != "1" ||
				h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Cache-Control") != "no-store" {
				t.Fatalf("%s %v", resp.Status, h)
			}
			e.wait(t, "signet_waiting_requests", waiting, 2)
			e.wait(t, "signet_limited_total", `limit="turns",`+waiting, 1)
			if len(answers) > 0 {
				t.Errorf("another request is answered: %s", (<-answers).Status)
			}
		})
	}
}

// TestHeadersOfListeners checks that no listener takes headers without end, and that each sets those
// that restrict browsers, whatever it answers.
func TestHeadersOfListeners(t *testing.T) {
	e := listenEverywhere(t, func(c *config.Config) { c.ConnectionsPerAddress = 0 })
	addresses := e.run(t)
	for _, field := range slices.Sorted(maps.Keys(addresses)) {
		t.Run(field, func(t *testing.T) {
			for request, status := range map[string]int{
				"GET / HTTP/1.1\r\nHost: localhost\r\nA: " + strings.Repeat("a", 80<<10) + "\r\n\r\n": 431,
				"GET /none HTTP/1.1\r\nHost: localhost\r\n\r\n":                                       0,
				"PROPFIND / HTTP/1.1\r\nHost: localhost\r\n\r\n":                                      0,
				"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n":                     0,
			} {
				conn := e.dial(t, field, addresses[field])
				fmt.Fprint(conn, request)
				resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
				if err != nil {
					t.Fatal(err)
				}
				resp.Body.Close()
				if status != 0 {
					if resp.StatusCode != status {
						t.Errorf("%d bytes: %s", len(request), resp.Status)
					}
					continue
				}
				for name, want := range map[string]string{
					"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY",
					"Referrer-Policy": "same-origin", "Cache-Control": "no-store",
				} {
					if got := resp.Header.Get(name); got != want {
						t.Errorf("%.20q: %s with %s %q", request, resp.Status, name, got)
					}
				}
				if !strings.Contains(resp.Header.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
					t.Errorf("%.20q: %s with the policy %q", request, resp.Status,
						resp.Header.Get("Content-Security-Policy"))
				}
			}
		})
	}
}
