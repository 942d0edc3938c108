package eventstore

import (
	"context"
	"errors"
	"fmt"
)

// Walk hands every record of a stream from a revision on to apply, in order, and
// makes sure none is missing. It is the one way the product reads a history:
// start-up, catching up after a conflict, time travel and verification are all
// this. A stream without records is walked without a step; an error of apply
// ends the walk and is returned.
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
			return fmt.Errorf("stream %s: revision %d stands where %d belongs", stream, rec.Revision, next)
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
			err = fmt.Errorf("stream %s: revision %d stands where %d belongs", stream, rec.Revision, revision)
		}
		return rec, err
	}
	return Record{}, fmt.Errorf("stream %s: nothing stands at revision %d", stream, revision)
}
