package live

import (
	"context"
	"fmt"
	"time"

	"pets/domain"
	"pets/domain/portfolio"
)

// refoldAgain is the least time between two folds from the first record because a reader
// cannot answer. One that fails again sooner would fail for ever.
const refoldAgain = time.Hour

// foldAgain asks for a fold from the first record. It does not wait.
func (p *Portfolio) foldAgain() {
	if p.gaveUp.Load() {
		return
	}
	select {
	case p.again <- struct{}{}:
	default: // it is asked for already
	}
}

// refused is what a reader is answered that cannot be asked.
func (p *Portfolio) refused(name string, why error) error {
	text := "cannot be followed for this portfolio: start the server again, or ask with ?at= and the newest revision; see the server's log"
	if p.now.trouble() != nil && !p.gaveUp.Load() {
		text = "could not be read for this portfolio, and is folded again from the first record; ask again later"
	}
	return &domain.Error{Code: domain.CodeUnavailable, Message: name + " " + text, Cause: why}
}

// refold replaces a fold of which a reader cannot answer any more. The state and the other
// readers are shown meanwhile. It returns the fold that follows from then on.
func (p *Portfolio) refold(ctx context.Context, run *following) *following {
	names, why := p.troubleNow()
	if why == nil || ctx.Err() != nil { // it was replaced since, or the server ends
		return run
	}
	if p.refoldedFor(names) {
		p.gaveUp.Store(true)
		p.log.Error("a reader cannot answer again, soon after its portfolio was folded from the first record; its reads are refused. Everything else goes on. Look at the disk, and start the server again",
			"portfolio", p.id, "error", why.Error())
		return run
	}
	head, err := p.store.Head(ctx, p.stream)
	if err != nil {
		return run // the next read asks again
	}
	p.log.Error("a reader cannot answer any more; its portfolio is folded again from the first record, and its reads are refused meanwhile. State and commands go on",
		"portfolio", p.id, "records", head+1, "error", why.Error())
	next := p.start(ctx, p.fresh(head), head, "a reader could not answer any more")
	if err := next.reaches(ctx, head); err != nil {
		next.stop()
		for _, file := range next.files() {
			file.Remove()
		}
		p.coming.Store(nil)
		if ctx.Err() == nil {
			p.gaveUp.Store(true)
			p.log.Error("a portfolio could not be folded again; the reads of a reader stay refused", "portfolio", p.id, "error", err.Error())
		}
		return run
	}
	p.overtake(ctx, run, next)
	for _, name := range names {
		p.refolded[name] = time.Now()
	}
	return next
}

// refoldedFor reports whether it was folded again a short time ago for one of some readers.
func (p *Portfolio) refoldedFor(names []string) bool {
	if p.refolded == nil {
		p.refolded = map[string]time.Time{}
	}
	for _, name := range names {
		if at, was := p.refolded[name]; was && time.Since(at) < refoldAgain {
			return true
		}
	}
	return false
}

// overtake lets a fold take the place of another, which is ended first: a caller that has
// waited for a revision finds it in the new one.
func (p *Portfolio) overtake(ctx context.Context, before, next *following) {
	before.stop()
	if at := before.at.next.Load(); at > 0 {
		_ = next.reaches(ctx, at-1) // if it cannot, the portfolio is broken as any other
	}
	p.replace(next.fold)
	for _, file := range before.files() {
		file.Remove()
	}
	p.log.Info("a portfolio was folded again from the first record; all its reads are answered", "portfolio", p.id, "records", next.at.next.Load())
}

// reaches returns when a fold has come to a revision, or why it will not.
func (r *following) reaches(ctx context.Context, revision uint64) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	reached := make(chan error, 1)
	go func() { reached <- r.runner.Wait(ctx, revision) }()
	select {
	case err := <-reached:
		return err
	case err := <-r.ended:
		r.ended <- err // for the caller that ends it
		return fmt.Errorf("it ended early: %w", err)
	}
}

// troubleNow returns which readers cannot answer, and why.
func (p *Portfolio) troubleNow() (names []string, why error) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	p.now.runner.Read(func(*portfolio.State) { names, why = p.now.troubled(), p.now.trouble() })
	return names, why
}
