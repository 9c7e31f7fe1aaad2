package ui_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/signet-sign/signet/internal/server/portal"
)

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
	// another click sends nothing more
	const again = `(form => { form.requestSubmit(); return form.querySelectorAll("progress").length })(document.querySelector("form:has(progress)"))`
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
		if n := eval[int](t, ctx, again); n != 1 {
			t.Errorf("the form is being sent %d times", n)
		}
	}
	do(t, ctx, window(390, 844, false), s.open("verify"))
	sent("#verify-file", "[data-verify-form] button")
	do(t, ctx, eventually(`document.querySelector("[data-verified]")?.hidden === false`))

	do(t, ctx, s.open("demo-home"))
	s.mu.Lock()
	s.refuse = true
	s.mu.Unlock()
	sent("#demo-file", "[data-demo-form] button[type=submit]")
	do(
		t, ctx,
		eventually(`document.querySelector("main [role=alert]") !== null && location.pathname === "/gallery/demo-home"`),
	)
	s.mu.Lock()
	s.refuse = false
	s.mu.Unlock()
	sent("#demo-file", "[data-demo-form] button[type=submit]")
	do(t, ctx, eventually(`location.pathname === "/gallery/demo-request"`))
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

// TestVerifyDropped drops a document anywhere on the page for checking documents, as it says, and
// another one on the page that shows the first. The window listens once, however many it checks.
func TestVerifyDropped(t *testing.T) {
	text, err := os.ReadFile(verifyCases + "intact/product_lta.pdf")
	if err != nil {
		t.Fatal(err)
	}
	s := newSite(t)
	ctx := openBrowser(t)
	drop := func(name string) {
		t.Helper()
		do(t, ctx, script(fmt.Sprintf(
			`{
				const dropped = new DataTransfer();
				dropped.items.add(new File(
					[Uint8Array.from(atob(%q), (c) => c.charCodeAt(0))], %q,
					{ type: "application/pdf" },
				));
				document.body.dispatchEvent(
					new DragEvent("drop", { bubbles: true, cancelable: true, dataTransfer: dropped }),
				);
			}`,
			base64.StdEncoding.EncodeToString(text), name,
		)), eventually(`document.querySelector(".place-box.signed") !== null`))
	}
	do(
		t, ctx,
		beforePage(`window.drops = 0;
			const listen = window.addEventListener;
			window.addEventListener = function (kind, ...rest) {
				if (kind === "drop") window.drops++;
				return listen.call(this, kind, ...rest);
			}`),
		s.open("verify"),
		eventually(`!document.querySelector("[data-verify-drop]").hidden`),
	)
	drop("lease.pdf")
	do(t, ctx, script(`document.querySelector("[data-verify]").dataset.first = ""`))
	drop("annex.pdf")
	do(t, ctx, eventually(`document.querySelector("[data-verify][data-first]") === null`))
	if n := eval[int](t, ctx, `window.drops`); n != 1 {
		t.Errorf("the window listens to drops %d times", n)
	}
}

// TestVerifyMarksThePlaces sends a document to be checked: the page says what it proves and shows
// it, from the browser's own copy, with the number of each signature at its place.
func TestVerifyMarksThePlaces(t *testing.T) {
	s := newSite(t)
	ctx := openBrowser(t)
	do(t, ctx, s.open("verify"))
	do(t, ctx, checkDocument(verifyCases+"intact/product_lta.pdf")...)
	want := s.pages["verify-passed"].Page.(portal.Verify).Verdict
	do(
		t,
		ctx,
		eventually(
			fmt.Sprintf(
				`document.querySelectorAll(".place-box.signed").length === %d`, len(want.Places),
			),
		),
		eventually(
			fmt.Sprintf(
				`document.querySelectorAll(".signature").length === %d`, len(want.Signatures),
			),
		),
		eventually(`document.querySelector(".place-box.signed .place-number").textContent === "1"`),
		eventually(
			`(() => { const b = document.querySelector(".place-box.signed"); const p = b.parentElement.getBoundingClientRect(), r = b.getBoundingClientRect();
			return `+fmt.Sprintf(
				"Math.abs((r.left - p.left) / p.width - %f) < 0.01 && Math.abs(r.width / p.width - %f) < 0.01",
				want.Places[0].X, want.Places[0].Width,
			)+`; })()`,
		),
		eventually(
			`document.querySelector("[data-verify] h1").textContent === "The document is as it was signed"`,
		),
	)
}
