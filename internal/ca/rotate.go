package ca

import (
	"crypto/elliptic"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"slices"
)

// Part is a kind of certificate that can be rotated.
type Part string

// The parts of an authority below its root. The value is the name of the part's first files.
const (
	PartIssuing Part = "issuing"
	PartOCSP    Part = "ocsp"
	PartTSA     Part = "tsa"
)

// ErrOffline is the error for what the root has to sign, if its key is on another machine.
var ErrOffline = errors.New("ca: the root's key is on another machine, which has to sign a request")

// Rotate creates the next key and certificate of a part, and returns the certificates. The old ones
// stay:
//
//   - An issuing CA gets an OCSP responder, is in use a minute later on all nodes, and its
//     predecessor goes on to answer for the certificates that it has issued.
//   - Each issuing CA that has not ended gets the next OCSP responder.
//   - A time-stamping unit is in use after the next Reload.
//
// A call that was interrupted is completed by the next one.
func (a *Authority) Rotate(part Part) (made []*x509.Certificate, err error) {
	p := a.parts.Load()
	if part != PartOCSP && p.root.key == nil {
		return nil, ErrOffline
	}
	switch part {
	case PartIssuing:
		n := p.issuers[len(p.issuers)-1].n + 1
		e, err := a.ensure(
			numbered("issuing", n), elliptic.P384(), &p.root, a.issuingProfile(&p.root, n),
		)
		if err != nil {
			return nil, err
		}
		responder, err := a.nextResponder(e)
		if err != nil {
			return nil, err
		}
		made = []*x509.Certificate{e.cert, responder}
	case PartOCSP:
		for _, i := range p.issuers {
			if a.opts.Now().After(i.cert.NotAfter) {
				continue
			}
			responder, err := a.nextResponder(i.entity)
			if err != nil {
				return nil, err
			}
			made = append(made, responder)
		}
	case PartTSA:
		n, err := a.free("tsa")
		if err != nil {
			return nil, err
		}
		e, err := a.ensure(numbered("tsa", n), elliptic.P256(), &p.root, a.tsaProfile(&p.root, n))
		if err != nil {
			return nil, err
		}
		made = []*x509.Certificate{e.cert}
	default:
		return nil, fmt.Errorf("ca: %q cannot be rotated", part)
	}
	return made, a.Reload()
}

// ensure loads or creates an entity.
func (a *Authority) ensure(
	name string, curve elliptic.Curve, parent *entity, profile makeProfile,
) (entity, error) {
	e, _, err := a.load(name, curve)
	if errors.Is(err, fs.ErrNotExist) {
		e, err = a.create(name, curve, parent, profile)
	}
	if err != nil {
		return e, fmt.Errorf("ca: %s: %w", name, err)
	}
	return e, nil
}

// nextResponder creates the next OCSP responder of an issuing CA.
func (a *Authority) nextResponder(issuing entity) (*x509.Certificate, error) {
	n, err := a.free("ocsp")
	if err != nil {
		return nil, err
	}
	e, err := a.ensure(numbered("ocsp", n), elliptic.P256(), &issuing, a.ocspProfile(&issuing, n))
	return e.cert, err
}

// free returns the first number of a kind that has no certificate.
func (a *Authority) free(kind string) (int, error) {
	for n := 1; ; n++ {
		_, err := a.store.Read(numbered(kind, n) + ".crt")
		if errors.Is(err, fs.ErrNotExist) {
			return n, nil
		}
		if err != nil {
			return 0, err
		}
	}
}

// RevokeIssuing puts an issuing CA into the root's CRL. All certificates that it has issued count
// as revoked from the given time; what they signed before, with a timestamp, stays valid. The error
// is fs.ErrNotExist if the serial number is not that of an issuing CA, and [ErrOffline] if the
// root's key is on another machine: see [SignRequests].
func (a *Authority) RevokeIssuing(serial *big.Int, reason int) error {
	p := a.parts.Load()
	if !slices.ContainsFunc(
		p.issuers, func(i *issuer) bool { return i.cert.SerialNumber.Cmp(serial) == 0 },
	) {
		return fmt.Errorf("ca: issuing CA %x: %w", serial, fs.ErrNotExist)
	}
	if p.root.key == nil {
		return ErrOffline
	}
	now := a.opts.Now().UTC()
	list, err := a.extendList(
		p.root, p.listOf(p.root.cert), Revoked{Serial: serial, At: now, Reason: reason},
	)
	if err != nil {
		return err
	}
	if err := a.store.Replace("root.crl", encodeList(list)); err != nil {
		return err
	}
	return a.Reload()
}

// extendList signs the list that follows old, which may be nil, with more lines.
func (a *Authority) extendList(
	root entity, old *x509.RevocationList, more ...Revoked,
) ([]byte, error) {
	number := big.NewInt(a.opts.Now().UnixMilli())
	var lines []Revoked
	if old != nil {
		lines = entries(old)
		if next := new(big.Int).Add(old.Number, big.NewInt(1)); next.Cmp(number) > 0 {
			number = next
		}
	}
	for _, m := range more {
		if !slices.ContainsFunc(
			lines, func(r Revoked) bool { return r.Serial.Cmp(m.Serial) == 0 },
		) {
			lines = append(lines, m)
		}
	}
	from := a.opts.Now().UTC().Add(-backdate)
	return a.signList(root, lines, number, from, offlineListLife)
}

func encodeList(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der})
}
