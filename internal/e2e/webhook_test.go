package e2e_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/client"
	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/token"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// trail is all that the control listener tells of a request.
type trail struct {
	State  string  `json:"state"`
	Signer *string `json:"signer"`
	Events []struct {
		At     time.Time         `json:"at"`
		Kind   string            `json:"kind"`
		Detail map[string]string `json:"detail"`
	} `json:"events"`
	Jobs []struct {
		Kind      string    `json:"kind"`
		Status    string    `json:"status"`
		Attempts  int       `json:"attempts"`
		DueAt     time.Time `json:"due_at"`
		LastError string    `json:"last_error"`
	} `json:"jobs"`
	Calls []struct {
		Call string        `json:"call"`
		Took time.Duration `json:"took_ns"`
	} `json:"calls"`
}

func (s *sandbox) trail(t testing.TB, id string) trail {
	t.Helper()
	a := do(t, "GET", s.control+"/requests/"+id, "", "", nil)
	var v trail
	if err := json.Unmarshal([]byte(a.body), &v); err != nil || a.status != 200 {
		t.Fatalf("request: %d %s", a.status, a.body)
	}
	return v
}

// webhooks counts the webhook job's attempts and gives its status, when all that is due has run.
func (s *sandbox) webhooks(
	t testing.TB, id string,
) (status string, attempts int, lastError string) {
	t.Helper()
	s.advance(t, "0s")
	for _, j := range s.trail(t, id).Jobs {
		if j.Kind == "webhook" {
			return j.Status, j.Attempts, j.LastError
		}
	}
	return "none", 0, ""
}

// TestWebhook is one webhook, member by member, and as the client package and the OpenAPI document
// see it.
func TestWebhook(t *testing.T) {
	s := start(t)
	in := s.sign(t)
	hook, err := s.party.WaitWebhook(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	result := s.signedResult(t, in)
	document, err := openAPI()
	if err != nil {
		t.Fatal(err)
	}
	if err := document.CheckWebhook("POST", hook.Header, hook.Body); err != nil {
		t.Error(err)
	}
	if ct := hook.Header.Get("Content-Type"); ct != "application/json" {
		t.Errorf("Content-Type %q", ct)
	}
	var body map[string]json.RawMessage
	if err := json.Unmarshal(hook.Body, &body); err != nil || len(body) != 1 {
		t.Errorf("body %s", hook.Body)
	}

	// The header, to the letter, and a key of keys.json.
	jws, err := jose.ParseSignedCompact(hook.Token, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		t.Fatal(err)
	}
	head, err := base64.RawURLEncoding.DecodeString(strings.Split(hook.Token, ".")[0])
	if err != nil {
		t.Fatal(err)
	}
	var header map[string]string
	if err := json.Unmarshal(head, &header); err != nil {
		t.Fatal(err)
	}
	kid := header["kid"]
	if len(header) != 3 || header["alg"] != "ES256" || header["typ"] != "JWT" || kid == "" {
		t.Errorf("JOSE header %v", header)
	}
	keys := do(t, "GET", s.url+"/.well-known/keys.json", "", "", nil)
	var set jose.JSONWebKeySet
	if err := json.Unmarshal([]byte(keys.body), &set); err != nil || keys.status != 200 ||
		len(set.Key(kid)) != 1 {
		t.Fatalf("keys.json has not exactly one key %s: %s", kid, keys.body)
	}
	if key := set.Key(kid)[0]; key.Use != "sig" || key.Algorithm != "ES256" || !key.IsPublic() {
		t.Errorf("the key is %+v", key)
	}
	payload, err := jws.Verify(set.Key(kid)[0])
	if err != nil {
		t.Fatal(err)
	}

	// The claims, and no others.
	var members map[string]any
	var claims api.WebhookClaims
	if err := errors.Join(json.Unmarshal(payload, &members), json.Unmarshal(payload, &claims)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"request_type", "signed_doc_url", "request_id", "signer_info", "iat", "exp"} {
		if _, ok := members[name]; !ok {
			t.Errorf("claim %s is missing", name)
		}
		delete(members, name)
	}
	if len(members) > 0 {
		t.Errorf("further claims %v", members)
	}
	if claims.RequestType != "signed_doc_url" || claims.RequestID != in.RequestID ||
		claims.Exp != claims.Iat+120 {
		t.Errorf("claims %+v", claims)
	}
	if claims.SignerInfo != result.SignerInfo || claims.SignerInfo.SignerPartialUINFIN != "373D" {
		t.Errorf("signer_info %+v, the result call says %+v", claims.SignerInfo, result.SignerInfo)
	}
	if signed := time.UnixMilli(claims.SignerInfo.SignedAt); time.Unix(claims.Iat, 0).Sub(
		signed,
	).Abs() > 5*time.Second {
		t.Errorf("iat %d is not the time of the signature %s", claims.Iat, signed)
	}
	if a := do(t, "GET", claims.SignedDocURL, "", "", nil); a.status != 200 {
		t.Errorf("its link: %d %s", a.status, a.body)
	}

	c, err := client.New(client.Config{
		BaseURL: s.url + "/api/v3", ClientID: s.party.ClientID,
		Key: s.party.Key("ES256").Private, KeyID: s.party.Key("ES256").Kid, Now: s.now,
	})
	if err != nil {
		t.Fatal(err)
	}
	again, err := c.VerifyWebhook(
		t.Context(), httptest.NewRequest("POST", "/webhook", bytes.NewReader(hook.Body)),
	)
	if err != nil || *again != claims {
		t.Errorf("the client reads %+v, %v", again, err)
	}
	// Two minutes later token and link are over.
	s.advance(t, "131s")
	if _, err := c.VerifyWebhook(t.Context(), httptest.NewRequest("POST", "/webhook", bytes.NewReader(hook.Body))); err == nil {
		t.Error("the client takes a token that is over")
	}
	if a := do(t, "GET", claims.SignedDocURL, "", "", nil); a.status != 403 {
		t.Errorf("its link, later: %d", a.status)
	}
}

// TestWebhookRetry checks that a failed attempt is made again two seconds later, with the same
// token, and an answer ends it.
func TestWebhookRetry(t *testing.T) {
	s := start(t)
	s.party.AnswerWebhooks(func(n int) int { return []int{500, 404, 204, 204}[min(n, 3)] })
	in := s.sign(t)
	for want := 1; want <= 3; want++ {
		status, attempts, _ := s.webhooks(t, in.RequestID)
		if wantStatus := map[bool]string{true: "done", false: "pending"}[want == 3]; status != wantStatus ||
			attempts != want {
			t.Fatalf("after %d attempts: %s, %d", want, status, attempts)
		}
		s.advance(t, "2s")
	}
	s.advance(t, "24h")
	hooks := s.party.Webhooks()
	if len(hooks) != 3 || hooks[0].Token != hooks[1].Token || hooks[1].Token != hooks[2].Token {
		t.Errorf("%d webhooks, or not the same token", len(hooks))
	}
	var last time.Time
	attempts := 0
	for _, e := range s.trail(t, in.RequestID).Events {
		if e.Kind != "webhook" {
			continue
		}
		if attempts > 0 && e.At.Sub(last) < 2*time.Second {
			t.Errorf("attempt %d follows after %s", attempts+1, e.At.Sub(last))
		}
		last = e.At
		attempts++
	}
	if attempts != 3 {
		t.Errorf("%d attempts in the trail", attempts)
	}
}

// TestWebhookGivesUp checks that three attempts are made, and then the failure stays visible; the
// result call still works.
func TestWebhookGivesUp(t *testing.T) {
	s := start(t)
	s.party.AnswerWebhooks(func(int) int { return 503 })
	in := s.sign(t)
	for range 5 {
		s.advance(t, "2s")
	}
	status, attempts, reason := s.webhooks(t, in.RequestID)
	if status != "failed" || attempts != 3 || !strings.Contains(reason, "503") {
		t.Errorf("%s after %d attempts, because %q", status, attempts, reason)
	}
	s.signedResult(t, in)
	s.advance(t, "48h")
	if n := len(s.party.Webhooks()); n != 3 {
		t.Errorf("%d webhooks", n)
	}
}

// TestWebhookTimeout checks that an answer that takes more than two seconds is none.
func TestWebhookTimeout(t *testing.T) {
	s := start(t)
	release := make(chan struct{})
	s.party.AnswerWebhooks(func(n int) int {
		if n == 0 {
			<-release
		}
		return 200
	})
	defer close(release)
	in := s.sign(t)
	if status, attempts, reason := s.webhooks(t, in.RequestID); status != "pending" ||
		attempts != 1 ||
		reason == "" {
		t.Errorf("%s after %d attempts, because %q", status, attempts, reason)
	}
	var took time.Duration
	for _, call := range s.trail(t, in.RequestID).Calls {
		if call.Call == "webhook" {
			took = call.Took
		}
	}
	if took < 2*time.Second || took > 4*time.Second {
		t.Errorf("the attempt was given up after %s", took)
	}
	s.advance(t, "2s")
	if status, attempts, _ := s.webhooks(t, in.RequestID); status != "done" || attempts != 2 {
		t.Errorf("then %s after %d attempts", status, attempts)
	}
}

// TestLeaveDoesNotWait checks that the browser does not wait for the webhook (docs/contract.md,
// 14.16): it is back while the receiver still ponders.
func TestLeaveDoesNotWait(t *testing.T) {
	s := start(t)
	release := make(chan struct{})
	defer close(release)
	s.party.AnswerWebhooks(func(int) int { <-release; return 200 })
	for try := 0; ; try++ { // a slow machine takes longer than an attempt, but not each time
		in := s.sign(t)
		to := s.visitor(t).post(t, "/sign/"+in.RequestID+"/leave", nil).follow(t)
		if !strings.HasSuffix(to, "&status=success") {
			t.Errorf("the browser goes back to %s", to)
		}
		over := false
		for _, e := range s.view(t, in.RequestID).Events {
			over = over || e.Kind == "webhook"
		}
		if !over {
			return
		}
		if try == 5 {
			t.Fatal("each time the attempt is over when the browser is back")
		}
	}
}

// TestWebhookRedirect checks that a redirect is a failure and is not followed.
func TestWebhookRedirect(t *testing.T) {
	var asked, followed atomic.Int64
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/elsewhere" {
			followed.Add(1)
			return
		}
		asked.Add(1)
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	}))
	defer receiver.Close()
	s := start(t, func(c *config.Config) { c.Parties[0].WebhookURL = receiver.URL + "/webhook" })
	in := s.sign(t)
	if status, _, reason := s.webhooks(t, in.RequestID); status != "pending" ||
		!strings.Contains(reason, "307") {
		t.Errorf("%s because %q", status, reason)
	}
	if asked.Load() != 1 || followed.Load() != 0 {
		t.Errorf("asked %d times, followed %d times", asked.Load(), followed.Load())
	}
}

// TestNoWebhook checks that only a signature is announced, and only to parties with a webhook URL.
func TestNoWebhook(t *testing.T) {
	s := start(t)
	rejected, expired := s.initiate(t), s.initiate(t)
	s.must(t, rejected.RequestID, alice, "open", "proceed", "reject")
	s.must(t, expired.RequestID, bob, "open")
	s.advance(t, "24h")
	for _, in := range []string{rejected.RequestID, expired.RequestID} {
		if status, _, _ := s.webhooks(t, in); status != "none" {
			t.Errorf("a webhook job that is %s", status)
		}
	}
	if n := len(s.party.Webhooks()); n != 0 {
		t.Errorf("%d webhooks", n)
	}

	silent := start(t, func(c *config.Config) { c.Parties[0].WebhookURL = "" })
	in := silent.sign(t)
	if status, _, _ := silent.webhooks(t, in.RequestID); status != "done" {
		t.Errorf("without a URL the job is %s", status)
	}
}

// TestWebhookAfterKill checks that if the program is killed between two attempts, the next process
// makes the others.
func TestWebhookAfterKill(t *testing.T) {
	p := newProcess(t)
	answer := atomic.Int64{}
	answer.Store(500)
	p.party.AnswerWebhooks(func(int) int { return int(answer.Load()) })
	p.start(t)
	status, text, _ := p.call(
		"POST", "/api/v3/sign-requests", p.party.Token(token.Initiate), "application/octet-stream",
		pdftest.Minimal(),
	)
	var in api.Initiated
	if err := json.Unmarshal([]byte(text), &in); err != nil || status != 200 {
		t.Fatalf("initiate: %d %s", status, text)
	}
	for _, step := range []string{"open", "proceed", "approve"} {
		if status, text, _ := p.call("POST", "/requests/"+in.RequestID+"/act", "", "application/json", []byte(`{"as":"`+alice+`","do":"`+step+`"}`)); status != 200 {
			t.Fatalf("%s: %d %s", step, status, text)
		}
	}
	first, err := p.party.WaitWebhook(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	p.kill()
	answer.Store(200)
	p.start(t)
	second, err := p.party.WaitWebhook(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	a, b := payloadOf(t, first.Token), payloadOf(t, second.Token)
	if a.RequestID != in.RequestID || b.RequestID != in.RequestID || b.Exp < a.Exp {
		t.Errorf("first %+v, second %+v", a, b)
	}
}

// payloadOf reads the claims of a webhook without verifying it.
func payloadOf(t testing.TB, compact string) (claims api.WebhookClaims) {
	t.Helper()
	parts := strings.Split(compact, ".")
	if len(parts) != 3 {
		t.Fatalf("%q is not a token", compact)
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err == nil {
		err = json.Unmarshal(text, &claims)
	}
	if err != nil {
		t.Fatal(err)
	}
	return claims
}
