package embedded

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"
)

// Opening a store trusts the indexes of its segments as far as they are
// consistent with each other and with the ends of the segments, because verifying
// more would mean reading everything. The check does that afterwards in the
// background: it compares each frame, with both its checksums, with the index.

// checkPause follows each megabyte that the check has read. It limits the check
// to about 50 MB/s of disk reads and a small part of one core.
const checkPause = 20 * time.Millisecond

// check reads what was there when the store was opened, and reports damage.
func (s *Store) check() {
	segs, end := s.index.view()
	if !s.rest(s.options.CheckAfter) {
		return
	}
	c := checking{store: s, cursor: cursor{segs: segs}, end: end}
	err := c.run()
	select {
	case <-s.closed:
		return // it was not finished, or Close released the files
	default:
	}
	if err != nil {
		s.damage(err)
		return
	}
	s.checked.Store(true)
}

// damage reports what the check, or a reader, has found. Damage stops all
// writing, because decisions based on incomplete records may be wrong. A disk
// that does not answer is only reported.
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
		return c.store.wrongIndex(seg, fmt.Sprintf("it lists %d frames of %s, which has %d", known, segmentName(seg.base), frames))
	}
	return nil
}

// rest pauses, and reports whether the store is still open afterwards.
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

// wrongFrame is the damage of an index that lacks an intact frame.
func (s *Store) wrongFrame(seg *segment, h *frameHeader, frame []byte) error {
	damage := s.wrongIndex(seg, fmt.Sprintf("it lacks the frame at byte %d of %s", h.position-seg.base, segmentName(seg.base)))
	damage.Stream, damage.Revision = string(nameOf(frame, h)), h.first
	return damage
}

// wrongIndex sets the index of a segment aside, so that the next start reads the
// intact segment instead.
func (s *Store) wrongIndex(seg *segment, reason string) *DamageError {
	name := sealedName(seg.base)
	damage := &DamageError{File: filepath.Join(s.dir, name), Reason: reason}
	damage.Remedy = "the segment is intact: restart the writer, which detects this too, sets the index aside and reads the segment instead"
	if s.readOnly || s.poisoned.Load() != nil {
		return damage
	}
	damage.Remedy = "the segment is intact: restart, and it is read instead"
	aside, err := s.freeName(refusedPrefix+strings.TrimSuffix(name, sealedSuffix), sealedSuffix)
	if err == nil {
		err = s.folder.Rename(name, aside)
	}
	switch {
	case err == nil:
		damage.Reason += "; it was set aside as " + aside
	case errors.Is(err, fs.ErrNotExist): // the index exists only in memory
	default:
		damage.Reason += "; it could not be set aside: " + err.Error()
	}
	return damage
}
