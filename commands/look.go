package commands

import (
	"context"
	"runtime/debug"

	"pets/domain"
	"pets/domain/portfolio"
)

// look runs f on the goroutine of the writer, against the state at the head of the
// stream: another server may have added to it, so the store is asked. f must not keep
// the state, nor take long.
func (w *Writer) look(ctx context.Context, f func(*portfolio.State) error) error {
	_, err := w.send(&job{ctx: ctx, look: f})
	return err
}

// show answers a look. A defect that panics must not end the writer.
func (w *Writer) show(f func(*portfolio.State) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			w.discard()
			err = &Defect{Value: p, Stack: debug.Stack()}
		}
	}()
	for range maxAttempts {
		if err := w.load(); err != nil {
			return err
		}
		err := w.atHead()
		if err == nil {
			break
		}
		if !overtaken(err) {
			return asUnavailable(err)
		}
		w.discard()
	}
	fold, ok := w.state.(*portfolioFold)
	if !ok {
		return domain.Errorf(domain.CodeUnavailable, "the stream moves on faster than it can be read")
	}
	return f(fold.s)
}
