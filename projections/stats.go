package projections

import (
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
	Trades            int             `json:"trades"`
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
	OpeningCapital    domain.Decimal  `json:"opening_capital"`
	FinalEquity       domain.Decimal  `json:"final_equity"`
	MaxDrawdown       ClosedDrawdown  `json:"max_drawdown"`
	MaxDrawdownMarked risk.Drawdown   `json:"max_drawdown_marked"`
	ClosedBreakers    []ClosedBreaker `json:"closed_breakers"`
}

// ClosedDrawdown is the fall with the largest ratio on the closed-trade series.
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
}

// StatsFold collects what the statistics need: the current trades and the flows
// between them.
type StatsFold struct {
	trades *Trades
	steps  []step
}

// step is a flow, or the place of a closed trade.
type step struct {
	flow  portfolio.Flow
	trade int // index into trades.all, -1 for a flow
}

// NewStats returns an empty fold.
func NewStats() *StatsFold { return &StatsFold{trades: NewTrades()} }

// Trades returns the trades the statistics are made of.
func (f *StatsFold) Trades() *Trades { return f.trades }

// Apply implements Projection.
func (f *StatsFold) Apply(rec eventstore.Record, e domain.Event, s *portfolio.State) {
	closed := len(f.trades.all)
	f.trades.Apply(rec, e, s)
	for n := closed; n < len(f.trades.all); n++ {
		f.steps = append(f.steps, step{trade: n})
	}
	for _, flow := range s.Effects().Flows {
		f.steps = append(f.steps, step{flow: flow, trade: -1})
	}
}

// View computes the statistics. limits are those of the portfolio's merged
// series; each bot has its own.
func (f *StatsFold) View(s *portfolio.State, limits tradestats.Limits) (Stats, error) {
	zone := time.UTC
	if s.IsOpen() {
		var err error
		if zone, err = s.Policy.Location(); err != nil {
			return Stats{}, err
		}
	}
	v := Stats{Portfolio: scopeOf(tradestats.Compute(f.series(s, ""), limits, zone), s.Refs.Max), Bots: make([]BotStats, 0, len(s.Bots))}
	for _, id := range s.BotIDs() {
		stats := tradestats.Compute(f.series(s, id), tradestats.LimitsOf(&s.Policy), zone)
		v.Bots = append(v.Bots, BotStats{Bot: id, ScopeStats: scopeOf(stats, s.Bots[id].Refs.Max)})
	}
	return v, nil
}

// result is where the series has a result of several trades, and what they paid in fees.
type result struct {
	at     int // the step of its first trade that was not deferred, or of its first
	waits  bool
	fee    domain.Decimal
	counts *portfolio.Result
}

// results finds the results of several trades, by bot and name.
func (f *StatsFold) results(s *portfolio.State) map[[2]string]*result {
	all := map[[2]string]*result{}
	for n, st := range f.steps {
		if st.trade < 0 {
			continue
		}
		t := &f.trades.all[st.trade]
		b := s.Bots[t.Bot]
		if t.gone || t.ResultID == "" || b == nil || b.Results[t.ResultID] == nil {
			continue
		}
		key := [2]string{t.Bot, t.ResultID}
		r := all[key]
		if r == nil {
			r = &result{at: n, waits: t.deferred, counts: b.Results[t.ResultID]}
			all[key] = r
		} else if r.waits && !t.deferred {
			r.at, r.waits = n, false
		}
		r.fee = r.fee.Add(t.Fee)
	}
	return all
}

// series lists the steps of a scope in stream order: all results and the
// portfolio's own flows, or one bot's. A trade is a result, unless it is part of one.
func (f *StatsFold) series(s *portfolio.State, bot string) []tradestats.Step {
	var out []tradestats.Step
	results := f.results(s)
	for n, st := range f.steps {
		if st.trade < 0 {
			if st.flow.Bot == bot {
				out = append(out, tradestats.Step{Flow: st.flow.Amount})
			}
			continue
		}
		t := &f.trades.all[st.trade]
		if t.gone || (bot != "" && t.Bot != bot) {
			continue
		}
		one := &tradestats.Trade{Bot: t.Bot, Time: t.ClosedAt, PnL: t.PnL, Fee: t.Fee, Result: t.Result}
		if r := results[[2]string{t.Bot, t.ResultID}]; r != nil {
			if r.at != n {
				continue
			}
			one.PnL, one.Fee, one.Result = r.counts.PnL, r.fee, r.counts.Of()
		}
		out = append(out, tradestats.Step{Trade: one})
	}
	return out
}

func scopeOf(s tradestats.Stats, marked risk.Drawdown) ScopeStats {
	marked.Ratio = marked.Ratio.Ratio()
	v := ScopeStats{
		Trades: s.Trades, Wins: s.Wins, Losses: s.Losses, Neutral: s.Neutral,
		WinRate: ratio(s.WinRate()), ProfitFactor: ratio(s.ProfitFactor()),
		NetPnL: s.NetPnL, RealisedPnL: s.NetPnL, GrossProfit: s.GrossProfit, GrossLoss: s.GrossLoss, Fees: s.Fees,
		LongestLossStreak: s.LongestLossStreak, OpeningCapital: s.Capital, FinalEquity: s.Equity,
		MaxDrawdown: drawdownOf(s.MaxDrawdown), MaxDrawdownMarked: marked, ClosedBreakers: []ClosedBreaker{},
	}
	for _, b := range s.ClosedBreakers {
		v.ClosedBreakers = append(v.ClosedBreakers, ClosedBreaker{b.Rule.Name, b.Trade, b.Time, shown(b.Rule, b.Value)})
	}
	return v
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
