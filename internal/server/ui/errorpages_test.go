package ui_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/signet-sign/signet/internal/server/ui"
)

// TestErrorPages checks that a browser gets each plain error as a page in its language, with the
// status and Allow of the error, and a way back; a program gets the text.
func TestErrorPages(t *testing.T) {
	kit, err := ui.New(ui.Options{})
	if err != nil {
		t.Fatal(err)
	}
	english := kit.Messages("en")
	mux := http.NewServeMux()
	mux.HandleFunc("GET /page", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte("a page"))
	})
	mux.HandleFunc("GET /json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusConflict)
		_, _ = w.Write([]byte(`{"error":"X"}`))
	})
	for _, status := range []string{"400", "413", "421", "500", "503"} {
		code := map[string]int{"400": 400, "413": 413, "421": 421, "500": 500, "503": 503}[status]
		mux.HandleFunc("GET /"+status, func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "plain", code)
		})
	}
	h := kit.ErrorPages(http.NewCrossOriginProtection().Handler(mux))
	for _, test := range []struct {
		method, path, site string
		status             int
		key                string // of the page's messages; "": what the handler wrote
	}{
		{"GET", "/page", "none", 200, ""},
		{"GET", "/json", "none", 409, ""},
		{"GET", "/nothing", "none", 404, "error.404"},
		{"POST", "/page", "same-origin", 405, "error.405"},
		{"POST", "/page", "cross-site", 403, "error.403"},
		{"GET", "/400", "none", 400, "error.400"},
		{"GET", "/413", "none", 413, "error.413"},
		{"GET", "/421", "none", 421, "error.400"},
		{"GET", "/500", "none", 500, "error.500"},
		{"GET", "/503", "none", 503, "error.503"},
	} {
		for _, accept := range []string{"text/html,application/xhtml+xml,*/*;q=0.8", "*/*"} {
			r := httptest.NewRequest(test.method, test.path, nil)
			r.Header.Set("Sec-Fetch-Site", test.site)
			r.Header.Set("Accept", accept)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			page := accept != "*/*" && test.key != ""
			body, kind := w.Body.String(), w.Header().Get("Content-Type")
			if w.Code != test.status || page != strings.Contains(body, `class="card"`) ||
				page &&
					(!strings.Contains(body, english[test.key+".title"]) || kind != "text/html; charset=utf-8" ||
						!strings.Contains(body, `href="/"`)) {
				t.Errorf("%s %s, Accept %s: %d %s %.300s",
					test.method, test.path, accept, w.Code, kind, body)
			}
			if w.Code == http.StatusMethodNotAllowed && w.Header().Get("Allow") != "GET, HEAD" {
				t.Errorf("%s: Allow %q", test.path, w.Header().Get("Allow"))
			}
		}
	}
}
