package store

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/pressly/goose/v3"

	"github.com/signet-sign/signet/internal/calllog"
	"github.com/signet-sign/signet/internal/person"
	"github.com/signet-sign/signet/internal/request"
)

// openFrom opens a database that had the schema of a version, and rows that a statement added then.
func openFrom(t *testing.T, version int64, statement string) *Store {
	t.Helper()
	path := t.TempDir() + "/a.db"
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := sqlitePool(path, pragmas...)
	if err != nil {
		t.Fatal(err)
	}
	d := sqlite3()
	steps, err := loadMigrations(d)
	if err != nil {
		t.Fatal(err)
	}
	provider, err := goose.NewProvider(
		d.goose, db, nil, goose.WithGoMigrations(steps...),
		goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()),
	)
	if err == nil {
		_, err = provider.UpTo(t.Context(), version)
	}
	if err == nil {
		_, err = db.ExecContext(t.Context(), statement)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), Options{Database: path, Kind: Sandbox})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// TestPurgesBecomeJobs checks that purges that the version before has left behind are jobs after
// the migration.
func TestPurgesBecomeJobs(t *testing.T) {
	s := openFrom(
		t, 6, `INSERT INTO purges (due_at, request_id) VALUES (2, 'b'), (1, 'a'), (9, 'later')`,
	)
	jobs, err := s.Claim(
		t.Context(), request.JobPurge, time.UnixMicro(2), time.Minute, request.Quota{Jobs: 10},
	)
	if err != nil || len(jobs) != 2 || jobs[0].RequestID != "a" || jobs[1].RequestID != "b" ||
		!jobs[1].DueAt.Equal(time.UnixMicro(2)) {
		t.Errorf("claimed %+v, %v", jobs, err)
	}
}

// TestOldCallsHaveCodes checks that calls from before the column are found by their code.
func TestOldCallsHaveCodes(t *testing.T) {
	s := openFrom(
		t, 21, `INSERT INTO calls (at, party, authentic, request_id, kind, refused, data) VALUES
		(1, '', 0, '', 'cancel', 1, '{"v":1,"at":"2026-03-09T06:04:00Z","kind":"cancel","error":"UNAUTHORIZED"}'),
		(2, '', 0, '', 'cancel', 1, '{"v":1,"at":"2026-03-09T06:04:00Z","kind":"cancel","error":"REQUEST_EXPIRED"}'),
		(3, '', 0, '', 'cancel', 0, '{"v":1,"at":"2026-03-09T06:04:00Z","kind":"cancel"}')`,
	)
	for code, want := range map[string]int{"UNAUTHORIZED": 1, "REQUEST_EXPIRED": 1, "OTHER": 0, "": 3} {
		list, err := s.Calls(t.Context(), calllog.Filter{Code: code, Limit: 9})
		if err != nil || len(list) != want {
			t.Errorf("%s: %d calls, %v", code, len(list), err)
		}
	}
}

// AddOldProposal adds a row of the schema 28, in which proposals cannot be claimed.
const AddOldProposal = `INSERT INTO person_proposals
	(id, uin, act, phone_id, reason, operator, subject, at)
	VALUES ('p', 'S8979373D', 'lift', 'a', 'ticket 12', 'Mei', 'mei@idp', 1000000)`

// CheckOldProposal checks that what [AddOldProposal] added waits as it did, and is claimed once.
func CheckOldProposal(t *testing.T, s *Store) {
	t.Helper()
	at, until := time.Unix(1, 0).UTC(), time.Unix(3, 0).UTC()
	want := person.Proposal{
		ID: "p", By: person.Operator{Name: "Mei", Subject: "mei@idp"}, At: at,
		Act: person.Act{
			Kind: person.Lift, UIN: "S8979373D", PhoneID: "a", Reason: "ticket 12",
		},
	}
	list, err := s.PersonProposals(t.Context(), at)
	if err != nil || len(list) != 1 || list[0] != want {
		t.Errorf("%+v, %v, want %+v", list, err, want)
	}
	for _, want := range []error{nil, person.ErrClaimed} {
		err := s.ClaimProposal(t.Context(), "p", time.Unix(2, 0), until)
		if !errors.Is(err, want) {
			t.Errorf("claiming it: %v, want %v", err, want)
		}
	}
}

// TestOldProposalsSQLite opens a database in which an operator has proposed something.
func TestOldProposalsSQLite(t *testing.T) { CheckOldProposal(t, openFrom(t, 28, AddOldProposal)) }

// TestMigrationNumbers checks that no two migrations of a dialect have one number, and none is left
// out.
func TestMigrationNumbers(t *testing.T) {
	for _, d := range []dialect{sqlite3(), postgres()} {
		scripts, err := loadScripts(d)
		if err != nil {
			t.Fatal(err)
		}
		for i, m := range scripts {
			if m.Version != int64(i+1) {
				t.Errorf("%s: migration %d has the number %d", d.name, i+1, m.Version)
			}
		}
	}
}
