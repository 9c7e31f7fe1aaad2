package ui_test

import (
	"context"
	"strings"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/storage"
	"github.com/chromedp/chromedp"
)

// shot is a page of the gallery in one more state that only script reaches.
type shot struct {
	name    string
	page    string // sample
	prepare []step
}

// hasKey says that the browser is a phone with a key.
func (p shot) hasKey() bool {
	return p.page == "phone-approve" || p.page == "phone-approve-warned" ||
		strings.HasPrefix(p.page, "phone-home") && len(p.prepare) > 0
}

// enrolled are the steps on the page phone-enrol that make a key.
var enrolled = []step{
	click("[data-enrol-form] button"),
	eventually(`!document.querySelector("[data-step=done]").hidden`),
}

// visit opens a page of the gallery in the state of a shot, whatever was visited before.
func (s *site) visit(p shot) []step {
	steps := append(s.leave(), chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, storage.ClearDataForOrigin, storage.ClearDataForOriginParams{
			Origin: s.URL, StorageTypes: "indexeddb",
		})
		return err
	}))
	if p.hasKey() {
		steps = append(append(steps, s.open("phone-enrol")), enrolled...)
	}
	steps = append(steps, s.open(p.page))
	if strings.HasPrefix(p.page, "document") {
		steps = append(steps, eventually(viewerReady))
	}
	return append(steps, p.prepare...)
}

func shots() []shot {
	var all []shot
	drawn := eventually(viewerReady)
	for _, s := range Gallery() {
		switch s.Name {
		case "phone-approve", "phone-approve-warned", "signed": // below, when they are complete
		case "demo-place":
			all = append(all, shot{s.Name, s.Name, []step{drawn}})
		default:
			all = append(all, shot{name: s.Name, page: s.Name})
		}
	}
	known := eventually(`document.querySelector("[data-phones][aria-busy]") === null`)
	return append(
		all,
		shot{"document-reviewed", "document", []step{
			drawn, eventually(`!document.querySelector("[data-next-place]").disabled`),
			click("[data-next-place]"),
			eventually(`document.querySelectorAll(".place.done").length == 1`),
			click("[data-next-place]"),
			eventually(`document.querySelectorAll(".place.done").length == 2`),
			click("[data-next-place]"),
			eventually(`!document.querySelector("[data-proceed] button").disabled`),
		}},
		shot{"document-pages", "document", []step{
			drawn, click("[data-viewer-side-button]"),
			eventually(`document.querySelectorAll(".thumbnail.drawn").length > 1 &&
				!document.querySelector("[data-viewer-outline]").hidden`),
		}},
		shot{"document-search", "document", []step{
			drawn, click("[data-viewer-search-button]"), chromedp.KeyEvent("clause 16"),
			eventually(`document.querySelectorAll(".found.current").length > 0`),
		}},
		shot{"document-pages-seen", "document-all-pages", []step{
			drawn, click("[data-viewer-side-button]"),
			eventually(
				`document.querySelectorAll(".thumbnail.drawn .thumbnail-state").length > 1`,
			),
		}},
		shot{"signed", "signed", []step{
			eventually(`document.querySelectorAll(".signed-places .thumbnail.drawn").length === 3`),
		}},
		shot{"console-request-document", "console-request-refused", []step{
			click("[data-show-document]"), drawn,
			eventually(`document.querySelectorAll(".place-box").length == 2`),
		}},
		shot{"signed-viewer", "signed", []step{click("[data-show-document]"), drawn}},
		shot{"phone-enrol-done", "phone-enrol", enrolled},
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
			eventually(`!document.querySelector("[data-view]").disabled`),
			// It may be below the buttons, which stay at the bottom of the window.
			script(`document.querySelector("[data-view]").scrollIntoView({block: "nearest"})`),
			click("[data-view]"), drawn,
		}},
		shot{"document-failed", "document", []step{
			drawn, script(broken),
			eventually(`[...document.querySelectorAll(".sheet")]
				.every(s => s.matches(".failed") || s.scrollIntoView())`),
			click("[data-next-place]"),
			eventually(`document.querySelector("[data-read-document]").checkVisibility()`),
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
			script(`
				window.EventSource = class {
					addEventListener(kind, f) { if (kind === "error") setTimeout(f) }
					close() {}
				};
				window.fetch = () => Promise.reject(new TypeError());
				dispatchEvent(new Event("online"))`),
			eventually(`!document.querySelector("[data-lost]").hidden`),
		}},
		shot{"landing-languages", "landing-intended", []step{
			script(`document.querySelector(".language summary").click()`), // and no mouse over it
		}},
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
			script(`navigator.mediaDevices.getUserMedia =
				() => Promise.reject(new DOMException("", "NotAllowedError"))`),
			click("[data-scan-start]"),
			eventually(`!document.querySelector("[data-scan-error]").hidden`),
		}},
		shot{"phone-enrol-offline", "phone-enrol", []step{
			script(`window.fetch = () => Promise.reject(new TypeError())`),
			click("[data-enrol-form] button"),
			eventually(`!document.querySelector("[data-enrol-error]").hidden`),
		}},
		shot{"phone-approve-offline", "phone-approve", []step{
			eventually(`!document.querySelector("[data-do=approve]").disabled`),
			script(`window.fetch = () => Promise.reject(new TypeError())`),
			click("[data-do=approve]"),
			eventually(`!document.querySelector("[data-approve-error]").hidden`),
		}},
		shot{"phone-approved", "phone-approve", []step{
			eventually(`!document.querySelector("[data-do=approve]").disabled`),
			click("[data-do=approve]"),
			eventually(`!document.querySelector("[data-step=approved]").hidden`),
		}},
	)
}

// viewerReady says that a viewer has drawn what is in view.
const viewerReady = `document.querySelector("[data-viewer-ready]") !== null`

// broken is a browser without memory: the pages that it has drawn are empty, and it draws no
// others, not even as small as they are in a narrow window.
const broken = `{
	const real = HTMLCanvasElement.prototype.getContext;
	HTMLCanvasElement.prototype.getContext = function (...a) {
		return this.width * this.height > 50000 ? null : real.apply(this, a)
	};
	document.dispatchEvent(new Event("visibilitychange"));
}`
