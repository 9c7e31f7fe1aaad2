package console_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/signet-sign/signet/internal/request"
)

// TestDocument checks that an operator sees the document whole, that the trail and the page say who
// did, and that a request without a document has none to show.
func TestDocument(t *testing.T) {
	w := newWorld(t)
	for _, state := range []request.State{request.StateSession, request.StateSigned} {
		id := w.in(t, state)
		path := "/console/requests/" + id
		page := w.get(t, path)
		page.has(t, 200, `data-document-url="`+path+`/document.pdf"`)
		if marked := strings.Contains(page.body, `&#34;signature&#34;:1`); marked != (state != request.StateSigned) {
			t.Errorf("%s: places are marked: %v", state, marked)
		}
		r := httptest.NewRequest("GET", path+"/document.pdf", nil)
		r.Header.Set("Range", "bytes=5-9") // no look without its record
		got := w.do(t, r)
		got.has(t, 200, "%PDF-")
		if kind := got.header.Get("Content-Type"); kind != "application/pdf" {
			t.Errorf("type %q", kind)
		}
		w.get(t, path).has(t, 200, "Document shown to an operator")
	}
	id := w.in(t, request.StateCreated)
	w.post(t, "/console/requests/"+id+"/cancel", nil).has(t, 303)
	w.get(t, "/console/requests/"+id+"/document.pdf").has(t, 404)
	if page := w.get(t, "/console/requests/"+id); strings.Contains(page.body, "document.pdf") {
		t.Error("the page offers a document that is deleted")
	}
}
