package pades

import (
	"strings"
	"testing"

	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// TestLayers checks that optional content that is not the same on the screen and in print is told
// from layers that are.
func TestLayers(t *testing.T) {
	for _, c := range []struct {
		name, usage, config string
		differs             bool
	}{
		{"no usage", "", "", false},
		{"off", "", "/OFF [5000 0 R]", false},
		{"on in both", "/View << /ViewState /ON >> /Print << /PrintState /ON >>", "", false},
		{"off in both", "/View << /ViewState /OFF >> /Print << /PrintState /OFF >>", "", false},
		{"screen only", "/View << /ViewState /ON >> /Print << /PrintState /OFF >>", "", true},
		{"print only", "/View << /ViewState /OFF >> /Print << /PrintState /ON >>", "", true},
		{"not in print", "/Print << /PrintState /OFF >>", "", true},
		{"not on the screen", "/View << /ViewState /OFF >>", "", true},
		{"in print, and off", "/Print << /PrintState /ON >>", "/OFF [5000 0 R]", true},
		{"in print, and all are off", "/Print << /PrintState /ON >>", "/BaseState /OFF", true},
		{"in print, and on", "/Print << /PrintState /ON >>", "/BaseState /OFF /ON [5000 0 R]", false},
		{"not in print, and off", "/Print << /PrintState /OFF >>", "/OFF [5000 0 R]", false},
		{"export", "/Export << /ExportState /OFF >>", "", false},
	} {
		doc := pdftest.New(
			pdftest.Catalog("/OCProperties << /OCGs [5000 0 R] /D << "+c.config+" >> >>"),
			pdftest.Object(5000, "<< /Type /OCG /Name (layer) /Usage << "+c.usage+" >> >>"),
		)
		got, err := inspect(t, doc, Location{1, 0, 0})
		must(t, err)
		want := FindOptionalContent
		if c.differs {
			want = FindPrintContent
		}
		if len(got.Findings) != 1 || got.Findings[0].Code != want {
			t.Errorf("%s: %v, want %s", c.name, got.Findings, want)
		}
	}
}

// TestBoxOverField places a box over a form field. It is a finding in a document with signatures,
// and the verifier names the field in what came after the earlier signature.
func TestBoxOverField(t *testing.T) {
	w := newWorld(t)
	form := func(flags, entries string) []byte {
		return pdftest.New(
			pdftest.Catalog("/AcroForm << /Fields [5000 0 R] >>"),
			pdftest.PageEntries(1, "/Annots [5000 0 R]"),
			pdftest.Object(
				5000,
				"<< /Type /Annot /Subtype /Widget /FT /Tx /T (amount) /Rect [100 100 200 120] /F "+flags+" "+entries+" >>",
			),
		)
	}
	over := Location{1, 90 / 595.28, 90 / 841.89}
	for name, c := range map[string]struct {
		doc    []byte
		signed bool
		at     Location
		want   int
	}{
		"over the field":        {form("4", "/V (100)"), true, over, 1},
		"over a field unfilled": {form("4", ""), true, over, 1},
		"beside the field":      {form("4", "/V (100)"), true, Location{1, 90 / 595.28, 130 / 841.89}, 0},
		"over a hidden field":   {form("2", "/V (100)"), true, over, 0},
		"without signatures":    {form("4", "/V (100)"), false, over, 0},
	} {
		t.Run(name, func(t *testing.T) {
			if c.signed {
				c.doc = w.signedWith(t, c.doc, "author", "", "")
			}
			in, err := inspect(t, c.doc, Location{1, 0.5, 0.6}, c.at)
			must(t, err)
			found := 0
			for _, f := range in.Findings {
				if f.Code == FindOverField {
					found += f.Count
					if f.Where != "sign_locations[1]" {
						t.Errorf("it is at %q", f.Where)
					}
				}
			}
			if found != c.want {
				t.Errorf("findings %v", in.Findings)
			}
			out, _ := w.extended(t, c.doc, w.options(c.at), true)
			r := w.verify(t, out)
			must(t, r.Err())
			told := 0
			for _, change := range r.Signatures[0].Changes {
				if strings.HasSuffix(change.Text, `over the form field "amount"`) {
					told++
				}
			}
			if told != c.want {
				t.Errorf("changes %+v", r.Signatures[0].Changes)
			}
		})
	}
}
