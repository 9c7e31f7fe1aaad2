package pades

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/signet-sign/signet/pades/pdf"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// revisions are later revisions of former, signed, with the kind of change that each is: "" for
// none that counts. All objects that they add have numbers from 600.
var revisions = map[string]struct {
	kind ChangeKind
	make func(v *victim) []byte
}{
	// The same value in other words.
	"white space": {"", func(v *victim) []byte {
		return v.update(
			map[int]string{
				pdftest.PageNum(1): strings.ReplaceAll(v.raw(pdftest.PageNum(1)), " ", "  "),
			},
		)
	}},
	"a real for an integer": {"", func(v *victim) []byte {
		return v.update(
			map[int]string{
				pdftest.PageNum(1): v.set(
					pdftest.PageNum(1), pdf.Pair{Key: "MediaBox", Value: "[0.0 0 595.0 842.00]"},
				),
			},
		)
	}},
	"keys in another order": {"", func(v *victim) []byte {
		return v.update(
			map[int]string{
				note: "<< /Contents (a note) /Rect [200 50 220 70] /Subtype /Text /Type /Annot >>",
			},
		)
	}},
	"names and strings spelled in another way": {"", func(v *victim) []byte {
		return v.update(
			map[int]string{
				note: "<< /Type /An#6eot /Subtype /Text /Rect [200 50 220 70] /Contents <61206e6f7465> >>",
			},
		)
	}},
	"an absent key that is null": {"", func(v *victim) []byte {
		return v.update(map[int]string{note: v.set(note, pdf.Pair{Key: "Popup", Value: "null"})})
	}},
	"a stream written again": {"", func(v *victim) []byte {
		return v.update(map[int]string{pdftest.ContentNum(1): v.stream(pdftest.ContentNum(1))})
	}},
	"an object that nothing refers to": {"", func(v *victim) []byte {
		return v.update(
			map[int]string{
				600: pdftest.Stream("/Type /XObject /Subtype /Form /BBox [0 0 500 500]", fake),
			},
		)
	}},
	"a line feed at the end": {
		"",
		func(v *victim) []byte { return append(bytes.Clone(v.doc), "\r\n"...) },
	},
	"an indirect array for a direct one": {"", func(v *victim) []byte {
		return v.update(
			map[int]string{
				600: "[0 0 595 842]",
				pdftest.PageNum(1): v.set(
					pdftest.PageNum(1), pdf.Pair{Key: "MediaBox", Value: "600 0 R"},
				),
			},
		)
	}},
	"null in the annotations": {"", func(v *victim) []byte {
		page, err := v.d.Page(1)
		must(v.t, err)
		annots, err := v.d.Annotations(page)
		must(v.t, err)
		list := "[null"
		for _, a := range annots {
			list += " " + a.Raw()
		}
		return v.update(
			map[int]string{
				pdftest.PageNum(1): v.set(
					pdftest.PageNum(1), pdf.Pair{Key: "Annots", Value: list + "]"},
				),
			},
		)
	}},

	// What programs write when they save.
	"other metadata": {ChangeArchive, func(v *victim) []byte {
		return v.update(
			map[int]string{
				metadata: pdftest.Stream(
					"/Type /Metadata /Subtype /XML", "<x:xmpmeta>now</x:xmpmeta>",
				),
			},
		)
	}},
	"a new metadata stream": {ChangeArchive, func(v *victim) []byte {
		return v.update(map[int]string{
			600:      pdftest.Stream("/Type /Metadata /Subtype /XML", "<x:xmpmeta>now</x:xmpmeta>"),
			v.root(): v.set(v.root(), pdf.Pair{Key: "Metadata", Value: "600 0 R"}),
		})
	}},
	"a version": {ChangeArchive, func(v *victim) []byte {
		return v.update(
			map[int]string{v.root(): v.set(v.root(), pdf.Pair{Key: "Version", Value: "/2.0"})},
		)
	}},
	"indirect extensions": {ChangeArchive, func(v *victim) []byte {
		return v.update(map[int]string{
			600:      "<< /ESIC << /BaseVersion /1.7 /ExtensionLevel 2 >> >>",
			v.root(): v.set(v.root(), pdf.Pair{Key: "Extensions", Value: "600 0 R"}),
		})
	}},
	"a default appearance and a font for the form": {"", func(v *victim) []byte {
		form, err := v.d.Get(v.d.Catalog(), "AcroForm")
		must(v.t, err)
		body, err := pdf.EditDict(
			form,
			pdf.Pair{Key: "DA", Value: "(/Helv 0 Tf)"},
			pdf.Pair{
				Key: "DR",
				Value: fmt.Sprintf(
					"<< /Font << /F1 %d 0 R /Helv 600 0 R >> /XObject << /Logo %d 0 R >> >>",
					pdftest.FontNum, logo,
				),
			},
		)
		must(v.t, err)
		return v.update(
			map[int]string{
				600:      "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
				v.root(): v.set(v.root(), pdf.Pair{Key: "AcroForm", Value: body}),
			},
		)
	}},
	"resources of the form and the page that these do not use": {"", func(v *victim) []byte {
		return v.update(map[int]string{
			600: pdftest.Stream("/Type /XObject /Subtype /Form /BBox [0 0 100 20]", fake),
			resources: fmt.Sprintf(
				"<< /Font << /F1 %d 0 R >> /XObject << /Logo %d 0 R /More 600 0 R >> >>",
				pdftest.FontNum, logo,
			),
		})
	}},

	// What a certification may allow.
	"a field is filled in": {ChangeFormFilling, func(v *victim) []byte {
		return v.update(map[int]string{
			amount: v.set(
				amount, pdf.Pair{Key: "V", Value: "(1000000)"},
				pdf.Pair{Key: "AP", Value: "<< /N 600 0 R >>"},
			),
			600: pdftest.Stream(
				"/Type /XObject /Subtype /Form /BBox [0 0 100 20]", "BT /Helv 12 Tf 2 6 Td (1000000) Tj ET",
			),
		})
	}},
	"a field is filled in, its appearance in place": {ChangeFormFilling, func(v *victim) []byte {
		return v.update(map[int]string{
			amount: v.set(amount, pdf.Pair{Key: "V", Value: "(1000000)"}),
			amountLook: pdftest.Stream(
				"/Type /XObject /Subtype /Form /BBox [0 0 100 20]", "BT /Helv 12 Tf 2 6 Td (1000000) Tj ET",
			),
		})
	}},
	"an annotation is added": {ChangeAnnotation, func(v *victim) []byte {
		return v.update(
			map[int]string{
				600:                "<< /Type /Annot /Subtype /Text /Rect [10 10 20 20] /Contents (me too) >>",
				pdftest.PageNum(1): v.annots(600),
			},
		)
	}},
	"an annotation is changed": {ChangeAnnotation, func(v *victim) []byte {
		return v.update(
			map[int]string{note: v.set(note, pdf.Pair{Key: "Contents", Value: "(another)"})},
		)
	}},
	"an annotation is removed": {ChangeAnnotation, func(v *victim) []byte {
		raw := v.raw(pdftest.PageNum(1))
		return v.update(
			map[int]string{
				pdftest.PageNum(1): strings.Replace(raw, fmt.Sprintf("%d 0 R", note), "", 1),
			},
		)
	}},

	// What nothing allows.
	"a key stands twice in the page": {ChangeOther, func(v *victim) []byte {
		raw := v.raw(pdftest.PageNum(1))
		return v.update(
			map[int]string{
				600:                pdftest.Stream("", fake),
				pdftest.PageNum(1): strings.TrimSuffix(raw, ">>") + "/Contents 600 0 R >>",
			},
		)
	}},
	"the page's own resources are updated as the form's": {ChangeOther, func(v *victim) []byte {
		return v.update(map[int]string{
			600: "<< /Type /Font /Subtype /Type1 /BaseFont /Symbol >>", // an appearance names it
			resources: fmt.Sprintf(
				"<< /Font << /F1 %d 0 R /Helv 600 0 R >> /XObject << /Logo %d 0 R >> >>",
				pdftest.FontNum, logo,
			),
		})
	}},
	"an appearance is updated that the page shows too": {ChangeOther, func(v *victim) []byte {
		return v.update(map[int]string{
			stamp: v.set(stamp, pdf.Pair{Key: "V", Value: "(x)"}),
			logo:  pdftest.Stream("/Type /XObject /Subtype /Form /BBox [0 0 100 20]", fake),
		})
	}},
	"the page's content is declared metadata": {ChangeOther, func(v *victim) []byte {
		return v.update(map[int]string{
			pdftest.ContentNum(1): pdftest.Stream("/Type /Metadata /Subtype /XML", fake),
			v.root(): v.set(
				v.root(),
				pdf.Pair{Key: "Metadata", Value: fmt.Sprintf("%d 0 R", pdftest.ContentNum(1))},
			),
		})
	}},
	"a field is moved": {ChangeOther, func(v *victim) []byte {
		return v.update(
			map[int]string{amount: v.set(amount, pdf.Pair{Key: "Rect", Value: "[0 0 595 842]"})},
		)
	}},
	"a field is renamed": {ChangeOther, func(v *victim) []byte {
		return v.update(
			map[int]string{amount: v.set(amount, pdf.Pair{Key: "T", Value: "(Amount)"})},
		)
	}},
	"an action is added to a field": {ChangeOther, func(v *victim) []byte {
		return v.update(
			map[int]string{
				amount: v.set(
					amount, pdf.Pair{Key: "AA", Value: "<< /F << /S /JavaScript /JS (1) >> >>"},
				),
			},
		)
	}},
	"the form asks viewers to draw": {ChangeOther, func(v *victim) []byte {
		form, err := v.d.Get(v.d.Catalog(), "AcroForm")
		must(v.t, err)
		body, err := pdf.EditDict(form, pdf.Pair{Key: "NeedAppearances", Value: "true"})
		must(v.t, err)
		return v.update(
			map[int]string{v.root(): v.set(v.root(), pdf.Pair{Key: "AcroForm", Value: body})},
		)
	}},
}

// TestRevisions appends each revision to the same document, signed without a permission and
// with each, and demands the kind of change and whether it is allowed.
func TestRevisions(t *testing.T) {
	w := newWorld(t)
	signed := map[string][]byte{"": w.signedWith(t, former(), "first", "", "")}
	for p := 1; p <= 3; p++ {
		signed[fmt.Sprintf("P=%d", p)] = w.signedWith(t, former(), "first", certify(p), "")
	}
	signed["P=2, locked"] = w.signedWith(
		t, former(), "first", certify(2),
		"/Lock << /Type /SigFieldLock /Action /Include /Fields [(amount)] >>",
	)
	signed["P=2, lock of another"] = w.signedWith(
		t, former(), "first", certify(2),
		"/Lock << /Type /SigFieldLock /Action /Exclude /Fields [(amount)] >>",
	)
	allowed := map[string][]ChangeKind{
		"":                     {"", ChangeArchive},
		"P=1":                  {"", ChangeArchive},
		"P=2":                  {"", ChangeArchive, ChangeFormFilling},
		"P=3":                  {"", ChangeArchive, ChangeFormFilling, ChangeAnnotation},
		"P=2, locked":          {"", ChangeArchive},
		"P=2, lock of another": {"", ChangeArchive, ChangeFormFilling},
	}
	for _, permission := range slices.Sorted(maps.Keys(signed)) {
		for _, name := range slices.Sorted(maps.Keys(revisions)) {
			revision := revisions[name]
			t.Run(permission+" "+name, func(t *testing.T) {
				r := w.verify(t, revision.make(newVictim(t, w, signed[permission])))
				s := r.Signatures[0]
				if got := s.Later(); got != revision.kind {
					t.Errorf("%q instead of %q: %v", got, revision.kind, s.Changes)
				}
				if want := slices.Contains(allowed[permission], revision.kind); (r.Err() == nil) != want ||
					s.Intact() != want {
					t.Errorf("allowed %v, want %v: %v", r.Err() == nil, want, r.Err())
				}
				if i, _ := r.Indication(); r.Err() != nil && i != TotalFailed {
					t.Errorf("%s", i)
				}
				for _, c := range s.Changes {
					if c.Kind == ChangeFormFilling &&
						(c.Page != 1 || c.Field == "" || c.Object == 0) ||
						c.Kind == ChangeAnnotation && c.Page != 1 {
						t.Errorf("the place of %q is not told: %+v", c.Text, c)
					}
				}
				if len(s.Problems) > 2 {
					t.Errorf("one cause gives %d problems: %v", len(s.Problems), r.Err())
				}
			})
		}
	}
}
