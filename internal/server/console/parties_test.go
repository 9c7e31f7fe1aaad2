package console_test

import (
	"bytes"
	"encoding/pem"
	"image"
	"image/png"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/party"
	"github.com/signet-sign/signet/internal/party/partytest"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/server/console"
	"github.com/signet-sign/signet/internal/token"
)

// form returns a registration as an operator submits it.
func form(p party.Party, edits ...string) url.Values {
	f := url.Values{
		"client_id": {p.ClientID}, "name": {p.Name}, "jwks_url": {p.JWKSURL},
		"redirect_url": {p.RedirectURL}, "webhook_url": {p.WebhookURL},
	}
	for i := 0; i+1 < len(edits); i += 2 {
		f.Set(edits[i], edits[i+1])
	}
	return f
}

// value returns the value of a field in the page's form.
func (a answer) value(t *testing.T, name string) string {
	t.Helper()
	m := regexp.MustCompile(`name="` + name + `"[^>]* value="([^"]*)"`).FindStringSubmatch(a.body)
	if m == nil {
		t.Fatalf("no field %s on the page", name)
	}
	return strings.NewReplacer(
		"&amp;", "&", "&#43;", "+", "&lt;", "<", "&gt;", ">", "&#34;", `"`,
	).Replace(m[1])
}

// done follows the redirect of a form that succeeded.
func (w *world) done(t *testing.T, a answer, texts ...string) answer {
	t.Helper()
	if a.status != http.StatusSeeOther {
		t.Fatalf("status %d, want a redirect; %s", a.status, a.body)
	}
	page := w.get(t, a.header.Get("Location"))
	page.has(t, 200, texts...)
	return page
}

// newcomer registers a new relying party.
func (w *world) newcomer(t *testing.T) (*partytest.Party, string) {
	t.Helper()
	rp := partytest.Start(t)
	rp.Now = w.Now
	w.done(
		t,
		w.post(
			t, "/console/parties",
			form(rp.Registration(), "webhook_url", rp.URL()+"/webhook?token=hook-secret"),
		),
	)
	return rp, "/console/party/" + rp.ClientID
}

func (w *world) found(t *testing.T, id string) party.Party {
	t.Helper()
	p, err := w.Parties.Party(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return *p
}

func TestPartiesOfTheConfiguration(t *testing.T) {
	w := newWorld(t)
	page := w.get(t, "/console/parties")
	page.has(
		t, 200, w.shop.ClientID, "Rival &lt;b&gt;", "From the configuration",
		`href="/console/party/rival"`,
	)
	own := "/console/party/" + w.shop.ClientID
	page = w.get(t, own)
	page.has(
		t, 200, "?…", "From the configuration", "http://sign.test/api/v3",
		"http://sign.test/.well-known/keys.json",
	)
	if strings.Contains(page.body, "hook-secret") || strings.Contains(page.body, own+"/edit") ||
		strings.Contains(page.body, own+"/disable") {
		t.Error("a configured party's query is shown, or it can be changed")
	}
	w.get(t, "/console/party/rival").has(t, 200, "None: it asks for the result")
	tested := w.post(t, own+"/test", nil)
	tested.has(t, 200, "usable key", "The URL is well formed", "nothing was sent")
	if strings.Contains(tested.body, "hook-secret") || len(w.shop.Webhooks()) != 0 {
		t.Error("the test shows the URL's query, or sent a webhook")
	}
	w.post(t, "/console/party/rival/test", nil).has(t, 200, "refuses the connection")
	for _, path := range []string{"/console/party/unknown", "/console/party/unknown/edit"} {
		w.get(t, path).has(t, 404)
	}
	for _, action := range []string{"test", "edit", "keys", "disable", "remove"} {
		w.post(t, "/console/party/unknown/"+action, url.Values{"version": {"1"}}).has(t, 404)
	}
	w.get(t, own+"/edit").has(t, 409, "registered in the configuration")
	for _, action := range []string{"edit", "disable", "enable", "remove", "logo-remove"} {
		w.post(t, own+"/"+action, form(w.shop.Registration(), "version", "1")).has(
			t, 409, "registered in the configuration",
		)
	}
	w.post(t, "/console/parties", form(w.shop.Registration())).has(
		t, 422, "registered in the configuration", `id="e-client_id"`,
	)
	if got := w.found(t, w.shop.ClientID); got.Disabled ||
		!strings.HasSuffix(got.WebhookURL, "hook-secret") {
		t.Errorf("the configured party was changed: %+v", got)
	}
}

func TestRegister(t *testing.T) {
	w := newWorld(t, func(c *console.Console) { c.Password = "correct horse battery" })
	w.user = "mei"
	w.get(t, "/console/parties/new").has(
		t, 200, `action="/console/parties"`, `formaction="/console/parties/test"`,
	)
	rp := partytest.Start(t)
	typed := rp.Registration()

	// Each error is shown beside its field, and the page keeps all submitted values.
	wrong := w.post(
		t,
		"/console/parties",
		form(typed, "client_id", "a b", "name", " ", "jwks_url", "ftp://x", "redirect_url", ""),
	)
	wrong.has(
		t, 422, "Nothing was saved", `id="e-client_id"`, `id="e-name"`, `id="e-jwks_url"`,
		`id="e-redirect_url"`, "The scheme is not https.", "Enter a name.",
		`aria-describedby="e-jwks_url h-jwks_url"`, `aria-invalid="true"`,
	)
	if strings.Contains(wrong.body, `id="e-webhook_url"`) ||
		wrong.value(t, "jwks_url") != "ftp://x" ||
		wrong.value(t, "webhook_url") != typed.WebhookURL {
		t.Error("a good field is marked, or what was typed is lost")
	}
	if len(w.Parties.All()) != 2 {
		t.Error("a wrong form registered something")
	}

	// The URLs can be tested before they are saved.
	tried := w.post(
		t,
		"/console/parties/test",
		form(typed, "webhook_url", "http://127.0.0.1:1/?secret=1"),
	)
	tried.has(t, 200, "3 usable keys", "refuses the connection")
	if tried.value(t, "name") != typed.Name || len(w.Parties.All()) != 2 {
		t.Error("a test loses what was typed, or saves it")
	}

	page := w.done(
		t, w.post(t, "/console/parties", form(typed)), "It can call from now on", typed.Name,
		"Registered", "mei",
	)
	if diff := w.found(t, typed.ClientID); diff != typed {
		t.Errorf("registered %+v", diff)
	}
	if !strings.Contains(page.body, "No operator") &&
		strings.Contains(page.body, "console.change.") {
		t.Error("a change has no words")
	}
	w.post(t, "/console/parties", form(typed)).has(t, 422, "has this client id already")

	// The server makes a client id if the field is empty.
	made := w.post(t, "/console/parties", form(typed, "client_id", ""))
	w.done(t, made, typed.Name)
	if !regexp.MustCompile(
		`^/console/party/[A-Za-z0-9_-]{32}\?done=registered$`,
	).MatchString(made.header.Get("Location")) {
		t.Errorf("the new party is at %s", made.header.Get("Location"))
	}
	w.get(t, "/console/parties").has(t, 200, typed.ClientID)
}

func TestEdit(t *testing.T) {
	w := newWorld(t)
	rp, own := w.newcomer(t)
	page := w.get(t, own+"/edit")
	page.has(t, 200, "The query after the ? is hidden")
	if strings.Contains(page.body, "hook-secret") {
		t.Error("the form shows a URL's query")
	}
	typed := form(
		rp.Registration(), "name", "Quay & Co", "webhook_url", page.value(t, "webhook_url"),
		"version", page.value(t, "version"),
	)

	// A test of a form with a masked query uses the saved query.
	tried := w.post(t, "/console/parties/test", typed)
	tried.has(t, 200, "3 usable keys", "nothing was sent")
	if strings.Contains(tried.body, "hook-secret") || tried.value(t, "name") != "Quay & Co" ||
		tried.value(t, "version") != "1" {
		t.Error("the test shows the query, or loses what was typed")
	}
	w.done(
		t, w.post(t, own+"/edit", typed), "Saved.", "Quay &amp; Co",
		"<del>"+rp.Registration().Name+"</del>", "<ins>Quay &amp; Co</ins>",
	)
	typed.Set("allow_download", "yes")
	typed.Set("require_all_pages", "yes")
	typed.Set("webhook_ladder", "yes")
	typed.Set("allow_private", "yes")
	secure := httptest.NewTLSServer(nil)
	defer secure.Close()
	authority := string(pem.EncodeToMemory(
		&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw},
	))
	typed.Set("ca", strings.ReplaceAll(authority, "\n", "\r\n")) // as browsers do
	typed.Set("version", "2")
	w.done(
		t, w.post(t, own+"/edit", typed), "Saved.", "Signers must see every page",
		"Keep trying failed webhooks", "<ins>yes</ins>", "Allow http and private addresses.",
		"Trusted authority: <bdi>O=Acme Co until ", "<ins>O=Acme Co until ",
	)
	if got := w.found(t, rp.ClientID); !got.AllowDownload || !got.RequireAllPages ||
		!got.WebhookLadder || !got.AllowPrivate || got.CA != authority {
		t.Errorf("saved %+v: the settings are off", got)
	}
	if edit := w.get(t, own+"/edit").body; strings.Count(edit, `value="yes" checked`) != 4 ||
		!strings.Contains(edit, ">-----BEGIN CERTIFICATE-----\n") {
		t.Error("the form shows other settings")
	}
	w.post(t, own+"/edit", form(rp.Registration(), "allow_download", "yes", "version", "2")).has(
		t, 409, `id="s-require_all_pages">Saved by another operator: yes`,
	)
	typed.Del("allow_download")
	typed.Del("require_all_pages")
	typed.Del("webhook_ladder")
	typed.Del("allow_private")
	typed.Set("ca", "no certificate")
	typed.Set("version", "3")
	w.post(t, own+"/edit", typed).has(t, 422, "It is not certificates in PEM.", `id="e-ca"`)
	typed.Del("ca")
	typed.Set("version", "3")
	w.done(t, w.post(t, own+"/edit", typed), "Saved.")
	if got := w.found(t, rp.ClientID); got.AllowDownload || got.RequireAllPages ||
		got.WebhookLadder || got.AllowPrivate || got.CA != "" {
		t.Errorf("saved %+v: the settings are on", got)
	}
	if got := w.found(t, rp.ClientID); got.Name != "Quay & Co" ||
		!strings.HasSuffix(got.WebhookURL, "?token=hook-secret") {
		t.Errorf("saved %+v: the hidden query is lost, or the name is not saved", got)
	}

	// A masked query does not move to another host.
	moved := form(rp.Registration(), "webhook_url", "http://other.example/hook?…", "version", "4")
	w.post(t, own+"/edit", moved).has(
		t, 422, "Enter the query after the ? in full", `id="e-webhook_url"`,
	)
	w.post(t, own+"/edit", form(rp.Registration(), "jwks_url", "", "version", "4")).has(
		t, 422, "Enter a URL.", `id="e-jwks_url"`,
	)

	// An operator who opened the form before that save sees what was saved beside the submitted
	// values, and may save again.
	late := w.post(
		t, own+"/edit",
		form(
			rp.Registration(), "name", "Late", "webhook_url", "", "allow_download", "yes",
			"version", "1",
		),
	)
	late.has(
		t, 409, "another operator has changed", "Saved by another operator", "Quay &amp; Co",
		`id="s-webhook_url"`, `id="s-allow_download">Saved by another operator: no`,
	)
	if strings.Contains(late.body, `id="s-jwks_url"`) ||
		strings.Contains(late.body, `id="s-require_all_pages"`) ||
		strings.Contains(late.body, "hook-secret") ||
		late.value(t, "name") != "Late" {
		t.Error("a field that agrees is marked, a secret shown, or the typing lost")
	}
	w.done(
		t,
		w.post(
			t,
			own+"/edit",
			form(
				rp.Registration(), "name", "Late", "webhook_url", "", "version",
				late.value(t, "version"),
			),
		),
		"Late",
		"asks for the result",
	)
	w.post(t, own+"/edit", form(rp.Registration(), "version", "nonsense")).has(
		t, 409, "another operator",
	)
}

func TestDisableAndRemove(t *testing.T) {
	w := newWorld(t)
	rp, own := w.newcomer(t)
	version := func() url.Values { return url.Values{"version": {w.get(t, own+"/edit").value(t, "version")}} }
	w.post(t, own+"/remove", version()).has(t, 409, "Disable it before")
	w.post(t, own+"/disable", url.Values{"version": {"9"}}).has(
		t, 409, "another operator has changed",
	)
	w.done(
		t, w.post(t, own+"/disable", version()), "Its calls are refused from now on",
		"Enable it again", "Remove this relying party",
	)
	if !w.found(t, rp.ClientID).Disabled {
		t.Error("not disabled")
	}
	w.get(t, "/console/parties").has(t, 200, "Disabled")
	w.done(t, w.post(t, own+"/enable", version()), "It can call from now on")
	if w.found(t, rp.ClientID).Disabled {
		t.Error("not enabled")
	}
	w.done(t, w.post(t, own+"/disable", version()))
	if err := w.store.Create(t.Context(), &request.Request{ID: "signv3-busy", ClientID: rp.ClientID, State: request.StateExpired, CreatedAt: w.Now()}, request.Effects{}); err != nil {
		t.Fatal(err)
	}
	w.post(t, own+"/remove", version()).has(t, 409, "It has sign requests")

	idle, ownIdle := w.newcomer(t)
	w.done(t, w.post(t, ownIdle+"/disable", url.Values{"version": {"1"}}))
	w.done(
		t, w.post(t, ownIdle+"/remove", url.Values{"version": {"2"}}),
		"The relying party is removed.",
	)
	w.get(t, ownIdle).has(t, 404)
	if _, err := w.Parties.Party(t.Context(), idle.ClientID); err == nil {
		t.Error("a removed party can call")
	}
}

func TestRenewKeys(t *testing.T) {
	w := newWorld(t)
	rp, own := w.newcomer(t)
	w.get(t, own).has(t, 200, "cached no keys of it")
	verifier := token.NewVerifier(
		token.VerifierConfig{Parties: w.Parties, Keys: w.Keys, Replay: w.store, Now: w.Now},
	)
	cancel := func() error {
		_, _, err := verifier.Verify(t.Context(), rp.Token(token.Cancel), token.Cancel)
		return err
	}
	if err := cancel(); err != nil {
		t.Fatal(err)
	}
	w.get(t, own).has(
		t, 200, rp.Key("ES256").Kid, "P-384", "last used", "2 Mar 2026, 17:30:00",
		"2 Mar 2026, 18:30:00", "not used since",
	)

	// The key was stolen. Its owner removes it from the JWKS, and the caches must not accept it for
	// the rest of the hour.
	w.advance(time.Minute)
	rp.ServeJWKS(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		_, _ = rw.Write(partytest.JWKS(rp.Key("ES384").JWK()))
	}))
	if err := cancel(); err != nil {
		t.Fatalf("the test shows nothing: the key is gone without a renewal: %v", err)
	}
	before := rp.Fetches()
	page := w.done(
		t, w.post(t, own+"/keys", nil), "The cached keys are discarded", "Keys fetched again",
		rp.Key("ES384").Kid, "2 Mar 2026, 18:31:00",
	)
	if strings.Contains(page.body, rp.Key("ES256").Kid) || rp.Fetches() != before+1 {
		t.Errorf("the stolen key is still there, or %d fetches", rp.Fetches()-before)
	}
	if err := cancel(); err == nil {
		t.Error("the stolen key still works")
	}
	rp.ServeJWKS(http.NotFoundHandler())
	w.done(t, w.post(t, own+"/keys", nil), "JWKS: answered 404", "Not asked again before")
	// The same holds for a party in the configuration.
	w.done(t, w.post(t, "/console/party/"+w.shop.ClientID+"/keys", nil), w.shop.Key("ES256").Kid)
}

// upload posts a file as a browser does.
func (w *world) upload(t *testing.T, path, version string, file []byte) answer {
	t.Helper()
	var body bytes.Buffer
	m := multipart.NewWriter(&body)
	if err := m.WriteField("version", version); err != nil {
		t.Fatal(err)
	}
	part, err := m.CreateFormFile("logo", "logo.png")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = part.Write(file)
	_ = m.Close()
	r := httptest.NewRequest("POST", path, &body)
	r.Header.Set("Content-Type", m.FormDataContentType())
	return w.do(t, r)
}

func TestLogo(t *testing.T) {
	w := newWorld(t)
	rp, own := w.newcomer(t)
	var drawn bytes.Buffer
	if err := png.Encode(&drawn, image.NewGray(image.Rect(0, 0, 300, 300))); err != nil {
		t.Fatal(err)
	}
	w.upload(t, own+"/logo", "1", []byte("<svg/>")).has(
		t, 422, "The file is not a PNG, JPEG or WebP picture.",
	)
	w.upload(t, own+"/logo", "1", make([]byte, party.MaxLogo+1)).has(t, 422, "larger than 1024 KiB")
	w.upload(t, own+"/logo", "1", make([]byte, 2*party.MaxLogo)).has(t, 422, "larger than 1024 KiB")
	w.post(t, own+"/logo", url.Values{"version": {"1"}}).has(t, 422, "upload was interrupted")
	w.upload(t, own+"/logo", "7", drawn.Bytes()).has(t, 409, "another operator has changed")
	page := w.done(
		t, w.upload(t, own+"/logo", "1", drawn.Bytes()), "The logo is saved", "Logo changed",
		"Remove the logo",
	)
	name := w.found(t, rp.ClientID).Logo
	if len(name) != 32 ||
		!strings.Contains(page.body, `<img class="logo" src="/logos/`+name+`.png"`) {
		t.Errorf("the page does not show the logo %q", name)
	}
	w.get(t, "/console/parties").has(t, 200, "/logos/"+name+".png")
	if shown, err := w.Parties.Logo(t.Context(), name); err != nil {
		t.Error(err)
	} else if size, err := png.DecodeConfig(bytes.NewReader(shown)); err != nil || size.Width != 256 {
		t.Errorf("%+v, %v", size, err)
	}
	page = w.done(
		t, w.post(t, own+"/logo-remove", url.Values{"version": {"2"}}), "a letter instead",
	)
	if strings.Contains(page.body, "<img") || w.found(t, rp.ClientID).Logo != "" {
		t.Error("the logo is still there")
	}
}

// TestSaveInSpiteOfTest checks that a party whose URLs do not work is saved only after the operator
// was told why they do not, new or changed.
func TestSaveInSpiteOfTest(t *testing.T) {
	w := newWorld(t)
	rp, own := w.newcomer(t)
	broken := rp.Registration()
	broken.WebhookURL = "http://127.0.0.1:1/hook"
	for path, typed := range map[string]url.Values{
		"/console/parties": form(broken, "client_id", ""),
		own + "/edit":      form(broken, "version", "1"),
	} {
		told := w.post(t, path, typed)
		told.has(t, 422, "Nothing was saved yet", "refuses the connection", "Save anyway")
		typed.Set("anyway", "1")
		if saved := w.post(t, path, typed); saved.status != http.StatusSeeOther {
			t.Errorf("%s: %d, and not saved", path, saved.status)
		}
	}
}
