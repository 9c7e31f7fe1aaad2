package pdf_test

import (
	"testing"

	"github.com/signet-sign/signet/pades/pdf"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// TestSignatureFields walks a tree with every shape of node: merged field and
// widget, a group with inherited type, one field with two widgets, a widget
// that no page lists, a field without one, and a freed field.
func TestSignatureFields(t *testing.T) {
	file := pdftest.New(
		pdftest.Pages(2),
		pdftest.Rotate(90),
		pdftest.PageEntries(1, "/Annots [ 5001 0 R 5005 0 R ]"),
		pdftest.PageEntries(2, "/Annots [ 5006 0 R ]"),
		pdftest.Catalog(
			"/AcroForm << /Fields [ 5001 0 R 5002 0 R 5004 0 R 5008 0 R 5001 0 R 5999 0 R ] >>",
		),
		pdftest.Object(
			5001,
			"<< /FT /Sig /T (one) /Subtype /Widget /F 132 /Rect [10 20 30 60] /V 5020 0 R /P 14 0 R >>",
		),
		pdftest.Object(5002, "<< /FT /Sig /T (group) /Kids [ 5003 0 R 5007 0 R ] >>"),
		pdftest.Object(5003, "<< /T (a) /Subtype /Widget /Rect [0 0 0 0] /P 14 0 R >>"),
		pdftest.Object(
			5004, "<< /FT /Sig /T (two) /V << /Type /Sig >> /Kids [ 5005 0 R 5006 0 R ] >>",
		),
		pdftest.Object(5005, "<< /Subtype /Widget /Rect [1 1 2 2] >>"),
		pdftest.Object(5006, "<< /Subtype /Widget /Rect [3 3 4 4] >>"),
		pdftest.Object(5007, "<< /T (text) /FT /Tx >>"),
		pdftest.Object(5008, "<< /FT /Sig /T (lone) /V 5999 0 R >>"),
		pdftest.Object(5020, pdftest.Signature("")),
	)
	d := open(t, file)
	fields, err := d.SignatureFields()
	if err != nil {
		t.Fatal(err)
	}
	type widget struct{ num, page int }
	want := []struct {
		name    string
		signed  bool
		widgets []widget
	}{
		{"one", true, []widget{{5001, 1}}}, // page 1 lists it, whatever /P says
		{"group.a", false, []widget{{5003, 2}}},
		{"two", true, []widget{{5005, 1}, {5006, 2}}},
		{"lone", false, []widget{{5008, 0}}},
	}
	if len(fields) != len(want) {
		t.Fatalf("%d fields: %+v", len(fields), fields)
	}
	for i, w := range want {
		f := fields[i]
		if f.Name != w.name || f.Signed() != w.signed || len(f.Widgets) != len(w.widgets) {
			t.Errorf("field %d is %+v, want %+v", i, f, w)
			continue
		}
		for j, want := range w.widgets {
			if got := f.Widgets[j]; got.Ref.Num != want.num || got.Page != want.page {
				t.Errorf("widget %d of %s is %+v, want %+v", j, f.Name, got, want)
			}
		}
	}
	one := fields[0].Widgets[0]
	if one.Flags != 132 || one.Rect != (pdf.Rect{X1: 10, Y1: 20, X2: 30, Y2: 60}) {
		t.Errorf("widget is %+v", one)
	}
	// At /Rotate 90 the right edge of the page is displayed at the bottom.
	if want := (pdf.Rect{X1: 20, Y1: 565.28, X2: 60, Y2: 585.28}); !near(one.Display, want) {
		t.Errorf("displayed at %v, want %v", one.Display, want)
	}
	if v, ok := fields[0].Value.Ref(); !ok || v.Num != 5020 {
		t.Errorf("value is %v", fields[0].Value.Raw())
	}
	names, err := d.FieldNames()
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []string{"one", "group", "group.a", "group.text", "two", "lone"} {
		if !names[n] {
			t.Errorf("no name %q in %v", n, names)
		}
	}
}

func TestUniqueFieldName(t *testing.T) {
	d := open(
		t, pdftest.New(pdftest.IndirectForm(pdftest.Field{Name: "a"}, pdftest.Field{Name: "a-2"})),
	)
	u := pdf.NewUpdate(d)
	for _, tt := range []struct{ base, want string }{
		{"a", "a-3"}, {"a", "a-4"}, {"b", "b"}, {"b", "b-2"}, {"c.d", "c-d"},
	} {
		if got, err := u.UniqueFieldName(tt.base); got != tt.want || err != nil {
			t.Errorf("%s: %q, %v; want %q", tt.base, got, err, tt.want)
		}
	}
}
