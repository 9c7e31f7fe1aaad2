package e2e_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/signet-sign/signet/internal/calllog"
	"github.com/signet-sign/signet/internal/party/partytest"
	phoneapi "github.com/signet-sign/signet/internal/server/phone"
	"github.com/signet-sign/signet/internal/store"
	"github.com/signet-sign/signet/internal/token"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// lockedLog collects a log.
type lockedLog struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lockedLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lockedLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// TestLogsHoldNoSecrets makes a whole journey, and everything that goes wrong on the way, with the
// log at its most talkative. Nothing that opens a door is in it, nor who the people are. The same
// goes for the records of relying parties' calls.
func TestLogsHoldNoSecrets(t *testing.T) {
	rp := partytest.Start(t)
	c := config(rp)
	c.LogLevel = "debug"
	c.Parties[0].WebhookURL += "?key=" + "hush-hush-hush"
	log := new(lockedLog)
	s := run(
		t, rp, c, nil,
		slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	)
	s.party.AnswerWebhooks(func(n int) int { return []int{500, 200}[min(n, 1)] })

	secrets := map[string]string{
		"the webhook's URL": "hush-hush-hush", "alice's NRIC": alice, "bob's NRIC": bob,
	}
	jws := func(name string, call token.Call, edits ...partytest.Edit) string {
		text := s.party.Token(call, edits...)
		parts := strings.Split(text, ".")
		secrets["the payload of "+name], secrets["the signature of "+name] = parts[1], parts[2]
		return text
	}
	api := s.url + "/api/v3/sign-requests"
	post := func(to, jws, kind string) {
		do(t, "POST", to, jws, kind, bytes.NewReader(pdftest.Minimal()))
	}

	// A journey, by portal and phone.
	in := s.initiate(t)
	secrets["the exchange code"] = in.ExchangeCode
	p, desk := enrolled(t, s, alice), s.visitor(t)
	for i, code := range []string{"", "a-code-that-was-guessed"} {
		form := desk.chooser(t, desk.post(t, "/sign/"+in.RequestID+"/login", nil))
		callback := desk.choose(t, form, alice)
		u, err := url.Parse(callback)
		if err != nil {
			t.Fatal(err)
		}
		for name, secret := range map[string]string{"state": form.Get("state"), "nonce": form.Get("nonce"), "code": u.Query().Get("code"), "wrong code": "a-code-that-was-guessed"} {
			secrets[fmt.Sprintf("login %d: %s", i, name)] = secret
		}
		if code != "" {
			callback = strings.Replace(callback, u.Query().Get("code"), code, 1)
		}
		desk.get(t, callback)
		desk.get(t, callback)         // again, which fails
		s.visitor(t).get(t, callback) // elsewhere, which fails
	}
	desk.get(t, in.SigningURL)
	desk.proceed(t, in)
	link, err := url.Parse(desk.code(t, in))
	if err != nil {
		t.Fatal(err)
	}
	secrets["the QR code"] = link.Query().Get("c")
	session := p.scan(t, desk, in)
	jar, err := url.Parse(s.url + "/phone/" + session)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range p.client.Jar.Cookies(jar) {
		secrets["the phone's cookie "+c.Name] = c.Value
	}
	var ch phoneapi.SignChallenge
	p.call(t, session+"/challenge", nil, &ch)
	tbs, err := base64.RawURLEncoding.DecodeString(ch.ToBeSigned)
	if err != nil {
		t.Fatal(err)
	}
	for i, signature := range []string{p.signature(t, []byte("other")), "!junk-signature", p.signature(t, tbs)} {
		p.call(t, session+"/approve", phoneapi.Approval{Signature: signature}, nil)
		secrets[fmt.Sprintf("signature %d of a phone", i)] = signature
	}
	s.settled(t, in.RequestID, "signed")
	s.advance(t, "3s")
	s.advance(t, "3s")
	for i, h := range s.party.Webhooks() {
		secrets[fmt.Sprintf("webhook %d", i)] = h.Token
	}
	result := s.signedResult(t, in)
	u, err := url.Parse(result.SignedDocURL)
	if err != nil {
		t.Fatal(err)
	}
	secrets["the link's signature"] = u.Query().Get("signature")
	do(t, "GET", result.SignedDocURL, "", "", nil)
	do(t, "GET", strings.Replace(result.SignedDocURL, "expires=1", "expires=2", 1), "", "", nil)
	p.post(t, "/phone/revoke", url.Values{"phone_id": {p.id}})
	p.call(t, session+"/challenge", nil, nil)

	// Refusals, and tokens that are none.
	post(
		api, jws("a token without a document", token.Initiate, partytest.NoClaim("doc_name")),
		"application/octet-stream",
	)
	post(api, jws("a token for another call", token.Cancel), "application/octet-stream")
	post(api, "Bearer "+jws("a token with Bearer", token.Initiate), "application/octet-stream")
	post(api, jws("a token with a wrong end", token.Initiate)+"AAAA", "application/octet-stream")
	post(
		api,
		jws(
			"a token with an unknown kid", token.Initiate,
			partytest.Header("kid", "kid-that-was-made-up"),
		),
		"application/octet-stream",
	)
	post(api, jws("a token with another type", token.Initiate), "application/pdf")
	post(api+"/cancel", jws("a token for a foreign request", token.Cancel), "application/json")
	for i, junk := range []string{"junk-token-in-one-part", "eyJhbGciOiJFUzI1NiJ9.junkpayloadofatoken.junksignature", strings.Repeat("A", 40_000), "a.b.c.d.junkfivepart"} {
		do(t, "POST", api+"/cancel", junk, "application/json", nil)
		secrets[fmt.Sprintf("junk %d", i)] = junk[:min(len(junk), 20)]
	}
	wrong := jws(
		"a token with a wrong code", token.Result,
		partytest.Claim("exchange_code", "8c2f3a52-7a7b-4f0e-9d58-0d8d7a2f5c11"),
	)
	secrets["a wrong exchange code"] = "8c2f3a52-7a7b-4f0e-9d58-0d8d7a2f5c11"
	do(t, "GET", api+"/"+in.RequestID+"/signed-doc", wrong, "", nil)
	s.party.ServeJWKS(http.NotFoundHandler())
	s.advance(t, "61m")
	post(api+"/cancel", jws("a token of a party that is down", token.Cancel), "application/json")
	s.act(t, in.RequestID, bob, "open")
	s.act(t, in.RequestID, "S1234567X", "open")
	for _, path := range []string{"/secret-path-of-a-caller", "/sign/secret-path-of-a-caller", "/documents/x?expires=1&signature=secret-path-of-a-caller"} {
		do(t, "GET", s.url+path, "", "", nil)
	}
	secrets["a path"] = "secret-path-of-a-caller"
	s.stop()

	records := recorded(t, s)
	for _, want := range []string{`"exchange_code":"••• (36 characters)"`, "/documents/" + in.RequestID + "?…", "claim"} {
		if !strings.Contains(records, want) {
			t.Errorf("the records do not show %q, so this test proves nothing", want)
		}
	}
	text := log.String()
	for _, want := range []string{"msg=http", "request refused", "login failed"} {
		if !strings.Contains(text, want) {
			t.Errorf("the log does not show %q, so this test proves nothing", want)
		}
	}
	for name, secret := range secrets {
		if len(secret) < 8 {
			t.Fatalf("%s: %q is no secret", name, secret)
		}
		if i := strings.Index(text, secret); i >= 0 {
			line := text[strings.LastIndex(text[:i], "\n")+1:]
			line, _, _ = strings.Cut(line, "\n")
			t.Errorf("the log holds %s: %s", name, line)
		}
		if i := strings.Index(records, secret); i >= 0 {
			t.Errorf("the records hold %s: …%.300s", name, records[max(0, i-100):])
		}
	}
}

// recorded is all that a program, which has been stopped, has recorded of calls.
func recorded(t *testing.T, s *sandbox) string {
	t.Helper()
	db, err := store.Open(
		t.Context(),
		store.Options{Database: filepath.Join(s.app.Config.Data, "signet.db"), Kind: store.AnyKind},
	)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	list, err := db.Calls(t.Context(), calllog.Filter{Limit: 10_000})
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	if err := e.Encode(list); err != nil {
		t.Fatal(err)
	}
	return text.String()
}
