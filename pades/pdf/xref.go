package pdf

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
)

// Section is one cross-reference section: the newest, or one that /Prev leads to.
type Section struct {
	Offset int64
	Stream bool   // a cross-reference stream, not a table
	Dict   Object // the trailer, or the dictionary of the stream
}

// startXref finds the offset of the newest section at the end of the file: startxref, a number,
// %%EOF, and then white space or a few bytes without meaning.
func (d *Document) startXref() (int64, error) {
	end, err := d.trimmedEnd()
	if err != nil {
		return 0, err
	}
	const tail = 16 << 10 // how far startxref may be from %%EOF
	from := max(0, end-tail)
	b, _, err := d.src.window(from, end-from)
	if err != nil {
		return 0, err
	}
	const marker = "%%EOF"
	const keyword = "startxref"
	mark := bytes.LastIndex(b, []byte(marker))
	if mark < 0 {
		return 0, refuse(NoEndMarker, "no %%%%EOF at the end of the file")
	}
	var after []byte
	b, after = b[:mark+len(marker)], b[mark+len(marker):]
	i := bytes.LastIndex(b, []byte(keyword))
	if i < 0 {
		return 0, refuse(BadStartXref, "no startxref before %%%%EOF")
	}
	if d.trailing = len(after); d.trailing > 0 {
		// Readers ignore these bytes if startxref is in the last 1,024 bytes. Otherwise some search
		// the file for objects.
		if from+int64(i) < d.src.size-lastBytes {
			return 0, refuse(
				TrailingData,
				"%d bytes follow the last %%%%EOF, and startxref is not in the last 1,024",
				d.trailing,
			)
		}
		for _, word := range []string{keyword, "trailer", "obj", "%PDF-"} {
			if bytes.Contains(after, []byte(word)) {
				return 0, refuse(TrailingData, "%q follows the last %%%%EOF", word)
			}
		}
	}
	p := &parser{src: string(b[i+len(keyword):]), final: true}
	off, err := p.unsigned()
	if err != nil {
		return 0, refuse(BadStartXref, "no number after startxref")
	}
	// The rest must be white space and comments, of which %%EOF is the last.
	if p.space(); p.pos != len(p.src) {
		return 0, refuse(BadStartXref, "something stands between startxref and %%%%EOF")
	}
	return off, nil
}

// checkLinearized refuses a file that readers open in two ways: if the first object is a
// linearization dictionary that states the size of the file (ISO 32000-2, Annex F), poppler and
// pdf.js start with the section behind that object, and others with the one that startxref names. A
// linearized file that was updated has another size, which makes it an ordinary one.
func (d *Document) checkLinearized(startxref int64) error {
	const start = 1024 // the dictionary is within the first bytes (F.3.3)
	b, _, err := d.src.window(0, start)
	if err != nil {
		return err
	}
	text := string(b) // b is valid until the next read
	i := strings.Index(text, "obj")
	if i < 0 {
		return nil
	}
	_, at := header([]byte(text[:i]))
	in, err := d.indirectAt(int64(at))
	if ReasonOf(err) != "" {
		return nil // an object that readers cannot read either, or no object
	}
	if err != nil {
		return err
	}
	size, ok := in.object.Get("L").Int()
	if in.object.Get("Linearized").IsNull() || !ok || size != d.src.size {
		return nil
	}
	end := strings.Index(text, "endobj")
	if end < 0 {
		return refuse(
			BadXref, "the linearization dictionary has no endobj in the first %d bytes", start,
		)
	}
	p := &parser{src: text[end+len("endobj"):], final: true}
	p.space()
	if first := int64(end + len("endobj") + p.pos); first != startxref {
		return refuse(
			BadStartXref,
			"readers of linearized files start with the section at %d, others with the one at %d",
			first, startxref,
		)
	}
	return nil
}

// lastBytes is the part of the file in which programs look for startxref and %%EOF.
const lastBytes = 1024

// trimmedEnd returns the end of the file without trailing white space. It ignores at most a
// kilobyte of it, because programs look for %%EOF in the last 1,024 bytes, and repair the file if
// they do not find it.
func (d *Document) trimmedEnd() (int64, error) {
	from := max(0, d.src.size-lastBytes)
	b, _, err := d.src.window(from, d.src.size-from)
	if err != nil {
		return 0, err
	}
	n := len(b)
	for n > 0 && isSpace(b[n-1]) {
		n--
	}
	if n == 0 {
		return 0, refuse(TrailingData, "the last %d bytes are empty", len(b))
	}
	return from + int64(n), nil
}

// readSections reads the chain of cross-reference sections, newest first.
func (d *Document) readSections(off int64) error {
	seen := make(map[int64]bool)
	for {
		if seen[off] {
			return refuse(XrefLoop, "the section at %d comes twice", off)
		}
		if len(d.sections) >= d.lim.Revisions {
			return refuse(
				TooManyRevisions, "more than %d cross-reference sections", d.lim.Revisions,
			)
		}
		seen[off] = true
		s, err := d.readSection(off)
		switch {
		case errors.Is(err, errNoSection) && len(d.sections) == 0:
			return refuse(BadStartXref, "there is no cross-reference section at %d", off)
		case errors.Is(err, errNoSection):
			return refuse(
				BadXref, "there is no cross-reference section at %d, where /Prev points", off,
			)
		case errors.Is(err, errSyntax):
			return refuse(BadXref, "the cross-reference section at %d is damaged", off)
		case err != nil:
			return err
		}
		d.sections = append(d.sections, s)
		if !s.Dict.Get("XRefStm").IsNull() {
			return refuse(HybridReference, "the section at %d has /XRefStm", off)
		}
		if !s.Dict.Get("Encrypt").IsNull() {
			return refuse(Encrypted, "the section at %d has /Encrypt", off)
		}
		if k, dup := s.Dict.DuplicateKey(); dup {
			return refuse(DuplicateKey, "/%s in the trailer of the section at %d", k, off)
		}
		size, ok := s.Dict.Get("Size").Int()
		if !ok || size < 0 {
			return refuse(BadXref, "the section at %d has no /Size", off)
		}
		if size > maxObjectNumber+1 {
			return refuse(TooManyObjects, "/Size is %d", size)
		}
		d.size = max(d.size, int(size))
		prev := s.Dict.Get("Prev")
		if prev.IsNull() {
			return nil
		}
		if off, ok = prev.Int(); !ok {
			return refuse(BadXref, "/Prev is not an integer")
		}
		if off == 0 { // some writers write 0 for none; the header is at 0
			return nil
		}
	}
}

// errNoSection means that an offset is not that of a cross-reference section.
var errNoSection = errors.New("no cross-reference section")

// readSection reads the table or the stream at off into the document's entries.
func (d *Document) readSection(off int64) (Section, error) {
	if off < 0 || off >= d.src.size {
		return Section{}, errNoSection
	}
	table := false
	at := off
	err := d.src.parse(off, d.lim.ObjectSize, 0, func(p *parser) error {
		p.space()
		table = strings.HasPrefix(p.src[p.pos:], "xref")
		at = off + int64(p.pos) + int64(len("xref"))
		return nil
	})
	if err != nil {
		return Section{}, err
	}
	if table {
		dict, err := d.readTable(at)
		return Section{Offset: off, Dict: dict}, err
	}
	dict, err := d.readXrefStream(off)
	return Section{Offset: off, Stream: true, Dict: dict}, err
}

// readTable reads the subsections at off, after the keyword xref, and returns the trailer
// dictionary. It reads entries as three tokens, because lines have 19, 20 or 21 bytes in practice.
// checkXref checks their contents.
func (d *Document) readTable(off int64) (Object, error) {
	s := &tableScanner{
		r:   bufio.NewReaderSize(io.NewSectionReader(d.src.r, off, d.src.size-off), 4096),
		pos: off,
	}
	for {
		t, err := s.token()
		if err != nil {
			return Object{}, err
		}
		if string(t) == "trailer" {
			break
		}
		first, err := parseUnsigned(t)
		if err != nil {
			return Object{}, err
		}
		count, err := s.unsigned()
		if err != nil {
			return Object{}, err
		}
		if first+count > maxObjectNumber+1 {
			return Object{}, refuse(
				TooManyObjects, "a cross-reference table numbers its objects up to %d",
				first+count-1,
			)
		}
		for num := first; num < first+count; num++ {
			if err := d.readTableEntry(s, int(num)); err != nil {
				return Object{}, err
			}
		}
	}
	if err := d.src.charge(s.pos - off); err != nil {
		return Object{}, err
	}
	var dict Object
	err := d.src.parse(s.pos, d.lim.ObjectSize, d.lim.Nesting, func(p *parser) (err error) {
		dict, err = p.value()
		return err
	})
	if err == nil && !dict.IsDict() {
		err = errSyntax
	}
	return dict, err
}

func (d *Document) readTableEntry(s *tableScanner, num int) error {
	pos, err := s.unsigned()
	if err != nil {
		return err
	}
	gen, err := s.unsigned()
	if err != nil {
		return err
	}
	kind, err := s.token()
	if err != nil {
		return err
	}
	switch string(kind) {
	case "n":
		if gen > 65535 && pos > 0 {
			return errSyntax
		}
		return d.addEntry(num, slot{pos: pos, aux: int32(min(gen, 65535)), kind: InFile})
	case "f":
		// Common producers write the generation 65536, which all readers accept.
		return d.addEntry(num, slot{pos: pos, aux: int32(min(gen, 65535)), kind: Free})
	}
	return errSyntax
}

func (d *Document) addEntry(num int, s slot) error {
	if s.kind == InFile && s.pos == 0 {
		s.kind, s.nowhere = Free, true
	}
	s.section = uint16(1 + len(d.sections))
	if d.xref.add(num, s) {
		return refuse(BadXref, "one cross-reference section has two entries for object %d", num)
	}
	if d.xref.count > d.lim.Objects {
		return refuse(TooManyObjects, "more than %d cross-reference entries", d.lim.Objects)
	}
	return d.src.charge(16)
}

// tableScanner splits a cross-reference table into tokens without holding it
// in memory.
type tableScanner struct {
	r   *bufio.Reader
	pos int64
	buf [20]byte // longer than any token of a table
}

// token returns the next token, which is valid until the next call.
func (s *tableScanner) token() ([]byte, error) {
	n := 0
	for {
		c, err := s.r.ReadByte()
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = errSyntax
			}
			return nil, err
		}
		switch {
		case isSpace(c) && n == 0:
			s.pos++
		case !isRegular(c):
			if n == 0 {
				return nil, errSyntax
			}
			return s.buf[:n], s.r.UnreadByte()
		case n == len(s.buf):
			return nil, errSyntax
		default:
			s.buf[n] = c
			n++
			s.pos++
		}
	}
}

func (s *tableScanner) unsigned() (int64, error) {
	t, err := s.token()
	if err != nil {
		return 0, err
	}
	return parseUnsigned(t)
}

// readXrefStream reads the cross-reference stream at off (ISO 32000-2, 7.5.8).
func (d *Document) readXrefStream(off int64) (Object, error) {
	in, err := d.indirectAt(off)
	if ReasonOf(err) == BadObject {
		return Object{}, errNoSection
	}
	if err != nil {
		return Object{}, err
	}
	o := in.object
	if o.kind != Stream || o.Get("Type").Name() != "XRef" {
		return Object{}, errNoSection
	}
	if in.ref.Num > maxObjectNumber {
		return Object{}, refuse(
			TooManyObjects, "the cross-reference stream at %d is object %d", off, in.ref.Num,
		)
	}
	// Some streams do not list themselves. Their number is in use nevertheless: a reader that
	// caches objects by number would confuse it with a new one.
	d.size = max(d.size, in.ref.Num+1)
	width, err := fieldWidths(o.Get("W"))
	if err != nil {
		return Object{}, err
	}
	data, err := d.Decode(o)
	if err != nil {
		return Object{}, err
	}
	index := o.Get("Index").Elements()
	if o.Get("Index").IsNull() {
		index = []Object{{kind: Integer}, o.Get("Size")}
	}
	if len(index)%2 != 0 {
		return Object{}, errSyntax
	}
	for ; len(index) > 0; index = index[2:] {
		first, ok1 := index[0].Int()
		count, ok2 := index[1].Int()
		if !ok1 || !ok2 || first < 0 || count < 0 {
			return Object{}, errSyntax
		}
		if first > maxObjectNumber || first+count > maxObjectNumber+1 {
			return Object{}, refuse(
				TooManyObjects, "a cross-reference stream numbers its objects up to %d",
				first+count-1,
			)
		}
		for num := first; num < first+count; num++ {
			if data, err = d.readStreamEntry(int(num), width, data); err != nil {
				return Object{}, err
			}
		}
	}
	return o, nil
}

func fieldWidths(w Object) (width [3]int, err error) {
	elems := w.Elements()
	if len(elems) != len(width) {
		return width, errSyntax
	}
	for i, e := range elems {
		v, ok := e.Int()
		if !ok || v < 0 || v > 8 {
			return width, errSyntax
		}
		width[i] = int(v)
	}
	if width[1] == 0 { // without it entries are meaningless; and it bounds the loop by the data
		return width, errSyntax
	}
	return width, nil
}

// readStreamEntry reads one entry from the front of data and returns the rest.
func (d *Document) readStreamEntry(num int, width [3]int, data []byte) (rest []byte, err error) {
	field := [3]uint64{1, 0, 0} // a field of width 0 has its default: type 1
	for i, w := range width {
		if len(data) < w {
			return nil, errSyntax
		}
		if w > 0 {
			field[i] = 0
		}
		for _, c := range data[:w] {
			field[i] = field[i]<<8 | uint64(c)
		}
		data = data[w:]
	}
	pos, aux := field[1], field[2]
	if pos > 1<<62 {
		return nil, errSyntax
	}
	switch field[0] {
	case 0:
		return data, d.addEntry(num, slot{kind: Free, aux: int32(min(aux, 65535))})
	case 1:
		if aux > 65535 {
			return nil, errSyntax
		}
		return data, d.addEntry(num, slot{pos: int64(pos), aux: int32(aux), kind: InFile})
	case 2:
		if pos > maxObjectNumber || aux > maxObjectNumber {
			return nil, errSyntax
		}
		return data, d.addEntry(num, slot{pos: int64(pos), aux: int32(aux), kind: Compressed})
	}
	// Other types are references to null (ISO 32000-2, 7.5.8.3).
	return data, d.addEntry(num, slot{kind: Free})
}
