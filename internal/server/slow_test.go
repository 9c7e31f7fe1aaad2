package server

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// pipes is a listener whose connections are pipes.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	if c, ok := <-p; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}
func (p pipes) Close() error   { close(p); return nil }
func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }

// TestSlowClients checks how long a client can hold a connection that sends or reads a byte a
// second, or nothing.
func TestSlowClients(t *testing.T) {
	certified := httptest.NewTLSServer(nil)
	certified.Close()
	const form = "POST / HTTP/1.1\r\nHost: sign.test\r\nContent-Length: 100000\r\n\r\n"
	for name, test := range map[string]struct {
		tls  bool
		send string
		drip bool // then a byte a second
		read bool
		most time.Duration
	}{
		"no handshake":         {tls: true, most: 10 * time.Second},
		"nothing":              {read: true, most: 10 * time.Second},
		"slow header":          {drip: true, read: true, most: 10 * time.Second},
		"slow name of a field": {send: "GET / HTTP/1.1\r\n", drip: true, read: true, most: 10 * time.Second},
		"slow body":            {send: form, drip: true, read: true, most: time.Minute},
		"no body":              {send: form, read: true, most: time.Minute},
		"idle": {
			send: "GET / HTTP/1.1\r\nHost: sign.test\r\n\r\n", read: true, most: 2 * time.Minute,
		},
		"unread answer": {
			send: "GET / HTTP/1.1\r\nHost: sign.test\r\n\r\n", most: 5 * time.Minute,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := make(pipes, 1)
				s := &Server{
					Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						_, _ = io.Copy(io.Discard, r.Body)
						_, _ = w.Write(make([]byte, 1<<20))
					}),
					Limits: Limits{Connections: 1}, Log: slog.New(slog.DiscardHandler),
				}
				if test.tls {
					s.TLS = certified.TLS.Clone()
				}
				ctx, stop := context.WithCancel(t.Context())
				done := make(chan error)
				go func() { done <- s.Serve(ctx, l) }()
				client, conn := net.Pipe()
				began := time.Now()
				closed := make(chan time.Duration, 1)
				l <- closing{conn, sync.OnceFunc(func() { closed <- time.Since(began) })}
				var sends sync.WaitGroup
				sends.Go(func() {
					_, err := io.WriteString(client, test.send)
					for test.drip && err == nil {
						time.Sleep(time.Second)
						_, err = io.WriteString(client, "a")
					}
				})
				if test.read {
					go func() { _, _ = io.Copy(io.Discard, client) }()
				}
				// net/http waits for half a second before it closes a connection.
				if after := <-closed; after > test.most+time.Second {
					t.Errorf("the connection is closed after %v, want %v", after, test.most)
				}
				client.Close()
				sends.Wait()
				stop()
				if err := <-done; err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// closing is a connection that tells when it is closed.
type closing struct {
	net.Conn
	tell func()
}

func (c closing) Close() error {
	defer c.tell()
	return c.Conn.Close()
}
