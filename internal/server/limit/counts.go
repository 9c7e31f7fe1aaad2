package limit

import (
	"net"
	"net/netip"
	"sync"
)

// Counts bounds how many things are open at the same time.
type Counts struct {
	Each int // of one key; 0: no limit
	All  int // 0: no limit

	mu   sync.Mutex
	open map[string]int
	all  int
}

// Begin counts an open thing until end is called once, or refuses it. The key "" has no limit of
// its own. A nil *Counts has no limit.
func (c *Counts) Begin(key string) (end func(), ok bool) {
	if c == nil {
		return func() {}, true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.All > 0 && c.all >= c.All || key != "" && c.Each > 0 && c.open[key] >= c.Each {
		return nil, false
	}
	if c.open == nil {
		c.open = map[string]int{}
	}
	c.all++
	c.open[key]++
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.all--
		if c.open[key]--; c.open[key] == 0 {
			delete(c.open, key)
		}
	}, true
}

// Network returns what of a client's address, with or without a port, the client cannot choose: an
// IPv4 address, or an IPv6 network of 64 bits.
func Network(address string) string {
	if host, _, err := net.SplitHostPort(address); err == nil {
		address = host
	}
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return address
	}
	if ip = ip.Unmap().WithZone(""); ip.Is4() {
		return ip.String()
	}
	return netip.PrefixFrom(ip, 64).Masked().String()
}
