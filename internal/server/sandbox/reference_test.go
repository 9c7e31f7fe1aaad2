package sandbox

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/signet-sign/signet/api"
)

// TestReference checks that the page has every call of the document, with its claims, members and
// examples.
func TestReference(t *testing.T) {
	b := newBench(t)
	b.page(
		ReferencePath, publicURL+api.PathOpenAPI,
		"POST /sign-requests<", "POST /sign-requests/cancel",
		"GET /sign-requests/{request_id}/signed-doc",
		"GET /documents/{request_id}", "GET /.well-known/keys.json", "POST your webhook URL",
		"<td><code>signer_uin_hash</code></td>", // a table of Markdown
		"Authorization</code> <span class=\"quiet\">header, application/jwt, required",
		"exchange_code</code> <span class=\"quiet\">string", // a member by reference
		"ACTIVE_SESSION_ONGOING, DOCUMENT_ALREADY_SIGNED",   // codes of one call
		`"error": "REQUEST_ALREADY_CANCELLED"`,              // an example
		`action="/reference/initiate#initiate"`, `action="/reference/cancel#cancel"`,
		"!<nil>", "!%!", "!signv3-1",
	)
	ref, err := NewReference(publicURL)
	if err != nil {
		t.Fatal(err)
	}
	for _, group := range ref.Groups {
		for _, op := range group.Operations {
			if op.Text == "" || op.Summary == "" || len(op.Answers) == 0 {
				t.Errorf("%s: %+v", op.ID, op)
			}
			for _, a := range op.Answers {
				if a.Text == "" {
					t.Errorf("%s: %s says nothing", op.ID, a.Status)
				}
			}
		}
	}
}

// TestReferenceCalls checks that a form makes the call and shows it, and the next forms are about
// the request that it made.
func TestReferenceCalls(t *testing.T) {
	b := newBench(t)
	try := func(operation string, form url.Values, texts ...string) {
		t.Helper()
		status, text, _ := b.call(
			"POST", ReferencePath+"/"+operation, "application/x-www-form-urlencoded", form.Encode(),
		)
		if status != http.StatusOK {
			t.Fatalf("%s: %d", operation, status)
		}
		b.look(operation, text, texts...)
	}
	try("initiate", url.Values{"claims": {`{"doc_name": "A <b>.pdf"}`}},
		`"request_id": "signv3-1"`, `"exchange_code": "code-signv3-1"`, `"doc_name": "A <b>.pdf"`)
	if b.claims["doc_name"] != "A <b>.pdf" || b.claims["client_id"] != "demo-client" ||
		!strings.HasPrefix(string(b.document), "%PDF") {
		t.Errorf("claims %v, a document of %d bytes", b.claims, len(b.document))
	}
	b.page("/demo/requests/signv3-1", "A <b>.pdf")
	b.page(ReferencePath, `"request_id": "signv3-1"`, `"exchange_code": "code-signv3-1"`)

	b.cancel = api.ErrActiveSession
	try("cancel", url.Values{"claims": {`{"request_id": "signv3-1", "iat": 1}`}},
		"ACTIVE_SESSION_ONGOING", "because <so>", `"iat": 1`)
	if b.claims["iat"] != 1.0 {
		t.Errorf("iat %v", b.claims["iat"])
	}
	try("result", url.Values{
		"claims": {`{"exchange_code": "code-signv3-1"}`}, "request_id": {"signv3-1"},
	}, "/documents/fresh", "GET /api/v3/sign-requests/signv3-1/signed-doc")
	try("result", url.Values{"claims": {`{"exchange_code": "code-a/b"}`}, "request_id": {"a/b"}},
		"/sign-requests/a%2Fb/signed-doc")
	try("cancel", url.Values{"claims": {`[1]`}}, "not sent: the claims are no JSON object")

	if status, _, _ := b.call("POST", ReferencePath+"/download", "", ""); status != 404 {
		t.Errorf("download: %d", status)
	}
	status, _, header := b.call("GET", ReferencePath+"/initiate", "", "")
	if status != http.StatusFound || header.Get("Location") != ReferencePath {
		t.Errorf("a page that is loaded again: %d", status)
	}
}
