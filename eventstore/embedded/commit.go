package embedded

import (
	"fmt"
	"runtime"

	"pets/eventstore"
)

// committer is what writes: it belongs to the appender that leads, one at a time
// (queue). It takes the appends that are waiting, decides each against the
// revision its stream has reached, writes those that fit as one group, flushes
// once, and answers all of them.
type committer struct {
	store *Store
	seg   segment // the one that is written to
	end   uint64  // position after the last durable frame
	size  uint64  // of its file: beyond end it is full of zeros
	// indexed is the end of what the indexer was asked to index of the segment.
	indexed uint64

	// The group at hand.
	buf      []byte                         // its frames, sealed
	frames   []placed                       // the same, for the index
	heads    map[string]eventstore.Expected // streams that end in this group
	accepted []*request
	refused  []*request // conflicts, perhaps with this very group
}

func (s *Store) startCommitter() error {
	c := &committer{store: s, seg: *s.lastSegment(), end: s.index.end, heads: map[string]eventstore.Expected{}}
	size, err := sizeOf(c.seg.file)
	if err != nil {
		return fmt.Errorf("size of %s: %w", c.seg.path, err)
	}
	c.size = size
	c.indexed = max(c.seg.base, s.indexed)
	s.queue = newQueue()
	if !s.options.NoFill {
		s.filler = startFiller(s)
	}
	s.indexer = startIndexer(s)
	s.committer = c
	return nil
}

// maxYields bounds how often a leader steps aside before it writes.
const maxYields = 8

// lead commits one group and passes on. The yield before it lets those who were
// answered a moment ago, and are about to append again, in: so one flush serves
// all of them. As long as it brings more, it yields once more.
func (c *committer) lead() {
	for n, before := 0, -1; n < maxYields; n++ {
		waits := c.store.queue.length()
		if waits == before {
			break
		}
		before = waits
		runtime.Gosched()
	}
	for _, r := range c.store.queue.take() {
		if r.take() { // else its appender has left
			c.stage(r)
		}
	}
	c.flush()
	c.store.queue.pass()
}

// stage decides an append: it joins the group, or is refused for its revision.
func (c *committer) stage(r *request) {
	if !c.fits(len(r.frame)) {
		c.flush()
		c.roll()
	}
	if p := c.store.poisoned.Load(); p != nil {
		r.fail(p)
		return
	}
	r.actual = c.head(r.stream)
	if r.actual != r.expected {
		c.refused = append(c.refused, r)
		return
	}
	at := len(c.buf)
	position := c.end + uint64(at)
	c.buf = append(c.buf, r.frame...)
	frame := c.buf[at:]
	seal(frame, position, c.end, position-c.seg.base)
	r.position = position
	c.frames = append(c.frames, placed{header: frameHeader{
		length: uint64(len(frame)), position: position, first: r.expected.Next(), records: uint64(r.records), //nolint:gosec // bounded by Check
	}, name: []byte(r.stream)})
	c.heads[r.stream] = r.expected + eventstore.Expected(r.records)
	c.accepted = append(c.accepted, r)
}

// fits reports whether a frame is to go into this segment, behind the group at
// hand. An empty segment has room for any. Where its zeros end, a segment goes
// on growing only until the next one is ready.
func (c *committer) fits(n int) bool {
	used := c.end + uint64(len(c.buf)) - c.seg.base
	after := used + uint64(n) //nolint:gosec // a length
	switch {
	case used == segmentHeaderLen:
		return true
	case after > c.size && c.store.filler != nil && c.store.filler.hasReady():
		return false
	}
	return after <= c.store.options.SegmentBytes
}

// head is the last revision of a stream, the group at hand included.
func (c *committer) head(stream string) eventstore.Expected {
	if head, ok := c.heads[stream]; ok {
		return head
	}
	return c.store.index.last(stream)
}

// flush commits the group at hand and answers everybody in it. Refusals wait
// for it too: one may be a conflict with a record of this very group, of which
// nobody may hear before it is durable.
func (c *committer) flush() {
	if len(c.accepted) > 0 {
		if err := c.commit(); err != nil {
			c.store.poison(err)
		}
	}
	if p := c.store.poisoned.Load(); p != nil {
		for _, r := range append(c.accepted, c.refused...) {
			r.fail(p)
		}
	} else {
		for _, r := range append(c.accepted, c.refused...) {
			r.answer()
		}
	}
	clear(c.heads)
	clear(c.frames)
	clear(c.accepted)
	clear(c.refused)
	c.buf, c.frames = c.buf[:0], c.frames[:0]
	c.accepted, c.refused = c.accepted[:0], c.refused[:0]
}

// commit makes the group durable, then visible. Any error leaves the disk in an
// unknown state, and the store poisoned: nothing is tried again.
func (c *committer) commit() error {
	// A crash before or during the write, or before the end of the flush: none,
	// some or all of these frames are found at the next start, each whole or not
	// at all. Nobody was told of any of them.
	if _, err := c.seg.file.WriteAt(c.buf, int64(c.end-c.seg.base)); err != nil { //nolint:gosec // an offset in a file
		return fmt.Errorf("write %s: %w", c.seg.path, err)
	}
	if err := c.seg.file.Datasync(); err != nil {
		return fmt.Errorf("flush %s: %w", c.seg.path, err)
	}
	// What was flushed may be a file that no start will find: nobody is told then.
	if !c.store.looked.within(busyCheck) {
		if err := c.store.stillThere(); err != nil {
			return err
		}
	}
	// ---- THE COMMIT POINT of every append in the group ----
	// A crash from here on: all of them are there at the next start, and an
	// appender that heard nothing finds its ids in the stream.
	c.end += uint64(len(c.buf))
	// Readers in other processes may see the group from here on; should it be
	// the mark that fails, they see it a start later, and nobody was told.
	if err := c.store.mark.write(c.end); err != nil {
		return err
	}
	w := &written{mark: c.end, file: c.seg.file, name: segmentName(c.seg.base), offset: int64(c.end-c.seg.base) - int64(len(c.buf))} //nolint:gosec // an offset in a file
	copy(w.header[:], c.buf)
	c.store.written.Store(w)
	// And readers in this process. Only then are the appenders answered, so that
	// who was answered finds the records wherever it looks.
	if err := c.store.index.publish(c.frames...); err != nil {
		return fmt.Errorf("the index contradicts the log: %w", err)
	}
	c.prepare()
	return nil
}

// prepare asks for the index of the finished part of the segment now and then, and
// for the next segment when a quarter of this one is used: early
// enough to have it in time, and not for a store that stays small.
func (c *committer) prepare() {
	if c.end-c.indexed >= indexStep {
		segs, _ := c.store.index.view()
		c.store.indexer.want(indexing{len(segs) - 1, c.end})
		c.indexed = c.end
	}
	used := c.end - c.seg.base
	c.size = max(c.size, used)
	if f := c.store.filler; f != nil && used >= c.size/4 {
		f.want(nextSize(c.size, c.store.options.SegmentBytes))
	}
}

// roll begins a new segment, when the last one was flushed to its end. A crash
// before the new one has its name leaves the log as it was; after it, an empty
// segment at the end.
func (c *committer) roll() {
	if c.store.poisoned.Load() != nil {
		return
	}
	if err := c.store.allThere(); err != nil {
		c.store.poison(err)
		return
	}
	// An old mark costs the next start after a power cut time, and its judgement
	// of a torn tail strictness: with this, it is at most one segment old.
	if err := c.store.mark.file.Datasync(); err != nil {
		c.store.poison(fmt.Errorf("flush durable mark: %w", err))
		return
	}
	seg, size, err := c.nextSegment()
	if err != nil {
		c.store.poison(err)
		return
	}
	c.seg, c.size, c.end, c.indexed = seg, size, seg.firstFrame(), seg.base
	c.store.indexer.want(indexing{segment: c.store.index.addSegment(seg)})
}

// nextSegment is the spare, if there is one, and else one that grows.
func (c *committer) nextSegment() (segment, uint64, error) {
	folder, dir, id := c.store.folder, c.store.dir, c.store.uuid
	if f := c.store.filler; f != nil {
		if spare := f.take(); spare != nil {
			seg, err := spare.adopt(folder, dir, id, c.end)
			if err == nil {
				f.renamed()
			}
			return seg, spare.size, err
		}
	}
	seg, err := createSegment(folder, dir, id, c.end, segmentHeaderLen)
	return seg, segmentHeaderLen, err
}
