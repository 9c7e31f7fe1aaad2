package obs

import (
	"context"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestHealth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var database, stamps error
		var runs, hanging atomic.Int32
		release := make(chan struct{})
		wait := false
		h := NewHealth(
			Check{
				Name: "database", Run: func(context.Context) error { runs.Add(1); return database },
			},
			Check{
				Name: "timestamps", Optional: true,
				Run: func(context.Context) error { return stamps },
			},
			Check{Name: "documents", Run: func(context.Context) error {
				if wait {
					hanging.Add(1)
					<-release
				}
				return nil
			}},
		)
		ready := func(wantStatus int, want Report) {
			t.Helper()
			w := httptest.NewRecorder()
			h.Ready(w, httptest.NewRequest("GET", "/readyz", nil))
			var got Report
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != wantStatus {
				t.Errorf("status %d, want %d, %v", w.Code, wantStatus, err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		}
		ok, optional := Result{OK: true}, Result{OK: true, Optional: true}
		all := func(database, timestamps, documents Result) map[string]Result {
			return map[string]Result{
				"database": database, "timestamps": timestamps, "documents": documents,
			}
		}
		ready(200, Report{Ready: true, Checks: all(ok, optional, ok)})
		database, stamps = errors.New("it is away"), errors.New("refused")
		ready(200, Report{Ready: true, Checks: all(ok, optional, ok)}) // the report of this second
		if n := runs.Load(); n != 1 {
			t.Errorf("the check ran %d times", n)
		}
		time.Sleep(1100 * time.Millisecond)
		noStamps := Result{Optional: true, Why: "refused"}
		ready(503, Report{Checks: all(Result{Why: "it is away"}, noStamps, ok)})
		database, wait = nil, true
		for range 2 {
			time.Sleep(1100 * time.Millisecond)
			ready(503, Report{Checks: all(ok, noStamps, Result{Why: "no answer within 2s"})})
		}
		if n := hanging.Load(); n != 1 {
			t.Errorf("%d checks wait for an answer, want 1", n)
		}
		close(release)
		time.Sleep(1100 * time.Millisecond)
		ready(200, Report{Ready: true, Checks: all(ok, noStamps, ok)})
		if !h.Stop() {
			t.Error("a load balancer has asked, and Stop does not say so")
		}
		ready(503, Report{Stopping: true, Checks: all(ok, noStamps, ok)})
		time.Sleep(2 * time.Minute)
		if h.Stop() {
			t.Error("nothing has asked for a minute, and Stop says so")
		}
	})
	if NewHealth().Stop() {
		t.Error("nothing has asked, and Stop says so")
	}
}
