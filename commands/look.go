package commands

import (
	"context"
	"errors"
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
			return domain.Errorf(domain.CodeInternal, "this stream is not a portfolio's")
		}
		return f(p.s)
	})
}

// lookAt runs f on the goroutine of the writer, with the state at the head of the stream.
// It asks the store for the head, because another server may have appended. f must not
// keep the state, take long, or wait for the writer. When lookAt has returned, f has
// ended or will never run, so what f writes to belongs to the caller again.
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
	mu.Lock() // waits for f, if the context ended while it runs
	defer mu.Unlock()
	left = true
	return err
}

// show runs the function of a look. A panic in it must not end the writer.
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
	if err := w.atHead(); err != nil {
		if !overtaken(err) {
			return asUnavailable(err)
		}
		// What is folded now was the whole stream when it was asked for.
		if err := w.catchUp(nextAfter(err)); err != nil {
			return err
		}
	}
	return f(w.state)
}

// catchUp folds what other servers have appended. No group is being decided, so the state
// is that of the durable records and can be extended. Folding the whole stream again would
// be too slow: two servers may look many times a minute, and a history may be long. It reads
// until the revision after the last record that is known to be there, or where that is 0, up to
// the last that is there now: it does not run after what is appended meanwhile.
func (w *Writer) catchUp(until uint64) error {
	next := w.durable
	if until == 0 {
		until = w.bound()
	}
	w.spare = nil // it would lack what is folded now
	var decoder domain.Decoder
	granted := map[uint64]eventstore.Record{}
	err := eventstore.Walk(w.ctx, w.store, w.stream, next, func(rec eventstore.Record) error {
		next = rec.Revision + 1
		if rec.Type == domain.PermitGrantedType {
			granted[rec.Revision] = rec
		}
		if err := foldRecord(&decoder, w.state, w.accepted, rec); err != nil || until == 0 || next < until {
			return err
		}
		return errReached
	})
	if err != nil && !errors.Is(err, errReached) {
		w.discard() // some of the records may have been applied
		return &domain.Error{Code: domain.CodeUnavailable, Message: "the history cannot be read; nothing is decided", Cause: err}
	}
	known := w.durable
	w.durable = next
	err = w.takeOver(known, func(revision uint64) (eventstore.Record, error) {
		if rec, read := granted[revision]; read { // one by one, they would take longer than to be granted
			return rec, nil
		}
		return w.one(revision)
	})
	if err != nil {
		return err
	}
	w.checkBooks()
	return nil
}
