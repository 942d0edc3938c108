package live

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/eventstore"
	"pets/projections"
)

// Portfolio is the current state of one portfolio with its readers.
type Portfolio struct {
	of         *Followers
	store      eventstore.Store
	id, stream string
	log        *slog.Logger
	made       []attachment
	broken     atomic.Pointer[error] // why it is not followed any more

	// again is told when a reader cannot answer any more, and gaveUp that its portfolio is
	// not folded again for it.
	again  chan struct{}
	gaveUp atomic.Bool
	// refolded is when it was folded again for each reader. Only the follower uses it.
	refolded map[string]time.Time
	coming   atomic.Pointer[coming] // the fold that was begun last

	mu  sync.RWMutex // held while now is read or replaced
	now *fold
}

// current returns the fold that is read now. Another one may take its place.
func (p *Portfolio) current() *fold {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.now
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
	for {
		replaced, err := p.current().wait(ctx, max(head, least))
		switch {
		case replaced:
		case err != nil:
			return &BehindError{Revision: max(head, least), Recorded: head >= least, cause: err}
		default:
			return nil
		}
	}
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
	p.mu.RLock()
	defer p.mu.RUnlock()
	return Show(p.now.runner, func(s *portfolio.State) error {
		err := look(s)
		if p.now.trouble() != nil { // a reader may have found out just now
			p.foldAgain()
		}
		return err
	})
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
