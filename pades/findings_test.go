package pades

import (
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
