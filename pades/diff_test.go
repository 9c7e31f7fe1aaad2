package pades

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/pades/pdf"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// TestVerifyCases judges files that other programs have co-signed, stamped or written again,
// with and without their root. Who made them is in testdata/verify/README.md.
func TestVerifyCases(t *testing.T) {
	text, err := os.ReadFile("testdata/verify/root.pem")
	must(t, err)
	certs, err := ParseCertificates(text)
	must(t, err)
	roots := x509.NewCertPool()
	for _, c := range certs {
		roots.AddCert(c)
	}
	at := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	verify := func(t *testing.T, file string, o VerifyOptions) *Report {
		doc, err := os.ReadFile(file)
		must(t, err)
		o.Now = at
		r, err := Verify(bytes.NewReader(doc), int64(len(doc)), o)
		must(t, err)
		return r
	}
	files, err := filepath.Glob("testdata/verify/*/*.pdf")
	must(t, err)
	if len(files) != 10 {
		t.Fatalf("%d files", len(files))
	}
	refused := map[string]SubIndication{
		"eku_tsa_signs_doc.pdf": ChainConstraintsFailure, "free_in_p1.pdf": FormatFailure,
		"lock_all.pdf": FormatFailure,
	}
	for _, file := range files {
		name := filepath.Base(file)
		t.Run(name, func(t *testing.T) {
			if want, ok := refused[name]; ok {
				for _, o := range []VerifyOptions{{Roots: roots, TSARoots: roots}, {}} {
					if _, sub := verify(t, file, o).Indication(); sub != want {
						t.Errorf("%s instead of %s", sub, want)
					}
				}
				return
			}
			r := verify(t, file, VerifyOptions{Roots: roots, TSARoots: roots})
			if i, _ := r.Signatures[0].Indication(); i != TotalPassed {
				t.Errorf("the first signature: %v", r.Signatures[0].Err())
			}
			if err := r.Err(); (err != nil) != strings.Contains(name, "foreign") {
				t.Errorf("the file: %v", err)
			}
			r = verify(t, file, VerifyOptions{})
			if _, sub := r.Indication(); sub != NoCertificateChainFound {
				t.Errorf("without a root: %s, %v", sub, r.Err())
			}
			for _, s := range r.Signatures {
				if !s.Intact() || s.Later().rank() > ChangeArchive.rank() ||
					strings.Contains(s.Err().Error(), "changed") {
					t.Errorf("without a root: %v later %q: %v", s.Fields, s.Later(), s.Err())
				}
			}
		})
	}
}

// Objects of the document that later revisions change.
const (
	amount     = 500 // a text field with its widget
	amountLook = 501
	note       = 510 // an annotation
	metadata   = 520
	resources  = 530 // of the page and of the form
	logo       = 540 // on the page, and the appearance of the field stamp
	stamp      = 550
)

// former is a document with a form, an annotation, resources and XMP metadata.
func former() []byte {
	return pdftest.New(
		pdftest.Catalog(
			fmt.Sprintf(
				"/Metadata %d 0 R /AcroForm << /Fields [%d 0 R %d 0 R] /DR %d 0 R >>", metadata,
				amount, stamp, resources,
			),
		),
		pdftest.Object(pdftest.PageNum(1), fmt.Sprintf(
			"<< /Type /Page /Parent %d 0 R /MediaBox [0 0 595 842] /Contents %d 0 R /Annots [%d 0 R %d 0 R %d 0 R] /Resources %d 0 R >>",
			pdftest.PagesNum,
			pdftest.ContentNum(1),
			amount,
			note,
			stamp,
			resources,
		)),
		pdftest.Object(
			amount,
			fmt.Sprintf(
				"<< /Type /Annot /Subtype /Widget /FT /Tx /T (amount) /V (100) /Rect [50 50 150 70] /F 4 /P %d 0 R /AP << /N %d 0 R >> >>",
				pdftest.PageNum(1), amountLook,
			),
		),
		pdftest.Object(
			amountLook,
			pdftest.Stream("/Type /XObject /Subtype /Form /BBox [0 0 100 20]", "BT /Helv 12 Tf 2 6 Td (100) Tj ET"),
		),
		pdftest.Object(
			note, "<< /Type /Annot /Subtype /Text /Rect [200 50 220 70] /Contents (a note) >>",
		),
		pdftest.Object(metadata, pdftest.Stream("/Type /Metadata /Subtype /XML", "<x:xmpmeta/>")),
		pdftest.Object(
			resources,
			fmt.Sprintf(
				"<< /Font << /F1 %d 0 R >> /XObject << /Logo %d 0 R >> >>", pdftest.FontNum, logo,
			),
		),
		pdftest.Object(
			logo,
			pdftest.Stream("/Type /XObject /Subtype /Form /BBox [0 0 100 20]", "0 0 100 20 re f"),
		),
		pdftest.Object(
			stamp,
			fmt.Sprintf(
				"<< /Type /Annot /Subtype /Widget /FT /Tx /T (stamp) /Rect [50 90 150 110] /F 4 /P %d 0 R /AP << /N %d 0 R >> >>",
				pdftest.PageNum(1), logo,
			),
		),
	)
}

// signedWith signs a document as other programs do: sig and field are further entries of the
// signature dictionary and of the field.
func (w *world) signedWith(t *testing.T, doc []byte, name, sig, field string) []byte {
	t.Helper()
	d, err := pdf.Open(bytes.NewReader(doc), int64(len(doc)), pdf.Limits{})
	must(t, err)
	sigs, err := signatures(d)
	must(t, err)
	left := 300 - 150*len(sigs) // beside the box of an earlier signature
	var entries []pdf.Pair
	if sig != "" {
		entries = append(entries, pdf.Pair{Key: "Reference", Value: sig})
	}
	return w.embed(t, doc, prepareOther(
		t, doc, putField(t, name, fmt.Sprintf("/Rect [%d 300 %d 340] %s", left, left+100, field)),
		entries...,
	))
}

// certify is the /Reference of a certification with an access permission.
func certify(p int) string {
	return fmt.Sprintf(
		"[<< /Type /SigRef /TransformMethod /DocMDP /TransformParams << /Type /TransformParams /P %d /V /1.2 >> >>]",
		p,
	)
}

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

// TestLaterSignature adds a second signature by another program, to documents that allow it and
// to some that do not.
func TestLaterSignature(t *testing.T) {
	w, stranger := newWorld(t), newWorld(t)
	lock := func(action string, names ...string) string {
		return fmt.Sprintf(
			"/Lock << /Type /SigFieldLock /Action /%s /Fields [(%s)] >>", action,
			strings.Join(names, ") ("),
		)
	}
	for name, tc := range map[string]struct {
		sig, field string
		second     *world
		want       Indication
	}{
		"no permission":      {second: w, want: TotalPassed},
		"certified, P=1":     {sig: certify(1), second: w, want: TotalFailed},
		"certified, P=2":     {sig: certify(2), second: w, want: TotalPassed},
		"certified, P=3":     {sig: certify(3), second: w, want: TotalPassed},
		"all locked":         {field: lock("All"), second: w, want: TotalFailed},
		"others locked":      {field: lock("Include", "amount", "third"), second: w, want: TotalPassed},
		"it is locked":       {field: lock("Include", "second"), second: w, want: TotalFailed},
		"all but it locked":  {field: lock("Exclude", "second"), second: w, want: TotalPassed},
		"by a stranger":      {second: stranger, want: TotalPassed},
		"by a stranger, P=1": {sig: certify(1), second: stranger, want: TotalFailed},
	} {
		t.Run(name, func(t *testing.T) {
			doc := w.signedWith(t, former(), "first", tc.sig, tc.field)
			doc = tc.second.signedWith(t, doc, "second", "", "")
			r := w.verify(t, doc)
			first, second := r.Signatures[0], r.Signatures[1]
			if got, _ := first.Indication(); got != tc.want {
				t.Errorf("the first one: %s instead of %s: %v", got, tc.want, first.Err())
			}
			got, sub := second.Indication()
			if trusted := tc.second == w; trusted && got != TotalPassed ||
				!trusted && sub != NoCertificateChainFound {
				t.Errorf("the second one: %s %s", got, sub)
			}
		})
	}
}

// TestOneFaultOneProblem flips a byte of the last revision. The signatures that it breaks say
// so once; what comes of it is not reported as changes by a later revision.
func TestOneFaultOneProblem(t *testing.T) {
	w := newWorld(t)
	doc, _ := w.extended(t, pdftest.Minimal(), w.options(Location{1, 0.1, 0.1}), true)
	i := bytes.Index(doc, []byte("stream\n")) + 12
	doc[i] ^= 1
	r := w.verify(t, doc)
	for _, s := range r.Signatures {
		if _, sub := s.Indication(); sub != HashFailure || s.Intact() {
			t.Errorf("%v: %s: %v", s.Fields, sub, s.Err())
		}
		if len(s.Problems) > 2 {
			t.Errorf("%v: %d problems of one cause: %v", s.Fields, len(s.Problems), s.Err())
		}
	}
}

// TestFieldsAreLocked signs a form and fills in a field afterwards. pdfsig and other readers let
// that pass for a form without a lock. Others can still sign, and renewal still works.
func TestFieldsAreLocked(t *testing.T) {
	w := newWorld(t)
	doc, p := w.extended(t, former(), w.options(Location{1, 0.5, 0.5}), true)
	r := w.verify(t, doc)
	must(t, r.Meets(Expectation{Prepared: p, Certificate: w.cert, Level: LevelLTA}))
	locks := r.Signatures[0].Permissions.Locks
	if len(locks) == 0 || !locks[0].Covers("amount") || !locks[0].Covers("stamp") ||
		locks[0].Covers("second") {
		t.Errorf("locks %+v", locks)
	}
	filled := revisions["a field is filled in"].make(newVictim(t, w, doc))
	if i, _ := w.verify(t, filled).Signatures[0].Indication(); i != TotalFailed {
		t.Errorf("a field that was filled in: %s", i)
	}
	// Even where a certification allows form filling, the signer has locked what was there.
	certified := w.signedWith(t, former(), "author", certify(2), "")
	signed, _ := w.extended(t, certified, w.options(Location{1, 0.1, 0.1}), true)
	must(t, w.verify(t, signed).Err())
	r = w.verify(t, revisions["a field is filled in"].make(newVictim(t, w, signed)))
	if author, ours := r.Signatures[0], r.Signatures[1]; author.Err() != nil || ours.Err() == nil {
		t.Errorf("the author: %v; the signer: %v", author.Err(), ours.Err())
	}
	// A further signer.
	o := w.options(Location{1, 0.1, 0.8})
	o.FieldName = "second"
	more, _ := w.extended(t, doc, o, true)
	must(t, w.verify(t, more).Err())
}

// TestLockedLooksAreRepeated signs a form and looks at which revision has the appearances of the
// fields that are locked. pyHanko calls those that are older than the lock changed.
func TestLockedLooksAreRepeated(t *testing.T) {
	w := newWorld(t)
	large := pdftest.Object(sumLook, pdftest.Stream(
		"/Type /XObject /Subtype /Form /BBox [0 0 200 20]",
		"/Tx BMC EMC"+strings.Repeat(" ", maxLooks),
	))
	for name, tc := range map[string]struct {
		doc      []byte
		repeated bool
	}{
		"table": {fillable(), true}, "objects": {fillable(pdftest.ObjectStreams()), true},
		"large": {fillable(large), false},
	} {
		t.Run(name, func(t *testing.T) {
			after := func(doc []byte, size, num int) bool {
				d, err := pdf.Open(bytes.NewReader(doc), int64(len(doc)), pdf.Limits{})
				must(t, err)
				return d.Lookup(num).Offset >= int64(size)
			}
			doc, _ := w.extended(t, tc.doc, w.options(Location{1, 0.5, 0.5}), true)
			must(t, w.verify(t, doc).Err())
			if got := after(doc, len(tc.doc), sumLook); got != tc.repeated {
				t.Errorf("the appearance of a text field: repeated %v", got)
			}
			if after(doc, len(tc.doc), agreeLook) {
				t.Error("the appearance of a check box: repeated")
			}
			// The fields are locked already, and a change of an appearance would break the lock.
			o := w.options(Location{1, 0.1, 0.8})
			o.FieldName = "second"
			more, _ := w.extended(t, doc, o, true)
			r := w.verify(t, more)
			must(t, r.Err())
			if after(more, len(doc), sumLook) {
				t.Error("a second signature repeats the appearance")
			}
			if n := len(r.Signatures[2].Permissions.Locks); n != len(r.Signatures[0].Permissions.Locks) {
				t.Errorf("%d locks after the second signature", n)
			}
		})
	}
}
