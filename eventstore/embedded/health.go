package embedded

import (
	"sync"
	"time"
)

// Health is the state of an open store.
type Health struct {
	// Poisoned is why nothing can be appended until the store is opened anew, or
	// nil.
	Poisoned error
	// Damaged is what is wrong on disk, or could not be read, by the check that
	// follows opening or by whoever has read there, or nil. Damage poisons; a disk that does not answer does not.
	Damaged error
	// Checked: that check has read everything that was there when the store was
	// opened, and it is what the indexes say.
	Checked bool
}

// Health says whether the store can be written to, and what is known of its disk.
func (s *Store) Health() Health {
	var h Health
	if p := s.poisoned.Load(); p != nil {
		h.Poisoned = p
	}
	if d := s.damaged.Load(); d != nil {
		h.Damaged = *d
	}
	h.Checked = s.checked.Load()
	return h
}

// freeAge is how long an answer of Free stands.
const freeAge = time.Second

// free remembers the last answer of the disk.
type free struct {
	mu    sync.Mutex
	asked time.Time
	bytes uint64
	err   error
}

// Free returns how many bytes of the disk that the folder is on can still be
// written. The answer is at most a second old.
func (s *Store) Free() (uint64, error) {
	s.free.mu.Lock()
	defer s.free.mu.Unlock()
	if now := time.Now(); s.free.asked.IsZero() || now.Sub(s.free.asked) >= freeAge {
		s.free.bytes, s.free.err = s.folder.Free()
		s.free.asked = now
	}
	return s.free.bytes, s.free.err
}

// roomFor reports whether a file that is only a convenience may be made: not if it
// takes what Options.Reserve keeps for the log. If that cannot be told, it may.
func (s *Store) roomFor(size uint64) bool {
	left, err := s.Free()
	return err != nil || left >= size+s.options.Reserve
}

// Poisoned is why nothing can be appended until the store is opened anew, or nil.
func (s *Store) Poisoned() error { return s.Health().Poisoned }
