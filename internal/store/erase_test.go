package store_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/audit"
	"github.com/signet-sign/signet/internal/ca"
	"github.com/signet-sign/signet/internal/party"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/retention"
	"github.com/signet-sign/signet/internal/signer"
	"github.com/signet-sign/signet/internal/store"
)

const day = 24 * time.Hour

// eraseNow is when the tests sweep, and eraseOld when the old requests ended.
var (
	eraseOld = time.Date(2026, 3, 14, 10, 0, 0, 0, time.UTC)
	eraseNow = eraseOld.Add(100 * day)
)

// erasable creates requests from number i to n that were cancelled at a time, and takes their
// events into the log.
func erasable(t testing.TB, s *store.Store, l *audit.Log, i, n int, at time.Time) {
	t.Helper()
	for ; i < n; i++ {
		r := plainRequest(i)
		r.State, r.CancelledAt = request.StateCancelled, at
		err := s.Create(t.Context(), r, request.Effects{Events: []request.Event{
			{At: r.CreatedAt, Kind: request.EventInitiated}, {At: at, Kind: request.EventCancelled},
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Integrate(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// ninety returns a sweeper that keeps requests for 90 days.
func ninety(s *store.Store) *retention.Sweeper {
	return &retention.Sweeper{
		Store: s, Now: func() time.Time { return eraseNow }, Log: slog.New(slog.DiscardHandler),
		Policy: retention.Policy{Unsigned: 90 * day, MaxCalls: 1000},
	}
}

func TestErasureSQLite(t *testing.T) {
	testErasure(t, "sqlite", filepath.Join(t.TempDir(), "a.db"))
}
func TestErasurePostgres(t *testing.T) { testErasure(t, "pgx", cluster.Migrated(t)) }

// testErasure checks that the audit log is valid after a sweep, with the checkpoints from before,
// and an event that is missing without an erasure is found.
func testErasure(t *testing.T, driver, database string) {
	s, err := store.Open(t.Context(), store.Options{Database: database, Kind: store.Sandbox})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	l := auditOf(t, s, "sign.test/audit")
	const old, kept = 40, 5
	erasable(t, s, l, 0, kept, eraseNow.Add(-day))
	erasable(t, s, l, kept, kept+old, eraseOld)
	before, err := s.Newest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	erased, err := ninety(s).Sweep(t.Context())
	if err != nil || erased[retention.Requests] != old {
		t.Fatalf("erased %v, %v", erased, err)
	}
	erasable(t, s, l, 100, 101, eraseNow) // the log goes on

	trust := audit.Trust{Key: l.Signer.Key(), Checkpoints: []string{before.Note}}
	file := exported(t, l)
	r := verified(t, file, trust)
	if r.Erased != 2*old || strings.Contains(string(file), plainRequest(kept).ID) {
		t.Errorf("%d events were erased, want %d", r.Erased, 2*old)
	}
	if !strings.Contains(string(file), plainRequest(0).ID) {
		t.Error("the events of a request that is kept are missing")
	}
	var evidence bytes.Buffer
	shown := func(int64) bool { return false }
	if err := l.Evidence(t.Context(), &evidence, plainRequest(0).ID, 2, shown); err != nil {
		t.Fatal(err)
	}
	verified(t, evidence.Bytes(), audit.Trust{Key: l.Signer.Key()})

	// An erasure that names other leaves is not the one that was signed.
	lines := strings.SplitAfter(string(file), "\n")
	for i, line := range lines {
		if strings.Contains(line, `"kind":"erasure"`) {
			lines[i] = strings.Replace(line, `"leaves":"`, `"leaves":"0,`, 1)
			report, err := audit.Verify(strings.NewReader(strings.Join(lines, "")), trust)
			if err != nil || report.Problem == nil || report.Problem.Line != i+1 {
				t.Errorf("a changed erasure in line %d: %+v, %v", i+1, report, err)
			}
			break
		}
	}

	source := database
	if driver == "sqlite" {
		source = "file:" + database + "?_pragma=busy_timeout(10000)"
	}
	db, err := sql.Open(driver, source)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(`DELETE FROM events WHERE leaf = 3`); err != nil {
		t.Fatal(err)
	}
	report, err := audit.Verify(bytes.NewReader(exported(t, l)), trust)
	if err != nil || report.Problem == nil || report.Problem.Line != 5 { // after the key
		t.Errorf("an event was removed: %+v, %v; want line 5", report, err)
	}
}

// TestEraseCrashChild is the child of the next test, which is killed while it sweeps.
func TestEraseCrashChild(t *testing.T) {
	database := os.Getenv("STORE_ERASE_DATABASE")
	if database == "" {
		t.Skip("this is the child of the crash tests")
	}
	point, after := os.Getenv("STORE_CRASH_POINT"), 1
	s, err := store.Open(t.Context(), store.Options{
		Database: database, Kind: store.Sandbox,
		Fault: func(p string) {
			if p != point {
				return
			}
			if after--; after < 0 {
				die()
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	erased, err := ninety(s).Sweep(t.Context())
	t.Fatalf("the sweep has ended: %v, %v", erased, err)
}

func TestEraseCrashSQLite(t *testing.T) {
	testEraseCrash(t, filepath.Join(t.TempDir(), "a.db"))
}
func TestEraseCrashPostgres(t *testing.T) { testEraseCrash(t, cluster.Migrated(t)) }

// testEraseCrash checks that after a crash in the middle of a sweep each request is there as a
// whole or not at all, then with the job for its documents, and the audit log is valid.
func testEraseCrash(t *testing.T, database string) {
	const total = 150
	var l *audit.Log
	open := func() *store.Store {
		s, err := store.Open(t.Context(), store.Options{Database: database, Kind: store.Sandbox})
		if err != nil {
			t.Fatal(err)
		}
		l = auditOf(t, s, "sign.test/audit")
		return s
	}
	s := open()
	erasable(t, s, l, 0, total, eraseOld)
	check := func(when string) (left int) {
		t.Helper()
		for i := range total {
			id := plainRequest(i).ID
			_, err := s.Get(t.Context(), id)
			gone := errors.Is(err, api.ErrNoRecord)
			if err != nil && !gone {
				t.Fatal(err)
			}
			events, err := s.Events(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			jobs, err := s.Jobs(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			if gone != (len(events) == 0) || gone != (len(jobs) == 1) {
				t.Errorf(
					"%s: request %d: gone %t, %d events, %d jobs", when, i, gone, len(events),
					len(jobs),
				)
			}
			if !gone {
				left++
			}
		}
		if err := l.Integrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		r := verified(t, exported(t, l), audit.Trust{Key: l.Signer.Key()})
		if r.Erased != 2*(total-left) {
			t.Errorf("%s: %d events erased, and %d requests left", when, r.Erased, left)
		}
		return left
	}
	for _, point := range store.FaultPoints() {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestEraseCrashChild$")
		child.Env = append(
			os.Environ(), "STORE_ERASE_DATABASE="+database, "STORE_CRASH_POINT="+point,
		)
		out, err := child.CombinedOutput()
		if err == nil || !strings.Contains(err.Error(), "killed") {
			t.Fatalf("%s: the child was not killed: %v\n%s", point, err, out)
		}
		s = open()
		if left := check(point); left == 0 || left == total {
			t.Errorf(
				"%s: %d of %d requests are left: the crash was not in the middle", point, left,
				total,
			)
		}
	}
	if _, err := ninety(s).Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left := check("after the last sweep"); left != 0 {
		t.Errorf("%d requests are left", left)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestOtherTrailsSQLite(t *testing.T) {
	testOtherTrails(t, openSQLite(t, filepath.Join(t.TempDir(), "a.db")))
}

func TestOtherTrailsPostgres(t *testing.T) {
	testOtherTrails(t, openPostgres(t, cluster.Migrated(t)))
}

// testOtherTrails checks that enrolments and removals of phones and changes of relying parties are
// in the audit log, without the person, and are erased with what they tell of.
func testOtherTrails(t *testing.T, s *store.Store) {
	l := auditOf(t, s, "sign.test/audit")
	authority, err := ca.Open(t.TempDir(), ca.Options{
		Name: "Test", BaseURL: "https://sign.test/pki", Now: func() time.Time { return eraseOld },
		Rand: rand.Reader, Validity: day,
	})
	if err != nil {
		t.Fatal(err)
	}
	ann := signer.Person{UIN: "S8979373D", Name: "Tan Xiao Hui"}
	phone := enrolling{s, authority, eraseOld}.enrol(t, ann, "Ann's telephone")
	err = s.ChangePhones(
		t.Context(), ann.UIN, func(phones []signer.Phone) ([]signer.Phone, []signer.Event, error) {
			phones[0].RevokedAt = eraseOld
			return phones, []signer.Event{
				{PhoneID: phone.ID, At: eraseOld, Kind: signer.EventRemoved},
			}, nil
		},
	)
	if err != nil {
		t.Fatal(err)
	}
	p := party.Party{ClientID: "shop", Name: "Shop", JWKSURL: "https://shop.test/jwks"}
	change := func(kind party.ChangeKind, at time.Time, edits ...party.Edit) party.Change {
		return party.Change{ClientID: "shop", At: at, By: "Mei Lin", Kind: kind, Edits: edits}
	}
	edit := party.Edit{Field: "jwks_url", From: "https://shop.test/jwks", To: "https://evil.test/"}
	for _, err := range []error{
		s.AddParty(t.Context(), p, change(party.ChangeRegistered, eraseOld)),
		s.ChangeParty(t.Context(), p, 1, change(party.ChangeEdited, eraseOld, edit)),
		s.RenewKeys(t.Context(), "shop", change(party.ChangeKeysRenewed, eraseNow)),
		l.Integrate(t.Context()),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	sum := sha256.Sum256(phone.Certificate)
	file := string(exported(t, l))
	for _, want := range []string{
		`"request_id":"phone/` + phone.ID + `","seq":1`, `"kind":"enrolled"`,
		hex.EncodeToString(sum[:]),
		`"request_id":"phone/` + phone.ID + `","seq":2`, `"kind":"removed"`,
		`"request_id":"party/shop","seq":3`, `"by":"Mei Lin"`, "https://evil.test/",
	} {
		if !strings.Contains(file, want) {
			t.Errorf("the audit log has no %s", want)
		}
	}
	for _, mark := range []string{ann.UIN, ann.Name, ann.Hash(), "telephone"} {
		if strings.Contains(file, mark) {
			t.Errorf("the audit log names a person: %s", mark)
		}
	}

	sweeper := ninety(s)
	sweeper.Policy.Phones, sweeper.Policy.Changes = 90*day, 90*day
	erased, err := sweeper.Sweep(t.Context())
	if err != nil || erased[retention.Phones] != 1 || erased[retention.Changes] != 2 {
		t.Fatalf("erased %v, %v", erased, err)
	}
	err = s.RenewKeys(t.Context(), "shop", change(party.ChangeKeysRenewed, eraseNow))
	if err := errors.Join(err, l.Integrate(t.Context())); err != nil {
		t.Fatal(err)
	}
	after := exported(t, l)
	if r := verified(t, after, audit.Trust{Key: l.Signer.Key()}); r.Erased != 4 {
		t.Errorf("%d events were erased, want 4", r.Erased)
	}
	if strings.Contains(string(after), "phone/") || strings.Contains(string(after), "evil.test") ||
		!strings.Contains(string(after), `"request_id":"party/shop","seq":4`) {
		t.Errorf("the log after the sweep:\n%s", after)
	}
}
