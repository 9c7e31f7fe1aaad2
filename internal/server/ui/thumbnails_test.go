package ui_test

import (
	"math"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// TestThumbnails opens the list of pages of a document of which every page must be seen: a place
// has the same part of its page there as in the viewer and shows that it was reviewed, each page
// says whether it was seen, and arrows lead from page to page.
func TestThumbnails(t *testing.T) {
	s := newSite(t)
	s.pdf = testPDF(6)
	ctx := openBrowser(t)
	do(t, ctx,
		window(1280, 900, false),
		s.open("document-all-pages"),
		eventually(`!document.querySelector("[data-next-place]").disabled`),
		click("[data-viewer-side-button]"),
		eventually(`document.querySelector("[data-thumbnail-place]") !== null`),
	)
	got := eval[[][]float64](t, ctx, `(() => {
		const part = (inner, outer) => {
			const [a, b] = [inner.getBoundingClientRect(), outer.getBoundingClientRect()];
			return [(a.left - b.left) / b.width, (a.top - b.top) / b.height, a.width / b.width, a.height / b.height];
		};
		const mark = document.querySelector("[data-thumbnail-place]"), box = document.querySelector(".place-box");
		return [part(mark, mark.closest(".thumbnail-page")), part(box, box.closest(".sheet"))];
	})()`)
	for i := range got[0] {
		if math.Abs(got[0][i]-got[1][i]) > 0.02 {
			t.Errorf("the place is at %v of the thumbnail and at %v of the page", got[0], got[1])
			break
		}
	}
	const states = `[...document.querySelectorAll(".thumbnail")].map(e => e.querySelector(".thumbnail-state").textContent).join()`
	do(t, ctx,
		eventually(states+` === "Seen,Not seen,Not seen,Not seen,Not seen,Not seen"`),
		click("[data-next-place]"),
		eventually(`document.querySelectorAll("[data-thumbnail-place].done").length === 1`),
		script(`document.querySelector('.thumbnail[tabindex="0"]').focus()`),
		chromedp.KeyEvent(kb.End+kb.ArrowUp+kb.ArrowUp),
		eventually(`document.activeElement.dataset.thumbnail === "4"`),
		chromedp.KeyEvent("\r"),
		inView(4, 0),
		eventually(states+`.startsWith("Seen,") && `+states+`.split(",")[3] === "Seen"`),
		eventually(`document.querySelector(".thumbnail[aria-current]").dataset.thumbnail === "4" &&
			document.querySelectorAll('.thumbnail[tabindex="0"]').length === 1`),
	)
}

// TestSignedPlaces shows the pages that were signed below the facts of the signature; one of them
// leads to the page in the document. Without the viewer's worker there is no such list.
func TestSignedPlaces(t *testing.T) {
	s, without := newSite(t), newSite(t) // closed after the browser, whose streams they would wait for
	without.missing = without.kit.AssetURL("pdf.worker.js")
	ctx := openBrowser(t)
	do(
		t,
		ctx,
		window(390, 844, false),
		s.open("signed"),
		eventually(
			`document.querySelectorAll(".signed-places .thumbnail.drawn [data-thumbnail-place]").length === 3`,
		),
		click(`.signed-places [data-thumbnail="3"]`),
		eventually(
			`document.querySelector('[data-sheet="3"].drawn') !== null && document.querySelector("[data-viewer-page]").value === "3"`,
		),
	)

	do(
		t, ctx, without.open("signed"), click("[data-show-document]"),
		eventually(`!document.querySelector("[data-viewer-failed]").hidden && document.querySelector(".signed-places").hidden`),
	)
}
