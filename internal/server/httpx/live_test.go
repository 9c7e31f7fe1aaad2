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

// answered serves one request with h, as the service does, and calls read with the answer.
func answered(t *testing.T, h http.HandlerFunc, read func(*http.Response)) {
	t.Helper()
	server := &http.Server{WriteTimeout: 5 * time.Minute, Handler: h}
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
	read(resp)
	client.Close()
	server.Close()
	synctest.Wait()
}

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
				serve := func(w http.ResponseWriter, r *http.Request) {
					err := streams.Serve(w, r, "a", func(context.Context) (httpx.Live, error) {
						return httpx.Live{State: "created"}, nil
					})
					if err != nil {
						t.Error(err)
					}
				}
				answered(t, serve, func(resp *http.Response) {
					if reads {
						go func() { _, _ = io.Copy(io.Discard, resp.Body) }()
					}
					time.Sleep(time.Hour) // of the bubble's clock
					if _, ended := open.Begin(""); ended == reads {
						t.Errorf("after an hour the stream is open: %v, want %v", !ended, reads)
					}
				})
			})
		})
	}
}

// TestWhileRead checks that a client that reads slowly gets an answer which takes longer than the
// server's write timeout, and that one that reads nothing ends it.
func TestWhileRead(t *testing.T) {
	part := make([]byte, 64<<10)
	const parts = 60
	for name, reads := range map[string]bool{"reads": true, "reads nothing": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ended := make(chan error, 1)
				serve := func(w http.ResponseWriter, r *http.Request) {
					out := httpx.WhileRead(w)
					var err error
					for i := 0; i < parts && err == nil; i++ {
						_, err = out.Write(part)
					}
					ended <- err
				}
				answered(t, serve, func(resp *http.Response) {
					if !reads {
						time.Sleep(2 * time.Minute) // of the bubble's clock
						select {
						case err := <-ended:
							if err == nil {
								t.Error("the answer was written without a reader")
							}
						default:
							t.Error("after two minutes the answer waits for its reader")
						}
						return
					}
					for i := range parts {
						time.Sleep(30 * time.Second)
						if _, err := io.ReadFull(resp.Body, part); err != nil {
							t.Fatalf("part %d: %v", i, err)
						}
					}
					if err := <-ended; err != nil {
						t.Error(err)
					}
				})
			})
		})
	}
}
