package pets_test

import (
	"compress/gzip"
	"encoding/csv"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/internal/pets/petstest"
	"pets/internal/shareddata"
	"pets/internal/testenv"
)

// Marked equity, its references and the trips of `pets state`, `pets equity` and
// `pets events` against the second computation of plain_test.go, on all three
// files.

// check compares a state with the second computation.
func (p *ledgerByHand) check(got *petstest.StateJSON) {
	p.t.Helper()
	at := fmt.Sprintf("revision %d", got.Revision)
	p.equal(p.total.equity, got.Equity, at+", equity")
	p.equal(p.realised(), got.RealisedEquity, at+", realised equity")
	p.equal(p.total.peak, got.Peak, at+", peak")
	p.equal(p.total.peak, got.LifetimePeak, at+", lifetime peak")
	p.ratio(below(p.total.peak, p.total.equity), got.Drawdown, at+", drawdown")
	require.Equal(p.t, p.day, got.Day.Date, at)
	p.equal(p.dayOpen, got.Day.Open, at+", day open")
	p.ratio(below(p.dayOpen, p.total.equity), got.Day.Loss, at+", daily loss")
	require.Len(p.t, got.Bots, len(p.bots))
	for i, id := range p.botIDs() {
		b, g := p.bots[id], got.Bots[i]
		require.Equal(p.t, id, g.Bot)
		p.equal(b.cash, g.Cash, at+", cash of "+id)
		p.equal(b.equity, g.Equity, at+", equity of "+id)
		p.equal(b.peak, g.Peak, at+", peak of "+id)
		p.ratio(below(b.peak, b.equity), g.Drawdown, at+", drawdown of "+id)
		require.Equal(p.t, []int{b.streak, b.trades, b.wins, b.losses, b.neutral}, []int{g.ConsecutiveLosses, g.Trades, g.Wins, g.Losses, g.Neutral}, at+", "+id)
		cost := new(big.Rat)
		for key, h := range p.held {
			if key.bot == id {
				cost.Add(cost, h.cost)
			}
		}
		p.equal(minus(sum(b.cash, cost), b.capital), g.RealisedPnL, at+", realised P&L of "+id)
	}
	p.checkPositions(got, at)
	p.checkBreakers(got, at)
}

func (p *ledgerByHand) checkPositions(got *petstest.StateJSON, at string) {
	p.t.Helper()
	open := p.open()
	require.Len(p.t, got.Positions, len(open), at)
	for i, key := range open {
		h, g := p.held[key], got.Positions[i]
		about := at + ", position " + g.Market + "/" + g.Outcome + " of " + g.Bot
		require.Equal(p.t, key, plainKey{g.Bot, g.Market, g.Outcome}, at)
		p.equal(h.quantity, g.Quantity, about)
		p.equal(h.cost, g.Cost, about)
		p.equal(h.mark, g.Mark, about)
		p.equal(minus(h.value, h.cost), g.UnrealisedPnL, about)
		require.Equal(p.t, h.quantity.Sign() < 0, g.Oversold, about)
	}
}

func (p *ledgerByHand) checkBreakers(got *petstest.StateJSON, at string) {
	p.t.Helper()
	require.Len(p.t, got.Breakers, 2+2*len(p.bots))
	engaged := false
	for _, g := range got.Breakers {
		bot := ""
		if g.Bot != nil {
			bot = *g.Bot
		}
		tripped := slices.ContainsFunc(p.trips, func(t plainTrip) bool { return t.breaker == g.Breaker && t.bot == bot })
		require.Equal(p.t, tripped, g.Status == "tripped", "%s: %s of %q is %s", at, g.Breaker, bot, g.Status)
		engaged = engaged || (tripped && g.Breaker == "portfolio_drawdown")
	}
	require.Equal(p.t, engaged, got.EmergencyStop.Engaged, at)
}

// follow books the rows and compares every point of the equity series, every day that opened, the
// first trip of every breaker with the row that caused it, and the whole state at the rows that
// sample picks.
func follow(t *testing.T, s *petstest.Shell, p *ledgerByHand, events []petstest.EventJSON, rows []plainRow, sample func(i int) bool) {
	t.Helper()
	last, sources := map[string]int{}, make([]string, len(events))
	for i, e := range events {
		require.Equal(t, i, e.Revision)
		last[e.Metadata.Source], sources[i] = i, e.Metadata.Source
	}
	var points []struct {
		Revision         int
		Equity, Drawdown string
		RealisedEquity   string `json:"realised_equity"`
		Flow             string
	}
	s.JSON(&points, "equity")
	require.Equal(t, "1", strconv.Itoa(points[0].Revision), "the first point is the deposit")
	n, seen := 1, 1
	for i, r := range rows {
		p.row(r)
		for ; n < len(points) && sources[points[n].Revision] == r.source; n++ {
			p.equal(p.total.equity, points[n].Equity, "equity after "+r.source)
			p.equal(p.realised(), points[n].RealisedEquity, "realised equity after "+r.source)
			p.ratio(below(p.total.peak, p.total.equity), points[n].Drawdown, "drawdown after "+r.source)
			seen++
		}
		if sample(i) || i == len(rows)-1 {
			var state petstest.StateJSON
			s.JSON(&state, "state", "--at", strconv.Itoa(last[r.source]))
			p.check(&state)
		}
	}
	require.Equal(t, len(points), seen, "every point belongs to a row, in order")
	compareEvents(t, events, p)
}

// compareEvents compares the days and trips in the history with the computation.
func compareEvents(t *testing.T, events []petstest.EventJSON, p *ledgerByHand) {
	t.Helper()
	var days []string
	trip := 0
	for _, e := range events {
		switch e.Type {
		case "day.opened.v1":
			days = append(days, e.Data.Date+" "+petstest.Rat(t, e.Data.Equity).FloatString(18))
		case "breaker.tripped.v1":
			require.Less(t, trip, len(p.trips), "%s of %q trips at %s", e.Data.Breaker, e.Data.Bot, e.Metadata.Source)
			want := p.trips[trip]
			require.Equal(t, []string{want.breaker, want.bot, want.source}, []string{e.Data.Breaker, e.Data.Bot, e.Metadata.Source})
			require.Equal(t, want.at.Format(time.RFC3339Nano), e.Time)
			p.equal(want.value, e.Data.Value, "value of the trip at "+want.source)
			cause := events[e.Data.Cause]
			require.Equal(t, want.source, cause.Metadata.Source, "the cause is the record of the row")
			require.Contains(t, []string{"fill.recorded.v1", "market.settled.v1", "fee.recorded.v1", "trade.closed.v1"}, cause.Type)
			trip++
		}
	}
	require.Equal(t, len(p.trips), trip, "every trip was found")
	require.Equal(t, p.days, days)
}

func plainTime(t testing.TB, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, text)
	require.NoError(t, err)
	return at.UTC()
}

func source(file string, row int) string { return file + ":" + strconv.Itoa(row+2) }

func walletRows(t testing.TB) []plainRow {
	t.Helper()
	path := sharedFiles(t, "polymarket-wallet.csv")[0]
	var rows []plainRow
	for i, c := range petstest.ReadCSV(t, path) {
		r := plainRow{source: source("polymarket-wallet.csv", i), at: plainTime(t, c["time"]), bot: "wallet", market: c["market"], outcome: c["outcome"], what: c["kind"], cash: petstest.Rat(t, c["cash"])}
		if c["quantity"] != "" {
			r.quantity = petstest.Rat(t, c["quantity"])
		}
		if c["kind"] == "trade" {
			r.what = c["side"]
		}
		rows = append(rows, r)
	}
	return rows
}

// At 1,000 only the streak trips; at 250 the daily loss trips too, and at 150 the drawdowns of the
// bot and of the portfolio as well.
func TestMarkedWallet(t *testing.T) {
	for capital, trips := range map[string]int{"1000": 1, "250": 3, "150": 4} {
		t.Run(capital, func(t *testing.T) {
			editions(t, func(t *testing.T, rules string) {
				s := wallet(t, rules, capital)
				p := newByHand(t, capital, capital)
				p.common = rules == "1"
				every := 40
				if capital == "250" { // after every row in a long run
					every = testenv.Rounds(20, 20, 1)
				}
				follow(t, s, p, s.Events(), walletRows(t), func(i int) bool { return i%every == 0 })
				require.Len(t, p.trips, trips)
			})
		})
	}
}

func TestMarkedBotFills(t *testing.T) { editions(t, markedBotFills) }

func markedBotFills(t *testing.T, rules string) {
	files := sharedFiles(t, "polymarket-bot-fills.csv", "polymarket-bot-resolutions.csv")
	s := under(t, rules, resolved)
	s.Ok("import", "--capital", "1000", files[0], files[1])
	var rows []plainRow
	for i, c := range petstest.ReadCSV(t, files[0]) {
		rows = append(rows, plainRow{source: source("polymarket-bot-fills.csv", i), at: plainTime(t, c["time"]), bot: c["strategy"], market: c["market"], outcome: c["token_id"], what: c["side"], quantity: petstest.Rat(t, c["quantity"]), price: petstest.Rat(t, c["price"])})
	}
	for i, c := range petstest.ReadCSV(t, files[1]) {
		rows = append(rows, plainRow{source: source("polymarket-bot-resolutions.csv", i), at: plainTime(t, c["time"]), market: c["market"], outcome: c["token_id"], what: "settle", price: petstest.Rat(t, c["payout"])})
	}
	slices.SortStableFunc(rows, func(a, b plainRow) int { return a.at.Compare(b.at) })
	p := newByHand(t, "1000", "1000")
	p.common = rules == "1"
	follow(t, s, p, s.Events(), rows, func(i int) bool { return i%250 == 249 })
	require.Empty(t, p.trips)
}

const (
	tapeCapital    = "75000" // little enough for every breaker to trip
	tapeBotCapital = "7500"
)

func tapeShell(t testing.TB) *petstest.Shell {
	t.Helper()
	if testenv.Race {
		t.Skip("60,612 rows of arithmetic in one goroutine: nothing for the race detector, and minutes under it")
	}
	file := sharedFiles(t, "polymarket-tape.csv.gz")[0]
	petstest.Tape.Do(func() {
		dir, err := os.MkdirTemp("", "pets-tape-")
		require.NoError(t, err)
		s := &petstest.Shell{T: t, Dir: dir, Ctx: t.Context(), Env: []string{"PETS_STORE=embedded:" + filepath.Join(dir, "store")}}
		r := s.Run("import", "--capital", tapeCapital, "--json", file)
		require.Equal(t, 0, r.Code, r.Err)
		petstest.Tape.Out = r.Out
		petstest.Tape.Dir = dir
	})
	require.NotEmpty(t, petstest.Tape.Dir, "the import of the tape failed in another test")
	return &petstest.Shell{T: t, Dir: petstest.Tape.Dir, Ctx: t.Context(), Env: []string{"PETS_STORE=embedded:" + filepath.Join(petstest.Tape.Dir, "store")}}
}

// tapeEvents reads the history of the tape once.
func tapeEvents(s *petstest.Shell) []petstest.EventJSON {
	s.T.Helper()
	if petstest.Tape.Events == nil {
		petstest.Tape.Events = s.Events()
	}
	return petstest.Tape.Events
}

func tapeRows(t testing.TB) []plainRow {
	t.Helper()
	f, err := os.Open(filepath.Join(shareddata.Dir(t), "polymarket-tape.csv.gz"))
	require.NoError(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	require.NoError(t, err)
	all, err := csv.NewReader(z).ReadAll()
	require.NoError(t, err)
	rows := make([]plainRow, 0, len(all))
	for i, c := range all[1:] { // time_ms,market,token_id,outcome,side,price,quantity
		ms, err := strconv.ParseInt(c[0], 10, 64)
		require.NoError(t, err)
		rows = append(rows, plainRow{
			source: source("polymarket-tape.csv.gz", i), at: time.UnixMilli(ms).UTC(), bot: "bot" + strconv.Itoa((i+1)%10),
			market: c[1], outcome: c[3], what: c[4], price: petstest.Rat(t, c[5]), quantity: petstest.Rat(t, c[6]),
		})
	}
	slices.SortStableFunc(rows, func(a, b plainRow) int { return a.at.Compare(b.at) })
	return rows
}

// "60,612 rows; 51,957 buys, 8,655 sells; sum of price × quantity = 772,704.394074336"
func TestProofTape(t *testing.T) {
	s := tapeShell(t)
	var summary struct {
		Rows, Recorded, Duplicates, Known, Ignored, Events, Trades int
		Seconds                                                    any
		EventsPerSecond                                            any `json:"events_per_second"`
	}
	petstest.ReadJSON(t, petstest.Tape.Out, &summary)
	require.Equal(t, 60_612, summary.Rows)
	require.Equal(t, 60_612, summary.Recorded)
	require.Zero(t, summary.Duplicates+summary.Known+summary.Ignored)
	total, sides := new(big.Rat), map[string]int{}
	for _, e := range tapeEvents(s) {
		if e.Type != "fill.recorded.v1" {
			continue
		}
		total.Add(total, times(petstest.Rat(t, e.Data.Price), petstest.Rat(t, e.Data.Quantity)))
		sides[e.Data.Side]++
	}
	require.Equal(t, map[string]int{"buy": 51_957, "sell": 8_655}, sides)
	require.Zero(t, petstest.Rat(t, "772704.394074336").Cmp(total), total.FloatString(12))

	start := time.Now()
	s.Ok("verify")
	seconds := time.Since(start).Seconds()
	t.Logf("imported %d events at %s events/s; verified (log and fold) at %.0f events/s", summary.Events, numberOf(summary.EventsPerSecond), float64(summary.Events)/seconds)
	start = time.Now()
	s.Ok("equity", "--points", "3")
	t.Logf("replayed at %.0f events/s", float64(summary.Events)/time.Since(start).Seconds())
}

func TestMarkedTape(t *testing.T) {
	s := tapeShell(t)
	p := newByHand(t, tapeCapital, tapeBotCapital)
	follow(t, s, p, tapeEvents(s), tapeRows(t), func(i int) bool { return i == 20_000 || i == 55_000 })
	kinds := map[string]int{}
	for _, trip := range p.trips {
		kinds[trip.breaker]++
	}
	t.Logf("trips: %v", kinds)
	var v statsJSON
	s.JSON(&v, "stats")
	require.Equal(t, len(p.closedPnL), v.Portfolio.Trades)
	p.checkClosed(petstest.Rat(t, tapeCapital), &v.Portfolio)
}

// checkClosed walks the closed-trade series with the definitions of
// shared/data/README.md.
func (p *ledgerByHand) checkClosed(equity *big.Rat, got *scopeJSON) {
	p.t.Helper()
	peak, worst, streak, longest := sum(equity), new(big.Rat), 0, 0
	profit, loss := new(big.Rat), new(big.Rat)
	for _, pnl := range p.closedPnL {
		equity = sum(equity, pnl)
		switch pnl.Sign() {
		case 1:
			profit, streak = sum(profit, pnl), 0
		case -1:
			loss, streak = minus(loss, pnl), streak+1
		}
		longest = max(longest, streak)
		if equity.Cmp(peak) > 0 {
			peak = sum(equity)
		}
		if ratio := below(peak, equity); ratio.Cmp(worst) > 0 {
			worst = ratio
		}
	}
	p.equal(equity, got.FinalEquity, "final equity")
	p.equal(profit, got.GrossProfit, "gross profit")
	p.equal(loss, got.GrossLoss, "gross loss")
	p.ratio(worst, got.MaxDrawdown.Ratio, "max drawdown")
	p.ratio(over(profit, loss), *got.ProfitFactor, "profit factor")
	require.Equal(p.t, longest, got.LongestLossStreak)
}
