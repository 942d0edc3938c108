package snapshot

import (
	"errors"
	"os"
)

// Checkpoints are disposable, and the space that is kept for stops and facts is not. So no
// checkpoint is written that comes near to that space.

// listRoom is added to the bytes of a checkpoint: for its list and for the ends of blocks.
const listRoom = 64 << 10

// mayWrite reports whether so many bytes of something disposable may be written: afterwards,
// the reserve and as much again is still free.
func mayWrite(free, reserve, size uint64) bool {
	return free >= reserve && free-reserve >= reserve && free-reserve-reserve >= size
}

// ErrNoRoom reports that a checkpoint was not written because the disk has too little free
// space. The Saver logs when that begins and when it ends.
var ErrNoRoom = errors.New("snapshot: the disk has too little free space for a checkpoint")

// room is the space that checkpoints leave free. Without a measure there is no limit.
type room struct {
	reserve uint64
	free    func(dir *os.File) (uint64, error)
	scarce  bool // it was logged
}

// Leave makes the Saver leave twice the reserve free on the disk of its folder. free returns the
// free bytes on the disk of a folder; if they are unknown, checkpoints are written. Call it
// before the first Save.
func (s *Saver) Leave(reserve uint64, free func(dir *os.File) (uint64, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.room = room{reserve: reserve, free: free}
}

// HasRoom reports whether a checkpoint of so many bytes would be written. It is cheap: ask it
// before a state is encoded for nothing.
func (s *Saver) HasRoom(size int) bool {
	root, err := s.enter()
	if err != nil {
		return true // the disk is not the reason for which nothing is written
	}
	defer root.Close() //nolint:errcheck // nothing is written through it
	m := s.measure(root, size)
	if !m.fits { // that something is written again, only what is written can tell
		s.tellRoom(m)
	}
	return m.fits
}

// fits reports whether a checkpoint of so many bytes may be written to a folder, and logs when
// that changes.
func (s *Saver) fits(root *os.Root, size int) bool {
	m := s.measure(root, size)
	s.tellRoom(m)
	return m.fits
}

// measured is what was found out before something is written.
type measured struct {
	free, needed uint64
	fits         bool
}

func (s *Saver) measure(root *os.Root, size int) measured {
	s.mu.Lock()
	r := s.room
	s.mu.Unlock()
	m := measured{needed: uint64(max(size, 0)) + listRoom, fits: true}
	if r.free == nil {
		return m
	}
	var err error
	if m.free, err = freeIn(root, r.free); err == nil {
		m.fits = mayWrite(m.free, r.reserve, m.needed)
	}
	return m
}

// tellRoom logs when the writing of checkpoints ends, or begins again.
func (s *Saver) tellRoom(m measured) {
	s.mu.Lock()
	defer s.mu.Unlock()
	changed := s.room.scarce == m.fits
	s.room.scarce = !m.fits
	switch {
	case !changed || s.log == nil:
	case m.fits:
		s.log.Info("checkpoints are written again: the disk has enough free space", "bytes", m.free)
	default:
		s.log.Warn("no checkpoints are written: they would come near to the space that PETS_DISK_RESERVE keeps for stops and facts. Starts and views of the past take longer, and nothing else changes. Free some space",
			"bytes", m.free, "needed", m.needed, "reserve", s.room.reserve)
	}
}

func freeIn(root *os.Root, free func(*os.File) (uint64, error)) (n uint64, err error) {
	dir, err := root.Open(".")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, dir.Close()) }()
	return free(dir)
}

// unsave removes the files of a checkpoint that was not completed. A start needs all of them.
func unsave(root *os.Root, c *Checkpoint, listed []item) {
	for _, p := range c.Parts {
		if !isListed(listed, p.Kind, c.Size) {
			_ = root.Remove(name(p.Kind, c.Stream, c.Size)) // it may not have been written
		}
	}
}

func isListed(all []item, kind string, size uint64) bool {
	for _, c := range all {
		if c.kind == kind && c.size == size {
			return true
		}
	}
	return false
}
