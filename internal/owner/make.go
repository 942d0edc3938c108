package owner

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Keep is [Adopt] for the folder that the file lies in.
func Keep(f *os.File) error { return Adopt(f, filepath.Dir(f.Name())) }

// MkdirAll creates a folder that only its owner can enter, and its missing
// parents. Each gets the owner of its parent.
func MkdirAll(dir string) error { return MkdirLike(dir, "") }

// MkdirLike is [MkdirAll], but the folder itself gets the owner of another one,
// if given.
func MkdirLike(dir, other string) error {
	dir = filepath.Clean(dir)
	info, err := os.Stat(dir)
	switch {
	case err == nil && info.IsDir():
		return nil
	case err == nil:
		return notFolder(dir, info)
	case !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR): // a file above it is named below
		return err
	}
	if above := filepath.Dir(dir); above != dir {
		if err := MkdirAll(above); err != nil {
			return err
		}
	}
	root, err := OpenRoot(filepath.Dir(dir))
	if err != nil {
		return err
	}
	defer root.Close() //nolint:errcheck // nothing is written through it
	like := root
	if other != "" {
		if like, err = OpenRoot(other); err != nil {
			return err
		}
		defer like.Close() //nolint:errcheck // nothing is written through it
	}
	made, err := mkdir(root, filepath.Base(dir), like)
	if err != nil {
		return err
	}
	return made.Close()
}
