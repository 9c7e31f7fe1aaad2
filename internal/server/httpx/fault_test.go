package httpx_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http/httptest"
	"testing"

	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/server/httpx"
)

// TestFault checks the answer to each kind of fault, and that clients which go away cannot fill the
// log.
func TestFault(t *testing.T) {
	gone, leave := context.WithCancel(t.Context())
	leave()
	for name, tc := range map[string]struct {
		ctx    context.Context
		err    error
		status int
		retry  string
		logged bool
	}{
		"a fault":            {t.Context(), errors.New("broken"), 500, "", true},
		"no database":        {t.Context(), request.ErrAway, 503, "10", true},
		"the client is gone": {gone, context.Canceled, 503, "1", false},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			w, r := httptest.NewRecorder(), httptest.NewRequestWithContext(tc.ctx, "GET", "/", nil)
			status := httpx.Fault(w, r, slog.New(slog.NewTextHandler(&log, nil)), "page failed", tc.err)
			retry := w.Header().Get("Retry-After")
			if status != tc.status || retry != tc.retry || (log.Len() > 0) != tc.logged {
				t.Errorf("status %d, Retry-After %q, log %q", status, retry, log.String())
			}
		})
	}
}
