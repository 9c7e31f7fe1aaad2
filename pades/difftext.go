package pades

import (
	"math"

	"github.com/signet-sign/signet/pades/pdf"
)

// Limits of what counts as seen. Programs that fit a text into a field stop at about 4 points.
const (
	minTextSize   = 1.0 // points on the page
	minDifference = 0.1 // of a colour from its background, in one component
	minOpacity    = 0.5
	maxSaved      = 256 // states; ISO 32000-1, annex C, has 28
)

// textView follows the operators of an appearance to know whether a reader can see its text: its
// size, place and colour.
type textView struct {
	*painter
	box   pdf.Rect // of the appearance
	scale float64  // from the appearance to the page
	// usual is the colour of the field's default appearance when the document was signed. It may be
	// white because the page below is dark, if the colour of the page is not known.
	usual     colour
	lines     bool   // several: those that do not fit may be outside
	page      colour // below the appearance
	pageKnown bool
	inside    bool // a text was inside the box
}

// unseen says why a reader cannot see a text whose letters have been drawn now, or "".
func (v *textView) unseen(text string, letters []letter) string {
	n := float64(len(printed(text)))
	if n == 0 {
		return ""
	}
	m := v.line.then(v.ctm)
	height := math.Abs(v.size) * math.Hypot(m[2], m[3])
	width := math.Abs(v.size*v.wide) * math.Hypot(m[0], m[1])
	if min(height, width)*v.scale < minTextSize {
		return "has a text that is too small to read"
	}
	drawn := v.fill
	if v.render == 1 {
		drawn = v.stroke
	}
	if !drawn.known {
		return "has a text in a colour that cannot be compared with its background"
	}
	for i := range letters {
		if legible(letters[i].text) && v.lost(&letters[i], drawn) {
			return "has a text in the colour of its background"
		}
	}
	if v.full() || *v.tests < 0 {
		return "has an appearance that draws too much"
	}
	// None of the glyphs is wider than two of its heights.
	reach := 2 * n * max(width, height)
	below, left := height, reach
	if m[1] != 0 || m[2] != 0 {
		below = reach
	}
	inside := m[4] >= v.box.X1-left && m[4] <= v.box.X2+below-height &&
		m[5] >= v.box.Y1-below && m[5] <= v.box.Y2+below-height
	if !inside && !(v.lines && v.inside) {
		return "has a text outside of its box"
	}
	v.inside = true
	return ""
}

// lost reports whether most of a letter cannot be told from what is below it.
func (v *textView) lost(l *letter, drawn colour) bool {
	same := 0
	for _, s := range samples {
		below, painted := v.page, v.pageKnown
		if over, a := v.under(l.point(s), l.below); a != nil {
			below, painted = over, true
		}
		if !drawn.readable(below) && (painted || !drawn.like(v.usual)) &&
			(v.render != 2 || !v.stroke.readable(below)) {
			same++
		}
	}
	return same > len(samples)/2
}

// view returns how the appearance of a widget is seen.
func (c *differ) view(
	f pdf.FormField, ref pdf.Ref, widget, look pdf.Object, flags int64,
) (*textView, error) {
	box, ok, err := c.now.Rect(look.Get("BBox"))
	if err != nil {
		return nil, err
	}
	scale := 1.0
	at, placed, err := c.now.Rect(widget.Get("Rect"))
	if err != nil {
		return nil, err
	}
	if ok && placed && box.Width() > 0 && box.Height() > 0 {
		scale = min(max(at.Width(), at.Height())/max(box.Width(), box.Height()), 1)
	}
	usual, err := c.usualColour(f)
	if err != nil {
		return nil, err
	}
	below, known, err := c.behind(ref)
	if err != nil {
		return nil, err
	}
	return &textView{
		painter: c.paintings.canvas(c.now).painter(look.Get("Resources"), identity),
		box:     box, scale: scale,
		usual: usual, lines: flags&fieldMultiline != 0, page: below, pageKnown: known,
	}, nil
}

// behind returns the colour of the page in the middle of a widget; known is false if it has no
// single colour there that can be told.
func (c *differ) behind(ref pdf.Ref) (below colour, known bool, err error) {
	places, err := c.latest.widgets()
	if err != nil || places[ref].Page == 0 {
		return gray(1), false, err
	}
	page, err := c.drawn(places[ref].Page)
	if err != nil {
		return gray(1), false, err
	}
	at := places[ref].Rect
	below, _ = page.under(point{(at.X1 + at.X2) / 2, (at.Y1 + at.Y2) / 2}, len(page.areas))
	if page.full() || *page.tests < 0 || !below.known {
		return gray(1), false, nil
	}
	return below, true, nil
}

// usualColour returns the colour of the default appearance of a field when it was signed.
func (c *differ) usualColour(f pdf.FormField) (colour, error) {
	o, err := c.old.Load(f.Ref)
	if err != nil {
		return colour{}, err
	}
	form, err := c.old.Get(c.old.Catalog(), "AcroForm")
	if err != nil {
		return colour{}, err
	}
	for depth := 0; depth < 32; depth++ {
		da, err := c.old.Get(o, "DA")
		if err != nil {
			return colour{}, err
		}
		if da.Kind() == pdf.String {
			p := c.paintings.canvas(c.old).painter(pdf.Object{}, identity)
			err := p.run(da.Bytes())
			return p.fill, err
		}
		up, err := c.old.Get(o, "Parent")
		if err != nil {
			return colour{}, err
		}
		if o = up; !o.IsDict() {
			o = form
		}
	}
	return colour{}, nil
}

// opaque reports whether a graphics state of an appearance leaves what is drawn visible.
func (c *differ) opaque(look pdf.Object, name string) (bool, error) {
	o := look
	for _, key := range []string{"Resources", "ExtGState", name} {
		var err error
		if o, err = c.now.Get(o, key); err != nil {
			return false, err
		}
	}
	mask, err := c.now.Get(o, "SMask")
	if err != nil || mask.IsDict() {
		return false, err
	}
	for _, key := range []string{"ca", "CA"} {
		alpha, err := c.now.Get(o, key)
		if err != nil {
			return false, err
		}
		if v, ok := alpha.Number(); ok && v < minOpacity {
			return false, nil
		}
	}
	return o.Get("Font").IsNull(), nil
}
