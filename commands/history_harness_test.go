package commands

import (
	"context"
	"flag"
	"slices"
	"sync"

	"pets/eventstore"
)

// logHistory is a History in memory, made from the store when it is asked. Now and then it is
// behind the log, and now and then it is made again, as the real one is.
type logHistory struct {
	mu      sync.Mutex
	store   eventstore.Store
	streams map[string]*indexedStream
	asked   int
	err     error // of Find
	doubts  []error
	epoch   uint64
	keys    int // that were looked up
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
		found[i] = slices.Clone(s.hits[key])
	}
	h.keys += len(keys)
	return found, s.next, nil
}

// Epoch implements History.
func (h *logHistory) Epoch() uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.epoch
}

// Indexed implements History.
func (h *logHistory) Indexed(stream string) uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch h.asked++; {
	case h.err != nil:
		return 0
	case h.asked%7 == 0: // it was doubted, and is made again before it is asked
		h.epoch++
		return 0
	case h.asked%3 == 0:
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
	h.epoch++
}

var inMemory = flag.Bool("commands.memory", false, "let the writers of the tests hold everything in memory, instead of looking it up")

// withHistory gives writers a History, and nearly nothing in memory, or with the flag the
// opposite. The same tests hold for both.
func withHistory(store eventstore.Store, o Options) Options {
	if o.History == nil && !*inMemory {
		return lookingUp(store, o)
	}
	return o
}

func lookingUp(store eventstore.Store, o Options) Options {
	o.History, o.Recent = newLogHistory(store), 1
	return o
}

// fail makes every look-up fail, or work again.
func (h *logHistory) fail(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.err = err
	h.epoch++
}

// lose lets it forget some of what it has of a stream, as a damaged index does: every entry
// for which lost is true.
func (h *logHistory) lose(stream string, lost func() bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.stream(stream)
	for key := range s.hits {
		if lost() {
			delete(s.hits, key)
		}
	}
}

// makeAgain makes it again from the log, after a doubt.
func (h *logHistory) makeAgain(stream string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.err, h.doubts = nil, nil
	delete(h.streams, stream)
	h.catchUp(stream)
}
