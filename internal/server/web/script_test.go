package web

import (
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// TestReview goes through the signature places of a document whose pages are
// plain, rotated and cropped: each box is where the contract says, and signing
// opens with the last of them.
func TestReview(t *testing.T) {
	s := newSite(t)
	ctx := openBrowser(t)
	said := watchConsole(ctx)
	do(t, ctx, window(1280, 800, false), chromedp.Navigate(s.URL+"/gallery/document"),
		eventually(`!document.querySelector("[data-next-place]").disabled`))

	if !eval[bool](t, ctx, `document.querySelector("[data-proceed] button").disabled`) {
		t.Error("signing is open before any place was reviewed")
	}

	// The displayed pages: A4, A4 turned, crop box 500 x 650.
	sizes := [][2]float64{{595.28, 841.89}, {841.89, 595.28}, {500, 650}}
	var document Document
	for _, p := range Gallery() {
		if p.Name == "document" {
			document = p.Page.(Document)
		}
	}
	for i, place := range document.Places {
		do(t, ctx, click("[data-next-place]"),
			eventually(`document.querySelectorAll(".place.done").length == `+string(rune('1'+i))),
			eventually(`document.querySelector(".place-box.current") !== null`))
		got := eval[[]float64](t, ctx, `(() => {
			const box = document.querySelector(".place-box.current").getBoundingClientRect();
			const page = document.querySelector(".place-box.current").closest(".sheet").getBoundingClientRect();
			return [(box.left-page.left)/page.width, (page.bottom-box.bottom)/page.height,
				box.width/page.width, box.height/page.height, page.width/page.height,
				box.top >= 0 && box.bottom <= innerHeight ? 1 : 0];
		})()`)
		w, h := sizes[i][0], sizes[i][1]
		for n, want := range []float64{place.X, place.Y, 220.5 / w, 60 / h, w / h, 1} {
			if math.Abs(got[n]-want) > 0.002 {
				t.Errorf("place %d: value %d is %.4f, want %.4f", i, n, got[n], want)
			}
		}
	}
	do(t, ctx, eventually(`!document.querySelector("[data-proceed] button").disabled`),
		eventually(`[...document.querySelectorAll(".textLayer")].some(l => l.textContent.includes("Clause 7."))`))

	// A reload forgets nothing.
	do(t, ctx, chromedp.Reload(), eventually(`!document.querySelector("[data-proceed] button").disabled`))

	// Zoom by keyboard, and the pages are drawn anew.
	const width = `document.querySelector(".sheet").getBoundingClientRect().width`
	do(t, ctx, eventually(`document.querySelector(".sheet.drawn canvas") !== null`))
	before := eval[float64](t, ctx, width)
	do(t, ctx, chromedp.Focus(chromedp.CSS("[data-viewer-pages]")), chromedp.KeyEvent("+"))
	after := eval[float64](t, ctx, width)
	if after <= before {
		t.Errorf("zoom in: %.0f px, then %.0f px", before, after)
	}
	said.check(t)
}

// TestUnreadableDocument shows that a document which cannot be drawn does not
// strand the signer.
func TestUnreadableDocument(t *testing.T) {
	s := newSite(t)
	s.pdf = []byte("not a PDF")
	ctx := openBrowser(t)
	do(t, ctx, chromedp.Navigate(s.URL+"/gallery/document"),
		eventually(`!document.querySelector("[data-viewer-failed]").hidden`),
		click("[data-read-document]"),
		eventually(`!document.querySelector("[data-proceed] button").disabled`))
}

// TestLive shows that a page reloads within a second when its state is no longer
// the one it was rendered from, with the stream and without it, and not before.
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
		{"sealing, signed, no stream", "sealing", false, map[string]any{"state": "signed"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newSite(t)
			s.noStream = !test.stream
			s.stateOf(test.page)
			do(t, ctx, chromedp.Navigate(s.URL+"/gallery/"+test.page), script(`window.before = true`),
				chromedp.Sleep(400*time.Millisecond))
			if !eval[bool](t, ctx, `window.before === true`) {
				t.Fatal("the page reloaded although nothing changed")
			}
			start := time.Now()
			s.set(test.change)
			do(t, ctx, eventually(`window.before === undefined && document.readyState !== "loading"`))
			if took := time.Since(start); took > 1500*time.Millisecond {
				t.Errorf("the page changed after %v", took)
			}
		})
	}
}

// TestScanned shows that the page of the code changes in place when the phone
// opens it.
func TestScanned(t *testing.T) {
	s := newSite(t)
	s.stateOf("code")
	ctx := openBrowser(t)
	do(t, ctx, chromedp.Navigate(s.URL+"/gallery/code"), script(`window.before = true`),
		chromedp.Sleep(200*time.Millisecond))
	s.set(map[string]any{"scanned": true})
	do(t, ctx, eventually(`window.before && !document.querySelector("[data-when=scanned]").hidden &&
		document.querySelector("[data-when=waiting]").hidden`))
}

// TestPhone enrols a device and approves with it. The key is not extractable, the
// signatures verify, a lost answer is asked for again with the same signature, and
// two quick taps send one approval.
func TestPhone(t *testing.T) {
	s := newSite(t)
	s.stateOf("phone-approve")
	ctx := openBrowser(t)
	said := watchConsole(ctx)
	do(t, ctx, window(390, 844, false), chromedp.Navigate(s.URL+"/gallery/phone-enrol"),
		click("[data-enrol-form] button"),
		eventually(`!document.querySelector("[data-step=done]").hidden`))

	extractable := eval[string](t, ctx, `new Promise(done => {
		const open = indexedDB.open("signet-phone");
		open.onsuccess = () => {
			const all = open.result.transaction("keys").objectStore("keys").getAll();
			all.onsuccess = () => crypto.subtle.exportKey("jwk", all.result[0].key.privateKey).then(() => done("exported"), e => done(e.name));
		};
	})`)
	if extractable != "InvalidAccessError" {
		t.Errorf("exporting the private key: %s", extractable)
	}
	said.check(t)

	s.mu.Lock()
	s.lose = 1
	s.mu.Unlock()
	do(t, ctx, chromedp.Navigate(s.URL+"/gallery/phone-approve"),
		eventually(`!document.querySelector("[data-do=approve]").disabled`),
		script(`document.querySelector("[data-do=approve]").click(); document.querySelector("[data-do=approve]").click(); 0`),
		eventually(`!document.querySelector("[data-approve-error]").hidden`),
		click("[data-do=approve]"),
		eventually(`!document.querySelector("[data-step=approved]").hidden`))
	sent := s.posted("/approve")
	if len(sent) != 2 || sent[0] != sent[1] {
		t.Errorf("approvals sent: %q, want the same one twice", sent)
	}
}

// TestPhoneTooLate shows that a waiting phone says what happened meanwhile.
func TestPhoneTooLate(t *testing.T) {
	s := newSite(t)
	ctx := openBrowser(t)
	do(t, ctx, chromedp.Navigate(s.URL+"/gallery/phone-enrol"),
		click("[data-enrol-form] button"),
		eventually(`!document.querySelector("[data-step=done]").hidden`))
	for _, test := range []struct {
		change map[string]any
		step   string
	}{
		{map[string]any{"state": "cancelled"}, "REQUEST_CANCELLED"},
		{map[string]any{"state": "expired"}, "REQUEST_EXPIRED"},
		{map[string]any{"state": "locked", "outcome": "timed_out"}, "TIMED_OUT"},
		{map[string]any{"state": "locked", "outcome": "left"}, "LEFT"},
		{map[string]any{"state": "locked", "outcome": "rejected"}, "rejected"},
		{map[string]any{"state": "session", "session_ends_at": 1773036999000}, "REPLACED"},
		{map[string]any{"state": "sealing"}, "OTHER_PHONE"},
		{map[string]any{"state": "signed"}, "OTHER_PHONE"},
	} {
		s.stateOf("phone-approve")
		do(t, ctx, chromedp.Navigate(s.URL+"/gallery/phone-approve"),
			eventually(`!document.querySelector("[data-step=ask]").hidden`))
		s.set(test.change)
		do(t, ctx, eventually(`!document.querySelector("[data-step=`+test.step+`]").hidden && document.querySelector("[data-step=ask]").hidden`))
	}
	s.stateOf("phone-approve")
	do(t, ctx, chromedp.Navigate(s.URL+"/gallery/phone-approve"), eventually(`!document.querySelector("[data-step=ask]").hidden`))
	s.set(map[string]any{"state": "cancelled"})
	do(t, ctx, eventually(`!document.querySelector("[data-step=REQUEST_CANCELLED]").hidden`))
	text := eval[string](t, ctx, `document.querySelector("[data-step=REQUEST_CANCELLED]").innerText`)
	if !strings.Contains(text, "Cancelled by Harbour Lane Housing Co-operative") {
		t.Errorf("a cancelled request says %q", text)
	}
}

// TestPhoneChecks: the phone signs what it hashed itself, and refuses everything else.
func TestPhoneChecks(t *testing.T) {
	s := newSite(t)
	ctx := openBrowser(t)
	do(t, ctx, chromedp.Navigate(s.URL+"/gallery/phone-enrol"),
		click("[data-enrol-form] button"),
		eventually(`!document.querySelector("[data-step=done]").hidden`))
	s.stateOf("phone-approve")
	zeros := make([]byte, 32)
	for name, tamper := range map[string]func(*asked, []byte) []byte{
		"as it should be":           nil,
		"another document":          func(_ *asked, f []byte) []byte { f[20] ^= 1; return f },
		"another end":               func(_ *asked, f []byte) []byte { f[len(f)-1] ^= 1; return f },
		"bytes after the end":       func(_ *asked, f []byte) []byte { return append(f, ' ') },
		"too short":                 func(_ *asked, f []byte) []byte { return f[:len(f)-1] },
		"something in the room":     func(a *asked, f []byte) []byte { f[a.ByteRange[1]+9] = 'a'; return f },
		"the room is not the room":  func(a *asked, f []byte) []byte { a.ByteRange[2]--; a.ByteRange[3]++; return f },
		"the room hides a page":     func(a *asked, f []byte) []byte { a.ByteRange[1] = 100; return f },
		"another digest is shown":   func(a *asked, f []byte) []byte { a.Digest = strings.Repeat("4f3a90c1", 8); return f },
		"shown in part":             func(a *asked, f []byte) []byte { a.Size--; return f },
		"another digest is signed":  func(a *asked, f []byte) []byte { a.ToBeSigned = attributes(zeros); return f },
		"two digests are signed":    func(a *asked, f []byte) []byte { a.ToBeSigned = attributes(zeros, zeros); return f },
		"no digest is signed":       func(a *asked, f []byte) []byte { a.ToBeSigned = attributes(); return f },
		"what is signed is garbage": func(a *asked, f []byte) []byte { a.ToBeSigned = "MIIB"; return f },
	} {
		s.mu.Lock()
		s.tamper = tamper
		s.mu.Unlock()
		do(t, ctx, chromedp.Navigate(s.URL+"/gallery/phone-approve"),
			eventually(`!document.querySelector("[data-do=approve]").disabled || !document.querySelector("[data-step=MISMATCH]").hidden`))
		refused := eval[bool](t, ctx, `document.querySelector("[data-do=approve]").disabled && document.querySelector("[data-step=ask]").hidden`)
		if refused != (tamper != nil) {
			t.Errorf("%s: refused is %t", name, refused)
		}
	}
	if sent := s.posted("/approve"); len(sent) != 0 {
		t.Errorf("approvals sent: %q", sent)
	}
}

// TestCodeIsRenewed: the page shows each next code, and veils one that it could not renew.
func TestCodeIsRenewed(t *testing.T) {
	s := newSite(t)
	s.stateOf("code")
	ctx := openBrowser(t)
	const shown = `document.querySelector("[data-qr] svg").dataset.n`
	do(t, ctx, chromedp.Navigate(s.URL+"/gallery/code"), eventually(shown+` === "1"`), eventually(shown+` === "3"`))
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

func TestStatic(t *testing.T) {
	k := newKit(t)
	get := func(path string, header ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("GET", path, nil)
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		w := httptest.NewRecorder()
		k.Static().ServeHTTP(w, r)
		return w
	}
	style := k.assets.url("app.css")
	if w := get(style); w.Code != 200 || w.Header().Get("Cache-Control") != "public, max-age=31536000, immutable" ||
		w.Header().Get("Content-Type") != "text/css; charset=utf-8" || w.Header().Get("Content-Encoding") != "" {
		t.Errorf("%s: %d %v", style, w.Code, w.Header())
	}
	if w := get(style, "Accept-Encoding", "br, gzip;q=0.5"); w.Header().Get("Content-Encoding") != "gzip" || w.Body.Len() > 10_000 {
		t.Errorf("gzip: %v, %d bytes", w.Header(), w.Body.Len())
	}
	if w := get(style, "Accept-Encoding", "gzip;q=0"); w.Header().Get("Content-Encoding") != "" {
		t.Error("gzip although the client refuses it")
	}
	for _, path := range []string{"/static/", "/static/manifest.json", "/static/../kit.go", "/static/none.js", "/static/app.css"} {
		if w := get(path); w.Code != http.StatusNotFound || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %s", path, w.Code, w.Header().Get("Cache-Control"))
		}
	}
}

// TestImports: a page names every chunk that its script starts with, so that they load together.
func TestImports(t *testing.T) {
	k := newKit(t)
	for _, name := range []string{"portal.js", "phone.js"} {
		f := k.assets.files[k.assets.names[name]]
		if n := strings.Count(string(f.data), `"./chunk-`); n == 0 || len(f.imports) != n {
			t.Errorf("%s has %d chunks, found %v", name, n, f.imports)
		}
		for _, url := range f.imports {
			checkAsset(t, k, url)
		}
	}
	if page := render(t, k, Gallery()[0], "", nil).Body.String(); strings.Count(page, `<link rel="modulepreload" href="/static/chunk-`) == 0 {
		t.Error("the page names no chunks")
	}
}

// TestWeight keeps a page without the viewer below 150 KB on the wire.
func TestWeight(t *testing.T) {
	k := newKit(t)
	total := render(t, k, Gallery()[0], "", nil).Body.Len()
	var names []string
	for name, f := range k.assets.files {
		if strings.Contains(name, "/") || strings.HasPrefix(name, "viewer-") || strings.HasPrefix(name, "decode-") ||
			strings.HasPrefix(name, "worker-") || strings.HasPrefix(name, "console-") || strings.HasPrefix(name, "pdf.worker") || strings.HasSuffix(name, ".png") {
			continue
		}
		names = append(names, name)
		if gz := f.compressed(); gz != nil {
			total += len(gz)
		} else {
			total += len(f.data)
		}
	}
	if total > 150_000 || len(names) < 5 {
		t.Errorf("%d bytes for a page and %v", total, names)
	}
}
