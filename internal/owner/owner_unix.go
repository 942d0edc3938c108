//go:build unix

package owner

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"syscall"
)

func like(f, dir *os.File) error {
	of, is, err := ids(f, dir)
	if err != nil || is.Uid != 0 || is.Uid == of.Uid && is.Gid == of.Gid {
		return err
	}
	if is.Mode&syscall.S_IFMT == syscall.S_IFREG && is.Nlink != 1 {
		return nil // it has a second name elsewhere, whose owner is unrelated to this folder
	}
	err = f.Chown(int(of.Uid), int(of.Gid))
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EINVAL) {
		return nil // root of a container that owns no other user's files: only the convenience is lost
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

// linked reports whether an open file may belong to another user who gave it a
// second name in a folder. If only its owner can write to the folder, links in it
// are allowed.
func linked(file, folder fs.FileInfo) bool {
	is, knowsIs := file.Sys().(*syscall.Stat_t)
	of, knowsOf := folder.Sys().(*syscall.Stat_t)
	if !knowsIs || !knowsOf || is.Nlink == 1 {
		return false
	}
	return is.Uid != of.Uid || folder.Mode().Perm()&0o022 != 0
}

func us() uint32 { return uint32(os.Geteuid()) } //nolint:gosec // a user id

func uidOf(info fs.FileInfo) (uid uint32, known bool) {
	s, known := info.Sys().(*syscall.Stat_t)
	if !known {
		return 0, false
	}
	return s.Uid, true
}

// inGroupOf reports whether the process is in the group of a file.
func inGroupOf(info fs.FileInfo) bool {
	s, known := info.Sys().(*syscall.Stat_t)
	groups, err := os.Getgroups()
	return known && err == nil && slices.Contains(append(groups, os.Getegid()), int(s.Gid))
}
