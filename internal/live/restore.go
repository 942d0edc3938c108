package live

import (
	"context"
	"errors"
	"fmt"

	"pets/internal/views"
	"pets/projections"
)

const (
	// restoresAtOnce limits how many portfolios are restored at a time, each of which has the
	// bytes of a checkpoint in memory.
	restoresAtOnce = 4
	// restoresTried is how many checkpoints are tried.
	restoresTried = 4
)

// begin returns the first fold of a portfolio, and why it has to fold what it does: from the
// newest checkpoint that fits, with every reader, or from the first record. It returns nil if
// the context ends.
func (p *Portfolio) begin(ctx context.Context, head uint64) (first *fold, why string) {
	select {
	case p.of.restore <- struct{}{}:
		defer func() { <-p.of.restore }()
	case <-ctx.Done():
		return nil, ""
	}
	first, why = p.fromCheckpoint(head)
	if first == nil {
		first = p.fresh(head)
	}
	if v := p.of.options.Views; v != nil {
		v.Tidy(p.stream, first.files()...)
	}
	return first, why
}

// fromCheckpoint returns a fold that goes on from a checkpoint, or nil and why there is none.
func (p *Portfolio) fromCheckpoint(head uint64) (f *fold, why string) {
	o := &p.of.options
	if o.Checkpoints == nil || o.Views == nil {
		return nil, "nothing is kept of its readers"
	}
	why = "there is no checkpoint of its readers"
	for most, n := ^uint64(0), 0; n < restoresTried; n++ {
		at, data := o.Checkpoints.Load(viewsKind, p.stream, most)
		if data == nil {
			break
		}
		f, err := p.restored(at, data, head)
		if err == nil {
			return f, fmt.Sprintf("its checkpoint ends at revision %d", at)
		}
		why = fmt.Sprintf("its readers could not be restored at revision %d: %v", at, err)
		p.log.Info("the readers of a portfolio cannot go on from a checkpoint; an older one is tried, or the history from its first record", "portfolio", p.id, "revision", at, "error", err.Error())
		if at == 0 {
			break
		}
		most = at - 1
	}
	return nil, why
}

var (
	errNoState = errors.New("there is no usable checkpoint of its state at the same revision")
	errSize    = errors.New("its readers have seen another number of records than its state")
	errReaders = errors.New("this build has other readers than the one that wrote it")
)

// restored returns a fold that has seen the records up to a revision.
func (p *Portfolio) restored(at uint64, data []byte, head uint64) (*fold, error) {
	k, err := parseKept(data)
	switch {
	case err != nil:
		return nil, err
	case k.folded.Size() != at+1 || at > head:
		return nil, errSize
	case len(k.readers) != len(p.made):
		return nil, errReaders
	}
	f := &fold{replaced: make(chan struct{}), restored: true}
	for i, a := range p.made {
		r := &rider{of: a, portfolio: p}
		if err := r.restore(p.of.options.Views, &k.readers[i]); err != nil {
			return nil, fmt.Errorf("%s: %w", a.called(), err)
		}
		f.riders = append(f.riders, r)
	}
	f.begin(p, head)
	stateAt, state := p.of.options.Checkpoints.Load(stateKind, p.stream, at)
	if state == nil || stateAt != at {
		return nil, errNoState
	}
	if err := f.runner.StartFrom(state, at+1); err != nil {
		return nil, err
	}
	f.progress.folded, f.progress.leaf, f.progress.views = k.folded, k.leaf, at+1
	f.progress.next.Store(at + 1)
	f.at.next.Store(at + 1)
	return f, nil
}

// restore makes a reader what it was at a checkpoint. What fails or panics is an error, and the
// reader is not used.
func (r *rider) restore(all *views.Folder, k *keptReader) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("it failed: %v", v)
		}
	}()
	if k.name != r.of.called() {
		return errReaders
	}
	if r.file, err = all.Open(r.portfolio.stream, k.name, k.id, k.length); err != nil {
		return err
	}
	r.Reader = r.of.newReader(r.portfolio.id, r.file)
	of, is := r.Reader.(projections.Kept)
	if !is {
		return errNotKept
	}
	if err := of.Restore(k.data); err != nil {
		return err
	}
	return of.Err()
}
