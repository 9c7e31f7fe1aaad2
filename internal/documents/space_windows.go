package documents

import "golang.org/x/sys/windows"

// FreeSpace returns how many bytes this process may still write to the file system of a path.
func FreeSpace(path string) (free uint64, err error) {
	name, err := windows.UTF16PtrFromString(path)
	if err == nil {
		err = windows.GetDiskFreeSpaceEx(name, &free, nil, nil)
	}
	return free, err
}
