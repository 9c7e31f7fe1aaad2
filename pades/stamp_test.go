package pades

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"testing"
	"time"

	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/signet-sign/signet/pades/cms"
	"github.com/signet-sign/signet/pades/pdf"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// TestStamps judges timestamps that are made in other ways: attacks, and what honest authorities
// write. Each is put into a signature and made a document timestamp.
func TestStamps(t *testing.T) {
	f := newForge(t)
	root, now := f.p.root, time.Now()
	usage := func(critical bool, more ...[]byte) func(*x509.Certificate) {
		return func(c *x509.Certificate) {
			oids := append([][]byte{derOID(1, 3, 6, 1, 5, 5, 7, 3, 8)}, more...)
			c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{
				Id: asn1.ObjectIdentifier{2, 5, 29, 37}, Critical: critical, Value: derSeq(oids...),
			})
		}
	}
	encipher := func(c *x509.Certificate) {
		stamping(c)
		c.KeyUsage = x509.KeyUsageKeyEncipherment
	}
	ended := func(c *x509.Certificate) { stamping(c); c.NotAfter = now.AddDate(-1, 0, 0) }
	began := func(c *x509.Certificate) { stamping(c); c.NotBefore = now.Add(-time.Hour) }
	for name, tc := range map[string]struct {
		k token
		// What it means for the signature that contains it, and for a document timestamp.
		signature, document SubIndication
	}{
		"honest": {token{message: message{by: f.unit}}, "", ""},
		"over other data": {
			token{message: message{by: f.unit}, imprint: func([]byte) []byte { return sha256Sum(nil) }},
			SigConstraintsFailure, HashFailure,
		},
		"over the hash of the data": {
			token{message: message{by: f.unit}, imprint: func(d []byte) []byte {
				return sha256Sum(sha256Sum(d))
			}},
			SigConstraintsFailure, HashFailure,
		},
		"imprint is short": {
			token{message: message{by: f.unit}, imprint: func(d []byte) []byte {
				return sha256Sum(d)[:20]
			}},
			SigConstraintsFailure, FormatFailure,
		},
		"imprint is empty": {
			token{message: message{by: f.unit}, imprint: func(d []byte) []byte { return nil }},
			SigConstraintsFailure, FormatFailure,
		},
		"imprint by SHA-1": {
			token{message: message{by: f.unit}, imprintAlg: algSHA1, imprint: sha1Sum},
			SigConstraintsFailure, FormatFailure,
		},
		"imprint is named SHA-512": {
			token{message: message{by: f.unit}, imprintAlg: algSHA512},
			SigConstraintsFailure, FormatFailure,
		},
		"version 2": {
			token{message: message{by: f.unit}, version: 2}, SigConstraintsFailure, FormatFailure,
		},
		"the content was changed": {
			token{message: message{by: f.unit, digest: func([]byte) []byte { return sha256Sum(nil) }}},
			SigConstraintsFailure, HashFailure,
		},
		"by another key": {
			token{message: message{by: f.unit, sign: func(b []byte) []byte {
				return signWith(t, f.signer.key, crypto.SHA256, b, nil)
			}}},
			SigConstraintsFailure, SigCryptoFailure,
		},
		"no signing certificate": {
			token{message: message{by: f.unit, signed: without(attrSigningCert)}},
			SigConstraintsFailure, FormatFailure,
		},
		"signing certificate of another": {
			token{message: message{by: f.unit, signed: instead(
				attrSigningCert, derAttribute(attrSigningCert, named(crypto.SHA256, f.friend.cert)),
			)}},
			SigConstraintsFailure, FormatFailure,
		},
		"signing certificate, version 1": {
			token{message: message{by: f.unit, signed: instead(
				attrSigningCert, derAttribute(attrOldCert, named(crypto.SHA1, f.unit.cert)),
			)}},
			"", "",
		},
		"signing certificate, versions disagree": {
			token{message: message{by: f.unit, signed: with(
				derAttribute(attrOldCert, named(crypto.SHA1, f.friend.cert)),
			)}},
			SigConstraintsFailure, FormatFailure,
		},
		"signing time": {
			token{message: message{by: f.unit, signed: with(derAttribute(
				derOf(cms.OIDSigningTime), der(cbasn1.UTCTime, []byte("261125120000Z")),
			))}},
			"", "",
		},
		"content type is data": {
			token{message: message{by: f.unit, signed: instead(
				attrContentType, derAttribute(attrContentType, derOf(cms.OIDData)),
			)}},
			SigConstraintsFailure, FormatFailure,
		},
		"message digest twice": {
			token{message: message{by: f.unit, signed: with(
				derAttribute(attrDigest, derOctets(sha256Sum(nil))),
			)}},
			SigConstraintsFailure, FormatFailure,
		},
		"two signers": {
			token{message: message{by: f.unit, infos: func(i []byte) []byte {
				return append(bytes.Clone(i), i...)
			}}},
			SigConstraintsFailure, FormatFailure,
		},
		"usage is not critical": {
			token{message: message{by: f.p.issue(root, nil, usage(false))}},
			ChainConstraintsFailure, ChainConstraintsFailure,
		},
		"usage has another": {
			token{message: message{by: f.p.issue(root, nil, usage(true, derOID(1, 3, 6, 1, 5, 5, 7, 3, 4)))}},
			ChainConstraintsFailure, ChainConstraintsFailure,
		},
		"no usage": {
			token{message: message{by: f.friend}}, ChainConstraintsFailure, ChainConstraintsFailure,
		},
		"key usage is encipherment": {
			token{message: message{by: f.p.issue(root, nil, encipher)}},
			ChainConstraintsFailure, ChainConstraintsFailure,
		},
		"by the signer": {
			token{message: message{by: f.signer}}, ChainConstraintsFailure, ChainConstraintsFailure,
		},
		"by a stranger": {
			token{message: message{by: f.stranger.issue(f.stranger.root, nil, stamping)}},
			NoCertificateChainFound, NoCertificateChainFound,
		},
		"certificate had ended": {
			token{message: message{by: f.p.issue(root, nil, ended)}},
			OutOfBoundsNoPOE, OutOfBoundsNoPOE,
		},
		"certificate ended since": {
			token{message: message{by: f.p.issue(root, nil, ended)}, at: now.AddDate(-2, 0, 0)},
			OutOfBoundsNoPOE, OutOfBoundsNoPOE,
		},
		"certificate began later": {
			token{message: message{by: f.p.issue(root, nil, began)}, at: now.Add(-2 * time.Hour)},
			OutOfBoundsNoPOE, OutOfBoundsNoPOE,
		},
		"from the past":  {token{message: message{by: f.unit}, at: now.AddDate(-1, 0, 0)}, "", ""},
		"a minute ahead": {token{message: message{by: f.unit}, at: now.Add(time.Minute)}, "", ""},
		"from the future": {
			token{message: message{by: f.unit}, at: now.AddDate(1, 0, 0)},
			SigConstraintsFailure, SigConstraintsFailure,
		},
		"critical extension": {
			token{message: message{by: f.unit}, extensions: derSeq(
				derOID(1, 2, 3, 4), []byte{1, 1, 0xff}, derOctets(derNull),
			)},
			SigConstraintsFailure, FormatFailure,
		},
		"extension": { // as those of ETSI EN 319 422, 9.1
			token{message: message{by: f.unit}, extensions: derSeq(
				derOID(1, 2, 3, 4), derOctets(derNull),
			)},
			"", "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			signed := f.sign(t, tc.k)
			f.expect(t, signed, 0, tc.signature)
			if s := f.verify(signed).Signatures[0]; (s.Level == LevelT) != (tc.signature == "") {
				t.Errorf("level %s", s.Level)
			}
			f.expect(t, putStamp(t, pdftest.Minimal(), "one", tc.k), 0, tc.document)
		})
	}
}

// TestSeveralStamps puts several timestamps into one signature. Anyone can add one, so a valid one
// counts whatever the others are, and the earliest of the valid ones.
func TestSeveralStamps(t *testing.T) {
	f := newForge(t)
	early, late := time.Now().AddDate(0, -2, 0), time.Now().AddDate(0, -1, 0)
	foreign := f.stranger.issue(f.stranger.root, nil, stamping)
	ours := func(at time.Time) token { return token{message: message{by: f.unit}, at: at} }
	bad := ours(early)
	bad.imprint = func([]byte) []byte { return sha256Sum(nil) }
	for name, tc := range map[string]struct {
		tokens []token
		at     time.Time
		sub    SubIndication
	}{
		"late, early":    {[]token{ours(late), ours(early)}, early, ""},
		"early, late":    {[]token{ours(early), ours(late)}, early, ""},
		"foreign, valid": {[]token{{message: message{by: foreign}}, ours(late)}, late, ""},
		"wrong, valid":   {[]token{bad, ours(late)}, late, ""},
		"valid, wrong":   {[]token{ours(late), bad}, late, ""},
		"foreign, wrong": {
			[]token{{message: message{by: foreign}}, bad}, time.Time{}, NoCertificateChainFound,
		},
	} {
		for _, joined := range []bool{false, true} {
			m := message{by: f.signer, unsigned: func(signature []byte) (attrs [][]byte) {
				var all [][]byte
				for _, k := range tc.tokens {
					all = append(all, k.encode(t, signature))
					attrs = append(attrs, derAttribute(attrStamp, all[len(all)-1]))
				}
				if joined {
					return [][]byte{derAttribute(attrStamp, all...)}
				}
				return attrs
			}}
			doc := putMessage(t, pdftest.Minimal(), "one", m)
			f.expect(t, doc, 0, tc.sub)
			if s := f.verify(doc).Signatures[0]; !s.StampedAt.Equal(tc.at.Truncate(time.Second)) {
				t.Errorf("%s: stamped at %s", name, s.StampedAt)
			}
		}
	}
}

// TestContentStamps judges signatures with timestamps over their content, of which each proves that
// the signature is newer.
func TestContentStamps(t *testing.T) {
	f := newForge(t)
	now := time.Now()
	since := now.AddDate(0, -1, 0) // of the revocation
	before, after := since.Add(-time.Hour), since.Add(time.Hour)
	by := func(h holder, at time.Time) token { return token{message: message{by: h}, at: at} }
	foreign := f.stranger.issue(f.stranger.root, nil, stamping)
	wrong := by(f.unit, before)
	wrong.imprint = func([]byte) []byte { return sha256Sum(nil) }
	for name, tc := range map[string]struct {
		stamps  []token
		joined  bool      // as values of one attribute
		stamped time.Time // over the signature
		at      time.Time
		sub     SubIndication
		revoked SubIndication // if the certificate was revoked
	}{
		"none":        {sub: "", revoked: RevokedNoPOE},
		"from before": {stamps: []token{by(f.unit, before)}, at: before, revoked: RevokedNoPOE},
		"from after":  {stamps: []token{by(f.unit, after)}, at: after, revoked: Revoked},
		"two":         {stamps: []token{by(f.unit, after), by(f.unit, before)}, at: after, revoked: Revoked},
		"two values": {
			stamps: []token{by(f.unit, before), by(f.unit, after)}, joined: true, at: after,
			revoked: Revoked,
		},
		"untrusted":       {stamps: []token{by(foreign, after)}, revoked: RevokedNoPOE},
		"by a person":     {stamps: []token{by(f.friend, after)}, revoked: RevokedNoPOE},
		"over other data": {stamps: []token{wrong}, sub: SigConstraintsFailure, revoked: SigConstraintsFailure},
		"one over other data": {
			stamps: []token{by(f.unit, after), wrong}, at: after,
			sub: SigConstraintsFailure, revoked: Revoked,
		},
		"from the future": {
			stamps: []token{by(f.unit, now.AddDate(1, 0, 0))},
			sub:    SigConstraintsFailure, revoked: SigConstraintsFailure,
		},
		"in order": {stamps: []token{by(f.unit, before)}, stamped: after, at: before, revoked: RevokedNoPOE},
		"a minute apart": {
			stamps: []token{by(f.unit, before.Add(time.Minute))}, stamped: before,
			at: before.Add(time.Minute),
		},
		"out of order": {
			stamps: []token{by(f.unit, after)}, stamped: before, at: after,
			sub: TimestampOrderFailure, revoked: TimestampOrderFailure,
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := message{by: f.signer, signed: func(attrs [][]byte) [][]byte {
				sum := attrs[1][len(attrs[1])-32:]
				var all [][]byte
				for _, k := range tc.stamps {
					if k.imprint == nil {
						k.imprint = func([]byte) []byte { return sum }
					}
					all = append(all, k.encode(t, nil))
				}
				if tc.joined {
					return append(attrs, derAttribute(attrContentStamp, all...))
				}
				for _, k := range all {
					attrs = append(attrs, derAttribute(attrContentStamp, k))
				}
				return attrs
			}}
			if !tc.stamped.IsZero() {
				m.unsigned = f.stamped(by(f.unit, tc.stamped))
			}
			doc := putMessage(t, pdftest.Minimal(), "one", m, claimedAt(before))
			f.expect(t, doc, 0, tc.sub)
			if s := f.verify(doc).Signatures[0]; !s.ContentStampedAt.Equal(tc.at.Truncate(time.Second)) {
				t.Errorf("stamped at %s", s.ContentStampedAt)
			}
			r := crl{by: f.p.root, this: now, entries: []x509.RevocationListEntry{{
				SerialNumber: f.signer.cert.SerialNumber, RevocationTime: since,
			}}}
			f.expect(t, store(t, doc, nil, nil, [][]byte{r.encode(t)}), 0, tc.revoked)
		})
	}
}

// TestStampedDictionaries changes the dictionaries of document timestamps and of signatures.
func TestStampedDictionaries(t *testing.T) {
	f := newForge(t)
	k, minimal := token{message: message{by: f.unit}}, pdftest.Minimal()
	for name, doc := range map[string][]byte{
		"a document timestamp of type Sig": putStamp(
			t, minimal, "one", k, pdf.Pair{Key: "Type", Value: "/Sig"},
		),
		"a signature of type DocTimeStamp": putMessage(
			t, minimal, "one", message{by: f.signer}, pdf.Pair{Key: "Type", Value: "/DocTimeStamp"},
		),
		"a token with the kind of a signature": putStamp(
			t, minimal, "one", k, pdf.Pair{Key: "SubFilter", Value: "/" + subFilterCAdES},
		),
		"a token that is called a signature":  putMessage(t, minimal, "one", k),
		"a signature in the place of a token": putStamp(t, minimal, "one", message{by: f.unit}),
	} {
		t.Run(name, func(t *testing.T) { f.expect(t, doc, 0, FormatFailure) })
	}
}

// TestStampOrder puts document timestamps over others. One from before what it covers is reported,
// and covers nothing.
func TestStampOrder(t *testing.T) {
	f := newForge(t)
	now := time.Now()
	at := func(d time.Duration) token {
		return token{message: message{by: f.unit}, at: now.Add(d)}
	}
	signed := f.sign(t, at(-time.Hour))
	dayBefore := putStamp(t, signed, "two", at(-25*time.Hour))
	for name, tc := range map[string]struct {
		doc []byte
		sub SubIndication
	}{
		"later":                    {putStamp(t, signed, "two", at(0)), ""},
		"a minute before":          {putStamp(t, signed, "two", at(-61*time.Minute)), ""},
		"a day before":             {dayBefore, TimestampOrderFailure},
		"a day before, then later": {putStamp(t, dayBefore, "three", at(0)), TimestampOrderFailure},
	} {
		t.Run(name, func(t *testing.T) {
			f.expect(t, tc.doc, 0, "")
			f.expect(t, tc.doc, 1, tc.sub)
		})
	}
}
