package typeddata

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"pets/domain"
)

// drawUint draws an integer below 2^bits, its edges often.
func drawUint(t *rapid.T, bits int, name string) *big.Int {
	n := new(big.Int).SetBytes(rapid.SliceOfN(rapid.Byte(), 0, bits/8).Draw(t, name))
	if rapid.IntRange(0, 9).Draw(t, name+" edge") == 0 {
		n.Sub(new(big.Int).Lsh(big.NewInt(1), uint(bits)), big.NewInt(1))
	}
	return n
}

// drawWritten writes an integer in one of the ways that a bot may.
func drawWritten(t *rapid.T, n *big.Int, name string) any {
	switch way := rapid.IntRange(0, 2).Draw(t, name+" way"); {
	case way == 0 && n.Cmp(maxSafe) < 0:
		return json.Number(n.String())
	case way == 1:
		return fmt.Sprintf("0x%x", n)
	}
	return n.String()
}

func drawAddress(t *rapid.T, name string) string {
	text := common.BytesToAddress(rapid.SliceOfN(rapid.Byte(), 20, 20).Draw(t, name)).Hex()
	if rapid.Bool().Draw(t, name+" lower") {
		return strings.ToLower(text)
	}
	return text
}

// drawn is a random order of a shape that Read accepts.
type drawn struct {
	sh                    *shape
	message               map[string]any
	numbers               map[string]*big.Int
	paid, shares, expires *big.Int
	sell                  bool
}

func draw(t *rapid.T, s *Shapes) drawn {
	d := drawn{sh: s.all[rapid.IntRange(0, len(s.all)-1).Draw(t, "shape")], message: map[string]any{}, numbers: map[string]*big.Int{}}
	d.sell = rapid.Bool().Draw(t, "sell")
	// Below 10^15 with six decimals, and above 0.
	amounts := rapid.Uint64Range(1, 999_999_999_999_999_999)
	give, want := new(big.Int).SetUint64(amounts.Draw(t, "give")), new(big.Int).SetUint64(amounts.Draw(t, "want"))
	d.paid, d.shares = give, want
	if d.sell {
		d.paid, d.shares = want, give
	}
	for _, f := range d.sh.fields {
		if f.solidity == typeAddress {
			d.message[f.name] = drawAddress(t, f.name)
			if f.role == roleTaker {
				d.message[f.name] = common.Address{}.Hex()
			}
			continue
		}
		if f.solidity == typeBytes32 {
			d.message[f.name] = common.Hash{}.Hex()
			continue
		}
		n := drawUint(t, bitsOf(f.solidity), f.name)
		switch f.role {
		case roleMakerAmount:
			n = give
		case roleTakerAmount:
			n = want
		case roleSide:
			n = big.NewInt(map[bool]int64{true: 1}[d.sell])
		case roleSignatureType:
			n = new(big.Int)
		case roleExpiration:
			n = new(big.Int).SetUint64(rapid.Uint64Range(0, lastSecond.Uint64()).Draw(t, "expires"))
			d.expires = n
		case roleFee:
			n = new(big.Int).SetUint64(rapid.Uint64Range(0, wholeBPS).Draw(t, "fee"))
		default: // any number
		}
		d.numbers[f.name] = n
		d.message[f.name] = drawWritten(t, n, f.name)
	}
	return d
}

func (d drawn) text(t require.TestingT) []byte {
	text, err := json.Marshal(map[string]any{
		"types": typesAsSent(d.sh), "primaryType": d.sh.primary, "message": d.message,
		"domain": map[string]any{
			"name": d.sh.domain.name, "version": d.sh.domain.version, "chainId": d.sh.chain, "verifyingContract": d.sh.domain.contract.Hex(),
		},
	})
	require.NoError(t, err)
	return text
}

// A random order is reduced to what was drawn (quantity × 10^6 is the amount),
// and its digest is that of a second implementation.
func TestRoundTrip(t *testing.T) {
	s := builtIn(t)
	rapid.Check(t, func(t *rapid.T) {
		d := draw(t, s)
		order, digest, err := s.Read(d.text(t))
		require.NoError(t, err)
		million := domain.FromInt(1_000_000)
		units := func(n domain.Decimal) string { return n.Mul(million).String() }
		if d.paid.Cmp(big.NewInt(1_000_000_000_000_000)) < 0 && d.shares.Cmp(big.NewInt(1_000_000_000_000_000)) < 0 {
			require.Equal(t, d.shares.String(), units(order.Quantity))
			require.Equal(t, d.paid.String(), units(order.Notional))
		}
		require.Equal(t, d.shares.String(), asUnits(order.Quantity))
		require.Equal(t, d.paid.String(), asUnits(order.Notional))
		require.Equal(t, d.sell, order.Side == domain.Sell)
		require.True(t, strings.EqualFold(order.Signer, d.message["signer"].(string)))
		require.True(t, strings.EqualFold(order.Maker, d.message["maker"].(string)))
		require.Equal(t, d.numbers["tokenId"].String(), order.Token)
		require.Equal(t, d.sh.name, order.Shape)
		if d.expires == nil || d.expires.Sign() == 0 {
			require.Nil(t, order.ExpiresAt)
		} else {
			require.Equal(t, d.expires.Int64(), order.ExpiresAt.Unix())
			_, err := order.ExpiresAt.MarshalJSON()
			require.NoError(t, err)
		}
		message, err := json.Marshal(d.message)
		require.NoError(t, err)
		values, err := d.sh.message(place{}, message)
		require.NoError(t, err)
		require.Equal(t, encode(d.sh, values), digest[:])
	})
}

// asUnits is the way back without arithmetic: six decimals, no point.
func asUnits(d domain.Decimal) string {
	whole, fraction, _ := strings.Cut(d.String(), ".")
	return strings.TrimLeft(whole+fraction+strings.Repeat("0", 6-len(fraction)), "0")
}

// Two orders that differ in one number have two digests.
func TestDigestsDiffer(t *testing.T) {
	s := builtIn(t)
	rapid.Check(t, func(t *rapid.T) {
		d := draw(t, s)
		_, before, err := s.Read(d.text(t))
		require.NoError(t, err)
		name := rapid.SampledFrom([]string{"salt", "tokenId", "makerAmount", "takerAmount"}).Draw(t, "field")
		n := new(big.Int).Xor(d.numbers[name], big.NewInt(1))
		if n.Sign() == 0 {
			n.SetInt64(2)
		}
		d.message[name] = n.String()
		_, after, err := s.Read(d.text(t))
		require.NoError(t, err)
		require.NotEqual(t, before, after)
	})
}

// FuzzRead: no panic, no echo of a value, nothing beside an error, and what is
// accepted is accepted again.
func FuzzRead(f *testing.F) {
	const canary = "canary4711"
	for _, seed := range []string{
		good, goodTwo, ``, `{}`, `null`, `{"types":{},"domain":{},"primaryType":"Order","message":{}}`,
		strings.Replace(good, "479249096354", canary, 1), strings.Replace(good, `"side":0`, `"`+canary+`":0`, 1),
		strings.Replace(good, `"Order"`, `"`+canary+`"`, 1), strings.Replace(good, "Polymarket CTF Exchange", canary, 1),
		strings.Replace(goodTwo, `"0x89"`, `"`+canary+`"`, 1), strings.Replace(goodTwo, `"side":1`, `"side":{"`+canary+`":1e999999999}`, 1),
		`{"types":{"` + canary + `":[]}}`, "\"" + canary, "[" + strconv.Quote(canary),
	} {
		f.Add([]byte(seed))
	}
	s := builtIn(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		order, digest, err := s.Read(text)
		if err != nil {
			require.NotContains(t, err.Error(), canary)
			var e *domain.Error
			require.True(t, errors.As(err, &e))
			require.NotEqual(t, domain.CodeInternal, e.Code)
			require.Zero(t, order)
			require.Zero(t, digest)
			return
		}
		again, same, err := s.Read(text)
		require.NoError(t, err)
		require.Equal(t, order, again)
		require.Equal(t, digest, same)
		require.Positive(t, order.Quantity.Sign())
		require.Positive(t, order.Notional.Sign())
	})
}
