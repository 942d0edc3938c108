package live

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/eventstore"
	"pets/internal/views"
	"pets/projections"
)

// fold is a state of a portfolio, and the readers that have seen the same records. A portfolio
// has one that is read. Another one may be folded from the first record meanwhile, to take its
// place.
type fold struct {
	runner   *projections.Runner
	riders   []*rider
	progress *progress // nil if no checkpoints are made
	at       position
	restored bool          // it did not see its first records; they are in a checkpoint
	replaced chan struct{} // closed when another fold has taken its place
}

// position is the revision that the next record gets. It is the last reader of every fold: what
// it says has been seen by all.
type position struct{ next atomic.Uint64 }

// Apply implements [Reader].
func (p *position) Apply(rec eventstore.Record, _ domain.Event, _ *portfolio.State) {
	p.next.Store(rec.Revision + 1)
}

// empty returns a fold that is never followed. It is read until the first one is there.
func (p *Portfolio) empty() *fold {
	return &fold{runner: projections.NewRunner(p.store, p.stream), replaced: make(chan struct{})}
}

// fresh returns a fold of the stream from its first record, with head as its last revision now.
func (p *Portfolio) fresh(head uint64) *fold {
	f := &fold{replaced: make(chan struct{})}
	for _, a := range p.made {
		r := &rider{of: a, portfolio: p}
		if p.of.options.Views != nil {
			r.file = p.of.options.Views.New(p.stream, a.called())
		}
		r.Reader = a.newReader(p.id, r.pieces())
		f.riders = append(f.riders, r)
	}
	f.begin(p, head)
	return f
}

// pieces returns what the reader may append to.
func (r *rider) pieces() projections.Pieces {
	if r.file == nil {
		return &projections.PiecesInMemory{}
	}
	return r.file
}

// begin makes the runner of a fold.
func (f *fold) begin(p *Portfolio, head uint64) {
	var all []projections.Projection
	if k := p.of.keeper; k != nil {
		f.progress = k.follow(head)
		f.progress.whole = p.of.options.Views != nil && f.whole()
		all = append(all, f.progress)
	}
	for _, r := range f.riders {
		all = append(all, r)
	}
	f.runner = projections.NewRunner(p.store, p.stream, append(all, &f.at)...)
}

// whole reports whether all readers can be kept.
func (f *fold) whole() bool {
	for _, r := range f.riders {
		if _, is := r.Reader.(projections.Kept); !is || r.file == nil {
			return false
		}
	}
	return true
}

// trouble returns why a reader cannot answer although folding again may mend that, or nil. The
// fold is read meanwhile. A reader that panics on the whole history would do so again.
func (f *fold) trouble() error {
	var all []error
	for _, name := range f.troubled() {
		for _, r := range f.riders {
			if r.of.called() == name {
				all = append(all, fmt.Errorf("%s: %w", name, r.trouble()))
			}
		}
	}
	return errors.Join(all...)
}

// troubled returns the names of those readers.
func (f *fold) troubled() (names []string) {
	for _, r := range f.riders {
		if r.trouble() != nil && (r.failed == nil || f.restored) {
			names = append(names, r.of.called())
		}
	}
	return names
}

// files returns the files of pieces.
func (f *fold) files() (all []*views.File) {
	for _, r := range f.riders {
		if r.file != nil {
			all = append(all, r.file)
		}
	}
	return all
}

// wait returns when a revision is folded, or when another fold has taken this one's place.
func (f *fold) wait(ctx context.Context, revision uint64) (replaced bool, err error) {
	if f.at.next.Load() > revision {
		return false, nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-f.replaced:
			cancel()
		case <-ctx.Done():
		}
	}()
	if err = f.runner.Wait(ctx, revision); err == nil {
		return false, nil
	}
	select {
	case <-f.replaced:
		return true, nil
	default:
		return false, err
	}
}

// following is a fold that follows its stream on a goroutine of its own.
type following struct {
	*fold
	end   context.CancelFunc
	ended chan error // gets one error
}

// start follows the stream with a fold. The caller ends it, and receives from ended.
func (p *Portfolio) start(ctx context.Context, f *fold, head uint64, why string) *following {
	p.coming.Store(&coming{fold: f, head: head, why: why, began: time.Now()})
	ctx, end := context.WithCancel(ctx)
	run := &following{fold: f, end: end, ended: make(chan error, 1)}
	go func() { run.ended <- f.runner.Follow(ctx) }()
	return run
}

// stop ends a fold, and returns when it has ended.
func (r *following) stop() {
	r.end()
	<-r.ended //nolint:errcheck // it was told to
}

// follow keeps the portfolio at the head of its stream until the context ends. A portfolio that
// cannot continue is logged and no longer shown.
func (p *Portfolio) follow(ctx context.Context, head uint64) {
	first, why := p.begin(ctx, head)
	if first == nil {
		return
	}
	run := p.start(ctx, first, head, why)
	p.replace(first)
	for {
		select {
		case err := <-run.ended:
			run.end()
			p.breaks(ctx, err)
			return
		case <-p.again:
			run = p.refold(ctx, run)
		}
	}
}

// breaks notes why the portfolio is not followed any more.
func (p *Portfolio) breaks(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	if err == nil { // a subscription ends with its context, or with an error
		err = errors.New("its stream ended")
	}
	p.broken.Store(&err)
	p.log.Error("a portfolio cannot be followed any more; its reads are refused", "portfolio", p.id, "error", err.Error())
}

// replace lets everyone read another fold.
func (p *Portfolio) replace(by *fold) {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := p.now
	p.now = by
	close(before.replaced)
}
