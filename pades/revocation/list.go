package revocation

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/signet-sign/signet/pades/cms"
)

var (
	oidReasonCode         = asn1.ObjectIdentifier{2, 5, 29, 21}
	oidDeltaCRLIndicator  = asn1.ObjectIdentifier{2, 5, 29, 27}
	oidDistributionPoint  = asn1.ObjectIdentifier{2, 5, 29, 28}
	oidExpiredCertsOnCRL  = asn1.ObjectIdentifier{2, 5, 29, 60}
	errDistributionPoint  = errors.New("revocation: malformed issuing distribution point")
	errUnknownCriticalCRL = errors.New("revocation: the list has an unknown critical extension")
)

// FromList returns what a CRL says about a certificate of an issuer. The error wraps ErrOther if
// the list is of another issuer, or an indirect one, whose entries may be of any issuer. A delta
// list, and a list that does not cover the certificate, can only say "revoked". memo, which may be
// nil, caches verified lists.
func FromList(
	l *x509.RevocationList, cert, issuer *x509.Certificate, memo *cms.Memo,
) (Statement, error) {
	if !bytes.Equal(l.RawIssuer, issuer.RawSubject) {
		return Statement{}, ErrOther
	}
	if err := memo.CheckList(l, issuer); err != nil {
		return Statement{}, err
	}
	s := Statement{
		Reason: ReasonAbsent, ThisUpdate: l.ThisUpdate, NextUpdate: l.NextUpdate,
		complete: remembers(cert, l.ThisUpdate, l.Extensions, oidExpiredCertsOnCRL),
	}
	for _, x := range l.Extensions {
		switch {
		case x.Id.Equal(oidDeltaCRLIndicator):
			s.complete = false
		case x.Id.Equal(oidDistributionPoint):
			scope, err := parseScope(x.Value)
			switch {
			case err != nil:
				return Statement{}, err
			case scope.indirect:
				return Statement{}, ErrOther
			case !scope.covers(cert):
				s.complete = false
			}
		case x.Critical:
			return Statement{}, errUnknownCriticalCRL
		}
	}
	for _, e := range l.RevokedCertificateEntries {
		if e.SerialNumber.Cmp(cert.SerialNumber) != 0 {
			continue
		}
		reason := ReasonAbsent
		if slices.ContainsFunc(
			e.Extensions, func(x pkix.Extension) bool { return x.Id.Equal(oidReasonCode) },
		) {
			reason = Reason(e.ReasonCode)
		}
		if reason != reasonRemovedFromList {
			s.Revoked, s.Since, s.Reason = true, e.RevocationTime, reason
			break
		}
	}
	return s, nil
}

// scope is an IssuingDistributionPoint (RFC 5280, 5.2.5): which certificates a list is about.
type scope struct {
	urls       []string // of the distribution point; nil if the list is about all
	named      bool     // has a distribution point
	usersOnly  bool
	casOnly    bool
	indirect   bool
	incomplete bool // only some reasons, or attribute certificates
}

func parseScope(der []byte) (out scope, err error) {
	in := cryptobyte.String(der)
	var seq, point, names cryptobyte.String
	if !in.ReadASN1(&seq, cbasn1.SEQUENCE) || !in.Empty() ||
		!seq.ReadOptionalASN1(&point, &out.named, constructed(0)) {
		return scope{}, errDistributionPoint
	}
	if out.named && point.PeekASN1Tag(constructed(0)) {
		if !point.ReadASN1(&names, constructed(0)) {
			return scope{}, errDistributionPoint
		}
		for !names.Empty() {
			var name cryptobyte.String
			var tag cbasn1.Tag
			if !names.ReadAnyASN1(&name, &tag) {
				return scope{}, errDistributionPoint
			}
			if tag == cbasn1.Tag(6).ContextSpecific() { // uniformResourceIdentifier
				out.urls = append(out.urls, string(name))
			}
		}
	}
	for !seq.Empty() {
		var value cryptobyte.String
		var tag cbasn1.Tag
		if !seq.ReadAnyASN1(&value, &tag) {
			return scope{}, errDistributionPoint
		}
		set := tag == cbasn1.Tag(3).ContextSpecific() || len(value) == 1 && value[0] != 0
		switch tag {
		case cbasn1.Tag(1).ContextSpecific():
			out.usersOnly = set
		case cbasn1.Tag(2).ContextSpecific():
			out.casOnly = set
		case cbasn1.Tag(4).ContextSpecific():
			out.indirect = set
		case cbasn1.Tag(3).ContextSpecific(), cbasn1.Tag(5).ContextSpecific():
			out.incomplete = set
		default:
			return scope{}, errDistributionPoint
		}
	}
	return out, nil
}

func constructed(n uint8) cbasn1.Tag { return cbasn1.Tag(n).Constructed().ContextSpecific() }

// covers reports whether a list would contain the certificate if it were revoked (RFC 5280, 6.3.3,
// b). A list of a distribution point is about the certificates that name the point.
func (s scope) covers(c *x509.Certificate) bool {
	if s.incomplete || s.usersOnly && c.IsCA || s.casOnly && !c.IsCA {
		return false
	}
	return !s.named || slices.ContainsFunc(
		s.urls, func(u string) bool { return slices.Contains(c.CRLDistributionPoints, u) },
	)
}
