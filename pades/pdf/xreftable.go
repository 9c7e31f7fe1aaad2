package pdf

import (
	"bytes"
	"cmp"
	"iter"
	"slices"
)

// EntryKind is the kind of a cross-reference entry.
type EntryKind uint8

// Kinds of entries (ISO 32000-2, Table 18).
const (
	Free       EntryKind = iota // the object does not exist
	InFile                      // at Offset in the file
	Compressed                  // the Index-th object of the object stream Container
)

// Entry is the newest cross-reference entry of one object.
type Entry struct {
	Ref       Ref
	Kind      EntryKind
	Offset    int64
	Container int
	Index     int
}

// slot is an Entry in 16 bytes: pos is the offset or the container's number,
// aux the generation or the index.
type slot struct {
	pos     int64
	aux     int32
	section uint16 // that has the entry, from 1; 0 if none has
	kind    EntryKind
	nowhere bool // in use at offset 0; see checkNowhere
}

// xrefTable holds the merged entries of all sections. It grows in small pages, so that the memory
// for it is proportional to the bytes of the file, for large and for small object numbers.
type xrefTable struct {
	pages map[int]*[slotsPerPage]slot
	count int
	max   int // largest number of an object in use
}

const slotsPerPage = 64

func (t *xrefTable) get(num int) slot {
	if p := t.pages[num/slotsPerPage]; p != nil && num >= 0 {
		return p[num%slotsPerPage]
	}
	return slot{}
}

// add records an entry unless a newer section has one. It reports whether the same section has
// another entry for the object.
func (t *xrefTable) add(num int, s slot) (conflict bool) {
	p := t.pages[num/slotsPerPage]
	if p == nil {
		if t.pages == nil {
			t.pages = make(map[int]*[slotsPerPage]slot)
		}
		p = new([slotsPerPage]slot)
		t.pages[num/slotsPerPage] = p
	}
	at := &p[num%slotsPerPage]
	if at.section == 0 {
		*at = s
		t.count++
		if s.kind != Free {
			t.max = max(t.max, num)
		}
	}
	return at.section == s.section && *at != s
}

// all iterates over the entries in the order of their numbers.
func (t *xrefTable) all() iter.Seq2[int, slot] {
	return func(yield func(int, slot) bool) {
		keys := make([]int, 0, len(t.pages))
		for k := range t.pages {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		for _, k := range keys {
			for i, s := range t.pages[k] {
				if s.section > 0 && !yield(k*slotsPerPage+i, s) {
					return
				}
			}
		}
	}
}

func (s slot) entry(num int) Entry {
	e := Entry{Ref: Ref{Num: num}, Kind: s.kind}
	switch s.kind {
	case InFile:
		e.Offset, e.Ref.Gen = s.pos, int(s.aux)
	case Compressed:
		e.Container, e.Index = int(s.pos), int(s.aux)
	case Free:
		e.Ref.Gen = int(s.aux)
	}
	return e
}

// checkXref checks that every entry in use points at the object that it names. Otherwise readers
// that repair files and readers that do not would see different documents. It visits entries in the
// order of the file, so that one small window covers several.
func (d *Document) checkXref() error {
	const (
		window = 4096
		header = 64 // "8388607 65535 obj" and some white space
	)
	type target struct {
		off int64
		num int32
		gen int32
	}
	places := make([]target, 0, d.xref.count)
	nowhere := make(map[int]bool)
	for num, s := range d.xref.all() {
		if s.nowhere {
			nowhere[num] = true
		}
		switch s.kind {
		case InFile:
			c := d.checked.get(num)
			if c.kind != InFile || c.pos != s.pos || c.aux != s.aux || s.pos >= d.src.size-header {
				places = append(places, target{s.pos, int32(num), s.aux})
			}
		case Compressed:
			if c := d.xref.get(int(s.pos)); c.kind != InFile || c.aux != 0 {
				return refuse(
					BadXref,
					"object %d is said to be in object stream %d, which is not an object of the file",
					num,
					s.pos,
				)
			}
		}
	}
	if err := d.checkNowhere(nowhere); err != nil {
		return err
	}
	slices.SortFunc(places, func(a, b target) int { return cmp.Compare(a.off, b.off) })

	var text string
	var start int64
	var final bool
	for i, pl := range places {
		if pl.off <= 0 || pl.off >= d.src.size {
			return refuse(
				WrongOffset, "object %d is said to be at %d, outside the file", pl.num, pl.off,
			)
		}
		end := start + int64(len(text))
		if text == "" || pl.off+header > end && !final {
			n := int64(header) // and the neighbours that are close enough
			for _, next := range places[i+1:] {
				if next.off+header-pl.off > window {
					break
				}
				n = next.off + header - pl.off
			}
			b, f, err := d.src.window(pl.off, n)
			if err != nil {
				return err
			}
			text, start, final = string(b), pl.off, f
		}
		from := int(pl.off - start)
		p := &parser{src: text[from:min(from+header, len(text))], final: true}
		num, err := p.unsigned()
		if err != nil || num != int64(pl.num) {
			return refuse(
				WrongOffset, "object %d is not at %d, where the cross-reference says it is", pl.num,
				pl.off,
			)
		}
		gen, err := p.unsigned()
		if err != nil || !p.has("obj") {
			return refuse(
				WrongOffset, "object %d is not at %d, where the cross-reference says it is", pl.num,
				pl.off,
			)
		}
		if gen != int64(pl.gen) {
			return refuse(
				WrongGeneration, "object %d has generation %d at %d, and %d in the cross-reference",
				pl.num, gen, pl.off, pl.gen,
			)
		}
	}
	return nil
}

// checkNowhere checks that objects with offset 0 are not somewhere else in the file. Common
// producers write deleted objects in this way, and readers treat them as null; but some readers
// search the whole file for such an object if there is a reference to it.
func (d *Document) checkNowhere(nowhere map[int]bool) error {
	if len(nowhere) == 0 {
		return nil
	}
	const (
		chunk   = 64 << 10
		overlap = 64 // longer than "8388607 65535 obj" and some white space
	)
	for off := int64(0); ; off += chunk {
		b, final, err := d.src.window(off, chunk+overlap)
		if err != nil {
			return err
		}
		for at := 0; ; at++ {
			i := bytes.Index(b[at:], []byte("obj"))
			if i < 0 {
				break
			}
			at += i
			// A cross-reference stream may list itself so: it was found by its offset.
			num, start := header(b[:at])
			if nowhere[num] && !d.isSection(off+int64(start)) {
				return refuse(
					WrongOffset, "object %d is said to be at 0, but is at %d", num,
					off+int64(start),
				)
			}
		}
		if final {
			return nil
		}
	}
}

func (d *Document) isSection(off int64) bool {
	return slices.ContainsFunc(d.sections, func(s Section) bool { return s.Offset == off })
}

// header returns the object number and the start of the "n g " at the end of b,
// which stands before "obj"; the number is -1 if there is none.
func header(b []byte) (num, start int) {
	var t []byte
	for range 2 { // the generation, then the number
		rest := bytes.TrimRight(b, " \t\r\n\f\x00")
		b = bytes.TrimRight(rest, "0123456789")
		t = rest[len(b):]
	}
	n, err := parseUnsigned(t)
	if err != nil || n > maxObjectNumber {
		return -1, 0
	}
	return int(n), len(b)
}
