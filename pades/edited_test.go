package pades

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/signet-sign/signet/pades/pdf"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// Objects of the document that other programs edit.
const (
	sum       = 700
	sumLook   = 701
	agree     = 702
	agreeLook = 703
)

// fillable is a document with a text field and a check box, with appearances.
func fillable(o ...pdftest.Option) []byte {
	box := func(size int) string {
		return fmt.Sprintf("/Type /XObject /Subtype /Form /BBox [0 0 %d 20]", size)
	}
	widget := fmt.Sprintf("/Type /Annot /Subtype /Widget /F 4 /P %d 0 R", pdftest.PageNum(1))
	return pdftest.New(append([]pdftest.Option{
		pdftest.Catalog(fmt.Sprintf(
			"/AcroForm << /Fields [%d 0 R %d 0 R] /DA (/Helv 0 Tf 0 g) /DR << /Font << /Helv %d 0 R >> >> >>",
			sum, agree, pdftest.FontNum,
		)),
		shadowPage("", contents+fmt.Sprintf(" /Annots [%d 0 R %d 0 R]", sum, agree)),
		pdftest.Object(sum, fmt.Sprintf(
			"<< %s /FT /Tx /T (sum) /V (100) /DA (/Helv 12 Tf 0 g) /Rect [50 700 250 720] /AP << /N %d 0 R >> >>",
			widget, sumLook,
		)),
		pdftest.Object(sumLook, pdftest.Stream(box(200), "/Tx BMC EMC")),
		pdftest.Object(agree, fmt.Sprintf(
			"<< %s /FT /Btn /T (agree) /V /Off /AS /Off /Rect [50 660 70 680] /MK << /CA (4) >> /DA (/ZaDb 0 Tf 0 g) /AP << /N << /Yes %d 0 R >> >> >>",
			widget, agreeLook,
		)),
		pdftest.Object(agreeLook, pdftest.Stream(box(20), "0 0 m 20 20 l S")),
	}, o...)...)
}

// TestEditedByPDFBox has PDFBox append revisions to signed documents, as people do who fill in,
// annotate and sign them elsewhere.
func TestEditedByPDFBox(t *testing.T) {
	w := newWorld(t)
	dir := t.TempDir()
	signed := make(map[string]int) // name: DocMDP
	var names []string
	for layout, doc := range map[string][]byte{
		"table": fillable(), "objects": fillable(pdftest.ObjectStreams()),
	} {
		for p := range 4 {
			reference := ""
			if p > 0 {
				reference = certify(p)
			}
			name := filepath.Join(dir, fmt.Sprintf("%s%d.pdf", layout, p))
			must(t, os.WriteFile(name, w.signedWith(t, doc, "first", reference, ""), 0o600))
			names = append(names, name)
			signed[name] = p
		}
		ours, _ := w.extended(t, doc, w.options(Location{1, 0.3, 0.1}), true)
		name := filepath.Join(dir, layout+".pdf")
		must(t, os.WriteFile(name, ours, 0o600))
		names = append(names, name)
		signed[name] = 0
	}
	if said := strings.ReplaceAll(pdfBox(t, "PDFBoxEditor", names), "ok\n", ""); said != "" {
		t.Fatalf("PDFBox: %s", said)
	}
	for kind, want := range map[string]struct {
		later ChangeKind
		least int  // the least DocMDP that allows it; 0 if none is needed
		signs bool // which DocMDP 1 forbids
	}{
		"sign": {ChangeArchive, 0, true}, "show": {ChangeArchive, 0, true},
		"older": {ChangeArchive, 0, true},
		"fill":  {ChangeFormFilling, 2, false}, "check": {ChangeFormFilling, 2, false},
		"annotate": {ChangeAnnotation, 3, false}, "rewrite": {"", 0, false},
		"info": {ChangeArchive, 0, false}, "metadata": {ChangeArchive, 0, false},
	} {
		for _, name := range slices.Sorted(maps.Keys(signed)) {
			p := signed[name]
			allowed := p >= want.least && !(want.signs && p == 1)
			file := strings.Replace(name, ".pdf", "-"+kind+".pdf", 1)
			t.Run(filepath.Base(file), func(t *testing.T) {
				doc, err := os.ReadFile(file)
				must(t, err)
				r := w.verify(t, doc)
				s := r.Signatures[0]
				later := want.later
				if later == "" && len(r.Signatures) > 1 {
					later = ChangeArchive // our own document timestamp
				}
				if got := s.Later(); got != later {
					t.Errorf("later %q, want %q: %v", got, later, s.Changes)
				}
				if (s.Err() == nil) != allowed {
					t.Errorf("allowed %v: %v", allowed, s.Err())
				}
				if want.signs {
					last := r.Signatures[len(r.Signatures)-1]
					if _, sub := last.Indication(); sub != SigConstraintsFailure {
						t.Errorf("PDFBox's signature: %s: %v", sub, last.Err())
					}
				}
			})
		}
	}
}

// TestFilledByOthers fills in a text field with the keys that MuPDF and pdf-lib write besides.
func TestFilledByOthers(t *testing.T) {
	w := newWorld(t)
	v := newVictim(t, w, w.signedWith(t, fillable(), "first", certify(2), ""))
	for program, tc := range map[string]struct {
		more   string
		filled bool
	}{
		"MuPDF":           {"/TU () /BS << /S /S /W 1 >> /Ff 0", true},
		"pdf-lib":         {"/Ff 0", true},
		"another border":  {"/BS << /S /S /W 9 >>", false},
		"another style":   {"/BS << /S /D /W 1 >>", false},
		"it is read-only": {"/Ff 1", false}, "another name to us": {"/TU (total)", false},
	} {
		body := v.set(
			sum, pdf.Pair{Key: "V", Value: "(250)"},
			pdf.Pair{Key: "AP", Value: fmt.Sprintf("<< /N %d 0 R >>", needle)},
		)
		doc := v.update(map[int]string{
			sum: strings.TrimSuffix(body, ">>") + tc.more + " >>",
			needle: pdftest.Stream(
				"/Type /XObject /Subtype /Form /BBox [0 0 200 20]", "BT /Helv 12 Tf (250) Tj ET",
			),
		})
		r := w.verify(t, doc)
		if filled := r.Err() == nil && r.Signatures[0].Later() == ChangeFormFilling; filled != tc.filled {
			t.Errorf("%s: %v", program, r.Signatures[0].Changes)
		}
	}
}

// TestFormStopsAsking signs forms that ask viewers to draw the values of their fields, and removes
// that afterwards, as pyHanko and iText do when they sign. It passes if the appearances, which
// viewers draw then, show the same.
func TestFormStopsAsking(t *testing.T) {
	w := newWorld(t)
	words := func(s string) string {
		return "/Tx BMC BT /Helv 12 Tf 0 g 2 5 Td (" + s + ") Tj ET EMC"
	}
	looks := func(sumData, agreeData string) map[int]string {
		const box = "/Type /XObject /Subtype /Form /BBox [0 0 200 20]"
		return map[int]string{
			sumLook: pdftest.Stream(box, sumData), agreeLook: pdftest.Stream(box, agreeData),
		}
	}
	set := func(key, value string) []pdf.Pair { return []pdf.Pair{{Key: key, Value: value}} }
	on := set("AS", "/Yes")
	ref := fmt.Sprintf("%d 0 R", agreeLook)
	off := set("AP", "<< /N << /Yes "+ref+" /Off "+ref+" >> >>")
	push := func(caption string) []pdf.Pair {
		return []pdf.Pair{
			{Key: "Ff", Value: "65536"},
			{Key: "AP", Value: "<< /N " + ref + " >>"},
			{Key: "MK", Value: "<< /CA (" + caption + ") >>"},
		}
	}
	for name, tc := range map[string]struct {
		looks      map[int]string
		sum, agree []pdf.Pair // entries of the fields
		settled    bool
	}{
		"the value":                  {looks(words("100"), ""), nil, nil, true},
		"another value":              {looks(words("900"), ""), nil, nil, false},
		"nothing":                    {looks("/Tx BMC EMC", ""), nil, nil, false},
		"no appearance":              {looks("", ""), set("AP", ""), nil, false},
		"an empty field":             {looks("/Tx BMC EMC", ""), set("V", "()"), nil, true},
		"an empty field, with words": {looks(words("100"), ""), set("V", "()"), nil, false},
		"an empty field, with lines": {looks("0 0 m 9 9 l S", ""), set("V", "()"), nil, false},
		"an empty field in a frame":  {looks("1 1 9 9 re S", ""), set("V", "()"), nil, true},
		"a list":                     {looks(words("100"), ""), set("FT", "/Ch"), nil, false},
		"a combo box": {
			looks(words("100"), ""), append(set("FT", "/Ch"), set("Ff", "131072")...), nil, true,
		},
		"a script formats": {
			looks(words("100"), ""), set("AA", "<< /F << /S /JavaScript /JS (1) >> >>"), nil, false,
		},
		"a box with its mark":       {looks(words("100"), words("4")), nil, on, true},
		"a box without its mark":    {looks(words("100"), ""), nil, on, false},
		"a box with words":          {looks(words("100"), words("yes")), nil, on, false},
		"a box without appearance":  {looks(words("100"), ""), nil, set("AS", "/No"), false},
		"an empty box":              {looks(words("100"), "1 1 9 9 re f"), nil, off, true},
		"an empty box with a mark":  {looks(words("100"), words("4")), nil, off, false},
		"an empty box with a cross": {looks(words("100"), "0 0 m 9 9 l S"), nil, off, false},
		"a button":                  {looks(words("100"), words("Send")), nil, push("Send"), true},
		"a button with other words": {looks(words("100"), words("Send")), nil, push("Ask"), false},
	} {
		t.Run(name, func(t *testing.T) {
			v := newVictim(t, w, fillable())
			form := func(v *victim, need string) string {
				form, err := v.d.Get(v.d.Catalog(), "AcroForm")
				must(t, err)
				body, err := pdf.EditDict(form, pdf.Pair{Key: "NeedAppearances", Value: need})
				must(t, err)
				return v.set(v.root(), pdf.Pair{Key: "AcroForm", Value: body})
			}
			objects := maps.Clone(tc.looks)
			objects[v.root()] = form(v, "true")
			objects[sum] = v.set(sum, tc.sum...)
			objects[agree] = v.set(agree, tc.agree...)
			v = newVictim(t, w, w.signedWith(t, v.update(objects), "first", "", ""))
			s := w.verify(t, v.update(map[int]string{v.root(): form(v, "true")})).Signatures[0]
			if s.Err() != nil || len(s.Changes) > 0 {
				t.Errorf("it still asks: %v, %v", s.Changes, s.Err())
			}
			for _, need := range []string{"", "false"} {
				s := w.verify(t, v.update(map[int]string{v.root(): form(v, need)})).Signatures[0]
				want := ChangeOther
				if tc.settled {
					want = ChangeMetadata
				}
				if len(s.Changes) != 1 || s.Changes[0].Kind != want || (s.Err() == nil) != tc.settled {
					t.Errorf("/NeedAppearances %q: %v, %v", need, s.Changes, s.Err())
				}
			}
		})
	}
	// False is what its absence means.
	v := newVictim(t, w, w.signedWith(t, fillable(), "first", "", ""))
	catalog := strings.Replace(v.raw(v.root()), "/AcroForm <<", "/AcroForm << /NeedAppearances false", 1)
	s := w.verify(t, v.update(map[int]string{v.root(): catalog})).Signatures[0]
	if s.Err() != nil || len(s.Changes) > 0 {
		t.Errorf("false is added: %v, %v", s.Changes, s.Err())
	}
}

// TestSignedByPDFBox signs documents with PDFBox several times, and with ours before and after.
// Every signature stays intact, and what came after it is signatures and archive data.
func TestSignedByPDFBox(t *testing.T) {
	program(t, "pdfsig", "poppler-utils")
	w, box := newWorld(t), newPDFBoxEditor(t)
	empty := pdftest.Field{Name: "next", Page: 1, Rect: "[300 400 500 460]"}
	annots := pdftest.New(
		pdftest.Object(pdftest.PageNum(1), fmt.Sprintf(
			"<< /Type /Page /Parent %d 0 R /MediaBox [0 0 595 842] %s /Annots [<< /Type /Annot /Subtype /Link "+
				"/Rect [300 700 400 720] /A << /S /URI /URI (https://one.example/) >> >> %d 0 R] >>",
			pdftest.PagesNum, contents, pdftest.FirstFree,
		)),
	)
	for name, tc := range map[string]struct {
		doc   []byte
		kinds []string // "ours" is the service's
	}{
		// PDFBox puts the drawings of all its boxes in the form's resources, as /FRM.
		"two pictures":            {pdftest.Minimal(), []string{"show", "show"}},
		"two pictures after ours": {pdftest.Minimal(), []string{"ours", "show", "show"}},
		"pictures around ours":    {pdftest.Minimal(), []string{"show", "ours", "show", "ours"}},
		"a form":                  {fillable(), []string{"show", "ours", "draw"}},
		"object streams":          {fillable(pdftest.ObjectStreams()), []string{"draw", "ours", "show"}},
		"a certification":         {pdftest.Minimal(), []string{"certify", "ours", "draw", "show"}},
		"rotated":                 {pdftest.New(pdftest.Rotate(90)), []string{"draw", "ours", "draw"}},
		// It makes objects of annotations in /Annots, and null of those that are absent.
		"annotations become objects": {annots, []string{"sign", "draw", "show"}},
		// It takes the place from a field that it signs without showing it.
		"an empty field":        {pdftest.New(pdftest.DirectForm(empty)), []string{"ours", "empty"}},
		"an empty field, drawn": {pdftest.New(pdftest.DirectForm(empty)), []string{"ours", "empty-draw", "ours"}},
	} {
		t.Run(name, func(t *testing.T) {
			doc, fields := tc.doc, 0
			for i, kind := range tc.kinds {
				y := 100 + 70*float64(i)
				if kind != "ours" {
					doc = resigned(t, box.edit(doc, kind, 1, pdf.Rect{X1: 50, Y1: y, X2: 150, Y2: y + 40}), w)
				} else {
					o := w.options(Location{1, 50 / 595.28, y / 841.89})
					o.FieldName = fmt.Sprintf("signv3-%d", i)
					doc, _ = w.extended(t, doc, o, true)
				}
				fields++
				r := w.verify(t, doc)
				if err := r.Err(); err != nil {
					t.Fatalf("after %q: %v", tc.kinds[:i+1], err)
				}
				last := len(r.Signatures) - 1
				for _, s := range r.Signatures[:last] {
					if s.Later() != ChangeArchive {
						t.Errorf("after %q: %q later: %v", tc.kinds[:i+1], s.Later(), s.Changes)
					}
				}
				path := filepath.Join(box.dir, "judged.pdf")
				must(t, os.WriteFile(path, doc, 0o600))
				if out, _ := command("pdfsig", "-nocert", path); strings.Count(out, "Signature is Valid.") != fields {
					t.Errorf("after %q: pdfsig: %s", tc.kinds[:i+1], out)
				}
			}
		})
	}
}

// TestSignedByMutool signs an empty field with mutool, before and after ours. It makes signatures
// with SHA-1, which are not accepted themselves and leave those before them as they are.
func TestSignedByMutool(t *testing.T) {
	program(t, "mutool", "mupdf-tools")
	program(t, "openssl", "openssl")
	w := newWorld(t)
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, args := range [][]string{
		{
			"openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", at("key"),
			"-out", at("cert"), "-subj", "/CN=Stranger",
		},
		{"openssl", "pkcs12", "-export", "-inkey", at("key"), "-in", at("cert"), "-out", at("store"), "-passout", "pass:x"},
	} {
		if out, ok := command(args...); !ok {
			t.Fatalf("%v: %s", args, out)
		}
	}
	empty := pdftest.Field{Name: "next", Page: 1, Rect: "[300 400 500 460]"}
	for name, doc := range map[string][]byte{
		"table":   pdftest.New(pdftest.DirectForm(empty)),
		"objects": pdftest.New(pdftest.ObjectStreams(), pdftest.IndirectForm(empty)),
	} {
		ours, _ := w.extended(t, doc, w.options(Location{1, 0.1, 0.1}), true)
		must(t, os.WriteFile(at("in.pdf"), ours, 0o600))
		args := []string{
			"mutool", "sign", "-s", at("store"), "-P", "x", "-o", at("out.pdf"), at("in.pdf"),
			fmt.Sprint(pdftest.FieldNum(0)),
		}
		if out, ok := command(args...); !ok {
			t.Fatalf("%v: %s", args, out)
		}
		signed, err := os.ReadFile(at("out.pdf"))
		must(t, err)
		r := w.verify(t, signed)
		if len(r.Signatures) != 3 {
			t.Fatalf("%s: %d signatures", name, len(r.Signatures))
		}
		for _, s := range r.Signatures[:2] {
			if s.Err() != nil || s.Later() != ChangeArchive {
				t.Errorf("%s: %q later %q: %v", name, s.Fields, s.Later(), s.Err())
			}
		}
		last := r.Signatures[2]
		if i, _ := last.Indication(); i != Indeterminate || last.Intact() ||
			!strings.Contains(last.Err().Error(), "SHA-1") {
			t.Errorf("%s: mutool's signature: %s, intact %v: %v", name, i, last.Intact(), last.Err())
		}
		// A byte of it is changed.
		flipped := bytes.Clone(signed)
		flipped[bytes.LastIndex(flipped, []byte("/Contents"))+200] ^= 1
		if r := w.verify(t, flipped); r.Signatures[0].Intact() && r.Signatures[1].Intact() {
			t.Errorf("%s: a signature that does not verify passes", name)
		}
	}
}

// pdfBoxEditor is a running PDFBoxEditor.
type pdfBoxEditor struct {
	t   *testing.T
	dir string
	in  io.Writer
	out *bufio.Reader
}

func newPDFBoxEditor(t *testing.T) *pdfBoxEditor {
	t.Helper()
	cmd := pdfBoxCommand(t, "PDFBoxEditor")
	var log bytes.Buffer
	cmd.Stderr = &log
	in, err := cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() {
		in.Close()
		_ = cmd.Wait() // the test's context ends it
		if t.Failed() {
			t.Logf("PDFBox:\n%s", log.String())
		}
	})
	return &pdfBoxEditor{t, t.TempDir(), in, bufio.NewReader(out)}
}

// edit appends one revision to a document.
func (e *pdfBoxEditor) edit(doc []byte, kind string, page int, box pdf.Rect) []byte {
	e.t.Helper()
	in, out := filepath.Join(e.dir, "in.pdf"), filepath.Join(e.dir, "out.pdf")
	must(e.t, os.WriteFile(in, doc, 0o600))
	_, err := fmt.Fprintf(
		e.in, "%s\t%s\t%s\t%d\t%g\t%g\t%g\t%g\n", kind, in, out, page, box.X1, box.Y1,
		box.X2-box.X1, box.Y2-box.Y1,
	)
	must(e.t, err)
	answer, err := e.out.ReadString('\n')
	must(e.t, err)
	if answer != "ok\n" {
		e.t.Fatalf("PDFBox, %s: %s", kind, answer)
	}
	edited, err := os.ReadFile(out)
	must(e.t, err)
	return edited
}

// resigned gives the signature that ends a document a message of a world, with a timestamp.
func resigned(t *testing.T, doc []byte, w *world) []byte {
	t.Helper()
	d, err := pdf.Open(bytes.NewReader(doc), int64(len(doc)), pdf.Limits{})
	must(t, err)
	s, err := newest(d, subFilterCAdES)
	must(t, err)
	br := s.byteRange
	p := &Prepared{Before: doc[:br[1]], After: doc[br[2]:], Hole: br[2] - br[1]}
	p.Digest = sha256.Sum256(slices.Concat(p.Before, p.After))
	out, _, err := p.complete(t.Context(), w.chain(), w.sign(t, p.SignedAttributes(w.cert)), w.tsa, false)
	must(t, err)
	return out
}
