package store

import (
	"testing"
	"time"

	"github.com/pressly/goose/v3"

	"github.com/signet-sign/signet/internal/request"
)

// TestPurgesBecomeJobs checks that purges that the version before has left behind are jobs after
// the migration.
func TestPurgesBecomeJobs(t *testing.T) {
	path := t.TempDir() + "/a.db"
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
		d.goose,
		db,
		nil,
		goose.WithGoMigrations(
			steps...),
		goose.WithDisableGlobalRegistry(true),
		goose.WithLogger(goose.NopLogger()),
	)
	if err == nil {
		_, err = provider.UpTo(t.Context(), 6)
	}
	if err == nil {
		_, err = db.ExecContext(
			t.Context(),
			`INSERT INTO purges (due_at, request_id) VALUES (2, 'b'), (1, 'a'), (9, 'later')`,
		)
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
	defer func() { _ = s.Close() }()
	jobs, err := s.Claim(
		t.Context(), request.JobPurge, time.UnixMicro(2), time.Minute, request.Quota{Jobs: 10},
	)
	if err != nil || len(jobs) != 2 || jobs[0].RequestID != "a" || jobs[1].RequestID != "b" ||
		!jobs[1].DueAt.Equal(time.UnixMicro(2)) {
		t.Errorf("claimed %+v, %v", jobs, err)
	}
}

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
