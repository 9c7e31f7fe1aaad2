package server

import (
	"net"
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
		peer := conn.RemoteAddr().String()
		key := limit.Network(peer)
		if ip, ok := parseAddr(peer); ok && slices.ContainsFunc(
			b.trusted, func(p netip.Prefix) bool { return p.Contains(ip) },
		) {
			key = ""
		}
		end, ok := b.counts.Begin(key)
		if ok {
			return &counted{conn, sync.OnceFunc(end)}, nil
		}
		_ = conn.Close()
	}
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
