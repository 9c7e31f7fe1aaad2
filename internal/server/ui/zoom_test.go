package ui_test

import (
	"context"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"

	"github.com/signet-sign/signet/internal/server/portal"
)

// TestReadableOnPhone shows that the document has half of a phone's window, that going to a place
// zooms to it so that its text can be read and all of it is in view, and that what can be touched
// is 44 px high or wide.
func TestReadableOnPhone(t *testing.T) {
	s := newSite(t)
	ctx := openBrowser(t)
	do(t, ctx, window(390, 844, false), s.open("document"),
		eventually(`!document.querySelector("[data-next-place]").disabled`))
	if part := eval[float64](t, ctx, `document.querySelector("[data-viewer-pages]").clientHeight / innerHeight`); part < 0.5 {
		t.Errorf("the document has %.0f %% of the window", part*100)
	}
	if !eval[bool](
		t, ctx,
		`(bar => bar.scrollWidth <= bar.clientWidth)(document.querySelector(".viewer-bar"))`,
	) {
		t.Error("the tools do not fit")
	}
	// A place is a target of its own, larger than it is drawn: what is hit 22 px above and below
	// its middle.
	if small := eval[string](t, ctx, `[...document.querySelectorAll("a, button, summary, input")].filter(e => e.checkVisibility() && !e.matches(".skip")).filter(e => {
		e.scrollIntoView({block: "center", inline: "center"});
		const r = e.getBoundingClientRect(), x = r.left + r.width / 2, y = r.top + r.height / 2;
		return [[0, -21], [0, 21], [-21, 0], [21, 0]].some(([dx, dy]) => !e.contains(document.elementFromPoint(x + dx, y + dy)));
	}).map(e => e.innerText || e.getAttribute("aria-label") || e.className).join(", ")`); small != "" {
		t.Errorf("smaller than 44 px: %s", small)
	}
	for i := range 3 {
		do(
			t,
			ctx,
			click("[data-next-place]"),
			eventually(fmt.Sprintf(`document.querySelectorAll(".place.done").length === %d`, i+1)),
		)
		got := eval[[]float64](t, ctx, `(() => {
			const box = document.querySelector(".place-box.current"), sheet = box.closest(".sheet"), b = box.getBoundingClientRect();
			const view = document.querySelector("[data-viewer-pages]").getBoundingClientRect(), canvas = sheet.querySelector("canvas");
			return [b.width / 220.5 * 10, b.left - view.left, view.right - b.right, b.top - view.top, view.bottom - b.bottom,
				canvas.width / sheet.getBoundingClientRect().width];
		})()`)
		// text of 10 pt, four distances, pixels of the canvas a pixel
		for n, least := range []float64{12, 0, 0, 0, 0, 0.99} {
			if got[n] < least {
				t.Errorf("place %d: value %d is %.2f, want %.2f at least", i+1, n, got[n], least)
			}
		}
	}
}

// TestPlacesFitWidth shows that going to a place leaves a page as wide as the window where its text
// can be read so, a landscape page of A4 too, and enlarges a large page as far as that takes and no
// further: a plan of A0 too, and the largest page that there is.
func TestPlacesFitWidth(t *testing.T) {
	s := newSite(t)
	ctx := openBrowser(t)
	for _, c := range []struct {
		box           string // of each page
		width, height int64
		least, most   float64 // pixels a point
	}{
		{"/MediaBox[0 0 842 595]", 1920, 1080, 1.1, 1.2},
		{"/MediaBox[0 0 842 595]", 1280, 800, 0.9, 1},
		{"/MediaBox[0 0 595 842]", 768, 1024, 1.2, 1.3},
		{"/MediaBox[0 0 1191 842]", 1280, 800, 0.99, 1.01},
		{"/MediaBox[0 0 3370 2384]", 390, 844, 1.49, 1.51},
		{"/MediaBox[0 0 14400 14400]", 390, 844, 1.49, 1.51},
		{"/MediaBox[0 0 14400 14400]", 1280, 800, 0.99, 1.01},
	} {
		s.pdf = testPages([]string{c.box, c.box, c.box})
		do(t, ctx, window(c.width, c.height, false), s.open("document"),
			eventually(`!document.querySelector("[data-next-place]").disabled`),
			click("[data-next-place]"),
			eventually(`document.querySelectorAll(".place.done").length === 1`))
		scale := eval[float64](
			t, ctx, `document.querySelector(".place-box.current").getBoundingClientRect().width / 220.5`,
		)
		if scale < c.least || scale > c.most {
			t.Errorf("%s at %d px: %.2f pixels a point, want %.2f to %.2f",
				c.box, c.width, scale, c.least, c.most)
		}
	}
}

// TestReviewedIsSeen shows that a place counts as reviewed only while it lies whole in the browser's
// window, at a size at which it can be read: a zoom chosen by hand that would cut it is reduced just
// enough, one with room for it stays, a list of pages that lies over it goes, and in a low window,
// which shows a part of the document's, the place is brought into that part.
func TestReviewedIsSeen(t *testing.T) {
	s := newSite(t)
	ctx := openBrowser(t)
	const reviewed = `document.querySelectorAll(".place.done").length`
	// The pixels a point, the room in the window on four sides, and whether the place is on top.
	const look = `(() => {
		const b = document.querySelector(".place-box.current").getBoundingClientRect();
		const view = document.querySelector("[data-viewer-pages]").getBoundingClientRect();
		const top = document.elementFromPoint((b.left + b.right) / 2, (b.top + b.bottom) / 2);
		return [b.width / 220.5, b.left - Math.max(0, view.left), Math.min(innerWidth, view.right) - b.right,
			b.top - Math.max(0, view.top), Math.min(innerHeight, view.bottom) - b.bottom, top?.closest(".place-box.current") ? 1 : 0];
	})()`
	for _, c := range []struct {
		name          string
		width, height int64
		first         []step
		least, most   float64 // pixels a point, at the first place
	}{
		{"too large", 390, 844, []step{
			click(`[data-zoom="in"]`), click(`[data-zoom="in"]`), click(`[data-zoom="in"]`),
			click(`[data-zoom="in"]`), click(`[data-zoom="in"]`), click(`[data-zoom="in"]`),
		}, 1.55, 1.65},
		{"too small", 390, 844, []step{click(`[data-zoom="out"]`)}, 1.4, 1.6},
		{"with room", 1280, 800, []step{click(`[data-zoom="in"]`)}, 1.5, 2},
		{"below the list of pages", 390, 844, []step{click("[data-viewer-side-button]")}, 1.4, 1.6},
		{"in a low window", 844, 390, []step{script(`scrollTo(0, 1e6)`)}, 0.8, 1.6},
		{"in a small window", 320, 256, []step{script(`scrollTo(0, 1e6)`)}, 1, 1.6},
	} {
		t.Run(c.name, func(t *testing.T) {
			do(t, ctx, window(c.width, c.height, false), s.open("document"),
				eventually(`!document.querySelector("[data-next-place]").disabled`))
			do(t, ctx, c.first...)
			for i := range 3 {
				do(t, ctx, script(`document.querySelector("[data-next-place]").click()`),
					eventually(fmt.Sprintf(reviewed+` === %d`, i+1)))
				got := eval[[]float64](t, ctx, look)
				if got[0] < 0.8 || i == 0 && (got[0] < c.least || got[0] > c.most) {
					t.Errorf("place %d: %.2f pixels a point, want %.2f to %.2f", i+1, got[0], c.least, c.most)
				}
				for n, room := range got[1:5] {
					if room < -1 {
						t.Errorf("place %d: reviewed and cut by %.0f px on side %d", i+1, -room, n)
					}
				}
				if got[5] != 1 {
					t.Errorf("place %d: reviewed below something else", i+1)
				}
			}
		})
	}

	// A place that leaves the window while its page is drawn has not been seen; once it is back it is.
	do(t, ctx, window(390, 844, false), s.open("document"),
		eventually(`!document.querySelector("[data-next-place]").disabled`),
		script(`document.querySelector("[data-next-place]").click();
			requestAnimationFrame(() => document.querySelector("[data-viewer-pages]").scrollTop = 1e6)`),
		eventually(`document.querySelector('[data-sheet="3"].drawn') !== null`),
		chromedp.Sleep(200*time.Millisecond))
	if n := eval[int](t, ctx, reviewed); n != 0 {
		t.Errorf("out of view: %d places are reviewed", n)
	}
	do(t, ctx, script(`document.querySelector(".place-box.current").scrollIntoView({block: "center"})`),
		eventually(reviewed+` === 1`))
}

// TestLargePageIsSharp shows that what is in view of a page which is too large to be drawn whole is
// as sharp as the window: on the way to a place, after scrolling and after zooming. Its text can be
// selected, and the canvases keep within their memory.
func TestLargePageIsSharp(t *testing.T) {
	s := newSite(t)
	const box = "/MediaBox[0 0 14400 14400]"
	s.pdf = testPages([]string{box, box, box})
	ctx := openBrowser(t)
	sample := s.pages["document"].Page.(portal.Document)
	sample.Places = []portal.Place{{Page: 1, X: 0.012, Y: 0.03}}
	s.pages["plan"] = Sample{"plan", 200, sample}
	do(t, ctx, window(390, 844, false), s.open("plan"),
		eventually(`!document.querySelector("[data-next-place]").disabled`), click("[data-next-place]"),
		eventually(`document.querySelectorAll(".place.done").length === 1`))
	// The least pixels of the canvas on top for each pixel of the window, at nine points of it, and
	// all pixels.
	const look = `(() => {
		const view = document.querySelector("[data-viewer-pages]").getBoundingClientRect();
		const canvases = [...document.querySelectorAll(".sheet canvas")];
		let least = 9;
		for (const x of [0.05, 0.5, 0.95]) for (const y of [0.05, 0.5, 0.95]) {
			const [left, top] = [view.left + x * view.width, view.top + y * view.height];
			const at = canvases.filter((c) => (r => r.left <= left && r.right >= left && r.top <= top && r.bottom >= top)(c.getBoundingClientRect()));
			if (at.length) least = Math.min(least, at[at.length - 1].width / at[at.length - 1].getBoundingClientRect().width);
		}
		return [least, canvases.reduce((n, c) => n + c.width * c.height, 0)];
	})()`
	sharp := func(when string) {
		t.Helper()
		do(t, ctx, eventually(look+`[0] > 0.98`))
		if got := eval[[]float64](t, ctx, look); got[1] > 16e6 {
			t.Errorf("%s: the canvases have %.0f pixels", when, got[1])
		}
	}
	sharp("at the place")
	dark := eval[int](t, ctx, `(() => { // of the words around the place
		const c = [...document.querySelectorAll('[data-sheet="1"] canvas')].pop();
		const data = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
		let n = 0;
		for (let i = 0; i < data.length; i += 4) if (data[i] < 64) n++;
		return n;
	})()`)
	if dark < 1000 {
		t.Errorf("%d pixels are dark", dark)
	}
	do(t, ctx, script(`document.querySelector("[data-viewer-pages]").scrollLeft += 300`))
	sharp("scrolled")
	do(t, ctx, click(`[data-zoom="out"]`))
	sharp("zoomed")
	if !eval[bool](t, ctx, `(() => { // the text lies over all pictures
		const line = [...document.querySelectorAll(".textLayer span")].find(s => s.textContent.includes("Clause 7."));
		line.scrollIntoView({block: "center", inline: "start"});
		const r = line.getBoundingClientRect();
		return document.elementFromPoint(r.left + 5, r.top + r.height / 2) === line;
	})()`) {
		t.Error("the text cannot be selected")
	}
	do(t, ctx, chromedp.Focus(chromedp.CSS("[data-viewer-pages]")), chromedp.KeyEvent("0"),
		eventually(`document.querySelectorAll('[data-sheet="1"] canvas').length === 1`))
}

// TestPinch shows that two fingers zoom the pages within the viewer and leave the rest of the
// window as it is, that the point between the fingers stays between them, and that the page is
// drawn again for its new size.
func TestPinch(t *testing.T) {
	s := newSite(t)
	ctx := openBrowser(t)
	do(
		t,
		ctx,
		window(390, 844, false),
		s.open("document"),
		eventually(
			`!document.querySelector("[data-next-place]").disabled && document.querySelector('[data-sheet="1"].drawn') !== null`,
		),
	)
	const look = `(r => [r.width, (195 - r.left) / r.width, (400 - r.top) / r.width])(document.querySelector('[data-sheet="1"]').getBoundingClientRect())`
	before := eval[[]float64](t, ctx, look)
	do(t, ctx, chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		touch := func(kind input.DispatchTouchEventType, apart float64) error {
			var points []*input.TouchPoint
			if kind != "touchEnd" {
				points = []*input.TouchPoint{
					{X: 195 - apart, Y: 400, ID: new(1.0)}, {X: 195 + apart, Y: 400, ID: new(2.0)},
				}
			}
			_, err := cdp.Call(
				ctx, target, input.DispatchTouchEvent,
				input.DispatchTouchEventParams{Type: kind, TouchPoints: points},
			)
			return err
		}
		if err := touch("touchStart", 40); err != nil {
			return err
		}
		for apart := 45.0; apart <= 100; apart += 5 {
			if err := touch("touchMove", apart); err != nil {
				return err
			}
		}
		return touch("touchEnd", 0)
	}))
	do(
		t, ctx,
		eventually(`(e => {
			const { width } = e.getBoundingClientRect();
			return width > 700 && e.querySelector("canvas").width >= Math.floor(width);
		})(document.querySelector('[data-sheet="1"]'))`),
	)
	after := eval[[]float64](t, ctx, look)
	if grown := after[0] / before[0]; grown < 2.2 || grown > 2.6 {
		t.Errorf("the page is %.2f times as large, the fingers 2.5 times as far apart", grown)
	}
	if math.Abs(after[1]-before[1]) > 0.02 || math.Abs(after[2]-before[2]) > 0.02 {
		t.Errorf("between the fingers is the point %.3f, and was %.3f", after[1:], before[1:])
	}
	if !eval[bool](
		t, ctx,
		tooWide+` <= 0 && visualViewport.scale === 1 &&
		document.querySelector("[data-next-place]").getBoundingClientRect().bottom < innerHeight`,
	) {
		t.Error("the buttons have left the window")
	}
}
