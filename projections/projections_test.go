package projections

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/eventstore"
)

// append puts a record into the store as it is.
func (h *history) append(eventType string, at time.Time, data []byte) {
	h.t.Helper()
	expected := eventstore.NoStream
	if head, err := h.store.Head(context.Background(), stream); err == nil {
		expected = eventstore.At(head)
	}
	_, err := h.store.Append(context.Background(), stream, expected, []eventstore.Proposed{{ID: uuid.New(), Type: eventType, Time: at, Metadata: []byte("{}"), Data: data}})
	require.NoError(h.t, err)
}

// week is a small history with everything in it that moves a projection.
func week(t testing.TB) *history {
	h := newHistory(t)
	h.deposit("1000")
	h.bot("a", "400")
	h.bot("b", "300")
	h.after(time.Hour).fill("a", "m", "buy 100 YES at 0.4")
	h.after(time.Hour).fill("b", "m", "buy 50 YES at 0.5")
	voided := h.fill("a", "n", "sell 10 NO at 0.3?")
	h.after(24*time.Hour).trade("b", "-5", "0.5")
	h.trade("b", "-5")
	h.deposit("500")
	h.trade("b", "-5")
	h.after(24 * time.Hour).void(voided)
	h.allocate("a", "100")
	h.settle("m", "YES", "1")
	h.trade("a", "-60")
	h.withdraw("200")
	return h
}

// "each answering --at": at every revision the answer is that of the history cut
// off there, and at every time that of what had been recorded by then.
func TestAtEveryRevision(t *testing.T) {
	h := week(t)
	records := h.records(h.s.Next)
	for i, rec := range records {
		cut := at(t, prefix(t, h, rec.Revision), Point{})
		want := cut.answers(t)
		require.Equal(t, want, at(t, h.store, Point{Revision: &rec.Revision}).answers(t), "revision %d", rec.Revision)
		if i+1 < len(records) && records[i+1].Time.Equal(rec.Time) {
			continue // a time is answered with everything recorded at it
		}
		require.Equal(t, want, at(t, h.store, Point{Time: &rec.Time}).answers(t), "time %s", rec.Time)
		if i+1 < len(records) {
			before := records[i+1].Time.Add(-1)
			require.Equal(t, want, at(t, h.store, Point{Time: &before}).answers(t), "just before the next")
		}
	}
	early := noon.Add(-1)
	m := at(t, h.store, Point{Time: &early})
	m.Read(func(s *portfolio.State) { require.False(t, s.IsOpen()) })
	beyond := h.s.Next
	err := follow(h.store).CatchUp(t.Context(), Point{Revision: &beyond})
	require.ErrorContains(t, err, "lies beyond the end of the history")
	require.Equal(t, domain.CodeInvalid, domain.CodeOf(err))
}

func TestParsePoint(t *testing.T) {
	for text, want := range map[string]string{"": "", "0": "0", "42": "42", "2026-01-15T09:00:00Z": "2026-01-15T09:00:00Z", "2026-01-15T10:00:00.5+01:00": "2026-01-15T09:00:00.5Z"} {
		p, err := ParsePoint(text)
		require.NoError(t, err, text)
		got := ""
		switch {
		case p.Revision != nil:
			b, _ := json.Marshal(p.Revision)
			got = string(b)
		case p.Time != nil:
			got = p.Time.UTC().Format(time.RFC3339Nano)
		}
		require.Equal(t, want, got)
	}
	for _, text := range []string{"-1", "+1", "1.0", "1e3", "2026-01-15", "2026-01-15T09:00:00", "now", " 1", "9223372036854775808", "99999999999999999999"} {
		_, err := ParsePoint(text)
		require.ErrorContains(t, err, "at must be a revision such as 42 or a time", text)
	}
}

// "an unknown type or version is an error that stops the reader, never a skip"
func TestUnknownEventsStopTheReader(t *testing.T) {
	h := week(t)
	h.append("fill.recorded.v9", h.now, []byte(`{}`))
	err := follow(h.store).CatchUp(t.Context(), Point{})
	require.ErrorContains(t, err, "fill.recorded.v9")
	require.ErrorContains(t, follow(h.store).Follow(t.Context()), "fill.recorded.v9")
	last := h.s.Next - 1
	require.NoError(t, follow(h.store).CatchUp(t.Context(), Point{Revision: &last}), "what lies before it can still be asked about")
}

// snapshots is a cache that hands out one snapshot, whatever is asked for.
type snapshots struct {
	at   uint64
	data []byte
}

func (s snapshots) Load(_, _ string, atMost uint64) (uint64, []byte) {
	if s.at > atMost {
		return 0, nil
	}
	return s.at, s.data
}

func (s snapshots) LoadAsOf(_, _ string, _ time.Time) (uint64, []byte) { return s.at, s.data }

// A checkpoint shortens the way and changes no answer; one that does not fit is
// ignored; projections that need the whole history never start from one.
func TestSnapshots(t *testing.T) {
	h := week(t)
	middle := h.s.Next / 2
	data, err := h.fold(middle + 1).Snapshot()
	require.NoError(t, err)
	want, err := json.Marshal(StateOf(h.s))
	require.NoError(t, err)
	for name, cache := range map[string]snapshots{
		"fits": {middle, data}, "of another revision": {middle - 1, data}, "damaged": {middle, data[:len(data)/2]}, "none": {},
	} {
		r := NewRunner(h.store, stream)
		r.UseCheckpoint(cache, Point{})
		r.Read(func(s *portfolio.State) { require.Equal(t, name == "fits", s.Next > 0, name) })
		require.NoError(t, r.CatchUp(t.Context(), Point{}))
		r.Read(func(s *portfolio.State) {
			got, err := json.Marshal(StateOf(s))
			require.NoError(t, err)
			require.Equal(t, string(want), string(got), name)
		})
	}
	early := middle - 1
	r := NewRunner(h.store, stream)
	r.UseCheckpoint(snapshots{middle, data}, Point{Revision: &early})
	r.Read(func(s *portfolio.State) { require.Zero(t, s.Next, "a later snapshot answers no earlier question") })
	m := follow(h.store)
	m.UseCheckpoint(snapshots{middle, data}, Point{})
	m.Read(func(s *portfolio.State) { require.Zero(t, s.Next) })
}

// "trade.revised corrects trades, statistics and the streak": a trade that is open
// again leaves the list, and its next closing comes at the end.
func TestTradeOpenAgain(t *testing.T) {
	h := newHistory(t)
	h.deposit("1000")
	h.bot("a", "1000")
	h.fill("a", "m", "buy 10 YES at 0.4")
	sold := h.fill("a", "m", "sell 10 YES at 0.3?") // -1
	h.trade("a", "2")
	require.Equal(t, "1 a -1 loss; 2 a 2 win", h.end().listed(""))
	h.void(sold)
	require.Equal(t, "1 a 2 win", h.end().listed(""))
	require.Equal(t, 1, h.end().statsOf(t).Portfolio.Trades)
	h.fill("a", "m", "sell 10 YES at 0.5")
	require.Equal(t, "1 a 2 win; 2 a 1 win", h.end().listed(""))
	require.Equal(t, "3", h.end().statsOf(t).Bots[0].NetPnL.String())
}

// "revised trades keep their place in the order"
func TestRevisedTradeKeepsItsPlace(t *testing.T) {
	h := newHistory(t)
	h.deposit("1000")
	h.bot("a", "500")
	h.bot("b", "500")
	dear := h.fill("a", "m", "buy 10 YES at 0.6?")
	h.fill("a", "m", "buy 10 YES at 0.2")
	h.fill("a", "m", "sell 20 YES at 0.3") // 6 − 8 = −2
	h.trade("b", "5")
	h.trade("a", "-7")
	require.Equal(t, "1 a -2 loss; 2 b 5 win; 3 a -7 loss", h.end().listed(""))
	before := h.end().statsOf(t)
	require.Equal(t, 2, before.Bots[0].LongestLossStreak)
	h.void(dear) // 10 bought at 0.2, 10 of the 20 sold at 0.3 close it: +1
	require.Equal(t, "1 a 1 win revised; 2 b 5 win; 3 a -7 loss", h.end().listed(""))
	require.Equal(t, "1 a 1 win revised; 3 a -7 loss", h.end().listed("a"), "numbers are the portfolio's")
	after := h.end().statsOf(t)
	require.Equal(t, 1, after.Bots[0].LongestLossStreak)
	require.Equal(t, "-6", after.Bots[0].NetPnL.String())
	require.Equal(t, noon, h.end().list(t, "")[0].ClosedAt, "and their time")
}

// "episodes that merge keep the first trade's id (the others are revised to void)"
func TestMergedTradesLeaveTheList(t *testing.T) {
	h := newHistory(t)
	h.deposit("1000")
	h.bot("a", "1000")
	h.fill("a", "m", "buy 10 YES at 0.4")
	first := h.fill("a", "m", "sell 10 YES at 0.5?") // +1
	h.fill("a", "m", "buy 10 YES at 0.4")
	h.fill("a", "m", "sell 10 YES at 0.6") // +2
	require.Equal(t, "1 a 1 win; 2 a 2 win", h.end().listed(""))
	h.void(first) // bought 20, sold 10: open
	require.Equal(t, "", h.end().listed(""))
	h.fill("a", "m", "sell 10 YES at 0.7")
	require.Equal(t, "1 a 5 win", h.end().listed(""), "13 − 8")
	trades := h.end().list(t, "")
	require.Equal(t, "20", trades[0].Quantity.String())
	require.Equal(t, h.s.Bots["a"].Trades, len(trades))
}

// "later flows scale its references": a portfolio's flows are deposits and
// withdrawals, a bot's are allocations, and neither counts for the other.
func TestFlowsBetweenTrades(t *testing.T) {
	h := newHistory(t)
	h.deposit("10000")
	h.bot("a", "1000")
	h.trade("a", "-40")    // bot: 4 % of 1,000; portfolio: 0.4 % of 10,000
	h.allocate("a", "960") // bot: peak 2,000, equity 1,920
	h.trade("a", "-20")    // 1,900 of 2,000: 5 %, on the same day
	v := h.end().statsOf(t)
	require.Equal(t, "0.05", v.Bots[0].MaxDrawdown.Ratio.String())
	require.Equal(t, "2000", v.Bots[0].MaxDrawdown.Peak.String())
	require.Len(t, v.Bots[0].ClosedBreakers, 1)
	require.Equal(t, "0.05", shownText(v.Bots[0].ClosedBreakers[0].Value))
	require.Equal(t, "0.006", v.Portfolio.MaxDrawdown.Ratio.String(), "60 of 10,000: an allocation is no flow of the portfolio")
	require.Equal(t, "1000", v.Bots[0].OpeningCapital.String())
	require.Equal(t, "1900", v.Bots[0].FinalEquity.String())
	h.deposit("9940")
	h.trade("a", "-19.88") // 19,860.12 of 20,000
	v = h.end().statsOf(t)
	require.Equal(t, "0.006994", v.Portfolio.MaxDrawdown.Ratio.String())
	require.Equal(t, "20000", v.Portfolio.MaxDrawdown.Peak.String())
}

func shownText(v any) string {
	b, _ := json.Marshal(v)
	return strings.Trim(string(b), `"`)
}

// "a day is a calendar day in daily_loss_tz": −4 % and −4 % around midnight in
// Tokyo (15:00 UTC) are two days there.
func TestStatsCountDaysInTheZone(t *testing.T) {
	for zone, trips := range map[string]int{"UTC": 1, "Asia/Tokyo": 0} {
		h := newHistory(t, func(p *domain.Policy) { p.DailyLossTZ = zone })
		h.deposit("1000")
		h.bot("a", "1000")
		h.after(2*time.Hour+59*time.Minute).trade("a", "-40")
		h.after(time.Minute).trade("a", "-40")
		v := h.end().statsOf(t)
		require.Len(t, v.Portfolio.ClosedBreakers, trips, zone)
		require.Len(t, v.Bots[0].ClosedBreakers, trips, zone)
	}
}

// The portfolio's series is judged by 3, 0.05 and 0.25, a bot's by the bot's limits.
func TestStatsLimits(t *testing.T) {
	h := newHistory(t, func(p *domain.Policy) { p.MaxConsecutiveLosses, p.MaxBotDrawdownPct = 2, dec("0.5") })
	h.deposit("1000")
	h.bot("a", "1000")
	h.trade("a", "-10")
	h.trade("a", "-290")
	v := h.end().statsOf(t)
	names := func(s ScopeStats) (out []string) {
		for _, b := range s.ClosedBreakers {
			out = append(out, b.Breaker)
		}
		return out
	}
	require.Equal(t, []string{"daily_loss", "bot_drawdown"}, names(v.Portfolio))
	require.Equal(t, []string{"consecutive_losses", "daily_loss"}, names(v.Bots[0].ScopeStats))
}

// Nothing traded: counts are 0, what cannot be divided is null, lists are empty.
func TestNothingTraded(t *testing.T) {
	h := newHistory(t)
	h.bot("idle", "0")
	b, err := json.Marshal(h.end().statsOf(t).Bots[0])
	require.NoError(t, err)
	require.JSONEq(t, `{"bot":"idle","trades":0,"results":0,"wins":0,"losses":0,"neutral":0,"win_rate":null,"profit_factor":null,
		"net_pnl":"0","realised_pnl":"0","gross_profit":"0","gross_loss":"0","fees":"0","longest_loss_streak":0,
		"loss_streaks_at_limit":0,"opening_capital":"0","final_equity":"0",
		"max_drawdown":{"abs":"0","ratio":"0","peak":"0","trough":"0","peak_trade":0,"peak_time":null,"trough_trade":0,"trough_time":null},
		"max_drawdown_abs":{"abs":"0","ratio":"0","peak":"0","trough":"0","peak_trade":0,"peak_time":null,"trough_trade":0,"trough_time":null},
		"max_drawdown_marked":{"abs":"0","ratio":"0","peak":"0","trough":"0"},"closed_breakers":[],
		"judged_by":[{"breaker":"consecutive_losses","limit":3},{"breaker":"daily_loss","limit":"0.05"},{"breaker":"bot_drawdown","limit":"0.25"}]}`, string(b))
	m := h.end()
	require.Empty(t, m.list(t, ""))
	require.NotNil(t, m.list(t, "nobody"))
	points := m.points(t, 0)
	require.NotNil(t, points)
	require.Empty(t, points)
	require.NotNil(t, PositionsOf(h.s))
}

// A bot without capital has no drawdown to speak of, and its losses still count.
func TestBotWithoutCapital(t *testing.T) {
	h := newHistory(t)
	h.deposit("1000")
	h.bot("a", "0")
	for range 3 {
		h.trade("a", "-10", "1")
	}
	v := h.end().statsOf(t).Bots[0]
	require.Equal(t, "0", v.MaxDrawdown.Ratio.String())
	require.Equal(t, "-30", v.FinalEquity.String())
	require.Equal(t, "3", v.Fees.String())
	require.Len(t, v.ClosedBreakers, 1, "the streak needs no capital")
	state := StateOf(h.s)
	require.Equal(t, "-30", state.Bots[0].RealisedPnL.String())
	require.Equal(t, "3", state.Bots[0].Fees.String())
	require.Equal(t, "tripped", string(state.Breakers[0].Status))
	require.Nil(t, state.Breakers[1].Bot, "daily_loss is the portfolio's")
}

// "In state, realised_pnl is all income less all expenses posted to the bot, fees
// all fees posted; in stats both cover closed trades only, no rebates."
func TestFeesAndRebates(t *testing.T) {
	h := newHistory(t)
	h.deposit("1000")
	h.bot("a", "1000")
	h.trade("a", "10", "1")
	for _, f := range []domain.FeeRecorded{{Kind: domain.FeeTrading, Amount: dec("2")}, {Kind: domain.FeeRebate, Amount: dec("0.5")}} {
		f.Bot = "a"
		h.must(func(d *portfolio.Decision) error { return d.RecordFee(&f) })
	}
	state, stats := StateOf(h.s).Bots[0], h.end().statsOf(t).Bots[0]
	require.Equal(t, []string{"8.5", "3"}, []string{state.RealisedPnL.String(), state.Fees.String()})
	require.Equal(t, []string{"10", "1"}, []string{stats.RealisedPnL.String(), stats.Fees.String()})
}

// "the sum over all accounts is zero", listed as a balance sheet, without what is 0.
func TestBalances(t *testing.T) {
	h := week(t)
	v := BalancesOf(h.s)
	var names []string
	for _, b := range v.Accounts {
		require.Equal(t, "USDC", b.Asset)
		names = append(names, b.Account+" "+b.Balance.String())
	}
	// a: 400 − 40 + 100 (allocated) + 100 (settled) − 60; b: 300 − 25 + 50 − 15
	require.Equal(t, []string{
		"hot:bot/a 500", "hot:bot/b 310", "hot:treasury 500", "external -1300",
		"income:trading/b -10.5", "expense:fees/b 0.5",
	}, names, "a won 60 and lost 60: an account of 0 is not listed")
	require.Equal(t, "0", v.Sums["USDC"].String())
	require.Len(t, v.Sums, 1)
}

// Points of a series are those whose record moved equity, money or a breaker.
func TestEquitySeries(t *testing.T) {
	h := newHistory(t)
	h.deposit("1000")
	h.bot("a", "1000") // no flow of the portfolio
	h.trade("a", "-10")
	h.trade("a", "-10")
	h.after(24 * time.Hour)
	h.must(func(d *portfolio.Decision) error { return d.StopBot("a", "lunch") }) // a day opens; nothing moves
	h.trade("a", "-10")
	var got []string
	for _, p := range h.end().points(t, 0) {
		got = append(got, strings.TrimSpace(p.Equity.String()+" "+p.Flow.String()+" "+p.Drawdown.String()+" "+p.Tripped))
	}
	require.Equal(t, []string{"1000 1000 0", "990 0 0.01", "980 0 0.02", "970 0 0.03", "970 0 0.03 consecutive_losses"}, got)
	points := h.end()
	require.Len(t, points.between(t, noon.Add(time.Hour), time.Time{}), 2, "from")
	require.Len(t, points.between(t, time.Time{}, noon.Add(24*time.Hour-1)), 3, "to")
	require.Len(t, points.between(t, noon.Add(24*time.Hour), noon.Add(24*time.Hour)), 2, "both ends are included")
}

// Positions are listed by market, outcome and bot; what was never marked is worth
// its cost and has a null mark.
func TestPositions(t *testing.T) {
	h := newHistory(t)
	h.deposit("1000")
	h.bot("b", "100")
	h.bot("a", "100")
	h.fill("b", "n", "buy 10 YES at 0.5")
	h.fill("a", "n", "buy 10 YES at 0.4")
	h.fill("a", "m", "sell 4 NO at 0.25")
	flat := h.fill("a", "o", "buy 1 YES at 0.1?")
	h.void(flat)
	var got []string
	for _, p := range PositionsOf(h.s) {
		got = append(got, strings.Join([]string{p.Market, p.Outcome, p.Bot, p.Quantity.String(), p.Cost.String(), p.Mark.String(), p.UnrealisedPnL.String(), map[bool]string{true: "oversold"}[p.Oversold]}, " "))
	}
	require.Equal(t, []string{"m NO a -4 -1 0.25 0 oversold", "n YES a 10 4 0.4 0 ", "n YES b 10 5 0.4 -1 "}, got)
}

// A reader may look while the runner follows: it sees whole records only.
func TestReadWhileFollowing(t *testing.T) {
	h := newHistory(t)
	h.deposit("1000")
	h.bot("a", "1000")
	m := follow(h.store)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- m.Follow(ctx) }()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 200 {
			h.trade("a", "1")
		}
	}()
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		m.Read(func(s *portfolio.State) {
			require.Equal(t, s.Cash, s.Equity())
			require.Len(t, m.list(t, ""), botTrades(s))
			_, err := m.stats.View(s, nil)
			require.NoError(t, err)
		})
	}
	require.Eventually(t, func() (ok bool) {
		m.Read(func(s *portfolio.State) { ok = botTrades(s) == 200 })
		return ok
	}, 5*time.Second, time.Millisecond)
	stop()
	require.ErrorIs(t, <-ended, context.Canceled)
}

func botTrades(s *portfolio.State) int {
	if b := s.Bots["a"]; b != nil {
		return b.Trades
	}
	return 0
}
