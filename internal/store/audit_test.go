package store_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/signet-sign/signet/internal/audit"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/store"
)

// auditOf returns the audit log of a store, with a key of its own.
func auditOf(t testing.TB, s *store.Store, origin string) *audit.Log {
	t.Helper()
	signer, err := audit.NewSigner(origin, bytes.Repeat([]byte{byte(len(origin))}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return &audit.Log{Store: s, Signer: signer, Log: slog.New(slog.DiscardHandler)}
}

// note adds events to the trail of a request.
func note(t testing.TB, s *store.Store, i int, at time.Time, kinds ...request.EventKind) {
	t.Helper()
	err := s.Update(
		context.Background(), plainRequest(i).ID,
		func(*request.Request) (e request.Effects, err error) {
			for _, k := range kinds {
				e.Events = append(e.Events, request.Event{
					At: at, Kind: k, Detail: request.Detail{By: "mei <lin>", Error: "a & b"},
				})
			}
			return e, nil
		},
	)
	if err != nil {
		t.Error(err)
	}
}

func exported(t testing.TB, l *audit.Log) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := l.Export(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// verified is the report on a file that must be valid.
func verified(t testing.TB, file []byte, trust audit.Trust) *audit.Report {
	t.Helper()
	r, err := audit.Verify(bytes.NewReader(file), trust)
	if err != nil {
		t.Fatal(err)
	}
	if r.Problem != nil {
		t.Fatal(r.Problem)
	}
	return r
}

func TestAuditSQLite(t *testing.T) {
	testAudit(t, openSQLite(t, filepath.Join(t.TempDir(), "a.db")))
}

func TestAuditPostgres(t *testing.T) {
	url := cluster.Migrated(t)
	testAudit(t, openPostgres(t, url), openPostgres(t, url), openPostgres(t, url))
}

// testAudit checks that events that many nodes write, while all of them integrate, come into one
// log: each once, those of a request in their order.
func testAudit(t *testing.T, nodes ...*store.Store) {
	ctx, stop := context.WithCancel(t.Context())
	var running, writing sync.WaitGroup
	for _, s := range nodes {
		running.Go(func() {
			if err := auditOf(t, s, "sign.test/audit").Run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	at := time.Date(2026, 3, 14, 9, 26, 53, 0, time.UTC)
	const requests, changes = 12, 10
	for i := range requests {
		writing.Go(func() {
			s := nodes[i%len(nodes)]
			if err := s.Create(t.Context(), plainRequest(i), request.Effects{
				Events: []request.Event{{At: at, Kind: request.EventInitiated}},
			}); err != nil {
				t.Error(err)
			}
			for k := range changes {
				// clocks that differ
				when := at.Add(time.Duration(k) * time.Second * time.Duration(1-2*(k%2)))
				note(
					t, nodes[(i+k)%len(nodes)], i, when, request.EventOpened,
					request.EventProceeded,
				)
			}
		})
	}
	writing.Wait()
	began := time.Now()
	for pending := true; pending; time.Sleep(5 * time.Millisecond) {
		var err error
		if pending, err = nodes[0].Pending(t.Context(), ""); err != nil {
			t.Fatal(err)
		}
		if time.Since(began) > time.Minute {
			t.Fatal("events have no place in the log after 10 s")
		}
	}
	stop()
	running.Wait()

	l := auditOf(t, nodes[0], "sign.test/audit")
	report := verified(t, exported(t, l), audit.Trust{Key: l.Signer.Key()})
	if want := requests * (1 + 2*changes); report.Events != want || report.Size != int64(want) {
		t.Errorf("%d events of %d, want %d", report.Events, report.Size, want)
	}
	entries, err := nodes[0].Entries(t.Context(), 0, 10_000)
	if err != nil {
		t.Fatal(err)
	}
	next := map[string]int64{}
	for _, e := range entries {
		if next[e.RequestID]++; e.Seq != next[e.RequestID] {
			t.Errorf(
				"event %d of %s is at index %d, and %d was due", e.Seq, e.RequestID, e.Index,
				next[e.RequestID],
			)
		}
	}
	for i := range requests {
		trail, err := nodes[0].Events(t.Context(), plainRequest(i).ID)
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(trail)
		if err != nil {
			t.Fatal(err)
		}
		var evidence bytes.Buffer
		shown := func(int64) bool { return false }
		if err := l.Evidence(t.Context(), &evidence, plainRequest(i).ID, len(trail), shown); err != nil {
			t.Fatal(err)
		}
		if r := verified(t, evidence.Bytes(), audit.Trust{Key: l.Signer.Key()}); r.Events != len(
			trail,
		) {
			t.Errorf("evidence has %d events of %d", r.Events, len(trail))
		}
		if p, err := audit.SameEvents(&evidence, text); p != nil || err != nil {
			t.Errorf("the trail is not the evidence: %v, %v", p, err)
		}
	}
}

// grownLog is a log with four batches of three events.
func grownLog(t testing.TB) (path string, s *store.Store, l *audit.Log) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "a.db")
	s = openSQLite(t, path)
	l = auditOf(t, s, "sign.test/audit")
	at := time.Date(2026, 3, 14, 9, 26, 53, 0, time.UTC)
	for i := range 4 {
		if err := s.Create(t.Context(), plainRequest(i), request.Effects{
			Events: []request.Event{{At: at, Kind: request.EventInitiated}},
		}); err != nil {
			t.Fatal(err)
		}
		note(t, s, i, at, request.EventOpened, request.EventCancelled)
		if err := l.Integrate(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return path, s, l
}

// TestAuditTampering plants changes of every kind in an exported log. Lines: 1 is the key, 2 to 4
// the first batch, 5 its checkpoint, and so on to 17.
func TestAuditTampering(t *testing.T) {
	_, s, l := grownLog(t)
	newest, err := s.Newest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	whole := strings.SplitAfter(strings.TrimSuffix(string(exported(t, l)), "\n"), "\n")
	whole[len(whole)-1] += "\n"
	if len(whole) != 17 {
		t.Fatalf("%d lines", len(whole))
	}
	other := auditOf(t, s, "other.test/audit")
	reseal := func(lines []string, signer *audit.Signer) []string { return resealed(t, lines, signer) }
	foreign := reseal(slices.Clone(whole), other.Signer)
	foreign[0] = strings.Replace(foreign[0], l.Signer.Key(), other.Signer.Key(), 1)

	for name, test := range map[string]struct {
		change func(lines []string) []string
		trust  audit.Trust
		line   int // where Verify has to find it; 0: nowhere
	}{
		"nothing": {func(l []string) []string { return l }, audit.Trust{Checkpoints: []string{newest.Note}}, 0},
		"a field": {func(l []string) []string {
			l[6] = strings.Replace(l[6], "mei", "tan", 1)
			return l
		}, audit.Trust{}, 7},
		"a field, and its hash": {func(l []string) []string {
			l[6] = strings.Replace(l[6], "mei", "tan", 1)
			return rehashed(t, l)
		}, audit.Trust{}, 6}, // the first line of its batch
		"a hash": {func(l []string) []string {
			l[6] = strings.Replace(l[6], `"hash":"`, `"hash":"A`, 1)
			return l
		}, audit.Trust{}, 7},
		"a line removed":             {func(l []string) []string { return slices.Delete(l, 6, 7) }, audit.Trust{}, 7},
		"the first line removed":     {func(l []string) []string { return slices.Delete(l, 1, 2) }, audit.Trust{}, 2},
		"the key removed":            {func(l []string) []string { return l[1:] }, audit.Trust{}, 1},
		"a line removed, renumbered": {func(l []string) []string { return rehashed(t, slices.Delete(l, 6, 7)) }, audit.Trust{}, 8},
		"a checkpoint removed":       {func(l []string) []string { return slices.Delete(l, 8, 9) }, audit.Trust{}, 9},
		"a batch removed":            {func(l []string) []string { return slices.Delete(l, 5, 9) }, audit.Trust{}, 6},
		"a line added":               {func(l []string) []string { return slices.Insert(l, 7, l[6]) }, audit.Trust{}, 8},
		"a line added, renumbered": {func(l []string) []string {
			return rehashed(t, slices.Insert(l, 7, l[6]))
		}, audit.Trust{}, 9}, // it is one too many for the checkpoint
		"a checkpoint twice": {func(l []string) []string { return slices.Insert(l, 9, l[8]) }, audit.Trust{}, 10},
		"an unknown line":    {func(l []string) []string { return slices.Insert(l, 7, "{\"event\":{}}\n") }, audit.Trust{}, 8},
		"an unknown member": {func(l []string) []string {
			l[6] = strings.Replace(l[6], `{"index"`, `{"x":1,"index"`, 1)
			return l
		}, audit.Trust{}, 7},
		"an empty line": {func(l []string) []string { return slices.Insert(l, 7, "\n") }, audit.Trust{}, 8},
		"two lines swapped": {func(l []string) []string {
			l[6], l[7] = l[7], l[6]
			return l
		}, audit.Trust{}, 7},
		"two lines swapped, renumbered": {func(l []string) []string {
			l[6], l[7] = l[7], l[6]
			return rehashed(t, l)
		}, audit.Trust{}, 6},
		// has no checkpoint
		"a tail": {func(l []string) []string { return l[:15] }, audit.Trust{}, 14},
		"a tail with its checkpoint": {
			func(l []string) []string { return l[:13] },
			audit.Trust{Checkpoints: []string{newest.Note}},
			14,
		},
		"a forged checkpoint": {func(l []string) []string {
			l[8] = strings.Replace(l[8], `\n6\n`, `\n5\n`, 1)
			return l
		}, audit.Trust{}, 9},
		"the log of another key, which it names": {
			func([]string) []string { return foreign }, audit.Trust{Key: l.Signer.Key()}, 1,
		},
		"checkpoints of another key": {func(lines []string) []string {
			return reseal(lines, other.Signer)
		}, audit.Trust{Key: l.Signer.Key()}, 5},
		"another history, signed with the key": {func(lines []string) []string {
			lines[6] = strings.Replace(lines[6], "mei", "tan", 1)
			return reseal(rehashed(t, lines), l.Signer)
		}, audit.Trust{Checkpoints: []string{newest.Note}}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			file := strings.Join(test.change(slices.Clone(whole)), "")
			r, err := audit.Verify(strings.NewReader(file), test.trust)
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case test.line == 0 && r.Problem != nil:
				t.Error(r.Problem)
			case test.line != 0 && r.Problem == nil:
				t.Errorf("it was not found; want line %d", test.line)
			case test.line != 0 && r.Problem.Line != test.line:
				t.Errorf("%v; want line %d", r.Problem, test.line)
			}
		})
	}
}

// TestAuditEveryByte checks that no byte of an export or of evidence can be changed unnoticed, if
// the key is known from elsewhere.
func TestAuditEveryByte(t *testing.T) {
	_, _, l := grownLog(t)
	var evidence bytes.Buffer
	err := l.Evidence(
		t.Context(), &evidence, plainRequest(1).ID, 3, func(seq int64) bool { return seq == 2 },
	)
	if err != nil {
		t.Fatal(err)
	}
	for name, file := range map[string][]byte{
		"export": exported(t, l), "evidence": evidence.Bytes(),
	} {
		trust := audit.Trust{Key: l.Signer.Key()}
		verified(t, file, trust)
		for i := range file {
			for _, bit := range []byte{1, 0x20} { // another character, the other case
				changed := bytes.Clone(file)
				changed[i] ^= bit
				r, err := audit.Verify(bytes.NewReader(changed), trust)
				if err != nil {
					t.Fatal(err)
				}
				line := 1 + bytes.Count(file[:i], []byte("\n"))
				if r.Problem == nil {
					t.Fatalf("%s: byte %d, in line %d, was changed unnoticed", name, i, line)
				}
				if r.Problem.Line > line {
					t.Errorf("%s: byte %d, in line %d: %v", name, i, line, r.Problem)
				}
			}
		}
	}
}

// rehashed gives the leaves new numbers and hashes that fit, as an attacker without the key can.
func rehashed(t testing.TB, lines []string) []string {
	t.Helper()
	n := 0
	for i, text := range lines {
		var l map[string]json.RawMessage
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			t.Fatal(err)
		}
		if l["event"] == nil {
			continue
		}
		lines[i] = fmt.Sprintf(
			"{\"index\":%d,\"hash\":%q,\"event\":%s,\"until\":%s}\n", n,
			tlog.RecordHash(l["event"]).String(), l["event"], l["until"],
		)
		n++
	}
	return lines
}

// resealed replaces the checkpoints by those of a signer.
func resealed(t testing.TB, lines []string, signer *audit.Signer) []string {
	t.Helper()
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) (list []tlog.Hash, err error) {
		for _, i := range indexes {
			list = append(list, stored[i])
		}
		return list, nil
	})
	n := int64(0)
	for i, text := range lines {
		var l struct {
			Event      json.RawMessage
			Checkpoint string
		}
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			t.Fatal(err)
		}
		if l.Event != nil {
			more, err := tlog.StoredHashes(n, l.Event, reader)
			if err != nil {
				t.Fatal(err)
			}
			stored = append(stored, more...)
			n++
		}
		if l.Checkpoint == "" {
			continue
		}
		root, err := tlog.TreeHash(n, reader)
		if err != nil {
			t.Fatal(err)
		}
		note, err := signer.Checkpoint(tlog.Tree{N: n, Hash: root})
		if err != nil {
			t.Fatal(err)
		}
		line, err := json.Marshal(map[string]string{"checkpoint": note})
		if err != nil {
			t.Fatal(err)
		}
		lines[i] = string(line) + "\n"
	}
	return lines
}

// TestAuditOfATamperedDatabase checks that a row that is changed or deleted in the database, behind
// the program's back, is found in the next export and in the next evidence.
func TestAuditOfATamperedDatabase(t *testing.T) {
	for name, statement := range map[string]string{
		"changed":       `UPDATE events SET kind = 'expired' WHERE leaf = 4`,
		"deleted":       `DELETE FROM events WHERE leaf = 4`,
		"moved in time": `UPDATE events SET at = at + 1 WHERE leaf = 4`,
	} {
		t.Run(name, func(t *testing.T) {
			path, _, l := grownLog(t)
			db, err := sql.Open("sqlite", path)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			if _, err := db.Exec(statement); err != nil {
				t.Fatal(err)
			}
			r, err := audit.Verify(bytes.NewReader(exported(t, l)), audit.Trust{})
			if err != nil || r.Problem == nil || r.Problem.Line != 7 {
				t.Errorf("the export: %+v, %v; want a problem in line 7", r.Problem, err)
			}
			var evidence bytes.Buffer
			err = l.Evidence(
				t.Context(), &evidence, plainRequest(1).ID, 3, func(int64) bool { return false },
			)
			if err != nil {
				t.Fatal(err)
			}
			r, err = audit.Verify(&evidence, audit.Trust{})
			if err != nil || r.Problem == nil || r.Problem.Line != 3 {
				t.Errorf("the evidence: %+v, %v; want a problem in line 3", r.Problem, err)
			}
		})
	}
}
