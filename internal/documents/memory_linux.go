package documents

import "golang.org/x/sys/unix"

// InMemory reports whether the file system of a path loses its files when the machine stops.
func InMemory(path string) bool {
	var s unix.Statfs_t
	if err := unix.Statfs(path, &s); err != nil {
		return false
	}
	return s.Type == unix.TMPFS_MAGIC || s.Type == unix.RAMFS_MAGIC
}
