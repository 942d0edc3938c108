package embedded

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// Map implements [Mapper].
func (f osFile) Map(size uint64) ([]byte, func() error, error) {
	conn, err := f.SyscallConn()
	if err != nil {
		return nil, nil, err
	}
	var memory []byte
	var failed error
	err = conn.Control(func(fd uintptr) {
		memory, failed = unix.Mmap(int(fd), 0, int(size), unix.PROT_READ, unix.MAP_SHARED) //nolint:gosec // a segment, far below 2^63
	})
	if err = errors.Join(err, failed); err != nil {
		return nil, nil, os.NewSyscallError("mmap", err)
	}
	return memory, func() error { return unix.Munmap(memory) }, nil
}

// datasync flushes the data and, if the file grew, its size: fdatasync. An
// interrupted call is repeated.
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
