package bench

import (
	"os"

	"golang.org/x/sys/unix"
)

// datasync is what the store's own flush is measured against.
func datasync(f *os.File) error { return unix.Fdatasync(int(f.Fd())) }
