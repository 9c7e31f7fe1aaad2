package pades

import (
	"fmt"
	"slices"
	"strings"

	"github.com/signet-sign/signet/pades/pdf"
)

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
var fieldKeys = strings.Fields("Type Subtype FT T TU Contents Lang V Rect P F AP MK Lock SV NM M H Ff DA DR StructParent")

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
