package e2e_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/signet-sign/signet/internal/party/partytest"
)

// TestFormsNeedARole sends every form of the console, found in its source, as a viewer and as an
// operator, with client ids that look like parts of other paths. What is not listed here is refused.
func TestFormsNeedARole(t *testing.T) {
	provider := newOperatorProvider(t)
	c := provider.config(t, partytest.Start(t), "audit=viewer", "desk=operator")
	running(t, c)
	allowed := map[string][]string{"audit": {"/console/logout", "/console/sessions/token"}}
	allowed["desk"] = append([]string{
		"/console/requests/ID/cancel", "/console/requests/ID/resend", "/console/requests/ID/seal",
		"/console/requests/ID/abort", "/console/webhooks/resend", "/console/webhooks/resume",
		"/console/doctor", "/console/parties/test", "/console/party/ID/test",
	}, allowed["audit"]...)
	ids := []string{
		"x", "test", "doctor", "requests", "logout", "%2e%2e", "x%2Ftest", "..%2Frequests%2Fx",
		"token", "evidence.zip", "*",
	}
	for group, may := range allowed {
		provider.claims = map[string]any{"sub": group, "email": group, "groups": group}
		o := newOperator(t, c)
		o.do("GET", "/console/", nil)
		sent := 0
		for _, route := range paths(t, "ID") {
			if !strings.HasPrefix(route, "/console/") || slices.Contains(may, route) {
				continue
			}
			for _, id := range ids {
				path := strings.ReplaceAll(route, "ID", id)
				for _, method := range []string{"POST", "PUT", "PATCH", "DELETE"} {
					if slices.Contains(may, path) && method == "POST" {
						continue
					}
					sent++
					// 405: there is no such form, and the others of the folder are for operators
					if got := o.do(method, path, nil).status; got != http.StatusForbidden &&
						got != http.StatusMethodNotAllowed {
						t.Errorf("%s: %s %s: %d", group, method, path, got)
					}
				}
				if path == route {
					break
				}
			}
		}
		if got := o.do("GET", "/console/", nil).status; sent < 500 || got != http.StatusOK {
			t.Errorf("%s: %d forms, and then %d", group, sent, got)
		}
	}
}
