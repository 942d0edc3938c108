package witness

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"pets/internal/owner"
)

// An open file outlives its name. Without checking the names, a witness whose
// file or folder was removed or replaced would be written where no start looks
// for it, and a rollback of the store would not be detected.

// ChangedError reports that the folder of the witness, or a file in it, was
// moved, removed or replaced while it was open. The writer writes all of it
// again.
type ChangedError struct{ Dir, What string }

func (e *ChangedError) Error() string {
	return fmt.Sprintf("%s was changed under this process: %s. The whole witness is written there again; find out who did that", e.Dir, e.What)
}

// ForeignError reports that a file of another or unknown store has taken the
// place of the witness. It is left alone.
type ForeignError struct {
	Path  string
	Cause error
}

func (e *ForeignError) Error() string {
	return fmt.Sprintf("the file at %s is not the witness of this store (%v): it was left alone. Move it to where it belongs; then the witness is written again within a second", e.Path, e.Cause)
}

func (e *ForeignError) Unwrap() error { return e.Cause }

// enter opens the folder, takes its lock, and remembers the file of that name.
func (d *disk) enter() error {
	if _, err := d.folderStands(); err != nil {
		return err
	}
	if _, err := d.lockStands(); err != nil {
		return err
	}
	if f, err := owner.Open(d.root, fileName, os.O_RDONLY); err == nil { // otherwise whoever reads it reports it
		d.was = f
	}
	return nil
}

// stands compares what the names of the folder, its lock and the file mean now
// with what is open, and creates what is missing: the next pass is then a whole
// file. changed says what differs. With err nothing may be written.
func (d *disk) stands() (changed, err error) {
	folder, err := d.folderStands()
	if err != nil {
		return nil, err
	}
	lock, err := d.lockStands()
	if err != nil {
		return nil, err
	}
	file, err := d.fileStands()
	for _, what := range []string{folder, lock, file} {
		if what != "" {
			return &ChangedError{d.dir, what}, err
		}
	}
	return nil, err
}

// folderStands opens the current folder of the name each time, so that a folder
// that is not trusted is neither written to nor followed.
func (d *disk) folderStands() (changed string, err error) {
	named, err := d.open(d.dir)
	missing := errors.Is(err, fs.ErrNotExist)
	if err != nil && !missing {
		return "", err
	}
	if d.root != nil {
		if !missing {
			same, err := sameRoot(named, d.root)
			if same || err != nil {
				return "", errors.Join(err, named.Close())
			}
		}
		changed = "it is not there any more"
		if !missing {
			changed = "another folder has its name now"
		}
		_ = d.leave() // belongs to a folder that no start looks into
	}
	if missing {
		if err := d.make(); err != nil {
			return changed, err
		}
		if named, err = d.open(d.dir); err != nil {
			return changed, err
		}
	}
	d.root = named
	return changed, nil
}

func sameRoot(one, other *os.Root) (bool, error) {
	a, err1 := one.Stat(".")
	b, err2 := other.Stat(".")
	if err := errors.Join(err1, err2); err != nil {
		return false, err
	}
	return os.SameFile(a, b), nil
}

// lockStands takes the lock, again if the name of its file is not that of the
// open one.
func (d *disk) lockStands() (changed string, err error) {
	if d.held != nil {
		ours, err := d.held.Stat()
		if err != nil {
			return "", err
		}
		if named, err := d.root.Lstat(lockName); err == nil && os.SameFile(named, ours) {
			return "", nil
		}
		changed = "its file " + lockName + " was removed or replaced"
	}
	held, err := lock(d.root)
	switch {
	case errors.Is(err, errInUse):
		return changed, &InUseError{d.dir}
	case err != nil:
		return changed, err
	}
	if d.held != nil {
		_ = unlock(d.held) // it locks nothing that anyone looks for
	}
	d.held = held
	return changed, nil
}

func (d *disk) fileStands() (changed string, err error) {
	named, err := d.root.Lstat(fileName)
	open := d.file
	if open == nil {
		open = d.was
	}
	switch {
	case errors.Is(err, fs.ErrNotExist) && open == nil:
		return "", nil
	case errors.Is(err, fs.ErrNotExist):
		d.spoiled()
		d.forget()
		return "its file " + fileName + " was removed", nil
	case err != nil:
		return "", err
	}
	if open == nil && d.aside { // a person continues without what is there, whatever it is
		return "", nil
	}
	if open != nil {
		ours, err := open.Stat()
		if err != nil {
			return "", err
		}
		if os.SameFile(named, ours) {
			return d.contentStands(ours.Size()), nil
		}
	}
	d.spoiled()
	d.forget()
	if d.was, err = d.another(); err != nil {
		return "", &ForeignError{filepath.Join(d.dir, fileName), err}
	}
	d.aside = true
	return "another file, of the same store, has the name " + fileName + " now; it is kept as " + fileName + ".until-…", nil
}

// contentStands detects that the open file was overwritten.
func (d *disk) contentStands(size int64) (changed string) {
	if d.file == nil {
		return "" // it is about to be written whole
	}
	var head [passLen]byte
	if _, err := d.file.ReadAt(head[:], d.last.at); err == nil && head == d.last.head && size == d.size {
		return ""
	}
	d.spoiled()
	d.aside = true
	return "its file " + fileName + " is not what was written last; it is kept as " + fileName + ".until-…"
}

// another opens a file that has taken the name, if it is a witness of this store.
func (d *disk) another() (*os.File, error) {
	f, err := owner.Open(d.root, fileName, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	b := make([]byte, headerLen)
	n, _ := f.ReadAt(b, 0)
	store, err := parseHeader(b[:n])
	if err == nil && store != d.id {
		err = fmt.Errorf("it belongs to another store: %s", store)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
