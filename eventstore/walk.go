package eventstore

import (
	"context"
	"errors"
	"fmt"
)

// Walk passes every record of a stream from a revision on to apply, in order, and
// makes sure that none is missing. Every part of the product that reads a history
// uses it: start-up, catching up after a conflict, time travel and verification.
// A stream without records calls apply zero times. An error of apply ends the
// walk and is returned.
func Walk(ctx context.Context, store Store, stream string, from uint64, apply func(Record) error) error {
	next := from
	for rec, err := range store.ReadStream(ctx, stream, from) {
		var missing *NotFound
		if errors.As(err, &missing) {
			return nil
		}
		if err != nil {
			return err
		}
		if rec.Revision != next {
			return fmt.Errorf("stream %s: found revision %d instead of %d", stream, rec.Revision, next)
		}
		next++
		if err := apply(rec); err != nil {
			return fmt.Errorf("stream %s, revision %d: %w", stream, rec.Revision, err)
		}
	}
	return nil
}

// One reads the record at a revision.
func One(ctx context.Context, store Store, stream string, revision uint64) (Record, error) {
	for rec, err := range store.ReadStream(ctx, stream, revision) {
		if err == nil && rec.Revision != revision {
			err = fmt.Errorf("stream %s: found revision %d instead of %d", stream, rec.Revision, revision)
		}
		return rec, err
	}
	return Record{}, fmt.Errorf("stream %s: revision %d does not exist", stream, revision)
}
