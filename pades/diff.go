package pades

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/signet-sign/signet/pades/pdf"
)

// The rules about what may be appended to a signed document. Objects are compared by value
// (pdf.Equal), so that one that another program spelled its own way is the same. Every object
// that differs between the signed revision and the whole file, and that a reader can reach,
// must be explained by one of these rules, or it is a change of kind [ChangeOther]:
//
//   - archive: the catalog gets a /DSS, or another value of it, made of new objects; a
//     document timestamp is added in an invisible field (diffstore.go, diffbox.go);
//   - metadata: the document information, the catalog's XMP /Metadata, /Version and
//     /Extensions (this file);
//   - signature: the form gets a signature field with its widgets, or an empty one gets a
//     value, and that is a signature which verifies by itself. A field without one would
//     be an overlay that nothing protects (diffbox.go);
//   - form-fill: a field that is not a signature gets another value, and an appearance
//     for it (diffform.go);
//   - annotation: a page's /Annots gets, loses or changes what is not a form's widget
//     (diffpage.go).
//
// The first three are allowed unless a permission forbids further signatures. The others
// are allowed only where a certification grants them (pdf.Permissions).
//
// What is allowed may hide a part of the page; diffhide.go says which.
//
// An object may have several uses. What a page draws must not change, even if a rule explains it
// by another use (differ.shown).
//
// Objects that nothing refers to cannot show and need no explanation. That leaves nothing to
// the attacks known as incremental saving and shadow replacement (Mladenov et al. 2019, 2021)
// and evil annotation (Rohlmann et al. 2021), because those must change or add an object that
// shows.

// differ compares a signed revision with the current document.
type differ struct {
	old, now    *pdf.Document
	permissions *pdf.Permissions
	// later returns the verdict on the later signature with a dictionary.
	later     func(pdf.Ref) (*Signature, bool)
	latest    *latest      // of now
	changed   map[int]bool // objects that are new or different
	explained map[int]bool
	unused    map[int]bool // those that only add resources to pages, which these do not use
	// changed object -> objects of the signed revision that refer to it
	referrers map[int][]int
	widgets   map[pdf.Ref]bool // judged by form
	paintings *paintings
	laid      map[int][]*patch // what lies over pages, by number
	marks     map[int]*canvas  // what annotations of the signed revision show, by page
	changes   []Change
}

// latest is what all comparisons read of the current document, once.
type latest struct {
	doc    *pdf.Document
	places map[pdf.Ref]pdf.Widget
	fields map[pdf.Ref][]pdf.FormField // below boxes
	looks  [][]annotated               // of annotations, by page
}

// annotated is the /AP of an annotation, which may be an object.
type annotated struct {
	annotation int
	value      pdf.Object
}

// widgets returns where the widgets of all fields are.
func (l *latest) widgets() (map[pdf.Ref]pdf.Widget, error) {
	if l.places != nil {
		return l.places, nil
	}
	fields, err := l.doc.FormFields()
	if err != nil {
		return nil, err
	}
	var refs []pdf.Ref
	for _, f := range fields {
		refs = append(refs, f.Widgets...)
	}
	widgets, err := l.doc.Locate(refs)
	if err != nil {
		return nil, err
	}
	l.places = make(map[pdf.Ref]pdf.Widget, len(widgets))
	for _, w := range widgets {
		l.places[w.Ref] = w
	}
	return l.places, nil
}

// below returns the fields that a box lies over, but for signatures.
func (l *latest) below(box pdf.SignatureField) (below []pdf.FormField, err error) {
	if below, ok := l.fields[box.Ref]; ok {
		return below, nil
	}
	fields, err := l.doc.FormFields()
	if err != nil {
		return nil, err
	}
	places, err := l.widgets()
	if err != nil {
		return nil, err
	}
	covered := func(ref pdf.Ref) bool {
		w := places[ref]
		return shownWidget(w) && slices.ContainsFunc(box.Widgets, func(b pdf.Widget) bool {
			return shownWidget(b) && w.Page == b.Page && overlap(w.Display, b.Display)
		})
	}
	for _, f := range fields {
		if f.Type != "Sig" && slices.ContainsFunc(f.Widgets, covered) {
			below = append(below, f)
		}
	}
	l.fields[box.Ref] = below
	return below, nil
}

// looksOn returns the looks of the annotations of a page that have one.
func (l *latest) looksOn(page pdf.Page) ([]annotated, error) {
	if l.looks == nil {
		l.looks = make([][]annotated, 1+l.doc.NumPages())
	}
	if looks := l.looks[page.Number]; looks != nil {
		return looks, nil
	}
	annots, err := l.doc.Annotations(page)
	if err != nil {
		return nil, err
	}
	looks := make([]annotated, 0, len(annots))
	for _, a := range annots {
		o, err := l.doc.Get(a, "AP")
		if err != nil {
			return nil, err
		}
		if !o.IsNull() {
			ref, _ := a.Ref()
			looks = append(looks, annotated{ref.Num, o})
		}
	}
	l.looks[page.Number] = slices.Clip(looks)
	return looks, nil
}

// resolveBoth resolves a in the older revision and b in the newer one.
func (c *differ) resolveBoth(a, b pdf.Object) (old, now pdf.Object, err error) {
	if old, err = c.old.Resolve(a); err == nil {
		now, err = c.now.Resolve(b)
	}
	return old, now, err
}

// loadBoth loads an object from both revisions.
func (c *differ) loadBoth(ref pdf.Ref) (old, now pdf.Object, err error) {
	if old, err = c.old.Load(ref); err == nil {
		now, err = c.now.Load(ref)
	}
	return old, now, err
}

// compare returns the differences between a revision and a later one; with an error, some of them.
func compare(
	old, now *pdf.Document, permissions *pdf.Permissions, later func(pdf.Ref) (*Signature, bool),
	paintings *paintings, latest *latest,
) ([]Change, error) {
	c := &differ{
		old: old, now: now, permissions: permissions, later: later,
		changed: make(map[int]bool), explained: make(map[int]bool), unused: make(map[int]bool),
		referrers: make(map[int][]int),
		widgets:   make(map[pdf.Ref]bool), paintings: paintings, laid: make(map[int][]*patch),
		marks: make(map[int]*canvas), latest: latest,
	}
	if err := c.collect(); err != nil {
		return nil, err
	}
	if c.old.Root() != c.now.Root() {
		c.add(
			Change{
				Kind: ChangeOther, Text: "the document catalog was replaced by another object",
				Object: c.now.Root().Num,
			},
		)
		return c.changes, nil
	}
	end, err := endOfRevision(now, now.Sections()[0].Offset)
	if err != nil {
		return nil, err
	}
	if blank, err := blankFrom(now, end); err != nil {
		return nil, err
	} else if !blank || old.Sections()[0].Offset == now.Sections()[0].Offset {
		c.add(Change{Kind: ChangeOther, Text: "bytes were appended that are not a revision"})
	}
	for _, step := range []func() error{
		c.refer, c.catalog, c.info, c.pages, c.containers, c.gaps, c.shown, c.ambiguous, c.rest,
	} {
		if err := step(); err != nil {
			return c.changes, err
		}
	}
	return c.changes, nil
}

// add adds a change and decides whether it is allowed.
func (c *differ) add(ch Change) {
	switch p := c.permissions; ch.Kind {
	case ChangeArchive, ChangeMetadata:
		ch.Allowed = true
	case ChangeSignature:
		ch.Allowed = p.DocMDP != 1 && !p.Locked(ch.Field)
	case ChangeFormFilling:
		ch.Allowed = p.DocMDP >= 2 && !p.Locked(ch.Field)
	case ChangeAnnotation:
		ch.Allowed = p.DocMDP == 3
	}
	if !ch.Allowed && ch.Kind == ChangeSignature {
		ch.Text += ", which an earlier signature does not allow"
	}
	c.changes = append(c.changes, ch)
}

func (c *differ) other(object int, format string, args ...any) {
	c.add(Change{Kind: ChangeOther, Object: object, Text: fmt.Sprintf(format, args...)})
}

// collect finds the objects whose entry and value differ.
func (c *differ) collect() error {
	for e := range c.now.Entries {
		before := c.old.Lookup(e.Ref.Num)
		// The object stream itself may have been replaced.
		moved := e.Kind == pdf.Compressed && c.old.Lookup(e.Container) != c.now.Lookup(e.Container)
		if e == before && !moved {
			continue
		}
		same, err := c.same(before, e)
		if err != nil {
			return err
		}
		if !same {
			c.changed[e.Ref.Num] = true
		}
	}
	for e := range c.old.Entries {
		if e.Kind != pdf.Free && c.now.Lookup(e.Ref.Num).Kind == pdf.Free {
			c.changed[e.Ref.Num] = true
		}
	}
	return nil
}

// same reports whether an object that was written again has the same value.
func (c *differ) same(before, after pdf.Entry) (bool, error) {
	if before.Kind == pdf.Free || after.Kind == pdf.Free {
		return before.Kind == after.Kind, nil
	}
	if before.Ref != after.Ref {
		return false, nil
	}
	a, err := c.old.Load(before.Ref)
	if skip, err := unreadable(err); skip || err != nil {
		return false, err
	}
	b, err := c.now.Load(after.Ref)
	if skip, err := unreadable(err); skip || err != nil {
		return false, err
	}
	if a.Kind() != pdf.Stream || !pdf.Equal(a, b) {
		return pdf.Equal(a, b), nil
	}
	ra, err := c.old.RawStream(a)
	if err != nil {
		return false, err
	}
	rb, err := c.now.RawStream(b)
	if err != nil {
		return false, err
	}
	if ra.Size() != rb.Size() {
		return false, nil
	}
	da, err := io.ReadAll(ra)
	if err != nil {
		return false, err
	}
	db, err := io.ReadAll(rb)
	return bytes.Equal(da, db), err
}

// isNew reports whether the signed revision had no such object.
func (c *differ) isNew(ref pdf.Ref) bool { return c.old.Lookup(ref.Num).Kind == pdf.Free }

// equal reports whether two values of a key are equivalent. One may be a reference to a value that
// the other contains directly, or both may be references to equal objects. A new object that
// replaces an equal one is explained.
func (c *differ) equal(key string, a, b pdf.Object) (bool, error) {
	if pdf.EqualEntry(key, a, b) {
		return true, nil
	}
	x, y, err := c.resolveBoth(a, b)
	if err != nil {
		return false, err
	}
	if x.Kind() == pdf.Stream || !pdf.EqualEntry(key, x, y) || x.IsNull() && a.Kind() != b.Kind() {
		return false, nil
	}
	if ref, ok := b.Ref(); ok && c.isNew(ref) {
		c.explained[ref.Num] = true
	}
	return true, nil
}

// infoKeys are the entries of the document information that programs write when they save (ISO
// 32000-2, 14.3.3). A change of the others, such as /Title, is named.
var infoKeys = strings.Fields("ModDate Producer CreationDate Creator")

// info compares the document information, which no page shows. If its object has another use too,
// the rule for that use judges it.
func (c *differ) info() error {
	a, b := c.old.Trailer().Get("Info"), c.now.Trailer().Get("Info")
	old, now, err := c.resolveBoth(a, b)
	if err != nil {
		return err
	}
	ref, indirect := b.Ref()
	if pdf.Equal(old, now) || indirect && c.explained[ref.Num] {
		return nil // judged last, because some files name their catalog or form here
	}
	was, _ := a.Ref()
	switch {
	case now.IsNull() && old.IsDict():
		c.add(Change{
			Kind: ChangeMetadata, Object: was.Num, Text: "the document information was removed",
		})
		return nil
	case !now.IsDict() || !old.IsDict() && !old.IsNull():
		return nil // a change without an explanation
	case indirect && ref != was && !c.isNew(ref):
		c.other(ref.Num, "the document information was replaced by an object that had another use")
		return nil
	}
	var named []string
	harmless := true
	for _, key := range keysOf(old, now) {
		x, y := old.Get(key), now.Get(key)
		if pdf.Equal(x, y) {
			continue
		}
		saved := slices.Contains(infoKeys, key)
		if !isInfo(key, x) || !isInfo(key, y) || !saved && len(c.referrers[ref.Num]) > 0 {
			c.other(ref.Num, "/%s of the document information was changed", key)
			harmless = false
		} else if !saved {
			named = append(named, "/"+key)
		}
	}
	if harmless {
		const most = 4
		if len(named) > most {
			named = append(named[:most], "…")
		}
		text := strings.Join(append([]string{"the document information was updated"}, named...), ", ")
		c.add(Change{Kind: ChangeMetadata, Object: ref.Num, Text: text})
	}
	c.explained[ref.Num] = true
	return nil
}

// isInfo reports whether a value, or none, may stand in the document information (Table 349).
func isInfo(key string, o pdf.Object) bool {
	return o.IsNull() || o.Kind() == pdf.String || key == "Trapped" && o.Kind() == pdf.Name
}

// catalog compares the catalogs key by key.
func (c *differ) catalog() error {
	old, now := c.old.Catalog(), c.now.Catalog()
	root := c.now.Root().Num
	for _, key := range keysOf(old, now) {
		a, b := old.Get(key), now.Get(key)
		switch key {
		case "DSS":
			if err := c.store(b); err != nil {
				return err
			}
			continue
		case "AcroForm":
			if err := c.form(a, b); err != nil {
				return err
			}
			continue
		}
		same, err := c.equal(key, a, b)
		if err != nil {
			return err
		}
		if same {
			continue
		}
		harmless, err := c.harmless(key, a, b)
		if err != nil {
			return err
		}
		if harmless {
			c.add(
				Change{
					Kind: ChangeMetadata, Text: "/" + key + " of the document catalog was updated",
				},
			)
		} else {
			c.other(root, "/%s of the document catalog was changed", key)
		}
	}
	c.explained[root] = true
	return c.metadata(old.Get("Metadata"), now.Get("Metadata"))
}

// harmless reports whether a new value of a key of the catalog is metadata: the version, names of
// standards (ISO 32000-2, 7.12), or an XMP stream. It explains the objects of the value.
func (c *differ) harmless(key string, was, is pdf.Object) (bool, error) {
	now, err := c.now.Resolve(is)
	if err != nil {
		return false, err
	}
	ref, indirect := is.Ref()
	if old, _ := was.Ref(); indirect && ref != old && !c.isNew(ref) {
		return false, nil
	}
	switch key {
	case "Version":
		return now.Kind() == pdf.Name, nil
	case "Extensions":
		if !now.IsDict() {
			return false, nil
		}
		if indirect {
			c.explained[ref.Num] = true
		}
		return true, c.explainNew(now)
	case "Metadata":
		return c.isXMP(now), nil // metadata explains it
	}
	return false, nil
}

// metadata explains the catalog's XMP stream, which is never displayed, if nothing else uses it.
func (c *differ) metadata(was, is pdf.Object) error {
	ref, ok := is.Ref()
	if !ok || !c.changed[ref.Num] || c.explained[ref.Num] {
		return nil
	}
	o, err := c.now.Load(ref)
	if err != nil {
		return err
	}
	if !c.isXMP(o) || !c.isNew(ref) && !c.usedOnce(ref.Num, c.old.Root().Num) {
		return nil
	}
	if old, _ := was.Ref(); old == ref {
		c.add(Change{Kind: ChangeMetadata, Object: ref.Num, Text: "the XMP metadata was updated"})
	}
	c.explained[ref.Num] = true
	return c.explainNew(o)
}

func (c *differ) isXMP(o pdf.Object) bool {
	return o.Kind() == pdf.Stream && o.Get("Type").Name() == "Metadata" &&
		o.Get("Subtype").Name() == "XML"
}

func keysOf(objects ...pdf.Object) []string {
	set := make(map[string]bool)
	for _, o := range objects {
		for k := range o.Entries() {
			set[k] = true
		}
	}
	return slices.Sorted(maps.Keys(set))
}

var errNotArray = errors.New("not an array")

// list resolves an array and returns its elements without nulls, which have no meaning there.
// References to objects that are absent stay.
func list(d *pdf.Document, o pdf.Object) ([]pdf.Object, error) {
	o, err := d.Resolve(o)
	if err != nil {
		return nil, err
	}
	if !o.IsNull() && o.Kind() != pdf.Array {
		return nil, errNotArray
	}
	return slices.DeleteFunc(slices.Clone(o.Elements()), pdf.Object.IsNull), nil
}

// added compares two lists, which are values in the object owner. It returns the elements that only
// now has. ok is false if an element of old is missing or in another order. The array's own object
// is explained if it has no other use; the caller judges the elements.
func (c *differ) added(a, b pdf.Object, owner int) (added []pdf.Object, ok bool, err error) {
	old, err := list(c.old, a)
	if err != nil {
		return nil, false, ignore(err, errNotArray)
	}
	now, err := list(c.now, b)
	if err != nil {
		return nil, false, ignore(err, errNotArray)
	}
	ok = true
	listed := make(map[pdf.Ref]bool, len(old))
	for _, o := range old {
		ref, _ := o.Ref()
		listed[ref] = true
	}
	for _, o := range now {
		// References are looked up. Direct values must be in the same order.
		ref, indirect := o.Ref()
		switch {
		case len(old) > 0 && pdf.Equal(old[0], o):
			old = old[1:]
			delete(listed, ref)
		case indirect && listed[ref]:
			ok = false
			delete(listed, ref) // each is looked up once
			i := slices.IndexFunc(old, func(e pdf.Object) bool { return pdf.Equal(e, o) })
			if i >= 0 {
				old = old[i+1:]
			}
		default:
			if same, err := c.moved(old, o); err != nil {
				return nil, false, err
			} else if same {
				old = old[1:]
				continue
			}
			added = append(added, o)
		}
	}
	if ref, indirect := b.Ref(); indirect {
		if was, _ := a.Ref(); c.isNew(ref) || was == ref && c.usedOnce(ref.Num, owner) {
			c.explained[ref.Num] = true
		}
	}
	return added, ok && len(old) == 0, nil
}

// moved reports whether an element of a list is a new object with the value of the first of old,
// which stands in its list or is absent. PDFBox makes objects of dictionaries in arrays, and writes
// null for references to absent objects, when it saves what refers to them.
func (c *differ) moved(old []pdf.Object, o pdf.Object) (bool, error) {
	ref, ok := o.Ref()
	if !ok || len(old) == 0 || !c.isNew(ref) {
		return false, nil
	}
	was := old[0]
	if r, indirect := was.Ref(); indirect {
		if c.old.Lookup(r.Num).Kind != pdf.Free {
			return false, nil
		}
		was = pdf.Object{}
	}
	now, err := c.now.Load(ref)
	if err != nil || now.Kind() == pdf.Stream || !pdf.Equal(was, now) {
		return false, err
	}
	c.explained[ref.Num] = true
	return true, nil
}

func ignore(err, target error) error {
	if errors.Is(err, target) {
		return nil
	}
	return err
}
