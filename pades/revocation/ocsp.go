package revocation

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/signet-sign/signet/pades/cms"
)

// ErrOther is the error for a response or list that is not about the certificate.
var ErrOther = errors.New("revocation: not about this certificate")

// Types of RFC 6960, 4.2.1, as far as package ocsp does not return them.
type (
	responseData struct {
		Version     int `asn1:"optional,default:0,explicit,tag:0"`
		ResponderID asn1.RawValue
		ProducedAt  time.Time `asn1:"generalized"`
		Responses   []singleResponse
	}
	singleResponse struct {
		ID         certID
		Good       asn1.Flag        `asn1:"tag:0,optional"`
		Revoked    revokedInfo      `asn1:"tag:1,optional"`
		Unknown    asn1.Flag        `asn1:"tag:2,optional"`
		ThisUpdate time.Time        `asn1:"generalized"`
		NextUpdate time.Time        `asn1:"generalized,explicit,tag:0,optional"`
		Extensions []pkix.Extension `asn1:"explicit,tag:1,optional"`
	}
	certID struct {
		Hash              pkix.AlgorithmIdentifier
		NameHash, KeyHash []byte
		Serial            *big.Int
	}
	revokedInfo struct {
		Time   time.Time       `asn1:"generalized"`
		Reason asn1.Enumerated `asn1:"explicit,tag:0,optional,default:-1"`
	}
)

var (
	oidNoCheck       = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 5}
	oidArchiveCutoff = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 6}
)

// FromResponse returns what an OCSP response, DER, says about a certificate of an issuer. Of
// several answers about it the first that says "revoked" counts. The error wraps ErrOther if the
// response is about other certificates. memo, which may be nil, caches verified certificates.
func FromResponse(der []byte, cert, issuer *x509.Certificate, memo *cms.Memo) (Statement, error) {
	if err := cms.CheckResponder(der); err != nil {
		return Statement{}, err
	}
	// ParseResponseForCert selects by the serial number alone, which other issuers may use too. It
	// checks the signature by the certificate in the response, and none if there is no certificate.
	r, err := ocsp.ParseResponseForCert(der, cert, nil)
	if err != nil {
		return Statement{}, err
	}
	var data responseData
	if _, err := asn1.Unmarshal(r.TBSResponseData, &data); err != nil {
		return Statement{}, err
	}
	var single *singleResponse
	for i := range data.Responses {
		r := &data.Responses[i]
		if r.ID.names(cert, issuer) && (single == nil || r.revoked() && !single.revoked()) {
			single = r
		}
	}
	if single == nil {
		return Statement{}, ErrOther
	}
	for _, x := range single.Extensions {
		if x.Critical {
			return Statement{}, fmt.Errorf("revocation: critical extension %s", x.Id)
		}
	}
	if err := authorised(r, issuer, data.ProducedAt, memo); err != nil {
		return Statement{}, err
	}
	return Statement{
		Revoked: single.revoked(), Since: single.Revoked.Time,
		Reason:     Reason(single.Revoked.Reason),
		ThisUpdate: single.ThisUpdate, NextUpdate: single.NextUpdate,
		complete: bool(!single.Unknown) &&
			remembers(cert, single.ThisUpdate, single.Extensions, oidArchiveCutoff),
	}, nil
}

func (r *singleResponse) revoked() bool { return bool(!r.Good && !r.Unknown) }

// names reports whether the id is that of a certificate of an issuer (RFC 6960, 4.1.1).
func (id certID) names(cert, issuer *x509.Certificate) bool {
	h, ok := cms.HashByOID(id.Hash.Algorithm)
	if id.Hash.Algorithm.Equal(cms.OIDSHA1) { // which most responders use; it identifies only
		h, ok = crypto.SHA1, true
	}
	if !ok || id.Serial == nil || id.Serial.Cmp(cert.SerialNumber) != 0 {
		return false
	}
	sum := func(b []byte) []byte {
		f := h.New()
		f.Write(b)
		return f.Sum(nil)
	}
	var key struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	if _, err := asn1.Unmarshal(issuer.RawSubjectPublicKeyInfo, &key); err != nil {
		return false
	}
	return bytes.Equal(id.NameHash, sum(issuer.RawSubject)) &&
		bytes.Equal(id.KeyHash, sum(key.Key.RightAlign()))
}

// authorised checks that the issuer has signed a response, or a certificate for that purpose, which
// the issuer has issued and which was valid at the time (RFC 6960, 4.2.2.2). Revocation data about
// the responder would need a responder of its own, so the certificate must say that there is none.
func authorised(
	r *ocsp.Response, issuer *x509.Certificate, producedAt time.Time, memo *cms.Memo,
) error {
	by := r.Certificate
	if by == nil || by.Equal(issuer) {
		return r.CheckSignatureFrom(issuer)
	}
	switch {
	case !slices.Contains(by.ExtKeyUsage, x509.ExtKeyUsageOCSPSigning):
		return errors.New("revocation: the responder's certificate is not for OCSP")
	case !slices.ContainsFunc(
		by.Extensions, func(x pkix.Extension) bool { return x.Id.Equal(oidNoCheck) },
	):
		return errors.New("revocation: the responder's certificate needs revocation data")
	case producedAt.Before(by.NotBefore) || producedAt.After(by.NotAfter):
		return errors.New("revocation: the responder's certificate was not valid")
	case !bytes.Equal(by.RawIssuer, issuer.RawSubject):
		return errors.New("revocation: the responder's certificate is from another issuer")
	}
	return memo.CheckCertificate(by, issuer)
}

// remembers reports whether a statement that does not say "revoked" says "good". Issuers may forget
// a certificate after its end, unless an extension says since when they have kept them (RFC 6960,
// 4.4.4, and ITU-T X.509, 9.5.2.8).
func remembers(
	cert *x509.Certificate, thisUpdate time.Time, extensions []pkix.Extension,
	kept asn1.ObjectIdentifier,
) bool {
	if !thisUpdate.After(cert.NotAfter) {
		return true
	}
	for _, x := range extensions {
		var since time.Time
		if x.Id.Equal(kept) {
			_, err := asn1.UnmarshalWithParams(x.Value, &since, "generalized")
			return err == nil && !since.After(cert.NotAfter)
		}
	}
	return false
}
