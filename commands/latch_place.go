package commands

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/google/uuid"

	"pets/domain"
	"pets/internal/owner"
)

// errElsewhere means that the opened folder is no longer where the next start looks.
var errElsewhere = errors.New("its folder was moved, replaced or removed since it was opened; what stands there now was left alone")

// place is one file that keeps pending stops. The file and its folder stay open, so that
// a write depends on no free space, path or permission that was not there at the start.
type place struct {
	path  string
	makes bool // creates a missing folder

	root    *os.Root // nil until it is needed and exists
	file    *os.File // nil unless it has slots
	unread  bool     // it could not be understood
	current bool     // the file holds version
	version uint64
}

func (p *place) name() string { return filepath.Base(p.path) }

// enter opens the folder. The error for a missing folder matches fs.ErrNotExist.
func (p *place) enter() (err error) {
	if p.root != nil {
		return nil
	}
	dir := filepath.Dir(p.path)
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		return &fs.PathError{Op: "open", Path: dir, Err: syscall.ENOTDIR}
	}
	p.root, err = owner.OpenRoot(dir)
	return err
}

// enterToWrite is enter, and creates a missing folder if that is allowed. Another user
// gains nothing by creating it first: the folder must belong to a trusted user.
func (p *place) enterToWrite(trust owner.Trust) (err error) {
	if p.root != nil || !p.makes {
		return p.enter()
	}
	dir := filepath.Dir(p.path)
	if err := owner.MkdirAll(dir); err != nil {
		return err
	}
	p.root, err = trust.OpenRoot(dir, p.name())
	return err
}

// leave closes the file and the folder.
func (p *place) leave() {
	p.close()
	if p.root != nil {
		_ = p.root.Close()
		p.root = nil
	}
}

func (p *place) close() {
	if p.file != nil {
		_ = p.file.Close() // every acknowledged write was flushed
		p.file = nil
	}
}

// read returns the stops in the file.
func (p *place) read(trust owner.Trust) ([]PendingStop, error) {
	p.close()
	f, err := p.open()
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR): // no folder, no stops in it
		return nil, nil
	case err != nil:
		return nil, err
	}
	foreign := trust.File(f)
	list, ok, err := newestSlot(f)
	if err != nil || !ok || foreign != nil {
		defer func() { _ = f.Close() }() // only read
	} else {
		p.file = f
	}
	if err != nil {
		return nil, err
	}
	if !ok {
		list = f // written by an earlier build, without slots
	}
	all, err := readPending(list)
	for i := range all {
		if foreign != nil {
			all[i] = all[i].disowned(foreign)
		}
	}
	return all, err
}

// open opens the file, which must be a regular one: it never blocks on a pipe or device.
func (p *place) open() (*os.File, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	return owner.Open(p.root, p.name(), os.O_RDWR)
}

// keep writes a version of the pending stops, unless the file already holds it.
func (p *place) keep(all []PendingStop, version uint64, trust owner.Trust) error {
	if p.current && p.version == version && version != 0 && p.stands() == nil {
		return nil
	}
	p.current, p.version = false, version
	err := p.write(all, trust)
	p.current = err == nil
	return err
}

func (p *place) write(all []PendingStop, trust owner.Trust) error {
	var text bytes.Buffer
	if err := writePending(&text, all); err != nil {
		return err
	}
	if err := p.enterToWrite(trust); err != nil {
		return err
	}
	if p.file != nil && p.named() && fitsSlot(p.file, text.Len()) {
		if err := writeSlot(p.file, text.Bytes()); err == nil {
			return p.stands()
		}
		// A failed write may or may not have reached the disk, so write a new file.
	}
	err := p.replace(text.Bytes())
	if errors.Is(err, fs.ErrNotExist) && p.makes { // the folder was removed
		p.leave()
		if err = p.enterToWrite(trust); err == nil {
			err = p.replace(text.Bytes())
		}
	}
	if err != nil && p.file != nil {
		err = p.squeeze(all, text.Bytes(), err)
	}
	return errors.Join(err, p.stands())
}

// squeeze writes into the space that the file has. If the stops do not fit, it writes one
// stop of every portfolio instead.
func (p *place) squeeze(all []PendingStop, text []byte, failed error) error {
	if !fitsSlot(p.file, len(text)) {
		var short bytes.Buffer
		if err := writePending(&short, []PendingStop{everything(all)}); err != nil {
			return err
		}
		text = short.Bytes()
	}
	if err := writeSlot(p.file, text); err != nil {
		return errors.Join(failed, err)
	}
	return nil
}

// everything returns the one stop that replaces more stops than there is room for.
func everything(all []PendingStop) PendingStop {
	kind := domain.StopSystemError
	for _, p := range all {
		if p.Kind == domain.StopSecurityBreach {
			kind = p.Kind
		}
	}
	return PendingStop{
		Portfolio: everywhere, Caller: serverCaller, Key: uuid.NewString(), Kind: kind, At: all[len(all)-1].At,
		Reason: fmt.Sprintf("%d stops waited to be recorded, and the disk had no room to mark them one by one", len(all)),
	}
}

// replace creates a file with room for both slots, and renames it over the existing one.
func (p *place) replace(text []byte) error {
	tmp := p.name() + ".tmp"
	f, err := owner.Create(p.root, tmp)
	if err != nil {
		return err
	}
	dir, err := p.root.Open(".")
	if err != nil {
		return errors.Join(err, f.Close())
	}
	defer func() { _ = dir.Close() }() // read-only
	err = makeSlots(f, text)
	if err == nil {
		err = p.root.Rename(tmp, p.name())
	}
	if err == nil {
		err = dir.Sync()
	}
	if err != nil {
		_ = p.root.Remove(tmp) // frees its space
		return errors.Join(err, f.Close())
	}
	p.close()
	p.file = f
	return nil
}

// named reports whether the name in the folder still refers to the open file.
func (p *place) named() bool {
	there, err := p.root.Stat(p.name())
	if err != nil {
		return !errors.Is(err, fs.ErrNotExist) // not permitted to look: assume that it does
	}
	ours, err := p.file.Stat()
	return err == nil && os.SameFile(there, ours)
}

// stands returns [errElsewhere] if the next start would not find the file.
func (p *place) stands() error {
	there, err := os.Stat(p.path)
	switch {
	case p.file == nil:
		return nil // the caller already has an error
	case errors.Is(err, fs.ErrNotExist):
		return errElsewhere
	case err != nil:
		return nil //nolint:nilerr // not permitted to look: no start succeeds until that is fixed
	}
	ours, err := p.file.Stat()
	if err != nil || !os.SameFile(there, ours) {
		return errElsewhere
	}
	return nil
}

// there reports whether the file exists.
func (p *place) there() bool {
	if p.enter() != nil {
		return false
	}
	_, err := p.root.Lstat(p.name())
	return err == nil
}

func (p *place) setAside(now time.Time) (string, error) {
	p.close()
	suffix := ".unreadable-" + now.UTC().Format("20060102T150405.000000000")
	if err := p.enter(); err != nil {
		return p.path, err
	}
	if err := p.root.Rename(p.name(), p.name()+suffix); err != nil {
		return p.path, err
	}
	return p.path + suffix, nil
}

// remove removes the file, if it exists.
func (p *place) remove() error {
	p.close()
	err := p.enter()
	if err == nil {
		err = p.root.Remove(p.name())
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	p.leave()
	return err
}
