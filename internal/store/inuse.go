package store

import "errors"

// InUse reports whether a process uses the SQLite database of this path, which need not exist.
func InUse(path string) (bool, error) {
	unlock, err := lockFile(path + ".lock")
	if errors.Is(err, ErrInUse) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	return false, unlock()
}
