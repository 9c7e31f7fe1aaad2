package console

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestBodyIsBounded checks that no handler reads more of a body than the largest form has.
func TestBodyIsBounded(t *testing.T) {
	var read error
	h := new(Console).handle(func(_ http.ResponseWriter, r *http.Request) error {
		_, read = io.Copy(io.Discard, r.Body)
		return nil
	})
	for size, bounded := range map[int]bool{maxBody: false, maxBody + 1: true} {
		body := strings.NewReader(strings.Repeat("a", size))
		h(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/console/clock", body))
		if _, ok := errors.AsType[*http.MaxBytesError](read); ok != bounded {
			t.Errorf("a body of %d bytes: %v", size, read)
		}
	}
}
