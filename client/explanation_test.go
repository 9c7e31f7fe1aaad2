package client_test

import (
	"crypto/elliptic"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/signet-sign/signet/client"
)

// TestExplanation checks that the error has what the sandbox says about a refusal, each thing once.
func TestExplanation(t *testing.T) {
	for _, c := range []struct{ body, header, want string }{
		{
			`{"error":"UNAUTHORIZED","error_description":"Unauthorized."}`,
			"UNAUTHORIZED because cancel: claim exp: missing. Set exp.",
			"client: cancel: UNAUTHORIZED: Unauthorized. (status 400): cancel: claim exp: missing. Set exp.",
		},
		{
			`{"error":"CLIENT_SIDE_ERROR","error_description":"doc_name is missing"}`,
			"CLIENT_SIDE_ERROR: doc_name is missing. Write the claim as doc_name.",
			"client: cancel: CLIENT_SIDE_ERROR: doc_name is missing (status 400): Write the claim as doc_name.",
		},
		{
			`{"error":"DOCUMENT_ALREADY_SIGNED","error_description":"Document has already been signed"}`,
			"DOCUMENT_ALREADY_SIGNED: Document has already been signed",
			"client: cancel: DOCUMENT_ALREADY_SIGNED: Document has already been signed (status 400)",
		},
		{
			`{"error":"UNAUTHORIZED","error_description":"Unauthorized."}`, "",
			"client: cancel: UNAUTHORIZED: Unauthorized. (status 400)",
		},
	} {
		private := key(t, elliptic.P256())
		url, _ := service(t, private.Public(), func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Signet-Explanation", c.header)
			w.Header().Set("Signet-Diagnostics", "ABC")
			writeJSON(w, http.StatusBadRequest, c.body)
		})
		rp := newClient(t, url, func(config *client.Config) { config.Key = private })
		err := rp.Cancel(t.Context(), "signv3-1")
		var refused *client.Error
		if !errors.As(err, &refused) || refused.Diagnostics != "ABC" || err.Error() != c.want ||
			!strings.HasSuffix(c.want, refused.Explanation) {
			t.Errorf("%v\nwant %s", err, c.want)
		}
	}
}
