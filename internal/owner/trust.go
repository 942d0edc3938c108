package owner

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// UntrustedError reports that a folder or a file could have been created or
// changed by a user who has nothing to do with the store, so its content cannot
// be trusted.
type UntrustedError struct {
	Path string
	Why  string // what is wrong, and what to do about it
}

func (e *UntrustedError) Error() string {
	return fmt.Sprintf("%s is not used: %s. Find out who made it and what is in it before you trust its content", e.Path, e.Why)
}

// Trust says whose files are trusted: those of this process's user, of root, and
// of the owners of the folders that it was made for.
type Trust struct{ owners []uint32 }

// TrustOf returns the trust for some folders. A missing folder adds no owner.
func TrustOf(folders ...string) Trust {
	t := Trust{[]uint32{0, us()}}
	for _, dir := range folders {
		if info, err := os.Stat(dir); err == nil {
			if uid, known := uidOf(info); known {
				t.owners = append(t.owners, uid)
			}
		}
	}
	return t
}

func (t Trust) of(uid uint32) bool { return slices.Contains(t.owners, uid) }

func (t Trust) String() string {
	names := make([]string, 0, len(t.owners))
	for _, uid := range slices.Compact(slices.Sorted(slices.Values(t.owners))) {
		names = append(names, strconv.FormatUint(uint64(uid), 10))
	}
	return strings.Join(names, ", ")
}

// Folder refuses a folder that another user owns or may write to, that another
// user's link leads to, or that holds another user's files, except the named
// ones. A missing folder is not refused.
func (t Trust) Folder(dir string, but ...string) error {
	f, links, err := way(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return t.dangling(dir)
	}
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // it was only looked at
	if err := t.own(dir, f, links); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	return t.within(dir, entries, but)
}

// Place is [Trust.Folder] without the content of the folder: whether a file made there by its
// name is one that nobody else can replace.
func (t Trust) Place(dir string) error {
	f, links, err := way(dir)
	if err != nil {
		return err
	}
	return errors.Join(t.own(dir, f, links), f.Close())
}

// OpenRoot is [OpenRoot] for a folder that [Trust.Folder] accepts. The checked
// folder is the one that is opened, even if its name changes meanwhile. A missing
// folder is an error of fs.ErrNotExist.
func (t Trust) OpenRoot(dir string, but ...string) (*os.Root, error) {
	at, links, err := way(dir)
	if errors.Is(err, fs.ErrNotExist) {
		if err := t.dangling(dir); err != nil {
			return nil, err
		}
	}
	if err != nil {
		return nil, err
	}
	defer at.Close() //nolint:errcheck // it was only looked at
	if err := t.own(dir, at, links); err != nil {
		return nil, err
	}
	root, err := OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	if err := t.opened(dir, at, root, but); err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return root, nil
}

// opened checks the content of a folder that was just opened, and that it is the
// one that was checked.
func (t Trust) opened(dir string, at *os.File, root *os.Root, but []string) error {
	looked, err1 := at.Stat()
	is, err2 := root.Stat(".")
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	if !os.SameFile(looked, is) {
		return fmt.Errorf("%s was replaced while it was opened", dir)
	}
	f, err := root.Open(".")
	if err != nil {
		return err
	}
	entries, err := f.ReadDir(-1)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return t.within(dir, entries, but)
}

// own checks the folder itself, and the links that led to it.
func (t Trust) own(dir string, f *os.File, links []uint32) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	for _, uid := range links {
		if !t.of(uid) {
			return &UntrustedError{dir, fmt.Sprintf("a link made by user %d leads to it, and only links of user %s are followed; move the link away, or name the folder itself", uid, t)}
		}
	}
	if err := t.made(dir, info); err != nil {
		return err
	}
	if info.Mode().Perm()&0o022 != 0 {
		return &UntrustedError{dir, fmt.Sprintf("others than its owner may write to the folder (its mode is %04o); run chmod go-w on it, or name a folder in it that only its owner can write to", info.Mode().Perm())}
	}
	return nil
}

// dangling refuses another user's link to nothing, because a new file would be
// created at its target.
func (t Trust) dangling(dir string) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return nil //nolint:nilerr // nothing is there
	}
	return t.made(dir, info)
}

// within checks the content of a folder.
func (t Trust) within(dir string, entries []os.DirEntry, but []string) error {
	for _, entry := range entries {
		if slices.Contains(but, entry.Name()) {
			continue
		}
		info, err := entry.Info()
		if err != nil {
			continue // it is gone again
		}
		if err := t.made(filepath.Join(dir, entry.Name()), info); err != nil {
			return err
		}
	}
	return nil
}

// made refuses a file of another user.
func (t Trust) made(path string, info fs.FileInfo) error {
	if uid, known := uidOf(info); known && !t.of(uid) {
		return &UntrustedError{path, fmt.Sprintf("user %d owns it, and only files of user %s are trusted; chown it if it is right, or move it away", uid, t)}
	}
	return nil
}

// Name refuses a name that another user made: a file of theirs, or a link, whatever
// it leads to. A missing one is not refused.
func (t Trust) Name(path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return nil //nolint:nilerr // nothing is there
	}
	return t.made(path, info)
}

// File refuses an open file that another user owns or may write to.
func (t Trust) File(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := t.made(f.Name(), info); err != nil {
		return err
	}
	if info.Mode().Perm()&0o022 != 0 {
		return &UntrustedError{f.Name(), fmt.Sprintf("others than its owner may write to it (its mode is %04o); run chmod go-w on it", info.Mode().Perm())}
	}
	return nil
}
