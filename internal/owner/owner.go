//go:build unix

// Package owner keeps files the property of whoever owns the folder they lie in.
//
// It owns one rule: what root makes in somebody else's folder, as with sudo, belongs to
// that somebody, so that a service finds its own folder usable afterwards. It refuses to
// do anything for other users, who cannot give a file away.
package owner

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Keep gives an open file, which this process has just made, to the owner of its folder.
func Keep(f *os.File) error {
	uid, gid, differs, err := due(filepath.Dir(f.Name()), f.Stat)
	if err != nil || !differs {
		return err
	}
	return f.Chown(uid, gid)
}

// KeepPath is Keep for what has no open file, such as a socket or a folder. A link is not
// followed.
func KeepPath(path string) error {
	uid, gid, differs, err := due(filepath.Dir(path), func() (fs.FileInfo, error) { return os.Lstat(path) })
	if err != nil || !differs {
		return err
	}
	return os.Lchown(path, uid, gid)
}

// MkdirAll makes a folder that only its owner can enter, and those above it that are
// missing, each of the owner of the one above.
func MkdirAll(dir string) error {
	dir = filepath.Clean(dir)
	if info, err := os.Stat(dir); err == nil {
		if !info.IsDir() {
			return fmt.Errorf("%s is not a folder", dir)
		}
		return nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if above := filepath.Dir(dir); above != dir {
		if err := MkdirAll(above); err != nil {
			return err
		}
	}
	err := os.Mkdir(dir, 0o700)
	if errors.Is(err, fs.ErrExist) {
		return nil // somebody else was faster
	}
	if err != nil {
		return err
	}
	return KeepPath(dir)
}

// due says whom something in a folder should belong to, and whether it belongs to another.
func due(dir string, what func() (fs.FileInfo, error)) (uid, gid int, differs bool, err error) {
	if os.Geteuid() != 0 {
		return 0, 0, false, nil
	}
	folder, err := os.Stat(dir)
	if err != nil {
		return 0, 0, false, err
	}
	info, err := what()
	if err != nil {
		return 0, 0, false, err
	}
	want, ok1 := folder.Sys().(*syscall.Stat_t)
	has, ok2 := info.Sys().(*syscall.Stat_t)
	if !ok1 || !ok2 {
		return 0, 0, false, nil
	}
	return int(want.Uid), int(want.Gid), want.Uid != has.Uid || want.Gid != has.Gid, nil
}
