package embedded

import (
	"fmt"
	"slices"
	"sort"
	"sync"

	"pets/eventstore"
)

// sparseBytes is the distance between the frames that the index knows by
// position.
const sparseBytes = 64 << 10

// frameRef is the index entry of a frame: 16 bytes.
type frameRef struct {
	position uint64
	first    uint64 // revision of its first record
}

// streamIndex is one stream. Refs only grow, so a slice of them can be read
// without the lock.
type streamIndex struct {
	name string
	refs []frameRef
	next uint64 // the revision that comes next
}

// index knows where everything durable is. A record becomes visible by being
// published to the index; before that it does not exist for readers.
type index struct {
	mu      sync.RWMutex
	segs    segments
	end     uint64 // position after the last frame
	streams map[string]*streamIndex
	sparse  []uint64 // positions of some frames, rising
	frames  uint64
	records uint64
	// changed is closed when end moves; it is nil while no reader waits for that.
	// grew are closed when their stream gets longer, so that an append wakes only
	// its own subscribers: thousands may follow one portfolio each.
	changed chan struct{}
	grew    map[string]chan struct{}
}

func newIndex() *index {
	return &index{streams: map[string]*streamIndex{}, grew: map[string]chan struct{}{}}
}

// placed is a frame that stands at its position.
type placed struct {
	header frameHeader
	name   []byte
}

// publish makes frames visible, up to and including the last one.
func (x *index) publish(frames ...placed) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	for i := range frames {
		if err := x.add(&frames[i].header, frames[i].name); err != nil {
			return err
		}
	}
	if x.changed != nil {
		close(x.changed)
		x.changed = nil
	}
	for i := range frames {
		if waited, ok := x.grew[string(frames[i].name)]; ok {
			close(waited)
			delete(x.grew, string(frames[i].name))
		}
	}
	return nil
}

func (x *index) add(h *frameHeader, name []byte) error {
	stream := x.streams[string(name)]
	if stream == nil {
		stream = &streamIndex{name: string(name)}
	}
	if h.first != stream.next {
		return fmt.Errorf("revision %d follows where %d must", h.first, stream.next)
	}
	if stream.next == 0 {
		x.streams[stream.name] = stream
	}
	stream.refs = append(stream.refs, frameRef{position: h.position, first: h.first})
	stream.next += h.records
	if n := len(x.sparse); n == 0 || h.position-x.sparse[n-1] >= sparseBytes {
		x.sparse = append(x.sparse, h.position)
	}
	x.frames++
	x.records += h.records
	x.end = h.end()
	return nil
}

// addSegment adds a segment, which begins where the log ends, and returns the
// index of the segment that this seals.
func (x *index) addSegment(s segment) int {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.segs = append(slices.Clip(x.segs), s) // clipped, so that it never grows into an array that a reader holds
	x.end = s.firstFrame()
	return len(x.segs) - 2
}

// view returns the current log: its segments and its end.
func (x *index) view() (segments, uint64) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.segs, x.end
}

// forget keeps the segments and drops all their content.
func (x *index) forget() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.streams, x.sparse, x.frames, x.records = map[string]*streamIndex{}, nil, 0, 0
	x.end = x.segs[0].firstFrame()
}

// between counts the frames from one position to another.
func (x *index) between(from, to uint64) int {
	x.mu.RLock()
	defer x.mu.RUnlock()
	n := 0
	for _, s := range x.streams {
		before := func(position uint64) int {
			return sort.Search(len(s.refs), func(i int) bool { return s.refs[i].position >= position })
		}
		n += before(to) - before(from)
	}
	return n
}

// holds reports whether a frame that was read is in the index: its position, its
// first revision, and the revision after its last.
func (x *index) holds(h *frameHeader, name []byte) bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	s := x.streams[string(name)]
	if s == nil {
		return false
	}
	i := sort.Search(len(s.refs), func(i int) bool { return s.refs[i].first > h.first })
	if i == 0 || s.refs[i-1] != (frameRef{position: h.position, first: h.first}) {
		return false
	}
	next := s.next
	if i < len(s.refs) {
		next = s.refs[i].first
	}
	return next == h.first+h.records
}

// last returns the revision of the last record of a stream, or NoStream.
func (x *index) last(stream string) eventstore.Expected {
	x.mu.RLock()
	defer x.mu.RUnlock()
	if s := x.streams[stream]; s != nil {
		return eventstore.Expected(s.next) - 1 //nolint:gosec // revisions stay far below 2^63
	}
	return eventstore.NoStream
}

// refs returns the frames of a stream from the one that holds a revision on, or
// none if the revision does not exist yet.
func (x *index) refs(stream string, revision uint64) []frameRef {
	x.mu.RLock()
	defer x.mu.RUnlock()
	s := x.streams[stream]
	if s == nil || revision >= s.next {
		return nil
	}
	i := sort.Search(len(s.refs), func(i int) bool { return s.refs[i].first > revision })
	return s.refs[i-1:]
}

// before returns the position of a frame at or before a position, close enough to
// reach that position in a few steps.
func (x *index) before(position uint64) uint64 {
	x.mu.RLock()
	defer x.mu.RUnlock()
	i := sort.Search(len(x.sparse), func(i int) bool { return x.sparse[i] > position })
	if i == 0 {
		return 0
	}
	return x.sparse[i-1]
}

func (x *index) names() []string {
	x.mu.RLock()
	defer x.mu.RUnlock()
	names := make([]string, 0, len(x.streams))
	for name := range x.streams {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// longer reports whether the log is longer than end.
func (x *index) longer(end uint64) bool {
	_, now := x.view()
	return now > end
}

// grown returns a channel that is closed once the log is longer than end.
func (x *index) grown(end uint64) <-chan struct{} {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.end > end {
		return already
	}
	if x.changed == nil {
		x.changed = make(chan struct{})
	}
	return x.changed
}

// streamGrown returns a channel that is closed once a stream has a revision.
func (x *index) streamGrown(stream string, revision uint64) <-chan struct{} {
	x.mu.Lock()
	defer x.mu.Unlock()
	if s := x.streams[stream]; s != nil && s.next > revision {
		return already
	}
	waited, ok := x.grew[stream]
	if !ok {
		waited = make(chan struct{})
		x.grew[stream] = waited
	}
	return waited
}

// already is closed.
var already = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()
