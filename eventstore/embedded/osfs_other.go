//go:build unix && !linux

package embedded

import "os"

// datasync flushes the whole file where fdatasync is not reliable. On macOS, Sync
// also flushes the cache of the drive.
func datasync(f *os.File) error { return f.Sync() }
