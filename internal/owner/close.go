package owner

import (
	"errors"
	"io/fs"
	"os"
)

// CloseToGroup removes the group's write permission from a folder of this
// process's own user, and from that user's plain files in it. A volume that is
// given to a group (fsGroup) gets the permission at each mount, and a umask of
// 002 gives it to every new file. It returns the mode that the folder had, or 0
// if it changed nothing there.
//
// Only the owner does that, and only for a group that the process is in. A folder
// that everybody may write to, that belongs to somebody else, or that is reached
// through somebody else's link is left unchanged, for [Trust.Folder] to refuse. A
// process of root changes no modes; a person has to.
func (t Trust) CloseToGroup(dir string) (was fs.FileMode, err error) {
	if us() == 0 {
		return 0, nil
	}
	at, links, err := way(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer at.Close() //nolint:errcheck // it was only looked at
	for _, uid := range links {
		if !t.of(uid) {
			return 0, nil
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return 0, err
	}
	defer root.Close() //nolint:errcheck // nothing is written through it
	looked, err1 := at.Stat()
	is, err2 := root.Stat(".")
	if err := errors.Join(err1, err2); err != nil || !os.SameFile(looked, is) {
		return 0, err
	}
	if uid, known := uidOf(is); !known || uid != us() || is.Mode().Perm()&0o002 != 0 {
		return 0, nil
	}
	f, err := root.Open(".")
	if err != nil {
		return 0, err
	}
	defer f.Close() //nolint:errcheck // nothing is written through it
	if was, err = closeToGroup(f); err != nil {
		return 0, err
	}
	names, err := f.Readdirnames(-1)
	if err != nil {
		return was, err
	}
	for _, name := range names {
		if err := closeFile(root, name); err != nil {
			return was, err
		}
	}
	return was, nil
}

// closeFile does the same for a plain file and ignores anything else.
func closeFile(root *os.Root, name string) error {
	if info, err := root.Lstat(name); err != nil || info.Mode().Perm()&0o020 == 0 {
		return nil //nolint:nilerr // it is gone
	}
	f, err := open(root, name, os.O_RDONLY)
	if err != nil {
		return nil //nolint:nilerr // it is somebody else's, or no file
	}
	_, err = closeToGroup(f)
	return errors.Join(err, f.Close())
}

func closeToGroup(f *os.File) (was fs.FileMode, err error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	uid, known := uidOf(info)
	if !known || uid != us() || info.Mode().Perm()&0o022 != 0o020 || !inGroupOf(info) {
		return 0, nil
	}
	return info.Mode(), f.Chmod(info.Mode() &^ 0o020)
}
