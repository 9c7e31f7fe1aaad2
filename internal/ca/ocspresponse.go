package ca

import (
	"crypto"
	"crypto/sha256"
	"encoding/asn1"
	"math/big"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

var (
	oidBasicOCSP   = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 1}
	oidSHA1        = asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26}
	oidSHA256      = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}
	oidECDSASHA256 = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}
)

// singleResponse is the status of one certificate.
type singleResponse struct {
	serial     *big.Int
	nameHash   []byte
	keyHash    []byte
	hash       crypto.Hash // SHA-1 or SHA-256
	status     Status
	producedAt time.Time
	thisUpdate time.Time
	nextUpdate time.Time
}

// signOCSP encodes and signs an OCSPResponse (RFC 6960, 4.2.1).
//
// golang.org/x/crypto/ocsp sets producedAt from the machine's clock, truncated to the minute. That
// is earlier than the timestamp whose evidence the response becomes, and the sandbox has a clock of
// its own, so this package has its own encoder.
func (a *Authority) signOCSP(responder entity, s singleResponse) ([]byte, error) {
	explicit := func(n uint8) cbasn1.Tag { return cbasn1.Tag(n).Constructed().ContextSpecific() }
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { // ResponseData
		b.AddASN1(
			explicit(1),
			func(b *cryptobyte.Builder) { b.AddBytes(responder.cert.RawSubject) },
		)
		b.AddASN1GeneralizedTime(s.producedAt)
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { // SingleResponse
				b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { // CertID
					b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
						if s.hash == crypto.SHA256 {
							b.AddASN1ObjectIdentifier(oidSHA256)
						} else {
							b.AddASN1ObjectIdentifier(oidSHA1)
						}
						b.AddASN1NULL()
					})
					b.AddASN1OctetString(s.nameHash)
					b.AddASN1OctetString(s.keyHash)
					b.AddASN1BigInt(s.serial)
				})
				addCertStatus(b, s.status)
				b.AddASN1GeneralizedTime(s.thisUpdate)
				b.AddASN1(
					explicit(0),
					func(b *cryptobyte.Builder) { b.AddASN1GeneralizedTime(s.nextUpdate) },
				)
			})
		})
	})
	tbs, err := b.Bytes()
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256(tbs)
	sig, err := responder.key.Sign(a.opts.Rand, digest[:], crypto.SHA256)
	if err != nil {
		return nil, err
	}
	var basic cryptobyte.Builder
	basic.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { // BasicOCSPResponse
		b.AddBytes(tbs)
		b.AddASN1(
			cbasn1.SEQUENCE,
			func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(oidECDSASHA256) },
		)
		b.AddASN1BitString(sig)
		b.AddASN1(explicit(0), func(b *cryptobyte.Builder) {
			b.AddASN1(
				cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddBytes(responder.cert.Raw) },
			)
		})
	})
	inner, err := basic.Bytes()
	if err != nil {
		return nil, err
	}
	var out cryptobyte.Builder
	out.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { // OCSPResponse
		b.AddASN1Enum(0) // successful
		b.AddASN1(explicit(0), func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1ObjectIdentifier(oidBasicOCSP)
				b.AddASN1OctetString(inner)
			})
		})
	})
	return out.Bytes()
}

// addCertStatus writes the CHOICE good [0], revoked [1], unknown [2].
func addCertStatus(b *cryptobyte.Builder, s Status) {
	implicit := func(n uint8) cbasn1.Tag { return cbasn1.Tag(n).ContextSpecific() }
	switch {
	case !s.Known:
		b.AddASN1(implicit(2), func(*cryptobyte.Builder) {})
	case s.RevokedAt.IsZero():
		b.AddASN1(implicit(0), func(*cryptobyte.Builder) {})
	default:
		b.AddASN1(implicit(1).Constructed(), func(b *cryptobyte.Builder) {
			b.AddASN1GeneralizedTime(s.RevokedAt.UTC())
			if s.Reason != 0 { // "unspecified" should be left out (RFC 5280, 5.3.1)
				b.AddASN1(
					implicit(0).Constructed(),
					func(b *cryptobyte.Builder) { b.AddASN1Enum(int64(s.Reason)) },
				)
			}
		})
	}
}
