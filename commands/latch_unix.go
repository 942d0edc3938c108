//go:build unix

package commands

import (
	"os"
	"path/filepath"
	"syscall"
)

// ownedLikeFolder gives a new file the owner of its folder where root writes it: a stop
// that root engaged must not leave a file that the server may not read. Where that is not
// possible the stop is marked all the same.
func ownedLikeFolder(f *os.File) {
	if os.Geteuid() != 0 {
		return
	}
	info, err := os.Stat(filepath.Dir(f.Name()))
	if err != nil {
		return
	}
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		_ = f.Chown(int(s.Uid), int(s.Gid)) // see above
	}
}
