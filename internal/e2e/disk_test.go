//go:build linux

package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/app"
	"github.com/signet-sign/signet/internal/documents"
	"github.com/signet-sign/signet/internal/party/partytest"
	"github.com/signet-sign/signet/internal/store/disktest"
	"github.com/signet-sign/signet/internal/token"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// unavailable checks that an answer is 503 with Retry-After.
func (a answer) unavailable(t *testing.T, what string) {
	t.Helper()
	if a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" ||
		!strings.Contains(a.body, api.CodeUnavailable) {
		t.Errorf("%s: %d, Retry-After %q: %s", what, a.status, a.header.Get("Retry-After"), a.body)
	}
}

// TestDiskFails takes the disk away from a service on one. Calls that change something are answered
// 503 with Retry-After, the node is not ready and says why, metrics too, and the log has a line or
// two. When the disk is back everything works, without a restart.
func TestDiskFails(t *testing.T) {
	if !disktest.Child(t) {
		return
	}
	var log lockedBuffer
	n := newDiskNode(t, t.TempDir(), &log)
	id := n.initiated()
	n.ready(true)

	back := disktest.FailWrites(t)
	log.reset()
	n.initiate().unavailable(t, "initiate")
	n.cancel(id).unavailable(t, "cancel")
	if got := do(t, "GET", n.url+"/sign/"+id, "", "", nil); got.status != 200 {
		t.Errorf("the landing page, which only reads: %d", got.status)
	}
	var report struct {
		Checks map[string]struct{ Why string }
	}
	if err := json.Unmarshal([]byte(n.ready(false)), &report); err != nil {
		t.Fatal(err)
	}
	for check, want := range map[string]string{
		"database": "disk I/O error", "documents": "file too large",
	} {
		if why := report.Checks[check].Why; !strings.Contains(why, want) {
			t.Errorf("%s: %q, want %q", check, why, want)
		}
		metric := fmt.Sprintf("signet_ready{check=%q} 0\n", check)
		if got := do(t, "GET", n.control+"/metrics", "", "", nil); !strings.Contains(
			got.body, metric,
		) {
			t.Errorf("/metrics: %d, without %q", got.status, metric)
		}
	}
	text := log.String()
	if n := strings.Count(text, "\n"); n > 3 || !strings.Contains(text, "level=ERROR") {
		t.Errorf("%d lines are logged:\n%s", n, text)
	}

	back()
	n.ready(true)
	if got := n.cancel(id); got.status != http.StatusOK {
		t.Errorf("the disk is back, and cancel is answered %d %s", got.status, got.body)
	}
	if got := n.initiate(); got.status != http.StatusOK {
		t.Errorf("the disk is back, and initiate is answered %d %s", got.status, got.body)
	}
}

// TestDiskFills fills the disk of a service with the files of another program. The node is not ready
// and takes no upload; a cancel is carried out or answered 503. When there is room again, without a
// restart, each request is as its answers have said, and the log has not filled up either.
func TestDiskFills(t *testing.T) {
	if !disktest.MountChild(t) {
		return
	}
	data := t.TempDir()
	disktest.Mount(t, data, 160<<20)
	var log lockedBuffer
	n := newDiskNode(t, data, &log)
	var ids []string
	for range 8 {
		ids = append(ids, n.initiated())
	}
	n.ready(true)

	full := filepath.Join(data, "of another program")
	fill := func(leave uint64) {
		t.Helper()
		f, err := os.Create(full)
		if err != nil {
			t.Fatal(err)
		}
		for {
			free, err := documents.FreeSpace(data)
			if err != nil {
				t.Fatal(err)
			}
			if free <= leave {
				break
			}
			if _, err := f.Write(make([]byte, min(free-leave, 1<<20))); err != nil {
				t.Fatal(err)
			}
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	cancelled := map[string]bool{}
	for _, leave := range []uint64{32 << 20, 0} {
		fill(leave)
		log.reset()
		n.initiate().unavailable(t, "initiate")
		if why := n.ready(false); !strings.Contains(why, "MiB are free") {
			t.Errorf("%d bytes are free: %s", leave, why)
		}
		for range 3 {
			id := ids[len(cancelled)]
			got := n.cancel(id)
			if cancelled[id] = got.status == http.StatusOK; !cancelled[id] {
				if leave > 0 {
					t.Errorf("cancel with room for it: %d %s", got.status, got.body)
				}
				got.unavailable(t, "cancel")
			}
		}
		if n := strings.Count(log.String(), "\n"); n > 12 {
			t.Errorf("%d lines are logged:\n%s", n, log.String())
		}
	}

	if err := os.Remove(full); err != nil {
		t.Fatal(err)
	}
	n.ready(true)
	n.initiated()
	for _, id := range ids {
		got, want := n.cancel(id), http.StatusOK
		if cancelled[id] {
			want = http.StatusBadRequest // it is cancelled already
		}
		if got.status != want {
			t.Errorf("there is room, and cancel is answered %d %s, want %d", got.status, got.body, want)
		}
	}
}

// diskNode is a service whose disk a test takes away.
type diskNode struct {
	*testing.T
	party        *partytest.Party
	url, control string
}

// newDiskNode starts a service with the folder data. It logs to w.
func newDiskNode(t *testing.T, data string, w io.Writer) *diskNode {
	t.Helper()
	party := partytest.Start(t)
	c := configOf(party)
	c.Data, c.PublicURL, c.AllowPrivate = data, "https://sign.test", true
	a, err := app.Open(t.Context(), c, time.Now, slog.New(slog.NewTextHandler(w, nil)))
	if err != nil {
		t.Fatal(err)
	}
	runApp(t, a)
	return &diskNode{t, party, "http://" + a.Addr.String(), "http://" + a.Control.String()}
}

func (n *diskNode) initiate() answer {
	return do(
		n.T, "POST", n.url+api.BasePath+api.PathRequest,
		n.party.Token(token.Initiate), "application/octet-stream", bytes.NewReader(pdftest.Minimal()),
	)
}

// initiated returns the id of a new request.
func (n *diskNode) initiated() string {
	n.Helper()
	var in api.Initiated
	got := n.initiate()
	if err := json.Unmarshal([]byte(got.body), &in); err != nil || in.RequestID == "" {
		n.Fatalf("%d %s", got.status, got.body)
	}
	return in.RequestID
}

func (n *diskNode) cancel(id string) answer {
	return do(
		n.T, "POST", n.url+api.BasePath+api.PathCancel,
		n.party.Token(token.Cancel, partytest.Claim("request_id", id)), "", nil,
	)
}

// ready waits until the node is ready, or is not, and returns its report.
func (n *diskNode) ready(want bool) (body string) {
	n.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		got := do(n.T, "GET", n.control+"/readyz", "", "", nil)
		if (got.status == http.StatusOK) == want {
			return got.body
		}
		if time.Now().After(deadline) {
			n.Fatalf("/readyz: %d %s", got.status, got.body)
		}
	}
}

// TestDiskFailsWhileSealing takes the disk away while an approved document waits. It is not lost,
// neither a cancel nor a signer's step has an effect, and the document is sealed when the disk is
// back.
func TestDiskFailsWhileSealing(t *testing.T) {
	if !disktest.Child(t) {
		return
	}
	s := start(t)
	signed := s.sign(t)
	link := s.signedResult(t, signed).SignedDocURL
	waiting := s.initiate(t)
	s.inject(t, `{"kind":"tsa-down","request_id":"`+waiting.RequestID+`"}`)
	s.must(t, waiting.RequestID, alice, "open", "proceed", "approve")
	open := s.initiate(t)
	s.must(t, open.RequestID, alice, "open")

	back := disktest.FailWrites(t)
	s.result(t, signed).unavailable(t, "result, which records the use of its token")
	do(t, "GET", link, "", "", nil).unavailable(t, "download, which is recorded in the trail")
	s.act(t, open.RequestID, alice, "proceed").unavailable(t, "proceed")
	if got := s.cancel(t, waiting.RequestID); got.status == http.StatusOK {
		t.Error("a document that is being sealed is cancelled")
	}

	back()
	for id, want := range map[string]string{waiting.RequestID: "sealing", open.RequestID: "locked"} {
		if got := s.view(t, id).State; got != want {
			t.Errorf("the request is %s, want %s", got, want)
		}
	}
	do(t, "DELETE", s.control+"/faults", "", "", nil)
	// An attempt may have ended in the meantime, and could not be recorded: its lease ends first.
	s.advance(t, "2m")
	s.settled(t, waiting.RequestID, "signed")
	got := do(t, "GET", s.signedResult(t, waiting).SignedDocURL, "", "", nil)
	pdfsig(t, []byte(got.body), 1)
	if got := s.result(t, signed); got.status != http.StatusOK {
		t.Errorf("the disk is back, and result is answered %d %s", got.status, got.body)
	}
	s.must(t, open.RequestID, alice, "proceed")
}
