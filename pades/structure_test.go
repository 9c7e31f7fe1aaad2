package pades

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/signet-sign/signet/pades/pdf"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

const tagged = "/MarkInfo << /Marked true >> /StructTreeRoot 5000 0 R /Lang (en)"

// structures are trees in the shapes that the standard allows.
var structures = map[string][]pdftest.Option{
	"one document, numbers": {
		pdftest.Catalog(tagged),
		pdftest.Object(
			5000,
			"<< /Type /StructTreeRoot /K 5001 0 R /ParentTree 5002 0 R /ParentTreeNextKey 3 >>",
		),
		pdftest.Object(5001, "<< /Type /StructElem /S /Document /P 5000 0 R /K [5003 0 R] >>"),
		pdftest.Object(5002, "<< /Nums [0 [5003 0 R] 2 5003 0 R] >>"),
		pdftest.Object(5003, "<< /Type /StructElem /S /P /P 5001 0 R /K 0 >>"),
	},
	"kids, no next key, array": {
		pdftest.Catalog(tagged),
		pdftest.Object(
			5000, "<< /Type /StructTreeRoot /K [5001 0 R] /ParentTree << /Kids [5002 0 R] >> >>",
		),
		pdftest.Object(5001, "<< /Type /StructElem /S /Document /P 5000 0 R /K 5003 0 R >>"),
		pdftest.Object(5002, "<< /Limits [0 2] /Nums [0 [5003 0 R] 2 5003 0 R] >>"),
		pdftest.Object(5003, "<< /Type /StructElem /S /P /P 5001 0 R /K 0 >>"),
	},
	"several below the root": {
		pdftest.Catalog(tagged),
		pdftest.Object(
			5000, "<< /Type /StructTreeRoot /K 5001 0 R /ParentTree << /Nums [2 5003 0 R] >> >>",
		),
		pdftest.Object(5001, "[5003 0 R 5004 0 R]"),
		pdftest.Object(5003, "<< /Type /StructElem /S /P /P 5000 0 R /K 0 >>"),
		pdftest.Object(5004, "<< /Type /StructElem /S /P /P 5000 0 R /K 1 >>"),
	},
}

// parents reads a parent tree of at most one level of kids.
func parents(t *testing.T, d *pdf.Document) map[int64]pdf.Object {
	t.Helper()
	tree, err := d.Get(d.Catalog(), "StructTreeRoot", "ParentTree")
	must(t, err)
	nodes := []pdf.Object{tree}
	if kids, err := d.Get(tree, "Kids"); err == nil {
		nodes = append(nodes, kids.Elements()...)
	}
	out := make(map[int64]pdf.Object)
	for _, n := range nodes {
		nums, err := d.Get(n, "Nums")
		must(t, err)
		for i := 0; i+1 < len(nums.Elements()); i += 2 {
			key, _ := nums.Elements()[i].Int()
			if _, twice := out[key]; twice {
				t.Errorf("key %d twice", key)
			}
			out[key] = nums.Elements()[i+1]
		}
	}
	return out
}

func TestTaggedDocumentsStayTagged(t *testing.T) {
	program(t, "qpdf", "qpdf")
	w := newWorld(t)
	for name, options := range structures {
		doc := pdftest.New(options...)
		out, p := w.extended(t, doc, w.options(Location{1, 0.1, 0.1}, Location{1, 0.1, 0.5}), true)
		r := w.verify(t, out)
		if err := errors.Join(r.Err(), r.Meets(Expectation{Prepared: p, Certificate: w.cert, Level: LevelLTA})); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		d, err := pdf.Open(bytes.NewReader(out), int64(len(out)), pdf.Limits{})
		must(t, err)
		page, err := d.Page(1)
		must(t, err)
		dict, err := d.Load(page.Ref)
		must(t, err)
		if dict.Get("Tabs").Name() != "S" {
			t.Errorf("%s: no /Tabs /S", name)
		}
		tree := parents(t, d)
		if len(tree) < 3 {
			t.Errorf("%s: parent tree %v", name, tree)
		}
		fields, err := d.SignatureFields()
		must(t, err)
		for _, f := range fields[:2] {
			widget, err := d.Load(f.Ref)
			must(t, err)
			for key, want := range map[string]string{"TU": "Digital signature of TAN AH KOW", "Contents": "Digital signature of TAN AH KOW", "Lang": "en"} {
				if got := widget.Get(key).Text(); got != want {
					t.Errorf("%s: /%s is %q", name, key, got)
				}
			}
			key, ok := widget.Get("StructParent").Int()
			element, err := d.Resolve(tree[key])
			must(t, err)
			obj, _ := element.Get("K").Get("Obj").Ref()
			if !ok || key < 3 || element.Get("S").Name() != "Form" ||
				element.Get("Lang").Text() != "en" ||
				obj != f.Ref {
				t.Errorf("%s: field %s: key %d leads to %s", name, f.Name, key, element.Raw())
			}
			above, err := d.Resolve(element.Get("P"))
			must(t, err)
			kids, _, err := kidsOf(d, above)
			must(t, err)
			n := 0
			for _, k := range kids {
				if k == tree[key].Raw() {
					n++
				}
			}
			if n != 1 || len(kids) < 3 {
				t.Errorf("%s: field %s: its parent has the kids %v", name, f.Name, kids)
			}
		}
		stamp, err := d.Load(fields[2].Ref)
		must(t, err)
		if stamp.Get("Contents").Text() != "Document timestamp" ||
			stamp.Get("Lang").Text() != "en" {
			t.Errorf("%s: the timestamp's field is not described: %s", name, stamp.Raw())
		}
		if next, err := d.Get(d.Catalog(), "StructTreeRoot", "ParentTreeNextKey"); err != nil ||
			next.Raw() != "5" {
			t.Errorf("%s: the next key is %s, %v", name, next.Raw(), err)
		}
		path := filepath.Join(t.TempDir(), "x.pdf")
		must(t, os.WriteFile(path, out, 0o600))
		if report, ok := command("qpdf", "--check", path); !ok {
			t.Errorf("%s: %s", name, report)
		}

		// The next signer leaves the structure, which is signed now, alone.
		second, _ := w.extended(t, out, w.options(Location{1, 0.5, 0.8}), true)
		r = w.verify(t, second)
		if err := r.Err(); err != nil || r.Signatures[0].Level != LevelLTA {
			t.Errorf("%s: second signer: %v, %v", name, err, r.Signatures[0].Level)
		}
	}
}

// TestTimestampFieldWithoutLanguage checks that a document without /Lang gets a timestamp field
// without a description.
func TestTimestampFieldWithoutLanguage(t *testing.T) {
	w := newWorld(t)
	for catalog, want := range map[string]string{"/Lang (de)": "Document timestamp", "": ""} {
		out, _ := w.extended(
			t, pdftest.New(pdftest.Catalog(catalog)), w.options(Location{1, 0.1, 0.1}), true,
		)
		d, err := pdf.Open(bytes.NewReader(out), int64(len(out)), pdf.Limits{})
		must(t, err)
		fields, err := d.SignatureFields()
		must(t, err)
		stamp, err := d.Load(fields[len(fields)-1].Ref)
		must(t, err)
		if got := stamp.Get("Contents").Text(); got != want {
			t.Errorf("with %q the timestamp's field says %q, want %q", catalog, got, want)
		}
	}
}

// TestDamagedStructureIsLeftAlone signs documents with damaged and very large structure trees. It
// does not change the trees.
func TestDamagedStructureIsLeftAlone(t *testing.T) {
	w := newWorld(t)
	var many bytes.Buffer
	for i := range 10000 {
		many.WriteString(strconv.Itoa(i) + " 5001 0 R ")
	}
	for name, o := range map[string][]pdftest.Option{
		"nothing there":    {pdftest.Object(5000, "null")},
		"no parent tree":   {pdftest.Object(5000, "<< /Type /StructTreeRoot /K 5001 0 R >>")},
		"no kids":          {pdftest.Object(5000, "<< /Type /StructTreeRoot /ParentTree << /Nums [] >> >>")},
		"a dangling kid":   {pdftest.Object(5000, "<< /Type /StructTreeRoot /K [5001 0 R 6000 0 R] /ParentTree << /Nums [] >> >>")},
		"keys twice":       {pdftest.Object(5000, "<< /Type /StructTreeRoot /K 5001 0 R /K [5001 0 R] /ParentTree << /Nums [] >> >>")},
		"keys no numbers":  {pdftest.Object(5000, "<< /Type /StructTreeRoot /K 5001 0 R /ParentTree << /Nums [/A 5001 0 R] >> >>")},
		"huge keys":        {pdftest.Object(5000, "<< /Type /StructTreeRoot /K 5001 0 R /ParentTree << /Nums [9223372036854775807 5001 0 R] >> >>")},
		"negative next":    {pdftest.Object(5000, "<< /Type /StructTreeRoot /K 5001 0 R /ParentTreeNextKey -7 /ParentTree << /Nums [-9 5001 0 R] >> >>")},
		"too many numbers": {pdftest.Object(5000, "<< /Type /StructTreeRoot /K 5001 0 R /ParentTree << /Nums ["+many.String()+"] >> >>")},
		"its own parent":   {pdftest.Object(5000, "<< /Type /StructTreeRoot /K 5000 0 R /ParentTree 5000 0 R >>")},
	} {
		o = append(
			o, pdftest.Catalog(tagged),
			pdftest.Object(5001, "<< /Type /StructElem /S /Document /P 5000 0 R >>"),
		)
		doc := pdftest.New(o...)
		p, err := Prepare(bytes.NewReader(doc), int64(len(doc)), w.options(Location{1, 0.1, 0.1}))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if n := len(p.Before) + len(p.After); n > 40<<10 {
			t.Errorf("%s: %d bytes", name, n)
		}
		if bytes.Contains(p.Before, []byte("/OBJR")) {
			t.Errorf("%s: an element was added", name)
		}
	}
}
