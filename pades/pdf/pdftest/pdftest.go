// Package pdftest makes PDFs for tests: plain ones, one for every hard case of
// signing, and one for every reason to refuse.
//
// Start with Minimal, or New with options; Cases lists named files with the
// reason for which package pdf refuses them. Update appends a revision by hand,
// for tests that play an attacker. The package depends on nothing of the
// project, so that every package's tests can use it, and it does not check what
// it is told to write.
package pdftest

import (
	"fmt"
	"strings"
)

// Minimal returns a PDF 1.7 with one A4 page and some visible text.
func Minimal() []byte { return New() }

// New returns a PDF with one A4 page and some text, as changed by the options.
func New(opts ...Option) []byte {
	c := config{
		version:  "1.7",
		pages:    1,
		mediaBox: "[0 0 595.28 841.89]",
		objects:  make(map[int]string),
		pageKeys: make(map[int]string),
	}
	for _, o := range opts {
		o(&c)
	}
	return c.file()
}

// Option changes what New makes.
type Option func(*config)

type config struct {
	version      string
	pages        int
	fanout       int // of the page tree; 0: all pages are kids of the root
	mediaBox     string
	pageAttrs    string         // on every page, or on the root of the tree if inherit
	inherit      bool           // attributes are on the root of the page tree
	pageKeys     map[int]string // further entries by page number
	catalog      string
	trailer      string
	objects      map[int]string
	annots       annotsForm
	form         formForm
	formKeys     string
	fields       []Field
	layout       layout
	predictor    int    // of the cross-reference stream; 0: not compressed
	flushed      bool   // the compressed data ends with a flush
	selfNowhere  bool   // the cross-reference stream says that it is at 0 itself
	selfUnlisted bool   // the cross-reference stream is beyond its own /Size
	entryEnd     string // end of a table's entry, default " \n"
	noFinalEOL   bool
	prefix       string
	suffix       string
	endComment   int // bytes of comment between startxref and %%EOF
	badOffset    int // object whose entry is wrong
	badGen       int
	generations  map[int]int
	prevSelf     bool // the trailer's /Prev is its own section
}

type layout int

const (
	tables layout = iota
	xrefStream
	objectStreams
	linearized
)

type annotsForm int

const (
	annotsNone annotsForm = iota
	annotsShared
	annotsInline
)

type formForm int

const (
	formNone formForm = iota
	formDirect
	formIndirect
	formFieldsIndirect
)

// Version sets the version of the header.
func Version(v string) Option { return func(c *config) { c.version = v } }

// Pages sets the number of pages.
func Pages(n int) Option { return func(c *config) { c.pages = n } }

// Tree makes a page tree whose nodes have at most so many kids.
func Tree(fanout int) Option { return func(c *config) { c.fanout = fanout } }

// MediaBox sets the MediaBox; all four zero leaves it out.
func MediaBox(x1, y1, x2, y2 float64) Option {
	return func(c *config) {
		c.mediaBox = box(x1, y1, x2, y2)
		if x1 == 0 && y1 == 0 && x2 == 0 && y2 == 0 {
			c.mediaBox = ""
		}
	}
}

// CropBox sets the CropBox.
func CropBox(x1, y1, x2, y2 float64) Option {
	return PageAttribute("CropBox", box(x1, y1, x2, y2))
}

// Rotate sets /Rotate, to any number.
func Rotate(degrees int) Option { return PageAttribute("Rotate", fmt.Sprint(degrees)) }

// UserUnit sets /UserUnit on every page.
func UserUnit(v float64) Option {
	return func(c *config) {
		for n := 1; n <= c.pages; n++ {
			c.pageKeys[n] += fmt.Sprintf(" /UserUnit %g", v)
		}
	}
}

// PageAttribute sets an attribute that pages inherit, on every page or, with
// Inherited, on the root of the page tree.
func PageAttribute(key, value string) Option {
	return func(c *config) { c.pageAttrs += " /" + key + " " + value }
}

// Inherited puts MediaBox, CropBox, Rotate and Resources on the root of the
// page tree.
func Inherited() Option { return func(c *config) { c.inherit = true } }

// PageEntries adds entries, as they are written in a file, to one page.
func PageEntries(page int, entries string) Option {
	return func(c *config) { c.pageKeys[page] += " " + entries }
}

// Catalog adds entries to the document catalog.
func Catalog(entries string) Option { return func(c *config) { c.catalog += " " + entries } }

// Trailer adds entries to the trailer.
func Trailer(entries string) Option { return func(c *config) { c.trailer += " " + entries } }

// Object adds an object, or replaces the one of that number; FirstFree is the
// first of 1,000 unused ones, and build.go has the numbers of the others.
func Object(num int, body string) Option { return func(c *config) { c.objects[num] = body } }

// FirstFree is a number that New does not use for itself, with those that
// follow it.
const FirstFree = 5000

// Stream writes the body of a stream object.
func Stream(entries, data string) string {
	return fmt.Sprintf("<< %s /Length %d >>\nstream\n%s\nendstream", entries, len(data), data)
}

// SharedAnnots gives all pages the same indirect /Annots array with one link.
func SharedAnnots() Option { return func(c *config) { c.annots = annotsShared } }

// InlineAnnots gives every page a direct /Annots array with the annotation
// dictionary in it.
func InlineAnnots() Option { return func(c *config) { c.annots = annotsInline } }

// Field is a root field of the form.
type Field struct {
	Name    string
	Page    int    // of its widget
	Rect    string // such as "[10 10 100 30]"
	Type    string // /FT, default Sig
	Value   string // /V; for a signature use Signature
	Entries string // further entries
}

// Signature is the value of a signed field whose CMS is empty: enough for the
// structure, not for a verifier.
func Signature(entries string) string {
	return "<< /Type /Sig /Filter /Adobe.PPKLite /SubFilter /ETSI.CAdES.detached" +
		" /ByteRange [0 10 20 10] /Contents <00> " + entries + " >>"
}

// DocMDP is the entry of a Signature that certifies with permission p.
func DocMDP(p int) string {
	return fmt.Sprintf(
		"/Reference [ << /Type /SigRef /TransformMethod /DocMDP /TransformParams << /Type /TransformParams /V /1.2 /P %d >> >> ]",
		p,
	)
}

// FieldMDP is the entry of a Signature that locks fields: action All, Include
// or Exclude, and the names it is about.
func FieldMDP(action string, names ...string) string {
	return fmt.Sprintf(
		"/Reference [ << /Type /SigRef /TransformMethod /FieldMDP /TransformParams %s >> ]",
		Lock(action, names...),
	)
}

// Lock is a lock dictionary.
func Lock(action string, names ...string) string {
	list := make([]string, len(names))
	for i, n := range names {
		list[i] = "(" + n + ")"
	}
	return fmt.Sprintf("<< /Action /%s /Fields [%s] >>", action, strings.Join(list, " "))
}

// DirectForm puts a form with the fields in the catalog itself.
func DirectForm(fields ...Field) Option { return form(formDirect, fields) }

// IndirectForm makes the form an object of its own.
func IndirectForm(fields ...Field) Option { return form(formIndirect, fields) }

// IndirectFields makes the form and its /Fields objects of their own.
func IndirectFields(fields ...Field) Option { return form(formFieldsIndirect, fields) }

// FormEntries adds entries to the form.
func FormEntries(entries string) Option { return func(c *config) { c.formKeys += " " + entries } }

func form(f formForm, fields []Field) Option {
	return func(c *config) {
		c.form = f
		c.fields = append(c.fields, fields...)
	}
}

// XrefStream writes a cross-reference stream instead of a table.
func XrefStream() Option { return func(c *config) { c.layout = xrefStream } }

// ObjectStreams puts all objects but streams in an object stream.
func ObjectStreams() Option { return func(c *config) { c.layout = objectStreams } }

// Predictor compresses the cross-reference stream with a predictor: 1 none, 2
// TIFF, 12 PNG.
func Predictor(n int) Option { return func(c *config) { c.predictor = n } }

// Flushed ends the data of a compressed cross-reference stream with a flush, not
// with a last block and a checksum, as macOS does.
func Flushed() Option { return func(c *config) { c.flushed = true } }

// SelfNowhere makes a cross-reference stream say of itself that it is at 0.
func SelfNowhere() Option { return func(c *config) { c.selfNowhere = true } }

// SelfUnlisted makes a cross-reference stream pass over itself, and end /Size before its own
// number.
func SelfUnlisted() Option { return func(c *config) { c.selfUnlisted = true } }

// Linearized writes two tables as in a linearized file: the newest at the
// start of the file, the other at its end.
func Linearized() Option { return func(c *config) { c.layout = linearized } }

// EntryEnd sets how lines of a table end: " \n" by default, "\r\n", or "\n" for
// the 19-byte lines that some programs write.
func EntryEnd(s string) Option { return func(c *config) { c.entryEnd = s } }

// NoFinalEOL leaves out the end of line after %%EOF.
func NoFinalEOL() Option { return func(c *config) { c.noFinalEOL = true } }

// Prefix puts bytes before the header.
func Prefix(s string) Option { return func(c *config) { c.prefix = s } }

// Suffix puts bytes after %%EOF.
func Suffix(s string) Option { return func(c *config) { c.suffix = s } }

// EndComment puts a comment of n bytes between startxref and %%EOF.
func EndComment(n int) Option { return func(c *config) { c.endComment = n } }

// WrongOffset makes the cross-reference entry of an object point elsewhere.
func WrongOffset(num int) Option { return func(c *config) { c.badOffset = num } }

// WrongGeneration makes the cross-reference entry of an object have another
// generation than the object.
func WrongGeneration(num int) Option { return func(c *config) { c.badGen = num } }

// Generation gives an object a generation other than 0.
func Generation(num, gen int) Option {
	return func(c *config) {
		if c.generations == nil {
			c.generations = make(map[int]int)
		}
		c.generations[num] = gen
	}
}

// XrefLoop makes the trailer's /Prev point at its own section.
func XrefLoop() Option { return func(c *config) { c.prevSelf = true } }

func box(v ...float64) string {
	return strings.ReplaceAll(fmt.Sprint(v), ",", "")
}
