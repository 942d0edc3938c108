// Package owner keeps what root makes in the folder of a service usable by that
// service: a new file or folder gets the owner of the folder it is in. It does
// nothing for anybody but root, and never takes a file away from an owner who is
// not root.
//
// Whoever owns such a folder may put anything there in the place of a file, for root to
// write to. So files are opened by the handle of their folder, see [Open], [Create] and
// [OpenRoot]: what is no plain file, or has a name elsewhere, is refused, and only what is
// new changes its owner.
package owner

import (
	"errors"
	"os"
)

// Adopt gives an open file, made by root, the owner of a folder.
func Adopt(f *os.File, dir string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(Like(f, d), d.Close())
}

// Like is [Adopt] by the handle of the folder.
func Like(f, dir *os.File) error {
	if os.Geteuid() != 0 {
		return nil
	}
	return like(f, dir)
}
