package migrate

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"pets/eventstore"
)

// Records are copied window by window, in the order in which the source has them over all
// streams. Within a window the records of one stream go together, in as few appends as the
// limits of the target allow, and streams are appended at the same time, because each append
// waits for the disk. So the order over all streams is kept from one window to the next, and
// within a window only that of each stream.
const (
	windowRecords = 4096
	windowBytes   = 4 << 20
	atOnce        = 8 // streams that are appended to at the same time
)

// window is what is appended before anything that comes behind it.
type window struct {
	records, bytes int
	last           eventstore.Position
	runs           []*run // in the order of their first records
	of             map[string]*run
}

// run is what a window has of one stream.
type run struct {
	stream  string
	first   uint64
	records []eventstore.Proposed
}

func (w *window) add(rec *eventstore.Record) {
	r := w.of[rec.Stream]
	if r == nil {
		if w.of == nil {
			w.of = map[string]*run{}
		}
		r = &run{stream: rec.Stream, first: rec.Revision}
		w.of[rec.Stream], w.runs = r, append(w.runs, r)
	}
	p := eventstore.Proposed{ID: rec.ID, Type: rec.Type, Time: rec.Time, Metadata: rec.Metadata, Data: rec.Data}
	r.records = append(r.records, p)
	w.records, w.bytes = w.records+1, w.bytes+p.Size()
}

func (m *Move) full(w *window) bool { return w.records >= m.window || w.bytes >= windowBytes }

// Copy appends to the target what the source has more, until it is at the end of what the
// source has at that moment. It returns how many records it copied.
func (m *Move) Copy(ctx context.Context) (copied uint64, err error) {
	w := window{}
	for rec, err := range m.source.ReadAll(ctx, m.after) {
		if err != nil {
			return copied, fmt.Errorf("source: %w", err)
		}
		w.last = rec.Position
		s := m.streams[rec.Stream]
		if s == nil {
			s = &stream{}
			m.streams[rec.Stream] = s
		}
		switch {
		case rec.Revision < s.size:
			continue // the target has it
		case rec.Revision > s.size:
			return copied, fmt.Errorf("source: stream %s: found revision %d instead of %d", rec.Stream, rec.Revision, s.size)
		}
		s.size++
		w.add(&rec)
		if !m.full(&w) {
			continue
		}
		if err := m.flush(ctx, &w); err != nil {
			return copied, err
		}
		copied += uint64(w.records) //nolint:gosec // a count
		m.progress(copied)
		w = window{}
	}
	if err := m.flush(ctx, &w); err != nil {
		return copied, err
	}
	return copied + uint64(w.records), nil //nolint:gosec // a count
}

// flush appends a window. It returns when every append has its outcome, with the error of the
// first that failed.
func (m *Move) flush(ctx context.Context, w *window) error {
	var next atomic.Int64
	var failed atomic.Pointer[error]
	var all sync.WaitGroup
	for range min(atOnce, len(w.runs)) {
		all.Go(func() {
			for failed.Load() == nil {
				i := int(next.Add(1)) - 1
				if i >= len(w.runs) {
					return
				}
				if err := m.append(ctx, w.runs[i]); err != nil {
					failed.CompareAndSwap(nil, &err)
				}
			}
		})
	}
	all.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	if (w.last != eventstore.Position{}) {
		m.after = w.last
	}
	return nil
}

// append appends a run, in as many appends as the target needs.
func (m *Move) append(ctx context.Context, r *run) error {
	first, rest := r.first, r.records
	for len(rest) > 0 {
		n := m.fit(rest)
		_, err := m.target.Append(ctx, r.stream, eventstore.Expected(first)-1, rest[:n]) //nolint:gosec // far below 2^63
		for large := (*eventstore.TooLarge)(nil); errors.As(err, &large) && n > 1; {
			n /= 2                                                                          // a store may count what it keeps beside a record
			_, err = m.target.Append(ctx, r.stream, eventstore.Expected(first)-1, rest[:n]) //nolint:gosec // far below 2^63
		}
		if err != nil {
			return refused(r.stream, first, err)
		}
		first, rest = first+uint64(n), rest[n:] //nolint:gosec // a count
	}
	return nil
}

// fit returns how many of the records go into one append, and at least 1.
func (m *Move) fit(records []eventstore.Proposed) int {
	bytes := 0
	for i := range records {
		if bytes += records[i].Size(); i > 0 && (bytes > m.limits.Bytes || i >= m.limits.Records) {
			return i
		}
	}
	return len(records)
}

// refused is the error of an append.
func refused(stream string, first uint64, err error) error {
	var conflict *eventstore.Conflict
	if errors.As(err, &conflict) {
		at := min(conflict.Actual.Next(), first)
		if at < first {
			return &DifferentError{stream, at, notInTarget}
		}
		return &DifferentError{stream, at, overtaken}
	}
	return fmt.Errorf("target: stream %s, from revision %d: %w", stream, first, err)
}

func missing(err error) bool {
	var none *eventstore.NotFound
	return errors.As(err, &none)
}
