package commands

import (
	"context"
	"hash/fnv"
	"sync"
	"testing"

	"pets/eventstore"
)

// logHistory is a History in memory, made from the store when it is asked. It is behind the
// log now and then, as the real one is.
type logHistory struct {
	mu      sync.Mutex
	store   eventstore.Store
	streams map[string]*indexedStream
	asked   int
	err     error // of Find
	doubts  []error
}

type indexedStream struct {
	ids  *Identities
	next uint64
	hits map[HistoryKey][]HistoryHit
}

func newLogHistory(store eventstore.Store) *logHistory {
	return &logHistory{store: store, streams: map[string]*indexedStream{}}
}

func (h *logHistory) stream(name string) *indexedStream {
	s := h.streams[name]
	if s == nil {
		s = &indexedStream{ids: NewIdentities(h.store), hits: map[HistoryKey][]HistoryHit{}}
		h.streams[name] = s
	}
	return s
}

func (h *logHistory) catchUp(name string) *indexedStream {
	s := h.stream(name)
	err := eventstore.Walk(context.Background(), h.store, name, s.next, func(rec eventstore.Record) error {
		entries, err := s.ids.Of(context.Background(), &rec)
		if err != nil {
			return err
		}
		for _, e := range entries {
			s.hits[e.Key] = append(s.hits[e.Key], HistoryHit{rec.Revision, e.Mark})
		}
		s.next = rec.Revision + 1
		return nil
	})
	if err != nil {
		h.err = err
	}
	return s
}

// Find implements History.
func (h *logHistory) Find(stream string, keys []HistoryKey) ([][]HistoryHit, uint64, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err != nil {
		return nil, 0, h.err
	}
	s := h.stream(stream)
	found := make([][]HistoryHit, len(keys))
	for i, key := range keys {
		found[i] = s.hits[key]
	}
	return found, s.next, nil
}

// Indexed implements History.
func (h *logHistory) Indexed(stream string) uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.asked++; h.asked%3 == 0 {
		return h.stream(stream).next
	}
	return h.catchUp(stream).next
}

// Await implements History.
func (h *logHistory) Await(_ context.Context, stream string, _ uint64) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err != nil {
		return h.err
	}
	h.catchUp(stream)
	return h.err
}

// Doubt implements History.
func (h *logHistory) Doubt(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.doubts = append(h.doubts, err)
}

// withHistory gives the writers of half of the tests a History, and nearly nothing in memory.
// The others hold everything. So the same tests hold for both.
func withHistory(t testing.TB, store eventstore.Store, o Options) Options {
	h := fnv.New32a()
	h.Write([]byte(t.Name()))
	if o.History == nil && h.Sum32()%2 == 0 {
		return lookingUp(store, o)
	}
	return o
}

func lookingUp(store eventstore.Store, o Options) Options {
	o.History, o.recent = newLogHistory(store), 1
	return o
}
