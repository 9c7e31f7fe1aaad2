package pades

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/signet-sign/signet/pades/pdf"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// TestForeignSecondSignature verifies a signature of ours after another program
// has added its own, with what such programs write beside it.
func TestForeignSecondSignature(t *testing.T) {
	w := newWorld(t)
	first, _ := w.extended(t, pdftest.Minimal(), w.options(Location{1, 0.1, 0.1}), true)
	ours := "/Producer (pdftest)" // what the generator writes
	for _, tc := range []struct {
		name, field, info, catalog string
		changed                    bool
	}{
		{name: "plain"},
		{name: "keys of the field", field: "/H /N /Ff 1 /DA (/Helv 0 Tf 0 g) /DR << >> /StructParent 7"},
		{name: "time of change", info: ours + " /ModDate (D:20300101000000Z)"},
		{name: "another producer", info: "/Producer (Another)"},
		{name: "extensions", catalog: "<< /ESIC << /BaseVersion /1.7 /ExtensionLevel 5 >> >>"},
		{name: "an action", field: "/A << /S /JavaScript /JS (app.alert(1)) >>", changed: true},
		{name: "a title", info: ours + " /Title (Another document)"},
		{name: "all of the information", info: "/Subject (x) /SourceModified (D:2030) /Trapped /True"},
		{name: "a producer that is no string", info: "/Producer 5 0 R", changed: true},
		{name: "a name in the information", info: ours + " /BaseFont /Symbol", changed: true},
		{name: "a dictionary in the information", info: ours + " /Title << >>", changed: true},
		{name: "extensions that are another object", catalog: fmt.Sprintf("%d 0 R", pdftest.FontNum), changed: true},
		{name: "extensions are taken away", catalog: "5 0 R", changed: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := prepareOther(t, first, func(d *pdf.Document, u *pdf.Update, sig pdf.Ref) {
				putField(t, "other", "/Rect [300 300 400 340] "+tc.field)(d, u, sig)
				if tc.info != "" {
					_, err := u.Put(pdf.Ref{Num: pdftest.InfoNum}, []byte("<< "+tc.info+" >>"))
					must(t, err)
				}
				if tc.catalog != "" {
					must(t, u.SetCatalog("Extensions", tc.catalog))
				}
			})
			report := w.verify(t, w.embed(t, first, p))
			if changed := report.Err() != nil; changed != tc.changed ||
				len(report.Signatures) != 3 {
				t.Errorf("%d signatures, %v", len(report.Signatures), report.Err())
			}
		})
	}
}

// TestForeignKeyUsage verifies signatures with certificates of another authority.
func TestForeignKeyUsage(t *testing.T) {
	w := newWorld(t)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	issue := func(subject, issuer *x509.Certificate, pub *ecdsa.PublicKey) *x509.Certificate {
		subject.SerialNumber, subject.NotBefore, subject.NotAfter = big.NewInt(5), w.now().Add(
			-time.Hour,
		), w.now().Add(time.Hour)
		der, err := x509.CreateCertificate(rand.Reader, subject, issuer, pub, key)
		must(t, err)
		cert, err := x509.ParseCertificate(der)
		must(t, err)
		return cert
	}
	root := &x509.Certificate{
		Subject: pkix.Name{CommonName: "Root"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign,
	}
	root = issue(root, root, &key.PublicKey)
	roots := x509.NewCertPool()
	roots.AddCert(root)
	doc := bytes.NewReader(pdftest.Minimal())
	for usage, valid := range map[x509.KeyUsage]bool{
		0: true, x509.KeyUsageDigitalSignature: true, x509.KeyUsageContentCommitment: true,
		x509.KeyUsageKeyAgreement: false,
	} {
		leaf := issue(
			&x509.Certificate{Subject: pkix.Name{CommonName: "Signer"}, KeyUsage: usage}, root,
			&w.phone.PublicKey,
		)
		p, err := Prepare(doc, doc.Size(), w.options(Location{1, 0.5, 0.5}))
		must(t, err)
		var out bytes.Buffer
		must(
			t,
			Embed(
				t.Context(), doc, p, []*x509.Certificate{leaf, root},
				w.sign(t, p.SignedAttributes(leaf)), w.tsa, &out,
			),
		)
		report, err := Verify(
			bytes.NewReader(out.Bytes()), int64(out.Len()),
			VerifyOptions{Roots: roots, TSARoots: w.ca.Roots(), Now: w.now()},
		)
		must(t, err)
		if err := report.Err(); (err == nil) != valid {
			t.Errorf("key usage %b: %v", usage, err)
		}
	}
}

// TestInformationIsTheForm signs a document whose trailer names the form, or the
// catalog, as the document information.
func TestInformationIsTheForm(t *testing.T) {
	w := newWorld(t)
	form := pdftest.New(
		pdftest.Catalog(fmt.Sprintf("/AcroForm %d 0 R", pdftest.InfoNum)),
		pdftest.Object(pdftest.InfoNum, "<< /Fields [] >>"),
	)
	catalog := bytes.Replace(
		pdftest.Minimal(), fmt.Appendf(nil, "/Info %d 0 R", pdftest.InfoNum),
		fmt.Appendf(nil, "/Info %d 0 R", pdftest.CatalogNum), 1,
	)
	for _, doc := range [][]byte{form, catalog} {
		out, p := w.extended(t, doc, w.options(Location{1, 0.5, 0.5}), true)
		report := w.verify(t, out)
		must(t, report.Err())
		must(t, report.Meets(Expectation{Prepared: p, Certificate: w.cert, Level: LevelLTA}))
	}
}

// TestIndefiniteLengths signs and verifies a document whose first signature has its message in
// BER, as BouncyCastle writes it.
func TestIndefiniteLengths(t *testing.T) {
	w := newWorld(t)
	doc, _ := w.signed(t, pdftest.Minimal(), w.options(Location{1, 0.1, 0.1}))
	s, _, _ := newVictim(t, w, doc).sig()
	message := indefinite(t, s.message, 3) // ContentInfo, its content, SignedData
	hole := doc[s.byteRange[1]+1 : s.byteRange[2]-1]
	for i := range hole {
		hole[i] = '0'
	}
	hex.Encode(hole, message)
	must(t, w.verify(t, doc).Err())
	if got, err := Inspect(t.Context(), bytes.NewReader(doc), int64(len(doc)), []Location{{1, 0.5, 0.5}}, pdf.Limits{}); err != nil ||
		got.Signatures != 1 {
		t.Fatalf("%+v, %v", got, err)
	}
	out, p := w.extended(t, doc, w.options(Location{1, 0.5, 0.5}), true)
	r := w.verify(t, out)
	must(t, r.Err())
	must(t, r.Meets(Expectation{Prepared: p, Certificate: w.cert, Before: 1, Level: LevelLTA}))
}

// indefinite writes the elements of a message down to a depth with indefinite lengths.
func indefinite(t *testing.T, der []byte, depth int) []byte {
	t.Helper()
	in := cryptobyte.String(der)
	var content cryptobyte.String
	var tag cbasn1.Tag
	if !in.ReadAnyASN1(&content, &tag) {
		t.Fatalf("no element: %x", der)
	}
	if depth == 0 || der[0]&0x20 == 0 {
		return der
	}
	out := []byte{der[0], 0x80}
	for !content.Empty() {
		var element cryptobyte.String
		if !content.ReadAnyASN1Element(&element, &tag) {
			t.Fatalf("no element: %x", content)
		}
		out = append(out, indefinite(t, element, depth-1)...)
	}
	return append(out, 0, 0)
}

// TestTwoForms verifies documents whose catalog has two forms, as node-signpdf writes one beside
// a form that stands in the catalog itself. Readers differ in which one counts.
func TestTwoForms(t *testing.T) {
	f := newForge(t)
	const form = 700
	sign := func(doc []byte) []byte {
		return putMessage(t, doc, "one", message{by: f.signer})
	}
	catalog := func(forms string) []byte {
		return pdftest.New(pdftest.Catalog(forms), pdftest.Object(form, "<< /Fields [] /SigFlags 3 >>"))
	}
	twice := sign(catalog(fmt.Sprintf("/AcroForm << /Fields [] >> /AcroForm %d 0 R", form)))
	f.expect(t, twice, 0, "")
	if _, sub := f.verify(twice).Indication(); sub != SigConstraintsFailure {
		t.Errorf("signed with two forms: %q", sub)
	}
	once := sign(catalog(fmt.Sprintf("/AcroForm %d 0 R", form)))
	must(t, f.verify(once).Err())
	v := newVictim(t, nil, once)
	for _, other := range []string{
		"/AcroForm << /Fields [] >> /AcroForm %d 0 R", "/AcroForm %d 0 R /AcroForm << /Fields [] >>",
		"/AcroForm %d 0 R /Acro#46orm << /Fields [] >>",
	} {
		body := strings.Replace(
			v.raw(v.root()), fmt.Sprintf("/AcroForm %d 0 R", form), fmt.Sprintf(other, form), 1,
		)
		r := f.verify(v.update(map[int]string{v.root(): body}))
		if i, _ := r.Indication(); i != TotalFailed {
			t.Errorf("%s: %s", other, i)
		}
	}
}
