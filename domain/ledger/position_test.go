package ledger

import (
	"fmt"
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"pets/domain"
)

var noon = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)

func trade(side domain.Side, quantity, notional, fee string) Trade {
	return Trade{Side: side, Quantity: dec(quantity), Notional: dec(notional), Fee: dec(fee), Opens: "t1", At: noon}
}

func money(cash, cost, income, fee string) Money {
	return Money{Cash: dec(cash), Cost: dec(cost), Income: dec(income), Fee: dec(fee)}
}

// run applies trades one after the other and returns the last effect.
func run(trades ...Trade) (e Effect) {
	var p Position
	for i, tr := range trades {
		tr.Opens = fmt.Sprintf("t%d", i)
		e = p.Apply(tr)
		p = e.After
	}
	return e
}

// “buy: Dr position (notional), Dr fees, Cr hot:bot/x.”
func TestBuyPostings(t *testing.T) {
	e := run(trade(domain.Buy, "10", "5", "0.1"))
	require.Equal(t, money("-5.1", "5", "0", "0.1"), e.Money)
	require.Equal(t, dec("10"), e.After.Quantity)
	require.Equal(t, dec("5"), e.After.Cost)
	require.True(t, e.Opened)
	require.Nil(t, e.Closed)
}

// “Sell: Dr hot:bot/x, Cr position (cost share), difference to
// income, fee to fees.”
func TestSellPostings(t *testing.T) {
	e := run(trade(domain.Buy, "10", "5", "0"), trade(domain.Sell, "4", "3", "0.2"))
	require.Equal(t, money("2.8", "-2", "1", "0.2"), e.Money)
	require.Equal(t, dec("6"), e.After.Quantity)
	require.Equal(t, dec("3"), e.After.Cost)
	require.False(t, e.Opened)
}

// “Cost basis is average cost.”
func TestAverageCost(t *testing.T) {
	e := run(trade(domain.Buy, "10", "4", "0"), trade(domain.Buy, "30", "20", "0"), trade(domain.Sell, "10", "9", "0"))
	require.Equal(t, money("9", "-6", "3", "0"), e.Money, "24 ÷ 40 a piece, whichever was bought first")
	require.Equal(t, dec("18"), e.After.Cost)
}

// “A fill that reduces a position takes cost × closed / quantity
// out; the fill that closes it takes all that is left, so no residue stays.”
func TestClosingTakesAllThatIsLeft(t *testing.T) {
	third := trade(domain.Sell, "1", "1", "0")
	e := run(trade(domain.Buy, "3", "1", "0"), third)
	require.Equal(t, dec("-0.333333333333333333"), e.Money.Cost)
	e = run(trade(domain.Buy, "3", "1", "0"), third, third)
	require.Equal(t, dec("-0.333333333333333334"), e.Money.Cost, "half of 0.666666666666666667, to even")
	e = run(trade(domain.Buy, "3", "1", "0"), third, third, third)
	require.Equal(t, dec("-0.333333333333333333"), e.Money.Cost, "what is left")
	require.Equal(t, Position{}, e.After)
	require.NotNil(t, e.Closed)
	require.Equal(t, dec("2"), e.Closed.Income)
}

// One unit less than everything is no closing, one unit more is a flip.
func TestClosingBoundary(t *testing.T) {
	open := trade(domain.Buy, "10", "5", "0")
	e := run(open, trade(domain.Sell, "9.999999999999999999", "5", "0"))
	require.Nil(t, e.Closed)
	require.Equal(t, dec("0.000000000000000001"), e.After.Quantity)
	e = run(open, trade(domain.Sell, "10", "5", "0"))
	require.NotNil(t, e.Closed)
	require.True(t, e.After.IsFlat())
	e = run(open, trade(domain.Sell, "10.000000000000000001", "5", "0"))
	require.NotNil(t, e.Closed)
	require.Equal(t, dec("-0.000000000000000001"), e.After.Quantity)
	require.True(t, e.Opened)
}

// “Quantities are signed (a short carries negative quantity and cost)”.
func TestShort(t *testing.T) {
	e := run(trade(domain.Sell, "10", "6", "0.1"))
	require.Equal(t, money("5.9", "-6", "0", "0.1"), e.Money)
	require.Equal(t, dec("-10"), e.After.Quantity)
	require.Equal(t, dec("-6"), e.After.Cost)
	require.Equal(t, domain.Short, e.After.Episode.Direction())
	e = run(trade(domain.Sell, "10", "6", "0.1"), trade(domain.Sell, "10", "4", "0"), trade(domain.Buy, "5", "1", "0"))
	require.Equal(t, money("-1", "2.5", "1.5", "0"), e.Money, "bought back for 1 what was sold for 2.5")
	require.Equal(t, dec("-7.5"), e.After.Cost)
	e = run(trade(domain.Sell, "10", "6", "0.1"), trade(domain.Buy, "10", "7", "0.2"))
	require.Equal(t, Position{}, e.After)
	require.Equal(t, dec("-1.3"), e.Closed.Figures(domain.Zero).PnL)
}

// “a fill past zero closes one position and opens another with the
// remainder, its notional and fee split by quantity, the opening part taking
// the rest.”
func TestFlip(t *testing.T) {
	e := run(trade(domain.Buy, "1", "0.5", "0"), trade(domain.Sell, "3", "1", "0.1"))
	require.NotNil(t, e.Closed)
	require.True(t, e.Opened)
	closed := e.Closed.Figures(domain.Zero)
	require.Equal(t, dec("0.333333333333333333"), closed.ExitNotional)
	require.Equal(t, dec("0.033333333333333333"), closed.Fee)
	require.Equal(t, dec("-2"), e.After.Quantity)
	require.Equal(t, dec("-0.666666666666666667"), e.After.Cost, "the rest of the notional")
	require.Equal(t, dec("0.666666666666666667"), e.After.Episode.EntryNotional)
	require.Equal(t, dec("0.066666666666666667"), e.After.Episode.Fees, "the rest of the fee")
	require.Equal(t, "t1", e.After.Episode.Trade)
	require.Equal(t, money("0.9", "-1.166666666666666667", "-0.166666666666666667", "0.1"), e.Money)
	// … and from short to long.
	e = run(trade(domain.Sell, "1", "0.5", "0"), trade(domain.Buy, "3", "1", "0"))
	require.Equal(t, dec("2"), e.After.Quantity)
	require.Equal(t, dec("0.666666666666666667"), e.After.Cost)
	require.False(t, e.After.Episode.Short)
	require.Equal(t, dec("0.166666666666666667"), e.Closed.Figures(domain.Zero).PnL)
}

// “Its P&L is net of every fee in the episode.”
func TestFigures(t *testing.T) {
	e := run(trade(domain.Buy, "10", "4", "0.1"), trade(domain.Buy, "10", "6", "0.2"), trade(domain.Sell, "5", "3", "0.3"), trade(domain.Sell, "15", "8", "0.4"))
	require.Equal(t, domain.TradeFigures{
		Quantity: dec("20"), EntryNotional: dec("10"), ExitNotional: dec("11"), Fee: dec("1"), PnL: domain.Zero, Result: domain.Neutral,
	}, e.Closed.Figures(domain.Zero))
	require.Equal(t, dec("1"), e.Closed.Income)
	require.Equal(t, "t0", e.Closed.Trade)
	require.Equal(t, noon, e.Closed.OpenedAt)
}

// “P&L > 0 is a win, < 0 a loss, |P&L| ≤ loss_dust (default 0) is
// neutral.”
func TestResultOf(t *testing.T) {
	for _, c := range []struct {
		pnl, dust string
		want      domain.Result
	}{
		{"0.000000000000000001", "0", domain.Win},
		{"0", "0", domain.Neutral},
		{"-0.000000000000000001", "0", domain.Loss},
		{"0.009999999999999999", "0.01", domain.Neutral},
		{"0.01", "0.01", domain.Neutral},
		{"0.010000000000000001", "0.01", domain.Win},
		{"-0.009999999999999999", "0.01", domain.Neutral},
		{"-0.01", "0.01", domain.Neutral},
		{"-0.010000000000000001", "0.01", domain.Loss},
	} {
		require.Equal(t, c.want, ResultOf(dec(c.pnl), dec(c.dust)), "%s at dust %s", c.pnl, c.dust)
	}
}

// At settlement “everything left is sold at it, without a fee”; a
// short is bought back.
func TestSettlementTrade(t *testing.T) {
	long := run(trade(domain.Buy, "10", "4", "0.1")).After
	e := long.Apply(long.Settlement(dec("1"), noon))
	require.Equal(t, money("10", "-4", "6", "0"), e.Money)
	require.Equal(t, dec("5.9"), e.Closed.Figures(domain.Zero).PnL)
	short := run(trade(domain.Sell, "10", "4", "0.1")).After
	e = short.Apply(short.Settlement(dec("1"), noon))
	require.Equal(t, money("-10", "4", "-6", "0"), e.Money)
	e = short.Apply(short.Settlement(dec("0"), noon))
	require.Equal(t, money("0", "4", "4", "0"), e.Money)
}

// Any run of trades: the four postings of each balance, cash moves by notional
// and fee exactly, and a flat position leaves nothing behind.
func TestAnyTradesBalance(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var p Position
		var sum Money
		quantity, cash := new(big.Rat), domain.Zero
		var pnl domain.Decimal
		for i := range rapid.IntRange(1, 30).Draw(t, "trades") {
			tr := Trade{
				Side:     rapid.SampledFrom([]domain.Side{domain.Buy, domain.Sell}).Draw(t, "side"),
				Quantity: domain.FromInt(rapid.Int64Range(1, 9).Draw(t, "quantity")).Div(domain.FromInt(rapid.SampledFrom([]int64{1, 3, 7}).Draw(t, "parts"))),
				Notional: domain.FromInt(rapid.Int64Range(0, 50).Draw(t, "notional")).Div(domain.FromInt(7)),
				Fee:      domain.FromInt(rapid.Int64Range(0, 5).Draw(t, "fee")).Div(domain.FromInt(11)),
				Opens:    fmt.Sprintf("t%d", i), At: noon,
			}
			e := p.Apply(tr)
			require.True(t, e.Money.Cash.Sub(e.Money.Income).Add(e.Money.Cost).Add(e.Money.Fee).IsZero(), "postings balance")
			sum, p = sum.Add(e.Money), e.After
			sign := tr.Quantity
			cash = cash.Sub(tr.Fee)
			if tr.Side == domain.Buy {
				cash = cash.Sub(tr.Notional)
			} else {
				sign, cash = sign.Neg(), cash.Add(tr.Notional)
			}
			r, _ := new(big.Rat).SetString(sign.String())
			quantity.Add(quantity, r)
			got, _ := new(big.Rat).SetString(p.Quantity.String())
			require.Equal(t, quantity.RatString(), got.RatString())
			require.Equal(t, cash, sum.Cash)
			require.Equal(t, p.Cost, sum.Cost)
			if e.Closed != nil {
				pnl = pnl.Add(e.Closed.Figures(domain.Zero).PnL)
			}
			require.Equal(t, sum.Income.Sub(sum.Fee), pnl.Add(p.Episode.Income).Sub(p.Episode.Fees), "trades and the open episode add up")
			require.GreaterOrEqual(t, p.Quantity.Sign()*p.Cost.Sign(), 0, "cost has the sign of the quantity")
			require.Equal(t, p.IsFlat(), p == Position{}, "no residue stays")
		}
	})
}
