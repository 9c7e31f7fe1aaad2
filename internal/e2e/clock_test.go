package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-sign/signet/api"
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

	now, _ := s.moved(t, fmt.Sprintf(`{"advance":"31m","request_id":%q}`, mine.RequestID))
	if d := time.Since(now).Abs(); d > time.Minute {
		t.Errorf("the clock is %s off", d)
	}
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
		fmt.Sprintf(`{"freeze":true,"request_id":%q}`, mine.RequestID),
		fmt.Sprintf(`{"advance":"1m","request_id":%q,"client_id":"x"}`, mine.RequestID),
		`{"advance":"1m","set":"2040-01-01T00:00:00Z"}`, `{"set":"2020-01-01T00:00:00Z"}`,
		`{"set":"tomorrow"}`, `{"request_id":"x"}`,
	} {
		s.clock(t, body).refusedAs(t, body, 400, api.CodeClientSide)
	}
	s.clock(
		t,
		`{"advance":"1m","request_id":"signv3-0199cc9c-8b7c-70df-b29b-39843a10c332"}`,
	).refusedAs(t, "an unknown request", 404, "NOT_FOUND")
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
				job.moved(t, fmt.Sprintf(`{"advance":"31m","request_id":%q}`, aged.RequestID))
				if got := job.view(t, aged.RequestID).State; got != "expired" {
					t.Errorf("the request of the job is %s", got)
				}
				if a := job.cancel(t, young.RequestID); a.status != http.StatusOK {
					t.Errorf("cancel: %d %s", a.status, a.body)
				}
			}
		})
	}
	jobs.Wait()
}
