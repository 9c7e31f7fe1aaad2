package pades

import (
	"fmt"
	"slices"
	"strings"

	"github.com/signet-sign/signet/pades/pdf"
)

// form compares the interactive forms. It judges every field that is new or changed.
func (c *differ) form(a, b pdf.Object) error {
	old, now, err := c.resolveBoth(a, b)
	if err != nil {
		return err
	}
	if !now.IsDict() {
		if !old.IsNull() {
			c.other(0, "the form was removed")
		}
		return nil
	}
	owner := c.now.Root().Num
	if ref, ok := b.Ref(); ok {
		owner = ref.Num
		if was, _ := a.Ref(); was != ref && !c.isNew(ref) {
			c.other(ref.Num, "the form was replaced by an object that had another use")
			return nil
		}
		c.explained[ref.Num] = true
	}
	for _, key := range keysOf(old, now) {
		x, y := old.Get(key), now.Get(key)
		switch key {
		case "Fields":
			if err := c.fields(x, y, owner); err != nil {
				return err
			}
			continue
		case "SigFlags":
			v, _ := x.Int()
			if w, ok := y.Int(); ok && w&v == v && w&^3 == v&^3 {
				continue
			}
		case "NeedAppearances":
			if !y.IsNull() && y.Kind() != pdf.Boolean || y.Bool() {
				break // it still asks: it must be as it was
			}
			if ok, err := c.undemanded(x, now, owner); err != nil {
				return err
			} else if ok {
				continue
			}
		case "DA":
			if x.IsNull() && y.Kind() == pdf.String {
				if undrawn, err := c.undrawn(old); err != nil {
					return err
				} else if !undrawn {
					continue
				}
			}
		case "DR":
			if undrawn, err := c.undrawn(old); err != nil {
				return err
			} else if undrawn {
				break
			}
			ok, err := c.resources(x, y, owner)
			if err != nil {
				return err
			}
			if ok {
				continue
			}
		}
		same, err := c.equal(key, x, y)
		if err != nil {
			return err
		}
		if !same {
			c.other(owner, "/%s of the form was changed", key)
		}
	}
	return nil
}

// undemanded judges a form that no longer asks viewers to draw the values of its fields. Programs
// remove that when they sign, because the viewer would change the document.
func (c *differ) undemanded(was, form pdf.Object, owner int) (bool, error) {
	need, err := c.old.Resolve(was)
	if err != nil {
		return false, err
	}
	if !need.Bool() {
		return need.IsNull() || need.Kind() == pdf.Boolean, nil // false, or absent, which means it
	}
	field, ok, err := c.settled(form)
	if err != nil {
		return false, err
	}
	if ok {
		c.add(Change{
			Kind: ChangeMetadata, Object: owner,
			Text: "the form no longer asks viewers to draw its fields",
		})
	} else {
		c.other(
			owner, "the form no longer asks viewers to draw its fields, and %q may look different",
			field,
		)
	}
	return true, nil
}

// undrawn reports whether viewers draw the value of a field of the signed revision themselves, with
// the /DA and the fonts of the form, because the field has no appearance or /NeedAppearances is
// true.
func (c *differ) undrawn(form pdf.Object) (bool, error) {
	need, err := c.old.Get(form, "NeedAppearances")
	if err != nil {
		return false, err
	}
	fields, err := c.old.FormFields()
	if err != nil {
		return false, err
	}
	for _, f := range fields {
		value, err := c.old.Resolve(f.Value)
		if err != nil {
			return false, err
		}
		if f.Type != "Tx" && f.Type != "Ch" || value.IsNull() ||
			value.Kind() == pdf.String && value.Text() == "" {
			continue
		}
		for _, ref := range f.Widgets {
			o, err := c.old.Load(ref)
			if err != nil {
				return false, err
			}
			if need.Bool() || o.Get("AP").IsNull() {
				return true, nil
			}
		}
	}
	return false, nil
}

// fields judges the field trees. a and b are their lists of roots, which are in the object owner.
func (c *differ) fields(a, b pdf.Object, owner int) error {
	if _, ok, err := c.added(a, b, owner); err != nil {
		return err
	} else if !ok {
		c.other(0, "the form's list of fields was changed, not only added to")
	}
	before, err := c.old.FormFields()
	if err != nil {
		return err
	}
	after, err := c.now.FormFields()
	if err != nil {
		return err
	}
	old := make(map[pdf.Ref]pdf.FormField, len(before))
	for _, f := range before {
		old[f.Ref] = f
	}
	for _, f := range after {
		was, existed := old[f.Ref]
		delete(old, f.Ref)
		switch {
		case existed:
			err = c.existing(was, f)
		case !c.isNew(f.Ref):
			c.other(f.Ref.Num, "an object became the form field %q", f.Name)
		case f.Terminal && f.Type == "Sig":
			err = c.addedSignature(f)
		case f.Terminal:
			err = c.overlay(f, "the form field %q was added", f.Name)
		default:
			err = c.addedGroup(f)
		}
		if err != nil {
			return err
		}
	}
	for _, f := range before {
		if _, gone := old[f.Ref]; gone {
			c.add(
				Change{
					Kind: ChangeOther, Field: f.Name, Object: f.Ref.Num,
					Text: fmt.Sprintf("the form field %q was removed", f.Name),
				},
			)
		}
	}
	return nil
}

// Entries of a field and its widget that change with a value (ISO 32000-2, 12.5.2, 12.5.6.19 and
// 12.7.4): of a form field that is filled in, and of an empty signature field that is signed.
var (
	filledKeys = strings.Fields("V AP AS M I RV MK DA DS")
	signedKeys = strings.Fields("V AP AS M F MK DA DR")
)

// existing judges a field of the signed revision.
func (c *differ) existing(was, is pdf.FormField) error {
	touched := c.changed[is.Ref.Num] && !c.explained[is.Ref.Num]
	for _, w := range is.Widgets {
		if !slices.Contains(was.Widgets, w) {
			return c.overlay(is, "a widget was added to the form field %q", is.Name)
		}
		touched = touched || c.changed[w.Num] && !c.explained[w.Num]
	}
	if len(is.Widgets) < len(was.Widgets) {
		c.other(is.Ref.Num, "a widget of the form field %q was removed", is.Name)
	}
	if !touched {
		return nil
	}
	signing := is.Type == "Sig" && was.Value.IsNull() && !is.Value.IsNull()
	keys := filledKeys
	switch {
	case signing:
		keys = signedKeys
	case is.Type == "Sig" || !is.Terminal:
		// a signature must not change, and nor must a group except for its kids
		keys = nil
	}
	button := is.Type == "Btn" // which has a look for each state; its value selects one
	objects := []pdf.Ref{is.Ref}
	for _, w := range is.Widgets {
		if w != is.Ref {
			objects = append(objects, w)
		}
	}
	filled := false
	value, drawn := false, false // whether the value has changed; whether it had an appearance
	for _, ref := range objects {
		old, now, err := c.loadBoth(ref)
		if err != nil {
			return err
		}
		drawn = drawn || !old.Get("AP").IsNull()
		if !c.changed[ref.Num] {
			continue
		}
		for _, key := range keysOf(old, now) {
			x, y := old.Get(key), now.Get(key)
			if key == "Kids" && !x.IsNull() { // without them it is its own widget
				if _, ok, err := c.added(x, y, ref.Num); err != nil {
					return err
				} else if ok {
					continue // the kids are judged as fields, or as widgets above
				}
			}
			same, err := c.equal(key, x, y)
			if err != nil {
				return err
			}
			if same {
				continue
			}
			if !slices.Contains(keys, key) || key == "AP" && button && !x.IsNull() {
				if keys != nil && isDefault(old, key, y) {
					continue
				}
				if none, err := c.isNowhere(y); err != nil {
					return err
				} else if signing && key == "Rect" && none {
					continue // PDFBox signs in a visible field without showing it
				}
				c.add(Change{
					Kind: ChangeOther, Field: is.Name, Object: ref.Num, Page: c.pageOf(is),
					Text: fmt.Sprintf("/%s of the form field %q was changed", key, is.Name),
				})
				continue
			}
			filled = true
			value = value || key == "V" || key == "AS"
			if err := c.explainOwn(ref.Num, y); err != nil {
				return err
			}
		}
		c.explained[ref.Num] = true
	}
	if filled && !(button && drawn) { // the appearance may be rewritten in place
		for _, ref := range objects {
			o, err := c.now.Load(ref)
			if err != nil {
				return err
			}
			if err := c.explainOwn(ref.Num, o.Get("AP")); err != nil {
				return err
			}
		}
	}
	switch {
	case signing:
		return c.signature(is)
	case filled && drawn && !value: // such as that of a push button, which has no value
		c.add(Change{
			Kind: ChangeOther, Field: is.Name, Object: is.Ref.Num, Page: c.pageOf(is),
			Text: fmt.Sprintf(
				"the form field %q was given another appearance without another value", is.Name,
			),
		})
	case filled:
		if why, err := c.unlike(is); err != nil {
			return err
		} else if why != "" {
			c.add(Change{
				Kind: ChangeOther, Field: is.Name, Object: is.Ref.Num, Page: c.pageOf(is),
				Text: fmt.Sprintf("the form field %q %s", is.Name, why),
			})
			return nil
		}
		c.add(Change{
			Kind: ChangeFormFilling, Field: is.Name, Object: is.Ref.Num, Page: c.pageOf(is),
			Text: fmt.Sprintf("the form field %q was filled in", is.Name),
		})
	}
	return nil
}

// isDefault reports whether a value means the same as its absence in the older field. MuPDF and
// pdf-lib write such values when they fill in a field.
func isDefault(old pdf.Object, key string, v pdf.Object) bool {
	if !old.Get(key).IsNull() || !old.Get("Parent").IsNull() {
		return false
	}
	switch key {
	case "Ff":
		flags, ok := v.Int()
		return ok && flags == 0
	case "TU":
		return v.Kind() == pdf.String && v.Text() == ""
	case "BS": // Table 168
		width, _ := v.Get("W").Number()
		return old.Get("Border").IsNull() && width == 1 && v.Get("S").Name() == "S"
	}
	return false
}

// isNowhere reports whether a value is a rectangle of no size.
func (c *differ) isNowhere(o pdf.Object) (bool, error) {
	r, ok, err := c.now.Rect(o)
	return ok && r.X1 == r.X2 && r.Y1 == r.Y2, err
}

// explainOwn explains the objects of a field's value: new objects, and changed ones that only the
// field uses.
func (c *differ) explainOwn(owner int, v pdf.Object) error {
	reached := make(map[int]bool)
	err := walk(c.now, v, reached, func(r pdf.Ref) bool {
		return c.isNew(r) ||
			c.changed[r.Num] && len(c.referrers[r.Num]) > 0 && c.onlyFrom(r.Num, owner)
	})
	for num := range reached {
		c.explained[num] = true
	}
	return err
}

// pageOf returns the page of a field's first widget, 0 if it has none.
func (c *differ) pageOf(f pdf.FormField) int {
	places, err := c.latest.widgets()
	if err != nil || len(f.Widgets) == 0 {
		return 0
	}
	return places[f.Widgets[0]].Page
}

// addedGroup explains a new node of the field tree that only groups others, which are judged by
// themselves.
func (c *differ) addedGroup(f pdf.FormField) error {
	o, err := c.now.Load(f.Ref)
	if err != nil {
		return err
	}
	for key := range o.Entries() {
		if !slices.Contains([]string{"T", "TU", "TM", "Kids", "Parent", "FT", "Ff"}, key) {
			c.other(f.Ref.Num, "the form field %q was added, with /%s", f.Name, key)
		}
	}
	c.explained[f.Ref.Num] = true
	if ref, ok := o.Get("Kids").Ref(); ok && c.isNew(ref) {
		c.explained[ref.Num] = true
	}
	return nil
}

// overlay adds a change for a field that no rule allows, and explains its objects.
func (c *differ) overlay(f pdf.FormField, format string, args ...any) error {
	c.add(
		Change{
			Kind: ChangeOther, Field: f.Name, Object: f.Ref.Num, Page: c.pageOf(f),
			Text: fmt.Sprintf(format, args...),
		},
	)
	return c.explainField(f)
}

// explainField explains a field, its widgets and the new objects that they are made of.
func (c *differ) explainField(f pdf.FormField) error {
	for _, ref := range append([]pdf.Ref{f.Ref}, f.Widgets...) {
		c.widgets[ref] = true
		o, err := c.now.Load(ref)
		if err != nil {
			return err
		}
		page, _ := o.Get("P").Ref()
		reached := map[int]bool{}
		if c.isNew(ref) {
			reached[ref.Num] = true
		}
		err = walk(c.now, o, reached, func(r pdf.Ref) bool { return r != page && c.isNew(r) })
		if err != nil {
			return err
		}
		for num := range reached {
			if c.isNew(pdf.Ref{Num: num}) {
				c.explained[num] = true
			}
		}
	}
	return nil
}
