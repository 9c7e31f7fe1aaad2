package sandbox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/client"
)

func TestDemoCreates(t *testing.T) {
	b := newBench(t)
	b.page("/demo/", `action="/demo/requests"`, `value="three"`, "TAN XIAO HUI", "No requests yet")

	b.post(
		"/demo/requests",
		url.Values{"source": {"sample"}, "places": {"three"}, "signer": {"S8979373D"}},
		"/demo/requests/signv3-1",
	)
	if !bytes.Equal(b.document, sampleDocument()) {
		t.Errorf("the service got another document, of %d bytes", len(b.document))
	}
	locations, _ := b.claims["sign_locations"].([]any)
	if b.claims["client_id"] != "demo-client" || b.claims["doc_name"] != sampleName ||
		b.claims["signer_uin_hash"] != client.HashUIN("S8979373D") || len(locations) != 3 {
		t.Errorf("claims %v", b.claims)
	}
	b.page("/demo/", "/demo/requests/signv3-1", sampleName, "!No requests yet")
	b.page(
		"/demo/requests/signv3-1",
		sampleName,
		`href="`+publicURL+`/sign/signv3-1"`,
		"POST /api/v3/sign-requests",
		`"exchange_code": "code-signv3-1"`,
		`"kid": "`+demoKeyID+`"`, // the token, decoded
		`"doc_name": "`+sampleName+`"`,
		"--data-binary @document.pdf", "new SignJWT(", "jwt.encode(", "c.Initiate(ctx, ",
		"/demo/requests/signv3-1/cancel",
		"/demo/requests/signv3-1/result",
		"!signed.pdf",
	)
	b.state("signv3-1", "created")

	// An upload of a document whose pages cannot be measured; any person may sign.
	status, _, header := b.upload("lease <1>.pdf", []byte("%PDF-broken"), "one")
	if status != http.StatusSeeOther || header.Get("Location") != "/demo/requests/signv3-2" {
		t.Errorf("upload: %d", status)
	}
	if _, named := b.claims["signer_uin_hash"]; named || string(b.document) != "%PDF-broken" ||
		b.claims["doc_name"] != "lease <1>.pdf" {
		t.Errorf("upload: %q, claims %v", b.document, b.claims)
	}
}

func TestDemoShowsRefusedUploads(t *testing.T) {
	b := newBench(t)
	b.refuse = api.ErrClientSide("The PDF is encrypted")
	status, text, _ := b.upload("a.pdf", []byte("%PDF"), "one")
	if status != 400 {
		t.Errorf("status %d", status)
	}
	b.look(
		"refused", text, `"error_description": "The PDF is encrypted"`,
		"Signet-Explanation: because <so>", `action="/demo/requests"`,
	)
	b.page("/demo/", "No requests yet", "!encrypted")
	b.refuse = nil

	sent := b.initiates
	for name, form := range map[string]url.Values{
		"no file":   {"source": {"upload"}, "places": {"one"}},
		"no places": {"source": {"sample"}},
	} {
		status, text, _ := b.call(
			"POST", "/demo/requests", "application/x-www-form-urlencoded", form.Encode(),
		)
		if status != 400 || !strings.Contains(text, "not sent: ") {
			t.Errorf("%s: %d", name, status)
		}
	}
	if status, text, _ := b.upload("a.pdf", make([]byte, api.MaxDocumentBytes), "one"); status != 400 ||
		!strings.Contains(text, "not sent: ") {
		t.Errorf("too large for the API: %d", status)
	}
	if status, _, _ := b.upload("a.pdf", make([]byte, demoUpload), "one"); status != http.StatusRequestEntityTooLarge {
		t.Errorf("too large for the form: %d", status)
	}
	if status, _, _ := b.call("POST", "/demo/requests", "multipart/form-data; boundary=x", "nonsense"); status != 400 {
		t.Errorf("nonsense: %d", status)
	}
	if b.initiates != sent {
		t.Error("something was sent")
	}
	b.server.Close()
	status, text, _ = b.call(
		"POST", "/demo/requests", "application/x-www-form-urlencoded", "places=one",
	)
	if status != 400 || !strings.Contains(text, "no answer: ") {
		t.Errorf("no service: %d", status)
	}
}

func TestDemoCancels(t *testing.T) {
	b := newBench(t)
	id := b.create()
	at, page := "/demo/requests/"+id+"/cancel", "/demo/requests/"+id
	b.cancel, b.retryAfter = api.ErrActiveSession, "120"
	b.post(at, nil, page)
	if b.claims["request_id"] != id {
		t.Errorf("claims %v", b.claims)
	}
	b.page(page, "ACTIVE_SESSION_ONGOING", "Retry-After: 120", "POST /api/v3/sign-requests/cancel")
	b.state(id, "session")
	b.later(2 * time.Minute)
	b.state(id, "created")

	b.cancel = nil
	b.post(at, nil, page)
	b.page(page, "(empty body)", "ACTIVE_SESSION_ONGOING", `!href="`+publicURL)
	b.state(id, "cancelled")

	b.cancel = api.ErrAlreadyCancelled
	b.post(at, nil, page)
	b.state(id, "cancelled")
}

// The page says first how the last call was refused, if it was.
func TestDemoSaysRefusals(t *testing.T) {
	for _, c := range []struct {
		call Exchange
		want string
	}{
		{Exchange{Status: 400, Body: `{"error": "NOT_SIGNED"}`}, "400 NOT_SIGNED"},
		{Exchange{Status: 502, Body: "Bad gateway"}, "502"},
		{Exchange{Body: "no answer: connection refused"}, "no answer"},
	} {
		page := DemoRequest{Exchanges: []Exchange{c.call, {Status: 200}}}
		if got := page.Refused(); got == nil || got.Answer() != c.want {
			t.Errorf("%v is told as %v, want %q", c.call, got, c.want)
		}
	}
	if got := (DemoRequest{Exchanges: []Exchange{{Status: 200}, {Status: 400}}}).Refused(); got != nil {
		t.Errorf("an earlier refusal is told: %v", got)
	}
}

// What each answer means for the state that is shown.
func TestDemoStates(t *testing.T) {
	for _, c := range []struct {
		call    string
		refusal *api.Error
		want    string
	}{
		{"cancel", api.ErrAlreadySigned, "signed"},
		{"cancel", api.ErrAlreadyCancelled, "cancelled"},
		{"cancel", api.ErrNoRecord, "created"},
		{"cancel", api.ErrUnauthorized, "created"},
		{"cancel", nil, "cancelled"},
		{"result", api.ErrNotSigned, "created"},
		{"result", api.ErrExpired, "expired"},
		{"result", api.ErrCancelled, "cancelled"},
		{"result", api.ErrSignedAccessExpired, "signed"},
		{"result", nil, "signed"},
	} {
		b := newBench(t)
		id := b.create()
		b.fakeAPI.cancel, b.fakeAPI.result = c.refusal, c.refusal
		b.post("/demo/requests/"+id+"/"+c.call, nil, "/demo/requests/"+id)
		b.state(id, c.want)
	}
	b := newBench(t)
	id := b.create()
	b.later(30*time.Minute - time.Second)
	b.state(id, "created")
	b.later(time.Second)
	b.state(id, "expired")
	b.cancel = nil
	b.post("/demo/requests/"+id+"/cancel", nil, "/demo/requests/"+id)
	b.state(id, "cancelled")
}

func TestDemoWebhook(t *testing.T) {
	b := newBench(t)
	id := b.create()
	hook := func(body string) int {
		status, _, _ := b.call("POST", DemoWebhookPath, "application/json", body)
		return status
	}
	if status := hook(b.webhook(newKey(t), id, publicURL+"/documents/forged", b.at())); status != 400 {
		t.Errorf("forged: %d", status)
	}
	b.state(id, "created")
	b.page("/demo/requests/"+id, "Not verified", "documents/forged", "!signed.pdf")

	if status := hook(b.webhook(b.fakeAPI.key, id, publicURL+"/documents/hooked", b.at())); status != 204 {
		t.Errorf("genuine: %d", status)
	}
	b.state(id, "signed")
	b.page(
		"/demo/requests/"+id,
		"Signature verified",
		`"signer_name": "TAN XIAO HUI"`,
		"/demo/requests/"+id+"/signed.pdf",
	)

	for name, body := range map[string]string{"nothing": "", "no token": "{}", "no JWS": `{"token":"a.b.c"}`, "huge": strings.Repeat("x", 1<<20)} {
		if status := hook(body); status != 400 {
			t.Errorf("%s: %d", name, status)
		}
	}
	if status := hook(b.webhook(b.fakeAPI.key, "signv3-unknown", publicURL+"/documents/x", b.at())); status != 204 {
		t.Errorf("of a request that is forgotten: %d", status)
	}

	b = newBench(t)
	b.keysStatus = 500
	if status := hook(b.webhook(b.fakeAPI.key, b.create(), publicURL+"/documents/x", b.at())); status != 503 {
		t.Errorf("without keys: %d", status)
	}
}

func TestDemoSignedDocument(t *testing.T) {
	b := newBench(t)
	id := b.create()
	get := func() (int, string, http.Header) { return b.call("GET", "/demo/requests/"+id+"/signed.pdf", "", "") }

	b.result = api.ErrNotSigned
	if status, text, _ := get(); status != http.StatusBadGateway ||
		!strings.Contains(text, "DOCUMENT_NOT_SIGNED") {
		t.Errorf("not signed: %d", status)
	}
	b.result = nil
	b.results = 0

	b.call(
		"POST", DemoWebhookPath, "",
		b.webhook(b.fakeAPI.key, id, publicURL+"/documents/hooked", b.at()),
	)
	status, text, header := get()
	if status != 200 || text != "%PDF hooked" || b.results != 0 ||
		header.Get("Content-Type") != "application/pdf" ||
		!strings.Contains(header.Get("Content-Disposition"), `"Tenancy agreement (signed).pdf"`) {
		t.Errorf("by the webhook: %d %q, %d results, %v", status, text, b.results, header)
	}
	b.later(2 * time.Minute)
	if status, text, _ := get(); status != 200 || text != "%PDF fresh" || b.results != 1 {
		t.Errorf("by a result: %d %q, %d results", status, text, b.results)
	}
	b.call(
		"POST", DemoWebhookPath, "",
		b.webhook(b.fakeAPI.key, id, publicURL+"/documents/broken", b.at()),
	)
	if status, text, _ := get(); status != 200 || text != "%PDF fresh" {
		t.Errorf("after a broken download: %d %q", status, text)
	}
	// The public address leads nowhere from here, but is what the server is called.
	for _, host := range b.hosts {
		if host != "public.invalid:8080" {
			t.Errorf("Host %s", host)
		}
	}
}

func TestDemoReturn(t *testing.T) {
	b := newBench(t)
	id := b.create()
	for query, want := range map[string]string{
		"request_id=" + id + "&status=success":      "/demo/requests/" + id + "?returned=success",
		"request_id=" + id + "&status=a%26b%3D%22c": "/demo/requests/" + id + "?returned=a%26b%3D%22c",
		"request_id=" + id:                          "/demo/requests/" + id,
		"request_id=signv3-unknown&status=success":  "/demo/",
		"": "/demo/",
	} {
		status, _, header := b.call("GET", DemoRedirectPath+"?"+query, "", "")
		if status != http.StatusSeeOther || header.Get("Location") != want {
			t.Errorf("%s: %d to %s", query, status, header.Get("Location"))
		}
	}
	b.page("/demo/requests/"+id+"?returned=success", "status=success")
	b.state(id, "created") // whatever the browser says
	for _, path := range []string{"/demo/requests/none", "/demo/requests/none/state", "/demo/requests/none/signed.pdf"} {
		if status, _, _ := b.call("GET", path, "", ""); status != 404 {
			t.Errorf("%s: %d", path, status)
		}
	}
}

func TestDemoJWKS(t *testing.T) {
	b := newBench(t)
	_, text, header := b.call("GET", DemoJWKSPath, "", "")
	var set jose.JSONWebKeySet
	if err := json.Unmarshal([]byte(text), &set); err != nil || len(set.Keys) != 1 ||
		!b.key.PublicKey.Equal(set.Keys[0].Key) ||
		set.Keys[0].KeyID != demoKeyID ||
		header.Get("Content-Type") != "application/json" {
		t.Errorf("%s", text)
	}
}

func TestDemoForgets(t *testing.T) {
	var l demoRequests
	for i := range maxDemoRequests + 5 {
		l.add(&demoRequest{id: fmt.Sprint(i)})
	}
	if n := len(l.newest()); n != maxDemoRequests || l.find("4") != nil || l.find("5") == nil ||
		l.newest()[0].id != fmt.Sprint(maxDemoRequests+4) {
		t.Errorf("%d requests", n)
	}
	r := new(demoRequest)
	for range 100 {
		r.learn([]Exchange{{}}, io.EOF, stateSigned, time.Time{})
		r.deliver(WebhookDelivery{}, nil)
	}
	if page := r.page(time.Time{}); len(page.Exchanges) != maxDemoExchanges ||
		len(page.Webhooks) != maxDemoWebhooks ||
		page.Seq != 200 {
		t.Errorf(
			"%d exchanges, %d webhooks, seq %d", len(page.Exchanges), len(page.Webhooks), page.Seq,
		)
	}
}
