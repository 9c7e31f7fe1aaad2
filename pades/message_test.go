package pades

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"slices"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/signet-sign/signet/pades/cms"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// protection is the attribute of RFC 6211.
func protection(digest, signature []byte) []byte {
	in := cryptobyte.String(signature)
	var parts cryptobyte.String
	in.ReadASN1(&parts, cbasn1.SEQUENCE)
	return derAttribute(derOf(cms.OIDAlgorithmProtection), derSeq(digest, derTag(1, parts)))
}

// TestMessages judges signatures whose messages are made in other ways: attacks, and what honest
// programs write.
func TestMessages(t *testing.T) {
	f := newForge(t)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	weakKey, err := rsa.GenerateKey(rand.Reader, 1024)
	must(t, err)
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	root := f.p.root
	rsaSigner, weak := f.p.issue(root, rsaKey), f.p.issue(root, weakKey)
	p384, p521 := f.p.issue(root, ecKey(t, elliptic.P384())), f.p.issue(root, ecKey(t, elliptic.P521()))
	p224, ed := f.p.issue(root, ecKey(t, elliptic.P224())), f.p.issue(root, edKey)
	twin := f.p.issue(root, f.signer.key) // another certificate for the same key
	unknown := f.stranger.issue(f.stranger.root, nil)
	// sameID has the signer's key identifier and another key.
	keyID := []byte{1, 2, 3, 4}
	withID := func(c *x509.Certificate) { c.SubjectKeyId = keyID }
	identified := f.p.issue(root, nil, withID)
	sameID := f.p.issue(root, nil, withID)
	renewed := f.p.issue(root, identified.key, withID)
	pss := func(salt int, o crypto.Hash) func([]byte) []byte {
		return func(b []byte) []byte {
			return signWith(t, rsaKey, o, b, &rsa.PSSOptions{SaltLength: salt, Hash: o})
		}
	}
	raw := func(hs ...holder) (out [][]byte) {
		for _, h := range hs {
			out = append(out, h.cert.Raw)
		}
		return out
	}
	sid := der(cbasn1.Tag(0).ContextSpecific(), keyID)
	countersignature := derOID(1, 2, 840, 113549, 1, 9, 6)
	critical := func(c *x509.Certificate) {
		c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{
			Id: asn1.ObjectIdentifier{1, 2, 3, 4}, Critical: true, Value: derNull,
		})
	}
	ended := func(c *x509.Certificate) { c.NotAfter = time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC) }
	future := func(c *x509.Certificate) { c.NotBefore = time.Now().AddDate(1, 0, 0) }
	usage := func(u x509.ExtKeyUsage) func(*x509.Certificate) {
		return func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{u} }
	}
	signs := func(h holder) func([]byte) []byte {
		return func(b []byte) []byte { return signWith(t, h.key, crypto.SHA256, b, nil) }
	}
	endless := func(b []byte) []byte { return indefinite(t, b, 1) }
	other := sha256.Sum256([]byte("another document"))
	for name, tc := range map[string]struct {
		m   message
		sub SubIndication // none if it passes
	}{
		"honest": {message{by: f.signer}, ""},

		// Signed attributes.
		"no content type": {message{by: f.signer, signed: without(attrContentType)}, FormatFailure},
		"content type of a timestamp": {message{
			by:     f.signer,
			signed: instead(attrContentType, derAttribute(attrContentType, derOf(cms.OIDTSTInfo))),
		}, FormatFailure},
		"content type twice": {message{
			by: f.signer, signed: with(derAttribute(attrContentType, derOf(cms.OIDTSTInfo))),
		}, FormatFailure},
		"content type with two values": {message{by: f.signer, signed: instead(
			attrContentType, derAttribute(attrContentType, derOf(cms.OIDData), derOf(cms.OIDTSTInfo)),
		)}, FormatFailure},
		"content type is a string": {message{
			by: f.signer, signed: instead(attrContentType, derAttribute(attrContentType, derOctets(nil))),
		}, FormatFailure},
		"content type of both is another": {message{
			by: f.signer, contentType: derOID(1, 2, 840, 113549, 1, 7, 6),
		}, FormatFailure},
		"no message digest": {message{by: f.signer, signed: without(attrDigest)}, FormatFailure},
		"message digest of another document": {message{
			by: f.signer, digest: func([]byte) []byte { return other[:] },
		}, HashFailure},
		"message digest twice": {message{
			by: f.signer, signed: with(derAttribute(attrDigest, derOctets(other[:]))),
		}, FormatFailure},
		"message digest with two values": {message{by: f.signer, signed: func(attrs [][]byte) [][]byte {
			sum := attrs[1][len(attrs[1])-34:]
			return instead(attrDigest, derAttribute(attrDigest, sum, derOctets(other[:])))(attrs)
		}}, FormatFailure},
		"message digest with a tail": {message{
			by: f.signer, digest: func(d []byte) []byte { return append(d, 0) },
		}, HashFailure},
		"message digest is short": {message{
			by: f.signer, digest: func(d []byte) []byte { return d[:20] },
		}, HashFailure},
		"message digest is empty": {message{
			by: f.signer, digest: func(d []byte) []byte { return nil },
		}, HashFailure},
		"no signing certificate": {message{
			by: f.signer, signed: without(attrSigningCert),
		}, SigConstraintsFailure},
		"signing certificate of another": {message{by: f.signer, signed: instead(
			attrSigningCert, derAttribute(attrSigningCert, named(crypto.SHA256, f.friend.cert)),
		)}, FormatFailure},
		"signing certificate is the second": {message{by: f.signer, signed: instead(
			attrSigningCert,
			derAttribute(attrSigningCert, named(crypto.SHA256, f.friend.cert, f.signer.cert)),
		)}, FormatFailure},
		"signing certificate with its issuer": {message{by: f.signer, signed: instead(
			attrSigningCert, derAttribute(attrSigningCert, named(crypto.SHA256, f.signer.cert, root.cert)),
		)}, ""},
		"signing certificate twice": {message{by: f.signer, signed: with(
			derAttribute(attrSigningCert, named(crypto.SHA256, f.friend.cert)),
		)}, FormatFailure},
		"signing certificate, version 1": {message{by: f.signer, signed: instead(
			attrSigningCert, derAttribute(attrOldCert, named(crypto.SHA1, f.signer.cert)),
		)}, ""},
		"signing certificate, version 1, of another": {message{by: f.signer, signed: instead(
			attrSigningCert, derAttribute(attrOldCert, named(crypto.SHA1, f.friend.cert)),
		)}, FormatFailure},
		"signing certificate, both versions": {message{by: f.signer, signed: with(
			derAttribute(attrOldCert, named(crypto.SHA1, f.signer.cert)),
		)}, ""},
		"signing certificate, versions disagree": {message{by: f.signer, signed: with(
			derAttribute(attrOldCert, named(crypto.SHA1, f.friend.cert)),
		)}, FormatFailure},
		"signing certificate is empty": {message{by: f.signer, signed: instead(
			attrSigningCert, derAttribute(attrSigningCert, derSeq(derSeq())),
		)}, FormatFailure},
		"signing certificate by SHA-1": {message{by: f.signer, signed: instead(
			attrSigningCert, derAttribute(attrSigningCert, derSeq(derSeq(derSeq(
				algSHA1, derOctets(sha1Sum(f.signer.cert.Raw)),
			)))),
		)}, CryptoConstraintsFailure},
		"signing certificate with another serial number": {message{by: f.signer, signed: instead(
			attrSigningCert, derAttribute(attrSigningCert, derSeq(derSeq(derSeq(
				derOctets(sha256Sum(f.signer.cert.Raw)),
				derSeq(derSeq(derTag(4, f.signer.cert.RawIssuer)), derOf(9)),
			)))),
		)}, FormatFailure},
		"certificate is substituted": {message{
			by: f.signer, certs: raw(twin),
			sid: derSeq(twin.cert.RawIssuer, derOf(twin.cert.SerialNumber)),
		}, FormatFailure},
		"signing time": {message{by: f.signer, signed: with(derAttribute(
			derOf(cms.OIDSigningTime), der(cbasn1.UTCTime, []byte("261125120000Z")),
		))}, SigConstraintsFailure},
		"algorithms": {message{by: f.signer, signed: with(protection(algSHA256, algECDSASHA256))}, ""},
		"algorithms with parameters": {message{by: rsaSigner, sigAlg: algRSASHA256, signed: with(
			protection(derSeq(derOf(cms.OIDSHA256), derNull), derSeq(derOID(1, 2, 840, 113549, 1, 1, 11))),
		)}, ""},
		"algorithms with another digest": {message{
			by: f.signer, signed: with(protection(algSHA512, algECDSASHA256)),
		}, FormatFailure},
		"algorithms with another signature": {message{
			by: f.signer, signed: with(protection(algSHA256, algECDSASHA512)),
		}, FormatFailure},
		"algorithms with other parameters": {message{
			by: rsaSigner, sigAlg: algPSS(algSHA256, algSHA256, 32, 1), sign: pss(32, crypto.SHA256),
			signed: with(protection(algSHA256, algPSS(algSHA256, algSHA256, 20, 1))),
		}, FormatFailure},
		"algorithms without a signature": {message{by: f.signer, signed: with(
			derAttribute(derOf(cms.OIDAlgorithmProtection), derSeq(algSHA256)),
		)}, FormatFailure},
		"what says nothing about the signature": {message{by: f.signer, signed: with(
			derAttribute(derOID(1, 2, 840, 113549, 1, 9, 16, 2, 15), derSeq(derOID(1, 2, 3))), // policy
			derAttribute(derOID(1, 2, 840, 113549, 1, 9, 16, 2, 16), derSeq(derOID(1, 2, 3))), // commitment
			derAttribute(derOID(1, 2, 840, 113549, 1, 9, 16, 2, 17), derSeq()),                // place
			derAttribute(derOID(1, 2, 840, 113549, 1, 9, 16, 2, 18), derSeq()),                // role
			derAttribute(derOID(1, 2, 840, 113549, 1, 9, 16, 2, 4), derSeq(derOf(cms.OIDData))),
			derAttribute(derOID(0, 4, 0, 1733, 2, 1), der(cbasn1.UTF8String, []byte("text/plain"))),
		)}, ""},
		"unknown signed attribute": {message{
			by: f.signer, signed: with(derAttribute(derOID(1, 2, 3, 4), derNull)),
		}, ""},
		"attribute without a value": {message{
			by: f.signer, signed: with(derAttribute(derOID(1, 2, 3, 4))),
		}, FormatFailure},
		"attributes in another order": {message{by: f.signer, order: descending}, ""},
		"attributes are signed in another order": {message{
			by: f.signer, order: descending,
			sign: func(b []byte) []byte {
				in := cryptobyte.String(b)
				var set cryptobyte.String
				in.ReadASN1(&set, cbasn1.SET)
				var parts [][]byte
				for !set.Empty() {
					var one cryptobyte.String
					set.ReadASN1Element(&one, cbasn1.SEQUENCE)
					parts = append(parts, one)
				}
				return signs(f.signer)(derSet(descending(parts)...))
			},
		}, ""}, // as by node-forge
		"attribute is removed after signing": {message{
			by: f.signer, signed: with(derAttribute(derOID(1, 2, 3, 4), derOctets(make([]byte, 200)))),
			order: func(a [][]byte) [][]byte { return a[:len(a)-1] }, // the longest
		}, SigCryptoFailure},
		"no signed attributes": {message{
			by: f.signer, infos: func([]byte) []byte {
				return derSeq(
					derOf(1), derSeq(f.signer.cert.RawIssuer, derOf(f.signer.cert.SerialNumber)),
					algSHA256, algECDSASHA256, derOctets([]byte{1}),
				)
			},
		}, FormatFailure},

		// Unsigned attributes.
		"counter-signature": {message{by: f.signer, unsigned: func([]byte) [][]byte {
			return [][]byte{derAttribute(countersignature, derSeq(derOf(1)))}
		}}, ""},
		"unsigned message digest": {message{by: f.signer, unsigned: func([]byte) [][]byte {
			return [][]byte{derAttribute(attrDigest, derOctets(other[:]))}
		}}, ""},
		"message digest only unsigned": {message{
			by: f.signer, signed: without(attrDigest), unsigned: func([]byte) [][]byte {
				return [][]byte{derAttribute(attrDigest, derOctets(other[:]))}
			},
		}, FormatFailure},
		"unsigned attributes are empty": {message{
			by: f.signer, unsigned: func([]byte) [][]byte { return nil },
		}, FormatFailure},

		// Algorithms.
		"digest is SHA-1": {message{
			by: f.signer, hash: crypto.SHA1, digestAlg: algSHA1,
			sigAlg: derSeq(derOID(1, 2, 840, 10045, 4, 1)),
		}, CryptoConstraintsFailure},
		"digest is named SHA-512": {message{by: f.signer, digestAlg: algSHA512}, HashFailure},
		"digest has parameters": {message{
			by: f.signer, digestAlg: derSeq(derOf(cms.OIDSHA256), derNull),
		}, ""},
		"signature is named of SHA-512": {message{
			by: f.signer, sigAlg: algECDSASHA512,
		}, CryptoConstraintsFailure},
		"signature is named RSA": {message{
			by: f.signer, sigAlg: algRSASHA256,
		}, CryptoConstraintsFailure},
		"signature is by a key": {message{
			by: f.signer, sigAlg: derSeq(derOID(1, 2, 840, 10045, 2, 1)),
		}, ""},
		"signature is of another key":    {message{by: f.signer, sign: signs(f.friend)}, SigCryptoFailure},
		"signature is empty":             {message{by: f.signer, sign: func([]byte) []byte { return nil }}, SigCryptoFailure},
		"signature of zeros":             {message{by: f.signer, sign: func([]byte) []byte { return derSeq(derOf(0), derOf(0)) }}, SigCryptoFailure},
		"signature with a tail":          {message{by: f.signer, sign: func(b []byte) []byte { return append(signs(f.signer)(b), 0) }}, SigCryptoFailure},
		"signature over the digest only": {message{by: f.signer, sign: func([]byte) []byte { return signs(f.signer)(other[:]) }}, SigCryptoFailure},
		"P-384 and SHA-512": {message{
			by: p384, hash: crypto.SHA512, digestAlg: algSHA512, sigAlg: algECDSASHA512,
		}, ""},
		"P-384 and SHA-256": {message{by: p384}, ""},
		"P-521 and SHA-512": {message{
			by: p521, hash: crypto.SHA512, digestAlg: algSHA512, sigAlg: algECDSASHA512,
		}, ""},
		"P-224":                         {message{by: p224}, CryptoConstraintsFailure},
		"Ed25519":                       {message{by: ed, sigAlg: algEd25519}, CryptoConstraintsFailure},
		"RSA":                           {message{by: rsaSigner, sigAlg: algRSASHA256}, ""},
		"RSA, with the key's algorithm": {message{by: rsaSigner, sigAlg: algRSA}, ""},
		"RSA, named of SHA-512": {message{
			by: rsaSigner, sigAlg: algRSASHA512,
		}, CryptoConstraintsFailure},
		"RSA of 1024 bits": {message{by: weak, sigAlg: algRSASHA256}, CryptoConstraintsFailure},
		"PSS": {message{
			by: rsaSigner, sigAlg: algPSS(algSHA256, algSHA256, 32, 1), sign: pss(32, crypto.SHA256),
		}, ""},
		"PSS with another salt": {message{
			by: rsaSigner, sigAlg: algPSS(algSHA256, algSHA256, 20, 1), sign: pss(32, crypto.SHA256),
		}, SigCryptoFailure},
		"PSS without salt": {message{
			by: rsaSigner, sigAlg: algPSS(algSHA256, algSHA256, 0, 1),
			sign: pss(rsa.PSSSaltLengthEqualsHash, crypto.SHA256),
		}, ""}, // see checkPSS
		"PSS with the mask of SHA-1": {message{
			by: rsaSigner, sigAlg: algPSS(algSHA256, algSHA1, 32, 1), sign: pss(32, crypto.SHA256),
		}, CryptoConstraintsFailure},
		"PSS with the digest of SHA-1": {message{
			by: rsaSigner, sigAlg: algPSS(algSHA1, algSHA256, 32, 1), sign: pss(32, crypto.SHA256),
		}, CryptoConstraintsFailure},
		"PSS with another trailer": {message{
			by: rsaSigner, sigAlg: algPSS(algSHA256, algSHA256, 32, 2), sign: pss(32, crypto.SHA256),
		}, CryptoConstraintsFailure},
		"PSS without parameters": {message{
			by: rsaSigner, sigAlg: derSeq(derOID(1, 2, 840, 113549, 1, 1, 10)),
			sign: pss(20, crypto.SHA256),
		}, CryptoConstraintsFailure},
		"PSS is named, PKCS #1 made": {message{
			by: rsaSigner, sigAlg: algPSS(algSHA256, algSHA256, 32, 1),
		}, SigCryptoFailure},
		"PKCS #1 is named, PSS made": {message{
			by: rsaSigner, sigAlg: algRSASHA256, sign: pss(32, crypto.SHA256),
		}, SigCryptoFailure},

		// Who the signer is.
		"by key identifier":               {message{by: identified, version: 3, sid: sid}, ""},
		"by key identifier, in version 1": {message{by: identified, sid: sid}, FormatFailure},
		"by serial number, in version 3":  {message{by: f.signer, version: 3}, FormatFailure},
		"another certificate with the key identifier is first": {message{
			by: identified, version: 3, sid: sid, certs: raw(sameID, identified),
		}, ""},
		"another certificate for the key is first": {message{
			by: identified, version: 3, sid: sid, certs: raw(renewed, identified),
		}, ""},
		"another certificate with the key identifier is alone": {message{
			by: identified, version: 3, sid: sid, certs: raw(sameID),
		}, FormatFailure},
		"key identifier of no certificate": {message{
			by: identified, version: 3, sid: der(cbasn1.Tag(0).ContextSpecific(), []byte{9}),
		}, NoSigningCertificateFound},
		"serial number of another": {message{
			by: f.signer, certs: raw(f.signer, f.friend),
			sid: derSeq(f.friend.cert.RawIssuer, derOf(f.friend.cert.SerialNumber)),
		}, FormatFailure},
		"certificates in another order": {message{by: f.signer, certs: raw(root, f.friend, f.signer)}, ""},
		"certificate twice":             {message{by: f.signer, certs: raw(f.signer, f.signer)}, ""},
		"certificate cannot be parsed": {message{
			by: f.signer, certs: append([][]byte{derSeq(derNull)}, f.signer.cert.Raw),
		}, ""},
		"no certificates":           {message{by: f.signer, certs: [][]byte{}}, NoSigningCertificateFound},
		"unknown root":              {message{by: unknown}, NoCertificateChainFound},
		"own root is sent":          {message{by: unknown, certs: raw(unknown, f.stranger.root)}, NoCertificateChainFound},
		"certificate has ended":     {message{by: f.p.issue(root, nil, ended)}, Expired},
		"certificate of the future": {message{by: f.p.issue(root, nil, future)}, OutOfBoundsNoPOE},
		"certificate with a critical extension": {message{
			by: f.p.issue(root, nil, critical),
		}, CertificateChainGeneralFailure},
		"certificate of a person issues another": {message{
			by: f.p.issue(f.friend, nil),
		}, NoCertificateChainFound},
		"certificate for servers": {message{
			by: f.p.issue(root, nil, usage(x509.ExtKeyUsageServerAuth)),
		}, ChainConstraintsFailure},
		"certificate for timestamps": {message{by: f.unit}, ChainConstraintsFailure},
		"certificate of an authority": {message{
			by: f.p.issue(root, nil, authority),
		}, ChainConstraintsFailure},

		// Form.
		"two signers": {message{by: f.signer, infos: func(i []byte) []byte {
			return append(bytes.Clone(i), i...)
		}}, FormatFailure},
		"no signer":         {message{by: f.signer, infos: func([]byte) []byte { return nil }}, FormatFailure},
		"content inside":    {message{by: f.signer, content: []byte("x")}, FormatFailure},
		"lists inside":      {message{by: f.signer, lists: derTag(1, derSeq())}, ""},
		"indefinite length": {message{by: f.signer, whole: endless}, ""},
		"indefinite length without an end": {message{by: f.signer, whole: func(b []byte) []byte {
			b = endless(b)
			return b[:len(b)-1]
		}}, ""}, // the zeros of the padding end it
		"bytes behind the message": {message{by: f.signer, whole: func(b []byte) []byte {
			return append(b, 0, 0, 1)
		}}, FormatFailure},
		"a second message behind": {message{by: f.signer, whole: func(b []byte) []byte {
			return append(bytes.Clone(b), b...)
		}}, FormatFailure},
		"length is not minimal": {message{by: f.signer, whole: func(b []byte) []byte {
			return slices.Concat([]byte{0x30, 0x83, 0}, b[2:])
		}}, FormatFailure},
		"element behind the data": {message{by: f.signer, whole: func(b []byte) []byte {
			in := cryptobyte.String(b)
			var content cryptobyte.String
			in.ReadASN1(&content, cbasn1.SEQUENCE)
			return derSeq(content, derNull)
		}}, FormatFailure},
		"certificate alone": {message{by: f.signer, whole: func([]byte) []byte {
			return f.signer.cert.Raw
		}}, FormatFailure},
	} {
		t.Run(name, func(t *testing.T) {
			doc := putMessage(t, pdftest.Minimal(), "one", tc.m)
			f.expect(t, doc, 0, tc.sub)
		})
	}
}
