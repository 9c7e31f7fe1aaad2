package server

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"

	"github.com/signet-sign/signet/internal/server/limit"
)

// Connections bounds the connections of l. It closes those beyond the limits at once. The limit of
// one address does not hold for trusted proxies, which connect for many clients.
func Connections(l net.Listener, c *limit.Counts, trusted []netip.Prefix) net.Listener {
	return &bounded{l, c, trusted}
}

type bounded struct {
	net.Listener
	counts  *limit.Counts
	trusted []netip.Prefix
}

// Accept implements net.Listener.
func (b *bounded) Accept() (net.Conn, error) {
	for {
		conn, err := b.Listener.Accept()
		if err != nil {
			return nil, err
		}
		end, ok := b.counts.Begin(limitKey(conn.RemoteAddr().String(), b.trusted))
		if ok {
			return &counted{conn, sync.OnceFunc(end)}, nil
		}
		_ = conn.Close()
	}
}

// limitKey returns what the limits count by: the network of an address, or "" for a trusted proxy.
func limitKey(address string, trusted []netip.Prefix) string {
	if ip, ok := parseAddr(address); ok && slices.ContainsFunc(
		trusted, func(p netip.Prefix) bool { return p.Contains(ip) },
	) {
		return ""
	}
	return limit.Network(address)
}

// Requests bounds the requests that HTTP/2 connections have in progress, of which each connection
// can have 250: one that has its answer and does not read it costs as much as a connection. Those
// beyond the limits are answered with status 429. r.RemoteAddr has to be the connection's.
func Requests(h http.Handler, c *limit.Counts, trusted []netip.Prefix) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor < 2 {
			h.ServeHTTP(w, r)
			return
		}
		end, ok := c.Begin(limitKey(r.RemoteAddr, trusted))
		if !ok {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests) // without a body, which can be left unread
			return
		}
		defer end()
		h.ServeHTTP(w, r)
		// Otherwise net/http waits for the client after this handler has ended.
		_ = http.NewResponseController(w).Flush()
	})
}

// counted is a connection that counts until it is closed.
type counted struct {
	net.Conn
	end func()
}

// Close implements net.Conn.
func (c *counted) Close() error {
	defer c.end()
	return c.Conn.Close()
}
