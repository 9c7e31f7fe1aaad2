package fault

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"
)

func newSet(t *testing.T, seed uint64, rules ...Rule) (*Set, *[]Injection) {
	t.Helper()
	var injected []Injection
	s, err := NewSet(seed, time.Now, func(i Injection) { injected = append(injected, i) }, rules...)
	if err != nil {
		t.Fatal(err)
	}
	return s, &injected
}

// TestRules checks that a rule applies as often, and to those calls, that it says.
func TestRules(t *testing.T) {
	s, injected := newSet(t, 1,
		Rule{Kind: Error, Count: 2, ClientID: "shop"},
		Rule{Kind: Slow, Call: "cancel", RequestID: "r1"},
	)
	for i, c := range []struct {
		t    Target
		want Kind
	}{
		{Target{Call: "cancel", ClientID: "rival"}, ""},
		{Target{Call: "cancel", ClientID: "shop"}, Error},
		{Target{Call: "cancel", ClientID: "rival", RequestID: "r1"}, Slow},
		{Target{Call: "result", ClientID: "rival", RequestID: "r1"}, ""},
		{Target{Call: "result", ClientID: "shop"}, Error},
		{Target{Call: "result", ClientID: "shop"}, ""},
		{Target{Call: "cancel", ClientID: "shop", RequestID: "r1"}, Slow},
	} {
		rule, ok := s.take(c.t, Error, Slow)
		if ok != (c.want != "") || rule.Kind != c.want {
			t.Errorf("%d: %+v: %q, want %q", i, c.t, rule.Kind, c.want)
		}
	}
	if _, ok := s.take(Target{Call: "cancel", RequestID: "r1"}, Reset); ok {
		t.Error("a kind that was not asked for")
	}
	if got := s.Rules(); len(got) != 2 || got[0].Injected != 2 || got[1].Injected != 2 ||
		len(*injected) != 4 {
		t.Errorf("rules %+v, injections %+v", got, *injected)
	}
	if s.Remove(3) || !s.Remove(1) || len(s.Rules()) != 1 || s.Rules()[0].ID != 2 {
		t.Errorf("without the first rule: %+v", s.Rules())
	}
	s.Clear()
	if _, ok := s.take(Target{RequestID: "r1", Call: "cancel"}, Slow); ok || len(s.Rules()) != 0 {
		t.Error("rules after Clear")
	}
}

// TestSeed checks that a seed repeats the choices, and they have the probability of the rule.
func TestSeed(t *testing.T) {
	choices := func(seed uint64) string {
		s, _ := newSet(t, seed, Rule{Kind: Error, Probability: 0.3})
		var b strings.Builder
		for range 1000 {
			if _, ok := s.take(Target{Call: "cancel"}, Error); ok {
				b.WriteByte('x')
			} else {
				b.WriteByte('.')
			}
		}
		return b.String()
	}
	first := choices(7)
	if n := strings.Count(first, "x"); n < 230 || n > 370 {
		t.Errorf("%d of 1000 with probability 0.3", n)
	}
	if choices(7) != first || choices(8) == first {
		t.Error("the seed does not decide")
	}
}

func TestRuleRefused(t *testing.T) {
	s, _ := newSet(t, 1)
	for _, r := range []Rule{
		{},
		{Kind: "flood"},
		{Kind: Slow, Probability: 1.1},
		{Kind: Slow, Probability: -1},
		{Kind: Slow, Count: -1},
		{Kind: Slow, Delay: -1},
		{Kind: Slow, Call: "dance"},
	} {
		if err := s.Add(r); err == nil {
			t.Errorf("accepted %+v", r)
		}
	}
	for _, r := range Rehearsal() {
		if err := s.Add(r); err != nil || r.Probability > 0.1 {
			t.Errorf("rehearsal: %+v: %v", r, err)
		}
	}
}

// TestTargets checks that the call, the party and the request are read from a request without
// verifying it.
func TestTargets(t *testing.T) {
	// client_id shop, request_id r1
	const claims = "eyJjbGllbnRfaWQiOiJzaG9wIiwicmVxdWVzdF9pZCI6InIxIn0"
	for _, c := range []struct {
		method, path string
		want         Target
	}{
		{"POST", "/api/v3/sign-requests", Target{Call: "initiate", ClientID: "shop"}},
		{"POST", "/sign-v3/sign-requests/cancel", Target{Call: "cancel", ClientID: "shop", RequestID: "r1"}},
		{"GET", "/api/v3/sign-requests/r2/signed-doc", Target{Call: "result", ClientID: "shop", RequestID: "r2"}},
		{"GET", "/documents/r3", Target{Call: "download", ClientID: "shop", RequestID: "r3"}},
		{"GET", "/.well-known/keys.json", Target{Call: "keys", ClientID: "shop"}},
		{"GET", "/sign/r1", Target{}},
		{"POST", "/sign/r1/proceed", Target{}},
		{"GET", "/console/", Target{}},
	} {
		r := httptest.NewRequest(c.method, c.path, nil)
		r.Header.Set("Authorization", "e30."+claims+".AA")
		got, ok := targetOf(r)
		got.Token = ""
		if ok != (c.want.Call != "") || got != c.want {
			t.Errorf("%s %s: %+v, want %+v", c.method, c.path, got, c.want)
		}
	}
}

type stamps struct{}

func (stamps) Timestamp(context.Context, []byte) ([]byte, error) { return []byte("token"), nil }

func TestTimestamper(t *testing.T) {
	s, _ := newSet(t, 1,
		Rule{Kind: TSADown, RequestID: "r2"},
		Rule{Kind: TSADown, Count: 1, ClientID: "shop", RequestID: "r1"},
		Rule{Kind: SealingSlow, Count: 1, Delay: Duration(50 * time.Millisecond)},
	)
	of := func(context.Context) (string, string) { return "shop", "r1" }
	authority := s.Timestamper(of, stamps{})
	if _, err := authority.Timestamp(t.Context(), nil); !errors.Is(err, errDown) {
		t.Errorf("down: %v", err)
	}
	begin := time.Now()
	if _, err := authority.Timestamp(t.Context(), nil); err != nil ||
		time.Since(begin) < 50*time.Millisecond {
		t.Errorf("slow: %v after %s", err, time.Since(begin))
	}
	if got, err := authority.Timestamp(t.Context(), nil); err != nil || string(got) != "token" {
		t.Errorf("%q, %v", got, err)
	}
}

// TestOtherRequests checks that faults leave pages alone.
func TestOtherRequests(t *testing.T) {
	s, _ := newSet(t, 1, Rule{Kind: Error})
	h := s.Handler(
		func(context.Context, string) string { return "" },
		http.HandlerFunc(
			func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) },
		),
	)
	for path, want := range map[string]int{"/sign/x": http.StatusTeapot, "/.well-known/keys.json": 500} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if w.Code != want {
			t.Errorf("%s: %d, want %d", path, w.Code, want)
		}
	}
}

// TestAnswerExtended checks that an answer keeps its status and members, has a further one, and
// that only the description of a refusal changes.
func TestAnswerExtended(t *testing.T) {
	s, _ := newSet(t, 1, Rule{Kind: AnswerExtended})
	for _, c := range []struct {
		status     int
		body, want string
	}{
		{200, "", ""},
		{200, `{"request_id":"r"}`, `{"further":"A member that relying parties ignore","request_id":"r"}`},
		{400, `{"error":"X","error_description":"y"}`, `{"error":"X","error_description":` +
			`"Other words, by which relying parties do not decide",` +
			`"further":"A member that relying parties ignore"}`},
	} {
		h := s.Handler(
			func(context.Context, string) string { return "" },
			http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Length", strconv.Itoa(len(c.body)))
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			}),
		)
		got := httptest.NewRecorder()
		h.ServeHTTP(got, httptest.NewRequest("POST", "/api/v3/sign-requests/cancel", nil))
		if got.Code != c.status || got.Body.String() != c.want ||
			got.Header().Get("Content-Length") == strconv.Itoa(len(c.body)) && c.body != "" {
			t.Errorf("%s: %d %s %v", c.body, got.Code, got.Body, got.Header())
		}
	}
}
