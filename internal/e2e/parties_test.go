package e2e_test

import (
	"bytes"
	"image"
	"image/png"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/party/partytest"
	"github.com/signet-sign/signet/internal/token"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// submit sends a form of the console as a browser does.
func (s *sandbox) submit(t testing.TB, path string, form url.Values) answer {
	t.Helper()
	return do(
		t, "POST", s.control+path, "", "application/x-www-form-urlencoded",
		strings.NewReader(form.Encode()),
	)
}

// saved ends the test unless a form went well; the answer is the page that it led to.
func (s *sandbox) saved(t testing.TB, a answer) answer {
	t.Helper()
	page := browse(t.(*testing.T), "GET", s.control+a.follow(t))
	if page.status != http.StatusOK {
		t.Fatalf("the page behind the form: %d", page.status)
	}
	return page
}

func registration(p *partytest.Party) url.Values {
	r := p.Registration()
	return url.Values{
		"client_id": {r.ClientID}, "name": {r.Name}, "jwks_url": {r.JWKSURL},
		"redirect_url": {r.RedirectURL}, "webhook_url": {r.WebhookURL},
	}
}

// as is the sandbox with another relying party before it.
func (s *sandbox) as(p *partytest.Party) *sandbox {
	p.Now = s.now
	other := *s
	other.party = p
	return &other
}

// TestRegisteredInConsole follows a relying party from its registration to the day when it is
// disabled, over HTTP.
func TestRegisteredInConsole(t *testing.T) {
	s := start(t)
	shop := partytest.Start(t)
	mine := s.as(shop)
	if a := mine.upload(t, shop.Token(token.Initiate), pdftest.Minimal()); !strings.Contains(
		a.header.Get("Signet-Explanation"), "no relying party has this client id",
	) {
		t.Fatalf("before the registration: %d %s", a.status, a.header.Get("Signet-Explanation"))
	}
	if a := s.submit(t, "/console/parties", nil); a.status != http.StatusUnprocessableEntity {
		t.Errorf("an empty form: %d", a.status)
	}
	if got := browse(t, "POST", s.control+"/console/parties", func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }); got.status != http.StatusForbidden {
		t.Errorf("another site's form may register: %d", got.status)
	}
	s.saved(t, s.submit(t, "/console/parties", registration(shop)))
	in := mine.initiate(t)
	if a := mine.cancel(t, in.RequestID); a.status != http.StatusOK {
		t.Errorf("cancel: %d %s", a.status, a.body)
	}

	// The logo goes with the name, from our own origin.
	own := "/console/party/" + shop.ClientID
	s.saved(t, s.uploadLogo(t, own+"/logo", "1"))
	request := mine.initiate(t)
	v := s.visitor(t)
	landing := v.get(t, "/sign/"+request.RequestID)
	src := regexp.MustCompile(
		`<img class="logo" src="(/logos/[0-9a-f]{32}\.png)"`,
	).FindStringSubmatch(landing.body)
	if src == nil {
		t.Fatal("the landing page shows no logo")
	}
	if !strings.Contains(landing.header.Get("Content-Security-Policy"), "img-src 'self';") {
		t.Error("pages allow pictures of others")
	}
	logo := v.get(t, src[1])
	if _, err := png.Decode(strings.NewReader(logo.body)); err != nil || logo.status != 200 ||
		logo.header.Get("Content-Type") != "image/png" ||
		logo.header.Get("X-Content-Type-Options") != "nosniff" ||
		!strings.Contains(logo.header.Get("Cache-Control"), "immutable") {
		t.Errorf("logo: %d %v, %v", logo.status, logo.header, err)
	}
	if page := v.login(t, request, alice); !strings.Contains(page.body, src[1]) {
		t.Error("the document's page shows no logo")
	}
	if a := browse(t, "GET", s.control+src[1]); a.status != 200 {
		t.Errorf("the console's logo: %d", a.status)
	}

	// Another JWKS counts from the next call on.
	moved := partytest.Start(t)
	moved.Now = s.now
	edit := registration(shop)
	edit.Set("jwks_url", moved.URL()+"/jwks.json")
	edit.Set("version", "2")
	s.saved(t, s.submit(t, own+"/edit", edit))
	if a := mine.upload(t, shop.Token(token.Initiate), pdftest.Minimal()); !strings.Contains(
		a.header.Get("Signet-Explanation"), "no usable key with the token's kid",
	) {
		t.Errorf("the old keys: %d %s", a.status, a.header.Get("Signet-Explanation"))
	}
	if a := mine.upload(t, moved.Token(token.Initiate, partytest.Claim("client_id", shop.ClientID)), pdftest.Minimal()); a.status != http.StatusOK {
		t.Errorf("the new keys: %d %s", a.status, a.body)
	}
	edit.Set("jwks_url", shop.URL()+"/jwks.json")
	edit.Set("version", "3")
	s.saved(t, s.submit(t, own+"/edit", edit))

	// Disabled: its calls are refused, and its requests continue.
	s.saved(t, s.submit(t, own+"/disable", url.Values{"version": {"4"}}))
	for name, a := range map[string]answer{
		"initiate": mine.upload(t, shop.Token(token.Initiate), pdftest.Minimal()),
		"cancel":   mine.cancel(t, request.RequestID),
		"result":   mine.result(t, request),
	} {
		if a.status != http.StatusBadRequest || !strings.Contains(a.body, `"UNAUTHORIZED"`) ||
			!strings.Contains(
				a.header.Get("Signet-Explanation"), "an operator has disabled this relying party",
			) {
			t.Errorf(
				"%s of a disabled party: %d %s %s", name, a.status, a.body,
				a.header.Get("Signet-Explanation"),
			)
		}
	}
	s.must(t, request.RequestID, alice, "open", "proceed", "approve")
	s.settled(t, request.RequestID, "signed")
	if _, err := shop.WaitWebhook(t.Context(), 0); err != nil {
		t.Errorf("the webhook of a disabled party: %v", err)
	}
	s.saved(t, s.submit(t, own+"/enable", url.Values{"version": {"5"}}))
	if a := mine.result(t, request); a.status != http.StatusOK {
		t.Errorf("enabled again: %d %s", a.status, a.body)
	}
	if page := browse(t, "GET", s.control+own); !strings.Contains(page.body, "Disabled") ||
		!strings.Contains(page.body, ">console<") {
		t.Error("the trail does not say that the console's user disabled it")
	}
}

// uploadLogo sends a picture.
func (s *sandbox) uploadLogo(t testing.TB, path, version string) answer {
	t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	if err := form.WriteField("version", version); err != nil {
		t.Fatal(err)
	}
	file, err := form.CreateFormFile("logo", "logo.png")
	if err != nil {
		t.Fatal(err)
	}
	if err := png.Encode(file, image.NewGray(image.Rect(0, 0, 64, 64))); err != nil {
		t.Fatal(err)
	}
	if err := form.Close(); err != nil {
		t.Fatal(err)
	}
	return do(t, "POST", s.control+path, "", form.FormDataContentType(), &body)
}

// TestPartiesSurvive checks that what operators registered is there after a restart, and a kill.
func TestPartiesSurvive(t *testing.T) {
	p := newProcess(t)
	p.start(t)
	shop := partytest.Start(t)
	s := &sandbox{url: p.url, control: p.control, party: p.party}
	s.saved(t, s.submit(t, "/console/parties", registration(shop)))
	p.kill()
	p.start(t)
	s.as(shop).initiate(t)
}

// TestPartiesOnTwoNodes checks that what is done in the console of one node is in force on the
// other.
func TestPartiesOnTwoNodes(t *testing.T) {
	database, data := cluster.Database(t), t.TempDir()
	node := func() *sandbox {
		rp := partytest.Start(t)
		c := configOf(rp)
		c.Database, c.Data = database, data
		return runAt(
			t,
			rp,
			c,
			time.Now,
			nil,
			slog.New(
				slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelWarn}),
			),
		)
	}
	a, b := node(), node()
	shop := partytest.Start(t)
	onB := b.as(shop)
	// until asks the other node until it answers as it should.
	until := func(what string, good func(answer) bool) {
		t.Helper()
		var got answer
		for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
			if got = onB.upload(t, shop.Token(token.Initiate), pdftest.Minimal()); good(got) {
				return
			}
		}
		t.Fatalf("%s: %d %s %s", what, got.status, got.body, got.header.Get("Signet-Explanation"))
	}
	accepted := func(a answer) bool { return a.status == http.StatusOK }
	explained := func(words string) func(answer) bool {
		return func(a answer) bool { return strings.Contains(a.header.Get("Signet-Explanation"), words) }
	}
	a.saved(t, a.submit(t, "/console/parties", registration(shop)))
	until("registered", accepted)
	in := onB.initiate(t)
	if got := onB.cancel(t, in.RequestID); got.status != http.StatusOK {
		t.Errorf("cancel: %d %s", got.status, got.body)
	}

	// A stolen key: its owner has taken it back, node B has it cached, and node A's operator throws
	// it away.
	shop.ServeJWKS(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(partytest.JWKS(shop.Key("ES384").JWK()))
	}))
	if got := onB.upload(t, shop.Token(token.Initiate), pdftest.Minimal()); !accepted(got) {
		t.Fatalf("the test shows nothing: %d %s", got.status, got.body)
	}
	own := "/console/party/" + shop.ClientID
	a.saved(t, a.submit(t, own+"/keys", nil))
	until("keys renewed", explained("no usable key with the token's kid"))
	shop.ServeJWKS(nil)
	a.saved(t, a.submit(t, own+"/keys", nil))
	until("keys renewed again", accepted)

	a.saved(t, a.submit(t, own+"/disable", url.Values{"version": {"1"}}))
	until("disabled", explained("an operator has disabled"))
	b.saved(t, b.submit(t, own+"/enable", url.Values{"version": {"2"}}))
	until("enabled", accepted)
	if got := a.submit(t, own+"/disable", url.Values{"version": {"2"}}); got.status != http.StatusConflict {
		t.Errorf("a change upon an old version: %d", got.status)
	}
}

// TestMistakeOfOneParty checks that a registration that is not valid refuses the calls of its
// party, says why, and leaves the others alone.
func TestMistakeOfOneParty(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*config.Party)
		why   string
	}{
		"fragment in the redirect URL": {func(p *config.Party) { p.RedirectURL += "#/signed" }, "redirect URL: it holds a fragment"},
		"password in the webhook URL":  {func(p *config.Party) { p.WebhookURL = "http://user:s3cret@127.0.0.1/" }, "webhook URL: URL not allowed: it holds user information"},
	} {
		t.Run(name, func(t *testing.T) {
			party, other := partytest.Start(t), partytest.Start(t)
			conf := configOf(party)
			conf.Parties = append(conf.Parties, configOf(other).Parties...)
			c.spoil(&conf.Parties[1])
			var log bytes.Buffer
			s := run(t, party, conf, nil, slog.New(slog.NewTextHandler(&log, nil)))
			other.Now = s.now
			s.initiate(t)
			a := s.upload(t, other.Token(token.Initiate), pdftest.Minimal())
			if got := a.header.Get("Signet-Explanation"); !a.is(
				400, "UNAUTHORIZED", "Unauthorized.",
			) ||
				!strings.Contains(got, c.why) {
				t.Errorf("the call of the other: %d %s %s", a.status, a.body, got)
			}
			s.stop()
			if text := log.String(); strings.Count(text, c.why) != 1 ||
				strings.Contains(text, "s3cret") {
				t.Errorf("the log: %s", text)
			}
		})
	}
}

// TestConfiguredLogo checks that a configured party has its logo, too.
func TestConfiguredLogo(t *testing.T) {
	file := t.TempDir() + "/logo.png"
	var drawn bytes.Buffer
	if err := png.Encode(&drawn, image.NewGray(image.Rect(0, 0, 9, 9))); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, drawn.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, func(c *config.Config) { c.Parties[0].Logo = file })
	in := s.initiate(t)
	v := s.visitor(t)
	src := regexp.MustCompile(
		`src="(/logos/[0-9a-f]{32}\.png)"`,
	).FindStringSubmatch(v.get(t, "/sign/"+in.RequestID).body)
	if src == nil {
		t.Fatal("the landing page shows no logo")
	}
	if size, err := png.DecodeConfig(strings.NewReader(v.get(t, src[1]).body)); err != nil ||
		size.Width != 9 {
		t.Errorf("%+v, %v", size, err)
	}
}
