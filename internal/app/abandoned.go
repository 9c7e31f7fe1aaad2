package app

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

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
