package pades

import (
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"slices"
	"testing"
	"time"

	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/signet-sign/signet/pades/cms"
	"github.com/signet-sign/signet/pades/pdf"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// TestRevocationData judges a signature by OCSP responses and CRLs of which the signer, or another,
// has chosen the ones that help: about other certificates, by others, from another time, or of a
// limited scope.
func TestRevocationData(t *testing.T) {
	f := newForge(t)
	root := f.p.root
	now := time.Now()
	stampedAt := now.AddDate(0, -6, 0)
	const url = "http://127.0.0.1:1/crl"
	f.p.until = now.AddDate(0, -3, 0) // so that the certificate has ended by now
	f.signer = f.p.issue(root, nil, func(c *x509.Certificate) {
		c.CRLDistributionPoints = []string{url}
	})
	f.p.until = now.AddDate(3, 0, 0)
	ca := f.p.issue(root, nil, authority) // another authority under the same root
	sameKey := f.p.issue(root, root.key, authority)
	responds := func(c *x509.Certificate) {
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning}
		c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{
			Id: asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 5}, Value: derNull,
		})
	}
	responder := f.p.issue(root, nil, responds)
	ended := f.p.issue(root, nil, responds, func(c *x509.Certificate) {
		c.NotAfter = stampedAt.AddDate(0, -1, 0)
	})
	unusable := f.p.issue(root, nil, func(c *x509.Certificate) {
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning}
	})
	foreign := f.p.issue(ca, nil, responds)
	stranger := f.stranger.issue(f.stranger.root, nil, responds)
	renamed := f.p.issue(sameKey, nil, responds)
	listed := func(at time.Time, reason int) []x509.RevocationListEntry {
		return []x509.RevocationListEntry{{
			SerialNumber: f.signer.cert.SerialNumber, RevocationTime: at, ReasonCode: reason,
		}}
	}
	before, after := stampedAt.AddDate(0, -1, 0), stampedAt.AddDate(0, 1, 0)
	hour := stampedAt.Add(time.Hour)
	point := func(parts ...[]byte) []pkix.Extension {
		return []pkix.Extension{{
			Id: asn1.ObjectIdentifier{2, 5, 29, 28}, Critical: true, Value: derSeq(parts...),
		}}
	}
	flag := func(n uint8) []byte { return der(cbasn1.Tag(n).ContextSpecific(), []byte{0xff}) }
	address := func(u string) []byte {
		return derTag(0, derTag(0, der(cbasn1.Tag(6).ContextSpecific(), []byte(u))))
	}
	good := answer{about: f.signer.cert, issuer: root, this: hour, reason: -1}
	edit := func(change func(*answer)) response {
		a := good
		change(&a)
		return response{by: responder, produced: hour, answers: []answer{a}}
	}
	by := func(h holder) response {
		return response{by: h, produced: hour, answers: []answer{good}}
	}
	revoked := edit(func(a *answer) { a.revoked = before })
	for name, tc := range map[string]struct {
		responses []response
		lists     []crl
		level     Level // LevelNone if it was revoked
	}{
		"none": {nil, nil, LevelT},

		// Who has signed a response.
		"by a responder":                         {[]response{by(responder)}, nil, LevelLT},
		"by the issuer":                          {[]response{by(root)}, nil, LevelLT},
		"by the issuer, alone":                   {[]response{{by: root, alone: true, produced: hour, answers: []answer{good}}}, nil, LevelLT},
		"by the issuer's key under another name": {[]response{by(sameKey)}, nil, LevelT},
		"by a responder of the issuer's key under another name": {[]response{by(renamed)}, nil, LevelT},
		"by a responder, with its issuer": {[]response{{
			by: responder, certs: []*x509.Certificate{root.cert}, produced: hour,
			answers: []answer{good},
		}}, nil, LevelLT},
		"by a responder of another authority": {[]response{by(foreign)}, nil, LevelT},
		"by a responder of a stranger":        {[]response{by(stranger)}, nil, LevelT},
		"by another authority":                {[]response{by(ca)}, nil, LevelT},
		"by the signer":                       {[]response{by(f.signer)}, nil, LevelT},
		"by the time-stamping unit":           {[]response{by(f.unit)}, nil, LevelT},
		"by a responder that had ended":       {[]response{by(ended)}, nil, LevelT},
		"by a responder that may be revoked":  {[]response{by(unusable)}, nil, LevelT},

		// What it is about.
		"by SHA-256":               {[]response{edit(func(a *answer) { a.hash = crypto.SHA256 })}, nil, LevelLT},
		"serial number of another": {[]response{edit(func(a *answer) { a.serialNumber = big.NewInt(9) })}, nil, LevelT},
		"the same serial number of another issuer": {
			[]response{edit(func(a *answer) { a.issuer = ca })}, nil, LevelT,
		},
		"the same, by SHA-256": {
			[]response{edit(func(a *answer) { a.issuer, a.hash = ca, crypto.SHA256 })}, nil, LevelT,
		},
		"name of another issuer": {
			[]response{edit(func(a *answer) { a.name = ca.cert.RawSubject })}, nil, LevelT,
		},
		"key of another issuer": {
			[]response{edit(func(a *answer) { a.key = publicKey(ca.cert) })}, nil, LevelT,
		},
		"revoked at another issuer": {
			[]response{
				by(responder), edit(func(a *answer) { a.issuer, a.revoked = ca, before }),
			}, nil, LevelLT,
		},
		"good at another issuer, revoked here": {
			[]response{{by: responder, produced: hour, answers: []answer{
				{about: f.signer.cert, issuer: ca, this: hour}, revoked.answers[0],
			}}}, nil, LevelNone,
		},
		"good and revoked in one response": {
			[]response{{by: responder, produced: hour, answers: []answer{good, revoked.answers[0]}}},
			nil, LevelNone,
		},
		"good and revoked in two": {[]response{by(responder), revoked}, nil, LevelNone},
		"good by SHA-1 and SHA-256 in one response": {
			[]response{{by: responder, produced: hour, answers: []answer{
				good, {about: f.signer.cert, issuer: root, this: hour, hash: crypto.SHA256},
			}}}, nil, LevelLT,
		},

		// What it says, and when.
		"unknown":        {[]response{edit(func(a *answer) { a.unknown = true })}, nil, LevelT},
		"revoked before": {[]response{revoked}, nil, LevelNone},
		"revoked later":  {[]response{edit(func(a *answer) { a.revoked = after })}, nil, LevelLT},
		"revoked in the year 1": {[]response{edit(func(a *answer) {
			a.revoked = time.Date(1, 1, 1, 0, 0, 1, 0, time.UTC)
		})}, nil, LevelNone},
		"on hold": {[]response{edit(func(a *answer) { a.revoked, a.reason = before, 6 })}, nil, LevelNone},
		"on hold, some time before": {[]response{edit(func(a *answer) {
			a.revoked, a.reason, a.this = before.AddDate(0, -2, 0), 6, before.AddDate(0, -1, 0)
		}), by(responder)}, nil, LevelLT},
		"revoked, in a response that has ended": {[]response{edit(func(a *answer) {
			a.revoked, a.this = before.AddDate(0, -2, 0), before.AddDate(0, -1, 0)
		}), by(responder)}, nil, LevelNone},
		"good until before":                {[]response{edit(func(a *answer) { a.this, a.next = before, before.AddDate(0, 0, 7) })}, nil, LevelT},
		"good from before, until later":    {[]response{edit(func(a *answer) { a.this, a.next = before, after })}, nil, LevelLT},
		"good from before, without an end": {[]response{edit(func(a *answer) { a.this, a.endless = before, true })}, nil, LevelT},
		"good in the future": {[]response{edit(func(a *answer) {
			a.this = now.AddDate(0, 1, 0)
			a.extensions = derSeq(
				derOID(1, 3, 6, 1, 5, 5, 7, 48, 1, 6), derOctets(generalized(before)),
			)
		})}, nil, LevelT},
		"good after the certificate's end": {[]response{edit(func(a *answer) { a.this = now })}, nil, LevelT},
		"the same, and it remembers": {[]response{edit(func(a *answer) {
			a.this = now
			a.extensions = derSeq(
				derOID(1, 3, 6, 1, 5, 5, 7, 48, 1, 6), derOctets(generalized(before)),
			)
		})}, nil, LevelLT},
		"the same, and it has forgotten": {[]response{edit(func(a *answer) {
			a.this = now
			a.extensions = derSeq(
				derOID(1, 3, 6, 1, 5, 5, 7, 48, 1, 6), derOctets(generalized(now)),
			)
		})}, nil, LevelT},
		"critical extension": {[]response{edit(func(a *answer) {
			a.extensions = derSeq(derOID(1, 2, 3), []byte{1, 1, 0xff}, derOctets(derNull))
		})}, nil, LevelT},

		// Lists.
		"list":                               {nil, []crl{{by: root, this: hour}}, LevelLT},
		"list of another authority":          {nil, []crl{{by: ca, this: hour}}, LevelT},
		"list by the key under another name": {nil, []crl{{by: sameKey, this: hour}}, LevelT},
		"listed before":                      {nil, []crl{{by: root, this: hour, entries: listed(before, 1)}}, LevelNone},
		"listed later":                       {nil, []crl{{by: root, this: hour, entries: listed(after, 1)}}, LevelLT},
		"listed by another authority": {nil, []crl{
			{by: root, this: hour}, {by: ca, this: hour, entries: listed(before, 1)},
		}, LevelLT},
		"listed, and good by OCSP": {
			[]response{by(responder)},
			[]crl{{by: root, this: hour, entries: listed(before, 1)}},
			LevelNone,
		},
		"list has ended": {nil, []crl{{by: root, this: before, next: before.AddDate(0, 0, 7)}}, LevelT},
		"listed, in a list that has ended": {nil, []crl{
			{by: root, this: before, entries: listed(before, 1)}, {by: root, this: hour},
		}, LevelNone},
		"list from after the certificate's end": {nil, []crl{{by: root}}, LevelT},
		"the same, with ended certificates": {nil, []crl{{by: root, extensions: []pkix.Extension{{
			Id: asn1.ObjectIdentifier{2, 5, 29, 60}, Value: generalized(before),
		}}}}, LevelLT},
		"list with a critical extension": {nil, []crl{{
			by: root, this: hour, extensions: []pkix.Extension{{
				Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: true, Value: derNull,
			}},
		}}, LevelT},

		// The scope of lists.
		"list of users":       {nil, []crl{{by: root, this: hour, extensions: point(flag(1))}}, LevelLT},
		"list of authorities": {nil, []crl{{by: root, this: hour, extensions: point(flag(2))}}, LevelT},
		"list of some reasons": {nil, []crl{{
			by: root, this: hour, extensions: point(der(cbasn1.Tag(3).ContextSpecific(), []byte{1, 2})),
		}}, LevelT},
		"indirect list": {nil, []crl{{by: root, this: hour, extensions: point(flag(4))}}, LevelT},
		"listed in an indirect list": {[]response{by(responder)}, []crl{{
			by: root, this: hour, extensions: point(flag(4)), entries: listed(before, 1),
		}}, LevelLT},
		"list of attribute certificates":  {nil, []crl{{by: root, this: hour, extensions: point(flag(5))}}, LevelT},
		"list of the certificate's point": {nil, []crl{{by: root, this: hour, extensions: point(address(url))}}, LevelLT},
		"list of another point":           {nil, []crl{{by: root, this: hour, extensions: point(address(url + "2"))}}, LevelT},
		"listed at another point": {[]response{by(responder)}, []crl{{
			by: root, this: hour, extensions: point(address(url + "2")), entries: listed(before, 1),
		}}, LevelNone},
		"scope is not critical": {nil, []crl{{by: root, this: hour, extensions: []pkix.Extension{{
			Id: asn1.ObjectIdentifier{2, 5, 29, 28}, Value: derSeq(flag(2)),
		}}}}, LevelT},
		"delta list": {nil, []crl{{by: root, this: hour, extensions: delta()}}, LevelT},
		"listed in a delta list": {nil, []crl{
			{by: root, this: hour},
			{by: root, this: hour, extensions: delta(), entries: listed(before, 1)},
		}, LevelNone},
		"removed in a delta list": {nil, []crl{
			{by: root, this: hour},
			{by: root, this: hour, extensions: delta(), entries: listed(before, 8)},
		}, LevelLT},
	} {
		t.Run(name, func(t *testing.T) {
			signed := f.sign(t, token{message: message{by: f.unit}, at: stampedAt})
			var responses, lists [][]byte
			for _, r := range append(tc.responses, response{by: responder, answers: []answer{
				{about: f.unit.cert, issuer: root},
			}}) {
				responses = append(responses, r.encode(t))
			}
			for _, l := range tc.lists {
				lists = append(lists, l.encode(t))
			}
			doc := store(
				t, signed, []*x509.Certificate{f.signer.cert, f.unit.cert, root.cert},
				responses, lists,
			)
			s := f.verify(doc).Signatures[0]
			revoked := errors.Is(s.Err(), errRevoked)
			if s.Level != tc.level || revoked != (tc.level == LevelNone) {
				t.Errorf("level %s instead of %s: %v", s.Level, tc.level, s.Err())
			}
		})
	}
}

func delta() []pkix.Extension {
	return []pkix.Extension{{
		Id: asn1.ObjectIdentifier{2, 5, 29, 27}, Critical: true, Value: derOf(1),
	}}
}

// TestRevokedUnit revokes the certificate of a time-stamping unit. A token from before counts if
// the key was not compromised, or if another timestamp shows that it is from before.
func TestRevokedUnit(t *testing.T) {
	f := newForge(t)
	root, now := f.p.root, time.Now()
	at, revoked := now.AddDate(0, -6, 0), now.AddDate(0, -3, 0)
	second := f.p.issue(root, nil, stamping)
	k := token{message: message{by: f.unit}, at: at}
	signed := f.sign(t, k)
	stamped := putStamp(t, signed, "two", token{message: message{by: second}, at: at.AddDate(0, 1, 0)})
	late := putStamp(t, signed, "two", token{message: message{by: second}, at: now.AddDate(0, -1, 0)})
	for name, tc := range map[string]struct {
		doc    []byte
		reason int
		since  time.Time
		sub    SubIndication
	}{
		"no reason":                     {signed, -1, revoked, RevokedNoPOE},
		"compromised":                   {signed, 1, revoked, RevokedNoPOE},
		"superseded":                    {signed, 4, revoked, ""},
		"superseded before":             {signed, 4, at.AddDate(0, -1, 0), RevokedNoPOE},
		"compromised, stamped before":   {stamped, 1, revoked, ""},
		"compromised, stamped too late": {late, 1, revoked, RevokedNoPOE},
		"a document timestamp":          {putStamp(t, pdftest.Minimal(), "one", k), 1, revoked, RevokedNoPOE},
		"one from after":                {putStamp(t, pdftest.Minimal(), "one", k), 4, at.AddDate(0, -1, 0), Revoked},
		"one from before":               {putStamp(t, pdftest.Minimal(), "one", k), 4, revoked, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := response{by: root, answers: []answer{
				{about: f.unit.cert, issuer: root, revoked: tc.since, reason: tc.reason},
			}}
			f.expect(t, store(t, tc.doc, nil, [][]byte{r.encode(t)}, nil), 0, tc.sub)
		})
	}
}

// TestRevokedCertificate judges signatures whose certificate, or that of an authority above it, was
// revoked before the time of validation or of the timestamp. Only what the signature itself claims
// can show that it is from after that.
func TestRevokedCertificate(t *testing.T) {
	f := newForge(t)
	root, now := f.p.root, time.Now()
	since := now.AddDate(0, -1, 0)
	before, after := since.Add(-time.Hour), since.Add(time.Hour)
	ca := f.p.issue(root, nil, authority)
	below := f.p.issue(ca, nil)
	for name, tc := range map[string]struct {
		by, about holder
		issuer    holder
		stamped   time.Time
		claimed   time.Time
		sub       SubIndication
	}{
		"claims to be from before":     {f.signer, f.signer, root, time.Time{}, before, RevokedNoPOE},
		"claims nothing":               {f.signer, f.signer, root, time.Time{}, time.Time{}, SigConstraintsFailure},
		"claims to be from after":      {f.signer, f.signer, root, time.Time{}, after, Revoked},
		"the same time":                {f.signer, f.signer, root, time.Time{}, since, Revoked},
		"stamped before":               {f.signer, f.signer, root, before, before, ""},
		"stamped after":                {f.signer, f.signer, root, after, before, RevokedNoPOE},
		"stamped and claimed after":    {f.signer, f.signer, root, after, after, Revoked},
		"below another authority":      {below, below, ca, time.Time{}, before, RevokedNoPOE},
		"an authority":                 {below, ca, root, time.Time{}, before, RevokedCANoPOE},
		"an authority, claimed after":  {below, ca, root, time.Time{}, after, RevokedCANoPOE},
		"an authority, stamped before": {below, ca, root, before, before, ""},
	} {
		t.Run(name, func(t *testing.T) {
			m := message{by: tc.by}
			if !tc.stamped.IsZero() {
				m.unsigned = f.stamped(token{message: message{by: f.unit}, at: tc.stamped})
			}
			doc := putMessage(t, pdftest.Minimal(), "one", m, claimedAt(tc.claimed))
			if !tc.claimed.IsZero() {
				f.expect(t, doc, 0, "")
			}
			r := crl{by: tc.issuer, this: now, entries: []x509.RevocationListEntry{{
				SerialNumber: tc.about.cert.SerialNumber, RevocationTime: since,
			}}}
			doc = store(t, doc, nil, nil, [][]byte{r.encode(t)})
			f.expect(t, doc, 0, tc.sub)
			s := f.verify(doc).Signatures[0]
			if revoked := errors.Is(s.Err(), errRevoked); revoked != (tc.sub != "") {
				t.Errorf("revoked: %t, %v", revoked, s.Err())
			}
			if !s.Intact() {
				t.Error("called changed")
			}
		})
	}
}

// TestArchivedRevocationData judges signatures whose signer has signed revocation data, the attribute
// that iText and Acrobat write (adbe-revocationInfoArchival).
func TestArchivedRevocationData(t *testing.T) {
	f := newForge(t)
	now := time.Now()
	since := now.AddDate(0, -1, 0)
	before := since.Add(-time.Hour)
	list := func(entries ...x509.RevocationListEntry) []byte {
		return crl{by: f.p.root, this: now.Add(-time.Hour), entries: entries}.encode(t)
	}
	revoked := list(x509.RevocationListEntry{
		SerialNumber: f.signer.cert.SerialNumber, RevocationTime: since,
	})
	answers := func(a answer) []byte {
		a.about, a.issuer, a.this = f.signer.cert, f.p.root, now.Add(-time.Hour)
		return response{by: f.p.root, answers: []answer{a}}.encode(t)
	}
	good := answers(answer{})
	lists := func(all ...[]byte) []byte { return derTag(0, derSeq(all...)) }
	responses := func(all ...[]byte) []byte { return derTag(1, derSeq(all...)) }
	others := derTag(2, derSeq(derSeq(derOID(1, 2, 3), derOctets(nil))))
	for name, tc := range map[string]struct {
		value []byte // of the attribute; nil for none
		sub   SubIndication
		level Level
	}{
		"none":                 {nil, "", LevelT},
		"a list":               {derSeq(lists(list())), "", LevelLT},
		"a response":           {derSeq(responses(good)), "", LevelLT},
		"both, and other data": {derSeq(lists(list()), responses(good), others), "", LevelLT},
		"revoked by a list":    {derSeq(lists(list(), revoked)), RevokedNoPOE, LevelNone},
		"revoked by a response": {
			derSeq(responses(answers(answer{revoked: since, reason: -1}))), RevokedNoPOE, LevelNone,
		},
		"revoked, after what cannot be read": {
			derSeq(lists(derSeq(), revoked), responses(derSeq(derNull), good)), RevokedNoPOE, LevelNone,
		},
		"nothing":              {derSeq(), "", LevelT},
		"not a sequence":       {derNull, "", LevelT},
		"a list that is none":  {derSeq(lists(derNull)), "", LevelT},
		"a response as a list": {derSeq(lists(good)), "", LevelT},
		"a list of a stranger": {
			derSeq(lists(crl{by: f.stranger.root, this: now}.encode(t))), "", LevelT,
		},
		"a response too large": {
			derSeq(responses(derSeq(derOctets(make([]byte, maxSmallEvidence))))),
			SigConstraintsFailure, LevelNone,
		},
		"too many": {
			derSeq(lists(slices.Repeat([][]byte{derSeq()}, maxEvidence+1)...)), SigConstraintsFailure,
			LevelNone,
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := message{by: f.signer, signed: func(attrs [][]byte) [][]byte {
				if tc.value == nil {
					return attrs
				}
				return append(attrs, derAttribute(derOf(cms.OIDRevocationArchival), tc.value))
			}}
			m.unsigned = f.stamped(token{message: message{by: f.unit}, at: now.Add(-time.Minute)})
			p := prepareRoom(
				t, pdftest.Minimal(), 256<<10, putField(t, "one", "/Rect [0 0 0 0]"), claimedAt(before),
			)
			update, err := p.fill(m.encode(t, slices.Concat(pdftest.Minimal(), p.Before, p.After)))
			must(t, err)
			// The store has what the level needs beside the data about the signer.
			doc := store(
				t, slices.Concat(pdftest.Minimal(), update),
				[]*x509.Certificate{f.signer.cert, f.unit.cert, f.p.root.cert},
				[][]byte{response{by: f.p.root, answers: []answer{{
					about: f.unit.cert, issuer: f.p.root, this: now.Add(-time.Hour),
				}}}.encode(t)}, nil,
			)
			s := f.verify(doc).Signatures[0]
			if _, sub := s.Indication(); sub != tc.sub || s.Level != tc.level {
				t.Errorf("%s, level %s, want %s, %s: %v", sub, s.Level, tc.sub, tc.level, s.Err())
			}
		})
	}
}

// TestRevokedBeforeACoveredStamp judges signatures that cover a document timestamp, and so are newer,
// whatever they claim.
func TestRevokedBeforeACoveredStamp(t *testing.T) {
	f := newForge(t)
	now := time.Now()
	since := now.AddDate(0, -1, 0)
	before, after := since.Add(-time.Hour), since.Add(time.Hour)
	stranger := newForge(t)
	for name, tc := range map[string]struct {
		unit    holder
		stamped time.Time
		over    bool // the timestamp follows the signature
		sub     SubIndication
	}{
		"from after":             {f.unit, after, false, Revoked},
		"of the same time":       {f.unit, since, false, Revoked},
		"from before":            {f.unit, before, false, RevokedNoPOE},
		"from after, over it":    {f.unit, after, true, RevokedNoPOE},
		"from after, untrusted":  {stranger.unit, after, false, RevokedNoPOE},
		"from before, untrusted": {stranger.unit, before, false, RevokedNoPOE},
	} {
		t.Run(name, func(t *testing.T) {
			sign := func(doc []byte) []byte {
				return putMessage(t, doc, "one", message{by: f.signer}, claimedAt(before))
			}
			stamp := func(doc []byte) []byte {
				return putStamp(t, doc, "stamp", token{message: message{by: tc.unit}, at: tc.stamped})
			}
			doc, n := pdftest.Minimal(), 1
			if tc.over {
				doc, n = stamp(sign(doc)), 0
			} else {
				doc = sign(stamp(doc))
			}
			r := crl{by: f.p.root, this: now, entries: []x509.RevocationListEntry{{
				SerialNumber: f.signer.cert.SerialNumber, RevocationTime: since,
			}}}
			f.expect(t, store(t, doc, nil, nil, [][]byte{r.encode(t)}), n, tc.sub)
		})
	}
}

// claimedAt is the entry /M with a time, or with nothing.
func claimedAt(at time.Time) pdf.Pair {
	if at.IsZero() {
		return pdf.Pair{Key: "M", Value: "()"}
	}
	return pdf.Pair{Key: "M", Value: at.UTC().Format("(D:20060102150405Z)")}
}

// TestOutOfBounds judges signatures at times at which the certificate was not valid.
func TestOutOfBounds(t *testing.T) {
	f := newForge(t)
	now := time.Now()
	from, until := now.AddDate(-2, 0, 0), now.AddDate(-1, 0, 0)
	by := f.p.issue(f.p.root, nil, func(c *x509.Certificate) { c.NotBefore, c.NotAfter = from, until })
	within := from.AddDate(0, 1, 0)
	early, late := from.AddDate(0, -1, 0), until.AddDate(0, 1, 0)
	for name, tc := range map[string]struct {
		stamped, claimed time.Time
		sub              SubIndication
	}{
		"ended, claimed within":   {time.Time{}, within, OutOfBoundsNoPOE},
		"ended, claimed after":    {time.Time{}, late, Expired},
		"stamped within":          {within, within, ""},
		"stamped within, claimed": {within, late, ""},
		"stamped after":           {late, within, OutOfBoundsNoPOE},
		"stamped, claimed after":  {late, late, Expired},
		"stamped before":          {early, early, NotYetValid},
	} {
		t.Run(name, func(t *testing.T) {
			m := message{by: by}
			if !tc.stamped.IsZero() {
				m.unsigned = f.stamped(token{message: message{by: f.unit}, at: tc.stamped})
			}
			doc := putMessage(t, pdftest.Minimal(), "one", m, claimedAt(tc.claimed))
			f.expect(t, doc, 0, tc.sub)
			if s := f.verify(doc).Signatures[0]; !s.Intact() || s.Trusted() != (tc.sub == "") {
				t.Errorf("intact: %t, trusted: %t", s.Intact(), s.Trusted())
			}
		})
	}
	// A document timestamp that the signature covers shows the earliest time (EN 319 102-1, 5.3.4).
	for name, tc := range map[string]struct {
		covered time.Time
		sub     SubIndication
	}{
		"it covers a stamp from within": {within, OutOfBoundsNoPOE},
		"it covers a stamp from after":  {late, Expired},
	} {
		t.Run(name, func(t *testing.T) {
			doc := putStamp(
				t, pdftest.Minimal(), "stamp", token{message: message{by: f.unit}, at: tc.covered},
			)
			doc = putMessage(t, doc, "one", message{by: by}, claimedAt(within))
			f.expect(t, doc, 1, tc.sub)
		})
	}
}
