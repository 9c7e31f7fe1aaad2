package pades

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
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
	// The appearance while a mouse is over the field, or pressed.
	rollover := func(key string) []byte {
		return fillable(pdftest.Object(sum, fmt.Sprintf(
			"<< /Type /Annot /Subtype /Widget /F 4 /P %d 0 R /FT /Tx /T (sum) /V (100) /DA (/Helv 12 Tf 0 g) "+
				"/Rect [50 700 250 720] /AP << /N %d 0 R /%s %d 0 R >> >>",
			pdftest.PageNum(1), needle, key, sumLook,
		)), pdftest.Object(needle, pdftest.Stream(
			"/Type /XObject /Subtype /Form /BBox [0 0 200 20]", "/Tx BMC EMC",
		)))
	}
	for name, tc := range map[string]struct {
		doc      []byte
		repeated bool
	}{
		"table": {fillable(), true}, "objects": {fillable(pdftest.ObjectStreams()), true},
		"large": {fillable(large), false}, "rollover": {rollover("R"), true}, "down": {rollover("D"), true},
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
