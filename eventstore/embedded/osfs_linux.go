package embedded

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// datasync flushes the data and, when the file grew, its size: fdatasync. A
// call that a signal interrupted did not fail and is made again.
func datasync(f *os.File) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = conn.Control(func(fd uintptr) {
		for {
			if failed = unix.Fdatasync(int(fd)); !errors.Is(failed, unix.EINTR) {
				return
			}
		}
	})
	if err != nil {
		return err
	}
	return os.NewSyscallError("fdatasync", failed)
}
