package phone

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/signer"
)

// TestGeneratedSteps compares the file from which the scripts take their types with the lists of
// this package.
func TestGeneratedSteps(t *testing.T) {
	fresh := filepath.Join(t.TempDir(), "steps.ts")
	if out, err := exec.Command("go", "run", "generate.go", fresh).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	want, err := os.ReadFile(fresh)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../../../web/src/lib/steps.ts")
	if err != nil || string(got) != string(want) {
		t.Errorf("web/src/lib/steps.ts is not what go generate writes: %v", err)
	}
}

// TestStepOfEveryState shows that the approval page has a step for every state of a request.
func TestStepOfEveryState(t *testing.T) {
	owner := signer.Phone{ID: "1", UIN: "S8979373D"}
	for _, state := range request.States() {
		for _, outcome := range []request.Outcome{
			"", request.OutcomeRejected, request.OutcomeLeft, request.OutcomeTimedOut,
			request.OutcomeFailed,
		} {
			for _, session := range []string{"now", "earlier"} {
				r := &request.Request{
					State: state, Outcome: outcome, Signer: &signer.Person{UIN: owner.UIN},
					Session:  &request.Session{ID: "now"},
					Approval: &request.Approval{SessionID: "now", PhoneID: owner.ID},
				}
				page := Approve{Step: stepOf(r, session, owner)}
				if !slices.Contains(page.Steps(), page.First()) {
					t.Errorf("%s %s: no step %s", state, outcome, page.First())
				}
			}
		}
	}
}
