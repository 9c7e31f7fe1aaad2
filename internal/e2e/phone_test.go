package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/party/partytest"
	phoneapi "github.com/signet-sign/signet/internal/server/phone"
	"github.com/signet-sign/signet/internal/signer/signertest"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// phone is a software phone that speaks the protocol of the phone's page, over HTTP.
type phone struct {
	*visitor
	key  *ecdsa.PrivateKey
	id   string
	cert *x509.Certificate

	device  *signertest.Device // that verifies the phone's owner; nil: none
	counter uint32             // of the device's assertions
}

// newPhone logs in and makes a key, but does not enrol it.
func newPhone(t testing.TB, s *sandbox, persona string) *phone {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p := &phone{visitor: s.visitor(t), key: key}
	p.phoneLogin(t, persona)
	return p
}

// call posts JSON and decodes the answer into out, if it is a success.
func (p *phone) call(t testing.TB, path string, in, out any) answer {
	t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	a := p.send(
		t, "POST", "/phone/"+path, bytes.NewReader(body),
		http.Header{"Content-Type": {"application/json"}},
	)
	if a.status == 200 && out != nil {
		if err := json.Unmarshal([]byte(a.body), out); err != nil {
			t.Fatalf("%s: %s: %v", path, a.body, err)
		}
	}
	return a
}

// signature is ECDSA over SHA-256 as WebCrypto makes it: r and s, 32 bytes each, in base64url.
func (p *phone) signature(t testing.TB, message []byte) string {
	t.Helper()
	digest := sha256.Sum256(message)
	r, s, err := ecdsa.Sign(rand.Reader, p.key, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	raw := make([]byte, 64)
	r.FillBytes(raw[:32])
	s.FillBytes(raw[32:])
	return base64.RawURLEncoding.EncodeToString(raw)
}

func (p *phone) jwk() json.RawMessage {
	b, err := json.Marshal(partytest.Key{Alg: "ES256", Kid: "phone", Private: p.key}.JWK())
	if err != nil {
		panic(err)
	}
	return b
}

func (p *phone) challenge(t testing.TB) string {
	t.Helper()
	var c phoneapi.ChallengeAnswer
	if a := p.call(t, "api/enrol/start", nil, &c); a.status != 200 {
		t.Fatalf("enrol/start: %d %s", a.status, a.body)
	}
	return c.Challenge
}

func (p *phone) proof(t testing.TB, challenge string) string {
	t.Helper()
	return p.signature(t, unbase64(t, challenge))
}

// enrolled is a phone that is ready to sign.
func enrolled(t testing.TB, s *sandbox, persona string) *phone {
	t.Helper()
	p := newPhone(t, s, persona)
	p.enrol(t)
	return p
}

// enrol enrols a phone that is ready to sign then.
func (p *phone) enrol(t testing.TB) {
	t.Helper()
	in := p.enrolment(t)
	var e phoneapi.EnrolAnswer
	if a := p.call(t, "api/enrol", in, &e); a.status != 200 {
		t.Fatalf("enrol: %d %s", a.status, a.body)
	}
	block, _ := pem.Decode([]byte(e.Certificate))
	if block == nil {
		t.Fatalf("no certificate in %s", e.Certificate)
	}
	var err error
	if p.cert, err = x509.ParseCertificate(block.Bytes); err != nil {
		t.Fatal(err)
	}
	p.id = e.PhoneID
}

// enrolment is the phone's answer to a new challenge.
func (p *phone) enrolment(
	t testing.TB, edits ...func(*signertest.Ceremony),
) phoneapi.EnrolRequest {
	t.Helper()
	c := p.challenge(t)
	in := phoneapi.EnrolRequest{
		Challenge: c, PublicKey: p.jwk(), Name: "Test phone", Proof: p.proof(t, c),
	}
	if p.device != nil {
		in.Credential = p.device.Answer(signertest.Create, unbase64(t, c), edits...)
	}
	return in
}

// asserts is the answer of the phone's device to a challenge.
func (p *phone) asserts(
	t testing.TB, toBeSigned string, edits ...func(*signertest.Ceremony),
) json.RawMessage {
	t.Helper()
	edits = append([]func(*signertest.Ceremony){signertest.Counter(p.counter)}, edits...)
	return p.device.Answer(signertest.Get, unbase64(t, toBeSigned), edits...)
}

func unbase64(t testing.TB, text string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// proceed presses the button on the portal and returns the match code.
func (v *visitor) proceed(t testing.TB, in api.Initiated) (match string) {
	t.Helper()
	v.post(t, "/sign/"+in.RequestID+"/proceed", nil).follow(t)
	page := v.get(t, in.SigningURL)
	code := regexp.MustCompile(`aria-hidden="true">(\d{4})<`).FindStringSubmatch(page.body)
	if code == nil {
		t.Fatalf("no match code on the page: %s", page.text())
	}
	return code[1]
}

// code is what the QR code on the portal says now.
func (v *visitor) code(t testing.TB, in api.Initiated) (link string) {
	t.Helper()
	a := v.get(t, "/sign/"+in.RequestID+"/code")
	var c struct {
		URL string `json:"url"`
	}
	if err := json.Unmarshal([]byte(a.body), &c); err != nil || a.status != 200 || c.URL == "" {
		t.Fatalf("code: %d %s", a.status, a.body)
	}
	return c.URL
}

// scan reads the QR code with the phone and returns the path of the phone's calls below /phone/.
func (p *phone) scan(t testing.TB, desk *visitor, in api.Initiated) (session string) {
	t.Helper()
	if to := p.get(t, desk.code(t, in)).follow(t); to != "/phone/sign/"+in.RequestID {
		t.Errorf("the code leads to %s", to)
	}
	return "sign/" + in.RequestID
}

// refusedAs checks an answer's code and status.
func (a answer) refusedAs(t testing.TB, what string, status int, code string) {
	t.Helper()
	if e := refusalOf(t, a); a.status != status || e.Code != code {
		t.Errorf("%s: %d %s, want %d %s", what, a.status, a.body, status, code)
	}
}

// TestPhoneEnrols checks that a key gets a certificate by proof of possession, for the person who
// has logged in.
func TestPhoneEnrols(t *testing.T) {
	s := start(t)
	p := enrolled(t, s, alice)
	if !p.key.PublicKey.Equal(p.cert.PublicKey) {
		t.Error("the certificate is for another key")
	}
	if p.cert.Subject.CommonName != "TAN XIAO HUI" ||
		strings.Contains(p.cert.Subject.String(), alice) ||
		!strings.Contains(p.cert.Subject.SerialNumber, "373D ") {
		t.Errorf("subject %s", p.cert.Subject)
	}
	home := p.get(t, "/phone/")
	home.shows(t, 200, "Test phone")
	s.visitor(t).get(t, "/phone/").shows(t, 200, "Log in")

	bad := newPhone(t, s, alice)
	other, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p384, err := json.Marshal(partytest.Key{Alg: "ES384", Private: other}.JWK())
	if err != nil {
		t.Fatal(err)
	}
	private := append(
		bytes.TrimSuffix(bad.jwk(), []byte("}")),
		[]byte(`,"d":"`+base64.RawURLEncoding.EncodeToString(bytes.Repeat([]byte{1}, 32))+`"}`)...)
	c := bad.challenge(t)
	bobs := newPhone(t, s, bob).challenge(t)
	ok := phoneapi.EnrolRequest{
		Challenge: c, PublicKey: bad.jwk(), Name: "x", Proof: bad.proof(t, c),
	}
	for name, x := range map[string]struct {
		edit func(*phoneapi.EnrolRequest)
		code string
	}{
		"another key's proof":     {func(r *phoneapi.EnrolRequest) { r.Proof = p.proof(t, c) }, "SIGNATURE_INVALID"},
		"another challenge":       {func(r *phoneapi.EnrolRequest) { r.Proof = bad.proof(t, bad.challenge(t)) }, "SIGNATURE_INVALID"},
		"no proof":                {func(r *phoneapi.EnrolRequest) { r.Proof = "" }, "SIGNATURE_INVALID"},
		"a proof of zeros":        {func(r *phoneapi.EnrolRequest) { r.Proof = base64.RawURLEncoding.EncodeToString(make([]byte, 64)) }, "SIGNATURE_INVALID"},
		"another one's challenge": {func(r *phoneapi.EnrolRequest) { r.Challenge, r.Proof = bobs, bad.proof(t, bobs) }, "SIGNATURE_INVALID"},
		"a challenge of its own":  {func(r *phoneapi.EnrolRequest) { r.Challenge, r.Proof = "AAAA", bad.proof(t, "AAAA") }, "SIGNATURE_INVALID"},
		"not base64url":           {func(r *phoneapi.EnrolRequest) { r.Challenge = "+/==" }, "CLIENT_SIDE_ERROR"},
		"a key on P-384":          {func(r *phoneapi.EnrolRequest) { r.PublicKey = p384 }, "CLIENT_SIDE_ERROR"},
		"a private key":           {func(r *phoneapi.EnrolRequest) { r.PublicKey = private }, "CLIENT_SIDE_ERROR"},
		"no key":                  {func(r *phoneapi.EnrolRequest) { r.PublicKey = nil }, "CLIENT_SIDE_ERROR"},
		"a name with controls":    {func(r *phoneapi.EnrolRequest) { r.Name = "a\nb" }, "CLIENT_SIDE_ERROR"},
		"a name without end":      {func(r *phoneapi.EnrolRequest) { r.Name = strings.Repeat("x", 101) }, "CLIENT_SIDE_ERROR"},
	} {
		r := ok
		x.edit(&r)
		bad.call(t, "api/enrol", r, nil).refusedAs(t, name, 400, x.code)
	}
	bad.send(t, "POST", "/phone/api/enrol", strings.NewReader("{"), nil).refusedAs(
		t, "no JSON", 400, "CLIENT_SIDE_ERROR",
	)
	stranger := &phone{visitor: s.visitor(t), key: bad.key}
	stranger.call(t, "api/enrol/start", nil, nil).refusedAs(t, "not logged in", 401, "LOGIN_REQUIRED")
	stranger.call(t, "api/enrol", ok, nil).refusedAs(
		t, "not logged in, with a challenge", 401, "LOGIN_REQUIRED",
	)
	s.advance(t, "6m")
	bad.call(t, "api/enrol", ok, nil).refusedAs(t, "an old challenge", 400, "SIGNATURE_INVALID")
}

// TestPhoneSigns checks what is shown, what is signed, and an approval that is sent twice.
func TestPhoneSigns(t *testing.T) {
	s := start(t)
	in := s.initiate(t, places(1, 0.1, 0.1, 1, 0.5, 0.5))
	p, desk := enrolled(t, s, alice), s.visitor(t)
	desk.login(t, in, alice)
	match := desk.proceed(t, in)
	session := p.scan(t, desk, in)
	p.get(t, "/phone/"+session).shows(t, 200, "Approve")

	var c phoneapi.SignChallenge
	if a := p.call(t, session+"/challenge", nil, &c); a.status != 200 {
		t.Fatalf("challenge: %d %s", a.status, a.body)
	}
	sum := sha256.Sum256(pdftest.Minimal())
	if c.RelyingParty != s.app.Config.Parties[0].Name || c.DocumentName != "Agreement.pdf" ||
		c.MatchCode != match ||
		c.DocumentDigest != hex.EncodeToString(sum[:]) ||
		c.Pages != 1 ||
		c.Places != 2 {
		t.Errorf("the phone shows %+v, the page shows %s", c, match)
	}
	if left := time.UnixMilli(c.SessionEndsAt).Sub(s.now()); left < 150*time.Second ||
		left > 180*time.Second {
		t.Errorf("the session ends in %s", left)
	}
	var again phoneapi.SignChallenge
	if p.call(t, session+"/challenge", nil, &again); again != c {
		t.Error("a second scan gives something else to sign")
	}
	tbs, err := base64.RawURLEncoding.DecodeString(c.ToBeSigned)
	if err != nil {
		t.Fatal(err)
	}
	stranger := *p
	stranger.key, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	for name, signature := range map[string]string{
		"another key": stranger.signature(t, tbs), "other bytes": p.signature(t, append(tbs, 0)),
		"nothing": "", "zeros": base64.RawURLEncoding.EncodeToString(make([]byte, 64)),
		"not base64url": "!",
	} {
		p.call(t, session+"/approve", phoneapi.Approval{Signature: signature}, nil).refusedAs(
			t, name, 400, "SIGNATURE_INVALID",
		)
	}
	approval := phoneapi.Approval{Signature: p.signature(t, tbs)}
	for range 2 { // an answer may get lost
		if a := p.call(t, session+"/approve", approval, nil); a.status != 200 {
			t.Fatalf("approve: %d %s", a.status, a.body)
		}
	}
	s.settled(t, in.RequestID, "signed")
	if a := p.call(t, session+"/approve", approval, nil); a.status != 200 {
		t.Errorf("the same approval, later: %d %s", a.status, a.body)
	}
	p.call(t, session+"/approve", phoneapi.Approval{Signature: p.signature(t, tbs)}, nil).refusedAs(
		t, "another approval", 409, "DOCUMENT_ALREADY_SIGNED",
	)
	p.call(t, session+"/reject", nil, nil).refusedAs(
		t, "reject afterwards", 409, "DOCUMENT_ALREADY_SIGNED",
	)
	signed := do(t, "GET", s.signedResult(t, in).SignedDocURL, "", "", nil)
	pdfsig(t, []byte(signed.body), 2)
	if !strings.Contains(signed.body, strings.ToUpper(hex.EncodeToString(p.cert.Raw))) &&
		!strings.Contains(signed.body, hex.EncodeToString(p.cert.Raw)) {
		t.Error("the signature does not hold the phone's certificate")
	}
	kinds := map[string]int{}
	for _, e := range s.view(t, in.RequestID).Events {
		kinds[e.Kind]++
	}
	if kinds["scanned"] != 1 || kinds["approved"] != 1 || kinds["signed"] != 1 ||
		kinds["approve_refused"] != 0 {
		t.Errorf("trail %v", kinds)
	}
}

// TestPhoneRefusals checks who may not sign, and what is no longer to be signed.
func TestPhoneRefusals(t *testing.T) {
	s := start(t)
	p, desk := enrolled(t, s, alice), s.visitor(t)
	in := s.initiate(t)
	desk.login(t, in, alice)
	desk.proceed(t, in)
	session := p.scan(t, desk, in)
	some := phoneapi.Approval{Signature: p.signature(t, []byte("x"))}

	t.Run("a code that was replaced", func(t *testing.T) {
		if a := p.call(t, session+"/challenge", nil, nil); a.status != 200 {
			t.Fatalf("challenge: %d %s", a.status, a.body)
		}
		desk.proceed(t, in)
		for _, call := range []string{"/challenge", "/approve", "/reject"} {
			p.call(t, session+call, some, nil).refusedAs(t, call, 409, "NO_ACTIVE_SESSION")
		}
		p.scan(t, desk, in)
	})
	t.Run("a code that was not scanned, or too late", func(t *testing.T) {
		late := enrolled(t, s, alice)
		link := desk.code(t, in)
		s.advance(t, "4s")
		for _, link := range []string{link, link + "A", "/phone/" + session + "?c=AAAAAAAAAAAAAAAA", "/phone/" + session} {
			if a := late.get(t, link); a.status != http.StatusForbidden {
				t.Errorf("the phone's page: %d %s", a.status, a.text())
			}
			late.call(t, session+"/challenge", nil, nil).refusedAs(
				t, "challenge", 409, "NO_ACTIVE_SESSION",
			)
		}
	})
	t.Run("approval without a look at the challenge", func(t *testing.T) {
		p.call(t, session+"/approve", some, nil).refusedAs(t, "approve", 409, "NO_ACTIVE_SESSION")
	})
	t.Run("another person's phone", func(t *testing.T) {
		bobs := enrolled(t, s, bob)
		bobs.scan(t, desk, in)
		for _, call := range []string{"/challenge", "/approve", "/reject"} {
			bobs.call(t, session+call, some, nil).refusedAs(t, call, 403, "NO_ACCESS")
		}
		for _, path := range []string{"/state", "/events"} {
			bobs.get(t, "/phone/"+session+path).refusedAs(t, path, 403, "NO_ACCESS")
		}
	})
	t.Run("a phone that is not enrolled", func(t *testing.T) {
		fresh := newPhone(t, s, alice)
		fresh.scan(t, desk, in)
		for _, call := range []string{"/challenge", "/approve", "/reject"} {
			fresh.call(t, session+call, some, nil).refusedAs(t, call, 401, "PHONE_NOT_ENROLLED")
		}
		if to := fresh.get(t, "/phone/"+session).follow(t); to != "/phone/enrol?next="+url.QueryEscape(
			"/phone/"+session,
		) {
			t.Errorf("its page leads to %s", to)
		}
		// next is a page of the phone, or nothing.
		for _, next := range []string{"https://evil.example/phone/", "//evil.example/phone/", "/sign/x", "javascript:alert(1)", "/phone/../sign"} {
			fresh.send(t, "GET", "/phone/enrol?next="+url.QueryEscape(next), nil, nil).shows(
				t, 200, "Set up this phone",
			)
			// the language switch keeps it in its query, behind our own path
			if body := fresh.get(t, "/phone/enrol?next="+url.QueryEscape(next)).body; strings.Contains(
				body,
				`="`+next,
			) {
				t.Errorf("the page leads to %s: %s", next, body)
			}
		}
	})
	t.Run("a phone that was removed", func(t *testing.T) {
		lost := enrolled(t, s, alice)
		lost.scan(t, desk, in)
		bobs := newPhone(t, s, bob)
		// not bob's to remove
		bobs.post(t, "/phone/revoke", url.Values{"phone_id": {lost.id}}).follow(t)
		if a := lost.call(t, session+"/challenge", nil, nil); a.status != 200 {
			t.Fatalf("challenge: %d %s", a.status, a.body)
		}
		bobs.post(t, "/phone/rename", url.Values{"phone_id": {lost.id}, "name": {"Bob's"}}).follow(
			t,
		)
		lost.post(
			t, "/phone/rename", url.Values{"phone_id": {lost.id}, "name": {"two\nlines"}},
		).shows(t, 400, "The request is not valid")
		if to := lost.post(t, "/phone/rename", url.Values{"phone_id": {lost.id}, "name": {"Taxi"}}).follow(t); to != "/phone/?renamed="+lost.id {
			t.Errorf("renaming leads to %s", to)
		}
		lost.get(t, "/phone/?renamed="+lost.id).shows(t, 200, "Taxi: the new name is saved")
		lost.post(t, "/phone/revoke", url.Values{"phone_id": {lost.id}}).follow(t)
		for _, call := range []string{"/challenge", "/approve", "/reject"} {
			lost.call(t, session+call, some, nil).refusedAs(t, call, 401, "PHONE_NOT_ENROLLED")
		}
		lost.post(t, "/phone/revoke", url.Values{"phone_id": {"nonsense"}}).follow(t)
	})
	t.Run("an unknown request", func(t *testing.T) {
		path := "sign/signv3-0199cc9c-8b7c-70df-b29b-39843a10c332"
		for _, call := range []string{"/challenge", "/approve", "/reject"} {
			p.call(t, path+call, some, nil).refusedAs(t, call, 409, "NO_ACTIVE_SESSION")
		}
	})
	t.Run("reject", func(t *testing.T) {
		if a := p.call(t, session+"/reject", nil, nil); a.status != 200 {
			t.Fatalf("reject: %d %s", a.status, a.body)
		}
		desk.get(t, in.SigningURL).shows(t, 200, "You rejected the request")
		p.call(t, session+"/reject", nil, nil).refusedAs(t, "again", 409, "NO_ACTIVE_SESSION")
	})
}

// TestLateApproval ends the session and cancels the request while the signer compares the digits.
// It checks that the phone is notified at once, but not one that was removed, and that a later
// approval is refused and recorded.
func TestLateApproval(t *testing.T) {
	s := start(t)
	in := s.initiate(t)
	p, desk := enrolled(t, s, alice), s.visitor(t)
	desk.login(t, in, alice)
	desk.proceed(t, in)
	session := p.scan(t, desk, in)
	var c phoneapi.SignChallenge
	if a := p.call(t, session+"/challenge", nil, &c); a.status != 200 {
		t.Fatalf("challenge: %d %s", a.status, a.body)
	}
	tbs, err := base64.RawURLEncoding.DecodeString(c.ToBeSigned)
	if err != nil {
		t.Fatal(err)
	}
	states := p.states(t, session)
	hears(t, states, "session")
	lost := enrolled(t, s, alice)
	watched := lost.states(t, session)
	hears(t, watched, "session")
	lost.post(t, "/phone/revoke", url.Values{"phone_id": {lost.id}}).follow(t)
	s.advance(t, "180s")
	hears(t, states, "locked")
	for state := range watched { // the stream ends
		if state != "session" {
			t.Errorf("a phone that was removed hears %q", state)
			break
		}
	}
	approval := phoneapi.Approval{Signature: p.signature(t, tbs)}
	p.call(t, session+"/approve", approval, nil).refusedAs(
		t, "after the session", 409, "NO_ACTIVE_SESSION",
	)
	if a := s.cancel(t, in.RequestID); a.status != 200 {
		t.Fatalf("cancel: %d %s", a.status, a.body)
	}
	hears(t, states, "cancelled")
	p.call(t, session+"/approve", approval, nil).refusedAs(
		t, "after the cancel", 409, "REQUEST_CANCELLED",
	)
	var refused []string
	for _, e := range s.trail(t, in.RequestID).Events {
		if e.Kind == "approve_refused" {
			refused = append(refused, e.Detail["state"])
		}
	}
	if strings.Join(refused, " ") != "locked cancelled" {
		t.Errorf("refused approvals in the trail: %v", refused)
	}
	if v := s.view(t, in.RequestID); v.State != "cancelled" {
		t.Errorf("the request is %s", v.State)
	}
}

// states listens to the phone's server-sent events. The channel is closed when they end.
func (p *phone) states(t *testing.T, session string) <-chan string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, "GET", p.s.url+"/phone/"+session+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := p.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	if ct := resp.Header.Get("Content-Type"); resp.StatusCode != 200 || ct != "text/event-stream" {
		t.Fatalf("events: %d %s", resp.StatusCode, ct)
	}
	states := make(chan string, 16)
	go func() {
		defer close(states)
		lines := bufio.NewScanner(resp.Body)
		for lines.Scan() {
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				var live struct {
					State string `json:"state"`
				}
				_ = json.Unmarshal([]byte(data), &live)
				states <- live.State
			}
		}
	}()
	return states
}

// hears waits ten seconds for a state. The previous one may be sent again when the trail grows.
func hears(t *testing.T, states <-chan string, want string) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	for heard := ""; heard != want; {
		select {
		case heard = <-states:
		case <-deadline:
			t.Errorf("ten seconds passed and the phone has not heard %q, but %q", want, heard)
			return
		}
	}
}

// approval is the phone's signature over what a challenge shows, with the assertion of its device.
func (p *phone) approval(t testing.TB, c phoneapi.SignChallenge) phoneapi.Approval {
	t.Helper()
	in := phoneapi.Approval{Signature: p.signature(t, unbase64(t, c.ToBeSigned))}
	if p.device != nil {
		p.counter++
		in.Assertion = p.asserts(t, c.ToBeSigned)
	}
	return in
}
