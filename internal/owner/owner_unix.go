//go:build unix

package owner

import (
	"errors"
	"os"
	"syscall"
)

func like(f, dir *os.File) error {
	of, is, err := ids(f, dir)
	if err != nil || is.Uid != 0 || is.Uid == of.Uid && is.Gid == of.Gid {
		return err
	}
	if is.Mode&syscall.S_IFMT == syscall.S_IFREG && is.Nlink != 1 {
		return nil // it has a name elsewhere, whose owner is none of this folder's business
	}
	err = f.Chown(int(of.Uid), int(of.Gid))
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EINVAL) {
		return nil // a root of a container that owns nobody else's files: nothing is lost but the convenience
	}
	return err
}

func ids(f, dir *os.File) (of, is *syscall.Stat_t, err error) {
	folder, err := dir.Stat()
	if err != nil {
		return nil, nil, err
	}
	file, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	of, knowsOf := folder.Sys().(*syscall.Stat_t)
	is, knowsIs := file.Sys().(*syscall.Stat_t)
	if !knowsOf || !knowsIs {
		return nil, nil, errors.ErrUnsupported
	}
	return of, is, nil
}
