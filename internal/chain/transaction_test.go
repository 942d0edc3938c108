package chain_test

import (
	"encoding/json"
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/internal/chain"
	"pets/internal/chain/chaintest"
)

// What is signed, written down by hand: 2, and the RLP list of the fields as
// EIP-1559 has them (a string of n bytes begins with 80 + n, a list with c0 + n).
const handMade = "02" + "eb" +
	"8189" + // chain 137
	"07" + // nonce
	"8477359400" + // tip, 2 gwei
	"850df8475800" + // highest fee per gas, 60 gwei
	"825208" + // gas, 21000
	"941111111111111111111111111111111111111111" + // to
	"8203e8" + // value, 1000
	"80" + // no data
	"c0" // no access list

// offline is a payment of 1000 wei on Polygon, by alice.
func offline(t *testing.T) chain.Unsigned {
	t.Helper()
	u, err := chain.ParseUnsigned("f", []byte(`{"chain_id":137,"from":"`+chaintest.Named("alice").Hex()+`","nonce":7,
		"to":"0x1111111111111111111111111111111111111111","value":"1000","data":"0x","gas":21000,
		"max_fee_per_gas":"60000000000","max_tip_per_gas":"2000000000","highest_fee":"1500000000000000"}`))
	require.NoError(t, err)
	return u
}

func TestDigest(t *testing.T) {
	digest, err := offline(t).Digest()
	require.NoError(t, err)
	require.Equal(t, crypto.Keccak256(common.FromHex(handMade)), digest[:])
}

// "recovered sender checked against the expected from", and one form only of a
// signature.
func TestAssemble(t *testing.T) {
	u := offline(t)
	s, err := signedBy(t, chaintest.Named("alice"), u)
	require.NoError(t, err)
	require.Equal(t, crypto.Keccak256Hash(s.Raw), s.Hash)

	_, err = signedBy(t, chaintest.Named("bob"), u)
	require.ErrorIs(t, err, chain.ErrSignature)

	digest, err := u.Digest()
	require.NoError(t, err)
	good, err := chaintest.Named("alice").Sign(t.Context(), digest)
	require.NoError(t, err)
	malleable := good
	order := crypto.S256().Params().N
	new(big.Int).Sub(order, new(big.Int).SetBytes(good[32:64])).FillBytes(malleable[32:64])
	malleable[64] ^= 1
	legacy := good
	legacy[64] += 27
	other := good
	other[64] ^= 1
	for name, signature := range map[string][65]byte{"high s": malleable, "27": legacy, "other parity": other, "zero": {}} {
		_, err = u.Assemble(signature)
		require.ErrorIs(t, err, chain.ErrSignature, name)
	}
}

// "what is broadcast can be compared field by field with what was approved".
func TestMatches(t *testing.T) {
	u := offline(t)
	s, err := signedBy(t, chaintest.Named("alice"), u)
	require.NoError(t, err)
	got, hash, err := chain.Decode(s.Raw)
	require.NoError(t, err)
	require.Equal(t, s.Hash, hash)
	require.Equal(t, "1260000000000000", got.HighestFee.String(), "the most the bytes can cost: 21000 × 60 gwei")
	got.HighestFee, got.Data = u.HighestFee, u.Data
	require.Equal(t, u, got)

	for field, change := range map[string]func(*chain.Unsigned){
		"chain_id":        func(u *chain.Unsigned) { u.ChainID = 1 },
		"from":            func(u *chain.Unsigned) { u.From[0]++ },
		"nonce":           func(u *chain.Unsigned) { u.Nonce++ },
		"to":              func(u *chain.Unsigned) { u.To[0]++ },
		"value":           func(u *chain.Unsigned) { u.Value = chain.NewUnits(1001) },
		"data":            func(u *chain.Unsigned) { u.Data = []byte{1} },
		"gas":             func(u *chain.Unsigned) { u.Gas++ },
		"max_fee_per_gas": func(u *chain.Unsigned) { u.MaxFee = chain.NewUnits(1) },
		"max_tip_per_gas": func(u *chain.Unsigned) { u.Tip = chain.NewUnits(1) },
		"highest_fee":     func(u *chain.Unsigned) { u.HighestFee = chain.NewUnits(1_259_999_999_999_999) },
	} {
		approved := u
		change(&approved)
		_, err := approved.Matches(s.Raw)
		require.ErrorIs(t, err, chain.ErrTransaction)
		require.ErrorContains(t, err, field+" is not what was approved")
	}
}

// It "calls nothing else": neither signs nor decodes anything but a transfer.
func TestCheckRefuses(t *testing.T) {
	good := offline(t)
	token := func(data string) func(*chain.Unsigned) {
		return func(u *chain.Unsigned) { u.Value, u.Data = chain.Units{}, common.FromHex(data) }
	}
	const to = "0000000000000000000000002222222222222222222222222222222222222222"
	const ten = "000000000000000000000000000000000000000000000000000000000000000a"
	for name, change := range map[string]func(*chain.Unsigned){
		"no chain":             func(u *chain.Unsigned) { u.ChainID = 0 },
		"no sender":            func(u *chain.Unsigned) { u.From = chain.Address{} },
		"no recipient":         func(u *chain.Unsigned) { u.To = chain.Address{} },
		"no gas":               func(u *chain.Unsigned) { u.Gas = 0 },
		"tip above":            func(u *chain.Unsigned) { u.Tip = chain.NewUnits(60_000_000_001) },
		"nothing":              func(u *chain.Unsigned) { u.Value = chain.Units{} },
		"approve":              token("0x095ea7b3" + to + ten),
		"cut short":            token("0xa9059cbb" + to + ten[:62]),
		"longer":               token("0xa9059cbb" + to + ten + "00"),
		"dirty address":        token("0xa9059cbb01" + to[2:] + ten),
		"no units":             token("0xa9059cbb" + to + strings.Repeat("0", 64)),
		"to nobody":            token("0xa9059cbb" + strings.Repeat("0", 64) + ten),
		"to the contract":      token("0xa9059cbb" + strings.Repeat("0", 24) + strings.Repeat("1", 40) + ten),
		"a transfer with coin": func(u *chain.Unsigned) { u.Data = common.FromHex("0xa9059cbb" + to + ten) },
	} {
		u := good
		change(&u)
		_, err := u.Digest()
		require.ErrorIs(t, err, chain.ErrTransaction, name)
		require.Equal(t, domain.CodeInvalid, domain.CodeOf(err))
	}
	u := good
	token("0xa9059cbb" + to + ten)(&u)
	require.NoError(t, u.Check())
	u = good
	u.HighestFee = chain.NewUnits(1_260_000_000_000_000)
	require.NoError(t, u.Check(), "exactly the highest fee")
	u.HighestFee = chain.NewUnits(1_259_999_999_999_999)
	require.ErrorIs(t, u.Check(), chain.ErrFeeOverCap)
}

func TestDecodeRefuses(t *testing.T) {
	key, err := crypto.GenerateKey()
	require.NoError(t, err)
	to := common.HexToAddress("0x1111111111111111111111111111111111111111")
	one := big.NewInt(1)
	for name, data := range map[string]types.TxData{
		"legacy":      &types.LegacyTx{To: &to, Value: one, Gas: 21000, GasPrice: one},
		"access list": &types.DynamicFeeTx{ChainID: one, To: &to, Value: one, Gas: 21000, GasFeeCap: one, GasTipCap: one, AccessList: types.AccessList{{Address: to}}},
		"creation":    &types.DynamicFeeTx{ChainID: one, Value: one, Gas: 21000, GasFeeCap: one, GasTipCap: one},
		"a call":      &types.DynamicFeeTx{ChainID: one, To: &to, Gas: 21000, GasFeeCap: one, GasTipCap: one, Data: []byte{1, 2, 3, 4}},
	} {
		tx, err := types.SignNewTx(key, types.NewLondonSigner(one), data)
		require.NoError(t, err)
		raw, err := tx.MarshalBinary()
		require.NoError(t, err)
		_, _, err = chain.Decode(raw)
		require.ErrorIs(t, err, chain.ErrTransaction, name)
	}
	for _, raw := range [][]byte{nil, {2}, make([]byte, 5000), common.FromHex(handMade)} {
		_, _, err := chain.Decode(raw)
		require.ErrorIs(t, err, chain.ErrTransaction)
	}
}

// Whatever bytes come, they are refused, or are a transfer that matches itself
// and is described the same as what it was made from.
func FuzzDecodeRaw(f *testing.F) {
	u, err := chain.ParseUnsigned("f", []byte(`{"chain_id":137,"from":"`+chaintest.Named("alice").Hex()+`","nonce":7,
		"to":"0x1111111111111111111111111111111111111111","value":"1000","data":"0x","gas":21000,
		"max_fee_per_gas":"60000000000","max_tip_per_gas":"2000000000","highest_fee":"1500000000000000"}`))
	require.NoError(f, err)
	s, err := signedBy(f, chaintest.Named("alice"), u)
	require.NoError(f, err)
	f.Add([]byte(s.Raw))
	f.Add(common.FromHex(handMade))
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, hash, err := chain.Decode(raw)
		if err != nil {
			return
		}
		again, err := got.Matches(raw)
		require.NoError(t, err)
		require.Equal(t, hash, again)
		require.Equal(t, crypto.Keccak256Hash(raw), hash)
		digest, err := got.Digest()
		require.NoError(t, err)
		require.NotEqual(t, [32]byte(hash), digest)
		text, err := json.Marshal(got)
		require.NoError(t, err)
		read, err := chain.ParseUnsigned("f", text)
		require.NoError(t, err)
		require.Equal(t, got.Nonce, read.Nonce)
	})
}

func TestParseUnsignedRefuses(t *testing.T) {
	text, err := json.Marshal(offline(t))
	require.NoError(t, err)
	var fields map[string]any
	require.NoError(t, json.Unmarshal(text, &fields))
	for field := range fields {
		less := map[string]any{}
		for k, v := range fields {
			if k != field {
				less[k] = v
			}
		}
		short, err := json.Marshal(less)
		require.NoError(t, err)
		_, err = chain.ParseUnsigned("f", short)
		require.ErrorContains(t, err, "f: "+field+" is missing")
	}
	for old, change := range map[string]string{
		`"nonce":7`:      `"nonce":7,"nonce":8`,
		`"nonce"`:        `"Nonce"`,
		`"value":"1000"`: `"value":1000`,
		`"to":"0x`:       `"to":"0X`,
	} {
		require.Contains(t, string(text), old)
		_, err = chain.ParseUnsigned("f", []byte(strings.Replace(string(text), old, change, 1)))
		require.ErrorContains(t, err, "f: ", change)
	}
}

// "same nonce, recipient, amount, within the approved highest fee, ≥ 10 % bump".
func TestReprice(t *testing.T) {
	u := offline(t)
	next, err := u.Reprice(chain.Fees{})
	require.NoError(t, err)
	require.Equal(t, "66000000000", next.MaxFee.String())
	require.Equal(t, "2200000000", next.Tip.String())
	next.Fees = u.Fees
	require.Equal(t, u.Nonce, next.Nonce)
	require.Equal(t, u.To, next.To)
	require.Equal(t, u.Value, next.Value)
	require.Equal(t, u.HighestFee, next.HighestFee)

	next, err = u.Reprice(chain.Fees{MaxFee: chain.NewUnits(70_000_000_000), Tip: chain.NewUnits(3_000_000_000)})
	require.NoError(t, err)
	require.Equal(t, "70000000000", next.MaxFee.String())
	require.Equal(t, "3000000000", next.Tip.String())

	_, err = u.Reprice(chain.Fees{MaxFee: chain.NewUnits(71_428_571_428)}) // × 21000 = 1499999999999988000
	require.NoError(t, err)
	_, err = u.Reprice(chain.Fees{MaxFee: chain.NewUnits(71_428_571_429)})
	require.ErrorIs(t, err, chain.ErrFeeOverCap)

	odd := u
	odd.MaxFee, odd.Tip = chain.NewUnits(101), chain.NewUnits(0)
	next, err = odd.Reprice(chain.Fees{})
	require.NoError(t, err)
	require.Equal(t, "112", next.MaxFee.String(), "111.1, rounded up")
	require.Equal(t, "1", next.Tip.String())
}
