package sandbox

import (
	"bytes"
	"testing"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/pades"
	"github.com/signet-sign/signet/pades/pdf"
)

// On pages of every size that can hold a box, all placings but the two wrong ones fit, and their
// boxes stay apart.
func TestPlacings(t *testing.T) {
	for _, size := range []pageSize{a4, {841.89, 595.28}, {419.53, 595.28}, {612, 792}, {240, 320}, {api.BoxWidth, 400}, {5000, 300}} {
		for _, count := range []int{1, 2, 3, 30} {
			pages := make([]pageSize, count)
			for i := range pages {
				pages[i] = size
			}
			for _, p := range demoPlacings {
				locations := p.places(pages)
				if len(locations) < 1 || len(locations) > api.MaxLocations {
					t.Errorf("%s: %d places", p.value, len(locations))
				}
				wrong := p.value == "overlap" || p.value == "outside"
				if got := fits(pages, locations); got == wrong {
					t.Errorf(
						"%s on %d pages of %v: fits %v, %v", p.value, count, size, got, locations,
					)
				}
			}
		}
	}
	if _, err := placeSignatures("nowhere", nil); err == nil {
		t.Error("an unknown choice was taken")
	}
}

// fits reports whether all boxes are on their pages and do not overlap.
func fits(pages []pageSize, locations []api.Location) bool {
	for i, l := range locations {
		w, h := pages[l.Page-1].w, pages[l.Page-1].h
		if l.X < 0 || l.Y < 0 || l.X*w+api.BoxWidth > w+0.01 || l.Y*h+api.BoxHeight > h+0.01 {
			return false
		}
		for _, o := range locations[:i] {
			dx, dy := (l.X-o.X)*w, (l.Y-o.Y)*h
			if l.Page == o.Page && max(dx, -dx) < api.BoxWidth && max(dy, -dy) < api.BoxHeight {
				return false
			}
		}
	}
	return true
}

// The service takes the sample with every right placing, and refuses it with the wrong ones.
func TestSample(t *testing.T) {
	sample := sampleDocument()
	if !bytes.Equal(sample, sampleDocument()) {
		t.Error("the sample is not the same every time")
	}
	if sizes := pageSizes(sample); len(sizes) != 2 || sizes[0] != a4 || sizes[1] != a4 {
		t.Errorf("pages %v", sizes)
	}
	for _, p := range demoPlacings {
		locations, err := placeSignatures(p.value, sample)
		if err != nil {
			t.Fatal(err)
		}
		var places []pades.Location
		for _, l := range locations {
			places = append(places, pades.Location{Page: l.Page, X: l.X, Y: l.Y})
		}
		_, err = pades.Inspect(
			t.Context(), bytes.NewReader(sample), int64(len(sample)), places, pdf.Limits{},
		)
		if wrong := p.value == "overlap" || p.value == "outside"; (err != nil) != wrong {
			t.Errorf("%s: %v", p.value, err)
		}
	}
}

func TestWrap(t *testing.T) {
	lines := wrap("The quick brown fox jumps over the lazy dog.  Again and again.", 10, 100)
	if len(lines) < 3 {
		t.Errorf("%q", lines)
	}
	for _, line := range lines {
		if w := textWidth(line) / 100; w > 100 {
			t.Errorf("%q is %v wide", line, w)
		}
	}
	if w := textWidth("Helvetica"); w != 722+556+222+500+556+278+222+500+556 {
		t.Errorf("width %v", w)
	}
}
