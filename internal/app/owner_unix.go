//go:build unix

package app

import (
	"io/fs"
	"syscall"
)

// owner returns the user id of a file's owner; ok is false if the system has none.
func owner(info fs.FileInfo) (uid uint32, ok bool) {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return stat.Uid, true
}
