package ui_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// TestLive checks that a page reloads when its state is no longer the one it was rendered from, by
// the stream alone and by polling alone, and not before.
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
		{"sealing, a failed attempt", "sealing", true, map[string]any{"seal_tries": 1}},
		{"sealing, signed, no stream", "sealing", false, map[string]any{"state": "signed"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newSite(t)
			s.noStream, s.noPoll = !test.stream, test.stream
			do(t, ctx, s.open(test.page), script(`window.before = true`))
			s.told(t, 1) // it has heard of the state that it shows, and then once more
			s.set(nil)
			s.told(t, 2)
			if !eval[bool](t, ctx, `window.before === true`) {
				t.Fatal("the page reloaded although nothing changed")
			}
			s.set(test.change)
			do(
				t, ctx,
				eventually(`window.before === undefined && document.readyState !== "loading"`),
			)
		})
	}
}

// TestSealingPhases checks that the page of an approved document shows the steps of its sealing as
// the stream names them, that it does not need them, and that none reloads it.
func TestSealingPhases(t *testing.T) {
	s := newSite(t)
	ctx := openBrowser(t)
	do(t, ctx, s.open("sealing"), script(`window.before = true`))
	s.told(t, 1)
	const steps = `[...document.querySelectorAll(".progress-steps li")].filter(e => e.checkVisibility()).map(
		e => e.innerText.trim() + " " + e.className +
			(e.querySelector(".spinner")?.checkVisibility() ? " turns" : "")).join(", ")`
	const approved = "Approved on your phone 2:03 PM done, "
	const (
		stamping = approved +
			"Timestamp now turns, Proof that it stays valid todo, Check of the finished document todo"
		proving = approved +
			"Timestamp done, Proof that it stays valid now turns, Check of the finished document todo"
		checking = approved +
			"Timestamp done, Proof that it stays valid done, Check of the finished document now turns"
	)
	for _, step := range []struct{ phase, want string }{
		{"", approved + "Sealing the document now turns"},
		{"stamp", stamping},
		{"prove", proving},
		{"", proving},
		{"check", checking},
	} {
		s.set(map[string]any{"phase": step.phase})
		do(t, ctx, eventually(fmt.Sprintf(`%s === %q`, steps, step.want)))
	}
	if !eval[bool](t, ctx, `window.before === true`) {
		t.Error("the page reloaded")
	}
	do(t, ctx, s.open("sealing-phase"))
	if got := eval[string](t, ctx, steps); got != proving {
		t.Errorf("a page that is opened during a step shows %q", got)
	}
}

// TestStreamDrops checks that a page without its stream continues by polling, says when the service
// cannot be reached, and recovers.
func TestStreamDrops(t *testing.T) {
	s := newSite(t)
	ctx := openBrowser(t)
	const lost = `document.querySelector("[data-lost]").checkVisibility()`
	do(t, ctx, window(390, 844, false), s.open("document"), script(`window.before = true`))
	s.told(t, 1)
	s.outage(true, true)
	do(
		t, ctx, eventually(lost),
		eventually(`document.querySelector("#announce").textContent === "Connection lost. Trying again…"`),
	)
	if overlap := eval[bool](t, ctx, tooWide+" > 0"); overlap {
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
	// A timer of the page counts the time, which a machine under load does not get to either.
	const count = `window.ticks = 0; setInterval(() => { if (!(` + lost + `)) window.ticks++ }, 100)`
	within := func(t *testing.T) {
		t.Helper()
		do(t, ctx, eventually(lost))
		if ticks := eval[int](t, ctx, `window.ticks`); ticks > 30 {
			t.Errorf("it takes %d00 ms", ticks)
		}
	}
	for _, name := range []string{"landing-intended", "document", "code", "phone-approve-done"} {
		t.Run(name+" without an answer", func(t *testing.T) {
			s := newSite(t)
			do(t, ctx, window(390, 844, false), s.open(name))
			do(t, ctx, eventually(`window.streaming === true`))
			s.mu.Lock()
			s.hang = make(chan struct{})
			s.mu.Unlock()
			do(t, ctx, script(count))
			s.outage(true, false)
			within(t)
			if name == "code" {
				do(t, ctx, eventually(`document.querySelector(".qr.stale") !== null`))
			}
			s.mu.Lock()
			close(s.hang)
			s.hang = nil
			s.mu.Unlock()
			s.outage(false, false)
			do(t, ctx, eventually(`!`+lost))
			do(t, ctx, s.leave()...)
		})
		t.Run(name+" offline", func(t *testing.T) {
			s := newSite(t)
			do(t, ctx, s.open(name))
			do(t, ctx, eventually(`window.streaming === true`))
			do(t, ctx, script(count), offline(true))
			within(t)
			do(t, ctx, offline(false), eventually(`!`+lost))
			do(t, ctx, s.leave()...)
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

// TestScanned shows that the page of the code changes in place when the phone
// opens it.
func TestScanned(t *testing.T) {
	s := newSite(t)
	ctx := openBrowser(t)
	do(t, ctx, s.open("code"), script(`window.before = true`),
		chromedp.Sleep(200*time.Millisecond))
	s.set(map[string]any{"scanned": true})
	do(t, ctx, eventually(`window.before && !document.querySelector("[data-when=scanned]").hidden &&
		document.querySelector("[data-when=waiting]").hidden`))
}

// TestCodeIsRenewed checks that the page shows each next code, and veils one that it could not
// renew.
func TestCodeIsRenewed(t *testing.T) {
	s := newSite(t)
	ctx := openBrowser(t)
	const shown = `document.querySelector("[data-qr] svg").dataset.n`
	do(t, ctx, s.open("code"), eventually(shown+` === "1"`), eventually(shown+` === "3"`))
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
