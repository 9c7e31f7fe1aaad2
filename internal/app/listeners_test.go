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
// one address: of three connections that send nothing, the third is the first one that is closed.
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
			closed := make(chan int, 3)
			for i := range 3 {
				conn, err := net.Dial("tcp", address.String())
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				go func() {
					_, _ = io.Copy(io.Discard, conn)
					closed <- i
				}()
			}
			if first := <-closed; first != 2 {
				t.Errorf("connection %d is closed first", first)
			}
		})
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
