package party

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/signet-sign/signet/internal/safehttp"
)

// Limits of [Party].CA.
const (
	maxCA    = 16 << 10 // bytes
	maxRoots = 20       // certificates
)

// Policy returns the policy of calls to p's JWKS and webhook URLs: base, with p's own settings.
func (p *Party) Policy(base safehttp.Policy) safehttp.Policy {
	base.AllowPrivate = base.AllowPrivate || p.AllowPrivate
	if p.CA == "" {
		return base
	}
	base.Roots = x509.NewCertPool() // a CA that cannot be parsed trusts no certificate
	certs, _ := p.Authorities()
	for _, c := range certs {
		base.Roots.AddCert(c)
	}
	return base
}

// Authorities returns the certificates of p's CA; none if it is empty.
func (p *Party) Authorities() ([]*x509.Certificate, error) {
	if len(p.CA) > maxCA {
		return nil, fmt.Errorf("it is longer than %d bytes", maxCA)
	}
	var certs []*x509.Certificate
	missing := errors.New("it is not certificates in PEM")
	for rest := []byte(p.CA); strings.TrimSpace(string(rest)) != ""; {
		var block *pem.Block
		switch block, rest = pem.Decode(rest); {
		case block == nil:
			return nil, missing
		case block.Type != "CERTIFICATE":
			return nil, fmt.Errorf("it has a %s, and must have certificates only", block.Type)
		case len(certs) == maxRoots:
			return nil, fmt.Errorf("it has more than %d certificates", maxRoots)
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, errors.New("it has a certificate that cannot be parsed")
		}
		certs = append(certs, c)
	}
	if p.CA != "" && certs == nil {
		return nil, missing
	}
	return certs, nil
}

// ShownCA is a CA for people's eyes: the subject, the end and the SHA-256 of each certificate.
func ShownCA(text string) string {
	if text == "" {
		return ""
	}
	certs, err := (&Party{CA: text}).Authorities()
	if err != nil {
		return "(not certificates)"
	}
	var list []string
	for _, c := range certs {
		sum := sha256.Sum256(c.Raw)
		list = append(list, fmt.Sprintf(
			"%s until %s (SHA-256 %x)", c.Subject, c.NotAfter.UTC().Format(time.DateOnly), sum,
		))
	}
	return strings.Join(list, ", ")
}

// origin identifies where the party's keys are fetched from and under which settings, so that keys
// that were fetched under other settings are not used. It is the URL for a party without settings.
func (p *Party) origin() string {
	origin := p.JWKSURL
	if p.AllowPrivate {
		origin += " private"
	}
	if p.CA != "" {
		sum := sha256.Sum256([]byte(p.CA))
		origin += " ca=" + hex.EncodeToString(sum[:])
	}
	return origin
}

// Clients makes the HTTP clients for the JWKS and webhook URLs of relying parties. Parties with the
// same settings share a client and its connections. It is safe for concurrent use.
type Clients struct {
	Policy safehttp.Policy // of parties without settings

	// Wrap, if not nil, is put around the transport of each client, as for tracing.
	Wrap func(http.RoundTripper) http.RoundTripper

	mu   sync.Mutex
	made []settings // in the order of their last use, the latest last
}

// settings are those of a [Party] that need a client of their own, and that client.
type settings struct {
	private bool
	ca      string
	client  *http.Client
}

// maxClients bounds the clients that are kept. Few parties have a CA.
const maxClients = 64

// Of returns the client for p's URLs.
func (c *Clients) Of(p *Party) *http.Client {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.IndexFunc(c.made, func(s settings) bool {
		return s.private == p.AllowPrivate && s.ca == p.CA
	})
	if i >= 0 {
		s := c.made[i]
		c.made = append(slices.Delete(c.made, i, i+1), s)
		return s.client
	}
	if len(c.made) == maxClients {
		c.made[0].client.CloseIdleConnections()
		c.made = slices.Delete(c.made, 0, 1)
	}
	client := safehttp.NewClient(p.Policy(c.Policy))
	if c.Wrap != nil {
		client.Transport = c.Wrap(client.Transport)
	}
	c.made = append(c.made, settings{p.AllowPrivate, p.CA, client})
	return client
}
