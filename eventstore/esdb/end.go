package esdb

import (
	"context"
	"errors"
	"io"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"

	"pets/eventstore"
)

// End returns the position of the last event of the database, of whatever stream: no record that is
// there now has one after it. It is zero where there are none.
func (s *Store) End(ctx context.Context) (eventstore.Position, error) {
	if err := s.usable(ctx); err != nil {
		return eventstore.Position{}, err
	}
	p := newPatience(s.options.Patience)
	last, err := retry(ctx, s, &p, func(ctx context.Context, c *esdb.Client) (eventstore.Position, error) {
		r, err := c.ReadAll(ctx, esdb.ReadAllOptions{Direction: esdb.Backwards, From: esdb.End{}, RequiresLeader: true}, 1)
		if err != nil {
			return eventstore.Position{}, err
		}
		defer r.Close()
		e, err := original(r.Recv())
		if errors.Is(err, io.EOF) {
			return eventstore.Position{}, nil
		}
		if err != nil {
			return eventstore.Position{}, err
		}
		return positionOf(e), nil
	})
	if err != nil {
		return eventstore.Position{}, s.outward(ctx, err)
	}
	return last, nil
}

// At returns the record at a position, which it has to have exactly, or NotFound.
func (s *Store) At(ctx context.Context, at eventstore.Position) (eventstore.Record, error) {
	if err := s.usable(ctx); err != nil {
		return eventstore.Record{}, err
	}
	p := newPatience(s.options.Patience)
	e, err := retry(ctx, s, &p, func(ctx context.Context, c *esdb.Client) (*esdb.RecordedEvent, error) {
		r, err := c.ReadAll(ctx, esdb.ReadAllOptions{From: esdb.Position{Commit: at.Commit, Prepare: at.Prepare}, RequiresLeader: true}, 1)
		if err != nil {
			return nil, err
		}
		defer r.Close()
		e, err := original(r.Recv())
		if errors.Is(err, io.EOF) {
			return nil, nil //nolint:nilnil // nothing is there
		}
		return e, err
	})
	if err != nil {
		return eventstore.Record{}, s.outward(ctx, err)
	}
	if e == nil || positionOf(e) != at {
		return eventstore.Record{}, &eventstore.NotFound{Stream: "$all"}
	}
	stream, is := s.own(e.StreamID)
	if !is {
		return eventstore.Record{}, &eventstore.NotFound{Stream: "$all"}
	}
	r, err := record(stream, e)
	if err != nil {
		return eventstore.Record{}, damaged(stream, reasonForeign)
	}
	return r, nil
}
