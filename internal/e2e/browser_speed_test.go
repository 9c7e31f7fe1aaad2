package e2e_test

import (
	"context"
	"os"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// TestSpeed reports how soon the signer's pages can be used on a mid-range phone: a processor four
// times slower, and a mobile network of 1.6 Mbit/s down, 750 kbit/s up, 150 ms. It judges nothing,
// because the machine's own load would be judged with it; run it alone, with SPEED=1.
func TestSpeed(t *testing.T) {
	if os.Getenv("SPEED") == "" {
		t.Skip("SPEED is not set")
	}
	s := start(t)
	in := s.initiate(t)
	slow := func(b *browser) {
		err := chromedp.Do(
			b.ctx,
			chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
				if _, err := cdp.Call(ctx, target, network.Enable, network.EnableParams{}); err != nil {
					return err
				}
				if _, err := cdp.Call(ctx, target, network.EmulateNetworkConditionsByRule, network.EmulateNetworkConditionsByRuleParams{
					MatchedNetworkConditions: []*network.Conditions{{Latency: 150, DownloadThroughput: 1.6e6 / 8, UploadThroughput: 750e3 / 8}},
				}); err != nil {
					return err
				}
				_, err := cdp.Call(
					ctx, target, emulation.SetCPUThrottlingRate,
					emulation.SetCPUThrottlingRateParams{Rate: 4},
				)
				return err
			}),
		)
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, page := range map[string]string{"landing": in.SigningURL, "phone": s.url + "/phone/", "scan": s.url + "/phone/scan"} {
		b := newBrowser(t, 390, 844)
		slow(b)
		b.open(page)
		b.until("loading", `document.readyState === "complete"`)
		// The scripts are modules: they have run when the document's content counts as loaded.
		t.Logf("%s: %s", name, b.read(`(() => {
			const n = performance.getEntriesByType("navigation")[0];
			const paint = performance.getEntriesByName("first-contentful-paint")[0];
			const bytes = [n, ...performance.getEntriesByType("resource")].reduce((sum, e) => sum + e.transferSize, 0);
			return "first paint " + Math.round(paint ? paint.startTime : 0) + " ms, interactive " + Math.round(n.domContentLoadedEventEnd) +
				" ms, loaded " + Math.round(n.loadEventEnd) + " ms, " + bytes + " bytes";
		})()`))
	}

	// The page of the document, with and without the viewer in the browser's cache, where the
	// landing page puts it.
	for _, cached := range []bool{true, false} {
		b := newBrowser(t, 390, 844)
		b.open(s.initiate(t).SigningURL)
		b.press("Log in")
		b.press("TAN XIAO HUI")
		b.until("drawing the first page", `document.querySelector(".sheet.drawn")`)
		page := b.location().String()
		b.open("about:blank")
		if !cached {
			err := chromedp.Do(
				b.ctx,
				chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
					_, err := cdp.Call(ctx, target, network.ClearBrowserCache, cdp.Empty{})
					return err
				}),
			)
			if err != nil {
				t.Fatal(err)
			}
		}
		slow(b)
		b.open(page)
		b.until("drawing the first page", `document.querySelector(".sheet.drawn")`)
		t.Logf("document, viewer cached %t: %s", cached, b.read(`(() => {
			const n = performance.getEntriesByType("navigation")[0];
			const bytes = [n, ...performance.getEntriesByType("resource")].reduce((sum, e) => sum + e.transferSize, 0);
			return "interactive " + Math.round(n.domContentLoadedEventEnd) + " ms, first page drawn by " + Math.round(performance.now()) + " ms, " + bytes + " bytes";
		})()`))
	}
}
