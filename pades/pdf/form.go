package pdf

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// AddAnnotations appends annotations to a page. The page gets its own /Annots array, because other
// pages may share an indirect one and would show the annotation too.
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
		err = u.Set(page.Ref, "Annots", appendRefs(elems, u.separate[number], u.annots[number]))
		if err != nil {
			return err
		}
	}
	return nil
}

// Limits of SeparateAnnotations, beyond which it changes nothing.
const (
	MaxSeparated     = 500       // annotations, which are objects
	maxSeparatedSize = 128 << 10 // bytes of these and of the pages that list them
)

// SeparateAnnotations makes an object of each annotation that is written inside the /Annots of its
// page, on all pages. It keeps the annotation's spelling.
//
// Verifiers that compare revisions identify an annotation by its object number. If one page lists
// an annotation without a number, some take every later signature or timestamp for a forbidden
// change. So this belongs into the first signed revision, and in no later one. If a page cannot be
// rewritten (see [Update.Set]), the whole document stays unchanged and can still be signed.
func (u *Update) SeparateAnnotations() error {
	type list struct {
		page  int
		elems []Object
	}
	var lists []list
	count, size := 0, 0
	for number := 1; number <= u.doc.NumPages(); number++ {
		page, err := u.doc.Page(number)
		if err != nil {
			return err
		}
		elems, err := u.doc.Annotations(page)
		if err != nil {
			return err
		}
		before := count
		for _, e := range elems {
			if e.Kind() == Dictionary {
				count++
			}
			size += len(e.Raw())
		}
		if count == before {
			continue
		}
		o, err := u.doc.Load(page.Ref)
		if err != nil {
			return err
		}
		size += len(o.Raw())
		if _, dup := o.DuplicateKey(); dup || count > MaxSeparated || size > maxSeparatedSize ||
			u.checkDangling(page.Ref, o.elems) != nil || u.checkDangling(page.Ref, elems) != nil {
			return nil
		}
		lists = append(lists, list{number, elems})
	}
	for _, l := range lists {
		refs := make(map[int]Ref)
		for i, e := range l.elems {
			if e.Kind() != Dictionary {
				continue
			}
			refs[i] = u.Alloc()
			if _, err := u.Put(refs[i], []byte(e.Raw())); err != nil {
				return err
			}
		}
		u.separate[l.page] = refs
		if err := u.AddAnnotations(l.page); err != nil { // without annotations, to rewrite the page
			return err
		}
	}
	return nil
}

// appendRefs writes an array of existing elements and new references. An element is written as it
// is spelled, unless instead has an object for its index.
func appendRefs(elems []Object, instead map[int]Ref, refs []Ref) string {
	parts := make([]string, 0, len(elems)+len(refs))
	for i, e := range elems {
		if ref, ok := instead[i]; ok {
			parts = append(parts, ref.String())
			continue
		}
		if e.IsNull() {
			continue // nulls have no meaning there, and verifiers require references
		}
		parts = append(parts, e.Raw())
	}
	for _, r := range refs {
		parts = append(parts, r.String())
	}
	return "[" + strings.Join(parts, " ") + "]"
}

// AddFields appends root fields to the interactive form, which it creates if there is none, and
// sets SignaturesExist and AppendOnly in /SigFlags (ISO 32000-2, 12.7.3). It keeps the form's other
// entries.
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
		{"Fields", appendRefs(elems, nil, u.fields)},
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

// UniqueFieldName returns and reserves a full name for a new root field that no field of the
// document and of this update has: base, or base with "-2", "-3" and so on. Periods, which separate
// partial names, become "-".
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
