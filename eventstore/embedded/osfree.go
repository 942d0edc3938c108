//go:build linux || darwin || freebsd

package embedded

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// freeOn returns what an ordinary user may still write to the folder's disk. Root
// may write more, but that rest keeps the machine working.
func freeOn(dir *os.File) (uint64, error) {
	conn, err := dir.SyscallConn()
	if err != nil {
		return 0, err
	}
	var s unix.Statfs_t
	var failed error
	err = conn.Control(func(fd uintptr) {
		for {
			if failed = unix.Fstatfs(int(fd), &s); !errors.Is(failed, unix.EINTR) {
				return
			}
		}
	})
	if err = errors.Join(err, failed); err != nil {
		return 0, os.NewSyscallError("fstatfs", err)
	}
	return uint64(s.Bavail) * uint64(s.Bsize), nil //nolint:unconvert,gosec // their types depend on the system
}
