package webhook_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/go-jose/go-jose/v4"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/party"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/safehttp"
	"github.com/signet-sign/signet/internal/safehttp/dnstest"
	"github.com/signet-sign/signet/internal/signer"
	"github.com/signet-sign/signet/internal/store"
	"github.com/signet-sign/signet/internal/store/storetest"
	"github.com/signet-sign/signet/internal/webhook"
)

// oneRequest is a request.Store that holds one request and only gets.
type oneRequest struct {
	request.Store
	r *request.Request
}

func (s oneRequest) Get(context.Context, string) (*request.Request, error) {
	return s.r.Clone(), nil
}

// oneParty is party.Parties of one.
type oneParty party.Party

func (p *oneParty) Party(context.Context, string) (*party.Party, error) {
	return (*party.Party)(p), nil
}

// bench is a Sender on a signed request, with a clock to set.
type bench struct {
	*webhook.Sender
	now     time.Time
	request *request.Request
	party   *oneParty
	store   *store.Store // of the receivers
}

func newBench(t *testing.T, webhookURL string) *bench {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 1, 15, 12, 0, 0, 0, time.UTC)
	b := &bench{
		now: at, store: storetest.Open(t),
		request: &request.Request{
			ID: "signv3-1", ClientID: "party", State: request.StateSigned,
			Signer: &signer.Person{UIN: "S8979373D", Name: "TAN XIAO HUI"},
			Signed: &request.SignedDocument{At: at, Name: "TAN XIAO HUI"},
		},
		party: &oneParty{ClientID: "party", WebhookURL: webhookURL},
	}
	now := func() time.Time { return b.now }
	log := slog.New(slog.DiscardHandler)
	b.Sender = &webhook.Sender{
		Requests: request.New(request.Config{
			Store:       oneRequest{r: b.request},
			Now:         now,
			PublicURL:   "https://sign.example",
			LinkSecrets: func() [][]byte { return [][]byte{make([]byte, 32)} },
			Log:         log,
		}),
		Parties: b.party, Receivers: b.store,
		Clients: &party.Clients{Policy: safehttp.Policy{AllowPrivate: true}},
		Key:     func() crypto.Signer { return key },
		Now:     now, Log: log,
	}
	return b
}

// attempt delivers once, as the worker does: it counts the attempt first.
func (b *bench) attempt(job *request.Job) []request.Event {
	job.Attempts++
	return b.Deliver(context.Background(), job)
}

// receiver answers with a status and keeps what it got.
func receiver(t *testing.T, status int) (url string, tokens func() []string) {
	t.Helper()
	var got []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body api.Webhook
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		got = append(got, body.Token)
		w.WriteHeader(status)
	}))
	t.Cleanup(s.Close)
	return s.URL, func() []string { return got }
}

// TestSettingsOfParty checks that a webhook to a private address with a certificate of another
// authority is sent if the party's settings allow both.
func TestSettingsOfParty(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer s.Close()
	authority := string(pem.EncodeToMemory(
		&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw},
	))
	for _, test := range []struct {
		private bool
		ca      string
		sent    bool
	}{{true, authority, true}, {false, authority, false}, {true, "", false}} {
		b := newBench(t, s.URL)
		b.Clients = &party.Clients{}
		b.party.AllowPrivate, b.party.CA = test.private, test.ca
		events := b.attempt(&request.Job{RequestID: b.request.ID})
		if sent := len(events) == 1 && events[0].Detail.Error == ""; sent != test.sent {
			t.Errorf("private %t, CA %q: %+v", test.private, test.ca, events)
		}
	}
}

// TestContractsTries checks that there are three attempts, two seconds apart, with one token.
func TestContractsTries(t *testing.T) {
	url, tokens := receiver(t, 500)
	b := newBench(t, url)
	job := &request.Job{RequestID: "signv3-1", Kind: request.JobWebhook, Status: request.JobPending}
	for n := 1; n <= 3; n++ {
		events := b.attempt(job)
		if len(events) != 1 || events[0].Kind != request.EventWebhook ||
			events[0].Detail.Status != "500" {
			t.Errorf("attempt %d: events %v", n, events)
		}
		switch {
		case n < 3 && (job.Status != request.JobPending || !job.DueAt.Equal(b.now.Add(2*time.Second))):
			t.Errorf("after attempt %d: %s, due in %s", n, job.Status, job.DueAt.Sub(b.now))
		case n == 3 && job.Status != request.JobFailed:
			t.Errorf("after attempt 3: %s", job.Status)
		}
		b.now = b.now.Add(2 * time.Second)
	}
	if got := tokens(); len(got) != 3 || got[0] != got[1] || got[1] != got[2] {
		t.Errorf("%d attempts, or not one token", len(got))
	}
}

// TestKeyAway checks that a webhook waits while its key does not sign, and is then sent with all of
// the contract's attempts.
func TestKeyAway(t *testing.T) {
	url, tokens := receiver(t, 500)
	b := newBench(t, url)
	key := b.Key
	b.Key = func() crypto.Signer { return awayKey{key()} }
	job := &request.Job{RequestID: "signv3-1", Kind: request.JobWebhook, Status: request.JobPending}
	for range 5 {
		if events := b.attempt(job); len(events) != 0 || job.Status != request.JobPending {
			t.Errorf("without its key: %s, events %v", job.Status, events)
		}
		b.now = job.DueAt
	}
	if len(tokens()) != 0 {
		t.Error("a webhook was sent without its key")
	}
	b.Key = key
	for n := 1; n <= 3; n++ {
		if events := b.attempt(job); len(events) != 1 ||
			events[0].Detail.Attempt != fmt.Sprint(n) ||
			(job.Status == request.JobFailed) != (n == 3) {
			t.Errorf("attempt %d: %s, %+v", n, job.Status, events)
		}
		b.now = job.DueAt
	}
	if got := tokens(); len(got) != 3 || got[0] != got[2] {
		t.Errorf("%d attempts, or not one token", len(got))
	}
}

// awayKey is in a token that is away.
type awayKey struct{ crypto.Signer }

func (awayKey) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errors.New("the token is away")
}

// TestLadder checks that with the extension a failed webhook is retried for days, with tokens that
// have not ended, a new one for each attempt after the contract's. It is on for all parties, or for
// those that opted in.
func TestLadder(t *testing.T) {
	for name, optIn := range map[string]func(b *bench){
		"for all":       func(b *bench) { b.Ladder = true },
		"for the party": func(b *bench) { b.party.WebhookLadder = true },
	} {
		url, tokens := receiver(t, 503)
		b := newBench(t, url)
		optIn(b)
		job := &request.Job{
			RequestID: "signv3-1", Kind: request.JobWebhook, Status: request.JobPending,
		}
		var waits []time.Duration
		for job.Status == request.JobPending && job.Attempts < 100 {
			b.attempt(job)
			var claims api.WebhookClaims
			all := tokens()
			read(t, all[len(all)-1], &claims)
			if left := time.Unix(claims.Exp, 0).Sub(b.now); left < time.Minute {
				t.Errorf("%s: attempt %d sends a token with %s left", name, job.Attempts, left)
			}
			if job.Status == request.JobPending {
				waits = append(waits, job.DueAt.Sub(b.now))
				b.now = job.DueAt
			}
		}
		if len(waits) != 11 || waits[0] != 2*time.Second || waits[2] != time.Minute ||
			waits[10] != 24*time.Hour ||
			job.Status != request.JobFailed {
			t.Errorf("%s: waits %v, then %s", name, waits, job.Status)
		}
		// An operator requests it again, twice within a minute.
		for range 2 {
			job.Status = request.JobPending
			b.attempt(job)
			b.now = b.now.Add(time.Second)
		}
		different := map[string]bool{}
		for _, token := range tokens() {
			different[token] = true
		}
		if len(different) != 12 {
			t.Errorf(
				"%s: %d tokens, want one for the contract's attempts and 11", name, len(different),
			)
		}
	}
}

// failing returns what the store knows of the party's receiver.
func (b *bench) failing(t *testing.T) party.Receiver {
	t.Helper()
	r, err := b.store.Receiver(t.Context(), "party")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestBreaker checks that failures of a party that opted in are counted, that an accepted webhook
// forgets them, and that a party that did not opt in has none.
func TestBreaker(t *testing.T) {
	answer := http.StatusServiceUnavailable
	s := httptest.NewServer(
		http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(answer) }),
	)
	defer s.Close()
	b := newBench(t, s.URL)
	for range 20 {
		b.attempt(&request.Job{RequestID: "signv3-1"})
	}
	if got := b.failing(t); got.Failed() {
		t.Errorf("a party that did not opt in: %+v", got)
	}
	b.party.WebhookLadder = true
	for n := 1; n <= 5; n++ {
		b.attempt(&request.Job{RequestID: "signv3-1"})
		if got := b.failing(t); got.Failures != n || got.HeldUntil.IsZero() != (n < 5) {
			t.Errorf("after %d failures: %+v", n, got)
		}
	}
	// What is not the receiver's fault does not count.
	b.request.State = request.StateCancelled
	b.attempt(&request.Job{RequestID: "signv3-1"})
	b.request.State = request.StateSigned
	stopped, stop := context.WithCancel(t.Context())
	stop()
	b.Deliver(stopped, &request.Job{RequestID: "signv3-1"})
	if got := b.failing(t); got.Failures != 5 {
		t.Errorf("after faults that are not the receiver's: %+v", got)
	}
	answer = http.StatusNoContent
	b.attempt(&request.Job{RequestID: "signv3-1"})
	if got := b.failing(t); got.Failed() || !got.HeldUntil.IsZero() {
		t.Errorf("after an accepted webhook: %+v", got)
	}
	// A party that opts out is not held any more.
	answer = http.StatusServiceUnavailable
	for range 5 {
		b.attempt(&request.Job{RequestID: "signv3-1"})
	}
	b.party.WebhookLadder = false
	b.attempt(&request.Job{RequestID: "signv3-1"})
	if got := b.failing(t); got.Failed() || !got.HeldUntil.IsZero() {
		t.Errorf("after the party opted out: %+v", got)
	}
}

// TestPause checks that after five days of failures the webhooks of a party fail without an
// attempt, that the party's trail says so, and that a party that did not opt in is not affected.
func TestPause(t *testing.T) {
	url, tokens := receiver(t, 500)
	b := newBench(t, url)
	b.party.WebhookLadder = true
	for range 6 {
		b.attempt(&request.Job{RequestID: "signv3-1"})
		b.now = b.now.Add(24 * time.Hour)
	}
	sent := len(tokens())
	job := &request.Job{RequestID: "signv3-1"}
	events := b.attempt(job)
	if job.Status != request.JobFailed || job.LastError != party.ErrPaused.Error() ||
		len(tokens()) != sent || sent != 6 {
		t.Errorf("while it is paused: %+v, %d attempts", job, len(tokens()))
	}
	if len(events) != 1 || events[0].Detail.Attempt != "" ||
		events[0].Detail.Error != party.ErrPaused.Error() {
		t.Errorf("events %+v", events)
	}
	changes, err := b.store.PartyChanges(t.Context(), "party", 10)
	if err != nil || len(changes) != 1 || changes[0].Kind != party.ChangePaused ||
		changes[0].By != "Signet" {
		t.Errorf("the trail of the party: %+v, %v", changes, err)
	}
	b.party.WebhookLadder = false
	job = &request.Job{RequestID: "signv3-1"}
	if b.attempt(job); job.Status != request.JobPending || len(tokens()) != sent+1 {
		t.Errorf("after the party opted out: %+v, %d attempts", job, len(tokens()))
	}
}

// TestAnswers checks that any 2xx is a success, and that every other answer is retried.
func TestAnswers(t *testing.T) {
	for status, want := range map[int]request.JobStatus{
		200: request.JobDone, 201: request.JobDone, 202: request.JobDone, 204: request.JobDone,
		299: request.JobDone,
		301: request.JobPending, 302: request.JobPending, 304: request.JobPending,
		400: request.JobPending, 401: request.JobPending,
		404: request.JobPending, 410: request.JobPending, 429: request.JobPending,
		500: request.JobPending, 503: request.JobPending,
	} {
		url, _ := receiver(t, status)
		b := newBench(t, url)
		job := &request.Job{RequestID: "signv3-1", Status: request.JobPending}
		if b.attempt(job); job.Status != want {
			t.Errorf("a receiver that answers %d: %s, want %s", status, job.Status, want)
		}
	}
}

// TestErrorsHideTheURL checks that a webhook URL may hold a secret, and errors are shown.
func TestErrorsHideTheURL(t *testing.T) {
	b := newBench(t, "http://127.0.0.1:1/hook?key=SECRET")
	job := &request.Job{RequestID: "signv3-1", Status: request.JobPending}
	events := b.attempt(job)
	if job.LastError == "" || len(events) != 1 || events[0].Detail.Error == "" {
		t.Fatalf("job %+v, events %v", job, events)
	}
	if strings.Contains(job.LastError+events[0].Detail.Error, "SECRET") {
		t.Errorf("the error shows the URL: %s", job.LastError)
	}
}

// TestQuotedAnswers checks what a receiver can write into the trail by an answer that is no HTTP: a
// short text without a person's number.
func TestQuotedAnswers(t *testing.T) {
	for name, answer := range map[string]string{
		"no HTTP":            "S8979373D is the signer\r\n\r\n",
		"a long line":        strings.Repeat("S8979373D ", 3000) + "\r\n\r\n",
		"a status":           "HTTP/1.1 S8979373D OK\r\n\r\n",
		"a length":           "HTTP/1.1 200 OK\r\nContent-Length: S8979373D\r\n\r\n",
		"an encoding":        "HTTP/1.1 200 OK\r\nTransfer-Encoding: s8979373d\r\n\r\n",
		"a header":           "HTTP/1.1 200 OK\r\nS8979373D\r\n\r\n",
		"an escape sequence": "\x1b[2JS8979373D\r\n\r\n",
		"many interim ones":  strings.Repeat("HTTP/1.1 103 S8979373D\r\n\r\n", 100),
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, 16<<10))
			_, _ = io.WriteString(conn, answer)
			_ = conn.Close()
		}()
		b := newBench(t, "http://"+l.Addr().String())
		job := &request.Job{RequestID: "signv3-1", Status: request.JobPending}
		events := b.attempt(job)
		l.Close()
		if job.Status != request.JobPending || len(events) != 1 {
			t.Fatalf("%s: job %+v, events %v", name, job, events)
		}
		for _, text := range []string{events[0].Detail.Error, job.LastError} {
			if text == "" || len(text) > 400 || strings.Contains(strings.ToUpper(text), "S8979373D") ||
				strings.ContainsFunc(text, unicode.IsControl) {
				t.Errorf("%s: the text is %q", name, text)
			}
		}
	}
}

// TestNames takes the name of a receiver away: each attempt fails with the reason and is made again
// as for a receiver that does not answer, another receiver gets its webhook in the meantime, and the
// attempt that finds the name again delivers.
func TestNames(t *testing.T) {
	names := dnstest.Start(t)
	url, tokens := receiver(t, 200)
	at := func(host string) *bench {
		b := newBench(t, strings.Replace(url, "127.0.0.1", host, 1)+"/?key=hush")
		b.Clients.Policy.Resolver = names.Resolver()
		return b
	}
	b := at("shop.test")
	job := &request.Job{RequestID: b.request.ID, Status: request.JobPending}
	for _, cause := range []string{"no such host", "deadline exceeded"} {
		if cause != "no such host" {
			names.Silence("shop.test")
		}
		events := b.attempt(job)
		if len(events) != 1 || !strings.Contains(events[0].Detail.Error, cause) ||
			strings.Contains(events[0].Detail.Error, "hush") {
			t.Fatalf("%+v, want an attempt that failed because of %q", events, cause)
		}
		if job.Status != request.JobPending || !job.DueAt.Equal(b.now.Add(2*time.Second)) {
			t.Fatalf("%+v is not tried again in two seconds", job)
		}
	}
	names.Answer("other.test")
	other := at("other.test")
	other.attempt(&request.Job{RequestID: other.request.ID})
	if n := len(tokens()); n != 1 {
		t.Errorf("the other receiver has %d webhooks", n)
	}
	names.Answer("shop.test")
	if events := b.attempt(job); len(events) != 1 || events[0].Detail.Error != "" {
		t.Errorf("with the name back: %+v", events)
	}
	if n := len(tokens()); n != 2 {
		t.Errorf("%d webhooks were received", n)
	}
}

// TestNothingToSend checks that a missing URL is not a failure, nor is a stop, and only a signed
// request is announced.
func TestNothingToSend(t *testing.T) {
	b := newBench(t, "")
	job := &request.Job{RequestID: "signv3-1", Status: request.JobPending}
	if events := b.attempt(job); job.Status != request.JobDone || len(events) != 0 {
		t.Errorf("without a URL: %s, %v", job.Status, events)
	}

	url, tokens := receiver(t, 200)
	b = newBench(t, url)
	stopped, stop := context.WithCancel(context.Background())
	stop()
	job = &request.Job{RequestID: "signv3-1", Status: request.JobPending, Attempts: 3}
	if events := b.Deliver(stopped, job); job.Status != request.JobPending ||
		job.DueAt.After(b.now) ||
		len(events) != 0 {
		t.Errorf("stopped: %s due %s, %v", job.Status, job.DueAt, events)
	}
	for _, state := range []request.State{request.StateCreated, request.StateLocked, request.StateSealing, request.StateExpired, request.StateCancelled} {
		b.request.State, b.request.ExpiresAt = state, b.now.Add(time.Hour)
		b.attempt(&request.Job{RequestID: "signv3-1", Status: request.JobPending})
	}
	if n := len(tokens()); n != 0 {
		t.Errorf("%d webhooks of requests that are not signed", n)
	}
}

// TestPayloads checks that an attempt repeats the token that an earlier one has left in the job, as
// the first release wrote it, and makes a fresh one if it cannot read the payload.
func TestPayloads(t *testing.T) {
	url, tokens := receiver(t, 500)
	b := newBench(t, url)
	ends := b.now.Add(90 * time.Second).UTC().Format(time.RFC3339)
	for payload, repeats := range map[string]bool{
		`{"token":"kept","ends":"` + ends + `"}`:         true,
		`{"v":1,"token":"kept","ends":"` + ends + `"}`:   true,
		`{"v":2,"token":"kept","ends":"` + ends + `"}`:   false, // of a newer release
		`{"token":"kept","ends":["` + ends + `"]}`:       false,
		`{"token":"kept","ends":"2020-01-01T00:00:00Z"}`: false,
		``: false,
	} {
		job := &request.Job{RequestID: "signv3-1", Status: request.JobPending, Payload: payload}
		b.attempt(job)
		sent := tokens()
		if got := sent[len(sent)-1]; (got == "kept") != repeats || got == "" {
			t.Errorf("%s: sent %s", payload, got)
		}
		if !repeats && !strings.HasPrefix(job.Payload, `{"v":1,"token":"`) {
			t.Errorf("%s: became %s", payload, job.Payload)
		}
	}
}

// read decodes the payload of a token.
func read(t *testing.T, compact string, claims any) {
	t.Helper()
	jws, err := jose.ParseSignedCompact(compact, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(jws.UnsafePayloadWithoutVerification(), claims); err != nil {
		t.Fatal(err)
	}
}
