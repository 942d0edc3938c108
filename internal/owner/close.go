package owner

import (
	"errors"
	"io/fs"
	"os"
)

// CloseToGroup takes the right to write from the group of a folder of this process's own
// user, and of that user's plain files in it: a volume that is given to a group (fsGroup)
// gets it at each mount, and a umask of 002 gives it to whatever is made. It returns the
// mode that the folder had, 0 if nothing was changed in it.
//
// Only the owner does that, and only for a group that the process is in. What everybody may
// write to, what is somebody else's, or is reached by somebody else's link is left as it is,
// for [Trust.Folder] to refuse. A process of root changes no
// modes: a person does.
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

// closeFile does it for a plain file; of anything else nothing is read.
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
