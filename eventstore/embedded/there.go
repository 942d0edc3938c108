package embedded

import (
	"fmt"
	"sync/atomic"
	"time"

	"pets/eventstore"
)

const (
	// idleCheck is how often a store that is open for writing looks whether its
	// folder is still there.
	idleCheck = time.Second
	// busyCheck is how old the last look may be when an append is acknowledged.
	// A look takes a few microseconds, a flush a hundred: at most one in some
	// thousand is spent on it.
	busyCheck = 20 * time.Millisecond
)

// began is what the ages of looks are counted from: a monotonic clock.
var began = time.Now()

// looked is when the last look at the folder was, in nanoseconds since began.
type looked struct{ at atomic.Int64 }

func (l *looked) now() { l.at.Store(int64(time.Since(began))) }

func (l *looked) within(d time.Duration) bool {
	return int64(time.Since(began))-l.at.Load() < int64(d)
}

// opened is a file of the folder under the name that it must still have.
type opened struct {
	name string
	file File
	size uint64 // it must not be shorter
}

// stillThere checks that what the path of the folder, and the names of the lock,
// the mark and the last segment, name now is what is open here.
//
// An open file outlives its name. Without this, a store whose folder was moved,
// removed or replaced would go on acknowledging records that no later start can
// find, and one whose lock was removed would have a second writer beside it.
func (s *Store) stillThere() error {
	self, err := s.folder.Self()
	if err != nil {
		return s.moved("the open folder cannot be looked at: " + err.Error())
	}
	named, err := s.folder.Stat("")
	switch {
	case err != nil:
		return s.moved("the path of the folder cannot be looked up: " + err.Error())
	case named.ID != self.ID:
		return s.moved("the path names another folder now: the one that is open was moved or replaced")
	}
	for _, f := range s.mustBeThere() {
		if err := s.stillNamed(&f); err != nil {
			return err
		}
	}
	s.looked.now()
	return nil
}

func (s *Store) mustBeThere() []opened {
	all := make([]opened, 0, 3)
	if s.lock != nil {
		all = append(all, opened{name: lockName, file: s.lock})
	}
	if s.mark != nil {
		all = append(all, opened{name: markName, file: s.mark.file})
	}
	if segs, end := s.index.view(); len(segs) > 0 {
		last := &segs[len(segs)-1]
		all = append(all, opened{name: segmentName(last.base), file: last.file, size: max(end, last.base) - last.base})
	}
	return all
}

func (s *Store) stillNamed(f *opened) error {
	own, err := f.file.Stat()
	if err != nil {
		return s.moved(fmt.Sprintf("the open file %s cannot be looked at: %v", f.name, err))
	}
	named, err := s.folder.Stat(f.name)
	switch {
	case err != nil:
		return s.moved(fmt.Sprintf("the name %s cannot be looked up: %v", f.name, err))
	case named.ID != own.ID:
		return s.moved("another file has the name " + f.name + " now")
	case own.Size < f.size:
		return s.moved(fmt.Sprintf("%s has %d bytes, of which %d were in use: it was cut or overwritten", f.name, own.Size, f.size))
	}
	return nil
}

func (s *Store) moved(what string) error { return &MovedError{Dir: s.dir, What: what, Reader: s.readOnly} }

// watch looks after the folder while nothing is appended.
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
		if err := s.stillThere(); err != nil {
			s.poison(err)
			return
		}
	}
}

// poison ends all writing until the store is opened anew. The first cause stands.
func (s *Store) poison(cause error) {
	p := &eventstore.Unavailable{Poisoned: true, Cause: cause}
	if s.poisoned.CompareAndSwap(nil, p) {
		s.tell(p)
	}
}

// tell calls Options.Trouble, which may call the store: nobody waits for it.
func (s *Store) tell(err error) {
	if s.options.Trouble != nil {
		go s.options.Trouble(err)
	}
}
