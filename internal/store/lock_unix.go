//go:build unix

package store

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
)

// lockFile takes the lock of the process that uses a database. The kernel releases it when the
// process ends, in any way. The file is not removed, because otherwise two processes could lock two
// files with the same name.
func lockFile(path string) (unlock func() error, err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		owner := make([]byte, 20)
		n, _ := f.ReadAt(owner, 0)
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf(
				"%w (number %s, which holds %s)", ErrInUse, strings.TrimSpace(string(owner[:n])),
				path,
			)
		}
		return nil, fmt.Errorf("locking %s: %w", path, err)
	}
	if err := errors.Join(f.Truncate(0), writePID(f)); err != nil {
		_ = f.Close()
		return nil, err
	}
	return f.Close, nil
}

// writePID writes the process id for the error message of the next process.
func writePID(f *os.File) error {
	_, err := fmt.Fprintln(f, os.Getpid())
	return err
}
