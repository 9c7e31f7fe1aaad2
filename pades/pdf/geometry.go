package pdf

import "math"

// Rect is a rectangle; X1 <= X2 and Y1 <= Y2.
type Rect struct {
	X1, Y1, X2, Y2 float64
}

// Width returns the extent along x.
func (r Rect) Width() float64 { return r.X2 - r.X1 }

// Height returns the extent along y.
func (r Rect) Height() float64 { return r.Y2 - r.Y1 }

// Overlaps reports whether the two rectangles share an area. Touching edges
// do not count, and an empty rectangle overlaps nothing.
func (r Rect) Overlaps(o Rect) bool {
	return !r.Intersect(o).Empty()
}

// Empty reports whether the rectangle has no area.
func (r Rect) Empty() bool { return !(r.X2 > r.X1 && r.Y2 > r.Y1) }

// Intersect returns the common part of two rectangles, which may be empty.
func (r Rect) Intersect(o Rect) Rect {
	return Rect{max(r.X1, o.X1), max(r.Y1, o.Y1), min(r.X2, o.X2), min(r.Y2, o.Y2)}
}

// String writes the rectangle as a PDF array.
func (r Rect) String() string {
	return "[" + Number(r.X1) + " " + Number(r.Y1) + " " + Number(r.X2) + " " + Number(r.Y2) + "]"
}

func rectOf(x1, y1, x2, y2 float64) Rect {
	return Rect{min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)}
}

// Rect resolves an array of four numbers to a rectangle, with its corners in
// order; ok is false for anything else.
func (d *Document) Rect(o Object) (r Rect, ok bool, err error) {
	if o, err = d.Resolve(o); err != nil {
		return Rect{}, false, err
	}
	elems := o.Elements()
	if len(elems) != 4 {
		return Rect{}, false, nil
	}
	var v [4]float64
	for i, e := range elems {
		if e, err = d.Resolve(e); err != nil {
			return Rect{}, false, err
		}
		if v[i], ok = e.Number(); !ok || math.Abs(v[i]) > maxCoordinate {
			return Rect{}, false, nil
		}
	}
	return rectOf(v[0], v[1], v[2], v[3]), true, nil
}

// maxCoordinate is far outside every page (PDF's limit is 14,400), and small enough that sums have
// a precision of 1e-8.
const maxCoordinate = 1e7

// DisplaySize returns the width and the height in points of the page as a
// viewer shows it: the effective box, turned by Rotate, times UserUnit.
func (p Page) DisplaySize() (w, h float64) {
	w, h = p.Box.Width()*p.UserUnit, p.Box.Height()*p.UserUnit
	if p.Rotate == 90 || p.Rotate == 270 {
		w, h = h, w
	}
	return w, h
}

// Place returns the rectangle in user space, as for an annotation's /Rect, of a box of boxW by boxH
// points. Its lower-left corner is at the fractions x and y of the width and height of the page as
// displayed. A box that exceeds the page is refused with BoxOffPage.
func (p Page) Place(x, y, boxW, boxH float64) (Rect, error) {
	// Allows for the rounding of sums: a hundredth of a point is not visible.
	const slack = 0.01
	w, h := p.DisplaySize()
	r := Rect{x * w, y * h, x*w + boxW, y*h + boxH}
	// In this form the condition refuses NaN.
	inside := x >= 0 && y >= 0 && boxW >= 0 && boxH >= 0 && r.X2 <= w+slack && r.Y2 <= h+slack
	if !inside {
		return Rect{}, refuse(
			BoxOffPage,
			"a box of %s x %s pt at (%s, %s) does not fit on page %d, which is shown as %s x %s pt",
			Number(boxW), Number(boxH), Number(x), Number(y), p.Number, Number(w), Number(h),
		)
	}
	return p.FromDisplay(r), nil
}

// FromDisplay turns a rectangle in points on the page as displayed, with its
// origin in the lower-left corner, into user space.
func (p Page) FromDisplay(r Rect) Rect {
	x1, y1 := p.fromDisplay(r.X1, r.Y1)
	x2, y2 := p.fromDisplay(r.X2, r.Y2)
	return rectOf(x1, y1, x2, y2)
}

// ToDisplay is the inverse of FromDisplay.
func (p Page) ToDisplay(r Rect) Rect {
	x1, y1 := p.toDisplay(r.X1, r.Y1)
	x2, y2 := p.toDisplay(r.X2, r.Y2)
	return rectOf(x1, y1, x2, y2)
}

// Rotate turns the page clockwise, so at 90 the lower-left corner of what is
// displayed is the lower-right corner of the box.
func (p Page) fromDisplay(x, y float64) (ux, uy float64) {
	x, y = x/p.UserUnit, y/p.UserUnit
	b := p.Box
	switch p.Rotate {
	case 90:
		return b.X2 - y, b.Y1 + x
	case 180:
		return b.X2 - x, b.Y2 - y
	case 270:
		return b.X1 + y, b.Y2 - x
	}
	return b.X1 + x, b.Y1 + y
}

func (p Page) toDisplay(ux, uy float64) (x, y float64) {
	b := p.Box
	switch p.Rotate {
	case 90:
		x, y = uy-b.Y1, b.X2-ux
	case 180:
		x, y = b.X2-ux, b.Y2-uy
	case 270:
		x, y = b.Y2-uy, ux-b.X1
	default:
		x, y = ux-b.X1, uy-b.Y1
	}
	return x * p.UserUnit, y * p.UserUnit
}
