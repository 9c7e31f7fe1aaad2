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

// slowly reads a few bytes every five seconds, as a client does that is to hold an answer for ever.
func slowly(r io.Reader) {
	for {
		time.Sleep(5 * time.Second) // of the bubble's clock
		if _, err := io.ReadFull(r, make([]byte, 3)); err != nil {
			return
		}
	}
}

// TestStreamUnread checks that a client that does not read its event stream, or a few bytes now and
// then, loses it, and what it holds; and that one that reads keeps it for longer than any other
// answer may take, but not for ever.
func TestStreamUnread(t *testing.T) {
	for name, read := range map[string]func(io.Reader){
		"reads":         func(r io.Reader) { _, _ = io.Copy(io.Discard, r) },
		"reads nothing": func(io.Reader) {},
		"reads slowly":  slowly,
	} {
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
					go read(resp.Body)
					const most = time.Hour
					time.Sleep(most - time.Second) // of the bubble's clock
					end, ended := open.Begin("")
					if ended {
						end()
					}
					if ended == (name == "reads") {
						t.Errorf("after %v the stream has ended: %v", most-time.Second, ended)
					}
					time.Sleep(2 * time.Second)
					if _, ended := open.Begin(""); !ended {
						t.Errorf("the stream is open for longer than %v", most)
					}
				})
			})
		})
	}
}

// TestWhileRead checks that a client that reads at a low rate gets an answer which takes longer than
// the server's write timeout, also if the server pauses, and that one that reads nothing, or a few
// bytes now and then, ends it.
func TestWhileRead(t *testing.T) {
	part := make([]byte, 64<<10)
	const parts = 60
	for _, tt := range []struct {
		name     string
		pause    time.Duration          // before the server writes a part
		read     func(r io.Reader) bool // the whole answer
		complete bool
	}{
		{"reads at a low rate", 0, func(r io.Reader) bool {
			for range parts {
				time.Sleep(3 * time.Second)
				if _, err := io.ReadFull(r, part); err != nil {
					return false
				}
			}
			return true
		}, true},
		{"reads, and the server pauses", 50 * time.Second, func(r io.Reader) bool {
			n, err := io.CopyN(io.Discard, r, parts*int64(len(part)))
			return n > 0 && err == nil
		}, true},
		{"reads in the end", 0, func(r io.Reader) bool {
			_, _ = io.CopyN(io.Discard, r, 30*int64(len(part)))
			time.Sleep(50 * time.Second)
			_, err := io.CopyN(io.Discard, r, 30*int64(len(part)))
			return err == nil
		}, true},
		{"reads nothing", 0, func(io.Reader) bool { return false }, false},
		{"reads slowly", 0, func(r io.Reader) bool { slowly(r); return false }, false},
		{"reads much, then slowly", 0, func(r io.Reader) bool {
			_, _ = io.CopyN(io.Discard, r, 40*int64(len(part)))
			slowly(r)
			return false
		}, false},
		{"reads at less than the rate", 0, func(r io.Reader) bool {
			for range parts {
				time.Sleep(5 * time.Second)
				if _, err := io.ReadFull(r, part); err != nil {
					return false
				}
			}
			return true
		}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				ended := make(chan error, 1)
				var took time.Duration
				serve := func(w http.ResponseWriter, r *http.Request) {
					out := httpx.WhileRead(w)
					var err error
					for i := 0; i < parts && err == nil; i++ {
						time.Sleep(tt.pause)
						_, err = out.Write(part)
					}
					took = time.Since(began)
					ended <- err
				}
				answered(t, serve, func(resp *http.Response) {
					read := tt.read(resp.Body)
					err := <-ended
					if read != tt.complete || (err == nil) != tt.complete {
						t.Errorf("the answer is read: %v, and written: %v; want %v",
							read, err, tt.complete)
					}
					if took > 5*time.Minute && !tt.complete {
						t.Errorf("it ended after %v", took)
					}
				})
			})
		})
	}
}
