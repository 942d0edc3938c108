package chain_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/internal/chain"
	"pets/internal/chain/chaintest"
)

// disagrees wants an error that stops the caller, and that names the endpoints
// and nothing else about them.
func disagrees(t *testing.T, err error) {
	t.Helper()
	require.ErrorIs(t, err, chain.ErrDisagreement)
	require.Equal(t, domain.CodeUnavailable, domain.CodeOf(err))
	var d *chain.Disagreement
	require.ErrorAs(t, err, &d)
	require.Equal(t, [2]int{0, 1}, [2]int{min(d.A, d.B), max(d.A, d.B)})
	silent(t, err)
}

// onTransfer limits a fault to the rehearsal of a token's transfer.
func onTransfer(f chaintest.Fault) chaintest.Fault {
	return func(w http.ResponseWriter, r chaintest.Request) bool {
		return r.Method == "eth_call" && strings.Contains(string(r.Params), "0xa9059cbb") && f(w, r)
	}
}

// "an endpoint that lies": each answer that money depends on, by either one.
func TestLies(t *testing.T) {
	w := newWorld(t)
	u, s := w.send(w.usd, "10")
	w.node.Mine(maxLag + 2)
	at, alice := w.head(), chain.Address(w.alice.Address)
	status := func() error {
		_, err := w.live.Status(w.ctx(), s.Hash, u.From, u.Nonce)
		return err
	}
	balance := func(asset chain.Asset) func() error {
		return func() error { _, err := w.live.Balance(w.ctx(), at, alice, asset); return err }
	}
	prepare := func() error { _, err := w.live.Prepare(w.ctx(), w.transfer(w.usd, "1")); return err }
	head := func() error { _, err := w.live.Head(w.ctx()); return err }
	word := `"0x00000000000000000000000000000000000000000000000000000000000000ff"`
	twist := func(field, value string) chaintest.Fault {
		return chaintest.On("eth_getTransactionReceipt", chaintest.Twist(func(r map[string]any) { r[field] = value }))
	}
	for name, tt := range map[string]struct {
		lie chaintest.Fault
		ask func() error
	}{
		"a coin's balance":    {chaintest.On("eth_getBalance", chaintest.Result(`"0xffffffff"`)), balance(w.coin)},
		"a token's balance":   {chaintest.On("eth_call", chaintest.Result(word)), balance(w.usd)},
		"the nonce":           {chaintest.On("eth_getTransactionCount", chaintest.Result(`"0x9"`)), prepare},
		"the nonce, to read":  {chaintest.On("eth_getTransactionCount", chaintest.Result(`"0x0"`)), func() error { _, err := w.live.Nonce(w.ctx(), at, alice); return err }},
		"the code":            {chaintest.On("eth_getCode", chaintest.Result(`"0x"`)), prepare},
		"a rehearsal":         {onTransfer(chaintest.Refuse(3, "execution reverted")), prepare},
		"no receipt":          {chaintest.On("eth_getTransactionReceipt", chaintest.Result("null")), status},
		"success":             {twist("status", "0x0"), status},
		"gas used":            {twist("gasUsed", "0x1"), status},
		"gas price":           {twist("effectiveGasPrice", "0x1"), status},
		"the receipt's block": {twist("blockHash", "0x"+word[3:67]), status},
		"a receipt in an earlier block": {chaintest.On("eth_getTransactionReceipt", chaintest.Twist(func(r map[string]any) {
			r["blockNumber"] = "0x1"
		})), status},
		"no event":             {chaintest.On("eth_getTransactionReceipt", chaintest.Twist(func(r map[string]any) { r["logs"] = []any{} })), status},
		"another history":      {chaintest.On("eth_getBlockByNumber", chaintest.Twist(func(r map[string]any) { r["hash"] = word[1:67] })), head},
		"a rehearsal's answer": {onTransfer(chaintest.Result(`"0x"`)), prepare},
		"a far head":           {chaintest.On("eth_getBlockByNumber", chaintest.Twist(func(r map[string]any) { r["number"] = "0xffffff" })), head},
		"the base fee":         {chaintest.On("eth_getBlockByNumber", chaintest.Twist(func(r map[string]any) { r["baseFeePerGas"] = "0x1" })), prepare},
		"a token's decimals":   {chaintest.On("eth_call", chaintest.Result(word)), func() error { return w.live.CheckToken(w.ctx(), at, w.usd) }},
	} {
		for _, liar := range []*chaintest.Proxy{w.a, w.b} {
			require.NoError(t, tt.ask(), name)
			liar.Set(tt.lie)
			t.Log(name)
			disagrees(t, tt.ask())
			liar.Set(nil)
		}
	}
}

// A receipt that only one endpoint shows makes nothing mined, however long.
func TestInventedReceipt(t *testing.T) {
	w := newWorld(t)
	u, s := w.send(w.usd, "10")
	w.node.Mine(1)
	w.a.Set(chaintest.On("eth_getTransactionReceipt", chaintest.Result("null")))
	for range maxLag {
		require.Equal(t, chain.Pending, w.status(u, s).State)
		w.node.Mine(1)
	}
	_, err := w.live.Status(w.ctx(), s.Hash, u.From, u.Nonce)
	disagrees(t, err)
}

// A rival that only one endpoint shows replaces nothing.
func TestInventedRival(t *testing.T) {
	w := newWorld(t)
	u, s := w.send(w.usd, "10")
	fast, err := u.Reprice(chain.Fees{})
	require.NoError(t, err)
	w.broadcast(w.sign(fast))
	w.node.Mine(1)
	w.b.Set(chaintest.On("eth_getBlockByHash", chaintest.Twist(func(r map[string]any) { r["transactions"] = []any{} })))
	_, err = w.live.Status(w.ctx(), s.Hash, u.From, u.Nonce)
	disagrees(t, err)
}

// "chain id pinned": at the beginning, and when an endpoint changes later.
func TestWrongChain(t *testing.T) {
	w := newWorld(t)
	wrong := chaintest.On("eth_chainId", chaintest.Result(`"0x1"`))
	w.b.Set(wrong)
	_, err := chain.Dial(w.ctx(), w.config(true, w.a.URL(), w.b.URL()))
	require.ErrorIs(t, err, chain.ErrWrongChain)
	silent(t, err)
	_, err = w.live.Head(w.ctx())
	require.ErrorIs(t, err, chain.ErrWrongChain)

	// Nothing is sent to another chain, and the other endpoint's word counts.
	w.b.Set(nil)
	s := w.sign(w.prepare(w.usd, "10"))
	w.b.Set(wrong)
	sent, err := w.live.Broadcast(w.ctx(), s.Raw)
	require.NoError(t, err)
	require.Equal(t, []int{0}, sent.Took)
	require.Zero(t, w.b.Calls("eth_sendRawTransaction"))
	w.a.Set(wrong)
	_, err = w.live.Broadcast(w.ctx(), s.Raw)
	require.ErrorIs(t, err, chain.ErrWrongChain)
	require.Equal(t, 1, w.a.Calls("eth_sendRawTransaction"))
}

// "an endpoint that hangs → error in bounded time", in every read and in the
// middle of one.
func TestHanging(t *testing.T) {
	for _, method := range []string{
		"eth_chainId", "eth_getBlockByNumber", "eth_getTransactionReceipt", "eth_getTransactionCount", "eth_call", "eth_estimateGas",
		"eth_maxPriorityFeePerGas", "eth_getBalance", "eth_getCode",
	} {
		t.Run(method, func(t *testing.T) {
			w := newWorld(t) // which is parallel
			u, s := w.send(w.usd, "10")
			w.node.Mine(1)
			live := w.hurry()
			w.a.Set(chaintest.On(method, chaintest.Hang))
			start := time.Now()
			_, statusErr := live.Status(w.ctx(), s.Hash, u.From, u.Nonce)
			_, prepareErr := live.Prepare(w.ctx(), w.transfer(w.usd, "1"))
			err := errors.Join(statusErr, prepareErr)
			require.Less(t, time.Since(start), timeout, "and so sooner than an endpoint of the other tests")
			require.ErrorIs(t, err, chain.ErrUnavailable)
			require.ErrorContains(t, err, "endpoint 0: "+method+": did not answer in time")
			silent(t, err)
		})
	}
}

// A caller that gives up is let go at once.
func TestCancelled(t *testing.T) {
	w := newWorld(t)
	w.a.Set(chaintest.Hang)
	ctx, cancel := context.WithTimeout(w.ctx(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := w.live.Head(ctx)
	require.ErrorIs(t, err, chain.ErrUnavailable)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Less(t, time.Since(start), timeout)
	silent(t, err)
}

// With three endpoints one may be away; two have to agree. With two, none.
func TestOneOfThreeIsAway(t *testing.T) {
	w := newWorld(t)
	third := w.node.Proxy()
	three := w.dial(true, w.a.URL(), w.b.URL(), third.URL())
	third.Set(chaintest.Cut)
	_, err := three.Head(w.ctx())
	require.NoError(t, err)
	w.b.Set(chaintest.Status(503, "down"))
	_, err = three.Head(w.ctx())
	require.ErrorIs(t, err, chain.ErrUnavailable)
	require.ErrorContains(t, err, "endpoint 1: eth_chainId: answered with HTTP status 503")
	_, err = chain.Dial(w.ctx(), w.config(true, w.a.URL(), w.b.URL(), third.URL()))
	require.ErrorIs(t, err, chain.ErrUnavailable)
	w.b.Set(nil)
	again, err := chain.Dial(w.ctx(), w.config(true, w.a.URL(), w.b.URL(), third.URL()))
	require.NoError(t, err)
	// The one that was away comes back on another chain.
	third.Set(chaintest.On("eth_chainId", chaintest.Result(`"0x1"`)))
	_, err = again.Head(w.ctx())
	require.ErrorIs(t, err, chain.ErrWrongChain)
	// Outside of live mode one is enough.
	_, err = w.dial(false, w.a.URL()).Head(w.ctx())
	require.NoError(t, err)
}

// "one endpoint being a few blocks behind (compare at the common block)", with a
// second node that really is behind, or on another branch.
func TestBehind(t *testing.T) {
	w := newWorld(t)
	slow := w.node.Follower()
	slow.CatchUp(w.node, w.node.Head())
	live := w.dial(true, w.a.URL(), slow.Proxy().URL())
	u, s := w.send(w.usd, "10")
	w.node.Mine(2)
	status := func() chain.Status {
		got, err := live.Status(w.ctx(), s.Hash, u.From, u.Nonce)
		require.NoError(t, err)
		return got
	}
	at, err := live.Head(w.ctx())
	require.NoError(t, err)
	require.Equal(t, w.node.Head()-2, at.Number)
	held, err := live.Balance(w.ctx(), at, chain.Address(w.alice.Address), w.usd)
	require.NoError(t, err)
	require.Equal(t, "1000000000", held.String(), "as of the common block")
	require.Equal(t, chain.Pending, status().State, "one of the two has not seen it")
	slow.CatchUp(w.node, w.node.Head()-1)
	require.Equal(t, chain.Mined, status().State)
	require.Equal(t, uint64(1), status().Confirmations, "as of the common block")

	w.node.Mine(maxLag - 1)
	_, err = live.Head(w.ctx())
	require.NoError(t, err, "%d blocks behind", maxLag)
	w.node.Mine(1)
	_, err = live.Head(w.ctx())
	disagrees(t, err)
}

// A tip on which two nodes differ is a reorganisation until it is deeper than
// MaxLag; then it is a disagreement.
func TestBranches(t *testing.T) {
	w := newWorld(t)
	w.node.Mine(10)
	other := w.node.Follower()
	other.CatchUp(w.node, w.node.Head())
	live := w.dial(true, w.a.URL(), other.Proxy().URL())
	fork := w.node.Head()
	for k := uint64(1); k <= maxLag+1; k++ {
		w.node.Mine(1)
		other.Mine(1)
		at, err := live.Head(w.ctx())
		if k > maxLag {
			disagrees(t, err)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, fork+k-maxLag, at.Number)
	}
}

// A stuck endpoint has an old head.
func TestOldHead(t *testing.T) {
	w := newWorld(t)
	config := w.config(true, w.a.URL(), w.b.URL())
	config.Now = func() time.Time { return time.Now().Add(90 * time.Minute) }
	late, err := chain.Dial(w.ctx(), config)
	require.NoError(t, err)
	_, err = late.Head(w.ctx())
	require.ErrorIs(t, err, chain.ErrUnavailable)
	require.ErrorContains(t, err, "old")
}

// "a mined tx that disappears goes back to pending": and what was final before
// it was deep enough never was.
func TestReorganisation(t *testing.T) {
	w := newWorld(t)
	w.node.Mine(maxLag)
	u, s := w.send(w.usd, "10")
	w.node.Mine(2)
	before := w.status(u, s)
	require.Equal(t, chain.Mined, before.State)
	require.False(t, before.Final)

	w.node.Unwind(2)
	w.node.Send(&w.bob.Address, nil, nil)
	w.node.Mine(2)
	require.Equal(t, chain.Dropped, w.status(u, s).State)
	_, err := w.live.Balance(w.ctx(), before.Block, chain.Address(w.alice.Address), w.usd)
	require.ErrorIs(t, err, chain.ErrUnavailable, "no balance of a block that is no more")

	w.broadcast(s)
	require.Equal(t, chain.Pending, w.status(u, s).State)
	w.node.Mine(confirmations)
	after := w.status(u, s)
	require.True(t, after.Final)
	require.NotEqual(t, before.Block.Hash, after.Block.Hash)
	require.Equal(t, "10", w.amount(w.bob, w.usd))
}

// A receipt of a block that was reorganised away, which an endpoint still has in
// its cache, is none.
func TestStaleReceipt(t *testing.T) {
	w := newWorld(t)
	w.node.Mine(maxLag)
	u, s := w.send(w.usd, "10")
	w.node.Mine(1)
	require.Equal(t, chain.Mined, w.status(u, s).State)
	gone := w.head()
	stale := chaintest.On("eth_getTransactionReceipt", chaintest.Twist(func(r map[string]any) {
		r["blockHash"] = gone.Hash.Hex()
	}))
	w.node.Unwind(1)
	w.node.Send(&w.bob.Address, nil, nil)
	w.broadcast(s)
	w.node.Mine(1)
	w.a.Set(stale)
	w.b.Set(stale)
	require.NotEqual(t, chain.Mined, w.status(u, s).State)
	w.a.Set(nil)
	w.b.Set(nil)
	require.Equal(t, chain.Mined, w.status(u, s).State)
}
