package commands

import (
	"context"
	"errors"
	"runtime/debug"
	"sync"
	"time"

	"github.com/google/uuid"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/internal/notice"
)

// Bounds of the loop.
const (
	// maxSteps is how many steps in a row a portfolio's transfers are taken.
	maxSteps = 20
	// reconcileSoon is when a reconciliation that could not be made is tried again.
	reconcileSoon = 30 * time.Second
	// leaveWithin is how long the loop waits, when it ends, for what it has begun. All of
	// it can be killed anywhere.
	leaveWithin = 10 * time.Second
)

// RunOptions say how often [Custody.Run] looks.
type RunOptions struct {
	Every          time.Duration // at the transfers; 0 is two seconds
	ReconcileEvery time.Duration // at the balances; 0 is ten minutes
}

// Nudge has the transfers looked at now: something was requested, approved or brought.
func (c *Custody) Nudge() {
	select {
	case c.nudge <- struct{}{}:
	default: // one is waiting to be taken, and serves both
	}
}

// Run takes the transfers of every live portfolio on, and reconciles each at the start
// and from then on as often as is asked for, until the context ends. Each portfolio has
// a goroutine while something is done for it, so that one that hangs holds up no other.
// Whatever fails is tried again; Notify hears of it once.
func (c *Custody) Run(ctx context.Context, o RunOptions) {
	if o.Every <= 0 {
		o.Every = 2 * time.Second
	}
	if o.ReconcileEvery <= 0 {
		o.ReconcileEvery = 10 * time.Minute
	}
	l := &loop{c: c, o: o, once: notice.NewOnce(c.o.Now, c.o.Notify), tended: map[string]*tended{}}
	tick := time.NewTicker(o.Every)
	defer tick.Stop()
	for {
		l.round(ctx)
		select {
		case <-ctx.Done():
			l.leave()
			return
		case <-tick.C:
		case <-c.nudge:
		}
	}
}

// loop is one Run.
type loop struct {
	c      *Custody
	o      RunOptions
	under  sync.WaitGroup
	once   *notice.Once
	tended map[string]*tended // by portfolio; the loop's goroutine only
}

// tended is what the loop knows of one portfolio.
type tended struct {
	mu          sync.Mutex
	busy, again bool

	// Those of the goroutine that is busy.
	paper bool // its mode never changes
	due   time.Time
}

func (l *loop) round(ctx context.Context) {
	listing, cancel := context.WithTimeout(ctx, l.c.o.StepTimeout)
	defer cancel()
	ids, err := l.c.engine.Portfolios(listing)
	if err != nil {
		if ctx.Err() == nil {
			l.once.Tell(notice.Notice{Kind: notice.PortfolioUnread, Err: err})
		}
		return
	}
	for _, id := range ids {
		p := l.tended[id]
		if p == nil {
			p = &tended{}
			l.tended[id] = p
		}
		if p.begin() {
			l.under.Go(func() { l.tend(ctx, id, p) })
		}
	}
}

// begin reports whether a goroutine has to be started: there is one at most.
func (p *tended) begin() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.busy {
		p.again = true
		return false
	}
	p.busy = true
	return true
}

// end reports whether it is over: what was nudged meanwhile may not have been seen.
func (p *tended) end() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.again {
		p.again = false
		return false
	}
	p.busy = false
	return true
}

func (l *loop) tend(ctx context.Context, id string, p *tended) {
	for {
		if ctx.Err() == nil && !p.paper {
			l.step(ctx, id, p)
		}
		if p.end() {
			return
		}
	}
}

// step does all that can be done for a portfolio now. A defect in an adapter must not
// end the server, nor the care for the other portfolios.
func (l *loop) step(ctx context.Context, id string, p *tended) {
	defer func() {
		if v := recover(); v != nil {
			l.once.Tell(notice.Notice{Kind: notice.Defect, Portfolio: id, Err: &Defect{Value: v, Stack: debug.Stack()}})
		}
	}()
	wallets, hot := 0, false
	err := l.c.glance(ctx, id, func(s *portfolio.State) error {
		p.paper, wallets = s.IsOpen() && s.Mode != domain.ModeLive, len(s.Custody.Wallets)
		now, _ := s.ClockAt(l.c.o.Now())
		hot = s.HotTooLong(now)
		return nil
	})
	switch {
	case err != nil:
		l.tell(ctx, notice.PortfolioUnread, id, err)
		return
	case p.paper || wallets == 0:
		return
	}
	if hot {
		l.tell(ctx, notice.HotTooLong, id, errHotTooLong)
	}
	if l.c.o.Chain != nil && !l.c.o.Now().Before(p.due) {
		l.reconcile(ctx, id, p)
	}
	for range maxSteps {
		progressed, err := l.c.Work(ctx, id)
		for _, problem := range each(err) {
			l.tell(ctx, notice.TransferStuck, id, problem)
		}
		if !progressed || err != nil {
			return
		}
	}
}

// errHotTooLong: "Above 0.20 for 24 h: critical alert".
var errHotTooLong = domain.Errorf(domain.CodeConflict, "the hot wallet has held more than %s of the total for 24 h; move money to the cold wallet", domain.MaxHotShare)

func (l *loop) reconcile(ctx context.Context, id string, p *tended) {
	_, err := l.c.Reconcile(ctx, id, Request{Caller: serverCaller, Key: uuid.NewString(), Command: Reconcile{}})
	wait := l.o.ReconcileEvery
	if err != nil {
		wait = min(wait, reconcileSoon)
		l.tell(ctx, notice.ChainUnread, id, err)
	}
	p.due = l.c.o.Now().Add(wait)
}

// tell leaves out what only says that the server is stopping.
func (l *loop) tell(ctx context.Context, kind notice.Kind, id string, err error) {
	if ctx.Err() != nil {
		return
	}
	n := notice.Notice{Kind: kind, Portfolio: id, Err: err}
	var problem *TransferProblem
	if errors.As(err, &problem) {
		n.Subject = problem.Transfer
	}
	l.once.Tell(n)
}

// leave waits for what was begun. What does not hear that the context has ended is left.
func (l *loop) leave() {
	done := make(chan struct{})
	go func() {
		l.under.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(leaveWithin):
		l.c.o.Notify(notice.Notice{Kind: notice.LeftUnfinished})
	}
}

// each takes joined errors apart.
func each(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	if err == nil {
		return nil
	}
	return []error{err}
}
