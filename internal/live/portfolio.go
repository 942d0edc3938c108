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

// Portfolio is the current state of one portfolio with its readers.
type Portfolio struct {
	store      eventstore.Store
	id, stream string
	log        *slog.Logger
	runner     *projections.Runner
	riders     []*rider
	progress   *progress             // nil if no checkpoints are made
	broken     atomic.Pointer[error] // why it is not followed any more
}

// follow keeps the portfolio at the head of its stream until the context ends. A
// portfolio that cannot continue is logged and no longer shown.
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

// ID returns the portfolio's name.
func (p *Portfolio) ID() string { return p.id }

// BehindError names the revision that was not reached.
type BehindError struct {
	Revision uint64
	Recorded bool // the record is in the log but not folded yet
	cause    error
}

func (e *BehindError) Error() string {
	return fmt.Sprintf("revision %d is not folded: %v", e.Revision, e.cause)
}

// Unwrap returns why the wait ended.
func (e *BehindError) Unwrap() error { return e.cause }

// Reach returns when everything is folded that was durable before the call,
// whoever wrote it, and at least the revision. It ends with the context.
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

// Broken returns why the portfolio is not followed any more, or nil.
func (p *Portfolio) Broken() error {
	if err := p.broken.Load(); err != nil {
		return &domain.Error{Code: domain.CodeUnavailable, Message: "the portfolio cannot be followed; see the server's log", Cause: *err}
	}
	return nil
}

// Read shows the state while nothing is folded into it; [Attachment.Of] returns
// the readers meanwhile. Neither must be kept. A stream without an opened
// portfolio is not_found.
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
