package httpx_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/server/httpx"
	"github.com/signet-sign/signet/internal/server/limit"
)

// quiet is a Watcher of requests that do not change.
type quiet struct{ request.Watcher }

func (quiet) Watch(string) (<-chan struct{}, func()) { return make(chan struct{}), func() {} }

// one is a listener that accepts one connection.
type one struct{ conns chan net.Conn }

func (l one) Accept() (net.Conn, error) {
	if c, ok := <-l.conns; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}
func (l one) Close() error   { close(l.conns); return nil }
func (l one) Addr() net.Addr { return &net.TCPAddr{} }

// TestStreamUnread checks that a client that does not read its event stream loses it, and what it
// holds, and that one that reads keeps it for longer than any other answer may take.
func TestStreamUnread(t *testing.T) {
	for name, reads := range map[string]bool{"reads": true, "reads nothing": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				open := &limit.Counts{All: 1}
				streams := httpx.Streams{
					Watcher: quiet{}, Stopping: make(chan struct{}), Open: open,
				}
				server := &http.Server{
					WriteTimeout: 5 * time.Minute,
					Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						err := streams.Serve(w, r, "a", func(context.Context) (httpx.Live, error) {
							return httpx.Live{State: "created"}, nil
						})
						if err != nil {
							t.Error(err)
						}
					}),
				}
				client, conn := net.Pipe()
				l := one{make(chan net.Conn, 1)}
				l.conns <- conn
				go func() { _ = server.Serve(l) }()
				_, err := io.WriteString(client, "GET / HTTP/1.1\r\nHost: sign.test\r\n\r\n")
				if err != nil {
					t.Fatal(err)
				}
				resp, err := http.ReadResponse(bufio.NewReader(client), nil)
				if err != nil || resp.StatusCode != http.StatusOK {
					t.Fatalf("%v, %v", resp, err)
				}
				if reads {
					go func() { _, _ = io.Copy(io.Discard, resp.Body) }()
				}
				time.Sleep(time.Hour) // of the bubble's clock
				if _, ended := open.Begin(""); ended == reads {
					t.Errorf("after an hour the stream is open: %v, want %v", !ended, reads)
				}
				client.Close()
				server.Close()
				synctest.Wait()
			})
		})
	}
}
