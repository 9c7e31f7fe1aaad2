package ui_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// TestZone checks that the console writes all times in the browser's zone or in the one that the
// operator chooses, in one form, and that the search sends the zone of its days.
func TestZone(t *testing.T) {
	s := newSite(t)
	ctx := openBrowser(t)
	said := watchConsole(ctx)
	do(t, ctx, window(1280, 800, false), chromedp.Func(
		func(ctx context.Context, target *chromedp.Target) error {
			_, err := cdp.Call(
				ctx, target, emulation.SetTimezoneOverride,
				emulation.SetTimezoneOverrideParams{TimezoneID: "America/New_York"},
			)
			return err
		},
	))
	const created = `document.querySelector("#facts time").textContent`
	do(t, ctx, s.open("console-request"), eventually(created+` === "9 Mar 2026, 01:54:00"`))
	if odd := eval[string](t, ctx, `[...document.querySelectorAll("time")].map(t => t.textContent).filter(t => !/^\d{1,2} [A-Z][a-z]{2} \d{4}, \d\d:\d\d:\d\d$/.test(t)).join("; ")`); odd != "" {
		t.Errorf("times in another form: %s", odd)
	}
	const choose = `{ const s = document.querySelector("[data-zone]"); s.value = "%s"; s.dispatchEvent(new Event("change")) }`
	for zone, want := range map[string]string{
		"UTC": "9 Mar 2026, 05:54:00", "service": "9 Mar 2026, 13:54:00",
		"America/New_York": "9 Mar 2026, 01:54:00",
	} {
		do(
			t, ctx, script(fmt.Sprintf(choose, zone)), eventually(created+` === "`+want+`"`),
			s.open("console-requests"),
		)
		sent := zone
		if zone == "service" {
			sent = ""
		}
		do(
			t,
			ctx,
			eventually(`!document.querySelector("[data-zone]").disabled`),
			eventually(
				`(new FormData(document.querySelector("form.filters")).get("zone") ?? "") === "`+sent+`"`,
			),
			s.open("console-request"),
			eventually(created+` === "`+want+`"`),
		)
	}
	said.check(t)
}
