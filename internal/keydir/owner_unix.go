//go:build unix

package keydir

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// own gives a file that root writes to the user who owns its folder, and who could not read it
// otherwise: an operator's command runs as root beside a service that does not.
func own(f *os.File) error {
	if os.Geteuid() != 0 {
		return nil
	}
	info, err := os.Stat(filepath.Dir(f.Name()))
	if err != nil {
		return err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || stat.Uid == 0 {
		return nil
	}
	err = f.Chown(int(stat.Uid), int(stat.Gid))
	if errors.Is(err, fs.ErrPermission) { // a root that cannot: of a container, or on NFS
		return nil
	}
	return err
}
