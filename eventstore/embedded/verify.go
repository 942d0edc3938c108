package embedded

import (
	"context"
	"fmt"

	"pets/eventstore"
)

// Verify reads every frame that is durable when it begins from disk again and
// checks it: checksums, the chain of segments and of revisions, that each record
// can be decoded, and that the indexes list it. It blocks no other reader or
// writer. Progress, if not nil, is called with bytes after about each megabyte.
// The first problem is returned as an Unavailable that wraps a *[DamageError].
func (s *Store) Verify(ctx context.Context, progress func(done, total int64)) (eventstore.Report, error) {
	if err := s.refreshed(ctx); err != nil {
		return eventstore.Report{}, err
	}
	segs, end := s.index.view()
	v := verification{
		store:  s,
		cursor: cursor{segs: segs},
		end:    end,
		next:   map[string]uint64{},
		report: eventstore.Report{Bytes: end, TornBytes: s.torn.Bytes},
		tell:   progress,
	}
	if v.tell == nil {
		v.tell = func(int64, int64) {}
	}
	for i := range segs {
		if err := v.segment(ctx, i); err != nil {
			return eventstore.Report{}, err
		}
	}
	v.report.Streams = uint64(len(v.next))
	v.tell(int64(end), int64(end)) //nolint:gosec // far below 2^63
	return v.report, nil
}

type verification struct {
	store  *Store
	cursor cursor
	end    uint64
	next   map[string]uint64 // by stream, the revision that comes next
	report eventstore.Report
	told   uint64
	tell   func(done, total int64)
}

func (v *verification) segment(ctx context.Context, i int) error {
	segs := v.cursor.segs
	seg, limit := &segs[i], v.end
	if i+1 < len(segs) {
		limit = segs[i+1].base
	}
	if err := seg.checkHeader(v.store.uuid); err != nil {
		return v.store.unavailable(err)
	}
	v.report.Segments++
	for position := seg.firstFrame(); position < limit; {
		if err := v.store.ended(ctx); err != nil {
			return err
		}
		h, b, err := v.cursor.frame(position, limit)
		if err != nil {
			return v.store.unavailable(err)
		}
		if err := v.frame(seg, &h, b); err != nil {
			return v.store.unavailable(err)
		}
		if position = h.end(); position-v.told >= maxWindow {
			v.told = position
			v.tell(int64(position), int64(v.end)) //nolint:gosec // far below 2^63
		}
	}
	if i+1 == len(segs) {
		return nil // what is behind the end is being written, or was classified when the store was opened
	}
	size, err := sizeOf(seg.file)
	if err == nil {
		err = blankAfter(seg, limit-seg.base, size)
	}
	if err != nil {
		return v.store.unavailable(err)
	}
	return nil
}

func (v *verification) frame(seg *segment, h *frameHeader, b []byte) error {
	name := nameOf(b, h)
	err := decodeRecords(b[frameHeaderLen+h.nameLen:], h, func(uint64, *rawRecord) {})
	if next := v.next[string(name)]; err == nil && h.first != next {
		err = fmt.Errorf("revision %d follows where %d must", h.first, next)
	}
	if err == nil && !v.store.index.holds(h, name) {
		return v.store.wrongFrame(seg, h, b)
	}
	if err != nil {
		damage := seg.damage(h.position, err.Error())
		damage.Stream, damage.Revision = string(name), h.first
		return damage
	}
	v.next[string(name)] = h.first + h.records
	v.report.Frames++
	v.report.Records += h.records
	return nil
}
