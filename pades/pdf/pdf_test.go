package pdf_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/signet-sign/signet/pades/pdf"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

func open(t testing.TB, b []byte) *pdf.Document {
	t.Helper()
	d, err := pdf.Open(bytes.NewReader(b), int64(len(b)), pdf.Limits{})
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	return d
}

// sign does to the structure what signing does: a visible widget on page 1, a
// root field, a stream and a catalog key.
func sign(d *pdf.Document) (*pdf.Update, error) {
	u := pdf.NewUpdate(d)
	if err := u.Spare(1); err != nil {
		return nil, err
	}
	name, err := u.UniqueFieldName("signv3-0001")
	if err != nil {
		return nil, err
	}
	if err := d.CheckPermissions(name); err != nil {
		return nil, err
	}
	page, err := d.Page(1)
	if err != nil {
		return nil, err
	}
	rect, err := page.Place(0.1, 0.1, 20, 10)
	if err != nil {
		return nil, err
	}
	widget, appearance := u.Alloc(), u.Alloc()
	if _, err := u.PutStream(appearance, []pdf.Pair{
		{Key: "Type", Value: "/XObject"},
		{Key: "Subtype", Value: "/Form"},
		{Key: "BBox", Value: "[0 0 20 10]"},
	}, []byte("0 0 20 10 re f")); err != nil {
		return nil, err
	}
	body := pdf.DictString(
		pdf.Pair{Key: "Type", Value: "/Annot"},
		pdf.Pair{Key: "Subtype", Value: "/Widget"},
		pdf.Pair{Key: "FT", Value: "/Sig"},
		pdf.Pair{Key: "T", Value: pdf.TextString(name)},
		pdf.Pair{Key: "F", Value: "132"},
		pdf.Pair{Key: "Rect", Value: rect.String()},
		pdf.Pair{Key: "P", Value: page.Ref.String()},
		pdf.Pair{Key: "AP", Value: "<< /N " + appearance.String() + " >>"})
	if _, err := u.Put(widget, []byte(body)); err != nil {
		return nil, err
	}
	if err := u.AddAnnotations(1, widget); err != nil {
		return nil, err
	}
	if err := u.AddFields(widget); err != nil {
		return nil, err
	}
	if err := u.SetCatalog("Signet", "(test)"); err != nil {
		return nil, err
	}
	return u, u.Finish(rand.Reader)
}

func TestCases(t *testing.T) {
	for _, c := range pdftest.Cases() {
		t.Run(c.Name, func(t *testing.T) {
			d, err := pdf.Open(bytes.NewReader(c.PDF), int64(len(c.PDF)), pdf.Limits{})
			if (err == nil) != (c.Refused == "" || c.Signing) {
				t.Fatalf("Open: %v; want refusal %q, when signing: %v", err, c.Refused, c.Signing)
			}
			if err == nil {
				_, err = sign(d)
			}
			if got := string(pdf.ReasonOf(err)); got != c.Refused || got == "" && err != nil {
				t.Fatalf("got %v, want refusal %q", err, c.Refused)
			}
		})
	}
}

// TestUpdate checks an appended update on every file that can be signed: the
// original is untouched, the result opens, nothing but the change is different,
// and qpdf has no more to say than before.
func TestUpdate(t *testing.T) {
	qpdf := findQPDF(t)
	for _, c := range pdftest.Cases() {
		if c.Refused != "" {
			continue
		}
		t.Run(c.Name, func(t *testing.T) { checkUpdate(t, c.PDF, qpdf) })
	}
}

func checkUpdate(t *testing.T, original []byte, qpdf string) {
	t.Helper()
	d := open(t, original)
	before, err := d.SignatureFields()
	if err != nil {
		t.Fatal(err)
	}
	names, err := d.FieldNames()
	if err != nil {
		t.Fatal(err)
	}
	u, err := sign(d)
	if err != nil {
		t.Fatal(err)
	}
	signed := append(bytes.Clone(original), u.Bytes()...)
	if u.Size() != int64(len(signed)) {
		t.Errorf("Size() = %d, the file has %d bytes", u.Size(), len(signed))
	}
	d2 := open(t, signed)
	after, err := d2.SignatureFields()
	if err != nil {
		t.Fatal(err)
	}
	if len(after) != len(before)+1 {
		t.Fatalf("%d signature fields, want %d", len(after), len(before)+1)
	}
	got := after[len(after)-1]
	if names[got.Name] || got.Signed() || len(got.Widgets) != 1 || got.Widgets[0].Page != 1 {
		t.Errorf("new field is %+v", got)
	}
	page, err := d2.Page(1)
	if err != nil {
		t.Fatal(err)
	}
	w, h := page.DisplaySize()
	want := pdf.Rect{X1: w / 10, Y1: h / 10, X2: w/10 + 20, Y2: h/10 + 10}
	if r := got.Widgets[0].Display; !near(r, want) {
		t.Errorf("widget is displayed at %v, want %v", r, want)
	}
	if a, b := d.Sections()[0].Stream, d2.Sections()[0].Stream; a != b {
		t.Errorf("xref stream: %v before, %v after", a, b)
	}
	checkUntouched(t, d, d2, before)
	if qpdf != "" {
		checkQPDF(t, qpdf, original, signed)
	}
}

// checkUntouched compares all objects but those the update is about.
func checkUntouched(t *testing.T, d, d2 *pdf.Document, fields []pdf.SignatureField) {
	t.Helper()
	page, err := d.Page(1)
	if err != nil {
		t.Fatal(err)
	}
	form, _ := d.Catalog().Get("AcroForm").Ref()
	changed := map[pdf.Ref]bool{page.Ref: true, d.Root(): true, form: true}
	for e := range d.Entries {
		if e.Kind == pdf.Free {
			continue
		}
		a, err := d.Load(e.Ref)
		if err != nil {
			t.Fatal(err)
		}
		b, err := d2.Load(e.Ref)
		if err != nil {
			t.Fatal(err)
		}
		if !changed[e.Ref] {
			if a.Raw() != b.Raw() {
				t.Errorf("object %s was %q and is %q", e.Ref, a.Raw(), b.Raw())
			}
			continue
		}
		for k, v := range a.Entries() {
			switch k {
			case "Annots", "AcroForm", "Fields", "SigFlags":
			default:
				if got := b.Get(k).Raw(); got != v.Raw() {
					t.Errorf("/%s of object %s was %q and is %q", k, e.Ref, v.Raw(), got)
				}
			}
		}
	}
	after, err := d2.SignatureFields()
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range fields {
		if after[i].Name != f.Name || after[i].Ref != f.Ref || after[i].Signed() != f.Signed() {
			t.Errorf("field %d was %+v and is %+v", i, f, after[i])
		}
	}
}

func near(a, b pdf.Rect) bool {
	for _, d := range []float64{a.X1 - b.X1, a.Y1 - b.Y1, a.X2 - b.X2, a.Y2 - b.Y2} {
		if d > 1e-4 || d < -1e-4 {
			return false
		}
	}
	return true
}

// findQPDF returns the path of qpdf. In CI it must be there.
func findQPDF(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("qpdf")
	if errors.Is(err, exec.ErrNotFound) {
		if os.Getenv("CI") != "" {
			t.Fatal("qpdf is missing: apt-get install qpdf")
		}
		t.Log("qpdf is missing, so its checks are left out; apt-get install qpdf")
	}
	return path
}

func checkQPDF(t *testing.T, qpdf string, original, signed []byte) {
	t.Helper()
	check := func(b []byte) (string, bool) {
		file := filepath.Join(t.TempDir(), "x.pdf")
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(qpdf, "--check", file).CombinedOutput()
		return string(out), err == nil && !strings.Contains(string(out), "WARNING")
	}
	out, ok := check(signed)
	if ok {
		return
	}
	if before, okBefore := check(original); okBefore {
		t.Errorf(
			"qpdf --check is content with the original:\n%s\nbut not with the update:\n%s", before,
			out,
		)
	}
}

// TestRevision opens an older revision, again and again: all draw on one budget.
func TestRevision(t *testing.T) {
	old := pdftest.New(pdftest.Pages(3))
	file := pdftest.Update(
		old, pdftest.Revision{Objects: map[int]string{pdftest.InfoNum: "<< /Producer (second) >>"}},
	)
	d, err := pdf.Open(bytes.NewReader(file), int64(len(file)), pdf.Limits{Work: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	for range 10_000 {
		then, err := d.Revision(int64(len(old)))
		if pdf.ReasonOf(err) == pdf.TooMuchWork {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if then.Size() != int64(len(old)) || then.NumPages() != 3 || len(then.Sections()) != 1 {
			t.Fatalf(
				"the revision has %d bytes, %d pages, %d sections", then.Size(), then.NumPages(),
				len(then.Sections()),
			)
		}
	}
	t.Error("10,000 revisions were opened on a budget of 1 MiB")
}

// TestRevisionsShareOnlyWhatIsTheSame reads objects in the newest revision first that an earlier one
// has at the same place and cannot read: one that ends after that revision, and one in an object
// stream with a length that changes.
func TestRevisionsShareOnlyWhatIsTheSame(t *testing.T) {
	const cut, container, length, inside, plain = 20, 21, 22, 23, 24
	var file bytes.Buffer
	places := make(map[int]int)
	put := func(num int, body string) {
		places[num] = file.Len()
		fmt.Fprintf(&file, "%d 0 obj\n%s\nendobj\n", num, body)
	}
	// finish ends a revision, with what stands behind its cross-reference stream.
	prev := ""
	finish := func(section int, behind string) {
		var index, rows []byte
		for _, num := range slices.Sorted(maps.Keys(places)) {
			kind, at, of := byte(1), places[num], byte(0)
			if num == inside {
				kind, at = 2, container
			}
			rows = append(rows, kind, byte(at>>8), byte(at), of)
			index = fmt.Appendf(index, "%d 1 ", num)
		}
		start := file.Len()
		fmt.Fprintf(
			&file, "%d 0 obj\n<< /Type /XRef /Size 99 /Root 1 0 R %s /W [1 2 1] /Index [%s] "+
				"/Length %d >>\nstream\n%s\nendstream\nendobj\n%sstartxref\n%d\n%%%%EOF\n",
			section, prev, index, len(rows), rows, behind, start,
		)
		prev = fmt.Sprintf("/Prev %d", start)
		clear(places)
	}

	const data = "23 0 (is\nendstream\nendobj\nlonger) "
	file.WriteString("%PDF-1.7\n")
	put(1, "<< /Type /Catalog /Pages 2 0 R >>")
	put(2, "<< /Type /Pages /Kids [3 0 R] /Count 1 >>")
	put(3, "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] >>")
	put(container, fmt.Sprintf(
		"<< /Type /ObjStm /N 1 /First 5 /Length %d 0 R >>\nstream\n%s\nendstream", length, data,
	))
	put(length, fmt.Sprint(strings.Index(data, "\nendstream")))
	put(plain, "(same"+strings.Repeat(" ", 1000)+")")
	places[inside] = 0
	before := file.Len()
	for range 2 { // again when the place of the last object is known
		file.Truncate(before)
		saved := maps.Clone(places)
		places[cut] = max(places[cut], before)
		saved[cut] = places[cut]
		prev = ""
		finish(90, "20 0 obj (opened ")
		saved[cut] = bytes.Index(file.Bytes(), []byte("20 0 obj (opened "))
		places = saved
	}
	clear(places)
	first := int64(file.Len())
	file.WriteString(") endobj\n")
	put(length, fmt.Sprint(len(data)))
	finish(91, "")

	d := open(t, file.Bytes())
	earlier, err := d.Revision(first)
	if err != nil {
		t.Fatal(err)
	}
	for num, shared := range map[int]bool{cut: false, inside: false, plain: true} {
		now, err := d.Load(pdf.Ref{Num: num})
		if err != nil || now.Kind() != pdf.String {
			t.Errorf("object %d: %s, %v", num, now.Raw(), err)
		}
		then, err := earlier.Load(pdf.Ref{Num: num})
		if (err == nil) != shared || shared && !pdf.Equal(now, then) {
			t.Errorf("object %d of the earlier revision: %s, %v", num, then.Raw(), err)
		}
	}
}

// TestRevisionIsChecked opens an earlier revision in which an entry is wrong that the newest one has
// replaced.
func TestRevisionIsChecked(t *testing.T) {
	const num = 50
	first := pdftest.New(pdftest.Object(num, "(x)"))
	entry := func(off int) []byte { return fmt.Appendf(nil, "%010d 00000 n", off) }
	at := bytes.Index(first, fmt.Appendf(nil, "%d 0 obj", num))
	wrong := bytes.Replace(first, entry(at), entry(at+1), 1)
	if bytes.Equal(first, wrong) {
		t.Fatal("no such entry")
	}
	for name, file := range map[string][]byte{"right": first, "wrong": wrong} {
		d := open(t, pdftest.Update(file, pdftest.Revision{Objects: map[int]string{num: "(y)"}}))
		_, err := d.Revision(int64(len(file)))
		if refused := pdf.ReasonOf(err) == pdf.WrongOffset; refused != (name == "wrong") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
