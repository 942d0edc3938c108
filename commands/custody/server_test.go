package custody_test

import (
	"context"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/commands/custody"
	"pets/domain"
	"pets/domain/portfolio"
	"pets/domain/treasury"
	"pets/eventstore"
	"pets/eventstore/memory"
	"pets/internal/chain/chaintest"
	"pets/internal/evm"
	"pets/internal/notice"
	"pets/internal/testenv/signing"
)

// patience limits every wait; a test that reaches it hangs.
const patience = 2 * time.Minute

const main = "main"

func bigOf(n uint64) *big.Int { return new(big.Int).SetUint64(n) }

// server is an engine and its custody on a store.
type server struct {
	*world
	store   eventstore.Store // as seen by the server
	truth   eventstore.Store // the real one
	engine  *commands.Engine
	custody *custody.Custodian
	options custody.Options

	mu      sync.Mutex
	watched []string
}

// serve starts a server; change may replace its parts.
func (w *world) serve(store eventstore.Store, change ...func(*custody.Options)) *server {
	s := &server{world: w, store: store, truth: store}
	s.engine = commands.NewEngine(store, commands.EngineOptions{Options: commands.Options{Now: w.now}})
	w.t.Cleanup(s.engine.Close)
	require.NoError(w.t, s.engine.Load(w.t.Context(), nil))
	s.options = custody.Options{
		Signer: evm.NewKeys(w.keys, w.ring), Chain: w.chain(), Orders: w.shapes.Read, Notify: s.notify, CompareAgainAfter: time.Millisecond,
	}
	for _, c := range change {
		c(&s.options)
	}
	s.custody = custody.New(s.engine, s.options)
	return s
}

func (s *server) notify(n notice.Notice) {
	s.mu.Lock()
	defer s.mu.Unlock()
	what := n.Text()
	if n.Err != nil {
		what += ": " + n.Err.Error()
	}
	s.watched = append(s.watched, what)
}

// heard reports whether a person was told something.
func (s *server) heard(what string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.watched, func(said string) bool { return strings.Contains(said, what) })
}

func (s *server) ctx() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	s.t.Cleanup(cancel)
	return ctx
}

var keyCount struct {
	sync.Mutex
	n int
}

func someKey() string {
	keyCount.Lock()
	defer keyCount.Unlock()
	keyCount.n++
	return fmt.Sprintf("key-%d", keyCount.n)
}

func by(c domain.Caller, cmd commands.Command) commands.Request {
	return commands.Request{Caller: c, Key: someKey(), Command: cmd}
}

func (s *server) do(c domain.Caller, cmd commands.Command) (commands.Answer, error) {
	return s.engine.Do(s.ctx(), main, by(c, signing.Signed(s.t, s.truth, main, c.User, cmd)))
}

// signed returns a command with the signature of paul.
func (s *server) signed(cmd commands.Command) commands.Command {
	return signing.Signed(s.t, s.truth, main, paul.User, cmd)
}

func (s *server) must(c domain.Caller, cmd commands.Command) commands.Answer {
	s.t.Helper()
	a, err := s.do(c, cmd)
	require.NoError(s.t, err)
	return a
}

func (s *server) refused(code domain.Code, c domain.Caller, cmd commands.Command) {
	s.t.Helper()
	_, err := s.do(c, cmd)
	s.code(code, err)
}

func (s *server) code(code domain.Code, err error) {
	s.t.Helper()
	require.Error(s.t, err)
	require.Equal(s.t, code, domain.CodeOf(err), "%v", err)
}

// opened is a live portfolio, with deposits for the balances of its wallets. Two people
// have allowed it in a paper portfolio.
func (w *world) opened(store eventstore.Store, change ...func(*custody.Options)) *server {
	w.t.Helper()
	s := w.serve(store, change...)
	s.open(`{}`)
	return s
}

func (w *world) inMemory(change ...func(*custody.Options)) *server {
	w.t.Helper()
	return w.opened(memory.New(), change...)
}

func (s *server) open(limits string) {
	s.t.Helper()
	ctx := s.ctx()
	paper := commands.OpenPortfolio{ID: "paper", Mode: domain.ModePaper, BaseAsset: "USDC", BaseDecimals: 6, Defaults: domain.DefaultPolicy(domain.ModePaper)}
	do := func(c domain.Caller, cmd commands.Command) commands.Answer {
		a, err := s.engine.Do(ctx, "paper", by(c, signing.Signed(s.t, s.truth, "paper", c.User, cmd)))
		require.NoError(s.t, err)
		return a
	}
	signing.Register(s.t, s.engine, s.truth, paul.User, petra.User)
	do(olga, paper)
	asked := do(olga, commands.RequestOverride{Kind: domain.OverrideGoLive, Portfolio: main, Reason: "a test of custody"})
	gate := domain.Gate{Portfolio: "paper", Revision: do(paul, commands.ConfirmOverride{Override: asked.ID}).Revision}
	evidence, err := commands.ReadEvidence(ctx, s.store, gate)
	require.NoError(s.t, err)
	live := paper
	live.ID, live.Mode, live.Gate, live.Evidence = main, domain.ModeLive, &gate, evidence
	live.Defaults, live.Limits = domain.DefaultPolicy(domain.ModeLive), []byte(limits)
	if strings.Contains(limits, `"rules":2`) {
		live.Defaults = domain.NewPolicy(domain.ModeLive, domain.ClockWall, "USDC")
	}
	s.must(olga, live)
	s.register()
	var facts []commands.Command
	for place, of := range map[string]map[string]domain.Decimal{
		domain.WalletHot:  {"USDC": s.holds(s.hot, "USDC").Add(s.holds(s.spare, "USDC")), coin: s.holds(s.hot, coin).Add(s.holds(s.spare, coin))},
		domain.WalletCold: {"USDC": s.holds(s.cold.Address, "USDC"), coin: s.holds(s.cold.Address, coin)},
	} {
		for asset, amount := range of {
			facts = append(facts, commands.RecordDeposit{Wallet: place, Asset: asset, Amount: amount})
		}
	}
	facts = append(facts, commands.RegisterBot{ID: "a", Capital: dec("300"), Start: true}, commands.RegisterMarket{
		Market: "m", Kind: domain.KindOutcome, Outcomes: []string{"YES", "NO"}, Tokens: map[string]string{"YES": tokenYes, "NO": tokenNo},
	})
	var requests []commands.Request
	for _, f := range facts {
		requests = append(requests, by(olga, f))
	}
	results, err := s.engine.DoAll(ctx, main, requests)
	require.NoError(s.t, err)
	for _, r := range results {
		require.NoError(s.t, r.Err)
	}
}

// second opens another live portfolio, with an empty cold wallet, and returns its name.
func (s *server) second() string {
	s.t.Helper()
	id := s.live("second")
	_, err := s.custody.RegisterWallet(s.ctx(), id, by(alice, commands.RegisterWallet{
		Wallet: "cold-9", Place: domain.WalletCold, Chain: chainID, Address: chaintest.Named("cold-9").Hex(),
	}))
	require.NoError(s.t, err)
	return id
}

// live opens another live portfolio, and returns its name.
func (s *server) live(id string) string {
	s.t.Helper()
	do := func(portfolio string, c domain.Caller, cmd commands.Command) commands.Answer {
		a, err := s.engine.Do(s.ctx(), portfolio, by(c, signing.Signed(s.t, s.truth, portfolio, c.User, cmd)))
		require.NoError(s.t, err)
		return a
	}
	asked := do("paper", olga, commands.RequestOverride{Kind: domain.OverrideGoLive, Portfolio: id, Reason: "a test of custody"})
	gate := domain.Gate{Portfolio: "paper", Revision: do("paper", paul, commands.ConfirmOverride{Override: asked.ID}).Revision}
	evidence, err := commands.ReadEvidence(s.ctx(), s.store, gate)
	require.NoError(s.t, err)
	do(id, olga, commands.OpenPortfolio{
		ID: id, Mode: domain.ModeLive, BaseAsset: "USDC", BaseDecimals: 6, Defaults: domain.DefaultPolicy(domain.ModeLive), Gate: &gate, Evidence: evidence,
	})
	return id
}

func (s *server) register() {
	s.t.Helper()
	for _, wallet := range []commands.RegisterWallet{
		{Wallet: "hot-2", Place: domain.WalletHot, Chain: chainID, Address: s.spare.Hex()},
		{Wallet: "hot-1", Place: domain.WalletHot, Chain: chainID, Address: s.hot.Hex()},
		{Wallet: "cold-1", Place: domain.WalletCold, Chain: chainID, Address: s.cold.Hex()},
	} {
		_, err := s.custody.RegisterWallet(s.ctx(), main, by(alice, wallet))
		require.NoError(s.t, err)
	}
	s.later(treasury.NewFor) // to a new wallet it takes two approvers, and nothing is proposed
	for _, hot := range []string{"hot-1", "hot-2"} {
		_, err := s.custody.LoadWallet(s.ctx(), main, by(olga, commands.LoadWallet{Wallet: hot}))
		require.NoError(s.t, err)
	}
	_, err := s.custody.AddAddress(s.ctx(), main, by(alice, commands.AddAddress{Chain: chainID, Address: s.partner.Hex(), Label: "partner"}))
	require.NoError(s.t, err)
}

// state folds the stored stream.
func (s *server) state() *portfolio.State {
	s.t.Helper()
	state := portfolio.New()
	require.NoError(s.t, eventstore.Walk(context.Background(), s.truth, commands.Stream(main), 0, func(rec eventstore.Record) error {
		e, err := domain.Decode(rec.Type, rec.Data)
		state.Apply(domain.Stamp{Revision: rec.Revision, Time: rec.Time}, e)
		return err
	}))
	return state
}

// events returns the events of a type in the stream.
func eventsOf[E domain.Event](s *server) []E {
	s.t.Helper()
	var all []E
	require.NoError(s.t, eventstore.Walk(context.Background(), s.truth, commands.Stream(main), 0, func(rec eventstore.Record) error {
		e, err := domain.Decode(rec.Type, rec.Data)
		if wanted, ok := e.(E); ok {
			all = append(all, wanted)
		}
		return err
	}))
	return all
}

func (s *server) transfer(id string) *treasury.Transfer {
	s.t.Helper()
	t := s.state().Custody.Transfers[id]
	require.NotNil(s.t, t)
	return t
}

// ask requests a transfer, and has it approved if necessary.
func (s *server) ask(cmd commands.RequestTransfer) string {
	s.t.Helper()
	if cmd.Reason == "" {
		cmd.Reason = "a test"
	}
	id := s.must(olga, cmd).ID
	s.agree(s.transfer(id))
	return id
}

// agree has a transfer approved if necessary.
func (s *server) agree(t *treasury.Transfer) {
	s.t.Helper()
	if !t.NeedsApproval() {
		return
	}
	s.must(paul, commands.ApproveTransfer{Transfer: t.Transfer, Hash: t.TransferRequested.Hash})
	if t.Approvals > 1 { // the address is new
		s.must(petra, commands.ApproveTransfer{Transfer: t.Transfer, Hash: t.TransferRequested.Hash})
	}
}

func (s *server) work() error {
	_, err := s.custody.Work(s.ctx(), main)
	return err
}

// until calls Work, and mines a block each time, until a transfer has a status.
func (s *server) until(id string, want treasury.Status) *treasury.Transfer {
	s.t.Helper()
	for range 60 {
		t := s.transfer(id)
		if t.Status == want {
			return t
		}
		require.True(s.t, t.Open(), "it is %s: %s %s", t.Status, t.Code, t.Detail)
		require.NoError(s.t, s.work())
		if t := s.transfer(id); t.Status == treasury.Prepared && t.FromPlace == domain.WalletCold {
			s.bring(id)
		}
		if s.transfer(id).Status == treasury.Broadcast {
			s.node.Mine(1)
		}
	}
	require.FailNow(s.t, "it does not end", "%+v", s.transfer(id))
	return nil
}

// signedElsewhere signs a prepared transfer like an unconnected machine that has the cold
// key.
func (s *server) signedElsewhere(id string) string {
	s.t.Helper()
	machine := evm.NewSignatory(s.registry)
	transaction := s.transfer(id).Last().Transaction
	read, err := machine.Read(transaction)
	require.NoError(s.t, err)
	signature, err := s.cold.Sign(s.ctx(), [32]byte(common32(s.t, read.Digest)))
	require.NoError(s.t, err)
	signed, err := machine.Assemble(transaction, signature)
	require.NoError(s.t, err)
	return signed.Raw
}

func (s *server) bring(id string) {
	s.t.Helper()
	_, err := s.custody.ImportSigned(s.ctx(), main, by(olga, commands.SignTransfer{Transfer: id, Raw: s.signedElsewhere(id)}))
	require.NoError(s.t, err)
}

// agrees checks that ledger and chain agree on every place and asset, and that the books
// balance.
func (s *server) agrees() {
	s.t.Helper()
	_, err := s.custody.Reconcile(s.ctx(), main, by(olga, commands.Reconcile{}))
	require.NoError(s.t, err)
	all := eventsOf[*domain.BalanceReconciled](s)
	require.NotEmpty(s.t, all)
	for _, l := range all[len(all)-1].Lines {
		require.Empty(s.t, l.Skipped)
		require.True(s.t, l.Difference.IsZero(), "%+v", l)
	}
	sums := map[string]domain.Decimal{}
	for account, amount := range s.state().Book {
		sums[account.Asset] = sums[account.Asset].Add(amount)
		require.False(s.t, account.Place == "transit" && !amount.IsZero(), "%v is %s", account, amount)
	}
	for asset, sum := range sums {
		require.True(s.t, sum.IsZero(), "the sum over all accounts of %s is %s", asset, sum)
	}
}
