package app

import (
	"bytes"
	"context"
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
			err = errors.Join(a.clock.measure(t.Context()), a.clock.measure(t.Context()))
			if off := a.clock.offset() - test.ahead; err != nil || off.Abs() > 90*time.Millisecond {
				t.Errorf("the offset is %s, %v", a.clock.offset(), err)
			}
			const warning = "the clock of this node is not the database's"
			if n := strings.Count(log.String(), warning); (n == 1) != test.warns || n > 1 {
				t.Errorf("%d warnings:\n%s", n, &log)
			}
			if err := a.clock.check(t.Context()); err != nil {
				t.Error(err)
			}
			if s := a.sign.ClockOffset(); (s - test.ahead).Abs() > 90*time.Millisecond {
				t.Errorf("codes change by a clock that is %s ahead", s)
			}
		})
	}
}

// TestClockIsSet sets the clock of a machine while the service runs. The time of the service goes on
// as before, until a measurement shows that the database's clock agrees with the machine's.
func TestClockIsSet(t *testing.T) {
	var log bytes.Buffer
	a, err := Open(
		t.Context(), serviceConfig(t, ""), time.Now, slog.New(slog.NewTextHandler(&log, nil)),
	)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = a.Close() }()
	// From here on all clocks are the test's.
	var passed, set time.Duration
	begin := a.clock.origin
	a.clock.machine = func() time.Time { return begin.Add(passed + set) }
	a.clock.elapsed = func(time.Time) time.Duration { return passed }
	a.clock.database = func(_ context.Context, now func() time.Time) (time.Duration, error) {
		return now().Sub(begin.Add(passed)), nil
	}
	measure := func() {
		t.Helper()
		if err := a.clock.measure(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	is := func(when string, want time.Duration, ready bool) {
		t.Helper()
		if got := a.now().Sub(begin); got != want {
			t.Errorf("%s: the time is %s, want %s", when, got, want)
		}
		if err := a.clock.check(t.Context()); (err == nil) != ready {
			t.Errorf("%s: check: %v", when, err)
		}
		if off := a.clock.offset(); ready && off != want-passed {
			t.Errorf("%s: the time is %s ahead", when, off)
		}
	}
	is("as it was made", 0, true)
	for _, wrong := range []time.Duration{time.Hour, -time.Hour, 24 * time.Hour} {
		passed, set = passed+10*time.Second, wrong
		is("set", passed, false)
		measure()
		passed += 10 * time.Second
		is("measured", passed, false)
		set = 0
		is("set back", passed, true)
	}
	if n := strings.Count(log.String(), "followed=false"); n != 3 {
		t.Errorf("%d warnings of a clock that is not followed:\n%s", n, &log)
	}
	// A small correction is followed at once.
	set = 3 * time.Second
	is("corrected", passed+set, true)
	measure()
	// The machine's clock was wrong, and is set right.
	a.clock.origin = begin.Add(-time.Hour)
	set = 0
	is("before it is measured", passed-time.Hour, false)
	measure()
	is("set right", passed, true)
}

// TestClockOfSQLite checks that SQLite has no second clock to compare with.
func TestClockOfSQLite(t *testing.T) {
	now := func() time.Time { return time.Now().Add(time.Hour) }
	a, err := Open(t.Context(), serviceConfig(t, ""), now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = a.Close() }()
	err = a.clock.measure(t.Context())
	if off := a.clock.offset(); err != nil || off.Abs() > 90*time.Millisecond {
		t.Errorf("the offset is %s, %v", off, err)
	}
}
