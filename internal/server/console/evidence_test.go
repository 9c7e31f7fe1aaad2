package console_test

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/audit"
	"github.com/signet-sign/signet/internal/calllog"
	"github.com/signet-sign/signet/internal/party/partytest"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/token"
	"github.com/signet-sign/signet/pades"
)

func TestEvidence(t *testing.T) {
	w := newWorld(t)
	w.webhookErr = errors.New(
		`Post "https://shop.test/webhook?token=hook-secret": connection refused`,
	)
	w.shop.Now = w.Now
	id := w.in(t, request.StateSigned)
	w.Recorder.Record(
		calllog.Record{
			Kind: calllog.Result, Authentic: true, Party: w.shop.ClientID, RequestID: id,
			Status: 400, Error: "UNAUTHORIZED", Reason: "the exchange code",
		},
		w.shop.Token(
			token.Result, partytest.Claim("exchange_code", "8c2f3a52-7a7b-4f0e-9d58-0d8d7a2f5c11"),
		),
	)
	got := w.get(t, "/console/requests/"+id+"/evidence.zip")
	got.has(t, 200)
	if d := got.header.Get("Content-Disposition"); d != `attachment; filename="`+id+`-evidence.zip"` {
		t.Errorf("disposition %s", d)
	}
	files := unzip(t, got.body)
	for _, name := range []string{"request.json", "events.json", "audit.jsonl", "jobs.json", "calls.json", "signed.pdf", "verification.json", "README.txt", "certificates/signer.pem"} {
		if len(files[name]) == 0 {
			t.Errorf("no %s in %d files", name, len(files))
		}
		if !strings.Contains(files["README.txt"], strings.TrimSuffix(name, "signer.pem")) &&
			name != "README.txt" {
			t.Errorf("the README does not say what %s is", name)
		}
	}
	for _, kind := range []request.EventKind{request.EventSigned, request.EventRenewed} {
		if !strings.Contains(files["README.txt"], fmt.Sprintf("event %q", kind)) {
			t.Errorf("the README does not say that the event %q holds the digest", kind)
		}
	}
	var report pades.Summary
	if err := json.Unmarshal([]byte(files["verification.json"]), &report); err != nil ||
		!report.Valid ||
		len(report.Signatures) == 0 ||
		report.Signatures[0].Level != "B-LTA" {
		t.Errorf("the verification: %v, %s", err, files["verification.json"])
	}
	var records []calllog.Record
	if err := json.Unmarshal([]byte(files["calls.json"]), &records); err != nil ||
		len(records) != 1 ||
		records[0].Reason != "the exchange code" {
		t.Errorf("the calls: %v, %s", err, files["calls.json"])
	}
	if strings.Contains(files["calls.json"], "8c2f3a52") {
		t.Error("an exchange code is in the evidence")
	}
	if n := strings.Count(files["SHA256SUMS"], "\n"); n != len(files)-1 {
		t.Errorf("the manifest names %d of %d other files", n, len(files)-1)
	}
	for line := range strings.Lines(files["SHA256SUMS"]) {
		sum, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		if want := fmt.Sprintf("%x", sha256.Sum256([]byte(files[name]))); sum != want {
			t.Errorf("%s: digest %s, want %s", name, sum, want)
		}
	}
	authorities := 0
	for name, text := range files {
		if strings.HasSuffix(name, ".pem") {
			authorities++
			if block, rest := pem.Decode([]byte(text)); block == nil ||
				block.Type != "CERTIFICATE" ||
				len(rest) > 0 {
				t.Errorf("%s is not one certificate", name)
			}
		}
		if name != "signed.pdf" { // scrubbing does not change the signature's own content
			w.holdsNoSecret(t, id, text)
		}
	}
	if authorities != 1+len(w.Certificates()) {
		t.Errorf("%d certificates, want %d", authorities, 1+len(w.Certificates()))
	}
	r := w.request(t, id)
	if fmt.Sprintf("%x", sha256.Sum256([]byte(files["signed.pdf"]))) != fmt.Sprintf(
		"%x", r.Signed.SHA256,
	) {
		t.Error("signed.pdf is not the signed document")
	}
	var events []request.Event
	if err := json.Unmarshal([]byte(files["events.json"]), &events); err != nil ||
		events[len(events)-1].Kind != request.EventEvidence {
		t.Errorf("the taking of the evidence is not the last event: %v, %+v", err, events)
	}

	checkAudit(t, files)

	open := w.in(t, request.StateSession)
	files = unzip(t, w.get(t, "/console/requests/"+open+"/evidence.zip").body)
	if fmt.Sprintf("%x", sha256.Sum256([]byte(files["uploaded.pdf"]))) != fmt.Sprintf(
		"%x", w.request(t, open).Document.SHA256,
	) {
		t.Error("uploaded.pdf is not the document of an open request")
	}

	cancelled := w.in(t, request.StateCreated)
	w.post(t, "/console/requests/"+cancelled+"/cancel", nil)
	files = unzip(t, w.get(t, "/console/requests/"+cancelled+"/evidence.zip").body)
	if files["signed.pdf"]+files["uploaded.pdf"]+files["verification.json"] != "" ||
		!strings.Contains(files["README.txt"], "no signed document") {
		t.Error("a cancelled request has a signed document")
	}
	w.get(t, "/console/requests/signv3-unknown/evidence.zip").has(t, 404)
}

func unzip(t *testing.T, body string) map[string]string {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader([]byte(body)), int64(len(body)))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files[f.Name] = string(b)
	}
	return files
}

// checkAudit checks the audit log of an evidence bundle, and plants changes in it and in the trail.
func checkAudit(t *testing.T, files map[string]string) {
	t.Helper()
	verify := func(log, trail string) *audit.Problem {
		t.Helper()
		r, err := audit.Verify(strings.NewReader(log), audit.Trust{})
		if err != nil {
			t.Fatal(err)
		}
		if r.Problem != nil {
			return r.Problem
		}
		p, err := audit.SameEvents(strings.NewReader(log), []byte(trail))
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	log, trail := files["audit.jsonl"], files["events.json"]
	if p := verify(log, trail); p != nil {
		t.Error(p)
	}
	var hidden int
	lines := strings.SplitAfter(log, "\n")
	for _, line := range lines {
		if strings.Contains(line, `"index"`) && !strings.Contains(line, `"event"`) {
			hidden++
		}
	}
	if hidden == 0 {
		t.Error("the event with the query of the webhook's URL is in the log, or was not made")
	}
	without := func(i int) string { return strings.Join(slices.Delete(slices.Clone(lines), i, i+1), "") }
	var events []map[string]any
	if err := json.Unmarshal([]byte(trail), &events); err != nil {
		t.Fatal(err)
	}
	edited := func(list []map[string]any) string {
		text, err := json.Marshal(list)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	moved := slices.Clone(lines)
	moved[2] = regexp.MustCompile(`"index":\d+,`).ReplaceAllString(moved[2], `"index":0,`)
	other := maps.Clone(events[1])
	other["at"] = "2026-03-02T09:30:01Z"
	for name, test := range map[string]struct {
		log, trail string
		line       int
	}{
		"a field of the log":          {strings.Replace(log, `"kind":"opened"`, `"kind":"expired"`, 1), trail, 3},
		"the proof of another event":  {strings.Join(moved, ""), trail, 3},
		"a line of the log":           {without(2), trail, 3},
		"the log's checkpoint":        {without(len(lines) - 2), trail, 2},
		"an event of the trail":       {log, edited(append(slices.Clone(events[:1]), events[2:]...)), 2},
		"a field of the trail":        {log, edited(append([]map[string]any{events[0], other}, events[2:]...)), 2},
		"the last event of the trail": {log, edited(events[:len(events)-1]), len(events)},
		"a member before its double":  {log, strings.Replace(trail, `"kind":`, `"kind":"expired","kind":`, 1), 1},
		"a double deeper in":          {log, strings.Replace(trail, `"client_id":`, `"client_id":"x","client_id":`, 1), 1},
		"an event added":              {log, edited(append(slices.Clone(events), other)), len(events) + 1},
	} {
		if p := verify(test.log, test.trail); p == nil || p.Line != test.line {
			t.Errorf("%s: %v, want line %d", name, p, test.line)
		}
	}
}

// deadlines is a response that keeps the deadlines for writing it.
type deadlines struct {
	*httptest.ResponseRecorder
	set []time.Time
}

func (d *deadlines) SetWriteDeadline(t time.Time) error {
	d.set = append(d.set, t)
	return nil
}

// TestAuditExportUnread checks that an export of the audit log may take longer than other answers,
// and has a deadline for each part of it, so that it ends with a client that reads nothing.
func TestAuditExportUnread(t *testing.T) {
	w := newWorld(t)
	w.in(t, request.StateSigned)
	if err := w.Audit.Integrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	d := &deadlines{ResponseRecorder: httptest.NewRecorder()}
	w.handler.ServeHTTP(d, httptest.NewRequest("GET", "/console/audit.jsonl", nil))
	if d.Code != http.StatusOK || !strings.Contains(d.Body.String(), "checkpoint") {
		t.Fatalf("%d %s", d.Code, d.Body)
	}
	lines := strings.Count(d.Body.String(), "\n")
	if len(d.set) < lines || slices.ContainsFunc(d.set, time.Time.IsZero) {
		t.Errorf("%d lines are written with the deadlines %v", lines, d.set)
	}
}
