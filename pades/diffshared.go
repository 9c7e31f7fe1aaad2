package pades

import (
	"bytes"
	"slices"
	"strings"

	"github.com/signet-sign/signet/pades/pdf"
)

// The rules about the resources of the form (/DR), which the appearances of its fields use. They
// may gain entries. Many forms share them with a page. A program that adds a signature then
// adds what its box uses to the page's resources, as iText does. That changes what a page shows
// only if a content uses a name that had no meaning when it was signed.
//
// PDFBox lists the drawing of a box in the form's resources, and every later one under the same
// name. An entry of /XObject may therefore get another value, if only the form has these resources
// and no content takes the name from there.

// resourceKinds are the categories of resources (ISO 32000-2, Table 34), and /Encoding of forms.
var resourceKinds = strings.Fields(
	"Font XObject Encoding ExtGState Pattern ColorSpace Shading Properties",
)

// resources reports whether the changes of the form's resources show nowhere, and explains them.
func (c *differ) resources(a, b pdf.Object, owner int) (bool, error) {
	old, now, err := c.resolveBoth(a, b)
	if err != nil {
		return false, err
	}
	if !old.IsNull() && !old.IsDict() || !now.IsDict() {
		return false, nil
	}
	s := sharing{differ: c, names: make(map[string][]string)}
	owner, ok, err := s.own(a, b, owner, "DR", "Resources")
	if err != nil || !ok {
		return false, err
	}
	for _, kind := range keysOf(old, now) {
		if ok, err := s.category(kind, old.Get(kind), now.Get(kind), owner); err != nil || !ok {
			return false, err
		}
	}
	if s.shared && s.replaced {
		return false, nil
	}
	if s.shared || s.replaced {
		if ok, err := c.meaningless(s.names); err != nil || !ok {
			return false, err
		}
	}
	if s.shared {
		for _, ref := range append(s.owned, s.added...) {
			c.unused[ref.Num] = true
		}
	}
	for _, ref := range s.owned {
		c.explained[ref.Num] = true
	}
	return true, c.explainNew(s.values...)
}

// sharing is the state of resources.
type sharing struct {
	*differ
	shared   bool                // with other users than the form
	replaced bool                // some have another value
	names    map[string][]string // that are new or have another value: their categories
	owned    []pdf.Ref           // dictionaries of resources
	added    []pdf.Ref           // new objects that have the new names
	values   []pdf.Object        // of the form's resources
}

// own reports whether a dictionary is a new one, or the old one that was updated. It returns the
// object that it is in. keys are the keys under which it may stand elsewhere.
func (s *sharing) own(was, is pdf.Object, owner int, keys ...string) (int, bool, error) {
	ref, ok := is.Ref()
	if !ok {
		return owner, true, nil
	}
	if r, _ := was.Ref(); !s.isNew(ref) && (s.changed[ref.Num] || r != ref) {
		if r != ref {
			return 0, false, nil
		}
		if !s.onlyFrom(ref.Num, owner) {
			if only, err := s.onlyAs(ref, keys); err != nil || !only {
				return 0, false, err
			}
			s.shared = true
		}
	}
	s.owned = append(s.owned, ref)
	return ref.Num, true, nil
}

// category judges the resources of a category.
func (s *sharing) category(kind string, x, y pdf.Object, owner int) (bool, error) {
	was, is, err := s.resolveBoth(x, y)
	if err != nil {
		return false, err
	}
	s.values = append(s.values, y)
	if !was.IsNull() && !was.IsDict() || !is.IsDict() {
		same, err := s.equal(kind, x, y)
		return same || was.IsNull(), err
	}
	if !was.IsNull() {
		if _, ok, err := s.own(x, y, owner, kind); err != nil || !ok {
			return false, err
		}
		s.values = append(s.values, is)
	}
	s.add(y)
	for name, v := range was.Entries() {
		if same, err := s.equal("", v, is.Get(name)); err != nil {
			return false, err
		} else if same {
			continue
		}
		if kind != "XObject" || is.Get(name).IsNull() {
			return false, nil
		}
		s.replaced = true
		s.names[name] = append(s.names[name], kind)
	}
	for name, v := range is.Entries() {
		if was.Get(name).IsNull() {
			s.names[name] = append(s.names[name], kind)
			s.add(v)
		}
	}
	return true, nil
}

// add notes a new object.
func (s *sharing) add(o pdf.Object) {
	if ref, ok := o.Ref(); ok && s.isNew(ref) {
		s.added = append(s.added, ref)
	}
}

// onlyAs reports whether the signed revision refers to a changed object only as the value of some
// keys.
func (c *differ) onlyAs(ref pdf.Ref, keys []string) (bool, error) {
	for _, from := range slices.Compact(c.referrers[ref.Num]) {
		o, err := c.old.Load(c.old.Lookup(from).Ref)
		if err != nil {
			return false, err
		}
		all, named := 0, 0
		for v := range values(o) {
			if r, ok := v.Ref(); ok && r.Num == ref.Num {
				all++
			}
			for _, key := range keys {
				if r, ok := v.Get(key).Ref(); ok && r.Num == ref.Num {
					named++
				}
			}
		}
		if all != named {
			return false, nil
		}
	}
	return true, nil
}

// meaningless reports whether no content of the signed revision uses one of some names, except
// where its own resources define it in the same category.
func (c *differ) meaningless(names map[string][]string) (bool, error) {
	for name, kinds := range names {
		for _, kind := range kinds {
			// Default spaces replace others without being named (ISO 32000-2, 8.6.5.6).
			if !slices.Contains(resourceKinds, kind) ||
				kind == "ColorSpace" && strings.HasPrefix(name, "Default") {
				return false, nil
			}
		}
	}
	ofPages := make(map[int]bool)
	for number := 1; number <= c.old.NumPages(); number++ {
		page, err := c.old.Page(number)
		if err != nil {
			return false, err
		}
		o, err := c.old.Load(page.Ref)
		if err != nil {
			return false, err
		}
		streams := []pdf.Object{o.Get("Contents")}
		if o, err = c.old.Resolve(streams[0]); err != nil {
			return false, err
		}
		if o.Kind() == pdf.Array {
			streams = o.Elements()
		}
		for _, o := range streams {
			if ref, ok := o.Ref(); ok {
				ofPages[ref.Num] = true
			}
		}
		if ok, err := c.names(names, page.Resources, streams...); err != nil || !ok {
			return false, err
		}
	}
	contents, err := c.contents()
	if err != nil {
		return false, err
	}
	for num := range contents {
		if ofPages[num] {
			continue
		}
		o, err := c.old.Load(c.old.Lookup(num).Ref)
		if skip, err := unreadable(err); err != nil || skip {
			return false, err
		}
		resources, err := c.old.Get(o, "Resources")
		if err != nil {
			return false, err
		}
		if ok, err := c.names(names, resources, o); err != nil || !ok {
			return false, err
		}
	}
	return true, nil
}

// contents returns the objects of the signed revision that readers may draw, but for images and
// what pages name: forms, patterns, glyphs and appearances.
func (c *differ) contents() (map[int]bool, error) {
	all := make(map[int]bool)
	var add func(o pdf.Object, depth int) error
	add = func(o pdf.Object, depth int) error {
		target, err := c.old.Resolve(o)
		if err != nil {
			return err
		}
		if ref, ok := o.Ref(); ok && target.Kind() == pdf.Stream {
			all[ref.Num] = all[ref.Num] || target.Get("Subtype").Name() != "Image"
			return nil
		}
		for _, e := range target.Entries() {
			if depth > 0 {
				if err := add(e, depth-1); err != nil {
					return err
				}
			}
		}
		return nil
	}
	for e := range c.old.Entries {
		if e.Kind == pdf.Free {
			continue
		}
		o, err := c.old.Load(e.Ref)
		if skip, err := unreadable(err); err != nil {
			return nil, err
		} else if skip {
			continue
		}
		form := !o.Get("BBox").IsNull() || o.Get("Subtype").Name() == "Form"
		if o.Kind() == pdf.Stream && (form || !o.Get("PatternType").IsNull()) {
			all[e.Ref.Num] = true
		}
		for v := range values(o) {
			// /AP holds states, which hold appearances.
			for key, depth := range map[string]int{"AP": 2, "XObject": 1, "CharProcs": 1} {
				if err := add(v.Get(key), depth); err != nil {
					return nil, err
				}
			}
		}
	}
	for num, drawn := range all {
		if !drawn {
			delete(all, num)
		}
	}
	return all, nil
}

// names reports whether a content, which consists of some streams, uses none of some names but
// those that its resources define. Readers differ in whether a name goes on in the next stream.
func (c *differ) names(
	names map[string][]string, resources pdf.Object, streams ...pdf.Object,
) (bool, error) {
	undefined := make(map[string]bool)
	for name, kinds := range names {
		for _, kind := range kinds {
			v, err := c.old.Get(resources, kind, name)
			if err != nil {
				return false, err
			}
			undefined[name] = undefined[name] || v.IsNull()
		}
	}
	var joined, apart []byte
	for _, o := range streams {
		o, err := c.old.Resolve(o)
		if err != nil {
			return false, err
		}
		if o.Kind() != pdf.Stream {
			continue
		}
		data, err := contentOf(c.old, o)
		if skip, err := unreadable(err); err != nil || skip {
			return false, err
		}
		joined, apart = append(joined, data...), append(append(apart, data...), '\n')
	}
	contents := [][]byte{joined}
	if len(streams) > 1 {
		contents = append(contents, apart)
	}
	for _, data := range contents {
		if !mentions(data, undefined) {
			continue
		}
		if err := c.old.Charge(contentWork * int64(len(data))); err != nil {
			return false, err
		}
		used := false
		err := pdf.Content(data, func(_ string, operands []pdf.Object) bool {
			for _, o := range operands {
				for v := range values(o) {
					used = used || undefined[v.Name()]
				}
			}
			return !used
		})
		if err != nil || used {
			return false, nil
		}
	}
	return true, nil
}

// contentWork is what parsing a byte of a content costs in units of the work budget, which are
// bytes that are inflated.
const contentWork = 16

// mentions reports whether a content may have one of some names, perhaps in another spelling.
func mentions(content []byte, names map[string]bool) bool {
	if bytes.IndexByte(content, '#') >= 0 {
		return true
	}
	for name, wanted := range names {
		if wanted && bytes.Contains(content, []byte("/"+name)) {
			return true
		}
	}
	return false
}
