package custody_test

import (
	"flag"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/domain"
	"pets/domain/treasury"
	"pets/eventstore"
	"pets/eventstore/embedded"
	"pets/eventstore/memory"
	"pets/internal/testenv"
)

// crashRounds is how many rounds die at random steps; make torture has hundreds.
var crashRounds = flag.Int("custody.rounds", 4, "rounds of transfers that die twice at random, and of two servers")

// plainWorld has one endpoint, which never lies, because hundreds of transfers are made
// there.
func plainWorld(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.client = w.direct
	return w
}

// journey is a transfer that is made repeatedly, and dies at another step each time.
type journey struct {
	name  string
	ask   commands.RequestTransfer
	from  common.Address
	stuck bool // its first transaction is not mined before it gets a higher fee
}

func (w *world) journeys() []journey {
	return []journey{
		{"hot to cold", commands.RequestTransfer{From: "hot", To: "cold", Amount: dec("0.5"), Reason: "a test"}, w.hot, false},
		{"to the book", commands.RequestTransfer{From: "hot", To: w.partner.Hex(), Amount: dec("0.25"), Reason: "a test"}, w.hot, false},
		{"cold to hot", commands.RequestTransfer{From: "cold", To: "hot", Amount: dec("0.75"), Reason: "a test"}, w.cold.Address, false},
		{"stuck", commands.RequestTransfer{From: "hot", To: "cold", Amount: dec("0.125"), Reason: "a test"}, w.hot, true},
	}
}

// goOn works until the transfer has ended or the process has died.
func (s *server) goOn(id string, l *life, stuck bool) {
	s.t.Helper()
	for range 60 {
		t := s.transfer(id)
		if !t.Open() || l.died() {
			return
		}
		err := s.work()
		require.True(s.t, err == nil || l.died(), "%v", err)
		t = s.transfer(id)
		switch {
		case l.died() || !t.Open():
			return
		case t.Status == treasury.Prepared && t.FromPlace == domain.WalletCold:
			_, err := s.custody.ImportSigned(s.ctx(), main, by(olga, commands.SignTransfer{Transfer: id, Raw: s.signedElsewhere(id)}))
			require.True(s.t, err == nil || l.died(), "%v", err)
		case t.Status == treasury.Broadcast && stuck && !t.Last().Sent: // it has to be signed and sent
		case t.Status == treasury.Broadcast && stuck && len(t.Attempts) == 1:
			s.later(5 * time.Minute)
		case t.Status == treasury.Broadcast:
			s.node.Mine(1)
		}
	}
	require.FailNow(s.t, "it does not end", "%+v", s.transfer(id))
}

// once is checked after every journey: exactly one transaction of the wallet, the
// transfer confirmed, each of its events recorded once, ledger and chain the same.
func (s *server) once(id string, from common.Address, block uint64) {
	s.t.Helper()
	t := s.transfer(id)
	require.Equal(s.t, treasury.Confirmed, t.Status)
	sent := s.sent(from, block)
	require.Len(s.t, sent, 1)
	require.Equal(s.t, t.TxHash, sent[0].Hash().Hex())
	require.Len(s.t, eventsOf[*domain.TransferConfirmed](s), 1)
	require.Len(s.t, eventsOf[*domain.TransferBroadcast](s), len(t.Attempts))
	require.Len(s.t, eventsOf[*domain.TransferSigned](s), len(t.Attempts))
	if from == s.hot {
		require.Len(s.t, eventsOf[*domain.SignatureMade](s), len(t.Attempts))
	}
	require.Empty(s.t, s.watched)
	s.agrees()
}

// die makes a journey that is killed at each of the given effects in turn, and finishes
// it.
func (w *world) die(j journey, open func() eventstore.Store, at []int, before func() bool) (died int, names map[string]bool) {
	w.t.Helper()
	setup := w.opened(open())
	id, block := setup.ask(j.ask), w.node.Head()
	setup.engine.Close()
	names = map[string]bool{}
	for _, n := range append(slices.Clone(at), 0) {
		s, l := w.mortal(open(), n, before())
		s.goOn(id, l, j.stuck)
		s.engine.Close()
		maps.Copy(names, l.names)
		if l.died() {
			died++
		}
	}
	last := w.serve(open())
	defer last.engine.Close()
	last.once(id, j.from, block)
	require.Equal(w.t, j.stuck, len(last.transfer(id).Attempts) == 2)
	return died, names
}

// stores are the stores for the crash tests: each function opens one, and opens it anew
// when it is called again.
var stores = map[string]func(t *testing.T) func() eventstore.Store{
	"memory": func(*testing.T) func() eventstore.Store {
		s := memory.New()
		return func() eventstore.Store { return s }
	},
	"embedded": func(t *testing.T) func() eventstore.Store {
		dir, open := t.TempDir(), eventstore.Store(memory.New())
		t.Cleanup(func() { _ = open.Close() })
		return func() eventstore.Store {
			require.NoError(t, open.Close())
			s, err := embedded.Open(dir, embedded.Options{})
			require.NoError(t, err)
			open = s
			return s
		}
	},
}

// "The state machine of a transfer, crash-tested at every step (killed after each event,
// restarted: exactly one transaction on the chain)": killed before and after each append,
// each signature, each call of the chain.
func TestATransferKilledAtEveryStep(t *testing.T) {
	for kind, open := range stores {
		for i, j := range (&world{}).journeys() {
			if j.stuck && kind != "memory" {
				continue
			}
			t.Run(kind+" "+j.name, func(t *testing.T) {
				t.Parallel()
				w := plainWorld(t)
				j := w.journeys()[i]
				deaths, names, step := 0, map[string]bool{}, testenv.Rounds(3, 3, 1)
				for at, done := 1, false; !done; at += step {
					for _, before := range []bool{true, false} {
						died, met := w.die(j, open(t), []int{at}, func() bool { return before })
						maps.Copy(names, met)
						deaths += died
						done = died == 0
					}
				}
				t.Logf("killed %d times", deaths)
				require.GreaterOrEqual(t, deaths, testenv.Rounds(6, 6, 18))
				if step > 1 {
					return // some of the steps
				}
				for _, name := range []string{"append", "prepare", "send", "follow"} {
					require.True(t, names["before "+name] && names["after "+name], name)
				}
				require.Equal(t, j.from == w.hot, names["after sign"])
			})
		}
	}
}

// Killed again during the recovery.
func TestATransferKilledTwice(t *testing.T) {
	for kind, open := range stores {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			w := plainWorld(t)
			deaths, rng := 0, rand.New(rand.NewPCG(7, 11))
			for round := range *crashRounds {
				j := w.journeys()[round%4]
				died, _ := w.die(j, open(t), []int{1 + rng.IntN(14), 1 + rng.IntN(10), 1 + rng.IntN(8)}, func() bool { return rng.IntN(2) == 0 })
				deaths += died
			}
			t.Logf("%d rounds, killed %d times", *crashRounds, deaths)
			require.Greater(t, deaths, *crashRounds)
		})
	}
}

// Two servers on one store work on the same transfers at the same time, and die.
func TestTwoServersMakeOneTransaction(t *testing.T) {
	t.Parallel()
	w := plainWorld(t)
	deaths, repriced, rng := atomic.Int64{}, 0, rand.New(rand.NewPCG(3, 5))
	for round := range *crashRounds {
		store := memory.New()
		setup := w.opened(store)
		j := w.journeys()[[]int{0, 1, 3}[round%3]]
		id, block := setup.ask(j.ask), w.node.Head()
		setup.engine.Close()
		var both sync.WaitGroup
		for range 2 {
			kills := []int{1 + rng.IntN(20), 1 + rng.IntN(20), 0}
			both.Go(func() {
				for _, at := range kills {
					s, l := w.mortal(store, at, at%2 == 0)
					for range 8 {
						if j.stuck { // both repeatedly try to reprice it
							s.later(90 * time.Second)
						}
						_ = s.work() // each finds the other's records, and is refused
					}
					s.engine.Close()
					if l.died() {
						deaths.Add(1)
					}
				}
			})
		}
		both.Wait()
		s := w.serve(store)
		done := s.until(id, treasury.Confirmed)
		if !j.stuck {
			s.once(id, j.from, block)
			continue
		}
		repriced += len(done.Attempts) - 1
		s.one(id, block)
		s.agrees()
	}
	require.Positive(t, repriced)
	t.Logf("%d rounds of two servers, killed %d times, repriced %d times", *crashRounds, deaths.Load(), repriced)
}
