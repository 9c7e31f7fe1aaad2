package e2e_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/app"
	"github.com/signet-sign/signet/internal/party/partytest"
	"github.com/signet-sign/signet/internal/server/control"
)

func (s *sandbox) clock(t testing.TB, body string) answer {
	t.Helper()
	return do(t, "POST", s.control+"/clock", "", "application/json", strings.NewReader(body))
}

// moved is clock that has to succeed.
func (s *sandbox) moved(t testing.TB, body string) (now time.Time, frozen bool) {
	t.Helper()
	a := s.clock(t, body)
	var v struct {
		Now    time.Time `json:"now"`
		Frozen bool      `json:"frozen"`
	}
	if err := json.Unmarshal([]byte(a.body), &v); err != nil || a.status != http.StatusOK {
		t.Fatalf("clock %s: %d %s", body, a.status, a.body)
	}
	return v.Now, v.Frozen
}

// TestClockOfRequest checks that two relying parties with clocks of their own share a sandbox; the
// time of one request or party moves, and no other.
func TestClockOfRequest(t *testing.T) {
	s, other := startTwo(t)
	s.party.Now, other.Now = time.Now, time.Now
	theirs := (&sandbox{url: s.url, control: s.control, party: other}).initiate(t)
	mine, twin := s.initiate(t), s.initiate(t)

	ahead := func(now time.Time, want time.Duration) {
		t.Helper()
		if d := time.Until(now) - want; d.Abs() > time.Minute {
			t.Errorf("a clock is %s off", d)
		}
	}
	now, _ := s.moved(t, fmt.Sprintf(`{"advance":"31m","request_id":%q}`, mine.RequestID))
	ahead(now, 31*time.Minute)
	ahead(s.clockOf(t, "?request_id="+mine.RequestID), 31*time.Minute)
	ahead(s.clockOf(t, "?request_id="+twin.RequestID), 0)
	ahead(s.clockOf(t, "?client_id="+s.party.ClientID), 0)
	ahead(s.clockOf(t, ""), 0)
	state := func(in api.Initiated, want string) {
		t.Helper()
		if got := s.view(t, in.RequestID).State; got != want {
			t.Errorf("state %s, want %s", got, want)
		}
	}
	state(mine, "expired")
	state(twin, "created")
	if a := s.result(t, mine); !a.is(400, api.CodeExpired, api.ErrExpired.Description) {
		t.Errorf("result with a token of the machine's clock: %d %s", a.status, a.body)
	}
	if a := s.cancel(t, mine.RequestID); a.status != http.StatusOK {
		t.Errorf("cancel with a token of the machine's clock: %d %s", a.status, a.body)
	}
	s.moved(t, fmt.Sprintf(`{"advance":"31m","client_id":%q}`, s.party.ClientID))
	state(twin, "expired")
	state(theirs, "created")
	state(s.initiate(t), "created")

	for _, body := range []string{
		fmt.Sprintf(`{"freeze":true,"advance":"1s","request_id":%q}`, mine.RequestID),
		fmt.Sprintf(`{"advance":"soon","request_id":%q}`, mine.RequestID), `{"advance":"-1s"}`,
		fmt.Sprintf(`{"advance":"1m","request_id":%q,"client_id":"x"}`, mine.RequestID),
		`{"advance":"1m","set":"2040-01-01T00:00:00Z"}`, `{"set":"2020-01-01T00:00:00Z"}`,
		`{"set":"tomorrow"}`, `{"request_id":"x"}`,
	} {
		s.clock(t, body).refusedAs(t, body, 400, api.CodeClientSide)
	}
	for _, change := range []string{`"advance":"1m"`, `"freeze":true`, `"reset":true`} {
		for _, of := range []string{
			`"request_id":"signv3-0199cc9c-8b7c-70df-b29b-39843a10c332"`, `"client_id":"unknown"`,
		} {
			body := "{" + change + "," + of + "}"
			s.clock(t, body).refusedAs(t, body, 404, "NOT_FOUND")
		}
	}
}

// clockOf is what GET /clock shows with a query.
func (s *sandbox) clockOf(t testing.TB, query string) time.Time {
	t.Helper()
	var v control.ClockView
	a := do(t, "GET", s.control+"/clock"+query, "", "", nil)
	if err := json.Unmarshal([]byte(a.body), &v); err != nil || a.status != http.StatusOK {
		t.Fatalf("clock %s: %d %s", query, a.status, a.body)
	}
	return v.Now
}

// shown is a request with its clock, as the control listener shows it.
func (s *sandbox) shown(t testing.TB, id string) (v control.RequestView) {
	t.Helper()
	a := do(t, "GET", s.control+"/requests/"+id, "", "", nil)
	if err := json.Unmarshal([]byte(a.body), &v); err != nil || a.status != http.StatusOK {
		t.Fatalf("request %s: %d %s", id, a.status, a.body)
	}
	return v
}

// TestClockStopped: a request whose clock is stopped can be set to the exact end of its session and
// of its time; a cancel is refused before the first, and accepted at it.
func TestClockStopped(t *testing.T) {
	s := start(t)
	s.party.Now = time.Now
	in := s.initiate(t)
	of := fmt.Sprintf(`"request_id":%q}`, in.RequestID)
	if _, frozen := s.moved(t, `{"freeze":true,`+of); !frozen {
		t.Error("the clock is not stopped")
	}
	s.must(t, in.RequestID, alice, "open", "proceed")
	v := s.shown(t, in.RequestID)
	if v.SessionEndsAt == nil {
		t.Fatalf("no session: %+v", v)
	}
	if !v.Clock.Frozen || v.SessionEndsAt.Sub(v.Clock.Now) != 180*time.Second {
		t.Errorf("%+v: the session ends at %s", v.Clock, v.SessionEndsAt)
	}
	set := func(at time.Time) {
		t.Helper()
		now, frozen := s.moved(t, fmt.Sprintf(`{"set":%q,`, at.Format(time.RFC3339Nano))+of)
		if !now.Equal(at) || !frozen {
			t.Errorf("set to %s it shows %s, stopped: %v", at, now, frozen)
		}
	}
	const tick = time.Microsecond
	set(v.SessionEndsAt.Add(-tick))
	if a := s.cancel(t, in.RequestID); !a.is(
		400, api.CodeActiveSession, api.ErrActiveSession.Description,
	) || a.header.Get("Retry-After") != "1" {
		t.Errorf("cancel before the session's end: %d %s", a.status, a.body)
	}
	set(*v.SessionEndsAt)
	if got := s.view(t, in.RequestID).State; got != "locked" {
		t.Errorf("at the end of the session it is %s", got)
	}
	set(v.ExpiresAt.Add(-tick))
	if a := s.result(t, in); !a.is(400, api.CodeNotSigned, api.ErrNotSigned.Description) {
		t.Errorf("result before the end: %d %s", a.status, a.body)
	}
	if got := s.shown(t, in.RequestID); !got.ExpiresAt.Equal(v.ExpiresAt) {
		t.Errorf(
			"by its own clock the request ends at %s, and then at %s", v.ExpiresAt, got.ExpiresAt,
		)
	}
	set(v.ExpiresAt)
	if a := s.result(t, in); !a.is(400, api.CodeExpired, api.ErrExpired.Description) {
		t.Errorf("result at the end: %d %s", a.status, a.body)
	}
	if a := s.cancel(t, in.RequestID); a.status != http.StatusOK {
		t.Errorf("cancel at the end: %d %s", a.status, a.body)
	}

	// The session of a stopped clock does not end while that of another request does.
	stopped, other := s.initiate(t), s.initiate(t)
	s.moved(t, fmt.Sprintf(`{"freeze":true,"request_id":%q}`, stopped.RequestID))
	for _, in := range []api.Initiated{stopped, other} {
		s.must(t, in.RequestID, alice, "open", "proceed")
	}
	s.advance(t, "31m")
	for in, want := range map[api.Initiated]string{stopped: "session", other: "expired"} {
		if got := s.view(t, in.RequestID).State; got != want {
			t.Errorf("31 minutes later it is %s, want %s", got, want)
		}
	}
	s.moved(t, fmt.Sprintf(`{"freeze":false,"request_id":%q}`, stopped.RequestID))
	if got := s.view(t, stopped.RequestID).State; got != "session" {
		t.Errorf("when its clock goes again it is %s", got)
	}
	if now := s.shown(t, stopped.RequestID).Clock.Now; time.Until(now).Abs() > time.Minute {
		t.Errorf("the clock went on by %s while it was stopped", time.Until(now))
	}
	s.moved(t, fmt.Sprintf(`{"reset":true,"request_id":%q}`, stopped.RequestID))
	if got := s.view(t, stopped.RequestID).State; got != "expired" {
		t.Errorf("when its clock shows the sandbox's time it is %s", got)
	}
}

// TestClockOfParty: the clock of a relying party is that of the requests that it makes later, too,
// and a reset ends that.
func TestClockOfParty(t *testing.T) {
	s, other := startTwo(t)
	s.party.Now, other.Now = time.Now, time.Now
	theirs := &sandbox{url: s.url, control: s.control, party: other}
	of := fmt.Sprintf(`"client_id":%q}`, s.party.ClientID)
	first := s.initiate(t)
	s.moved(t, `{"freeze":true,`+of)
	at, _ := s.moved(t, `{"advance":"10m",`+of)
	second, foreign := s.initiate(t), theirs.initiate(t)
	for _, in := range []api.Initiated{first, second} {
		if v := s.shown(t, in.RequestID); !v.Clock.Frozen ||
			v.Clock.Now.Sub(at).Abs() > time.Second {
			t.Errorf("the clock of a request is %+v, that of its party %s", v.Clock, at)
		}
	}
	if theirs.shown(t, foreign.RequestID).Clock.Frozen {
		t.Error("the clock of another party is stopped")
	}
	s.moved(t, `{"advance":"25m",`+of)
	for in, want := range map[api.Initiated]string{first: "expired", second: "created", foreign: "created"} {
		if got := s.view(t, in.RequestID).State; got != want {
			t.Errorf("it is %s, want %s", got, want)
		}
	}
	if a := do(t, "POST", s.control+"/reset", "", "", nil); a.status != http.StatusNoContent {
		t.Errorf("reset: %d %s", a.status, a.body)
	}
	for _, query := range []string{"?client_id=" + s.party.ClientID, "?request_id=" + second.RequestID} {
		if now := s.clockOf(t, query); time.Until(now).Abs() > time.Minute {
			t.Errorf("%s: %s ahead after a reset", query, time.Until(now))
		}
	}
}

// TestClockOfWebhook: the attempts of a webhook follow the clock of its request.
func TestClockOfWebhook(t *testing.T) {
	s := start(t)
	s.party.Now = time.Now
	s.party.AnswerWebhooks(func(n int) int {
		if n < 2 {
			return http.StatusInternalServerError
		}
		return http.StatusOK
	})
	in := s.initiate(t)
	of := fmt.Sprintf(`"request_id":%q}`, in.RequestID)
	s.moved(t, `{"freeze":true,`+of)
	s.must(t, in.RequestID, alice, "open", "proceed", "approve")
	s.settled(t, in.RequestID, "signed")
	attempts := func(want int) {
		t.Helper()
		s.moved(t, `{"advance":"0s",`+of) // returns when nothing is due
		if got := len(s.party.Webhooks()); got != want {
			t.Errorf("%d attempts, want %d", got, want)
		}
	}
	attempts(1)
	time.Sleep(2500 * time.Millisecond) // the pause before the next attempt, by the machine's clock
	attempts(1)
	s.moved(t, `{"advance":"1999ms",`+of)
	attempts(1)
	s.moved(t, `{"advance":"1ms",`+of)
	attempts(2)
	s.moved(t, `{"freeze":false,`+of)
	s.moved(t, `{"advance":"2s",`+of)
	attempts(3)
	s.moved(t, `{"freeze":true,`+of)
	s.moved(t, `{"advance":"59m50s",`+of)
	if a := s.result(t, in); a.status != http.StatusOK {
		t.Errorf("result within the hour: %d %s", a.status, a.body)
	}
	s.moved(t, `{"advance":"1m",`+of)
	if a := s.result(t, in); !a.is(
		400, api.CodeSignedAccessExpired, api.ErrSignedAccessExpired.Description,
	) {
		t.Errorf("result after the hour: %d %s", a.status, a.body)
	}
}

// TestClockOfSandbox checks that, for every change of the sandbox's clock, tokens by the machine's
// clock and by the sandbox's are in time, and documents can be signed.
func TestClockOfSandbox(t *testing.T) {
	s := start(t)
	for _, c := range []struct {
		body   string
		ahead  time.Duration
		frozen bool
	}{
		{`{"advance":"31m"}`, 31 * time.Minute, false},
		{fmt.Sprintf(`{"set":%q}`, time.Now().AddDate(2, 0, 0).Format(time.RFC3339)), 2 * 365 * 24 * time.Hour, false},
		{`{"freeze":true}`, 2 * 365 * 24 * time.Hour, true},
		{`{"freeze":false}`, 2 * 365 * 24 * time.Hour, false},
		{`{"reset":true}`, 0, false},
	} {
		now, frozen := s.moved(t, c.body)
		if d := time.Until(now); (d-c.ahead).Abs() > 49*time.Hour || frozen != c.frozen {
			t.Errorf("%s: %s ahead, frozen %v", c.body, d, frozen)
		}
		for _, clock := range []func() time.Time{s.now, time.Now} {
			s.party.Now = clock
			in := s.initiate(t)
			s.must(t, in.RequestID, alice, "open", "proceed", "approve")
			s.settled(t, in.RequestID, "signed")
			if a := s.result(t, in); a.status != http.StatusOK {
				t.Errorf("%s: result: %d %s", c.body, a.status, a.body)
			}
		}
	}
}

// TestClockAfterRestart checks that all clocks survive a stop of the sandbox and two hours until
// the next start.
func TestClockAfterRestart(t *testing.T) {
	rp := partytest.Start(t)
	c := configOf(rp)
	c.Data = t.TempDir()
	log := slog.New(slog.DiscardHandler)
	var off time.Duration // how long the sandbox has been stopped
	wall := func() time.Time { return time.Now().Add(off) }
	s := runAt(t, rp, c, wall, nil, log)
	restart := func() {
		t.Helper()
		s.stop()
		off += 2 * time.Hour
		s = runAt(t, rp, c, wall, nil, log)
		rp.Now = wall
	}
	rp.Now = wall
	of := func(in api.Initiated) string { return fmt.Sprintf(`"request_id":%q}`, in.RequestID) }
	party := fmt.Sprintf(`"client_id":%q}`, rp.ClientID)

	going, stopped := s.initiate(t), s.initiate(t)
	s.moved(t, `{"freeze":true,`+of(stopped))
	s.must(t, stopped.RequestID, alice, "open", "proceed")
	at := s.shown(t, stopped.RequestID).Clock.Now
	s.moved(t, `{"advance":"48h"}`)
	restart()
	for in, want := range map[api.Initiated]string{going: "expired", stopped: "session"} {
		if got := s.view(t, in.RequestID).State; got != want {
			t.Errorf("after the restart it is %s, want %s", got, want)
		}
	}
	if v := s.shown(t, stopped.RequestID); !v.Clock.Frozen || !v.Clock.Now.Equal(at) {
		t.Errorf("the stopped clock shows %+v, and before the restart %s", v.Clock, at)
	}
	if d := s.clockOf(t, "").Sub(wall()); (d - 48*time.Hour).Abs() > time.Minute {
		t.Errorf("the sandbox's clock is %s ahead", d)
	}

	s.moved(t, `{"freeze":true,`+party)
	at, _ = s.moved(t, `{"advance":"10m",`+party)
	early := s.initiate(t)
	frozen, _ := s.moved(t, `{"freeze":true}`)
	restart()
	for _, in := range []api.Initiated{early, s.initiate(t)} {
		if v := s.shown(t, in.RequestID); !v.Clock.Frozen ||
			v.Clock.Now.Sub(at).Abs() > time.Second || v.State != "created" {
			t.Errorf("a request of the party is %s at %+v, not %s", v.State, v.Clock, at)
		}
	}
	if now := s.clockOf(t, ""); !now.Equal(frozen) {
		t.Errorf("the sandbox's clock shows %s, it was stopped at %s", now, frozen)
	}

	if a := do(t, "POST", s.control+"/reset", "", "", nil); a.status != http.StatusNoContent {
		t.Fatalf("reset: %d %s", a.status, a.body)
	}
	restart()
	for _, query := range []string{"", "?client_id=" + rp.ClientID, "?request_id=" + early.RequestID} {
		if d := s.clockOf(t, query).Sub(wall()); d.Abs() > time.Minute {
			t.Errorf("%s: %s ahead after a reset", query, d)
		}
	}

	s.stop()
	if err := os.WriteFile(filepath.Join(c.Data, "clocks.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	none := func(string) string { return "" }
	if _, err := app.OpenSandbox(t.Context(), c, wall, none, log); err == nil ||
		!strings.Contains(err.Error(), "clocks.json") {
		t.Errorf("a damaged file of clocks: %v", err)
	}
}

// TestClockInParallel checks that two jobs move the time of their requests as often as they like,
// and each sees its own only.
func TestClockInParallel(t *testing.T) {
	s, other := startTwo(t)
	s.party.Now, other.Now = time.Now, time.Now
	var jobs sync.WaitGroup
	for _, job := range []*sandbox{s, {url: s.url, control: s.control, party: other}} {
		jobs.Go(func() {
			for range 5 {
				aged, young := job.initiate(t), job.initiate(t)
				job.moved(t, fmt.Sprintf(`{"freeze":true,"client_id":%q}`, job.party.ClientID))
				job.moved(t, fmt.Sprintf(`{"advance":"31m","request_id":%q}`, aged.RequestID))
				if got := job.view(t, aged.RequestID).State; got != "expired" {
					t.Errorf("the request of the job is %s", got)
				}
				if a := job.cancel(t, young.RequestID); a.status != http.StatusOK {
					t.Errorf("cancel: %d %s", a.status, a.body)
				}
				job.moved(t, fmt.Sprintf(`{"reset":true,"client_id":%q}`, job.party.ClientID))
			}
		})
	}
	jobs.Wait()
}
