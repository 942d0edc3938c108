package witness

import (
	"context"
	"time"

	"github.com/google/uuid"

	"pets/eventstore"
)

// Compared is the result of comparing a store with its witness.
type Compared struct {
	// Dir is the folder of the witness. Written is when it was last written, or
	// zero if there is none.
	Dir     string
	Written time.Time
	// Streams is the number of witnessed streams.
	Streams int
	// Differences are the streams with fewer records than were witnessed, or
	// another last record. Changed are the streams in which an earlier record
	// differs.
	Differences []Difference
	Changed     []string
}

// Compare reads a whole store and compares it with the witness in a folder, root
// by root. It writes nothing and takes no lock: it reads the witness first, which
// may grow meanwhile. An unreliable witness is a *[DamagedError], one of another
// store an *[OtherStoreError].
func Compare(ctx context.Context, dir string, store eventstore.Store, id uuid.UUID) (c Compared, err error) {
	c.Dir = dir
	b, err := readBook(dir)
	switch {
	case err != nil:
		return c, &DamagedError{dir, err}
	case b == nil:
		return c, nil
	case b.store != id:
		return c, &OtherStoreError{dir, b.store, id}
	}
	c.Written, c.Streams = b.written, len(b.entries)
	if c.Differences, err = differences(ctx, store, b); err != nil {
		return c, err
	}
	short := map[string]bool{}
	for _, d := range c.Differences {
		short[d.Stream] = true
	}
	for _, name := range b.names() {
		if short[name] {
			continue
		}
		same, err := b.entries[name].sameRoot(ctx, store, name)
		if err != nil {
			return c, err
		}
		if !same {
			c.Changed = append(c.Changed, name)
		}
	}
	return c, nil
}

// sameRoot hashes a stream up to its witnessed size.
func (e *entry) sameRoot(ctx context.Context, store eventstore.Store, stream string) (bool, error) {
	var f eventstore.Frontier
	for rec, err := range store.ReadStream(ctx, stream, 0) {
		if err != nil {
			return false, err
		}
		if f.Size() == e.frontier.Size() {
			break
		}
		f.Append(eventstore.LeafHash(&rec))
	}
	return f.Size() == e.frontier.Size() && f.Root() == e.frontier.Root(), nil
}
