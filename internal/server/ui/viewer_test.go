package ui_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// TestOpensAtTheTop shows that a document opens at the top of its first page, whatever the sizes of
// the pages after it turn out to be.
func TestOpensAtTheTop(t *testing.T) {
	s := newSite(t)
	ctx := openBrowser(t)
	s.pdf = testPages([]string{"/MediaBox[0 0 2400 300]", "/MediaBox[0 0 300 2400]", "/MediaBox[0 0 595 842]"})
	do(t, ctx, window(1280, 800, false), s.open("document"), eventually(viewerReady))
	if top := eval[float64](t, ctx, `document.querySelector("[data-viewer-pages]").scrollTop`); top != 0 {
		t.Errorf("the document opens %.0f px below its top", top)
	}
}

// TestPageNumber shows that the number of the page is the first one's at the top of a document and
// the last one's at its end, however many pages are in view there.
func TestPageNumber(t *testing.T) {
	s := newSite(t)
	ctx := openBrowser(t)
	const box = "/MediaBox[0 0 600 120]"
	s.pdf = testPages([]string{box, box, box, box, box, box})
	const pages = `document.querySelector("[data-viewer-pages]")`
	const number = `document.querySelector("[data-viewer-page]").value`
	do(t, ctx, window(390, 844, false), s.open("document"), eventually(viewerReady),
		eventually(`document.querySelector('[data-sheet="3"].drawn') !== null`),
		eventually(number+` === "1"`),
		script(pages+`.scrollTop = 1e6`), eventually(number+` === "6"`),
		script(pages+`.scrollTop = 0`), eventually(number+` === "1"`))
}

// TestSearchScan shows that the search of a document without text says so.
func TestSearchScan(t *testing.T) {
	s := newSite(t)
	ctx := openBrowser(t)
	s.pdf = bytes.ReplaceAll(testPDF(3), []byte(" Tj"), []byte(" n ")) // draws no words, in as many bytes
	do(t, ctx, window(1280, 800, false), s.open("document"), eventually(viewerReady),
		click("[data-viewer-search-button]"), chromedp.KeyEvent("clause"),
		eventually(`document.querySelector("[data-viewer-found]").textContent === "No text to search"`))
}

// inView says that a page has been drawn and that its top, or this part of its height, is at the
// top of the viewer.
func inView(number int, height float64) step {
	return eventually(
		fmt.Sprintf(
			`(sheet => sheet.classList.contains("drawn") && (r => Math.abs(r.top + %f * r.height - document.querySelector("[data-viewer-pages]").getBoundingClientRect().top - 8) < 3)
		(sheet.getBoundingClientRect()))(document.querySelector('[data-sheet="%d"]'))`,
			height, number,
		),
	)
}

// TestFindTheWay goes through a long document by number, by thumbnail, by outline and by search, on
// a desktop and on a phone.
func TestFindTheWay(t *testing.T) {
	s := newSite(t)
	s.pdf = testPDF(40)
	ctx := openBrowser(t)
	said := watchConsole(ctx)
	for _, width := range []int64{1280, 390} {
		do(t, ctx, window(width, 844, false), s.open("document"),
			eventually(`!document.querySelector("[data-next-place]").disabled`))
		const number = `document.querySelector("[data-viewer-page]")`
		do(
			t,
			ctx,
			script(number+`.focus(); `+number+`.select()`),
			chromedp.KeyEvent("25\r"),
			inView(25, 0),
		)
		do(t, ctx, script(number+`.blur()`))
		do(
			t,
			ctx,
			click("[data-viewer-side-button]"),
			eventually(
				`document.querySelector('[data-thumbnail="25"].drawn[aria-current]') !== null &&
			document.querySelectorAll(".thumbnail").length === 40 && !document.querySelector("[data-viewer-outline]").hidden`,
			),
		)
		if n := eval[int](t, ctx, `document.querySelectorAll(".thumbnail.drawn").length`); n > 30 {
			t.Errorf("%d of 40 thumbnails are drawn, though they are not in view", n)
		}
		do(
			t,
			ctx,
			click(`[data-thumbnail="27"]`),
			inView(27, 0),
			eventually(number+`.value === "27"`),
		)
		if open := eval[bool](t, ctx, `document.querySelector("[data-viewer-side]").checkVisibility()`); open != (width > 640) {
			t.Errorf("the pages' list is open: %t", open)
		}
		if width < 640 {
			do(t, ctx, click("[data-viewer-side-button]"))
		}
		do(
			t,
			ctx,
			script(
				`[...document.querySelectorAll(".viewer-outline button")].find(e => e.innerText === "Schedule").click()`,
			),
			inView(3, 300.0/650),
		)

		do(
			t, ctx, script(`document.querySelector("[data-viewer-pages]").focus()`),
			script(`document.activeElement.dispatchEvent(new KeyboardEvent("keydown", {key: "f", ctrlKey: true, bubbles: true}))`),
			eventually(`document.activeElement.matches("[data-viewer-search] input")`),
		)
		const found = `document.querySelector("[data-viewer-found]").textContent`
		const seen = `(m => m !== null && (r => r.width > 20 && r.top > 0 && r.bottom < innerHeight && r.left >= 0 && r.right <= innerWidth)(m.getBoundingClientRect()))`
		do(t, ctx, chromedp.KeyEvent("agreement, PAGE 33"), eventually(found+` === "1 of 1"`),
			eventually(seen+`(document.querySelector('[data-sheet="33"] .found.current'))`))
		do(
			t,
			ctx,
			script(`document.querySelector("[data-viewer-search] input").select()`),
			chromedp.KeyEvent("clause 7."),
			eventually(found+` === "33 of 40"`),
			chromedp.KeyEvent("\r"),
			eventually(found+` === "34 of 40"`),
			eventually(seen+`(document.querySelector('[data-sheet="34"] .found.current'))`),
			click("[data-viewer-found-previous]"),
			click("[data-viewer-found-previous]"),
			eventually(found+` === "32 of 40"`),
			script(`document.querySelector("[data-viewer-search] input").select()`),
			chromedp.KeyEvent("nowhere"),
			eventually(found+` === "Not found"`),
			chromedp.KeyEvent("\x1b"),
			eventually(
				`document.querySelectorAll(".found").length === 0 && document.activeElement.matches("[data-viewer-search-button]")`,
			),
		)
	}
	said.check(t)
}

// TestUnreadableDocument shows that a document which cannot be drawn does not
// strand the signer.
func TestUnreadableDocument(t *testing.T) {
	s := newSite(t)
	s.pdf = []byte("not a PDF")
	ctx := openBrowser(t)
	do(t, ctx, s.open("document"),
		eventually(`!document.querySelector("[data-viewer-failed]").hidden`),
		click("[data-read-document]"),
		eventually(`!document.querySelector("[data-proceed] button").disabled`))
}

// smallCanvas makes a browser of one without memory for canvases of more than n pixels: it leaves
// them empty, or has no context.
func smallCanvas(n int) step {
	return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(
			ctx,
			target,
			page.AddScriptToEvaluateOnNewDocument,
			page.AddScriptToEvaluateOnNewDocumentParams{
				Source: fmt.Sprintf(`{
				const real = HTMLCanvasElement.prototype.getContext;
				HTMLCanvasElement.prototype.getContext = function (...a) {
					return this.width * this.height > %d ? null : real.apply(this, a);
				};
			}`, n),
			},
		)
		return err
	})
}

// TestLittleMemory checks that a page for which the memory does not suffice is drawn less sharp;
// one that cannot be drawn at all says so and keeps the buttons usable, also on a phone.
func TestLittleMemory(t *testing.T) {
	t.Run("some", func(t *testing.T) {
		s := newSite(t)
		ctx := openBrowser(t)
		do(
			t,
			ctx,
			window(1280, 800, false),
			smallCanvas(1_000_000),
			s.open("document"),
			eventually(`document.querySelector('[data-sheet="1"].drawn canvas') !== null`),
		)
		if n := eval[int](t, ctx, `(c => c.width * c.height)(document.querySelector('[data-sheet="1"] canvas'))`); n > 1_000_000 ||
			n < 900_000 {
			t.Errorf("the page is drawn with %d pixels", n)
		}
		if white := eval[bool](t, ctx, `(c => c.getContext("2d").getImageData(0, 0, c.width, c.height).data.every(v => v === 255))(document.querySelector('[data-sheet="1"] canvas'))`); white {
			t.Error("the page is blank")
		}
	})
	t.Run("none", func(t *testing.T) {
		s := newSite(t)
		ctx := openBrowser(t)
		do(
			t,
			ctx,
			window(390, 844, false),
			smallCanvas(0),
			s.open("document"),
			eventually(`!document.querySelector("[data-next-place]").disabled`),
		)
		do(
			t,
			ctx,
			eventually(
				`(next => { next.click(); return !next.checkVisibility() })(document.querySelector("[data-next-place]"))`,
			),
			eventually(
				`document.querySelector('[data-sheet="1"] .sheet-failed')?.innerText.includes("Page 1 cannot be shown here") &&
				document.querySelector('[data-sheet="1"] .sheet-failed a').checkVisibility()`,
			),
			eventually(`document.querySelector("[data-read-document]").checkVisibility()`),
		)
		// The pages are wider than the window now, and say it where it is seen.
		do(t, ctx, eventually(`(r => r.left >= 0 && r.right <= innerWidth)(
			document.querySelector('[data-sheet="1"] .sheet-failed a').getBoundingClientRect())`))
		const open = `(b => !b.disabled && b.checkVisibility())(document.querySelector("[data-proceed] button"))`
		if eval[bool](t, ctx, open) {
			t.Error("signing is open although nothing was read")
		}
		do(t, ctx, click("[data-read-document]"), eventually(open))
	})
}

// TestLongDocument checks that pages far from view give their memory back, and are drawn again when
// the person returns.
func TestLongDocument(t *testing.T) {
	s := newSite(t)
	s.pdf = testPDF(40)
	ctx := openBrowser(t)
	do(t, ctx, window(1280, 800, false), s.open("document"))
	const first = `document.querySelector('[data-sheet="1"]')`
	do(t, ctx, eventually(first+`?.classList.contains("drawn")`))
	most := 0
	for n := 1; n <= 40; n++ {
		sheet := fmt.Sprintf(`document.querySelector('[data-sheet="%d"]')`, n)
		do(
			t,
			ctx,
			script(sheet+`.scrollIntoView()`),
			eventually(sheet+`.classList.contains("drawn")`),
		)
		most = max(
			most,
			eval[int](
				t, ctx,
				`[...document.querySelectorAll("canvas")].reduce((n, c) => n + c.width * c.height, 0)`,
			),
		)
	}
	if most > 20_000_000 {
		t.Errorf("the canvases take %d pixels", most)
	}
	if eval[bool](
		t,
		ctx,
		first+`.classList.contains("drawn") || `+first+`.querySelector("canvas") !== null`,
	) {
		t.Error("the first page is still drawn")
	}
	if label := eval[string](t, ctx, `getComputedStyle(`+first+`, "::before").content`); label != `"Page 1"` {
		t.Errorf("a page that is not drawn shows %s", label)
	}
	do(
		t,
		ctx,
		script(first+`.scrollIntoView()`),
		eventually(first+`.querySelector("canvas") !== null`),
	)

	// The browser emptied the canvases while the page was in the background.
	do(
		t,
		ctx,
		script(`for (const c of document.querySelectorAll("canvas")) c.width = c.width`),
		script(`document.dispatchEvent(new Event("visibilitychange"))`),
		eventually(
			`(c => c.getContext("2d").getImageData(0, 0, 1, 1).data[3] === 255)(`+first+`.querySelector("canvas"))`,
		),
	)
}

// TestSelectText checks that the text of a page can be selected with the mouse.
func TestSelectText(t *testing.T) {
	s := newSite(t)
	ctx := openBrowser(t)
	const line = `[...document.querySelectorAll('[data-sheet="1"] .textLayer span')].find(s => s.textContent.includes("Clause 7."))`
	do(t, ctx, window(1280, 800, false), s.open("document"), eventually(line+` !== undefined`))
	at := eval[[]float64](
		t,
		ctx,
		`(r => [r.left, r.right, r.top + r.height / 2])(`+line+`.getBoundingClientRect())`,
	)
	do(t, ctx, drag(at[0]+1, at[2], at[1]-1, at[2]))
	if got := eval[string](t, ctx, `getSelection().toString()`); !strings.Contains(
		got, "The parties agree to what is written",
	) {
		t.Errorf("selected: %q", got)
	}
}

// drag presses, moves and releases the mouse.
func drag(x0, y0, x1, y1 float64) step {
	return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		for _, e := range []input.DispatchMouseEventParams{
			{Type: "mousePressed", X: x0, Y: y0, Button: "left", ClickCount: 1},
			{Type: "mouseMoved", X: (x0 + x1) / 2, Y: (y0 + y1) / 2, Button: "left"},
			{Type: "mouseMoved", X: x1, Y: y1, Button: "left"},
			{Type: "mouseReleased", X: x1, Y: y1, Button: "left", ClickCount: 1},
		} {
			if _, err := cdp.Call(ctx, target, input.DispatchMouseEvent, e); err != nil {
				return err
			}
		}
		return nil
	})
}

// TestDownloadInPerCent shows how much of a document has come while it is being fetched.
func TestDownloadInPerCent(t *testing.T) {
	s := newSite(t)
	s.pdf = testPDF(400)
	come := s.inTenths()
	ctx := openBrowser(t)
	do(t, ctx, window(390, 844, false), s.open("document"))
	const part = `parseInt(document.querySelector("[data-viewer-part]")?.textContent)`
	come(3)
	do(t, ctx, eventually(part+` >= 10 && `+part+` < 50`))
	come(7)
	do(t, ctx, eventually(part+` >= 50 && `+part+` < 100`))
	come(10)
	do(t, ctx, eventually(`document.querySelector(".sheet.drawn") !== null`))
}

// TestViewerReady checks that the viewer is marked ready when the pages in view are drawn and the
// places that cover their text are known, also after a change of the window, and that it is marked
// busy until then.
func TestViewerReady(t *testing.T) {
	s := newSite(t)
	come := s.inTenths()
	ctx := openBrowser(t)
	do(
		t, ctx, window(390, 844, false), s.open("document"),
		eventually(`document.querySelector("[data-viewer][aria-busy=true]:not([data-viewer-ready])") !== null`),
	)
	come(10)
	// The mark and what it says are read in one step, so that nothing can be drawn in between.
	const settled = `(() => {
		const viewer = document.querySelector("[data-viewer]");
		if (viewer.dataset.viewerReady === undefined) return "";
		const view = viewer.querySelector("[data-viewer-pages]").getBoundingClientRect(), bad = [];
		for (const sheet of viewer.querySelectorAll(".sheet")) {
			const r = sheet.getBoundingClientRect(), canvas = sheet.querySelector("canvas");
			if (r.bottom < view.top || r.top > view.bottom) continue;
			if (!canvas || canvas.width < Math.floor(r.width)) bad.push(sheet.dataset.sheet + " is drawn " + canvas?.width + " of " + r.width + " px wide");
			if (!sheet.querySelector(".textLayer span")) bad.push(sheet.dataset.sheet + " has no text");
		}
		if (viewer.ariaBusy) bad.push("busy");
		if (document.querySelectorAll(".place.covers").length !== 1) bad.push("it is not known which places cover text"); // the second does
		return bad.join(", ") || "well";
	})()`
	ready := func(when string) {
		t.Helper()
		// The viewer learns of what has come into view in the frame after it.
		_ = eval[bool](t, ctx, `new Promise(done =>
			requestAnimationFrame(() => requestAnimationFrame(() => done(true))))`)
		do(t, ctx, eventually(`(window.settled = `+settled+`) !== ""`))
		if got := eval[string](t, ctx, `window.settled`); got != "well" {
			t.Errorf("%s: the viewer is ready, and %s", when, got)
		}
	}
	ready("opened")
	do(t, ctx, click(`[data-place="1"]`))
	ready("at the second place")
	do(t, ctx, click(`[data-place="0"]`))
	ready("at the first place")
	do(t, ctx, window(1280, 800, false))
	ready("in a wider window")
	// Going to the place has zoomed to it on the phone. In a window in which the page can be read the
	// page fits again; a zoom of the person's own stays.
	const page = `document.querySelector('[data-sheet="1"]').getBoundingClientRect().width`
	if wide := eval[float64](t, ctx, page); wide < 700 || wide > 1000 {
		t.Errorf("in a wider window the page is %.0f px wide", wide)
	}
	do(t, ctx, click(`[data-zoom="in"]`))
	ready("zoomed")
	before := eval[float64](t, ctx, page)
	do(t, ctx, window(1024, 800, false))
	ready("zoomed, in a narrower window")
	if grown := eval[float64](t, ctx, page) / before; grown < 0.98 || grown > 1.02 {
		t.Errorf("in a narrower window the zoomed page is %.2f times as wide", grown)
	}
}

// TestBrokenViewer withholds a part of the viewer: the page says that the document cannot be shown,
// and offers it in another window.
func TestBrokenViewer(t *testing.T) {
	for _, part := range []string{"viewer.js", "pdf.worker.js"} {
		s := newSite(t)
		s.missing = s.kit.AssetURL(part)
		do(t, openBrowser(t),
			s.open("document"),
			eventually(`!document.querySelector("[data-viewer-failed]").hidden &&
				document.querySelector("[data-viewer-wait]") === null &&
				document.querySelector("[data-viewer-pages]").hidden &&
				!document.querySelector("[data-read-fallback]").hidden`),
		)
	}
}

// TestBrotliDocument shows a document with the filter BrotliDecode, whose decoder is a script of
// its own.
func TestBrotliDocument(t *testing.T) {
	s := newSite(t)
	s.pdf = []byte(brotliPDF)
	do(t, openBrowser(t), s.open("document"),
		eventually(`document.querySelector(".textLayer")?.textContent ===
			"This is the government information available at the university"`))
}
