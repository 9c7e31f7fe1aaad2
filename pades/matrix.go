package pades

import (
	"math"

	"github.com/signet-sign/signet/pades/pdf"
)

// matrix is a transformation (ISO 32000-2, 8.3.4).
type matrix [6]float64

var identity = matrix{1, 0, 0, 1, 0, 0}

// then returns the transformation by m and then by n.
func (m matrix) then(n matrix) matrix {
	return matrix{
		m[0]*n[0] + m[1]*n[2], m[0]*n[1] + m[1]*n[3],
		m[2]*n[0] + m[3]*n[2], m[2]*n[1] + m[3]*n[3],
		m[4]*n[0] + m[5]*n[2] + n[4], m[4]*n[1] + m[5]*n[3] + n[5],
	}
}

type point struct{ x, y float64 }

func (m matrix) apply(x, y float64) point {
	return point{m[0]*x + m[2]*y + m[4], m[1]*x + m[3]*y + m[5]}
}

// scale is by how much a transformation makes areas larger, as a length.
func (m matrix) scale() float64 { return math.Sqrt(math.Abs(m[0]*m[3] - m[1]*m[2])) }

// inverse returns the opposite transformation; ok is false if there is none.
func (m matrix) inverse() (n matrix, ok bool) {
	det := m[0]*m[3] - m[1]*m[2]
	if det == 0 || math.IsNaN(det) || math.IsInf(det, 0) {
		return n, false
	}
	return matrix{
		m[3] / det, -m[1] / det, -m[2] / det, m[0] / det,
		(m[2]*m[5] - m[3]*m[4]) / det, (m[1]*m[4] - m[0]*m[5]) / det,
	}, true
}

// boundsOf returns the rectangle around paths, and more on each side.
func boundsOf(path [][]point, more float64) pdf.Rect {
	r := pdf.Rect{X1: math.Inf(1), Y1: math.Inf(1), X2: math.Inf(-1), Y2: math.Inf(-1)}
	for _, sub := range path {
		for _, p := range sub {
			r = pdf.Rect{
				X1: min(r.X1, p.x-more), Y1: min(r.Y1, p.y-more),
				X2: max(r.X2, p.x+more), Y2: max(r.Y2, p.y+more),
			}
		}
	}
	return r
}

// around returns the rectangle around two.
func around(a, b pdf.Rect) pdf.Rect {
	return pdf.Rect{
		X1: min(a.X1, b.X1), Y1: min(a.Y1, b.Y1), X2: max(a.X2, b.X2), Y2: max(a.Y2, b.Y2),
	}
}

// corners returns a rectangle as a path on the page.
func corners(r pdf.Rect, m matrix) []point {
	return []point{
		m.apply(r.X1, r.Y1), m.apply(r.X2, r.Y1), m.apply(r.X2, r.Y2), m.apply(r.X1, r.Y2),
	}
}

// matrixOf returns the /Matrix of a form or pattern.
func matrixOf(d *pdf.Document, o pdf.Object) (matrix, error) {
	list, err := d.Get(o, "Matrix")
	if err != nil || len(list.Elements()) != 6 {
		return identity, err
	}
	var m matrix
	for i, e := range list.Elements() {
		if e, err = d.Resolve(e); err != nil {
			return identity, err
		}
		m[i], _ = e.Number()
	}
	return m, nil
}
