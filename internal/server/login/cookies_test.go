package login_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/server/httpx"
	"github.com/signet-sign/signet/internal/server/login"
	"github.com/signet-sign/signet/internal/signer"
)

func with(cookies []*http.Cookie) *http.Request {
	r := httptest.NewRequest("GET", "/", nil)
	for _, c := range cookies {
		r.AddCookie(c)
	}
	return r
}

// TestCookies checks that a cookie is sealed, holds for one scope and a limited time, and has the
// attributes of its transport.
func TestCookies(t *testing.T) {
	l := newClient(t, func(*login.Config) {})
	w := httptest.NewRecorder()
	p := signer.Person{UIN: "S8979373D", Name: "TAN XIAO HUI"}
	l.Set(w, with(nil), p, "/sign/1")
	c := w.Result().Cookies()[0]
	name := httpx.CookieName("signet_sign", "/sign/1", "https://sign.example")
	if c.Name != name || !strings.HasPrefix(name, "__Host-signet_sign_") || !c.HttpOnly ||
		!c.Secure || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" {
		t.Errorf("cookie %+v", c)
	}
	if who, ok := l.Person(with([]*http.Cookie{c}), "/sign/1"); !ok || who != p {
		t.Errorf("%+v %v", who, ok)
	}
	for _, scope := range []string{"/sign/2", "/sign", "/phone", ""} {
		renamed := *c
		for _, name := range []string{"signet_sign", "signet_phone", "signet_"} {
			renamed.Name = httpx.CookieName(name, scope, "https://sign.example")
			if _, ok := l.Person(with([]*http.Cookie{&renamed}), scope); ok {
				t.Errorf("it is good for %q as %s, too", scope, name)
			}
		}
	}
	forged := *c
	forged.Value = forged.Value[:len(forged.Value)-2] + "AA"
	other := newClient(t, func(config *login.Config) {
		config.Secrets = func() [][]byte { return [][]byte{bytes.Repeat([]byte{8}, 32)} }
	})
	for name, check := range map[string]bool{
		"changed":        has(l.Person(with([]*http.Cookie{&forged}), "/sign/1")),
		"another secret": has(other.Person(with([]*http.Cookie{c}), "/sign/1")),
		"not sealed":     has(l.Person(with([]*http.Cookie{{Name: c.Name, Value: "e30"}}), "/sign/1")),
	} {
		if check {
			t.Errorf("a cookie is taken that is %s", name)
		}
	}
	// What a sibling domain can set: any number of cookies with other names.
	var siblings []*http.Cookie
	for _, name := range []string{"signet_sign", "__Secure-signet_sign", "__Secure-" + name[len("__Host-"):]} {
		sibling := *c
		sibling.Name = name
		if _, ok := l.Person(with([]*http.Cookie{&sibling}), "/sign/1"); ok {
			t.Errorf("a login in the cookie %s, which a sibling domain can set", name)
		}
		siblings = append(siblings, slices.Repeat([]*http.Cookie{&sibling, {Name: name, Value: "x"}}, 20)...)
	}
	if _, ok := l.Person(with(append(siblings, c)), "/sign/1"); !ok {
		t.Error("the cookies of a sibling domain hide the login")
	}
	l.now = l.now.Add(login.Lifetime + time.Second)
	if _, ok := l.Person(with([]*http.Cookie{c}), "/sign/1"); ok {
		t.Error("a login does not end")
	}

	plain := newClient(t, func(config *login.Config) { config.PublicURL = "http://127.0.0.1:5156" })
	w = httptest.NewRecorder()
	plain.Set(w, with(nil), p, "/phone")
	if c := w.Result().Cookies()[0]; c.Secure || c.Name != "signet_phone" || c.Path != "/phone" {
		t.Errorf("%s would not come back on http", c)
	}
}

// TestLoginsEnd checks that a browser keeps the newest logins for sign requests and grants, and the
// login of the phone, and not so many that proxies refuse the header.
func TestLoginsEnd(t *testing.T) {
	l := newClient(t, func(*login.Config) {})
	var jar []*http.Cookie // oldest first
	keep := func(set func(w http.ResponseWriter, r *http.Request)) {
		w := httptest.NewRecorder()
		set(w, with(jar))
		for _, c := range w.Result().Cookies() {
			jar = slices.DeleteFunc(jar, func(old *http.Cookie) bool { return old.Name == c.Name })
			if c.MaxAge > 0 {
				jar = append(jar, c)
			}
		}
	}
	p := signer.Person{UIN: "S8979373D", Name: strings.Repeat("X", 60)}
	keep(func(w http.ResponseWriter, r *http.Request) { l.Set(w, r, p, "/phone") })
	id := func(i int) string { return fmt.Sprintf("signv3-01a22d67-f085-73d1-84a5-%012d", i) }
	for i := range 20 {
		for range 2 {
			keep(func(w http.ResponseWriter, r *http.Request) { l.Set(w, r, p, "/sign/"+id(i)) })
		}
		keep(func(w http.ResponseWriter, r *http.Request) {
			l.SetGrant(w, r, login.Grant{Request: id(i), Session: "0123456789abcdefghijkl"})
		})
	}
	size := 0
	for _, c := range jar {
		size += len(c.Name + "=" + c.Value + "; ")
	}
	if size > 5<<10 {
		t.Errorf("the header has %d bytes", size)
	}
	for i := range 20 {
		_, signing := l.Person(with(jar), "/sign/"+id(i))
		_, granted := l.GrantOf(with(jar), id(i))
		if want := i >= 15; signing != want || granted != want {
			t.Errorf("login %d: %t, its grant %t", i, signing, granted)
		}
	}
	if _, ok := l.Person(with(jar), "/phone"); !ok {
		t.Error("the phone's login is gone")
	}
}

func has(_ signer.Person, ok bool) bool { return ok }

// TestAttemptOfAnotherDomain checks that a login ends only in the browser that has begun it: its
// cookie has the name that no sibling domain can set, and under any other name, which one can set, it
// is not taken. That is so for signers and for operators.
func TestAttemptOfAnotherDomain(t *testing.T) {
	for _, callback := range []string{"/login/callback", "/console/login/callback"} {
		p := newProvider(t)
		l := newClient(t, func(c *login.Config) { c.Issuer, c.Callback = p.URL, callback })
		for prefix, want := range map[string]int{
			"__Host-": http.StatusSeeOther, "__Secure-": http.StatusForbidden,
			"": http.StatusForbidden,
		} {
			w := httptest.NewRecorder()
			l.Begin(w, httptest.NewRequest("GET", "https://sign.example/", nil), "/sign/1", "/sign/1")
			at, err := url.Parse(w.Header().Get("Location"))
			if err != nil {
				t.Fatal(err)
			}
			p.claims = map[string]any{
				"iss": p.URL, "aud": "signet", "sub": "s", "iat": l.now.Unix(),
				"exp":   l.now.Add(time.Minute).Unix(),
				"nonce": at.Query().Get("nonce"), "uin": "S8979373D", "name": "TAN XIAO HUI",
			}
			cookies := w.Result().Cookies()
			c := cookies[0]
			name, ok := strings.CutPrefix(c.Name, "__Host-")
			if len(cookies) != 1 || !ok || c.Path != "/" || c.Domain != "" || !c.Secure {
				t.Fatalf("cookies %v", cookies)
			}
			c.Name = prefix + name
			r := with(cookies)
			r.URL, _ = url.Parse(callback + "?code=c&state=" + at.Query().Get("state"))
			w = httptest.NewRecorder()
			l.mux.ServeHTTP(w, r)
			if w.Code != want {
				t.Errorf("%s, %s: %d, want %d", callback, c.Name, w.Code, want)
			}
		}
	}
}

// TestAttemptsEnd checks that a browser does not collect the cookies of logins that it begins and
// does not end.
func TestAttemptsEnd(t *testing.T) {
	p := newProvider(t)
	l := newClient(t, func(c *login.Config) { c.Issuer = p.URL })
	var jar []*http.Cookie // oldest first
	for range 20 {
		w := httptest.NewRecorder()
		l.Begin(w, with(jar), "/sign/1", "/sign/1")
		for _, c := range w.Result().Cookies() {
			jar = slices.DeleteFunc(jar, func(old *http.Cookie) bool { return old.Name == c.Name })
			if c.MaxAge > 0 {
				jar = append(jar, c)
			}
		}
	}
	if len(jar) != 5 {
		t.Errorf("%d attempts are kept", len(jar))
	}
}

// TestSeal checks that what one purpose sealed does not open for another.
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
