package embedded

import (
	"errors"
	"io/fs"

	"pets/eventstore"
)

// refresh updates the index of a read-only store to the durable mark, which a
// writer in another process may have moved. For a writer it does nothing, because
// its index is always current.
func (s *Store) refresh() error {
	if !s.readOnly {
		return nil
	}
	s.refreshing.Lock()
	defer s.refreshing.Unlock()
	select {
	case <-s.closed:
		return closedError()
	default:
	}
	// If the folder was swapped, a reader that continued would show records that
	// no longer exist, or mix the files of two stores.
	if p := s.poisoned.Load(); p != nil {
		return p
	}
	if !s.lastLook.within(busyCheck) {
		if err := s.stillThere(); err != nil {
			s.poison(err)
			return s.poisoned.Load()
		}
	}
	if err := s.follow(); err != nil {
		return &eventstore.Unavailable{Cause: err}
	}
	return nil
}

// follow adds the frames between the end of the index and the mark. Each is
// durable, so each can be shown as soon as it is checked.
func (s *Store) follow() error {
	mark, err := s.mark.read()
	if err != nil {
		return err
	}
	segs, end := s.index.view()
	c := cursor{segs: segs}
	for position := c.enter(end); position < mark; position = c.enter(position) {
		h, b, err := c.frame(position, mark)
		if err == nil {
			if err := s.addFrame(&c.segs[c.segs.at(position)], &h, b); err != nil {
				return err
			}
			position = h.end()
			continue
		}
		// If there is no frame, the writer continued in a new segment.
		next, missing := s.openNext(position, err)
		if missing != nil {
			return missing
		}
		s.index.addSegment(next)
		c.segs, position = s.index.view()
	}
	return nil
}

// openNext opens the segment that begins where the known log ends. If there is
// none, it returns the reason why no frame could be read there.
func (s *Store) openNext(base uint64, reason error) (segment, error) {
	if last := s.index.segs[len(s.index.segs)-1]; base <= last.base {
		return segment{}, reason // the log goes on beyond it
	}
	next, err := openSegment(s.folder, s.dir, base, s.uuid, Read)
	if errors.Is(err, fs.ErrNotExist) {
		return segment{}, reason
	}
	return next, err
}
