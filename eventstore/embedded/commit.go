package embedded

import (
	"fmt"
	"runtime"

	"pets/eventstore"
)

// committer does the writing. It belongs to the appender that leads, one at a
// time (queue). It takes the waiting appends, decides each against the revision
// of its stream, writes those that fit as one group, flushes once, and answers
// all of them.
type committer struct {
	store *Store
	seg   segment // the segment being written to
	end   uint64  // position after the last durable frame
	size  uint64  // of its file: beyond end it is full of zeros
	// indexed is the end of the part of the segment that the indexer was asked to
	// index.
	indexed uint64

	// The current group.
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

// maxYields limits how often a leader yields before it writes.
const maxYields = 8

// lead commits one group and passes on. It yields first, so that appenders that
// were just answered and are about to append again can join: one flush then
// serves all of them. It yields again as long as that brings more.
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

// stage decides an append: it joins the group, or is refused because of its
// revision.
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

// fits reports whether a frame goes into this segment, behind the current group.
// An empty segment has room for any frame. At the end of its zeros, a segment
// grows only until the next one is ready.
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

// head returns the last revision of a stream, including the current group.
func (c *committer) head(stream string) eventstore.Expected {
	if head, ok := c.heads[stream]; ok {
		return head
	}
	return c.store.index.last(stream)
}

// flush commits the current group and answers all its requests. Refusals wait for
// it too: one may be a conflict with a record of this group, which must not
// become known before it is durable.
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
// unknown state and the store poisoned: nothing is retried.
func (c *committer) commit() error {
	// A crash before or during the write, or before the end of the flush: the
	// next start finds none, some or all of these frames, each complete or not at
	// all. None of them was acknowledged.
	if _, err := c.seg.file.WriteAt(c.buf, int64(c.end-c.seg.base)); err != nil { //nolint:gosec // an offset in a file
		return fmt.Errorf("write %s: %w", c.seg.path, err)
	}
	if err := c.seg.file.Datasync(); err != nil {
		return fmt.Errorf("flush %s: %w", c.seg.path, err)
	}
	// The flushed file may be one that no start will find; then nothing is
	// acknowledged.
	if !c.store.lastLook.within(busyCheck) {
		if err := c.store.stillThere(); err != nil {
			return err
		}
	}
	// ---- THE COMMIT POINT of every append in the group ---- After a crash from
	// here on, all of them are there at the next start, and an appender without
	// an answer finds its ids in the stream.
	c.end += uint64(len(c.buf))
	// Readers in other processes may see the group from here on. If writing the
	// mark fails, they see it after the next start, and nothing was acknowledged.
	if err := c.store.mark.write(c.end); err != nil {
		return err
	}
	w := &written{mark: c.end, file: c.seg.file, name: segmentName(c.seg.base), offset: int64(c.end-c.seg.base) - int64(len(c.buf))} //nolint:gosec // an offset in a file
	copy(w.header[:], c.buf)
	c.store.written.Store(w)
	// Then readers in this process. The appenders are answered only after that,
	// so that an answered appender finds the records everywhere.
	if err := c.store.index.publish(c.frames...); err != nil {
		return fmt.Errorf("the index contradicts the log: %w", err)
	}
	c.prepare()
	return nil
}

// prepare requests the index of the finished part of the segment from time to
// time, and the next segment once a quarter of this one is used: early enough to
// have it in time, but not for a store that stays small.
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

// roll begins a new segment after the last one was flushed to its end. A crash
// before the new one has its name leaves the log as it was; a crash after it
// leaves an empty segment at the end.
func (c *committer) roll() {
	if c.store.poisoned.Load() != nil {
		return
	}
	if err := c.store.allThere(); err != nil {
		c.store.poison(err)
		return
	}
	// After a power cut, an old mark makes the next start slower and the check of
	// a torn tail less strict. With this flush the mark is at most one segment
	// old.
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

// nextSegment returns the spare if there is one, and else a segment that grows.
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
