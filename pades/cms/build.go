package cms

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// SignedAttributes returns the DER SET OF (tag 0x31) that the signer hashes
// with SHA-256 and signs: content-type, message-digest and
// signing-certificate-v2 with issuerSerial, and nothing else.
//
// There is no signing-time: PAdES forbids it (EN 319 142-1, 6.3), the time of
// the signature is the /M entry and the signature timestamp. digest is the
// SHA-256 of the content, 32 bytes.
func SignedAttributes(
	contentType asn1.ObjectIdentifier, digest []byte, cert *x509.Certificate,
) []byte {
	attrs := [][]byte{
		attribute(
			OIDContentType, func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(contentType) },
		),
		attribute(OIDMessageDigest, func(b *cryptobyte.Builder) { b.AddASN1OctetString(digest) }),
		attribute(
			OIDSigningCertificateV2,
			func(b *cryptobyte.Builder) { addSigningCertificateV2(b, cert) },
		),
	}
	return setOf(cbasn1.SET, attrs)
}

// addSigningCertificateV2 writes an RFC 5035 SigningCertificateV2 with one ESSCertIDv2. It omits
// the hash algorithm, because SHA-256 is the DEFAULT, which DER does not encode.
func addSigningCertificateV2(b *cryptobyte.Builder, cert *x509.Certificate) {
	sum := sha256.Sum256(cert.Raw)
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { // SigningCertificateV2
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { // certs
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { // ESSCertIDv2
				b.AddASN1OctetString(sum[:])
				b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { // IssuerSerial
					b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { // GeneralNames
						// directoryName
						b.AddASN1(
							cbasn1.Tag(4).Constructed().ContextSpecific(),
							func(b *cryptobyte.Builder) {
								b.AddBytes(cert.RawIssuer)
							},
						)
					})
					b.AddASN1BigInt(cert.SerialNumber)
				})
			})
		})
	})
}

// Message is the input of [Build].
type Message struct {
	ContentType asn1.ObjectIdentifier
	// Content is the encapsulated content; nil makes a detached message.
	Content []byte
	// Certificates is the signer's certificate, then its chain.
	Certificates []*x509.Certificate
	// OmitCertificates omits them from the message, which a timestamp request may ask for (RFC
	// 3161, 2.4.1, certReq).
	OmitCertificates bool
	// SignedAttributes is the result of the function SignedAttributes.
	SignedAttributes []byte
	// Signature is the DER ECDSA signature over SHA-256(SignedAttributes).
	Signature []byte
	// Timestamp is an RFC 3161 token over SHA-256(Signature), or nil.
	Timestamp []byte
}

// Build returns the DER ContentInfo. It does not check the signature; the caller has to check it
// before requesting a timestamp.
func Build(m Message) ([]byte, error) {
	if len(m.Certificates) == 0 {
		return nil, errors.New("cms: no signer certificate")
	}
	if len(m.SignedAttributes) < 2 || m.SignedAttributes[0] != byte(cbasn1.SET) {
		return nil, errors.New("cms: signed attributes are not a SET")
	}
	signer := m.Certificates[0]
	// In the SignerInfo the same bytes have the tag [0] (RFC 5652, 5.4).
	embedded := bytes.Clone(m.SignedAttributes)
	embedded[0] = byte(cbasn1.Tag(0).Constructed().ContextSpecific())

	certs := make([][]byte, 0, len(m.Certificates))
	for _, c := range m.Certificates {
		certs = append(certs, c.Raw)
	}
	// Version 3 unless the content is id-data (RFC 5652, 5.1).
	version := int64(1)
	if !m.ContentType.Equal(OIDData) {
		version = 3
	}

	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { // ContentInfo
		b.AddASN1ObjectIdentifier(OIDSignedData)
		b.AddASN1(cbasn1.Tag(0).Constructed().ContextSpecific(), func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { // SignedData
				b.AddASN1Int64(version)
				b.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) { addAlgorithm(b, OIDSHA256) })
				b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { // EncapsulatedContentInfo
					b.AddASN1ObjectIdentifier(m.ContentType)
					if m.Content != nil {
						b.AddASN1(
							cbasn1.Tag(0).Constructed().ContextSpecific(),
							func(b *cryptobyte.Builder) {
								b.AddASN1OctetString(m.Content)
							},
						)
					}
				})
				if !m.OmitCertificates {
					b.AddBytes(setOf(cbasn1.Tag(0).Constructed().ContextSpecific(), certs))
				}
				b.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) {
					b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { // SignerInfo
						b.AddASN1Int64(1)
						b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
							b.AddBytes(signer.RawIssuer)
							b.AddASN1BigInt(signer.SerialNumber)
						})
						addAlgorithm(b, OIDSHA256)
						b.AddBytes(embedded)
						addAlgorithm(b, oidECDSASHA256)
						b.AddASN1OctetString(m.Signature)
						if m.Timestamp != nil {
							b.AddASN1(
								cbasn1.Tag(1).Constructed().ContextSpecific(),
								func(b *cryptobyte.Builder) {
									b.AddBytes(
										attribute(
											OIDSignatureTimestamp,
											func(b *cryptobyte.Builder) { b.AddBytes(m.Timestamp) },
										),
									)
								},
							)
						}
					})
				})
			})
		})
	})
	return b.Bytes()
}

// addAlgorithm writes an AlgorithmIdentifier without parameters, as RFC 5754 requires for SHA-2 and
// for ECDSA.
func addAlgorithm(b *cryptobyte.Builder, oid asn1.ObjectIdentifier) {
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(oid) })
}

// attribute returns a DER Attribute with one value.
func attribute(oid asn1.ObjectIdentifier, value func(*cryptobyte.Builder)) []byte {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oid)
		b.AddASN1(cbasn1.SET, value)
	})
	return b.BytesOrPanic() // fails only for an invalid OID, and all are constants
}

// setOf returns a DER SET OF under the given tag: elements in ascending order
// of their encodings (X.690, 11.6).
func setOf(tag cbasn1.Tag, elements [][]byte) []byte {
	sorted := slices.Clone(elements)
	slices.SortFunc(sorted, bytes.Compare)
	var b cryptobyte.Builder
	b.AddASN1(tag, func(b *cryptobyte.Builder) {
		for _, e := range sorted {
			b.AddBytes(e)
		}
	})
	return b.BytesOrPanic()
}

// Without returns a message without its CRLs and without the certificates that drop names, which it
// returns too. None of them is signed. The message stays valid, but a verifier has to find them
// elsewhere.
func Without(
	der []byte, drop func(*x509.Certificate) bool,
) (shorter []byte, dropped []*x509.Certificate, err error) {
	if _, err := Parse(der); err != nil {
		return nil, nil, err
	}
	ctx0 := cbasn1.Tag(0).Constructed().ContextSpecific()
	ctx1 := cbasn1.Tag(1).Constructed().ContextSpecific()
	in := cryptobyte.String(der)
	var info, kind, wrapped, sd, head, certs, signers cryptobyte.String
	ok := in.ReadASN1(&info, cbasn1.SEQUENCE) &&
		info.ReadASN1Element(&kind, cbasn1.OBJECT_IDENTIFIER) &&
		info.ReadASN1(&wrapped, ctx0) && wrapped.ReadASN1(&sd, cbasn1.SEQUENCE)
	start := sd
	for _, tag := range []cbasn1.Tag{cbasn1.INTEGER, cbasn1.SET, cbasn1.SEQUENCE} {
		ok = ok && sd.ReadASN1Element(&head, tag)
	}
	head = start[:len(start)-len(sd)]
	ok = ok && sd.ReadOptionalASN1(&certs, nil, ctx0) && sd.SkipOptionalASN1(ctx1) &&
		sd.ReadASN1Element(&signers, cbasn1.SET)
	var kept [][]byte
	for ok && !certs.Empty() {
		var raw cryptobyte.String
		var tag cbasn1.Tag
		if ok = certs.ReadAnyASN1Element(&raw, &tag); !ok {
			break
		}
		c, err := ParseCertificate(raw)
		if err == nil && drop(c) {
			dropped = append(dropped, c)
		} else {
			kept = append(kept, raw)
		}
	}
	if !ok {
		return nil, nil, errMalformed
	}
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(kind)
		b.AddASN1(ctx0, func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddBytes(head)
				if len(kept) > 0 {
					b.AddBytes(setOf(ctx0, kept))
				}
				b.AddBytes(signers)
			})
		})
	})
	shorter, err = b.Bytes()
	return shorter, dropped, err
}
