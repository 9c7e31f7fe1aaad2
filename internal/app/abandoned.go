package app

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/signet-sign/signet/internal/disk"
	"github.com/signet-sign/signet/internal/store"
)

// dataPrefix begins the names of the temporary data folders of sandboxes.
const dataPrefix = "signet-sandbox-"

// startTime is how long a sandbox may take until it has locked its database.
const startTime = time.Minute

// removeAbandoned removes the data folders in dir of sandboxes that were killed: those whose
// database no process uses. Folders that it may not remove, such as those of other users, stay.
func removeAbandoned(dir string, log *slog.Logger) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		log.Warn("looking for data folders of sandboxes that were killed", "err", err)
		return
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if !e.IsDir() || !strings.HasPrefix(e.Name(), dataPrefix) || !abandoned(path) {
			continue
		}
		if err := os.RemoveAll(path); err != nil && !errors.Is(err, fs.ErrPermission) {
			log.Warn("removing the data folder of a sandbox that was killed", "err", err)
			continue
		}
		log.Info("removed the data folder of a sandbox that was killed", "data", path)
	}
}

// abandoned reports whether the sandbox that made a data folder has ended.
func abandoned(path string) bool {
	info, err := os.Stat(path)
	if err != nil || time.Since(info.ModTime()) < startTime {
		return false
	}
	used, err := store.InUse(filepath.Join(path, "signet.db"))
	return err == nil && !used
}

// unfinishedAge is the age from which on a file that was not completed is left of a program that
// was killed. Another node may be writing a younger one, by a clock that differs.
const unfinishedAge = 24 * time.Hour

// sweepUnfinished removes the hidden files that killed programs have left in the folders of the
// deployment, such as the beginning of a key.
func (a *App) sweepUnfinished() {
	if a.Config.Data == "" {
		return
	}
	for _, name := range []string{"", "keys", "authority"} {
		folder := filepath.Join(a.Config.Data, name)
		removed, err := disk.Sweep(folder, a.now().Add(-unfinishedAge))
		if err != nil {
			a.log.Warn("a file that was not completed stays", "err", err)
		}
		for _, name := range removed {
			a.log.Info("removed a file that was not completed", "folder", folder, "file", name)
		}
	}
}
