package embedded

import (
	"errors"
	"fmt"
	"io/fs"

	"pets/eventstore"
)

// refresh brings the index of a read-only store up to the durable mark, which a
// writer in another process may have moved. For a writer there is nothing to do:
// its index is the truth.
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
	if err := s.follow(); err != nil {
		return &eventstore.Unavailable{Cause: err}
	}
	return nil
}

// follow adds the frames between the end of the index and the mark. Each is
// durable, so each can be shown as soon as it was checked.
func (s *Store) follow() error {
	mark, err := s.mark.read()
	if err != nil {
		return err
	}
	segs, end := s.index.view()
	c := cursor{segs: segs}
	for end < mark {
		seg := &c.segs[len(c.segs)-1]
		h, b, err := c.frame(end, mark)
		if err != nil {
			// Where no frame stands, the writer went on in a new segment.
			next, missing := s.openNext(end)
			if missing != nil {
				return errors.Join(err, missing)
			}
			s.index.addSegment(next)
			c.segs, end = s.index.view()
			continue
		}
		if err := s.addFrame(seg, &h, b); err != nil {
			return err
		}
		end = h.end()
	}
	return nil
}

// openNext opens the segment that begins where the log as known ends.
func (s *Store) openNext(base uint64) (segment, error) {
	next, err := openSegment(s.options.FS, s.dir, base, s.uuid, Read)
	if errors.Is(err, fs.ErrNotExist) {
		return segment{}, fmt.Errorf("and no segment begins at %d", base)
	}
	return next, err
}
