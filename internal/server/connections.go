package server

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/signet-sign/signet/internal/server/limit"
)

// Limits bound what the clients of one listener take of it. The limits of one address (IPv6: a
// network of 64 bits) do not hold for trusted proxies, which connect for many clients.
type Limits struct {
	Connections int // in all; 0: no limit
	PerAddress  int // of one address; 0: no limit
	Trusted     []netip.Prefix
	Now         func() time.Time // nil: time.Now
	// Refused is called for each connection or request that a limit refuses, and for each
	// connection that is closed because of its resets. It may be nil.
	Refused func(by Limit)
}

// Limit is the name of a limit, for the metrics.
type Limit string

// The limits of a listener. ByTurns is that of [limit.Turns].
const (
	ByConnections Limit = "connections"
	ByRequests    Limit = "requests" // of HTTP/2 connections
	ByResets      Limit = "resets"
	ByTurns       Limit = "turns"
)

// How many HTTP/2 streams of one address may be reset before they are answered: resetsPerSecond,
// and resetBurst at once after a pause. A reset makes room for the next stream of a connection
// while the handler still works, so a client that resets all its streams has the service work
// without ever having to read an answer (CVE-2023-44487). Browsers reset the event stream and the
// parts of a document when a person leaves a page.
const (
	resetsPerSecond = rate.Limit(20)
	resetBurst      = 500
)

// limiter counts by Limits.
type limiter struct {
	Limits
	connections, requests limit.Counts
	resets                limit.Rates
}

func newLimiter(l Limits) *limiter {
	return &limiter{
		Limits:      l,
		connections: limit.Counts{Each: l.PerAddress, All: l.Connections},
		requests:    limit.Counts{Each: l.PerAddress, All: l.Connections},
		resets:      limit.Rates{Now: l.Now},
	}
}

func (m *limiter) refused(by Limit) {
	if m.Refused != nil {
		m.Refused(by)
	}
}

// listener bounds the connections of l. It closes those beyond the limits at once, and those of an
// address that has reset too many streams.
func (m *limiter) listener(l net.Listener) net.Listener { return &bounded{l, m} }

type bounded struct {
	net.Listener
	limits *limiter
}

// Accept implements net.Listener.
func (b *bounded) Accept() (net.Conn, error) {
	for {
		conn, err := b.Listener.Accept()
		if err != nil {
			return nil, err
		}
		key := limitKey(conn.RemoteAddr().String(), b.limits.Trusted)
		by := ByResets
		if !b.limits.resets.Spent(key) {
			end, ok := b.limits.connections.Begin(key)
			if ok {
				return &counted{conn, sync.OnceFunc(end)}, nil
			}
			by = ByConnections
		}
		_ = conn.Close()
		b.limits.refused(by)
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

// handler bounds the requests that HTTP/2 connections have in progress, of which each one can have
// 250: one that has its answer and does not read it costs as much as a connection. Those beyond the
// limits are answered with status 429. It closes a connection that resets more streams than its
// address may. r.RemoteAddr has to be the connection's.
func (m *limiter) handler(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor < 2 {
			h.ServeHTTP(w, r)
			return
		}
		key := limitKey(r.RemoteAddr, m.Trusted)
		end, ok := m.requests.Begin(key)
		if !ok {
			m.refused(ByRequests)
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests) // without a body, which can be left unread
			return
		}
		defer end()
		if key != "" && m.PerAddress > 0 {
			answered := context.AfterFunc(r.Context(), func() { m.reset(r.Context(), key) })
			defer answered()
		}
		h.ServeHTTP(w, r)
		// Otherwise net/http waits for the client after this handler has ended.
		_ = http.NewResponseController(w).Flush()
	})
}

// reset counts a stream that was reset. The context is that of its request.
func (m *limiter) reset(ctx context.Context, key string) {
	m.resets.Take(key, resetsPerSecond, resetBurst)
	if conn, ok := ctx.Value(connKey{}).(*tls.Conn); ok && m.resets.Spent(key) {
		m.refused(ByResets)
		_ = conn.NetConn().Close() // Close of conn itself would wait for the client
	}
}

// connKey is the key of the connection in the context of a request.
type connKey struct{}

// withConn is for [http.Server.ConnContext].
func withConn(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, conn)
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
