package live

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/eventstore"
	"pets/projections"
)

// Portfolio is one portfolio as it stands, and what its readers made of its history.
type Portfolio struct {
	store      eventstore.Store
	id, stream string
	log        *slog.Logger
	runner     *projections.Runner
	riders     []*rider
	broken     atomic.Pointer[error] // why it is not followed any more
}

// follow keeps the portfolio at the head of its stream until the context ends. One that
// cannot go on says so, and is not shown any more.
func (p *Portfolio) follow(ctx context.Context) {
	err := p.runner.Follow(ctx)
	if ctx.Err() != nil {
		return
	}
	if err == nil { // a subscription ends with its context, or with an error
		err = errors.New("its stream ended")
	}
	p.broken.Store(&err)
	p.log.Error("a portfolio cannot be followed any more; its reads are refused", "portfolio", p.id, "error", err.Error())
}

// ID is the portfolio's name.
func (p *Portfolio) ID() string { return p.id }

// BehindError says which revision was waited for in vain.
type BehindError struct {
	Revision uint64
	Recorded bool // it stands in the log: what follows has not folded it yet
	cause    error
}

func (e *BehindError) Error() string {
	return fmt.Sprintf("revision %d is not folded: %v", e.Revision, e.cause)
}

// Unwrap gives why it was waited no longer.
func (e *BehindError) Unwrap() error { return e.cause }

// Reach returns when everything is folded that was durable before the question, whoever
// wrote it, and the revision at least. It ends with the context.
func (p *Portfolio) Reach(ctx context.Context, least uint64) error {
	if err := p.Broken(); err != nil {
		return err
	}
	head, err := p.store.Head(ctx, p.stream)
	if err != nil {
		return unavailable(err)
	}
	if err := p.runner.Wait(ctx, max(head, least)); err != nil {
		return &BehindError{Revision: max(head, least), Recorded: head >= least, cause: err}
	}
	return nil
}

// Broken says why the portfolio is not followed any more, nil where it is.
func (p *Portfolio) Broken() error {
	if err := p.broken.Load(); err != nil {
		return &domain.Error{Code: domain.CodeUnavailable, Message: "the portfolio cannot be followed; see the server's log", Cause: *err}
	}
	return nil
}

// Read shows the state while nothing is folded into it; [Attachment.Of] gives the readers
// meanwhile. Neither must be kept. A stream in which no portfolio was opened yet is
// not_found.
func (p *Portfolio) Read(look func(*portfolio.State) error) error {
	if err := p.Broken(); err != nil {
		return err
	}
	return Show(p.runner, look)
}

// Show shows the state of a fold, if its portfolio was open by then.
func Show(r *projections.Runner, look func(*portfolio.State) error) (err error) {
	r.Read(func(s *portfolio.State) {
		if !s.IsOpen() {
			err = domain.Errorf(domain.CodeNotFound, "the portfolio did not exist yet at that time")
			return
		}
		err = look(s)
	})
	return err
}
