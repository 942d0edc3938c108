// Package memory is a store that keeps its records only until the process ends.
// It owns the simplest implementation of the contract in eventstore, for tests,
// replays and backtests, and refuses any claim of durability: a record is visible
// as soon as it is appended.
package memory

import (
	"context"
	"iter"
	"slices"
	"sort"
	"sync"
	"time"

	"pets/eventstore"
)

// Store is an [eventstore.Store] in memory.
type Store struct {
	mu      sync.RWMutex
	all     []eventstore.Record            // in order of position; elements never change
	streams map[string][]eventstore.Record // the same records by stream
	changed chan struct{}                  // closed and replaced by every append
	closed  chan struct{}
	once    sync.Once
}

var _ eventstore.Store = (*Store)(nil)

// New returns an empty store.
func New() *Store {
	return &Store{
		streams: map[string][]eventstore.Record{},
		changed: make(chan struct{}),
		closed:  make(chan struct{}),
	}
}

// Append implements [eventstore.Store].
func (s *Store) Append(ctx context.Context, stream string, expected eventstore.Expected, records []eventstore.Proposed) (eventstore.Appended, error) {
	if err := s.usable(ctx); err != nil {
		return eventstore.Appended{}, err
	}
	if err := eventstore.Check(stream, expected, records); err != nil {
		return eventstore.Appended{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	stored := s.streams[stream]
	actual := eventstore.Expected(len(stored) - 1)
	if expected != actual {
		return alreadyThere(stream, stored, expected, records)
	}
	for i := range records {
		r := eventstore.Record{
			Stream:   stream,
			Revision: uint64(len(stored)),
			Position: eventstore.Position{Commit: uint64(len(s.all)) + 1},
			ID:       records[i].ID,
			Type:     records[i].Type,
			Time:     time.Unix(0, records[i].Time.UnixNano()).UTC(),
			Metadata: slices.Clone(records[i].Metadata),
			Data:     slices.Clone(records[i].Data),
		}
		s.all, stored = append(s.all, r), append(stored, r)
	}
	s.streams[stream] = stored
	close(s.changed)
	s.changed = make(chan struct{})
	return answer(stored, expected, len(records), false), nil
}

// alreadyThere answers an append whose expectation is wrong: with success if the
// same ids are stored where it wanted to put them, else with a conflict.
func alreadyThere(stream string, stored []eventstore.Record, expected eventstore.Expected, records []eventstore.Proposed) (eventstore.Appended, error) {
	actual := eventstore.Expected(len(stored) - 1)
	conflict := &eventstore.Conflict{Stream: stream, Expected: expected, Actual: actual}
	if expected > actual || len(stored)-int(expected+1) < len(records) {
		return eventstore.Appended{}, conflict
	}
	for i := range records {
		if stored[int(expected)+1+i].ID != records[i].ID {
			return eventstore.Appended{}, conflict
		}
	}
	return answer(stored, expected, len(records), true), nil
}

func answer(stored []eventstore.Record, expected eventstore.Expected, n int, idempotent bool) eventstore.Appended {
	first := expected.Next()
	return eventstore.Appended{
		First:      first,
		Last:       first + uint64(n) - 1, //nolint:gosec // n ≥ 1 by Check
		Position:   stored[first].Position,
		Idempotent: idempotent,
	}
}

// Head implements [eventstore.Store].
func (s *Store) Head(ctx context.Context, stream string) (uint64, error) {
	if err := s.usable(ctx); err != nil {
		return 0, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	n := len(s.streams[stream])
	if n == 0 {
		return 0, &eventstore.NotFound{Stream: stream}
	}
	return uint64(n) - 1, nil
}

// Streams implements [eventstore.Store].
func (s *Store) Streams(ctx context.Context) ([]string, error) {
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	names := make([]string, 0, len(s.streams))
	for name := range s.streams {
		names = append(names, name)
	}
	slices.Sort(names)
	return names, nil
}

// ReadStream implements [eventstore.Store].
func (s *Store) ReadStream(ctx context.Context, stream string, from uint64) iter.Seq2[eventstore.Record, error] {
	return func(yield func(eventstore.Record, error) bool) {
		if _, err := s.Head(ctx, stream); err != nil {
			yield(eventstore.Record{}, err)
			return
		}
		s.each(ctx, s.inStream(stream, from), false, yield)
	}
}

// ReadAll implements [eventstore.Store].
func (s *Store) ReadAll(ctx context.Context, after eventstore.Position) iter.Seq2[eventstore.Record, error] {
	return func(yield func(eventstore.Record, error) bool) {
		s.each(ctx, s.inAll(after), false, yield)
	}
}

// SubscribeStream implements [eventstore.Store].
func (s *Store) SubscribeStream(ctx context.Context, stream string, from uint64) iter.Seq2[eventstore.Record, error] {
	return func(yield func(eventstore.Record, error) bool) {
		s.each(ctx, s.inStream(stream, from), true, yield)
	}
}

// SubscribeAll implements [eventstore.Store].
func (s *Store) SubscribeAll(ctx context.Context, after eventstore.Position) iter.Seq2[eventstore.Record, error] {
	return func(yield func(eventstore.Record, error) bool) {
		s.each(ctx, s.inAll(after), true, yield)
	}
}

// inStream and inAll return a function that, with the lock held, returns the
// records that it has not returned before.
func (s *Store) inStream(stream string, from uint64) func() []eventstore.Record {
	return func() []eventstore.Record {
		stored := s.streams[stream]
		if from >= uint64(len(stored)) {
			return nil
		}
		rest := stored[from:]
		from = uint64(len(stored))
		return rest
	}
}

func (s *Store) inAll(after eventstore.Position) func() []eventstore.Record {
	return func() []eventstore.Record {
		i := sort.Search(len(s.all), func(i int) bool { return s.all[i].Position.Compare(after) > 0 })
		rest := s.all[i:]
		if len(rest) > 0 {
			after = rest[len(rest)-1].Position
		}
		return rest
	}
}

// each yields what more returns until there is nothing left or, when following,
// until the context or the store ends.
func (s *Store) each(ctx context.Context, more func() []eventstore.Record, follow bool, yield func(eventstore.Record, error) bool) {
	for {
		s.mu.RLock()
		records, changed := more(), s.changed
		s.mu.RUnlock()
		for i := range records {
			if err := s.usable(ctx); err != nil {
				yield(eventstore.Record{}, err)
				return
			}
			r := records[i]
			r.Metadata, r.Data = slices.Clone(r.Metadata), slices.Clone(r.Data)
			if !yield(r, nil) {
				return
			}
		}
		if len(records) > 0 {
			continue
		}
		if follow {
			select {
			case <-changed:
				continue
			case <-ctx.Done():
			case <-s.closed:
			}
		}
		if err := s.usable(ctx); err != nil {
			yield(eventstore.Record{}, err)
		}
		return
	}
}

// usable returns an error if the store is closed or the context has ended.
func (s *Store) usable(ctx context.Context) error {
	select {
	case <-s.closed:
		return &eventstore.Unavailable{Cause: eventstore.ErrClosed}
	default:
		return ctx.Err()
	}
}

// Close implements [eventstore.Store].
func (s *Store) Close() error {
	s.once.Do(func() { close(s.closed) })
	return nil
}
