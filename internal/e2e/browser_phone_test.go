package e2e_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"rsc.io/qr"

	"github.com/signet-sign/signet/internal/config"
)

// atCode brings a browser to the page of the QR code of a new request, as Alice.
func (b *browser) atCode(s *sandbox) (id string) {
	b.t.Helper()
	in := s.initiate(b.t)
	b.open(in.SigningURL)
	b.press("Log in")
	b.press("TAN XIAO HUI")
	b.sees("0 of 1")
	b.review()
	b.press("Proceed to Sign")
	b.sees("match")
	return in.RequestID
}

// enrol makes the browser a phone of Alice's.
func (b *browser) enrol(s *sandbox) {
	b.t.Helper()
	b.open(s.url + "/phone/enrol")
	b.press("TAN XIAO HUI")
	b.press("Create")
	b.sees("This phone is ready")
}

// TestCodeCannotBeRelayed checks that a code is good while it is shown; a picture of it, or the
// address it led to, takes no one in.
func TestCodeCannotBeRelayed(t *testing.T) {
	s := start(t)
	desk := newBrowser(t, 1280, 900)
	id := desk.atCode(s)
	phone := newBrowser(t, 390, 844)
	phone.enrol(s)

	old := desk.code()
	s.advance(t, "3s")
	phone.open(old)
	phone.sees("This code is too old")
	phone.shot("stale")
	if fresh := desk.code(); fresh == old ||
		strings.Contains(desk.read(`document.documentElement.outerHTML`), old) {
		t.Errorf("the page still shows the old code")
	}
	phone.open(s.url + "/phone/sign/" + id)
	phone.sees("Scan the code to continue")
	phone.shot("not-scanned")
	if v := s.view(t, id); v.State != "session" {
		t.Fatalf("it is %s", v.State)
	}

	phone.scan(desk)
	phone.sees("Checked on this phone")
	if at := phone.location(); at.RawQuery != "" || at.Path != "/phone/sign/"+id {
		t.Errorf("the code stays in the address %s", at)
	}
	desk.sees("Code scanned")
	desk.shot("scanned")
	phone.open(old) // back in its history: it has been let in
	phone.sees("Checked on this phone")

	other := newBrowser(t, 390, 844)
	other.enrol(s)
	other.open(phone.location().String())
	other.sees("Scan the code to continue")
}

// TestAnswerBeforeDocument rejects while the phone still fetches the document, and has the request
// cancelled then: the document is refused afterwards, and the page stays with what it said.
func TestAnswerBeforeDocument(t *testing.T) {
	s := start(t)
	desk := newBrowser(t, 1280, 900)
	phone := newBrowser(t, 390, 844)
	phone.enrol(s)
	phone.onPages(`{
		const go = fetch;
		window.fetch = async (url, options) => {
			if (!String(url).endsWith("/prepared")) return go(url, options);
			await new Promise((done) => (window.fetchDocument = done));
			const answer = await go(url, options);
			setTimeout(() => (window.refused = answer.status === 409), 100); // when the page has read it
			return answer;
		};
	}`)
	late := func(said string) {
		t.Helper()
		phone.sees(said)
		phone.read(`window.fetchDocument() ?? ""`)
		phone.until("refusing the document", `window.refused`)
		phone.sees(said)
	}

	id := desk.atCode(s)
	phone.scan(desk)
	phone.until("fetching the document", `window.fetchDocument`)
	phone.press("Reject")
	late("Rejected")

	desk.press("Get a new code")
	desk.sees("match")
	phone.scan(desk)
	phone.until("fetching the document", `window.fetchDocument`)
	s.must(t, id, alice, "proceed")
	late("A newer code replaced this one")
}

// TestReload checks that reload, a second tab and the back button show the present state on both
// screens.
func TestReload(t *testing.T) {
	s := start(t)
	desk := newBrowser(t, 1280, 900)
	phone := newBrowser(t, 390, 844)
	phone.enrol(s)
	id := desk.atCode(s)
	phone.scan(desk)
	phone.sees("Checked on this phone")
	address := phone.location().String()

	phone.open(address)
	phone.sees("Checked on this phone")
	desk.open(desk.location().String())
	desk.sees("Code scanned")

	// The signer starts again in another tab, and the phone shows that its code was replaced.
	s.must(t, id, alice, "proceed")
	phone.sees("A newer code replaced this one")
	phone.shot("replaced")
	phone.open(address)
	phone.sees("A newer code replaced this one")
	desk.until(
		"showing the new code",
		`document.querySelector("[data-qr]") && !document.querySelector("[data-when=waiting]").hidden`,
	)

	phone.scan(desk)
	phone.press("Reject")
	phone.sees("Rejected")
	phone.shot("rejected")
	desk.sees("You rejected the request")
	desk.shot("rejected")
	phone.open(address)
	phone.sees("Rejected")

	desk.press("Get a new code")
	desk.sees("match")
	phone.scan(desk)
	phone.sees("Checked on this phone")
	s.advance(t, "3m")
	phone.sees("Time ran out")
	phone.shot("timed-out")
	phone.open(address)
	phone.sees("Time ran out")
	desk.press("Get a new code")
	desk.sees("match")
	phone.scan(desk)
	phone.sees("Checked on this phone")
	desk.press("Cancel signing")
	phone.sees("Signing was cancelled")

	desk.press("Proceed to Sign")
	desk.sees("match")
	phone.scan(desk)
	phone.sees("Checked on this phone")
	second := newBrowser(t, 390, 844)
	second.enrol(s)
	second.scan(desk)
	second.sees("Checked on this phone")
	phone.press("Approve")
	phone.sees("Your signature is")
	second.sees("Approved with another phone")
	second.shot("other-phone")
	s.settled(t, id, "signed")
	phone.sees("Your signature is complete")
	phone.open(address)
	phone.sees("Your signature is complete")
	phone.shot("signed-again")
	if strings.Contains(phone.read(`document.body.innerText`), "another phone") {
		t.Error("the phone that approved is told of another")
	}
	second.open(address)
	second.sees("Approved with another phone")
}

// TestOpenOnThisDevice checks that on a phone there is nothing to scan. The portal's browser is let
// in without a code, and comes back.
func TestOpenOnThisDevice(t *testing.T) {
	s := start(t)
	b := newBrowser(t, 390, 844)
	b.enrol(s)
	id := b.atCode(s)
	b.shot("code")
	b.press("Open on this device")
	b.sees("Checked on this phone")
	b.shot("approve")
	b.press("View document")
	b.until("drawing the document", `document.querySelector("#prepared .sheet.drawn canvas")`)
	b.shot("document")
	b.read(
		`addEventListener("pagehide", () => sessionStorage.setItem("last", document.body.innerText)) ?? ""`,
	)
	b.press("Approve")
	b.sees("Signature details")
	b.shot("signed")
	if last := b.read(`sessionStorage.getItem("last")`); !strings.Contains(last, "We take you back") {
		t.Errorf("the phone did not say that it goes back: %s", last)
	}
	if at := b.location().Path; at != "/sign/"+id {
		t.Errorf("it came back to %s", at)
	}
	// Someone who is not logged in cannot open it that way.
	other := newBrowser(t, 390, 844)
	other.open(s.url + "/sign/" + id)
	other.sees("signed")
	if status, err := eval[int](other, `fetch(location.pathname + "/here", {method: "POST"}).then(a => a.status)`); err != nil ||
		status != 200 {
		t.Fatal(status, err) // 200 is the page that asks for a login
	}
	other.open(s.url + "/phone/sign/" + id)
	other.sees("Scan the code to continue")
}

// TestPhones checks that a person can have several phones with names, rename one, and remove a
// lost one from another, with a confirmation and permanently.
func TestPhones(t *testing.T) {
	s := start(t)
	enrol := func(name string) *browser {
		b := newBrowser(t, 390, 844)
		b.open(s.url + "/phone/enrol")
		b.press("TAN XIAO HUI")
		b.until(
			"naming the phone",
			fmt.Sprintf(
				`{ const f = document.querySelector("#phone-name"); if (f) f.value = %q; return f }`,
				name,
			),
		)
		b.press("Create")
		b.sees("This phone is ready")
		b.sees(name)
		return b
	}
	lost, kept := enrol("Spare"), enrol("At hand")
	desk := newBrowser(t, 1280, 900)
	id := desk.atCode(s)
	lost.scan(desk)
	lost.sees("Checked on this phone")

	kept.open(s.url + "/phone/")
	kept.sees("This phone is ready to sign")
	const spare = `[...document.querySelectorAll(".device")].find(d => d.innerText.includes("Spare"))`
	kept.until(
		"renaming",
		`{ const d = `+spare+`; d.querySelector(".rename > summary").click(); d.querySelector("input[name=name]").value = "Lost in a taxi"; return true }`,
	)
	kept.shot("rename")
	kept.read(spare + `.querySelector(".rename form button").click() ?? ""`)
	kept.sees("Lost in a taxi: the new name is saved")
	const item = `[...document.querySelectorAll(".device")].find(d => d.innerText.includes("Lost in a taxi"))`
	kept.until(
		"knowing which it is",
		`document.querySelector("[data-here]:not([hidden])")?.closest(".device").innerText.includes("At hand")`,
	)
	if ok, err := eval[bool](kept, item+`.querySelector(".confirm form button").checkVisibility()`); err != nil ||
		ok {
		t.Errorf("a phone can be removed without a second thought: %t %v", ok, err)
	}
	kept.read(item + `.querySelector(".confirm > summary").click() ?? ""`)
	kept.sees("Once removed, it can no longer approve anything")
	kept.shot("remove")
	kept.read(item + `.querySelector(".confirm form button").click() ?? ""`)
	kept.sees("Lost in a taxi was removed")
	kept.sees("1 removed phone")
	kept.sees("This phone is ready to sign")
	kept.shot("removed")

	lost.press("Approve")
	lost.sees("Set up this phone") // it is none any more
	if v := s.view(t, id); v.State != "session" {
		t.Errorf("the request is %s", v.State)
	}
	lost.open(s.url + "/phone/")
	lost.sees("This phone is not set up")
	lost.until("forgetting its key", `new Promise(done => {
		const open = indexedDB.open("signet-phone");
		open.onsuccess = () => { open.result.transaction("keys").objectStore("keys").count().onsuccess = e => { open.result.close(); done(e.target.result === 0) } };
	})`)
}

// TestApproveFurtherPhone checks that a new phone waits until the person approves it on another
// one. A browser that has the key of a phone approves its successor itself.
func TestApproveFurtherPhone(t *testing.T) {
	s := start(t, guarded)
	own := newBrowser(t, 390, 844)
	own.enrol(s)
	fresh := newBrowser(t, 390, 844)
	fresh.open(s.url + "/phone/enrol")
	fresh.press("TAN XIAO HUI")
	fresh.press("Create")
	fresh.sees("Approve this phone")
	fresh.sees("Can sign from")
	fresh.shot("waiting")
	fresh.press("Continue")
	fresh.sees("Waiting")
	fresh.until("knowing which it is", `!document.querySelector("[data-phones][aria-busy]")`)
	if strings.Contains(fresh.read(`document.body.innerText`), "This phone is not set up") {
		t.Error("a phone that waits is to be set up again")
	}
	if ok, err := eval[bool](fresh, `document.querySelector("[data-approve-phone]").checkVisibility()`); err != nil ||
		ok {
		t.Errorf("a phone that waits offers to approve itself: %t %v", ok, err)
	}

	desk := newBrowser(t, 1280, 900)
	id := desk.atCode(s)
	desk.sees("A new phone is waiting")
	desk.shot("announced-desk")
	fresh.scan(desk)
	fresh.sees("This phone is waiting for approval")
	fresh.shot("problem")

	own.open(s.url + "/phone/")
	own.sees("A new phone is waiting")
	own.until("knowing which it is", `document.querySelector("[data-approve-phone]:not([hidden])")`)
	own.shot("announced")
	own.press("It is mine: approve")
	own.sees("It can sign now")
	own.shot("approved")

	fresh.press("Try again")
	fresh.sees("Checked on this phone")
	fresh.press("Approve")
	fresh.sees("Your signature is")
	s.settled(t, id, "signed")

	own.open(s.url + "/phone/enrol")
	own.press("Create")
	own.sees("This phone is ready")

	late := newBrowser(t, 390, 844)
	late.open(s.url + "/phone/enrol")
	late.press("TAN XIAO HUI")
	late.press("Create")
	late.sees("You have as many phones as one person may have")
	late.shot("limit")

	// The phone removes one at once, and then itself.
	own.open(s.url + "/phone/")
	own.until("knowing which it is", `document.querySelector("[data-remove-phone]:not([hidden])")`)
	before, err := eval[int](own, `document.querySelectorAll("[data-remove-phone]").length`)
	if err != nil {
		t.Fatal(err)
	}
	own.until("opening the confirmation", `{
		document.querySelector(".confirm:has([data-remove-phone]) summary").click();
		return true;
	}`)
	own.sees("with the key of the phone")
	own.shot("remove")
	own.press("Remove this phone permanently")
	own.sees("was removed. It can no longer approve anything")
	own.until("the end of the removed phone", fmt.Sprintf(
		`document.querySelectorAll("[data-remove-phone]").length === %d`, before-1,
	))
	own.shot("removed")
}

// TestOffline checks that the phone's app can be installed, opens without a connection, and says
// so.
func TestOffline(t *testing.T) {
	s := start(t)
	b := newBrowser(t, 390, 844)
	b.open(s.url + "/phone/")
	b.until("installing the service worker", `navigator.serviceWorker.controller`)
	var problems []*page.InstallabilityError
	err := chromedp.Do(
		b.ctx,
		chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
			answer, err := cdp.Call(ctx, target, page.GetInstallabilityErrors, cdp.Empty{})
			problems = answer.InstallabilityErrors
			return err
		}),
	)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if p.ErrorID != "in-incognito" { // how the tests' browser runs
			t.Errorf("the app cannot be installed: %s", p.ErrorID)
		}
	}
	s.stop()
	b.open(s.url + "/phone/")
	b.sees("You are offline")
	b.until("being styled", `getComputedStyle(document.querySelector(".card")).display === "flex"`)
	b.shot("offline")
}

// TestCameraScan checks that the app reads a code with the camera, which it asks for when the
// person presses and not before.
func TestCameraScan(t *testing.T) {
	s := start(t, func(c *config.Config) { c.StaticQR = true })
	desk := newBrowser(t, 1280, 900)
	id := desk.atCode(s)
	film := filepath.Join(t.TempDir(), "code.y4m")
	if err := os.WriteFile(film, y4m(t, desk.code()), 0o600); err != nil {
		t.Fatal(err)
	}
	phone := newBrowser(t, 390, 844,
		chromedp.Flag("use-fake-ui-for-media-stream", true),
		chromedp.Flag("use-fake-device-for-media-stream", true),
		chromedp.Flag("use-file-for-fake-video-capture", film))
	phone.enrol(s)
	phone.open(s.url + "/phone/")
	phone.press("Scan code")
	phone.sees("Scan the code")
	phone.shot("scan")
	time.Sleep(300 * time.Millisecond)
	if on, err := eval[bool](phone, `document.querySelector("video").srcObject !== null`); err != nil ||
		on {
		t.Errorf("the camera runs before the person asked: %t %v", on, err)
	}
	phone.press("Start camera")
	phone.until(
		"seeing the camera's picture",
		`location.pathname !== "/phone/scan" || document.querySelector("video").videoWidth > 0`,
	)
	phone.sees("Checked on this phone")
	desk.sees("Code scanned")

	// A code that was too old when the camera app opened it is read again right there.
	desk.press("Cancel signing")
	desk.press("Proceed to Sign")
	desk.sees("match")
	if err := os.WriteFile(film, y4m(t, desk.code()), 0o600); err != nil {
		t.Fatal(err)
	}
	late := newBrowser(t, 390, 844,
		chromedp.Flag("use-fake-ui-for-media-stream", true),
		chromedp.Flag("use-fake-device-for-media-stream", true),
		chromedp.Flag("use-file-for-fake-video-capture", film))
	late.enrol(s)
	late.open(s.url + "/phone/sign/" + id + "?c=AAAAAAAAAAAAAAAA")
	late.sees("This code is too old")
	late.shot("stale")
	late.until("starting the camera", `{
		const start = document.querySelector("[data-scan-start]");
		if (start && !start.hidden) start.click();
		return location.search === "";
	}`)
	late.sees("Checked on this phone")
}

// y4m is a film of a QR code: one grey frame, which the browser's fake camera repeats.
func y4m(t testing.TB, text string) []byte {
	t.Helper()
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		t.Fatal(err)
	}
	const width, height, module = 640, 480, 8
	frame := make([]byte, width*height)
	for i := range frame {
		frame[i] = 235
	}
	left, top := (width-code.Size*module)/2, (height-code.Size*module)/2
	for y := range code.Size * module {
		for x := range code.Size * module {
			if code.Black(x/module, y/module) {
				frame[(top+y)*width+left+x] = 16
			}
		}
	}
	film := fmt.Appendf(nil, "YUV4MPEG2 W%d H%d F10:1 Ip A1:1 C420jpeg\nFRAME\n", width, height)
	film = append(film, frame...)
	for range width * height / 2 {
		film = append(film, 128)
	}
	return film
}
