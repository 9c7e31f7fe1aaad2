package pdf

import "math"

// Page is one page with its inherited attributes (ISO 32000-2, 7.7.3).
type Page struct {
	Number    int // from 1
	Ref       Ref
	MediaBox  Rect    // in user space
	Box       Rect    // the effective box: CropBox within MediaBox
	Rotate    int     // clockwise: 0, 90, 180 or 270
	UserUnit  float64 // points per unit of user space
	Resources Object  // own or inherited; may be a Reference
}

// NumPages returns the number of pages.
func (d *Document) NumPages() int { return len(d.pages) }

// Page returns a page by its number, from 1; PageOutOfRange when there is none.
func (d *Document) Page(number int) (Page, error) {
	if number < 1 || number > len(d.pages) {
		return Page{}, refuse(PageOutOfRange, "page %d of %d", number, len(d.pages))
	}
	return d.pages[number-1], nil
}

// pageAttributes are the attributes that a page inherits from its ancestors.
type pageAttributes struct {
	mediaBox, cropBox, rotate, resources Object
}

func (d *Document) readPages() error {
	w := pageWalk{d: d, seen: make(map[int]bool)}
	root := d.catalog.Get("Pages")
	if _, ok := root.Ref(); !ok {
		return refuse(BadPageTree, "the catalog's /Pages is not a reference")
	}
	if _, err := w.node(root, Ref{}, pageAttributes{}, 0); err != nil {
		return err
	}
	if len(d.pages) == 0 {
		return refuse(NoPages, "the page tree has no leaves")
	}
	return nil
}

type pageWalk struct {
	d    *Document
	seen map[int]bool
}

// node reads a node of the page tree and those below, and returns the number of pages in it. It
// checks Parent and Count because readers use either of them to find a page by its number.
func (w *pageWalk) node(
	link Object, parent Ref, in pageAttributes, depth int,
) (pages int, err error) {
	d := w.d
	ref, ok := link.Ref()
	if !ok {
		return 0, refuse(
			BadPageTree, "a kid of object %d is a %s, not a reference", parent.Num, link.kind,
		)
	}
	twice := w.seen[ref.Num]
	w.seen[ref.Num] = true
	if depth > d.lim.Nesting {
		return 0, refuse(TooDeep, "the page tree is deeper than %d levels", d.lim.Nesting)
	}
	o, err := d.Load(ref)
	if err != nil {
		return 0, err
	}
	if !o.IsDict() {
		return 0, refuse(BadPageTree, "object %d in the page tree is a %s", ref.Num, o.kind)
	}
	// A leaf may occur twice: for all readers it is two pages with the same content.
	if twice && o.Get("Type").Name() != "Page" {
		return 0, refuse(PageTreeLoop, "object %d is in the page tree twice", ref.Num)
	}
	if up, _ := o.Get("Parent").Ref(); depth > 0 && up != parent {
		return 0, refuse(
			BadPageTree, "the /Parent of object %d is not object %d, whose kid it is", ref.Num,
			parent.Num,
		)
	}
	for key, value := range map[string]*Object{
		"MediaBox": &in.mediaBox, "CropBox": &in.cropBox, "Rotate": &in.rotate,
		"Resources": &in.resources,
	} {
		if v := o.Get(key); !v.IsNull() {
			*value = v
		}
	}
	kind, err := d.Get(o, "Type")
	if err != nil {
		return 0, err
	}
	switch kind.Name() {
	case "Page":
		return 1, w.leaf(ref, o, in)
	case "Pages":
	default:
		return 0, refuse(
			BadPageTree, "object %d in the page tree has the /Type %.40s", ref.Num, kind.Raw(),
		)
	}
	kids, err := d.Get(o, "Kids")
	if err != nil {
		return 0, err
	}
	if kids.kind != Array {
		return 0, refuse(BadPageTree, "the /Kids of object %d is a %s", ref.Num, kids.kind)
	}
	for _, kid := range kids.Elements() {
		n, err := w.node(kid, ref, in, depth+1)
		if err != nil {
			return 0, err
		}
		pages += n
	}
	count, err := d.Get(o, "Count")
	if err != nil {
		return 0, err
	}
	if n, ok := count.Int(); !ok || n != int64(pages) {
		return 0, refuse(
			BadPageTree, "the /Count of object %d is %.40s, but it has %d pages", ref.Num,
			count.Raw(), pages,
		)
	}
	return pages, nil
}

func (w *pageWalk) leaf(ref Ref, o Object, in pageAttributes) error {
	d := w.d
	if len(d.pages) >= d.lim.Pages {
		return refuse(TooManyPages, "more than %d pages", d.lim.Pages)
	}
	p := Page{Number: len(d.pages) + 1, Ref: ref, UserUnit: 1, Resources: in.resources}
	media, ok, err := d.Rect(in.mediaBox)
	if err != nil {
		return err
	}
	if !ok || media.Empty() {
		return refuse(NoMediaBox, "page %d has the MediaBox %.60s", p.Number, in.mediaBox.Raw())
	}
	p.MediaBox, p.Box = media, media
	crop, ok, err := d.Rect(in.cropBox)
	if err != nil {
		return err
	}
	// A CropBox outside the MediaBox is ignored, as by viewers.
	if crop = crop.Intersect(media); ok && !crop.Empty() {
		p.Box = crop
	}
	if p.Rotate, err = d.rotation(in.rotate, p.Number); err != nil {
		return err
	}
	unit, err := d.Get(o, "UserUnit")
	if err != nil {
		return err
	}
	if v, ok := unit.Number(); ok && v > 0 && v <= maxCoordinate {
		p.UserUnit = v
	}
	d.pages = append(d.pages, p)
	return nil
}

func (d *Document) rotation(o Object, page int) (int, error) {
	o, err := d.Resolve(o)
	if err != nil || o.IsNull() {
		return 0, err
	}
	v, ok := o.Number()
	if !ok || math.Mod(v, 90) != 0 {
		return 0, refuse(BadRotation, "page %d has /Rotate %.40s", page, o.Raw())
	}
	return (int(math.Mod(v, 360)) + 360) % 360, nil
}
