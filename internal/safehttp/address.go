package safehttp

import (
	"fmt"
	"net/netip"
	"slices"
)

// reserved are ranges that are not public although they look like ordinary unicast (IANA
// special-purpose address registries, RFC 6890 and its updates). netip knows private, loopback,
// link-local, multicast and unspecified addresses, so they are not listed.
var reserved = prefixes(
	"0.0.0.0/8",       // this network (RFC 791)
	"192.0.0.0/24",    // IETF protocol assignments (RFC 6890)
	"192.0.2.0/24",    // documentation (RFC 5737)
	"192.31.196.0/24", // AS112 (RFC 7535)
	"192.52.193.0/24", // AMT (RFC 7450)
	"192.88.99.0/24",  // 6to4 relays (RFC 7526)
	"192.175.48.0/24", // AS112 (RFC 7534)
	"198.18.0.0/15",   // benchmarks (RFC 2544)
	"198.51.100.0/24", // documentation
	"203.0.113.0/24",  // documentation
	"240.0.0.0/4",     // reserved, and the limited broadcast (RFC 1112)

	"2001::/23",         // IETF protocol assignments: Teredo, ORCHID, benchmarks, ... (RFC 2928)
	"2001:db8::/32",     // documentation (RFC 3849)
	"2002::/16",         // 6to4: an embedded IPv4 address (RFC 3056)
	"2620:4f:8000::/48", // AS112 (RFC 7534)
	"3fff::/20",         // documentation (RFC 9637)
)

// metadata are the addresses outside of link-local ranges at which the metadata services of clouds
// answer a machine with its credentials and its configuration.
var metadata = prefixes(
	"100.100.100.200/32",     // Alibaba Cloud
	"168.63.129.16/32",       // Azure
	"fd00:ec2::/64",          // Amazon EC2
	"fd20:ce::254/128",       // Google Cloud
	"fd00:c1::a9fe:a9fe/128", // Oracle Cloud
	"fd00:42::42/128",        // Scaleway
)

// globalIPv6 is the whole range assigned to the internet. Everything outside is refused: ::/96 and
// 64:ff9b::/96 contain IPv4 addresses, 100::/64 discards packets, fec0::/10 was site-local, and the
// rest is not assigned.
var globalIPv6 = netip.MustParsePrefix("2000::/3")

// carrierNAT is shared address space (RFC 6598). It is internal to providers.
var carrierNAT = netip.MustParsePrefix("100.64.0.0/10")

func prefixes(texts ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		out[i] = netip.MustParsePrefix(text)
	}
	return out
}

// checkAddr reports whether a connection to ip is allowed. The error wraps [ErrAddress].
func (p Policy) checkAddr(ip netip.Addr) error {
	if ip.Zone() != "" {
		return fmt.Errorf("%w: it has a zone", ErrAddress)
	}
	if ip.Is4In6() {
		// The operating system connects to the embedded IPv4 address, so that one is checked.
		ip = ip.Unmap()
	}
	kind := p.refuse(ip)
	switch {
	case kind == "":
		return nil
	case (Policy{AllowPrivate: true}).refuse(ip) == "":
		return fmt.Errorf("%w: %s is %s, and %w", ErrAddress, ip, kind, ErrPrivate)
	}
	return fmt.Errorf("%w: %s is %s", ErrAddress, ip, kind)
}

// refuse names the kind of an address that is not allowed. It returns "" for an allowed one.
func (p Policy) refuse(ip netip.Addr) string {
	in := func(p netip.Prefix) bool { return p.Contains(ip) }
	switch {
	case !ip.IsValid():
		return "not valid"
	case slices.ContainsFunc(metadata, in):
		return "the metadata service of a cloud"
	case ip.IsUnspecified():
		return "unspecified"
	case ip.IsMulticast():
		return "multicast"
	case ip.IsLinkLocalUnicast():
		return "link-local"
	case ip.IsLoopback():
		return unless(p.AllowPrivate, "loopback")
	case ip.IsPrivate():
		return unless(p.AllowPrivate, "private")
	case ip.Is4() && carrierNAT.Contains(ip):
		return unless(p.AllowPrivate, "shared address space")
	case ip.Is6() && !globalIPv6.Contains(ip):
		return "not global unicast"
	case slices.ContainsFunc(reserved, in):
		return "reserved"
	}
	return ""
}

func unless(allowed bool, kind string) string {
	if allowed {
		return ""
	}
	return kind
}
