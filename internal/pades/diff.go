package pades

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/signet-sign/signet/internal/pdf"
)

// The rules about what may be appended to a signed document. Everything that
// differs between the signed revision and the whole file must be explained by
// one of these, or it is a change after signing:
//
//   - the catalog gets a /DSS, or another value of it, made of new objects;
//   - the form gets further signature fields, each merged with its one widget,
//     and further bits in /SigFlags;
//   - the value of such a field is a signature or time stamp that is valid by
//     itself; a field without one would be an overlay that nobody signed;
//   - a page's /Annots gets the widgets of these fields at its end;
//   - new objects that are reached only from the above, and the containers
//     (object and cross-reference streams) of allowed objects.
//
// Whatever existed keeps its bytes; nothing is freed. That covers the attacks
// known as incremental saving and shadow replacement (Mladenov et al. 2019,
// 2021) and evil annotation (2021), because those must change or add an object
// that no rule explains.

// change is one difference, in words.
type change struct {
	what    string
	allowed bool
}

// differ compares a signed revision with the document that it became.
type differ struct {
	old, now *pdf.Document
	// trusted reports whether a signature dictionary belongs to a later
	// signature without problems.
	trusted   func(pdf.Ref) bool
	changed   map[int]bool // objects that are new or not the same
	explained map[int]bool
	changes   []change
}

// compare lists the differences between a revision and a later one.
func compare(old, now *pdf.Document, trusted func(pdf.Ref) bool) ([]change, error) {
	c := &differ{old: old, now: now, trusted: trusted, changed: make(map[int]bool), explained: make(map[int]bool)}
	if err := c.collect(); err != nil {
		return nil, err
	}
	if c.old.Root() != c.now.Root() {
		c.forbid("the document catalog was replaced by another object")
		return c.changes, nil
	}
	if old.Sections()[0].Offset == now.Sections()[0].Offset {
		c.forbid("bytes were appended that are not a revision")
	}
	if a, b := old.Trailer().Get("Info").Raw(), now.Trailer().Get("Info").Raw(); a != b {
		c.forbid("the document information was replaced by another object")
	}
	for _, step := range []func() error{c.catalog, c.containers, c.gaps} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	for _, num := range slices.Sorted(maps.Keys(c.changed)) {
		if !c.explained[num] {
			c.forbid(fmt.Sprintf("object %d was added or changed", num))
		}
	}
	return c.changes, nil
}

func (c *differ) forbid(what string) { c.changes = append(c.changes, change{what, false}) }
func (c *differ) allow(what string)  { c.changes = append(c.changes, change{what, true}) }

// collect finds the objects whose entry and value differ.
func (c *differ) collect() error {
	for e := range c.now.Entries {
		before := c.old.Lookup(e.Ref.Num)
		if e == before {
			continue
		}
		same, err := c.same(e.Ref.Num, before, e)
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
func (c *differ) same(num int, before, after pdf.Entry) (bool, error) {
	if before.Kind == pdf.Free || after.Kind == pdf.Free {
		return before.Kind == after.Kind, nil
	}
	if before.Ref != after.Ref {
		return false, nil
	}
	a, err := c.old.Load(before.Ref)
	if err != nil {
		return false, err
	}
	b, err := c.now.Load(after.Ref)
	if err != nil {
		return false, err
	}
	if a.Kind() != b.Kind() || a.Raw() != b.Raw() {
		return false, nil
	}
	if a.Kind() != pdf.Stream {
		return true, nil
	}
	ra, err := c.old.RawStream(a)
	if err != nil {
		return false, err
	}
	rb, err := c.now.RawStream(b)
	if err != nil {
		return false, err
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

// catalog compares the catalogs key by key.
func (c *differ) catalog() error {
	old, now := c.old.Catalog(), c.now.Catalog()
	for _, key := range keysOf(old, now) {
		a, b := old.Get(key), now.Get(key)
		switch key {
		case "DSS":
			if err := c.store(b); err != nil {
				return err
			}
		case "AcroForm":
			if err := c.form(a, b); err != nil {
				return err
			}
		default:
			if a.Raw() != b.Raw() {
				c.forbid("/" + key + " of the document catalog was changed")
			}
		}
	}
	c.explained[c.now.Root().Num] = true
	return nil
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

// storeKeys are the entries of a document security store (EN 319 142-1, 5.4.2.2).
var storeKeys = strings.Fields("Type Certs OCSPs CRLs VRI TU TS")

// store explains the document security store. Its dictionary, and that of /VRI,
// may be updated in place, in their own keys only: the same object could serve
// as something visible too. All else that it gains must be new objects.
func (c *differ) store(dss pdf.Object) error {
	was := c.old.Catalog().Get("DSS")
	before, err := c.old.Resolve(was)
	if err != nil {
		return err
	}
	after, err := c.now.Resolve(dss)
	if err != nil {
		return err
	}
	own := func(key string) bool { return slices.Contains(storeKeys, key) }
	if !c.inPlace(was, dss, before, after, own) {
		c.forbid("/DSS was replaced by an object that had another use")
		return nil
	}
	vriBefore, err := c.old.Get(before, "VRI")
	if err != nil {
		return err
	}
	vriAfter, err := c.now.Get(after, "VRI")
	if err != nil {
		return err
	}
	anyHash := func(key string) bool { return len(key) == 40 && strings.Trim(key, "0123456789ABCDEFabcdef") == "" }
	if !c.inPlace(before.Get("VRI"), after.Get("VRI"), vriBefore, vriAfter, anyHash) {
		c.forbid("/VRI was replaced by an object that had another use")
		return nil
	}
	reached := make(map[int]bool)
	for _, o := range []pdf.Object{after, vriAfter} {
		if err := walk(c.now, o, reached, c.isNew); err != nil {
			return err
		}
	}
	maps.Copy(c.explained, reached)
	if dss.Raw() != was.Raw() || before.Raw() != after.Raw() || vriBefore.Raw() != vriAfter.Raw() {
		c.allow("revocation data was added")
	}
	return nil
}

// inPlace explains a dictionary that was or became the value of a key: a new
// or direct one, or the old one with changes in its own keys only.
func (c *differ) inPlace(was, is, before, after pdf.Object, own func(key string) bool) bool {
	ref, indirect := is.Ref()
	if !indirect {
		return true
	}
	if c.isNew(ref) || !c.changed[ref.Num] && was.Raw() == is.Raw() {
		c.explained[ref.Num] = true
		return true
	}
	if was.Raw() != is.Raw() {
		return false
	}
	for _, key := range keysOf(before, after) {
		if before.Get(key).Raw() != after.Get(key).Raw() && !own(key) {
			return false
		}
	}
	c.explained[ref.Num] = true
	return true
}

// form compares the interactive forms and explains new signature fields.
func (c *differ) form(a, b pdf.Object) error {
	old, err := c.old.Resolve(a)
	if err != nil {
		return err
	}
	now, err := c.now.Resolve(b)
	if err != nil {
		return err
	}
	if ref, ok := b.Ref(); ok {
		if was, indirect := a.Ref(); !(indirect && was == ref) && !(old.IsNull() && c.isNew(ref)) {
			c.forbid("the form was replaced by another object")
			return nil
		}
		c.explained[ref.Num] = true
	} else if _, was := a.Ref(); was {
		c.forbid("the form was replaced by a direct one")
		return nil
	}
	if !now.IsDict() {
		c.forbid("the form was removed")
		return nil
	}
	for _, key := range keysOf(old, now) {
		x, y := old.Get(key), now.Get(key)
		switch key {
		case "Fields":
			if err := c.fields(x, y); err != nil {
				return err
			}
		case "SigFlags":
			v, _ := x.Int()
			w, ok := y.Int()
			if !ok || w&v != v || w&^3 != v&^3 {
				c.forbid("/SigFlags of the form was changed")
			}
		default:
			if x.Raw() != y.Raw() {
				c.forbid("/" + key + " of the form was changed")
			}
		}
	}
	return nil
}

// appended returns what was added at the end of an array; ok is false if the
// array changed in another way. An indirect array is explained if it stays the
// same object.
func (c *differ) appended(a, b pdf.Object) (added []pdf.Object, ok bool, err error) {
	old, err := c.old.Resolve(a)
	if err != nil {
		return nil, false, err
	}
	now, err := c.now.Resolve(b)
	if err != nil {
		return nil, false, err
	}
	x, y := old.Elements(), now.Elements()
	if len(y) < len(x) {
		return nil, false, nil
	}
	for i := range x {
		if x[i].Raw() != y[i].Raw() {
			return nil, false, nil
		}
	}
	if ref, indirect := b.Ref(); indirect && (c.isNew(ref) || a.Raw() == b.Raw()) {
		c.explained[ref.Num] = true
	}
	return y[len(x):], true, nil
}

// fields explains the signature fields at the end of the form's list.
func (c *differ) fields(a, b pdf.Object) error {
	added, ok, err := c.appended(a, b)
	if err != nil {
		return err
	}
	if !ok {
		c.forbid("the form's fields were changed, not only added to")
		return nil
	}
	widgets := make(map[pdf.Ref]bool)
	for _, o := range added {
		ref, _ := o.Ref()
		why, err := c.field(ref)
		if err != nil {
			return err
		}
		if why != "" {
			c.forbid(fmt.Sprintf("field %d was added: %s", ref.Num, why))
			continue
		}
		widgets[ref] = true
	}
	return c.pages(widgets)
}

// fieldKeys are the entries that a new signature field may have. /A and /AA
// would act, /Kids and /Parent would hide further widgets.
var fieldKeys = strings.Fields("Type Subtype FT T TU V Rect P F AP MK Lock SV NM M")

// field checks one new field and explains what it is made of. It returns why
// the field is not allowed.
func (c *differ) field(ref pdf.Ref) (why string, err error) {
	if !c.isNew(ref) {
		return "it is an existing object", nil
	}
	f, err := c.now.Load(ref)
	if err != nil {
		return "", err
	}
	for key := range f.Entries() {
		if !slices.Contains(fieldKeys, key) {
			return "it has /" + key, nil
		}
	}
	if f.Get("FT").Name() != "Sig" || f.Get("Subtype").Name() != "Widget" {
		return "it is not a signature field with its widget", nil
	}
	value, ok := f.Get("V").Ref()
	if !ok || !c.trusted(value) {
		return "it has no valid signature of its own", nil
	}
	reached := map[int]bool{ref.Num: true}
	err = walk(c.now, f, reached, func(r pdf.Ref) bool {
		page, _ := f.Get("P").Ref()
		return r != page && c.isNew(r)
	})
	if err != nil {
		return "", err
	}
	for num := range reached {
		if c.isNew(pdf.Ref{Num: num}) {
			c.explained[num] = true
		}
	}
	sig, err := c.now.Load(value)
	if err != nil {
		return "", err
	}
	if sig.Get("SubFilter").Name() == subFilterStamp {
		rect, ok, err := c.now.Rect(f.Get("Rect"))
		if err != nil {
			return "", err
		}
		if !ok || !rect.Empty() {
			return "a document time stamp must be invisible", nil
		}
		c.allow("a document time stamp was added")
	} else {
		if why, err := c.covers(ref); why != "" || err != nil {
			return why, err
		}
		c.allow(fmt.Sprintf("a signature was added in field %q", f.Get("T").Text()))
	}
	return "", nil
}

// covers says why the box of a later signature must not be where it is: over an
// earlier one, or over so much of the page that it could show another document.
// What is below a smaller box is for the eye of the reader, as on paper.
func (c *differ) covers(ref pdf.Ref) (why string, err error) {
	fields, err := c.now.SignatureFields()
	if err != nil {
		return "", err
	}
	i := slices.IndexFunc(fields, func(f pdf.SignatureField) bool { return f.Ref == ref })
	if i < 0 {
		return "it is not in the field tree", nil
	}
	for _, w := range fields[i].Widgets {
		if w.Page == 0 || w.Rect.Empty() {
			continue
		}
		page, err := c.now.Page(w.Page)
		if err != nil {
			return "", err
		}
		width, height := page.DisplaySize()
		if w.Display.Width()*w.Display.Height() > width*height/4 {
			return "it covers more than a quarter of the page", nil
		}
		for j, f := range fields {
			for _, other := range f.Widgets {
				if i != j && other.Page == w.Page && !c.isNew(f.Ref) && w.Display.Overlaps(other.Display) {
					return fmt.Sprintf("it covers the earlier field %q", f.Name), nil
				}
			}
		}
	}
	return "", nil
}

// pages explains pages whose only change is that allowed widgets were added.
func (c *differ) pages(widgets map[pdf.Ref]bool) error {
	if c.old.NumPages() != c.now.NumPages() {
		c.forbid("pages were added or removed")
		return nil
	}
	placed := make(map[pdf.Ref]int)
	for number := 1; number <= c.now.NumPages(); number++ {
		old, err := c.old.Page(number)
		if err != nil {
			return err
		}
		now, err := c.now.Page(number)
		if err != nil {
			return err
		}
		if old.Ref != now.Ref {
			c.forbid(fmt.Sprintf("page %d was replaced by another", number))
			continue
		}
		a, err := c.old.Load(old.Ref)
		if err != nil {
			return err
		}
		b, err := c.now.Load(now.Ref)
		if err != nil {
			return err
		}
		added, ok, err := c.appended(a.Get("Annots"), b.Get("Annots"))
		if err != nil {
			return err
		}
		for _, key := range keysOf(a, b) {
			if key != "Annots" && a.Get(key).Raw() != b.Get(key).Raw() {
				ok = false
			}
		}
		for _, o := range added {
			ref, _ := o.Ref()
			if !widgets[ref] {
				ok = false
			}
			placed[ref]++
		}
		if !ok {
			c.forbid(fmt.Sprintf("page %d was changed", number))
		}
		// Whatever is wrong was said; the object itself needs no second mention.
		c.explained[now.Ref.Num] = true
	}
	for ref := range widgets {
		if placed[ref] != 1 {
			c.forbid(fmt.Sprintf("the widget of field %d is on %d pages", ref.Num, placed[ref]))
		}
	}
	return nil
}

// containers explains the streams that only hold other objects: each of those
// is judged by itself.
func (c *differ) containers() error {
	for num := range c.changed {
		ref := c.now.Lookup(num).Ref
		if c.explained[num] || !c.isNew(pdf.Ref{Num: num}) {
			continue
		}
		o, err := c.now.Load(ref)
		if err != nil {
			return err
		}
		if o.Kind() != pdf.Stream {
			continue
		}
		if kind := o.Get("Type").Name(); kind == "XRef" || kind == "ObjStm" {
			c.explained[num] = true
		}
	}
	return nil
}

// gaps looks for references in the signed revision to objects that it did not
// have. They were null when it was signed; an object that is added under such a
// number would show up in the signed pages (shadow attack by a dangling
// reference).
func (c *differ) gaps() error {
	if len(c.changed) == 0 {
		return nil
	}
	for e := range c.old.Entries {
		if e.Kind == pdf.Free {
			continue
		}
		o, err := c.old.Load(e.Ref)
		if err != nil {
			if pdf.ReasonOf(err) == "" || pdf.ReasonOf(err) == pdf.TooMuchWork {
				return err
			}
			continue // nobody can read it, whatever it refers to
		}
		refs := make(map[int]bool)
		if err := walk(c.old, o, refs, func(r pdf.Ref) bool {
			if c.changed[r.Num] && c.isNew(r) {
				refs[r.Num] = true
			}
			return false
		}); err != nil {
			return err
		}
		for num := range refs {
			c.forbid(fmt.Sprintf("object %d was added, to which object %d had referred before", num, e.Ref.Num))
		}
	}
	return nil
}

// walk notes the objects that o refers to, directly or through others for which
// into is nil or true.
func walk(d *pdf.Document, o pdf.Object, seen map[int]bool, into func(pdf.Ref) bool) error {
	switch o.Kind() {
	case pdf.Reference:
		ref, _ := o.Ref()
		if seen[ref.Num] || into != nil && !into(ref) {
			return nil
		}
		seen[ref.Num] = true
		target, err := d.Load(ref)
		if err != nil {
			return err
		}
		return walk(d, target, seen, into)
	case pdf.Array:
		for _, e := range o.Elements() {
			if err := walk(d, e, seen, into); err != nil {
				return err
			}
		}
	case pdf.Dictionary, pdf.Stream:
		for _, e := range o.Entries() {
			if err := walk(d, e, seen, into); err != nil {
				return err
			}
		}
	}
	return nil
}
