package limit_test

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"testing"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/server/limit"
)

func TestCounts(t *testing.T) {
	c := &limit.Counts{Each: 2, All: 3}
	begin := func(key string, want bool) (end func()) {
		t.Helper()
		end, ok := c.Begin(key)
		if ok != want {
			t.Errorf("%q: %v, want %v", key, ok, want)
		}
		return end
	}
	first := begin("a", true)
	begin("a", true)
	begin("a", false)
	begin("b", true)
	begin("b", false) // of all
	begin("", false)
	first()
	begin("", true)
	begin("b", false)
}

func TestPeople(t *testing.T) {
	p := &limit.People{PerMinute: 3}
	admit := func(k limit.Kind, uin string) (bool, string) {
		w := httptest.NewRecorder()
		err := p.Admit(w, k, uin)
		if err != nil && !errors.Is(err, api.ErrTooManyRequests) {
			t.Fatal(err)
		}
		return err == nil, w.Header().Get("Retry-After")
	}
	for range 3 {
		if ok, _ := admit(limit.Logins, "alice"); !ok {
			t.Fatal("refused below the limit")
		}
	}
	if ok, wait := admit(limit.Logins, "alice"); ok || wait != "20" {
		t.Errorf("beyond the limit: %v, Retry-After %q", ok, wait)
	}
	for _, other := range []func() (bool, string){
		func() (bool, string) { return admit(limit.Sessions, "alice") },
		func() (bool, string) { return admit(limit.Logins, "bob") },
	} {
		if ok, _ := other(); !ok {
			t.Error("another kind or person is refused")
		}
	}
	for range 10 {
		if (*limit.People)(nil).Admit(httptest.NewRecorder(), limit.Logins, "alice") != nil {
			t.Error("no limit refuses")
		}
	}
}

// TestManyKeys checks that unused keys do not stay.
func TestManyKeys(t *testing.T) {
	var r limit.Rates
	r.Allow("busy", 1e-9, 1)
	for i := range 50_000 {
		r.Allow(fmt.Sprint(i), 1e9, 1) // full again at once
	}
	if n := r.Len(); n > 20_000 {
		t.Errorf("%d keys are kept", n)
	}
	if r.Allow("busy", 1e-9, 1) {
		t.Error("a key that is used up was dropped")
	}
}

func TestNetwork(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.1:99": "192.0.2.1", "192.0.2.1": "192.0.2.1", "[::ffff:192.0.2.1]:99": "192.0.2.1",
		"[2001:db8::1:2:3:4]:99": "2001:db8::/64", "2001:db8::9": "2001:db8::/64", "": "", "@": "@",
	} {
		if got := limit.Network(address); got != want {
			t.Errorf("%q: %q, want %q", address, got, want)
		}
	}
}
