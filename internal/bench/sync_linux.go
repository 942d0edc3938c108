package bench

import (
	"os"

	"golang.org/x/sys/unix"
)

// datasync is the flush that the store's own is compared with.
func datasync(f *os.File) error { return unix.Fdatasync(int(f.Fd())) }
