package embedded

// Waiting returns how many appends wait for the group commit.
func (s *Store) Waiting() int {
	s.queue.mu.Lock()
	defer s.queue.mu.Unlock()
	return len(s.queue.waiting)
}

// OS is the file system of the machine.
var OS FS = osFS{}

// SpareReady reports whether the next segment is filled.
func (s *Store) SpareReady() bool { return s.filler.hasReady() }
