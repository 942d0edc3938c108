package custody_test

import (
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/params"
	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/commands/custody"
	"pets/domain"
	"pets/domain/treasury"
	"pets/internal/chain"
	"pets/internal/chain/chaintest"
	"pets/internal/evm"
)

func (s *server) emergency() {
	s.t.Helper()
	_, _, err := s.engine.Stop(s.ctx(), main, by(olga, commands.EngageStop{Kind: domain.StopSecurityBreach, Reason: "a drill"}))
	require.NoError(s.t, err)
}

// sweeps requests a sweep to the cold wallet and has it approved.
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
		_ = s.work() // the stuck transfer is halted, and says so
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

// A thief who has a copy of the key must not be able to delay the sweep by leaving a
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

// "Its arrival is recorded even if it was never sent from here": also if that is what
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

// A wallet on a chain without an endpoint would prevent everything else of the portfolio
// from being reconciled, for ever, because a wallet cannot be removed.
func TestAWalletOnAnotherChainIsNotRegistered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var err error
	w.registry, err = chain.ParseRegistry("test.json", []byte(`{
		"chains": [{"id": "`+chainID+`", "name": "Test", "confirmations": 3, "max_lag": 4, "head_max_age": "1h", "max_gas": 300000,
			"min_tip_gwei": "1", "max_tip_gwei": "5", "max_fee_gwei": "100"}, {"id": "eip155:7", "name": "Other", "confirmations": 3, "max_lag": 4, "head_max_age": "1h",
			"max_gas": 300000, "min_tip_gwei": "1", "max_tip_gwei": "5", "max_fee_gwei": "100"}],
		"assets": [{"id": "`+chainID+`/slip44:1", "symbol": "COIN", "decimals": 18}, {"id": "`+w.usdc()+`", "symbol": "USDC", "decimals": 6},
			{"id": "eip155:7/slip44:1", "symbol": "COIN", "decimals": 18}, {"id": "eip155:7/erc20:`+w.token.Hex()+`", "symbol": "USDC", "decimals": 6}]}`))
	require.NoError(t, err)
	s := w.inMemory()
	_, err = s.custody.RegisterWallet(s.ctx(), main, by(alice, commands.RegisterWallet{
		Wallet: "far", Place: domain.WalletCold, Chain: "eip155:7", Address: chaintest.Named("far").Hex(),
	}))
	s.code(domain.CodeConflict, err)
	s.agrees()
}

// One key must not be enough: an admin who registers an address of his own as a hot
// wallet gets nothing there without another person's agreement.
func TestAHotWalletWhoseKeyIsElsewhere(t *testing.T) {
	t.Parallel()
	s := newWorld(t).inMemory()
	thief := chaintest.Named("thief").Address
	_, err := s.custody.RegisterWallet(s.ctx(), main, by(alice, commands.RegisterWallet{
		Wallet: "hot-9", Place: domain.WalletHot, Chain: chainID, Address: thief.Hex(),
	}))
	require.NoError(t, err)
	id := s.must(alice, commands.RequestTransfer{From: "hot-1", To: "hot-9", Amount: dec("900"), Reason: "to our other wallet"}).ID
	require.Equal(t, treasury.Requested, s.transfer(id).Status)
	require.Error(t, errorOf(s.custody.LoadWallet(s.ctx(), main, by(alice, commands.LoadWallet{Wallet: "hot-9"}))))
	for range 6 {
		require.NoError(t, s.work())
	}
	s.node.Mine(4)
	require.True(t, s.holds(thief, "USDC").IsZero())
}

// Nodes keep old state for minutes. A server that was away for longer finds a mined
// transaction by its receipt, although the nodes cannot tell any more what used the nonce
// of its replacement.
func TestTheFirstOfTwoIsFoundByItsReceipt(t *testing.T) {
	t.Parallel()
	s := newWorld(t).inMemory()
	id, block := s.sending()
	s.later(5 * time.Minute)
	for range 3 { // repriced, signed, sent
		require.NoError(t, s.work())
	}
	x := s.transfer(id)
	require.Len(t, x.Attempts, 2)
	require.True(t, x.Last().Sent)
	first := s.minesTheFirst(x)
	pruned := chaintest.On("eth_getTransactionCount", chaintest.Refuse(-32000, "missing trie node"))
	s.a.Set(pruned)
	s.b.Set(pruned)
	require.NoError(t, s.work())
	require.Equal(t, treasury.Confirmed, s.transfer(id).Status)
	require.Equal(t, first.TxHash, s.transfer(id).TxHash)
	s.a.Set(nil)
	s.b.Set(nil)
	s.one(id, block)
	s.agrees()
}

// "Same key and body: the first answer; same key, other body: 422": also for commands
// that chain and keystore contribute to, whatever they say by now.
func TestTheFirstAnswerIsKept(t *testing.T) {
	t.Parallel()
	s := newWorld(t).inMemory()
	far := chaintest.Named("far").Hex()
	requests := map[string]struct {
		first, other commands.Request
		send         func(commands.Request) (commands.Answer, error)
	}{}
	add := func(name string, c domain.Caller, cmd, other commands.Command, send func(commands.Request) (commands.Answer, error)) {
		r := by(c, cmd)
		o := r
		o.Command = other
		requests[name] = struct {
			first, other commands.Request
			send         func(commands.Request) (commands.Answer, error)
		}{r, o, send}
	}
	add("register", alice, commands.RegisterWallet{Wallet: "far", Place: domain.WalletCold, Chain: chainID, Address: far},
		commands.RegisterWallet{Wallet: "farther", Place: domain.WalletCold, Chain: chainID, Address: chaintest.Named("farther").Hex()},
		func(r commands.Request) (commands.Answer, error) { return s.custody.RegisterWallet(s.ctx(), main, r) })
	add("load", olga, commands.LoadWallet{Wallet: "hot-1"}, commands.LoadWallet{Wallet: "hot-2"},
		func(r commands.Request) (commands.Answer, error) { return s.custody.LoadWallet(s.ctx(), main, r) })
	add("verify", olga, commands.UseKey{Wallet: "hot-1", Purpose: "verify"}, commands.UseKey{Wallet: "hot-2", Purpose: "verify"},
		func(r commands.Request) (commands.Answer, error) { return s.custody.VerifyWallet(s.ctx(), main, r) })
	add("reconcile", olga, commands.Reconcile{}, nil,
		func(r commands.Request) (commands.Answer, error) { return s.custody.Reconcile(s.ctx(), main, r) })
	first := map[string]commands.Answer{}
	for name, r := range requests {
		a, err := r.send(r.first)
		require.NoError(t, err, name)
		require.False(t, a.Replayed, name)
		first[name] = a
	}
	s.a.Set(chaintest.Status(500, "down"))
	s.b.Set(chaintest.Status(500, "down"))
	s.swapKey() // it would be a breach
	for name, r := range requests {
		a, err := r.send(r.first)
		require.NoError(t, err, name)
		require.True(t, a.Replayed, name)
		require.Equal(t, first[name].Revision, a.Revision, name)
		if r.other.Command != nil {
			_, err = r.send(r.other)
			s.code(domain.CodeIdempotencyMismatch, err)
		}
	}
	require.False(t, s.state().Stop.Engaged)
	require.Nil(t, s.state().Custody.Wallets["farther"])
}

// minesTheFirst makes the chain mine the first of a transfer's transactions, whatever
// replaced it in the pool.
func (s *server) minesTheFirst(x *treasury.Transfer) treasury.Attempt {
	s.t.Helper()
	s.node.Forget()
	first := x.Attempts[0]
	signature, err := evm.NewKeys(s.keys, s.ring).Sign(s.ctx(), x.Wallet, x.From, [32]byte(common32(s.t, first.Digest)))
	require.NoError(s.t, err)
	signed, err := evm.NewSignatory(s.registry).Assemble(first.Transaction, signature)
	require.NoError(s.t, err)
	require.Equal(s.t, first.TxHash, signed.Hash)
	require.NoError(s.t, s.chain().Send(s.ctx(), chainID, signed.Raw))
	s.node.Mine(4)
	return first
}

// The user of the nonce is looked up once, not for each of the replaced transactions: a
// step has a minute for all its calls.
func TestWhatUsedTheNonceIsLookedUpOnce(t *testing.T) {
	t.Parallel()
	s := newWorld(t).inMemory()
	id, block := s.sending()
	for range 8 {
		s.later(5 * time.Minute)
		for range 3 { // repriced, signed, sent
			require.NoError(t, s.work())
		}
	}
	x := s.transfer(id)
	require.Len(t, x.Attempts, 9)
	s.minesTheFirst(x)
	before := s.a.Calls("eth_getTransactionReceipt")
	require.NoError(t, s.work())
	require.Equal(t, treasury.Confirmed, s.transfer(id).Status)
	require.Equal(t, 2, s.a.Calls("eth_getTransactionReceipt")-before)
	s.one(id, block)
	s.agrees()
}

// "Above 0.20 for 24 h: critical alert": once, not at every tick.
func TestAPersonHearsOfAHotWalletThatIsTooFull(t *testing.T) {
	t.Parallel()
	s := newWorld(t).inMemory()
	s.token.Mint(s.hot, 2_000_000_000)
	s.must(olga, commands.RecordDeposit{Wallet: domain.WalletHot, Amount: dec("2000")})
	s.later(24*time.Hour - time.Minute)
	s.run(custody.RunOptions{Every: 5 * time.Millisecond})
	const said = "the hot wallet has held more than 0.2 of the total for 24 h"
	s.eventually("reconciled", func() bool { return len(eventsOf[*domain.BalanceReconciled](s)) > 0 })
	require.False(t, s.heard(said))
	s.later(time.Minute)
	s.eventually("told", func() bool { return s.heard(said) })
	time.Sleep(50 * time.Millisecond)
	s.mu.Lock()
	defer s.mu.Unlock()
	told := 0
	for _, what := range s.watched {
		if strings.Contains(what, said) {
			told++
		}
	}
	require.Equal(t, 1, told)
}
