package ui_test

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/signet-sign/signet/internal/server/portal"
	"github.com/signet-sign/signet/internal/server/ui"
)

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
	style := k.AssetURL("app.css")
	if w := get(style); w.Code != 200 ||
		w.Header().Get("Cache-Control") != "public, max-age=31536000, immutable" ||
		w.Header().Get("Content-Type") != "text/css; charset=utf-8" ||
		w.Header().Get("Content-Encoding") != "" {
		t.Errorf("%s: %d %v", style, w.Code, w.Header())
	}
	if w := get(style, "Accept-Encoding", "zstd, gzip;q=0.5"); w.Header().Get(
		"Content-Encoding",
	) != "gzip" ||
		w.Body.Len() > 10_000 {
		t.Errorf("gzip: %v, %d bytes", w.Header(), w.Body.Len())
	}
	if w := get(style, "Accept-Encoding", "gzip;q=0"); w.Header().Get("Content-Encoding") != "" {
		t.Error("gzip although the client refuses it")
	}
	for _, path := range []string{"/static/", "/static/manifest.json", "/static/../kit.go", "/static/none.js", "/static/app.css"} {
		if w := get(path); w.Code != http.StatusNotFound ||
			w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %s", path, w.Code, w.Header().Get("Cache-Control"))
		}
	}
}

// TestBrotli compares every script and style sheet as a browser gets it, in its Brotli form, with
// what a client without compression gets.
func TestBrotli(t *testing.T) {
	s := newSite(t)
	ctx := openBrowser(t)
	do(t, ctx, s.open("landing-intended"))
	for _, name := range s.kit.AssetNames() {
		if !strings.HasSuffix(name, ".js") && !strings.HasSuffix(name, ".css") {
			continue
		}
		r := httptest.NewRequest("GET", "/static/"+name, nil)
		w := httptest.NewRecorder()
		s.kit.Static().ServeHTTP(w, r)
		got := eval[string](
			t,
			ctx,
			fmt.Sprintf(`fetch("/static/%s", { cache: "reload" }).then(async (a) => {
			const digest = await crypto.subtle.digest("SHA-256", await a.arrayBuffer());
			return a.headers.get("Content-Encoding") + " " + new Uint8Array(digest).toHex();
		})`, name),
		)
		if want := fmt.Sprintf("br %x", sha256.Sum256(w.Body.Bytes())); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

// TestFirstPageSoon follows what the page of a document loads: the worker, the viewer and a small
// document come beside each other, each once, and what was loaded ahead is used.
func TestFirstPageSoon(t *testing.T) {
	s := newSite(t)
	ctx := openBrowser(t)
	complaints := watchConsole(ctx)
	do(t, ctx,
		s.open("document"),
		eventually(`document.querySelector(".sheet.drawn") !== null`),
		chromedp.Sleep(4*time.Second), // the browser complains of what it loaded ahead in vain
	)
	type loaded struct {
		Name       string
		Start, End float64
	}
	all := eval[[]loaded](t, ctx, `performance.getEntriesByType("resource").map((e) =>
		({ Name: new URL(e.name).pathname, Start: e.startTime, End: e.responseEnd }))`)
	find := func(part string) loaded {
		var found []loaded
		for _, l := range all {
			if strings.Contains(l.Name, part) {
				found = append(found, l)
			}
		}
		if len(found) != 1 {
			t.Fatalf("%s: loaded %d times in %v", part, len(found), all)
		}
		return found[0]
	}
	script := find("/portal-")
	find("/pdf.worker-")
	for _, part := range []string{"/viewer-", "/document.pdf"} {
		if find(part).Start > script.End {
			t.Errorf("%s waits for the script of the page: %v", part, all)
		}
	}
	complaints.check(t)
	for _, size := range []int64{128 << 10, 128<<10 + 1} {
		sample := s.pages["document"]
		d := sample.Page.(portal.Document)
		d.Size = size
		sample.Page = d
		ahead := strings.Contains(
			render(t, s.kit, sample, "", nil).Body.String(),
			`as="fetch" crossorigin href="`+d.DocumentURL()+`"`,
		)
		if ahead != (size == 128<<10) {
			t.Errorf("a document of %d bytes is loaded ahead: %t", size, ahead)
		}
	}
}

// TestWeight keeps every page of signer and phone below 150 KB on the wire, with all that it names
// but without the viewer; the viewer with its worker has a bound of its own.
func TestWeight(t *testing.T) {
	k := newKit(t)
	viewer, worker := k.AssetWeight(k.AssetNames()["viewer.js"]), k.AssetWeight(
		k.AssetNames()["pdf.worker.js"],
	)
	if viewer > 80_000 || worker > 215_000 {
		t.Errorf("the viewer has %d bytes and its worker %d", viewer, worker)
	}
	named := regexp.MustCompile(`<(?:link|script)[^>]* (?:href|src)="/static/([^"]+)"`)
	for _, s := range Gallery() {
		page := render(t, k, s, "?lang=ta", nil).Body.Bytes() // the longest words
		total := ui.PageWeight(page)
		var names []string
		for _, m := range named.FindAllSubmatch(page, -1) {
			name := string(m[1])
			if name == k.AssetNames()["viewer.js"] {
				continue
			}
			names = append(names, name)
			total += k.AssetWeight(name)
		}
		if total > 150_000 || len(names) < 4 {
			t.Errorf("%s: %d bytes for the page and %v", s.Name, total, names)
		}
		if s.Name == "landing-intended" {
			t.Logf("%s: %d bytes", s.Name, total)
		}
	}
}
