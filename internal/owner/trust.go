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

// UntrustedError: a folder or a file could have been made or changed by somebody who has
// nothing to do with the store. What stands in it is nobody's word.
type UntrustedError struct {
	Path string
	Why  string // what is wrong, and what to do about it
}

func (e *UntrustedError) Error() string {
	return fmt.Sprintf("%s is not used: %s. Find out who made it and what stands in it before anything in it is believed", e.Path, e.Why)
}

// Trust is whose files are believed: those of this process's user, of root, and of the
// owners of the folders that it was made for.
type Trust struct{ owners []uint32 }

// TrustOf makes one. A folder that is not there adds nobody.
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

// Folder refuses one that somebody else owns or may write to, to which somebody else's link
// leads, or in which somebody else's files lie, but for those that are named. One that is
// not there is not refused.
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

// OpenRoot is [OpenRoot] of a folder that [Trust.Folder] does not refuse. What was judged is
// what was opened, whatever has its name by now. One that is not there is an error of
// fs.ErrNotExist.
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

// opened judges what lies in a folder that was just opened, and that it is the one that was
// looked at.
func (t Trust) opened(dir string, at *os.File, root *os.Root, but []string) error {
	looked, err1 := at.Stat()
	is, err2 := root.Stat(".")
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	if !os.SameFile(looked, is) {
		return fmt.Errorf("%s was exchanged while it was opened", dir)
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

// own judges a folder by itself, and the links that led to it.
func (t Trust) own(dir string, f *os.File, links []uint32) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	for _, uid := range links {
		if !t.of(uid) {
			return &UntrustedError{dir, fmt.Sprintf("a link that user %d has made leads to it, and only those of user %s are followed; move the link away, or name the folder itself", uid, t)}
		}
	}
	if err := t.made(dir, info); err != nil {
		return err
	}
	if info.Mode().Perm()&0o022 != 0 {
		return &UntrustedError{dir, fmt.Sprintf("others than its owner may write to the folder (its mode is %04o); chmod go-w it, or name a folder in it that nobody else can write to", info.Mode().Perm())}
	}
	return nil
}

// dangling refuses somebody else's link to nothing: what is made goes where it leads.
func (t Trust) dangling(dir string) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return nil //nolint:nilerr // nothing is there
	}
	return t.made(dir, info)
}

// within looks at what lies in a folder.
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

// made refuses what somebody else owns.
func (t Trust) made(path string, info fs.FileInfo) error {
	if uid, known := uidOf(info); known && !t.of(uid) {
		return &UntrustedError{path, fmt.Sprintf("user %d owns it, and only what belongs to user %s is believed; chown it if it is right, or move it away", uid, t)}
	}
	return nil
}

// File refuses an open file that somebody else owns or may write to.
func (t Trust) File(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := t.made(f.Name(), info); err != nil {
		return err
	}
	if info.Mode().Perm()&0o022 != 0 {
		return &UntrustedError{f.Name(), fmt.Sprintf("others than its owner may write to it (its mode is %04o); chmod go-w it", info.Mode().Perm())}
	}
	return nil
}
