package pades

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/signet-sign/signet/pades/pdf"
)

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
	if f.Value.IsNull() {
		return c.emptySignature(f)
	}
	return c.signature(f)
}

// lookKeys are the entries of /MK from which viewers may draw a field (ISO 32000-2, Table 192).
var lookKeys = strings.Fields("BC BG CA RC AC I RI IX IF")

// emptySignature judges a new signature field without a value, which programs add for the next
// signer. What no signature covers must not show, so it must have an appearance that paints
// nothing, or none, and its place is judged like that of a box. A certification does not allow it:
// it is no signing (ISO 32000-2, Table 257).
func (c *differ) emptySignature(f pdf.FormField) error {
	before, err := c.old.FieldNames()
	if err != nil {
		return err
	}
	fields, err := c.now.SignatureFields()
	if err != nil {
		return err
	}
	i := slices.IndexFunc(fields, func(s pdf.SignatureField) bool { return s.Ref == f.Ref })
	if i < 0 || before[f.Name] || c.permissions.DocMDP > 0 {
		return c.overlay(f, "the signature field %q was added without a signature", f.Name)
	}
	why, err := c.covers(fields, i)
	if err != nil {
		return err
	}
	page := 0
	for _, w := range fields[i].Widgets {
		place, err := c.elsewhere(w)
		if err != nil {
			return err
		}
		why = cmp.Or(why, place)
		o, err := c.now.Load(w.Ref)
		if err != nil {
			return err
		}
		look, err := c.now.Get(o, "MK")
		if err != nil {
			return err
		}
		states, err := c.now.Get(o, "AP")
		if err != nil {
			return err
		}
		if states.IsNull() && shownWidget(w) { // some viewers draw a sign of their own there
			c.paintings.boxes[w.Ref], err = c.paintings.draw(c.now, true, func(top *canvas) error {
				return c.unlooked(top, o, true)
			})
			if err != nil {
				return err
			}
		}
		top, err := c.box(w.Ref, o)
		if err != nil {
			return err
		}
		has := func(o pdf.Object) func(string) bool {
			return func(key string) bool { return !o.Get(key).IsNull() }
		}
		painted := !states.IsNull() && len(top.areas)+len(top.chars) > 0
		if painted || top.full() || top.doubtful || slices.ContainsFunc(lookKeys, has(look)) ||
			slices.ContainsFunc([]string{"R", "D"}, has(states)) {
			why = cmp.Or(why, "it shows something")
		}
		if shownWidget(w) {
			page = w.Page
		}
	}
	if why != "" {
		return c.overlay(f, "the signature field %q was added without a signature: %s", f.Name, why)
	}
	return c.addBox(fields[i], page, fmt.Sprintf("an empty signature field %q was added", f.Name))
}

// signature judges the value of a signature field that is new or was empty.
func (c *differ) signature(f pdf.FormField) error {
	ref, _ := f.Value.Ref()
	sig, ok := c.later(ref)
	if !ok || !sig.verified && !sig.weak {
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
		if why, err := c.elsewhere(w); err != nil {
			return err
		} else if why != "" {
			return c.overlay(f, "the signature field %q was added: %s", f.Name, why)
		}
		if !w.Rect.Empty() {
			page = w.Page
		}
	}
	if sig.DocumentTimestamp {
		if page > 0 {
			return c.overlay(f, "the document timestamp in field %q shows on a page", f.Name)
		}
		c.add(
			Change{
				Kind: ChangeArchive, Field: f.Name, Object: f.Ref.Num,
				Text: "a document timestamp was added",
			},
		)
		return nil
	}
	if why, err := c.covers(fields, i); err != nil {
		return err
	} else if why != "" {
		return c.overlay(f, "the signature field %q was added: %s", f.Name, why)
	}
	return c.addBox(fields[i], page, fmt.Sprintf("a signature was added in field %q", f.Name))
}

// addBox adds a change of kind signature, with what its box lies over and hides.
func (c *differ) addBox(f pdf.SignatureField, page int, text string) error {
	if below, err := c.below(f); err != nil {
		return err
	} else if below != "" {
		text += fmt.Sprintf(", over the form field %q", below)
	}
	hidden, err := c.hiddenBy(f)
	if err != nil {
		return err
	}
	text = hiding(text, hidden)
	if !c.isNew(f.Ref) {
		hidden = "" // its place was signed
	}
	c.add(Change{
		Kind: ChangeSignature, Field: f.Name, Object: f.Ref.Num, Page: page, Text: text,
		Hides: hidden,
	})
	return nil
}

// hiddenBy returns the text that the boxes of a signature hide.
func (c *differ) hiddenBy(f pdf.SignatureField) (string, error) {
	var all []string
	for _, w := range f.Widgets {
		if !shownWidget(w) {
			continue
		}
		o, err := c.now.Load(w.Ref)
		if err != nil {
			return "", err
		}
		hidden, err := c.hides(w.Page, w.Ref, o)
		if err != nil {
			return "", err
		}
		if hidden != "" {
			all = append(all, hidden)
		}
	}
	return strings.Join(all, " "), nil
}

// below returns the name of a form field of the signed revision that the box of a new signature
// covers, "" if there is none.
func (c *differ) below(box pdf.SignatureField) (name string, err error) {
	if !c.isNew(box.Ref) {
		return "", nil
	}
	fields, err := c.latest.below(box)
	for _, f := range fields {
		if !c.isNew(f.Ref) {
			return f.Name, nil
		}
	}
	return "", err
}

// elsewhere says why viewers may show a widget at another place than its /Rect.
func (c *differ) elsewhere(w pdf.Widget) (why string, err error) {
	o, err := c.now.Load(w.Ref)
	if err != nil {
		return "", err
	}
	rect, err := c.now.Resolve(o.Get("Rect"))
	if err != nil {
		return "", err
	}
	if _, ok, err := c.now.Rect(rect); err != nil {
		return "", err
	} else if !ok && !(rect.IsNull() && o.Get("AP").IsNull()) {
		return "its /Rect is not a rectangle", nil
	}
	if w.Flags&(flagNoZoom|flagNoRotate) != 0 && shownWidget(w) {
		return "it does not turn or grow with the page", nil
	}
	return "", nil
}

// covers says why the box of a later signature must not be at its place: over the box of an earlier
// one, over another field if it is new, or over so much of the page that it could show another
// document, alone or with the boxes of other later signatures. A smaller box may cover part of the
// page; the reader sees that, as on paper.
func (c *differ) covers(fields []pdf.SignatureField, i int) (why string, err error) {
	old, err := c.old.SignatureFields()
	if err != nil {
		return "", err
	}
	before := make(map[pdf.Ref]bool) // signed in the older revision
	for _, f := range old {
		before[f.Ref] = f.Signed()
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
		if tooLarge(c.now, w) {
			return "it covers more than a quarter of the page", nil
		}
		total := 0.0
		for j, f := range fields {
			for _, other := range f.Widgets {
				if other.Page != w.Page {
					continue
				}
				if i != j && (before[f.Ref] || c.isNew(fields[i].Ref) && !c.isNew(f.Ref)) &&
					w.Display.Overlaps(other.Display) {
					return fmt.Sprintf("it covers the earlier field %q", f.Name), nil
				}
				if f.Signed() && !before[f.Ref] {
					total += area(other.Display)
				}
			}
		}
		if total > allBoxes*width*height {
			return "with other signatures it covers more than half of the page", nil
		}
	}
	return "", nil
}
