package pades

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/signet-sign/signet/pades/pdf"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// TestEmptyFieldIsSigned signs the empty field at the place in a document with signatures.
// Elsewhere it gets a new field, of which Inspect tells if the document is certified.
func TestEmptyFieldIsSigned(t *testing.T) {
	program(t, "pdftotext", "poppler-utils")
	w := newWorld(t)
	field := func(rotate int, rect, entries string) []byte {
		return pdftest.New(
			pdftest.Object(pdftest.ContentNum(1), pdftest.Stream("", "")),
			pdftest.Rotate(rotate),
			pdftest.IndirectForm(
				pdftest.Field{Name: "tenant", Page: 1, Rect: rect, Entries: entries},
			),
		)
	}
	const fits = "[100 100 330 170]"
	for name, c := range map[string]struct {
		doc   []byte
		p     int // of the author's certification, 0 for a signature
		at    Location
		field string // that is signed; "" for a new one, "refused" for a refusal
	}{
		"at the place":             {field(0, fits, ""), 2, Location{1, 105 / 595.28, 105 / 841.89}, "tenant"},
		"P=3":                      {field(0, fits, ""), 3, Location{1, 105 / 595.28, 105 / 841.89}, "tenant"},
		"rotated":                  {field(90, "[100 100 170 330]", ""), 2, Location{1, 105 / 841.89, (595.28 - 168) / 595.28}, "tenant"},
		"smaller":                  {field(0, "[100 100 250 150]", ""), 2, Location{1, 90 / 595.28, 95 / 841.89}, "tenant"},
		"far too small":            {field(0, "[100 100 150 120]", ""), 2, Location{1, 50 / 595.28, 80 / 841.89}, "refused"},
		"elsewhere":                {field(0, fits, ""), 2, Location{1, 0.5, 0.5}, ""},
		"with a lock of its own":   {field(0, fits, "/Lock << /Type /SigFieldLock /Action /All >>"), 2, Location{1, 105 / 595.28, 105 / 841.89}, "refused"},
		"with a seed value":        {field(0, fits, "/SV << /Type /SV /Ff 1 >>"), 2, Location{1, 105 / 595.28, 105 / 841.89}, "refused"},
		"signed but not certified": {field(0, fits, ""), 0, Location{1, 105 / 595.28, 105 / 841.89}, "tenant"},
	} {
		t.Run(name, func(t *testing.T) {
			reference := ""
			if c.p > 0 {
				reference = certify(c.p)
			}
			doc := w.signedWith(t, c.doc, "author", reference, "")
			in, err := Inspect(
				context.Background(), bytes.NewReader(doc), int64(len(doc)), []Location{c.at},
				pdf.Limits{},
			)
			if c.field == "refused" {
				if pdf.ReasonOf(err) != SignatureOverlap {
					t.Fatalf("%v, want a refusal", err)
				}
				return
			}
			must(t, err)
			found := slices.ContainsFunc(
				in.Findings, func(f Finding) bool { return f.Code == FindCertified },
			)
			if want := c.p > 0 && c.field == ""; found != want {
				t.Errorf("findings %v", in.Findings)
			}
			o := w.options(c.at)
			out, p := w.extended(t, doc, o, true)
			r := w.verify(t, out)
			must(t, r.Err())
			must(
				t,
				r.Meets(
					Expectation{
						Prepared: p, Certificate: w.cert, Before: in.Signatures, Level: LevelLTA,
					},
				),
			)
			want := c.field
			if want == "" {
				want = o.FieldName
			}
			ours := r.Signatures[in.Signatures]
			if !slices.Equal(ours.Fields, []string{want}) {
				t.Errorf("signed %q, want %q", ours.Fields, want)
			}
			path := filepath.Join(t.TempDir(), "x.pdf")
			must(t, os.WriteFile(path, out, 0o600))
			if text, _ := command("pdftotext", path, "-"); !strings.Contains(text, o.SignerName) {
				t.Errorf("the name is not on the page: %q", text)
			}
			if c.field == "" {
				return
			}
			// Nothing else than the field and its appearance is new on the page.
			for _, change := range r.Signatures[0].Changes {
				if !change.Allowed || change.Kind.rank() > 1 {
					t.Errorf("change %v", fmt.Sprintf("%+v", change))
				}
			}
		})
	}
}

// TestBoxesLeaveRoom places boxes on a small page. The first signer may cover it; a later one would
// cover what the first has signed.
func TestBoxesLeaveRoom(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]struct {
		width, height float64
		places        []Location
		refused       bool
	}{
		"one box on a small page":    {230, 140, []Location{{1, 0, 0.5}}, true},
		"one box on a larger page":   {300, 300, []Location{{1, 0, 0.5}}, false},
		"two boxes on a larger page": {300, 300, []Location{{1, 0, 0.5}, {1, 0, 0.75}}, false},
		"four boxes": {
			300, 310, []Location{{1, 0, 0.2}, {1, 0, 0.4}, {1, 0, 0.6}, {1, 0, 0.8}}, true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			doc := pdftest.New(pdftest.MediaBox(0, 0, c.width, c.height))
			if _, err := inspect(t, doc, c.places...); err != nil {
				t.Fatalf("the first signer: %v", err)
			}
			first := w.options(Location{1, 0, 0})
			first.FieldName = "first"
			signed, _ := w.extended(t, doc, first, true)
			_, err := inspect(t, signed, c.places...)
			if c.refused {
				if pdf.ReasonOf(err) != BoxCoversPage {
					t.Errorf("%v instead of a refusal", err)
				}
				return
			}
			must(t, err)
			signed, _ = w.extended(t, signed, w.options(c.places...), true)
			must(t, w.verify(t, signed).Err())
		})
	}
}
