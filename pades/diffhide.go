package pades

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode"

	"github.com/signet-sign/signet/pades/pdf"
)

// What a later revision lays over a page may be allowed, as the box of a further signature is, and
// still hide what earlier signers signed. The rules of this file find the characters, images and
// drawings of the signed page whose contrast it takes away. What lies over the page counts for as
// much as it may cover: an appearance that readers may draw in different ways, or whose glyphs
// cannot be known, covers its whole rectangle.

// unknownText stands for what is hidden and is no text, or cannot be told.
const unknownText = "…"

// maxHidden bounds the length of a hidden text in a report, and maxTests the work of a verification
// to find all, as a number of comparisons of a point with an area or with a run of its path.
const maxHidden, maxTests = 60, 1 << 25

// hides returns the text of a page that an annotation of the current document hides, alone or with
// those before it, unknownText if it hides something else, and "" if it hides nothing. The letters
// of lines to sign on do not count, nor do punctuation and what was not visible before.
func (c *differ) hides(number int, ref pdf.Ref, annotation pdf.Object) (string, error) {
	if number == 0 {
		return "", nil
	}
	if c.paintings.tests < 0 {
		return unknownText, nil
	}
	top, err := c.box(ref, annotation)
	switch {
	case err != nil:
		return "", err
	case top.full():
		return unknownText, nil
	case len(top.areas) == 0:
		return "", nil
	}
	page, err := c.drawn(number)
	if err != nil {
		return "", err
	}
	marks, err := c.marked(number)
	if err != nil {
		return "", err
	}
	before := c.laid[number]
	place := boundsOf(nil, 0)
	for i := range top.areas {
		c.laid[number] = append(c.laid[number], &top.areas[i])
		place = around(place, top.areas[i].bounds)
	}
	over, under := c.layer(c.laid[number], place), c.layer(before, place)
	var found hiddenText
	pictures := false
	for _, canvas := range []*canvas{page, marks} {
		if canvas.full() {
			return unknownText, nil
		}
		c.paintings.tests -= len(canvas.chars)
		for i := range canvas.chars {
			if c.paintings.tests < 0 {
				return unknownText, nil
			}
			l := &canvas.chars[i]
			place := l.bounds()
			found.add(l, over.meets(place) && canvas.legible(i) &&
				over.near(place).hides(canvas, l) && !under.near(place).hides(canvas, l))
		}
		pictures = pictures || over.hidesPicture(canvas)
		if *over.tests < 0 {
			return unknownText, nil
		}
	}
	if found.text.Len() == 0 && pictures {
		return unknownText, nil
	}
	return found.String(), nil
}

// box returns the areas that an annotation covers.
func (c *differ) box(ref pdf.Ref, annotation pdf.Object) (*canvas, error) {
	if b := c.paintings.boxes[ref]; b != nil {
		return b, nil
	}
	top, err := c.paintings.draw(c.now, true, func(top *canvas) error {
		err := top.annotation(annotation)
		if pdf.ReasonOf(err) != "" || annotation.Get("AP").IsNull() {
			return c.unlooked(top, annotation, err != nil)
		}
		return err
	})
	if err == nil && ref != (pdf.Ref{}) {
		c.paintings.boxes[ref] = top
	}
	return top, err
}

// A layer is what lies over and near a place of a page. tests is the number of comparisons that may
// still be made.
type layer struct {
	areas []*patch
	place pdf.Rect
	tests *int
	part  *layer // the last that near returned
}

func (c *differ) layer(areas []*patch, place pdf.Rect) *layer {
	const more = 20 // points
	all := &layer{areas: areas, place: place, tests: &c.paintings.tests}
	return all.near(pdf.Rect{
		X1: place.X1 - more, Y1: place.Y1 - more, X2: place.X2 + more, Y2: place.Y2 + more,
	})
}

// near returns the areas that may be at a point of a rectangle. They are valid until the next call.
func (o *layer) near(r pdf.Rect) *layer {
	if o.part == nil {
		o.part = &layer{place: o.place, tests: o.tests}
	}
	*o.tests -= len(o.areas)
	o.part.areas = o.part.areas[:0]
	for _, a := range o.areas {
		if !apart(a.bounds, r) {
			o.part.areas = append(o.part.areas, a)
		}
	}
	return o.part
}

// meets reports whether a rectangle has a part in the place.
func (o *layer) meets(r pdf.Rect) bool { return !r.Intersect(o.place).Empty() }

// any reports whether one of the areas at a point has a property.
func (o *layer) any(p point, f func(*patch) bool) bool {
	for _, a := range o.areas {
		if a.covers(p, o.tests) && f(a) {
			return true
		}
	}
	return false
}

// touches reports whether one of the areas is at a point.
func (o *layer) touches(p point) bool { return o.any(p, func(*patch) bool { return true }) }

// tenuous is how much of its contrast what is below has to keep in order to be seen. Under the
// background of our own boxes (signature_background) it keeps 0.3.
const tenuous = 0.25

// dims reports whether the areas leave too little of a contrast at a point.
func (o *layer) dims(contrast [3]float64, p point) bool {
	enough := tenuous * slices.Max(contrast[:])
	return o.any(p, func(a *patch) bool {
		a.dim(&contrast, p)
		return slices.Max(contrast[:]) < enough
	})
}

// most reports whether more than half of some points have a property.
func most(points []point, f func(point) bool) bool {
	n := 0
	for _, p := range points {
		if f(p) {
			n++
		}
	}
	return n > len(points)/2
}

// hides reports whether most of a character that was visible is covered, or a part of it with the
// colour of what is below it.
func (o *layer) hides(on *canvas, l *letter) bool {
	if len(o.areas) == 0 || *o.tests < 0 {
		return false
	}
	points := l.points()
	if !slices.ContainsFunc(points, o.touches) {
		return false
	}
	below, _ := on.under(l.point(middle), l.below)
	contrast, visible := on.contrastOf(l)
	const part = 3
	erased := 0
	for _, p := range points {
		if o.erases(p, below, l.at.scale()/2) {
			erased++
		}
	}
	return visible &&
		(erased >= part || most(points, func(p point) bool { return o.dims(contrast, p) }))
}

// erases reports whether a glyph, a line or a thin area has the colour of what is below. In another
// colour it would be seen.
func (o *layer) erases(p point, below colour, thin float64) bool {
	return o.any(p, func(a *patch) bool {
		small := a.glyph || a.width > 0 || min(a.bounds.Width(), a.bounds.Height()) < thin
		return small && a.alpha >= 1-tenuous && (!a.colour.known || a.colour.like(below))
	})
}

// hidesPicture reports whether a part of an image or a drawing is covered.
func (o *layer) hidesPicture(on *canvas) bool {
	dots := 0
	for i := 0; i < len(on.areas); i++ {
		if *o.tests--; apart(on.blocks[i/blockSize], o.place) {
			i += blockSize - 1 - i%blockSize
			continue
		}
		a := &on.areas[i]
		switch {
		case *o.tests < 0:
			return false
		case !o.meets(a.bounds):
		case a.image != nil:
			if o.hidesImage(a) {
				return true
			}
		default:
			for _, sub := range a.path {
				hidden, dot := o.hidesShape(on, i, sub)
				if dot {
					dots++
				}
				if hidden && !dot || dots == manyDots {
					return true
				}
			}
		}
	}
	return false
}

// Rectangles and straight lines are panels, rules and frames, which a box may cover; many small
// ones are a code or a raster.
const manyDots, largestDot = 16, 9.0

// hidesShape reports whether most of a part of a path is hidden, and whether it is a small
// rectangle; larger ones do not count.
func (o *layer) hidesShape(on *canvas, area int, sub []point) (hidden, dot bool) {
	a := &on.areas[area]
	*o.tests -= len(sub) / runLength
	r := boundsOf([][]point{sub}, 0)
	if !o.meets(r) {
		return false, false
	}
	size := 0.0
	for i, p := range sub {
		q := sub[(i+1)%len(sub)]
		size += (p.x*q.y - q.x*p.y) / 2
	}
	const thin, full = 1.5, 0.9
	if min(r.Width(), r.Height()) <= thin || math.Abs(size) >= full*r.Width()*r.Height() {
		if dot = a.width == 0 && max(r.Width(), r.Height()) <= largestDot; !dot {
			return false, false
		}
	}
	const enough = 16
	var points []point
	*o.tests -= 2 * enough * a.clip.measure()
	for i := 0; i < len(sub); i += max(len(sub)/enough, 1) {
		if a.clip.contains(sub[i]) {
			points = append(points, sub[i])
		}
	}
	if len(points) == 0 || !most(points, o.touches) {
		return false, false
	}
	below, _ := on.under(points[0], area)
	contrast, visible := a.over(below).contrast(below)
	hidden = visible && most(points, func(p point) bool { return o.dims(contrast, p) })
	return hidden, dot && hidden
}

// hidesImage reports whether a part of an image is covered that does not look blank. Letters and
// thin lines over an image do not count.
func (o *layer) hidesImage(a *patch) bool {
	const most, solid = 1 << 15, 3 // points in all; those of a covered square along each side
	r := a.bounds.Intersect(o.place)
	step := max(2, math.Sqrt(r.Width()*r.Height()/most))
	columns, rows := int(r.Width()/step)+1, int(r.Height()/step)+1
	if max(columns, rows) > most {
		return true
	}
	at := func(i, j int) point {
		return point{r.X1 + (float64(i)+0.5)*step, r.Y1 + (float64(j)+0.5)*step}
	}
	side := make([]int, (columns+1)*(rows+1)) // of the covered square that ends here
	darkest, lightest := 1.0, 0.0
	for j := range rows {
		y := at(0, j).y
		row := o.near(pdf.Rect{X1: r.X1, Y1: y, X2: r.X2, Y2: y})
		for i := range columns {
			if *o.tests -= a.clip.measure(); *o.tests < 0 {
				return false
			}
			if p := at(i, j); !a.clip.contains(p) || !row.dims([3]float64{1, 1, 1}, p) {
				continue
			}
			here := (j+1)*(columns+1) + i + 1
			side[here] = 1 + min(side[here-1], side[here-columns-1], side[here-columns-2])
			if side[here] < solid {
				continue
			}
			if !a.image.read {
				*o.tests -= a.image.size
				if s := a.image.known(); s != nil && (s.photo == nil || !s.progressive) {
					*o.tests += 3 * a.image.size / 4 // only what is progressive takes as long
				}
				a.image.read = true
			}
			*o.tests -= 2 * solid * 2 * solid
			for k := range 2 * solid * 2 * solid { // twice as close
				p := at(i, j)
				p.x -= (float64(k%(2*solid))/2 - 0.25) * step
				p.y -= (float64(k/(2*solid))/2 - 0.25) * step
				q := a.inside.apply(p.x, p.y)
				if q.x < 0 || q.x > 1 || q.y < 0 || q.y > 1 {
					continue
				}
				v, known := a.image.shade(q.x, q.y)
				if !known {
					return true
				}
				darkest, lightest = min(darkest, v), max(lightest, v)
			}
			if lightest-darkest >= leastShade {
				return true
			}
		}
	}
	return false
}

// leastShade is the difference between the shades of an image below which it shows nothing.
const leastShade = 0.3

// hiddenText collects hidden characters, with the spaces and signs between them.
type hiddenText struct {
	text    strings.Builder
	between strings.Builder
	apart   bool // something between them can still be seen
	last    *letter
}

func (h *hiddenText) add(l *letter, hidden bool) {
	if !hidden {
		h.between.WriteString(l.text)
		h.apart = h.apart || legible(l.text)
		return
	}
	if h.text.Len() > 0 {
		switch below := math.Abs(l.at[5]-h.last.at[5]) > l.at.scale()/2; {
		case h.apart || below:
			h.text.WriteByte(' ')
		default:
			h.text.WriteString(h.between.String())
		}
	}
	h.between.Reset()
	h.apart, h.last = false, l
	h.text.WriteString(l.text)
}

func (h *hiddenText) String() string {
	text := []rune(h.text.String())
	if len(text) > maxHidden {
		text = append(text[:maxHidden], []rune(unknownText)...)
	}
	return string(text)
}

// hiding adds to the text of a change what it hides.
func hiding(text, hidden string) string {
	switch hidden {
	case "":
		return text
	case unknownText:
		return text + ", and hides a picture, a drawing or what cannot be told"
	}
	return fmt.Sprintf("%s, and hides the text %q", text, hidden)
}

// unlooked draws what viewers draw for an annotation without an appearance, or may draw for one
// whose appearance cannot be read here.
func (c *differ) unlooked(on *canvas, a pdf.Object, unread bool) error {
	rect, ok, err := c.now.Rect(a.Get("Rect"))
	if err != nil || !ok {
		return err
	}
	key, framed := map[string]string{
		"Square": "IC", "Circle": "IC", "Polygon": "IC", "PolyLine": "IC", "Line": "IC", "Ink": "",
		"Link": "", "Widget": "BG",
	}[a.Get("Subtype").Name()]
	area := patch{path: [][]point{corners(rect, identity)}, bounds: rect, alpha: 1}
	if !unread {
		switch a.Get("Subtype").Name() {
		case "Popup", "Underline", "Squiggly", "StrikeOut", "Caret":
			return nil
		case "Highlight":
			area.darkens = true
			if area.colour, err = c.colourFor(a, "C"); err != nil {
				return err
			}
		}
	}
	if framed && !unread {
		in := a
		if key == "BG" {
			if in, err = c.now.Get(a, "MK"); err != nil {
				return err
			}
		}
		fill, err := c.now.Get(in, key)
		if err != nil {
			return err
		}
		border, err := c.border(a)
		const line = 3 // a border that is no wider covers nothing
		if err != nil || border <= line && len(fill.Elements()) == 0 {
			return err
		}
		area.width, area.path[0] = border, append(area.path[0], area.path[0][0])
		area.bounds = boundsOf(area.path, border/2)
		on.lay(area)
		area.width = 0
	}
	on.lay(area)
	return nil
}

// border returns the width of the border of an annotation.
func (c *differ) border(a pdf.Object) (float64, error) {
	style, err := c.now.Get(a, "BS")
	if err != nil {
		return 0, err
	}
	width, err := c.now.Get(style, "W")
	if err != nil {
		return 0, err
	}
	border, err := c.now.Get(a, "Border")
	if err != nil {
		return 0, err
	}
	if e := border.Elements(); width.IsNull() && len(e) > 2 {
		width = e[2]
	}
	v, _ := width.Number()
	return v, nil
}

// colourFor returns a colour of an annotation.
func (c *differ) colourFor(a pdf.Object, key string) (colour, error) {
	list, err := c.now.Get(a, key)
	if err != nil {
		return colour{}, err
	}
	var n []float64
	for _, e := range list.Elements() {
		v, _ := e.Number()
		n = append(n, v)
	}
	return colourOf(n), nil
}

// drawn returns the contents of a page. Those that have changed since are a change themselves.
func (c *differ) drawn(number int) (*canvas, error) {
	if p := c.paintings.pages[number]; p != nil {
		return p, nil
	}
	page, err := c.now.Page(number)
	if err != nil {
		return nil, err
	}
	p, err := c.paintings.draw(c.now, false, func(p *canvas) error { return p.page(page) })
	if err == nil {
		c.paintings.pages[number] = p
	}
	return p, err
}

// marked returns what the annotations of a page showed when it was signed.
func (c *differ) marked(number int) (*canvas, error) {
	if number > c.old.NumPages() {
		return c.paintings.canvas(c.old), nil
	}
	if m := c.marks[number]; m != nil {
		return m, nil
	}
	page, err := c.old.Page(number)
	if err != nil {
		return nil, err
	}
	annots, err := c.old.Annotations(page)
	if err != nil {
		return nil, err
	}
	m, err := c.paintings.draw(c.old, false, func(marks *canvas) error {
		for _, a := range annots {
			if a, err = c.old.Resolve(a); err != nil {
				return err
			}
			if flags, _ := a.Get("F").Int(); flags&(flagHidden|flagNoView) != 0 {
				continue
			}
			// One that cannot be read leaves the others.
			if err := marks.annotation(a); err != nil && pdf.ReasonOf(err) == "" {
				return err
			}
		}
		return nil
	})
	if err == nil {
		c.marks[number] = m
	}
	return m, err
}

// legible reports whether a text is more than a line to sign on.
func legible(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool {
		return unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.Is(unicode.Sc, r) ||
			r == unicode.ReplacementChar
	})
}

// legible reports whether a character is more than a line to sign on: a letter, or a sign beside a
// digit.
func (c *canvas) legible(i int) bool {
	digit := func(i int) bool {
		return i >= 0 && i < len(c.chars) && strings.ContainsFunc(c.chars[i].text, unicode.IsNumber)
	}
	text := c.chars[i].text
	same := func(i int) bool { return i >= 0 && i < len(c.chars) && c.chars[i].text == text }
	const line = 4 // signs of a row that leads to a number
	row := 1
	for j := i - 1; same(j) && row < line; j-- {
		row++
	}
	for j := i + 1; same(j) && row < line; j++ {
		row++
	}
	return legible(text) || text != "_" && strings.ContainsFunc(text, unicode.IsGraphic) &&
		strings.TrimSpace(text) != "" && (digit(i-1) || digit(i+1)) && row < line
}

// gone reports whether the page itself shows less than half of a character: it is cut, or plain
// areas were painted over it.
func (c *canvas) gone(l *letter) bool {
	var over []*patch
	place := l.bounds()
	for i := l.above; i < len(c.areas); i++ {
		if *c.tests--; apart(c.blocks[i/blockSize], place) {
			i += blockSize - 1 - i%blockSize
			continue
		}
		a := &c.areas[i]
		if a.alpha >= 1 && a.colour.known && !a.darkens && a.image == nil && a.width == 0 &&
			!a.bounds.Intersect(place).Empty() {
			over = append(over, a)
		}
	}
	*c.tests -= len(samples) * l.clip.measure()
	return most(l.points(), func(p point) bool {
		return !l.clip.contains(p) ||
			slices.ContainsFunc(over, func(a *patch) bool { return a.covers(p, c.tests) })
	})
}

// contrastOf returns how much a character differed from what is below it. It is visible if that is
// enough, or if it stands over an image, as the invisible text of a scanned page does.
func (c *canvas) contrastOf(l *letter) (contrast [3]float64, visible bool) {
	below, area := c.under(l.point(middle), l.below)
	if l.unseen {
		return [3]float64{1, 1, 1}, area != nil && area.image != nil
	}
	if !c.doubtful && c.gone(l) {
		return contrast, false
	}
	if c.doubtful && area != nil {
		below = colour{} // it may not be there
	}
	ink := patch{colour: l.colour, alpha: l.alpha}
	if contrast, visible = ink.over(below).contrast(below); !visible && l.edged {
		return l.edge.contrast(below)
	}
	return contrast, visible
}
