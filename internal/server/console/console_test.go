package console_test

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/csv"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/audit"
	"github.com/signet-sign/signet/internal/calllog"
	"github.com/signet-sign/signet/internal/party/partytest"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/server/console"
	"github.com/signet-sign/signet/internal/server/limit"
	"github.com/signet-sign/signet/internal/token"
	"github.com/signet-sign/signet/pades"
)

var rowLink = regexp.MustCompile(`class="cell-document"><a href="/console/requests/([^"]+)"`)

// rows returns the ids on a page of the list.
func rows(a answer) (ids []string) {
	for _, m := range rowLink.FindAllStringSubmatch(a.body, -1) {
		ids = append(ids, m[1])
	}
	return ids
}

func TestListPages(t *testing.T) {
	w := newWorld(t)
	start := w.Now()
	for i := range 120 {
		state := request.StateCreated
		if i%2 == 1 {
			state = request.StateCancelled
		}
		err := w.store.Create(t.Context(), &request.Request{
			ID: fmt.Sprintf("signv3-01959a3c-0000-7000-8000-%012d", i), ClientID: w.shop.ClientID,
			State: state, DocName: "lease.pdf",
			CreatedAt: start.Add(time.Duration(i) * time.Second), ExpiresAt: start.Add(time.Hour),
		}, request.Effects{})
		if err != nil {
			t.Fatal(err)
		}
	}
	link := regexp.MustCompile(`href="([^"]+)" rel="(next|prev)"`)
	// follow reads the pages from a path on, as far as there are links of that kind.
	follow := func(path, rel string) (all []string, last string) {
		for last = ""; path != ""; {
			page := w.get(t, path)
			page.has(t, 200)
			part := rows(page)
			if rel == "prev" {
				all = append(part, all...)
			} else {
				all = append(all, part...)
			}
			last, path = path, ""
			for _, m := range link.FindAllStringSubmatch(page.body, -1) {
				if m[2] == rel {
					path = strings.ReplaceAll(m[1], "&amp;", "&")
				}
			}
		}
		return all, last
	}
	for query, want := range map[string]int{
		"": 120, "?state=cancelled": 60, "?q=LEASE&party=" + w.shop.ClientID: 120,
		"?order=oldest": 120, "?order=oldest&state=created": 60,
	} {
		all, last := follow("/console/requests"+query, "next")
		if len(all) != want {
			t.Errorf("%q: %d requests on all pages, want %d", query, len(all), want)
		}
		for i := 1; i < len(all); i++ {
			if (all[i] > all[i-1]) != strings.Contains(query, "oldest") {
				t.Errorf("%q: %s after %s", query, all[i], all[i-1])
			}
		}
		if back, _ := follow(last, "prev"); !slices.Equal(back, all) {
			t.Errorf("%q: backwards %d requests, forwards %d", query, len(back), len(all))
		}
		file := w.get(t, strings.Replace("/console/requests"+query, "requests", "requests.csv", 1))
		file.has(t, 200, "request_id,state,client_id,document,signer,created_at,expires_at")
		lines, err := csv.NewReader(strings.NewReader(file.body)).ReadAll()
		if err != nil || len(lines) != want+1 || lines[1][0] != all[0] ||
			lines[want][0] != all[want-1] {
			t.Errorf("%q: a file of %d lines, %v", query, len(lines), err)
		}
	}
}

// TestFormulaInFile: a name that begins like a formula is text in a spreadsheet.
func TestFormulaInFile(t *testing.T) {
	w := newWorld(t)
	for i, name := range []string{`=HYPERLINK("http://x.example")`, "+1", "-1", "@SUM(1)", "lease"} {
		err := w.store.Create(t.Context(), &request.Request{
			ID: fmt.Sprintf("signv3-01959a3c-0000-7000-8000-%012d", i), ClientID: w.shop.ClientID,
			State: request.StateCreated, DocName: name, CreatedAt: w.Now(), ExpiresAt: w.Now(),
		}, request.Effects{})
		if err != nil {
			t.Fatal(err)
		}
	}
	file := w.get(t, "/console/requests.csv")
	file.has(
		t,
		200,
		`"'=HYPERLINK(""http://x.example"")"`,
		",'+1,",
		",'-1,",
		",'@SUM(1),",
		",lease,",
	)
}

func TestListFilters(t *testing.T) {
	w := newWorld(t)
	created, session := w.in(t, request.StateCreated), w.in(t, request.StateSession)
	all := w.get(t, "/console/requests")
	all.has(t, 200, "lease.pdf", "•••••373D", "TAN XIAO HUI", "data-follow", `lang="en"`)
	if got := rows(all); len(got) != 2 {
		t.Errorf("rows %v", got)
	}
	for query, want := range map[string][]string{
		"state=session":                      {session},
		"state=nonsense":                     {session, created},
		"q=" + created:                       {created},
		"q=LeAsE&state=created":              {created},
		"q=xiao":                             {session}, // the signer's name
		"q=" + created[len(created)-12:]:     {created},
		"party=rival":                        nil,
		"from=2026-03-02&to=2026-03-02":      {session, created}, // the day in Singapore
		"from=2026-03-03":                    nil,
		"to=2026-03-01":                      nil,
		"before=nonsense":                    {session, created},
		"party=" + url.QueryEscape("' OR 1"): nil,
	} {
		got := rows(w.get(t, "/console/requests?"+query))
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %v, want %v", query, got, want)
		}
	}
	if strings.Contains(w.get(t, "/console/requests?q=lease").body, "state-n") ||
		!strings.Contains(all.body, "state-n") {
		t.Error("a search counts what no index can count, or the list does not count")
	}
	w.get(t, "/console/requests?from=yesterday").has(t, 200, "The date is not valid")
	w.get(t, "/console/requests?party=%3Cscript%3Ealert(1)%3C/script%3E").has(
		t, 200, "&lt;script&gt;alert(1)",
	)

	// The list shows an expired request as expired before a worker has stored the change.
	w.advance(31 * time.Minute)
	if got := rows(w.get(t, "/console/requests?state=created")); len(got) != 0 {
		t.Errorf("an expired request is listed as created: %v", got)
	}
}

func TestRequestPage(t *testing.T) {
	w := newWorld(t)
	w.webhookErr = errors.New(
		`Post "https://user:pw@rp.example/hook?token=hook-secret": connection refused`,
	)
	id := w.in(t, request.StateSigned)
	page := w.get(t, "/console/requests/"+id)
	page.has(
		t,
		200,
		"Initiated by the relying party",
		"Opened by the signer",
		"Proceed to Sign",
		"Scanned by a phone",
		"Approved on the phone",
		"Webhook attempt",
		"https://rp.example/hook?…",
		"Given up",
		"TAN XIAO HUI",
		"•••••373D",
		"B-LTA",
		"page 1 at 0.1, 0.1",
		"Named by the relying party",
	)
	if strings.Contains(page.body, "console.event.") {
		t.Error("an event has no words")
	}
	w.holdsNoSecret(t, id, page.body)
	w.get(t, "/console/requests/signv3-unknown").has(t, 404)
	w.get(t, "/console/nothing").has(t, 404)
}

// holdsNoSecret fails the test if text contains a secret of the request.
func (w *world) holdsNoSecret(t *testing.T, id, text string) {
	t.Helper()
	r := w.request(t, id)
	for name, secret := range map[string]string{
		"UIN": alice.UIN, "hash of the intended signer": r.SignerHash,
		"hash of the exchange code": base64.StdEncoding.EncodeToString(r.ExchangeHash),
		"session":                   r.Approval.SessionID, "webhook's secret": "hook-secret",
		"webhook's password": "user:pw",
	} {
		if secret == "" {
			t.Fatalf("the test knows no %s", name)
		}
		if strings.Contains(text, secret) {
			t.Errorf("the %s is shown", name)
		}
	}
}

func TestCancel(t *testing.T) {
	w := newWorld(t)
	created := w.in(t, request.StateCreated)
	done := w.post(t, "/console/requests/"+created+"/cancel", nil)
	if done.status != http.StatusSeeOther || w.request(t, created).State != request.StateCancelled {
		t.Errorf("status %d, state %s", done.status, w.request(t, created).State)
	}
	w.get(t, done.header.Get("Location")).has(t, 200, "The request is cancelled.", "Cancelled")
	w.post(t, "/console/requests/"+created+"/cancel", nil).has(
		t, 409, api.CodeAlreadyCancelled, "Document has already been cancelled",
	)

	session := w.in(t, request.StateSession)
	refused := w.post(t, "/console/requests/"+session+"/cancel", nil)
	refused.has(
		t, 409, "ACTIVE_SESSION_ONGOING",
		"Request cannot be cancelled due to an active sign session", "Retry-After: 180 s",
	)
	if strings.Contains(refused.body, "data-follow-switch") ||
		w.request(t, session).State != request.StateSession {
		t.Error("the answer to a form follows changes, or a refused cancel changed something")
	}
	w.post(t, "/console/requests/"+w.in(t, request.StateSigned)+"/cancel", nil).has(
		t, 409, api.CodeAlreadySigned,
	)
	// The trail names the operator. The refused call is an entry of its own.
	w.get(t, "/console/requests/"+created).has(
		t, 200, "<dt>by</dt><dd class=\"breakable\">console</dd>", "Cancel refused",
		api.CodeAlreadyCancelled, "in the console, by console",
	)
	w.get(t, "/console/requests/"+session).has(t, 200, "Cancel refused", "ACTIVE_SESSION_ONGOING")
	w.post(t, "/console/requests/signv3-unknown/cancel", nil).has(t, 404)
	if got := w.get(t, "/console/requests/"+created+"/cancel"); got.status == 200 {
		t.Error("a GET may not cancel")
	}
}

func TestResend(t *testing.T) {
	w := newWorld(t)
	w.webhookErr = errors.New("the receiver answered 503")
	id := w.in(t, request.StateSigned)
	w.webhookErr = nil
	done := w.post(t, "/console/requests/"+id+"/resend", nil)
	if done.status != http.StatusSeeOther {
		t.Fatalf("status %d", done.status)
	}
	w.get(t, done.header.Get("Location")).has(
		t, 200, "The webhook is due now.", "Pending", "Webhook requested again",
	)
	if err := w.worker.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	jobs, err := w.store.Jobs(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	for _, j := range jobs {
		if j.Kind == request.JobWebhook &&
			(j.Status != request.JobDone || j.Attempts != 2 || j.LastError != "") {
			t.Errorf("the webhook's job: %+v", j)
		}
	}
	// A webhook that was accepted can be sent again, but not while an attempt runs.
	w.post(t, "/console/requests/"+id+"/resend", nil)
	if claimed, err := w.store.Claim(t.Context(), request.JobWebhook, w.Now(), time.Minute, request.Quota{Jobs: 1}); err != nil ||
		len(claimed) != 1 {
		t.Fatal(claimed, err)
	}
	w.post(t, "/console/requests/"+id+"/resend", nil).has(t, 409, "WEBHOOK_UNDER_WAY")
	w.post(t, "/console/requests/"+w.in(t, request.StateLocked)+"/resend", nil).has(
		t, 409, "NO_WEBHOOK",
	)
	w.post(t, "/console/requests/signv3-unknown/resend", nil).has(t, 404)
}

// TestWebhooks checks the page of the webhooks that were not delivered: the overview leads to it,
// and a post makes those of one party or of all due.
func TestWebhooks(t *testing.T) {
	w := newWorld(t)
	w.get(t, "/console/webhooks").has(t, 200, "Every webhook was delivered")
	if page := w.get(t, "/console/"); strings.Contains(page.body, "Needs attention") {
		t.Error("a new service needs attention")
	}
	w.webhookErr = errors.New("the receiver answered 503")
	first, second := w.in(t, request.StateSigned), w.in(t, request.StateSigned)
	w.webhookErr = nil
	w.get(t, "/console/").has(
		t, 200, "Needs attention", `href="/console/webhooks">2 webhooks were not delivered`,
	)
	w.get(t, "/console/webhooks").has(
		t, 200, first, second, "the receiver answered 503", "Send these 2 again",
	)
	w.get(t, "/console/webhooks?party=other").has(t, 200, "Every webhook was delivered")
	w.post(t, "/console/webhooks/resend", url.Values{"party": {"other"}})
	if _, all, err := w.store.Failed(t.Context(), request.JobWebhook, 0); err != nil || all != 2 {
		t.Fatalf("%d webhooks failed, %v, want 2: none is of the party", all, err)
	}
	done := w.post(t, "/console/webhooks/resend", url.Values{"party": {""}})
	if done.status != http.StatusSeeOther {
		t.Fatalf("status %d", done.status)
	}
	w.get(t, done.header.Get("Location")).has(t, 200, "2 webhooks are due now.")
	if err := w.worker.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{first, second} {
		w.get(t, "/console/requests/"+id).has(t, 200, "Webhook requested again")
	}
	if _, all, err := w.store.Failed(t.Context(), request.JobWebhook, 0); err != nil || all != 0 {
		t.Errorf("%d webhooks failed, %v", all, err)
	}
}

// TestSealAgain checks that operators can seal an approved document at once or discard the
// signature, that the page offers both only in these states, and that the trail names the operator.
func TestSealAgain(t *testing.T) {
	w := newWorld(t)
	locked := w.in(t, request.StateLocked)
	for _, form := range []string{"/seal", "/abort"} {
		url := "/console/requests/" + locked + form
		w.post(t, url, nil).has(t, 409, "NOT_SEALING", "No approved document waits to be sealed")
		if page := w.get(t, "/console/requests/"+locked); strings.Contains(page.body, url) {
			t.Errorf("the page of a request that is not sealing has a form to %s", url)
		}
		w.post(t, "/console/requests/signv3-unknown"+form, nil).has(t, 404)
	}
	id := w.in(t, request.StateSealing)
	w.get(t, "/console/requests/"+id).has(t, 200, "Seal now", "/console/requests/"+id+"/abort")
	done := w.post(t, "/console/requests/"+id+"/seal", nil)
	w.get(t, done.header.Get("Location")).has(t, 200, "The document is being sealed.",
		"Sealed again by an operator", "<dt>by</dt><dd class=\"breakable\">console</dd>")
	done = w.post(t, "/console/requests/"+id+"/abort", nil)
	w.get(t, done.header.Get("Location")).has(
		t, 200, "The phone&#39;s signature is discarded.", "Sealing aborted by an operator",
	)
	if got := w.request(t, id).State; got != request.StateLocked {
		t.Errorf("aborted, the request is %s", got)
	}
}

// TestSignatures shows what the signatures of a signed document prove, and links there from the
// page of the request. A request without a signed document has no such page.
func TestSignatures(t *testing.T) {
	w := newWorld(t)
	id := w.in(t, request.StateSigned)
	url := "/console/requests/" + id + "/signatures"
	w.get(t, "/console/requests/"+id).has(t, 200, `href="`+url+`"`)
	w.get(t, url).has(
		t, 200, "The document is as it was signed", "What was signed is unchanged",
		"confirms who this is. This service trusts it.",
	)
	locked := w.in(t, request.StateLocked)
	w.get(t, "/console/requests/"+locked+"/signatures").has(t, 404)
	w.get(t, "/console/requests/signv3-unknown/signatures").has(t, 404)
}

func TestEvidence(t *testing.T) {
	w := newWorld(t)
	w.webhookErr = errors.New(
		`Post "https://shop.test/webhook?token=hook-secret": connection refused`,
	)
	w.shop.Now = w.Now
	id := w.in(t, request.StateSigned)
	w.Recorder.Record(
		calllog.Record{
			Kind: calllog.Result, Authentic: true, Party: w.shop.ClientID, RequestID: id,
			Status: 400, Error: "UNAUTHORIZED", Reason: "the exchange code",
		},
		w.shop.Token(
			token.Result, partytest.Claim("exchange_code", "8c2f3a52-7a7b-4f0e-9d58-0d8d7a2f5c11"),
		),
	)
	got := w.get(t, "/console/requests/"+id+"/evidence.zip")
	got.has(t, 200)
	if d := got.header.Get("Content-Disposition"); d != `attachment; filename="`+id+`-evidence.zip"` {
		t.Errorf("disposition %s", d)
	}
	files := unzip(t, got.body)
	for _, name := range []string{"request.json", "events.json", "audit.jsonl", "jobs.json", "calls.json", "signed.pdf", "verification.json", "README.txt", "certificates/signer.pem"} {
		if len(files[name]) == 0 {
			t.Errorf("no %s in %d files", name, len(files))
		}
		if !strings.Contains(files["README.txt"], strings.TrimSuffix(name, "signer.pem")) &&
			name != "README.txt" {
			t.Errorf("the README does not say what %s is", name)
		}
	}
	for _, kind := range []request.EventKind{request.EventSigned, request.EventRenewed} {
		if !strings.Contains(files["README.txt"], fmt.Sprintf("event %q", kind)) {
			t.Errorf("the README does not say that the event %q holds the digest", kind)
		}
	}
	var report pades.Summary
	if err := json.Unmarshal([]byte(files["verification.json"]), &report); err != nil ||
		!report.Valid ||
		len(report.Signatures) == 0 ||
		report.Signatures[0].Level != "B-LTA" {
		t.Errorf("the verification: %v, %s", err, files["verification.json"])
	}
	var records []calllog.Record
	if err := json.Unmarshal([]byte(files["calls.json"]), &records); err != nil ||
		len(records) != 1 ||
		records[0].Reason != "the exchange code" {
		t.Errorf("the calls: %v, %s", err, files["calls.json"])
	}
	if strings.Contains(files["calls.json"], "8c2f3a52") {
		t.Error("an exchange code is in the evidence")
	}
	if n := strings.Count(files["SHA256SUMS"], "\n"); n != len(files)-1 {
		t.Errorf("the manifest names %d of %d other files", n, len(files)-1)
	}
	for line := range strings.Lines(files["SHA256SUMS"]) {
		sum, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		if want := fmt.Sprintf("%x", sha256.Sum256([]byte(files[name]))); sum != want {
			t.Errorf("%s: digest %s, want %s", name, sum, want)
		}
	}
	authorities := 0
	for name, text := range files {
		if strings.HasSuffix(name, ".pem") {
			authorities++
			if block, rest := pem.Decode([]byte(text)); block == nil ||
				block.Type != "CERTIFICATE" ||
				len(rest) > 0 {
				t.Errorf("%s is not one certificate", name)
			}
		}
		if name != "signed.pdf" { // scrubbing does not change the signature's own content
			w.holdsNoSecret(t, id, text)
		}
	}
	if authorities != 1+len(w.Certificates()) {
		t.Errorf("%d certificates, want %d", authorities, 1+len(w.Certificates()))
	}
	r := w.request(t, id)
	if fmt.Sprintf("%x", sha256.Sum256([]byte(files["signed.pdf"]))) != fmt.Sprintf(
		"%x", r.Signed.SHA256,
	) {
		t.Error("signed.pdf is not the signed document")
	}
	var events []request.Event
	if err := json.Unmarshal([]byte(files["events.json"]), &events); err != nil ||
		events[len(events)-1].Kind != request.EventEvidence {
		t.Errorf("the taking of the evidence is not the last event: %v, %+v", err, events)
	}

	checkAudit(t, files)

	open := w.in(t, request.StateSession)
	files = unzip(t, w.get(t, "/console/requests/"+open+"/evidence.zip").body)
	if fmt.Sprintf("%x", sha256.Sum256([]byte(files["uploaded.pdf"]))) != fmt.Sprintf(
		"%x", w.request(t, open).Document.SHA256,
	) {
		t.Error("uploaded.pdf is not the document of an open request")
	}

	cancelled := w.in(t, request.StateCreated)
	w.post(t, "/console/requests/"+cancelled+"/cancel", nil)
	files = unzip(t, w.get(t, "/console/requests/"+cancelled+"/evidence.zip").body)
	if files["signed.pdf"]+files["uploaded.pdf"]+files["verification.json"] != "" ||
		!strings.Contains(files["README.txt"], "no signed document") {
		t.Error("a cancelled request has a signed document")
	}
	w.get(t, "/console/requests/signv3-unknown/evidence.zip").has(t, 404)
}

func unzip(t *testing.T, body string) map[string]string {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader([]byte(body)), int64(len(body)))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files[f.Name] = string(b)
	}
	return files
}

func TestOverview(t *testing.T) {
	w := newWorld(t)
	w.get(t, "/console/").has(
		t,
		200,
		"Nothing has been signed yet.",
		"75 %",
		"GET /sign/{request_id}",
		`<rect class="bar-refused" x="75.00" width="25.00"`,
	)
	w.in(t, request.StateSigned)
	w.in(t, request.StateCreated)
	w.get(t, "/console/").has(
		t,
		200,
		`href="/console/requests?state=signed"`,
		"median",
		"up to 100 ms",
		"<strong>2</strong>",
	)
	w.Metrics = func() (console.Metrics, error) {
		return console.Metrics{
			Sealing: []console.Sealing{{UpTo: 250 * time.Millisecond, N: 31}, {N: 62}},
		}, nil
	}
	w.get(t, "/console/").has(
		t,
		200,
		"up to 250 ms",
		"longer",
		`class="bar-fill" width="50.00"`,
		"Counted since the program started",
	)
	w.Metrics = func() (console.Metrics, error) { return console.Metrics{}, errors.New("broken") }
	w.get(t, "/console/").has(t, 500)
}

func TestPassword(t *testing.T) {
	const password = "correct horse battery"
	w := newWorld(t, func(c *console.Console) { c.Password = password })
	id := w.in(t, request.StateSigned)
	as := func(method, path, user, pass string) answer {
		r := httptest.NewRequest(method, path, nil)
		if user+pass != "" {
			r.SetBasicAuth(user, pass)
		}
		return w.do(t, r)
	}
	for _, test := range []struct {
		name, user, pass string
		want             int
	}{
		{"no name", "", "", 401},
		{"wrong", "mei", "correct horse batterx", 401},
		{"part of it", "mei", password[:10], 401},
		{"no password", "mei", "", 401},
		{"no name", "", password, 401},
		{"a name of nothing", " \x01 ", password, 401},
		{"right", "mei", password, 200},
	} {
		for _, path := range []string{"/console/", "/console/requests/" + id + "/evidence.zip"} {
			got := as("GET", path, test.user, test.pass)
			if got.status != test.want {
				t.Errorf("%s: %s answers %d", test.name, path, got.status)
			}
			if got.status == 401 &&
				!strings.HasPrefix(got.header.Get("WWW-Authenticate"), "Basic realm=") {
				t.Error("a browser would not ask")
			}
		}
	}
	if got := as("POST", "/console/requests/"+id+"/cancel", "", ""); got.status != 401 {
		t.Errorf("a cancel without password: %d", got.status)
	}
	as("POST", "/console/requests/"+id+"/resend", "Mei\nLin", password)
	events, err := w.store.Events(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if last := events[len(events)-1]; last.Kind != request.EventResent ||
		last.Detail.By != "MeiLin" {
		t.Errorf("the trail says %+v", last)
	}
}

// TestWrongPasswords: after some wrong passwords no password from that address is judged, and those
// from others are.
func TestWrongPasswords(t *testing.T) {
	const password = "correct horse battery"
	w := newWorld(t, func(c *console.Console) {
		c.Password, c.Failures = password, &limit.Failures{PerMinute: 2}
	})
	for i, step := range []struct {
		address, password string
		want              int
	}{
		{"192.0.2.1:1", "wrong", 401},
		{"192.0.2.1:2", password, 200},
		{"192.0.2.1:3", "wrong", 401},
		{"192.0.2.1:4", "wrong", 429},
		{"192.0.2.1:5", password, 429},
		{"192.0.2.2:1", "wrong", 401},
		{"192.0.2.2:1", password, 200},
	} {
		r := httptest.NewRequest("GET", "/console/", nil)
		r.RemoteAddr = step.address
		r.SetBasicAuth("mei", step.password)
		got := w.do(t, r)
		if got.status != step.want || (got.header.Get("Retry-After") != "") != (step.want == 429) {
			t.Errorf(
				"%d: %+v: %d, Retry-After %q", i, step, got.status, got.header.Get("Retry-After"),
			)
		}
	}
}

// checkAudit checks the audit log of an evidence bundle, and plants changes in it and in the trail.
func checkAudit(t *testing.T, files map[string]string) {
	t.Helper()
	verify := func(log, trail string) *audit.Problem {
		t.Helper()
		r, err := audit.Verify(strings.NewReader(log), audit.Trust{})
		if err != nil {
			t.Fatal(err)
		}
		if r.Problem != nil {
			return r.Problem
		}
		p, err := audit.SameEvents(strings.NewReader(log), []byte(trail))
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	log, trail := files["audit.jsonl"], files["events.json"]
	if p := verify(log, trail); p != nil {
		t.Error(p)
	}
	var hidden int
	lines := strings.SplitAfter(log, "\n")
	for _, line := range lines {
		if strings.Contains(line, `"index"`) && !strings.Contains(line, `"event"`) {
			hidden++
		}
	}
	if hidden == 0 {
		t.Error("the event with the query of the webhook's URL is in the log, or was not made")
	}
	without := func(i int) string { return strings.Join(slices.Delete(slices.Clone(lines), i, i+1), "") }
	var events []map[string]any
	if err := json.Unmarshal([]byte(trail), &events); err != nil {
		t.Fatal(err)
	}
	edited := func(list []map[string]any) string {
		text, err := json.Marshal(list)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	moved := slices.Clone(lines)
	moved[2] = regexp.MustCompile(`"index":\d+,`).ReplaceAllString(moved[2], `"index":0,`)
	other := maps.Clone(events[1])
	other["at"] = "2026-03-02T09:30:01Z"
	for name, test := range map[string]struct {
		log, trail string
		line       int
	}{
		"a field of the log":          {strings.Replace(log, `"kind":"opened"`, `"kind":"expired"`, 1), trail, 3},
		"the proof of another event":  {strings.Join(moved, ""), trail, 3},
		"a line of the log":           {without(2), trail, 3},
		"the log's checkpoint":        {without(len(lines) - 2), trail, 2},
		"an event of the trail":       {log, edited(append(slices.Clone(events[:1]), events[2:]...)), 2},
		"a field of the trail":        {log, edited(append([]map[string]any{events[0], other}, events[2:]...)), 2},
		"the last event of the trail": {log, edited(events[:len(events)-1]), len(events)},
		"an event added":              {log, edited(append(slices.Clone(events), other)), len(events) + 1},
	} {
		if p := verify(test.log, test.trail); p == nil || p.Line != test.line {
			t.Errorf("%s: %v, want line %d", name, p, test.line)
		}
	}
}
