package ui_test

import (
	"context"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// TestBannerIsOneLine checks that the banner of the sandbox takes one line of a phone's screen in
// every language.
func TestBannerIsOneLine(t *testing.T) {
	s := newSite(t)
	ctx := openBrowser(t)
	for _, tag := range s.kit.Tags() {
		t.Setenv("PAGE_LANG", tag)
		do(t, ctx, window(390, 844, false), s.open("landing-intended"))
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
		do(t, ctx, window(794, 1123, false), s.open(name))
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
