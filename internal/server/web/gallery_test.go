package web

import (
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
		if s.Name != "phone-approve" {
			all = append(all, shot{name: s.Name, page: s.Name})
		}
	}
	drawn := eventually(`document.querySelectorAll(".sheet.drawn").length > 0`)
	return append(all,
		shot{"document-reviewed", "document", []step{
			drawn, eventually(`!document.querySelector("[data-next-place]").disabled`),
			click("[data-next-place]"), eventually(`document.querySelectorAll(".place.done").length == 1`),
			click("[data-next-place]"), eventually(`document.querySelectorAll(".place.done").length == 2`),
			click("[data-next-place]"), eventually(`!document.querySelector("[data-proceed] button").disabled`),
		}},
		shot{"signed-viewer", "signed", []step{click("[data-show-document]"), drawn}},
		shot{"phone-enrol-done", "phone-enrol", []step{
			click("[data-enrol-form] button"), eventually(`!document.querySelector("[data-step=done]").hidden`),
		}},
		shot{"phone-home-ready", "phone-home", []step{eventually(`!document.querySelector("[data-this-phone]").hidden`)}},
		shot{"phone-approve", "phone-approve", []step{eventually(`!document.querySelector("[data-do=approve]").disabled`)}},
		shot{"phone-approve-document", "phone-approve", []step{
			eventually(`!document.querySelector("[data-view]").disabled`), click("[data-view]"), drawn,
		}},
		shot{"phone-approved", "phone-approve", []step{
			eventually(`!document.querySelector("[data-do=approve]").disabled`),
			click("[data-do=approve]"), eventually(`!document.querySelector("[data-step=approved]").hidden`),
		}},
	)
}

// stateOf keeps the live state what the page was rendered from.
func (s *site) stateOf(name string) {
	state := map[string]any{"state": "locked", "scanned": false, "session_ends_at": 0}
	for _, p := range Gallery() {
		if m := p.Page.meta(); p.Name == name && m.live != nil {
			state = map[string]any{"state": m.live.State, "scanned": m.live.Scanned, "session_ends_at": m.live.SessionEndsMillis()}
		}
	}
	if name == "phone-approve" || name == "phone-enrol-session" {
		state["state"] = "session"
		state["session_ends_at"] = GalleryTime().Add(168 * time.Second).UnixMilli()
	}
	s.set(state)
}

// page is the URL of a sample, in the language that PAGE_LANG names.
func (s *site) page(name string) string {
	return s.URL + "/gallery/" + name + "?lang=" + os.Getenv("PAGE_LANG")
}

// leave closes the page in the tab and forgets what it remembered: it would
// follow the next page's state otherwise.
func (s *site) leave(t *testing.T, ctx context.Context) {
	t.Helper()
	do(t, ctx, script(`try { sessionStorage.clear() } catch { }`), chromedp.Navigate("about:blank"))
}

// TestGalleryScreenshots draws every page at two widths, light and dark, into the
// folder that GALLERY names. It is for looking at; run it as
//
//	GALLERY=/path/to/folder go test ./internal/server/web -run TestGalleryScreenshots
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
	for _, p := range shots() {
		if !only.MatchString(p.name) {
			continue
		}
		for _, w := range []struct {
			width, height int64
		}{{390, 844}, {1280, 800}} {
			for _, dark := range []bool{false, true} {
				s.leave(t, ctx)
				s.stateOf(p.page)
				scheme := "light"
				if dark {
					scheme = "dark"
				}
				actions := []step{
					window(w.width, w.height, dark), chromedp.Navigate(s.page(p.page)),
				}
				if p.page == "document" || p.page == "document-again" {
					actions = append(actions, eventually(`document.querySelectorAll(".sheet.drawn").length > 0`))
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
	said.check(t)
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
	for i, p := range shots() {
		// Pages share templates and styles, so each template has its turn in one
		// of the looks. AXE=full takes every page in all of them.
		mine := looks[i%4 : i%4+1]
		if os.Getenv("AXE") == "full" {
			mine = looks
		} else if alike(p.name) {
			continue
		}
		for _, look := range mine {
			s.leave(t, ctx)
			s.stateOf(p.page)
			actions := []step{
				window(look.width, 800, look.dark), chromedp.Navigate(s.page(p.page)),
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
	case "ended-left", "ended-failed", "ended-rejected", "login-denied", "error-404", "error-503", "landing-first",
		"document-again", "demo-home-empty", "demo-request-cancelled", "phone-home-ready", "signed-gone":
		return true
	}
	return strings.HasPrefix(name, "phone-problem-") && name != "phone-problem-REQUEST_CANCELLED"
}

// axe runs the rules in the page and returns one line for each violation.
func axe(t *testing.T, ctx context.Context, rules string) []string {
	t.Helper()
	do(t, ctx, script(rules+";0"))
	raw := eval[string](t, ctx, `axe.run({runOnly: ["wcag2a","wcag2aa","wcag21a","wcag21aa","wcag22aa","best-practice"]}).then(r =>
		JSON.stringify(r.violations.map(v => v.impact + " " + v.id + ": " + v.nodes.map(n => n.target.join(" ") + " " + n.failureSummary).join(" | "))))`)
	var found []string
	if err := json.Unmarshal([]byte(raw), &found); err != nil {
		t.Fatal(err)
	}
	return found
}
