package sandbox

import (
	"bytes"
	"errors"
	"math"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/pades/pdf"
)

// demoPlacings are the choices of the form. The service refuses the last two.
var demoPlacings = [...]struct {
	value, label string
	places       func(pages []pageSize) []api.Location
}{
	{"one", "One place, on the last page", func(p []pageSize) []api.Location {
		return []api.Location{slot(p, len(p), 0, 0)}
	}},
	{"first", "One place, on the first page", func(p []pageSize) []api.Location {
		return []api.Location{slot(p, 1, 1, 0)}
	}},
	{"three", "Three places, on the first and the last page", func(p []pageSize) []api.Location {
		first := slot(p, 1, 1, 0)
		if len(p) == 1 {
			first = slot(p, 1, 0, 1)
		}
		return []api.Location{first, slot(p, len(p), 0, 0), slot(p, len(p), 1, 0)}
	}},
	{"every", "One place on every page, 20 at most", func(p []pageSize) (all []api.Location) {
		for i := range min(len(p), api.MaxLocations) {
			all = append(all, slot(p, i+1, 1, 0))
		}
		return all
	}},
	{"overlap", "Two places that overlap (to be refused)", func(p []pageSize) []api.Location {
		a := slot(p, len(p), 0, 0)
		b := a
		b.Y = fraction(b.Y+0.02, 1)
		return []api.Location{a, b}
	}},
	{"outside", "A place that leaves the page (to be refused)", func(p []pageSize) []api.Location {
		return []api.Location{{Page: len(p), X: 0.95, Y: 0.95}}
	}},
}

// pageSize is the size of a page as displayed, in points.
type pageSize struct{ w, h float64 }

var a4 = pageSize{595.28, 841.89}

// Layout of signature boxes in points: two columns between the margins, rows from the bottom up.
const (
	slotMargin = 56.7 // 2 cm
	slotBottom = 96.0
	slotRow    = api.BoxHeight + 24
)

// placeSignatures returns the places that a choice of the form stands for in this document.
func placeSignatures(choice string, document []byte) ([]api.Location, error) {
	for _, p := range demoPlacings {
		if p.value == choice {
			return p.places(pageSizes(document)), nil
		}
	}
	return nil, errors.New("choose where to sign")
}

// pageSizes returns the sizes of a document's pages. For a document that cannot be read it returns
// one page of A4, so that the service can refuse the document.
func pageSizes(document []byte) []pageSize {
	doc, err := pdf.Open(bytes.NewReader(document), int64(len(document)), pdf.Limits{})
	if err != nil {
		return []pageSize{a4}
	}
	var sizes []pageSize
	for n := range doc.NumPages() {
		page, err := doc.Page(n + 1)
		if err != nil {
			return []pageSize{a4}
		}
		w, h := page.DisplaySize()
		sizes = append(sizes, pageSize{w, h})
	}
	return sizes
}

// slot returns the place in a column (0 or 1) and a row of a page, counted from 1. A page that is
// too narrow for two columns has one column with twice the rows.
func slot(pages []pageSize, page, column, row int) api.Location {
	size := pages[page-1]
	margin := min(slotMargin, max(0, (size.w-api.BoxWidth)/2))
	x := margin
	switch {
	case size.w < 2*(margin+api.BoxWidth):
		row = 2*row + column
	case column == 1:
		x = size.w - margin - api.BoxWidth
	}
	bottom := min(slotBottom, max(0, (size.h-api.BoxHeight)/4))
	return api.Location{
		Page: page, X: fraction(x, size.w), Y: fraction(bottom+float64(row)*slotRow, size.h),
	}
}

// fraction returns v/whole with four decimals, rounded down so that the box stays on the page.
func fraction(v, whole float64) float64 { return math.Floor(v/whole*1e4) / 1e4 }
