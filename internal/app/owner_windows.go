package app

import "io/fs"

// owner returns the user id of a file's owner; ok is false if the system has none.
func owner(fs.FileInfo) (uid uint32, ok bool) { return 0, false }
