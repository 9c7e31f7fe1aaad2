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
			if err := c.fields(x, y); err != nil {
				return err
			}
			continue
		case "SigFlags":
			v, _ := x.Int()
			if w, ok := y.Int(); ok && w&v == v && w&^3 == v&^3 {
				continue
			}
		case "DA":
			if x.IsNull() && y.Kind() == pdf.String {
				continue
			}
		case "DR":
			ok, err := c.resources(x, y, owner)
			if err != nil {
				return err
			}
			if ok {
				continue
			}
		}
		same, err := c.equal(x, y)
		if err != nil {
			return err
		}
		if !same {
			c.other(owner, "/%s of the form was changed", key)
		}
	}
	return nil
}

// resources reports whether the form's resources, which the appearances of its fields use, only
// gained new entries. An object that is updated in place must have no other use.
func (c *differ) resources(a, b pdf.Object, owner int) (bool, error) {
	old, now, err := c.resolveBoth(a, b)
	if err != nil {
		return false, err
	}
	if !old.IsNull() && !old.IsDict() || !now.IsDict() {
		return false, nil
	}
	owned := func(was, is pdf.Object, owner int) (int, bool) {
		ref, ok := is.Ref()
		if !ok {
			return owner, true
		}
		r, _ := was.Ref()
		if c.isNew(ref) || !c.changed[ref.Num] && r == ref ||
			r == ref && c.onlyFrom(ref.Num, owner) {
			c.explained[ref.Num] = true
			return ref.Num, true
		}
		return 0, false
	}
	owner, ok := owned(a, b, owner)
	if !ok {
		return false, nil
	}
	for _, kind := range keysOf(old, now) { // Font, XObject, ...
		x, y := old.Get(kind), now.Get(kind)
		was, is, err := c.resolveBoth(x, y)
		if err != nil {
			return false, err
		}
		if !was.IsDict() || !is.IsDict() {
			if same, err := c.equal(x, y); err != nil || !same && !was.IsNull() {
				return false, err
			}
			if err := c.explainNew(y); err != nil {
				return false, err
			}
			continue
		}
		if _, ok := owned(x, y, owner); !ok {
			return false, nil
		}
		for name, v := range was.Entries() {
			if same, err := c.equal(v, is.Get(name)); err != nil || !same {
				return false, err
			}
		}
		if err := c.explainNew(is); err != nil {
			return false, err
		}
	}
	return true, nil
}

// fields judges the field trees. a and b are their lists of roots.
func (c *differ) fields(a, b pdf.Object) error {
	if _, ok, err := c.added(a, b); err != nil {
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
	objects := []pdf.Ref{is.Ref}
	for _, w := range is.Widgets {
		if w != is.Ref {
			objects = append(objects, w)
		}
	}
	filled := false
	for _, ref := range objects {
		if !c.changed[ref.Num] {
			continue
		}
		old, now, err := c.loadBoth(ref)
		if err != nil {
			return err
		}
		for _, key := range keysOf(old, now) {
			x, y := old.Get(key), now.Get(key)
			if key == "Kids" {
				if _, ok, err := c.added(x, y); err != nil {
					return err
				} else if ok {
					continue // the kids are judged as fields, or as widgets above
				}
			}
			same, err := c.equal(x, y)
			if err != nil {
				return err
			}
			if same {
				continue
			}
			if !slices.Contains(keys, key) {
				c.add(Change{
					Kind: ChangeOther, Field: is.Name, Object: ref.Num, Page: c.pageOf(is),
					Text: fmt.Sprintf("/%s of the form field %q was changed", key, is.Name),
				})
				continue
			}
			filled = true
			if err := c.explainOwn(ref.Num, y); err != nil {
				return err
			}
		}
		c.explained[ref.Num] = true
	}
	if filled { // the appearance may be rewritten in place
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
	case filled:
		c.add(Change{
			Kind: ChangeFormFilling, Field: is.Name, Object: is.Ref.Num, Page: c.pageOf(is),
			Text: fmt.Sprintf("the form field %q was filled in", is.Name),
		})
	}
	return nil
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
	fields, err := c.now.SignatureFields()
	if err != nil {
		return 0
	}
	for _, s := range fields {
		if s.Ref == f.Ref && len(s.Widgets) > 0 {
			return s.Widgets[0].Page
		}
	}
	for n := 1; n <= c.now.NumPages(); n++ {
		page, err := c.now.Page(n)
		if err != nil {
			return 0
		}
		annots, err := c.now.Annotations(page)
		if err != nil {
			return 0
		}
		for _, a := range annots {
			if ref, ok := a.Ref(); ok && slices.Contains(f.Widgets, ref) {
				return n
			}
		}
	}
	return 0
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
		if err := walk(c.now, o, reached, func(r pdf.Ref) bool { return r != page && c.isNew(r) }); err != nil {
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

// fieldKeys are the entries that a new signature field and its widget may have. /A and /AA are not
// among them, because they execute actions.
var fieldKeys = strings.Fields(
	"Type Subtype FT T TU Contents Lang V Rect P F AP MK Lock SV NM M H Ff DA DR StructParent Kids Parent BS Border",
)

// addedSignature judges a new signature field.
func (c *differ) addedSignature(f pdf.FormField) error {
	for _, ref := range append([]pdf.Ref{f.Ref}, f.Widgets...) {
		o, err := c.now.Load(ref)
		if err != nil {
			return err
		}
		for key := range o.Entries() {
			if !slices.Contains(fieldKeys, key) {
				return c.overlay(f, "the signature field %q was added, with /%s", f.Name, key)
			}
		}
		if !c.isNew(ref) || slices.Contains(f.Widgets, ref) && o.Get("Subtype").Name() != "Widget" {
			return c.overlay(
				f, "the signature field %q was added, without a widget of its own", f.Name,
			)
		}
	}
	if err := c.explainField(f); err != nil {
		return err
	}
	return c.signature(f)
}

// signature judges the value of a signature field that is new or was empty.
func (c *differ) signature(f pdf.FormField) error {
	ref, _ := f.Value.Ref()
	sig, ok := c.later(ref)
	if !ok || !sig.verified {
		return c.overlay(
			f, "the signature field %q was added without a signature that verifies", f.Name,
		)
	}
	fields, err := c.now.SignatureFields()
	if err != nil {
		return err
	}
	i := slices.IndexFunc(fields, func(s pdf.SignatureField) bool { return s.Ref == f.Ref })
	if i < 0 {
		return c.overlay(f, "the signature field %q is not in the field tree", f.Name)
	}
	page := 0
	for _, w := range fields[i].Widgets {
		if !w.Rect.Empty() {
			page = w.Page
		}
	}
	if sig.DocumentTimestamp {
		if page > 0 {
			return c.overlay(f, "the document time stamp in field %q shows on a page", f.Name)
		}
		c.add(
			Change{
				Kind: ChangeArchive, Field: f.Name, Object: f.Ref.Num,
				Text: "a document time stamp was added",
			},
		)
		return nil
	}
	if why, err := c.covers(fields, i); err != nil {
		return err
	} else if why != "" {
		return c.overlay(f, "the signature field %q was added: %s", f.Name, why)
	}
	text := fmt.Sprintf("a signature was added in field %q", f.Name)
	if below, err := c.below(fields[i]); err != nil {
		return err
	} else if below != "" {
		text += fmt.Sprintf(", over the form field %q", below)
	}
	c.add(
		Change{
			Kind: ChangeSignature, Field: f.Name, Object: f.Ref.Num, Page: page, Text: text,
		},
	)
	return nil
}

// below returns the name of a form field of the signed revision that the box of a new signature
// covers, "" if there is none.
func (c *differ) below(box pdf.SignatureField) (name string, err error) {
	if !c.isNew(box.Ref) {
		return "", nil
	}
	fields, err := c.old.FormFields()
	if err != nil {
		return "", err
	}
	for _, f := range fields {
		if f.Type == "Sig" {
			continue
		}
		widgets, err := c.old.Locate(f.Widgets)
		if err != nil {
			return "", err
		}
		for _, w := range widgets {
			for _, b := range box.Widgets {
				if shownWidget(w) && shownWidget(b) && w.Page == b.Page &&
					overlap(w.Display, b.Display) {
					return f.Name, nil
				}
			}
		}
	}
	return "", nil
}

// covers says why the box of a later signature must not be at its place: over an earlier one, or
// over so much of the page that it could show another document. A smaller box may cover part of the
// page; the reader sees that, as on paper. A box that was in the signed revision may be anywhere.
func (c *differ) covers(fields []pdf.SignatureField, i int) (why string, err error) {
	if !c.isNew(fields[i].Ref) {
		return "", nil
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
				if i != j && other.Page == w.Page && !c.isNew(f.Ref) &&
					w.Display.Overlaps(other.Display) {
					return fmt.Sprintf("it covers the earlier field %q", f.Name), nil
				}
			}
		}
	}
	return "", nil
}

// pages compares the pages. It judges annotations that were added, except the widgets that form has
// judged.
func (c *differ) pages() error {
	if c.old.NumPages() != c.now.NumPages() {
		c.other(0, "pages were added or removed")
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
			c.add(
				Change{
					Kind: ChangeOther, Page: number, Object: now.Ref.Num,
					Text: "the page was replaced by another",
				},
			)
			continue
		}
		if err := c.page(number, now.Ref, placed); err != nil {
			return err
		}
	}
	for ref, n := range placed {
		if n > 1 {
			c.other(ref.Num, "a widget is on %d pages", n)
		}
	}
	return nil
}

func (c *differ) page(number int, ref pdf.Ref, placed map[pdf.Ref]int) error {
	old, now, err := c.loadBoth(ref)
	if err != nil {
		return err
	}
	if c.changed[ref.Num] {
		if key, twice := now.AmbiguousKey(); twice {
			c.add(
				Change{
					Kind: ChangeOther, Page: number, Object: ref.Num,
					Text: "/" + key + " stands twice in the page",
				},
			)
		}
		for _, key := range keysOf(old, now) {
			if key == "Annots" || key == "LastModified" && now.Get(key).Kind() == pdf.String {
				continue
			}
			same, err := c.equal(old.Get(key), now.Get(key))
			if err != nil {
				return err
			}
			if !same {
				c.add(
					Change{
						Kind: ChangeOther, Page: number, Object: ref.Num,
						Text: "/" + key + " of the page was changed",
					},
				)
			}
		}
		c.explained[ref.Num] = true
	}
	return c.annotations(number, ref, old.Get("Annots"), now.Get("Annots"), placed)
}

// annotations judges the annotations of a page that are not widgets of the form.
func (c *differ) annotations(
	number int, page pdf.Ref, a, b pdf.Object, placed map[pdf.Ref]int,
) error {
	added, kept, err := c.added(a, b)
	if err != nil {
		return err
	}
	annotation := func(object int, text string) {
		c.add(Change{Kind: ChangeAnnotation, Page: number, Object: object, Text: text})
	}
	if !kept {
		annotation(0, "annotations were removed or put in another order")
	}
	for _, o := range added {
		ref, _ := o.Ref()
		if c.widgets[ref] {
			placed[ref]++
			continue
		}
		target, err := c.now.Resolve(o)
		if err != nil {
			return err
		}
		if ref.Num != 0 && !c.isNew(ref) || target.Get("Subtype").Name() == "Widget" {
			c.add(
				Change{
					Kind: ChangeOther, Page: number, Object: ref.Num,
					Text: "an object was added to the page",
				},
			)
		} else {
			annotation(ref.Num, "an annotation was added")
		}
		if err := c.explainNew(o); err != nil {
			return err
		}
	}
	before, err := list(c.old, a)
	if err != nil {
		return ignore(err, errNotArray)
	}
	array, _ := a.Ref()
	for _, o := range before {
		ref, ok := o.Ref()
		if !ok || !c.changed[ref.Num] || c.explained[ref.Num] ||
			c.now.Lookup(ref.Num).Kind == pdf.Free {
			continue
		}
		alone := !slices.ContainsFunc(
			c.referrers[ref.Num],
			func(from int) bool { return from != page.Num && from != array.Num },
		)
		now, err := c.now.Load(ref)
		if err != nil {
			return err
		}
		if !alone || now.Get("Subtype").Name() == "Widget" {
			continue // rest adds it as a change of kind other
		}
		annotation(ref.Num, "an annotation was changed")
		c.explained[ref.Num] = true
		if err := c.explainNew(now); err != nil {
			return err
		}
	}
	return nil
}
