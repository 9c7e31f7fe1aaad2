package ui_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
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

// TestFirstPageSoon follows what the page of a document loads before it draws the first page: seven
// files within a bound of bytes, in three round trips. The page comes first, then the script with
// the viewer and a small document, then the worker, which the page names so that it need not wait
// for the script that starts it. Each comes once, and what was loaded ahead is used.
func TestFirstPageSoon(t *testing.T) {
	s := newSite(t)
	ctx := openBrowser(t)
	complaints := watchConsole(ctx)
	do(t, ctx,
		chromedp.Navigate(s.URL+"/gallery/document"), // without a query, as a signer's browser does
		eventually(`document.querySelector(".sheet.drawn") !== null`),
		chromedp.Sleep(4*time.Second), // the browser complains of what it loaded ahead in vain
	)
	type loaded struct {
		Name       string
		Start, End float64
		Bytes      int // on the wire
	}
	all := eval[[]loaded](
		t, ctx,
		`["navigation", "resource"].flatMap((type) => performance.getEntriesByType(type)).map((e) =>
		({ Name: new URL(e.name).pathname, Start: e.startTime, End: e.responseEnd, Bytes: e.transferSize }))`,
	)
	sum := 0
	for _, l := range all {
		sum += l.Bytes
	}
	all = slices.DeleteFunc(all, func(l loaded) bool { return l.Bytes == 0 }) // from the cache
	if len(all) > 7 || sum < 250_000 || sum > 310_000 {
		t.Errorf("%d bytes in %d files: %v", sum, len(all), all)
	}
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
	page := render(t, s.kit, s.pages["document"], "", nil).Body.String()
	link := `<link rel="prefetch" href="` + s.kit.AssetURL("pdf.worker.js") + `">`
	if !strings.Contains(page, link) {
		t.Errorf("the page does not have %s: the worker waits for the scripts", link)
	}
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

// TestCompression has the pages compressed, but for those that show what the URL's query holds.
func TestCompression(t *testing.T) {
	k := newKit(t)
	gzipped := http.Header{"Accept-Encoding": {"br, gzip"}}
	for _, s := range Gallery() {
		plain := render(t, k, s, "", nil)
		w := render(t, k, s, "", gzipped)
		if w.Header().Get("Content-Encoding") != "gzip" ||
			w.Header().Get("Content-Length") != strconv.Itoa(w.Body.Len()) ||
			!strings.Contains(w.Header().Get("Vary"), "Accept-Encoding") {
			t.Errorf("%s: %v", s.Name, w.Header())
		}
		zr, err := gzip.NewReader(w.Body)
		if err != nil {
			t.Fatal(err)
		}
		if page, err := io.ReadAll(zr); err != nil || !bytes.Equal(page, plain.Body.Bytes()) {
			t.Errorf("%s is another page when it is compressed: %v", s.Name, err)
		}
		for what, w := range map[string]*httptest.ResponseRecorder{
			"not asked for": plain,
			"with a query":  render(t, k, s, "?lang=en", gzipped),
		} {
			if got := w.Header().Get("Content-Encoding"); got != "" {
				t.Errorf("%s, %s: %s", s.Name, what, got)
			}
		}
	}
	w := httptest.NewRecorder()
	r := httptest.NewRequest("POST", "/verify", nil)
	r.Header = gzipped
	if err := k.Render(w, r, 200, Gallery()[0].Page); err != nil ||
		w.Header().Get("Content-Encoding") != "" {
		t.Errorf("the answer to a form: %v %v", w.Header(), err)
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
			if name == k.AssetNames()["viewer.js"] || name == k.AssetNames()["pdf.worker.js"] {
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
