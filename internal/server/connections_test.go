package server

import (
	"net"
	"net/netip"
	"testing"
	"time"
)

// TestConnections checks that an address has so many connections, and a trusted proxy more; what is
// beyond is closed at once, and a connection that ends makes room.
func TestConnections(t *testing.T) {
	loopback := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	for name, test := range map[string]struct {
		trusted []netip.Prefix
		want    int
	}{"a client": {nil, 2}, "a trusted proxy": {loopback, 3}} {
		t.Run(name, func(t *testing.T) {
			inner, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			l := newLimiter(Limits{Connections: 3, PerAddress: 2, Trusted: test.trusted}).listener(inner)
			defer l.Close()
			accepted := make(chan net.Conn, 10)
			go func() {
				for {
					c, err := l.Accept()
					if err != nil {
						return
					}
					accepted <- c
				}
			}()
			// dial reports whether a new connection is served.
			dial := func() bool {
				t.Helper()
				c, err := net.Dial("tcp", inner.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { c.Close() })
				_ = c.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
				_, err = c.Read(make([]byte, 1))
				e, ok := err.(net.Error)
				return ok && e.Timeout()
			}
			for i := range test.want {
				if !dial() {
					t.Errorf("connection %d was closed", i)
				}
			}
			if dial() {
				t.Error("a connection beyond the limit is served")
			}
			first := <-accepted
			first.Close()
			first.Close() // counts once
			if !dial() || dial() {
				t.Error("a connection that ended does not make room for one")
			}
		})
	}
}
