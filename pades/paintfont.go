package pades

import (
	"math"
	"strings"

	"golang.org/x/image/font/gofont/goregular"

	"github.com/signet-sign/signet/pades/pdf"
)

// paintFont is a font as the canvas needs it.
type paintFont struct {
	charMap
	first  int64
	widths []float64 // in ems, of simple fonts
	usual  float64
	wide   map[int]float64 // of composite fonts
	glyphs pdf.Object      // the content streams of Type 3
	names  map[byte]string // of Type 3
	matrix matrix          // of Type 3
	procs  map[string][]byte
	chars  map[string]fontChar
	dict   pdf.Object
	face   *Face   // for widths that the font does not say
	shapes *shapes // nil until they are needed
}

// fontChar is a character of a font.
type fontChar struct {
	text    string
	advance float64
}

// char returns the character of a code.
func (f *paintFont) char(code []byte) fontChar {
	c, ok := f.chars[string(code)]
	if !ok {
		c = fontChar{f.decode(code), f.advance(code)}
		if f.chars == nil {
			f.chars = make(map[string]fontChar)
		}
		f.chars[string(code)] = c
	}
	return c
}

// procedure returns the content stream of a glyph of Type 3, nil if there is none.
func (f *paintFont) procedure(d *pdf.Document, name string) ([]byte, error) {
	if data, ok := f.procs[name]; ok {
		return data, nil
	}
	o, err := d.Get(f.glyphs, name)
	if err != nil || o.Kind() != pdf.Stream {
		return nil, err
	}
	data, err := contentOf(d, o)
	if err != nil {
		return nil, err
	}
	if f.procs == nil {
		f.procs = make(map[string][]byte)
	}
	f.procs[name] = data
	return data, nil
}

// advance returns the width of a code in ems.
func (f *paintFont) advance(code []byte) float64 {
	n := number(code)
	if f.wide != nil {
		if w, ok := f.wide[n]; ok {
			return w
		}
		return f.usual
	}
	if i := int64(n) - f.first; i >= 0 && i < int64(len(f.widths)) {
		return f.widths[i]
	}
	if f.face != nil {
		gid, _ := f.face.glyph([]rune(f.decode(code))[0])
		units, _ := f.face.metric(gid)
		return float64(units) / float64(f.face.em)
	}
	return f.usual
}

// maxWidths bounds the widths of a composite font.
const maxWidths = 1 << 16

// paintFontOf reads a font dictionary.
func paintFontOf(d *pdf.Document, font pdf.Object) (*paintFont, error) {
	m, err := charMapOf(d, font)
	if err != nil {
		return nil, err
	}
	f := &paintFont{charMap: m, usual: 0.5, matrix: matrix{0.001, 0, 0, 0.001, 0, 0}, dict: font}
	if f.drawn {
		if list, err := d.Get(font, "FontMatrix"); err != nil {
			return nil, err
		} else if e := list.Elements(); len(e) == 6 {
			for i := range e {
				f.matrix[i], _ = e[i].Number()
			}
		}
		if err := f.readGlyphs(d); err != nil {
			return nil, err
		}
	}
	if m.width == 2 {
		return f, f.readComposite(d)
	}
	first, err := d.Get(font, "FirstChar")
	if err != nil {
		return nil, err
	}
	f.first, _ = first.Int()
	list, err := d.Get(font, "Widths")
	if err != nil {
		return nil, err
	}
	if list.IsNull() && strings.HasPrefix(f.dict.Get("BaseFont").Name(), "Courier") {
		f.usual = 0.6
	} else if list.IsNull() && !f.drawn { // readers know the standard fonts
		f.face, err = ParseFace("GoRegular", goregular.TTF)
		return f, err
	}
	for _, o := range list.Elements() {
		if o, err = d.Resolve(o); err != nil {
			return nil, err
		}
		w, _ := o.Number()
		f.widths = append(f.widths, w*math.Abs(f.matrix[0]))
	}
	return f, nil
}

// readGlyphs reads which content streams draw the codes of a Type 3 font.
func (f *paintFont) readGlyphs(d *pdf.Document) error {
	var err error
	if f.glyphs, err = d.Get(f.dict, "CharProcs"); err != nil {
		return err
	}
	encoding, err := d.Get(f.dict, "Encoding")
	if err != nil {
		return err
	}
	differences, err := d.Get(encoding, "Differences")
	if err != nil {
		return err
	}
	f.names = make(map[byte]string)
	code := int64(0)
	for _, o := range differences.Elements() {
		if n, ok := o.Int(); ok {
			code = n
		} else {
			f.names[byte(code)] = o.Name()
			code++
		}
	}
	return nil
}

// readComposite reads the widths of a composite font (ISO 32000-2, 9.7.4.3).
func (f *paintFont) readComposite(d *pdf.Document) error {
	f.usual, f.wide = 1, make(map[int]float64)
	below, err := d.Get(f.dict, "DescendantFonts")
	if err != nil || len(below.Elements()) == 0 {
		return err
	}
	font, err := d.Resolve(below.Elements()[0])
	if err != nil {
		return err
	}
	if usual, err := d.Get(font, "DW"); err != nil {
		return err
	} else if w, ok := usual.Number(); ok {
		f.usual = w / 1000
	}
	list, err := d.Get(font, "W")
	if err != nil {
		return err
	}
	n := 0
	for e := list.Elements(); len(e) >= 2 && n <= maxWidths; {
		from, _ := e[0].Int()
		second, err := d.Resolve(e[1])
		if err != nil {
			return err
		}
		if second.Kind() == pdf.Array {
			for i, o := range second.Elements() {
				n++
				w, _ := o.Number()
				f.wide[int(from)+i] = w / 1000
			}
			e = e[2:]
		} else if len(e) >= 3 {
			until, _ := second.Int()
			w, _ := e[2].Number()
			for ; from <= until && n <= maxWidths; from, n = from+1, n+1 {
				f.wide[int(from)] = w / 1000
			}
			e = e[3:]
		} else {
			break
		}
	}
	return nil
}
