//go:build linux

package doctor_test

import (
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/signet-sign/signet/internal/app"
	"github.com/signet-sign/signet/internal/store/disktest"
)

// TestFirstStartDiskFull makes a deployment on a disk that is full, at some file or another. The
// start fails with the reason; with room, the next one goes on from what is there, and nothing of
// the deployment is wrong.
func TestFirstStartDiskFull(t *testing.T) {
	if !disktest.Child(t) {
		return
	}
	for _, size := range []uint64{1, 30, 200, 400, 5000, 40_000} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			database := ""
			if size < 1000 { // keys and certificates
				database = cluster.Database(t)
			}
			c := newClinic(t, database)
			undo := disktest.LimitFiles(t, size)
			a, err := app.Open(t.Context(), c.config, c.now, slog.New(slog.DiscardHandler))
			undo()
			switch {
			case err == nil:
				t.Errorf("a start succeeds: %v", a.Close())
			case !strings.Contains(err.Error(), "too large") &&
				!strings.Contains(err.Error(), "I/O error"):
				t.Errorf("%v does not say that the disk is full", err)
			}
			c.start(false)
			for _, f := range c.diagnose() {
				if f.Check != "database server" { // the test's does not flush
					t.Errorf("%+v", f)
				}
			}
			c.must(filepath.WalkDir(c.config.Data, func(path string, d fs.DirEntry, err error) error {
				if err == nil && strings.HasPrefix(d.Name(), ".") {
					t.Errorf("%s is left", path)
				}
				return err
			}))
		})
	}
}
