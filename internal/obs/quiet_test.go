package obs

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestQuiet checks that one line a minute is written of an outage, whichever logger writes it.
func TestQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		away := errors.New("away")
		log := slog.New(Quiet(
			slog.NewTextHandler(&out, nil), func(err error) bool { return errors.Is(err, away) },
		))
		wrapped := fmt.Errorf("reading: %w", away)
		log.Warn("a warning first", "err", wrapped)
		for range 3 {
			log.Error("a page", "err", wrapped)
			log.With("node", 1).WithGroup("g").Warn("a pass", "err", wrapped)
			log.Error("something else", "err", errors.New("other"))
			log.Info("no error", "why", away)
		}
		time.Sleep(59 * time.Second)
		log.Error("too early", "err", wrapped)
		time.Sleep(time.Second)
		log.Error("a minute later", "err", wrapped)
		for text, want := range map[string]int{
			"a warning first": 1, "a page": 1, "a pass": 0, "something else": 3, "no error": 3, "too early": 0,
			"a minute later": 1, "dropped_lines=6": 1, "dropped_lines": 1,
		} {
			if n := strings.Count(out.String(), text); n != want {
				t.Errorf("%q is there %d times, want %d", text, n, want)
			}
		}
		if t.Failed() {
			t.Log(out.String())
		}
	})
}
