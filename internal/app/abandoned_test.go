package app

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/config"
)

// TestRemoveAbandoned checks that the folders of sandboxes that were killed go; those of running
// and starting ones, and of other programs, stay.
func TestRemoveAbandoned(t *testing.T) {
	dir := t.TempDir()
	old := time.Now().Add(-2 * startTime)
	folder := func(name string, age time.Time) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Join(path, "keys"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, age, age); err != nil {
			t.Fatal(err)
		}
		return path
	}
	c := config.SandboxDefaults()
	c.Listen, c.Control = "127.0.0.1:0", "127.0.0.1:0"
	c.Data = folder(dataPrefix+"running", old)
	a, err := OpenSandbox(
		t.Context(), c, time.Now, func(string) string { return "" }, slog.New(slog.DiscardHandler),
	)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(c.Data, old, old); err != nil {
		t.Fatal(err)
	}
	for name, stays := range map[string]bool{
		"running": true, "starting": true, "killed": false, "other": true,
	} {
		path := c.Data
		switch name {
		case "starting":
			path = folder(dataPrefix+name, time.Now())
		case "killed":
			path = folder(dataPrefix+name, old)
		case "other":
			path = folder(name, old)
		}
		removeAbandoned(dir, slog.New(slog.DiscardHandler))
		if _, err := os.Stat(path); (err == nil) != stays {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(c.Data, old, old); err != nil {
		t.Fatal(err)
	}
	removeAbandoned(dir, slog.New(slog.DiscardHandler))
	if _, err := os.Stat(c.Data); err == nil {
		t.Error("the folder of a sandbox that has ended stays")
	}
}
