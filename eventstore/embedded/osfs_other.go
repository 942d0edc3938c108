//go:build unix && !linux

package embedded

import "os"

// datasync flushes the whole file where there is no fdatasync to be trusted; on
// macOS, Sync also flushes the cache of the drive.
func datasync(f *os.File) error { return f.Sync() }
