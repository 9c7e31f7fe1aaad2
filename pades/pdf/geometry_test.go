package pdf_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/signet-sign/signet/pades/pdf"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// The box of a visible signature.
const boxW, boxH = 220.5, 60

// TestPlace checks positions that were worked out by hand: the corner of the
// page that a viewer shows at the lower left, and which way it counts.
func TestPlace(t *testing.T) {
	crop := pdftest.CropBox(100, 200, 500, 700) // 400 x 500
	for _, tt := range []struct {
		name string
		opts []pdftest.Option
		w, h float64 // as displayed
		x, y float64
		want pdf.Rect
	}{
		{"the contract's example", nil, 595.28, 841.89, 0.5, 0.5, pdf.Rect{X1: 297.64, Y1: 420.945, X2: 518.14, Y2: 480.945}},
		{"crop", []pdftest.Option{crop}, 400, 500, 0.1, 0.2, pdf.Rect{X1: 140, Y1: 300, X2: 360.5, Y2: 360}},
		{"rotate 90", []pdftest.Option{crop, pdftest.Rotate(90)}, 500, 400, 0.1, 0.2, pdf.Rect{X1: 360, Y1: 250, X2: 420, Y2: 470.5}},
		{"rotate 180", []pdftest.Option{crop, pdftest.Rotate(180)}, 400, 500, 0.1, 0.2, pdf.Rect{X1: 239.5, Y1: 540, X2: 460, Y2: 600}},
		{"rotate 270", []pdftest.Option{crop, pdftest.Rotate(270)}, 500, 400, 0.1, 0.2, pdf.Rect{X1: 180, Y1: 429.5, X2: 240, Y2: 650}},
		{"off origin", []pdftest.Option{pdftest.MediaBox(-300, -400, 300, 400)}, 600, 800, 0, 0, pdf.Rect{X1: -300, Y1: -400, X2: -79.5, Y2: -340}},
		{"user unit", []pdftest.Option{pdftest.MediaBox(0, 0, 300, 400), pdftest.UserUnit(2)}, 600, 800, 0.5, 0.5, pdf.Rect{X1: 150, Y1: 200, X2: 260.25, Y2: 230}},
		{"user unit, rotate 90", []pdftest.Option{pdftest.MediaBox(0, 0, 300, 400), pdftest.UserUnit(2), pdftest.Rotate(90)}, 800, 600, 0, 0, pdf.Rect{X1: 270, Y1: 0, X2: 300, Y2: 110.25}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			page, err := open(t, pdftest.New(tt.opts...)).Page(1)
			if err != nil {
				t.Fatal(err)
			}
			if w, h := page.DisplaySize(); math.Abs(w-tt.w) > 1e-9 || math.Abs(h-tt.h) > 1e-9 {
				t.Errorf("displayed as %g x %g, want %g x %g", w, h, tt.w, tt.h)
			}
			got, err := page.Place(tt.x, tt.y, boxW, boxH)
			if err != nil || !near(got, tt.want) {
				t.Errorf("placed at %v, %v; want %v", got, err, tt.want)
			}
			back := page.ToDisplay(got)
			if want := (pdf.Rect{X1: tt.x * tt.w, Y1: tt.y * tt.h, X2: tt.x*tt.w + boxW, Y2: tt.y*tt.h + boxH}); !near(
				back,
				want,
			) {
				t.Errorf("displayed at %v, want %v", back, want)
			}
		})
	}
}

func TestPlaceRefused(t *testing.T) {
	page, err := open(t, pdftest.Minimal()).Page(1)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		x, y float64
		ok   bool
	}{
		{0, 0, true},
		{0.6295, 0.9287, true}, // the largest values that fit on A4
		{0.6297, 0, false},
		{0, 0.9289, false},
		{-0.0001, 0, false},
		{0, -0.0001, false},
		{math.NaN(), 0, false},
		{0, math.Inf(1), false},
	} {
		_, err := page.Place(tt.x, tt.y, boxW, boxH)
		if tt.ok != (err == nil) || !tt.ok && pdf.ReasonOf(err) != pdf.BoxOffPage {
			t.Errorf("(%g, %g): %v, want ok: %v", tt.x, tt.y, err, tt.ok)
		}
	}
}

func TestPages(t *testing.T) {
	d := open(
		t,
		pdftest.New(
			pdftest.Pages(30), pdftest.Tree(3), pdftest.Inherited(),
			pdftest.CropBox(10, 10, 500, 500), pdftest.Rotate(-90),
			pdftest.PageEntries(7, "/Rotate 720"),
		),
	)
	if d.NumPages() != 30 {
		t.Fatalf("%d pages", d.NumPages())
	}
	for n := 1; n <= 30; n++ {
		p, err := d.Page(n)
		if err != nil {
			t.Fatal(err)
		}
		rotate := 270
		if n == 7 {
			rotate = 0
		}
		if p.Number != n || p.Ref.Num != pdftest.PageNum(n) || p.Rotate != rotate ||
			p.Box.Width() != 490 ||
			!p.Resources.IsDict() {
			t.Errorf("page %d is %+v", n, p)
		}
	}
	for _, n := range []int{0, -1, 31} {
		if _, err := d.Page(n); pdf.ReasonOf(err) != pdf.PageOutOfRange {
			t.Errorf("page %d: %v", n, err)
		}
	}
}

func TestRect(t *testing.T) {
	a := pdf.Rect{X1: 0, Y1: 0, X2: 10, Y2: 10}
	for _, tt := range []struct {
		b    pdf.Rect
		want bool
	}{
		{pdf.Rect{X1: 5, Y1: 5, X2: 15, Y2: 15}, true},
		{pdf.Rect{X1: 10, Y1: 0, X2: 20, Y2: 10}, false}, // edges touch
		{pdf.Rect{X1: 2, Y1: 2, X2: 3, Y2: 3}, true},
		{pdf.Rect{X1: 5, Y1: 5, X2: 5, Y2: 5}, false}, // empty
	} {
		if got := a.Overlaps(tt.b); got != tt.want || tt.b.Overlaps(a) != tt.want {
			t.Errorf("%v overlaps %v: %v", a, tt.b, got)
		}
	}
	if got := fmt.Sprint(pdf.Rect{X1: 297.64, Y1: 420.945, X2: 518.14, Y2: 480.945}); got != "[297.64 420.945 518.14 480.945]" {
		t.Error(got)
	}
}
