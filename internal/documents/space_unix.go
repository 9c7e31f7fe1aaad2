//go:build unix

package documents

import "golang.org/x/sys/unix"

// FreeSpace returns how many bytes this process may still write to the file system of a path.
func FreeSpace(path string) (uint64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(path, &s); err != nil {
		return 0, err
	}
	return uint64(s.Bavail) * uint64(s.Bsize), nil
}
