package main

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/audit"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/store"
)

// TestAuditVerify checks that the command names the first line that was changed, and ends with
// status 1.
func TestAuditVerify(t *testing.T) {
	dir := t.TempDir()
	db, err := store.Open(t.Context(), store.Options{
		Database: filepath.Join(dir, "signet.db"), Kind: store.Service,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	signer, err := audit.NewSigner("sign.test/audit", make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	l := &audit.Log{Store: db, Signer: signer, Log: slog.New(slog.DiscardHandler)}
	for _, id := range []string{"a", "b", "c"} {
		r := &request.Request{ID: id, State: request.StateCreated}
		if err := db.Create(t.Context(), r, request.Effects{Events: []request.Event{
			{At: time.Unix(1e9, 0), Kind: request.EventInitiated},
		}}); err != nil {
			t.Fatal(err)
		}
		if err := l.Integrate(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	var text bytes.Buffer
	if err := l.Export(t.Context(), &text); err != nil {
		t.Fatal(err)
	}
	newest, err := db.Newest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	whole := text.String()
	good, seen := write("good.jsonl", whole), write("checkpoint", newest.Note)
	changed := write(
		"changed.jsonl",
		strings.Replace(whole, `"request_id":"b"`, `"request_id":"x"`, 1),
	)
	long := write("long.jsonl", strings.SplitAfter(whole, "\n")[0])
	if err := os.Truncate(long, 1<<30); err != nil { // sparse: a line of a GiB without an end
		t.Fatal(err)
	}
	cut := write("cut.jsonl", strings.Join(strings.SplitAfter(whole, "\n")[:5], ""))
	for _, test := range []struct {
		args   []string
		status int
		out    string
	}{
		{[]string{good}, 0, "VALID: 3 events, of a log with 3\n  by the key that the file names"},
		{[]string{"--key", signer.Key(), "--checkpoint", seen, good}, 0, "good.jsonl: VALID: 3 events"},
		{[]string{changed}, 1, "changed.jsonl: NOT VALID: line 4: the event differs from its hash"},
		{[]string{cut}, 0, "VALID: 2 events"},
		{[]string{"--checkpoint", seen, cut}, 1, "NOT VALID: line 6: the log ends after 2 events"},
		{[]string{good, changed}, 1, "NOT VALID"},
		{[]string{seen}, 1, "NOT VALID: line 1"},
		{[]string{long}, 1, "NOT VALID: line 2: it has more than 16777216 bytes"},
		{[]string{filepath.Join(dir, "missing")}, exitUsage, ""},
	} {
		var out, errs bytes.Buffer
		status := run(
			t.Context(), append([]string{"audit", "verify"}, test.args...),
			func(string) string { return "" }, &out, &errs,
		)
		if status != test.status || !strings.Contains(out.String(), test.out) {
			t.Errorf("%q: status %d, %s%s", test.args, status, &out, &errs)
		}
	}
}
