package e2e_test

import (
	"context"
	"os"
	"slices"
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
	call := func(b *browser, f func(ctx context.Context, target *chromedp.Target) error) {
		t.Helper()
		if err := chromedp.Do(b.ctx, chromedp.Func(f)); err != nil {
			t.Fatal(err)
		}
	}
	slow := func(b *browser) {
		call(b, func(ctx context.Context, target *chromedp.Target) error {
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
		})
	}
	for name, url := range map[string]string{"landing": in.SigningURL, "phone": s.url + "/phone/", "scan": s.url + "/phone/scan"} {
		b := newBrowser(t, 390, 844)
		slow(b)
		b.open(url)
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
		var times []float64
		var report string
		for range 5 {
			b := newBrowser(t, 390, 844)
			b.open(s.initiate(t).SigningURL)
			b.press("Log in")
			b.press("TAN XIAO HUI")
			b.until("drawing the first page", `document.querySelector(".sheet.drawn")`)
			url := b.location().String()
			b.open("about:blank")
			slow(b)
			b.onPages(noteFirstPage)
			if !cached {
				call(b, clearCache)
			}
			b.open(url)
			b.until("drawing the first page", `performance.getEntriesByName("first page")[0]`)
			drawn, err := eval[float64](
				b, `performance.getEntriesByName("first page")[0].startTime`,
			)
			if err != nil {
				t.Fatal(err)
			}
			times = append(times, drawn)
			report = b.read(`(() => {
				const all = ["navigation", "resource"].flatMap((type) => performance.getEntriesByType(type));
				const sent = all.filter((e) => e.transferSize > 0);
				return sent.reduce((sum, e) => sum + e.transferSize, 0) + " bytes in " + sent.length + " files";
			})()`)
		}
		slices.Sort(times)
		t.Logf(
			"document, viewer cached %t: first page drawn by %.0f ms, median of %.0f, %s",
			cached, times[len(times)/2], times, report,
		)
	}
}

// noteFirstPage makes every page of a browser mark the time at which the first page of its document
// is drawn.
const noteFirstPage = `
	new MutationObserver((_, observer) => {
		if (!document.querySelector(".sheet.drawn")) return;
		performance.mark("first page");
		observer.disconnect();
	}).observe(document, { subtree: true, childList: true, attributeFilter: ["class"] });`

func clearCache(ctx context.Context, target *chromedp.Target) error {
	_, err := cdp.Call(ctx, target, network.ClearBrowserCache, cdp.Empty{})
	return err
}
