package login_test

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/safehttp/dnstest"
	"github.com/signet-sign/signet/internal/server/httpx"
	"github.com/signet-sign/signet/internal/server/limit"
	"github.com/signet-sign/signet/internal/server/login"
	"github.com/signet-sign/signet/internal/signer"
)

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
	name := httpx.CookieName("signet_sign", "/sign/1", "https://sign.example")
	if c := w.Result().Cookies(); len(c) != 1 || c[0].MaxAge >= 0 || c[0].Path != "/" ||
		c[0].Name != name {
		t.Errorf("the browser keeps its cookie: %v", c)
	}
	if _, ok := l.Person(mine, "/sign/1"); ok {
		t.Error("a copy of the cookie is still good")
	}
	before := record.asked
	if _, ok := l.Person(with(slices.Repeat(mine.Cookies(), 200)), "/sign/1"); ok ||
		record.asked > before+5 {
		t.Errorf("200 copies cost %d queries", record.asked-before)
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

// TestIDToken is OpenID Connect Core 3.1.3.7, and what we need to know of a person.
func TestIDToken(t *testing.T) {
	stranger := newKey(t)
	for name, c := range map[string]struct {
		claims map[string]any
		answer func(*testing.T, *provider) func(map[string]any)
		ok     bool
	}{
		"right":                 {ok: true},
		"an audience in a list": {claims: map[string]any{"aud": []string{"signet"}}, ok: true},
		"several audiences":     {claims: map[string]any{"aud": []string{"other", "signet"}}},
		"several audiences, azp": {
			claims: map[string]any{"aud": []string{"other", "signet"}, "azp": "signet"}, ok: true,
		},
		"several, azp another": {
			claims: map[string]any{"aud": []string{"other", "signet"}, "azp": "other"},
		},
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
	if n := strings.Count(l.log.String(), "no person can log in"); n != 1 {
		t.Errorf("%d lines for one outage:\n%s", n, l.log.String())
	}
	l.now = l.now.Add(1)
	if resp := l.attempt(t, p, nil, "/phone", "/phone/"); resp.StatusCode != http.StatusSeeOther {
		t.Errorf("with the provider back: %d", resp.StatusCode)
	}
}

// TestCodesOfBrowsers checks that a code with which a browser makes the provider fail ends only this
// login, is answered with 503, and counts as a failed login.
func TestCodesOfBrowsers(t *testing.T) {
	for _, status := range []int{http.StatusInternalServerError, http.StatusTooManyRequests} {
		p := newProvider(t)
		real := p.Config.Handler
		p.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.FormValue("code") == "x\x00" {
				w.WriteHeader(status)
				return
			}
			real.ServeHTTP(w, r)
		})
		l := newClient(t, func(config *login.Config) {
			config.Issuer, config.Failures = p.URL, &limit.Failures{PerMinute: 2}
		})
		w := httptest.NewRecorder()
		l.Begin(w, httptest.NewRequest("POST", "/", nil), "/sign/1", "/sign/1")
		at, err := url.Parse(w.Header().Get("Location"))
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range []string{"5", "5", "30"} {
			r := with(w.Result().Cookies())
			r.RemoteAddr = "192.0.2.9:1"
			r.URL, err = url.Parse("/login/callback?code=x%00&state=" + at.Query().Get("state"))
			if err != nil {
				t.Fatal(err)
			}
			answer := httptest.NewRecorder()
			l.mux.ServeHTTP(answer, r)
			if got := answer.Header().Get("Retry-After"); got != want {
				t.Errorf("%d, callback %d: %d, Retry-After %q", status, i, answer.Code, got)
			}
			if got := l.attempt(t, p, nil, "/sign/2", "/sign/2"); got.StatusCode != http.StatusSeeOther {
				t.Errorf("%d: the login of another browser: %d", status, got.StatusCode)
			}
		}
	}
}

// TestNames takes the provider's name away: before it is discovered, before a token is asked for,
// and before its keys are. The login fails with 503 and the reason in the log, and the first one
// after the pause that finds the name again succeeds.
func TestNames(t *testing.T) {
	for _, part := range []string{"discovery", "token", "keys"} {
		for _, cause := range []string{"no such host", "exceeded"} {
			t.Run(part+", "+cause, func(t *testing.T) {
				t.Parallel()
				names := dnstest.Start(t)
				p := newProvider(t)
				p.URL = strings.Replace(p.URL, "127.0.0.1", "login.test", 1)
				wait := time.Minute
				away := func() { names.Forget("login.test") }
				if cause != "no such host" {
					wait = 2 * time.Second
					away = func() { names.Silence("login.test") }
				}
				var ahead atomic.Int64 // of the clock: a fetch of keys may outlast its login
				now := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
				l := newClient(t, func(config *login.Config) {
					config.Issuer, config.Wait, config.Now = p.URL, wait, now
					config.Transport = &http.Transport{
						DisableKeepAlives: true, // each call asks for the name
						DialContext:       (&net.Dialer{Resolver: names.Resolver()}).DialContext,
					}
				})
				begin := func() *http.Response {
					w := httptest.NewRecorder()
					l.Begin(w, httptest.NewRequest("POST", "/", nil), "/phone", "/phone/")
					return w.Result()
				}
				step := func() *http.Response { return l.attempt(t, p, nil, "/phone", "/phone/") }
				switch part {
				case "discovery":
					step = begin
					away()
				case "token":
					names.Answer("login.test")
					begin()
					away()
				case "keys":
					names.Answer("login.test")
					p.answer = func(map[string]any) { away() }
				}
				resp := step()
				if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") != "5" {
					t.Errorf("%d, Retry-After %q", resp.StatusCode, resp.Header.Get("Retry-After"))
				}
				if !strings.Contains(l.log.String(), cause) {
					t.Errorf("%q is not in the log:\n%s", cause, &l.log)
				}
				p.answer = func(map[string]any) {}
				names.Answer("login.test")
				for end := time.Now().Add(time.Minute); ; {
					ahead.Add(int64(5 * time.Second))
					l.now = now()
					resp := begin()
					if resp.StatusCode == http.StatusSeeOther {
						resp = l.attempt(t, p, nil, "/phone", "/phone/")
					}
					if resp.StatusCode == http.StatusSeeOther {
						break
					}
					if time.Now().After(end) {
						t.Fatalf("with the name back: %d, log %s", resp.StatusCode, &l.log)
					}
				}
			})
		}
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

// TestFailedCallbacks checks that after some callbacks that failed, no callback from that address
// is judged. Those that any page of another site can have a browser send, because they belong to no
// attempt of it, do not count: they would keep everybody of the address from logging in.
func TestFailedCallbacks(t *testing.T) {
	p := newProvider(t)
	c := newClient(t, func(config *login.Config) {
		config.Issuer = p.URL
		config.Failures = &limit.Failures{PerMinute: 2}
	})
	begun := httptest.NewRecorder()
	c.Begin(begun, httptest.NewRequest(http.MethodPost, "/", nil), "/sign/1", "/sign/1")
	at, err := url.Parse(begun.Header().Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	own := "state=" + at.Query().Get("state")
	const guessed = "state=guessed&code=guessed"
	for i, step := range []struct {
		address, query string
		blocked        bool
	}{
		{"192.0.2.1:1", guessed, false},
		{"192.0.2.1:2", guessed, false},
		{"192.0.2.1:3", own, false}, // without the cookies
		{"192.0.2.1:4", own + "&error=server_error", false},
		{"192.0.2.1:5", guessed, false},
		{"192.0.2.1:6", own + "&error=server_error", false},
		{"192.0.2.1:7", own + "&error=server_error", true},
		{"192.0.2.1:8", own + "&code=guessed", true},
		{"192.0.2.1:9", guessed, false},
		{"192.0.2.2:1", own + "&error=server_error", false},
	} {
		r := httptest.NewRequest(http.MethodGet, "/login/callback?"+step.query, nil)
		if step.query != own {
			r = with(begun.Result().Cookies())
			r.URL.Path, r.URL.RawQuery = "/login/callback", step.query
		}
		r.RemoteAddr = step.address
		w := httptest.NewRecorder()
		c.mux.ServeHTTP(w, r)
		if got := w.Header().Get("Retry-After"); (got == "30") != step.blocked {
			t.Errorf("callback %d: %d, Retry-After %q", i, w.Code, got)
		}
	}
}

// TestForgedAnswers checks that one browser cannot fill the log with answers that it invents for an
// attempt of its own, and that what it invents has no number of a person in the log.
func TestForgedAnswers(t *testing.T) {
	p := newProvider(t)
	for _, query := range []string{
		"error=server_error&error_description=for+S8116474F", "error=S8116474F", "error=%ff",
		"iss=https://S8116474F.example",
	} {
		l := newClient(t, func(config *login.Config) {
			config.Issuer = p.URL
			config.Failures = &limit.Failures{PerMinute: 2}
		})
		w := httptest.NewRecorder()
		l.Begin(w, httptest.NewRequest("POST", "/", nil), "/sign/1", "/sign/1")
		at, err := url.Parse(w.Header().Get("Location"))
		if err != nil {
			t.Fatal(err)
		}
		for range 9 {
			r := with(w.Result().Cookies())
			r.URL, err = url.Parse("/login/callback?" + query + "&state=" + at.Query().Get("state"))
			if err != nil {
				t.Fatal(err)
			}
			l.mux.ServeHTTP(httptest.NewRecorder(), r)
		}
		got := l.log.String()
		if strings.Count(got, "\n") != 2 || strings.Contains(got, "8116474") {
			t.Errorf("%s: the log is\n%s", query, got)
		}
	}
}
