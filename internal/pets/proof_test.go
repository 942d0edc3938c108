package pets_test

import (
	"math/big"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/internal/pets/petstest"
	"pets/internal/shareddata"
)

// Proof on real input: every trade result of shared/data/README.md, quoted where
// it is checked, against what the command line answers, to the last digit.

// scopeJSON holds the statistics of a portfolio or a bot.
type scopeJSON struct {
	Bot                           string
	Trades, Wins, Losses, Neutral int
	WinRate                       *string `json:"win_rate"`
	ProfitFactor                  *string `json:"profit_factor"`
	NetPnL                        string  `json:"net_pnl"`
	GrossProfit                   string  `json:"gross_profit"`
	GrossLoss                     string  `json:"gross_loss"`
	Fees                          string
	LongestLossStreak             int `json:"longest_loss_streak"`
	LongestLossStreakEnd          struct {
		Trade int
		Time  string
	} `json:"longest_loss_streak_end"`
	OpeningCapital string `json:"opening_capital"`
	FinalEquity    string `json:"final_equity"`
	MaxDrawdown    struct {
		Abs, Ratio, Peak, Trough string
		PeakTrade                int     `json:"peak_trade"`
		PeakTime                 *string `json:"peak_time"`
		TroughTrade              int     `json:"trough_trade"`
		TroughTime               *string `json:"trough_time"`
	} `json:"max_drawdown"`
	MaxDrawdownMarked struct{ Abs, Ratio, Peak, Trough string } `json:"max_drawdown_marked"`
	ClosedBreakers    []struct {
		Breaker string
		Trade   int
		Time    string
		Value   any
	} `json:"closed_breakers"`
}

type statsJSON struct {
	Portfolio scopeJSON
	Bots      []scopeJSON
}

// both returns the figures of the portfolio and of its only bot, which must agree.
func (s statsJSON) both(t testing.TB) []scopeJSON {
	t.Helper()
	require.Len(t, s.Bots, 1)
	return []scopeJSON{s.Portfolio, s.Bots[0]}
}

type tradeJSON struct {
	Number        int
	Trade         string
	Bot           string
	Market        string
	Outcome       string
	ClosedBy      string `json:"closed_by"`
	OpenedAt      string `json:"opened_at"`
	ClosedAt      string `json:"closed_at"`
	Revision      int
	Quantity      string
	EntryNotional string `json:"entry_notional"`
	ExitNotional  string `json:"exit_notional"`
	PnL           string `json:"pnl"`
	Result        string
	TradeID       string `json:"trade_id"`
}

func sharedFiles(t testing.TB, names ...string) []string {
	t.Helper()
	dir := shareddata.Dir(t)
	paths := make([]string, len(names))
	for i, n := range names {
		paths[i] = filepath.Join(dir, n)
	}
	return paths
}

// editions runs a proof for an imported portfolio of each edition of the rules: one of the
// first lives on as it was.
func editions(t *testing.T, prove func(t *testing.T, rules string)) {
	t.Helper()
	for _, rules := range []string{"1", "2"} {
		t.Run("rules "+rules, func(t *testing.T) { prove(t, rules) })
	}
}

// under returns a shell whose portfolio main lives by an edition of the rules. One of the first
// edition is there when files are imported that begin at a time.
func under(t testing.TB, rules, begin string) *petstest.Shell {
	t.Helper()
	s := petstest.New(t)
	if rules == "1" {
		petstest.FirstEdition(t, s.Store(), plainTime(t, begin))
		s.Run("import", "-p", "before", "../../docs/examples/import/fills.csv") // makes the witness, and says so
	}
	return s
}

// resolved is when the first market of the bots' files was resolved.
const resolved = "2026-03-01T16:07:09.623297Z"

// wallet imports the wallet's ledger with a capital.
func wallet(t testing.TB, rules, capital string) *petstest.Shell {
	t.Helper()
	files := sharedFiles(t, "polymarket-wallet.csv")
	s := under(t, rules, "2026-01-09T07:54:14Z")
	s.Ok("import", "--capital", capital, files[0])
	require.Equal(t, rules == "2", strings.Contains(s.Ok("events", "--json", "--type", "portfolio.opened"), `"rules":2`))
	return s
}

// worstDay returns the UTC day with the lowest sum of closed P&L.
func worstDay(t testing.TB, trades []tradeJSON) (day, sum string) {
	t.Helper()
	days := map[string]*big.Rat{}
	for _, tr := range trades {
		d := tr.ClosedAt[:len("2006-01-02")]
		if days[d] == nil {
			days[d] = new(big.Rat)
		}
		days[d].Add(days[d], petstest.Rat(t, tr.PnL))
	}
	for d, v := range days {
		if day == "" || v.Cmp(days[day]) < 0 {
			day = d
		}
	}
	return day, days[day].FloatString(18)
}

// "closed trades (episodes per market and outcome) 47: 31 closed by redeem, 16 by
// sell (list: polymarket-wallet-episodes.csv)", row by row.
func TestProofWalletEpisodes(t *testing.T) { editions(t, proofWalletEpisodes) }

func proofWalletEpisodes(t *testing.T, rules string) {
	s := wallet(t, rules, "1000")
	want := petstest.ReadCSV(t, sharedFiles(t, "polymarket-wallet-episodes.csv")[0])
	var trades []tradeJSON
	s.JSON(&trades, "trades")
	require.Len(t, want, 47)
	require.Len(t, trades, 47)
	sources := map[int]string{}
	for _, e := range s.Events() {
		sources[e.Revision] = e.Metadata.Source
	}
	by := map[string]string{"redeem": "settlement", "sell": "fill"}
	closings, sum := map[string]int{}, new(big.Rat)
	for i, w := range want {
		got := trades[i]
		about := "episode " + w["n"]
		require.Equal(t, w["n"], strconv.Itoa(got.Number), about)
		require.Equal(t, w["opened"], got.OpenedAt, about)
		require.Equal(t, w["closed"], got.ClosedAt, about)
		require.Equal(t, by[w["closed_by"]], got.ClosedBy, about)
		require.Equal(t, w["market"], got.Market, about)
		require.Equal(t, w["outcome"], got.Outcome, about)
		petstest.Same(t, w["quantity_bought"], got.Quantity, about)
		petstest.Same(t, w["cost"], got.EntryNotional, about)
		petstest.Same(t, w["proceeds"], got.ExitNotional, about)
		petstest.Same(t, w["pnl"], got.PnL, about)
		sum.Add(sum, petstest.Rat(t, got.PnL))
		require.Zero(t, sum.Cmp(petstest.Rat(t, w["cumulative_pnl"])), about)
		row, err := strconv.Atoi(w["closing_row"])
		require.NoError(t, err)
		require.Equal(t, "polymarket-wallet.csv:"+strconv.Itoa(row+1), sources[got.Revision], about)
		closings[w["closed_by"]]++
	}
	require.Equal(t, map[string]int{"redeem": 31, "sell": 16}, closings)
	day, loss := worstDay(t, trades)
	require.Equal(t, "2026-01-15", day)
	require.Zero(t, petstest.Rat(t, loss).Cmp(petstest.Rat(t, "-30.06")), "worst UTC day 2026-01-15: -30.06, got %s", loss)
}

// sums maps names to exact sums.
type sums map[string]*big.Rat

func (s sums) add(key string, v *big.Rat) { s[key] = sum(s.of(key), v) }

func (s sums) of(key string) *big.Rat {
	if s[key] == nil {
		return new(big.Rat)
	}
	return s[key]
}

// cashOf adds up the cash in the events, by market and by kind of row; order lists the markets in the
// order of their first appearance.
func cashOf(t testing.TB, events []petstest.EventJSON) (markets, kinds sums, order []string) {
	t.Helper()
	markets, kinds = sums{}, sums{}
	for _, e := range events {
		switch {
		case e.Type == "fee.recorded.v1":
			kinds.add("rebate", petstest.Rat(t, e.Data.Amount))
			continue
		case markets[e.Data.Market] == nil:
			order = append(order, e.Data.Market)
		}
		amount, kind := new(big.Rat), "redeem"
		for _, h := range e.Data.Holders {
			amount = sum(amount, times(petstest.Rat(t, h.Quantity), petstest.Rat(t, e.Data.Payout)))
		}
		if e.Type == "fill.recorded.v1" {
			amount, kind = petstest.Rat(t, e.Data.Notional), e.Data.Side
			if e.Data.Side == "buy" {
				amount = neg(amount)
			}
		}
		markets.add(e.Data.Market, amount)
		kinds.add(kind, amount)
	}
	return markets, kinds, order
}

// "per market: polymarket-wallet-markets.csv": net cash out of the events, the
// rest out of trades and positions.
func TestProofWalletMarkets(t *testing.T) { editions(t, proofWalletMarkets) }

func proofWalletMarkets(t *testing.T, rules string) {
	s := wallet(t, rules, "1000")
	want := petstest.ReadCSV(t, sharedFiles(t, "polymarket-wallet-markets.csv")[0])
	require.Len(t, want, 51)
	cash, kinds, order := cashOf(t, s.Events("--type", "fill,market.settled,fee"))
	// "cash: buys / sells / redeems / rebates -378.19 / 115.28 / 141.44 / 0.03"
	for kind, want := range map[string]string{"buy": "-378.19", "sell": "115.28", "redeem": "141.44", "rebate": "0.03"} {
		require.Zero(t, petstest.Rat(t, want).Cmp(kinds[kind]), "cash of %s: want %s, got %s", kind, want, kinds[kind].FloatString(6))
	}
	var trades []tradeJSON
	s.JSON(&trades, "trades")
	pnl, closed := sums{}, map[string]int{}
	for _, tr := range trades {
		pnl.add(tr.Market, petstest.Rat(t, tr.PnL))
		closed[tr.Market]++
	}
	var positions []struct{ Market, Outcome, Quantity, Cost string }
	s.JSON(&positions, "positions")
	quantity, cost := sums{}, sums{}
	for _, p := range positions {
		quantity.add(p.Market, petstest.Rat(t, p.Quantity))
		cost.add(p.Market, petstest.Rat(t, p.Cost))
		cost.add("all", petstest.Rat(t, p.Cost))
	}
	open := 0
	for i, w := range want {
		m := w["market"]
		require.Equal(t, m, order[i], "order of first appearance")
		require.Zero(t, petstest.Rat(t, w["net_cash"]).Cmp(cash[m]), "net cash of %s", m)
		require.Equal(t, w["closed_episodes"], strconv.Itoa(closed[m]), m)
		require.Zero(t, petstest.Rat(t, w["realised_pnl"]).Cmp(pnl.of(m)), "realised pnl of %s", m)
		require.Zero(t, petstest.Rat(t, w["open_quantity"]).Cmp(quantity.of(m)), "open quantity of %s", m)
		require.Zero(t, petstest.Rat(t, w["open_cost"]).Cmp(cost.of(m)), "open cost of %s", m)
		require.Equal(t, w["state"] == "open", quantity.of(m).Sign() != 0, m)
		if w["state"] == "open" {
			open++
		}
	}
	// "markets / closed / still open 51 / 44 / 7", "cost of the 7 open positions 88.91"
	require.Equal(t, 7, open)
	require.Len(t, order, 51)
	require.Zero(t, petstest.Rat(t, "88.91").Cmp(cost["all"]))
	// "net cash, all rows (with rebates) -121.44"
	var books struct {
		Accounts []struct{ Account, Balance string }
		Sums     map[string]string
	}
	s.JSON(&books, "balances")
	require.Equal(t, map[string]string{"USDC": "0"}, books.Sums)
	for _, a := range books.Accounts {
		if a.Account == "hot:bot/wallet" {
			petstest.Same(t, "878.56", a.Balance) // 1,000 - 121.44
		}
	}
}

// The statistics of the wallet's ledger at capital 1,000.
func TestProofWalletStats(t *testing.T) { editions(t, proofWalletStats) }

func proofWalletStats(t *testing.T, rules string) {
	s := wallet(t, rules, "1000")
	var v statsJSON
	s.JSON(&v, "stats")
	for _, got := range v.both(t) {
		// "wins / losses / zero 11 / 34 / 2"; "realised pnl -32.56 (gross profit 94.55, gross loss 127.11)"
		require.Equal(t, []int{47, 11, 34, 2}, []int{got.Trades, got.Wins, got.Losses, got.Neutral})
		petstest.Same(t, "-32.56", got.NetPnL)
		petstest.Same(t, "94.55", got.GrossProfit)
		petstest.Same(t, "127.11", got.GrossLoss)
		petstest.Same(t, "0", got.Fees)
		petstest.Same(t, "0.74384391472", *got.ProfitFactor)
		petstest.Same(t, "0.234042553191", *got.WinRate)
		// "longest loss streak 13, ends with closed trade 45 at 2026-01-17T20:43:10Z"
		require.Equal(t, 13, got.LongestLossStreak)
		require.Equal(t, 45, got.LongestLossStreakEnd.Trade)
		require.Equal(t, "2026-01-17T20:43:10Z", got.LongestLossStreakEnd.Time)
		// "opening capital 1,000: final equity 967.44"
		petstest.Same(t, "1000", got.OpeningCapital)
		petstest.Same(t, "967.44", got.FinalEquity)
		// "71.34 absolute, ~0.070434911389 of its peak; peak 1,012.85 after closed trade 32
		// (2026-01-17T10:42:20Z), trough 941.51 after closed trade 45 (2026-01-17T20:43:10Z)"
		m := got.MaxDrawdown
		petstest.Same(t, "71.34", m.Abs)
		petstest.Same(t, "0.070434911389", m.Ratio)
		petstest.Same(t, "1012.85", m.Peak)
		petstest.Same(t, "941.51", m.Trough)
		require.Equal(t, []int{32, 45}, []int{m.PeakTrade, m.TroughTrade})
		require.Equal(t, []string{"2026-01-17T10:42:20Z", "2026-01-17T20:43:10Z"}, []string{*m.PeakTime, *m.TroughTime})
		// "3 losses: closed trade 5 at 2026-01-10T09:33:52Z; daily 5 %: never; drawdown 25 %: never"
		require.Len(t, got.ClosedBreakers, 1)
		trip := got.ClosedBreakers[0]
		require.Equal(t, "consecutive_losses 5 2026-01-10T09:33:52Z 3", strings.Join([]string{trip.Breaker, strconv.Itoa(trip.Trade), trip.Time, numberOf(trip.Value)}, " "))
	}
	// The streak of 13 ends with closed trade 45, so at that time it is 13.
	var state struct {
		Bots []struct {
			ConsecutiveLosses int `json:"consecutive_losses"`
		}
	}
	var trades []tradeJSON
	s.JSON(&trades, "trades")
	s.JSON(&state, "state", "--at", strconv.Itoa(trades[44].Revision))
	require.Equal(t, "2026-01-17T20:43:10Z", trades[44].ClosedAt)
	require.Equal(t, 13, state.Bots[0].ConsecutiveLosses)
	require.Equal(t, "win", trades[45].Result)
}

// "breakers, opening capital 250"
func TestProofWalletBreakersAt250(t *testing.T) { editions(t, proofWalletBreakersAt250) }

func proofWalletBreakersAt250(t *testing.T, rules string) {
	s := wallet(t, rules, "250")
	var v statsJSON
	s.JSON(&v, "stats")
	var trades []tradeJSON
	s.JSON(&trades, "trades")
	// equity after the n-th closed trade
	after := func(n int) *big.Rat {
		sum := petstest.Rat(t, "250")
		for _, tr := range trades[:n] {
			sum.Add(sum, petstest.Rat(t, tr.PnL))
		}
		return sum
	}
	require.Zero(t, after(18).Cmp(petstest.Rat(t, "246.75")))
	require.Zero(t, after(45).Cmp(petstest.Rat(t, "191.51")))
	for _, got := range v.both(t) {
		var trips []string
		for _, b := range got.ClosedBreakers {
			trips = append(trips, strings.Join([]string{b.Breaker, strconv.Itoa(b.Trade), b.Time, numberOf(b.Value)}, " "))
		}
		require.Equal(t, []string{
			"consecutive_losses 5 2026-01-10T09:33:52Z 3",
			// "daily 5 %: closed trade 18 at 2026-01-15T09:42:04Z (day-open 261.88, equity 246.75, ~0.05777455323)"
			"daily_loss 18 2026-01-15T09:42:04Z 0.05777455323",
			// "drawdown 25 %: closed trade 45 at 2026-01-17T20:43:10Z (peak 262.85, equity 191.51, ~0.271409549173)"
			"bot_drawdown 45 2026-01-17T20:43:10Z 0.271409549173",
		}, trips)
		petstest.Same(t, "262.85", got.MaxDrawdown.Peak)
	}
	// --limit only changes the limits of the portfolio's series.
	s.JSON(&v, "stats", "--limit", "MAX_DAILY_LOSS_PCT=0.06", "--limit", "max_bot_drawdown_pct=0.28", "--limit", "MAX_CONSECUTIVE_LOSSES=13")
	require.Len(t, v.Portfolio.ClosedBreakers, 2)
	require.Equal(t, 45, v.Portfolio.ClosedBreakers[1].Trade, "the 13th loss in a row is trade 45")
	require.Len(t, v.Bots[0].ClosedBreakers, 3)
}

func numberOf(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case interface{ String() string }:
		return v.String()
	}
	return "?"
}

// "All 1,007 by net_pnl_reported".
func TestProofBotAsTrades(t *testing.T) { editions(t, proofBotAsTrades) }

func proofBotAsTrades(t *testing.T, rules string) {
	resolutions := sharedFiles(t, "polymarket-bot-resolutions.csv")[0]
	s := under(t, rules, resolved)
	s.Ok("import", "--capital", "1000", "--as-trades", "--bot", "sweep", resolutions)
	s.Ok("import", "-p", "hundred", "--capital", "100", "--as-trades", resolutions)
	var v statsJSON
	s.JSON(&v, "stats")
	for _, got := range v.both(t) {
		require.Equal(t, []int{1007, 1005, 2, 0}, []int{got.Trades, got.Wins, got.Losses, got.Neutral})
		petstest.Same(t, "32.45332006", got.NetPnL)
		petstest.Same(t, "42.44332006", got.GrossProfit)
		petstest.Same(t, "9.99", got.GrossLoss)
		petstest.Same(t, "4.248580586587", *got.ProfitFactor)
		petstest.Same(t, "0.998013902681", *got.WinRate)
		require.Equal(t, 1, got.LongestLossStreak)
		petstest.Same(t, "1032.45332006", got.FinalEquity)
		// "9.98 absolute, ~0.009977455749 of its peak; peak 1,000.255 after closed trade 51
		// (2026-03-02T17:33:55.505266Z), trough 990.275 after closed trade 55"
		m := got.MaxDrawdown
		petstest.Same(t, "9.98", m.Abs)
		petstest.Same(t, "0.009977455749", m.Ratio)
		petstest.Same(t, "1000.255", m.Peak)
		petstest.Same(t, "990.275", m.Trough)
		require.Equal(t, []int{51, 55}, []int{m.PeakTrade, m.TroughTrade})
		require.Equal(t, "2026-03-02T17:33:55.505266Z", *m.PeakTime)
		require.Equal(t, "2026-03-02T18:50:56.315002Z", *m.TroughTime)
		require.Empty(t, got.ClosedBreakers, "3 losses: never; daily 5 %%: never; drawdown 25 %%: never")
	}
	var trades []tradeJSON
	s.JSON(&trades, "trades")
	// "the two losses, -4.995 each, are closed trades 52 … and 55 …"
	for n, at := range map[int]string{52: "2026-03-02T17:34:58.967486Z", 55: "2026-03-02T18:50:56.315002Z"} {
		petstest.Same(t, "-4.995", trades[n-1].PnL)
		require.Equal(t, at, trades[n-1].ClosedAt)
	}
	day, sum := worstDay(t, trades)
	require.Equal(t, "2026-03-02", day)
	require.Zero(t, petstest.Rat(t, "-9.71").Cmp(petstest.Rat(t, sum)))

	// "breakers, opening capital 100: 3 losses: never; daily 5 %: closed trade 55 at
	// 2026-03-02T18:50:56.315002Z (… ~0.097971622702); drawdown 25 %: never (largest ~0.099546157299)"
	s.JSON(&v, "stats", "-p", "hundred")
	for _, got := range v.both(t) {
		require.Len(t, got.ClosedBreakers, 1)
		b := got.ClosedBreakers[0]
		require.Equal(t, "daily_loss 55 2026-03-02T18:50:56.315002Z 0.097971622702", strings.Join([]string{b.Breaker, strconv.Itoa(b.Trade), b.Time, numberOf(b.Value)}, " "))
		petstest.Same(t, "0.099546157299", got.MaxDrawdown.Ratio)
	}
}

// "882 rebuilt from fills and payout".
func TestProofBotFills(t *testing.T) { editions(t, proofBotFills) }

func proofBotFills(t *testing.T, rules string) {
	files := sharedFiles(t, "polymarket-bot-fills.csv", "polymarket-bot-resolutions.csv")
	s := under(t, rules, resolved)
	var summary struct{ Rows, Recorded, Findings, Duplicates, Oversold int }
	s.JSON(&summary, "import", "--capital", "1000", files[0], files[1])
	require.Equal(t, 2059, summary.Recorded)
	require.Equal(t, 125, summary.Findings, "125 resolutions have no fill")
	require.Zero(t, summary.Duplicates+summary.Oversold)
	var v statsJSON
	s.JSON(&v, "stats")
	for _, got := range v.both(t) {
		require.Equal(t, []int{882, 882, 0, 0}, []int{got.Trades, got.Wins, got.Losses, got.Neutral})
		petstest.Same(t, "41.81332006", got.NetPnL)
		petstest.Same(t, "41.81332006", got.GrossProfit)
		petstest.Same(t, "0", got.GrossLoss)
		require.Nil(t, got.ProfitFactor, "undefined (no loss)")
		petstest.Same(t, "1", *got.WinRate)
		require.Zero(t, got.LongestLossStreak)
		petstest.Same(t, "1041.81332006", got.FinalEquity)
		petstest.Same(t, "0", got.MaxDrawdown.Abs)
		petstest.Same(t, "0", got.MaxDrawdown.Ratio)
		require.Empty(t, got.ClosedBreakers)
	}
	var trades []tradeJSON
	s.JSON(&trades, "trades")
	day, sum := worstDay(t, trades)
	require.Equal(t, "2026-03-05", day)
	require.Zero(t, petstest.Rat(t, "0.76262").Cmp(petstest.Rat(t, sum)))

	// "17 filled tokens (755 tokens, cost 754.245) never resolve inside the file"
	var positions []struct{ Quantity, Cost string }
	s.JSON(&positions, "positions")
	quantity, cost := new(big.Rat), new(big.Rat)
	for _, p := range positions {
		quantity.Add(quantity, petstest.Rat(t, p.Quantity))
		cost.Add(cost, petstest.Rat(t, p.Cost))
	}
	require.Len(t, positions, 17)
	require.Zero(t, petstest.Rat(t, "755").Cmp(quantity))
	require.Zero(t, petstest.Rat(t, "754.245").Cmp(cost))

	// "bought 42,568.32006 tokens for 42,525.75173994 USDC", "882 of 882 equal net_pnl_reported"
	bought, paid, findings := new(big.Rat), new(big.Rat), 0
	for _, e := range s.Events("--type", "fill.recorded,market.settled") {
		if e.Type == "fill.recorded.v1" {
			bought.Add(bought, petstest.Rat(t, e.Data.Quantity))
			paid.Add(paid, petstest.Rat(t, e.Data.Notional))
		} else if e.Data.Finding {
			findings++
		}
	}
	require.Zero(t, petstest.Rat(t, "42568.32006").Cmp(bought))
	require.Zero(t, petstest.Rat(t, "42525.75173994").Cmp(paid))
	require.Equal(t, 125, findings)
	reported := map[string]string{}
	for _, r := range petstest.ReadCSV(t, files[1]) {
		reported[r["token_id"]] = r["net_pnl_reported"]
	}
	for _, tr := range trades {
		petstest.Same(t, reported[tr.Outcome], tr.PnL, tr.Outcome)
	}
}
