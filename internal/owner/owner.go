// Package owner keeps what root creates in the folder of a service usable by that
// service: a new file or folder gets the owner of the folder it is in. It acts
// only for root, and never takes a file away from an owner who is not root.
//
// The owner of such a folder may replace a file by anything, for root to write
// to. So files are opened by the handle of their folder, see [Open], [Create] and
// [OpenRoot]: anything that is not a plain file, or has a second name, is
// refused, and only new files change their owner.
package owner

import (
	"errors"
	"os"
	"os/user"
	"strconv"
)

// Adopt gives an open file, created by root, the owner of a folder.
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

// Other names the owner of a file, if that is not the user of this process.
func Other(path string) (name string, other bool) {
	info, err := os.Lstat(path)
	if err != nil {
		return "", false
	}
	uid, known := uidOf(info)
	if !known || uid == us() {
		return "", false
	}
	id := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(id); err == nil {
		return u.Username, true
	}
	return "user " + id, true
}
