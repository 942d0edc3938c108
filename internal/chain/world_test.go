package chain_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/internal/chain"
	"pets/internal/chain/chaintest"
)

// canary stands in the path, the query and the user-info of every URL of these
// tests, and must come out nowhere.
const canary = "k3y-c4nary"

func withCanary(url string) chain.Endpoint {
	scheme, rest, _ := strings.Cut(url, "://")
	return func() string {
		return scheme + "://user-" + canary + ":pass-" + canary + "@" + rest + "/v3/" + canary + "?key=" + canary
	}
}

const (
	confirmations = 3
	maxLag        = 4
	timeout       = 10 * time.Second // a slow machine is no fault
	shortly       = 700 * time.Millisecond
)

// world is a chain, its token, and a live client that asks it through two
// proxies.
type world struct {
	t          *testing.T
	node       *chaintest.Chain
	token      *chaintest.Token
	a, b       *chaintest.Proxy
	registry   *chain.Registry
	coin, usd  chain.Asset
	alice, bob chaintest.Account
	live       *chain.Client
}

func registryOf(t *testing.T, token common.Address) *chain.Registry {
	t.Helper()
	r, err := chain.ParseRegistry("test.json", fmt.Appendf(nil, `{
		"chains": [{"id": "eip155:1337", "name": "Test", "confirmations": %d, "max_lag": %d, "head_max_age": "1h", "max_gas": 300000,
			"min_tip_gwei": "1", "max_tip_gwei": "5", "max_fee_gwei": "100"}],
		"assets": [
			{"id": "eip155:1337/slip44:1", "symbol": "COIN", "decimals": 18},
			{"id": "eip155:1337/erc20:%s", "symbol": "USDT", "decimals": 6, "chain_symbols": ["USDt"]}
		]}`, confirmations, maxLag, token.Hex()))
	require.NoError(t, err)
	return r
}

// newWorld gives alice 100 coins and 1,000 of the token.
func newWorld(t *testing.T) *world {
	t.Helper()
	t.Parallel()
	w := &world{t: t, alice: chaintest.Named("alice"), bob: chaintest.Named("bob")}
	w.node = chaintest.New(t, w.alice)
	w.token = w.node.Deploy("USDt", 6)
	w.token.Mint(w.alice.Address, 1_000_000_000)
	w.registry = registryOf(t, w.token.Address)
	w.coin, w.usd = w.registry.Assets[0], w.registry.Assets[1]
	w.a, w.b = w.node.Proxy(), w.node.Proxy()
	w.live = w.dial(true, w.a.URL(), w.b.URL())
	return w
}

func (w *world) config(live bool, urls ...string) chain.Config {
	c := chain.Config{Chain: w.registry.Chains[0], Timeout: timeout, Live: live}
	for _, url := range urls {
		c.Endpoints = append(c.Endpoints, withCanary(url))
	}
	return c
}

// hurry gives the client a short time-out, for endpoints that hang.
func (w *world) hurry() *chain.Client {
	w.t.Helper()
	config := w.config(true, w.a.URL(), w.b.URL())
	config.Timeout = shortly
	c, err := chain.Dial(w.ctx(), config)
	require.NoError(w.t, err)
	w.t.Cleanup(c.Close)
	return c
}

func (w *world) dial(live bool, urls ...string) *chain.Client {
	w.t.Helper()
	c, err := chain.Dial(w.ctx(), w.config(live, urls...))
	require.NoError(w.t, err)
	w.t.Cleanup(c.Close)
	return c
}

func (w *world) ctx() context.Context { return w.t.Context() }

func (w *world) transfer(asset chain.Asset, amount string) chain.Transfer {
	return chain.Transfer{
		Asset: asset, From: chain.Address(w.alice.Address), To: chain.Address(w.bob.Address),
		Amount: domain.MustDecimal(amount), HighestFee: domain.MustDecimal("0.01"),
	}
}

func (w *world) prepare(asset chain.Asset, amount string) chain.Unsigned {
	w.t.Helper()
	u, err := w.live.Prepare(w.ctx(), w.transfer(asset, amount))
	require.NoError(w.t, err)
	return u
}

func (w *world) sign(u chain.Unsigned) chain.Signed {
	w.t.Helper()
	s, err := signedBy(w.t, w.alice, u)
	require.NoError(w.t, err)
	return s
}

// signedBy signs a transaction with an account's key.
func signedBy(t testing.TB, by chaintest.Account, u chain.Unsigned) (chain.Signed, error) {
	t.Helper()
	digest, err := u.Digest()
	require.NoError(t, err)
	signature, err := by.Sign(t.Context(), digest)
	require.NoError(t, err)
	return u.Assemble(signature)
}

// send prepares, signs and broadcasts.
func (w *world) send(asset chain.Asset, amount string) (chain.Unsigned, chain.Signed) {
	w.t.Helper()
	u := w.prepare(asset, amount)
	s := w.sign(u)
	w.broadcast(s)
	return u, s
}

func (w *world) broadcast(s chain.Signed) {
	w.t.Helper()
	sent, err := w.live.Broadcast(w.ctx(), s.Raw)
	require.NoError(w.t, err)
	require.Equal(w.t, s.Hash, sent.Hash)
}

func (w *world) status(u chain.Unsigned, s chain.Signed) chain.Status {
	w.t.Helper()
	status, err := w.live.Status(w.ctx(), s.Hash, u.From, u.Nonce)
	require.NoError(w.t, err)
	return status
}

func (w *world) head() chain.Block {
	w.t.Helper()
	b, err := w.live.Head(w.ctx())
	require.NoError(w.t, err)
	return b
}

// amount is what an account holds at the head.
func (w *world) amount(of chaintest.Account, asset chain.Asset) string {
	w.t.Helper()
	u, err := w.live.Balance(w.ctx(), w.head(), chain.Address(of.Address), asset)
	require.NoError(w.t, err)
	d, err := asset.Amount(u)
	require.NoError(w.t, err)
	return d.String()
}

// silent makes sure that an error, however it is printed, holds no part of a
// URL.
func silent(t *testing.T, err error) {
	t.Helper()
	require.Error(t, err)
	for _, text := range []string{err.Error(), fmt.Sprintf("%v %+v %#v %q", err, err, err, err)} {
		for _, secret := range []string{canary, "127.0.0.1", "localhost", "http", "/v3"} {
			require.NotContains(t, strings.ReplaceAll(text, "HTTP status", ""), secret)
		}
	}
	text, _ := json.Marshal(err)
	require.NotContains(t, string(text), canary)
}
