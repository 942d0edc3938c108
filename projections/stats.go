package projections

import (
	"maps"
	"time"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/domain/risk"
	"pets/domain/tradestats"
	"pets/eventstore"
)

// Stats is the response of `pets stats` and GET …/stats: figures of closed
// trades, for the portfolio and for each bot.
type Stats struct {
	Portfolio ScopeStats `json:"portfolio"`
	Bots      []BotStats `json:"bots"`
}

// BotStats are one bot's figures.
type BotStats struct {
	Bot string `json:"bot"`
	ScopeStats
}

// ScopeStats are the figures of a portfolio or a bot.
type ScopeStats struct {
	Trades int `json:"trades"`
	// Results are what wins, losses and streaks count: trades of one bot that one command
	// closed in one exclusive market are one result.
	Results           int             `json:"results"`
	Wins              int             `json:"wins"`
	Losses            int             `json:"losses"`
	Neutral           int             `json:"neutral"`
	WinRate           *domain.Decimal `json:"win_rate" nullable:"true"`
	ProfitFactor      *domain.Decimal `json:"profit_factor" nullable:"true"`
	NetPnL            domain.Decimal  `json:"net_pnl"`
	RealisedPnL       domain.Decimal  `json:"realised_pnl"`
	GrossProfit       domain.Decimal  `json:"gross_profit"`
	GrossLoss         domain.Decimal  `json:"gross_loss"`
	Fees              domain.Decimal  `json:"fees"`
	LongestLossStreak int             `json:"longest_loss_streak"`
	// LossStreakEnd is the trade, from 1, that ended the longest streak; absent without one.
	LossStreakEnd *StreakEnd `json:"longest_loss_streak_end,omitempty"`
	// StreaksAtLimit counts the streaks that reached the limit of losses in a row.
	StreaksAtLimit int `json:"loss_streaks_at_limit"`
	// BestDay and WorstDay are calendar days of the portfolio; absent without trades.
	BestDay           *StatsDay       `json:"best_day,omitempty"`
	WorstDay          *StatsDay       `json:"worst_day,omitempty"`
	OpeningCapital    domain.Decimal  `json:"opening_capital"`
	FinalEquity       domain.Decimal  `json:"final_equity"`
	MaxDrawdown       ClosedDrawdown  `json:"max_drawdown"`
	MaxDrawdownAbs    ClosedDrawdown  `json:"max_drawdown_abs"`
	MaxDrawdownMarked risk.Drawdown   `json:"max_drawdown_marked"`
	ClosedBreakers    []ClosedBreaker `json:"closed_breakers"`
	// JudgedBy are the limits of the breakers, also of those that would not have tripped.
	JudgedBy []StatsLimit `json:"judged_by"`
}

// StatsLimit is the limit of a breaker that closed trades are judged by.
type StatsLimit struct {
	Breaker string `json:"breaker"`
	Limit   any    `json:"limit"`
}

// StreakEnd is the last trade of a streak of losses.
type StreakEnd struct {
	Trade int       `json:"trade"`
	Time  time.Time `json:"time"`
}

// StatsDay is the P&L of the trades that closed on a calendar day.
type StatsDay struct {
	Date string         `json:"date"`
	PnL  domain.Decimal `json:"pnl"`
}

// ClosedDrawdown is the fall with the largest ratio, or amount, on the closed-trade series.
// PeakTrade and TroughTrade count closed trades from 1; 0 is the opening capital.
type ClosedDrawdown struct {
	Abs         domain.Decimal `json:"abs"`
	Ratio       domain.Decimal `json:"ratio"`
	Peak        domain.Decimal `json:"peak"`
	Trough      domain.Decimal `json:"trough"`
	PeakTrade   int            `json:"peak_trade"`
	PeakTime    *time.Time     `json:"peak_time"`
	TroughTrade int            `json:"trough_trade"`
	TroughTime  *time.Time     `json:"trough_time"`
}

// ClosedBreaker says where a breaker would first trip on the closed-trade series
// alone. A breaker that never would is not listed.
type ClosedBreaker struct {
	Breaker string    `json:"breaker"`
	Trade   int       `json:"trade"`
	Time    time.Time `json:"time"`
	Value   any       `json:"value"`
	Limit   any       `json:"limit"`
}

// StatsFold collects what the statistics need: the current trades and the flows
// between them.
type StatsFold struct {
	trades *Trades
	steps  []step
	stepOf []int          // trade (index into trades.all) → step
	first  map[string]int // result → the first step of its trades

	kept keptStats
}

// step is a flow, or the place of a closed trade.
type step struct {
	flow     portfolio.Flow
	revision uint64 // of the record of a flow
	trade    int    // index into trades.all, -1 for a flow
}

// NewStats returns an empty fold. What is old is written to pieces, nil for memory.
func NewStats(_ Pieces) *StatsFold { return &StatsFold{trades: NewTrades(nil), first: map[string]int{}} }

// Trades returns the trades the statistics are made of.
func (f *StatsFold) Trades() *Trades { return f.trades }

// Apply implements Projection.
func (f *StatsFold) Apply(rec eventstore.Record, e domain.Event, s *portfolio.State) {
	closed := len(f.trades.all)
	f.trades.Apply(rec, e, s)
	for n := closed; n < len(f.trades.all); n++ {
		f.stepOf = append(f.stepOf, len(f.steps))
		f.steps = append(f.steps, step{trade: n})
		f.joins(n)
	}
	for _, n := range f.trades.revised {
		f.kept.forget(f.stepOf[n])
		f.joins(n)
	}
	for _, flow := range s.Effects().Flows {
		if flow.Of != nil && f.correct(flow) {
			continue
		}
		f.steps = append(f.steps, step{flow: flow, revision: rec.Revision, trade: -1})
	}
}

// joins notes that a trade is part of a result. What was computed of that result before is
// outdated.
func (f *StatsFold) joins(trade int) {
	t := &f.trades.all[trade]
	if t.ResultID == "" {
		return
	}
	at := f.stepOf[trade]
	if first, known := f.first[t.result()]; known {
		f.kept.forget(first)
		at = min(at, first)
	}
	f.first[t.result()] = at
}

// correct corrects the flow of an earlier record, as if it had been recorded right.
func (f *StatsFold) correct(by portfolio.Flow) bool {
	for i := range f.steps {
		if st := &f.steps[i]; st.trade < 0 && st.revision == *by.Of && st.flow.Bot == by.Bot {
			st.flow.Amount = st.flow.Amount.Add(by.Amount)
			f.kept.forget(i)
			return true
		}
	}
	return false
}

// View computes the statistics. Each bot is judged by the policy in force, and so is the
// merged series of the portfolio, with the drawdown of a single bot; limits replace some
// of the portfolio's.
func (f *StatsFold) View(s *portfolio.State, limits tradestats.Limits) (Stats, error) {
	zone := time.UTC
	if s.IsOpen() {
		var err error
		if zone, err = s.Policy.Location(); err != nil {
			return Stats{}, err
		}
	}
	merged, own := tradestats.LimitsFor(&s.Policy), tradestats.LimitsOf(&s.Policy)
	walks := f.walked(s, merged, own, zone)
	stats := walks[""].Stats()
	if len(limits) > 0 {
		maps.Copy(merged, limits)
		stats = f.judged(s, merged, zone)
	}
	v := Stats{Portfolio: scopeOf(stats, s.Refs.Max, merged), Bots: make([]BotStats, 0, len(s.Bots))}
	for _, id := range s.BotIDs() {
		v.Bots = append(v.Bots, BotStats{Bot: id, ScopeStats: scopeOf(walks[id].Stats(), s.Bots[id].Refs.Max, own)})
	}
	return v, nil
}

// judged computes the figures of the portfolio by other limits than its own.
func (f *StatsFold) judged(s *portfolio.State, limits tradestats.Limits, zone *time.Location) tradestats.Stats {
	w := tradestats.Begin(limits, zone)
	for _, e := range f.entries(s, 0, len(f.steps)) {
		if e.of("") {
			w.Step(e.Step)
		}
	}
	return w.Stats()
}

// entry is a step of the series with the bot that it concerns, or "" for the portfolio
// alone.
type entry struct {
	tradestats.Step
	bot  string
	gone bool // its result stands later
}

// of reports whether the entry is part of a scope's series: all results and the portfolio's
// own flows, or one bot's.
func (e *entry) of(scope string) bool {
	return !e.gone && (e.bot == scope || scope == "" && e.Trade != nil)
}

// result is the name of the result that a trade is part of, among all bots.
func (t *Trade) result() string { return t.Bot + "/" + t.ResultID }

// entries lists some of the steps in stream order. A result of several trades stands where
// it was counted: at its first trade that is not deferred, or at its last one while it
// waits.
func (f *StatsFold) entries(s *portfolio.State, from, to int) []entry {
	out := make([]entry, 0, to-from)
	at := map[string]int{}       // the place of a result in out
	counted := map[string]bool{} // it stands where it was counted
	for _, st := range f.steps[from:to] {
		if st.trade < 0 {
			out = append(out, entry{Step: tradestats.Step{Flow: st.flow.Amount}, bot: st.flow.Bot})
			continue
		}
		t := &f.trades.all[st.trade]
		if t.gone {
			continue
		}
		one := &tradestats.Trade{Bot: t.Bot, Time: t.ClosedAt, PnL: t.PnL, Fee: t.Fee, Result: t.Result}
		if t.ResultID == "" {
			out = append(out, entry{Step: tradestats.Step{Trade: one}, bot: t.Bot})
			continue
		}
		key := t.result()
		if place, known := at[key]; known {
			before := out[place].Trade
			if counted[key] {
				before.PnL, before.Fee, before.More = before.PnL.Add(one.PnL), before.Fee.Add(one.Fee), before.More+1
				continue
			}
			one.PnL, one.Fee, one.More = one.PnL.Add(before.PnL), one.Fee.Add(before.Fee), before.More+1
			out[place].gone = true
		}
		one.Result = s.ResultOf(t.Bot, t.ResultID)
		at[key], counted[key] = len(out), !t.deferred
		out = append(out, entry{Step: tradestats.Step{Trade: one}, bot: t.Bot})
	}
	return out
}

func scopeOf(s tradestats.Stats, marked risk.Drawdown, limits tradestats.Limits) ScopeStats {
	marked.Ratio = marked.Ratio.Ratio()
	v := ScopeStats{
		Trades: s.Trades, Results: s.Results, Wins: s.Wins, Losses: s.Losses, Neutral: s.Neutral,
		WinRate: ratio(s.WinRate()), ProfitFactor: ratio(s.ProfitFactor()),
		NetPnL: s.NetPnL, RealisedPnL: s.NetPnL, GrossProfit: s.GrossProfit, GrossLoss: s.GrossLoss, Fees: s.Fees,
		LongestLossStreak: s.LongestLossStreak, OpeningCapital: s.Capital, FinalEquity: s.Equity,
		MaxDrawdown: drawdownOf(s.MaxDrawdown), MaxDrawdownAbs: drawdownOf(s.DeepestDrawdown),
		MaxDrawdownMarked: marked, StreaksAtLimit: s.StreaksAtLimit, BestDay: dayOf(s.Best), WorstDay: dayOf(s.Worst), ClosedBreakers: []ClosedBreaker{},
		JudgedBy: []StatsLimit{},
	}
	for r := range risk.Rules() {
		if limit, on := limits[r.Name]; on {
			v.JudgedBy = append(v.JudgedBy, StatsLimit{r.Name, shown(r, limit)})
		}
	}
	if s.LongestLossStreak > 0 {
		v.LossStreakEnd = &StreakEnd{s.StreakEnd.Trade, s.StreakEnd.Time}
	}
	for _, b := range s.ClosedBreakers {
		v.ClosedBreakers = append(v.ClosedBreakers, ClosedBreaker{b.Rule.Name, b.Trade, b.Time, shown(b.Rule, b.Value), shown(b.Rule, b.Limit)})
	}
	return v
}

func dayOf(d *tradestats.Day) *StatsDay {
	if d == nil {
		return nil
	}
	return &StatsDay{d.Date, d.PnL}
}

func drawdownOf(m tradestats.MaxDrawdown) ClosedDrawdown {
	return ClosedDrawdown{
		Abs: m.Abs, Ratio: m.Ratio.Ratio(), Peak: m.Peak.Equity, Trough: m.Trough.Equity,
		PeakTrade: m.Peak.Trade, PeakTime: when(m.Peak.Time), TroughTrade: m.Trough.Trade, TroughTime: when(m.Trough.Time),
	}
}

func when(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func ratio(d *domain.Decimal) *domain.Decimal {
	if d == nil {
		return nil
	}
	r := d.Ratio()
	return &r
}
