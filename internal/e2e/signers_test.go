package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/app"
	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/party/partytest"
	"github.com/signet-sign/signet/internal/server/control"
	"github.com/signet-sign/signet/internal/signer"
)

func (s *sandbox) signers(t testing.TB, method, body string) (v control.SignersView, a answer) {
	t.Helper()
	a = do(t, method, s.control+"/signers", "", "application/json", strings.NewReader(body))
	_ = json.Unmarshal([]byte(a.body), &v)
	return v, a
}

// play has a signer play a behaviour with a request.
func (s *sandbox) play(t testing.TB, in api.Initiated, as, do string) {
	t.Helper()
	body := fmt.Sprintf(`{"request_id":%q,"as":%q,"do":%q}`, in.RequestID, as, do)
	if _, a := s.signers(t, "POST", body); a.status != http.StatusOK {
		t.Fatalf("%s: %d %s", do, a.status, a.body)
	}
}

// kinds lists the events of a request.
func (s *sandbox) kinds(t testing.TB, id string) (kinds []string) {
	t.Helper()
	for _, e := range s.view(t, id).Events {
		kinds = append(kinds, e.Kind)
	}
	return kinds
}

// TestBehaviours checks that each behaviour leaves the state and the trail that a person would
// leave.
func TestBehaviours(t *testing.T) {
	s := start(t)
	for do, want := range map[control.Behaviour]struct {
		state  string
		events []string // that there must be
	}{
		control.Approve:            {"signed", []string{"opened", "scanned", "approved"}},
		control.Reject:             {"locked", []string{"session_ended"}},
		control.Leave:              {"locked", []string{"session_ended"}},
		control.Wait:               {"locked", []string{"opened"}},
		control.NeverScan:          {"session", []string{"proceeded"}},
		control.WrongPerson:        {"locked", []string{"opened"}},
		control.SecondVisitor:      {"signed", []string{"approved"}},
		control.PhoneOffline:       {"session", []string{"scanned"}},
		control.RevokedCertificate: {"session", []string{"scanned"}},
	} {
		in := s.initiate(t)
		s.play(t, in, alice, string(do))
		s.settled(t, in.RequestID, want.state)
		for _, kind := range want.events {
			if got := s.kinds(t, in.RequestID); !slices.Contains(got, kind) {
				t.Errorf("%s: no event %s in %v", do, kind, got)
			}
		}
	}
	// The intended signer is not the person who opens the URL.
	in := s.initiate(t, partytest.Claim("signer_uin_hash", signer.Person{UIN: alice}.Hash()))
	s.play(t, in, bob, "wrong-person")
	s.settled(t, in.RequestID, "created")
	s.play(t, in, "", "approve")
	s.settled(t, in.RequestID, "signed")

	// The answer of a phone that comes after the cancel is refused and recorded.
	in = s.initiate(t)
	late := make(chan answer)
	go func() {
		_, a := s.signers(t, "POST", fmt.Sprintf(
			`{"request_id":%q,"do":"approve-after-cancel"}`, in.RequestID,
		))
		late <- a
	}()
	for !slices.Contains(s.kinds(t, in.RequestID), "session_ended") {
		time.Sleep(10 * time.Millisecond)
	}
	if a := s.cancel(t, in.RequestID); a.status != http.StatusOK {
		t.Fatalf("cancel: %d %s", a.status, a.body)
	}
	if a := <-late; a.status != http.StatusOK ||
		!slices.Contains(s.kinds(t, in.RequestID), "approve_refused") {
		t.Errorf("approve after cancel: %d, %v", a.status, s.kinds(t, in.RequestID))
	}
	for _, body := range []string{`{"do":"dance"}`, `{"as":"S8979373A"}`, `{`} {
		_, a := s.signers(t, "POST", body)
		a.refusedAs(t, body, 400, api.CodeClientSide)
	}
}

// TestSignerQueue checks that the signers of new requests take their plans from the queue, each
// party its own.
func TestSignerQueue(t *testing.T) {
	s, other := startTwo(t)
	theirs := &sandbox{url: s.url, control: s.control, party: other}
	s.signers(t, "POST", fmt.Sprintf(`{"do":"leave","client_id":%q}`, other.ClientID))
	v, _ := s.signers(t, "POST", fmt.Sprintf(`{"as":%q,"do":"approve"}`, bob))
	if len(v.Queue) != 2 || len(v.Personas) != 6 || len(v.Behaviours) != 10 {
		t.Errorf("signers %+v", v)
	}
	first := s.initiate(t)
	s.settled(t, first.RequestID, "signed")
	left := theirs.initiate(t)
	for !slices.Contains(s.kinds(t, left.RequestID), "session_ended") {
		time.Sleep(10 * time.Millisecond)
	}
	alone := s.initiate(t)
	s.signers(t, "POST", `{"do":"reject"}`)
	if v, _ := s.signers(t, "DELETE", ""); len(v.Queue) != 0 {
		t.Errorf("cleared: %+v", v.Queue)
	}
	s.initiate(t)
	if got := s.view(t, alone.RequestID).State; got != "created" {
		t.Errorf("a request without a plan is %s", got)
	}
}

// TestAutoSign checks that personas of a file sign by themselves, and a script that was written for
// MockPass gets its redirect.
func TestAutoSign(t *testing.T) {
	file := filepath.Join(t.TempDir(), "personas.yaml")
	text := `
- {uin: T0066846F, name: FIRST PERSON}
- {uin: S8979373D, name: WHO REJECTS, behaviour: reject}
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	personas, err := config.ParsePersonas(file)
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, func(c *config.Config) { c.Personas, c.AutoSign = personas, 100*time.Millisecond })
	in := s.initiate(t)
	s.settled(t, in.RequestID, "signed")
	if got := s.signedResult(t, in).SignerInfo.SignerName; got != "FIRST PERSON" {
		t.Errorf("signed by %s", got)
	}
	in = s.initiate(t, partytest.Claim("signer_uin_hash", signer.Person{UIN: alice}.Hash()))
	for !slices.Contains(s.kinds(t, in.RequestID), "session_ended") {
		time.Sleep(10 * time.Millisecond)
	}

	for _, bad := range []string{"nowhere.yaml", `[{uin: S1, name: A}]`, `[{uin: T0066846F, name: A, behaviour: dance}]`, `[{uin: T0066846F}]`, `[{nric: x}]`} {
		list, err := config.ParsePersonas(bad)
		if err == nil {
			c := config.SandboxDefaults()
			c.Personas = list
			_, err = app.OpenSandbox(t.Context(), c, time.Now, os.Getenv, nil)
		}
		if err == nil || !strings.Contains(err.Error(), "personas") {
			t.Errorf("%s: %v", bad, err)
		}
	}

	s = start(t, func(c *config.Config) { c.AutoSignOnGet = true })
	in = s.initiate(t)
	client := &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := client.Get(in.SigningURL)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if to := resp.Header.Get("Location"); resp.StatusCode != http.StatusFound ||
		!strings.HasPrefix(to, s.party.URL()+"/redirect?") ||
		!strings.Contains(to, "status=success") {
		t.Errorf("GET of the signing URL: %d, to %s", resp.StatusCode, to)
	}
	if got := s.view(t, in.RequestID).State; got != "signed" {
		t.Errorf("it is %s", got)
	}
	if page := browse(t, "GET", s.initiate(t).SigningURL); page.status != http.StatusOK {
		t.Errorf("a browser gets %d", page.status)
	}
}
