package pades

import (
	"cmp"
	"maps"
	"slices"
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

// TestActionsAnywhere hangs what executes at places that readers look at and few tools do.
func TestActionsAnywhere(t *testing.T) {
	const script = "<< /S /JavaScript /JS (app.alert(1)) >>"
	for name, c := range map[string]struct {
		catalog, page, object string
		want                  FindingCode
	}{
		"behind a destination": {
			"/OpenAction << /S /GoTo /D [3 0 R /Fit] /Next [" + script + "] >>", "", "",
			FindJavaScript,
		},
		"a page of the web behind a destination": {
			"/OpenAction << /S /GoTo /D [3 0 R /Fit] /Next << /S /URI /URI (https://a.example) >> >>", "", "", FindOpenAction,
		},
		"in a list behind a link": {"", "/Annots [<< /Type /Annot /Subtype /Link /Rect [0 0 9 9] /A << /S /URI /URI (https://a.example) " +
			"/Next [<< /S /Named /N /NextPage >> << /S /Movie >>] >> >>]", "", FindRichMedia},
		"a bookmark": {
			"/Outlines 5000 0 R", "",
			"<< /First << /Title (x) /A << /S /Launch /F (a.exe) >> >> >>", FindLaunch,
		},
		"a field": {
			"/AcroForm << /Fields [5000 0 R] >>", "",
			"<< /T (a) /FT /Tx /AA << /C " + script + " >> >>", FindJavaScript,
		},
		"its kind elsewhere": {
			"/Outlines 5000 0 R", "", "<< /First << /A << /S 5001 0 R /JS (x) >> >> >>",
			FindJavaScript,
		},
		"a circle": {
			"", "/Annots [<< /Type /Annot /Subtype /Link /Rect [0 0 9 9] /A 5000 0 R >>]",
			"<< /S /URI /Next 5000 0 R >>", FindAction,
		},
		"nothing uses it": {"", "", script, ""},
		"a link": {
			"",
			"/Annots [<< /Type /Annot /Subtype /Link /Rect [0 0 9 9] /A << /S /URI /URI (https://a.example) >> >>]",
			"", FindWebLink,
		},
		"a place to begin": {"/OpenAction << /S /GoTo /D [3 0 R /Fit] >>", "", "", ""},
		"an element of text": {
			"/StructTreeRoot 5000 0 R", "",
			"<< /Type /StructTreeRoot /K << /S /P /P 5000 0 R >> >>", "",
		},
	} {
		doc := pdftest.New(
			pdftest.Catalog(c.catalog), pdftest.PageEntries(1, c.page),
			pdftest.Object(5000, cmp.Or(c.object, "null")), pdftest.Object(5001, "/JavaScript"),
		)
		got, err := inspect(t, doc, Location{1, 0, 0})
		must(t, err)
		has := slices.ContainsFunc(got.Findings, func(f Finding) bool { return f.Code == c.want })
		if has != (c.want != "") || c.want == "" && len(got.Findings) > 0 {
			t.Errorf("%s: %v, want %q", name, got.Findings, c.want)
		}
	}
}

// TestActions checks the finding for each type of action, wherever it hangs: at a link, in the
// actions that follow another one, at a bookmark, and at a field that is on no page.
func TestActions(t *testing.T) {
	for action, want := range map[string]FindingCode{
		"/S /Hide /T (total)":                             FindChanges,
		"/S /Hide /T 5001 0 R /H false":                   FindChanges,
		"/S /SetOCGState /State [/Toggle 5001 0 R]":       FindChanges,
		"/S /ImportData /F (values.fdf)":                  FindChanges,
		"/S /SubmitForm /F << /FS /URL /F (https://a) >>": FindSubmit,
		"/S /ResetForm":                                   FindReset,
		"/S /GoToR /F (other.pdf) /D [0 /Fit]":            FindOtherDocument,
		"/S /GoToE /T << /R /C /N (a.pdf) >> /D [0 /Fit]": FindOtherDocument,
		"/S /Thread /F (other.pdf) /D 0":                  FindOtherDocument,
		"/S /Thread /D 0":                                 "",
		"/S /Rendition /OP 0":                             FindRichMedia,
		"/S /Movie /T (film)":                             FindRichMedia,
		"/S /Sound /Sound 5001 0 R":                       FindRichMedia,
		"/S /GoTo3DView /TA 5001 0 R":                     FindRichMedia,
		"/S /RichMediaExecute /TA 5001 0 R":               FindRichMedia,
		"/S /Launch /F (a.exe)":                           FindLaunch,
		"/S /JavaScript /JS (app.alert(1))":               FindJavaScript,
		"/S /#4aavaScript /JS (app.alert(1))":             FindJavaScript,
		"/S /Trans /Trans << /S /Dissolve >>":             "",
		"/S /GoTo /D [3 0 R /Fit]":                        "",
		"/S /Named /N /NextPage":                          "",
		"/S /Named /N /LastPage":                          "",
		"/S /Named /N /Print":                             FindMenu,
		"/S /Named /N /SaveAs":                            FindMenu,
		"/S /URI /URI (https://a.example/b?c=d:e)":        FindWebLink,
		"/S /URI /URI (HTTP://a.example)":                 FindWebLink,
		"/S /URI /URI (mailto:a@example.com)":             FindWebLink,
		"/S /URI /URI (tel:+6561234567)":                  FindWebLink,
		"/S /URI /URI (www.example.com:8080)":             FindWebLink,
		"/S /URI /URI (#page=2)":                          FindWebLink,
		"/S /URI /URI (other.html)":                       FindWebLink,
		"/S /URI /URI (javascript:app.alert(1))":          FindOddLink,
		"/S /URI /URI (java\\012script:app.alert(1))":     FindOddLink,
		"/S /URI /URI ( javascript:app.alert(1))":         FindOddLink,
		"/S /URI /URI <feff006a003a0061>":                 FindOddLink,
		"/S /URI /URI 5002 0 R":                           FindOddLink,
		"/S /URI /URI (data:text/html,a)":                 FindOddLink,
		"/S /URI /URI (file:///c:/windows/calc.exe)":      FindOddLink,
		"/S /URI /URI (\\\\\\\\server\\\\share\\\\a.exe)": FindOddLink,
		"/S /URI /URI (//server/share/a.exe)":             FindOddLink,
		"/S /URI /URI (ms-msdt:/id PCWDiagnostic)":        FindOddLink,
		"/S /URI /IsMap true":                             "",
	} {
		for place, c := range map[string]struct{ catalog, page, object string }{
			"a link": {
				"", "/Annots [<< /Type /Annot /Subtype /Link /Rect [0 0 9 9] /A 5000 0 R >>]",
				"<< " + action + " >>",
			},
			"behind another action": {
				"", "/Annots [<< /Type /Annot /Subtype /Link /Rect [0 0 9 9] /A << /S /GoTo " +
					"/D [3 0 R /Fit] /Next [<< " + action + " >>] >> >>]", "null",
			},
			"a bookmark": {
				"/Outlines 5000 0 R", "", "<< /First << /Title (x) /A << " + action + " >> >> >>",
			},
			"beside a script": {
				"/Outlines 5000 0 R", "", "<< /First << /Title (x) /A << " + action +
					" >> /Next << /A << /S /JavaScript /JS (x) >> >> >> >>",
			},
			"a field": {
				"/AcroForm << /Fields [5000 0 R] >>", "",
				"<< /T (a) /FT /Tx /AA << /K << " + action + " >> >> >>",
			},
		} {
			doc := pdftest.New(
				pdftest.Catalog(c.catalog), pdftest.PageEntries(1, c.page),
				pdftest.Object(5000, c.object), pdftest.Object(5001, "<< /Type /OCG /Name (a) >>"),
				pdftest.Object(5002, "(vbscript:a)"),
			)
			got, err := inspect(t, doc, Location{1, 0, 0})
			must(t, err)
			found := map[FindingCode]bool{}
			for _, f := range got.Findings {
				found[f.Code] = true
			}
			wanted := map[FindingCode]bool{}
			if want != "" {
				wanted[want] = true
				if place == "a field" {
					wanted[FindAction] = true
				}
			}
			if place == "beside a script" {
				wanted[FindJavaScript] = true
			}
			if !maps.Equal(found, wanted) {
				t.Errorf("%s, %s: %v, want %v", place, action, got.Findings, wanted)
			}
		}
	}
}

// TestNamesOfResources checks that a resource whose name is that of additional actions is none.
func TestNamesOfResources(t *testing.T) {
	doc := pdftest.New(
		pdftest.Catalog("/AcroForm << /Fields [] /DR << /XObject << /AA 5000 0 R >> >> >>"),
		pdftest.Object(5000, pdftest.Stream("/Subtype /Form /BBox [0 0 1 1] "+
			"/Group << /S /Transparency >>", "")),
	)
	got, err := inspect(t, doc, Location{1, 0, 0})
	must(t, err)
	if len(got.Findings) > 0 {
		t.Errorf("%v", got.Findings)
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
