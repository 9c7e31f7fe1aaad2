package ui_test

import (
	"context"
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestGallery visits every page of the gallery once and makes all checks of it there: the accepted
// look, axe's rules, a narrow window, the focus, and what the browser complains of. A subtest names
// the page and the check.
//
// PAGE_LANG=ta visits the pages in Tamil, GALLERY_ONLY=^code those whose names match.
func TestGallery(t *testing.T) {
	tag := os.Getenv("PAGE_LANG")
	if tag == "" {
		tag = "en"
	}
	t.Setenv("PAGE_LANG", tag)
	only := regexp.MustCompile(os.Getenv("GALLERY_ONLY"))
	rules := axeRules(t)
	s := newSite(t)
	ctx := openPlainBrowser(t)
	said := watchConsole(ctx)
	l := openLooks(t)
	for i, p := range shots() {
		if !only.MatchString(p.name) {
			continue
		}
		t.Run(p.name, func(t *testing.T) {
			// A page on a slow machine uses what it has loaded ahead too late for Chromium.
			// TestFirstPageSoon checks that it is used.
			defer said.check(t, "was preloaded using link preload")
			do(t, ctx, append([]step{window(1280, 800, false)}, s.visit(p)...)...)
			if tag == "en" || !s.pages[p.page].Page.Meta().English {
				t.Run("look", func(t *testing.T) { checkLook(t, ctx, l, p.name, tag) })
			}
			// Pages share templates and styles, so each template has its turn in one of the four
			// ways. AXE=full takes every page in all of them.
			if os.Getenv("AXE") == "full" || !alike(p.name) {
				t.Run("axe", func(t *testing.T) { checkAxe(t, ctx, rules, i) })
			}
			if narrow(p.name) {
				t.Run("reflow", func(t *testing.T) {
					do(t, ctx, window(320, 512, false))
					checkReflow(t, ctx)
				})
				t.Run("focus", func(t *testing.T) { checkFocus(t, ctx) })
			}
		})
	}
	checkFolder(t, l, false, false)
}

// narrow says that a page is one of signer and phone, and not alike another one.
func narrow(name string) bool {
	return !alike(name) && !strings.HasPrefix(name, "console-") && !strings.HasPrefix(name, "demo-")
}

// TestReflow holds the pages of signer and phone to a window of 320 px in the other languages than
// English, in which TestGallery does it.
func TestReflow(t *testing.T) {
	s := newSite(t)
	ctx := openBrowser(t)
	do(t, ctx, window(320, 512, false))
	only := regexp.MustCompile(os.Getenv("GALLERY_ONLY"))
	for i, p := range shots() {
		if !only.MatchString(p.name) || !narrow(p.name) {
			continue
		}
		languages := []string{"zh", "ms", "ta"}
		if len(p.prepare) > 0 { // a state of a page that has been here in all of them
			languages = languages[i%3 : i%3+1]
		}
		for _, lang := range languages {
			t.Setenv("PAGE_LANG", lang)
			t.Run(p.name+"/"+lang, func(t *testing.T) {
				do(t, ctx, s.visit(p)...)
				checkReflow(t, ctx)
			})
		}
	}
}

// checkReflow checks that nothing is wider than the window (WCAG 2.2, 1.4.10: 320 px are 400 % zoom
// of 1280 px).
func checkReflow(t *testing.T, ctx context.Context) {
	t.Helper()
	if wide := eval[string](
		t, ctx,
		tooWide+` <= 0 ? "" :
			[...document.querySelectorAll("main *, header *, footer *")]
				.filter(e => e.getBoundingClientRect().right > document.documentElement.clientWidth &&
					!e.closest(".viewer-pages, .panel-list, .visually-hidden"))
				.map(e => e.tagName + "." + e.className).join(" ") || "something"`,
	); wide != "" {
		t.Errorf("wider than the window: %s", wide)
	}
	if over := eval[string](
		t, ctx,
		`[...document.querySelectorAll("dt, dd, label, summary, button, a.button, h1, h2")]
			.filter(e => getComputedStyle(e).overflowX === "visible" && e.clientWidth > 1 &&
				e.scrollWidth > e.clientWidth + 1)
			.map(e => e.tagName + " " + e.innerText.slice(0, 40)).join(" | ")`,
	); over != "" {
		t.Errorf("wider than their boxes: %s", over)
	}
}

// checkFocus goes through the open page with the Tab key: what has the focus is seen to have it, is
// in the window and is not covered (WCAG 2.2, 2.4.7 and 2.4.11), and the last stop is reached.
func checkFocus(t *testing.T, ctx context.Context) {
	t.Helper()
	do(
		t, ctx, window(390, 640, false),
		eventually(`document.querySelector("[data-review]") === null ||
			document.querySelector(".sheet.drawn, .sheet.failed") &&
			!document.querySelector("[data-next-place]").disabled`),
		eventually(`document.querySelector("[data-phones][aria-busy]") === null`),
		script(`scrollTo(0, 0); document.querySelector(".skip").focus();
			window.stops = [document.activeElement]`),
	)
	for range 300 { // the page reference has about a hundred stops
		do(t, ctx, chromedp.KeyEvent("\t"))
		said := eval[string](
			t, ctx,
			`new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => {
			const e = document.activeElement;
			if (!e || e === document.body || window.stops.includes(e)) return done("end");
			window.stops.push(e);
			const text = e.innerText || e.getAttribute("aria-label") || "";
			const name = e.tagName + "." + e.className + " " + text.slice(0, 30);
			const r = e.getBoundingClientRect(), style = getComputedStyle(e);
			if (style.outlineStyle === "none" || parseFloat(style.outlineWidth) < 2)
				return done("it cannot be seen that the focus is on " + name);
			const top = Math.max(r.top, 0), bottom = Math.min(r.bottom, innerHeight);
			const x = Math.min(Math.max(r.left + r.width / 2, 1), innerWidth - 1);
			if (bottom - top < Math.min(r.height, 20))
				return done("the focus is outside of the window: " + name);
			const at = part => document.elementFromPoint(x, top + (bottom - top) * part);
			const seen = [0.25, 0.5, 0.75].map(at)
				.some(hit => hit && (e.contains(hit) || hit.contains(e)));
			const over = at(0.5);
			done(seen ? "" : "the focus on " + name + " is covered by " +
				over?.tagName + "." + over?.className);
		})))`,
		)
		if said == "end" {
			break
		}
		if said != "" {
			t.Error(said)
		}
	}
	if missed := eval[string](
		t, ctx,
		`[...document.querySelectorAll("a[href], button:enabled, input, summary, [tabindex='0']")]
			.filter(e => e.checkVisibility({visibilityProperty: true}) && e.tabIndex >= 0 &&
				!e.closest("[inert]") && !window.stops.includes(e))
			.map(e => e.outerHTML.slice(0, 80)).join(" | ")`,
	); missed != "" {
		t.Errorf("Tab does not reach %s", missed)
	}
}

// axeRules returns the program of axe-core.
func axeRules(t *testing.T) string {
	t.Helper()
	rules, err := os.ReadFile("../../../web/node_modules/axe-core/axe.min.js")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("axe-core is not there: run web/build first")
		}
		t.Skip("axe-core is not there: run web/build first")
	}
	return string(rules)
}

// checkAxe holds the open page to axe's rules for WCAG 2.2 A and AA, and to the width of the
// window, in one of four ways: narrow or wide, light or dark.
func checkAxe(t *testing.T, ctx context.Context, rules string, turn int) {
	t.Helper()
	type look struct {
		width int64
		dark  bool
	}
	looks := []look{{390, true}, {1280, false}, {390, false}, {1280, true}}
	if os.Getenv("AXE") != "full" {
		looks = looks[turn%4 : turn%4+1]
	}
	do(t, ctx, script(rules+";0"))
	for _, look := range looks {
		do(t, ctx, window(look.width, 800, look.dark))
		for _, v := range axe(t, ctx) {
			t.Errorf("%d px, dark %t: %s", look.width, look.dark, v)
		}
		if over := eval[int](t, ctx, tooWide); over > 0 {
			t.Errorf("%d px: %d px wider than the window", look.width, over)
		}
	}
}

// alike says that a page differs from another of the gallery by its words only.
func alike(name string) bool {
	switch name {
	case "ended-left",
		"ended-failed",
		"ended-rejected",
		"login-denied",
		"error-404",
		"error-503",
		"landing-first",
		"document-again",
		"demo-home-empty",
		"demo-request-cancelled",
		"phone-home-ready",
		"signed-gone":
		return true
	}
	return strings.HasPrefix(name, "phone-problem-") && name != "phone-problem-REQUEST_CANCELLED"
}

// axe runs the rules in the page and returns one line for each violation.
func axe(t *testing.T, ctx context.Context) []string {
	t.Helper()
	raw := eval[string](
		t, ctx,
		`axe.run({
			resultTypes: ["violations"], // the others take a quarter of its time
			runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
		}).then(r =>
			JSON.stringify(r.violations.map(v => v.impact + " " + v.id + ": " +
				v.nodes.map(n => n.target.join(" ") + " " + n.failureSummary).join(" | "))))`,
	)
	var found []string
	if err := json.Unmarshal([]byte(raw), &found); err != nil {
		t.Fatal(err)
	}
	return found
}
