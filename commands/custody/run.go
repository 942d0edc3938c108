package custody

import (
	"context"
	"errors"
	"runtime/debug"
	"sync"
	"time"

	"pets/commands"
	"pets/domain"
	"pets/domain/portfolio"
	"pets/internal/notice"
)

// Bounds of the loop.
const (
	// maxRounds is how many steps in a row the open transfers of a portfolio may take.
	maxRounds = 20
	// reconcileSoon is how long after a failure a reconciliation is retried.
	reconcileSoon = 30 * time.Second
	// openAgain is how long after a failure a key is looked for again.
	openAgain = 30 * time.Second
	// endWithin is how long the loop waits, when it ends, for the steps under way. Each of
	// them can be killed at any moment.
	endWithin = 10 * time.Second
)

// RunOptions say how often [Custodian.Run] works.
type RunOptions struct {
	Every          time.Duration // on the transfers; 0 is two seconds
	ReconcileEvery time.Duration // 0 is ten minutes
}

// Nudge makes [Custodian.Run] examine the transfers now, because one was requested,
// approved or imported.
func (c *Custodian) Nudge() {
	select {
	case c.nudge <- struct{}{}:
	default: // one waiting nudge is enough
	}
}

// Run advances the transfers of every live portfolio, and reconciles each portfolio at
// the start and then at the given interval, until the context ends. Each portfolio has a
// goroutine while there is work for it, so one that hangs does not delay the others.
// Failures are retried, and reported to Notify once.
func (c *Custodian) Run(ctx context.Context, o RunOptions) {
	if o.Every <= 0 {
		o.Every = 2 * time.Second
	}
	if o.ReconcileEvery <= 0 {
		o.ReconcileEvery = 10 * time.Minute
	}
	l := &loop{c: c, o: o, once: notice.NewOnce(c.engine.WallClock, c.o.Notify), workers: map[string]*worker{}}
	tick := time.NewTicker(o.Every)
	defer tick.Stop()
	for {
		l.wakeAll(ctx)
		select {
		case <-ctx.Done():
			l.end()
			return
		case <-tick.C:
		case <-c.nudge:
		}
	}
}

// loop is one call of Run.
type loop struct {
	c       *Custodian
	o       RunOptions
	running sync.WaitGroup
	once    *notice.Once
	workers map[string]*worker // by portfolio; only Run's own goroutine uses it
	begun   bool               // the portfolios of the start are listed
}

// worker works for one portfolio, in one goroutine at most.
type worker struct {
	mu          sync.Mutex
	busy, again bool

	// Only the worker's goroutine uses these.
	paper           bool // a portfolio's mode never changes
	nextReconcileAt time.Time
	// unopened are the hot wallets of the start whose key has not been opened yet; listed
	// says that they are known, or that there were none.
	listed     bool
	unopened   []string
	nextOpenAt time.Time
}

// wakeAll wakes the worker of every portfolio.
func (l *loop) wakeAll(ctx context.Context) {
	listing, cancel := context.WithTimeout(ctx, l.c.o.StepTimeout)
	defer cancel()
	ids, err := l.c.engine.Portfolios(listing)
	if err != nil {
		if ctx.Err() == nil {
			l.once.Tell(notice.Notice{Kind: notice.PortfolioUnread, Err: err})
		}
		return
	}
	l.c.o.Board.Settle(notice.PortfolioUnread, "", nil)
	for _, id := range ids {
		w := l.workers[id]
		if w == nil {
			w = &worker{listed: l.begun} // a later one has no keys that a start could miss
			l.workers[id] = w
		}
		if w.wake() {
			l.running.Go(func() { l.run(ctx, id, w) })
		}
	}
	l.begun = true
}

// wake reports whether a goroutine has to be started. A busy worker does one more round
// instead.
func (w *worker) wake() (start bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.busy {
		w.again = true
		return false
	}
	w.busy = true
	return true
}

// done reports whether the worker's goroutine ends: it does not if the worker was woken
// meanwhile, because it may have missed the reason.
func (w *worker) done() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.again {
		w.again = false
		return false
	}
	w.busy = false
	return true
}

func (l *loop) run(ctx context.Context, id string, w *worker) {
	for {
		if ctx.Err() == nil && !w.paper {
			l.work(ctx, id, w)
		}
		if w.done() {
			return
		}
	}
}

// work does all that can be done for a portfolio now. A defect in an adapter must not end
// the server, nor the work for the other portfolios.
func (l *loop) work(ctx context.Context, id string, w *worker) {
	defer func() {
		if v := recover(); v != nil {
			l.once.Tell(notice.Notice{Kind: notice.Defect, Portfolio: id, Err: &commands.Defect{Value: v, Stack: debug.Stack()}})
		}
	}()
	wallets, hot := 0, false
	err := l.c.atHeadWithin(ctx, id, func(s *portfolio.State) error {
		w.paper, wallets = s.IsOpen() && s.Mode != domain.ModeLive, len(s.Custody.Wallets)
		if !w.listed {
			w.listed, w.unopened = true, hotInUse(s)
		}
		now, _ := s.ClockAt(l.c.engine.WallClock())
		hot = s.HotTooLong(now)
		return nil
	})
	switch {
	case err != nil:
		l.settle(ctx, notice.PortfolioUnread, id, err)
		return
	case w.paper || wallets == 0:
		return
	}
	l.settle(ctx, notice.PortfolioUnread, id, nil)
	l.openKeys(ctx, id, w)
	if hot {
		l.tell(ctx, notice.HotTooLong, id, errHotTooLong)
	}
	if l.c.o.Chain != nil && !l.c.engine.WallClock().Before(w.nextReconcileAt) {
		_, err := l.c.Recheck(ctx, id)
		l.settle(ctx, notice.ChainUnread, id, errors.Join(err, l.reconcile(ctx, id, w)))
	}
	for range maxRounds {
		progressed, err := l.c.Work(ctx, id)
		l.settle(ctx, notice.TransferStuck, id, err)
		if !progressed || err != nil {
			break
		}
	}
	l.c.o.Board.Settle(notice.Defect, id, nil)
}

// errHotTooLong is the alert for a hot wallet above its share for 24 h.
var errHotTooLong = domain.Errorf(domain.CodeConflict, "the hot wallet has held more than %s of the total for 24 h; move money to the cold wallet", domain.MaxHotShare)

// openKeys opens the keys of the start's hot wallets, and tries those that failed again
// later. A key that is gone is known before the first transfer needs it.
func (l *loop) openKeys(ctx context.Context, id string, w *worker) {
	now := l.c.engine.WallClock()
	if l.c.o.Signer == nil || len(w.unopened) == 0 || now.Before(w.nextOpenAt) {
		return
	}
	left, err := l.c.OpenKeys(ctx, id, w.unopened)
	l.settle(ctx, notice.KeyUnusable, id, err)
	w.unopened, w.nextOpenAt = left, now.Add(openAgain)
}

func (l *loop) reconcile(ctx context.Context, id string, w *worker) error {
	_, err := l.c.Reconcile(ctx, id, asServer(commands.Reconcile{}))
	wait := l.o.ReconcileEvery
	if err != nil {
		wait = min(wait, reconcileSoon)
	}
	w.nextReconcileAt = l.c.engine.WallClock().Add(wait)
	return err
}

// settle reports the parts of an error, nil for none, as all that holds of a kind of problem.
func (l *loop) settle(ctx context.Context, kind notice.Kind, id string, err error) {
	if ctx.Err() != nil {
		return
	}
	held := []notice.Notice{}
	for _, problem := range each(err) {
		held = append(held, l.tell(ctx, kind, id, problem))
	}
	l.c.o.Board.Settle(kind, id, held)
}

// tell reports an error, unless the server is stopping, which may be its cause.
func (l *loop) tell(ctx context.Context, kind notice.Kind, id string, err error) notice.Notice {
	n := notice.Notice{Kind: kind, Portfolio: id, Err: err}
	var problem *TransferProblem
	var key *KeyProblem
	switch {
	case errors.As(err, &problem):
		n.Subject = problem.Transfer
	case errors.As(err, &key):
		n.Subject = "wallet " + key.Wallet
	}
	if ctx.Err() == nil {
		l.once.Tell(n)
	}
	return n
}

// end waits for the workers, but not for one that ignores the end of its context.
func (l *loop) end() {
	done := make(chan struct{})
	go func() {
		l.running.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(endWithin):
		l.c.o.Notify(notice.Notice{Kind: notice.LeftUnfinished})
	}
}

// each returns the parts of a joined error.
func each(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	if err == nil {
		return nil
	}
	return []error{err}
}
