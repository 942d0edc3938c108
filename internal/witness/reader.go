package witness

import (
	"github.com/google/uuid"

	"pets/eventstore"
)

// Reader is what a witness says, for a process that writes nothing.
type Reader struct{ entries map[string]*entry }

// Read reads the witness of a store in a folder. Where there is none, or one that
// cannot be used, the reader knows of no snapshot: to say more is the business of those
// who write.
func Read(dir string, store uuid.UUID) *Reader {
	k, err := readBook(dir)
	if err != nil || k == nil || k.store != store {
		return &Reader{}
	}
	return &Reader{k.entries}
}

// Newest returns the newest snapshot of a kind that was made of a stream when it had
// at most so many records: its size and the SHA-256 of its file.
func (r *Reader) Newest(kind, stream string, atMost uint64) (size uint64, hash eventstore.Hash, ok bool) {
	e := r.entries[stream]
	if e == nil {
		return 0, hash, false
	}
	s, ok := e.newest(kind, atMost)
	return s.size, s.hash, ok
}
