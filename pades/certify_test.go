package pades

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/ca"
	"github.com/signet-sign/signet/pades/pdf"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// certification returns the signature that the catalog names as the document's certification, 0 if
// there is none, and how many signatures have a DocMDP transform.
func certification(t *testing.T, doc []byte) (named, certifying int) {
	t.Helper()
	d, err := pdf.Open(bytes.NewReader(doc), int64(len(doc)), pdf.Limits{})
	must(t, err)
	perms, err := d.Get(d.Catalog(), "Perms")
	must(t, err)
	ref, _ := perms.Get("DocMDP").Ref()
	sigs, err := signatures(d)
	must(t, err)
	for _, s := range sigs {
		if strings.Contains(s.dict.Get("Reference").Raw(), "/DocMDP") {
			certifying++
			if s.ref != ref {
				t.Errorf("the catalog names object %d, and object %d certifies", ref.Num, s.ref.Num)
			}
		}
	}
	return ref.Num, certifying
}

// TestCertify certifies documents with one and three places. A further signer, both archive
// timestamps and a renewal leave the certification as it is, for Signet and for pdfsig.
func TestCertify(t *testing.T) {
	program(t, "pdfsig", "poppler-utils")
	for name, doc := range map[string][]byte{
		"minimal": pdftest.Minimal(), "with a form": former(),
		"cross-reference stream": pdftest.New(pdftest.XrefStream()),
	} {
		for _, places := range [][]Location{
			{{1, 0.5, 0.1}}, {{1, 0.5, 0.1}, {1, 0.5, 0.3}, {1, 0.1, 0.3}},
		} {
			t.Run(fmt.Sprintf("%s, %d places", name, len(places)), func(t *testing.T) {
				w := newWorld(t)
				dir := t.TempDir()
				w.renewal(t, dir, time.Now())
				w.roots = w.ca.Roots()
				var err error
				w.cert, err = w.ca.IssueSigner(
					ca.Subject{UIN: "S8979373D", Name: "TAN AH KOW"}, &w.phone.PublicKey,
				)
				must(t, err)
				_, chain := w.ca.TSA()
				due := chain[0].NotAfter.AddDate(0, 0, -60)
				o := w.options(places...)
				o.Certify = true
				signed, p := w.extended(t, doc, o, true)
				r := w.verify(t, signed)
				must(
					t,
					errors.Join(
						r.Err(),
						r.Meets(Expectation{Prepared: p, Certificate: w.cert, Level: LevelLTA}),
					),
				)
				if got := r.Signatures[0].Permissions.DocMDP; got != 2 {
					t.Errorf("DocMDP %d", got)
				}
				named, certifying := certification(t, signed)
				if named == 0 || certifying != 1 {
					t.Fatalf(
						"%d signatures certify; the catalog names object %d", certifying, named,
					)
				}

				second := w.options(Location{1, 0.1, 0.8})
				second.FieldName, second.SignerName, second.Certify = "second", "LIM MEI LING", true
				more, p := w.extended(t, signed, second, true)
				r = w.verify(t, more)
				must(
					t, r.Meets(Expectation{
						Prepared: p, Certificate: w.cert, Before: 2, Level: LevelLTA,
					}),
				)
				if again, n := certification(t, more); again != named || n != 1 {
					t.Errorf("%d signatures certify after the second; object %d", n, again)
				}

				renewal := w.renewal(t, dir, due)
				update, err := Renew(t.Context(), bytes.NewReader(more), int64(len(more)), renewal)
				must(t, err)
				renewed := append(bytes.Clone(more), update...)
				late := renewal.Verify
				late.Now = chain[0].NotAfter.AddDate(1, 0, 0)
				r, err = Verify(bytes.NewReader(renewed), int64(len(renewed)), late)
				must(t, err)
				if err := r.Err(); err != nil || len(r.Signatures) != 5 {
					t.Errorf("renewed: %d signatures, %v", len(r.Signatures), err)
				}
				for _, s := range r.Signatures {
					for _, c := range s.Changes {
						if !c.Allowed || c.Kind.rank() > 1 {
							t.Errorf("%v: %+v", s.Fields, c)
						}
					}
				}
				path := filepath.Join(t.TempDir(), "renewed.pdf")
				must(t, os.WriteFile(path, renewed, 0o600))
				if got := askPDFSig(path); got != "valid" {
					out, _ := command("pdfsig", path)
					t.Errorf("pdfsig: %s\n%s", got, out)
				}
				if out, ok := command("qpdf", "--check", path); !ok {
					t.Errorf("qpdf: %s", out)
				}
			})
		}
	}
}

// TestNotCertified signs documents that must not be certified, or that nothing asks to certify.
func TestNotCertified(t *testing.T) {
	w := newWorld(t)
	nameless := pdftest.New(
		pdftest.Catalog("/AcroForm << /Fields [5000 0 R] >>"),
		pdftest.Object(
			5000,
			fmt.Sprintf(
				"<< /Type /Annot /Subtype /Widget /FT /Tx /Rect [9 9 99 29] /P %d 0 R >>",
				pdftest.PageNum(1),
			),
		),
		pdftest.PageEntries(1, "/Annots [5000 0 R]"),
	)
	signed, _ := w.signed(t, pdftest.Minimal(), w.options(Location{1, 0.1, 0.1}))
	var many []pdftest.Field
	for i := range 40 {
		many = append(many, pdftest.Field{
			Name: strings.Repeat("x", 1000) + fmt.Sprint(i), Page: 1, Rect: "[9 9 99 29]",
			Type: "Tx",
		})
	}
	for name, c := range map[string]struct {
		doc    []byte
		ask    bool
		before int // signatures that certify in the document
	}{
		"not asked":                       {pdftest.Minimal(), false, 0},
		"signed":                          {signed, true, 0},
		"certified":                       {w.signedWith(t, pdftest.Minimal(), "author", certify(2), ""), true, 1},
		"usage rights":                    {pdftest.New(pdftest.Catalog("/Perms << /UR3 5000 0 R >>"), pdftest.Object(5000, pdftest.Signature(""))), true, 0},
		"a field without a name":          {nameless, true, 0},
		"more names than a lock can hold": {pdftest.New(pdftest.IndirectForm(many...)), true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := pdf.Open(bytes.NewReader(c.doc), int64(len(c.doc)), pdf.Limits{})
			must(t, err)
			before := d.Catalog().Get("Perms").Raw()
			o := w.options(Location{1, 0.1, 0.8})
			o.FieldName, o.Certify = "new", c.ask
			out, _ := w.extended(t, c.doc, o, true)
			d, err = pdf.Open(bytes.NewReader(out), int64(len(out)), pdf.Limits{})
			must(t, err)
			if after := d.Catalog().Get("Perms").Raw(); after != before {
				t.Errorf("/Perms %s instead of %s", after, before)
			}
			sigs, err := signatures(d)
			must(t, err)
			certifying := 0
			for _, s := range sigs {
				if strings.Contains(s.dict.Get("Reference").Raw(), "/DocMDP") {
					certifying++
				}
			}
			if certifying != c.before {
				t.Errorf("%d signatures certify", certifying)
			}
		})
	}
	t.Run("certified without changes", func(t *testing.T) {
		doc := w.signedWith(t, pdftest.Minimal(), "author", certify(1), "")
		o := w.options(Location{1, 0.1, 0.8})
		o.Certify = true
		_, err := Prepare(bytes.NewReader(doc), int64(len(doc)), o)
		if pdf.ReasonOf(err) != pdf.Certified {
			t.Errorf("%v, want a refusal", err)
		}
	})
}

// TestCertifiedChanges makes the revisions of TestRevisions after a certification. The verifier
// reports each with its kind, page, object and field, and allows archive data only.
func TestCertifiedChanges(t *testing.T) {
	w := newWorld(t)
	o := w.options(Location{1, 0.5, 0.5})
	o.Certify = true
	doc, _ := w.extended(t, former(), o, true)
	for name, revision := range revisions {
		t.Run(name, func(t *testing.T) {
			r := w.verify(t, revision.make(newVictim(t, w, doc)))
			s := r.Signatures[0]
			allowed := revision.kind == "" || revision.kind.rank() == 1
			if s.Intact() != allowed || (r.Err() == nil) != allowed {
				t.Errorf("intact %v: %v", s.Intact(), r.Err())
			}
			if got := s.Later(); !allowed && got != revision.kind {
				t.Errorf("%q instead of %q: %v", got, revision.kind, s.Changes)
			}
		})
	}
	report := func(change string) []Change {
		s := w.verify(t, revisions[change].make(newVictim(t, w, doc))).Signatures[0]
		return slices.DeleteFunc(slices.Clone(s.Changes), func(c Change) bool { return c.Allowed })
	}
	want := []Change{{
		Kind: ChangeFormFilling, Page: 1, Object: amount, Field: "amount",
		Text: `the form field "amount" was filled in`,
	}}
	if got := report("a field is filled in"); !slices.Equal(got, want) {
		t.Errorf("a field is filled in: %+v", got)
	}
	added := report("an annotation is added")
	if len(added) != 1 || added[0].Kind != ChangeAnnotation || added[0].Page != 1 ||
		added[0].Object == 0 || added[0].Text != "an annotation was added" {
		t.Errorf("an annotation is added: %+v", added)
	}
}
