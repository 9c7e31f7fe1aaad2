package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/png"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/signet-sign/signet/internal/party/partytest"
	"github.com/signet-sign/signet/internal/server/ui/browsertest"
)

// browser is a Chromium with a fresh profile: the signer's computer, or the signer's phone.
type browser struct {
	t   *testing.T
	ctx context.Context
	dir string // where screenshots go

	console []string
}

// newBrowser starts a browser at a window size, with further options.
func newBrowser(t *testing.T, width, height int, more ...chromedp.ExecAllocatorOption) *browser {
	t.Helper()
	options := append([]chromedp.ExecAllocatorOption{chromedp.WindowSize(width, height)}, more...)
	return openBrowser(t, browsertest.Start(t, options...))
}

// newDesktopBrowser starts Chromium in the form that people use.
func newDesktopBrowser(
	t *testing.T, width, height int, more ...chromedp.ExecAllocatorOption,
) *browser {
	t.Helper()
	options := append([]chromedp.ExecAllocatorOption{chromedp.WindowSize(width, height)}, more...)
	return openBrowser(t, browsertest.StartDesktop(t, options...))
}

func openBrowser(t *testing.T, ctx context.Context) *browser {
	t.Helper()
	b := &browser{t: t, ctx: ctx, dir: os.Getenv("SCREENSHOTS")}
	messages := chromedp.Console(ctx)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("starting chromium: %v", err)
	}
	go func() {
		for m, err := range messages {
			if err != nil {
				return
			}
			b.console = append(b.console, fmt.Sprint(m))
		}
	}()
	return b
}

// fail shows what the page looks like and ends the test.
func (b *browser) fail(what string, err error) {
	b.t.Helper()
	b.shot("failed")
	text, _ := eval[string](b, `location.href + "\n" + document.body.innerText`)
	b.t.Fatalf("%s: %v; the page is\n%s\nconsole: %q", what, err, text, b.console)
}

// eval runs a script on the page.
func eval[T any](b *browser, script string) (T, error) {
	ctx, cancel := context.WithTimeout(b.ctx, time.Minute)
	defer cancel()
	return chromedp.Run(ctx, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
}

// until runs a script again and again until it says true, over any change of page in between.
func (b *browser) until(what, script string) {
	b.t.Helper()
	var err error
	for begin := time.Now(); time.Since(begin) < time.Minute; time.Sleep(20 * time.Millisecond) {
		var ok bool
		if ok, err = eval[bool](b, `(async () => Boolean(document.body && await (() => `+script+`)()))()`); err == nil &&
			ok {
			return
		}
	}
	b.fail(what, fmt.Errorf("it does not happen (%v)", err))
}

// onPages runs a script on every page that is opened from now on, before the page's own.
func (b *browser) onPages(script string) {
	b.t.Helper()
	note := chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(
			ctx, target, page.AddScriptToEvaluateOnNewDocument,
			page.AddScriptToEvaluateOnNewDocumentParams{Source: script},
		)
		return err
	})
	if err := chromedp.Do(b.ctx, note); err != nil {
		b.t.Fatal(err)
	}
}

// open goes to a page.
func (b *browser) open(url string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, time.Minute)
	defer cancel()
	err := chromedp.Do(ctx, chromedp.Navigate(url))
	for try := 0; err != nil && strings.Contains(err.Error(), "net::ERR_ABORTED") && try < 5; try++ {
		err = chromedp.Do(ctx, chromedp.Navigate(url)) // the page went elsewhere by itself
	}
	if err != nil {
		b.fail("opening "+url, err)
	}
}

// sees waits for a text on the page.
func (b *browser) sees(text string) {
	b.t.Helper()
	b.until("seeing "+text, fmt.Sprintf(`document.body.innerText.includes(%q)`, text))
}

// press clicks the button or link with a text, as soon as it can be clicked.
func (b *browser) press(text string) {
	b.t.Helper()
	b.until("pressing "+text, fmt.Sprintf(`{
		const found = [...document.querySelectorAll("button, a")].find(e => e.innerText.includes(%q) && !e.disabled && e.checkVisibility());
		if (!found) return false;
		found.click();
		return true;
	}`, text))
}

// text reads one element's text or attribute.
func (b *browser) read(script string) string {
	b.t.Helper()
	v, err := eval[string](b, script)
	if err != nil {
		b.fail("reading the page", err)
	}
	return v
}

// shot takes a screenshot when SCREENSHOTS names a folder.
func (b *browser) shot(name string) {
	if b.dir == "" {
		return
	}
	_, _ = eval[bool](
		b,
		`new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))`,
	)
	ctx, cancel := context.WithTimeout(b.ctx, time.Minute)
	defer cancel()
	png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		b.t.Logf("screenshot: %v", err)
		return
	}
	_ = os.MkdirAll(b.dir, 0o755)
	_ = os.WriteFile(
		filepath.Join(b.dir, strings.ReplaceAll(b.t.Name(), "/", "-")+"-"+name+".png"), png, 0o644,
	)
}

// review visits the places one after the other. One is reviewed when it lies whole in the window; a
// click that came before the page could take it is repeated.
func (b *browser) review() {
	b.t.Helper()
	b.until("reviewing every place", `{
		const proceed = document.querySelector("form[data-proceed] button");
		if (proceed && !proceed.disabled) return true;
		const place = document.querySelector("[data-place]:not(.done)");
		if (place && (window.visited !== place || Date.now() - window.visitedAt > 2000)) {
			[window.visited, window.visitedAt] = [place, Date.now()];
			place.click();
		}
		return false;
	}`)
}

func (b *browser) location() *url.URL {
	b.t.Helper()
	u, err := url.Parse(b.read(`location.href`))
	if err != nil {
		b.t.Fatal(err)
	}
	return u
}

// code is what the QR code on the page says now.
func (b *browser) code() string {
	b.t.Helper()
	return b.read(
		`fetch(document.querySelector("[data-qr]").dataset.qr).then(a => a.json()).then(c => c.url)`,
	)
}

// scan opens what desk's QR code says. On a busy machine a code may be too old when it arrives:
// then it is scanned again.
func (b *browser) scan(desk *browser) {
	b.t.Helper()
	for range 10 {
		b.open(desk.code())
		if !strings.Contains(b.read(`document.body.innerText`), "too old") {
			return
		}
	}
	b.fail("scanning", fmt.Errorf("every code was too old"))
}

// TestJourney is the whole of it: portal on a computer, approval on a phone with a key of its own,
// back to the relying party.
func TestJourney(t *testing.T) {
	s := start(t)
	in := s.initiate(
		t,
		partytest.Claim("doc_name", "Tenancy agreement.pdf"),
		partytest.Claim("sign_locations", []any{
			map[string]any{"page": 1, "x": 0.1, "y": 0.1},
			map[string]any{"page": 1, "x": 0.55, "y": 0.3},
		}),
	)
	desk := newDesktopBrowser(t, 1280, 900)
	desk.open(in.SigningURL)
	desk.sees("Tenancy agreement.pdf")
	desk.shot("landing")
	desk.press("Log in")
	desk.sees("TAN XIAO HUI")
	desk.shot("personas")
	desk.press("TAN XIAO HUI")
	desk.sees("0 of 2")
	desk.shot("document")
	desk.review()
	desk.press("Proceed to Sign")
	desk.sees("match")
	desk.shot("code")
	code := desk.read(`document.querySelector(".match [aria-hidden]").innerText`)

	phone := newDesktopBrowser(t, 390, 844)
	phone.scan(desk)
	phone.press("TAN XIAO HUI")
	phone.shot("enrol")
	phone.press("Create")
	phone.sees("This phone is ready")
	phone.sees("Signet") // the issuer of the certificate
	phone.shot("enrolled")
	phone.press("Continue")
	phone.sees(code)
	phone.sees("Tenancy agreement.pdf")
	phone.sees("Checked on this phone")
	phone.shot("approve")
	desk.sees("phone")
	phone.press("Approve")
	desk.sees("TAN XIAO HUI")
	desk.until("showing the signed document", `document.querySelector('a[href*="signed.pdf"]')`)
	desk.shot("signed")
	phone.sees("Your signature is complete")
	phone.shot("phone-signed")
	desk.press("Return to")
	desk.sees("back at the relying party")
	if q := desk.location().Query(); q.Get("request_id") != in.RequestID ||
		q.Get("status") != "success" {
		t.Errorf("the browser came back with %v", q)
	}
	s.settled(t, in.RequestID, "signed")
	if _, err := s.party.WaitWebhook(t.Context(), 0); err != nil {
		t.Error(err)
	}
}

// TestViewerIsAtHand checks that what the page of the document needs is fetched while the person
// reads the landing page.
func TestViewerIsAtHand(t *testing.T) {
	s := start(t)
	b := newBrowser(t, 390, 844)
	b.open(s.initiate(t).SigningURL)
	const parts = `performance.getEntriesByType("resource").filter(e => /viewer-|pdf[.]worker-/.test(e.name) && e.responseEnd > 0)`
	b.until("fetching the viewer", parts+`.length === 2`)
	b.press("Log in")
	b.press("TAN XIAO HUI")
	b.until("drawing the first page", `document.querySelector(".sheet.drawn")`)
	if n := b.read(parts + `.filter(e => e.transferSize > 0).map(e => e.name).join(" ")`); n != "" {
		t.Errorf("fetched once more: %s", n)
	}
}

// TestLettersOfSample looks at the pixels of the sandbox's sample, whose fonts are not embedded:
// the letters of its heading have the widths that the document reckons with, so that white lies
// between them.
func TestLettersOfSample(t *testing.T) {
	s := start(t)
	b := newBrowser(t, 1280, 900)
	b.open(s.url + "/demo/")
	b.press("Create sign request")
	b.press("Sign")
	b.press("Log in")
	b.press("TAN XIAO HUI")
	const heading = `[...document.querySelectorAll('[data-sheet="1"] .textLayer span')].find(e => e.textContent === "Tenancy agreement")`
	b.until("drawing the first page", heading)
	letters, err := eval[int](b, `(() => {
		const canvas = document.querySelector('[data-sheet="1"] canvas'), all = canvas.getBoundingClientRect(), line = `+heading+`.getBoundingClientRect();
		const f = canvas.width / all.width, width = Math.round(line.width * f) + 4, height = Math.round(line.height * f);
		const { data } = canvas.getContext("2d").getImageData((line.left - all.left) * f, (line.top - all.top) * f, width, height);
		const inked = x => { for (let y = 0; y < height; y++) if (data[4 * (y * width + x)] < 160) return true; return false };
		let runs = 0;
		for (let x = 1; x < width; x++) if (inked(x) && !inked(x - 1)) runs++;
		return runs;
	})()`)
	if err != nil {
		t.Fatal(err)
	}
	if want := len("Tenancyagreement"); letters != want {
		t.Errorf("the heading has %d letters that stand apart, want %d", letters, want)
	}
	b.shot("sample")
}

// capture takes a picture of a part of the page.
func capture(clip page.Viewport) chromedp.Action[[]byte] {
	return func(ctx context.Context, target *chromedp.Target) ([]byte, error) {
		answer, err := cdp.Call(
			ctx, target, page.CaptureScreenshot, page.CaptureScreenshotParams{Clip: &clip},
		)
		if err != nil {
			return nil, err
		}
		return answer.Data, nil
	}
}

// scaled returns the part of a picture at x, y as a picture of 441 by 120 pixels, each the nearest
// one of the pixels that are step apart.
func scaled(picture image.Image, x, y, step float64) image.Image {
	part := image.NewRGBA(image.Rect(0, 0, 441, 120))
	for j := range 120 {
		for i := range 441 {
			part.Set(i, j, picture.At(int(x+step*(float64(i)+0.5)), int(y+step*(float64(j)+0.5))))
		}
	}
	return part
}

// TestPreviewIsWhatIsSigned compares the pixels of the preview on the review page with those of the
// signed document, at the same place of the same page and at the same scale: the mark, what shows
// through around it, and where the SANDBOX badge lies.
func TestPreviewIsWhatIsSigned(t *testing.T) {
	s := start(t)
	in := s.initiate(
		t, partytest.Claim("sign_locations", []any{map[string]any{"page": 1, "x": 0.1, "y": 0.7}}),
	)
	// The viewer draws the signed document less than one CSS pixel a point, so a picture of two pixels
	// a point is sharp only on a screen with more pixels. A screenshot with a scale moves what it shows
	// by up to a pixel: the screenshots have the pixels of the screen, and scaled takes some of them.
	const density = 3
	b := newDesktopBrowser(
		t, 1280, 900, chromedp.Flag("force-device-scale-factor", strconv.Itoa(density)),
	)
	// box is the box of the signature on the web page.
	const box = `(sheet => { const r = sheet.getBoundingClientRect(), f = r.width / parseFloat(sheet.style.getPropertyValue("--page-width"));
		return {x: scrollX + r.left + 0.1 * r.width, y: scrollY + r.bottom - 0.7 * r.height - 60 * f, width: 220.5 * f, height: 60 * f}; })(document.querySelector(".sheet"))`
	// look is a picture of the box, two pixels a point.
	look := func(name string) image.Image {
		t.Helper()
		b.until("drawing the page", `document.querySelector("[data-viewer-ready] .sheet.drawn")`)
		b.read(
			`document.querySelector(".sheet").scrollIntoView(), document.activeElement.blur(), ""`,
		)
		b.shot(name)
		// The page may still be moving, or drawn again at another size. The picture is of the box
		// when the box was in the same place before and after it.
		var raw []byte
		var at struct{ X, Y, Width, Height float64 }
		for tries, before := 0, ""; ; tries++ {
			now := b.read(`new Promise(done => requestAnimationFrame(() =>
				requestAnimationFrame(() => done(JSON.stringify(` + box + `)))))`)
			if now == before && raw != nil {
				break
			}
			if before = now; tries == 100 {
				b.fail("taking a picture", errors.New("the page does not come to rest"))
			}
			if err := json.Unmarshal([]byte(now), &at); err != nil {
				t.Fatal(err)
			}
			answer, err := chromedp.Run(b.ctx, capture(page.Viewport{
				X: math.Floor(at.X), Y: math.Floor(at.Y),
				Width: math.Ceil(at.Width) + 1, Height: math.Ceil(at.Height) + 1, Scale: 1,
			}))
			if err != nil {
				t.Fatal(err)
			}
			raw = answer
		}
		picture, err := png.Decode(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		if want := density * int(math.Ceil(at.Width)+1); picture.Bounds().Dx() != want {
			t.Fatalf("a picture has the width %d, want %d", picture.Bounds().Dx(), want)
		}
		return scaled(
			picture, density*(at.X-math.Floor(at.X)), density*(at.Y-math.Floor(at.Y)),
			density*at.Width/441,
		)
	}

	b.open(in.SigningURL)
	b.press("Log in")
	b.press("TAN XIAO HUI")
	b.review()
	preview := look("preview")
	b.press("Proceed to Sign")
	b.sees("match")
	s.must(t, in.RequestID, alice, "approve")
	b.until("starting the script", `document.querySelector("[data-show-document][aria-expanded]")`)
	b.press("View signed document")
	signed := look("signed")

	// orange is the ink of the mark and the badge.
	orange := func(p image.Image, x, y int) bool {
		r, g, b, _ := p.At(x, y).RGBA()
		return r > 0x9000 && g < 0x8000 && b < 0x6000
	}
	extent := func(p image.Image, r image.Rectangle) image.Rectangle {
		var all image.Rectangle
		for y := r.Min.Y; y < r.Max.Y; y++ {
			for x := r.Min.X; x < r.Max.X; x++ {
				if orange(p, x, y) {
					all = all.Union(image.Rect(x, y, x+1, y+1))
				}
			}
		}
		return all
	}
	var differ int
	for y := 6; y < 114; y++ {
		for x := 6; x < 106; x++ {
			if orange(preview, x, y) != orange(signed, x, y) {
				differ++
			}
		}
	}
	if differ > 108*100/20 {
		t.Errorf("%d of %d pixels around the mark differ", differ, 108*100)
	}
	band := image.Rect(112, 10, 438, 40)
	apart := func(a, b image.Point) int { return max(a.X-b.X, b.X-a.X, a.Y-b.Y, b.Y-a.Y) }
	if p, s := extent(preview, band), extent(signed, band); p.Empty() || s.Empty() ||
		max(apart(p.Min, s.Min), apart(p.Max, s.Max)) > 2 {
		t.Errorf("the badge of the preview is at %v, of the signature at %v", p, s)
	}
}

// TestNegativePages checks one page for each way in which there is nothing to sign.
func TestNegativePages(t *testing.T) {
	s := start(t)
	b := newBrowser(t, 390, 844)
	b.open(s.url + "/sign/signv3-0199cc9c-8b7c-70df-b29b-39843a10c332")
	b.sees("link")
	b.shot("link")

	in := s.initiate(t)
	s.must(t, in.RequestID, bob, "open")
	b.open(in.SigningURL)
	b.press("Log in")
	b.press("TAN XIAO HUI")
	b.sees("Leave Sign Portal")
	b.shot("no-access")
	if strings.Contains(b.read(`document.documentElement.innerHTML`), "Agreement.pdf") {
		t.Error("the page shows the document's name to a person without access")
	}
	b.press("Leave Sign Portal")
	b.sees("back at the relying party")
	if q := b.location().Query(); q.Get("status") != "cancelled" {
		t.Errorf("the browser came back with %v", q)
	}

	s.must(t, in.RequestID, bob, "proceed", "approve")
	s.settled(t, in.RequestID, "signed")
	other := newBrowser(t, 390, 844)
	other.open(in.SigningURL)
	other.sees("signed")
	other.shot("already-signed")
}

// TestLanguageStays checks that a language that was chosen once stays through the login, the
// document, the code, the phone and the offline page, and the pages say which it is.
func TestLanguageStays(t *testing.T) {
	s := start(t)
	b := newBrowser(t, 390, 844)
	in := s.initiate(t)
	spoken := func(lang, text string) {
		t.Helper()
		b.sees(text)
		b.until("saying its language", fmt.Sprintf(`document.documentElement.lang === %q`, lang))
	}
	b.open(in.SigningURL)
	spoken("en", "You have a document to sign")
	b.until(
		"opening the menu", `{ document.querySelector(".language summary").click(); return true }`,
	)
	b.press("中文")
	spoken("zh", "您有一份文件待签署")
	b.press("登录")
	b.press("TAN XIAO HUI")
	spoken("zh", "已查阅 0 / 1")
	b.until(
		"opening the menu", `{ document.querySelector(".language summary").click(); return true }`,
	)
	b.press("Bahasa Melayu") // there is a switch on the page of the document too
	spoken("ms", "0 daripada 1 disemak")
	b.review()
	b.press("Teruskan untuk Tandatangan")
	spoken("ms", "Kod padanan anda")
	b.open(s.url + "/phone/")
	spoken("ms", "Tandatangan dengan telefon ini")
	b.until("installing the service worker", `navigator.serviceWorker.controller`)
	b.open(s.url + "/phone/?lang=ta")
	spoken("ta", "இந்தக் கைப்பேசியால் கையொப்பமிடுக")
	b.until(
		"keeping the offline page in the new language",
		`caches.match("/phone/offline").then(a => a.text()).then(t => t.includes('lang="ta"'))`,
	)
}
