//go:build !linux

package bench

import "os"

// datasync flushes everything, because there is no fdatasync.
func datasync(f *os.File) error { return f.Sync() }
