package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"

	"github.com/signet-sign/signet/api"
)

// TestPlaceByHand places boxes on the demo's document with the mouse and the keyboard, and makes
// the request: the signer's place is where the box was.
func TestPlaceByHand(t *testing.T) {
	s := start(t)
	b := newBrowser(t, 1280, 900)
	b.open(s.url + "/demo/place")
	// Nothing moves or is drawn again from then on.
	b.until(
		"drawing the sample",
		`document.querySelector("[data-viewer-ready][data-viewer-idle] .sheet.drawn") !== null`,
	)
	places := func() (list []api.Location) {
		t.Helper()
		text := b.read(`document.querySelector("[name=locations]").value`)
		if err := json.Unmarshal([]byte(text), &list); err != nil {
			t.Fatal(err)
		}
		return list
	}
	b.until("the page at the top", `{
		document.querySelector('[data-sheet="1"]').scrollIntoView({block: "start"});
		return true;
	}`)

	b.drag([2]float64{0.5, 0.3}, [2]float64{0.5, 0.3}) // a click
	made := places()
	if len(made) != 1 || made[0].Page != 1 || made[0].X < 0.3 || made[0].X > 0.33 ||
		made[0].Y < 0.65 || made[0].Y > 0.68 {
		t.Fatalf("a click gives %+v", made)
	}
	b.shot("one")
	b.drag([2]float64{0.5, 0.3}, [2]float64{0.6, 0.4})
	moved := places()
	if len(moved) != 1 || moved[0].X-made[0].X < 0.09 || made[0].Y-moved[0].Y < 0.09 {
		t.Fatalf("dragged from %+v to %+v", made, moved)
	}
	key := func(name string) {
		t.Helper()
		b.until(name, fmt.Sprintf(`{
			document.querySelector(".own-box:last-of-type").focus();
			document.activeElement.dispatchEvent(new KeyboardEvent("keydown", {key: %q, bubbles: true}));
			return true;
		}`, name))
	}
	key("ArrowUp")
	moved[0].Y += 0.01
	if got := places(); got[0].X != moved[0].X || got[0].Y < moved[0].Y-0.0002 ||
		got[0].Y > moved[0].Y+0.0002 {
		t.Fatalf("up from %+v to %+v", moved, got)
	}
	b.drag([2]float64{0.6, 0.45}, [2]float64{0.6, 0.45}) // half over the first
	if len(places()) != 2 {
		t.Fatalf("two clicks give %+v", places())
	}
	b.until("the overlap is shown", `document.querySelectorAll(".own-box.overlaps").length === 2`)
	key("Delete")
	if len(places()) != 1 {
		t.Fatalf("after Delete: %+v", places())
	}
	want := fmt.Sprintf("%.4f", places()[0].X)
	b.press("Create sign request")
	b.press("Sign")
	b.press("Log in")
	b.press("TAN XIAO HUI")
	b.until("seeing the place", `document.querySelector("[data-viewer]")?.dataset.places`)
	got := b.read(
		`JSON.parse(document.querySelector("[data-viewer]").dataset.places)[0].x.toFixed(4)`,
	)
	if got != want {
		t.Errorf("the signer's place is at %s, not at %s", got, want)
	}
}

// drag presses the mouse on the first page, moves and releases it; points are fractions of the page
// from its upper left corner.
func (b *browser) drag(from, to [2]float64) {
	b.t.Helper()
	area, err := eval[map[string]float64](
		b, `document.querySelector('[data-sheet="1"]').getBoundingClientRect().toJSON()`,
	)
	if err != nil {
		b.fail("measuring the page", err)
	}
	at := func(p [2]float64) (x, y float64) {
		return area["left"] + p[0]*area["width"], area["top"] + p[1]*area["height"]
	}
	x0, y0 := at(from)
	x1, y1 := at(to)
	err = chromedp.Do(b.ctx, chromedp.Func(
		func(ctx context.Context, target *chromedp.Target) error {
			for _, e := range []input.DispatchMouseEventParams{
				{Type: "mousePressed", X: x0, Y: y0, Button: "left", ClickCount: 1},
				{Type: "mouseMoved", X: (x0 + x1) / 2, Y: (y0 + y1) / 2, Button: "left"},
				{Type: "mouseMoved", X: x1, Y: y1, Button: "left"},
				{Type: "mouseReleased", X: x1, Y: y1, Button: "left", ClickCount: 1},
			} {
				if _, err := cdp.Call(ctx, target, input.DispatchMouseEvent, e); err != nil {
					return err
				}
			}
			return nil
		},
	))
	if err != nil {
		b.fail("dragging", err)
	}
}
