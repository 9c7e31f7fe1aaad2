package pades

import (
	"cmp"
	"fmt"
	"strings"
	"testing"

	"github.com/signet-sign/signet/pades/pdf"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// TestFilledLooks fills in fields of a document that is certified for it, with appearances as
// programs write them, and with appearances that show something else than the value.
func TestFilledLooks(t *testing.T) {
	const (
		text = iota
		several
		secret
		comb
		formatted
		combo
		box
		redrawn
		white // on a dark page
		dark
		image // a field over a picture
		lucid // of white text on white paper
		kinds
	)
	field := func(kind int) int { return 710 + kind }
	entries := [kinds]string{
		text: "/FT /Tx", several: "/FT /Tx /Ff 4096", secret: "/FT /Tx /Ff 8192",
		comb:      "/FT /Tx /Ff 16777216 /MaxLen 8",
		formatted: "/FT /Tx /AA << /F << /S /JavaScript /JS (AFNumber_Format\\(2, 0, 0, 0, \"\", false\\)) >> >>",
		combo:     "/FT /Ch /Ff 131072 /Opt [[(a) (Apple)] [(b) (Banana)]]",
		box:       fmt.Sprintf("/FT /Btn /V /Off /AS /Off /AP << /N << /Yes %d 0 R /Off %d 0 R >> >>", agreeLook, agreeLook),
		redrawn:   "/FT /Tx /V (old)",
		white:     "/FT /Tx", dark: "/FT /Tx", image: "/FT /Tx", lucid: "/FT /Tx",
	}
	var refs []string
	doc := []pdftest.Option{
		pdftest.Object(agreeLook, pdftest.Stream("/Type /XObject /Subtype /Form /BBox [0 0 20 20]", "")),
	}
	colours := map[int]string{white: "1 g", image: "1 g", lucid: "1 g"}
	page := ""
	for _, kind := range []int{white, dark} {
		page += fmt.Sprintf("0.05 g 40 %d 300 22 re f ", 699-30*kind)
	}
	page += fmt.Sprintf("q 300 0 0 22 40 %d cm /I Do Q", 699-30*image)
	for kind, e := range entries {
		refs = append(refs, fmt.Sprintf("%d 0 R", field(kind)))
		doc = append(doc, pdftest.Object(field(kind), fmt.Sprintf(
			"<< /Type /Annot /Subtype /Widget /F 4 /P %d 0 R /T (f%d) /DA (/Helv 12 Tf %s) /Rect [50 %d 250 %d] %s >>",
			pdftest.PageNum(1), kind, cmp.Or(colours[kind], "0 g"), 700-30*kind, 720-30*kind, e,
		)))
	}
	list := strings.Join(refs, " ")
	doc = append(
		doc, shadowPage(
			fmt.Sprintf("/XObject << /I %d 0 R >>", agreeLook+1), contents+" /Annots ["+list+"]",
		),
		pdftest.Object(pdftest.ContentNum(1), pdftest.Stream("", page)),
		pdftest.Object(agreeLook+1, pdftest.Stream(plainImage, "\x00")),
		pdftest.Catalog(fmt.Sprintf(
			"/AcroForm << /Fields [%s] /DA (/Helv 0 Tf 0 g) /DR << /Font << /Helv %d 0 R >> >> >>",
			list, pdftest.FontNum,
		)),
	)
	w := newWorld(t)
	v := newVictim(t, w, w.signedWith(t, pdftest.New(doc...), "first", certify(2), ""))

	const (
		font   = 930
		cmap   = 931
		stream = 933
	)
	winAnsi := "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"
	type0 := fmt.Sprintf(
		"<< /Type /Font /Subtype /Type0 /BaseFont /X /Encoding /Identity-H /DescendantFonts [] /ToUnicode %d 0 R >>",
		cmap,
	)
	mincho := "<< /Type /Font /Subtype /Type0 /BaseFont /Mincho /Encoding /UniJIS-UTF16-H /DescendantFonts [] >>"
	differing := func(d string) string {
		return "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding << /Differences [" + d + "] >> >>"
	}
	tx := func(ops string) string { return "/Tx BMC q 1 1 198 18 re W n " + ops + " Q EMC" }
	shows := func(s string) string { return tx("BT /F 12 Tf 0 g 2 6.5 Td (" + s + ") Tj ET") }
	for name, tc := range map[string]struct {
		kind         int
		value, shown string
		font, cmap   string
		ok           bool
	}{
		// Programs' ways.
		"Acrobat": {text, "(250)", shows("250"), winAnsi, "", true},
		"MuPDF": {
			text, "(250)", "/Tx BMC q BT 0 g /F 12 Tf 1 0 0 1 2 4.6 Tm (250) Tj ET Q EMC", winAnsi,
			"", true,
		},
		"PDFBox": {
			text, "(250 dollars)",
			"/Tx BMC\nq\n1 1 198 18 re\nW\nn\nBT\n/F 12 Tf\n0 g\n2 5.8 Td\n(250 dollars) Tj\nET\nQ\nEMC\n",
			winAnsi, "", true,
		},
		"pdf-lib, hexadecimal": {
			text, "<FEFF0032>", tx("BT 0 0 0 rg /F 12 Tf 1 0 0 1 2 5 Tm <32> Tj ET"), winAnsi, "",
			true,
		},
		"iText, with kerning": {text, "(AVE)", tx("BT /F 12 Tf [(A) 80 (V) 80 (E)] TJ ET"), winAnsi, "", true},
		"background and border": {
			text, "(250)", "0.9 g 0 0 200 20 re f 1 w 0.5 0.5 199 19 re s " + shows("250"), winAnsi,
			"", true,
		},
		"one letter each": {
			comb, "(250)", tx("BT /F 12 Tf 2 5 Td (2) Tj 25 0 Td (5) Tj 25 0 Td (0) Tj ET"),
			winAnsi, "", true,
		},
		"lines": {
			several, "(one two\nthree)",
			tx("BT /F 12 Tf 2 20 Td (one two) Tj 0 -14 Td (three) Tj ET"), winAnsi, "", true,
		},
		"lines that fit": {
			several, "(one\ntwo\nthree)", tx("BT /F 12 Tf 2 20 Td (one) Tj 0 -14 Td (two) Tj ET"),
			winAnsi, "", true,
		},
		"accents":            {text, "<FEFF00E9007400E9>", shows("\\351t\\351"), winAnsi, "", true},
		"a font of the form": {text, "(250)", strings.Replace(shows("250"), "/F ", "/Helv ", 1), "", "", true},
		"differences": {
			text, "(250)", shows("250"), differing("39 /quotesingle 96 /grave 128 /bullet"), "",
			true,
		},
		"an embedded font": {
			text, "(250)", tx("BT /F 12 Tf <000500080003> Tj ET"), type0,
			"1 beginbfrange <0003> <0008> <0030> endbfrange 3 beginbfchar <0005> <0032> <0008> <0035> <0003> <0030> endbfchar",
			true,
		},
		"MuPDF, Chinese": {
			text, "<FEFF967300200054>", tx("BT /F 12 Tf <96730020> Tj /Helv 12 Tf (T) Tj ET"),
			mincho, "", true,
		},
		"a range with a list": {
			text, "(250)", tx("BT /F 12 Tf <000100020003> Tj ET"), type0,
			"1 beginbfrange <0001> <0003> [<0032> <0035> <0030>] endbfrange", true,
		},
		"a password":            {secret, "(abc)", shows("***"), winAnsi, "", true},
		"formatted by a script": {formatted, "(1234.5)", shows("1,234.50"), winAnsi, "", true},
		"a choice":              {combo, "(b)", shows("Banana"), winAnsi, "", true},
		"a choice's own value":  {combo, "(other)", shows("other"), winAnsi, "", true},
		"from right to left": {
			text, "<FEFF05D005D1>", tx("BT /F 12 Tf <00020001> Tj ET"), type0,
			"2 beginbfchar <0001> <05D0> <0002> <05D1> endbfchar", true,
		},
		"emptied": {redrawn, "()", tx(""), winAnsi, "", true},
		"white on black": {
			text, "(250)", "0 g 0 0 200 20 re f " + tx("BT /F 12 Tf 1 g 2 6 Td (250) Tj ET"),
			winAnsi, "", true,
		},
		"white on a black box of its size": {
			text, "(250)", "0 g 0 2 40 16 re f " + tx("BT /F 12 Tf 1 g 2 6 Td (250) Tj ET"), winAnsi,
			"", true,
		},
		"blue":                 {text, "(250)", tx("BT /F 12 Tf 0 0 1 rg 2 6 Td (250) Tj ET"), winAnsi, "", true},
		"white as signed":      {white, "(250)", tx("BT /F 12 Tf 1 g 2 6 Td (250) Tj ET"), winAnsi, "", true},
		"white on a dark page": {dark, "(250)", tx("BT /F 12 Tf 1 g 2 6 Td (250) Tj ET"), winAnsi, "", true},
		"black on a dark page": {dark, "(250)", shows("250"), winAnsi, "", false},
		"black on a dark page, over white": {
			dark, "(250)", "1 g 0 0 200 20 re f " + shows("250"), winAnsi, "", true,
		},
		"white on a picture, as signed": {
			image, "(250)", tx("BT /F 12 Tf 1 g 2 6 Td (250) Tj ET"), winAnsi, "", true,
		},
		"white on white, as signed": {
			lucid, "(250)", tx("BT /F 12 Tf 1 g 2 6 Td (250) Tj ET"), winAnsi, "", false,
		},
		"lines below the box": {
			several, "(one\ntwo)", tx("BT /F 12 Tf 14 TL 2 6 Td (one) Tj (two) ' ET"), winAnsi, "",
			true,
		},
		"a long line, centred": {
			text, "(0123456789012345)", tx("BT /F 18 Tf -20 6 Td (0123456789012345) Tj ET"),
			winAnsi, "", true,
		},
		"a map that agrees": {
			text, "(250)", shows("250"),
			strings.Replace(winAnsi, ">>", fmt.Sprintf("/ToUnicode %d 0 R >>", cmap), 1),
			"1 beginbfchar <32> <0032> endbfchar", true,
		},
		"gray":   {text, "(250)", tx("BT /F 12 Tf 0.75 g 2 6 Td (250) Tj ET"), winAnsi, "", true},
		"yellow": {text, "(250)", tx("BT /F 12 Tf 1 1 0 rg 2 6 Td (250) Tj ET"), winAnsi, "", true},
		"black on dark gray": {
			text, "(250)", "0.2 g 0 0 200 20 re f " + shows("250"), winAnsi, "", true,
		},
		"white on gray": {
			text, "(250)", "0.75 g 0 0 200 20 re f " + tx("BT /F 12 Tf 1 g 2 6 Td (250) Tj ET"),
			winAnsi, "", true,
		},
		"light gray": {text, "(250)", tx("BT /F 12 Tf 0.85 g 2 6 Td (250) Tj ET"), winAnsi, "", false},
		"cream":      {text, "(250)", tx("BT /F 12 Tf 1 1 0.7 rg 2 6 Td (250) Tj ET"), winAnsi, "", false},
		"black on nearly black": {
			text, "(250)", "0.1 g 0 0 200 20 re f " + shows("250"), winAnsi, "", false,
		},
		"white on light gray": {
			text, "(250)", "0.9 g 0 0 200 20 re f " + tx("BT /F 12 Tf 1 g 2 6 Td (250) Tj ET"),
			winAnsi, "", false,
		},
		"opaque": {text, "(250)", "/H gs " + shows("250"), winAnsi, "", true},

		// What shows something else.
		"another number":        {text, "(250)", shows("950"), winAnsi, "", false},
		"a longer number":       {text, "(250)", shows("2500"), winAnsi, "", false},
		"a part":                {text, "(250)", shows("25"), winAnsi, "", false},
		"nothing":               {text, "(250)", tx(""), winAnsi, "", false},
		"something for nothing": {redrawn, "()", shows("250"), winAnsi, "", false},
		"the old value":         {redrawn, "(new)", shows("old"), winAnsi, "", false},
		"other lines": {
			several, "(one\ntwo)", tx("BT /F 12 Tf 2 20 Td (two) Tj 0 -14 Td (one) Tj ET"), winAnsi,
			"", false,
		},
		"another choice": {combo, "(b)", shows("Apple"), winAnsi, "", false},
		"an image":       {text, "(250)", shows("250") + " /F Do", winAnsi, "", false},
		"an inline image": {
			text, "(250)", shows("250") + " BI /W 1 /H 1 /BPC 8 /CS /G ID x EI", winAnsi, "", false,
		},
		"a shading":                {text, "(250)", shows("250") + " /F sh", winAnsi, "", false},
		"a text that is covered":   {text, "(250)", shows("250") + " 1 g 0 0 200 20 re f", winAnsi, "", false},
		"a text that is invisible": {text, "(250)", tx("BT /F 12 Tf 3 Tr (250) Tj ET"), winAnsi, "", false},
		"by differences":           {text, "(250)", shows("250"), differing("50 /nine"), "", false},
		"by a character map": {
			text, "(250)", tx("BT /F 12 Tf <000100020003> Tj ET"), type0,
			"1 beginbfrange <0001> <0003> [<0039> <0035> <0030>] endbfrange", false,
		},
		"MuPDF, other Chinese":   {text, "<FEFF96730020>", tx("BT /F 12 Tf <59270020> Tj ET"), mincho, "", false},
		"in an unknown encoding": {text, "(250)", tx("BT /F 12 Tf <000100020003> Tj ET"), type0, "", false},
		"white":                  {text, "(250)", tx("BT /F 12 Tf 1 g 2 6 Td (250) Tj ET"), winAnsi, "", false},
		"nearly white": {
			text, "(250)", tx("BT /F 12 Tf 0 0 0.05 0 k 2 6 Td (250) Tj ET"), winAnsi, "", false,
		},
		"white beside a large black box": {
			text, "(250)", "0 g 60 0 140 20 re f " + tx("BT /F 12 Tf 1 g 2 6 Td (250) Tj ET"), winAnsi,
			"", false,
		},
		"white with a black spot": {
			text, "(250)", "0 g 190 0 9 9 re f " + tx("BT /F 12 Tf 1 g 2 6 Td (250) Tj ET"),
			winAnsi, "", false,
		},
		"black on black": {
			text, "(250)", "0 g 0 0 200 20 re f " + tx("BT /F 12 Tf 2 6 Td (250) Tj ET"), winAnsi,
			"", false,
		},
		"in a pattern": {
			text, "(250)", tx("BT /F 12 Tf /Pattern cs /P scn 2 6 Td (250) Tj ET"), winAnsi, "",
			false,
		},
		"stroked in white": {text, "(250)", tx("BT /F 12 Tf 1 Tr 1 G 2 6 Td (250) Tj ET"), winAnsi, "", false},
		"tiny":             {text, "(250)", tx("BT /F 0.5 Tf 2 6 Td (250) Tj ET"), winAnsi, "", false},
		"tiny by its matrix": {
			text, "(250)", tx("BT /F 12 Tf .01 0 0 .01 2 6 Tm (250) Tj ET"), winAnsi, "", false,
		},
		"tiny by the page's": {
			text, "(250)", "q .01 0 0 .01 2 6 cm BT /F 12 Tf (250) Tj ET Q", winAnsi, "", false,
		},
		"narrow":         {text, "(250)", tx("BT /F 12 Tf 1 Tz 2 6 Td (250) Tj ET"), winAnsi, "", false},
		"beside the box": {text, "(250)", tx("BT /F 12 Tf 300 6 Td (250) Tj ET"), winAnsi, "", false},
		"below the box":  {text, "(250)", tx("BT /F 12 Tf 2 -90 Td (250) Tj ET"), winAnsi, "", false},
		"lines above the box": {
			several, "(one\ntwo)", tx("BT /F 12 Tf 14 TL 2 99 Td (one) Tj (two) ' ET"), winAnsi, "",
			false,
		},
		"too many states": {text, "(250)", strings.Repeat("q ", 100_000) + shows("250"), winAnsi, "", false},
		"operands are missing": {
			text, "(250)", "cm re 1 Tm Td q Q Q " + tx("BT /F Tf (250) Tj ET"), winAnsi, "", false,
		},
		"transparent": {text, "(250)", "/G gs " + shows("250"), winAnsi, "", false},
		"a Type 3 font": {
			text, "(250)", shows("250"),
			"<< /Type /Font /Subtype /Type3 /Encoding /WinAnsiEncoding >>", "", false,
		},
		"a map of a standard font": {
			text, "(250)", shows("950"),
			strings.Replace(winAnsi, ">>", fmt.Sprintf("/ToUnicode %d 0 R >>", cmap), 1),
			"1 beginbfchar <39> <0032> endbfchar", false,
		},
		"in no syntax": {text, "(250)", shows("250") + " ) <", winAnsi, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			objects := map[int]string{
				field(tc.kind): v.set(
					field(tc.kind), pdf.Pair{Key: "V", Value: tc.value},
					pdf.Pair{Key: "AP", Value: fmt.Sprintf("<< /N %d 0 R >>", stream)},
				),
				stream: pdftest.Stream(fmt.Sprintf(
					"/Type /XObject /Subtype /Form /BBox [0 0 200 20] /Resources << /Font << /F %d 0 R >>"+
						" /ExtGState << /G << /ca 0 >> /H << /ca 1 /CA 1 /SMask /None >> >> >>",
					font,
				), tc.shown),
			}
			if tc.font != "" {
				objects[font] = tc.font
			}
			if tc.cmap != "" {
				objects[cmap] = pdftest.Stream("", "/CIDInit /ProcSet findresource begin 12 dict begin begincmap "+tc.cmap+" endcmap end end")
			}
			s := w.verify(t, v.update(objects)).Signatures[0]
			want := ChangeFormFilling
			if !tc.ok {
				want = ChangeOther
			}
			if got := s.Later(); got != want || (s.Err() == nil) != tc.ok {
				t.Errorf("%q instead of %q: %v", got, want, s.Changes)
			}
		})
	}

	yes := pdf.Pair{Key: "V", Value: "/Yes"}
	on := pdf.Pair{Key: "AS", Value: "/Yes"}
	look := pdf.Pair{Key: "AP", Value: fmt.Sprintf(
		"<< /N << /Yes %d 0 R /Off %d 0 R >> >>", stream, agreeLook,
	)}
	drawn := pdftest.Stream("/Type /XObject /Subtype /Form /BBox [0 0 20 20]", cover)
	for name, tc := range map[string]struct {
		objects map[int]string
		ok      bool
	}{
		"a box is checked": {map[int]string{field(box): v.set(field(box), yes, on)}, true},
		"a box gets another look": {
			map[int]string{field(box): v.set(field(box), yes, on, look), stream: drawn}, false,
		},
		"a box gets another look in place": {
			map[int]string{field(box): v.set(field(box), yes, on), agreeLook: drawn}, false,
		},
		"a value without its look": {
			map[int]string{field(redrawn): v.set(field(redrawn), pdf.Pair{Key: "V", Value: "(new)"})},
			true, // which viewers draw
		},
	} {
		t.Run(name, func(t *testing.T) {
			if s := w.verify(t, v.update(tc.objects)).Signatures[0]; (s.Err() == nil) != tc.ok {
				t.Errorf("%v", s.Changes)
			}
		})
	}
}
