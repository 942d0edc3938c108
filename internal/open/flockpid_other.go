//go:build !linux

package open

import "os"

// flockPID always returns 0: the holder of a lock is unknown on this platform.
func flockPID(*os.File) int { return 0 }
