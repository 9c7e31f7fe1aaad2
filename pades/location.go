package pades

import (
	"errors"
	"fmt"

	"github.com/signet-sign/signet/pades/pdf"
)

// Location is one visible place of the signature: page from 1, and the lower-left corner of the box
// as fractions of the page's width and height as displayed, from the lower-left corner of the page.
type Location struct {
	Page int     `json:"page"`
	X    float64 `json:"x"`
	Y    float64 `json:"y"`
}

// Reasons of this package, beside those of package pdf.
const (
	// NoLocation means that there are no locations.
	NoLocation pdf.Reason = "no-location"
	// BoxesOverlap means that two of the requested boxes overlap.
	BoxesOverlap pdf.Reason = "boxes-overlap"
	// BoxCoversPage means that the requested boxes would cover too much of a page of a document
	// that has signatures.
	BoxCoversPage pdf.Reason = "box-covers-page"
	// SignatureOverlap means that a requested box would cover an existing signature.
	SignatureOverlap pdf.Reason = "signature-overlap"
	// PageDimensions means that a page to be signed is larger than viewers can show.
	PageDimensions pdf.Reason = "page-dimensions"
	// SignatureLevel means that an existing signature is below PAdES B-T.
	SignatureLevel pdf.Reason = "signature-level"
	// TooManySignatures means that hashing the document for each signature would take too long.
	TooManySignatures pdf.Reason = "too-many-signatures"
)

// maxPage is the largest side of a page in points (ISO 32000-1, annex C). The smallest page has the
// size of the box.
const maxPage = 14400

// Annotation flags (ISO 32000-2, Table 167). The first two keep a widget off the screen, the others
// keep its size or direction when the page is zoomed or turned.
const (
	flagHidden   = 1 << 1
	flagNoView   = 1 << 5
	flagNoZoom   = 1 << 3
	flagNoRotate = 1 << 4
)

// placed is a location that was accepted.
type placed struct {
	page    pdf.Page
	rect    pdf.Rect // in user space
	display pdf.Rect // as displayed, in points
	// field is an empty signature field of the document that is signed instead of a new one, nil
	// for a new one; see fillEmpty.
	field *pdf.SignatureField
}

// place checks all locations against the pages, against each other and against the existing visible
// signatures.
func place(d *pdf.Document, locs []Location) ([]placed, error) {
	if len(locs) == 0 {
		return nil, &pdf.Refusal{Reason: NoLocation, Detail: "at least one sign location is needed"}
	}
	out := make([]placed, 0, len(locs))
	for i, l := range locs {
		page, err := d.Page(l.Page)
		if err != nil {
			return nil, inLocation(i, err)
		}
		for n := 1; n <= d.NumPages(); n++ {
			if other, err := d.Page(n); err == nil && other.Ref == page.Ref && n != page.Number {
				return nil, &pdf.Refusal{Reason: pdf.PageTreeLoop, Detail: fmt.Sprintf(
					"sign_locations[%d]: page %d is the same object as page %d, so that the box would be on both",
					i,
					page.Number,
					n,
				)}
			}
		}
		if w, h := page.DisplaySize(); w > maxPage || h > maxPage {
			return nil, &pdf.Refusal{Reason: PageDimensions, Detail: fmt.Sprintf(
				"sign_locations[%d]: page %d is %s x %s pt, more than %d pt",
				i,
				l.Page,
				pdf.Number(w),
				pdf.Number(h),
				maxPage,
			)}
		}
		rect, err := page.Place(l.X, l.Y, BoxWidth, BoxHeight)
		if err != nil {
			return nil, inLocation(i, err)
		}
		p := placed{page: page, rect: rect, display: page.ToDisplay(rect)}
		for j, other := range out {
			if other.page.Number == l.Page && overlap(other.display, p.display) {
				return nil, &pdf.Refusal{Reason: BoxesOverlap, Detail: fmt.Sprintf(
					"sign_locations[%d] and sign_locations[%d] overlap on page %d: each box is %s x %s pt, %s and %s",
					j,
					i,
					l.Page,
					pdf.Number(BoxWidth),
					pdf.Number(BoxHeight),
					other.display,
					p.display,
				)}
			}
		}
		out = append(out, p)
	}
	fields, err := d.SignatureFields()
	if err != nil {
		return nil, err
	}
	for _, f := range fields {
		if !f.Signed() {
			continue // a template's empty field may be where the box belongs
		}
		for _, w := range f.Widgets {
			if w.Flags&(flagHidden|flagNoView) != 0 {
				continue
			}
			for i, p := range out {
				if w.Page == p.page.Number && overlap(w.Display, p.display) {
					return nil, &pdf.Refusal{Reason: SignatureOverlap, Detail: fmt.Sprintf(
						"sign_locations[%d]: the box %s on page %d overlaps the existing signature %q at %s",
						i,
						p.display,
						w.Page,
						f.Name,
						w.Display,
					)}
				}
			}
		}
	}
	return out, nil
}

// overlap reports whether two boxes overlap by more than the rounding of coordinates. Four decimals
// are up to 0.06 pt on A4, so boxes that should touch may overlap by that much.
func overlap(a, b pdf.Rect) bool {
	const hair = 0.1
	common := a.Intersect(b)
	return common.X2-common.X1 > hair && common.Y2-common.Y1 > hair
}

// inLocation adds the number of the location to a refusal.
func inLocation(i int, err error) error {
	var r *pdf.Refusal
	if !errors.As(err, &r) {
		return err
	}
	return &pdf.Refusal{
		Reason: r.Reason, Detail: fmt.Sprintf("sign_locations[%d]: %s", i, r.Detail),
	}
}
