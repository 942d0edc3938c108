package embedded

import (
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"pets/eventstore"
)

const (
	// idleCheck is how often an idle store that is open for writing checks that
	// its folder is still there.
	idleCheck = time.Second
	// busyCheck is the largest age of the last such check when an append is
	// acknowledged. A check takes about ten microseconds, so it costs less than a
	// thousandth of the time.
	busyCheck = 20 * time.Millisecond
)

// began is the start of a monotonic clock for the ages of checks.
var began = time.Now()

// lastLook is when the folder was checked last, in nanoseconds since began.
type lastLook struct{ at atomic.Int64 }

func (l *lastLook) now() { l.at.Store(int64(time.Since(began))) }

func (l *lastLook) within(d time.Duration) bool {
	return int64(time.Since(began))-l.at.Load() < int64(d)
}

// stillThere checks that the path of the folder, and the names of the lock, the
// mark and the last segment, still name the open files, and that their content is
// what was written last. [Store.allThere] checks the other segments too.
//
// An open file outlives its name. Without this check, a store whose folder was
// moved, removed or replaced would continue to acknowledge records that no later
// start can find, and one whose lock was removed would have a second writer
// beside it.
func (s *Store) stillThere() error { return s.lookAt(1) }

func (s *Store) allThere() error { return s.lookAt(math.MaxInt) }

// lookAt checks that many segments from the end.
func (s *Store) lookAt(segments int) error {
	if err := s.folderThere(); err != nil {
		return err
	}
	for _, f := range s.mustBeThere(segments) {
		if err := s.stillNamed(&f); err != nil {
			return err
		}
	}
	if !s.readOnly {
		if err := s.stillWritten(); err != nil {
			return err
		}
	}
	s.lastLook.now()
	return nil
}

func (s *Store) folderThere() error {
	self, err := s.folder.Self()
	if err != nil {
		return s.moved("the open folder cannot be examined", err)
	}
	named, err := s.folder.Stat("")
	switch {
	case err != nil:
		return s.moved("the path of the folder cannot be looked up", err)
	case named.ID != self.ID:
		return s.moved("the path names another folder: the open one was moved or replaced", nil)
	}
	return nil
}

// opened is an open file of the folder and the name that it must still have.
type opened struct {
	name string
	file File
	size uint64 // it must not be shorter
}

func (s *Store) mustBeThere(segments int) []opened {
	all := make([]opened, 0, 3)
	if s.lock != nil {
		all = append(all, opened{name: lockName, file: s.lock})
	}
	if s.mark != nil {
		all = append(all, opened{name: markName, file: s.mark.file})
	}
	segs, end := s.index.view()
	for i := len(segs) - 1; i >= max(0, len(segs)-segments); i-- {
		all = append(all, opened{name: segmentName(segs[i].base), file: segs[i].file, size: max(end, segs[i].base) - segs[i].base})
		end = segs[i].base
	}
	return all
}

func (s *Store) stillNamed(f *opened) error {
	own, err := f.file.Stat()
	if err != nil {
		return s.moved("the open file "+f.name+" cannot be examined", err)
	}
	named, err := s.folder.Stat(f.name)
	switch {
	case err != nil:
		return s.moved("the name "+f.name+" cannot be looked up", err)
	case named.ID != own.ID:
		return s.moved("another file has the name "+f.name+" now", nil)
	case own.Size < f.size:
		return s.moved(fmt.Sprintf("%s has %d bytes, of which %d were in use: it was truncated or overwritten", f.name, own.Size, f.size), nil)
	}
	return nil
}

// written is what the last commit left: the position of the mark, and the
// beginning of the last group. A copy that was written over the open files has
// neither.
type written struct {
	mark   uint64
	file   File
	name   string
	offset int64
	header [frameHeaderLen]byte
}

func (s *Store) stillWritten() error {
	w := s.written.Load()
	if w == nil {
		return nil // nothing was acknowledged yet
	}
	if position, _, err := s.mark.look(); err != nil || position < w.mark {
		return s.moved("the durable mark is not what was written last", err)
	}
	var header [frameHeaderLen]byte
	if _, err := w.file.ReadAt(header[:], w.offset); err != nil || header != w.header {
		return s.moved(w.name+" is not what was written last", err)
	}
	return nil
}

func (s *Store) moved(what string, cause error) error {
	return &MovedError{Dir: s.dir, What: what, Cause: cause, Reader: s.readOnly}
}

// watch checks the folder while nothing is appended.
func (s *Store) watch() {
	ticker := time.NewTicker(idleCheck)
	defer ticker.Stop()
	for {
		select {
		case <-s.closed:
			return
		case <-ticker.C:
		}
		if s.poisoned.Load() != nil {
			return
		}
		if err := s.allThere(); err != nil {
			s.poison(err)
			return
		}
	}
}

// poison stops all writing until the store is opened again. The first cause is
// kept. If the folder is gone, that is reported instead, because the error of the
// write itself says little.
func (s *Store) poison(cause error) {
	var known *MovedError
	if moved := s.folderThere(); moved != nil && !errors.As(cause, &known) {
		cause = fmt.Errorf("%w (%w)", moved, cause)
	}
	p := &eventstore.Unavailable{Poisoned: true, Cause: cause}
	if s.poisoned.CompareAndSwap(nil, p) {
		s.tell(p)
	}
}

// tell calls Options.Trouble, which may call the store, in a goroutine of its
// own.
func (s *Store) tell(err error) {
	if s.options.Trouble != nil {
		go s.options.Trouble(err)
	}
}
