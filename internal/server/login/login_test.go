package login_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/signet-sign/signet/internal/server/limit"
	"github.com/signet-sign/signet/internal/server/login"
	"github.com/signet-sign/signet/internal/signer"
)

// provider is an organisation's OpenID Connect provider that answers what a test tells it to.
type provider struct {
	*httptest.Server
	key    *ecdsa.PrivateKey
	claims map[string]any       // of the next ID token
	answer func(map[string]any) // changes the answer of the token endpoint
	form   url.Values           // of the last token request
}

func newProvider(t *testing.T) *provider {
	t.Helper()
	p := &provider{key: newKey(t), answer: func(map[string]any) {}}
	mux := http.NewServeMux()
	write := func(w http.ResponseWriter, v any) {
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(v); err != nil {
			t.Error(err)
		}
	}
	mux.HandleFunc(
		"GET /.well-known/openid-configuration",
		func(w http.ResponseWriter, r *http.Request) {
			write(w, map[string]any{
				"issuer": p.URL, "authorization_endpoint": p.URL + "/authorize",
				"token_endpoint": p.URL + "/token", "jwks_uri": p.URL + "/keys",
				"id_token_signing_alg_values_supported": []string{"ES256"},
			})
		},
	)
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, r *http.Request) {
		write(
			w,
			jose.JSONWebKeySet{
				Keys: []jose.JSONWebKey{
					{Key: p.key.Public(), KeyID: "1", Algorithm: "ES256", Use: "sig"},
				},
			},
		)
	})
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		p.form = r.PostForm
		answer := map[string]any{
			"access_token": "x", "token_type": "Bearer",
			"id_token": p.idToken(t, p.key, p.claims),
		}
		p.answer(answer)
		write(w, answer)
	})
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	return p
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (p *provider) idToken(t *testing.T, key *ecdsa.PrivateKey, claims map[string]any) string {
	t.Helper()
	s, err := jose.NewSigner(
		jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: "1"}}, nil,
	)
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := s.Sign(body)
	if err != nil {
		t.Fatal(err)
	}
	text, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// client is a Login with a clock, and what it reported.
type client struct {
	*login.Login
	mux    *http.ServeMux
	now    time.Time
	failed []string // where the failed logins began
	log    bytes.Buffer
}

func newClient(t *testing.T, edit func(*login.Config)) *client {
	t.Helper()
	c := &client{now: time.Now(), mux: http.NewServeMux()}
	config := login.Config{
		ClientID: "signet", ClientSecret: "hush", PublicURL: "https://sign.example",
		Secrets: func() [][]byte { return [][]byte{bytes.Repeat([]byte{7}, 32)} },
		Now:     func() time.Time { return c.now },
		Log:     slog.New(slog.NewTextHandler(&c.log, nil)),
		Ended:   &ended{}, Failed: func(w http.ResponseWriter, _ *http.Request, returnTo string, why login.Failure) {
			status := http.StatusForbidden
			switch why {
			case login.Denied:
				returnTo += " denied"
			case login.Unavailable:
				status = http.StatusServiceUnavailable
			}
			c.failed = append(c.failed, returnTo)
			w.WriteHeader(status)
		},
	}
	edit(&config)
	l, err := login.New(config)
	if err != nil {
		t.Fatal(err)
	}
	c.Login = l
	l.Routes(c.mux)
	return c
}

// ended is the record of ended logins in memory.
type ended struct {
	ids map[string]time.Time
	err error
}

func (e *ended) Use(_ context.Context, namespace, id string, until time.Time) (bool, error) {
	if e.ids == nil {
		e.ids = map[string]time.Time{}
	}
	_, used := e.ids[namespace+id]
	e.ids[namespace+id] = until
	return !used, e.err
}

func (e *ended) Used(_ context.Context, namespace, id string) (bool, error) {
	_, used := e.ids[namespace+id]
	return used, e.err
}

// TestEnd shows that a copy of the cookie is refused after a log-out, that the record of it
// outlives the cookie, that another login of the same person holds, and that a store that cannot be
// read lets no cookie pass.
func TestEnd(t *testing.T) {
	p, record := newProvider(t), &ended{}
	l := newClient(t, func(config *login.Config) { config.Issuer, config.Ended = p.URL, record })
	mine := with(l.attempt(t, p, nil, "/sign/1", "/sign/1").Cookies())
	other := with(l.attempt(t, p, nil, "/sign/1", "/sign/1").Cookies())
	w := httptest.NewRecorder()
	if err := l.End(w, mine, "/sign/1"); err != nil {
		t.Fatal(err)
	}
	if c := w.Result().Cookies(); len(c) != 1 || c[0].MaxAge >= 0 || c[0].Path != "/sign/1" {
		t.Errorf("the browser keeps its cookie: %v", c)
	}
	if _, ok := l.Person(mine, "/sign/1"); ok {
		t.Error("a copy of the cookie is still good")
	}
	if _, ok := l.Person(other, "/sign/1"); !ok {
		t.Error("the other login ended too")
	}
	for _, until := range record.ids {
		if until.Before(l.now.Add(login.Lifetime - time.Second)) {
			t.Errorf("the record ends at %s, before the cookie", until)
		}
	}
	record.err = errors.New("the database is away")
	if _, ok := l.Person(other, "/sign/1"); ok {
		t.Error("a login passes that may have been ended")
	}
	if err := l.End(httptest.NewRecorder(), other, "/sign/1"); err == nil {
		t.Error("a log-out that was not recorded succeeds")
	}
}

// TestSwitch shows that the provider is told to ask for the person again.
func TestSwitch(t *testing.T) {
	p := newProvider(t)
	l := newClient(t, func(config *login.Config) { config.Issuer = p.URL })
	mine := with(l.attempt(t, p, nil, "/sign/1", "/sign/1").Cookies())
	w := httptest.NewRecorder()
	if err := l.Switch(w, mine, "/sign/1", "/sign/1"); err != nil {
		t.Fatal(err)
	}
	at, err := url.Parse(w.Header().Get("Location"))
	if err != nil || at.Query().Get("prompt") != "login" || !strings.HasPrefix(at.String(), p.URL) {
		t.Errorf("the browser goes to %s: %v", at, err)
	}
	if _, ok := l.Person(mine, "/sign/1"); ok {
		t.Error("the first person is still logged in")
	}
}

// attempt goes through a login: the claims get the nonce that the client asked for.
func (c *client) attempt(
	t *testing.T, p *provider, claims map[string]any, scope, returnTo string,
) *http.Response {
	t.Helper()
	w := httptest.NewRecorder()
	c.Begin(w, httptest.NewRequest("POST", "https://sign.example/", nil), scope, returnTo)
	at, err := url.Parse(w.Header().Get("Location"))
	if err != nil || w.Code != http.StatusSeeOther {
		t.Fatalf("begin: %d %v", w.Code, err)
	}
	p.claims = map[string]any{
		"iss": p.URL, "aud": "signet", "sub": "s", "iat": c.now.Unix(),
		"exp":   c.now.Add(time.Minute).Unix(),
		"nonce": at.Query().Get("nonce"), "uin": "S8979373D", "name": "TAN XIAO HUI",
	}
	for name, v := range claims {
		if p.claims[name] = v; v == nil {
			delete(p.claims, name)
		}
	}
	r := httptest.NewRequest(
		"GET",
		"https://sign.example/login/callback?code=c&state="+at.Query().Get("state"),
		nil,
	)
	for _, cookie := range w.Result().Cookies() {
		r.AddCookie(cookie)
	}
	answer := httptest.NewRecorder()
	c.mux.ServeHTTP(answer, r)
	return answer.Result()
}

// TestIDToken is OpenID Connect Core 3.1.3.7, and what we need to know of a person.
func TestIDToken(t *testing.T) {
	stranger := newKey(t)
	for name, c := range map[string]struct {
		claims map[string]any
		answer func(*testing.T, *provider) func(map[string]any)
		ok     bool
	}{
		"right":                   {ok: true},
		"several audiences":       {claims: map[string]any{"aud": []string{"other", "signet"}}, ok: true},
		"UIN in lower case":       {claims: map[string]any{"uin": " s8979373d "}, ok: true},
		"another issuer":          {claims: map[string]any{"iss": "https://evil.example"}},
		"another audience":        {claims: map[string]any{"aud": "other"}},
		"expired":                 {claims: map[string]any{"exp": time.Now().Add(-time.Minute).Unix()}},
		"another nonce":           {claims: map[string]any{"nonce": "other"}},
		"no nonce":                {claims: map[string]any{"nonce": nil}},
		"no UIN":                  {claims: map[string]any{"uin": nil}},
		"UIN with a wrong letter": {claims: map[string]any{"uin": "S8979373A"}},
		"UIN a number":            {claims: map[string]any{"uin": 8979373}},
		"no name":                 {claims: map[string]any{"name": "  "}},
		"no ID token": {answer: func(*testing.T, *provider) func(map[string]any) {
			return func(a map[string]any) { delete(a, "id_token") }
		}},
		"another key": {answer: func(t *testing.T, p *provider) func(map[string]any) {
			return func(a map[string]any) { a["id_token"] = p.idToken(t, stranger, p.claims) }
		}},
		"alg none": {answer: func(t *testing.T, p *provider) func(map[string]any) {
			return func(a map[string]any) {
				parts := strings.Split(a["id_token"].(string), ".")
				a["id_token"] = "eyJhbGciOiJub25lIn0." + parts[1] + "."
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProvider(t)
			if c.answer != nil {
				p.answer = c.answer(t, p)
			}
			l := newClient(t, func(config *login.Config) { config.Issuer = p.URL })
			resp := l.attempt(t, p, c.claims, "/sign/1", "/sign/1")
			if c.ok {
				if resp.StatusCode != http.StatusSeeOther ||
					resp.Header.Get("Location") != "/sign/1" {
					t.Errorf("%d to %s: %s", resp.StatusCode, resp.Header.Get("Location"), &l.log)
				}
				if p.form.Get("code_verifier") == "" ||
					p.form.Get("redirect_uri") != "https://sign.example/login/callback" {
					t.Errorf("the code was redeemed with %v", p.form)
				}
				who, ok := l.Person(with(resp.Cookies()), "/sign/1")
				if want := (signer.Person{UIN: "S8979373D", Name: "TAN XIAO HUI"}); !ok ||
					who != want {
					t.Errorf("logged in as %+v", who)
				}
				return
			}
			if resp.StatusCode != http.StatusForbidden || len(l.failed) != 1 ||
				l.failed[0] != "/sign/1" {
				t.Errorf("%d, failed %v", resp.StatusCode, l.failed)
			}
			if _, ok := l.Person(with(resp.Cookies()), "/sign/1"); ok {
				t.Error("logged in all the same")
			}
			if strings.Contains(l.log.String(), "S8979373") {
				t.Errorf("the log holds a UIN: %s", &l.log)
			}
		})
	}
}

// TestAuthentication shows that acr_values and max_age are asked for, that logins which do not do
// what they ask for are refused, and that the others tell how the person logged in.
func TestAuthentication(t *testing.T) {
	const high, low = "urn:acr:high", "urn:acr:low"
	now := time.Now()
	ago := func(d time.Duration) int64 { return now.Add(-d).Unix() }
	for name, c := range map[string]struct {
		values []string
		maxAge time.Duration
		claims map[string]any
		want   signer.Authentication
		ok     bool
	}{
		"nothing asked, nothing told": {ok: true},
		"told without being asked": {
			claims: map[string]any{"acr": low, "amr": []string{"pwd", "otp"}, "auth_time": ago(time.Hour)},
			want:   signer.Authentication{ACR: low, AMR: "pwd otp", At: time.Unix(ago(time.Hour), 0).UTC()},
			ok:     true,
		},
		"one of the classes": {
			values: []string{high, low}, claims: map[string]any{"acr": low},
			want: signer.Authentication{ACR: low}, ok: true,
		},
		"another class":       {values: []string{high}, claims: map[string]any{"acr": low}},
		"both classes as one": {values: []string{high, low}, claims: map[string]any{"acr": high + " " + low}},
		"no class":            {values: []string{high}},
		"a class of numbers":  {values: []string{high}, claims: map[string]any{"acr": 1}},
		"a fresh login": {
			maxAge: 5 * time.Minute, claims: map[string]any{"auth_time": ago(5 * time.Minute)},
			want: signer.Authentication{At: time.Unix(ago(5*time.Minute), 0).UTC()}, ok: true,
		},
		"an old login":          {maxAge: 5 * time.Minute, claims: map[string]any{"auth_time": ago(7 * time.Minute)}},
		"no time":               {maxAge: 5 * time.Minute},
		"a time as text":        {maxAge: 5 * time.Minute, claims: map[string]any{"auth_time": "now"}},
		"a time in the future":  {maxAge: 5 * time.Minute, claims: map[string]any{"auth_time": ago(-2 * time.Minute)}},
		"a class and a bad age": {values: []string{high}, maxAge: time.Minute, claims: map[string]any{"acr": high, "auth_time": ago(time.Hour)}},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProvider(t)
			l := newClient(t, func(config *login.Config) {
				config.Issuer, config.ACRValues, config.MaxAge = p.URL, c.values, c.maxAge
			})
			l.now = now
			w := httptest.NewRecorder()
			l.Begin(
				w,
				httptest.NewRequest("POST", "https://sign.example/", nil),
				"/sign/1",
				"/sign/1",
			)
			at, err := url.Parse(w.Header().Get("Location"))
			if err != nil {
				t.Fatal(err)
			}
			age := ""
			if c.maxAge > 0 {
				age = strconv.Itoa(int(c.maxAge.Seconds()))
			}
			if q := at.Query(); q.Get("acr_values") != strings.Join(c.values, " ") ||
				q.Get("max_age") != age {
				t.Errorf("asked for acr %q, age %q", q.Get("acr_values"), q.Get("max_age"))
			}
			resp := l.attempt(t, p, c.claims, "/sign/1", "/sign/1")
			who, ok := l.Person(with(resp.Cookies()), "/sign/1")
			if ok != c.ok || ok && who.Auth != c.want {
				t.Errorf("logged in %t as %+v: %s", ok, who, &l.log)
			}
			if !c.ok && (resp.StatusCode != http.StatusForbidden || len(l.failed) != 1) {
				t.Errorf("%d, failed %v", resp.StatusCode, l.failed)
			}
		})
	}
}

func with(cookies []*http.Cookie) *http.Request {
	r := httptest.NewRequest("GET", "/", nil)
	for _, c := range cookies {
		r.AddCookie(c)
	}
	return r
}

// TestCookies: sealed, for one scope, for a time, and marked for the transport that there is.
func TestCookies(t *testing.T) {
	l := newClient(t, func(*login.Config) {})
	w := httptest.NewRecorder()
	p := signer.Person{UIN: "S8979373D", Name: "TAN XIAO HUI"}
	l.Set(w, p, "/sign/1")
	c := w.Result().Cookies()[0]
	if c.Name != "__Secure-signet_sign" || !c.HttpOnly || !c.Secure ||
		c.SameSite != http.SameSiteLaxMode ||
		c.Path != "/sign/1" {
		t.Errorf("cookie %+v", c)
	}
	if who, ok := l.Person(with([]*http.Cookie{c}), "/sign/1"); !ok || who != p {
		t.Errorf("%+v %v", who, ok)
	}
	for _, scope := range []string{"/sign/2", "/sign", "/phone", ""} {
		renamed := *c
		for _, name := range []string{"__Secure-signet_sign", "__Secure-signet_phone", "__Secure-signet_"} {
			renamed.Name = name
			if _, ok := l.Person(with([]*http.Cookie{&renamed}), scope); ok {
				t.Errorf("it is good for %q as %s, too", scope, name)
			}
		}
	}
	forged := *c
	forged.Value = forged.Value[:len(forged.Value)-2] + "AA"
	other := newClient(
		t, func(config *login.Config) {
			config.Secrets = func() [][]byte { return [][]byte{bytes.Repeat([]byte{8}, 32)} }
		},
	)
	for name, check := range map[string]bool{
		"changed":        has(l.Person(with([]*http.Cookie{&forged}), "/sign/1")),
		"another secret": has(other.Person(with([]*http.Cookie{c}), "/sign/1")),
		"not sealed":     has(l.Person(with([]*http.Cookie{{Name: c.Name, Value: "e30"}}), "/sign/1")),
	} {
		if check {
			t.Errorf("a cookie is taken that is %s", name)
		}
	}
	// Two of a name, as other paths of the host may set them: the right one is found.
	if _, ok := l.Person(with([]*http.Cookie{&forged, c}), "/sign/1"); !ok {
		t.Error("a second cookie of the name hides the right one")
	}
	l.now = l.now.Add(login.Lifetime + time.Second)
	if _, ok := l.Person(with([]*http.Cookie{c}), "/sign/1"); ok {
		t.Error("a login does not end")
	}

	plain := newClient(t, func(config *login.Config) { config.PublicURL = "http://127.0.0.1:5156" })
	w = httptest.NewRecorder()
	plain.Set(w, p, "/phone")
	if w.Result().Cookies()[0].Secure {
		t.Error("a Secure cookie on http would not come back")
	}
}

func has(_ signer.Person, ok bool) bool { return ok }

// TestSeal: what one purpose sealed does not open for another.
func TestSeal(t *testing.T) {
	l := newClient(t, func(*login.Config) {})
	sealed := l.Seal("phone", "id")
	var got string
	if !l.Open(sealed, "phone", &got) || got != "id" {
		t.Errorf("opened %q", got)
	}
	for _, text := range []string{"", "x", sealed + "A", sealed[1:], strings.ToUpper(sealed)} {
		if l.Open(text, "phone", &got) {
			t.Errorf("%q opens", text)
		}
	}
	for _, purpose := range []string{"", "identity", "attempt", "edge phone"} {
		if l.Open(sealed, purpose, &got) {
			t.Errorf("it opens for %q", purpose)
		}
	}
	if l.Seal("phone", "id") == sealed {
		t.Error("sealing is not random")
	}
	if _, err := login.New(login.Config{
		Secrets: func() [][]byte { return [][]byte{[]byte("short")} },
	}); err == nil {
		t.Error("a short secret is taken")
	}
}

// TestSealedBefore opens cookies that an earlier program sealed. The values never change: a cookie
// of a new form is added to them.
func TestSealedBefore(t *testing.T) {
	l := newClient(t, func(config *login.Config) { config.PublicURL = "http://127.0.0.1:5156" })
	l.now = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	identity := &http.Cookie{
		Name: "signet_sign",
		Value: "qpIeYQRJ0MAm5V1F_u29VNtAmbze3Et3cJ-IdqqAmsoKW552Wim4HDVai556C2Zh2TAocaQYzVBthjhnY5tF" +
			"24GQW1vlykoF7oOvfK89ULSn1Xx-CPqfCCse4dPVhod-481RL6kJ0HawGN-vWluwgHJLmjsoLO-khn5A_ocX" +
			"YadSm-eCEKRlAcqjWjl0n7if3V0",
	}
	who, ok := l.Person(with([]*http.Cookie{identity}), "/sign/1")
	if want := (signer.Person{UIN: "S8979373D", Name: "TAN XIAO HUI"}); !ok || who != want {
		t.Errorf("the login is of %+v, %v", who, ok)
	}
	grant := &http.Cookie{
		Name: "signet_session",
		Value: "ZYIhAzbwSiwGO74raxQ7PSCGGRI6M_K2kR8mil2stRyeyESbxhiL-sXtyEqNA7SibpygiMozB4KEdFDMOSfj" +
			"WS7TzIGdqPHAJWWV",
	}
	g, ok := l.GrantOf(with([]*http.Cookie{grant}), "1")
	if want := (login.Grant{Request: "1", Session: "session", Here: true}); !ok || g != want {
		t.Errorf("the grant is %+v, %v", g, ok)
	}
	var phone string
	const sealed = "9DEkHnHWOynJOEvfwRW7YUs0yQArQJ6hkFpTCw9prj5qi7_LLBU2Pg"
	if ok := l.Open(sealed, "phone", &phone); !ok || phone != "0193-phone" {
		t.Errorf("the phone is %q, %v", phone, ok)
	}
}

// TestProviderAway shows that a login fails with 503 if the provider answers 502, that the next
// logins do not ask it, and that it is asked again five seconds later.
func TestProviderAway(t *testing.T) {
	p := newProvider(t)
	real := p.Config.Handler
	up := false
	p.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !up {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		real.ServeHTTP(w, r)
	})
	l := newClient(t, func(config *login.Config) { config.Issuer = p.URL })
	w := httptest.NewRecorder()
	l.Begin(w, httptest.NewRequest("POST", "/", nil), "/phone", "/phone/")
	if w.Code != http.StatusServiceUnavailable || len(l.failed) != 1 || l.failed[0] != "/phone/" {
		t.Errorf("%d, failed %v", w.Code, l.failed)
	}
	up = true
	l.now = l.now.Add(5*time.Second - 1)
	w = httptest.NewRecorder()
	l.Begin(w, httptest.NewRequest("POST", "/", nil), "/phone", "/phone/")
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") != "5" {
		t.Errorf("within the pause: %d, Retry-After %q", w.Code, w.Header().Get("Retry-After"))
	}
	l.now = l.now.Add(1)
	if resp := l.attempt(t, p, nil, "/phone", "/phone/"); resp.StatusCode != http.StatusSeeOther {
		t.Errorf("with the provider back: %d", resp.StatusCode)
	}
}

// TestCallbackWithoutAttempt checks an answer without a login attempt, and a declined login.
func TestCallbackWithoutAttempt(t *testing.T) {
	p := newProvider(t)
	l := newClient(t, func(config *login.Config) { config.Issuer = p.URL })
	for _, query := range []string{"", "?state=", "?state=x&code=y", "?state=%00&error=access_denied"} {
		w := httptest.NewRecorder()
		l.mux.ServeHTTP(w, httptest.NewRequest("GET", "/login/callback"+query, nil))
		if w.Code != http.StatusForbidden || l.failed[len(l.failed)-1] != "" {
			t.Errorf("%q: %d, %q", query, w.Code, l.failed)
		}
	}
	w := httptest.NewRecorder()
	l.Begin(w, httptest.NewRequest("POST", "/", nil), "/sign/1", "/sign/1")
	at, _ := url.Parse(w.Header().Get("Location"))
	for code, want := range map[string]string{"access_denied": "/sign/1 denied", "server_error": "/sign/1"} {
		r := with(w.Result().Cookies())
		r.URL, _ = url.Parse("/login/callback?error=" + code + "&state=" + at.Query().Get("state"))
		l.mux.ServeHTTP(httptest.NewRecorder(), r)
		if got := l.failed[len(l.failed)-1]; got != want {
			t.Errorf("%s: %q, want %q", code, got, want)
		}
	}
	// A login that began too long ago.
	l.now = l.now.Add(16 * time.Minute)
	r := with(w.Result().Cookies())
	r.URL, _ = url.Parse("/login/callback?code=c&state=" + at.Query().Get("state"))
	l.mux.ServeHTTP(httptest.NewRecorder(), r)
	if got := l.failed[len(l.failed)-1]; got != "" {
		t.Errorf("a late answer: %q", got)
	}
}

// TestFailedCallbacks: after some callbacks that failed, no callback from that address is judged.
func TestFailedCallbacks(t *testing.T) {
	c := newClient(t, func(config *login.Config) {
		config.Issuer = "https://idp.example"
		config.Failures = &limit.Failures{PerMinute: 2}
	})
	for i, step := range []struct {
		address string
		blocked bool
	}{
		{"192.0.2.1:1", false},
		{"192.0.2.1:2", false},
		{"192.0.2.1:3", true},
		{"192.0.2.1:4", true},
		{"192.0.2.2:1", false},
	} {
		r := httptest.NewRequest("GET", "/login/callback?state=guessed&code=guessed", nil)
		r.RemoteAddr = step.address
		w := httptest.NewRecorder()
		c.mux.ServeHTTP(w, r)
		if got := w.Header().Get("Retry-After"); (got == "30") != step.blocked {
			t.Errorf("callback %d: %d, Retry-After %q", i, w.Code, got)
		}
	}
}
