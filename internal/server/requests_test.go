package server_test

import (
	"bytes"
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/signet-sign/signet/internal/server"
	"github.com/signet-sign/signet/internal/server/limit"
)

// TestRequests checks that an address has so many requests in progress in one HTTP/2 connection,
// and a trusted proxy more, whose answers it does not read, however short they are.
func TestRequests(t *testing.T) {
	loopback := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
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
			s := httptest.NewUnstartedServer(
				server.Requests(answers, &limit.Counts{Each: 2, All: 3}, test.trusted),
			)
			s.EnableHTTP2 = true
			s.StartTLS()
			defer s.Close()
			address := strings.TrimPrefix(s.URL, "https://")
			conn, err := tls.Dial("tcp", address, &tls.Config{
				InsecureSkipVerify: true, NextProtos: []string{"h2"}, // of httptest
			})
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
			if _, err := conn.Write([]byte(http2.ClientPreface)); err != nil {
				t.Fatal(err)
			}
			framer := http2.NewFramer(conn, conn)
			framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
			unread := http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0}
			if err := framer.WriteSettings(unread); err != nil {
				t.Fatal(err)
			}
			var block bytes.Buffer
			encoder := hpack.NewEncoder(&block)
			stream := uint32(1)
			// status is that of the answer to a further request.
			status := func() string {
				t.Helper()
				block.Reset()
				for _, f := range []hpack.HeaderField{
					{Name: ":method", Value: "GET"},
					{Name: ":scheme", Value: "https"},
					{Name: ":authority", Value: address},
					{Name: ":path", Value: "/"},
				} {
					if err := encoder.WriteField(f); err != nil {
						t.Fatal(err)
					}
				}
				err := framer.WriteHeaders(http2.HeadersFrameParam{
					StreamID: stream, BlockFragment: block.Bytes(), EndStream: true, EndHeaders: true,
				})
				if err != nil {
					t.Fatal(err)
				}
				for {
					f, err := framer.ReadFrame()
					if err != nil {
						t.Fatal(err)
					}
					if h, ok := f.(*http2.MetaHeadersFrame); ok && h.StreamID == stream {
						stream += 2
						return h.PseudoValue("status")
					}
				}
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
			if err := framer.WriteRSTStream(1, http2.ErrCodeCancel); err != nil {
				t.Fatal(err)
			}
			got := status()
			for ; got == "429"; got = status() { // until the server has noticed
			}
			if got != "200" {
				t.Errorf("after one has ended: %s", got)
			}
		})
	}
}
