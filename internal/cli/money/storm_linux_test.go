package money_test

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/ledger"
	"pets/domain/portfolio"
	"pets/internal/pets/petstest"
	"pets/internal/testenv"
)

// stormEpisodes is how many storms one world sees.
const stormEpisodes = 4

// "A transfer storm with stops, expiries, reorganisations deeper than the confirmations and
// repricing on the in-process chain: ledger = chain, nothing stuck that a person cannot free by a
// documented command (the test finds that command from the state's own “next:” line)."
func TestATransferStorm(t *testing.T) {
	t.Parallel()
	first, n := uint64(1), uint64(testenv.Rounds(1, 1, 2))
	if worlds := os.Getenv("PETS_STORM_WORLDS"); worlds != "" { // hundreds take half an hour
		var err error
		n, err = strconv.ParseUint(worlds, 10, 64)
		require.NoError(t, err)
	}
	if seed := os.Getenv("PETS_STORM_SEED"); seed != "" {
		var err error
		first, err = strconv.ParseUint(seed, 10, 64)
		require.NoError(t, err)
		n = 1
	}
	var mu sync.Mutex
	all := map[string]int{}
	t.Run("seeds", func(t *testing.T) {
		for seed := first; seed < first+n; seed++ {
			t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
				t.Parallel()
				count := storms(t, seed)
				mu.Lock()
				defer mu.Unlock()
				for what, times := range count {
					all[what] += times
				}
			})
		}
	})
	t.Logf("%v", all)
	if t.Failed() || n == 1 {
		return
	}
	every := []string{"deep", "expiry", "killed", "stop", "approve", "raise", "sign"}
	if n > 2 { // two worlds may have none
		every = append(every, "cancel")
	}
	for _, what := range every {
		require.Positive(t, all[what], "no storm had a %s", what)
	}
}

// storms is one world with its storms. It returns how often what happened in it.
func storms(t *testing.T, seed uint64) map[string]int {
	t.Helper()
	s := newStorm(newStormWorld(t), seed)
	for range stormEpisodes {
		for range 60 {
			s.step()
		}
		s.drain()
		s.agrees()
	}
	s.sound()
	require.Empty(t, s.refusals, "what is printed to be typed is accepted")
	t.Logf("%v, at most %d rounds; PETS_STORM_SEED=%d runs it again", s.count, s.rounds, seed)
	s.count["killed"] += s.killed
	return s.count
}

// agrees checks that ledger and chain agree to the unit, that the books balance, and that every
// nonce that a wallet has used is that of one transfer.
func (s *storm) agrees() {
	s.t.Helper()
	state := s.state()
	places, sums := map[string]map[string]domain.Decimal{domain.WalletHot: {}, domain.WalletCold: {}}, map[string]domain.Decimal{}
	for account, amount := range state.Book {
		sums[account.Asset] = sums[account.Asset].Add(amount)
		if held := places[account.Place]; held != nil {
			held[account.Asset] = held[account.Asset].Add(amount)
		}
		if account.Place == ledger.PlaceTransit && !amount.IsZero() {
			s.fail("%s is in transit, and nothing is open: %v", amount, account)
		}
	}
	if chain := s.onChain(); !reflect.DeepEqual(chain, places) {
		s.fail("the chain has %v, and the ledger %v", chain, places)
	}
	for asset, sum := range sums {
		if !sum.IsZero() {
			s.fail("the sum over all accounts of %s is %s", asset, sum)
		}
	}
	s.nonces(state)
	folded, err := state.Snapshot()
	require.NoError(s.t, err)
	follower, err := s.process.live.Open(s.ctx(), stormMain)
	require.NoError(s.t, err)
	require.NoError(s.t, follower.Reach(s.ctx(), state.Next-1))
	require.NoError(s.t, follower.Read(func(live *portfolio.State) error {
		held, err := live.Snapshot()
		require.Equal(s.t, string(folded), string(held), "the state of the server is that of the log")
		return err
	}))
}

// nonces checks that every transaction of a wallet is the recorded end of one transfer, and that
// every recorded end is on the chain.
func (s *storm) nonces(state *portfolio.State) {
	s.t.Helper()
	ends := map[string]string{}
	for _, t := range state.Custody.SortedTransfers() {
		if !t.EndedOnChain() || t.Code == domain.FailedReplaced {
			continue
		}
		if other := ends[t.TxHash]; other != "" {
			s.fail("%s ended %s and %s", t.TxHash, other, t.Transfer)
		}
		ends[t.TxHash] = t.Transfer
	}
	for name, address := range s.wallets {
		for i, tx := range s.sent(address) {
			hash := tx.Hash().Hex()
			if tx.Nonce() != uint64(i) || ends[hash] == "" {
				s.fail("transaction %s with nonce %d of %s is the end of no transfer", hash, tx.Nonce(), name)
			}
			delete(ends, hash)
		}
	}
	if len(ends) > 0 {
		s.fail("ends that the chain does not have: %v", ends)
	}
}

// sound checks the store as pets verify does, once no server holds it.
func (s *storm) sound() {
	s.t.Helper()
	s.end()
	ran := (&petstest.Shell{T: s.t, Dir: s.dir, Ctx: s.t.Context()}).Run("verify", "--store", "embedded:"+filepath.Join(s.dir, "store"))
	require.Zero(s.t, ran.Code, "%s%s", ran.Out, ran.Err)
	s.start() // for the end of the test
}
