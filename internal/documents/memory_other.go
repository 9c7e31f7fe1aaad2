//go:build !linux

package documents

// InMemory reports whether the file system of a path loses its files when the machine stops. It is
// known on Linux only.
func InMemory(string) bool { return false }
