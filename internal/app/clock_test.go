package app

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/config"
)

// serviceConfig is a configuration of the service for tests.
func serviceConfig(t *testing.T, database string) config.Config {
	return config.Config{
		Listen: "127.0.0.1:0", Control: "127.0.0.1:0", PublicURL: "https://sign.test",
		Data: t.TempDir(), Database: database, SessionLifetime: 3 * time.Minute,
		UnauthorizedStatus: 400, AuthorityName: "Signet",
	}
}

// TestClock checks that a node measures how far its clock is from the database's. From one second
// on it warns, once a minute, and from five on it does not start.
func TestClock(t *testing.T) {
	settings := serviceConfig(t, cluster.Database(t))
	for _, test := range []struct {
		ahead         time.Duration
		warns, starts bool
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
				t.Context(), settings, now, slog.New(slog.NewTextHandler(&log, nil)),
			)
			if !test.starts {
				want := "ahead of the database's"
				if test.ahead < 0 {
					want = "behind the database's"
				}
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("the node starts: %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := a.Close(); err != nil {
					t.Error(err)
				}
			}()
			err = errors.Join(a.clock.Measure(t.Context()), a.clock.Measure(t.Context()))
			if off := a.clock.Offset() - test.ahead; err != nil || off.Abs() > 90*time.Millisecond {
				t.Errorf("the offset is %s, %v", a.clock.Offset(), err)
			}
			const warning = "the clock of this node is not the database's"
			if n := strings.Count(log.String(), warning); (n == 1) != test.warns || n > 1 {
				t.Errorf("%d warnings:\n%s", n, &log)
			}
			if err := a.clock.Check(t.Context()); err != nil {
				t.Error(err)
			}
			if s := a.sign.ClockOffset(); (s - test.ahead).Abs() > 90*time.Millisecond {
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
	err = a.clock.Measure(t.Context())
	if off := a.clock.Offset(); err != nil || off.Abs() > 90*time.Millisecond {
		t.Errorf("the offset is %s, %v", off, err)
	}
}
