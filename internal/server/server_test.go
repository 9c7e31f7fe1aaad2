package server

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-sign/signet/api"
)

// TestLimits checks that a request that is malformed, or has too many headers, never reaches the
// handler.
func TestLimits(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	h := http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusNoContent) },
	)
	go func() { done <- serve(ctx, l, h, time.Second) }()
	for text, want := range map[string]int{
		"GET / HTTP/1.1\r\nHost: x\r\nA: " + strings.Repeat("a", 60<<10) + "\r\n\r\n": 204,
		"GET / HTTP/1.1\r\nHost: x\r\nA: " + strings.Repeat("a", 80<<10) + "\r\n\r\n": 431,
		"GET / HTTP/1.1\r\nHost: x\r\nA b: c\r\n\r\n":                                 400,
	} {
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		fmt.Fprint(conn, text)
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		conn.Close()
		if resp.StatusCode != want {
			t.Errorf("%d bytes: %d, want %d", len(text), resp.StatusCode, want)
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestServeStops checks that a call that ends within the grace is answered. One that does not is
// cut off, and Serve returns only after its handler, which may still use what is closed next.
func TestServeStops(t *testing.T) {
	for _, test := range []struct {
		name         string
		takes, grace time.Duration
		answered     bool
	}{
		{"within the grace", 100 * time.Millisecond, time.Minute, true},
		{"longer", time.Minute, 100 * time.Millisecond, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithCancel(t.Context())
			begun, ended := make(chan struct{}), make(chan struct{})
			h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				close(begun)
				select {
				case <-time.After(test.takes):
				case <-r.Context().Done():
					time.Sleep(100 * time.Millisecond) // it cleans up
				}
				close(ended)
			})
			done := make(chan error, 1)
			go func() { done <- serve(ctx, l, h, test.grace) }()
			got := make(chan error, 1)
			go func() {
				resp, err := http.Get("http://" + l.Addr().String())
				if err == nil {
					resp.Body.Close()
				}
				got <- err
			}()
			<-begun
			stop()
			if err := <-done; err != nil {
				t.Error(err)
			}
			select {
			case <-ended:
			default:
				t.Error("Serve has returned, and the handler runs")
			}
			if err := <-got; (err == nil) != test.answered {
				t.Errorf("the call: %v", err)
			}
		})
	}
}

func TestLocalHost(t *testing.T) {
	h := LocalHost(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {}))
	for host, want := range map[string]int{
		"127.0.0.1:5157": 200, "127.0.0.1": 200, "localhost:5157": 200, "localhost": 200,
		"[::1]:5157": 200, "127.8.8.8:1": 200,
		"evil.example:5157": 421, "127.0.0.1.evil.example": 421, "10.0.0.1:5157": 421, "": 421,
		"localhost.evil.example:1": 421,
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Host = host
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("Host %q: %d, want %d", host, w.Code, want)
		}
		if w.Code == 421 && !refuses(w, "call it as localhost or 127.0.0.1") {
			t.Errorf("Host %q: %v %s", host, w.Header(), w.Body)
		}
	}
}

// refuses reports whether an answer is the JSON of a refusal whose description has a text.
func refuses(w *httptest.ResponseRecorder, text string) bool {
	var refusal api.Error
	return w.Header().Get("Content-Type") == "application/json" &&
		json.Unmarshal(w.Body.Bytes(), &refusal) == nil &&
		refusal.Code == api.CodeClientSide && strings.Contains(refusal.Description, text)
}

func TestOwnHost(t *testing.T) {
	h := OwnHost(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {}), "signet.test")
	for host, want := range map[string]int{
		"127.0.0.1:5156": 200, "localhost:5156": 200, "[::1]:5156": 200, "192.168.1.7:5156": 200,
		"signet.test": 200, "Signet.Test:5156": 200,
		"evil.example:5156": 421, "signet.test.evil.example": 421, "127.0.0.1.evil.example": 421,
		"": 421,
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Host = host
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("Host %q: %d, want %d", host, w.Code, want)
		}
		if w.Code == 421 && !refuses(w, "start the sandbox with --public-url") {
			t.Errorf("Host %q: %v %s", host, w.Header(), w.Body)
		}
	}
}

func TestProtect(t *testing.T) {
	h := Protect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {}))
	for name, c := range map[string]struct {
		header, value string
		want          int
	}{
		"a program":        {"", "", 200},
		"our own page":     {"Sec-Fetch-Site", "same-origin", 200},
		"another site":     {"Sec-Fetch-Site", "cross-site", 403},
		"an old browser's": {"Origin", "https://evil.example", 403},
	} {
		r := httptest.NewRequest("POST", "http://sign.example/sign/x/leave", nil)
		if c.header != "" {
			r.Header.Set(c.header, c.value)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != c.want {
			t.Errorf("%s: %d, want %d", name, w.Code, c.want)
		}
	}
}

// TestChunkedIsLast checks that nothing after a request in chunks is read as another one: if it has
// a length too, a proxy may have taken that for the end of its body.
func TestChunkedIsLast(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	var mu sync.Mutex
	var paths []string
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		_, _ = io.Copy(io.Discard, r.Body)
		paths = append(paths, r.URL.Path)
		w.WriteHeader(http.StatusNoContent)
	})
	go func() { done <- serve(ctx, l, h, time.Second) }()
	const next = "GET /next HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
	for name, text := range map[string]string{
		"/both":    "POST /both HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"/chunked": "POST /chunked HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
		"/length":  "POST /length HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\na",
	} {
		paths = nil
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		fmt.Fprint(conn, text+next)
		_, _ = io.Copy(io.Discard, conn) // until the server closes it
		conn.Close()
		want := []string{name}
		if name == "/length" {
			want = append(want, "/next")
		}
		mu.Lock()
		if !slices.Equal(paths, want) {
			t.Errorf("%s: the handler got %q, want %q", name, paths, want)
		}
		mu.Unlock()
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestSmuggling sends requests of which a proxy could take another end for the right one, each with
// a second request behind it. The handler never gets the second one.
func TestSmuggling(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	next, options := make(chan struct{}, 1), make(chan struct{}, 1)
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		switch r.RequestURI {
		case "/next":
			next <- struct{}{}
		case "*":
			options <- struct{}{}
		}
	})
	go func() { done <- serve(ctx, l, h, time.Second) }()
	const second = "GET /next HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
	size := strconv.Itoa(len(second))
	send := func(text string) {
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		go func() {
			_, _ = io.WriteString(conn, text)
			_ = conn.(*net.TCPConn).CloseWrite()
		}()
		_, _ = io.Copy(io.Discard, conn) // until the server closes it
	}
	var shapes []string
	for _, header := range []string{
		"Content-Length: " + size + "\r\nTransfer-Encoding: xchunked",
		"Transfer-Encoding: identity, chunked", "Transfer-Encoding: chunked, identity",
		"Transfer-Encoding: gzip, chunked", "Transfer-Encoding: \"chunked\"",
		"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
		"Transfer-Encoding:\vchunked\r\nContent-Length: " + size,
		"Transfer-Encoding : chunked\r\nContent-Length: " + size,
		"Transfer-Encoding:\r\n chunked\r\nContent-Length: " + size,
		"X: y\r\n\tTransfer-Encoding: chunked\r\nContent-Length: " + size,
		"X: y\nTransfer-Encoding: chunked\r\nContent-Length: " + size,
		"X: y\rTransfer-Encoding: chunked\r\nContent-Length: " + size,
		"Content-Length: 0\r\nContent-Length: " + size, "Content-Length: 0, 0",
	} {
		shapes = append(shapes, header+"\r\n\r\n")
	}
	for _, length := range []string{
		"+0", "-0", "0x0", "0 0", "0e0", "\u0660", "0;x", "0_0", "", "18446744073709551616",
	} {
		shapes = append(shapes, "Content-Length: "+length+"\r\n\r\n")
	}
	for _, body := range []string{
		"0;a=b\r\n\r\n", "0;a=\"\r\n\r\n", "0;a\n\r\n", "0;a\rX\r\n\r\n", "+0\r\n\r\n", "0x0\r\n\r\n",
		"-0\r\n\r\n", "ffffffffffffffffffff\r\n", "10000000000000000\r\n\r\n", "0 \r\n\r\n",
		" 0\r\n\r\n", "0\n\n", "1\r\na0\r\n\r\n", "1\r\naXX0\r\n\r\n", "0_0\r\n\r\n", "\r\n\r\n",
		"0\r\nTransfer-Encoding: chunked\r\n\r\n", "0\r\nContent-Length: 5\r\n\r\n",
		"0\r\nX: a\r\n b\r\n\r\n", strings.Repeat("0", 5000) + "\r\n\r\n",
		"0;" + strings.Repeat("a", 70_000) + "\r\n\r\n",
		"0\r\nX: " + strings.Repeat("a", 300_000) + "\r\n\r\n",
	} {
		shapes = append(shapes, "Transfer-Encoding: chunked\r\n\r\n"+body)
	}
	for _, shape := range shapes {
		send("POST /first HTTP/1.1\r\nHost: x\r\n" + shape + second)
		select {
		case <-next:
			t.Errorf("%.80q: the handler got the second request", shape)
		default:
		}
	}
	send("GET /first HTTP/1.1\r\nHost: x\r\n\r\n" + second)
	send("OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	for name, got := range map[string]chan struct{}{"the second request": next, "OPTIONS *": options} {
		select {
		case <-got:
		default:
			t.Errorf("the handler did not get %s", name)
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestOneRange checks that a request gets one range of a file, or all of it, and not thousands of
// parts.
func TestOneRange(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "x.txt", time.Time{}, strings.NewReader("0123456789"))
	})
	go func() { done <- serve(ctx, l, h, time.Second) }()
	for header, want := range map[string]string{
		"":                                      "200 0123456789",
		"bytes=3-5":                             "206 345",
		"bytes=-1":                              "206 9",
		"bytes=3-5,":                            "200 0123456789",
		"bytes=3-5,7-7":                         "200 0123456789",
		"bytes=0-0, -1":                         "200 0123456789",
		"bytes=" + strings.Repeat("0-0,", 9000): "200 0123456789",
	} {
		r, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+l.Addr().String(), nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Range", header)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if got := fmt.Sprint(resp.StatusCode, " ", string(body)); err != nil || got != want {
			t.Errorf("%.20s: %s, %v; want %s", header, got, err, want)
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// serve serves without limits.
func serve(ctx context.Context, l net.Listener, h http.Handler, grace time.Duration) error {
	s := &Server{Handler: h, Grace: grace, Log: slog.New(slog.DiscardHandler)}
	return s.Serve(ctx, l)
}
