package commands

import (
	"context"
	"runtime/debug"
	"sync"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/eventstore"
)

// look shows the state of a portfolio; see lookAt.
func (w *Writer) look(ctx context.Context, f func(*portfolio.State) error) error {
	return w.lookAt(ctx, func(fold stateFold) error {
		p, ok := fold.(*portfolioFold)
		if !ok {
			return domain.Errorf(domain.CodeInternal, "there is nothing to see in this stream")
		}
		return f(p.s)
	})
}

// lookAt runs f on the goroutine of the writer, against the state at the head of the
// stream: another server may have added to it, so the store is asked. f must not keep
// the state, take long, or wait for the writer. Once lookAt has returned f is over, or
// never runs: what it writes to is the caller's again.
func (w *Writer) lookAt(ctx context.Context, f func(stateFold) error) error {
	var mu sync.Mutex
	left := false
	_, err := w.send(&job{ctx: ctx, look: func(fold stateFold) error {
		mu.Lock()
		defer mu.Unlock()
		if left {
			return context.Canceled
		}
		return f(fold)
	}})
	mu.Lock() // the context may have ended while f runs
	defer mu.Unlock()
	left = true
	return err
}

// show answers a look. A defect that panics must not end the writer.
func (w *Writer) show(f func(stateFold) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			w.discard()
			err = &Defect{Value: p, Stack: debug.Stack()}
		}
	}()
	if err := w.load(); err != nil {
		return err
	}
	for range maxAttempts {
		err := w.atHead()
		if err == nil {
			return f(w.state)
		}
		if !overtaken(err) {
			return asUnavailable(err)
		}
		if err := w.catchUp(); err != nil {
			return err
		}
	}
	return domain.Errorf(domain.CodeUnavailable, "the stream moves on faster than it can be read")
}

// catchUp folds what others have added since. Nothing is being decided, so the state is
// that of the first durable records, and need not be thrown away for it: two servers
// look many times a minute, and a history may be long.
func (w *Writer) catchUp() error {
	next := w.durable
	err := eventstore.Walk(w.ctx, w.store, w.stream, next, func(rec eventstore.Record) error {
		next = rec.Revision + 1
		return foldRecord(w.state, w.index, rec)
	})
	if err != nil {
		w.discard() // part of it may be folded
		return &domain.Error{Code: domain.CodeUnavailable, Message: "the history cannot be read; nothing is decided", Cause: err}
	}
	known := w.durable
	w.durable = next
	if err := w.takeOver(known); err != nil {
		return err
	}
	w.checkBooks()
	return nil
}
