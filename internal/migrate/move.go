// Package migrate copies the records of one store into another, and proves that they are the
// same.
//
// It owns the order of the copy, how a copy that was interrupted goes on, and what "the same"
// means: each stream has the same records at the same revisions, with the same id, type, time,
// metadata and data, byte for byte, and so the same tree head. Positions and the identity of a
// store are its own and are not copied. It refuses a target that holds anything else, and never
// changes or removes a record there. It knows bytes only, and opens no store.
package migrate

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"

	"pets/eventstore"
)

// Move is a copy from one store into another. Begin comes first, then Copy and Verify, which
// may be repeated for what the source has got meanwhile. After an error begin a new Move: it
// goes on where the target ends. A Move is used by one goroutine.
type Move struct {
	source, target eventstore.Store
	limits         eventstore.Limits
	streams        map[string]*stream
	after          eventstore.Position // of the source: all before it is in the target
	window         int                 // records; see windowRecords
	// Progress, if set, hears how many records the running step is through with.
	Progress func(done uint64)
}

// stream is what is known of one stream.
type stream struct {
	size uint64 // how many records the target has, by what was found there and what was appended
	// source and target are the trees over the records that were read from both stores and
	// compared.
	source, target eventstore.Frontier
}

// New returns a Move, which has done nothing yet.
func New(source, target eventstore.Store) *Move {
	return &Move{source: source, target: target, limits: eventstore.LimitsOf(target), streams: map[string]*stream{}, window: windowRecords}
}

// DifferentError reports the first record at which the target is not a copy of the source.
type DifferentError struct {
	Stream   string
	Revision uint64
	What     string
}

func (e *DifferentError) Error() string {
	return fmt.Sprintf("stream %s, revision %d: %s", e.Stream, e.Revision, e.What)
}

// What is found where the target differs.
const (
	notInSource = "the source has no such record"
	notInTarget = "the target lacks it"
	overtaken   = "something else appended to the target meanwhile"
)

// Head is a stream that was found equal on both sides.
type Head struct {
	Stream string
	Size   uint64
	Root   eventstore.Hash
}

// Begin compares everything that the target holds with the source, and finds the place from
// which the rest is to be copied. It returns how many records the target has.
func (m *Move) Begin(ctx context.Context) (there uint64, err error) {
	theirs, err := m.target.Streams(ctx) // first, because the source may get new streams meanwhile
	if err != nil {
		return 0, fmt.Errorf("target: %w", err)
	}
	ours, err := m.source.Streams(ctx)
	if err != nil {
		return 0, fmt.Errorf("source: %w", err)
	}
	for _, name := range theirs {
		if _, found := slices.BinarySearch(ours, name); !found {
			return 0, &DifferentError{name, 0, notInSource}
		}
	}
	if len(theirs) == 0 { // all is to be copied
		for _, name := range ours {
			m.streams[name] = &stream{}
		}
		return 0, nil
	}
	p := places{}
	for _, name := range ours {
		s := &stream{}
		m.streams[name] = s
		if err := m.compare(ctx, name, s, there, &p); err != nil {
			return there, err
		}
		s.size = s.target.Size()
		there += s.size
	}
	m.after = p.before()
	return there, nil
}

// places collects where streams end in the target, as positions of the source.
type places struct {
	last []eventstore.Position // of the last record of each stream that the target has
	next eventstore.Position   // the first of those that it lacks, if lacks is set
	lack bool
}

func (p *places) missing(at eventstore.Position) {
	if !p.lack || at.Compare(p.next) < 0 {
		p.next, p.lack = at, true
	}
}

// before is the last known place before everything that is missing.
func (p *places) before() (at eventstore.Position) {
	for _, last := range p.last {
		if last.Compare(at) > 0 && (!p.lack || last.Compare(p.next) < 0) {
			at = last
		}
	}
	return at
}

// compare reads on in a stream of both stores as far as the target goes. done counts records
// of other streams, for the progress. p, if given, gets where the target ends.
func (m *Move) compare(ctx context.Context, name string, s *stream, done uint64, p *places) error {
	from := s.target.Size()
	next, stop := iter.Pull2(m.source.ReadStream(ctx, name, from))
	defer stop()
	var last eventstore.Position
	for there, err := range m.target.ReadStream(ctx, name, from) {
		if missing(err) {
			break
		}
		if err != nil {
			return fmt.Errorf("target: %w", err)
		}
		here, err, ok := next()
		switch {
		case !ok, missing(err):
			return &DifferentError{name, there.Revision, notInSource}
		case err != nil:
			return fmt.Errorf("source: %w", err)
		}
		if what := differ(&here, &there, s.source.Size()); what != "" {
			return &DifferentError{name, there.Revision, what}
		}
		s.source.Append(eventstore.LeafHash(&here))
		s.target.Append(eventstore.LeafHash(&there))
		last = here.Position
		m.progress(done + s.target.Size() - from)
	}
	if p == nil {
		return nil
	}
	p.last = append(p.last, last)
	rest, err, ok := next()
	switch {
	case !ok, missing(err):
		return nil
	case err != nil:
		return fmt.Errorf("source: %w", err)
	}
	p.missing(rest.Position)
	return nil
}

// differ says in what two records of one stream differ that both have to be at a revision.
func differ(here, there *eventstore.Record, revision uint64) string {
	switch {
	case here.Revision != revision:
		return fmt.Sprintf("the source has revision %d there", here.Revision)
	case there.Revision != revision:
		return fmt.Sprintf("it stands where revision %d belongs", revision)
	case here.ID != there.ID:
		return "its id is another one"
	case here.Type != there.Type:
		return "its type is another one"
	case !here.Time.Equal(there.Time):
		return "its time is another one"
	case !bytes.Equal(here.Metadata, there.Metadata):
		return "its metadata is another one"
	case !bytes.Equal(here.Data, there.Data):
		return "its data is another one"
	}
	return ""
}

// Verify reads back everything that the target has got since it was last read, and compares it
// with the source. It returns the tree heads, which are those of both sides.
func (m *Move) Verify(ctx context.Context) ([]Head, error) {
	names, err := m.target.Streams(ctx)
	if err != nil {
		return nil, fmt.Errorf("target: %w", err)
	}
	for _, name := range names {
		if s := m.streams[name]; s == nil || s.size == 0 {
			return nil, &DifferentError{name, 0, overtaken}
		}
	}
	heads, done := make([]Head, 0, len(m.streams)), uint64(0)
	for _, name := range slices.Sorted(maps.Keys(m.streams)) {
		s := m.streams[name]
		if s.size == 0 {
			continue // the source has it, and it is not copied yet
		}
		before := s.target.Size()
		if err := m.compare(ctx, name, s, done, nil); err != nil {
			return nil, err
		}
		switch size := s.target.Size(); {
		case size < s.size:
			return nil, &DifferentError{name, size, notInTarget}
		case size > s.size:
			return nil, &DifferentError{name, s.size, overtaken}
		}
		done += s.size - before
		root := s.target.Root()
		if root != s.source.Root() {
			return nil, &DifferentError{name, s.size - 1, "the tree heads differ"}
		}
		heads = append(heads, Head{name, s.size, root})
	}
	return heads, nil
}

// Behind counts the records that the source has and that were not copied.
func (m *Move) Behind(ctx context.Context) (n uint64, err error) {
	for _, err := range m.source.ReadAll(ctx, m.after) {
		if err != nil {
			return n, fmt.Errorf("source: %w", err)
		}
		n++
	}
	return n, nil
}

func (m *Move) progress(done uint64) {
	if m.Progress != nil {
		m.Progress(done)
	}
}
