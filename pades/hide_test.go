package pades

import (
	"bytes"
	"encoding/ascii85"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/signet-sign/signet/pades/pdf"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// TestHiddenTogether lays two boxes over the page, each of which leaves the text readable. What they
// hide together is a matter of the second.
func TestHiddenTogether(t *testing.T) {
	w := newWorld(t)
	veil := laterBox{
		look: "/L gs 1 g 0 0 200 30 re f", resources: "/ExtGState << /L << /ca 0.6 >> >>", name: "third",
	}
	doc := w.signedWith(t, hideDocument(), "first", "", "")
	for range 2 {
		expectHidden(t, w.verify(t, doc), "")
		doc = veil.cosigned(t, w, doc)
		veil.name, veil.rect = "", "[60 690 260 721]"
	}
	expectHidden(t, w.verify(t, doc), hiddenAmount)
}

// TestHidden lays the boxes of a second trusted signer over the first signer's page. One that hides
// text leaves the first signature intact and without a verdict, in words that say what it hides and
// where; others pass. pdftotext and pictures cannot judge this: the text is still there, and a
// picture differs wherever a box is.
func TestHidden(t *testing.T) {
	w := newWorld(t)
	signed := w.signedWith(t, hideDocument(), "first", "", "")
	must(t, w.verify(t, signed).Err())
	for _, name := range slices.Sorted(maps.Keys(laterBoxes)) {
		b := laterBoxes[name]
		t.Run(name, func(t *testing.T) {
			r := w.verify(t, b.cosigned(t, w, signed))
			expectHidden(t, r, b.hides)
			if len(r.Signatures) != 2 || r.Signatures[1].Err() != nil {
				t.Errorf("the second signature: %v", r.Err())
			}
		})
	}
}

// expectHidden checks the verdict on the first signature.
func expectHidden(t *testing.T, r *Report, hides string) {
	t.Helper()
	s := r.Signatures[0]
	got := ""
	for _, c := range s.Changes {
		got += c.Hides
		if c.Hides != "" && (c.Page != 1 || !strings.Contains(c.Text, "hide")) {
			t.Errorf("%q on page %d", c.Text, c.Page)
		}
	}
	if got != hides {
		t.Errorf("hides %q instead of %q", got, hides)
	}
	want, sub := TotalPassed, SubIndication("")
	if hides != "" {
		want, sub = Indeterminate, SigConstraintsFailure
	}
	if i, why := s.Indication(); i != want || why != sub || !s.Intact() {
		t.Errorf("%s, %s, intact %t: %v", i, why, s.Intact(), s.Err())
	}
}

// TestHiddenWithinASignedField signs an empty field that the first signer signed with its place.
func TestHiddenWithinASignedField(t *testing.T) {
	w := newWorld(t)
	doc := hideDocument(
		pdftest.Object(pdftest.PageNum(1), fmt.Sprintf(
			"<< /Type /Page /Parent %d 0 R /MediaBox [0 0 595 842] /Contents %d 0 R /Annots [%d 0 R]"+
				" /Resources << /Font << /F1 %d 0 R >> /XObject << /Im1 %d 0 R >> >> >>",
			pdftest.PagesNum, pdftest.ContentNum(1), pdftest.FieldNum(0), pdftest.FontNum, hideImage,
		)),
		pdftest.IndirectForm(pdftest.Field{Name: "empty", Page: 1, Rect: "[60 690 260 750]"}),
	)
	signed := w.signedWith(t, doc, "first", "", "")
	must(t, w.verify(t, signed).Err())
	o := w.options(Location{1, 60. / 595, 690. / 842})
	o.Background = true
	out, _ := w.signed(t, signed, o)
	expectHidden(t, w.verify(t, out), "")
}

// TestHiddenByAnnotations adds annotations to a document that is certified for them.
func TestHiddenByAnnotations(t *testing.T) {
	w := newWorld(t)
	signed := w.signedWith(t, hideDocument(), "first", certify(3), "")
	must(t, w.verify(t, signed).Err())
	const place = "/Type /Annot /Rect [60 690 260 720] "
	for name, tc := range map[string]struct{ annotation, look, hides string }{
		"a filled square":    {"/Subtype /Square /IC [1 1 1] " + place, "", hiddenAmount},
		"an empty square":    {"/Subtype /Square /C [1 0 0] " + place, "", ""},
		"a stamp":            {"/Subtype /Stamp " + place, "1 g 0 0 200 30 re f", hiddenAmount},
		"a text":             {"/Subtype /FreeText " + place, "BT /F1 12 Tf 0 0 Td (x) Tj ET", ""},
		"a text with colour": {"/Subtype /FreeText /C [1 1 0] " + place, "", hiddenAmount},
		"a highlight without a colour": {
			"/Subtype /Highlight /QuadPoints [60 720 260 720 60 690 260 690] " + place, "", hiddenAmount,
		},
		"a highlight": {
			"/Subtype /Highlight /C [1 1 0] /QuadPoints [60 720 260 720 60 690 260 690] " + place, "", "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			v := newVictim(t, w, signed)
			if tc.look != "" {
				tc.annotation += fmt.Sprintf(" /AP << /N %d 0 R >>", hideLook)
			}
			objects := map[int]string{
				hideLook: pdftest.Stream("/Subtype /Form /BBox [0 0 200 30]", tc.look),
				hideMore: "<< " + tc.annotation + " >>",
			}
			page := v.raw(pdftest.PageNum(1))
			objects[pdftest.PageNum(1)] = strings.Replace(
				page, "/Annots [", fmt.Sprintf("/Annots [%d 0 R ", hideMore), 1,
			)
			expectHidden(t, w.verify(t, v.update(objects)), tc.hides)
		})
	}
}

// ascii85Flate writes data as ReportLab writes contents.
func ascii85Flate(data string) string {
	var b bytes.Buffer
	text := ascii85.NewEncoder(&b)
	text.Write([]byte(deflated(data)))
	text.Close()
	return b.String() + "~>"
}

// TestHiddenInPagesOfManyKinds draws the amount with each kind of font and filter.
func TestHiddenInPagesOfManyKinds(t *testing.T) {
	w := newWorld(t)
	white := laterBox{look: "1 g 0 0 200 30 re f"}
	pictures := func(n int) string { return fmt.Sprintf("/XObject << /Im2 %d 0 R >>", hideImage+n) }
	const (
		amount    = "BT /F1 12 Tf 72 700 Td (abc) Tj ET "
		plainForm = "/Type /XObject /Subtype /Form /BBox [0 0 999 999]"
		panel     = "60 690 200 30 re f "
		inks      = "/ColorSpace << /S [/Separation /Black /DeviceGray << /FunctionType 2 /Domain [0 1]" +
			" /N 1 /C0 [1] /C1 [0] >>] /I [/Indexed /DeviceGray 1 <ff00>]" +
			" /P [/CalRGB << /WhitePoint [1 1 1] >>] >>" +
			" /ExtGState << /N << /BM /Screen >> /B << /BM /ColorBurn >> /O << /BM /Normal >>" +
			" /V << /op true /OPM 1 >> /T << /ca 0.5 >> /M << /SMask << /S /Luminosity >> >> >>" +
			" /Properties << /L << /Type /OCG /Name (L) >> >>"
	)
	for name, tc := range map[string]struct {
		content, entries, font, hides string
		look                          string // of the image, a form
		resources                     string
	}{
		"ASCII85 and Flate": {
			content: ascii85Flate("BT /F1 12 Tf 72 700 Td (abc) Tj ET"),
			entries: "/Filter [/ASCII85Decode /FlateDecode]", hides: "abc",
		},
		"hexadecimal": {
			content: fmt.Sprintf("%x>", "BT /F1 12 Tf 72 700 Td (abc) Tj ET"),
			entries: "/Filter /ASCIIHexDecode", hides: "abc",
		},
		"a filter for images": {content: "x", entries: "/Filter /DCTDecode", hides: unknownText},
		"widths": {
			content: "BT /F1 12 Tf 72 700 Td (ab) Tj 200 0 Td (c) Tj ET",
			font:    "/Subtype /TrueType /FirstChar 97 /LastChar 99 /Widths [100 3000 500]", hides: "ab",
		},
		"two bytes": {
			content: "BT /F1 12 Tf 72 700 Td <00410042> Tj ET",
			font: fmt.Sprintf("/Subtype /Type0 /Encoding /Identity-H /ToUnicode %d 0 R"+
				" /DescendantFonts [<< /Type /Font /DW 500 /W [65 [600] 66 66 700] >>]", hideImage+1),
			hides: "AB",
		},
		"moved and scaled": {
			content: "q 2 0 0 2 10 300 cm BT /F1 6 Tf 1 0 0 1 31 200 Tm [(a) -500 (b)] TJ ET Q", hides: "ab",
		},
		"upside down": {
			content: "q -1 0 0 -1 300 1400 cm BT /F1 12 Tf 72 693 Td (ab) Tj ET Q", hides: "ab",
		},
		"in a form": {content: "/Im1 Do", hides: "in"},

		// Text that is seen, whatever is drawn below it in its own colour.
		"leader dots":            {content: "BT /F1 6 Tf 72 700 Td (................) Tj 600 0 Td (20) Tj ET"},
		"leader dots and digits": {content: "BT /F1 6 Tf 72 700 Td (.........20) Tj ET", hides: "20"},
		"a decimal":              {content: "BT /F1 6 Tf 72 700 Td (2.5) Tj ET", hides: "2.5"},
		"text that is cut":       {content: "q 0 0 20 20 re W n " + amount + "Q"},
		"text that is cut in part": {
			content: "q 72 700 6 9 re W n " + amount + "Q", hides: "a",
		},
		"text below a panel": {content: amount + "1 g " + panel},
		"text below a light panel": {
			content: amount + "/T gs 1 g " + panel, hides: "abc", resources: inks,
		},
		"text below a panel in a layer": {
			content: amount + "1 g /OC /L BDC " + panel + "EMC", hides: "abc", resources: inks,
		},
		"text below a panel that readers may not draw": {
			content: amount + "zz 1 g " + panel, hides: "abc",
		},
		"text below an image": {
			content: amount + "q 200 0 0 30 60 690 cm /Im2 Do Q", hides: "abc", resources: pictures(4),
		},
		"a blank picture": {content: "q 200 0 0 30 60 690 cm /Im2 Do Q", resources: pictures(4)},
		"a picture": {
			content: "q 200 0 0 30 60 690 cm /Im2 Do Q", hides: unknownText, resources: pictures(5),
		},

		"full ink": {content: "/S cs 1 scn " + amount, hides: "abc", resources: inks},
		"an index": {content: "/I cs 1 sc " + amount, hides: "abc", resources: inks},
		"a panel of no ink": {
			content: "/S cs 0 scn " + panel + "0 g " + amount, hides: "abc", resources: inks,
		},
		"a panel in a layer": {
			content: "/OC /L BDC " + panel + "EMC " + amount, hides: "abc", resources: inks,
		},
		"a panel in a form in a layer": {content: "/OC /L BDC /Im1 Do EMC " + amount, look: panel, hides: "abc"},
		"a panel in a form that is a layer": {
			content: "/Im2 Do " + amount, hides: "abc",
			resources: fmt.Sprintf("/XObject << /Im2 %d 0 R >>", hideImage+2),
		},
		"a screened panel": {content: "/N gs " + panel + "/O gs " + amount, hides: "abc", resources: inks},
		"a burned panel":   {content: "/B gs " + panel + "/O gs " + amount, hides: "abc", resources: inks},
		"a masked panel":   {content: "q /M gs " + panel + "Q " + amount, hides: "abc", resources: inks},
		"text below a panel that overprints": {
			content: amount + "/V gs 0 0 0 0 k " + panel, hides: "abc", resources: inks,
		},
		"a panel in a clip without a path": {
			content: "q W n " + panel + "Q " + amount, hides: "abc",
		},
		"a panel that readers may not draw": {content: "zz " + panel + amount, hides: "abc"},
		"an outline":                        {content: "1 g 2 Tr " + amount, hides: "abc"},
		"an outline that clips":             {content: "1 g 5 Tr " + amount, hides: "abc"},
		"white in a panel":                  {content: panel + "1 g " + amount, hides: "abc"},
		"a panel":                           {content: panel + amount},
		"white":                             {content: "1 g " + amount},
		"white in the colours of a profile": {content: "/P cs 1 1 1 scn " + amount, resources: inks},
		"glyphs of Type 3 are drawn in any mode": {
			content: "3 Tr BT /F1 12 Tf 72 700 Td (a) Tj ET", hides: "a",
			font: fmt.Sprintf("/Subtype /Type3 /FontBBox [0 0 1 1] /FontMatrix [1 0 0 1 0 0] /FirstChar 97"+
				" /LastChar 97 /Widths [1] /Encoding << /Differences [97 /a] >> /CharProcs << /a %d 0 R >>",
				hideImage+3),
		},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.font == "" {
				tc.font = "/Subtype /Type1 /BaseFont /Helvetica"
			}
			form := plainForm
			if tc.look == "" {
				form += " /Matrix [1 0 0 1 70 695]"
				tc.look = "BT /F1 9 Tf 2 2 Td (in) Tj ET"
			}
			if !strings.Contains(tc.resources, "/XObject") {
				tc.resources += fmt.Sprintf(" /XObject << /Im1 %d 0 R >>", hideImage)
			}
			doc := hideDocument(
				pdftest.Object(pdftest.ContentNum(1), pdftest.Stream(tc.entries, tc.content)),
				pdftest.Object(pdftest.FontNum, "<< /Type /Font "+tc.font+" >>"),
				pdftest.Object(hideImage, pdftest.Stream(form, tc.look)),
				pdftest.Object(hideImage+2, pdftest.Stream(plainForm+" /OC << /Type /OCG /Name (L) >>", panel)),
				pdftest.Object(hideImage+4, jpegImage(0, "/FlateDecode")),
				pdftest.Object(hideImage+5, jpegImage(512, "/FlateDecode")),
				pdftest.Object(hideImage+3, pdftest.Stream("", "1 0 d0 0 0 1 1 re f")),
				pdftest.Object(pdftest.PageNum(1), fmt.Sprintf(
					"<< /Type /Page /Parent %d 0 R /MediaBox [0 0 595 842] /Contents %d 0 R /Annots []"+
						" /Resources << /Font << /F1 %d 0 R >> %s >> >>",
					pdftest.PagesNum, pdftest.ContentNum(1), pdftest.FontNum, tc.resources,
				)),
				pdftest.Object(hideImage+1, pdftest.Stream(
					"", "begincmap 1 beginbfrange <0041> <0042> <0041> endbfrange endcmap",
				)),
			)
			signed := w.signedWith(t, doc, "first", "", "")
			must(t, w.verify(t, signed).Err())
			expectHidden(t, w.verify(t, white.cosigned(t, w, signed)), tc.hides)
		})
	}
}

// TestHiddenTakesBoundedWork draws more than is looked at, and nests forms in a loop.
func TestHiddenTakesBoundedWork(t *testing.T) {
	w := newWorld(t)
	white := laterBox{look: "1 g 0 0 200 30 re f"}
	loop := fmt.Sprintf(
		"<< /Font << /F1 %d 0 R >> /XObject << /Im1 %d 0 R >> >>", pdftest.FontNum, hideImage,
	)
	for name, content := range map[string]string{
		"operators": string(bytes.Repeat([]byte("q Q "), maxPainted)),
		"areas":     string(bytes.Repeat([]byte("0 0 9 9 re f "), maxPainted/2)),
		"forms":     "/Im1 Do",
	} {
		t.Run(name, func(t *testing.T) {
			doc := hideDocument(
				pdftest.Object(pdftest.ContentNum(1), pdftest.Stream("", content)),
				pdftest.Object(hideImage, pdftest.Stream(
					"/Type /XObject /Subtype /Form /BBox [0 0 99 99] /Resources "+loop, "/Im1 Do /Im1 Do",
				)),
			)
			signed := w.signedWith(t, doc, "first", "", "")
			expectHidden(t, w.verify(t, white.cosigned(t, w, signed)), unknownText)
		})
	}
}

// FuzzPainted draws contents of a page and of a box over it. Nothing may panic, and the work is
// bounded.
func FuzzPainted(f *testing.F) {
	for _, b := range laterBoxes {
		f.Add([]byte(hideText), []byte(b.look))
	}
	f.Add([]byte("q 1e30 0 0 -1e30 0 0 cm BT /F1 1e9 Tf (a) Tj ET /Fm Do Q"), []byte("/Fm Do /Fm Do W n f*"))
	f.Fuzz(func(t *testing.T, content, look []byte) {
		form := func(data []byte) string {
			return pdftest.Stream(fmt.Sprintf("/Type /XObject /Subtype /Form /BBox [0 0 200 30] /Resources"+
				" << /Font << /F1 %d 0 R >> /XObject << /Im1 %d 0 R /Fm %d 0 R >> >>",
				pdftest.FontNum, hideImage, hideImage+1,
			), string(data))
		}
		doc := hideDocument(
			pdftest.Object(pdftest.ContentNum(1), pdftest.Stream("", string(content))),
			pdftest.Object(hideImage+1, form(look)),
		)
		d, err := pdf.Open(bytes.NewReader(doc), int64(len(doc)), pdf.Limits{})
		must(t, err)
		c := &differ{old: d, now: d, paintings: newPaintings(), laid: make(map[int][]*patch), marks: make(map[int]*canvas)}
		box, err := d.Load(pdf.Ref{Num: pdftest.CatalogNum})
		must(t, err)
		body, err := pdf.EditDict(
			box, pdf.Pair{Key: "Rect", Value: "[60 690 260 720]"},
			pdf.Pair{Key: "AP", Value: fmt.Sprintf("<< /N %d 0 R >>", hideImage+1)},
		)
		must(t, err)
		doc = pdftest.Update(doc, pdftest.Revision{Objects: map[int]string{pdftest.CatalogNum: body}})
		if c.now, err = pdf.Open(bytes.NewReader(doc), int64(len(doc)), pdf.Limits{}); err != nil {
			t.Fatal(err)
		}
		if box, err = c.now.Load(pdf.Ref{Num: pdftest.CatalogNum}); err != nil {
			t.Fatal(err)
		}
		if _, err = c.hides(1, pdf.Ref{}, box); err != nil {
			t.Fatal(err)
		}
		if left := c.paintings.left; left < 0 {
			t.Fatalf("%d more was drawn than is allowed", -left)
		}
	})
}

// TestHiddenCountsWork compares points with a path of many lines and with many clips. Each counts as
// much as it is long, and what is left of a verification that has done all its work is not told.
func TestHiddenCountsWork(t *testing.T) {
	const many = 1 << 14
	tests := maxTests
	c := &canvas{tests: &tests}
	square := corners(pdf.Rect{X2: 9, Y2: 9}, identity)
	long := slices.Repeat(square, many/len(square))
	c.lay(patch{path: [][]point{long}, bounds: boundsOf([][]point{long}, 0)})
	var inner *clip
	for range many {
		inner = clipTo([][]point{square}, false, inner)
	}
	c.lay(patch{path: [][]point{square}, bounds: inner.bounds, clip: inner})
	inside := point{4, 4}
	for i := range c.areas {
		before := tests
		if !c.areas[i].covers(inside, &tests) {
			t.Errorf("area %d is not at a point in it", i)
		}
		if done := before - tests; done < many/runLength {
			t.Errorf("area %d: a comparison with %d lines or clips counts as %d", i, many, done)
		}
	}
	tests = 1
	if c.areas[0].covers(inside, &tests); tests >= 0 {
		t.Errorf("%d comparisons are left", tests)
	}
	if c.areas[0].covers(inside, &tests) {
		t.Error("an area is compared after the last comparison")
	}
	d := &differ{paintings: newPaintings()}
	d.paintings.tests = -1
	hidden, err := d.hides(1, pdf.Ref{}, pdf.Object{})
	if must(t, err); hidden != unknownText {
		t.Errorf("after all comparisons: hides %q", hidden)
	}
}

// TestFarFromAPath compares points with a curve of many lines, most of which are far from each.
func TestFarFromAPath(t *testing.T) {
	var path []point
	for i := range 1000 {
		sin, cos := math.Sincos(float64(i) * 2 * math.Pi / 1000)
		path = append(path, point{100 * cos, 100 * sin})
	}
	closed := append(slices.Clone(path), path[0])
	tests := maxTests
	for _, tc := range []struct {
		width  float64
		path   []point
		covers func(distance float64) bool
	}{
		{0, path, func(d float64) bool { return d < 100 }},
		{10, closed, func(d float64) bool { return d > 95 && d < 105 }},
	} {
		c := &canvas{tests: &tests}
		c.lay(patch{
			path: [][]point{tc.path}, width: tc.width,
			bounds: boundsOf([][]point{tc.path}, tc.width/2),
		})
		for x := -119.0; x < 120; x += 7 {
			for y := -119.0; y < 120; y += 7 {
				d := math.Hypot(x, y)
				if math.Abs(d-100) < 0.1 || math.Abs(math.Abs(d-100)-5) < 0.1 {
					continue
				}
				got := c.areas[0].covers(point{x, y}, &tests)
				if got != tc.covers(d) {
					t.Errorf("width %g: %t at %g, %g", tc.width, got, x, y)
				}
			}
		}
	}
}
