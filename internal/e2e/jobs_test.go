package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/server/control"
)

// job is one of the relying parties that share a sandbox.
type job struct{ *sandbox }

func (j job) of(members string) string {
	return fmt.Sprintf(`{%s,"client_id":%q}`, members, j.party.ClientID)
}

func (j job) reset(t testing.TB) {
	t.Helper()
	a := do(t, "POST", j.control+"/reset?client_id="+j.party.ClientID, "", "", nil)
	if a.status != http.StatusNoContent {
		t.Errorf("reset: %d %s", a.status, a.body)
	}
}

// ahead returns by how much the clock of the job goes before the machine's.
func (j job) ahead(t testing.TB) time.Duration {
	t.Helper()
	return time.Until(j.clockOf(t, "?client_id="+j.party.ClientID)).Round(time.Minute)
}

// faults returns the rules for the party.
func (j job) faults(t testing.TB) (n int) {
	t.Helper()
	var v control.FaultsView
	a := do(t, "GET", j.control+"/faults", "", "", nil)
	if err := json.Unmarshal([]byte(a.body), &v); err != nil {
		t.Error(err)
	}
	for _, r := range v.Rules {
		if r.ClientID == j.party.ClientID {
			n++
		}
	}
	return n
}

func startJobs(t *testing.T) (mine, theirs job) {
	s, other := startTwo(t)
	s.party.Now, other.Now = time.Now, time.Now // the clocks of real clients
	return job{s}, job{&sandbox{url: s.url, control: s.control, party: other}}
}

// TestResetOfParty checks that a reset for one relying party undoes what was done for it, and
// nothing that was done for another or for all.
func TestResetOfParty(t *testing.T) {
	mine, theirs := startJobs(t)
	webhook := func(j job) string { return j.control + "/webhooks/" + j.party.ClientID }
	for _, j := range []job{mine, theirs} {
		j.inject(t, j.of(`"kind":"session-hangs","count":1`))
		hanging, aged := j.initiate(t), j.initiate(t)
		j.must(t, hanging.RequestID, alice, "open", "proceed")
		j.inject(t, fmt.Sprintf(`{"kind":"tsa-down","request_id":%q}`, aged.RequestID))
		j.moved(t, j.of(`"advance":"10m"`))
		j.moved(t, fmt.Sprintf(`{"advance":"5m","request_id":%q}`, aged.RequestID))
		do(t, "POST", j.control+"/signers", "", "application/json", strings.NewReader(j.of(`"do":"wait"`)))
		do(t, "POST", webhook(j), "", "application/json", strings.NewReader(`{}`))
		t.Cleanup(func() { // after the reset of the other party
			t.Helper()
			want := http.StatusServiceUnavailable
			if j.party == mine.party {
				want = http.StatusOK
			}
			if a := j.act(t, hanging.RequestID, alice, "reject"); a.status != want {
				t.Errorf("%s: the phone's answer: %d %s", j.party.ClientID, a.status, a.body)
			}
		})
	}
	mine.inject(t, `{"kind":"slow","call":"keys","delay":"1ms"}`)
	mine.reset(t)
	if d, n := mine.ahead(t), mine.faults(t); d != 0 || n != 0 {
		t.Errorf("after its reset: %s ahead, %d faults", d, n)
	}
	if d, n := theirs.ahead(t), theirs.faults(t); d != 10*time.Minute || n != 1 {
		t.Errorf("after the other's reset: %s ahead, %d faults", d, n)
	}
	var v control.FaultsView
	a := do(t, "GET", mine.control+"/faults", "", "", nil)
	if err := json.Unmarshal([]byte(a.body), &v); err != nil || len(v.Rules) != 3 { // two of theirs
		t.Errorf("faults: %s", a.body)
	}
	for j, want := range map[job]string{mine: `"webhooks":[]`, theirs: `"token"`} {
		if a := do(t, "GET", webhook(j), "", "", nil); !strings.Contains(a.body, want) {
			t.Errorf("received webhooks: %s, want %s", a.body, want)
		}
	}
	a = do(t, "GET", mine.control+"/signers", "", "", nil)
	if strings.Count(a.body, `"client_id"`) != 1 || !strings.Contains(a.body, theirs.party.ClientID) {
		t.Errorf("plans: %s", a.body)
	}
	for query, want := range map[string]int{"?client_id=": 400, "?client_id=x": 404, "?clientid=x": 400} {
		if a := do(t, "POST", mine.control+"/reset"+query, "", "", nil); a.status != want {
			t.Errorf("%s: %d %s", query, a.status, a.body)
		}
	}
	if d := theirs.ahead(t); d != 10*time.Minute {
		t.Errorf("after resets that are refused: %s ahead", d)
	}
}

// TestJobsInParallel checks that two jobs with real clocks share a sandbox: each moves its clock,
// injects faults, gets webhooks by its clock and resets, and sees nothing of the other.
func TestJobsInParallel(t *testing.T) {
	mine, theirs := startJobs(t)
	var jobs sync.WaitGroup
	for i, j := range []job{mine, theirs} {
		ahead := time.Duration(i+1) * 10 * time.Minute
		jobs.Go(func() {
			for range 4 {
				j.round(t, ahead)
			}
		})
	}
	jobs.Wait()
	if d := time.Until(mine.clockOf(t, "")); d.Abs() > time.Minute {
		t.Errorf("the sandbox's clock is %s ahead", d)
	}
}

// round is one test of a job.
func (j job) round(t *testing.T, ahead time.Duration) {
	fails := func(what string, format string, args ...any) {
		t.Errorf("%s, %s: %s", j.party.ClientID, what, fmt.Sprintf(format, args...))
	}
	j.moved(t, j.of(`"freeze":true`))
	j.moved(t, j.of(fmt.Sprintf(`"advance":%q`, ahead)))

	cancelled := j.initiate(t)
	j.inject(t, j.of(`"kind":"error","call":"cancel","count":1`))
	for i, want := range []int{500, 200} {
		if status, _, err := j.tryCancel(t, cancelled.RequestID); status != want || err != nil {
			fails("cancel", "time %d: %d, %v", i+1, status, err)
		}
	}

	// The first attempt fails. The next one is due two seconds later, by the clock of the job.
	before := len(j.party.Webhooks())
	j.party.AnswerWebhooks(func(n int) int {
		if n == before {
			return http.StatusInternalServerError
		}
		return http.StatusOK
	})
	signed := j.sign(t)
	arrived := func(want int) {
		j.moved(t, j.of(`"advance":"0s"`)) // returns when nothing is due
		if n := len(j.party.Webhooks()) - before; n != want {
			fails("webhooks", "%d arrived, want %d", n, want)
		}
	}
	arrived(1)
	j.inject(t, j.of(`"kind":"webhook-doubled","count":1`))
	j.moved(t, j.of(`"advance":"1900ms"`))
	arrived(1)
	j.moved(t, j.of(`"advance":"100ms"`))
	arrived(3)
	if a := j.result(t, signed); a.status != http.StatusOK {
		fails("result", "%d %s", a.status, a.body)
	}
	old := j.initiate(t)
	j.moved(t, j.of(`"advance":"31m"`))
	if got := j.view(t, old.RequestID).State; got != "expired" {
		fails("a request", "it is %s after 31 minutes", got)
	}
	if d := j.ahead(t); d != ahead+31*time.Minute {
		fails("clock", "%s ahead", d)
	}
	if n := j.faults(t); n != 0 && n != 2 { // spent ones are listed, or not
		fails("faults", "%d", n)
	}
	j.reset(t)
	if d, n := j.ahead(t), j.faults(t); d != 0 || n != 0 {
		fails("reset", "%s ahead, %d faults", d, n)
	}
	young := j.initiate(t)
	if a := j.cancel(t, young.RequestID); a.status != http.StatusOK {
		fails("after the reset", "cancel: %d %s", a.status, a.body)
	}
}
