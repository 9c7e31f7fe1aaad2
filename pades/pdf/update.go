package pdf

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Update builds an incremental update (ISO 32000-2, 7.5.6): the bytes that make the next revision
// when they are appended to the file. Only these bytes are held in memory.
//
// Alloc and Put or PutStream write new objects, in any order. Set and the operations in form.go
// collect changes to existing dictionaries. Finish writes these changes and a cross-reference
// section of the same kind as the newest one of the file.
type Update struct {
	doc     *Document
	buf     bytes.Buffer
	first   int              // first number that the file does not use
	next    int              // next number to allocate
	written map[int]position // objects of this update
	edits   map[Ref][]Pair   // changes to existing dictionaries
	annots  map[int][]Ref    // new annotations by page number
	// objects for annotations inside an array, by page number and index
	separate map[int]map[int]Ref
	fields   []Ref           // new root fields of the form
	names    map[string]bool // names of fields, existing and reserved
	spared   map[int]bool    // numbers that Alloc passes over; see Spare
	done     bool
}

type position struct {
	off int64
	gen int
}

// NewUpdate begins an update of a document. A document may have several
// independent updates; they are alternatives, not a sequence.
func NewUpdate(d *Document) *Update {
	next := max(d.size, d.xref.max+1, 1)
	u := &Update{
		doc:      d,
		first:    next,
		next:     next,
		written:  make(map[int]position),
		edits:    make(map[Ref][]Pair),
		annots:   make(map[int][]Ref),
		separate: make(map[int]map[int]Ref),
		spared:   make(map[int]bool),
	}
	return u
}

// Spare prevents the allocation of object numbers that do not exist but to which the catalog, the
// form or one of the given pages refers. Such a reference means null (ISO 32000-2, 7.3.10); an
// object of the update with that number would appear in its place. It must be called before Alloc.
func (u *Update) Spare(pages ...int) error {
	form, err := u.doc.Get(u.doc.catalog, "AcroForm")
	if err != nil {
		return err
	}
	list, err := u.doc.Get(form, "Fields")
	if err != nil {
		return err
	}
	u.spare(u.doc.catalog, form, list)
	for _, number := range pages {
		page, err := u.doc.Page(number)
		if err != nil {
			return err
		}
		o, err := u.doc.Load(page.Ref)
		if err != nil {
			return err
		}
		annots, err := u.doc.Annotations(page)
		if err != nil {
			return err
		}
		u.spare(o)
		u.spare(annots...)
	}
	return nil
}

// Spares reports whether Alloc passes over a number.
func (u *Update) Spares(num int) bool { return u.spared[num] }

func (u *Update) spare(objects ...Object) {
	for _, o := range objects {
		if r, ok := o.Ref(); ok && r.Num >= u.first {
			u.spared[r.Num] = true
		}
		u.spare(o.elems...)
	}
}

// Alloc reserves the number of a new object. Finish fails unless it is written.
func (u *Update) Alloc() Ref {
	for u.spared[u.next] {
		u.next++
	}
	u.next++
	return Ref{Num: u.next - 1}
}

// Size returns the size that the file has with what is written so far.
func (u *Update) Size() int64 { return u.doc.src.size + int64(u.buf.Len()) }

// Put writes an object: a new one, or the new definition of an existing one. It
// returns the offset of the first byte of body in the updated file, so that a
// caller that knows where in the body a placeholder is can Patch it.
func (u *Update) Put(ref Ref, body []byte) (off int64, err error) {
	if err := u.checkSize(); err != nil {
		return 0, err
	}
	if err := checkBody(body); err != nil {
		return 0, fmt.Errorf("pdf: put %s: %w", ref, err)
	}
	if err := u.begin(ref); err != nil {
		return 0, err
	}
	off = u.Size()
	u.buf.Write(body)
	u.buf.WriteString("\nendobj\n")
	return off, nil
}

// PutStream writes a stream. The entries are those of its dictionary without
// /Length. It returns the offset of the data.
func (u *Update) PutStream(ref Ref, entries []Pair, data []byte) (off int64, err error) {
	if err := u.checkSize(); err != nil {
		return 0, err
	}
	dict := DictString(append(slices.Clone(entries), Pair{"Length", fmt.Sprint(len(data))})...)
	if err := checkBody([]byte(dict)); err != nil {
		return 0, fmt.Errorf("pdf: put stream %s: %w", ref, err)
	}
	if err := u.begin(ref); err != nil {
		return 0, err
	}
	u.buf.WriteString(dict)
	u.buf.WriteString("\nstream\n")
	off = u.Size()
	u.buf.Write(data)
	u.buf.WriteString("\nendstream\nendobj\n")
	return off, nil
}

// Repeat writes a stream of the document again, with an equal dictionary and the same data.
func (u *Update) Repeat(ref Ref) error {
	o, err := u.doc.Load(ref)
	if err != nil {
		return err
	}
	raw, err := u.doc.RawStream(o)
	if err != nil {
		return err
	}
	if err := u.checkDangling(ref, o.elems); err != nil {
		return err
	}
	if err := u.checkSize(); err != nil {
		return err
	}
	if err := u.begin(ref); err != nil {
		return err
	}
	u.buf.WriteString(o.brief() + "\nstream\n")
	if _, err := io.Copy(&u.buf, raw); err != nil {
		return err
	}
	u.buf.WriteString("\nendstream\nendobj\n")
	return nil
}

// brief returns the object as Raw does, without zeros at the end of reals. Some programs write
// twelve for each number.
func (o Object) brief() string {
	open, end := "[", "]"
	switch o.kind {
	case Real:
		short := strings.TrimRight(o.raw, "0")
		switch {
		case !strings.Contains(short, "."): // an integer that does not fit
			return o.raw
		case strings.HasSuffix(short, "."):
			short += "0"
		}
		return short
	case Array:
	case Dictionary, Stream:
		open, end = "<<", ">>"
	default:
		return o.Raw()
	}
	parts := make([]string, len(o.elems))
	for i, e := range o.elems {
		parts[i] = e.brief()
	}
	return open + strings.Join(parts, " ") + end
}

// checkBody checks that the body is exactly one object.
func checkBody(body []byte) error {
	p := &parser{src: string(body), final: true, depth: 64}
	o, err := p.value()
	if err != nil {
		return err
	}
	if len(o.raw) != len(body) {
		return errors.New("the body is not exactly one object")
	}
	return nil
}

// begin records where an object starts and writes its header.
func (u *Update) begin(ref Ref) error {
	if u.done {
		return errors.New("pdf: the update is finished")
	}
	if _, dup := u.written[ref.Num]; dup {
		return fmt.Errorf("pdf: object %s is written twice", ref)
	}
	switch e := u.doc.Lookup(ref.Num); {
	case ref.Num >= u.first && ref.Num < u.next && ref.Gen == 0:
	case ref.Num < u.first && e.Kind != Free && e.Ref == ref:
	default:
		return fmt.Errorf("pdf: object %s is neither allocated nor part of the document", ref)
	}
	if u.buf.Len() == 0 {
		if err := u.endLine(); err != nil {
			return err
		}
	}
	u.written[ref.Num] = position{u.Size(), ref.Gen}
	fmt.Fprintf(&u.buf, "%d %d obj\n", ref.Num, ref.Gen)
	return nil
}

// endLine begins the update with a line break if the file does not end with one, because %%EOF must
// be on its own line.
func (u *Update) endLine() error {
	b, _, err := u.doc.src.window(u.doc.src.size-1, 1)
	if err != nil {
		return err
	}
	if b[0] != '\n' && b[0] != '\r' {
		u.buf.WriteByte('\n')
	}
	return nil
}

// Patch overwrites bytes of the update at an offset in the updated file. It is for values of a
// fixed length that depend on the final size, such as /ByteRange, and may be called after Finish.
func (u *Update) Patch(off int64, b []byte) error {
	at := off - u.doc.src.size
	if at < 0 || at+int64(len(b)) > int64(u.buf.Len()) {
		return fmt.Errorf("pdf: patch of %d bytes at %d is outside the update", len(b), off)
	}
	copy(u.buf.Bytes()[at:], b)
	return nil
}

// Set changes a key of an existing dictionary; an empty value removes it. All other values keep
// their spelling, and an object of an object stream becomes a plain one. Set refuses a dictionary
// with a duplicate key, or with a reference to a number that the update may allocate.
func (u *Update) Set(ref Ref, key, value string) error {
	if err := u.checkSize(); err != nil {
		return err
	}
	o, err := u.doc.Load(ref)
	if err != nil {
		return err
	}
	if !o.IsDict() {
		return refuse(BadObject, "object %d, which has to be changed, is a %s", ref.Num, o.kind)
	}
	if k, dup := o.DuplicateKey(); dup {
		return refuse(DuplicateKey, "/%s in object %d, which has to be changed", k, ref.Num)
	}
	if err := u.checkDangling(ref, o.elems); err != nil {
		return err
	}
	pairs := slices.DeleteFunc(u.edits[ref], func(p Pair) bool { return p.Key == key })
	u.edits[ref] = append(pairs, Pair{key, value})
	return nil
}

// checkDangling refuses to change an object that refers to a number which is not in use but would
// be allocated: the new object would appear where the author referred to nothing, for example among
// a page's contents.
func (u *Update) checkDangling(ref Ref, elems []Object) error {
	for _, e := range elems {
		if r, ok := e.Ref(); ok && r.Num >= u.first && !u.spared[r.Num] {
			return refuse(
				DanglingReference, "object %d refers to %s, which does not exist", ref.Num, r,
			)
		}
		if err := u.checkDangling(ref, e.elems); err != nil {
			return err
		}
	}
	return nil
}

// SetCatalog changes a key of the document catalog.
func (u *Update) SetCatalog(key, value string) error { return u.Set(u.doc.root, key, value) }

// Finish writes the collected changes, the cross-reference section and the
// trailer. random gives the 16 bytes of the new second element of /ID.
func (u *Update) Finish(random io.Reader) error {
	if u.done {
		return errors.New("pdf: the update is finished")
	}
	if err := u.applyAnnotations(); err != nil {
		return err
	}
	if err := u.applyFields(); err != nil {
		return err
	}
	refs := make([]Ref, 0, len(u.edits))
	for ref := range u.edits {
		refs = append(refs, ref)
	}
	slices.SortFunc(refs, func(a, b Ref) int { return a.Num - b.Num })
	for _, ref := range refs {
		o, err := u.doc.Load(ref)
		if err != nil {
			return err
		}
		body, err := EditDict(o, u.edits[ref]...)
		if err != nil {
			return err
		}
		if _, err := u.Put(ref, []byte(body)); err != nil {
			return err
		}
	}
	for num := u.first; num < u.next; num++ {
		if _, ok := u.written[num]; !ok && !u.spared[num] {
			return fmt.Errorf("pdf: object %d is allocated but not written", num)
		}
	}
	if len(u.written) == 0 {
		return errors.New("pdf: the update is empty")
	}
	if err := u.writeXref(random); err != nil {
		return err
	}
	u.done = true
	return nil
}

// Bytes returns the update. The caller must not change it.
func (u *Update) Bytes() []byte { return u.buf.Bytes() }

// Pair is a key of a dictionary, without its slash, and its value as written
// in a file.
type Pair struct {
	Key, Value string
}

// DictString writes a dictionary.
func DictString(pairs ...Pair) string {
	var b strings.Builder
	b.WriteString("<<")
	for _, p := range pairs {
		b.WriteString(" " + NameToken(p.Key) + " " + p.Value)
	}
	b.WriteString(" >>")
	return b.String()
}

// EditDict writes a dictionary with some keys changed, added or, with an empty
// value, removed. The other keys and values keep their order and spelling.
// Null stands for an empty dictionary.
func EditDict(o Object, changes ...Pair) (string, error) {
	if !o.IsDict() && !o.IsNull() {
		return "", refuse(BadObject, "a %s where a dictionary has to be changed", o.kind)
	}
	if k, dup := o.DuplicateKey(); dup {
		return "", refuse(DuplicateKey, "/%s in a dictionary that has to be changed", k)
	}
	todo := make(map[string]string, len(changes))
	for _, c := range changes {
		todo[c.Key] = c.Value
	}
	var b strings.Builder
	b.WriteString("<<")
	write := func(key, value string) { b.WriteString("\n" + key + " " + value) }
	written := make(map[string]bool, len(o.elems)/2)
	for i := 0; i+1 < len(o.elems); i += 2 {
		key, value := o.elems[i], o.elems[i+1].Raw()
		if written[key.Name()] {
			continue // twice, with the same value
		}
		written[key.Name()] = true
		if v, ok := todo[key.Name()]; ok {
			delete(todo, key.Name())
			value = v
		}
		if value != "" {
			write(key.raw, value)
		}
	}
	for _, c := range changes {
		if v, ok := todo[c.Key]; ok && v != "" {
			delete(todo, c.Key)
			write(NameToken(c.Key), v)
		}
	}
	b.WriteString("\n>>")
	return b.String(), nil
}
