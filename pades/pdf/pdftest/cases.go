package pdftest

import (
	"bytes"
	"compress/zlib"
	"fmt"
	"strings"
)

// Case is a file and what package pdf makes of it.
type Case struct {
	Name    string
	PDF     []byte
	Refused string // the reason; empty for a file that can be signed
	Signing bool   // the file opens, and is refused when it is to be signed on page 1
}

// Cases returns one file for every hard case of signing and for every reason
// to refuse. Limits are met by the generator's own options instead, such as
// Pages, except where a small file can exceed them.
func Cases() []Case { return append(goodCases(), refusedCases()...) }

func goodCases() []Case {
	text := Field{Name: "name", Page: 1, Rect: "[72 600 272 620]", Type: "Tx"}
	signed := Field{Name: "sig", Page: 1, Rect: "[72 100 272 160]", Value: Signature("")}
	form := FormEntries("/DR << /Font << /Helv 3 0 R >> >> /NeedAppearances true /SigFlags 1")
	old := New(XrefStream())
	return []Case{
		{Name: "minimal", PDF: Minimal()},
		{Name: "version-1.4", PDF: New(Version("1.4"))},
		{Name: "version-2.0", PDF: New(Version("2.0"))},
		{Name: "three-pages", PDF: New(Pages(3))},
		{Name: "page-tree", PDF: New(Pages(30), Tree(3))},
		{Name: "rotate-90", PDF: New(Rotate(90))},
		{Name: "rotate-180", PDF: New(Rotate(180))},
		{Name: "rotate-minus-90", PDF: New(Rotate(-90))},
		{Name: "rotate-450", PDF: New(Rotate(450))},
		{Name: "crop", PDF: New(CropBox(50, 60, 500, 700))},
		{Name: "crop-larger", PDF: New(CropBox(-100, -100, 2000, 2000))},
		{Name: "crop-outside", PDF: New(CropBox(2000, 2000, 3000, 3000))},
		{Name: "crop-rotated", PDF: New(CropBox(50, 60, 500, 700), Rotate(270))},
		{Name: "off-origin", PDF: New(MediaBox(-200, 300, 395, 1142))},
		{Name: "box-corners-swapped", PDF: New(MediaBox(595, 842, 0, 0))},
		{Name: "user-unit", PDF: New(UserUnit(2.5))},
		{
			Name: "inherited",
			PDF:  New(Pages(4), Tree(2), Inherited(), CropBox(10, 10, 585, 832), Rotate(90)),
		},
		{
			Name: "indirect-box",
			PDF: New(
				MediaBox(0, 0, 0, 0), PageAttribute("MediaBox", "5000 0 R"),
				Object(5000, "[0 0 5001 0 R 842]"), Object(5001, "595"),
			),
		},
		{Name: "xref-stream", PDF: New(XrefStream())},
		{Name: "object-streams", PDF: New(ObjectStreams(), IndirectForm(text))},
		{Name: "linearized", PDF: New(Linearized(), Pages(2))},
		{Name: "xref-stream-flate", PDF: New(ObjectStreams(), Predictor(1))},
		{Name: "xref-stream-png", PDF: New(ObjectStreams(), Predictor(12))},
		{Name: "xref-stream-tiff", PDF: New(XrefStream(), Predictor(2))},
		{Name: "xref-stream-flushed", PDF: New(ObjectStreams(), Predictor(1), Flushed())},
		{Name: "xref-stream-nowhere", PDF: New(XrefStream(), SelfNowhere())},
		{Name: "xref-stream-unlisted", PDF: New(XrefStream(), SelfUnlisted())},
		{Name: "prev-0", PDF: New(Trailer("/Prev 0"))},
		{Name: "annots-shared", PDF: New(Pages(2), SharedAnnots())},
		{Name: "annots-inline", PDF: New(InlineAnnots())},
		{Name: "annots-inline-in-object-stream", PDF: New(InlineAnnots(), ObjectStreams())},
		{Name: "form-direct", PDF: New(DirectForm(text), form)},
		{Name: "form-indirect", PDF: New(IndirectForm(text), form)},
		{Name: "form-fields-indirect", PDF: New(IndirectFields(text), form)},
		{Name: "form-empty", PDF: New(DirectForm())},
		{Name: "form-null", PDF: New(Catalog("/AcroForm 5000 0 R"), Object(5001, "null"))},
		{
			Name: "form-static-xfa",
			PDF: New(
				IndirectForm(text), FormEntries("/XFA 5000 0 R"),
				Object(5000, Stream("", "<xdp/>")),
			),
		},
		{Name: "signed", PDF: New(IndirectForm(signed))},
		{
			Name: "signed-invisible",
			PDF: New(
				IndirectForm(Field{Name: "sig", Page: 1, Rect: "[0 0 0 0]", Value: Signature("")}),
			),
		},
		{
			Name: "certified-p2",
			PDF: New(
				IndirectForm(Field{Name: "sig", Value: Signature(DocMDP(2))}),
				Catalog("/Perms << /DocMDP 3001 0 R >>"),
			),
		},
		{
			Name: "certified-p3",
			PDF: New(
				IndirectForm(Field{Name: "sig", Value: Signature(DocMDP(3))}),
				Catalog("/Perms << /DocMDP 3001 0 R >>"),
			),
		},
		{
			Name: "lock-of-other-fields",
			PDF: New(
				IndirectForm(Field{Name: "sig", Value: Signature(FieldMDP("Include", "name"))}),
			),
		},
		{
			Name: "lock-of-unsigned-field",
			PDF:  New(IndirectForm(Field{Name: "sig", Entries: "/Lock " + Lock("All")})),
		},
		{
			Name: "usage-rights",
			PDF:  New(Catalog("/Perms << /UR3 5000 0 R >>"), Object(5000, Signature(""))),
		},
		{Name: "no-final-eol", PDF: New(NoFinalEOL())},
		{Name: "space-after-eof", PDF: New(Suffix("\r\n \x00\n"))},
		{Name: "comment-after-startxref", PDF: New(EndComment(3000))},
		{Name: "entries-crlf", PDF: New(EntryEnd("\r\n"))},
		{Name: "entries-19-bytes", PDF: New(EntryEnd("\n"))},
		{Name: "generations", PDF: New(Generation(CatalogNum, 2), Generation(PageNum(1), 7))},
		{
			Name: "two-revisions",
			PDF: Update(
				Minimal(), Revision{Objects: map[int]string{InfoNum: "<< /Producer (second) >>"}},
			),
		},
		{
			Name: "table-after-stream",
			PDF: Update(
				old, Revision{Objects: map[int]string{InfoNum: "<< /Producer (second) >>"}},
			),
		},
		{
			Name: "freed-object",
			PDF:  Update(New(IndirectForm(text)), Revision{Freed: []int{FieldNum(0)}}),
		},
		{
			Name: "free-generation-65536",
			PDF:  bytes.Replace(Minimal(), []byte("65535 f"), []byte("65536 f"), 1),
		},
		{Name: "unused-object-nowhere", PDF: Update(Minimal(), Revision{Nowhere: []int{6000}})},
		{Name: "names-escaped", PDF: New(Catalog("/Lang#20X (a) /Version /1#2e7"))},
		{Name: "comments", PDF: New(Catalog("% a comment >> endobj\n/A [ 1 % two\r 2 (%) ]"))},
		{
			Name: "strings",
			PDF: New(
				Catalog(`/A (a \( b \) (c) \\ \101\60\r` + "\\\r\n" + `) /B <48 65 6> /C ()`),
			),
		},
		{
			Name: "numbers",
			PDF:  New(Catalog("/A [ +1 -2 .5 -.5 4. 0.25 99999999999999999999 0 0 1 0 R 2 ]")),
		},
		{
			Name: "tagged",
			PDF: New(
				Catalog("/MarkInfo << /Marked true >> /StructTreeRoot 5000 0 R /Lang (en)"),
				Object(5000, "<< /Type /StructTreeRoot /ParentTree << /Nums [] >> >>"),
			),
		},
		{
			Name: "length-indirect",
			PDF: New(
				Object(5000, "<< /Length 5001 0 R >>\nstream\nabc\nendstream"), Object(5001, "3"),
			),
		},
		{Name: "trailer-entries", PDF: New(Trailer("/Extra [ 1 2 ]"))},
		{Name: "trailing-comment", PDF: New(Suffix("<!-- served in 12 ms -->"))},
		{Name: "same-key", PDF: New(Catalog("/PageMode /UseNone /PageMode /UseNone"))},
		{
			Name: "page-twice",
			PDF: New(
				Pages(2),
				Object(PagesNum, "<< /Type /Pages /Count 3 /Kids [ 12 0 R 14 0 R 14 0 R ] >>"),
			),
		},
		{Name: "no-id", PDF: bytes.Replace(Minimal(), []byte(id), nil, 1)},
	}
}

func refusedCases() []Case {
	loop := New(Object(PagesNum, "<< /Type /Pages /Count 1 /Kids [ 5000 0 R ] >>"),
		Object(5000, "<< /Type /Pages /Parent 2 0 R /Count 1 /Kids [ 2 0 R ] >>"))
	twice := New(Object(PagesNum, "<< /Type /Pages /Count 2 /Kids [ 5000 0 R 5000 0 R ] >>"),
		Object(5000, "<< /Type /Pages /Parent 2 0 R /Count 1 /Kids [ 5001 0 R ] >>"),
		Object(5001, "<< /Type /Page /Parent 5000 0 R /MediaBox [ 0 0 595 842 ] >>"))
	locked := func(entries string) []byte {
		return New(
			IndirectForm(Field{Name: "sig", Page: 1, Rect: "[0 0 0 0]", Value: Signature(entries)}),
		)
	}
	cut := Minimal()
	return []Case{
		{Name: "empty", Refused: "not-a-pdf"},
		{
			Name:    "html",
			PDF:     []byte("<!DOCTYPE html><html><body>Not found</body></html>"),
			Refused: "not-a-pdf",
		},
		{Name: "leading-bytes", PDF: New(Prefix("\n")), Refused: "leading-bytes"},
		{Name: "cut-off", PDF: cut[:len(cut)-20], Refused: "no-end-marker"},
		{
			Name:    "trailing-data",
			PDF:     New(Suffix(strings.Repeat("<!-- served in 12 ms -->", 50))),
			Refused: "trailing-data",
		},
		{
			Name:    "trailing-object",
			PDF:     New(Suffix("3 0 obj")),
			Refused: "trailing-data",
		},
		{
			Name:    "trailing-zeros",
			PDF:     New(Suffix(strings.Repeat("\x00", 5000))),
			Refused: "trailing-data",
		},
		{
			Name:    "startxref-missing",
			PDF:     bytes.Replace(Minimal(), []byte("startxref"), []byte("startyref"), 1),
			Refused: "bad-startxref",
		},
		{
			Name:    "startxref-wrong",
			PDF:     bytes.Replace(Minimal(), []byte("startxref\n"), []byte("startxref\n1"), 1),
			Refused: "bad-startxref",
		},
		{
			Name:    "xref-damaged",
			PDF:     bytes.Replace(Minimal(), []byte("65535 f"), []byte("65535 x"), 1),
			Refused: "bad-xref",
		},
		{
			Name: "xref-two-entries",
			PDF: bytes.Replace(
				Minimal(), []byte("xref\n0 1\n"), []byte("xref\n12 1\n0000000015 00000 n \n0 1\n"),
				1,
			),
			Refused: "bad-xref",
		},
		{Name: "xref-loop", PDF: New(XrefLoop()), Refused: "xref-loop"},
		{Name: "xref-stream-loop", PDF: New(XrefLoop(), XrefStream()), Refused: "xref-loop"},
		{Name: "prev-wrong", PDF: New(Trailer("/Prev 20")), Refused: "bad-xref"},
		{Name: "hybrid", PDF: New(Trailer("/XRefStm 100")), Refused: "hybrid-reference"},
		{
			Name:    "hybrid-older-revision",
			PDF:     Update(New(Trailer("/XRefStm 100")), Revision{}),
			Refused: "hybrid-reference",
		},
		{
			Name:    "encrypted",
			PDF:     New(Trailer("/Encrypt << /Filter /Standard /V 1 /R 2 >>")),
			Refused: "encrypted",
		},
		{
			Name: "encrypted-xref-stream",
			PDF: New(
				XrefStream(), Trailer("/Encrypt 5000 0 R"), Object(5000, "<< /Filter /Standard >>"),
			),
			Refused: "encrypted",
		},
		{
			Name: "encrypted-older-revision",
			PDF: Update(
				New(Trailer("/Encrypt 5000 0 R"), Object(5000, "<< /Filter /Standard >>")),
				Revision{},
			),
			Refused: "encrypted",
		},
		{Name: "wrong-offset", PDF: New(WrongOffset(FontNum)), Refused: "wrong-offset"},
		{
			Name:    "wrong-offset-stream",
			PDF:     New(WrongOffset(FontNum), XrefStream()),
			Refused: "wrong-offset",
		},
		{
			Name:    "object-nowhere-and-elsewhere",
			PDF:     Update(Minimal(), Revision{Nowhere: []int{FontNum}}),
			Refused: "wrong-offset",
		},
		{Name: "wrong-generation", PDF: New(WrongGeneration(FontNum)), Refused: "wrong-generation"},
		{
			Name:    "reference-generation",
			PDF:     New(Object(CatalogNum, "<< /Type /Catalog /Pages 2 1 R >>")),
			Refused: "wrong-generation",
		},
		{
			Name:    "no-root",
			PDF:     bytes.Replace(Minimal(), []byte("/Root"), []byte("/Boot"), 1),
			Refused: "no-catalog",
		},
		{
			Name:    "catalog-not-a-dictionary",
			PDF:     New(Object(CatalogNum, "[ 1 ]")),
			Refused: "no-catalog",
		},
		{
			Name:    "catalog-free",
			PDF:     Update(Minimal(), Revision{Freed: []int{CatalogNum}}),
			Refused: "no-catalog",
		},
		{
			Name:    "catalog-damaged",
			PDF:     New(Object(CatalogNum, "<< /Type /Catalog /Pages >>")),
			Refused: "bad-object",
		},
		{
			Name:    "object-unclosed",
			PDF:     New(Object(CatalogNum, "<< /Type /Catalog /A (never closed >>")),
			Refused: "bad-object",
		},
		{
			Name:    "endobj-missing",
			PDF:     bytes.Replace(Minimal(), []byte("endobj"), []byte("endobi"), 1),
			Refused: "bad-object",
		},
		{
			Name:    "nesting",
			PDF:     New(Catalog("/A " + strings.Repeat("[", 500) + strings.Repeat("]", 500))),
			Refused: "too-deep",
		},
		{
			Name:    "duplicate-key-catalog",
			PDF:     New(Catalog("/PageMode /UseNone /PageMode /UseOutlines")),
			Refused: "duplicate-key",
			Signing: true,
		},
		{
			Name:    "duplicate-key-escaped",
			PDF:     New(Catalog("/P#61ges 3 0 R")), // the last one counts, a font
			Refused: "bad-page-tree",
		},
		{
			Name:    "duplicate-key-trailer",
			PDF:     New(Trailer("/Root 5000 0 R")),
			Refused: "duplicate-key",
		},
		{
			Name:    "duplicate-key-page",
			PDF:     New(PageEntries(1, "/Rotate 0 /Rotate 90")),
			Refused: "duplicate-key",
			Signing: true,
		},
		{
			Name:    "duplicate-key-form",
			PDF:     New(DirectForm(), FormEntries("/Fields []")),
			Refused: "duplicate-key",
			Signing: true,
		},
		{Name: "dangling-contents", PDF: New(PageEntries(1, "/X [ 9999 0 R ]"))},
		{
			Name: "dangling-annotation",
			PDF:  New(PageEntries(1, "/Annots 5000 0 R"), Object(5000, "[ 9999 0 R ]")),
		},
		{
			Name: "dangling-field",
			PDF:  New(Catalog("/AcroForm 5000 0 R"), Object(5000, "<< /Fields [ 9999 0 R ] >>")),
		},
		{
			Name: "reference-loop",
			PDF: New(
				MediaBox(0, 0, 0, 0), PageAttribute("MediaBox", "5000 0 R"),
				Object(5000, "5000 0 R"),
			),
			Refused: "reference-loop",
		},
		{Name: "length-loop", PDF: lengthLoop(), Refused: "reference-loop"},
		{Name: "page-tree-loop", PDF: loop, Refused: "page-tree-loop"},
		{Name: "pages-twice", PDF: twice, Refused: "page-tree-loop"},
		{
			Name:    "page-count",
			PDF:     New(Object(PagesNum, "<< /Type /Pages /Count 2 /Kids [ 12 0 R ] >>")),
			Refused: "bad-page-tree",
		},
		{
			Name:    "page-parent",
			PDF:     New(Object(PageNum(1), "<< /Type /Page /Parent 1 0 R /MediaBox [0 0 9 9] >>")),
			Refused: "bad-page-tree",
		},
		{
			Name:    "page-missing",
			PDF:     Update(Minimal(), Revision{Freed: []int{PageNum(1)}}),
			Refused: "bad-page-tree",
		},
		{
			Name:    "page-type",
			PDF:     New(Object(PageNum(1), "<< /Type /Font /Parent 2 0 R >>")),
			Refused: "bad-page-tree",
		},
		{
			Name: "page-direct",
			PDF: New(
				Object(PagesNum, "<< /Type /Pages /Count 1 /Kids [ << /Type /Page >> ] >>"),
			),
			Refused: "bad-page-tree",
		},
		{Name: "no-pages", PDF: New(Pages(0)), Refused: "no-pages"},
		{Name: "no-media-box", PDF: New(MediaBox(0, 0, 0, 0)), Refused: "no-media-box"},
		{Name: "empty-media-box", PDF: New(MediaBox(0, 0, 0, 842)), Refused: "no-media-box"},
		{Name: "rotate-45", PDF: New(Rotate(45)), Refused: "bad-rotation"},
		{
			Name:    "form-not-a-dictionary",
			PDF:     New(Catalog("/AcroForm [ ]")),
			Refused: "bad-form",
			Signing: true,
		},
		{
			Name:    "form-field-loop",
			PDF:     New(IndirectForm(Field{Name: "a", Entries: "/Kids [ 3000 0 R ]"})),
			Refused: "bad-form",
			Signing: true,
		},
		{
			Name:    "annots-not-an-array",
			PDF:     New(PageEntries(1, "/Annots << >>")),
			Refused: "bad-annotations",
			Signing: true,
		},
		{
			Name:    "dynamic-xfa",
			PDF:     New(Catalog("/NeedsRendering true")),
			Refused: "dynamic-xfa",
			Signing: true,
		},
		{
			Name:    "certified-p1",
			PDF:     locked(DocMDP(1)),
			Refused: "certified-no-changes",
			Signing: true,
		},
		{
			Name: "certified-p1-perms",
			PDF: New(
				Catalog("/Perms << /DocMDP 5000 0 R >>"),
				Object(5000, Signature(DocMDP(1))),
			),
			Refused: "certified-no-changes",
			Signing: true,
		},
		{
			Name: "lock-p1",
			PDF: New(
				IndirectForm(
					Field{
						Name: "sig", Value: Signature(""),
						Entries: "/Lock << /Action /Include /Fields [] /P 1 >>",
					},
				),
			),
			Refused: "certified-no-changes",
			Signing: true,
		},
		{Name: "lock-all", PDF: locked(FieldMDP("All")), Refused: "fields-locked", Signing: true},
		{
			Name:    "lock-exclude",
			PDF:     locked(FieldMDP("Exclude", "name")),
			Refused: "fields-locked",
			Signing: true,
		},
		{
			Name: "lock-of-field",
			PDF: New(
				IndirectForm(
					Field{Name: "sig", Value: Signature(""), Entries: "/Lock " + Lock("All")},
				),
			),
			Refused: "fields-locked",
			Signing: true,
		},
		{
			Name:    "size-huge",
			PDF:     New(Trailer("/Prev 20 /Other 1"), Object(9_000_000, "null")),
			Refused: "too-many-objects",
		},
		{Name: "pages-many", PDF: New(Pages(2001), Tree(50)), Refused: "too-many-pages"},
		{
			Name:    "object-stream-filter",
			PDF:     brokenObjectStream("/Filter /LZWDecode", "x"),
			Refused: "unsupported-filter",
		},
		{
			Name:    "object-stream-data",
			PDF:     brokenObjectStream("/Filter /FlateDecode", "not zlib data"),
			Refused: "bad-stream",
		},
		{
			Name: "object-stream-cut",
			PDF: brokenObjectStream(
				"/Filter /FlateDecode",
				strings.TrimSuffix(
					flush("1 0 xxxx<< /Type /Catalog /Pages 2 0 R >>"), "\x00\x00\xff\xff",
				),
			),
			Refused: "bad-stream",
		},
		{
			Name:    "object-stream-header",
			PDF:     brokenObjectStream("", "not a header"),
			Refused: "bad-object-stream",
		},
		{
			Name: "object-stream-length",
			PDF: bytes.Replace(
				New(ObjectStreams()), []byte("\nendstream\nendobj\n"),
				[]byte("\nendstraem\nendobj\n"), 2,
			),
			Refused: "bad-stream",
		},
		{
			Name:    "inflate-bomb",
			PDF:     brokenObjectStream("/Filter /FlateDecode", bomb(101<<20)),
			Refused: "inflates-too-large",
		},
	}
}

// brokenObjectStream returns a file whose catalog is in an object stream with
// the given data.
func brokenObjectStream(entries, data string) []byte {
	stream := Stream("/Type /ObjStm /N 1 /First 8 "+entries, data)
	return compressedCatalog(map[int]string{5000: stream})
}

// lengthLoop returns a file with an object stream whose /Length is in itself.
func lengthLoop() []byte {
	return compressedCatalog(
		map[int]string{
			5000: "<< /Type /ObjStm /N 1 /First 8 /Length 1 0 R >>\nstream\n1 0 abcd\nendstream",
		},
	)
}

// compressedCatalog returns a file in which object 1, the catalog, is object 0
// of object stream 5000.
func compressedCatalog(objects map[int]string) []byte {
	c := config{version: "1.7"}
	w := &writer{c: &c, bodies: objects, off: make(map[int]int)}
	fmt.Fprintf(&w.buf, header, c.version)
	w.putAll(w.numbers())
	w.bodies[CatalogNum] = ""
	w.stream([]int{CatalogNum}, 5000)
	return w.buf.Bytes()
}

// bomb returns a small zlib stream that inflates to n zero bytes.
func bomb(n int) string {
	var b bytes.Buffer
	z, err := zlib.NewWriterLevel(&b, zlib.BestCompression)
	if err != nil {
		panic(err)
	}
	zeros := make([]byte, 1<<16)
	for ; n > 0; n -= len(zeros) {
		z.Write(zeros)
	}
	z.Close()
	return b.String()
}
