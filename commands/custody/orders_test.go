package custody_test

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"pets/domain"
)

const (
	tokenYes = "71321045679252212594626385532706912750332728571942532289631379312455583992563"
	tokenNo  = "52114319501245915516055106046884209969926127482827954674443846427813813222426"
	exchange = "0x4bFb41d5B3570DeFd03C39a9A4D8dE6Bd8B8982E"
)

var orderFields = [][3]string{
	{"salt", "uint256", "salt"},
	{"maker", "address", "maker"},
	{"signer", "address", "signer"},
	{"taker", "address", "taker"},
	{"tokenId", "uint256", "token"},
	{"makerAmount", "uint256", "maker_amount"},
	{"takerAmount", "uint256", "taker_amount"},
	{"expiration", "uint256", "expiration"},
	{"nonce", "uint256", "nonce"},
	{"feeRateBps", "uint256", "fee_bps"},
	{"side", "uint8", "side"},
	{"signatureType", "uint8", "signature_type"},
}

// shapesFor is the shape of a prediction market's orders, on the chain of the world.
func shapesFor(w *world) string {
	rows := make([]string, len(orderFields))
	for i, f := range orderFields {
		rows[i] = fmt.Sprintf(`{"name": %q, "type": %q, "role": %q}`, f[0], f[1], f[2])
	}
	return `{"shapes": [{"name": "exchange-1", "chain_id": 1337,
		"domain": {"name": "Exchange", "version": "1", "verifyingContract": "` + exchange + `"},
		"primaryType": "Order", "fields": [` + strings.Join(rows, ",") + `], "side": {"buy": "0", "sell": "1"}, "signature_type": "0",
		"collateral": {"id": "` + w.usdc() + `", "decimals": 6}, "token_decimals": 6}]}`
}

// order is an order that a bot wants signed: shares of YES, for an amount of the token.
type order struct {
	salt         int
	side         domain.Side
	shares, paid string
}

// typed encodes it for eth_signTypedData_v4.
func (w *world) typed(o order) json.RawMessage {
	w.t.Helper()
	rows := make([]string, len(orderFields))
	for i, f := range orderFields {
		rows[i] = fmt.Sprintf(`{"name": %q, "type": %q}`, f[0], f[1])
	}
	units := func(text string) string {
		d := dec(text).Mul(domain.FromInt(1_000_000))
		n, ok := new(big.Int).SetString(d.String(), 10)
		require.True(w.t, ok)
		return n.String()
	}
	gives, gets, side := units(o.paid), units(o.shares), 0
	if o.side == domain.Sell {
		gives, gets, side = gets, gives, 1
	}
	return fmt.Appendf(nil, `{"types": {"Order": [%s]}, "primaryType": "Order",
		"domain": {"name": "Exchange", "version": "1", "chainId": 1337, "verifyingContract": %q},
		"message": {"salt": "%d", "maker": %q, "signer": %[4]q, "taker": "0x0000000000000000000000000000000000000000", "tokenId": %[5]q,
			"makerAmount": %[6]q, "takerAmount": %[7]q, "expiration": "0", "nonce": "0", "feeRateBps": "0", "side": %[8]d, "signatureType": 0}}`,
		strings.Join(rows, ","), exchange, o.salt, w.hot.Hex(), tokenYes, gives, gets, side)
}

func common32(t testing.TB, digits string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.TrimPrefix(digits, "0x"))
	require.NoError(t, err)
	require.Len(t, b, common.HashLength)
	return b
}
