package pades

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/signet-sign/signet/pades/pdf"
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
	if more, err := c.trailing(); err != nil {
		return nil, err
	} else if more || old.Sections()[0].Offset == now.Sections()[0].Offset {
		c.forbid("bytes were appended that are not a revision")
	}
	for _, step := range []func() error{c.catalog, c.info, c.containers, c.gaps} {
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

// trailing reports whether more than white space follows the newest revision.
// Comments may, for a reader, but nobody has a reason to put them there.
func (c *differ) trailing() (bool, error) {
	end, err := endOfRevision(c.now, c.now.Sections()[0].Offset)
	if err != nil {
		return false, err
	}
	rest := make([]byte, min(c.now.Size()-end, 1025)) // the reader accepts less white space than that
	if _, err := c.now.Reader().ReadAt(rest, end); err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	return len(bytes.Trim(rest, " \t\r\n\f\x00")) > 0, nil
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

// info compares the document information. Whatever else the object may serve as,
// a string that becomes another one shows nowhere.
func (c *differ) info() error {
	a, b := c.old.Trailer().Get("Info"), c.now.Trailer().Get("Info")
	if a.Raw() != b.Raw() {
		c.forbid("the document information was replaced by another object")
		return nil
	}
	ref, ok := b.Ref()
	if !ok || !c.changed[ref.Num] || c.explained[ref.Num] {
		return nil // the last because some files name their catalog or form here
	}
	old, err := c.old.Resolve(a)
	if err != nil {
		return err
	}
	now, err := c.now.Resolve(b)
	if err != nil {
		return err
	}
	if !old.IsDict() || !now.IsDict() {
		return nil // a change without an explanation
	}
	for _, key := range keysOf(old, now) {
		was, is := old.Get(key), now.Get(key)
		written := (key == "ModDate" || key == "Producer") && (was.IsNull() || was.Kind() == pdf.String) && is.Kind() == pdf.String
		if was.Raw() != is.Raw() && !written {
			c.forbid("/" + key + " of the document information was changed")
		}
	}
	c.explained[ref.Num] = true
	return nil
}

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
		case "Extensions": // names of standards (ISO 32000-2, 7.12)
			if a.Raw() != b.Raw() && !b.IsDict() {
				c.forbid("/Extensions of the document catalog was changed")
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
		if skip, err := unreadable(err); err != nil {
			return err
		} else if skip {
			continue
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
// into is nil or true. It keeps its own stack: a hostile file can chain half a
// million objects.
func walk(d *pdf.Document, o pdf.Object, seen map[int]bool, into func(pdf.Ref) bool) error {
	stack := []pdf.Object{o}
	for len(stack) > 0 {
		o := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		switch o.Kind() {
		case pdf.Reference:
			ref, _ := o.Ref()
			if seen[ref.Num] || into != nil && !into(ref) {
				continue
			}
			seen[ref.Num] = true
			target, err := d.Load(ref)
			if err != nil {
				return err
			}
			stack = append(stack, target)
		case pdf.Array:
			stack = append(stack, o.Elements()...)
		case pdf.Dictionary, pdf.Stream:
			for _, e := range o.Entries() {
				stack = append(stack, e)
			}
		}
	}
	return nil
}
