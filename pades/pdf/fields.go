package pdf

import (
	"slices"
	"strings"
)

// SignatureField is a field of type /Sig of the interactive form
// (ISO 32000-2, 12.7).
type SignatureField struct {
	Name    string // full name: the partial names from the root, joined by periods
	Ref     Ref    // the field dictionary
	Value   Object // /V as written, usually a Reference; null if not signed
	Widgets []Widget
}

// FormField is a node of the field tree of the interactive form: a field, or a group of
// fields. Type and value may be inherited from a group.
type FormField struct {
	Name     string // full name: the partial names from the root, joined by periods
	Ref      Ref
	Type     string // /FT: Sig, Tx, Btn or Ch; "" for a group without one
	Value    Object // /V as it is written; null when there is none
	Terminal bool   // it has widgets; false for a group
	Widgets  []Ref  // Ref itself when the field and its only widget are merged
}

// FormFields returns all nodes of the field tree, each after the group it is in. The caller must
// not change them.
func (d *Document) FormFields() ([]FormField, error) {
	if d.fields != nil {
		return d.fields, nil
	}
	var out []FormField
	err := d.walkFields(func(f field) error {
		out = append(out, FormField{f.name, f.ref, f.kind, f.value, f.terminal, f.widgets})
		return nil
	})
	if err == nil && len(out) <= maxKeptFields {
		d.fields = slices.Clip(out)
	}
	return out, err
}

// Forget frees the form fields that the document keeps.
func (d *Document) Forget() { d.fields, d.sigFields = nil, nil }

// Signed reports whether the field has a value.
func (f SignatureField) Signed() bool { return !f.Value.IsNull() }

// Widget is the place of a field on a page.
type Widget struct {
	Ref     Ref
	Page    int  // number of the page that lists it, else of its /P; 0 when neither is known
	Rect    Rect // in user space; empty for an invisible signature
	Display Rect // in points on the page as displayed
	Flags   int  // /F, annotation flags
}

// maxKeptFields bounds the fields that a document keeps. Verifying a document with a hundred
// signatures asks for those of its newest revision about 5,000 times.
const maxKeptFields = 100_000

// SignatureFields returns all signature fields of the document in the order of
// the field tree. The caller must not change them.
func (d *Document) SignatureFields() ([]SignatureField, error) {
	if d.sigFields != nil {
		return d.sigFields, nil
	}
	fields, err := d.readSignatureFields()
	if err == nil && len(fields) <= maxKeptFields {
		d.sigFields = slices.Clip(fields)
	}
	return fields, err
}

func (d *Document) readSignatureFields() ([]SignatureField, error) {
	var out []SignatureField
	var refs []Ref
	fields, err := d.FormFields()
	if err != nil {
		return nil, err
	}
	for _, f := range fields {
		if f.Terminal && f.Type == "Sig" {
			refs = append(refs, f.Widgets...)
			out = append(out, SignatureField{
				Name: f.Name, Ref: f.Ref, Value: f.Value, Widgets: make([]Widget, len(f.Widgets)),
			})
		}
	}
	widgets, err := d.Locate(refs)
	if err != nil {
		return nil, err
	}
	for _, f := range out {
		widgets = widgets[copy(f.Widgets, widgets):]
	}
	return out, nil
}

// FieldNames returns the full names of all fields, also of those that only
// group others.
func (d *Document) FieldNames() (map[string]bool, error) {
	fields, err := d.FormFields()
	names := make(map[string]bool, len(fields))
	for _, f := range fields {
		names[f.Name] = true
	}
	return names, err
}

// field is a node of the field tree.
type field struct {
	name     string
	ref      Ref
	kind     string // /FT, own or inherited
	value    Object // /V, own or inherited
	terminal bool
	widgets  []Ref
}

// form returns the dictionary /AcroForm, null when there is none.
func (d *Document) form() (Object, error) {
	form, err := d.Get(d.catalog, "AcroForm")
	if err == nil && !form.IsNull() && !form.IsDict() {
		err = refuse(BadForm, "/AcroForm is a %s", form.kind)
	}
	return form, err
}

// formFields returns the elements of the form's /Fields.
func (d *Document) formFields(form Object) ([]Object, error) {
	fields, err := d.Get(form, "Fields")
	if err == nil && !fields.IsNull() && fields.kind != Array {
		err = refuse(BadForm, "/Fields of the form is a %s", fields.kind)
	}
	return fields.Elements(), err
}

func (d *Document) walkFields(visit func(field) error) error {
	form, err := d.form()
	if err != nil {
		return err
	}
	roots, err := d.formFields(form)
	if err != nil {
		return err
	}
	w := fieldWalk{d: d, visit: visit, seen: make(map[int]bool), path: make(map[int]bool)}
	for _, r := range roots {
		if err := w.node(r, field{}, 0); err != nil {
			return err
		}
	}
	return nil
}

type fieldWalk struct {
	d     *Document
	visit func(field) error
	seen  map[int]bool
	path  map[int]bool // ancestors of the current node
}

// node visits a field and those below. It visits a field that is listed twice once, and refuses one
// that is below itself. It ignores freed objects in the lists, which are null.
func (w *fieldWalk) node(link Object, in field, depth int) error {
	d := w.d
	ref, ok := link.Ref()
	if !ok {
		if link.IsNull() {
			return nil
		}
		return refuse(BadForm, "a field of the form is a %s, not a reference", link.kind)
	}
	if w.path[ref.Num] {
		return refuse(BadForm, "field %d is below itself", ref.Num)
	}
	if w.seen[ref.Num] {
		return nil
	}
	w.seen[ref.Num] = true
	if depth > d.lim.Nesting {
		return refuse(TooDeep, "the field tree is deeper than %d levels", d.lim.Nesting)
	}
	o, err := d.Load(ref)
	if err != nil || o.IsNull() {
		return err
	}
	if !o.IsDict() {
		return refuse(BadForm, "field %d is a %s", ref.Num, o.kind)
	}
	f := field{name: in.name, ref: ref, kind: in.kind, value: in.value}
	if err := w.attributes(&f, o); err != nil {
		return err
	}
	kids, err := d.elements(o, "Kids")
	if err != nil {
		return err
	}
	below, err := w.split(&f, kids)
	if err != nil {
		return err
	}
	if len(below) == 0 && len(f.widgets) == 0 {
		f.widgets = []Ref{ref} // field and widget merged, or a field without a place
	}
	f.terminal = len(f.widgets) > 0
	if err := w.visit(f); err != nil {
		return err
	}
	w.path[ref.Num] = true
	defer delete(w.path, ref.Num)
	for _, kid := range below {
		if err := w.node(kid, f, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// attributes reads what a field has itself: partial name, type, value.
func (w *fieldWalk) attributes(f *field, o Object) error {
	partial, err := w.d.Get(o, "T")
	if err != nil {
		return err
	}
	if partial.kind == String {
		// A parent's long name is part of the names of all its kids.
		if err := w.d.src.charge(int64(16 * (len(f.name) + len(partial.raw)))); err != nil {
			return err
		}
		f.name = strings.TrimPrefix(f.name+"."+partial.Text(), ".")
	}
	kind, err := w.d.Get(o, "FT")
	if err != nil {
		return err
	}
	if !kind.IsNull() {
		f.kind = kind.Name()
	}
	value, err := w.d.Get(o, "V") // resolved, because it may refer to a freed object
	if err != nil {
		return err
	}
	if !value.IsNull() {
		f.value = o.Get("V")
	}
	return nil
}

// split divides the kids of a field into fields, which have a partial name or
// kids of their own, and widgets.
func (w *fieldWalk) split(f *field, kids []Object) (below []Object, err error) {
	for _, kid := range kids {
		ref, ok := kid.Ref()
		if !ok {
			return nil, refuse(
				BadForm, "a kid of field %d is a %s, not a reference", f.ref.Num, kid.kind,
			)
		}
		o, err := w.d.Load(ref)
		switch {
		case err != nil:
			return nil, err
		case !o.Get("T").IsNull(), !o.Get("Kids").IsNull():
			below = append(below, kid)
		case !o.IsNull():
			f.widgets = append(f.widgets, ref)
		}
	}
	return below, nil
}

// Locate returns the places of widgets. A widget is on the page whose /Annots lists it, because
// viewers show it there. /P is only the widget's claim.
func (d *Document) Locate(refs []Ref) ([]Widget, error) {
	if len(refs) == 0 {
		return nil, nil
	}
	on, err := d.annotationPages()
	if err != nil {
		return nil, err
	}
	byRef := make(map[Ref]int, len(d.pages))
	for _, p := range d.pages {
		byRef[p.Ref] = p.Number
	}
	widgets := make([]Widget, len(refs))
	for i, ref := range refs {
		o, err := d.Load(ref)
		if err != nil {
			return nil, err
		}
		w := Widget{Ref: ref, Page: on[ref.Num]}
		if w.Page == 0 {
			p, _ := o.Get("P").Ref()
			w.Page = byRef[p]
		}
		flags, err := d.Get(o, "F")
		if err != nil {
			return nil, err
		}
		v, _ := flags.Int()
		w.Flags = int(v)
		if w.Rect, _, err = d.Rect(o.Get("Rect")); err != nil {
			return nil, err
		}
		if w.Page > 0 {
			w.Display = d.pages[w.Page-1].ToDisplay(w.Rect)
		}
		widgets[i] = w
	}
	return widgets, nil
}

// annotationPages maps the object numbers of all annotations to the first page
// that lists them.
func (d *Document) annotationPages() (map[int]int, error) {
	on := make(map[int]int)
	for _, p := range d.pages {
		elems, err := d.Annotations(p)
		if err != nil {
			return nil, err
		}
		for _, e := range elems {
			if ref, ok := e.Ref(); ok && on[ref.Num] == 0 {
				on[ref.Num] = p.Number
			}
		}
	}
	return on, nil
}

// Annotations returns the elements of a page's /Annots: References, or annotation dictionaries that
// are written in the array.
func (d *Document) Annotations(p Page) ([]Object, error) {
	o, err := d.Load(p.Ref)
	if err != nil {
		return nil, err
	}
	annots, err := d.Get(o, "Annots")
	if err != nil {
		return nil, err
	}
	if !annots.IsNull() && annots.kind != Array {
		return nil, refuse(BadAnnotations, "/Annots of page %d is a %s", p.Number, annots.kind)
	}
	// Many pages may share one long array.
	return annots.Elements(), d.src.charge(int64(len(annots.Elements()) * workPerValue))
}
