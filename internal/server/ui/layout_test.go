package ui_test

import (
	"context"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/signet-sign/signet/internal/server/portal"
	"github.com/signet-sign/signet/internal/server/ui"
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

// TestLongNames checks, in every language, that a signer and a relying party with names of 120
// characters leave each button of a phone's page one or two lines of whole words, all of them to be
// seen, and that the page names the document.
func TestLongNames(t *testing.T) {
	s := newSite(t)
	ctx := openBrowser(t)
	person := ui.Person{Name: strings.Repeat("Muhammad Nur Hakim Bin Abdul Rahman ", 4)[:120]}
	about := s.pages["document"].Page.(portal.Document).Summary
	about.Party.Name = strings.Repeat("Harbour Lane Housing Co-operative ", 4)[:120]
	about.Document = longName
	code := s.pages["code"].Page.(portal.SigningCode)
	code.Summary, code.Signer = about, person
	expired := s.pages["expired-signer"].Page.(portal.Expired)
	expired.Summary, expired.Signer = about, &person
	ended := s.pages["ended-timed-out"].Page.(portal.SessionEnded)
	ended.Summary, ended.Signer = about, person
	for name, page := range map[string]ui.Page{"code": code, "expired-signer": expired, "ended-timed-out": ended} {
		s.pages[name] = Sample{name, 200, page}
		for _, tag := range s.kit.Tags() {
			t.Setenv("PAGE_LANG", tag)
			do(t, ctx, window(390, 844, false), s.open(name))
			if high := eval[string](t, ctx, `[...document.querySelectorAll(".button")].filter(e => e.checkVisibility() && e.offsetHeight > 70)
				.map(e => e.innerText + " " + e.offsetHeight).join(", ")`); high != "" {
				t.Errorf("%s, %s: higher than two lines: %s", name, tag, high)
			}
			if cut := eval[string](t, ctx, `[...document.querySelectorAll(".button-text")].filter(e => e.scrollHeight > e.clientHeight + 1).map(e => e.innerText).join(", ")`); cut != "" {
				t.Errorf("%s, %s: not all of it is seen: %s", name, tag, cut)
			}
			if !eval[bool](
				t,
				ctx,
				`document.querySelector("main").innerText.includes("`+longName+`") && `+tooWide+" <= 0",
			) {
				t.Errorf(
					"%s, %s: the page does not name the document, or is wider than the window",
					name, tag,
				)
			}
		}
	}
}

// TestUnbrokenNames checks that names of 120 characters without a blank make no page wider than its
// window, and are not cut, on a phone and where the tables of the console begin.
func TestUnbrokenNames(t *testing.T) {
	s := newSite(t)
	ctx := openBrowser(t)
	const rename = `(() => {
		const short = "Wolfeschlegelsteinhausenbergerdorff", name = short.repeat(4).slice(0, 120);
		const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
		for (let n; (n = texts.nextNode()); ) n.data = n.data.replace(
			/Tan Mei Lin|Ravi Kumar s.o Suresh|Nur Aisyah binte Rahman|Harbour Lane Housing Co-operative/g,
			n.parentElement.closest(".button-text, .verdict h1") ? short : name); // which have names shortened
		return document.body.innerText.includes(name);
	})()`
	const cut = `[...document.querySelectorAll("main *")].filter(e => e.checkVisibility() && e.clientWidth > 1 &&
		[...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()) && e.scrollWidth > e.clientWidth + 1 &&
		!["auto", "scroll"].includes(getComputedStyle(e).overflowX) && getComputedStyle(e).display !== "inline")
		.map(e => e.tagName + "." + e.className).join(", ")`
	seen := map[string]bool{}
	for _, p := range Gallery() {
		template := p.Page.Meta().Template
		if seen[template] || template == "document" {
			continue
		}
		if p.Name == "phone-approve" { // without a key it leads to phone-enrol
			do(t, ctx, append([]step{s.open("phone-enrol")}, enrolled...)...)
		}
		do(t, ctx, window(360, 740, false), s.open(p.Name))
		if seen[template] = eval[bool](t, ctx, rename); !seen[template] {
			continue
		}
		for _, width := range []int64{360, 768, 1024} {
			do(t, ctx, window(width, 740, false))
			if over := eval[int](t, ctx, tooWide); over > 0 {
				t.Errorf("%s is %d px wider than a window of %d px", p.Name, over, width)
			}
			if got := eval[string](t, ctx, cut); got != "" {
				t.Errorf("%s, %d px: cut: %s", p.Name, width, got)
			}
		}
	}
	if len(seen) < 20 {
		t.Errorf("only %d pages have a name", len(seen))
	}
}

// TestReviewHead checks that a phone's page of a document names in full who asks for the signature,
// beside the time left, and says it whole to screen readers, in every language.
func TestReviewHead(t *testing.T) {
	s := newSite(t)
	ctx := openBrowser(t)
	sample := s.pages["document"].Page.(portal.Document)
	sample.Party.Name = "Demo Relying Party"
	s.pages["head"] = Sample{"head", 200, sample}
	for _, tag := range s.kit.Tags() {
		t.Setenv("PAGE_LANG", tag)
		do(t, ctx, window(360, 740, false), s.open("head"))
		if got := eval[string](t, ctx, `(() => {
			const eyebrow = document.querySelector(".review-head .eyebrow");
			const left = document.querySelector(".deadline strong").getBoundingClientRect();
			return [
				eyebrow.scrollWidth > eyebrow.clientWidth ? "who asks is cut" : "",
				eyebrow.offsetHeight > 30 ? "who asks takes two lines" : "",
				left.right > innerWidth || left.width < 20 ? "the time left is out of the window" : "",
				document.querySelector(".asks").textContent.length <= "Demo Relying Party".length ?
					"nothing is asked" : "",
			].filter(Boolean).join(", ");
		})()`); got != "" {
			t.Errorf("%s: %s", tag, got)
		}
	}
}

// TestToolbarFits checks that no tool of the viewer is cut, however narrow the viewer is in its window.
func TestToolbarFits(t *testing.T) {
	s := newSite(t)
	ctx := openBrowser(t)
	do(t, ctx, append([]step{s.open("phone-enrol")}, enrolled...)...)
	for _, name := range []string{"document", "phone-approve"} {
		for _, width := range []int64{320, 360, 390, 768, 1024, 1280} {
			do(t, ctx, window(width, 844, false), s.open(name))
			if name == "phone-approve" {
				do(t, ctx, eventually(`!document.querySelector("[data-view]").disabled`), click("[data-view]"))
			}
			do(t, ctx, eventually(`document.querySelector(".viewer-bar [data-zoom=in]").checkVisibility()`))
			if cut := eval[string](t, ctx, `(() => {
				const bar = document.querySelector(".viewer-bar"), side = bar.getBoundingClientRect();
				return [...bar.querySelectorAll("button, input, a, span")].filter(e => {
					const r = e.getBoundingClientRect();
					return e.checkVisibility() && (r.right > side.right || r.left < side.left);
				}).map(e => e.ariaLabel || e.className || e.innerText).join(", ");
			})()`); cut != "" {
				t.Errorf("%s at %d px cuts %s", name, width, cut)
			}
		}
	}
}

// TestFilters checks that a filter of the console is one row on a desktop, and that the dates from and
// to are equally wide.
func TestFilters(t *testing.T) {
	s := newSite(t)
	ctx := openBrowser(t)
	for _, name := range []string{"console-requests", "console-webhooks", "console-calls", "console-clock"} {
		for _, width := range []int64{390, 768, 1280} {
			do(t, ctx, window(width, 800, false), s.open(name))
			if got := eval[string](t, ctx, `(() => {
				const form = document.querySelector("form.filters");
				const dates = [...form.querySelectorAll("[type=date]")].map(e => e.offsetWidth);
				const ends = new Set([...form.children].filter(e => e.checkVisibility())
					.map(e => Math.round(e.getBoundingClientRect().bottom / 8)));
				return [
					new Set(dates).size > 1 ? "the dates have widths of " + dates : "",
					innerWidth >= 1280 && ends.size > 1 ? "it has more than one row" : "",
				].filter(Boolean).join(", ");
			})()`); got != "" {
				t.Errorf("%s at %d px: %s", name, width, got)
			}
		}
	}
}

// TestRequiredFields checks that a required field is not called faulty before the browser refuses
// it, is then, and no longer once it is filled in.
func TestRequiredFields(t *testing.T) {
	s := newSite(t)
	ctx := openBrowser(t)
	const fault = `document.querySelector("[required]").ariaInvalid`
	do(t, ctx, s.open("verify"), eventually(fault+` === "false"`),
		click("[data-verify-form] button"), eventually(fault+` === "true"`))
	do(t, ctx, s.open("phone-enrol"), eventually(fault+` === "false"`), script(`{
		const name = document.querySelector("[required]");
		name.value = "";
		name.reportValidity();
	}`), eventually(fault+` === "true"`), chromedp.Focus(chromedp.CSS("[required]")),
		chromedp.KeyEvent("a"), eventually(fault+` === "false"`))
}

// TestDemoRefusal checks that the demo's page says on a phone, before anything is scrolled, that the
// last call was refused and how, and no longer when a later call was not.
func TestDemoRefusal(t *testing.T) {
	s := newSite(t)
	ctx := openBrowser(t)
	do(t, ctx, window(390, 844, false), s.open("demo-request"))
	const notice = `document.querySelector("main > .notice.tone-bad")`
	if got := eval[string](t, ctx, `(e => e && e.getBoundingClientRect().bottom < innerHeight ?
		e.innerText.trim() : "")(`+notice+`)`); got !=
		"The service refused your last call: 400 ACTIVE_SESSION_ONGOING. See the answer" {
		t.Errorf("the page says %q", got)
	}
	do(t, ctx, s.open("demo-request-cancelled"))
	if !eval[bool](t, ctx, notice+` === null`) {
		t.Error("the refusal is shown after a later call")
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
		if over := eval[int](t, ctx, tooWide); over > 0 {
			t.Errorf("%s is %d px wider than the paper", name, over)
		}
		if !eval[bool](
			t, ctx,
			`document.querySelector("h1").checkVisibility() && document.querySelector(".banner").checkVisibility()`,
		) {
			t.Errorf("%s has no heading or no banner on paper", name)
		}
	}
}

// TestOneDevice checks that the button that signs on the same device comes before the code on a
// phone, held upright or on its side, and that a computer shows the code first.
func TestOneDevice(t *testing.T) {
	s := newSite(t)
	ctx := openBrowser(t)
	for _, test := range []struct {
		width, height int64
		touch         bool
	}{{390, 844, true}, {844, 390, true}, {1280, 800, false}} {
		do(
			t, ctx,
			chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
				_, err := cdp.Call(
					ctx, target, emulation.SetTouchEmulationEnabled,
					emulation.SetTouchEmulationEnabledParams{Enabled: test.touch},
				)
				return err
			}),
			window(test.width, test.height, false), s.open("code"),
		)
		first := eval[bool](t, ctx, `(() => {
			const here = [...document.querySelectorAll("form[action$='/here'] button")].filter(e => e.checkVisibility());
			return here.length === 1 && here[0].getBoundingClientRect().top < document.querySelector("[data-qr]").getBoundingClientRect().top;
		})()`)
		if first != test.touch {
			t.Errorf("%dx%d, touch %v: the button comes first is %v", test.width, test.height, test.touch, first)
		}
	}
}

// TestNamesStayInPlace checks that a phone whose name has characters that turn the direction of
// writing changes nothing beside it, such as the phone's id.
func TestNamesStayInPlace(t *testing.T) {
	s := newSite(t)
	ctx := openBrowser(t)
	do(t, ctx, window(1280, 800, false), s.open("console-people-refused"))
	if !eval[bool](t, ctx, `(() => {
		const name = document.querySelector(".entry strong"), id = document.querySelector(".entry code");
		return name.innerText.includes("\u202e") &&
			name.getBoundingClientRect().right <= id.getBoundingClientRect().left;
	})()`) {
		t.Error("the name goes on behind the id")
	}
}
