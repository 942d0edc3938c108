package custody_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/commands/custody"
	"pets/domain"
	"pets/domain/treasury"
	"pets/internal/chain/chaintest"
)

var lieAboutBalances = chaintest.On("eth_getBalance", chaintest.Result(`"0x7"`))

// run starts the loop, and returns a function that ends it.
func (s *server) run(o custody.RunOptions) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan struct{})
	go func() {
		s.custody.Run(ctx, o)
		close(over)
	}()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			select {
			case <-over:
			case <-time.After(patience):
				s.t.Error("the loop does not end")
			}
		})
	}
	s.t.Cleanup(stop)
	return stop
}

func (s *server) eventually(what string, ok func() bool) {
	s.t.Helper()
	require.Eventually(s.t, ok, patience, 2*time.Millisecond, what)
}

// "Reconciliation … at start, on a schedule"; a request is worked on at once.
func TestTheLoopTakesTransfersToTheirEnd(t *testing.T) {
	t.Parallel()
	s := plainWorld(t).inMemory()
	block := s.node.Head()
	reconciled := func() int { return len(eventsOf[*domain.BalanceReconciled](s)) }
	stop := s.run(custody.RunOptions{Every: time.Hour, ReconcileEvery: 2 * time.Hour})
	s.eventually("reconciled at the start", func() bool { return reconciled() == 1 })

	id := s.ask(commands.RequestTransfer{From: "hot", To: "cold", Amount: dec("10")})
	time.Sleep(20 * time.Millisecond)
	require.Equal(t, treasury.Approved, s.transfer(id).Status, "the tick is an hour away")
	s.custody.Nudge()
	s.eventually("sent at once", func() bool { return s.transfer(id).Status == treasury.Broadcast })
	s.eventually("confirmed", func() bool { // it is recorded as sent just before it is sent
		s.node.Mine(1) // one endpoint: two would not keep up with this
		s.custody.Nudge()
		return s.transfer(id).Status == treasury.Confirmed
	})
	require.Equal(t, 1, reconciled())
	s.later(3 * time.Hour)
	s.custody.Nudge()
	s.eventually("reconciled on schedule", func() bool { return reconciled() == 2 })
	stop()
	s.one(id, block)
	s.agrees()
	require.Empty(t, s.watched)
}

// "Tells of each problem once", and continues after it.
func TestTheLoopSurvivesAndSaysItOnce(t *testing.T) {
	t.Parallel()
	s := newWorld(t).inMemory()
	id := s.ask(commands.RequestTransfer{From: "hot", To: "cold", Amount: dec("10")})
	s.b.Set(lieAboutBalances)
	s.run(custody.RunOptions{Every: 2 * time.Millisecond, ReconcileEvery: time.Hour})
	count := func(what string) (n int) {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, said := range s.watched {
			if strings.Contains(said, what) {
				n++
			}
		}
		return n
	}
	s.eventually("both are told", func() bool { return count("does not progress") == 1 && count("cannot be compared") == 1 })
	calls := s.b.Calls("eth_getBalance")
	s.eventually("tried again and again", func() bool { return s.b.Calls("eth_getBalance") > calls+10 })
	require.Equal(t, 1, count("does not progress"))
	s.b.Set(nil)
	s.eventually("and goes on", func() bool { return s.transfer(id).Status == treasury.Broadcast })
	require.Equal(t, 1, count("cannot be compared"))
}

// failing is a chain that hangs, ignoring its context, or that panics.
type failing struct {
	custody.Chain
	hang  chan struct{}
	panic bool
}

func (f *failing) Prepare(ctx context.Context, p domain.Payment, how custody.Making) (commands.Prepared, error) {
	if f.panic {
		panic("a defect")
	}
	if f.hang != nil {
		<-f.hang
		return commands.Prepared{}, errors.New("it hung")
	}
	return f.Chain.Prepare(ctx, p, how)
}

func TestADefectDoesNotEndTheLoop(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := &failing{panic: true}
	s := w.inMemory(func(o *custody.Options) { f.Chain, o.Chain = o.Chain, f })
	s.ask(commands.RequestTransfer{From: "hot", To: "cold", Amount: dec("10")})
	stop := s.run(custody.RunOptions{Every: time.Millisecond})
	s.eventually("told", func() bool { return s.heard("a defect was found") })
	stop()
	require.Len(t, s.watched, 1)
}

// One portfolio that hangs delays neither the others nor the end.
func TestOnePortfolioThatHangs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := &failing{hang: make(chan struct{})}
	s := w.inMemory(func(o *custody.Options) { f.Chain, o.Chain = o.Chain, f })
	s.ask(commands.RequestTransfer{From: "hot", To: "cold", Amount: dec("10")})
	stop := s.run(custody.RunOptions{Every: time.Millisecond})
	s.eventually("reconciled", func() bool { return len(eventsOf[*domain.BalanceReconciled](s)) == 1 })

	// Another live portfolio, with a wallet of its own, is opened and worked on meanwhile.
	s.second()
	s.eventually("the other one", func() bool { return strings.Count(streams(s), `"lines":[`) == 2 })
	close(f.hang)
	stop()
}

// A closed engine, or a missing store, is a problem like any other.
func TestTheLoopOutlivesItsEngine(t *testing.T) {
	t.Parallel()
	s := newWorld(t).inMemory()
	s.ask(commands.RequestTransfer{From: "hot", To: "cold", Amount: dec("10")})
	stop := s.run(custody.RunOptions{Every: time.Millisecond})
	s.eventually("started", func() bool { return len(eventsOf[*domain.BalanceReconciled](s)) == 1 })
	s.engine.Close()
	require.NoError(t, s.truth.Close())
	s.eventually("told", func() bool { return s.heard("cannot be") })
	stop()
	require.LessOrEqual(t, len(s.watched), 4)
}
