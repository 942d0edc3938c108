package chain_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/internal/chain"
	"pets/internal/chain/chaintest"
	"pets/internal/testenv"
)

// What is refused before anything is signed, each for its own reason.
func TestPrepareRefuses(t *testing.T) {
	w := newWorld(t)
	other, err := chain.Default()
	require.NoError(t, err)
	zero, used, gap := chain.Address{}, uint64(0), uint64(1)
	w.send(w.coin, "1")
	w.node.Mine(1) // nonce 0 is used, 1 is next
	gap++
	for name, tt := range map[string]struct {
		change func(*chain.Transfer)
		want   error
		text   string
	}{
		"more decimals than the token has": {func(x *chain.Transfer) { x.Amount = domain.MustDecimal("0.0000001") }, nil, "amount has more than the 6 decimals"},
		"nothing":                          {func(x *chain.Transfer) { x.Amount = domain.Zero }, chain.ErrTransaction, "moves nothing"},
		"less than nothing":                {func(x *chain.Transfer) { x.Amount = domain.MustDecimal("-1") }, nil, "must not be negative"},
		"more than there is":               {func(x *chain.Transfer) { x.Amount = domain.MustDecimal("1000.000001") }, chain.ErrInsufficientFunds, "USDT"},
		"no recipient":                     {func(x *chain.Transfer) { x.To = zero }, chain.ErrTransaction, ""},
		"to the token":                     {func(x *chain.Transfer) { x.To = w.usd.Token() }, chain.ErrTransaction, "contract"},
		"another chain":                    {func(x *chain.Transfer) { x.Asset = other.Assets[1] }, nil, "asset is not on eip155:1337"},
		"no asset":                         {func(x *chain.Transfer) { x.Asset = chain.Asset{} }, nil, "asset is not on eip155:1337"},
		"fee over the approved":            {func(x *chain.Transfer) { x.HighestFee = domain.MustDecimal("0.000001") }, chain.ErrFeeOverCap, "allowed"},
		"no fee":                           {func(x *chain.Transfer) { x.HighestFee = domain.Zero }, chain.ErrFeeOverCap, ""},
		"a fee nobody can pay":             {func(x *chain.Transfer) { x.From = chain.Address(chaintest.Named("poor").Address) }, chain.ErrInsufficientFunds, ""},
		"a used nonce":                     {func(x *chain.Transfer) { x.Nonce = &used }, chain.ErrNonce, "0 is used, the next one is 1"},
		"a nonce beyond a gap":             {func(x *chain.Transfer) { x.Nonce = &gap }, chain.ErrNonce, "2 would leave a gap"},
	} {
		x := w.transfer(w.usd, "10")
		tt.change(&x)
		_, err := w.live.Prepare(w.ctx(), x)
		require.Error(t, err, name)
		require.ErrorContains(t, err, tt.text, name)
		if tt.want != nil {
			require.ErrorIs(t, err, tt.want, name)
		} else {
			require.Equal(t, domain.CodeInvalid, domain.CodeOf(err), name)
		}
	}
	// All of the coins leaves nothing for the fee.
	all := w.transfer(w.coin, "99")
	_, err = w.live.Prepare(w.ctx(), all)
	require.ErrorIs(t, err, chain.ErrInsufficientFunds)
}

// Two transfers of one wallet: the second cannot guess its nonce while the first
// is under way; the caller who knows can say it.
func TestNonces(t *testing.T) {
	w := newWorld(t)
	w.send(w.coin, "1")
	_, err := w.live.Prepare(w.ctx(), w.transfer(w.coin, "1"))
	require.ErrorIs(t, err, chain.ErrNonce)
	require.ErrorContains(t, err, "under way")
	x, next := w.transfer(w.coin, "1"), uint64(1)
	x.Nonce = &next
	u, err := w.live.Prepare(w.ctx(), x)
	require.NoError(t, err)
	w.broadcast(w.sign(u))
	pending, err := w.live.PendingNonce(w.ctx(), u.From)
	require.NoError(t, err)
	require.Equal(t, uint64(2), pending)
	w.node.Mine(1)
	n, err := w.live.Nonce(w.ctx(), w.head(), u.From)
	require.NoError(t, err)
	require.Equal(t, uint64(2), n)
	require.Equal(t, "2", w.amount(w.bob, w.coin))
}

// An endpoint cannot make a transfer dear: its tip is bounded, and so is its gas.
func TestGreedyEndpoint(t *testing.T) {
	w := newWorld(t)
	greedy := chaintest.On("eth_maxPriorityFeePerGas", chaintest.Result(`"0xffffffffffffff"`))
	w.a.Set(greedy)
	require.LessOrEqual(t, w.prepare(w.usd, "1").Tip.Cmp(chain.NewUnits(1_000_000_000)), 0, "the lower of two tips")
	w.b.Set(greedy)
	require.Equal(t, "5000000000", w.prepare(w.usd, "1").Tip.String(), "the registry's limit")
	w.a.Set(chaintest.On("eth_estimateGas", chaintest.Result(`"0x493e1"`))) // 300001
	_, err := w.live.Prepare(w.ctx(), w.transfer(w.usd, "1"))
	require.ErrorIs(t, err, chain.ErrFeeOverCap)
	w.a.Set(chaintest.On("eth_estimateGas", chaintest.Refuse(3, "execution reverted")))
	_, err = w.live.Prepare(w.ctx(), w.transfer(w.usd, "1"))
	require.ErrorIs(t, err, chain.ErrWouldFail)
}

// "typed errors: underpriced, nonce too low, insufficient funds", by a real node.
func TestBroadcastErrors(t *testing.T) {
	w := newWorld(t)
	u, s := w.send(w.usd, "10")

	cheap := u // a replacement that is a tenth too cheap
	cheap.MaxFee, cheap.Tip = chain.NewUnits(3_100_000_000), chain.NewUnits(1_000_000_001)
	_, err := w.live.Broadcast(w.ctx(), w.sign(cheap).Raw)
	require.ErrorIs(t, err, chain.ErrUnderpriced)
	require.ErrorContains(t, err, "endpoint ")
	silent(t, err)
	w.node.Mine(1)
	require.Equal(t, chain.Mined, w.status(u, s).State)

	broke := chaintest.Named("poor")
	poor := u
	poor.From, poor.Nonce = chain.Address(broke.Address), 0
	signed, err := signedBy(t, broke, poor)
	require.NoError(t, err)
	_, err = w.live.Broadcast(w.ctx(), signed.Raw)
	require.ErrorIs(t, err, chain.ErrInsufficientFunds)

	elsewhere := u
	elsewhere.ChainID = 137
	_, err = w.live.Broadcast(w.ctx(), w.sign(elsewhere).Raw)
	require.ErrorIs(t, err, chain.ErrTransaction)

	// Nobody answers: unknown, and the same bytes again are safe.
	u = w.prepare(w.usd, "5")
	s = w.sign(u)
	lost := chaintest.On("eth_sendRawTransaction", chaintest.Truncated) // taken, and the answer is lost
	w.a.Set(lost)
	w.b.Set(lost)
	_, err = w.live.Broadcast(w.ctx(), s.Raw)
	require.ErrorIs(t, err, chain.ErrUnavailable)
	silent(t, err)
	w.a.Set(nil)
	w.b.Set(nil)
	w.broadcast(s)
	w.node.Mine(1)
	require.Equal(t, "15", w.amount(w.bob, w.usd))
}

// An endpoint that answers with another hash took something else, or nothing.
func TestBroadcastIsNotBelieved(t *testing.T) {
	w := newWorld(t)
	s := w.sign(w.prepare(w.usd, "10"))
	other := chaintest.On("eth_sendRawTransaction", chaintest.Result(`"`+common.Hash{1}.Hex()+`"`))
	w.a.Set(other)
	sent, err := w.live.Broadcast(w.ctx(), s.Raw)
	require.NoError(t, err)
	require.Equal(t, []int{1}, sent.Took)
	require.Len(t, sent.Failed, 1)
	w.b.Set(other)
	_, err = w.live.Broadcast(w.ctx(), s.Raw)
	require.ErrorIs(t, err, chain.ErrUnavailable)
}

// "balances of wallet × asset at one block on which endpoints agree": a block
// that is final, whatever came after it.
func TestReconciliation(t *testing.T) {
	w := newWorld(t)
	w.node.Mine(confirmations)
	before := w.head()
	w.send(w.usd, "10")
	w.node.Mine(1)
	at, err := w.live.Final(w.ctx())
	require.NoError(t, err)
	require.Equal(t, w.node.Head()-confirmations+1, at.Number)
	alice, bob := chain.Address(w.alice.Address), chain.Address(w.bob.Address)
	holdings := []chain.Holding{{Wallet: alice, Asset: w.usd}, {Wallet: bob, Asset: w.usd}, {Wallet: alice, Asset: w.coin}, {Wallet: bob, Asset: w.coin}}
	for _, tt := range []struct {
		at   chain.Block
		want []string
	}{
		{at, []string{"1000000000", "0", "100000000000000000000", "0"}},
		{before, []string{"1000000000", "0", "100000000000000000000", "0"}},
	} {
		got, err := w.live.Balances(w.ctx(), tt.at, holdings)
		require.NoError(t, err)
		require.Equal(t, tt.at, got.Block)
		for i, want := range tt.want {
			require.Equal(t, want, got.Balances[i].String())
		}
	}
	got, err := w.live.Balances(w.ctx(), w.head(), holdings[:2])
	require.NoError(t, err)
	require.Equal(t, []chain.Units{chain.NewUnits(990_000_000), chain.NewUnits(10_000_000)}, got.Balances)
	_, err = w.live.Balances(w.ctx(), at, make([]chain.Holding, 257))
	require.ErrorContains(t, err, "holdings must be at most 256")
}

// "decimals/symbol check of a token against the registry".
func TestCheckToken(t *testing.T) {
	w := newWorld(t)
	require.NoError(t, w.live.CheckToken(w.ctx(), w.head(), w.usd))
	for want, token := range map[string]common.Address{
		"it does not have 6 decimals":         w.node.Deploy("USDt", 18).Address,
		"it calls itself something else":      w.node.Deploy("USDT", 6).Address, // only USDt is listed
		"there is no contract at its address": w.bob.Address,
	} {
		err := w.live.CheckToken(w.ctx(), w.head(), registryOf(t, token).Assets[1])
		require.ErrorIs(t, err, chain.ErrToken)
		require.ErrorContains(t, err, want)
	}
	require.ErrorContains(t, w.live.CheckToken(w.ctx(), w.head(), w.coin), "is not a token")
	yes, err := w.live.IsContract(w.ctx(), w.head(), w.usd.Token())
	require.NoError(t, err)
	require.True(t, yes)
	yes, err = w.live.IsContract(w.ctx(), w.head(), chain.Address(w.bob.Address))
	require.NoError(t, err)
	require.False(t, yes)
}

// The committed bytecode is what the committed source compiles to. Needs node,
// npm and a registry of npm packages, so it runs only where that is asked for.
func TestTokenIsCompiledFromItsSource(t *testing.T) {
	if !testenv.RequireTools() {
		t.Skip("set PETS_REQUIRE_TOOLS=1 to compile the token again: it needs node and npm, and fetches solc")
	}
	dir := t.TempDir()
	for _, name := range []string{"Token.sol", "compile.js", "package.json", "package-lock.json"} {
		text, err := os.ReadFile(filepath.Join("chaintest", "token", name))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), text, 0o600))
	}
	run := func(name string, args ...string) []byte {
		command := exec.CommandContext(t.Context(), name, args...)
		command.Dir = dir
		out, err := command.Output()
		require.NoError(t, err, name)
		return out
	}
	run("npm", "ci", "--no-audit", "--no-fund")
	committed, err := os.ReadFile(filepath.Join("chaintest", "token", "Token.json"))
	require.NoError(t, err)
	require.Equal(t, string(committed), string(run("node", "compile.js")))
}
