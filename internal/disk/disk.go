// Package disk writes files that exist completely or not at all, whenever the process or the
// machine stops. What a process writes and does not complete remains, at most, in a hidden file
// beside the one it was to be, which [Sweep] removes.
package disk

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// Create creates a file that must not exist, with what write writes. If there is one with its name,
// also one that another process creates at the same time, the error wraps fs.ErrExist. Create
// returns when the file and its name are on the disk.
func Create(path string, mode fs.FileMode, write func(*os.File) error) error {
	exists := &fs.PathError{Op: "create", Path: path, Err: fs.ErrExist}
	if _, err := os.Lstat(path); err == nil {
		return exists
	}
	temp, err := complete(filepath.Dir(path), mode, write)
	if err != nil {
		return err
	}
	// A hard link, unlike a rename, fails if the name exists. Some file systems have none, those of
	// memory cards among them; there a file of another process may be replaced that is created
	// between the two calls.
	err = os.Link(temp, path)
	switch {
	case errors.Is(err, fs.ErrExist):
		err = exists
	case err != nil:
		if _, absent := os.Lstat(path); absent == nil {
			err = exists
		} else if err = os.Rename(temp, path); err == nil {
			return SyncFolder(filepath.Dir(path))
		}
	}
	if err := errors.Join(err, os.Remove(temp)); err != nil {
		return err
	}
	return SyncFolder(filepath.Dir(path))
}

// Replace replaces a file, or creates it, with what write writes, and returns when the file and its
// name are on the disk. Of two concurrent calls, the content of one remains. A symbolic link
// remains and its target is replaced; to a device or a pipe, such as /dev/stdout, write writes
// directly.
func Replace(path string, mode fs.FileMode, write func(*os.File) error) error {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		return errors.Join(write(f), f.Close())
	}
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	temp, err := complete(filepath.Dir(path), mode, write)
	if err != nil {
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	return SyncFolder(filepath.Dir(path))
}

// complete writes a hidden file, which is on the disk, and returns its path. It removes the file if
// that fails.
func complete(folder string, mode fs.FileMode, write func(*os.File) error) (string, error) {
	path := filepath.Join(folder, unfinished+rand.Text())
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return "", err
	}
	err = write(f)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(path))
	}
	return path, nil
}

// unfinished is what the names of hidden files begin with; a text of rand.Text follows.
const unfinished = ".new-"

// Sweep removes the hidden files in a folder that interrupted calls of [Create] and [Replace] have
// left, and that were last written before a time. It returns their names. A folder that does not
// exist has none.
func Sweep(folder string, before time.Time) (removed []string, err error) {
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, e := range entries {
		random, ok := strings.CutPrefix(e.Name(), unfinished)
		if !ok || len(random) != len(rand.Text()) || !e.Type().IsRegular() {
			continue
		}
		info, gone := e.Info()
		if gone != nil || !info.ModTime().Before(before) {
			continue
		}
		if e := os.Remove(filepath.Join(folder, info.Name())); e == nil {
			removed = append(removed, info.Name())
		} else if !errors.Is(e, fs.ErrNotExist) {
			err = errors.Join(err, e)
		}
	}
	return removed, err
}

// SyncFolder flushes the names of the files in a folder, where the file system can do so.
func SyncFolder(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	err = f.Sync()
	if runtime.GOOS == "windows" || errors.Is(err, syscall.EINVAL) ||
		errors.Is(err, errors.ErrUnsupported) {
		err = nil
	}
	return errors.Join(err, f.Close())
}
