package pades

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf16"

	"github.com/signet-sign/signet/pades/pdf"
)

// Flags of fields (ISO 32000-2, tables 228, 229 and 233).
const (
	fieldMultiline = 1 << 12
	fieldPassword  = 1 << 13
	fieldPush      = 1 << 16
	fieldCombo     = 1 << 17
	fieldRichText  = 1 << 25
)

// unlike says how the appearance of a field that was filled in differs from its value, or "".
// Viewers show the appearance, programs read the value, and a certification that allows forms to be
// filled in means both (ISO 32000-2, 12.7.4.3).
func (c *differ) unlike(f pdf.FormField) (why string, err error) {
	form, err := c.now.Get(c.now.Catalog(), "AcroForm")
	if err != nil {
		return "", err
	}
	if need, err := c.now.Get(form, "NeedAppearances"); err != nil || need.Bool() {
		return "", err // viewers draw it again
	}
	_, why, err = c.compareLook(f, form)
	return why, err
}

// compareLook says how the appearance of a field differs from its value, or "". It judges text
// fields and combo boxes whose look the value alone determines: no password, no rich text, no
// script that formats it. judged is false for others.
func (c *differ) compareLook(f pdf.FormField, form pdf.Object) (
	judged bool, why string, err error,
) {
	value, err := c.now.Resolve(f.Value)
	if err != nil || value.Kind() != pdf.String && !value.IsNull() {
		return false, "", err
	}
	flags, formatted, options, err := c.dressed(f)
	if err != nil || formatted || flags&(fieldPassword|fieldRichText) != 0 ||
		f.Type != "Tx" && (f.Type != "Ch" || flags&fieldCombo == 0) {
		return false, "", err
	}
	want := printed(value.Text())
	for _, o := range options { // pairs of a value and what is shown for it
		if pair := o.Elements(); len(pair) == 2 && pair[0].Text() == value.Text() {
			want = printed(pair[1].Text())
		}
	}
	if slices.ContainsFunc(want, rightToLeft) {
		return false, "", nil // is drawn in another order
	}
	for _, ref := range f.Widgets {
		widget, err := c.now.Load(ref)
		if err != nil {
			return false, "", err
		}
		look, err := c.now.Get(widget, "AP")
		if err != nil {
			return false, "", err
		}
		if look, err = c.now.Get(look, "N"); err != nil {
			return false, "", err
		}
		if look.Kind() != pdf.Stream {
			continue
		}
		view, err := c.view(f, ref, widget, look, flags)
		if err != nil {
			return false, "", err
		}
		shown, why, err := c.shownText(look, form, view)
		if err != nil || why != "" {
			return true, why, err
		}
		got, expected := printed(shown), want
		if n := len(got); flags&fieldMultiline != 0 && n > 0 && n < len(want) {
			expected = want[:n] // the rest did not fit
		}
		if !slices.EqualFunc(got, expected, func(g, w rune) bool {
			return g == w || g == unicode.ReplacementChar && w > '~'
		}) {
			return true, "shows another text than its value", nil
		}
	}
	return true, "", nil
}

// maxSettled bounds the fields that settled compares.
const maxSettled = 500

// settled reports whether viewers show the fields alike whether they draw the appearances or, for
// /NeedAppearances, the values. field is one that they may not, or of which it cannot be told.
func (c *differ) settled(form pdf.Object) (field string, ok bool, err error) {
	fields, err := c.now.FormFields()
	if err != nil {
		return "", false, err
	}
	for i, f := range fields {
		if !f.Terminal || f.Type == "Sig" {
			continue
		}
		if i >= maxSettled {
			return f.Name, false, nil
		}
		if ok, err := c.asValue(f, form); err != nil || !ok {
			return f.Name, false, err
		}
	}
	return "", true, nil
}

// asValue reports whether the appearances of a field show its value, as far as can be told.
func (c *differ) asValue(f pdf.FormField, form pdf.Object) (bool, error) {
	flags, _, _, err := c.dressed(f)
	if err != nil {
		return false, err
	}
	value, err := c.now.Resolve(f.Value)
	if err != nil {
		return false, err
	}
	empty := value.IsNull() || value.Kind() == pdf.String && value.Text() == ""
	for _, ref := range f.Widgets {
		widget, err := c.now.Load(ref)
		if err != nil {
			return false, err
		}
		look, err := c.now.Get(widget, "AP", "N")
		if err != nil {
			return false, err
		}
		caption := ""
		on := false
		switch {
		case f.Type == "Btn" && flags&fieldPush != 0:
			text, err := c.now.Get(widget, "MK", "CA")
			if err != nil {
				return false, err
			}
			caption = text.Text()
		case f.Type == "Btn":
			state := widget.Get("AS").Name()
			if on = state != "" && state != "Off"; !on {
				if state == "" && !empty && value.Name() != "Off" {
					return false, nil
				}
				state = "Off"
			}
			if look, err = c.now.Get(look, state); err != nil {
				return false, err
			}
		case f.Type == "Tx", f.Type == "Ch" && flags&fieldCombo != 0:
			if !empty {
				caption = value.Text()
			}
		default:
			return false, nil
		}
		if look.Kind() != pdf.Stream {
			if caption != "" || on {
				return false, nil // a viewer draws it
			}
			continue
		}
		if !empty && f.Type != "Btn" {
			continue // compareLook judges it
		}
		view, err := c.view(f, ref, widget, look, flags)
		if err != nil {
			return false, err
		}
		shown, why, err := c.shownText(look, form, view)
		if err != nil || why != "" {
			return false, err
		}
		got := printed(shown)
		switch {
		case on && len(got) != 1, !on && !slices.Equal(got, printed(caption)):
			return false, nil
		case !on:
			if drawn, err := c.draws(look); err != nil || drawn {
				return false, err
			}
		}
	}
	if empty || f.Type == "Btn" {
		return true, nil
	}
	judged, why, err := c.compareLook(f, form)
	return judged && why == "", err
}

// draws reports whether an appearance has lines or curves, which may be a mark or letters. Frames
// and areas are rectangles.
func (c *differ) draws(look pdf.Object) (drawn bool, err error) {
	data, err := c.now.Decode(look)
	if err != nil {
		return true, err
	}
	syntax := pdf.Content(data, func(op string, _ []pdf.Object) bool {
		drawn = slices.Contains([]string{"l", "c", "v", "y"}, op)
		return !drawn
	})
	return drawn || syntax != nil, nil
}

// dressed returns what determines how a field shows its value: flags, whether a script formats it,
// and the options of a choice. Groups above may have them.
func (c *differ) dressed(f pdf.FormField) (
	flags int64, formatted bool, options []pdf.Object, err error,
) {
	for _, ref := range append([]pdf.Ref{f.Ref}, f.Widgets...) {
		o, err := c.now.Load(ref)
		for depth := 0; err == nil && o.IsDict() && depth < 32; depth++ {
			if n, ok := o.Get("Ff").Int(); ok && flags == 0 {
				flags = n
			}
			var actions, list pdf.Object
			if actions, err = c.now.Get(o, "AA"); err != nil {
				break
			}
			formatted = formatted || !actions.Get("F").IsNull()
			if list, err = c.now.Get(o, "Opt"); err != nil {
				break
			}
			if options == nil {
				options = list.Elements()
			}
			o, err = c.now.Get(o, "Parent")
		}
		if err != nil {
			return 0, false, nil, err
		}
	}
	return flags, formatted, options, nil
}

// printed returns the characters of a text that are not white space.
func printed(s string) []rune {
	return []rune(strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || unicode.IsControl(r) {
			return -1
		}
		return r
	}, s))
}

func rightToLeft(r rune) bool {
	return unicode.In(
		r, unicode.Hebrew, unicode.Arabic, unicode.Syriac, unicode.Thaana, unicode.Nko,
	)
}

// shownText returns the text of an appearance in the order in which it is drawn, with
// unicode.ReplacementChar for a character of unknown encoding that is not in ASCII. why says what
// the appearance does that the one of a text does not.
func (c *differ) shownText(
	look, form pdf.Object, view *textView,
) (text, why string, err error) {
	data, err := c.now.Decode(look)
	if pdf.ReasonOf(err) != "" {
		return "", "has an appearance that cannot be read", nil
	} else if err != nil {
		return "", "", err
	}
	fonts, err := c.fontsOf(look, form, view.canvas)
	if err != nil {
		return "", "", err
	}
	var b strings.Builder
	var font charMap
	show := func(letters []letter, parts ...pdf.Object) {
		text := ""
		for _, o := range parts {
			if o.Kind() == pdf.String {
				text += font.decode(o.Bytes())
			}
		}
		b.WriteString(text)
		why = view.unseen(text, letters)
	}
	syntax := pdf.Content(data, func(op string, operands []pdf.Object) bool {
		last := pdf.Object{}
		if len(operands) > 0 {
			last = operands[len(operands)-1]
		}
		switch op {
		case "Do", "sh", "EI":
			why = "has an appearance with more than text"
		case "gs":
			var ok bool
			if ok, err = c.opaque(look, last.Name()); !ok {
				why = "has a text that may be transparent"
			}
		case "Tf":
			if len(operands) == 2 {
				font, err = fonts(operands[0].Name())
			}
			if font.drawn {
				why = "has an appearance with more than text"
			}
		case "Tr":
			if n, _ := last.Int(); n > 2 {
				why = "has a text that is not drawn"
			}
		case "f", "F", "f*", "B", "B*", "b", "b*":
			if b.Len() > 0 {
				why = "has an appearance that covers its text"
			}
		}
		if err != nil || why != "" {
			return false
		}
		before := len(view.chars)
		view.operator(op, operands)
		switch {
		case pdf.ReasonOf(view.err) != "":
			why = "has an appearance that cannot be read"
		case view.err != nil:
			err = view.err
		case op == "Tj", op == "'", op == "\"":
			show(view.chars[before:], last)
		case op == "TJ":
			show(view.chars[before:], last.Elements()...)
		}
		return err == nil && why == ""
	})
	if err != nil {
		return "", "", err
	}
	if syntax != nil && why == "" {
		why = "has an appearance that cannot be read"
	}
	return b.String(), why, nil
}

// charMap returns the characters of the codes of a font.
type charMap struct {
	unicode bool // codes are UTF-16 (ISO 32000-2, table 116)
	drawn   bool // glyphs are content streams (Type 3), which may draw anything
	width   int  // bytes of a code
	runes   map[string]string
	named   map[byte]bool // codes for which the font names a glyph
	size    int           // entries that were read
}

func (m charMap) decode(codes []byte) string {
	if m.unicode {
		return utf16Text(codes)
	}
	var b strings.Builder
	for width := max(m.width, 1); len(codes) > 0; codes = codes[min(width, len(codes)):] {
		code := string(codes[:min(width, len(codes))])
		switch s, ok := m.runes[code]; {
		case ok:
			b.WriteString(s)
		case width == 1 && code[0] >= ' ' && code[0] <= '~':
			b.WriteString(code)
		default:
			b.WriteRune(unicode.ReplacementChar)
		}
	}
	return b.String()
}

// fontsOf returns a function that finds the font of a name in the resources of an appearance or of
// the form.
func (c *differ) fontsOf(look, form pdf.Object, on *canvas) (
	func(name string) (charMap, error), error,
) {
	var dicts []pdf.Object
	for _, in := range []pdf.Object{look.Get("Resources"), form.Get("DR")} {
		resources, err := c.now.Resolve(in)
		if err != nil {
			return nil, err
		}
		fonts, err := c.now.Get(resources, "Font")
		if err != nil {
			return nil, err
		}
		dicts = append(dicts, fonts)
	}
	return func(name string) (charMap, error) {
		for _, d := range dicts {
			font, err := c.now.Get(d, name)
			if err != nil {
				return charMap{}, err
			}
			if font.IsDict() {
				f, err := on.fontOf(font)
				if err != nil {
					return charMap{}, err
				}
				return f.charMap, nil
			}
		}
		return charMap{}, nil
	}, nil
}

// charMapOf reads the characters of the codes of a font.
func charMapOf(d *pdf.Document, font pdf.Object) (charMap, error) {
	m := charMap{width: 1, runes: make(map[string]string), named: make(map[byte]bool)}
	m.drawn = font.Get("Subtype").Name() == "Type3"
	if font.Get("Subtype").Name() == "Type0" {
		m.width = 2
	}
	encoding, err := d.Get(font, "Encoding")
	if err != nil {
		return charMap{}, err
	}
	name := encoding.Name()
	m.unicode = m.width == 2 && (strings.Contains(name, "UTF16") || strings.Contains(name, "UCS2"))
	differences, err := d.Get(encoding, "Differences")
	if err != nil {
		return charMap{}, err
	}
	code := int64(0)
	for _, o := range differences.Elements() {
		if n, ok := o.Int(); ok {
			code = n
			continue
		}
		m.runes[string([]byte{byte(code)})] = namedGlyph(o.Name())
		m.named[byte(code)] = true
		m.size++
		code++
	}
	to, err := d.Get(font, "ToUnicode")
	if err != nil || to.Kind() != pdf.Stream {
		return m, err
	}
	// Readers choose the glyphs of a font that is not embedded by its encoding.
	if embedded, err := embedded(d, font); err != nil || m.width == 1 && !embedded {
		return m, err
	}
	data, err := d.Decode(to)
	if pdf.ReasonOf(err) != "" {
		return m, nil
	} else if err != nil {
		return charMap{}, err
	}
	m.readCMap(data)
	return m, nil
}

// embedded reports whether a simple font has its glyphs in the file.
func embedded(d *pdf.Document, font pdf.Object) (bool, error) {
	descriptor, err := d.Get(font, "FontDescriptor")
	if err != nil {
		return false, err
	}
	for _, key := range []string{"FontFile", "FontFile2", "FontFile3"} {
		if !descriptor.Get(key).IsNull() {
			return true, nil
		}
	}
	return false, nil
}

// maxCodes bounds the entries of a ToUnicode map; there are 65,536 codes of two bytes.
const maxCodes = 1 << 17

// readCMap adds what a ToUnicode map says (ISO 32000-2, 9.10.3). What it does not say stays
// unknown.
func (m *charMap) readCMap(data []byte) {
	_ = pdf.Content(data, func(op string, operands []pdf.Object) bool {
		switch op {
		case "endbfchar":
			for ; len(operands) >= 2; operands = operands[2:] {
				m.size++
				m.runes[string(operands[0].Bytes())] = utf16Text(operands[1].Bytes())
			}
		case "endbfrange":
			for ; len(operands) >= 3; operands = operands[3:] {
				m.readRange(operands[0].Bytes(), operands[1].Bytes(), operands[2])
			}
		}
		return m.size < maxCodes
	})
}

func (m *charMap) readRange(first, last []byte, to pdf.Object) {
	if len(first) == 0 || len(first) != len(last) || len(first) > 2 {
		return
	}
	from, until := number(first), number(last)
	text := slices.Clone(to.Bytes())
	const longest = 512 // ISO 32000-2, 9.10.3
	if len(text) > longest {
		return
	}
	for code := from; code <= until && m.size < maxCodes; code++ {
		m.size++
		key := []byte{byte(code >> 8), byte(code)}[2-len(first):]
		if list := to.Elements(); to.Kind() == pdf.Array {
			if code-from < len(list) {
				m.runes[string(key)] = utf16Text(list[code-from].Bytes())
			}
		} else if n := len(text); n > 0 {
			m.runes[string(key)] = utf16Text(text)
			text[n-1]++
		}
	}
}

func number(b []byte) (n int) {
	for _, c := range b {
		n = n<<8 | int(c)
	}
	return n
}

func utf16Text(b []byte) string {
	var units []uint16
	for ; len(b) >= 2; b = b[2:] {
		units = append(units, uint16(number(b[:2])))
	}
	return string(utf16.Decode(units))
}

// asciiGlyphs are the names of the glyphs of ASCII that are not letters, from the space on (ISO
// 32000-2, annex D).
var asciiGlyphs = strings.Fields(`space exclam quotedbl numbersign dollar percent ampersand
	quotesingle parenleft parenright asterisk plus comma hyphen period slash zero one two three four
	five six seven eight nine colon semicolon less equal greater question at`)

// namedGlyph returns the character of a glyph's name, unicode.ReplacementChar if it is not in
// ASCII.
func namedGlyph(name string) string {
	if len(name) == 1 {
		return name
	}
	if i := slices.Index(asciiGlyphs, name); i >= 0 {
		return string(rune(' ' + i))
	}
	for r, n := range map[string]string{
		"[": "bracketleft", "\\": "backslash", "]": "bracketright", "^": "asciicircum",
		"_": "underscore", "`": "grave", "{": "braceleft", "|": "bar", "}": "braceright",
		"~": "asciitilde",
	} {
		if n == name {
			return r
		}
	}
	return string(unicode.ReplacementChar)
}
