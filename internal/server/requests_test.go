package server

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// serveTLS serves h with HTTP/2 until the test ends.
func serveTLS(t *testing.T, h http.Handler, limits Limits) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	certified := httptest.NewTLSServer(nil)
	certified.Close()
	s := &Server{
		Handler: h, Limits: limits, Grace: time.Minute, Log: slog.New(slog.DiscardHandler),
		TLS: &tls.Config{
			Certificates: certified.TLS.Certificates, NextProtos: []string{"h2", "http/1.1"},
		},
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- s.Serve(ctx, l) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

// h2 is a client's connection that reads what the test asks for only.
type h2 struct {
	*http2.Framer
	conn    net.Conn
	block   bytes.Buffer
	encoder *hpack.Encoder
	stream  uint32 // next
}

// dialH2 opens a connection. Answers may have window bytes before the client reads them.
func dialH2(t *testing.T, address string, window uint32) (*h2, error) {
	conn, err := tls.Dial("tcp", address, &tls.Config{
		InsecureSkipVerify: true, NextProtos: []string{"h2"}, // of httptest
	})
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { conn.Close() })
	c := &h2{Framer: http2.NewFramer(conn, conn), conn: conn, stream: 1}
	c.encoder = hpack.NewEncoder(&c.block)
	c.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	if _, err := conn.Write([]byte(http2.ClientPreface)); err != nil {
		return nil, err
	}
	return c, c.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: window})
}

// ask sends a further request.
func (c *h2) ask() (stream uint32, err error) {
	stream = c.stream
	c.stream += 2
	c.block.Reset()
	for _, f := range []hpack.HeaderField{
		{Name: ":method", Value: "GET"},
		{Name: ":scheme", Value: "https"},
		{Name: ":authority", Value: "sign.test"},
		{Name: ":path", Value: "/"},
	} {
		if err := c.encoder.WriteField(f); err != nil {
			return 0, err
		}
	}
	return stream, c.WriteHeaders(http2.HeadersFrameParam{
		StreamID: stream, BlockFragment: c.block.Bytes(), EndStream: true, EndHeaders: true,
	})
}

// status sends a further request and returns the status of its answer.
func (c *h2) status() (string, error) {
	stream, err := c.ask()
	for err == nil {
		var f http2.Frame
		if f, err = c.ReadFrame(); err != nil {
			break
		}
		if h, ok := f.(*http2.MetaHeadersFrame); ok && h.StreamID == stream {
			return h.PseudoValue("status"), nil
		}
	}
	return "", err
}

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

// TestRequests checks that an address has so many requests in progress in one HTTP/2 connection,
// and a trusted proxy more, whose answers it does not read, however short they are.
func TestRequests(t *testing.T) {
	for name, test := range map[string]struct {
		trusted []netip.Prefix
		want    int
	}{"a client": {nil, 2}, "a trusted proxy": {loopback, 3}} {
		t.Run(name, func(t *testing.T) {
			reached := make(chan struct{}, 10)
			answers := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				reached <- struct{}{}
				_, _ = w.Write([]byte("short"))
			})
			c, err := dialH2(t, serveTLS(t, answers, Limits{Connections: 3, PerAddress: 2, Trusted: test.trusted}), 0)
			if err != nil {
				t.Fatal(err)
			}
			status := func() string {
				t.Helper()
				got, err := c.status()
				if err != nil {
					t.Fatal(err)
				}
				return got
			}
			for i := range test.want {
				if got := status(); got != "200" {
					t.Errorf("request %d: %s", i, got)
				}
				<-reached
			}
			if got := status(); got != "429" || len(reached) > 0 {
				t.Errorf("a request beyond the limit: %s, %d more were served", got, len(reached))
			}
			// An answer that is read makes room, and so does one that the client gives up.
			if err := c.WriteRSTStream(1, http2.ErrCodeCancel); err != nil {
				t.Fatal(err)
			}
			got := status()
			for ; got == "429"; got = status() { // until the server has noticed
			}
			if got != "200" {
				t.Errorf("after one has ended: %s", got)
			}
			c.conn.Close()
		})
	}
}

// TestResets checks that an address that resets more streams than it may loses the connection, and
// gets no other one until time has passed, however many of its resets were in progress. Requests
// that are answered, and a trusted proxy's, do not count.
func TestResets(t *testing.T) {
	for name, test := range map[string]struct {
		trusted []netip.Prefix
		reset   bool
		ends    bool
	}{
		"a client that resets": {nil, true, true},
		"a client that reads":  {nil, false, false},
		"a trusted proxy":      {loopback, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			var now atomic.Int64 // seconds
			limits := Limits{
				PerAddress: 1000, Trusted: test.trusted,
				Now: func() time.Time { return time.Unix(now.Load(), 0) },
			}
			begun, over := make(chan struct{}, 10), make(chan struct{}, 10)
			address := serveTLS(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				begun <- struct{}{}
				if test.reset {
					<-r.Context().Done()
					over <- struct{}{}
				}
			}), limits)
			c, err := dialH2(t, address, 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			if test.reset {
				go func() {
					_, err := io.Copy(io.Discard, c.conn) // until the server closes it
					ended <- err
				}()
			}
			// one resets a request that is in progress, or reads its answer.
			one := func() error {
				if !test.reset {
					status, err := c.status()
					<-begun
					if err == nil && status != "200" {
						t.Fatalf("answered %s", status)
					}
					return err
				}
				stream, err := c.ask()
				if err != nil {
					return err
				}
				select {
				case <-begun:
				case err := <-ended:
					ended <- err
					return errors.Join(err, io.EOF)
				}
				err = c.WriteRSTStream(stream, http2.ErrCodeCancel)
				<-over
				return err
			}
			for i := range 3 * resetBurst {
				if err = one(); err != nil {
					if i < resetBurst {
						t.Errorf("it ends after %d resets: %v", i, err)
					}
					break
				}
			}
			if (err != nil) != test.ends {
				t.Errorf("the connection ends: %v, want %v", err, test.ends)
			}
			again := func() error {
				other, err := dialH2(t, address, 1<<20)
				if err == nil {
					_, err = other.ReadFrame()
					other.conn.Close()
				}
				return err
			}
			if err := again(); (err != nil) != test.ends ||
				err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("a further connection: %v, want it closed: %v", err, test.ends)
			}
			now.Add(3600)
			if err := again(); err != nil {
				t.Errorf("later: %v", err)
			}
			c.conn.Close()
		})
	}
}
