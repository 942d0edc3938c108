package custody_test

import (
	"context"
	"math/big"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/treasury"
	"pets/internal/chain"
	"pets/internal/chain/chaintest"
	"pets/internal/evm"
	"pets/internal/typeddata"
	"pets/internal/vault"
)

const (
	chainID = "eip155:1337"
	coin    = "COIN"
	canary  = "k3y-c4nary" // is in every URL, and must not appear anywhere else
)

var (
	olga  = domain.Caller{User: "olga", Role: domain.RoleOperator}
	alice = domain.Caller{User: "alice", Role: domain.RoleAdmin}
	paul  = domain.Caller{User: "paul", Role: domain.RoleApprover}
	petra = domain.Caller{User: "petra", Role: domain.RoleApprover}
	botA  = domain.Caller{User: "key-a", Role: domain.RoleBot, Bot: "a"}
)

func dec(s string) domain.Decimal { return domain.MustDecimal(s) }

// world is everything outside a server: a chain with a token, a keystore with the keys of
// two hot wallets, a cold key elsewhere, and a clock.
type world struct {
	t        testing.TB
	node     *chaintest.Chain
	token    *chaintest.Token
	a, b     *chaintest.Proxy
	registry *chain.Registry
	client   *chain.Client // asks both, in live mode
	direct   *chain.Client // asks the node itself, which tells the truth
	shapes   *typeddata.Shapes
	secret   string // of the keyring
	ring     *vault.Keyring
	dir      string
	keys     *vault.Keystore

	hot, spare, partner common.Address
	cold                chaintest.Account

	ahead atomic.Int64 // of the clock
}

// The words of the standard test vectors. No money is there.
var words = strings.Repeat("abandon ", 23) + "art"

// newWorld: hot has 100 coins and 1,500 of the token, cold 100 and 8,500.
func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, cold: chaintest.Named("cold"), partner: chaintest.Named("partner").Address}
	w.later(-treasury.NewFor) // a server waits for as long once its wallets are registered, and has the chain's time then
	w.openKeystore()
	w.node = chaintest.New(t, chaintest.Account{Address: w.hot}, chaintest.Account{Address: w.spare}, w.cold)
	w.token = w.node.Deploy("USDC", 6)
	w.token.Mint(w.hot, 1_500_000_000)
	w.token.Mint(w.cold.Address, 8_500_000_000)
	w.a, w.b = w.node.Proxy(), w.node.Proxy()
	var err error
	w.registry, err = chain.ParseRegistry("test.json", []byte(`{
		"chains": [{"id": "`+chainID+`", "name": "Test", "confirmations": 3, "max_lag": 4, "head_max_age": "1h", "max_gas": 300000,
			"min_tip_gwei": "1", "max_tip_gwei": "5", "max_fee_gwei": "100"}],
		"assets": [{"id": "`+chainID+`/slip44:1", "symbol": "COIN", "decimals": 18}, {"id": "`+w.usdc()+`", "symbol": "USDC", "decimals": 6}]}`))
	require.NoError(t, err)
	w.client = w.dial(chain.Config{Live: true}, w.a.URL, w.b.URL)
	w.direct = w.dial(chain.Config{}, w.node.URL)
	w.shapes, err = typeddata.ParseShapes("shapes.json", []byte(shapesFor(w)))
	require.NoError(t, err)
	return w
}

func (w *world) usdc() string { return chainID + "/erc20:" + w.token.Hex() }

func (w *world) openKeystore() {
	w.t.Helper()
	var err error
	w.secret = vault.GenerateKey()
	w.ring, err = vault.ParseKeyring(w.secret, "")
	require.NoError(w.t, err)
	w.dir = filepath.Join(w.t.TempDir(), "keys")
	w.keys, err = vault.Open(w.dir, w.ring)
	require.NoError(w.t, err)
	w.hot, w.spare = w.store("hot-1", 0), w.store("hot-2", 1)
}

// store puts a key of the words into the keystore.
func (w *world) store(wallet string, i uint32) (address common.Address) {
	w.t.Helper()
	m, err := vault.ParseMnemonic([]byte(words))
	require.NoError(w.t, err)
	require.NoError(w.t, m.Derive(vault.Path(i), nil, func(key *vault.PrivateKey) error {
		address, err = w.keys.Create(wallet, vault.Path(i), key)
		return err
	}))
	return address
}

// dial makes a client, with a secret in each URL.
func (w *world) dial(config chain.Config, urls ...func() string) *chain.Client {
	w.t.Helper()
	config.Chain = w.registry.Chains[0]
	for _, url := range urls {
		config.Endpoints = append(config.Endpoints, func() string { return url() + "/?key=" + canary })
	}
	c, err := chain.New(config)
	require.NoError(w.t, err)
	w.t.Cleanup(c.Close)
	return c
}

func (w *world) chain() *evm.Chain { return evm.NewChain(w.registry, w.client) }

func (w *world) now() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())) }

func (w *world) later(d time.Duration) { w.ahead.Add(int64(d)) }

func (w *world) rpc() *ethclient.Client {
	w.t.Helper()
	c, err := ethclient.Dial(w.node.URL())
	require.NoError(w.t, err)
	w.t.Cleanup(c.Close)
	return c
}

// holds returns a balance on the chain now.
func (w *world) holds(of common.Address, asset string) domain.Decimal {
	w.t.Helper()
	a := w.registry.Assets[0]
	if asset != coin {
		a = w.registry.Assets[1]
	}
	ctx := context.Background()
	at, err := w.direct.Head(ctx)
	require.NoError(w.t, err)
	snapshot, err := w.direct.Balances(ctx, at, []chain.Holding{{Wallet: chain.Address(of), Asset: a}})
	require.NoError(w.t, err)
	amount, err := a.Amount(snapshot.Balances[0])
	require.NoError(w.t, err)
	return amount
}

// sent returns the transactions of an account in the blocks after one, in order.
func (w *world) sent(by common.Address, after uint64) []*types.Transaction {
	w.t.Helper()
	var all []*types.Transaction
	rpc := w.rpc()
	defer rpc.Close()
	for n := after + 1; n <= w.node.Head(); n++ {
		block, err := rpc.BlockByNumber(context.Background(), bigOf(n))
		require.NoError(w.t, err)
		for _, tx := range block.Transactions() {
			from, err := types.Sender(types.LatestSignerForChainID(tx.ChainId()), tx)
			require.NoError(w.t, err)
			if from == by {
				all = append(all, tx)
			}
		}
	}
	return all
}

// rpcBlock returns the hash of a block.
func (w *world) rpcBlock(number uint64) common.Hash {
	w.t.Helper()
	header, err := w.rpc().HeaderByNumber(context.Background(), bigOf(number))
	require.NoError(w.t, err)
	return header.Hash()
}

// unitsOf returns the fee of a transaction.
func unitsOf(t testing.TB, r *types.Receipt) chain.Units {
	t.Helper()
	return chain.NewUnits(new(big.Int).Mul(r.EffectiveGasPrice, new(big.Int).SetUint64(r.GasUsed)).Uint64())
}
