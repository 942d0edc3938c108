package portfolio

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
)

// second opens a paper portfolio under the second edition of the rules.
func second(t testingT, capital string, change ...func(*domain.Policy)) *harness {
	t.Helper()
	return paper(t, capital, append([]func(*domain.Policy){func(p *domain.Policy) { p.Rules = domain.SecondRules }}, change...)...)
}

// exclusive registers a market in which one share of each outcome pays 1 together.
func (h *harness) exclusive(name string, outcomes ...string) {
	h.t.Helper()
	h.must(func(d *Decision) error {
		return d.RegisterMarket(&domain.MarketRegistered{Market: name, Kind: domain.KindOutcome, Outcomes: outcomes, Exclusive: true})
	})
}

// payouts settles a market by the payouts of its outcomes, in their order.
func (h *harness) payouts(market string, prices ...string) {
	h.t.Helper()
	m := map[string]domain.Decimal{}
	for i, outcome := range h.s.Markets[market].Outcomes {
		m[outcome] = dec(prices[i])
	}
	h.must(func(d *Decision) error { return d.SettleMarket(Settlement{Market: market, Payouts: m}) })
}

// settleOne settles one outcome of a market.
func (h *harness) settleOne(market, outcome, payout string) {
	h.t.Helper()
	h.must(func(d *Decision) error {
		return d.SettleMarket(Settlement{Market: market, Outcome: outcome, Payout: dec(payout)})
	})
}

func (h *harness) equityOf(bot string) string { return h.s.Bots[bot].Equity().String() }

// "Worked: 5,000 YES and 3,000 NO, marks .30 and .49: 3,000 + 2,000 × .30 = 3,600."
func TestWhatAMarketIsWorth(t *testing.T) {
	h := second(t, "10000", quietPolicy)
	h.exclusive("rain", "YES", "NO")
	h.fill("a", "rain", "YES", buy, "5000", "0.30")
	h.fill("a", "rain", "NO", buy, "3000", "0.49")
	f, ok := h.s.Figures("a", "rain")
	require.True(t, ok)
	h.equal("3600", f.Value)
	h.equal("3000", f.PayoffMin)
	h.equal("5000", f.PayoffMax)
	h.equal("2970", f.Cost)
	h.equal("600", f.Exposure) // max(2,970, 3,600) − 3,000
}

// "a riskless pair bought for 980 that pays 1,000 tripped the emergency stop because
// the losing half was settled first"
func TestARisklessPairTripsNothing(t *testing.T) {
	for _, first := range []string{"YES", "NO"} {
		h := second(t, "1000", func(p *domain.Policy) { p.MaxConsecutiveLosses = 1 })
		h.exclusive("rain", "YES", "NO")
		h.fill("a", "rain", "YES", buy, "1000", "0.49")
		h.fill("a", "rain", "NO", buy, "1000", "0.49")
		require.Equal(t, "1020", h.equityOf("a"))
		payout := map[string]string{"YES": "0", "NO": "1"}[first]
		h.settleOne("rain", first, payout)
		require.Equal(t, []string{"market.paid_out", "trade.closed", "trade.closed"}, h.types(), "it settles both, and nothing trips")
		require.Equal(t, "1020", h.equityOf("a"))
		b := h.botOf("a")
		require.Equal(t, []int{2, 1, 0, 0}, []int{b.Trades, b.Wins, b.Losses, b.Neutral}, "two trades are one result")
		require.Equal(t, 0, b.Streak.Losses)
	}
}

// "with more, it takes 0 or 1: 1 settles all others at 0; an outcome settled at 0 pays 1 on
// its complement; … What that closes counts with the bot's next result in the market, at
// once if it holds nothing more there."
func TestOutcomesAreSettledOneByOne(t *testing.T) {
	h := second(t, "1000", quietPolicy)
	h.exclusive("cup", "A", "B", "C")
	h.fill("a", "cup", "A", buy, "100", "0.30")
	h.fill("a", "cup", "B", buy, "100", "0.30")
	h.settleOne("cup", "A", "0")
	b := h.botOf("a")
	require.Equal(t, 0, b.Losses, "it counts with the next result")
	h.settleOne("cup", "B", "1")
	require.Equal(t, []int{2, 1, 0}, []int{b.Trades, b.Wins, b.Losses}, "60 paid, 100 came back")
	require.Equal(t, "1040", h.equityOf("a"))

	h = second(t, "1000", quietPolicy)
	h.exclusive("cup", "A", "B", "C")
	h.fill("a", "cup", "A", buy, "100", "0.30")
	h.fill("a", "cup", "!B", buy, "10", "0.60")
	h.settleOne("cup", "B", "0")
	require.Equal(t, "970", h.s.Bots["a"].Cash.Add(dec("6")).Sub(dec("10")).String(), "10 × !B are paid 1 each")
	b = h.botOf("a")
	require.Equal(t, []int{1, 0}, []int{b.Trades, b.Wins}, "A is still held")
	h.payouts("cup", "0", "0", "1")
	require.Equal(t, []int{2, 0, 1}, []int{b.Trades, b.Wins, b.Losses}, "4 − 30")
}

// "In an exclusive market payouts sum to 1 (payouts_sum …)" — limit − 1, limit, limit + 1.
func TestPayoutsSumToOne(t *testing.T) {
	for _, tc := range []struct{ yes, no string }{{"0.999999", "0"}, {"1", "0.000001"}} {
		h := second(t, "1000", quietPolicy)
		h.exclusive("rain", "YES", "NO")
		h.refused(domain.CodePayoutsSum, func(d *Decision) error {
			return d.SettleMarket(Settlement{Market: "rain", Payouts: map[string]domain.Decimal{"YES": dec(tc.yes), "NO": dec(tc.no)}})
		})
		h.payouts("rain", "0.4", "0.6")
	}
}

// "{market, void:true} gives every holder his cost back (P&L as it is; the result is
// neutral)."
func TestAVoidMarketGivesBackTheCost(t *testing.T) {
	h := second(t, "1000", quietPolicy)
	h.exclusive("rain", "YES", "NO")
	h.fill("a", "rain", "YES", buy, "100", "0.40", withFee("1"))
	h.mark("rain", "YES", "0.9")
	h.must(func(d *Decision) error { return d.SettleMarket(Settlement{Market: "rain", Void: true}) })
	require.Equal(t, "999", h.equityOf("a"), "the fee is lost")
	b := h.botOf("a")
	require.Equal(t, []int{1, 0, 0, 1}, []int{b.Trades, b.Wins, b.Losses, b.Neutral})
	closed := lastOf[*domain.TradeClosed](h)
	h.equal("-1", closed.PnL)
	require.Equal(t, domain.Neutral, closed.TradeFigures.Result)
}

// "With two, `!YES` is read as `NO`": in the form with one outcome, too.
func TestTheComplementOfOneOfTwoIsTheOther(t *testing.T) {
	h := second(t, "1000", quietPolicy)
	h.exclusive("rain", "YES", "NO")
	h.fill("a", "rain", "!YES", buy, "100", "0.40")
	h.settleOne("rain", "!YES", "1")
	require.Equal(t, []string{"market.paid_out", "trade.closed"}, h.types())
	require.Equal(t, "1060", h.equityOf("a"))
}

// "`state` shows, per bot and market, payoff min and max, value, exposure"; exposure has "the
// worst case of live opening permits".
func TestWhatStandsInAMarket(t *testing.T) {
	h := second(t, "1000", quietPolicy)
	h.deposit("1000")
	h.bot("b", "1000")
	h.exclusive("rain", "YES", "NO")
	h.exclusive("hail", "YES", "NO")
	h.fill("a", "rain", "YES", buy, "500", "0.30")
	h.fill("a", "rain", "NO", buy, "300", "0.49")
	h.fill("a", "apart", "NO", buy, "300", "0.49")
	h.permit("a", "rain", "YES", buy, "10", "0.50")
	h.permit("a", "rain", "NO", buy, "200", "0.50") // it reduces
	h.permit("b", "hail", "YES", buy, "10", "0.40")
	row := func(bot, market string, figures ...string) MarketHolding {
		f := MarketFigures{Market: market}
		for i, at := range []*domain.Decimal{&f.PayoffMin, &f.PayoffMax, &f.Value, &f.Cost, &f.Exposure} {
			*at = dec(figures[i])
		}
		return MarketHolding{Bot: bot, MarketFigures: f}
	}
	rain, hail := row("a", "rain", "300", "500", "360", "297", "65"), row("b", "hail", "0", "0", "0", "0", "4")
	rain.Sets = dec("300") // complete ones, which are merged
	require.Equal(t, []MarketHolding{hail, rain}, h.s.MarketHoldings("", h.now))
	require.Equal(t, []MarketHolding{rain}, h.s.MarketHoldings("a", h.now))
	h.after(31 * time.Second) // the permits have expired
	rain.Exposure = dec("60")
	require.Equal(t, []MarketHolding{rain}, h.s.MarketHoldings("", h.now))
}

// "An outcome without a mark has 1 − that of its complement": also where the complement was
// marked and traded before the market was registered, so that a registration earns nothing.
func TestALateRegistrationKeepsTheMarksOfComplements(t *testing.T) {
	h := second(t, "1000", quietPolicy)
	h.deposit("1000")
	h.bot("b", "1000")
	h.fill("a", "cup", "!A", buy, "100", "0.50")
	h.mark("cup", "!A", "0.6")
	h.fill("b", "cup", "!B", buy, "100", "0.80") // only b's own word
	h.exclusive("cup", "A", "B", "C")
	require.Empty(t, lastOf[*domain.MarketRegistered](h).Changes, "it was worth 60 and 80, and is")
	require.Equal(t, []string{"1010", "1000"}, []string{h.equityOf("a"), h.equityOf("b")})
	h.mark("cup", "C", "0.3")
	require.Equal(t, []string{"1010", "1000"}, []string{h.equityOf("a"), h.equityOf("b")}, "A is still .4, and !B .8 to b")
	h.mark("cup", "!A", "0.7")
	require.Equal(t, "1020", h.equityOf("a"))

	// An outcome with a mark of its own keeps it.
	h.fill("a", "four", "!A", buy, "100", "0.50")
	h.mark("four", "!A", "0.6")
	h.mark("four", "A", "0.3")
	h.exclusive("four", "A", "B", "C", "D")
	h.equal("10", lastOf[*domain.MarketRegistered](h).Changes[0].Amount) // from 60 to 70
	require.Equal(t, "1040", h.equityOf("a"))
}

// The same with two outcomes, where `!YES` is NO: what was traded under the other name is
// counted once.
func TestALateRegistrationCountsAComplementOnce(t *testing.T) {
	h := second(t, "1000", quietPolicy)
	h.fill("a", "rain", "!YES", buy, "100", "0.60")
	h.exclusive("rain", "YES", "NO")
	require.Empty(t, lastOf[*domain.MarketRegistered](h).Changes)
	require.Equal(t, "1000", h.equityOf("a"))
	f, _ := h.s.Figures("a", "rain")
	h.equal("60", f.Value)
	h.equal("60", f.Cost)
	h.equal("60", f.Exposure)
	h.fill("a", "rain", "YES", buy, "40", "0.50")
	f, _ = h.s.Figures("a", "rain")
	h.equal("40", f.PayoffMin)
	h.equal("100", f.PayoffMax)
	h.payouts("rain", "0", "1")
	require.Equal(t, "1020", h.equityOf("a"), "−60 − 20 + 100")
}

// "max_market_usd (sum of the bots' exposures)": what is open is listed by market, of all bots
// together, and a market in which nothing can be lost is not there.
func TestExposuresByMarket(t *testing.T) {
	h := second(t, "10000", quietPolicy)
	h.allocate("a", "-1000")
	h.bot("b", "1000")
	h.exclusive("rain", "YES", "NO")
	h.exclusive("cup", "A", "B", "C")
	h.fill("a", "rain", "YES", buy, "5000", "0.30")
	h.fill("a", "rain", "NO", buy, "3000", "0.49")
	h.fill("b", "rain", "YES", buy, "10", "0.30")
	h.fill("a", "snow", "YES", buy, "10", "0.40")
	for _, outcome := range []string{"A", "B", "C"} {
		h.fill("b", "cup", outcome, buy, "10", "0.30")
	}
	require.Equal(t, map[string]domain.Decimal{"rain": dec("603"), "snow": dec("4")}, h.s.Exposures(), "600 and 3; a complete set risks nothing")
	h.payouts("rain", "1", "0")
	require.Equal(t, map[string]domain.Decimal{"snow": dec("4")}, h.s.Exposures())
}
