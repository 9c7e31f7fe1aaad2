package pades

import (
	"fmt"
	"slices"

	"github.com/signet-sign/signet/pades/pdf"
)

// leastScale is the smallest size at which the box is drawn in a field of the document: a name of
// ordinary length is then still 7 pt high.
const leastScale = 0.6

// fillEmpty chooses, in a document that has signatures, the empty signature field for each place:
// one of the same page whose widget holds the middle of the place and is large enough. A new field
// over one that an earlier signature covers would break that signature, and in a certified document
// readers agree on the fields that it has and disagree on new ones (ISO 32000-2, 12.8.2.2).
//
// A field with a lock or a seed value (12.7.5.5) has rules of its own and is left alone. A place
// over such a field, or one that is too small, is refused. Documents without signatures get new
// fields.
func fillEmpty(d *pdf.Document, places []placed) error {
	fields, err := d.SignatureFields()
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(fields, pdf.SignatureField.Signed) {
		return nil
	}
	if err := leaveRoom(fields, places); err != nil {
		return err
	}
	for _, f := range fields {
		if f.Signed() {
			continue
		}
		dict, err := d.Load(f.Ref)
		if err != nil {
			return err
		}
		free := len(f.Widgets) == 1 && !tooLarge(d, f.Widgets[0]) && dict.Get("Lock").IsNull() &&
			dict.Get("SV").IsNull()
		for i, p := range places {
			if free && p.field == nil && holds(f.Widgets[0], p) {
				places[i].field = &f
				break
			}
		}
		for i, p := range places {
			if p.field != nil {
				continue
			}
			for _, w := range f.Widgets {
				if shownWidget(w) && w.Page == p.page.Number && overlap(w.Display, p.display) {
					return &pdf.Refusal{Reason: SignatureOverlap, Detail: fmt.Sprintf(
						"sign_locations[%d]: the box %s on page %d covers the empty field %q at %s, which earlier signatures protect and which cannot be signed here",
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
	return nil
}

// The parts of a page that the box of a later signature, and the boxes of all of them together, may
// cover. With more they could show another document than the earlier signers saw.
const oneBox, allBoxes = 1. / 4, 1. / 2

// leaveRoom refuses places that cover too much of a page of a document that has signatures.
func leaveRoom(fields []pdf.SignatureField, places []placed) error {
	for i, p := range places {
		width, height := p.page.DisplaySize()
		var total float64
		for _, f := range fields {
			for _, w := range f.Widgets {
				if f.Signed() && w.Page == p.page.Number {
					total += area(w.Display)
				}
			}
		}
		for _, other := range places {
			if other.page.Number == p.page.Number {
				total += area(other.display)
			}
		}
		if area(p.display) > oneBox*width*height || total > allBoxes*width*height {
			return &pdf.Refusal{Reason: BoxCoversPage, Detail: fmt.Sprintf(
				"sign_locations[%d]: the box %s on page %d, which is shown as %s x %s pt, leaves too little of what the earlier signatures cover",
				i, p.display, p.page.Number, pdf.Number(width), pdf.Number(height),
			)}
		}
	}
	return nil
}

// tooLarge reports whether a widget covers more of its page than a later signature may.
func tooLarge(d *pdf.Document, w pdf.Widget) bool {
	page, err := d.Page(w.Page)
	if err != nil {
		return false // it is on no page
	}
	width, height := page.DisplaySize()
	return area(w.Display) > oneBox*width*height
}

func area(r pdf.Rect) float64 { return r.Width() * r.Height() }

// shownWidget reports whether a widget is shown.
func shownWidget(w pdf.Widget) bool {
	return w.Page > 0 && !w.Rect.Empty() && w.Flags&(flagHidden|flagNoView) == 0
}

// holds reports whether the widget shows the box where the place is.
func holds(w pdf.Widget, p placed) bool {
	x, y := (p.display.X1+p.display.X2)/2, (p.display.Y1+p.display.Y2)/2
	return shownWidget(w) && w.Page == p.page.Number && w.Display.X1 <= x && x <= w.Display.X2 &&
		w.Display.Y1 <= y && y <= w.Display.Y2 && scaleIn(w) >= leastScale
}

// scaleIn is the scale at which the box fits the widget.
func scaleIn(w pdf.Widget) float64 {
	return min(1, (w.Display.X2-w.Display.X1)/BoxWidth, (w.Display.Y2-w.Display.Y1)/BoxHeight)
}

// fill signs the field of the document: it gets the value and an appearance. box is the drawing,
// which the appearance shows as close to the place as the widget allows.
func (p placed) fill(u *pdf.Update, sig, box pdf.Ref) error {
	w := p.field.Widgets[0]
	width, height := w.Display.X2-w.Display.X1, w.Display.Y2-w.Display.Y1
	scale := scaleIn(w)
	x := min(max(p.display.X1-w.Display.X1, 0), width-scale*BoxWidth)
	y := min(max(p.display.Y1-w.Display.Y1, 0), height-scale*BoxHeight)
	content := fmt.Sprintf(
		"q %s 0 0 %s %s %s cm /Box Do Q", pdf.Number(scale), pdf.Number(scale), pdf.Number(x),
		pdf.Number(y),
	)
	form := u.Alloc()
	if _, err := u.PutStream(form, []pdf.Pair{
		{Key: "Type", Value: "/XObject"},
		{Key: "Subtype", Value: "/Form"},
		{Key: "BBox", Value: "[0 0 " + pdf.Number(width) + " " + pdf.Number(height) + "]"},
		{Key: "Matrix", Value: "[" + turned(p.page.Rotate) + "]"},
		{Key: "Resources", Value: "<< /XObject << /Box " + box.String() + " >> >>"},
	}, []byte(content)); err != nil {
		return err
	}
	if err := u.Set(p.field.Ref, "V", sig.String()); err != nil {
		return err
	}
	return u.Set(w.Ref, "AP", "<< /N "+form.String()+" >>")
}
