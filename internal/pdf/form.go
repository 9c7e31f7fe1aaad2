package pdf

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// AddAnnotations appends annotations to a page. The page gets an /Annots array
// of its own, because an indirect one may be shared with other pages, on which
// the annotation would appear too.
func (u *Update) AddAnnotations(page int, refs ...Ref) error {
	if _, err := u.doc.Page(page); err != nil {
		return err
	}
	u.annots[page] = append(u.annots[page], refs...)
	return nil
}

func (u *Update) applyAnnotations() error {
	for _, number := range slices.Sorted(maps.Keys(u.annots)) {
		page, err := u.doc.Page(number)
		if err != nil {
			return err
		}
		elems, err := u.doc.Annotations(page)
		if err != nil {
			return err
		}
		if err := u.checkDangling(page.Ref, elems); err != nil {
			return err
		}
		if err := u.Set(page.Ref, "Annots", appendRefs(elems, u.annots[number])); err != nil {
			return err
		}
	}
	return nil
}

// appendRefs writes an array of existing elements, as they are spelled, and
// new references.
func appendRefs(elems []Object, refs []Ref) string {
	parts := make([]string, 0, len(elems)+len(refs))
	for _, e := range elems {
		parts = append(parts, e.Raw())
	}
	for _, r := range refs {
		parts = append(parts, r.String())
	}
	return "[" + strings.Join(parts, " ") + "]"
}

// AddFields appends root fields to the interactive form, which is created when
// there is none, and sets SignaturesExist and AppendOnly in /SigFlags
// (ISO 32000-2, 12.7.3). The form's other entries stay as they are.
func (u *Update) AddFields(refs ...Ref) error {
	form, err := u.doc.form()
	if err != nil {
		return err
	}
	if _, err := u.doc.formFields(form); err != nil {
		return err
	}
	u.fields = append(u.fields, refs...)
	return nil
}

func (u *Update) applyFields() error {
	if len(u.fields) == 0 {
		return nil
	}
	form, err := u.doc.form()
	if err != nil {
		return err
	}
	elems, err := u.doc.formFields(form)
	if err != nil {
		return err
	}
	if err := u.checkDangling(u.doc.root, elems); err != nil {
		return err
	}
	flags, err := u.doc.Get(form, "SigFlags")
	if err != nil {
		return err
	}
	old, _ := flags.Int()
	changes := []Pair{
		{"Fields", appendRefs(elems, u.fields)},
		{"SigFlags", fmt.Sprint(old | 3)},
	}
	// The form may be an object of its own, part of the catalog, or new.
	link := u.doc.catalog.Get("AcroForm")
	for range 16 {
		ref, ok := link.Ref()
		if !ok {
			break
		}
		o, err := u.doc.Load(ref)
		if err != nil {
			return err
		}
		if o.IsDict() {
			for _, c := range changes {
				if err := u.Set(ref, c.Key, c.Value); err != nil {
					return err
				}
			}
			return nil
		}
		link = o
	}
	body, err := EditDict(form, changes...)
	if err != nil {
		return err
	}
	return u.SetCatalog("AcroForm", body)
}

// UniqueFieldName returns a full name for a new root field that no field of the
// document and of this update has: base, or base with "-2", "-3" and so on.
// Periods, which separate partial names, become "-". The name is reserved.
func (u *Update) UniqueFieldName(base string) (string, error) {
	if u.names == nil {
		names, err := u.doc.FieldNames()
		if err != nil {
			return "", err
		}
		u.names = names
	}
	base = strings.ReplaceAll(base, ".", "-")
	name := base
	for i := 2; u.names[name]; i++ {
		name = fmt.Sprintf("%s-%d", base, i)
	}
	u.names[name] = true
	return name, nil
}
