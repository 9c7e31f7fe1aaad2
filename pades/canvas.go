package pades

import (
	"cmp"
	"slices"

	"github.com/signet-sign/signet/pades/pdf"
)

// A canvas is what content streams draw on a page: its characters, and the areas that it paints. It
// is no picture, but tells what is at a point. All places are in the user space of the page.
type canvas struct {
	d     *pdf.Document
	chars []letter
	areas []patch
	left  int // operators, characters and areas that may still come
	fonts map[string]*paintFont
	// strict is for what lies over a page: glyphs are areas too, and what readers may draw in
	// different ways is an error.
	strict bool
	// doubtful says that readers may draw something in different ways.
	doubtful bool
	tests    *int       // comparisons that may still be made
	blocks   []pdf.Rect // around each blockSize areas
}

// blockSize is how many areas are passed over together if a point is not near them.
const blockSize = 64

// maxPainted bounds the operators, characters and areas of a page or of an appearance, and
// maxPaintedInAll those of a verification.
const maxPainted, maxPaintedInAll = 1 << 19, 1 << 22

// lay adds an area.
func (c *canvas) lay(a patch) {
	a.weight = a.clip.measure() + len(a.path)
	for _, sub := range a.path {
		a.weight += len(sub) / runLength
	}
	if n := len(c.areas); n%blockSize == 0 {
		c.blocks = append(c.blocks, a.bounds)
	} else {
		c.blocks[n/blockSize] = around(c.blocks[n/blockSize], a.bounds)
	}
	c.areas = append(c.areas, a)
}

// paintings are canvases of the current document, which are compared with many revisions.
type paintings struct {
	pages map[int]*canvas     // by number
	boxes map[pdf.Ref]*canvas // annotations
	left  int                 // of maxPaintedInAll
	tests int                 // of maxTests
	// fonts are those of each revision, by their dictionaries.
	fonts map[*pdf.Document]map[string]*paintFont
}

func newPaintings() *paintings {
	return &paintings{
		make(map[int]*canvas), make(map[pdf.Ref]*canvas), maxPaintedInAll, maxTests,
		make(map[*pdf.Document]map[string]*paintFont),
	}
}

// canvas returns an empty canvas.
func (p *paintings) canvas(d *pdf.Document) *canvas {
	if p.fonts[d] == nil {
		p.fonts[d] = make(map[string]*paintFont)
	}
	return &canvas{d: d, left: maxPainted, fonts: p.fonts[d], tests: &p.tests}
}

// draw returns a canvas on which f has drawn, and which is full if it could not draw all.
func (p *paintings) draw(
	d *pdf.Document, strict bool, f func(*canvas) error,
) (*canvas, error) {
	c := p.canvas(d)
	c.strict = strict
	c.left = min(c.left, p.left)
	before := c.left
	err := f(c)
	p.left -= before - max(c.left, 0)
	if pdf.ReasonOf(err) != "" {
		c.left, err = -1, nil
	}
	return c, err
}

// full reports whether there was more to draw than the canvas takes.
func (c *canvas) full() bool { return c.left < 0 }

// letter is a character. Its box is from 0 to width along x, in ems, where at takes it to the page.
type letter struct {
	text  string
	at    matrix
	width float64
	below int // the number of areas that were painted before
	above int // with those of the glyph itself
	*ink
}

// ink is how a text is drawn.
type ink struct {
	colour colour
	alpha  float64
	edge   colour // of its outline, if edged
	edged  bool
	clip   *clip
	unseen bool // drawn as nothing, as the text over a scanned page is
}

// samples are the points by which a glyph counts as covered, as fractions of its width and ems.
var samples = func() (list []point) {
	for _, x := range []float64{0.1, 0.3, 0.5, 0.7, 0.9} {
		for _, y := range []float64{0.05, 0.2, 0.35, 0.5, 0.65} {
			list = append(list, point{x, y})
		}
	}
	return list
}()

// bounds returns the rectangle around the samples.
func (l *letter) bounds() pdf.Rect {
	a, b := l.at.apply(0, -0.2), l.at.apply(l.width, -0.2)
	c, d := l.at.apply(l.width, 0.8), l.at.apply(0, 0.8)
	return pdf.Rect{
		X1: min(a.x, b.x, c.x, d.x), Y1: min(a.y, b.y, c.y, d.y),
		X2: max(a.x, b.x, c.x, d.x), Y2: max(a.y, b.y, c.y, d.y),
	}
}

// middle is a point of a glyph by which its background is judged.
var middle = point{0.5, 0.3}

// points returns the points by which the glyph counts as covered.
func (l *letter) points() []point {
	low, height := 0.0, 1.0 // of the part of a glyph that a sign uses
	switch l.text {
	case ".", ",":
		low, height = -0.12, 0.35
	case "-", "\u2013", "\u2212":
		low, height = 0.15, 0.3
	}
	points := make([]point, len(samples))
	for i, s := range samples {
		points[i] = l.point(point{s.x, low + height*s.y})
	}
	return points
}

func (l *letter) point(s point) point { return l.at.apply(s.x*l.width, s.y) }

// patch is a part of the page that is painted.
type patch struct {
	path    [][]point
	runs    []run // of the path, once they are needed
	weight  int   // what it costs to compare a point with it
	evenOdd bool
	width   float64 // of a line along the path; 0 for what the path encloses
	clip    *clip
	bounds  pdf.Rect
	colour  colour
	alpha   float64
	glyph   bool
	darkens bool // blended so that dark text stays, as by Multiply
	// inside and image are for images: where the unit square is, and what is at its points.
	inside matrix
	image  *bitmap
}

// run is a part of a path: the lines that begin at some successive points.
type run struct {
	sub         []point
	from, until int
	bounds      pdf.Rect
}

// runLength is the number of points of a run.
const runLength = 8

// split divides the path into runs, most of which are not near a point.
func (a *patch) split() {
	for _, sub := range a.path {
		for from := 0; from < len(sub); from += runLength {
			until := min(from+runLength, len(sub))
			ends := [][]point{sub[from:until], {sub[until%len(sub)]}}
			a.runs = append(a.runs, run{sub, from, until, boundsOf(ends, 0)})
		}
	}
}

// dim reduces the contrast of what is below the patch, for each component of a colour, to what is
// left of it.
func (a *patch) dim(contrast *[3]float64, p point) {
	alpha := a.alpha
	if a.image != nil {
		q := a.inside.apply(p.x, p.y)
		alpha *= a.image.opacity(q.x, q.y)
	}
	for i := range contrast {
		left := 1 - alpha
		if a.darkens && a.colour.known {
			left += alpha * min(max(a.colour.rgb[i], 0), 1)
		}
		contrast[i] *= left
	}
}

// over returns the colour of the patch over another.
func (a *patch) over(below colour) colour {
	switch {
	case !a.colour.known || !below.known && (a.alpha < 1 || a.darkens):
		return colour{}
	case a.alpha >= 1 && !a.darkens:
		return a.colour
	}
	for i, v := range below.rgb {
		paint := a.colour.rgb[i]
		if a.darkens {
			paint *= v
		}
		below.rgb[i] = v + a.alpha*(paint-v)
	}
	return below
}

// under returns the colour at a point of the first areas, and the uppermost of them there, nil for
// paper.
func (c *canvas) under(p point, areas int) (colour, *patch) {
	var at []*patch
	for i := areas - 1; i >= 0; i-- {
		if *c.tests--; outside(p, c.blocks[i/blockSize]) {
			i -= i % blockSize
			continue
		}
		if a := &c.areas[i]; a.covers(p, c.tests) {
			at = append(at, a)
			if a.alpha >= 1 && !a.darkens {
				break
			}
		}
	}
	below := gray(1)
	for _, a := range slices.Backward(at) {
		below = a.over(below)
	}
	if len(at) == 0 {
		return below, nil
	}
	return below, at[0]
}

// clip is an intersection of areas.
type clip struct {
	patch
	outer *clip
}

func clipTo(path [][]point, evenOdd bool, outer *clip) *clip {
	c := &clip{patch{path: path, evenOdd: evenOdd, bounds: outer.cut(boundsOf(path, 0))}, outer}
	c.weight = 1 + outer.measure()
	for _, sub := range path {
		c.weight += 1 + len(sub)/runLength
	}
	return c
}

// measure returns what it costs to compare a point with the clip.
func (c *clip) measure() int {
	if c == nil {
		return 0
	}
	return c.weight
}

// cut returns the part of a rectangle that may be inside.
func (c *clip) cut(r pdf.Rect) pdf.Rect {
	if c == nil {
		return r
	}
	return r.Intersect(c.bounds)
}

// contains reports whether a point is inside.
func (c *clip) contains(p point) bool {
	for ; c != nil; c = c.outer {
		if !c.patch.contains(p) {
			return false
		}
	}
	return true
}

// covers reports whether the patch is at a point. After the last of the tests it is not.
func (a *patch) covers(p point, tests *int) bool {
	if *tests--; *tests < 0 || outside(p, a.bounds) {
		return false
	}
	*tests -= a.weight
	return a.clip.contains(p) && a.contains(p)
}

func outside(p point, r pdf.Rect) bool {
	return p.x < r.X1 || p.x > r.X2 || p.y < r.Y1 || p.y > r.Y2
}

// apart reports whether two rectangles have no point in common.
func apart(a, b pdf.Rect) bool {
	return a.X1 > b.X2 || a.X2 < b.X1 || a.Y1 > b.Y2 || a.Y2 < b.Y1
}

func (a *patch) contains(p point) bool {
	switch {
	case a.width > 0:
		return a.near(p)
	case a.image != nil:
		q := a.inside.apply(p.x, p.y)
		return q.x >= 0 && q.x <= 1 && q.y >= 0 && q.y <= 1 && a.image.opacity(q.x, q.y) > 0
	}
	if a.runs == nil {
		a.split()
	}
	winding, crossings := 0, 0
	for j := range a.runs {
		r := &a.runs[j]
		if p.y < r.bounds.Y1 || p.y >= r.bounds.Y2 || p.x > r.bounds.X2 {
			continue
		}
		for i := r.from; i < r.until; i++ {
			s, t := r.sub[i], r.sub[(i+1)%len(r.sub)]
			if (s.y <= p.y) == (t.y <= p.y) || p.x >= s.x+(p.y-s.y)/(t.y-s.y)*(t.x-s.x) {
				continue
			}
			crossings++
			if s.y <= p.y {
				winding++
			} else {
				winding--
			}
		}
	}
	if a.evenOdd {
		return crossings%2 == 1
	}
	return winding != 0
}

// near reports whether a line along the path covers a point.
func (a *patch) near(p point) bool {
	if a.runs == nil {
		a.split()
	}
	reach := a.width / 2
	for j := range a.runs {
		r := &a.runs[j]
		if p.x < r.bounds.X1-reach || p.x > r.bounds.X2+reach ||
			p.y < r.bounds.Y1-reach || p.y > r.bounds.Y2+reach {
			continue
		}
		for i := r.from; i < min(r.until, len(r.sub)-1); i++ {
			s, t := r.sub[i], r.sub[i+1]
			dx, dy := t.x-s.x, t.y-s.y
			along := 0.0
			if n := dx*dx + dy*dy; n > 0 {
				along = min(max(((p.x-s.x)*dx+(p.y-s.y)*dy)/n, 0), 1)
			}
			x, y := p.x-s.x-along*dx, p.y-s.y-along*dy
			if x*x+y*y <= reach*reach {
				return true
			}
		}
	}
	return false
}

// page draws the contents of a page.
func (c *canvas) page(page pdf.Page) error {
	o, err := c.d.Load(page.Ref)
	if err != nil {
		return err
	}
	contents, err := c.d.Resolve(o.Get("Contents"))
	if err != nil {
		return err
	}
	parts := []pdf.Object{contents}
	if contents.Kind() == pdf.Array {
		parts = contents.Elements()
	}
	var all []byte // an operator may begin in one stream and end in the next
	for _, part := range parts {
		if part, err = c.d.Resolve(part); err != nil {
			return err
		}
		if part.Kind() != pdf.Stream {
			continue
		}
		data, err := contentOf(c.d, part)
		if err != nil {
			return err
		}
		all = append(append(all, data...), '\n')
	}
	p := c.painter(page.Resources, identity)
	return p.run(all)
}

// annotation draws the appearance of an annotation.
func (c *canvas) annotation(annot pdf.Object) error {
	look, err := c.d.Get(annot, "AP")
	if err != nil {
		return err
	}
	if look, err = c.d.Get(look, "N"); err != nil {
		return err
	}
	if look.IsDict() {
		state, err := c.d.Get(annot, "AS")
		if err != nil {
			return err
		}
		states := look
		if look, err = c.d.Get(states, state.Name()); err != nil {
			return err
		}
		if look.IsNull() && c.strict { // some readers then take any
			for name := range states.Entries() {
				if look, err = c.d.Get(states, name); err != nil {
					return err
				}
				if err := c.look(annot, look); err != nil {
					return err
				}
			}
			return nil
		}
	}
	return c.look(annot, look)
}

// look draws an appearance of an annotation.
func (c *canvas) look(annot, look pdf.Object) error {
	rect, ok, err := c.d.Rect(annot.Get("Rect"))
	if err != nil || !ok || look.Kind() != pdf.Stream {
		return err
	}
	box, ok, err := c.d.Rect(look.Get("BBox"))
	if err != nil || !ok {
		return cmp.Or(err, c.unsure("an appearance has no /BBox"))
	}
	// ISO 32000-2, 12.5.5, algorithm 8
	m, err := matrixOf(c.d, look)
	if err != nil {
		return err
	}
	from := boundsOf([][]point{corners(box, m)}, 0)
	if !(from.Width() > 0 && from.Height() > 0) {
		return nil
	}
	x, y := rect.Width()/from.Width(), rect.Height()/from.Height()
	p := c.painter(pdf.Object{}, matrix{x, 0, 0, y, rect.X1 - x*from.X1, rect.Y1 - y*from.Y1})
	return p.form(look)
}

// unsure returns an error if the canvas is strict, for what readers may draw in different ways.
func (c *canvas) unsure(why string) error {
	if !c.strict {
		return nil
	}
	return &pdf.Refusal{Reason: pdf.BadStream, Detail: why}
}
