// Package signettest runs the Signet sandbox inside a relying party's `go test`: real states, real
// cancel, real signatures. The test acts as the signers and moves the clock. Start at [Start].
//
//	sandbox := signettest.Start(t)
//	request, err := sandbox.Client().Initiate(ctx, …)
//	err = sandbox.Act(ctx, request.RequestID, signettest.Signer, "open", "proceed", "approve")
//	webhook, err := sandbox.TakeWebhook(ctx)
//
// A relying party with a JWKS and a webhook URL of its own is an argument of Start. The sandbox and
// its data end with the test.
package signettest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/client"
	"github.com/signet-sign/signet/internal/app"
	"github.com/signet-sign/signet/internal/config"
)

// NRICs of two personas. Any other NRIC or FIN with a right check letter is a person too.
const (
	Signer  = "S8979373D"
	Another = "S8116474F"
)

// ClientID is the client id of the relying party that [Start] registers if it is given none.
const ClientID = "signettest"

// Party is a relying party under test.
type Party struct {
	ClientID    string
	Name        string // "" means the client id
	JWKSURL     string // may be plain http on this machine
	RedirectURL string // "" if no browser takes part
	WebhookURL  string // "" if the test asks for results
}

// Sandbox is a running sandbox.
type Sandbox struct {
	URL     string // public URL, without a slash at the end
	BaseURL string // of the API: URL and "/api/v3"
	Control string // URL of the control listener

	tb       testing.TB
	key      client.Key         // of the party ClientID
	webhooks chan *http.Request // to the party ClientID
}

// Start runs a sandbox on free ports of the loopback interface until the test ends. Without parties
// it registers one, [ClientID], with a new key: [Sandbox.Client] and [Sandbox.Key] call for it, and
// [Sandbox.TakeWebhook] has its webhooks.
func Start(tb testing.TB, parties ...Party) *Sandbox {
	tb.Helper()
	s := &Sandbox{tb: tb, webhooks: make(chan *http.Request, 1000)}
	c := config.SandboxDefaults()
	c.Listen, c.Control, c.Data = "127.0.0.1:0", "127.0.0.1:0", tb.TempDir()
	if len(parties) == 0 {
		c.Parties = append(c.Parties, s.register())
	}
	for _, p := range parties {
		if p.RedirectURL == "" {
			p.RedirectURL = "http://127.0.0.1/"
		}
		c.Parties = append(c.Parties, config.Party{
			ClientID: p.ClientID, Name: p.Name, JWKSURL: p.JWKSURL, RedirectURL: p.RedirectURL,
			WebhookURL: p.WebhookURL,
		})
	}
	log := slog.New(slog.NewTextHandler(logWriter{tb}, &slog.HandlerOptions{Level: slog.LevelWarn}))
	a, err := app.OpenSandbox(
		context.Background(), c, time.Now, func(string) string { return "" }, log,
	)
	if err != nil {
		tb.Fatalf("signettest: %v", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	tb.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			tb.Errorf("signettest: the sandbox ended with: %v", err)
		}
	})
	s.URL, s.BaseURL = a.Config.PublicURL, a.Config.PublicURL+api.BasePath
	s.Control = "http://" + a.Control.String()
	return s
}

// register makes the party ClientID, and the server for its webhooks.
func (s *Sandbox) register() config.Party {
	key, err := client.GenerateKey()
	if err != nil {
		s.tb.Fatalf("signettest: %v", err)
	}
	s.key = key
	text, err := client.JWKS(key)
	var keys map[string]any
	if err == nil {
		err = json.Unmarshal(text, &keys)
	}
	if err != nil {
		s.tb.Fatalf("signettest: %v", err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		received := r.Clone(context.Background())
		received.Body = io.NopCloser(bytes.NewReader(body))
		select {
		case s.webhooks <- received:
		default: // the test takes none
		}
	}))
	s.tb.Cleanup(server.Close)
	return config.Party{
		ClientID: ClientID, Name: "signettest", JWKS: keys, RedirectURL: "http://127.0.0.1/",
		WebhookURL: server.URL,
	}
}

// Key returns the key of the party [ClientID], for a relying party that has a client of its own.
func (s *Sandbox) Key() client.Key {
	if s.key.Signer == nil {
		s.tb.Fatal("signettest: Start was given parties, whose keys are theirs")
	}
	return s.key
}

// Client returns a client of the party [ClientID]. It uses the machine's clock.
func (s *Sandbox) Client() *client.Client {
	key := s.Key()
	c, err := client.New(client.Config{
		BaseURL: s.BaseURL, ClientID: ClientID, Key: key.Signer, KeyID: key.ID,
	})
	if err != nil {
		s.tb.Fatalf("signettest: %v", err)
	}
	return c
}

// TakeWebhook waits for the next webhook to the party [ClientID] and returns it, for a handler
// under test or [client.Client.VerifyWebhook]. The service has got the answer 200 for it already.
func (s *Sandbox) TakeWebhook(ctx context.Context) (*http.Request, error) {
	select {
	case r := <-s.webhooks:
		return r, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("no webhook came: %w", context.Cause(ctx))
	}
}

// SamplePDF returns the sandbox's sample document, a lease. It fails the test on errors.
func (s *Sandbox) SamplePDF() []byte {
	s.tb.Helper()
	resp, err := http.Get(s.URL + "/demo/sample.pdf")
	if err != nil {
		s.tb.Fatalf("signettest: %v", err)
	}
	defer resp.Body.Close()
	document, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		s.tb.Fatalf("signettest: the sample document: %s, %v", resp.Status, err)
	}
	return document
}

// Act performs a signer's steps, in order: "open", "proceed", "approve", "reject" or "leave". It
// stops at a step that is refused; the error is then the [api.Error]. "approve" returns when the
// signature is accepted; see [Sandbox.WaitSigned].
func (s *Sandbox) Act(ctx context.Context, requestID, as string, steps ...string) error {
	for _, step := range steps {
		in := map[string]string{"as": as, "do": step}
		err := s.call(ctx, http.MethodPost, "/requests/"+requestID+"/act", in, nil)
		if err != nil {
			return err
		}
	}
	return nil
}

// NextSigner puts a signer into the queue: the signer of the next new request does what the
// behaviour says ("approve", "reject", "leave", "wait", "never-scan", "wrong-person",
// "second-visitor", "phone-offline", "approve-after-cancel" or "revoked-certificate"). as is an
// NRIC or FIN; "" is the intended signer or [Signer].
func (s *Sandbox) NextSigner(ctx context.Context, as, behaviour string) error {
	in := map[string]string{"as": as, "do": behaviour}
	return s.call(ctx, http.MethodPost, "/signers", in, nil)
}

// Sign has a signer do what a behaviour of [Sandbox.NextSigner] says with a request, and returns
// when the last step is done; see [Sandbox.WaitSigned].
func (s *Sandbox) Sign(ctx context.Context, requestID, as, behaviour string) error {
	in := map[string]string{"as": as, "do": behaviour, "request_id": requestID}
	return s.call(ctx, http.MethodPost, "/signers", in, nil)
}

// Fault is something that the sandbox does wrong on purpose; docs/sandbox.md lists the kinds.
type Fault struct {
	Kind        string        `json:"kind"`
	Probability float64       `json:"probability,omitempty"` // up to 1; 0 is 1
	Count       int           `json:"count,omitempty"`       // of injections; 0 is any number
	Delay       time.Duration `json:"-"`                     // of what is slow or late; 0 is 5 s

	// Call restricts the fault to "initiate", "cancel", "result", "download" or "keys", ClientID to
	// a relying party, RequestID to a request; "" is any.
	Call      string `json:"call,omitempty"`
	ClientID  string `json:"client_id,omitempty"`
	RequestID string `json:"request_id,omitempty"`
}

// Inject adds a fault until the sandbox ends or [Sandbox.ClearFaults] is called.
func (s *Sandbox) Inject(ctx context.Context, f Fault) error {
	in := struct {
		Fault
		Delay string `json:"delay"`
	}{f, f.Delay.String()}
	return s.call(ctx, http.MethodPost, "/faults", in, nil)
}

// ClearFaults removes all faults.
func (s *Sandbox) ClearFaults(ctx context.Context) error {
	return s.call(ctx, http.MethodDelete, "/faults", nil, nil)
}

// State returns the state of a request: created, locked, session, sealing, stalled, signed, expired
// or cancelled.
func (s *Sandbox) State(ctx context.Context, requestID string) (string, error) {
	var v struct {
		State string `json:"state"`
	}
	err := s.call(ctx, http.MethodGet, "/requests/"+requestID, nil, &v)
	return v.State, err
}

// WaitSigned waits until an approved request is signed.
func (s *Sandbox) WaitSigned(ctx context.Context, requestID string) error {
	for {
		state, err := s.State(ctx, requestID)
		switch {
		case err != nil:
			return err
		case state == "signed":
			return nil
		case state != "sealing":
			return fmt.Errorf("the request is %s", state)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// Age makes one request older by d, as if it had been created that much earlier, and returns after
// all jobs that became due have run. It does not move the clock, so other requests do not change,
// and the relying party can use the machine's clock.
func (s *Sandbox) Age(ctx context.Context, requestID string, d time.Duration) error {
	return s.call(
		ctx, http.MethodPost, "/clock",
		map[string]string{"advance": d.String(), "request_id": requestID}, nil,
	)
}

// Freeze stops the clock of one request. While it is stopped nothing expires; [Sandbox.Age] and
// [Sandbox.SetTime] move it.
func (s *Sandbox) Freeze(ctx context.Context, requestID string) error {
	return s.freeze(ctx, requestID, true)
}

// Unfreeze makes the clock of one request go on from its time.
func (s *Sandbox) Unfreeze(ctx context.Context, requestID string) error {
	return s.freeze(ctx, requestID, false)
}

func (s *Sandbox) freeze(ctx context.Context, requestID string, stop bool) error {
	in := map[string]any{"freeze": stop, "request_id": requestID}
	return s.call(ctx, http.MethodPost, "/clock", in, nil)
}

// SetTime sets the clock of one request to a time. By the clock of a request its end and the end of
// its session, which [Sandbox.Ends] returns, stay the same.
func (s *Sandbox) SetTime(ctx context.Context, requestID string, at time.Time) error {
	in := map[string]any{"set": at, "request_id": requestID}
	return s.call(ctx, http.MethodPost, "/clock", in, nil)
}

// Ends returns the end of a request, and the end of its session, which is zero if there is none.
func (s *Sandbox) Ends(ctx context.Context, requestID string) (end, session time.Time, err error) {
	var v struct {
		End     time.Time `json:"expires_at"`
		Session time.Time `json:"session_ends_at"`
	}
	err = s.call(ctx, http.MethodGet, "/requests/"+requestID, nil, &v)
	return v.End, v.Session, err
}

// ResetTime makes the clock of one request show the sandbox's time again.
func (s *Sandbox) ResetTime(ctx context.Context, requestID string) error {
	in := map[string]any{"reset": true, "request_id": requestID}
	return s.call(ctx, http.MethodPost, "/clock", in, nil)
}

// Advance moves the clock of the whole sandbox and returns after all jobs that became due have run.
func (s *Sandbox) Advance(ctx context.Context, d time.Duration) error {
	return s.call(ctx, http.MethodPost, "/clock", map[string]string{"advance": d.String()}, nil)
}

// Now returns the sandbox's time. Tokens may use it or the machine's. It has the signature of a
// clock, so it fails the test on errors.
func (s *Sandbox) Now() time.Time {
	var v struct {
		Now time.Time `json:"now"`
	}
	if err := s.call(context.Background(), http.MethodGet, "/clock", nil, &v); err != nil {
		s.tb.Errorf("signettest: reading the clock: %v", err)
	}
	return v.Now
}

func (s *Sandbox) call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, s.Control+path, body)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		refusal := new(api.Error)
		if err := json.Unmarshal(text, refusal); err != nil || refusal.Code == "" {
			return fmt.Errorf("%s %s: %s", method, path, resp.Status)
		}
		return refusal
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(text, out)
}

type logWriter struct{ tb testing.TB }

func (w logWriter) Write(p []byte) (int, error) {
	w.tb.Logf("signet: %s", bytes.TrimRight(p, "\n"))
	return len(p), nil
}
