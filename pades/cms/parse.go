package cms

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Limits for messages of other signers: far above what they need, and low enough to bound the work
// for a hostile message.
const (
	maxMessage      = 4 << 20
	maxCertificates = 64
	maxAttributes   = 64 // and values
)

// SignedData is a parsed message with exactly one SignerInfo.
type SignedData struct {
	ContentType asn1.ObjectIdentifier
	Content     []byte // nil when detached
	// Certificates are those that can be parsed. Others are ignored, so that an unusual certificate
	// in the chain does not hide the signer's.
	Certificates []*x509.Certificate
	Signer       SignerInfo
}

// SignerInfo is RFC 5652 SignerInfo, decoded.
type SignerInfo struct {
	issuer           []byte // RawIssuer; nil if the message names the key id
	serial           *big.Int
	keyID            []byte
	DigestAlgorithm  asn1.ObjectIdentifier
	signatureAlg     asn1.ObjectIdentifier
	signatureParams  []byte
	Signature        []byte
	signedAttributes []byte              // as written, with tag 0x31
	ordered          []byte              // the same in the order of DER
	signed, unsigned map[string][][]byte // by type
}

// SignedAttributes returns the SET as it is in the message.
func (s *SignerInfo) SignedAttributes() []byte { return bytes.Clone(s.signedAttributes) }

// Attribute returns the value of a signed attribute, DER with its tag.
func (s *SignerInfo) Attribute(oid asn1.ObjectIdentifier) ([]byte, bool) {
	if v := s.signed[oid.String()]; len(v) > 0 {
		return v[0], true
	}
	return nil, false
}

// Timestamps returns the RFC 3161 tokens over the signature. A signature may have several (EN 319
// 122-1, 5.3), and anyone can add one.
func (s *SignerInfo) Timestamps() [][]byte { return s.unsigned[OIDSignatureTimestamp.String()] }

// ContentTimestamps returns the RFC 3161 tokens over the content that the signature covers (EN 319
// 122-1, 5.2.8). There may be several.
func (s *SignerInfo) ContentTimestamps() [][]byte { return s.signed[OIDContentTimestamp.String()] }

var errMalformed = errors.New("cms: malformed message")

func malformed(what string) error { return fmt.Errorf("%w: %s", errMalformed, what) }

// Parse decodes a DER ContentInfo that contains SignedData with one SignerInfo. Lengths that are
// not DER, trailing bytes and repeated signed attributes are errors.
func Parse(der []byte) (*SignedData, error) {
	if len(der) > maxMessage {
		return nil, malformed("too large")
	}
	ctx0 := cbasn1.Tag(0).Constructed().ContextSpecific()
	ctx1 := cbasn1.Tag(1).Constructed().ContextSpecific()
	in := cryptobyte.String(der)
	var info, wrapped, sd, algs, encap, signers cryptobyte.String
	var ct asn1.ObjectIdentifier
	if !in.ReadASN1(&info, cbasn1.SEQUENCE) || !in.Empty() {
		return nil, malformed("ContentInfo")
	}
	if !info.ReadASN1ObjectIdentifier(&ct) || !ct.Equal(OIDSignedData) {
		return nil, malformed("not SignedData")
	}
	if !info.ReadASN1(&wrapped, ctx0) || !info.Empty() || !wrapped.ReadASN1(&sd, cbasn1.SEQUENCE) ||
		!wrapped.Empty() {
		return nil, malformed("SignedData")
	}
	var version int64
	if !sd.ReadASN1Integer(&version) || version < 1 || version > 5 {
		return nil, malformed("version")
	}
	if !sd.ReadASN1(&algs, cbasn1.SET) || !sd.ReadASN1(&encap, cbasn1.SEQUENCE) {
		return nil, malformed("digest algorithms or content")
	}
	out := &SignedData{}
	if err := out.parseContent(encap); err != nil {
		return nil, err
	}
	var certs, crls cryptobyte.String
	var has bool
	if !sd.ReadOptionalASN1(&certs, &has, ctx0) || !sd.ReadOptionalASN1(&crls, &has, ctx1) {
		return nil, malformed("certificates")
	}
	if err := out.parseCertificates(certs); err != nil {
		return nil, err
	}
	if !sd.ReadASN1(&signers, cbasn1.SET) || !sd.Empty() {
		return nil, malformed("signer infos")
	}
	var si cryptobyte.String
	if !signers.ReadASN1(&si, cbasn1.SEQUENCE) {
		return nil, malformed("no signer info")
	}
	if !signers.Empty() {
		return nil, malformed("more than one signer info")
	}
	if err := out.Signer.parse(si); err != nil {
		return nil, err
	}
	return out, nil
}

func (d *SignedData) parseContent(encap cryptobyte.String) error {
	var wrapped cryptobyte.String
	var has bool
	if !encap.ReadASN1ObjectIdentifier(&d.ContentType) ||
		!encap.ReadOptionalASN1(&wrapped, &has, cbasn1.Tag(0).Constructed().ContextSpecific()) ||
		!encap.Empty() {
		return malformed("encapsulated content")
	}
	if has {
		var content cryptobyte.String
		if !wrapped.ReadASN1(&content, cbasn1.OCTET_STRING) || !wrapped.Empty() {
			return malformed("encapsulated content")
		}
		d.Content = append([]byte{}, content...)
	}
	return nil
}

func (d *SignedData) parseCertificates(in cryptobyte.String) error {
	for n := 0; !in.Empty(); n++ {
		if n == maxCertificates {
			return malformed("too many certificates")
		}
		var raw cryptobyte.String
		var tag cbasn1.Tag
		if !in.ReadAnyASN1Element(&raw, &tag) {
			return malformed("certificate")
		}
		if tag != cbasn1.SEQUENCE {
			continue // attribute certificates have no key
		}
		if c, err := ParseCertificate(raw); err == nil {
			d.Certificates = append(d.Certificates, c)
		}
	}
	return nil
}

func (s *SignerInfo) parse(in cryptobyte.String) error {
	var version int64
	if !in.ReadASN1Integer(&version) {
		return malformed("signer version")
	}
	keyIDTag := cbasn1.Tag(0).ContextSpecific()
	switch {
	case version == 1:
		var sid, issuer cryptobyte.String
		s.serial = new(big.Int)
		if !in.ReadASN1(&sid, cbasn1.SEQUENCE) || !sid.ReadASN1Element(&issuer, cbasn1.SEQUENCE) ||
			!sid.ReadASN1Integer(s.serial) || !sid.Empty() {
			return malformed("issuer and serial number")
		}
		s.issuer = issuer
	case version == 3 && in.PeekASN1Tag(keyIDTag):
		var id cryptobyte.String
		if !in.ReadASN1(&id, keyIDTag) || len(id) == 0 {
			return malformed("subject key identifier")
		}
		s.keyID = id
	default:
		return malformed("signer version")
	}
	var digestAlg, attrs, sigAlg, sig, unsigned cryptobyte.String
	if !in.ReadASN1(&digestAlg, cbasn1.SEQUENCE) ||
		!digestAlg.ReadASN1ObjectIdentifier(&s.DigestAlgorithm) {
		return malformed("digest algorithm")
	}
	ctx0 := cbasn1.Tag(0).Constructed().ContextSpecific()
	if !in.ReadASN1Element(&attrs, ctx0) {
		return malformed("no signed attributes")
	}
	var elements [][]byte
	var err error
	if s.signed, elements, err = parseAttributes(attrs, ctx0); err != nil {
		return err
	}
	s.signedAttributes = bytes.Clone(attrs)
	s.signedAttributes[0] = byte(cbasn1.SET)
	s.ordered = setOf(cbasn1.SET, elements)
	if !in.ReadASN1(&sigAlg, cbasn1.SEQUENCE) || !sigAlg.ReadASN1ObjectIdentifier(&s.signatureAlg) {
		return malformed("signature algorithm")
	}
	s.signatureParams = sigAlg
	if !in.ReadASN1(&sig, cbasn1.OCTET_STRING) {
		return malformed("signature")
	}
	s.Signature = bytes.Clone(sig)
	var has bool
	ctx1 := cbasn1.Tag(1).Constructed().ContextSpecific()
	if in.PeekASN1Tag(ctx1) {
		if !in.ReadASN1Element(&unsigned, ctx1) {
			return malformed("unsigned attributes")
		}
		has = true
	}
	if !in.Empty() {
		return malformed("bytes after the signer info")
	}
	if has {
		if s.unsigned, _, err = parseAttributes(unsigned, ctx1); err != nil {
			return err
		}
	}
	return nil
}

// parseAttributes parses a SET OF Attribute, and returns its elements too. Among signed attributes
// it refuses repeated types and multiple values, except of content timestamps: every other
// attribute used here has exactly one value, and of two values different readers could read
// different ones. The order of attributes has no meaning.
func parseAttributes(
	in cryptobyte.String, tag cbasn1.Tag,
) (out map[string][][]byte, elements [][]byte, err error) {
	var set cryptobyte.String
	if !in.ReadASN1(&set, tag) || !in.Empty() || set.Empty() {
		return nil, nil, malformed("attributes")
	}
	out = make(map[string][][]byte)
	count := 0
	signed := tag == cbasn1.Tag(0).Constructed().ContextSpecific()
	for !set.Empty() {
		var raw, attr, values cryptobyte.String
		var oid asn1.ObjectIdentifier
		if !set.ReadASN1Element(&raw, cbasn1.SEQUENCE) {
			return nil, nil, malformed("attribute")
		}
		elements = append(elements, raw)
		if !raw.ReadASN1(&attr, cbasn1.SEQUENCE) || !attr.ReadASN1ObjectIdentifier(&oid) ||
			!attr.ReadASN1(&values, cbasn1.SET) || !attr.Empty() || values.Empty() {
			return nil, nil, malformed("attribute")
		}
		id := oid.String()
		once := signed && !oid.Equal(OIDContentTimestamp)
		if once && out[id] != nil {
			return nil, nil, malformed("repeated attribute")
		}
		for !values.Empty() {
			var value cryptobyte.String
			var t cbasn1.Tag
			if count++; count > maxAttributes || !values.ReadAnyASN1Element(&value, &t) {
				return nil, nil, malformed("attribute")
			}
			out[id] = append(out[id], bytes.Clone(value))
		}
		if once && len(out[id]) > 1 {
			return nil, nil, malformed("attribute with several values")
		}
	}
	return out, elements, nil
}
