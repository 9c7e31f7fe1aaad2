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
		if err := u.Set(page.Ref, "Annots", appendRefs(elems, u.separate[number], u.annots[number])); err != nil {
			return err
		}
	}
	return nil
}

// What SeparateAnnotations writes at most; with more it leaves all as it is.
const (
	MaxSeparated     = 500       // annotations, which are objects
	maxSeparatedSize = 128 << 10 // bytes of these and of the pages that list them
)

// SeparateAnnotations makes an object of each annotation that is written inside
// the /Annots of its page, on all pages; what it says keeps its spelling.
//
// Verifiers that compare revisions know an annotation by its number. Some take
// every later signature or timestamp for a forbidden change if only one page
// lists an annotation that has none. So this belongs into the first signed
// revision, and in no later one. Pages that cannot be rewritten as they are
// (see [Update.Set]) leave the whole document as it is: it may be signed anyhow.
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
		if err := u.AddAnnotations(l.page); err != nil { // none, but the page is to be written
			return err
		}
	}
	return nil
}

// appendRefs writes an array of existing elements, as they are spelled unless
// there is an object for them by their index, and new references.
func appendRefs(elems []Object, instead map[int]Ref, refs []Ref) string {
	parts := make([]string, 0, len(elems)+len(refs))
	for i, e := range elems {
		if ref, ok := instead[i]; ok {
			parts = append(parts, ref.String())
			continue
		}
		if e.IsNull() {
			continue // it means nothing there, and verifiers want references only
		}
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
