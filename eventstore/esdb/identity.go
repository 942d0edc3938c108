package esdb

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/google/uuid"

	"pets/eventstore"
)

const identityType = "pets.store_created.v1"

// identity reads the identity of the database, or gives it one. Of several that do
// so at once, the first wins.
func (s *Store) identity(ctx context.Context) (uuid.UUID, error) {
	p := newPatience(s.options.Patience)
	for {
		id, err := s.readIdentity(ctx, &p)
		if err != nil || id != uuid.Nil {
			return id, err
		}
		if s.options.Existing {
			return uuid.Nil, ErrNoStore
		}
		if err := s.writeIdentity(ctx, &p); err != nil && !is(err, conflicting) {
			return uuid.Nil, err
		}
		if !p.wait(ctx, s.link.closing) {
			return uuid.Nil, unavailable(errors.New("esdb: the identity of the store cannot be written"))
		}
	}
}

func (s *Store) readIdentity(ctx context.Context, p *patience) (uuid.UUID, error) {
	events, err := s.slice(ctx, p, s.wire(identityStream), esdb.Start{}, esdb.Forwards, 1)
	switch {
	case is(err, missing):
		return uuid.Nil, s.sound(ctx, p, identityStream)
	case is(err, gone):
		return uuid.Nil, damaged(identityStream, reasonDeleted)
	case err != nil:
		return uuid.Nil, err
	case len(events) == 0 || events[0].EventNumber != 0:
		return uuid.Nil, damaged(identityStream, reasonTruncated)
	}
	r, err := record(identityStream, events[0])
	if err != nil || r.Type != identityType {
		return uuid.Nil, damaged(identityStream, reasonForeign)
	}
	var body struct {
		UUID uuid.UUID `json:"uuid"`
	}
	if json.Unmarshal(r.Data, &body) != nil || body.UUID == uuid.Nil {
		return uuid.Nil, damaged(identityStream, "does not name the identity of the store")
	}
	return body.UUID, nil
}

// writeIdentity may write it, or not, and be repeated: what counts is what is read.
func (s *Store) writeIdentity(ctx context.Context, p *patience) error {
	id := uuid.New()
	events, _ := eventsOf([]eventstore.Proposed{{
		ID: id, Type: identityType, Time: time.Now(), Data: []byte(`{"uuid":"` + id.String() + `"}`),
	}})
	_, err := retry(ctx, s, p, func(ctx context.Context, c *esdb.Client) (*esdb.WriteResult, error) {
		return appendTo(ctx, c, s.wire(identityStream), esdb.NoStream{}, events, s.options.Timeout)
	})
	return err
}
