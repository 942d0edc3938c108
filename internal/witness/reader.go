package witness

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"pets/eventstore"
)

// Reader is the content of a witness, for a process that writes nothing.
type Reader struct{ entries map[string]*entry }

// Read reads the witness of a store in a folder. If there is none, or one that
// cannot be used, the reader knows no snapshot; reporting the problem is left to
// writers.
func Read(dir string, store uuid.UUID) *Reader {
	k, err := readBook(dir)
	if err != nil || k == nil || k.store != store {
		return &Reader{}
	}
	return &Reader{k.entries}
}

// Newest returns the newest snapshot of a kind that was taken of a stream with at
// most so many records: its size and the SHA-256 of its file.
func (r *Reader) Newest(kind, stream string, atMost uint64) (size uint64, hash eventstore.Hash, ok bool) {
	e := r.entries[stream]
	if e == nil {
		return 0, hash, false
	}
	s, ok := e.newest(kind, atMost)
	return s.size, s.hash, ok
}

// Root returns the root of a stream's hash tree at a size, if it is the one that was written.
func (r *Reader) Root(stream string, size uint64) (root eventstore.Hash, ok bool) {
	if e := r.entries[stream]; e != nil && size > 0 && e.frontier.Size() == size {
		return e.frontier.Root(), true
	}
	return root, false
}

// Seen is the content of a witness at a moment, for a process that only reads. A
// store that is opened after that has to hold it.
type Seen struct {
	dir  string
	book *book // nil if there is none that can be used
}

// See reads the witness in a folder.
func See(dir string) Seen {
	b, err := readBook(dir)
	if err != nil {
		b = nil
	}
	return Seen{dir, b}
}

// Of reports whether the witness belongs to a store.
func (s Seen) Of(id uuid.UUID) bool { return s.book != nil && s.book.store == id }

// Missing compares the heads of a store with the witness. An error is an
// *[OtherStoreError] or a *[RolledBackError]. No record is read.
func (s Seen) Missing(ctx context.Context, store eventstore.Store, id uuid.UUID) error {
	switch {
	case s.book == nil:
		return nil
	case s.book.store != id:
		return &OtherStoreError{s.dir, s.book.store, id}
	}
	var found []Difference
	for _, name := range s.book.names() {
		d := Difference{Stream: name, Witnessed: s.book.entries[name].frontier.Size()}
		head, err := store.Head(ctx, name)
		if missing := (*eventstore.NotFound)(nil); err != nil && !errors.As(err, &missing) {
			return nil // reading on returns that error
		} else if err == nil {
			d.Found = head + 1
		}
		if d.Found < d.Witnessed {
			found = append(found, d)
		}
	}
	if len(found) > 0 {
		return &RolledBackError{s.dir, found}
	}
	return nil
}
