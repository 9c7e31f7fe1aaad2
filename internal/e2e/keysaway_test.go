package e2e_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/kms/kmstest"
	"github.com/signet-sign/signet/internal/token"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// TestKMSAway takes the key management service of a cloud away.
func TestKMSAway(t *testing.T) {
	kmstest.Program(t)
	aws := kmstest.NewAWS(t)
	keysAway(
		t,
		[]string{"--keys", "awskms:region=ap-southeast-1;decryption-key=" + kmstest.DecryptionKey},
		func(t *testing.T) (give func()) {
			aws.Stop()
			return func() { aws.Start(t) }
		},
	)
}

// keysAway takes the keys of a running service away after a document was signed, and approves
// another one. The document and its webhook wait, and come when the keys are back, without a start.
func keysAway(t *testing.T, args []string, take func(t *testing.T) (give func())) {
	p := newProcess(t)
	p.args = append(p.args, args...)
	p.start(t)
	if _, err := p.signedOn(p, alice); err != nil {
		t.Fatal(err)
	}
	if _, err := p.party.WaitWebhook(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	give := take(t)
	status, text, _ := p.call(
		"POST", "/api/v3/sign-requests", p.party.Token(token.Initiate), "application/octet-stream",
		pdftest.Minimal(),
	)
	var in api.Initiated
	if err := json.Unmarshal([]byte(text), &in); err != nil || status != 200 {
		t.Fatalf("initiate: %d %s", status, text)
	}
	for _, step := range []string{"open", "proceed", "approve"} {
		status, text, _ := p.call(
			"POST", "/requests/"+in.RequestID+"/act", "", "application/json",
			fmt.Appendf(nil, `{"as":%q,"do":%q}`, alice, step),
		)
		if status != 200 {
			t.Fatalf("%s: %d %s", step, status, text)
		}
	}
	state := func() string {
		_, text, _ := p.call("GET", "/requests/"+in.RequestID, "", "", nil)
		return text
	}
	eventually(t, "a failed attempt to seal", func() bool {
		return strings.Contains(state(), `seal_retried`)
	})
	if text := state(); !strings.Contains(text, `"sealing"`) {
		t.Errorf("the approved document does not wait: %s", text)
	}

	give()
	eventually(
		t,
		"the document",
		func() bool { return strings.Contains(state(), `"state":"signed"`) },
	)
	if _, err := p.party.WaitWebhook(t.Context(), 1); err != nil {
		t.Error(err)
	}
}

// eventually waits for what may take a few attempts with growing pauses.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); !done(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within two minutes: %s", what)
		}
	}
}
