package owner

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Keep is [Adopt] for the folder that the file lies in.
func Keep(f *os.File) error { return Adopt(f, filepath.Dir(f.Name())) }

// MkdirAll makes a folder that only its owner can enter, and those above it that are
// missing, each of the owner of the one above.
func MkdirAll(dir string) error { return MkdirLike(dir, "") }

// MkdirLike is [MkdirAll], but the folder itself gets the owner of another one, if one is
// named.
func MkdirLike(dir, other string) error {
	dir = filepath.Clean(dir)
	info, err := os.Stat(dir)
	switch {
	case err == nil && info.IsDir():
		return nil
	case err == nil:
		return fmt.Errorf("%s is not a folder", dir)
	case !errors.Is(err, fs.ErrNotExist):
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
