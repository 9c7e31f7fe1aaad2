package ui_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/signet-sign/signet/internal/server/portal"
	"github.com/signet-sign/signet/internal/server/ui"
)

// TestReview goes through the signature places of a document whose pages are
// plain, rotated and cropped: each box is where the contract says, and signing
// opens with the last of them.
func TestReview(t *testing.T) {
	s := newSite(t)
	ctx := openBrowser(t)
	said := watchConsole(ctx)
	do(t, ctx, window(1280, 800, false), chromedp.Navigate(s.URL+"/gallery/document"),
		eventually(`!document.querySelector("[data-next-place]").disabled`))

	if !eval[bool](t, ctx, `document.querySelector("[data-proceed] button").disabled`) {
		t.Error("signing is open before any place was reviewed")
	}

	// The displayed pages: A4, A4 turned, crop box 500 x 650.
	sizes := [][2]float64{{595.28, 841.89}, {841.89, 595.28}, {500, 650}}
	var document portal.Document
	for _, p := range Gallery() {
		if p.Name == "document" {
			document = p.Page.(portal.Document)
		}
	}
	for i, place := range document.Places {
		do(t, ctx, click("[data-next-place]"),
			eventually(`document.querySelectorAll(".place.done").length == `+string(rune('1'+i))),
			eventually(`document.querySelector(".place-box.current") !== null`))
		got := eval[[]float64](t, ctx, `(() => {
			const box = document.querySelector(".place-box.current").getBoundingClientRect();
			const page = document.querySelector(".place-box.current").closest(".sheet").getBoundingClientRect();
			return [(box.left-page.left)/page.width, (page.bottom-box.bottom)/page.height,
				box.width/page.width, box.height/page.height, page.width/page.height,
				box.top >= 0 && box.bottom <= innerHeight ? 1 : 0];
		})()`)
		w, h := sizes[i][0], sizes[i][1]
		for n, want := range []float64{place.X, place.Y, 220.5 / w, 60 / h, w / h, 1} {
			if math.Abs(got[n]-want) > 0.002 {
				t.Errorf("place %d: value %d is %.4f, want %.4f", i, n, got[n], want)
			}
		}
	}
	do(
		t,
		ctx,
		eventually(`!document.querySelector("[data-proceed] button").disabled`),
		eventually(
			`[...document.querySelectorAll(".textLayer")].some(l => l.textContent.includes("Clause 7."))`,
		),
	)

	// The box shows what the signature will say, where it will say it, and no more than fits.
	preview := eval[[]string](
		t,
		ctx,
		`[...document.querySelectorAll(".place-box.current text")].map(e => e.textContent)`,
	)
	if got := strings.Join(preview, "|"); got != "Digitally signed with Signet|SANDBOX|Date and time of signing" {
		t.Errorf("the box says %s", got)
	}
	// The name is outlines, which the server has drawn.
	name := eval[[]float64](t, ctx, `(() => {
		const b = document.querySelector(".place-box.current .appearance-name").getBBox();
		return [b.x, b.x + b.width, b.height];
	})()`)
	if name[0] < 50 || name[1] < 100 || name[1] > 220.5 || name[2] < 5 {
		t.Errorf("the name is drawn from %.1f to %.1f pt, %.1f pt high", name[0], name[1], name[2])
	}
	if wide := eval[float64](t, ctx, `Math.max(...[...document.querySelectorAll(".place-box.current text")].map(e => { const b = e.getBBox(); return b.x + b.width }))`); wide > 220.5 {
		t.Errorf("the box's text reaches to %.1f pt", wide)
	}

	// A reload forgets nothing.
	do(
		t,
		ctx,
		chromedp.Reload(),
		eventually(`!document.querySelector("[data-proceed] button").disabled`),
	)

	// Zoom by keyboard, and the pages are drawn again.
	const width = `document.querySelector(".sheet").getBoundingClientRect().width`
	do(t, ctx, eventually(`document.querySelector(".sheet.drawn canvas") !== null`))
	before := eval[float64](t, ctx, width)
	do(t, ctx, chromedp.Focus(chromedp.CSS("[data-viewer-pages]")), chromedp.KeyEvent("+"))
	// the page hears of the key when it can
	do(t, ctx, eventually(fmt.Sprintf("%s > %f", width, before+1)))
	said.check(t)
}

// TestPanel shows that the progress bar and the buttons of the review page stay in the window for
// any number of places and any length of names, and that the list shows the place that was visited
// last.
func TestPanel(t *testing.T) {
	s := newSite(t)
	s.pdf = testPDF(20)
	ctx := openBrowser(t)
	sample := s.pages["document"].Page.(portal.Document)
	for _, names := range []string{"short", "long"} {
		if names == "long" {
			sample.Party.Name = strings.Repeat("Harbour Lane Housing Co-operative ", 4)[:120]
			sample.Document = longName
			sample.Ended = "timed_out"
		}
		for _, n := range []int{1, 3, 20} {
			sample.Places = nil
			for i := range n {
				sample.Places = append(sample.Places, portal.Place{Page: i + 1, X: 0.12, Y: 0.2})
			}
			s.pages["panel"] = Sample{"panel", 200, sample}
			for _, size := range [][2]int64{{1280, 720}, {1280, 900}, {1920, 1080}} {
				t.Run(
					fmt.Sprintf("%s names, %d places, %dx%d", names, n, size[0], size[1]),
					func(t *testing.T) {
						s.leave(t, ctx)
						do(
							t,
							ctx,
							window(size[0], size[1], false),
							chromedp.Navigate(s.URL+"/gallery/panel"),
							eventually(`!document.querySelector("[data-next-place]").disabled`),
						)
						if bar := eval[float64](t, ctx, `document.querySelector(".panel-bar").getBoundingClientRect().height`); bar < 4 {
							t.Errorf("the progress bar is %g px high", bar)
						}
						if hidden := eval[string](t, ctx, `[...document.querySelectorAll(".panel-bar, .panel-actions .button")].filter(e => e.checkVisibility()).filter(e => {
						const r = e.getBoundingClientRect();
						const at = document.elementFromPoint(r.left + r.width / 2, r.top + r.height / 2);
						return r.top < 0 || r.bottom > innerHeight || r.right > innerWidth || !e.contains(at);
					}).map(e => e.innerText || e.className).join(", ")`); hidden != "" {
							t.Errorf("not in the window: %s", hidden)
						}
						do(
							t,
							ctx,
							eventually(
								`(next => { next.click(); return !next.checkVisibility() })(document.querySelector("[data-next-place]"))`,
							),
						)
						if !eval[bool](t, ctx, `(() => {
						const list = document.querySelector(".panel-list").getBoundingClientRect();
						const last = [...document.querySelectorAll(".place")].pop().getBoundingClientRect();
						return last.height >= 44 && last.top >= list.top && last.bottom <= list.bottom;
					})()`) {
							t.Error("the list does not show the last place")
						}
					},
				)
			}
		}
	}
}

// TestPlaceOverText shows that the panel tells the signer which places lie over the text of the
// page, and only those, and that the page shows through a place.
func TestPlaceOverText(t *testing.T) {
	s := newSite(t)
	ctx := openBrowser(t)
	sample := s.pages["document"].Page.(portal.Document)
	sample.Places = []portal.Place{
		{Page: 1, X: 0.3, Y: 0.6}, {Page: 1, X: 0.3, Y: 0.1}, {Page: 2, X: 0.5, Y: 0.3},
	}
	s.pages["over"] = Sample{"over", 200, sample}
	do(
		t,
		ctx,
		window(1280, 800, false),
		chromedp.Navigate(s.URL+"/gallery/over"),
		eventually(
			`(next => { next.click(); return !next.checkVisibility() })(document.querySelector("[data-next-place]"))`,
		),
		eventually(
			`document.querySelectorAll(".place.covers").length > 0`,
		),
		chromedp.Sleep(200*time.Millisecond),
	)
	if got := strings.Join(eval[[]string](t, ctx, `[...document.querySelectorAll(".place-page")].map(e => e.textContent)`), "|"); got != "Page 1, over text|Page 1|Page 2, over text" {
		t.Errorf("the panel says %s", got)
	}
	if got := eval[string](t, ctx, `getComputedStyle(document.querySelector(".place-box")).backgroundColor`); got != "rgba(0, 0, 0, 0)" {
		t.Errorf("behind the preview is %s", got)
	}
}

// TestReadableOnPhone shows that the document has half of a phone's window, that going to a place
// zooms to it so that its text can be read and all of it is in view, and that what can be touched
// is 44 px high or wide.
func TestReadableOnPhone(t *testing.T) {
	s := newSite(t)
	ctx := openBrowser(t)
	do(t, ctx, window(390, 844, false), chromedp.Navigate(s.URL+"/gallery/document"),
		eventually(`!document.querySelector("[data-next-place]").disabled`))
	if part := eval[float64](t, ctx, `document.querySelector("[data-viewer-pages]").clientHeight / innerHeight`); part < 0.5 {
		t.Errorf("the document has %.0f %% of the window", part*100)
	}
	if !eval[bool](
		t,
		ctx,
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
		chromedp.Navigate(s.URL+"/gallery/document"),
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
		t,
		ctx,
		eventually(
			`(e => e.querySelector("canvas").width >= Math.floor(e.getBoundingClientRect().width) && e.getBoundingClientRect().width > 700)(document.querySelector('[data-sheet="1"]'))`,
		),
	)
	after := eval[[]float64](t, ctx, look)
	if grown := after[0] / before[0]; grown < 2.2 || grown > 2.6 {
		t.Errorf("the page is %.2f times as large, the fingers 2.5 times as far apart", grown)
	}
	if math.Abs(after[1]-before[1]) > 0.02 || math.Abs(after[2]-before[2]) > 0.02 {
		t.Errorf("between the fingers is the point %.3f, and was %.3f", after[1:], before[1:])
	}
	if !eval[bool](
		t,
		ctx,
		`visualViewport.scale === 1 && document.documentElement.scrollWidth <= innerWidth &&
		document.querySelector("[data-next-place]").getBoundingClientRect().bottom < innerHeight`,
	) {
		t.Error("the buttons have left the window")
	}
}

// inView says that a page has been drawn and that its top, or this part of its height, is at the
// top of the viewer.
func inView(number int, height float64) step {
	return eventually(
		fmt.Sprintf(
			`(sheet => sheet.classList.contains("drawn") && (r => Math.abs(r.top + %f * r.height - document.querySelector("[data-viewer-pages]").getBoundingClientRect().top - 8) < 3)
		(sheet.getBoundingClientRect()))(document.querySelector('[data-sheet="%d"]'))`,
			height,
			number,
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
		s.leave(t, ctx)
		do(t, ctx, window(width, 844, false), chromedp.Navigate(s.URL+"/gallery/document"),
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
			t,
			ctx,
			script(`document.querySelector("[data-viewer-pages]").focus()`),
			script(
				`document.activeElement.dispatchEvent(new KeyboardEvent("keydown", {key: "f", ctrlKey: true, bubbles: true}))`,
			),
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
			script(
				`document.querySelector("[data-viewer-search] input").select()`,
			),
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

// TestPreviousPlace goes back to a place by the button and by the keys.
func TestPreviousPlace(t *testing.T) {
	s := newSite(t)
	ctx := openBrowser(t)
	const at = `[...document.querySelectorAll(".place")].findIndex(e => e.hasAttribute("aria-current"))`
	do(
		t,
		ctx,
		window(390, 844, false),
		chromedp.Navigate(s.URL+"/gallery/document"),
		eventually(`!document.querySelector("[data-next-place]").disabled`),
		click("[data-next-place]"),
		eventually(
			`document.querySelectorAll(".place.done").length === 1 && document.querySelector("[data-previous-place]").disabled`,
		),
		click("[data-next-place]"),
		eventually(`document.querySelectorAll(".place.done").length === 2`),
		click("[data-previous-place]"),
		eventually(
			at+` === 0 && document.querySelector('[data-sheet="1"] .place-box.current') !== null`,
		),
		chromedp.Focus(chromedp.CSS("[data-viewer-pages]")),
		chromedp.KeyEvent("n"),
		eventually(at+` === 1`),
		chromedp.KeyEvent("n"),
		eventually(at+` === 2`),
		chromedp.KeyEvent("p"),
		eventually(at+` === 1`),
	)
}

// TestAllPages goes through a document of which every page must be seen: the button leads to the
// places and then to the pages that were not seen, signing opens with the last of them, and the
// form says where they were seen. The page remembers them. A document that is read in another
// window is declared so.
func TestAllPages(t *testing.T) {
	s := newSite(t)
	s.pdf = testPDF(6)
	ctx := openBrowser(t)
	const open = `!document.querySelector("[data-proceed] button").disabled`
	const seen = `document.querySelector("[data-proceed] input[name=seen]").value`
	const count = `document.querySelector("[data-pages-count]").textContent`
	do(
		t,
		ctx,
		window(390, 844, false),
		chromedp.Navigate(s.page("document-all-pages")),
		eventually(`!document.querySelector("[data-next-place]").disabled`),
		click("[data-next-place]"),
		eventually(`document.querySelectorAll(".place.done").length === 1`),
		eventually(
			`document.querySelector("[data-next-place]").textContent === "Go to the next unseen page"`,
		),
	)
	for range 6 {
		if eval[bool](t, ctx, open) {
			break
		}
		if eval[bool](t, ctx, `/^6 of 6/.test(`+count+`)`) {
			t.Fatal("signing is closed although every page was seen")
		}
		before := eval[string](t, ctx, count)
		do(t, ctx, click("[data-next-place]"), eventually(count+` !== `+strconv.Quote(before)))
	}
	do(t, ctx, eventually(open+` && `+count+` === "6 of 6 pages seen" && `+seen+` === "viewer"`))
	do(t, ctx, chromedp.Reload(), eventually(open+` && `+seen+` === "viewer"`))

	s.leave(t, ctx)
	s.pdf = []byte("not a PDF")
	do(t, ctx,
		chromedp.Navigate(s.page("document-all-pages")),
		eventually(`!document.querySelector("[data-viewer-failed]").hidden`),
		click("[data-read-document]"),
		eventually(open+` && `+seen+` === "elsewhere"`),
	)
}

// TestUnreadableDocument shows that a document which cannot be drawn does not
// strand the signer.
func TestUnreadableDocument(t *testing.T) {
	s := newSite(t)
	s.pdf = []byte("not a PDF")
	ctx := openBrowser(t)
	do(t, ctx, chromedp.Navigate(s.URL+"/gallery/document"),
		eventually(`!document.querySelector("[data-viewer-failed]").hidden`),
		click("[data-read-document]"),
		eventually(`!document.querySelector("[data-proceed] button").disabled`))
}

// TestReviewByKeyboard: the places are reviewed and signing is reached with the keyboard alone, and
// each step is announced.
func TestReviewByKeyboard(t *testing.T) {
	s := newSite(t)
	ctx := openBrowser(t)
	do(t, ctx, window(1280, 800, false), chromedp.Navigate(s.URL+"/gallery/document"),
		eventually(`!document.querySelector("[data-next-place]").disabled`),
		chromedp.Focus(chromedp.CSS("[data-next-place]")))
	const said = `document.querySelector("#announce").textContent`
	for _, want := range []string{
		"Signature 1, page 1: reviewed. 1 of 3 reviewed",
		"Signature 2, page 2: reviewed. 2 of 3 reviewed",
		"Signature 3, page 3: reviewed. All places are reviewed. You can proceed to sign.",
	} {
		do(t, ctx, chromedp.KeyEvent("\r"), eventually(said+` === "`+want+`"`))
	}
	do(
		t,
		ctx,
		eventually(`document.activeElement === document.querySelector("[data-proceed] button")`),
	)

	// What is reviewed can be told without colours, and heard, on a phone too.
	do(
		t,
		ctx,
		window(390, 844, false),
		eventually(`[...document.querySelectorAll(".place")].every(p =>
		p.querySelector(".place-number .icon").checkVisibility() && !p.querySelector(".place-number span").checkVisibility() &&
		getComputedStyle(p.querySelector(".place-state")).display !== "none" && p.innerText.includes("Reviewed"))`),
	)
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

// TestLittleMemory: a page for which the memory does not suffice is drawn less sharp; one that
// cannot be drawn at all says so and keeps the buttons usable, also on a phone.
func TestLittleMemory(t *testing.T) {
	t.Run("some", func(t *testing.T) {
		s := newSite(t)
		ctx := openBrowser(t)
		do(
			t,
			ctx,
			window(1280, 800, false),
			smallCanvas(1_000_000),
			chromedp.Navigate(s.URL+"/gallery/document"),
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
			chromedp.Navigate(s.URL+"/gallery/document"),
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
		const open = `(b => !b.disabled && b.checkVisibility())(document.querySelector("[data-proceed] button"))`
		if eval[bool](t, ctx, open) {
			t.Error("signing is open although nothing was read")
		}
		do(t, ctx, click("[data-read-document]"), eventually(open))
	})
}

// TestLongDocument: pages far from view give their memory back, and are drawn again when the person
// returns.
func TestLongDocument(t *testing.T) {
	s := newSite(t)
	s.pdf = testPDF(40)
	ctx := openBrowser(t)
	do(t, ctx, window(1280, 800, false), chromedp.Navigate(s.URL+"/gallery/document"))
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
				t,
				ctx,
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

// TestSelectText: the text of a page can be selected with the mouse.
func TestSelectText(t *testing.T) {
	s := newSite(t)
	ctx := openBrowser(t)
	const line = `[...document.querySelectorAll('[data-sheet="1"] .textLayer span')].find(s => s.textContent.includes("Clause 7."))`
	do(
		t,
		ctx,
		window(1280, 800, false),
		chromedp.Navigate(s.URL+"/gallery/document"),
		eventually(line+` !== undefined`),
	)
	at := eval[[]float64](
		t,
		ctx,
		`(r => [r.left, r.right, r.top + r.height / 2])(`+line+`.getBoundingClientRect())`,
	)
	do(t, ctx, drag(at[0]+1, at[2], at[1]-1, at[2]))
	if got := eval[string](t, ctx, `getSelection().toString()`); !strings.Contains(
		got,
		"The parties agree to what is written",
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

// TestLive: a page reloads when its state is no longer the one it was rendered from, by the stream
// alone and by polling alone, and not before.
func TestLive(t *testing.T) {
	ctx := openBrowser(t)
	for _, test := range []struct {
		name   string
		page   string
		stream bool
		change map[string]any
	}{
		{"landing, cancelled", "landing-intended", true, map[string]any{"state": "cancelled"}},
		{"document, cancelled", "document", true, map[string]any{"state": "cancelled"}},
		{"document, no stream", "document", false, map[string]any{"state": "cancelled"}},
		{"code, another session", "code", true, map[string]any{"session_ends_at": 1773036000000}},
		{"code, approved", "code", true, map[string]any{"state": "sealing"}},
		{"sealing, signed, no stream", "sealing", false, map[string]any{"state": "signed"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newSite(t)
			s.noStream, s.noPoll = !test.stream, test.stream
			s.stateOf(test.page)
			do(
				t,
				ctx,
				chromedp.Navigate(s.URL+"/gallery/"+test.page),
				script(`window.before = true`),
			)
			s.told(t, 1) // it has heard of the state that it shows, and then once more
			s.set(nil)
			s.told(t, 2)
			if !eval[bool](t, ctx, `window.before === true`) {
				t.Fatal("the page reloaded although nothing changed")
			}
			s.set(test.change)
			do(
				t,
				ctx,
				eventually(`window.before === undefined && document.readyState !== "loading"`),
			)
		})
	}
}

// TestStreamDrops checks that a page without its stream continues by polling, says when the service
// cannot be reached, and recovers.
func TestStreamDrops(t *testing.T) {
	s := newSite(t)
	s.stateOf("document")
	ctx := openBrowser(t)
	const lost = `document.querySelector("[data-lost]").checkVisibility()`
	do(
		t,
		ctx,
		window(390, 844, false),
		chromedp.Navigate(s.URL+"/gallery/document"),
		script(`window.before = true`),
	)
	s.told(t, 1)
	s.outage(true, true)
	do(
		t,
		ctx,
		eventually(lost),
		eventually(
			`document.querySelector("#announce").textContent === "Connection lost. Trying again…"`,
		),
	)
	if overlap := eval[bool](t, ctx, `document.documentElement.scrollWidth > innerWidth`); overlap {
		t.Error("the line does not fit")
	}
	s.outage(true, false)
	do(t, ctx, eventually(`!`+lost))
	if !eval[bool](t, ctx, `window.before === true`) {
		t.Fatal("the page reloaded although nothing changed")
	}
	s.set(map[string]any{"state": "cancelled"})
	do(t, ctx, eventually(`window.before === undefined && document.readyState !== "loading"`))
}

// TestConnectionLost shows that a page says within three seconds that the connection is lost,
// whether the browser knows it, or the stream ends and questions get no answer, and that it says so
// no more when the connection is back.
func TestConnectionLost(t *testing.T) {
	ctx := openBrowser(t)
	do(t, ctx, chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(
			ctx,
			target,
			page.AddScriptToEvaluateOnNewDocument,
			page.AddScriptToEvaluateOnNewDocumentParams{
				Source: `window.EventSource = class extends EventSource {
				constructor(url) { super(url); this.addEventListener("open", () => window.streaming = true) }
			}`,
			},
		)
		return err
	}))
	const lost = `document.querySelector("[data-lost]").checkVisibility()`
	within := func(t *testing.T, begin time.Time) {
		t.Helper()
		do(t, ctx, eventually(lost))
		if took := time.Since(begin); took > 3*time.Second {
			t.Errorf("it takes %v", took)
		}
	}
	for _, name := range []string{"landing-intended", "document", "code", "phone-approve-done"} {
		t.Run(name+" without an answer", func(t *testing.T) {
			s := newSite(t)
			s.stateOf(name)
			do(t, ctx, window(390, 844, false), chromedp.Navigate(s.page(name)))
			do(t, ctx, eventually(`window.streaming === true`))
			s.mu.Lock()
			s.hang = make(chan struct{})
			s.mu.Unlock()
			begin := time.Now()
			s.outage(true, false)
			within(t, begin)
			if name == "code" {
				do(t, ctx, eventually(`document.querySelector(".qr.stale") !== null`))
			}
			s.mu.Lock()
			close(s.hang)
			s.hang = nil
			s.mu.Unlock()
			s.outage(false, false)
			do(t, ctx, eventually(`!`+lost))
			s.leave(t, ctx)
		})
		t.Run(name+" offline", func(t *testing.T) {
			s := newSite(t)
			s.stateOf(name)
			do(t, ctx, chromedp.Navigate(s.page(name)))
			do(t, ctx, eventually(`window.streaming === true`))
			begin := time.Now()
			do(t, ctx, offline(true))
			within(t, begin)
			do(t, ctx, offline(false), eventually(`!`+lost))
			s.leave(t, ctx)
		})
	}
}

// offline takes the network from the browser, or gives it back.
func offline(yes bool) step {
	return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		if _, err := cdp.Call(ctx, target, network.Enable, network.EnableParams{}); err != nil {
			return err
		}
		_, err := cdp.Call(
			ctx,
			target,
			network.OverrideNetworkState,
			network.OverrideNetworkStateParams{
				Offline: yes, DownloadThroughput: -1, UploadThroughput: -1,
			},
		)
		return err
	})
}

// TestDownloadInPerCent shows how much of a document has come while it is being fetched.
func TestDownloadInPerCent(t *testing.T) {
	s := newSite(t)
	s.pdf, s.slow = testPDF(400), 150*time.Millisecond
	ctx := openBrowser(t)
	const part = `parseInt(document.querySelector("[data-viewer-part]")?.textContent)`
	do(
		t,
		ctx,
		window(390, 844, false),
		chromedp.Navigate(s.URL+"/gallery/document"),
		eventually(
			part+` >= 10`,
		),
		eventually(part+` >= 50 && `+part+` < 100`),
		eventually(`document.querySelector(".sheet.drawn") !== null`),
	)
}

// TestUploadInPerCent sends a file over a slow network: the page says how much of it has been sent,
// and shows the answer. On the demo a request that was made is the next page, and a refusal is
// shown on the same page, whose form can be sent again.
func TestUploadInPerCent(t *testing.T) {
	s := newSite(t)
	file := filepath.Join(t.TempDir(), "large.pdf")
	if err := os.WriteFile(file, testPDF(500), 0o600); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	ctx := openBrowser(t)
	slow := func(ctx context.Context, target *chromedp.Target) error {
		if _, err := cdp.Call(ctx, target, network.Enable, network.EnableParams{}); err != nil {
			return err
		}
		_, err := cdp.Call(
			ctx,
			target,
			network.EmulateNetworkConditionsByRule,
			network.EmulateNetworkConditionsByRuleParams{
				MatchedNetworkConditions: []*network.Conditions{{
					// bytes a second
					DownloadThroughput: -1, UploadThroughput: float64(info.Size()) / 3,
				}},
			},
		)
		return err
	}
	const part = `parseInt(document.querySelector(".upload-part")?.textContent)`
	sent := func(field, button string) {
		t.Helper()
		do(
			t,
			ctx,
			chromedp.SetUploadFiles(chromedp.CSS(field), []string{file}),
			chromedp.Func(slow),
			click(button),
			eventually(
				part+` > 0 && `+part+` < 100 && document.querySelector("form progress").value === `+part,
			),
		)
	}
	do(t, ctx, window(390, 844, false), chromedp.Navigate(s.page("verify")))
	sent("#verify-file", "[data-verify-form] button")
	do(t, ctx, eventually(`document.querySelector("[data-verified]")?.hidden === false`))

	do(t, ctx, chromedp.Navigate(s.page("demo-home")))
	s.mu.Lock()
	s.refuse = true
	s.mu.Unlock()
	sent("#demo-file", "[data-demo-form] button[type=submit]")
	do(
		t,
		ctx,
		eventually(
			`document.querySelector("main [role=alert]") !== null && location.pathname === "/gallery/demo-home"`,
		),
	)
	s.mu.Lock()
	s.refuse = false
	s.mu.Unlock()
	sent("#demo-file", "[data-demo-form] button[type=submit]")
	do(t, ctx, eventually(`location.pathname === "/gallery/demo-request"`))
}

// TestBannerIsOneLine: the banner of the sandbox takes one line of a phone's screen in every
// language.
func TestBannerIsOneLine(t *testing.T) {
	s := newSite(t)
	ctx := openBrowser(t)
	for _, tag := range s.kit.Tags() {
		s.leave(t, ctx)
		s.stateOf("landing-intended") // in another state the page would leave by itself
		do(
			t,
			ctx,
			window(390, 844, false),
			chromedp.Navigate(s.URL+"/gallery/landing-intended?lang="+tag),
		)
		lines := eval[float64](t, ctx, `(() => {
			const text = document.createRange();
			text.selectNodeContents(document.querySelector(".banner"));
			return new Set([...text.getClientRects()].map((r) => Math.round(r.top))).size;
		})()`)
		if lines != 1 {
			t.Errorf("%s: %v lines", tag, lines)
		}
	}
}

// TestPrint shows that a page on paper has no controls, is not cut at the edge of a window that
// scrolls, and fits the width of A4.
func TestPrint(t *testing.T) {
	s := newSite(t)
	ctx := openBrowser(t)
	for _, name := range []string{"landing-intended", "document", "signed", "code", "cancelled", "error-404"} {
		s.leave(t, ctx)
		s.stateOf(name)
		do(t, ctx, window(794, 1123, false), chromedp.Navigate(s.page(name)))
		if name == "document" {
			do(t, ctx, eventually(`document.querySelector(".sheet.drawn") !== null`))
		}
		do(t, ctx, chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
			_, err := cdp.Call(
				ctx, target, emulation.SetEmulatedMedia,
				emulation.SetEmulatedMediaParams{Media: "print"},
			)
			return err
		}))
		if shown := eval[string](t, ctx, `[...document.querySelectorAll(".button, .tool, .language, input")].filter(e => e.checkVisibility() && e.getBoundingClientRect().width > 1).map(e => e.innerText || e.className).join(", ")`); shown != "" {
			t.Errorf("%s has on paper: %s", name, shown)
		}
		if cut := eval[string](t, ctx, `[document.documentElement, ...document.querySelectorAll("main, main *")].filter(e => e.checkVisibility() && getComputedStyle(e).overflow !== "visible" && !e.closest("svg, .visually-hidden, .textLayer")).filter(e =>
			e.scrollHeight > e.clientHeight + 2 || e.scrollWidth > e.clientWidth + 2).map(e => e.tagName + "." + e.className).join(", ")`); cut != "" {
			t.Errorf("%s is cut on paper: %s", name, cut)
		}
		if over := eval[int](t, ctx, `document.documentElement.scrollWidth - innerWidth`); over > 0 {
			t.Errorf("%s is %d px wider than the paper", name, over)
		}
		if !eval[bool](
			t,
			ctx,
			`document.querySelector("h1").checkVisibility() && document.querySelector(".banner").checkVisibility()`,
		) {
			t.Errorf("%s has no heading or no banner on paper", name)
		}
	}
}

// TestScanned shows that the page of the code changes in place when the phone
// opens it.
func TestScanned(t *testing.T) {
	s := newSite(t)
	s.stateOf("code")
	ctx := openBrowser(t)
	do(t, ctx, chromedp.Navigate(s.URL+"/gallery/code"), script(`window.before = true`),
		chromedp.Sleep(200*time.Millisecond))
	s.set(map[string]any{"scanned": true})
	do(t, ctx, eventually(`window.before && !document.querySelector("[data-when=scanned]").hidden &&
		document.querySelector("[data-when=waiting]").hidden`))
}

// TestPhonesAppearAtOnce shows that the list of phones appears when the browser knows whether it is
// one of them, with the button that this decides, and not before: no control of the list moves.
func TestPhonesAppearAtOnce(t *testing.T) {
	s := newSite(t)
	ctx := openBrowser(t)
	slow := chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(
			ctx,
			target,
			page.AddScriptToEvaluateOnNewDocument,
			page.AddScriptToEvaluateOnNewDocumentParams{
				Source: `{
				const open = IDBFactory.prototype.open, success = Object.getOwnPropertyDescriptor(IDBRequest.prototype, "onsuccess");
				window.answer = () => undefined;
				const answered = new Promise(done => window.answer = done);
				IDBFactory.prototype.open = function (...a) {
					const request = open.apply(this, a);
					Object.defineProperty(request, "onsuccess", {set(f) { success.set.call(request, () => answered.then(f)) }});
					return request;
				};
			}`,
			},
		)
		return err
	})
	const shown = `[...document.querySelectorAll("[data-phones] a, [data-phones] summary")].filter(e => e.checkVisibility({visibilityProperty: true})).map(e => e.innerText.trim())`
	do(
		t, ctx, window(390, 844, false), slow,
		chromedp.Navigate(s.URL+"/gallery/phone-home-renamed"),
	)
	if before := eval[[]string](t, ctx, shown); len(before) > 0 {
		t.Errorf("shown before the keys are known: %q", before)
	}
	do(
		t,
		ctx,
		script(`window.answer()`),
		eventually(shown+`.some(text => text.includes("Set up this phone"))`),
	)

	// Without an answer the list is shown all the same.
	do(t, ctx, chromedp.Reload(), eventually(shown+`.length > 2`))
}

// TestPhone enrols a device and approves with it. The key is not extractable, the
// signatures verify, a lost answer is asked for again with the same signature, and
// two quick taps send one approval.
func TestPhone(t *testing.T) {
	s := newSite(t)
	s.stateOf("phone-approve")
	ctx := openBrowser(t)
	said := watchConsole(ctx)
	do(t, ctx, window(390, 844, false), chromedp.Navigate(s.URL+"/gallery/phone-enrol"),
		click("[data-enrol-form] button"),
		eventually(`!document.querySelector("[data-step=done]").hidden`))

	extractable := eval[string](t, ctx, `new Promise(done => {
		const open = indexedDB.open("signet-phone");
		open.onsuccess = () => {
			const all = open.result.transaction("keys").objectStore("keys").getAll();
			all.onsuccess = () => crypto.subtle.exportKey("jwk", all.result[0].key.privateKey).then(() => done("exported"), e => done(e.name));
		};
	})`)
	if extractable != "InvalidAccessError" {
		t.Errorf("exporting the private key: %s", extractable)
	}
	said.check(t)

	s.mu.Lock()
	s.lose = 1
	s.mu.Unlock()
	do(
		t,
		ctx,
		chromedp.Navigate(s.URL+"/gallery/phone-approve"),
		eventually(`!document.querySelector("[data-do=approve]").disabled`),
		script(
			`document.querySelector("[data-do=approve]").click(); document.querySelector("[data-do=approve]").click(); 0`,
		),
		eventually(`!document.querySelector("[data-approve-error]").hidden`),
		click("[data-do=approve]"),
		eventually(`!document.querySelector("[data-step=approved]").hidden`),
	)
	sent := s.posted("/approve")
	if len(sent) != 2 || sent[0] != sent[1] {
		t.Errorf("approvals sent: %q, want the same one twice", sent)
	}
}

// TestPhoneHearsOfTheSeal: a phone that has approved says how it went on.
func TestPhoneHearsOfTheSeal(t *testing.T) {
	s := newSite(t)
	ctx := openBrowser(t)
	do(t, ctx, chromedp.Navigate(s.URL+"/gallery/phone-enrol"), click("[data-enrol-form] button"),
		eventually(`!document.querySelector("[data-step=done]").hidden`))
	for _, test := range []struct {
		change map[string]any
		step   string
	}{
		{map[string]any{"state": "signed"}, "signed"},
		{map[string]any{"state": "locked", "outcome": "failed", "session_ends_at": 0}, "FAILED"},
		{map[string]any{"state": "expired", "outcome": "failed", "session_ends_at": 0}, "FAILED"},
		{map[string]any{"state": "cancelled", "outcome": "failed", "session_ends_at": 0}, "REQUEST_CANCELLED"},
	} {
		s.stateOf("phone-approve")
		do(
			t,
			ctx,
			chromedp.Navigate(s.URL+"/gallery/phone-approve"),
			eventually(
				`!document.querySelector("[data-do=approve]").disabled`,
			),
			click("[data-do=approve]"),
			eventually(`!document.querySelector("[data-step=approved]").hidden`),
		)
		s.set(map[string]any{"state": "sealing", "session_ends_at": 0})
		s.set(test.change)
		do(
			t,
			ctx,
			eventually(
				`!document.querySelector("[data-step=`+test.step+`]").hidden && document.querySelector("[data-step=approved]").hidden`,
			),
		)
	}
}

// TestSessionEndsDuringEnrolment checks that the page that sets up a phone says when there is
// nothing left to sign.
func TestSessionEndsDuringEnrolment(t *testing.T) {
	s := newSite(t)
	ctx := openBrowser(t)
	for _, test := range []struct {
		change map[string]any
		end    string
	}{
		{map[string]any{"state": "cancelled"}, "REQUEST_CANCELLED"},
		{map[string]any{"state": "expired"}, "REQUEST_EXPIRED"},
		{map[string]any{"state": "locked", "outcome": "timed_out"}, "TIMED_OUT"},
		{map[string]any{"state": "locked", "outcome": "left"}, "LEFT"},
		{map[string]any{"state": "session", "session_ends_at": 1773036999000}, "REPLACED"},
		{map[string]any{"state": "sealing"}, "OTHER_PHONE"},
	} {
		s.stateOf("phone-enrol-session")
		do(t, ctx, chromedp.Navigate(s.URL+"/gallery/phone-enrol-session"))
		s.told(t, 1)
		if eval[bool](t, ctx, `document.querySelector("[data-end]:not([hidden])") !== null`) {
			t.Fatal("the session is over before it is")
		}
		s.set(test.change)
		do(
			t,
			ctx,
			eventually(
				`document.querySelector("[data-end]:not([hidden])")?.dataset.end === "`+test.end+`"`,
			),
		)
	}
}

// TestPhoneTooLate checks that a waiting phone shows what happened in the meantime.
func TestPhoneTooLate(t *testing.T) {
	s := newSite(t)
	ctx := openBrowser(t)
	do(t, ctx, chromedp.Navigate(s.URL+"/gallery/phone-enrol"),
		click("[data-enrol-form] button"),
		eventually(`!document.querySelector("[data-step=done]").hidden`))
	for _, test := range []struct {
		change map[string]any
		step   string
	}{
		{map[string]any{"state": "cancelled"}, "REQUEST_CANCELLED"},
		{map[string]any{"state": "expired"}, "REQUEST_EXPIRED"},
		{map[string]any{"state": "locked", "outcome": "timed_out"}, "TIMED_OUT"},
		{map[string]any{"state": "locked", "outcome": "left"}, "LEFT"},
		{map[string]any{"state": "locked", "outcome": "rejected"}, "rejected"},
		{map[string]any{"state": "session", "session_ends_at": 1773036999000}, "REPLACED"},
		{map[string]any{"state": "sealing"}, "OTHER_PHONE"},
		{map[string]any{"state": "signed"}, "OTHER_PHONE"},
	} {
		s.stateOf("phone-approve")
		do(t, ctx, chromedp.Navigate(s.URL+"/gallery/phone-approve"),
			eventually(`!document.querySelector("[data-step=ask]").hidden`))
		s.set(test.change)
		do(
			t,
			ctx,
			eventually(
				`!document.querySelector("[data-step=`+test.step+`]").hidden && document.querySelector("[data-step=ask]").hidden`,
			),
		)
	}
	s.stateOf("phone-approve")
	do(
		t,
		ctx,
		chromedp.Navigate(s.URL+"/gallery/phone-approve"),
		eventually(`!document.querySelector("[data-step=ask]").hidden`),
	)
	s.set(map[string]any{"state": "cancelled"})
	do(t, ctx, eventually(`!document.querySelector("[data-step=REQUEST_CANCELLED]").hidden`))
	text := eval[string](
		t,
		ctx,
		`document.querySelector("[data-step=REQUEST_CANCELLED]").innerText`,
	)
	if !strings.Contains(text, "Cancelled by Harbour Lane Housing Co-operative") {
		t.Errorf("a cancelled request says %q", text)
	}
}

// TestPhoneChecks: the phone signs what it hashed itself, and refuses everything else.
func TestPhoneChecks(t *testing.T) {
	s := newSite(t)
	ctx := openBrowser(t)
	do(t, ctx, chromedp.Navigate(s.URL+"/gallery/phone-enrol"),
		click("[data-enrol-form] button"),
		eventually(`!document.querySelector("[data-step=done]").hidden`))
	s.stateOf("phone-approve")
	zeros := make([]byte, 32)
	for name, tamper := range map[string]func(*asked, []byte) []byte{
		"as it should be":           nil,
		"another document":          func(_ *asked, f []byte) []byte { f[20] ^= 1; return f },
		"another end":               func(_ *asked, f []byte) []byte { f[len(f)-1] ^= 1; return f },
		"bytes after the end":       func(_ *asked, f []byte) []byte { return append(f, ' ') },
		"too short":                 func(_ *asked, f []byte) []byte { return f[:len(f)-1] },
		"something in the room":     func(a *asked, f []byte) []byte { f[a.ByteRange[1]+9] = 'a'; return f },
		"the room is not the room":  func(a *asked, f []byte) []byte { a.ByteRange[2]--; a.ByteRange[3]++; return f },
		"the room hides a page":     func(a *asked, f []byte) []byte { a.ByteRange[1] = 100; return f },
		"another digest is shown":   func(a *asked, f []byte) []byte { a.Digest = strings.Repeat("4f3a90c1", 8); return f },
		"shown in part":             func(a *asked, f []byte) []byte { a.Size--; return f },
		"another digest is signed":  func(a *asked, f []byte) []byte { a.ToBeSigned = attributes(zeros); return f },
		"two digests are signed":    func(a *asked, f []byte) []byte { a.ToBeSigned = attributes(zeros, zeros); return f },
		"no digest is signed":       func(a *asked, f []byte) []byte { a.ToBeSigned = attributes(); return f },
		"what is signed is garbage": func(a *asked, f []byte) []byte { a.ToBeSigned = "MIIB"; return f },
	} {
		s.mu.Lock()
		s.tamper = tamper
		s.mu.Unlock()
		do(
			t,
			ctx,
			chromedp.Navigate(s.URL+"/gallery/phone-approve"),
			eventually(
				`!document.querySelector("[data-do=approve]").disabled || !document.querySelector("[data-step=MISMATCH]").hidden`,
			),
		)
		refused := eval[bool](
			t,
			ctx,
			`document.querySelector("[data-do=approve]").disabled && document.querySelector("[data-step=ask]").hidden`,
		)
		if refused != (tamper != nil) {
			t.Errorf("%s: refused is %t", name, refused)
		}
	}
	if sent := s.posted("/approve"); len(sent) != 0 {
		t.Errorf("approvals sent: %q", sent)
	}
}

// TestCodeIsRenewed: the page shows each next code, and veils one that it could not renew.
func TestCodeIsRenewed(t *testing.T) {
	s := newSite(t)
	s.stateOf("code")
	ctx := openBrowser(t)
	const shown = `document.querySelector("[data-qr] svg").dataset.n`
	do(
		t,
		ctx,
		chromedp.Navigate(s.URL+"/gallery/code"),
		eventually(shown+` === "1"`),
		eventually(shown+` === "3"`),
	)
	s.mu.Lock()
	s.noCode = true
	s.mu.Unlock()
	do(t, ctx, eventually(`document.querySelector("[data-qr].stale") !== null`))
	s.mu.Lock()
	s.noCode = false
	s.mu.Unlock()
	do(t, ctx, eventually(`document.querySelector("[data-qr].stale") === null`))
	s.set(map[string]any{"scanned": true})
	do(t, ctx, eventually(`document.querySelector("[data-when=waiting]").hidden`))
	s.mu.Lock()
	before := s.codes
	s.mu.Unlock()
	time.Sleep(1200 * time.Millisecond)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.codes > before+1 { // one may have been under way
		t.Errorf("%d codes were fetched although it has been scanned", s.codes-before)
	}
}

func TestStatic(t *testing.T) {
	k := newKit(t)
	get := func(path string, header ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("GET", path, nil)
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		w := httptest.NewRecorder()
		k.Static().ServeHTTP(w, r)
		return w
	}
	style := k.AssetURL("app.css")
	if w := get(style); w.Code != 200 ||
		w.Header().Get("Cache-Control") != "public, max-age=31536000, immutable" ||
		w.Header().Get("Content-Type") != "text/css; charset=utf-8" ||
		w.Header().Get("Content-Encoding") != "" {
		t.Errorf("%s: %d %v", style, w.Code, w.Header())
	}
	if w := get(style, "Accept-Encoding", "zstd, gzip;q=0.5"); w.Header().Get(
		"Content-Encoding",
	) != "gzip" ||
		w.Body.Len() > 10_000 {
		t.Errorf("gzip: %v, %d bytes", w.Header(), w.Body.Len())
	}
	if w := get(style, "Accept-Encoding", "gzip;q=0"); w.Header().Get("Content-Encoding") != "" {
		t.Error("gzip although the client refuses it")
	}
	for _, path := range []string{"/static/", "/static/manifest.json", "/static/../kit.go", "/static/none.js", "/static/app.css"} {
		if w := get(path); w.Code != http.StatusNotFound ||
			w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %s", path, w.Code, w.Header().Get("Cache-Control"))
		}
	}
}

// TestBrotli compares every script and style sheet as a browser gets it, in its Brotli form, with
// what a client without compression gets.
func TestBrotli(t *testing.T) {
	s := newSite(t)
	ctx := openBrowser(t)
	s.stateOf("landing-intended") // in another state the page would leave by itself
	do(t, ctx, chromedp.Navigate(s.page("landing-intended")))
	for _, name := range s.kit.AssetNames() {
		if !strings.HasSuffix(name, ".js") && !strings.HasSuffix(name, ".css") {
			continue
		}
		r := httptest.NewRequest("GET", "/static/"+name, nil)
		w := httptest.NewRecorder()
		s.kit.Static().ServeHTTP(w, r)
		got := eval[string](
			t,
			ctx,
			fmt.Sprintf(`fetch("/static/%s", { cache: "reload" }).then(async (a) => {
			const digest = await crypto.subtle.digest("SHA-256", await a.arrayBuffer());
			return a.headers.get("Content-Encoding") + " " + new Uint8Array(digest).toHex();
		})`, name),
		)
		if want := fmt.Sprintf("br %x", sha256.Sum256(w.Body.Bytes())); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

// TestFirstPageSoon follows what the page of a document loads: the worker, the viewer and a small
// document come beside each other, each once, and what was loaded ahead is used.
func TestFirstPageSoon(t *testing.T) {
	s := newSite(t)
	ctx := openBrowser(t)
	complaints := watchConsole(ctx)
	do(t, ctx,
		chromedp.Navigate(s.page("document")),
		eventually(`document.querySelector(".sheet.drawn") !== null`),
		chromedp.Sleep(4*time.Second), // the browser complains of what it loaded ahead in vain
	)
	type loaded struct {
		Name       string
		Start, End float64
	}
	all := eval[[]loaded](t, ctx, `performance.getEntriesByType("resource").map((e) =>
		({ Name: new URL(e.name).pathname, Start: e.startTime, End: e.responseEnd }))`)
	find := func(part string) loaded {
		var found []loaded
		for _, l := range all {
			if strings.Contains(l.Name, part) {
				found = append(found, l)
			}
		}
		if len(found) != 1 {
			t.Fatalf("%s: loaded %d times in %v", part, len(found), all)
		}
		return found[0]
	}
	script, viewer, document := find("/portal-"), find("/viewer-"), find("/document.pdf")
	find("/pdf.worker-")
	if viewer.Start > script.End || document.Start > script.End {
		t.Errorf("viewer and document wait for the script of the page: %v", all)
	}
	complaints.check(t)
	for _, size := range []int64{128 << 10, 128<<10 + 1} {
		sample := s.pages["document"]
		d := sample.Page.(portal.Document)
		d.Size = size
		sample.Page = d
		ahead := strings.Contains(
			render(
				t,
				s.kit,
				sample,
				"",
				nil,
			).Body.String(),
			`as="fetch" crossorigin href="`+d.DocumentURL()+`"`,
		)
		if ahead != (size == 128<<10) {
			t.Errorf("a document of %d bytes is loaded ahead: %t", size, ahead)
		}
	}
}

// TestBrokenViewer withholds a part of the viewer: the page says that the document cannot be shown,
// and offers it in another window.
func TestBrokenViewer(t *testing.T) {
	for _, part := range []string{"viewer.js", "pdf.worker.js"} {
		s := newSite(t)
		s.missing = s.kit.AssetURL(part)
		do(t, openBrowser(t),
			chromedp.Navigate(s.page("document")),
			eventually(`!document.querySelector("[data-viewer-failed]").hidden &&
				document.querySelector("[data-viewer-wait]") === null &&
				document.querySelector("[data-viewer-pages]").hidden &&
				!document.querySelector("[data-read-fallback]").hidden`),
		)
	}
}

// TestWeight keeps every page of signer and phone below 150 KB on the wire, with all that it names
// but without the viewer.
func TestWeight(t *testing.T) {
	k := newKit(t)
	named := regexp.MustCompile(`<(?:link|script)[^>]* (?:href|src)="/static/([^"]+)"`)
	for _, s := range Gallery() {
		page := render(t, k, s, "?lang=ta", nil).Body.Bytes() // the longest words
		total := ui.PageWeight(page)
		var names []string
		for _, m := range named.FindAllSubmatch(page, -1) {
			name := string(m[1])
			if name == k.AssetNames()["viewer.js"] {
				continue
			}
			names = append(names, name)
			total += k.AssetWeight(name)
		}
		if total > 150_000 || len(names) < 4 {
			t.Errorf("%s: %d bytes for the page and %v", s.Name, total, names)
		}
		if s.Name == "landing-intended" {
			t.Logf("%s: %d bytes", s.Name, total)
		}
	}
}

// checkDocument chooses a file on the page for checking documents and waits until it is shown.
func checkDocument(file string) []step {
	path, err := filepath.Abs(file)
	if err != nil {
		panic(err)
	}
	return []step{
		chromedp.SetUploadFiles(chromedp.CSS("#verify-file"), []string{path}),
		click("[data-verify-form] button"),
		eventually(`document.querySelector(".place-box.signed") !== null`),
		script(`document.querySelector("[data-verified]").scrollIntoView()`),
		eventually(`document.querySelector(".sheet.drawn .place-box.signed") !== null`),
	}
}

// TestVerifyMarksThePlaces sends a document to be checked: the page says what it proves and shows
// it, from the browser's own copy, with the number of each signature at its place.
func TestVerifyMarksThePlaces(t *testing.T) {
	s := newSite(t)
	ctx := openBrowser(t)
	do(t, ctx, chromedp.Navigate(s.URL+"/gallery/verify"))
	do(t, ctx, checkDocument(verifyCases+"intact/product_lta.pdf")...)
	want := s.pages["verify-passed"].Page.(portal.Verify).Verdict
	do(
		t,
		ctx,
		eventually(
			fmt.Sprintf(
				`document.querySelectorAll(".place-box.signed").length === %d`,
				len(want.Places),
			),
		),
		eventually(
			fmt.Sprintf(
				`document.querySelectorAll(".signature").length === %d`,
				len(want.Signatures),
			),
		),
		eventually(`document.querySelector(".place-box.signed .place-number").textContent === "1"`),
		eventually(
			`(() => { const b = document.querySelector(".place-box.signed"); const p = b.parentElement.getBoundingClientRect(), r = b.getBoundingClientRect();
			return `+fmt.Sprintf(
				"Math.abs((r.left - p.left) / p.width - %f) < 0.01 && Math.abs(r.width / p.width - %f) < 0.01",
				want.Places[0].X,
				want.Places[0].Width,
			)+`; })()`,
		),
		eventually(
			`document.querySelector("[data-verify] h1").textContent === "The document is as it was signed"`,
		),
	)
}
