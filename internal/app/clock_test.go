package app

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/store/pgtest"
)

// serviceConfig is a configuration of the service for tests.
func serviceConfig(t *testing.T, database string) Config {
	return Config{
		Listen: "127.0.0.1:0", Control: "127.0.0.1:0", PublicURL: "https://sign.test",
		Data: t.TempDir(), Database: database, SessionLifetime: 3 * time.Minute,
		UnauthorizedStatus: 400, AuthorityName: "Signet",
	}
}

// TestClock checks that a node measures how far its clock is from the database's. From one second
// on it warns, once a minute, and from five on it is not ready.
func TestClock(t *testing.T) {
	var cluster pgtest.Cluster
	t.Cleanup(cluster.Stop)
	for _, test := range []struct {
		ahead        time.Duration
		warns, ready bool
	}{
		{0, false, true},
		{900 * time.Millisecond, false, true},
		{1100 * time.Millisecond, true, true},
		{-1100 * time.Millisecond, true, true},
		{4900 * time.Millisecond, true, true},
		{-5100 * time.Millisecond, true, false},
		{time.Hour, true, false},
	} {
		t.Run(test.ahead.String(), func(t *testing.T) {
			var log bytes.Buffer
			now := func() time.Time { return time.Now().Add(test.ahead) }
			a, err := Open(
				t.Context(), serviceConfig(t, cluster.Database(t)), now,
				slog.New(slog.NewTextHandler(&log, nil)),
			)
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := a.Close(); err != nil {
					t.Error(err)
				}
			}()
			err = errors.Join(a.clock.measure(t.Context()), a.clock.measure(t.Context()))
			if off := a.clock.offset() - test.ahead; err != nil || off.Abs() > 90*time.Millisecond {
				t.Errorf("the offset is %s, %v", a.clock.offset(), err)
			}
			const warning = "the clock of this node is not the database's"
			if n := strings.Count(log.String(), warning); (n == 1) != test.warns || n > 1 {
				t.Errorf("%d warnings:\n%s", n, &log)
			}
			if err := a.clock.check(t.Context()); (err == nil) != test.ready {
				t.Errorf("check: %v", err)
			}
			if s := a.sign.ClockOffset(); s != a.clock.offset() {
				t.Errorf("codes change by a clock that is %s ahead", s)
			}
		})
	}
}

// TestClockOfSQLite checks that SQLite has no second clock to compare with.
func TestClockOfSQLite(t *testing.T) {
	now := func() time.Time { return time.Now().Add(time.Hour) }
	a, err := Open(t.Context(), serviceConfig(t, ""), now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = a.Close() }()
	if err := a.clock.measure(t.Context()); err != nil || a.clock.offset() != 0 {
		t.Errorf("the offset is %s, %v", a.clock.offset(), err)
	}
}
