package pades

import (
	"fmt"
	"strings"

	"github.com/signet-sign/signet/pades/pdf"
)

// structure adds the new fields to the structure tree of a tagged document, as PDF/UA requires for
// every widget (ISO 14289-1, 7.18.4): a Form element that refers to the widget, and an entry in the
// parent tree (ISO 32000-2, 14.7.5). So an accessible document stays accessible.
type structure struct {
	root       pdf.Ref    // the structure tree root
	parent     pdf.Ref    // the parent of the new elements
	parentKids []string   // its kids, as written
	namespace  string     // of the parent: /NS, or empty
	treeLink   pdf.Object // the value of /ParentTree
	tree       pdf.Object
	next       int64    // the next free key of the parent tree
	first      int64    // the first key that is used
	elements   []string // the new elements
}

// maxRewritten bounds the size of a list in bytes that is rewritten for a few new elements. Longer
// lists are not changed.
const maxRewritten = 32 << 10

// openStructure returns nil if there is nothing to do: for a document that is not tagged, or whose
// tree does not follow the standard; and for one with earlier signatures, because verifiers take
// changes of the structure for changes of the signed document.
func openStructure(d *pdf.Document) (*structure, error) {
	s, err := readStructure(d)
	if err != nil && pdf.ReasonOf(err) != "" {
		return nil, nil // a damaged tree does not prevent signing
	}
	return s, err
}

func readStructure(d *pdf.Document) (*structure, error) {
	marked, err := d.Get(d.Catalog(), "MarkInfo", "Marked")
	if err != nil || !marked.Bool() {
		return nil, err
	}
	sigs, err := signatures(d)
	if err != nil || len(sigs) > 0 {
		return nil, err
	}
	s := &structure{}
	var ok bool
	if s.root, ok = d.Catalog().Get("StructTreeRoot").Ref(); !ok {
		return nil, nil
	}
	root, err := d.Load(s.root)
	if err != nil || !root.IsDict() {
		return nil, err
	}
	if ok, err := s.readParent(d, root); err != nil || !ok {
		return nil, err
	}
	if ok, err := s.readTree(d, root); err != nil || !ok {
		return nil, err
	}
	if ref, ok := s.treeLink.Ref(); ok && (ref == s.root || ref == s.parent) ||
		s.root == s.parent && root.Get("S").Name() != "" {
		return nil, nil // one object with two uses
	}
	// A trial finds what would fail later.
	trial := pdf.NewUpdate(d)
	for _, ref := range []pdf.Ref{s.root, s.parent} {
		if err := trial.Set(ref, "K", "null"); err != nil {
			return nil, err
		}
	}
	if ref, ok := s.treeLink.Ref(); ok {
		return s, trial.Set(ref, "Nums", "null")
	}
	_, err = pdf.EditDict(s.tree)
	return s, err
}

// readParent chooses the only element below the root, usually a Document, or the root itself if
// there are several.
func (s *structure) readParent(d *pdf.Document, root pdf.Object) (ok bool, err error) {
	raws, kids, err := kidsOf(d, root)
	if err != nil || len(kids) == 0 {
		return false, err
	}
	if len(kids) == 1 {
		if ref, indirect := kids[0].Ref(); indirect {
			only, err := d.Load(ref)
			if err != nil {
				return false, err
			}
			below, _, err := kidsOf(d, only)
			if err != nil {
				return false, err
			}
			if only.IsDict() && only.Get("S").Name() != "" && size(below) <= maxRewritten {
				s.parent, s.parentKids = ref, below
				if _, ok := only.Get("NS").Ref(); ok {
					s.namespace = only.Get("NS").Raw()
				}
				return true, nil
			}
		}
	}
	s.parent, s.parentKids = s.root, raws
	return size(raws) <= maxRewritten, nil
}

// kidsOf returns the kids of an element: /K is one of them or an array.
func kidsOf(d *pdf.Document, o pdf.Object) (raws []string, kids []pdf.Object, err error) {
	k := o.Get("K")
	resolved, err := d.Resolve(k)
	if err != nil {
		return nil, nil, err
	}
	switch resolved.Kind() {
	case pdf.Null:
		return nil, nil, nil
	case pdf.Array:
		kids = resolved.Elements()
	default:
		kids = []pdf.Object{k}
	}
	for _, kid := range kids {
		raws = append(raws, kid.Raw())
	}
	return raws, kids, nil
}

func size(list []string) (n int) {
	for _, s := range list {
		n += len(s) + 1
	}
	return n
}

// readTree finds the first free key of the parent tree, a number tree.
func (s *structure) readTree(d *pdf.Document, root pdf.Object) (ok bool, err error) {
	s.treeLink = root.Get("ParentTree")
	if s.tree, err = d.Resolve(s.treeLink); err != nil || !s.tree.IsDict() {
		return false, err
	}
	next, err := d.Get(root, "ParentTreeNextKey")
	if err != nil {
		return false, err
	}
	s.next, _ = next.Int()
	use := func(o pdf.Object) bool {
		o, err = d.Resolve(o)
		key, ok := o.Int()
		s.next = max(s.next, key+1)
		return err == nil && ok && key >= 0 && key < 1<<30
	}
	nums, err := d.Get(s.tree, "Nums")
	if err != nil {
		return false, err
	}
	for i := 0; i+1 < len(nums.Elements()); i += 2 {
		if !use(nums.Elements()[i]) {
			return false, err
		}
	}
	kids, err := d.Get(s.tree, "Kids")
	if err != nil {
		return false, err
	}
	for _, kid := range kids.Elements() {
		limits, err := d.Get(kid, "Limits")
		if err != nil || len(limits.Elements()) != 2 || !use(limits.Elements()[1]) {
			return false, err
		}
	}
	s.first = s.next
	both := len(nums.Elements()) > 0 && len(kids.Elements()) > 0
	return !both && len(nums.Raw())+len(kids.Raw()) <= maxRewritten && s.next >= 0 &&
		s.next < 1<<30, nil
}

// add writes the element for a widget that is going to be written as ref, and
// returns the value of the widget's /StructParent.
func (s *structure) add(u *pdf.Update, widget pdf.Ref, page pdf.Page) (string, error) {
	pairs := []pdf.Pair{
		{Key: "Type", Value: "/StructElem"},
		{Key: "S", Value: "/Form"},
		// of the widget's text; the document may have another language, or none
		{Key: "Lang", Value: "(en)"},
		{Key: "P", Value: s.parent.String()},
		{Key: "Pg", Value: page.Ref.String()},
		{
			Key:   "K",
			Value: "<< /Type /OBJR /Pg " + page.Ref.String() + " /Obj " + widget.String() + " >>",
		},
	}
	if s.namespace != "" {
		pairs = append(pairs, pdf.Pair{Key: "NS", Value: s.namespace})
	}
	element, err := put(u, pairs...)
	if err != nil {
		return "", err
	}
	s.elements = append(s.elements, element.String())
	key := fmt.Sprint(s.next)
	s.next++
	// The tab order is that of the structure.
	return key, u.Set(page.Ref, "Tabs", "/S")
}

// finish adds the elements to the tree.
func (s *structure) finish(u *pdf.Update, d *pdf.Document) error {
	if err := u.Set(s.parent, "K", "["+strings.Join(append(s.parentKids, s.elements...), " ")+"]"); err != nil {
		return err
	}
	if err := u.Set(s.root, "ParentTreeNextKey", fmt.Sprint(s.next)); err != nil {
		return err
	}
	var ours []string
	for i, e := range s.elements {
		ours = append(ours, fmt.Sprint(s.first+int64(i)), e)
	}
	key := "Nums"
	if !s.tree.Get("Kids").IsNull() {
		leaf, err := put(
			u, pdf.Pair{Key: "Limits", Value: fmt.Sprintf("[%d %d]", s.first, s.next-1)},
			pdf.Pair{Key: "Nums", Value: "[" + strings.Join(ours, " ") + "]"},
		)
		if err != nil {
			return err
		}
		key, ours = "Kids", []string{leaf.String()}
	}
	before, err := d.Get(s.tree, key)
	if err != nil {
		return err
	}
	var list []string
	for _, e := range before.Elements() {
		list = append(list, e.Raw())
	}
	value := "[" + strings.Join(append(list, ours...), " ") + "]"
	if ref, ok := s.treeLink.Ref(); ok {
		return u.Set(ref, key, value)
	}
	tree, err := pdf.EditDict(s.tree, pdf.Pair{Key: key, Value: value})
	if err != nil {
		return err
	}
	return u.Set(s.root, "ParentTree", tree)
}
