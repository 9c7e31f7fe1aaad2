package portal_test

import (
	"bytes"
	"crypto/x509"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/server/portal"
	"github.com/signet-sign/signet/internal/server/ui"
)

const cases = "../../../pades/testdata/verify/"

// verifier serves the page for checking documents. It has no storage: a document that was stored
// would panic. log is what it writes to its log.
func verifier(t *testing.T) (h http.Handler, log *bytes.Buffer) {
	t.Helper()
	pem, err := os.ReadFile(cases + "root.pem")
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	kit, err := ui.New(ui.Options{Templates: []ui.Templates{portal.Templates()}})
	if err != nil {
		t.Fatal(err)
	}
	log = new(bytes.Buffer)
	logger := slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	p := &portal.Portal{
		Requests: request.New(request.Config{
			Roots: roots, TSARoots: roots, Log: logger,
			Now: func() time.Time { return time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC) },
		}),
		Kit: kit, Log: logger,
	}
	mux := http.NewServeMux()
	p.Routes(mux)
	return mux, log
}

func upload(
	t *testing.T, h http.Handler, field, name string, doc []byte,
) *httptest.ResponseRecorder {
	t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile(field, name)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = part.Write(doc)
	if err := form.Close(); err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "/verify", &body)
	r.Header.Set("Content-Type", form.FormDataContentType())
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// TestVerify uploads files to the page: it says who signed, when, and whether the document was
// changed. Neither the name nor the content of a file is logged.
func TestVerify(t *testing.T) {
	h, log := verifier(t)
	read := func(name string) []byte {
		doc, err := os.ReadFile(cases + name)
		if err != nil {
			t.Fatal(err)
		}
		return doc
	}
	signed := read("intact/product_lta.pdf")
	changed := bytes.Clone(signed)
	changed[bytes.Index(changed, []byte("MediaBox"))+12]++
	for name, c := range map[string]struct {
		doc    []byte
		status int
		want   []string
	}{
		"intact": {signed, 200, []string{
			"The document is as it was signed", "What was signed is unchanged", "as a timestamp proves",
			"TOTAL-PASSED",
		}},
		"changed":    {changed, 200, []string{"Do not rely on this document", "The content was changed after it was signed", "HASH_FAILURE"}},
		"forbidden":  {read("refuse/free_in_p1.pdf"), 200, []string{"Do not rely on this document", "does not allow"}},
		"stranger":   {read("intact/e_cosign_foreign_lta.pdf"), 200, []string{"It is not certain who signed", "the name may be made up"}},
		"not a PDF":  {[]byte("<html>"), 422, []string{"cannot be read as a PDF", "does not start with %PDF-"}},
		"too large":  {make([]byte, api.MaxDocumentBytes), 422, []string{"too large"}},
		"empty file": {nil, 422, []string{"cannot be read as a PDF"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := upload(t, h, "document", "secret-name.pdf", c.doc)
			if w.Code != c.status {
				t.Errorf("status %d, want %d", w.Code, c.status)
			}
			for _, want := range c.want {
				if !strings.Contains(w.Body.String(), want) {
					t.Errorf("the page does not say %q", want)
				}
			}
		})
	}
	if w := upload(t, h, "other", "x.pdf", signed); w.Code != http.StatusBadRequest {
		t.Errorf("another field: %d", w.Code)
	}
	if strings.Contains(log.String(), "secret-name") || strings.Contains(log.String(), "%PDF") {
		t.Errorf("the log has what was uploaded: %s", log)
	}
}

// TestVerifyIsBounded refuses documents beyond the rate, a second one of an address while the first
// is in memory, and a fifth one of all addresses.
func TestVerifyIsBounded(t *testing.T) {
	h, _ := verifier(t)
	var last *httptest.ResponseRecorder
	for range 20 {
		last = upload(t, h, "document", "x.pdf", []byte("x"))
	}
	if last.Code != http.StatusTooManyRequests || last.Header().Get("Retry-After") == "" {
		t.Errorf("the 20th document in a moment: %d", last.Code)
	}

	h, _ = verifier(t)
	reading := make(chan bool)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.RemoteAddr = r.Header.Get("X-From") + ":1"
		if r.ContentLength < 0 { // the pipe
			r.Body = &notified{r.Body, reading}
		}
		h.ServeHTTP(w, r)
	}))
	// A pipe that is refused has no end: the server waits for it, and the test fails, after this.
	server.Config.ReadTimeout = time.Minute
	server.Start()
	defer server.Close()
	const start = "--b\r\nContent-Disposition: form-data; name=\"document\"; filename=\"x.pdf\"\r\n\r\n"
	post := func(from string, body io.Reader) (status int) {
		r, err := http.NewRequest(http.MethodPost, server.URL+"/verify", body)
		if err != nil {
			t.Error(err)
			return 0
		}
		r.Header.Set("Content-Type", "multipart/form-data; boundary=b")
		r.Header.Set("X-From", from)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Error(err)
			return 0
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	var held sync.WaitGroup
	defer held.Wait()
	for _, from := range []string{"192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"} {
		r, w := io.Pipe()
		defer w.Close()
		refused := make(chan int, 1)
		held.Go(func() { refused <- post(from, r) })
		select {
		case <-reading: // the document is counted
		case status := <-refused:
			t.Fatalf("the document of %s: %d", from, status)
		}
		again := post(from, strings.NewReader(start+"x\r\n--b--\r\n"))
		if again != http.StatusTooManyRequests {
			t.Errorf("a second document of %s: %d", from, again)
		}
		if from == "192.0.2.1" {
			other := post("192.0.2.9", strings.NewReader(start+"x\r\n--b--\r\n"))
			if other != http.StatusUnprocessableEntity {
				t.Errorf("a document of another address: %d", other)
			}
		}
	}
	fifth := post("192.0.2.5", strings.NewReader(start+"x\r\n--b--\r\n"))
	if fifth != http.StatusTooManyRequests {
		t.Errorf("a fifth document: %d", fifth)
	}
}

// TestNextDocument checks the next document of an address while the page of the one before is
// written.
func TestNextDocument(t *testing.T) {
	h, _ := verifier(t)
	r := httptest.NewRequest(http.MethodPost, "/verify", strings.NewReader(
		"--b\r\nContent-Disposition: form-data; name=\"document\"; filename=\"x.pdf\"\r\n\r\nx\r\n--b--\r\n"))
	r.Header.Set("Content-Type", "multipart/form-data; boundary=b")
	var next *httptest.ResponseRecorder
	h.ServeHTTP(&onHeader{httptest.NewRecorder(), func() {
		next = upload(t, h, "document", "x.pdf", []byte("x"))
	}}, r)
	if next == nil || next.Code != http.StatusUnprocessableEntity {
		t.Errorf("the next document: %v", next)
	}
}

// onHeader calls a function before it writes the header.
type onHeader struct {
	http.ResponseWriter
	before func()
}

func (w *onHeader) WriteHeader(status int) {
	w.before()
	w.ResponseWriter.WriteHeader(status)
}

// notified is a body that sends before it is read for the first time.
type notified struct {
	io.ReadCloser
	reading chan<- bool
}

func (n *notified) Read(p []byte) (int, error) {
	if n.reading != nil {
		n.reading <- true
		n.reading = nil
	}
	return n.ReadCloser.Read(p)
}
