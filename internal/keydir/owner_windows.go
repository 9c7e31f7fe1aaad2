package keydir

import "os"

func own(*os.File) error { return nil }
