package ui_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// watchDraws makes a page note, in window.draws, which sheets have been drawn in what order, each
// with the sheets in view that were not sharp then.
const watchDraws = `window.draws = [];
new MutationObserver(changes => {
	for (const { target, addedNodes } of changes) for (const canvas of addedNodes) {
		if (canvas.tagName !== "CANVAS" || !target.matches(".sheet")) continue;
		const view = document.querySelector("[data-viewer-pages]").getBoundingClientRect();
		const blurred = [...document.querySelectorAll(".sheet")].filter(s => {
			const r = s.getBoundingClientRect(), c = s.querySelector("canvas");
			return r.bottom > view.top + 1 && r.top < view.bottom - 1 && (!c || Math.abs(c.width - r.width) > 2);
		}).map(s => Number(s.dataset.sheet));
		draws.push({ sheet: Number(target.dataset.sheet), blurred });
	}
}).observe(document, { childList: true, subtree: true });`

// beforePage runs a script in each page before the page's own.
func beforePage(script string) step {
	return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(
			ctx, target, page.AddScriptToEvaluateOnNewDocument,
			page.AddScriptToEvaluateOnNewDocumentParams{Source: script},
		)
		return err
	})
}

// TestNoPagesAhead goes through a document in a browser that saves data: what is in view is drawn,
// and no page beside it.
func TestNoPagesAhead(t *testing.T) {
	s := newSite(t)
	s.pdf = testPDF(40)
	ctx := openBrowser(t)
	do(
		t, ctx, window(390, 844, false), beforePage(watchDraws),
		beforePage(`Object.defineProperty(navigator, "connection", {value: {saveData: true}})`),
		s.open("document"), eventually(viewerReady),
	)
	want := []int{1}
	for _, n := range []int{10, 20, 30} {
		want = append(want, n)
		do(
			t, ctx,
			script(fmt.Sprintf(`(n => {
				n.value = %d; n.dispatchEvent(new Event("change"));
			})(document.querySelector("[data-viewer-page]"))`, n)),
			eventually(fmt.Sprintf(`draws.some(d => d.sheet === %d)`, n)),
		)
		// A page would be drawn ahead by a timer that has been started and is due before this one.
		eval[bool](t, ctx, `new Promise(done => setTimeout(() => done(true), 150))`)
	}
	if got := eval[[]int](t, ctx, `draws.map(d => d.sheet)`); !slices.Equal(got, want) {
		t.Errorf("draws the pages %v, want %v", got, want)
	}
}

// TestPagesAhead scrolls through a long document on a phone: when what is in view is sharp, the
// page after it is drawn, then the page before it, and no other; so there is no blank page when the
// person scrolls on.
func TestPagesAhead(t *testing.T) {
	s := newSite(t)
	s.pdf = testPDF(40)
	ctx := openBrowser(t)
	do(
		t, ctx, window(390, 844, false), beforePage(watchDraws), s.open("document"),
		eventually(`!document.querySelector("[data-next-place]")?.disabled`),
	)
	type draw struct {
		Sheet   int
		Blurred []int
	}
	done := 0
	for _, step := range []struct {
		name   string
		act    string
		inView []int // those that are drawn, in any order
		beside []int
	}{
		{"opens", `0`, []int{1}, []int{2}},
		{
			"goes to page 10",
			`(n => { n.value = 10; n.dispatchEvent(new Event("change")) })(document.querySelector("[data-viewer-page]"))`,
			[]int{10},
			[]int{11, 9},
		},
		{"scrolls", `document.querySelector("[data-viewer-pages]").scrollBy(0, 200)`, nil, []int{12}},
		{"zooms", `document.querySelector("[data-zoom=in]").click()`, []int{10, 11}, []int{12, 9}},
	} {
		n := done + len(step.inView) + len(step.beside)
		do(t, ctx, script(step.act), eventually(fmt.Sprintf(`draws.length >= %d`, n)))
		all := eval[[]draw](t, ctx, `draws`)
		var inView, beside []int
		for i, d := range all[done:] {
			if i < len(step.inView) {
				inView = append(inView, d.Sheet)
				continue
			}
			beside = append(beside, d.Sheet)
			if len(d.Blurred) > 0 {
				t.Errorf("%s: page %d is drawn before %v in view", step.name, d.Sheet, d.Blurred)
			}
		}
		slices.Sort(inView)
		if !slices.Equal(inView, step.inView) || !slices.Equal(beside, step.beside) {
			t.Errorf(
				"%s: draws %v and then %v, want %v and then %v",
				step.name, inView, beside, step.inView, step.beside,
			)
		}
		done = len(all)
	}
}
