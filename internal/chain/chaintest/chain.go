// Package chaintest runs a real EVM chain inside a test, served as JSON-RPC over
// HTTP on a loopback port, and proxies in front of it that fail as endpoints do.
//
// It owns blocks on demand, reorganisations, nodes that lag, an ERC-20 token
// that can be told to misbehave (token/), and the faults. It refuses to be part
// of the product: nothing but tests imports it, and it knows nothing of what it
// tests.
package chaintest

import (
	"context"
	"crypto/ecdsa"
	"maps"
	"math/big"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/eth"
	"github.com/ethereum/go-ethereum/eth/catalyst"
	"github.com/ethereum/go-ethereum/eth/ethconfig"
	"github.com/ethereum/go-ethereum/ethclient"
	"github.com/ethereum/go-ethereum/node"
	"github.com/ethereum/go-ethereum/p2p"
	"github.com/ethereum/go-ethereum/params"
)

// ChainID is the id of every chain of this package.
const ChainID = 1337

// Account is a key that exists in tests only.
type Account struct {
	key *ecdsa.PrivateKey
	common.Address
}

// Named returns the account of a name, always the same one.
func Named(name string) Account {
	key, err := crypto.ToECDSA(crypto.Keccak256([]byte("chaintest " + name)))
	if err != nil {
		panic(err) // one name in 2^128 is not a key
	}
	return Account{key, crypto.PubkeyToAddress(key.PublicKey)}
}

// Sign signs a digest.
func (a Account) Sign(_ context.Context, digest [32]byte) (signature [65]byte, err error) {
	s, err := crypto.Sign(digest[:], a.key)
	copy(signature[:], s)
	return signature, err
}

// Chain is one node and its chain. Only Mine makes blocks.
type Chain struct {
	t       testing.TB
	genesis *core.Genesis
	node    *node.Node
	eth     *eth.Ethereum
	beacon  *catalyst.SimulatedBeacon
	client  *ethclient.Client
	faucet  Account
	// lag is how many blocks the node's finalized block is behind its newest one; it knows
	// none if this is below 0.
	lag int
}

// New starts a chain. The named accounts have 100 coins each.
func New(t testing.TB, rich ...Account) *Chain {
	t.Helper()
	faucet := Named("faucet")
	alloc := core.SystemContractAllocs()
	for _, a := range append(rich, faucet) {
		hundred := new(big.Int).Mul(big.NewInt(100), big.NewInt(params.Ether))
		maps.Copy(alloc, types.GenesisAlloc{a.Address: {Balance: hundred}})
	}
	return start(t, &core.Genesis{
		Config:    params.AllDevChainProtocolChanges,
		GasLimit:  ethconfig.Defaults.Miner.GasCeil,
		Timestamp: uint64(time.Now().Add(-time.Minute).Unix()), //nolint:gosec // after 1970
		BaseFee:   big.NewInt(params.GWei),
		Alloc:     alloc,
	}, faucet)
}

func start(t testing.TB, genesis *core.Genesis, faucet Account) *Chain {
	t.Helper()
	config := node.DefaultConfig
	config.DataDir, config.P2P = "", p2p.Config{NoDiscovery: true}
	config.HTTPHost, config.HTTPPort, config.HTTPModules = "127.0.0.1", 0, []string{"eth"}
	stack, err := node.New(&config)
	check(t, err)
	t.Cleanup(func() { _ = stack.Close() })

	ethConfig := ethconfig.Defaults
	ethConfig.Genesis, ethConfig.SyncMode = genesis, ethconfig.FullSync
	ethConfig.TxPool.NoLocals, ethConfig.LogNoHistory = true, true
	backend, err := eth.New(stack, &ethConfig)
	check(t, err)
	check(t, stack.Start())
	beacon, err := catalyst.NewSimulatedBeacon(0, common.Address{}, backend)
	check(t, err)
	c := &Chain{t: t, genesis: genesis, node: stack, eth: backend, beacon: beacon, client: ethclient.NewClient(stack.Attach()), faucet: faucet}
	t.Cleanup(c.client.Close)
	c.check(beacon.Fork(backend.BlockChain().GetCanonicalHash(0)))
	return c
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal("chaintest: ", err)
	}
}

func (c *Chain) check(err error) {
	c.t.Helper()
	check(c.t, err)
}

// URL is the node's own JSON-RPC endpoint.
func (c *Chain) URL() string { return c.node.HTTPEndpoint() }

// Head is the number of the newest block.
func (c *Chain) Head() uint64 { return c.eth.BlockChain().CurrentBlock().Number.Uint64() }

// Mine makes n blocks; the first includes the pending transactions.
func (c *Chain) Mine(n int) {
	c.t.Helper()
	for range n {
		before := c.Head()
		c.beacon.Commit()
		if c.Head() == before { // a follower's beacon does not know the time of its imported blocks
			c.check(c.beacon.AdjustTime(time.Second))
		}
		if c.Head() != before+1 {
			c.t.Fatal("chaintest: no block was made")
		}
		c.finalize()
	}
}

// Finality sets how many blocks the node's finalized block is behind its newest one: 0
// unless it is set. Below 0 the node knows no finalized block, as on a chain without the
// tag.
func (c *Chain) Finality(lag int) {
	c.lag = lag
	c.finalize()
}

func (c *Chain) finalize() {
	blocks := c.eth.BlockChain()
	if c.lag < 0 {
		blocks.SetFinalized(nil)
		return
	}
	blocks.SetFinalized(blocks.GetHeaderByNumber(uint64(max(0, int(c.Head())-c.lag)))) //nolint:gosec // not below 0
}

// Forget empties the pool of pending transactions, as if the node had never received
// them.
func (c *Chain) Forget() { c.beacon.Rollback() }

// Unwind removes the last n blocks and their transactions. Blocks that are mined after
// that are another history.
func (c *Chain) Unwind(n uint64) {
	c.t.Helper()
	c.Forget()
	c.check(c.beacon.Fork(c.eth.BlockChain().GetCanonicalHash(c.Head() - n)))
	c.check(c.eth.TxPool().Sync())
	c.Forget()
	c.finalize()
}

// Follower starts a second node of the same chain. It has no blocks yet.
func (c *Chain) Follower() *Chain {
	c.t.Helper()
	return start(c.t, c.genesis, c.faucet)
}

// CatchUp brings a follower to a block of another node's chain.
func (c *Chain) CatchUp(to *Chain, number uint64) {
	c.t.Helper()
	source, own := to.eth.BlockChain(), c.eth.BlockChain()
	for n := uint64(1); n <= number; n++ {
		block := source.GetBlockByNumber(n)
		if own.GetCanonicalHash(n) == block.Hash() {
			continue
		}
		_, err := own.InsertBlockWithoutSetHead(context.Background(), block, false)
		c.check(err)
		_, err = own.SetCanonical(block)
		c.check(err)
	}
	c.check(c.eth.TxPool().Sync())
	c.finalize()
}

// Send signs, sends and mines a transaction of the faucet.
func (c *Chain) Send(to *common.Address, value *big.Int, data []byte) common.Address {
	c.t.Helper()
	ctx := context.Background()
	nonce, err := c.client.PendingNonceAt(ctx, c.faucet.Address)
	c.check(err)
	tx, err := types.SignNewTx(c.faucet.key, types.NewLondonSigner(big.NewInt(ChainID)), &types.DynamicFeeTx{
		ChainID: big.NewInt(ChainID), Nonce: nonce, To: to, Value: value, Data: data,
		Gas: 2_000_000, GasFeeCap: big.NewInt(100 * params.GWei), GasTipCap: big.NewInt(params.GWei),
	})
	c.check(err)
	c.check(c.client.SendTransaction(ctx, tx))
	c.Mine(1)
	receipt, err := c.client.TransactionReceipt(ctx, tx.Hash())
	c.check(err)
	if receipt.Status != types.ReceiptStatusSuccessful {
		c.t.Fatalf("chaintest: %s was reverted", tx.Hash())
	}
	return receipt.ContractAddress
}
