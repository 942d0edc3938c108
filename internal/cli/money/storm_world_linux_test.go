package money_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/commands/custody"
	"pets/domain"
	"pets/domain/portfolio"
	"pets/domain/treasury"
	"pets/eventstore"
	"pets/eventstore/embedded"
	"pets/internal/chain"
	"pets/internal/chain/chaintest"
	"pets/internal/evm"
	"pets/internal/httpapi"
	"pets/internal/live"
	"pets/internal/pets/petstest"
	"pets/internal/testenv/signing"
	"pets/internal/vault"
	"pets/projections"
)

const (
	stormChain = "eip155:1337"
	stormCoin  = "COIN"
	stormPlain = "USDC"
	stormMain  = "main"
)

var (
	stormOlga  = domain.Caller{User: "olga", Role: domain.RoleOperator}
	stormAdmin = domain.Caller{User: "ada", Role: domain.RoleAdmin}
	approvers  = []domain.Caller{{User: "bob", Role: domain.RoleApprover}, {User: "carol", Role: domain.RoleApprover}}
)

// stormWorld is a chain behind two endpoints, a store, a server that can be killed at any
// effect, and people with the command line. Nothing happens in it by itself: the test says
// when the server works, when a block is mined and what time it is.
type stormWorld struct {
	t        *testing.T
	dir      string
	node     *chaintest.Chain
	token    *chaintest.Token
	faults   *endpointFaults
	registry *chain.Registry
	file     string // of the registry
	client   *chain.Client
	direct   *chain.Client // asks the node itself, which tells the truth
	ring     *vault.Keyring
	keys     *vault.Keystore
	wallets  map[string]common.Address
	partner  common.Address
	people   map[string][2]string // API key and file of the approver's key, by user
	base     time.Time
	ahead    atomic.Int64 // of the clock

	front    *httptest.Server // where people find the server, whichever process it is
	handler  atomic.Pointer[http.Handler]
	store    *embedded.Store
	process  *stormProcess
	killed   int
	explorer *ethclient.Client
}

// stormProcess is the life of one server on the store.
type stormProcess struct {
	life    *life
	engine  *commands.Engine
	custody *custody.Custodian
	live    *live.Followers
	api     *httpapi.API
	keys    *projections.Keyring
	stop    context.CancelFunc
}

func newStormWorld(t *testing.T) *stormWorld {
	t.Helper()
	w := &stormWorld{t: t, dir: t.TempDir(), wallets: map[string]common.Address{}, people: map[string][2]string{}, partner: chaintest.Named("partner").Address, base: time.Now()}
	w.openKeystore()
	for i, name := range []string{"cold-1", "cold-2"} {
		w.wallets[name] = common.HexToAddress(petstest.AccountOf(t, petstest.TestWords, uint32(i)))
	}
	var rich []chaintest.Account
	for _, address := range w.wallets {
		rich = append(rich, chaintest.Account{Address: address})
	}
	w.node = chaintest.New(t, rich...)
	w.token = w.node.Deploy(stormPlain, 6)
	for name, usd := range map[string]int64{"hot-1": 1_400, "hot-2": 100, "cold-1": 8_000, "cold-2": 500} {
		w.token.Mint(w.wallets[name], usd*1_000_000)
	}
	w.dial()
	w.front = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { (*w.handler.Load()).ServeHTTP(rw, r) }))
	t.Cleanup(w.front.Close)
	var err error
	w.store, err = embedded.Open(filepath.Join(w.dir, "store"), embedded.Options{NoFill: true, SegmentBytes: 1 << 20})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.store.Close()) })
	w.start()
	t.Cleanup(func() { w.end() })
	w.hire()
	w.goLive()
	return w
}

func (w *stormWorld) openKeystore() {
	w.t.Helper()
	var err error
	w.ring, err = vault.ParseKeyring(testEncryptionKey, "")
	require.NoError(w.t, err)
	w.keys, err = vault.Open(filepath.Join(w.dir, "keystore"), w.ring)
	require.NoError(w.t, err)
	words, err := vault.ParseMnemonic([]byte(petstest.OtherWords))
	require.NoError(w.t, err)
	defer words.Wipe()
	for i, name := range []string{"hot-1", "hot-2"} {
		path := vault.Path(uint32(i))
		require.NoError(w.t, words.Derive(path, nil, func(key *vault.PrivateKey) error {
			address, err := w.keys.Create(name, path, key)
			w.wallets[name] = common.HexToAddress(address.String())
			return err
		}))
	}
}

// dial makes the client of the server, which asks two endpoints, and one of the test.
func (w *stormWorld) dial() {
	w.t.Helper()
	w.file = filepath.Join(w.dir, "registry.json")
	text := fmt.Appendf(nil, `{
		"chains": [{"id": %q, "name": "Test", "confirmations": 3, "max_lag": 4, "head_max_age": "1h", "max_gas": 300000,
			"min_tip_gwei": "1", "max_tip_gwei": "5", "max_fee_gwei": "100"}],
		"assets": [{"id": "%[1]s/slip44:1", "symbol": "COIN", "decimals": 18}, {"id": "%[1]s/erc20:%[2]s", "symbol": "USDC", "decimals": 6}]}`, stormChain, w.token.Hex())
	require.NoError(w.t, os.WriteFile(w.file, text, 0o600))
	var err error
	w.registry, err = chain.ParseRegistry("registry.json", text)
	require.NoError(w.t, err)
	w.faults = &endpointFaults{}
	a, b := w.node.Proxy(), w.node.Proxy()
	a.Set(w.faults.of(0))
	b.Set(w.faults.of(1))
	connect := func(live bool, urls ...string) *chain.Client {
		config := chain.Config{Chain: w.registry.Chains[0], Live: live}
		for _, url := range urls {
			config.Endpoints = append(config.Endpoints, func() string { return url })
		}
		c, err := chain.New(config)
		require.NoError(w.t, err)
		w.t.Cleanup(c.Close)
		return c
	}
	w.client, w.direct = connect(true, a.URL(), b.URL()), connect(false, w.node.URL())
}

func (w *stormWorld) now() time.Time { return w.base.Add(time.Duration(w.ahead.Load())) }

func (w *stormWorld) later(d time.Duration) { w.ahead.Add(int64(d)) }

// start starts a server on the store.
func (w *stormWorld) start() {
	w.t.Helper()
	p := &stormProcess{life: &life{}}
	store := mortalStore{w.store, p.life}
	ctx, stop := context.WithCancel(context.Background())
	p.stop = stop
	p.engine = commands.NewEngine(store, commands.EngineOptions{Options: commands.Options{Now: w.now}})
	p.keys = projections.NewKeyring(w.store)
	go func() { _ = p.keys.Run(ctx) }()
	p.live = live.New(w.store, live.Options{Prefix: commands.Stream("")})
	p.custody = custody.New(p.engine, custody.Options{
		Signer: mortalSigner{evm.NewKeys(w.keys, w.ring), p.life}, Chain: mortalChain{evm.NewChain(w.registry, w.client), p.life}, CompareAgainAfter: time.Millisecond,
	})
	p.api = httpapi.New(httpapi.Config{
		Engine: p.engine, Store: w.store, Live: p.live, Keys: p.keys, Custody: p.custody, Nudge: func() {}, Now: w.now,
		Defaults: newPolicy,
	})
	require.NoError(w.t, p.engine.Load(ctx, nil))
	if head, any, err := p.engine.SystemHead(ctx); err == nil && any {
		require.NoError(w.t, p.keys.Wait(ctx, head))
	}
	require.NoError(w.t, p.api.Ready(ctx))
	handler := http.Handler(p.api)
	w.handler.Store(&handler)
	w.process = p
}

// end ends the server. What it had not recorded is gone.
func (w *stormWorld) end() {
	p := w.process
	p.life.end()
	p.api.EndStreams()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	p.api.Close(ctx)
	p.live.Close()
	p.stop()
	p.engine.Close()
}

// revive starts the next server if this one is dead.
func (w *stormWorld) revive() {
	w.t.Helper()
	if !w.process.life.died() {
		return
	}
	w.killed++
	w.end()
	w.start()
}

// hire gives everybody an API key, and the approvers one of their own.
func (w *stormWorld) hire() {
	w.t.Helper()
	system := func(c domain.Caller, cmd commands.Command) {
		a, err := w.process.engine.System(w.ctx(), commands.Request{Caller: c, Key: uuid.NewString(), Command: cmd})
		require.NoError(w.t, err)
		require.NoError(w.t, w.process.keys.Wait(w.ctx(), a.Revision))
	}
	token, hash := httpapi.NewToken()
	system(domain.Caller{User: "system", Role: domain.RoleAdmin}, commands.BootstrapKey{User: "ada", Hash: hash})
	w.people["ada"] = [2]string{token, ""}
	for _, c := range append([]domain.Caller{stormOlga}, approvers...) {
		token, hash := httpapi.NewToken()
		system(stormAdmin, commands.IssueKey{User: c.User, Role: c.Role, Hash: hash})
		file := ""
		if c.Role == domain.RoleApprover {
			file = petstest.ApproverFile(w.t, c.User)
		}
		w.people[c.User] = [2]string{token, file}
	}
	signing.Register(w.t, w.process.engine, w.store, approvers[0].User, approvers[1].User)
}

func (w *stormWorld) ctx() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	w.t.Cleanup(cancel)
	return ctx
}

// do sends a command in somebody's name, with the signature that it needs.
func (w *stormWorld) do(c domain.Caller, cmd commands.Command) (commands.Answer, error) {
	return w.doIn(stormMain, c, cmd)
}

func (w *stormWorld) doIn(id string, c domain.Caller, cmd commands.Command) (commands.Answer, error) {
	cmd = signing.Signed(w.t, w.store, id, c.User, cmd)
	r := commands.Request{Caller: c, Key: uuid.NewString(), Command: cmd}
	switch cmd.(type) {
	case commands.RequestOverride:
		return w.process.custody.RequestOverride(w.ctx(), id, r)
	case commands.ConfirmOverride:
		return w.process.custody.ConfirmOverride(w.ctx(), id, r)
	case commands.SignTransfer:
		return w.process.custody.ImportSigned(w.ctx(), id, r)
	case commands.PrepareAgain:
		return w.process.custody.PrepareAgain(w.ctx(), id, r)
	case commands.AddAddress:
		return w.process.custody.AddAddress(w.ctx(), id, r)
	case commands.RegisterWallet:
		return w.process.custody.RegisterWallet(w.ctx(), id, r)
	case commands.LoadWallet:
		return w.process.custody.LoadWallet(w.ctx(), id, r)
	}
	return w.process.engine.Do(w.ctx(), id, r)
}

func (w *stormWorld) must(c domain.Caller, cmd commands.Command) commands.Answer {
	w.t.Helper()
	a, err := w.do(c, cmd)
	require.NoError(w.t, err)
	return a
}

// goLive opens a live portfolio in which every wallet's balance is a deposit.
func (w *stormWorld) goLive() {
	w.t.Helper()
	paper := commands.OpenPortfolio{ID: "paper", Mode: domain.ModePaper, BaseAsset: stormPlain, BaseDecimals: 6, Defaults: domain.NewPolicy(domain.ModePaper, domain.ClockWall, stormPlain)}
	of := func(id string, c domain.Caller, cmd commands.Command) commands.Answer {
		a, err := w.doIn(id, c, cmd)
		require.NoError(w.t, err)
		return a
	}
	of("paper", stormOlga, paper)
	asked := of("paper", stormOlga, commands.RequestOverride{Kind: domain.OverrideGoLive, Portfolio: stormMain, Reason: "a storm"})
	gate := domain.Gate{Portfolio: "paper", Revision: of("paper", approvers[0], commands.ConfirmOverride{Override: asked.ID}).Revision}
	evidence, err := commands.ReadEvidence(w.ctx(), w.store, gate)
	require.NoError(w.t, err)
	real := paper
	real.ID, real.Mode, real.Gate, real.Evidence, real.Defaults = stormMain, domain.ModeLive, &gate, evidence, domain.NewPolicy(domain.ModeLive, domain.ClockWall, stormPlain)
	w.must(stormOlga, real)
	for _, name := range []string{"hot-2", "hot-1", "cold-2", "cold-1"} {
		w.must(stormAdmin, commands.RegisterWallet{Wallet: name, Place: placeOf(name), Chain: stormChain, Address: w.wallets[name].Hex()})
		if placeOf(name) == domain.WalletHot {
			w.must(stormOlga, commands.LoadWallet{Wallet: name})
		}
	}
	w.must(stormAdmin, commands.AddAddress{Chain: stormChain, Address: w.partner.Hex(), Label: "partner"})
	for place, held := range w.onChain() {
		for asset, amount := range held {
			w.must(stormOlga, commands.RecordDeposit{Wallet: place, Asset: asset, Amount: amount})
		}
	}
	w.must(stormOlga, commands.RegisterBot{ID: "a", Capital: domain.FromInt(200), Start: true})
	w.must(stormOlga, commands.RegisterMarket{Market: "m", Kind: domain.KindOutcome, Outcomes: []string{"YES", "NO"}})
}

func placeOf(wallet string) string {
	if wallet == "cold-1" || wallet == "cold-2" {
		return domain.WalletCold
	}
	return domain.WalletHot
}

// onChain is what the chain has now, by place and asset, to the unit.
func (w *stormWorld) onChain() map[string]map[string]domain.Decimal {
	w.t.Helper()
	at, err := w.direct.Head(w.ctx())
	require.NoError(w.t, err)
	all := map[string]map[string]domain.Decimal{domain.WalletHot: {}, domain.WalletCold: {}}
	for name, address := range w.wallets {
		for _, asset := range w.registry.Assets {
			snapshot, err := w.direct.Balances(w.ctx(), at, []chain.Holding{{Wallet: chain.Address(address), Asset: asset}})
			require.NoError(w.t, err)
			amount, err := asset.Amount(snapshot.Balances[0])
			require.NoError(w.t, err)
			place := all[placeOf(name)]
			place[asset.Symbol] = place[asset.Symbol].Add(amount)
		}
	}
	return all
}

// state folds the stored stream.
func (w *stormWorld) state() *portfolio.State {
	w.t.Helper()
	state := portfolio.New()
	require.NoError(w.t, eventstore.Walk(context.Background(), w.store, commands.Stream(stormMain), 0, func(rec eventstore.Record) error {
		e, err := domain.Decode(rec.Type, rec.Data)
		if err == nil {
			state.Apply(domain.Stamp{Revision: rec.Revision, Time: rec.Time}, e)
		}
		return err
	}))
	return state
}

func (w *stormWorld) transfer(id string) *treasury.Transfer {
	w.t.Helper()
	t := w.state().Custody.Transfers[id]
	require.NotNil(w.t, t, id)
	return t
}

// signCold signs the latest transaction of a transfer on the machine with the key.
func (w *stormWorld) signCold(t *treasury.Transfer) (custody.SignedTransaction, error) {
	w.t.Helper()
	words, err := vault.RecoverMnemonic([]byte(petstest.TestWords))
	require.NoError(w.t, err)
	defer words.Wipe()
	machine := evm.NewSignatory(w.registry)
	unsigned, err := chain.ParseUnsigned("transaction", t.Last().Transaction)
	require.NoError(w.t, err)
	digest, err := unsigned.Digest()
	require.NoError(w.t, err)
	var signature [65]byte
	require.NoError(w.t, words.Derive(vault.Path(w.indexOf(t.From)), nil, func(key *vault.PrivateKey) error {
		signature, err = key.Sign(digest)
		return err
	}))
	return machine.Assemble(t.Last().Transaction, signature)
}

// indexOf is the number of a cold wallet among those of the words.
func (w *stormWorld) indexOf(address string) uint32 {
	if treasury.SameAddress(w.wallets["cold-2"].Hex(), address) {
		return 1
	}
	return 0
}

// newPolicy is what a new portfolio is opened with where no setting says otherwise.
func newPolicy(m domain.Mode, clock domain.Clock, asset string) (domain.Policy, error) {
	return domain.NewPolicy(m, clock, asset), nil
}
