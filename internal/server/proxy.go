package server

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// ParseProxies reads networks in CIDR notation; a single address stands for itself.
func ParseProxies(list []string) ([]netip.Prefix, error) {
	var proxies []netip.Prefix
	for _, text := range list {
		if ip, err := netip.ParseAddr(text); err == nil {
			proxies = append(proxies, netip.PrefixFrom(ip, ip.BitLen()))
			continue
		}
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf(
				"%q is neither an address nor a network such as 10.0.0.0/8", text,
			)
		}
		proxies = append(proxies, p.Masked())
	}
	return proxies, nil
}

// Proxied sets RemoteAddr to the address of the client, with port 0, in requests that come from a
// trusted proxy. It reads X-Forwarded-For or Forwarded (RFC 7239) from the end, where the nearest
// proxy writes, to the first address that is not a trusted proxy's. In requests of other peers the
// headers are ignored. If a request has both headers, one of them may be the client's invention, so
// RemoteAddr stays the proxy's.
func Proxied(h http.Handler, trusted []netip.Prefix) http.Handler {
	if len(trusted) == 0 {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if ip, ok := client(r, trusted); ok {
			r = r.WithContext(r.Context()) // RemoteAddr of the caller's request stays
			r.RemoteAddr = net.JoinHostPort(ip.String(), "0")
		}
		h.ServeHTTP(w, r)
	})
}

// client returns the address that the trusted proxies name, if they name one.
func client(r *http.Request, trusted []netip.Prefix) (found netip.Addr, ok bool) {
	isTrusted := func(ip netip.Addr) bool {
		return slices.ContainsFunc(trusted, func(p netip.Prefix) bool { return p.Contains(ip) })
	}
	if peer, ok := parseAddr(r.RemoteAddr); !ok || !isTrusted(peer) {
		return netip.Addr{}, false
	}
	xff, forwarded := r.Header.Values("X-Forwarded-For"), r.Header.Values("Forwarded")
	if len(xff) > 0 && len(forwarded) > 0 {
		return netip.Addr{}, false
	}
	hops := strings.Split(strings.Join(xff, ","), ",")
	if len(forwarded) > 0 {
		hops = splitUnquoted(strings.Join(forwarded, ","), ',')
	}
	for _, hop := range slices.Backward(hops) {
		if len(forwarded) > 0 {
			hop = forwardedFor(hop)
		}
		ip, valid := parseAddr(strings.TrimSpace(hop))
		if !valid { // a hidden or unknown client; the proxy that named it stands for it
			return found, ok
		}
		if found, ok = ip, true; !isTrusted(ip) {
			return found, ok
		}
	}
	return found, ok
}

// forwardedFor returns the value of the parameter for in an element of a Forwarded header, or "".
func forwardedFor(element string) string {
	for _, pair := range splitUnquoted(element, ';') {
		name, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
		if strings.EqualFold(name, "for") {
			return strings.Trim(value, `"`)
		}
	}
	return ""
}

// splitUnquoted splits a text at a separator outside of quoted strings. A proxy may quote what its
// client has chosen, such as the host. It reads from the end, so that a quote which a client has
// not closed spoils no element of the proxies behind it.
func splitUnquoted(text string, separator byte) []string {
	var parts []string
	quoted, end := false, len(text)
	for i := len(text) - 1; i >= 0; i-- {
		switch text[i] {
		case '"':
			before := strings.TrimRight(text[:i], `\`)
			if (i-len(before))%2 == 0 { // no quoted-pair
				quoted = !quoted
			}
		case separator:
			if !quoted {
				parts, end = append(parts, text[i+1:end]), i
			}
		}
	}
	slices.Reverse(parts)
	return slices.Insert(parts, 0, text[:end])
}

// parseAddr reads an IP address with or without brackets and port.
func parseAddr(text string) (netip.Addr, bool) {
	if host, _, err := net.SplitHostPort(text); err == nil {
		text = host
	}
	ip, err := netip.ParseAddr(strings.Trim(text, "[]"))
	return ip.Unmap().WithZone(""), err == nil
}
