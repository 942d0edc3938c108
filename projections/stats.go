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
	// moved has a trade of each of the latest results that trades have moved to.
	moved map[result]int
	kept  keptWalks
}

// NewStats returns an empty fold. What is old is written to pieces, nil for memory.
func NewStats(p Pieces) *StatsFold { return &StatsFold{trades: NewTrades(p), moved: map[result]int{}} }

// Trades returns the trades the statistics are made of.
func (f *StatsFold) Trades() *Trades { return f.trades }

// Err implements [Kept].
func (f *StatsFold) Err() error { return f.trades.Err() }

// Apply implements Projection.
func (f *StatsFold) Apply(rec eventstore.Record, e domain.Event, s *portfolio.State) {
	f.trades.Apply(rec, e, s)
	for _, t := range f.trades.touched {
		if !t.closed {
			f.kept.forget(t.row)
		}
		if t.left != "" {
			delete(f.moved, result{t.bot, t.left})
		}
		if t.joins != "" {
			f.joins(t)
		}
	}
	if f.Err() != nil {
		return
	}
	for _, flow := range s.Effects().Flows {
		if flow.Of != nil && f.correct(flow) {
			continue
		}
		f.trades.rows.add(row{Trade: Trade{Bot: flow.Bot, Revision: rec.Revision}, flow: true, amount: flow.Amount})
	}
}

// correct corrects the flow of an earlier record, as if it had been recorded right.
func (f *StatsFold) correct(by portfolio.Flow) bool {
	rows := &f.trades.rows
	i, err := rows.of(*by.Of, func(r *row) bool { return r.flow && r.Bot == by.Bot })
	if err != nil {
		_ = rows.fail(err) // the event is missed
	}
	if err != nil || i < 0 {
		return false
	}
	rows.change(i, func(r *row) { r.amount = r.amount.Add(by.Amount) })
	rows.flush()
	f.kept.forget(i)
	return true
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
	walks, err := f.walked(s, merged, own, zone)
	if err != nil {
		return Stats{}, err
	}
	maps.Copy(merged, limits)
	stats, known := walks[""].By(merged)
	if !known { // limits that the policy does not have
		if stats, err = f.judged(s, merged, zone); err != nil {
			return Stats{}, err
		}
	}
	v := Stats{Portfolio: scopeOf(stats, s.Refs.Max, merged), Bots: make([]BotStats, 0, len(s.Bots))}
	for _, id := range s.BotIDs() {
		stats, _ := walks[id].By(own)
		v.Bots = append(v.Bots, BotStats{Bot: id, ScopeStats: scopeOf(stats, s.Bots[id].Refs.Max, own)})
	}
	return v, nil
}

// judged computes the figures of the portfolio by limits that the kept walks do not tell them by.
func (f *StatsFold) judged(s *portfolio.State, limits tradestats.Limits, zone *time.Location) (tradestats.Stats, error) {
	w := tradestats.Begin(limits, zone)
	q := newSeries(s, func(e *entry) {
		if e.of("") {
			w.Step(e.Step)
		}
	})
	err := f.trades.rows.walk(0, func(_ int, r *row) bool {
		q.take(r)
		return true
	})
	q.finish()
	return w.Stats(), err
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
