package embedded

import (
	"sync"
	"time"

	"pets/eventstore"
)

// Health reports whether the store can be written to, and what is known of its
// disk.
func (s *Store) Health() eventstore.Health {
	var h eventstore.Health
	if p := s.poisoned.Load(); p != nil {
		h.Poisoned = p
	}
	if d := s.damaged.Load(); d != nil {
		h.Damaged = *d
	}
	h.Checked = s.checked.Load()
	return h
}

// freeAge is how long a result of Free is reused.
const freeAge = time.Second

// free remembers the last result.
type free struct {
	mu    sync.Mutex
	asked time.Time
	bytes uint64
	err   error
}

// Free returns how many bytes can still be written to the folder's disk. The
// result is at most a second old.
func (s *Store) Free() (uint64, error) {
	s.free.mu.Lock()
	defer s.free.mu.Unlock()
	if now := time.Now(); s.free.asked.IsZero() || now.Sub(s.free.asked) >= freeAge {
		s.free.bytes, s.free.err = s.folder.Free()
		s.free.asked = now
	}
	return s.free.bytes, s.free.err
}

// roomFor reports whether an optional file may be created: not if it would use
// space that Options.Reserve keeps for the log. If the free space is unknown, it
// may.
func (s *Store) roomFor(size uint64) bool {
	left, err := s.Free()
	return err != nil || left >= size+s.options.Reserve
}

// Poisoned is why nothing can be appended until the store is opened again, or
// nil.
func (s *Store) Poisoned() error { return s.Health().Poisoned }
