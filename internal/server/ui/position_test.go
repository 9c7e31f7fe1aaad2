package ui_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/signet-sign/signet/internal/server/portal"
)

// TestPositions checks that the panel says in words and shows in a picture where each place is, on
// pages of several sizes, turned and cropped: the picture has the shape of the page, the place has
// the same part of it as in the document, and what is on the page is drawn in it.
func TestPositions(t *testing.T) {
	pages := []struct {
		boxes         string
		width, height float64 // as displayed
	}{
		{"/MediaBox[0 0 595.28 841.89]", 595.28, 841.89},
		{"/MediaBox[0 0 595.28 841.89]/Rotate 90", 841.89, 595.28},
		{"/MediaBox[0 0 900 900]/CropBox[100 50 600 700]", 500, 650},
		{"/MediaBox[0 0 900 900]/CropBox[100 50 600 350]/Rotate 270", 300, 500},
		{"/MediaBox[0 0 1200 240]", 1200, 240},
		{"/MediaBox[-50 -60 250 1940]", 300, 2000},
		{"/MediaBox[0 0 221 60]", 221, 60},
	}
	s := newSite(t)
	var boxes []string
	sample := s.pages["document"].Page.(portal.Document)
	sample.Places = nil
	var want []string
	for i, page := range pages {
		boxes = append(boxes, page.boxes)
		at := func(middle, side, box float64) float64 {
			return min(max(0, middle-box/2/side), max(0, 1-box/side))
		}
		// The middle of the place is on the edge of a ninth, a little to each side of it.
		for _, middle := range [][2]float64{{0.39, 0.34}, {0.41, 0.66}, {0.59, 0.68}, {0.61, 0.32}} {
			place := portal.Place{
				Page: i + 1, X: at(middle[0], page.width, 220.5), Y: at(middle[1], page.height, 60),
			}
			sample.Places = append(sample.Places, place)
			x, y := place.X+220.5/2/page.width, place.Y+30/page.height
			row, column := "middle", " centre"
			if y > 2./3 {
				row = "top"
			} else if y < 1./3 {
				row = "bottom"
			}
			if x < 0.4 {
				column = " left"
			} else if x > 0.6 {
				column = " right"
			} else if row == "middle" {
				column = ""
			}
			want = append(want, fmt.Sprintf("Page %d, %s%s", i+1, row, column))
		}
	}
	s.pdf = testPages(boxes)
	s.pages["places"] = Sample{"places", 200, sample}
	ctx := openBrowser(t)
	do(t, ctx, window(1280, 800, false), s.open("places"),
		eventually(`!document.querySelector("[data-next-place]").disabled`))
	got := eval[[]string](
		t, ctx,
		`[...document.querySelectorAll(".place-page")].map(e => e.textContent.replace(", over text", ""))`,
	)
	if !slices.Equal(got, want) {
		t.Errorf("the panel says\n%q, want\n%q", got, want)
	}
	shown := eval[[][]float64](
		t, ctx, `[...document.querySelectorAll(".place-picture .thumbnail-page")].map(page => {
		const mark = page.querySelector(".thumbnail-place"), p = page.getBoundingClientRect();
		return [p.width, p.height, parseFloat(mark.style.left) / 100, parseFloat(mark.style.bottom) / 100,
			parseFloat(mark.style.width) / 100, parseFloat(mark.style.height) / 100];
	})`,
	)
	if len(shown) != len(sample.Places) {
		t.Fatalf("%d pictures of %d places", len(shown), len(sample.Places))
	}
	for i, place := range sample.Places {
		page := pages[place.Page-1]
		if r := shown[i][0] / shown[i][1] / (page.width / page.height); r < 0.97 || r > 1.03 ||
			max(shown[i][0], shown[i][1]) > 48 {
			t.Errorf("place %d: the picture is %.1f x %.1f px", i, shown[i][0], shown[i][1])
		}
		for n, want := range []float64{place.X, place.Y, 220.5 / page.width, 60 / page.height} {
			if math.Abs(shown[i][2+n]-want) > 0.001 {
				t.Errorf("place %d: value %d of the mark is %.4f, want %.4f", i, n, shown[i][2+n], want)
			}
		}
	}
	// What is on a page is drawn there once its picture comes into view, far from the page itself.
	const drawn = `document.querySelector("[data-page='%d'] .place-picture canvas") !== null`
	const last = `document.querySelector(".panel-list").lastElementChild`
	do(t, ctx, eventually(fmt.Sprintf(drawn, 1)))
	if eval[bool](t, ctx, fmt.Sprintf(drawn, 7)) {
		t.Error("the picture of page 7 is drawn before it is in view")
	}
	do(t, ctx, script(last+`.scrollIntoView()`), eventually(fmt.Sprintf(drawn, 7)))
	if eval[bool](t, ctx, `document.querySelector("[data-sheet='7'] canvas") !== null`) {
		t.Error("the whole of page 7 is drawn for its picture")
	}
	if dark := eval[int](t, ctx, `(canvas => {
		const d = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
		return d.filter((v, i) => i % 4 === 0 && v < 250).length;
	})(document.querySelector("[data-page='1'] .place-picture canvas"))`); dark < 50 {
		t.Errorf("%d pixels of the first page's picture are not white", dark)
	}
}

// TestPlaceWithoutMouse places boxes on the demo's document with the buttons and the keyboard only:
// each box is made where it overlaps none, what the keys change is announced, and the focus stays
// with the boxes, or with the button that adds one. The document scrolls in its window, so that its
// first page is the current one.
func TestPlaceWithoutMouse(t *testing.T) {
	s := newSite(t)
	ctx := openBrowser(t)
	const (
		add    = `document.querySelector("[data-place-add]")`
		remove = `document.querySelector("[data-place-remove]")`
	)
	enter := func(button string) {
		t.Helper()
		do(t, ctx, eventually(`!`+button+`.disabled`), script(button+`.focus()`), chromedp.KeyEvent("\r"))
	}
	sees := func(expression, want string) {
		t.Helper()
		do(t, ctx, eventually(fmt.Sprintf(`String(%s) === %q`, expression, want)))
	}
	const focused = `document.activeElement.getAttribute("aria-label") ?? document.activeElement.innerText`
	const said = `document.getElementById("announce").textContent`
	do(t, ctx, window(1280, 800, false), s.open("demo-place"), eventually(viewerReady))
	sees(`document.querySelector("[data-viewer-page]").value`, "1")
	sees(remove+`.disabled`, "true")
	for i := range 3 {
		enter(add)
		sees(focused, fmt.Sprintf("Box %d on page 1", i+1))
	}
	sees(`document.querySelectorAll(".own-box").length`, "3")
	sees(`document.querySelectorAll(".own-box.overlaps").length`, "0")
	do(t, ctx, chromedp.KeyEvent(kb.ArrowRight))
	sees(said, "11% from the left, "+eval[string](
		t, ctx, `String(Math.round(JSON.parse(document.querySelector("[name=locations]").value)[2].y * 100))`,
	)+"% from the bottom")
	for range 4 {
		do(t, ctx, chromedp.KeyEvent(kb.ArrowDown))
	}
	sees(said+`.endsWith("It overlaps another box.")`, "true")
	do(t, ctx, chromedp.KeyEvent(kb.Delete))
	sees(said, "Box 3 on page 1 removed")
	sees(focused, "Box 2 on page 1")
	enter(remove)
	sees(focused, "Box 1 on page 1")
	do(t, ctx, chromedp.KeyEvent(kb.Delete))
	sees(focused, "Add box")
	sees(`document.querySelector("[name=locations]").value`, "[]")
	sees(remove+`.disabled`, "true")
}
