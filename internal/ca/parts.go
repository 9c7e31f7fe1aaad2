package ca

import (
	"bytes"
	"crypto"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"
)

// takeUp is how long a new issuing CA is known before it issues. Nodes call [Authority.Reload] more
// often, so that each of them can answer for a certificate as soon as one of them issues it.
const takeUp = time.Minute

// entity is a certificate and its key.
type entity struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// parts are the certificates and keys of a directory. They never change; Reload reads others.
type parts struct {
	files     string // names, sizes and times of the files
	root      entity // without a key if that is on another machine
	lists     []*x509.RevocationList
	issuers   []*issuer           // in the order of their numbers
	tsa       entity              // the newest; without a certificate if there is none
	stampName string              // of its files
	stamps    []*x509.Certificate // its chain, up to the root
}

// issuer is an issuing CA with its OCSP responder.
type issuer struct {
	entity
	n         int                 // from 1
	above     []*x509.Certificate // its chain, up to the root
	ocsp      entity              // the newest
	responder string              // name of its files
	since     time.Time           // begin of its first responder, which was made after all else
}

// ErrIncomplete is the error for a directory whose certificates have not been installed.
var ErrIncomplete = errors.New("ca: the certificates from the root are not installed")

func (i *issuer) name() string { return numbered("issuing", i.n) }

// numbered returns the file name, without its ending, of the n-th of a kind.
func numbered(kind string, n int) string {
	if n == 1 {
		return kind
	}
	return fmt.Sprintf("%s-%d", kind, n)
}

// Reload reads the directory again if its files have changed: after a rotation by another process,
// or the installation of a certificate or list. After an error the parts stay as they were.
func (a *Authority) Reload() error {
	a.reading.Lock()
	defer a.reading.Unlock()
	files, err := a.files()
	if err != nil {
		return fmt.Errorf("ca: %w", err)
	}
	if old := a.parts.Load(); old != nil && old.files == files {
		return nil
	}
	p, err := a.read()
	if err != nil {
		return fmt.Errorf("ca: %w", err)
	}
	p.files = files
	a.parts.Store(p)
	return nil
}

// files returns the names, sizes and times of the certificates and lists.
func (a *Authority) files() (string, error) {
	list, err := a.store.List()
	var b strings.Builder
	for _, f := range list {
		if strings.HasSuffix(f.Name, ".crt") || strings.HasSuffix(f.Name, ".crl") {
			fmt.Fprintln(&b, f.Name, f.Size, f.Changed.UnixNano())
		}
	}
	return b.String(), err
}

func (a *Authority) read() (*parts, error) {
	p := &parts{}
	var err error
	if p.root, err = a.readRoot(); err != nil {
		return nil, err
	}
	if p.lists, err = a.readLists(); err != nil {
		return nil, err
	}
	for n := 1; ; n++ {
		e, above, err := a.readChain(p, numbered("issuing", n), elliptic.P384())
		if errors.Is(err, fs.ErrNotExist) {
			break
		}
		if err != nil {
			return nil, err
		}
		p.issuers = append(p.issuers, &issuer{entity: e, n: n, above: above})
	}
	if err := a.readResponders(p); err != nil {
		return nil, err
	}
	for n, i := range p.issuers {
		switch {
		case i.ocsp.cert != nil:
		case n > 0 && n == len(p.issuers)-1:
			p.issuers = p.issuers[:n] // Rotate or Install was interrupted, or is at work
		case n > 0 || p.root.key != nil:
			return nil, fmt.Errorf("OCSP responder of issuing CA %d: %w", i.n, fs.ErrNotExist)
		}
	}
	if len(p.issuers) == 0 || p.issuers[0].ocsp.cert == nil {
		return nil, ErrIncomplete
	}
	for n := 1; ; n++ {
		name := numbered("tsa", n)
		e, above, err := a.readChain(p, name, elliptic.P256())
		if errors.Is(err, fs.ErrNotExist) {
			return p, nil
		}
		if err != nil {
			return nil, err
		}
		p.tsa, p.stampName, p.stamps = e, name, above
	}
}

// readChain reads an entity and its chain up to the root. The error is fs.ErrNotExist if there is
// no certificate.
func (a *Authority) readChain(
	p *parts, name string, curve elliptic.Curve,
) (e entity, above []*x509.Certificate, err error) {
	e, above, err = a.load(name, curve)
	if errors.Is(err, fs.ErrNotExist) {
		return e, nil, err
	}
	if err = a.checked(e, err); err != nil {
		return e, nil, fmt.Errorf("%s: %w", name, err)
	}
	above = append(above, p.root.cert)
	cert := e.cert
	for _, next := range above {
		if err := cert.CheckSignatureFrom(next); err != nil {
			return e, nil, fmt.Errorf("%s was not issued by the authority beside it: %w", name, err)
		}
		cert = next
	}
	return e, above, nil
}

// readRoot reads the root, without its key if that is on another machine.
func (a *Authority) readRoot() (entity, error) {
	offline, err := a.offline()
	if err != nil {
		return entity{}, err
	}
	if !offline {
		e, _, err := a.load("root", elliptic.P384())
		if err == nil {
			err = e.cert.CheckSignatureFrom(e.cert)
		}
		if err = a.checked(e, err); err != nil {
			return entity{}, fmt.Errorf("root: %w", err)
		}
		return e, nil
	}
	data, err := a.store.Read("root.crt")
	if errors.Is(err, fs.ErrNotExist) {
		return entity{}, ErrIncomplete
	}
	if err != nil {
		return entity{}, err
	}
	certs, err := parseCertificates(data)
	if err != nil {
		return entity{}, fmt.Errorf("root: %w", err)
	}
	return entity{cert: certs[0]}, nil
}

// readLists reads the CRLs that other machines have signed, or that RevokeIssuing has written.
func (a *Authority) readLists() (lists []*x509.RevocationList, err error) {
	data, err := a.store.Read("root.crl")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		l, err := x509.ParseRevocationList(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("root.crl: %w", err)
		}
		lists = append(lists, l)
	}
	return lists, nil
}

// readResponders gives each issuing CA the newest of its OCSP responders.
func (a *Authority) readResponders(p *parts) error {
	for n := 1; ; n++ {
		e, _, err := a.load(numbered("ocsp", n), elliptic.P256())
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err = a.checked(e, err); err != nil {
			return fmt.Errorf("%s: %w", numbered("ocsp", n), err)
		}
		by := slices.IndexFunc(p.issuers, func(i *issuer) bool {
			return issued(e.cert, i.cert) && e.cert.CheckSignatureFrom(i.cert) == nil
		})
		if by < 0 {
			return fmt.Errorf("%s was not issued by the authority beside it", numbered("ocsp", n))
		}
		i := p.issuers[by]
		i.ocsp, i.responder = e, numbered("ocsp", n)
		if i.since.IsZero() {
			i.since = e.cert.NotBefore.Add(backdate)
		}
	}
}

// checked returns err, or an error if a sandbox's certificate is used outside of a sandbox, or the
// other way round.
func (a *Authority) checked(e entity, err error) error {
	if err != nil {
		return err
	}
	if IsSandbox(e.cert) != a.opts.Sandbox {
		return fmt.Errorf(
			"%q and Sandbox=%v do not go together", e.cert.Subject.CommonName, a.opts.Sandbox,
		)
	}
	return nil
}

// IsSandbox reports whether a certificate of the authority is one of a sandbox.
func IsSandbox(cert *x509.Certificate) bool {
	return strings.Contains(cert.Subject.CommonName, sandboxMark)
}

// listOf returns the newest stored CRL of a CA; nil if there is none.
func (p *parts) listOf(ca *x509.Certificate) (newest *x509.RevocationList) {
	for _, l := range p.lists {
		if bytes.Equal(l.RawIssuer, ca.RawSubject) &&
			(newest == nil || l.ThisUpdate.After(newest.ThisUpdate)) {
			newest = l
		}
	}
	return newest
}

// revoked reports whether a stored CRL names an issuing CA, or a CA above it.
func (p *parts) revoked(i *issuer) bool {
	cert := i.cert
	for _, next := range i.above {
		if l := p.listOf(next); l != nil && slices.ContainsFunc(
			l.RevokedCertificateEntries,
			func(e x509.RevocationListEntry) bool {
				return e.SerialNumber.Cmp(cert.SerialNumber) == 0
			},
		) {
			return true
		}
		cert = next
	}
	return false
}

// current returns the issuing CA that issues now: the newest that all nodes know, or the oldest if
// they may know none. It is not revoked.
func (a *Authority) current() (oldest *issuer, err error) {
	p := a.parts.Load()
	for _, i := range slices.Backward(p.issuers) {
		if p.revoked(i) {
			continue
		}
		if !a.opts.Now().Before(i.since.Add(takeUp)) {
			return i, nil
		}
		oldest = i
	}
	if oldest == nil {
		return nil, errors.New("ca: every issuing CA is revoked: make another one")
	}
	return oldest, nil
}

// issuerOf returns the issuing CA of a certificate; nil if it is of another authority.
func (a *Authority) issuerOf(cert *x509.Certificate) *issuer {
	for _, i := range a.parts.Load().issuers {
		if issued(cert, i.cert) {
			return i
		}
	}
	return nil
}

// named returns the issuing CA with a file name.
func (a *Authority) named(name string) (*issuer, error) {
	for range 2 {
		for _, i := range a.parts.Load().issuers {
			if i.name() == name {
				return i, nil
			}
		}
		if err := a.Reload(); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("ca: %s: %w", name, fs.ErrNotExist)
}

// Chain returns the certificates that follow a new signer's: issuing CA, root.
func (a *Authority) Chain() []*x509.Certificate {
	i, err := a.current()
	if err != nil {
		issuers := a.parts.Load().issuers
		i = issuers[len(issuers)-1]
	}
	return append([]*x509.Certificate{i.cert}, i.above...)
}

// ErrIssuerRevoked is the error for a signer's certificate whose issuing CA has been revoked.
var ErrIssuerRevoked = errors.New("ca: the issuing CA has been revoked")

// ChainOf returns the certificates that follow a signer's: its issuing CA, root. The error is
// [ErrIssuerRevoked] if one of them has been revoked.
func (a *Authority) ChainOf(cert *x509.Certificate) ([]*x509.Certificate, error) {
	i := a.issuerOf(cert)
	if i == nil { // another node may have made it a moment ago
		if err := a.Reload(); err != nil {
			return nil, err
		}
		if i = a.issuerOf(cert); i == nil {
			return nil, errors.New("ca: the certificate is of another authority")
		}
	}
	if a.parts.Load().revoked(i) {
		return nil, ErrIssuerRevoked
	}
	return append([]*x509.Certificate{i.cert}, i.above...), nil
}

// Certificates returns the certificates of all CAs and of the time-stamping unit in use, without
// duplicates.
func (a *Authority) Certificates() []*x509.Certificate { return a.parts.Load().certificates() }

func (p *parts) certificates() (list []*x509.Certificate) {
	for _, i := range p.issuers {
		for _, c := range append([]*x509.Certificate{i.cert}, i.above...) {
			if !slices.ContainsFunc(list, c.Equal) {
				list = append(list, c)
			}
		}
	}
	if p.tsa.cert != nil {
		list = append(list, p.tsa.cert)
	}
	return list
}

// Root returns the trust anchor.
func (a *Authority) Root() *x509.Certificate { return a.parts.Load().root.cert }

// Issuing returns the CA that issues signers' certificates now.
func (a *Authority) Issuing() *x509.Certificate { return a.Chain()[0] }

// IssuingNamed returns the certificate of the issuing CA with a file name: "issuing", "issuing-2".
// The error is fs.ErrNotExist if there is none.
func (a *Authority) IssuingNamed(name string) (*x509.Certificate, error) {
	i, err := a.named(name)
	if err != nil {
		return nil, err
	}
	return i.cert, nil
}

// Roots returns a pool that contains only the trust anchor.
func (a *Authority) Roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.Root())
	return pool
}

// TSA returns the key of the newest time-stamping unit and its certificate chain, leaf first; nil
// if there is none, which only a root on another machine allows.
func (a *Authority) TSA() (crypto.Signer, []*x509.Certificate) {
	p := a.parts.Load()
	if p.tsa.cert == nil {
		return nil, nil
	}
	return p.tsa.key, append([]*x509.Certificate{p.tsa.cert}, p.stamps...)
}
