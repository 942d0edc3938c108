package custody_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/commands/custody"
	"pets/domain"
	"pets/domain/treasury"
	"pets/internal/chain/chaintest"
)

// nothingSent checks that an account has sent nothing since a block.
func (s *server) nothingSent(block uint64) {
	s.t.Helper()
	s.node.Mine(1)
	require.Empty(s.t, s.sent(s.hot, block))
}

// "Approvals outlive their expiry (signed 20 days later by itself)": a transfer that was
// prepared in time and could not be signed then, because its key was not to be reached, is
// not signed when the key is back.
func TestNothingIsSignedAfterItsApprovalExpired(t *testing.T) {
	t.Parallel()
	for name, after := range map[string]time.Duration{"at once": 24 * time.Hour, "20 days later": 20 * 24 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := plainWorld(t).inMemory()
			block := s.node.Head()
			id := s.ask(commands.RequestTransfer{From: "hot", To: "cold", Amount: dec("10")})
			require.NoError(t, s.work())
			require.Equal(t, treasury.Prepared, s.transfer(id).Status)
			s.later(after)
			for range 3 {
				require.NoError(t, s.work())
			}
			s.nothingSent(block)
			require.Equal(t, treasury.Expired, s.transfer(id).Status)
			require.Empty(t, eventsOf[*domain.SignatureMade](s))
			again := s.ask(commands.RequestTransfer{From: "hot", To: "cold", Amount: dec("10")})
			s.until(again, treasury.Confirmed)
			s.one(again, block)
		})
	}
}

// "… and a breach": what was approved or prepared before a stop does not go on by itself
// when the stop is cleared. What was signed does, and was listed before.
func TestAnApprovalDoesNotOutliveAStop(t *testing.T) {
	t.Parallel()
	s := plainWorld(t).inMemory()
	block := s.node.Head()
	prepared := s.ask(commands.RequestTransfer{From: "hot-1", To: "cold", Amount: dec("10")})
	require.NoError(t, s.work())
	approved := s.ask(commands.RequestTransfer{From: "hot-1", To: "cold", Amount: dec("20")})
	s.stop()
	s.refused(domain.CodeHalted, olga, commands.RequestTransfer{From: "hot-1", To: "cold", Amount: dec("1"), Reason: "in a stop"})
	require.Empty(t, s.state().GoesOn())
	asked := s.must(olga, commands.RequestClear{Reason: "over"})
	s.must(paul, commands.ConfirmClear{Request: asked.ID})
	for range 4 {
		require.NoError(t, s.work())
	}
	s.nothingSent(block)
	for _, id := range []string{prepared, approved} {
		require.Equal(t, treasury.Rejected, s.transfer(id).Status)
	}
}

// "A leaked wallet stays a recipient that needs no approval": a retired one is none at
// all. What it still holds is swept, here without a stop, by two people.
func TestARetiredWalletIsSweptOnly(t *testing.T) {
	t.Parallel()
	s := plainWorld(t).inMemory()
	in := s.ask(commands.RequestTransfer{From: "hot-1", To: "hot-2", Amount: dec("25")})
	require.Empty(t, s.transfer(in).ApprovedBy, "before, no approval was needed")
	s.until(in, treasury.Confirmed)
	s.must(paul, commands.RetireWallet{Wallet: "hot-2", Reason: "its key leaked"})
	s.refused(domain.CodeDenied, olga, commands.RequestTransfer{From: "hot-1", To: "hot-2", Amount: dec("1"), Reason: "x"})
	s.refused(domain.CodeDenied, olga, commands.RequestTransfer{From: "hot-1", To: s.spare.Hex(), Amount: dec("1"), Reason: "x"})
	s.refused(domain.CodeDenied, olga, commands.RequestTransfer{From: "hot-2", To: "cold", Amount: dec("1"), Reason: "x"})
	id := s.must(olga, commands.RequestTransfer{From: "hot-2", To: "cold", Amount: dec("25"), Reason: "what is left", Sweep: true}).ID
	s.refused(domain.CodeDenied, domain.Caller{User: "olga", Role: domain.RoleApprover}, commands.ApproveTransfer{Transfer: id, Hash: s.transfer(id).TransferRequested.Hash})
	s.must(paul, commands.ApproveTransfer{Transfer: id, Hash: s.transfer(id).TransferRequested.Hash})
	s.until(id, treasury.Confirmed)
	require.Equal(t, "0", s.holds(s.spare, "USDC").String())
	s.agrees()
}

// "Leaked cold words have a way (evacuate: two people, to an address of the book, by
// hand-signed file, also in a breach)": while ledger and chain differ, because the thief
// was there already, and before what the wallet has under way, with its nonce.
func TestAnEvacuationInABreach(t *testing.T) {
	t.Parallel()
	s := newWorld(t).inMemory()
	under := s.ask(commands.RequestTransfer{From: "cold", To: "hot", Amount: dec("10")})
	require.NoError(t, s.work())
	require.Equal(t, treasury.Prepared, s.transfer(under).Status, "it may have been signed elsewhere")
	s.stop()
	thief := chaintest.Named("thief")
	_, err := s.custody.AddAddress(s.ctx(), main, by(alice, commands.AddAddress{Chain: chainID, Address: thief.Hex(), Label: "late"}))
	require.NoError(t, err)
	s.refused(domain.CodeDenied, olga, commands.RequestTransfer{From: "cold", To: thief.Hex(), Reason: "to a late address", Evacuate: true})

	id := s.must(olga, commands.RequestTransfer{From: "cold", To: s.partner.Hex(), Reason: "the words leaked", Evacuate: true}).ID
	hash := s.transfer(id).TransferRequested.Hash
	s.refused(domain.CodeDenied, domain.Caller{User: "olga", Role: domain.RoleApprover}, commands.ApproveTransfer{Transfer: id, Hash: hash})
	require.NoError(t, s.work())
	require.Equal(t, treasury.Requested, s.transfer(id).Status, "it waits for the second person")
	s.must(paul, commands.ApproveTransfer{Transfer: id, Hash: hash})
	s.must(petra, commands.ApproveTransfer{Transfer: id, Hash: hash}) // the partner's address is new
	require.NoError(t, s.work())
	require.NoError(t, s.work())
	require.Equal(t, treasury.Prepared, s.transfer(id).Status, "it waits for the paper: no key is here")
	require.Equal(t, s.transfer(under).Last().Nonce, s.transfer(id).Last().Nonce)
	s.bring(id)
	require.NoError(t, s.work())
	s.node.Mine(3)
	require.NoError(t, s.work())
	x := s.transfer(id)
	require.Equal(t, treasury.Confirmed, x.Status)
	require.Equal(t, "8500", x.Amount.String())
	require.Equal(t, "8500", s.holds(s.partner, "USDC").String())
	require.True(t, s.state().Stop.Engaged)
	s.must(olga, commands.RejectTransfer{Transfer: under, Reason: "its nonce is used", Signed: new(bool)})
	s.agrees()
}

// "hot keys are opened again at each start, recorded": a key that is gone is known then,
// and its wallet is no recipient that needs no approval until the key is back.
func TestKeysAreOpenedAtTheStart(t *testing.T) {
	t.Parallel()
	s := plainWorld(t).inMemory()
	opened := func() (wallets []string) {
		for _, e := range eventsOf[*domain.KeyUsed](s) {
			require.Equal(t, "start of the server", e.Purpose)
			wallets = append(wallets, e.Wallet)
		}
		return wallets
	}
	stop := s.run(custody.RunOptions{Every: time.Millisecond, ReconcileEvery: time.Hour})
	s.eventually("each is opened once", func() bool { return len(opened()) == 2 })
	stop()
	require.Equal(t, []string{"hot-1", "hot-2"}, opened())

	file := filepath.Join(s.dir, "hot-2."+s.spare.Hex()+".key")
	require.NoError(t, os.Rename(file, file+".away"))
	next := s.serve(s.store)
	stop = next.run(custody.RunOptions{Every: time.Millisecond, ReconcileEvery: time.Hour})
	s.eventually("the missing one is told", func() bool { return next.heard("a key cannot be used: wallet hot-2") })
	s.eventually("and recorded", func() bool { return len(eventsOf[*domain.WalletKeyMissing](s)) == 1 })
	require.Equal(t, "it is not in the keystore", eventsOf[*domain.WalletKeyMissing](s)[0].Detail)
	id := s.must(olga, commands.RequestTransfer{From: "hot-1", To: "hot-2", Amount: dec("1"), Reason: "x"}).ID
	require.Equal(t, []string{"the key of the receiving wallet was not found here"}, s.transfer(id).ApprovalFor)

	require.NoError(t, os.Rename(file+".away", file))
	s.later(30 * time.Second)
	s.eventually("it is found again", func() bool { return len(opened()) == 4 })
	stop()
	require.Len(t, eventsOf[*domain.WalletKeyMissing](s), 1)
	require.False(t, s.state().Custody.Wallets["hot-2"].LoadedAt.IsZero())
}

// A key that was exchanged is a breach at the start, not at the first transfer; and a
// retired wallet's key need not be there.
func TestAnExchangedKeyAtTheStart(t *testing.T) {
	t.Parallel()
	s := newWorld(t).inMemory()
	s.swapKey()
	left, err := s.custody.OpenKeys(s.ctx(), main, []string{"hot-1", "hot-2"})
	require.ErrorIs(t, err, custody.ErrForeignKey)
	var problem *custody.KeyProblem
	require.True(t, errors.As(err, &problem))
	require.Equal(t, "hot-1", problem.Wallet)
	require.Equal(t, []string{"hot-1"}, left)
	require.Equal(t, domain.StopSecurityBreach, s.state().Stop.Kind)
	s.must(olga, commands.RetireWallet{Wallet: "hot-1", Reason: "its key leaked"})
	left, err = s.custody.OpenKeys(s.ctx(), main, []string{"hot-1"})
	require.NoError(t, err)
	require.Empty(t, left)
}
