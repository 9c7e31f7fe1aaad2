package pdf

import (
	"bytes"
	"errors"
	"io"
	"strings"
)

// Document is an open PDF file. It reads objects on demand and caches a bounded number of them. It
// must not be used by several goroutines at the same time.
type Document struct {
	src      source
	lim      Limits
	xref     xrefTable
	sections []Section
	size     int // largest /Size of all sections
	trailing int // bytes after %%EOF that are not white space
	root     Ref
	catalog  Object
	pages    []Page

	loading map[int]bool // objects that are being read, to stop loops

	// nil until they are asked for, and if there are none or many
	fields    []FormField
	sigFields []SignatureField
	checked   xrefTable // entries of a later revision, which point at the objects that they name
}

// Open reads the structure of a PDF of the given size: header, cross-reference sections, catalog
// and page tree. Everything else is read on demand. Open returns a *Refusal for a file that is not
// to be signed, and other errors only if r fails.
func Open(r io.ReaderAt, size int64, lim Limits) (*Document, error) {
	lim = lim.withDefaults()
	return open(r, size, lim, newShared(lim.Work), xrefTable{})
}

// Revision opens the document as it was when the file ended at the given size. It uses the work
// budget of d, so that all revisions together cost no more than the limit, and does not read again
// what they have in common. None of them must be used while another one is.
func (d *Document) Revision(size int64) (*Document, error) {
	return open(io.NewSectionReader(d.src.r, 0, size), size, d.lim, d.src.shared, d.xref)
}

func open(
	r io.ReaderAt, size int64, lim Limits, shared *shared, checked xrefTable,
) (*Document, error) {
	d := &Document{
		src:     source{r: r, size: size, shared: shared, inflated: lim.Inflated},
		lim:     lim,
		checked: checked,
		loading: make(map[int]bool),
	}
	for _, step := range []func() error{
		d.checkHeader, d.readXref, d.checkXref, d.readCatalog, d.readPages,
	} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return d, nil
}

func (d *Document) checkHeader() error {
	b, _, err := d.src.window(0, 1024)
	if err != nil {
		return err
	}
	switch i := bytes.Index(b, []byte("%PDF-")); {
	case i < 0:
		return refuse(NotPDF, "no %%PDF- in the first 1,024 bytes")
	case i > 0:
		return refuse(LeadingBytes, "%d bytes before %%PDF-", i)
	}
	return nil
}

func (d *Document) readXref() error {
	off, err := d.startXref()
	if err != nil {
		return err
	}
	if err := d.checkLinearized(off); err != nil {
		return err
	}
	return d.readSections(off)
}

func (d *Document) readCatalog() error {
	root, ok := d.Trailer().Get("Root").Ref()
	if !ok {
		return refuse(NoCatalog, "the trailer has no /Root")
	}
	catalog, err := d.Load(root)
	if err != nil {
		return err
	}
	if !catalog.IsDict() {
		return refuse(NoCatalog, "the document catalog, object %d, is a %s", root.Num, catalog.kind)
	}
	d.root, d.catalog = root, catalog.lastOfEach()
	return nil
}

// Size returns the number of bytes of the file.
func (d *Document) Size() int64 { return d.src.size }

// Trailing returns the number of bytes that follow %%EOF and the white space after it.
func (d *Document) Trailing() int { return d.trailing }

// Reader returns the file the document was opened from.
func (d *Document) Reader() io.ReaderAt { return d.src.r }

// Trailer returns the trailer dictionary of the newest revision.
func (d *Document) Trailer() Object { return d.sections[0].Dict }

// Sections returns the cross-reference sections, newest first.
func (d *Document) Sections() []Section { return d.sections }

// Root returns the reference of the document catalog.
func (d *Document) Root() Ref { return d.root }

// Catalog returns the document catalog.
func (d *Document) Catalog() Object { return d.catalog }

// Version returns the PDF version, such as "1.7": the catalog's /Version, or
// else that of the header (ISO 32000-2, 7.7.2).
func (d *Document) Version() (string, error) {
	v, err := d.Get(d.catalog, "Version")
	if err != nil || v.Name() != "" {
		return v.Name(), err
	}
	b, _, err := d.src.window(0, 16)
	if err != nil {
		return "", err
	}
	p := &parser{src: strings.TrimPrefix(string(b), "%PDF-"), final: true}
	return p.token()
}

// Lookup returns the cross-reference entry of an object; Free when there is none.
func (d *Document) Lookup(num int) Entry { return d.xref.get(num).entry(num) }

// Entries calls yield for the cross-reference entry of every object, in the
// order of the numbers, until it returns false. It has the form of an
// iter.Seq, for use in a range clause.
func (d *Document) Entries(yield func(Entry) bool) {
	for num, s := range d.xref.all() {
		if !yield(s.entry(num)) {
			return
		}
	}
}

// Load returns the newest definition of an object, and null for an object that
// does not exist or is free.
func (d *Document) Load(ref Ref) (Object, error) {
	if err := d.src.charge(workPerValue); err != nil {
		return Object{}, err
	}
	l, err := d.load(ref)
	return l.object, err
}

func (d *Document) load(ref Ref) (loaded, error) {
	e := d.Lookup(ref.Num)
	if e.Kind == Free {
		return loaded{}, nil
	}
	if e.Ref.Gen != ref.Gen {
		return loaded{}, refuse(
			WrongGeneration, "a reference to %d %d R, but the object has generation %d", ref.Num,
			ref.Gen, e.Ref.Gen,
		)
	}
	objects := &d.src.shared.objects
	if l, ok := find(d, objects, e); ok {
		return l, nil
	}
	if d.loading[ref.Num] {
		return loaded{}, refuse(
			ReferenceLoop, "reading object %d needs object %d", ref.Num, ref.Num,
		)
	}
	d.loading[ref.Num] = true
	defer delete(d.loading, ref.Num)

	if e.Kind == Compressed {
		l, cost, err := d.loadCompressed(e)
		if err == nil {
			// The text belongs to the stream, which this object keeps in memory at worst.
			keep(d, objects, e, l, cost)
		}
		return l, err
	}
	in, err := d.indirectAt(e.Offset)
	if err != nil {
		return loaded{}, err
	}
	if in.ref != ref {
		return loaded{}, refuse(
			WrongOffset, "object %d is not at %d, where the cross-reference says it is", ref.Num,
			e.Offset,
		)
	}
	l := loaded{origin{ref: ref, end: in.end}, in.object}
	keep(d, objects, e, l, in.cost)
	return l, nil
}

// References calls visit for each reference in an object, as often as it stands there. It calls it
// for none if the object does not exist or is free.
func (d *Document) References(ref Ref, visit func(Ref)) error {
	if err := d.src.charge(workPerValue / 2); err != nil {
		return err
	}
	e := d.Lookup(ref.Num)
	if e.Kind == Free {
		return nil
	}
	known := &d.src.shared.linked
	l, ok := find(d, known, e)
	if !ok || e.Ref != ref {
		o, err := d.load(ref)
		if err != nil {
			return err
		}
		l = linked{o.origin, o.object.appendLinks(nil)}
		keep(d, known, e, l, placeBytes+8*len(l.links))
	}
	for _, r := range l.links {
		visit(Ref{int(r.num), int(r.gen)})
	}
	return d.src.charge(int64(8 * len(l.links)))
}

// indirect is an indirect object of the file.
type indirect struct {
	ref    Ref
	object Object
	cost   int   // bytes of memory that it uses
	end    int64 // of what was looked at
}

// objectBytes is the size of an Object in memory, without what it refers to.
const objectBytes = 56

// indirectAt reads "n g obj", a value, and endobj or stream.
func (d *Document) indirectAt(off int64) (indirect, error) {
	var ref Ref
	var o Object
	var cost int
	var end int64
	err := d.src.parse(off, d.lim.ObjectSize, d.lim.Nesting, func(p *parser) error {
		num, err := p.unsigned()
		if err != nil {
			return err
		}
		gen, err := p.unsigned()
		if err != nil {
			return err
		}
		if err := p.keyword("obj"); err != nil {
			return err
		}
		if num > maxObjectNumber || gen > 65535 {
			return errSyntax
		}
		ref = Ref{Num: int(num), Gen: int(gen)}
		p.most = d.lim.Values
		if !p.has("endobj") { // nothing at all is null, as in "2 0 obj endobj"
			o, err = p.value()
		}
		if chargeErr := d.src.charge(int64(p.count * workPerValue)); chargeErr != nil {
			return chargeErr
		}
		if err != nil {
			return err
		}
		cost = len(p.src) + p.count*objectBytes
		p.space()
		word, err := p.token()
		const most = 2 // bytes that are looked at behind a token
		end = off + int64(p.pos) + most
		switch {
		case err != nil:
			return err
		case word == "endobj":
			return nil
		case word != "stream" || !o.IsDict():
			return errSyntax
		}
		// The data starts after CR LF or LF (ISO 32000-2, 7.3.8.1), and for every
		// reader also after a CR that no LF follows.
		if p.pos+2 > len(p.src) {
			return p.end()
		}
		switch {
		case p.src[p.pos] == '\r' && p.src[p.pos+1] == '\n':
			p.pos++
		case p.src[p.pos] != '\r' && p.src[p.pos] != '\n':
			return errSyntax
		}
		o.kind, o.n = Stream, off+int64(p.pos)+1
		return nil
	})
	if errors.Is(err, errSyntax) {
		err = refuse(BadObject, "no valid object at %d", off)
	}
	return indirect{ref, o, cost, end}, err
}

// loadCompressed reads an object in an object stream. It returns the memory that it takes.
func (d *Document) loadCompressed(e Entry) (l loaded, cost int, err error) {
	s, err := d.objectStream(e.Container)
	if err != nil {
		return loaded{}, 0, err
	}
	if e.Index >= len(s.objects) || s.objects[e.Index].num != e.Ref.Num {
		return loaded{}, 0, refuse(
			BadObjectStream, "object %d is not object %d of stream %d", e.Ref.Num, e.Index,
			e.Container,
		)
	}
	text := s.data[s.objects[e.Index].off:]
	p := &parser{
		src: text[:min(int64(len(text)), d.lim.ObjectSize)], depth: d.lim.Nesting,
		most: d.lim.Values,
	}
	p.final = len(p.src) == len(text)
	o, err := p.value()
	if err := d.src.charge(int64(p.pos + p.count*workPerValue)); err != nil {
		return loaded{}, 0, err
	}
	switch {
	case errors.Is(err, errMore):
		err = refuse(
			ObjectTooLarge, "object %d in stream %d is larger than %d bytes", e.Ref.Num,
			e.Container, d.lim.ObjectSize,
		)
	case errors.Is(err, errSyntax):
		err = refuse(
			BadObjectStream, "object %d in stream %d cannot be parsed", e.Ref.Num, e.Container,
		)
	}
	return loaded{origin{e.Ref, s.of, s.end}, o}, len(o.raw) + p.count*objectBytes, err
}

// elements resolves an array and returns its elements. It charges for going through them, because
// many objects may refer to the same large array.
func (d *Document) elements(o Object, key string) ([]Object, error) {
	a, err := d.Get(o, key)
	if err != nil {
		return nil, err
	}
	return a.Elements(), d.src.charge(int64(len(a.Elements()) * workPerValue))
}

// Resolve follows references to an object that is not a reference. A missing object is null.
func (d *Document) Resolve(o Object) (Object, error) {
	for range 16 {
		ref, ok := o.Ref()
		if !ok {
			return o, nil
		}
		var err error
		if o, err = d.Load(ref); err != nil {
			return Object{}, err
		}
	}
	return Object{}, refuse(ReferenceLoop, "a reference leads to a reference, 16 times over")
}

// Get resolves the value of a key, and of a key in that, and so on. It is null
// as soon as one of them is missing.
func (d *Document) Get(o Object, keys ...string) (Object, error) {
	o, err := d.Resolve(o)
	for _, k := range keys {
		if err != nil {
			return Object{}, err
		}
		// The same large dictionary may be searched many times.
		if err := d.src.charge(int64(len(o.elems))); err != nil {
			return Object{}, err
		}
		o, err = d.Resolve(o.Get(k))
	}
	return o, err
}
