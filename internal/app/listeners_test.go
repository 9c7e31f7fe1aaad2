package app

import (
	"context"
	"io"
	"log/slog"
	"net"
	"reflect"
	"testing"
	"time"
)

// TestListeners checks that every listener that the program opens has the limit of connections of
// one address: beside two that send nothing a third one gets no answer.
func TestListeners(t *testing.T) {
	c := SandboxDefaults()
	c.Listen, c.Control, c.ListenHTTP = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	c.PublicURL, c.TLS, c.ControlTLS, c.Data = "https://localhost", true, true, t.TempDir()
	c.ConnectionsPerAddress = 2
	a, err := OpenSandbox(
		t.Context(), c, time.Now, func(string) string { return "" }, slog.New(slog.DiscardHandler),
	)
	if err != nil {
		t.Fatal(err)
	}
	listeners := map[string]net.Addr{}
	app, kind := reflect.ValueOf(a).Elem(), reflect.TypeFor[net.Listener]()
	for f, v := range app.Fields() {
		if f.Type != kind {
			continue
		}
		if v.IsNil() {
			t.Fatalf("%s: the test does not open it", f.Name)
		}
		listeners[f.Name] = map[string]net.Listener{
			"listener": a.listener, "controlListener": a.controlListener,
			"httpListener": a.httpListener, "localListener": a.localListener,
		}[f.Name].Addr()
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- a.Run(ctx) }()
	for name, address := range listeners {
		t.Run(name, func(t *testing.T) {
			for i := range 3 {
				conn, err := net.Dial("tcp", address.String())
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
		})
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
