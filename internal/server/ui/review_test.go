package ui_test

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/signet-sign/signet/internal/server/portal"
)

// TestReview goes through the signature places of a document whose pages are
// plain, rotated and cropped: each box is where the contract says, and signing
// opens with the last of them.
func TestReview(t *testing.T) {
	s := newSite(t)
	ctx := openBrowser(t)
	said := watchConsole(ctx)
	do(t, ctx, window(1280, 800, false), s.open("document"),
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
		t, ctx, eventually(`!document.querySelector("[data-proceed] button").disabled`),
		eventually(`[...document.querySelectorAll(".textLayer")].some(l => l.textContent.includes("Clause 7."))`),
	)

	// The box shows what the signature will say, where it will say it, and no more than fits.
	preview := eval[[]string](
		t, ctx, `[...document.querySelectorAll(".place-box.current text")].map(e => e.textContent)`,
	)
	if got := strings.Join(preview, "|"); got != "Digitally signed with|Signet|SANDBOX|Date and time of signing" {
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
		t, ctx, chromedp.Reload(),
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
// any number of places and any length of names, before the places are reviewed and after, and that
// the list shows the place that was visited last.
func TestPanel(t *testing.T) {
	s := newSite(t)
	s.pdf = testPDF(20)
	ctx := openBrowser(t)
	sample := s.pages["document"].Page.(portal.Document)
	sizes := [][2]int64{{390, 844}, {1920, 1080}, {1280, 900}, {1280, 720}}
	for _, names := range []string{"short", "long"} {
		if names == "long" {
			sample.Party.Name = strings.Repeat("Harbour Lane Housing Co-operative ", 4)[:120]
			sample.Document = longName
			sample.Ended = "timed_out"
			sample.Warnings = s.pages["document-again"].Page.(portal.Document).Warnings
		}
		for _, n := range []int{1, 3, 20} {
			sample.Places = nil
			for i := range n {
				sample.Places = append(sample.Places, portal.Place{Page: i + 1, X: 0.12, Y: 0.2})
			}
			s.pages["panel"] = Sample{"panel", 200, sample}
			do(
				t, ctx, window(sizes[0][0], sizes[0][1], false), s.open("panel"),
				eventually(`!document.querySelector("[data-next-place]").disabled`),
			)
			check := func(reviewed string) {
				for _, size := range sizes {
					t.Run(
						fmt.Sprintf(
							"%s names, %d places, %s, %dx%d", names, n, reviewed, size[0], size[1],
						),
						func(t *testing.T) {
							do(t, ctx, window(size[0], size[1], false))
							checkPanel(t, ctx)
							if reviewed == "after" {
								checkLastPlace(t, ctx)
							}
						},
					)
				}
			}
			check("before")
			do(
				t, ctx,
				eventually(`(next => { next.click(); return !next.checkVisibility() })(document.querySelector("[data-next-place]"))`),
			)
			check("after")
		}
	}
}

// checkPanel checks that bar and buttons of the review page are in the window. On a phone a page with
// notices scrolls.
func checkPanel(t *testing.T, ctx context.Context) {
	t.Helper()
	do(t, ctx, script(`{
		const rest = document.documentElement.scrollHeight - innerHeight;
		if (innerWidth < 600 && document.querySelector(".review-main > .notice")) scrollTo(0, rest);
		else if (rest > 0) throw new Error("the page scrolls by " + rest);
	}`))
	if bar := eval[float64](
		t, ctx, `document.querySelector(".panel-bar").getBoundingClientRect().height`,
	); bar < 4 {
		t.Errorf("the progress bar is %g px high", bar)
	}
	if hidden := eval[string](t, ctx, `[...document.querySelectorAll(".panel-bar, .panel-actions .button")]
		.filter(e => e.checkVisibility()).filter(e => {
			const r = e.getBoundingClientRect();
			const at = document.elementFromPoint(r.left + r.width / 2, r.top + r.height / 2);
			return r.top < 0 || r.bottom > innerHeight || r.right > innerWidth || !e.contains(at);
		}).map(e => e.innerText || e.className).join(", ")`); hidden != "" {
		t.Errorf("not in the window: %s", hidden)
	}
}

// checkLastPlace visits the last place: the list shows it.
func checkLastPlace(t *testing.T, ctx context.Context) {
	t.Helper()
	do(t, ctx, eventually(`(() => { // the window may not have its size yet
		const place = [...document.querySelectorAll(".place")].pop();
		const list = document.querySelector(".panel-list").getBoundingClientRect();
		const last = place.getBoundingClientRect();
		return last.height >= 44 && last.top >= list.top - 1 && last.bottom <= list.bottom + 1 &&
			last.left >= list.left - 1 && last.right <= list.right + 1;
	})()`))
}

// TestPlaceWords shows that the words of a place in the panel have their room in every language:
// they do not cover each other and stay in their box.
func TestPlaceWords(t *testing.T) {
	s := newSite(t)
	ctx := openBrowser(t)
	for _, tag := range s.kit.Tags() {
		t.Run(tag, func(t *testing.T) {
			t.Setenv("PAGE_LANG", tag)
			do(
				t, ctx, window(1280, 800, false), s.open("document"),
				eventually(`!document.querySelector("[data-next-place]").disabled`),
			)
			const covered = `[...document.querySelectorAll(".place")].flatMap(place => {
				const box = place.getBoundingClientRect();
				const words = [".place-name", ".place-state", ".place-page"].map(part => {
					const range = document.createRange();
					range.selectNodeContents(place.querySelector(part));
					return { text: range.toString(), r: range.getBoundingClientRect() };
				});
				return words.filter((a, i) => a.r.right > box.right || a.r.bottom > box.bottom ||
					words.slice(i + 1).some(b => a.r.left < b.r.right && b.r.left < a.r.right &&
						a.r.top + 3 < b.r.bottom && b.r.top + 3 < a.r.bottom)).map(a => a.text);
			})`
			if got := eval[[]string](t, ctx, covered); len(got) > 0 {
				t.Errorf("the words %q are covered or leave the box", got)
			}
			do(t, ctx, eventually(
				`(next => { next.click(); return !next.checkVisibility() })(document.querySelector("[data-next-place]"))`,
			))
			if got := eval[[]string](t, ctx, covered); len(got) > 0 {
				t.Errorf("reviewed: the words %q are covered or leave the box", got)
			}
		})
	}
}

// TestPlaceOverText shows that the panel tells the signer which places lie over the text of the
// page, and only those, before any of them is visited, and that the page shows through a place.
// The pages are upright, turned each way, upside down and cropped, with UserUnit.
func TestPlaceOverText(t *testing.T) {
	s := newSite(t)
	s.pdf = testPages([]string{
		"/MediaBox[0 0 595.28 841.89]", "/MediaBox[0 0 595.28 841.89]/Rotate 90",
		"/MediaBox[-100 -50 600 900]/CropBox[0 0 500 650]", "/MediaBox[0 0 595.28 841.89]/Rotate 270",
		"/MediaBox[0 0 595.28 841.89]/Rotate 180/UserUnit 2",
	})
	ctx := openBrowser(t)
	sample := s.pages["document"].Page.(portal.Document)
	sample.Places = nil
	for page := range 5 {
		for _, x := range []float64{0.02, 0.3, 0.6} {
			for _, y := range []float64{0.05, 0.4, 0.8} {
				sample.Places = append(sample.Places, portal.Place{Page: page + 1, X: x, Y: y})
			}
		}
	}
	s.pages["over"] = Sample{"over", 200, sample}
	do(t, ctx, window(1280, 300, false), s.open("over"), eventually(viewerReady))
	if n := eval[int](t, ctx, `document.querySelectorAll(".sheet.drawn").length`); n > 3 {
		t.Errorf("%d of 5 pages are drawn", n)
	}
	const words = `[...document.querySelectorAll(".place-page")].map((e) => e.textContent.endsWith(", over text"))`
	said := eval[[]bool](t, ctx, words)

	// The words are where the browser puts them for selecting.
	for page := 1; page <= 5; page++ {
		sheet := fmt.Sprintf(`document.querySelector('[data-sheet="%d"]')`, page)
		do(t, ctx, script(sheet+`.scrollIntoView()`), eventually(sheet+`.querySelector(".textLayer span") !== null && `+viewerReady))
		seen := eval[[]bool](t, ctx, `[...`+sheet+`.querySelectorAll(".place-box")].map((box) => {
			const b = box.getBoundingClientRect();
			return [...`+sheet+`.querySelectorAll(".textLayer span")].some((line) => {
				const r = line.getBoundingClientRect(), rim = Math.min(r.width, r.height) / 5;
				return line.textContent.trim() && r.left + rim < b.right && r.right - rim > b.left && r.top + rim < b.bottom && r.bottom - rim > b.top;
			});
		})`)
		got := said[(page-1)*9 : page*9]
		if !slices.Equal(got, seen) {
			t.Errorf("page %d: the panel says %t, and over text are %t", page, got, seen)
		}
		if !slices.Contains(got, true) || !slices.Contains(got, false) {
			t.Errorf("page %d: all the same: %t", page, got)
		}
	}
	if got := eval[string](t, ctx, `getComputedStyle(document.querySelector(".place-box")).backgroundColor`); got != "rgba(0, 0, 0, 0)" {
		t.Errorf("behind the preview is %s", got)
	}
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
		s.open("document"),
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
		s.open("document-all-pages"),
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

	s.pdf = []byte("not a PDF")
	do(t, ctx,
		s.open("document-all-pages"),
		eventually(`!document.querySelector("[data-viewer-failed]").hidden`),
		click("[data-read-document]"),
		eventually(open+` && `+seen+` === "elsewhere"`),
	)
}

// TestReviewByKeyboard checks that the places are reviewed and signing is reached with the keyboard
// alone, and each step is announced.
func TestReviewByKeyboard(t *testing.T) {
	s := newSite(t)
	ctx := openBrowser(t)
	do(t, ctx, window(1280, 800, false), s.open("document"),
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
		t, ctx,
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
