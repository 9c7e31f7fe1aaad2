package e2e_test

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/app"
	"github.com/signet-sign/signet/internal/calllog"
	"github.com/signet-sign/signet/internal/doctor"
	"github.com/signet-sign/signet/internal/maintenance"
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

// collector collects the traces that programs send, as text.
func collector(t *testing.T) (url string, traces *lockedLog) {
	t.Helper()
	traces = new(lockedLog)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(traces, r.Body)
	}))
	t.Cleanup(server.Close)
	return server.URL, traces
}

// hasNo checks that a text has none of the secrets, and shows the line that has one.
func hasNo(t *testing.T, what, text string, secrets map[string]string) {
	t.Helper()
	for name, secret := range secrets {
		if len(secret) < 8 {
			t.Fatalf("%s: %q is no secret", name, secret)
		}
		if i := strings.Index(text, secret); i >= 0 {
			line := text[strings.LastIndex(text[:i], "\n")+1:]
			line, _, _ = strings.Cut(line, "\n")
			if len(line) > 600 {
				line = text[max(0, i-200):min(len(text), i+100)]
			}
			t.Errorf("%s: %s: %s", what, name, line)
		}
	}
}

// unpacked is a file as text; of a zip archive, the names and the content of its files.
func unpacked(t *testing.T, body string) string {
	t.Helper()
	if !strings.HasPrefix(body, "PK") {
		return body
	}
	archive, err := zip.NewReader(strings.NewReader(body), int64(len(body)))
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, f := range archive.File {
		in, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&text, "%s\n%s\n", f.Name, b)
	}
	return text.String()
}

// TestLogsHoldNoSecrets makes a whole journey, and everything that goes wrong on the way, with the
// log at its most talkative. Nothing that opens a door is in it, nor who the people are. The same
// goes for the records of relying parties' calls, for traces, for metrics, for refusals and for
// what the control listener and the console answer.
func TestLogsHoldNoSecrets(t *testing.T) {
	rp := partytest.Start(t)
	c := configOf(rp)
	c.LogLevel = "debug"
	var traces *lockedLog
	c.OTLPEndpoint, traces = collector(t)
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
	var told strings.Builder // in refusals
	refused := func(a answer) {
		t.Helper()
		if a.status < 400 {
			t.Errorf("%d is no refusal: %s", a.status, a.text())
		}
		fmt.Fprintln(&told, a.status, a.header, a.body)
	}
	post := func(to, jws, kind string) {
		refused(do(t, "POST", to, jws, kind, bytes.NewReader(pdftest.Minimal())))
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
		refused(desk.get(t, callback)) // again
		refused(s.visitor(t).get(t, callback))
	}
	for _, c := range desk.client.Jar.Cookies(urlOf(t, in.SigningURL)) {
		secrets["the portal's cookie "+c.Name] = c.Value
	}
	desk.get(t, in.SigningURL)
	desk.proceed(t, in)
	link, err := url.Parse(desk.code(t, in))
	if err != nil {
		t.Fatal(err)
	}
	secrets["the QR code"] = link.Query().Get("c")
	session := p.scan(t, desk, in)
	for _, c := range p.client.Jar.Cookies(urlOf(t, s.url+"/phone/"+session)) {
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
	refused(
		do(t, "GET", strings.Replace(result.SignedDocURL, "expires=1", "expires=2", 1), "", "", nil),
	)
	p.post(t, "/phone/revoke", url.Values{"phone_id": {p.id}})
	p.call(t, session+"/challenge", nil, nil)

	// A private key where a public one belongs, from a phone and from the party.
	key := p.jwk()
	var private map[string]any
	if err := json.Unmarshal(key, &private); err != nil {
		t.Fatal(err)
	}
	d, err := p.key.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	private["d"] = base64.RawURLEncoding.EncodeToString(d)
	secrets["a private key"] = base64.RawURLEncoding.EncodeToString(d)
	if key, err = json.Marshal(private); err != nil {
		t.Fatal(err)
	}
	challenge := p.challenge(t)
	proof := p.proof(t, challenge)
	secrets["an enrolment's challenge"], secrets["an enrolment's proof"] = challenge, proof
	refused(p.call(t, "api/enrol", phoneapi.EnrolRequest{
		Challenge: challenge, PublicKey: key, Name: "Test phone", Proof: proof,
	}, nil))
	s.party.ServeJWKS(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(partytest.JWKS(private))
	}))
	s.advance(t, "61m")
	post(api+"/cancel", jws("a token of a party with a private key", token.Cancel), "application/json")

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
		refused(do(t, "POST", api+"/cancel", junk, "application/json", nil))
		secrets[fmt.Sprintf("junk %d", i)] = junk[:min(len(junk), 20)]
	}
	wrong := jws(
		"a token with a wrong code", token.Result,
		partytest.Claim("exchange_code", "8c2f3a52-7a7b-4f0e-9d58-0d8d7a2f5c11"),
	)
	secrets["a wrong exchange code"] = "8c2f3a52-7a7b-4f0e-9d58-0d8d7a2f5c11"
	refused(do(t, "GET", api+"/"+in.RequestID+"/signed-doc", wrong, "", nil))
	s.party.ServeJWKS(http.NotFoundHandler())
	s.advance(t, "61m")
	post(api+"/cancel", jws("a token of a party that is down", token.Cancel), "application/json")
	s.act(t, in.RequestID, bob, "open")
	s.act(t, in.RequestID, "S1234567X", "open")
	for _, path := range []string{"/secret-path-of-a-caller", "/sign/secret-path-of-a-caller", "/documents/x?expires=1&signature=secret-path-of-a-caller"} {
		do(t, "GET", s.url+path, "", "", nil)
	}
	secrets["a path"] = "secret-path-of-a-caller"
	metrics := browse(t, "GET", s.control+"/metrics").body
	shown := controlPages(t, s, in.RequestID)
	s.stop()
	var backup bytes.Buffer
	if err := maintenance.Backup(
		t.Context(), s.app.Config,
		[]string{"age1x9pwah8gps4l056ezzhr4lmv5ggz52n2ps64zkhk60va2jmnfu7sxl9g9c"}, &backup,
	); err != nil {
		t.Fatal(err)
	}
	var findings strings.Builder
	for _, f := range doctor.Diagnose(t.Context(), s.app.Config) {
		fmt.Fprintf(&findings, "%+v\n", f)
	}

	records := recorded(t, s)
	for _, want := range []string{
		`"exchange_code":"••• (36 characters)"`, "/documents/" + in.RequestID + "?…", "claim", "private",
	} {
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
	if all := traces.String(); !strings.Contains(all, "POST /api/v3/sign-requests/cancel") ||
		!strings.Contains(metrics, "signet_") || told.Len() < 1000 {
		t.Error("there are no traces, metrics or refusals, so this test proves nothing")
	}
	hasNo(t, "the log", text, secrets)
	hasNo(t, "the records", records, secrets)
	hasNo(t, "the traces", traces.String(), secrets)
	hasNo(t, "the metrics", metrics, secrets)
	hasNo(t, "the doctor's findings", findings.String(), secrets)
	hasNo(t, "the backup", backup.String(), secrets)
	evidence := shown["/console/requests/"+in.RequestID+"/evidence.zip"]
	if !strings.Contains(evidence, "README") || !strings.Contains(evidence, `"approved"`) ||
		backup.Len() < 10_000 || findings.Len() < 500 {
		t.Errorf(
			"there is no evidence, backup or finding, so this test proves nothing: %.100q, %d, %d",
			evidence, backup.Len(), findings.Len(),
		)
	}
	if len(shown) < 40 {
		t.Errorf("%d pages only, so this test proves nothing", len(shown))
	}
	unnamed := maps.Clone(secrets)
	maps.DeleteFunc(unnamed, func(name, _ string) bool { return strings.HasSuffix(name, " NRIC") })
	for path, body := range shown {
		if path == "/" || path == "/requests/"+in.RequestID { // they show the sandbox's personas
			hasNo(t, path, body, unnamed)
		} else {
			hasNo(t, path, body, secrets)
		}
	}
	// The links of a page that answers a login to other languages have its query.
	maps.DeleteFunc(secrets, func(name, _ string) bool { return strings.HasPrefix(name, "login ") })
	hasNo(t, "the refusals", told.String(), secrets)
}

// controlPages returns what every path of the control listener answers about a request and the
// calls of its party, by path, but for the lists of the sandbox's personas.
func controlPages(t *testing.T, s *sandbox, id string) map[string]string {
	t.Helper()
	list := paths(t, id)
	var calls struct {
		Calls []struct {
			ID int64 `json:"id"`
		}
	}
	s.get(t, "/calls?limit=100", &calls)
	for _, c := range calls.Calls {
		list = append(list, fmt.Sprint("/console/calls/", c.ID))
	}
	list = append(list, "/calls?limit=100", "/requests?limit=100")
	pages := map[string]string{}
	for _, path := range list {
		if strings.HasSuffix(path, "/events") || strings.Contains(path, "personas") ||
			path == "/signers" {
			continue
		}
		if got := browse(t, "GET", s.control+path); got.status == http.StatusOK {
			pages[path] = unpacked(t, got.body)
		}
	}
	return pages
}

func urlOf(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// TestConsoleLogsHoldNoSecrets has an operator work, and others try to, with the log at its most
// talkative: no password, token or number of a person is in the log, the traces or the metrics.
func TestConsoleLogsHoldNoSecrets(t *testing.T) {
	const password, metricsToken = "juniper-otter-parsec-43", "lantern-quartz-heron-77"
	c := configOf(partytest.Start(t))
	c.Data, c.PublicURL, c.AllowPrivate = t.TempDir(), "https://sign.test", true
	c.ConsolePassword, c.MetricsToken, c.LogLevel = password, metricsToken, "debug"
	var traces *lockedLog
	c.OTLPEndpoint, traces = collector(t)
	log := new(lockedLog)
	a, err := app.Open(t.Context(), c, time.Now, slog.New(
		slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}),
	))
	if err != nil {
		t.Fatal(err)
	}
	stop := runApp(t, a)
	const wrong, query = "a-wrong-password-of-a-guesser", "a-secret-in-a-query"
	secrets := map[string]string{
		"the password": password, "the metrics token": metricsToken, "another password": wrong,
		"another token": "a-wrong-metrics-token", "a query": query, "alice's NRIC": alice,
		"a URL's secret": "hush-hush-hush", "the basic authorization": base64.StdEncoding.
					EncodeToString([]byte("mei:" + password)),
	}
	control := "http://" + a.Control.String()
	send := func(method, path, password, authorization string, form url.Values) answer {
		t.Helper()
		r, err := http.NewRequestWithContext(
			t.Context(), method, control+path, strings.NewReader(form.Encode()),
		)
		if err != nil {
			t.Fatal(err)
		}
		if form != nil {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		r.SetBasicAuth("mei", password)
		if authorization != "" {
			r.Header.Set("Authorization", authorization)
		}
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		return answer{resp.StatusCode, resp.Header, readAll(t, resp)}
	}
	send("GET", "/metrics", "", "Bearer a-wrong-metrics-token", nil)
	metrics := send("GET", "/metrics", "", "Bearer "+metricsToken, nil)
	if metrics.status != http.StatusOK {
		t.Errorf("metrics: %d", metrics.status)
	}
	send("GET", "/console/?x="+query, wrong, "", nil)
	send("GET", "/console/api/parties", "", "Bearer "+wrong, nil)
	send("GET", "/console/requests?text="+query, password, "", nil)
	send("GET", "/console/requests/"+query, password, "", nil)
	send("GET", "/console/people", password, "", nil)
	for _, path := range []string{"", "/lift", "/forget", "/approve", "/reject"} {
		send("POST", "/console/people"+path, password, "", url.Values{
			"uin": {alice}, "phone_id": {alice}, "reason": {"ticket 12"}, "proposal": {alice},
		})
	}
	send("GET", "/console/people?uin="+alice, password, "", nil)
	send("POST", "/console/certificates/revoke", password, "", url.Values{"serial": {query}})
	send("POST", "/console/parties/test", password, "", url.Values{
		"client_id": {"x"}, "name": {"X"}, "jwks_url": {"https://127.0.0.1:1/?key=hush-hush-hush"},
		"webhook_url":  {"https://127.0.0.1:1/?key=hush-hush-hush"},
		"redirect_url": {"https://127.0.0.1:1/?key=hush-hush-hush"}, "allow_private": {"yes"},
	})
	metrics = send("GET", "/metrics", password, "", nil)
	page := send("POST", "/console/doctor", password, "", url.Values{})
	if page.status != http.StatusOK {
		t.Errorf("the doctor's page: %d", page.status)
	}
	stop()
	told := []string{page.body}
	for _, f := range doctor.Diagnose(t.Context(), a.Config) {
		told = append(told, fmt.Sprintf("%+v", f))
	}
	for _, r := range a.Config.Risks() {
		told = append(told, fmt.Sprintf("%+v", r))
	}
	for _, want := range []string{"action=console_login", "action=console "} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not show %q, so this test proves nothing", want)
		}
	}
	hasNo(t, "the log", log.String(), secrets)
	hasNo(t, "the traces", traces.String(), secrets)
	hasNo(t, "the metrics", metrics.body, secrets)
	if len(told) < 10 {
		t.Errorf("the doctor finds %q only, so this test proves nothing", told)
	}
	hasNo(t, "the doctor", strings.Join(told, "\n"), secrets)
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
