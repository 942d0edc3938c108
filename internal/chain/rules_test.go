package chain

import (
	"errors"
	"net/http"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/txpool"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/stretchr/testify/require"
)

// "EIP-1559 fees with a cap": worked out by hand in wei, for 10 gas.
func TestOffer(t *testing.T) {
	r := feeRules{minTip: NewUnits(10), maxTip: NewUnits(50), maxFee: NewUnits(1000)}
	const noCap = 1_000_000
	for _, tt := range []struct {
		base, suggested, highest uint64
		max, tip                 uint64 // 0: over the cap
	}{
		{100, 20, noCap, 220, 20},   // twice the base fee and the tip
		{100, 1, noCap, 210, 10},    // a tip below the least
		{100, 9999, noCap, 250, 50}, // a tip above the most
		{600, 20, noCap, 1000, 20},  // the registry's limit takes the headroom
		{990, 20, noCap, 1000, 10},  // and the tip
		{991, 20, noCap, 0, 0},      // not the least
		{100, 20, 2200, 220, 20},    // exactly what was approved for 10 gas
		{100, 20, 2199, 219, 20},    // one wei less: less headroom
		{100, 20, 1200, 120, 20},    // none
		{100, 20, 1190, 119, 19},    // a smaller tip
		{100, 20, 1100, 110, 10},    // the smallest
		{100, 20, 1099, 0, 0},       // less than that is not offered
	} {
		got, err := r.offer(NewUnits(tt.base), NewUnits(tt.suggested), 10, NewUnits(tt.highest))
		if tt.max == 0 {
			require.ErrorIs(t, err, ErrFeeOverCap)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, Fees{NewUnits(tt.max), NewUnits(tt.tip)}, got, "%+v", tt)
	}
	most := Units{}
	most.n.SetAllOne()
	_, err := r.offer(most, NewUnits(1), 10, most)
	require.ErrorIs(t, err, ErrFeeOverCap)
	got, err := feeRules{NewUnits(1), most, most}.offer(most.over(2), NewUnits(5), 1, most)
	require.NoError(t, err)
	require.Equal(t, most, got.MaxFee)
}

// Only a Transfer event of an ERC-20 moves money.
func TestMovesOf(t *testing.T) {
	word := func(b byte) common.Hash { return common.Hash{31: b} }
	ten := word(10)
	transfer := []common.Hash{transferTopic, word(1), word(2)}
	for name, l := range map[string]rawLog{
		"Approval": {Topics: []common.Hash{crypto.Keccak256Hash([]byte("Approval(address,address,uint256)")), word(1), word(2)}, Data: ten[:]},
		"ERC-721":  {Topics: append(slices.Clone(transfer), word(10))},
		"no data":  {Topics: transfer},
		"more":     {Topics: transfer, Data: append(ten[:], 0)},
		"no topic": {Data: ten[:]},
	} {
		require.Empty(t, movesOf([]rawLog{l}), name)
	}
	got := movesOf([]rawLog{{Topics: nil}, {Address: common.Address{19: 9}, Topics: transfer, Data: ten[:]}})
	require.Equal(t, []Move{{Token: Address{19: 9}, From: Address{19: 1}, To: Address{19: 2}, Units: NewUnits(10)}}, got)
}

type rpcError struct {
	code int
	text string
}

func (e rpcError) Error() string  { return e.text }
func (e rpcError) ErrorCode() int { return e.code }

// What clients of the chain say, by the words of each: geth's from its source.
func TestRefusalOf(t *testing.T) {
	for text, want := range map[string]error{
		txpool.ErrAlreadyKnown.Error():       errKnown,
		"already known":                      errKnown,
		"AlreadyKnown":                       errKnown, // Nethermind
		"Known transaction":                  errKnown, // Besu
		txpool.ErrUnderpriced.Error():        ErrUnderpriced,
		txpool.ErrReplaceUnderpriced.Error(): ErrUnderpriced,
		txpool.ErrTxGasPriceTooLow.Error() + ": gas tip cap 1, minimum needed 25000000000": ErrUnderpriced,
		core.ErrFeeCapTooLow.Error() + ": address 0x, maxFeePerGas: 1, baseFee: 2":         ErrUnderpriced,
		"FeeTooLow, MaxFeePerGas too low":                                                  ErrUnderpriced, // Nethermind
		core.ErrNonceTooLow.Error() + ": next nonce 2, tx nonce 1":                         ErrNonceTooLow,
		"OldNonce":                   ErrNonceTooLow, // Nethermind
		core.ErrNonceTooHigh.Error(): ErrNonce,
		core.ErrInsufficientFunds.Error() + ": balance 1":             ErrInsufficientFunds,
		core.ErrInsufficientFundsForTransfer.Error():                  ErrInsufficientFunds,
		"Upfront cost exceeds account balance":                        ErrInsufficientFunds, // Besu
		"execution reverted: too little":                              ErrWouldFail,
		core.ErrIntrinsicGas.Error():                                  ErrRefused,
		txpool.ErrGasLimit.Error():                                    ErrRefused,
		"tx fee (2.10 ether) exceeds the configured cap (1.00 ether)": ErrRefused,
		"too many requests":                                           nil,
		"header not found":                                            nil,
		"hash is not currently canonical":                             nil,
	} {
		require.Equal(t, want, refusalOf(rpcError{-32000, text}), text)
	}
	require.Equal(t, ErrWouldFail, refusalOf(rpcError{3, "whatever"}))
	require.NoError(t, refusalOf(errors.New("nonce too low")), "not the endpoint's answer")
}

// What goes in clear goes through no proxy: it would read the URL's token, and could write the
// answer. What is encrypted may.
func TestNothingInClearGoesThroughAProxy(t *testing.T) {
	transport, is := httpClient().Transport.(*limited)
	require.True(t, is)
	proxy := transport.next.(*http.Transport).Proxy
	r, err := http.NewRequest(http.MethodPost, "http://192.0.2.7:8545/token", http.NoBody)
	require.NoError(t, err)
	t.Setenv("HTTP_PROXY", "http://192.0.2.8:3128") // net/http reads it once in a process
	to, err := proxy(r)
	require.NoError(t, err)
	require.Nil(t, to)
}
