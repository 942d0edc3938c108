package custody_test

import (
	"testing"

	"github.com/ethereum/go-ethereum/params"
	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/domain"
	"pets/domain/treasury"
)

func (s *server) emergency() {
	s.t.Helper()
	_, _, err := s.engine.Stop(s.ctx(), main, by(olga, commands.EngageStop{Kind: domain.StopSecurityBreach, Reason: "a drill"}))
	require.NoError(s.t, err)
}

// sweeps asks for a sweep to the cold wallet that has its approval.
func (s *server) sweeps() string {
	s.t.Helper()
	id := s.must(olga, commands.RequestTransfer{From: "hot", To: "cold", Reason: "a drill", Sweep: true}).ID
	s.must(paul, commands.ApproveTransfer{Transfer: id, Hash: s.transfer(id).TransferRequested.Hash})
	return id
}

// "It goes before transfers that were under way when the stop came, if need be with
// their nonce: they have to wait, and the money cannot."
func TestASweepTakesThePlaceOfATransferThatIsStuck(t *testing.T) {
	t.Parallel()
	s := newWorld(t).inMemory()
	stuck, block := s.sending()
	s.emergency()
	id := s.sweeps()
	for range 60 {
		_ = s.work() // the transfer that is stuck is halted, and says so
	}
	sweep := s.transfer(id)
	require.Equal(t, treasury.Broadcast, sweep.Status)
	require.Equal(t, s.transfer(stuck).Last().Nonce, sweep.Last().Nonce)
	s.node.Mine(4)
	for range 4 {
		_ = s.work()
	}
	require.Equal(t, treasury.Confirmed, s.transfer(id).Status)
	require.Equal(t, domain.FailedReplaced, s.transfer(stuck).Code)
	s.one(id, block)
	s.agrees()
}

// A thief who has a copy of the key must not be able to hold up the sweep by leaving a
// transaction of the wallet in the pool.
func TestASweepOutbidsAThief(t *testing.T) {
	t.Parallel()
	s := newWorld(t).inMemory()
	block := s.node.Head()
	s.foreign(0, 4*params.GWei)
	s.emergency()
	id := s.sweeps()
	for range 60 {
		require.NotEqual(t, domain.CodeInternal, domain.CodeOf(s.work()))
	}
	require.Equal(t, treasury.Broadcast, s.transfer(id).Status)
	require.Greater(t, len(s.transfer(id).Attempts), 1)
	s.node.Mine(4)
	for range 4 {
		require.NoError(t, s.work())
	}
	require.Equal(t, treasury.Confirmed, s.transfer(id).Status)
	s.one(id, block)
	s.agrees()
}

// "Its arrival is recorded even if it was never sent from here": also where that is what
// halts everything else.
func TestASignedColdTransferThatSomebodyElseSends(t *testing.T) {
	t.Parallel()
	s := newWorld(t).inMemory()
	id := s.ask(commands.RequestTransfer{From: "cold", To: "hot", Amount: dec("10")})
	require.NoError(t, s.work())
	raw := s.signedElsewhere(id)
	s.bring(id)
	s.emergency()
	s.code(domain.CodeHalted, s.work())
	require.NoError(t, s.chain().Send(s.ctx(), chainID, raw))
	s.node.Mine(1)
	_, err := s.custody.Reconcile(s.ctx(), main, by(olga, commands.Reconcile{}))
	require.NoError(t, err)
	require.Len(t, s.state().Custody.OpenDifferences(), 3, "nobody knows yet where it is")
	s.node.Mine(3)
	require.NoError(t, s.work())
	require.Equal(t, treasury.Confirmed, s.transfer(id).Status)
	s.agrees()
	require.Empty(t, s.state().Custody.OpenDifferences())
}
