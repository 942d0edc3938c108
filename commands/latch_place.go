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

// errElsewhere: the folder that was opened is not where the next start looks.
var errElsewhere = errors.New("its folder was moved, replaced or removed since it was opened; what stands there now was left alone")

// place is one file that pending stops are kept in. Its folder and the file stay open:
// what is written needs no room, no name and no right that it has not had from the start.
type place struct {
	path  string
	makes bool // the folder, where it is missing

	root    *os.Root // nil until it is needed and there
	file    *os.File // nil unless it has two lists, see slots
	unread  bool     // it could not be understood
	current bool     // it has the version
	version uint64
}

func (p *place) name() string { return filepath.Base(p.path) }

// enter opens the folder. An error that it is not there is one of fs.ErrNotExist.
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

// enterToWrite is enter, and makes the folder where that may be. Whoever makes it first gets
// nothing: what has the name of one that was removed has to be of those who are believed.
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

// leave forgets the handles.
func (p *place) leave() {
	p.close()
	if p.root != nil {
		_ = p.root.Close()
		p.root = nil
	}
}

func (p *place) close() {
	if p.file != nil {
		_ = p.file.Close() // everything that was acknowledged in it is flushed
		p.file = nil
	}
}

// read returns what the file holds.
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
		defer func() { _ = f.Close() }() // it was only read
	} else {
		p.file = f
	}
	if err != nil {
		return nil, err
	}
	if !ok {
		list = f // of a build before this
	}
	all, err := readPending(list)
	for i := range all {
		if foreign != nil {
			all[i] = all[i].disowned(foreign)
		}
	}
	return all, err
}

// open opens the file, which has to be one: neither a pipe nor a device is waited for.
func (p *place) open() (*os.File, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	return owner.Open(p.root, p.name(), os.O_RDWR)
}

// keep writes a version of what is pending, unless it is there.
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
		// A write that failed may have reached the disk or not: a new file is sure.
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

// squeeze writes into the room there is. What does not fit becomes one stop of everything.
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

// everything stands for more stops than there is room for.
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

// replace makes a file with room, and puts it in the place of the one there is.
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
	defer func() { _ = dir.Close() }() // it is read only
	err = makeSlots(f, text)
	if err == nil {
		err = p.root.Rename(tmp, p.name())
	}
	if err == nil {
		err = dir.Sync()
	}
	if err != nil {
		_ = p.root.Remove(tmp) // what it took is of use elsewhere
		return errors.Join(err, f.Close())
	}
	p.close()
	p.file = f
	return nil
}

// named reports whether the name in the folder is still the file's.
func (p *place) named() bool {
	there, err := p.root.Stat(p.name())
	if err != nil {
		return !errors.Is(err, fs.ErrNotExist) // nobody may look: it is there as far as anybody knows
	}
	ours, err := p.file.Stat()
	return err == nil && os.SameFile(there, ours)
}

// stands reports whether the next start finds the file.
func (p *place) stands() error {
	there, err := os.Stat(p.path)
	switch {
	case p.file == nil:
		return nil // whoever asks has an error of his own
	case errors.Is(err, fs.ErrNotExist):
		return errElsewhere
	case err != nil:
		return nil //nolint:nilerr // nobody may look: no start succeeds before that is mended
	}
	ours, err := p.file.Stat()
	if err != nil || !os.SameFile(there, ours) {
		return errElsewhere
	}
	return nil
}

// there reports whether there is a file.
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

// remove takes the file away.
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
