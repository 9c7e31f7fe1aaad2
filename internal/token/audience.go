package token

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// singpass is the domain of the service that defined the contract. Clients written for it may name
// one of its hosts (docs/contract.md, 14.39).
const singpass = "singpass.gov.sg"

// judgeAudience refuses a token for another service (RFC 7519, section 4.1.3). A token without aud
// is for any service. Its errors are causes.
func (v *Verifier) judgeAudience(aud Value) error {
	if aud == nil {
		return nil
	}
	list := make([]*string, 1)
	if json.Unmarshal(aud, &list[0]) != nil && json.Unmarshal(aud, &list) != nil ||
		slices.Contains(list, nil) {
		return errors.New("claim aud: not a string or a list of strings")
	}
	if !slices.ContainsFunc(list, func(name *string) bool { return v.isAudience(*name) }) {
		return fmt.Errorf("claim aud: it names another service than %s", v.config.PublicURL)
	}
	return nil
}

// isAudience reports whether a name is a URL of this service with any path, or its host.
func (v *Verifier) isAudience(name string) bool {
	scheme, host, ok := authority(name)
	if !ok {
		return false
	}
	if ownScheme, own, ok := authority(v.config.PublicURL); ok && host == own &&
		(scheme == "" || scheme == ownScheme) {
		return true
	}
	name, port, _ := net.SplitHostPort(host)
	if (name == singpass || strings.HasSuffix(name, "."+singpass)) && port == "443" &&
		scheme != "http" {
		return true
	}
	_, err := netip.ParseAddr(name)
	return v.config.Local && (err == nil || name == "localhost")
}

// authority returns the scheme of a URL, and the host with the port that it names or implies. A
// name that is not a URL is an https host, with the scheme "".
func authority(name string) (scheme, host string, ok bool) {
	text := name
	if !strings.Contains(name, "://") {
		text = "https://" + name
	}
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.User != nil ||
		u.Scheme != "https" && u.Scheme != "http" {
		return "", "", false
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"https": "443", "http": "80"}[u.Scheme]
	}
	if text == name {
		scheme = u.Scheme
	}
	return scheme, net.JoinHostPort(strings.ToLower(u.Hostname()), port), true
}
