package embedded

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"
)

// Opening a store believes the indexes of its segments, as far as they agree with
// each other and with the ends of the segments: to do more, it would have to read
// everything. The check does that afterwards, in the background: each frame, with
// both its checksums, is compared with what the store believes to be there.

// checkPause follows each megabyte that the check has read: it takes some 50 MB/s
// of the disk at the most, and a small part of one core.
const checkPause = 20 * time.Millisecond

// check reads what was there when the store was opened, and says what it found.
func (s *Store) check() {
	segs, end := s.index.view()
	if !s.rest(s.options.CheckAfter) {
		return
	}
	c := checking{store: s, cursor: cursor{segs: segs}, end: end}
	err := c.run()
	select {
	case <-s.closed:
		return // it was not finished, or it was Close that took the files away
	default:
	}
	if err != nil {
		s.damage(err)
		return
	}
	s.checked.Store(true)
}

// damage reports what the check, or a reader, has found. Damage ends all writing: what is decided
// on records of which some are missing may be wrong. A disk that does not answer
// is reported only.
func (s *Store) damage(err error) {
	var damage *DamageError
	if !errors.As(err, &damage) {
		err = fmt.Errorf("check the log: %w", err)
	}
	known := s.damaged.Load()
	if news := known == nil || damage != nil && !errors.As(*known, new(*DamageError)); news && s.damaged.CompareAndSwap(known, &err) {
		s.tell(err)
	}
	if damage != nil {
		s.poison(err)
	}
}

type checking struct {
	store  *Store
	cursor cursor
	end    uint64
	rested uint64 // position at the last pause
}

func (c *checking) run() error {
	for i := range c.cursor.segs {
		seg, limit := &c.cursor.segs[i], c.end
		if i+1 < len(c.cursor.segs) {
			limit = c.cursor.segs[i+1].base
		}
		if err := c.segment(seg, limit); err != nil {
			return err
		}
	}
	return nil
}

func (c *checking) segment(seg *segment, limit uint64) error {
	frames := 0
	for position := seg.firstFrame(); position < limit; {
		if position-c.rested >= maxWindow {
			c.rested = position
			if !c.store.rest(checkPause) {
				return errNotWanted
			}
		}
		h, b, err := c.cursor.frame(position, limit)
		if err != nil {
			return err
		}
		if !c.store.index.holds(&h, nameOf(b, &h)) {
			return c.store.wrongFrame(seg, &h, b)
		}
		frames++
		position = h.end()
	}
	if known := c.store.index.between(seg.base, limit); known != frames {
		return c.store.wrongIndex(seg, fmt.Sprintf("it knows %d frames of %s, which has %d", known, segmentName(seg.base), frames))
	}
	return nil
}

// rest pauses, and reports whether the store is still open then.
func (s *Store) rest(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-s.closed:
		return false
	}
}

// wrongFrame is the damage of an index that does not know a frame which is whole.
func (s *Store) wrongFrame(seg *segment, h *frameHeader, frame []byte) error {
	damage := s.wrongIndex(seg, fmt.Sprintf("it does not say that a frame stands at byte %d of %s", h.position-seg.base, segmentName(seg.base)))
	damage.Stream, damage.Revision = string(nameOf(frame, h)), h.first
	return damage
}

// wrongIndex sets the index of a segment aside, so that the next start reads the
// segment itself, which is sound.
func (s *Store) wrongIndex(seg *segment, reason string) *DamageError {
	name := sealedName(seg.base)
	damage := &DamageError{File: filepath.Join(s.dir, name), Reason: reason}
	damage.Remedy = "the segment is whole: restart the writer, which finds this too, sets the index aside and reads the segment the next time"
	if s.readOnly || s.poisoned.Load() != nil {
		return damage
	}
	damage.Remedy = "the segment is whole: restart, and it is read instead"
	aside, err := s.freeName(refusedPrefix+strings.TrimSuffix(name, sealedSuffix), sealedSuffix)
	if err == nil {
		err = s.folder.Rename(name, aside)
	}
	switch {
	case err == nil:
		damage.Reason += "; it was set aside as " + aside
	case errors.Is(err, fs.ErrNotExist): // the index was made in memory
	default:
		damage.Reason += "; it could not be set aside: " + err.Error()
	}
	return damage
}
