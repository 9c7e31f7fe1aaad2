package ui_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// shot is a page of the gallery in one more state that only script reaches.
type shot struct {
	name    string
	page    string // sample
	prepare []step
}

func shots() []shot {
	var all []shot
	for _, s := range Gallery() {
		switch s.Name {
		case "phone-approve", "phone-approve-warned", "signed": // below, when they are complete
		default:
			all = append(all, shot{name: s.Name, page: s.Name})
		}
	}
	drawn := eventually(`document.querySelectorAll(".sheet.drawn").length > 0`)
	known := eventually(`document.querySelector("[data-phones][aria-busy]") === null`)
	return append(
		all,
		shot{"document-reviewed", "document", []step{
			drawn, eventually(`!document.querySelector("[data-next-place]").disabled`),
			click(
				"[data-next-place]",
			), eventually(`document.querySelectorAll(".place.done").length == 1`),
			click(
				"[data-next-place]",
			), eventually(`document.querySelectorAll(".place.done").length == 2`),
			click(
				"[data-next-place]",
			), eventually(`!document.querySelector("[data-proceed] button").disabled`),
		}},
		shot{"document-pages", "document", []step{
			drawn, click("[data-viewer-side-button]"), eventually(`document.querySelectorAll(".thumbnail.drawn").length > 1 && !document.querySelector("[data-viewer-outline]").hidden`),
		}},
		shot{"document-search", "document", []step{
			drawn, click("[data-viewer-search-button]"), chromedp.KeyEvent("clause 16"), eventually(`document.querySelectorAll(".found.current").length > 0`),
		}},
		shot{"document-pages-seen", "document-all-pages", []step{
			drawn, click("[data-viewer-side-button]"), eventually(`document.querySelectorAll(".thumbnail.drawn .thumbnail-state").length > 1`),
		}},
		shot{"signed", "signed", []step{
			eventually(`document.querySelectorAll(".signed-places .thumbnail.drawn").length === 3`),
		}},
		shot{"console-request-document", "console-request-refused", []step{
			click("[data-show-document]"), drawn,
			eventually(`document.querySelectorAll(".place-box").length == 2`),
		}},
		shot{"signed-viewer", "signed", []step{click("[data-show-document]"), drawn}},
		shot{"phone-enrol-done", "phone-enrol", []step{
			click(
				"[data-enrol-form] button",
			), eventually(`!document.querySelector("[data-step=done]").hidden`),
		}},
		shot{"verify-checked", "verify", checkDocument(verifyCases + "intact/product_lta.pdf")},
		shot{
			"phone-home-ready",
			"phone-home",
			[]step{eventually(`!document.querySelector("[data-this-phone]").hidden`)},
		},
		shot{
			"phone-approve",
			"phone-approve",
			[]step{eventually(`!document.querySelector("[data-do=approve]").disabled`)},
		},
		shot{
			"phone-approve-warned",
			"phone-approve-warned",
			[]step{eventually(`!document.querySelector("[data-do=approve]").disabled`)},
		},
		shot{"phone-approve-document", "phone-approve", []step{
			eventually(
				`!document.querySelector("[data-view]").disabled`,
			), click("[data-view]"), drawn,
		}},
		shot{"document-failed", "document", []step{
			drawn, script(broken), eventually(`document.querySelector(".sheet-failed") !== null`),
			click(
				"[data-next-place]",
			), eventually(`document.querySelector("[data-read-document]").checkVisibility()`),
		}},
		shot{
			"code-stale",
			"code",
			[]step{
				script(`window.fetch = () => Promise.reject(new TypeError())`),
				eventually(`document.querySelector(".qr.stale") !== null`),
			},
		},
		shot{"landing-lost", "landing-intended", []step{
			script(
				`window.EventSource = class { addEventListener(kind, f) { if (kind === "error") setTimeout(f) } close() {} }; window.fetch = () => Promise.reject(new TypeError()); dispatchEvent(new Event("online"))`,
			),
			eventually(`!document.querySelector("[data-lost]").hidden`),
		}},
		shot{"landing-languages", "landing-intended", []step{click(".language summary")}},
		shot{
			"phone-home-rename",
			"phone-home",
			[]step{
				known,
				click(".rename summary"),
				eventually(`document.querySelector(".rename[open]") !== null`),
			},
		},
		shot{
			"phone-home-remove",
			"phone-home",
			[]step{
				known,
				click(".confirm summary"),
				eventually(`document.querySelector(".confirm[open]") !== null`),
			},
		},
		shot{"phone-home-remove-key", "phone-home-leaving", []step{
			eventually(`document.querySelector("[data-remove-phone]:not([hidden])") !== null`),
			click(".confirm summary"),
			eventually(`document.querySelector(".confirm[open]") !== null`),
			script(`window.fetch = () => Promise.reject(new TypeError())`),
			click(".confirm [data-remove-phone]"),
			eventually(`!document.querySelector(".confirm [data-approval-error]").hidden`),
		}},
		shot{"console-people-forget", "console-people", []step{
			click("#phones-title + ul .confirm summary"),
			click("#forget-title ~ .confirm summary"),
			eventually(`document.querySelectorAll(".confirm[open]").length === 2`),
		}},
		shot{"phone-scan-denied", "phone-scan", []step{
			script(
				`navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException("", "NotAllowedError"))`,
			),
			click(
				"[data-scan-start]",
			), eventually(`!document.querySelector("[data-scan-error]").hidden`),
		}},
		shot{"phone-enrol-offline", "phone-enrol", []step{
			script(`window.fetch = () => Promise.reject(new TypeError())`),
			click(
				"[data-enrol-form] button",
			), eventually(`!document.querySelector("[data-enrol-error]").hidden`),
		}},
		shot{"phone-approve-offline", "phone-approve", []step{
			eventually(`!document.querySelector("[data-do=approve]").disabled`),
			script(`window.fetch = () => Promise.reject(new TypeError())`),
			click(
				"[data-do=approve]",
			), eventually(`!document.querySelector("[data-approve-error]").hidden`),
		}},
		shot{"phone-approved", "phone-approve", []step{
			eventually(`!document.querySelector("[data-do=approve]").disabled`),
			click(
				"[data-do=approve]",
			), eventually(`!document.querySelector("[data-step=approved]").hidden`),
		}},
	)
}

// broken is a browser without memory: the pages that it has drawn are empty, and it draws no
// others.
const broken = `{
	const real = HTMLCanvasElement.prototype.getContext;
	HTMLCanvasElement.prototype.getContext = function (...a) { return this.width * this.height > 100000 ? null : real.apply(this, a) };
	document.dispatchEvent(new Event("visibilitychange"));
}`

// TestGalleryScreenshots draws every page at two widths, light and dark, into the
// folder that GALLERY names, with an index.html that shows them all. It is for
// looking at; run it as
//
//	GALLERY=/path/to/folder go test ./internal/server/ui -run TestGalleryScreenshots -timeout 30m
//
// PAGE_LANG=ta draws them in Tamil, and so on; GALLERY_ONLY=^code those whose names match.
func TestGalleryScreenshots(t *testing.T) {
	dir := os.Getenv("GALLERY")
	if dir == "" {
		t.Skip("GALLERY is not set")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	only := regexp.MustCompile(os.Getenv("GALLERY_ONLY"))
	s := newSite(t)
	ctx := openBrowser(t)
	said := watchConsole(ctx)
	var names []string
	for _, p := range shots() {
		if !only.MatchString(p.name) {
			continue
		}
		names = append(names, p.name)
		for _, w := range []struct {
			width, height int64
		}{{390, 844}, {1280, 800}} {
			for _, dark := range []bool{false, true} {
				scheme := "light"
				if dark {
					scheme = "dark"
				}
				actions := []step{
					window(w.width, w.height, dark), s.open(p.page),
				}
				if strings.HasPrefix(p.page, "document") {
					actions = append(
						actions,
						eventually(`document.querySelectorAll(".sheet.drawn").length > 0`),
					)
				}
				actions = append(actions, p.prepare...)
				actions = append(actions, chromedp.Sleep(150*time.Millisecond))
				do(t, ctx, actions...)
				png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
				if err != nil {
					t.Fatal(err)
				}
				file := fmt.Sprintf("%s-%d-%s.png", p.name, w.width, scheme)
				if err := os.WriteFile(filepath.Join(dir, file), png, 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "index.html"), contactSheet(names), 0o644); err != nil {
		t.Fatal(err)
	}
	said.check(t)
}

// contactSheet is a page with the pictures of all pages, for a reviewer who wants to see them at
// once.
func contactSheet(names []string) []byte {
	var b bytes.Buffer
	b.WriteString(
		`<!doctype html><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Gallery</title>
<style>body{font:14px system-ui;margin:1rem;background:#888}h2{margin:1.5rem 0 .5rem}div{display:flex;gap:.5rem;align-items:flex-start;overflow-x:auto}
img{width:12rem;border:1px solid #000}img.wide{width:30rem}</style>
`,
	)
	for _, name := range names {
		fmt.Fprintf(&b, "<h2 id=%q>%s</h2><div>", name, name)
		for _, look := range []string{"390-light", "390-dark", "1280-light", "1280-dark"} {
			class := ""
			if strings.HasPrefix(look, "1280") {
				class = "wide"
			}
			fmt.Fprintf(
				&b,
				`<a href="%[1]s-%[2]s.png"><img class="%[3]s" loading="lazy" src="%[1]s-%[2]s.png" alt="%[1]s at %[2]s"></a>`,
				name,
				look,
				class,
			)
		}
		b.WriteString("</div>\n")
	}
	return b.Bytes()
}

// TestReflow holds the pages of signer and phone to a window of 320 px (WCAG 2.2, 1.4.10: 400 %
// zoom of 1280 px), in every language: nothing is wider than the window.
func TestReflow(t *testing.T) {
	s := newSite(t)
	ctx := openBrowser(t)
	do(t, ctx, window(320, 512, false))
	only := regexp.MustCompile(os.Getenv("GALLERY_ONLY"))
	for i, p := range shots() {
		if !only.MatchString(p.name) || alike(p.name) || strings.HasPrefix(p.name, "console-") ||
			strings.HasPrefix(p.name, "demo-") {
			continue
		}
		languages := []string{"en", "zh", "ms", "ta"}
		if len(p.prepare) > 0 { // a state of a page that has been here in all of them
			languages = languages[i%4 : i%4+1]
		}
		for _, lang := range languages {
			t.Setenv("PAGE_LANG", lang)
			do(t, ctx, append([]step{s.open(p.page)}, p.prepare...)...)
			wide := eval[string](
				t,
				ctx,
				`document.documentElement.scrollWidth <= innerWidth ? "" : [...document.querySelectorAll("main *, header *, footer *")]
				.filter(e => e.getBoundingClientRect().right > innerWidth && !e.closest(".viewer-pages, .panel-list, .visually-hidden")).map(e => e.tagName + "." + e.className).join(" ") || "something"`,
			)
			if wide != "" {
				t.Errorf("%s in %s is wider than the window: %s", p.name, lang, wide)
			}
		}
	}
}

// TestFocus goes through every page with the Tab key: what has the focus is seen to have it, is in
// the window and is not covered (WCAG 2.2, 2.4.7 and 2.4.11), and the last stop is reached.
func TestFocus(t *testing.T) {
	s := newSite(t)
	ctx := openBrowser(t)
	do(t, ctx, window(390, 640, false))
	only := regexp.MustCompile(os.Getenv("GALLERY_ONLY"))
	for _, p := range shots() {
		if p.name == "document-failed" { // its pages come to fail while they are visited
			continue
		}
		if !only.MatchString(p.name) || alike(p.name) || strings.HasPrefix(p.name, "console-") ||
			strings.HasPrefix(p.name, "demo-") {
			continue
		}
		actions := []step{s.open(p.page)}
		if strings.HasPrefix(p.page, "document") {
			actions = append(
				actions,
				eventually(
					`document.querySelectorAll(".sheet.drawn").length > 0 && !document.querySelector("[data-next-place]").disabled`,
				),
			)
		}
		actions = append(actions, p.prepare...)
		actions = append(
			actions,
			eventually(`document.querySelector("[data-phones][aria-busy]") === null`),
		)
		do(
			t,
			ctx,
			append(
				actions,
				script(
					`document.querySelector(".skip").focus(); window.stops = [document.activeElement]`,
				),
			)...)
		for range 300 { // the page reference has about a hundred stops
			do(t, ctx, chromedp.KeyEvent("\t"))
			said := eval[string](
				t,
				ctx,
				`new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => {
				const e = document.activeElement;
				if (!e || e === document.body || window.stops.includes(e)) return done("end");
				window.stops.push(e);
				const name = e.tagName + "." + e.className + " " + (e.innerText || e.getAttribute("aria-label") || "").slice(0, 30), r = e.getBoundingClientRect(), style = getComputedStyle(e);
				if (style.outlineStyle === "none" || parseFloat(style.outlineWidth) < 2) return done("it cannot be seen that the focus is on " + name);
				const top = Math.max(r.top, 0), bottom = Math.min(r.bottom, innerHeight), x = Math.min(Math.max(r.left + r.width / 2, 1), innerWidth - 1);
				if (bottom - top < Math.min(r.height, 20)) return done("the focus is outside of the window: " + name);
				const seen = [0.25, 0.5, 0.75].some(part => { const hit = document.elementFromPoint(x, top + (bottom - top) * part); return hit && (e.contains(hit) || hit.contains(e)) });
				const over = document.elementFromPoint(x, top + (bottom - top) / 2);
				done(seen ? "" : "the focus on " + name + " is covered by " + over?.tagName + "." + over?.className);
			})))`,
			)
			if said == "end" {
				break
			}
			if said != "" {
				t.Errorf("%s: %s", p.name, said)
			}
		}
		if missed := eval[string](t, ctx, `[...document.querySelectorAll("a[href], button:enabled, input, summary, [tabindex='0']")]
			.filter(e => e.checkVisibility({visibilityProperty: true}) && e.tabIndex >= 0 && !e.closest("[inert]") && !window.stops.includes(e)).map(e => e.outerHTML.slice(0, 80)).join(" | ")`); missed != "" {
			t.Errorf("%s: Tab does not reach %s", p.name, missed)
		}
	}
}

// TestAxe holds every page, narrow and wide, light and dark, to axe's rules for
// WCAG 2.2 A and AA, and to the width of the window.
func TestAxe(t *testing.T) {
	rules, err := os.ReadFile("../../../web/node_modules/axe-core/axe.min.js")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("axe-core is not there: run web/build first")
		}
		t.Skip("axe-core is not there: run web/build first")
	}
	s := newSite(t)
	ctx := openBrowser(t)
	said := watchConsole(ctx)
	type look struct {
		width int64
		dark  bool
	}
	looks := []look{{390, true}, {1280, false}, {390, false}, {1280, true}}
	only := regexp.MustCompile(os.Getenv("GALLERY_ONLY"))
	for i, p := range shots() {
		if !only.MatchString(p.name) {
			continue
		}
		// Pages share templates and styles, so each template has its turn in one
		// of the looks. AXE=full takes every page in all of them.
		mine := looks[i%4 : i%4+1]
		if os.Getenv("AXE") == "full" {
			mine = looks
		} else if alike(p.name) {
			continue
		}
		for _, look := range mine {
			actions := []step{
				window(look.width, 800, look.dark), s.open(p.page),
			}
			do(t, ctx, append(actions, p.prepare...)...)
			for _, v := range axe(t, ctx, string(rules)) {
				t.Errorf("%s at %d: %s", p.name, look.width, v)
			}
			if over := eval[int](t, ctx, `document.documentElement.scrollWidth - innerWidth`); over > 0 {
				t.Errorf("%s at %d: %d px wider than the window", p.name, look.width, over)
			}
		}
	}
	said.check(t)
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
func axe(t *testing.T, ctx context.Context, rules string) []string {
	t.Helper()
	do(t, ctx, script(rules+";0"))
	raw := eval[string](
		t,
		ctx,
		`axe.run({runOnly: ["wcag2a","wcag2aa","wcag21a","wcag21aa","wcag22aa","best-practice"]}).then(r =>
		JSON.stringify(r.violations.map(v => v.impact + " " + v.id + ": " + v.nodes.map(n => n.target.join(" ") + " " + n.failureSummary).join(" | "))))`,
	)
	var found []string
	if err := json.Unmarshal([]byte(raw), &found); err != nil {
		t.Fatal(err)
	}
	return found
}
