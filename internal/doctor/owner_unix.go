//go:build unix

package doctor

import (
	"io/fs"
	"math"
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

// openFiles returns how many files and sockets this process can have open. Package os has raised
// the limit as far as it can.
func openFiles() uint64 {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return math.MaxUint64
	}
	return uint64(limit.Cur) // int64 on FreeBSD
}
