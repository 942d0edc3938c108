package commands

import (
	"context"
	"errors"
	"fmt"

	"pets/eventstore"
)

// gap is a checkpoint that is missing: how many records it covers, and the root of the hash tree
// there.
type gap struct {
	size uint64
	root eventstore.Hash
}

// pass notes the root where a checkpoint is missing.
func (r *refold) pass(size uint64) {
	for len(r.missing) > 0 && r.missing[0] < size {
		r.missing = r.missing[1:]
	}
	if len(r.missing) > 0 && r.missing[0] == size {
		r.gaps = append(r.gaps, gap{size, r.frontier.Root()})
	}
}

// fill makes the checkpoints that are missing in a stream that was found to be right. It is a fold
// of its own: whether a history is right is known only at its end, and the states of before would
// take too much memory until then. A state is kept only if the root at it is the same as in the
// first fold. It returns a description of the difference, or "".
func (a *audit) fill(ctx context.Context, w *Writer, gaps []gap) (what string, err error) {
	r := &refold{state: w.blank()}
	p, ok := r.state.(*portfolioFold)
	if !ok || len(gaps) == 0 {
		return "", nil
	}
	p.s.Forget() // it decides nothing, and the past is long
	err = eventstore.Walk(ctx, w.store, w.stream, 0, func(rec eventstore.Record) error {
		if err := r.apply(rec); err != nil {
			return err
		}
		if rec.Revision+1 < gaps[0].size {
			return a.rest(ctx)
		}
		head := eventstore.TreeHead{Size: rec.Revision + 1, Root: r.frontier.Root(), Leaf: eventstore.LeafHash(&rec)}
		if head.Root != gaps[0].root {
			what = fmt.Sprintf("its history up to revision %d was read twice and was not the same", rec.Revision)
			return errFolded
		}
		if b, err := p.s.Snapshot(); err == nil { // a checkpoint is optional
			a.options.Keep(rec.Stream, head, rec.Time, b)
		}
		if gaps = gaps[1:]; len(gaps) == 0 {
			return errFolded
		}
		return a.rest(ctx)
	})
	if errors.Is(err, errFolded) {
		err = nil
	}
	return what, err
}
