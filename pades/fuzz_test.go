package pades

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/signet-sign/signet/pades/pdf"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// FuzzVerify replaces a part of a signed document. Whatever passes must have the signed bytes of the
// document's own signatures. The document and its root are files, because the seeds of a fuzzing
// process are verified by other processes, which would have made other keys.
func FuzzVerify(f *testing.F) {
	signed, err := os.ReadFile(filepath.Join("testdata", "verify", "intact", "product_lta.pdf"))
	must(f, err)
	text, err := os.ReadFile(filepath.Join("testdata", "verify", "root.pem"))
	must(f, err)
	certs, err := ParseCertificates(text)
	must(f, err)
	o := VerifyOptions{
		Roots: x509.NewCertPool(), Now: time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC), Memo: new(Memo),
	}
	for _, c := range certs {
		o.Roots.AddCert(c)
	}
	o.TSARoots = o.Roots
	intact, err := Verify(bytes.NewReader(signed), int64(len(signed)), o)
	must(f, err)
	must(f, intact.Err())

	end := uint(len(signed))
	f.Add(uint(0), uint(0), []byte(nil))
	f.Add(uint(0), end, pdftest.Minimal())
	f.Add(end-7, uint(7), []byte("%%EOF \n"))
	f.Add(uint(bytes.Index(signed, []byte("/ByteRange"))), uint(30), []byte("/ByteRange [0 9 9 9]"))
	for _, change := range fuzzedChanges {
		f.Add(end, uint(0), appendedTo(f, signed, change))
	}
	f.Fuzz(func(t *testing.T, at, n uint, with []byte) {
		at = min(at, end)
		n = min(n, end-at)
		doc := slices.Concat(signed[:at], with, signed[at+n:])
		r, err := Verify(bytes.NewReader(doc), int64(len(doc)), o)
		if err != nil {
			if pdf.ReasonOf(err) == "" {
				t.Fatalf("%v is not a refusal", err)
			}
			return
		}
		if r.Err() != nil {
			return
		}
		for _, s := range r.Signatures {
			if !slices.ContainsFunc(intact.Signatures, func(i *Signature) bool {
				hole, rest := s.ByteRange[1], s.ByteRange[2]
				return s.ByteRange == i.ByteRange && bytes.Equal(doc[:hole], signed[:hole]) &&
					bytes.Equal(doc[rest:rest+s.ByteRange[3]], signed[rest:rest+s.ByteRange[3]])
			}) {
				t.Fatal("a signature over other bytes passes")
			}
		}
	})
}

// fuzzedChanges are the updates of a signed document with which fuzzing begins.
var fuzzedChanges = []func(d *pdf.Document, u *pdf.Update) error{
	func(_ *pdf.Document, u *pdf.Update) error {
		return u.SetCatalog("Lang", "(en)")
	},
	func(d *pdf.Document, u *pdf.Update) error {
		page, err := d.Page(1)
		if err != nil {
			return err
		}
		_, err = u.Put(page.Ref, []byte("<< /Type /Page >>"))
		return err
	},
	func(d *pdf.Document, u *pdf.Update) error {
		page, err := d.Page(1)
		if err != nil {
			return err
		}
		widget := u.Alloc()
		if _, err := u.Put(widget, fmt.Appendf(
			nil, "<< /Type /Annot /Subtype /Widget /FT /Sig /T (two) /P %s /Rect [0 0 0 0] >>", page.Ref,
		)); err != nil {
			return err
		}
		if err := u.AddFields(widget); err != nil {
			return err
		}
		return u.AddAnnotations(1, widget)
	},
}

// appendedTo returns the update of doc that makes a change.
func appendedTo(
	t testing.TB, doc []byte, change func(*pdf.Document, *pdf.Update) error,
) []byte {
	t.Helper()
	d, err := pdf.Open(bytes.NewReader(doc), int64(len(doc)), pdf.Limits{})
	must(t, err)
	u := pdf.NewUpdate(d)
	must(t, change(d, u))
	must(t, u.Finish(zeros{}))
	return bytes.Clone(u.Bytes())
}

// FuzzSeal checks that every document that Inspect accepts can be prepared and sealed, and that the
// result passes the release gate. A failure after the approval would leave the signer with a
// signature that cannot be delivered.
func FuzzSeal(f *testing.F) {
	for _, c := range pdftest.Cases() {
		if len(c.PDF) < 64<<10 {
			f.Add(c.PDF)
		}
	}
	w := newWorld(f)
	o := w.options(Location{1, 0.5, 0.5})
	o.Room = Room(w.chain(), w.tsa)
	signed, _ := w.signed(f, pdftest.Minimal(), o)
	f.Add(signed)
	for _, base := range cosignBases {
		f.Add(base.doc)
	}
	f.Add(former())
	f.Add(hideDocument())
	evidence := &sameEvidence{EvidenceSource: w}
	locs := []Location{{1, 0, 0}}
	f.Fuzz(func(t *testing.T, doc []byte) {
		r := bytes.NewReader(doc)
		in, err := Inspect(t.Context(), r, r.Size(), locs, pdf.Limits{})
		if err != nil {
			if pdf.ReasonOf(err) == "" {
				t.Fatalf("%v is not a refusal", err)
			}
			return
		}
		p, err := Prepare(r, r.Size(), w.options(locs...))
		if err != nil {
			t.Fatalf("accepted, but not prepared: %v", err)
		}
		appended, level, err := Seal(
			t.Context(),
			r,
			p,
			w.sign(t, p.SignedAttributes(w.cert)),
			SealOptions{
				Chain: w.chain(), Timestamper: w.tsa, Evidence: evidence, TimestampField: "Timestamp",
				Rand: rand.Reader, Memo: &w.memo,
			},
		)
		if err != nil {
			t.Fatalf("accepted, but not sealed: %v", err)
		}
		report := w.verify(t, append(bytes.Clone(doc), appended...))
		if err := report.Meets(Expectation{Prepared: p, Certificate: w.cert, Before: in.Signatures, Level: level}); err != nil {
			t.Fatalf("sealed, but refused: %v", err)
		}
	})
}

// sameEvidence remembers the evidence about the first certificates, because signing it takes longer
// than all the rest.
type sameEvidence struct {
	EvidenceSource
	about           []*x509.Certificate
	responses, crls [][]byte
}

func (e *sameEvidence) Evidence(
	ctx context.Context, certs []*x509.Certificate,
) (responses, crls [][]byte, err error) {
	if !slices.EqualFunc(e.about, certs, (*x509.Certificate).Equal) {
		e.responses, e.crls, err = e.EvidenceSource.Evidence(ctx, certs)
		e.about = certs
	}
	return e.responses, e.crls, err
}
