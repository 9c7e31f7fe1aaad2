package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/party/partytest"
	"github.com/signet-sign/signet/internal/server/phone"
	"github.com/signet-sign/signet/internal/server/sandbox"
	"github.com/signet-sign/signet/internal/server/ui"
	"github.com/signet-sign/signet/internal/token"
)

// The client at the identity provider.
const (
	issuerClient = "signet"
	issuerSecret = "quartz-heron-lantern-77"
)

// issuer is an identity provider with the sandbox's personas.
type issuer struct {
	url    string
	server *httptest.Server
}

func newIssuer(publicURL string) (*issuer, error) {
	mux := http.NewServeMux()
	i := &issuer{server: httptest.NewServer(mux)}
	i.url = i.server.URL + "/idp"
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	kit, err := ui.New(ui.Options{
		Now: time.Now, PublicURL: i.server.URL, LoginURLs: []string{publicURL},
		Templates: []ui.Templates{sandbox.Templates()},
	})
	if err != nil {
		return nil, err
	}
	(&sandbox.Provider{
		Issuer: i.url, ClientID: issuerClient, ClientSecret: issuerSecret,
		RedirectURL: publicURL + "/login/callback", Key: key, Kit: kit, Now: time.Now,
		Log: slog.New(slog.DiscardHandler), Personas: sandbox.Personas(),
	}).Routes(mux)
	return i, nil
}

func (i *issuer) close() { i.server.Close() }

// signing is a person with a browser, which serves as the phone too. All its calls go to one node.
type signing struct {
	fleet  *fleet
	client *http.Client
	key    *ecdsa.PrivateKey
}

func newSigning(f *fleet, n *server) (*signing, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		if address == f.public {
			address = n.addr
		}
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}
	s := &signing{f, &http.Client{
		Jar: jar, Transport: &http.Transport{DialContext: dial},
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}, key}
	return s, s.enrol()
}

// send sends a call to the node, and returns where its answer leads, and its body.
func (s *signing) send(method, to, kind string, body []byte, header ...string) (
	location string, text []byte, err error,
) {
	if strings.HasPrefix(to, "/") {
		to = "http://" + s.fleet.public + to
	}
	r, err := http.NewRequest(method, to, bytes.NewReader(body))
	if err != nil {
		return "", nil, err
	}
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := s.client.Do(r)
	if err != nil {
		return "", nil, err
	}
	defer resp.Body.Close()
	if text, err = io.ReadAll(resp.Body); err != nil {
		return "", nil, err
	}
	if resp.StatusCode >= 400 {
		return "", text, fmt.Errorf("%s %s: %s: %.200s", method, to, resp.Status, text)
	}
	return resp.Header.Get("Location"), text, nil
}

const formType = "application/x-www-form-urlencoded"

var hidden = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)"`)

// login follows a login through the provider's page.
func (s *signing) login(at string) error {
	_, page, err := s.send("GET", at, "", nil)
	if err != nil {
		return err
	}
	form := url.Values{"persona": {sandbox.Personas()[0].UIN}}
	for _, m := range hidden.FindAllStringSubmatch(string(page), -1) {
		form.Set(html.UnescapeString(m[1]), html.UnescapeString(m[2]))
	}
	back, _, err := s.send("POST", s.fleet.issuer.url+"/authorize", formType, []byte(form.Encode()))
	if err == nil {
		_, _, err = s.send("GET", back, "", nil)
	}
	return err
}

// call makes a call of the phone's page.
func (s *signing) call(path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	_, text, err := s.send("POST", "/phone/"+path, "application/json", body)
	if err == nil && out != nil {
		err = json.Unmarshal(text, out)
	}
	return err
}

// signature is ECDSA over SHA-256 as WebCrypto makes it.
func (s *signing) signature(text string) (string, error) {
	message, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return "", err
	}
	digest := sha256.Sum256(message)
	a, b, err := ecdsa.Sign(rand.Reader, s.key, digest[:])
	if err != nil {
		return "", err
	}
	raw := make([]byte, 64)
	a.FillBytes(raw[:32])
	b.FillBytes(raw[32:])
	return base64.RawURLEncoding.EncodeToString(raw), nil
}

// enrol makes the browser a phone.
func (s *signing) enrol() error {
	at, _, err := s.send("GET", "/phone/login", "", nil)
	if err == nil {
		err = s.login(at)
	}
	var c phone.ChallengeAnswer
	if err == nil {
		err = s.call("api/enrol/start", nil, &c)
	}
	if err != nil {
		return err
	}
	proof, err := s.signature(c.Challenge)
	if err != nil {
		return err
	}
	jwk, err := json.Marshal(partytest.Key{Alg: "ES256", Kid: "phone", Private: s.key}.JWK())
	if err != nil {
		return err
	}
	return s.call("api/enrol", phone.EnrolRequest{
		Challenge: c.Challenge, PublicKey: jwk, Name: "Phone", Proof: proof,
	}, nil)
}

// flow makes a request and signs it. It returns how long the approval took, and waits until the
// document is signed.
func (s *signing) flow(document []byte) (approval time.Duration, err error) {
	_, text, err := s.send(
		"POST", api.BasePath+api.PathRequest, "application/octet-stream", document,
		"Authorization", s.fleet.party.Token(token.Initiate),
	)
	var in api.Initiated
	if err == nil {
		err = json.Unmarshal(text, &in)
	}
	if err != nil {
		return 0, err
	}
	page := "/sign/" + in.RequestID
	at, _, err := s.send("POST", page+"/login", formType, nil)
	if err == nil {
		err = s.login(at)
	}
	if err == nil {
		_, _, err = s.send("GET", page, "", nil)
	}
	if err == nil {
		_, _, err = s.send("POST", page+"/proceed", formType, nil)
	}
	if err != nil {
		return 0, err
	}
	_, text, err = s.send("GET", page+"/code", "", nil)
	var code struct{ URL string }
	if err == nil {
		err = json.Unmarshal(text, &code)
	}
	if err == nil {
		_, _, err = s.send("GET", code.URL, "", nil)
	}
	var c phone.SignChallenge
	if err == nil {
		err = s.call("sign/"+in.RequestID+"/challenge", nil, &c)
	}
	if err != nil {
		return 0, err
	}
	signature, err := s.signature(c.ToBeSigned)
	if err != nil {
		return 0, err
	}
	begin := time.Now()
	err = s.call("sign/"+in.RequestID+"/approve", phone.Approval{Signature: signature}, nil)
	approval = time.Since(begin)
	const wait = 50 * time.Millisecond
	if err != nil {
		return 0, err
	}
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(wait) {
		_, text, err = s.send(
			"GET", api.BasePath+"/sign-requests/"+in.RequestID+"/signed-doc", "", nil,
			"Authorization", s.fleet.party.Token(
				token.Result, partytest.Claim("exchange_code", in.ExchangeCode),
			),
		)
		if err == nil || !bytes.Contains(text, []byte("DOCUMENT_NOT_SIGNED")) {
			return approval, err
		}
	}
	return 0, errors.New("a document that was approved is not signed within a minute")
}
