package rpapi

import (
	"slices"
	"strings"
	"testing"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/calllog"
)

// TestAdviceForEach walks all checks of all calls with each refusal: what is expected is said, and
// how to mend the call in one sentence.
func TestAdviceForEach(t *testing.T) {
	const most = "Make the call as /reference describes it."
	refusals := []*api.Error{
		api.ErrUnauthorized, api.ErrNoRecord, api.ErrTooManyRequests, api.ErrActiveSession,
		api.ErrAlreadySigned, api.ErrAlreadyCancelled, api.ErrNotSigned, api.ErrExpired,
		api.ErrCancelled, api.ErrSignedAccessExpired, api.ErrUnavailable,
	}
	walked := 0
	for kind := range calls {
		var first calllog.Record
		first.Kind, first.Diagnosis = kind, calllog.Diagnose(calllog.CheckRate, "")
		for _, checked := range first.Checks() {
			rec := calllog.Record{
				Kind: kind, Reason: "a reason", Diagnosis: calllog.Diagnose(checked.Check, ""),
			}
			for _, c := range rec.Checks() {
				if c.Expected == "" || (c.Result == calllog.Failed) != (c.Check == checked.Check) ||
					c.Result == calllog.Failed && c.Got == "" {
					t.Errorf("%s, failed at %s: %+v", kind, checked.Check, c)
				}
			}
			own := refusals
			if checked.Check == calllog.CheckContent || checked.Check == calllog.CheckDocument {
				own = append(slices.Clone(refusals), api.ErrClientSide("a reason"))
			}
			for _, refusal := range own {
				walked++
				got := advise(kind, checked.Check, refusal)
				if got == most || !strings.HasSuffix(got, ".") {
					t.Errorf("%s, %s, %s: advice %q", kind, checked.Check, refusal.Code, got)
				}
				if refusal == api.ErrUnavailable && !strings.Contains(got, "Retry-After") {
					t.Errorf("%s, %s, while the store is away: %q", kind, checked.Check, got)
				}
			}
		}
	}
	if walked < 40*len(refusals) {
		t.Errorf("walked only %d refusals", walked)
	}
}
