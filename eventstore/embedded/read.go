package embedded

import (
	"context"
	"iter"
	"time"

	"pets/eventstore"
)

// maxInterned limits the names that a reading remembers in order to share one
// string between records.
const maxInterned = 4096

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

// End returns the position after which the next record will come. It has no error.
func (s *Store) End(context.Context) (eventstore.Position, error) {
	_, end := s.index.view()
	return eventstore.Position{Commit: end}, nil
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

// each yields the records of a reading until there are no more or, when
// following, until the context or the store ends. It holds no lock while the
// receiver runs.
func (s *Store) each(ctx context.Context, r *reading, follow bool, yield func(eventstore.Record, error) bool) {
	for {
		_, end := s.index.view()
		records, err := r.next()
		if err != nil {
			yield(eventstore.Record{}, s.unavailable(err))
			return
		}
		for i := range records {
			if err := s.ended(ctx); err != nil {
				yield(eventstore.Record{}, err)
				return
			}
			if !yield(records[i], nil) {
				return
			}
		}
		if len(records) > 0 {
			continue
		}
		// Nothing is left, unless a writer in another process has added something.
		if err := s.refreshed(ctx); err != nil {
			yield(eventstore.Record{}, err)
			return
		}
		if r.more(end) {
			continue
		}
		if !follow {
			return
		}
		s.wait(ctx, r, end)
	}
}

// wait returns when a reading may have more than it had when the log ended at
// end, or when the context or the store has ended.
func (s *Store) wait(ctx context.Context, r *reading, end uint64) {
	var grown <-chan struct{}
	var poll <-chan time.Time
	if s.readOnly {
		timer := time.NewTimer(s.options.PollInterval)
		defer timer.Stop()
		poll = timer.C
	} else {
		grown = r.grown(end)
	}
	select {
	case <-grown:
	case <-poll:
	case <-ctx.Done():
	case <-s.closed:
	}
}

// reading is a place in one stream or in the whole log. It belongs to one
// goroutine.
type reading struct {
	store   *Store
	cursor  cursor
	end     uint64 // of what the cursor may read
	records []eventstore.Record
	strings map[string]string

	// In one stream: the known frames to come, and the next revision.
	stream string
	refs   []frameRef
	from   uint64
	// In the whole log: the next frame, and the position after which records
	// count.
	all   bool
	at    uint64
	after uint64
}

func (s *Store) inStream(stream string, from uint64) *reading {
	return &reading{store: s, stream: stream, from: from, strings: map[string]string{}}
}

func (s *Store) inAll(after eventstore.Position) *reading {
	return &reading{store: s, all: true, at: s.index.before(after.Commit), after: after.Commit, strings: map[string]string{}}
}

// more reports whether something was added after the log ended at end.
func (r *reading) more(end uint64) bool {
	if r.all {
		return r.store.index.longer(end)
	}
	return len(r.store.index.refs(r.stream, r.from)) > 0
}

// grown returns a channel that is closed once something was added after the log
// ended at end.
func (r *reading) grown(end uint64) <-chan struct{} {
	if r.all {
		return r.store.index.grown(end)
	}
	return r.store.index.streamGrown(r.stream, r.from)
}

// next returns the records of the next frame that has any for this reading, or
// none if there is nothing more for now. The slice is valid until the next call,
// the bytes in it permanently.
func (r *reading) next() ([]eventstore.Record, error) {
	for {
		position, ok := r.advance()
		if !ok {
			return nil, nil
		}
		h, frame, err := r.cursor.frame(position, r.end)
		if err != nil {
			return nil, err
		}
		r.passed(&h)
		if r.all && h.end() <= r.after {
			continue
		}
		if err := r.decode(&h, frame); err != nil {
			return nil, err
		}
		if len(r.records) > 0 {
			return r.records, nil
		}
	}
}

// advance returns the position of the frame that comes next, if there is one.
func (r *reading) advance() (uint64, bool) {
	if r.all {
		if r.at >= r.end {
			r.cursor.segs, r.end = r.store.index.view()
		}
		r.at = r.cursor.enter(r.at)
		return r.at, r.at < r.end
	}
	if len(r.refs) == 0 {
		r.refs = r.store.index.refs(r.stream, r.from)
		r.cursor.segs, r.end = r.store.index.view() // after the refs: it must cover them
	}
	if len(r.refs) == 0 {
		return 0, false
	}
	return r.refs[0].position, true
}

// passed moves the reading behind a frame that was read.
func (r *reading) passed(h *frameHeader) {
	if r.all {
		r.at = h.end()
		return
	}
	r.refs = r.refs[1:]
}

// decode fills records with those of a frame that belong to this reading. Their
// bytes are copied once, for the whole frame, into memory owned by the receiver.
func (r *reading) decode(h *frameHeader, frame []byte) error {
	stream := r.intern(nameOf(frame, h))
	r.records = r.records[:0]
	own := append([]byte(nil), frame[frameHeaderLen+h.nameLen:]...)
	err := decodeRecords(own, h, func(i uint64, raw *rawRecord) {
		position, revision := h.position+raw.offset, h.first+i
		if r.all && position <= r.after || !r.all && revision < r.from {
			return
		}
		r.records = append(r.records, eventstore.Record{
			Stream:   stream,
			Revision: revision,
			Position: eventstore.Position{Commit: position},
			ID:       raw.id,
			Type:     r.intern(raw.typ),
			Time:     time.Unix(0, raw.nanos).UTC(),
			Metadata: raw.metadata,
			Data:     raw.data,
		})
	})
	if err == nil && !r.all && (stream != r.stream || h.first > r.from || h.first+h.records <= r.from) {
		err = errImplausible // the index named a frame that does not hold this revision
	}
	if err != nil {
		seg := r.cursor.segs[r.cursor.segs.at(h.position)]
		damage := seg.damage(h.position, err.Error())
		damage.Stream, damage.Revision = stream, h.first
		return damage
	}
	r.from = h.first + h.records
	return nil
}

func (r *reading) intern(b []byte) string {
	if known, ok := r.strings[string(b)]; ok {
		return known
	}
	text := string(b)
	if len(r.strings) < maxInterned {
		r.strings[text] = text
	}
	return text
}
