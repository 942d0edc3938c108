// Package tradestats computes the statistics of closed trades, which decide
// whether a bot may go live.
//
// It owns the closed-trade series and the figures drawn from it. It refuses to
// use marks or open positions: everything follows from closed trades and flows
// alone, so that it can be checked by hand from an account statement.
package tradestats

import (
	"maps"
	"slices"
	"time"

	"pets/domain"
	"pets/domain/risk"
)

// Trade is one result of the series: a closed trade, or several that count as one.
type Trade struct {
	Bot    string
	Time   time.Time // of the record that closed it
	PnL    domain.Decimal
	Fee    domain.Decimal
	Result domain.Result // "" while it waits for the next result in its market
	// More is how many closed trades it has beside the first.
	More int
}

// Step is one entry of the closed-trade series, in stream order: a closed trade
// or a flow of the scope.
type Step struct {
	Trade *Trade
	Flow  domain.Decimal
}

// Limits are the limits that a series is compared with, by the name of the
// breaker: one for each breaker that applies to closed trades and is on.
type Limits map[string]domain.Decimal

// LimitsFor returns the limits for the merged series of a portfolio: its policy's, with the
// drawdown of a single bot. The first edition compared it with the defaults.
func LimitsFor(p *domain.Policy) Limits {
	if p.Second() {
		return LimitsOf(p)
	}
	return DefaultLimits()
}

// DefaultLimits are the limits of a bot under the default policy.
func DefaultLimits() Limits {
	p := domain.DefaultPolicy(domain.ModePaper)
	return LimitsOf(&p)
}

// LimitsOf returns a bot's limits under a policy.
func LimitsOf(p *domain.Policy) Limits {
	limits := Limits{}
	for r := range risk.Rules() {
		if r.OnClosed && r.IsOn(p) {
			limits[r.Name] = r.Limit(p)
		}
	}
	return limits
}

// ClosedBreaker says where a breaker would first trip on the closed-trade series
// alone, if nothing had stopped the bot.
type ClosedBreaker struct {
	Rule *risk.Rule
	// Trade is the number of the closed trade, from 1.
	Trade int
	Time  time.Time
	Value domain.Decimal
	Limit domain.Decimal
}

// Extreme is a point of the series: after the Trade-th closed trade (0: the
// opening capital), at a time.
type Extreme struct {
	Equity domain.Decimal
	Trade  int
	Time   time.Time
}

// Day is the P&L of the results of a calendar day.
type Day struct {
	Date string
	PnL  domain.Decimal
}

// MaxDrawdown is the fall with the largest ratio, or the largest amount.
type MaxDrawdown struct {
	Abs, Ratio   domain.Decimal
	Peak, Trough Extreme
}

// Stats are the figures of the closed trades of one scope.
type Stats struct {
	Trades, Results        int // Results are what the next three count
	Wins, Losses, Neutral  int
	NetPnL                 domain.Decimal
	GrossProfit, GrossLoss domain.Decimal // both positive
	Fees                   domain.Decimal
	LongestLossStreak      int
	StreakEnd              Extreme        // the last loss of the first of the longest streaks
	StreaksAtLimit         int            `json:"-"` // streaks that reached the limit of losses in a row
	Best, Worst            *Day           // nil without trades
	Capital, Equity        domain.Decimal // before the first close, after the last
	MaxDrawdown            MaxDrawdown
	DeepestDrawdown        MaxDrawdown     // that of the largest amount
	ClosedBreakers         []ClosedBreaker `json:"-"`
}

// WinRate is wins ÷ results, nil without results.
func (s *Stats) WinRate() *domain.Decimal {
	if s.Results == 0 {
		return nil
	}
	rate := domain.FromInt(int64(s.Wins)).Div(domain.FromInt(int64(s.Results)))
	return &rate
}

// ProfitFactor is gross profit ÷ gross loss, nil without losses.
func (s *Stats) ProfitFactor() *domain.Decimal {
	if s.Losses == 0 || s.GrossLoss.IsZero() {
		return nil
	}
	factor := s.GrossProfit.Div(s.GrossLoss)
	return &factor
}

// Compute walks a whole series.
func Compute(steps []Step, limits Limits, zone *time.Location) Stats {
	w := Begin(limits, zone)
	for i := range steps {
		w.Step(steps[i])
	}
	return w.Stats()
}

// Walk is a pass over a series, which may go on whenever there is more of it. Days are
// counted in zone. The series starts at the net flows before the first close. Later flows
// scale its references as [risk.References.Flow] does. A day opens at the equity after the
// last close before it.
//
// Of what depends on limits it holds enough to tell it for other limits, too: see By.
type Walk struct {
	limits Limits
	zone   *time.Location
	rises  []rises     // of each breaker that it follows
	ended  map[int]int // how many streaks of losses ended at each length
	stats  Stats
	refs   risk.References
	equity domain.Decimal
	day    string
	today  domain.Decimal // P&L of the day
	streak risk.Streak
	peak   Extreme
}

// Begin returns a walk before the first step.
func Begin(limits Limits, zone *time.Location) *Walk {
	w := &Walk{limits: limits, zone: zone, rises: following(limits), ended: map[int]int{}}
	w.each(time.Time{}, func(r *risk.Rule) func(risk.Subject) { return r.On })
	return w
}

// Step takes the next step of the series.
func (w *Walk) Step(s Step) {
	if s.Trade != nil {
		w.close(s.Trade)
	} else {
		w.flow(s.Flow)
	}
}

// Clone returns a walk that goes on by itself.
func (w *Walk) Clone() *Walk {
	c := *w
	c.refs = w.refs.Clone()
	c.ended = maps.Clone(w.ended)
	c.rises = slices.Clone(w.rises)
	for i := range c.rises {
		c.rises[i].list = slices.Clip(c.rises[i].list)
	}
	return &c
}

// Stats returns the figures of the steps so far, as if the series ended here, by the limits that
// the walk began with.
func (w *Walk) Stats() Stats {
	s, _ := w.By(w.limits)
	return s
}

// By returns the figures by other limits than those that the walk began with, or false if the walk
// does not tell them: another one has to begin with these limits. It does tell them if each limit
// is a multiple of a thousandth, unless the breaker is one that the walk does not follow.
func (w *Walk) By(limits Limits) (s Stats, known bool) {
	c := *w // the last day ends in the copy
	c.endDay()
	s = c.stats
	s.Equity = c.equity
	if s.Trades == 0 {
		s.Capital = c.equity
	}
	if limit, on := limits[domain.ConsecutiveLosses]; on {
		s.StreaksAtLimit = w.streaksOf(limit)
	}
	s.ClosedBreakers, known = w.closedBreakers(limits)
	return s, known
}

func (w *Walk) flow(amount domain.Decimal) {
	before := w.equity
	w.equity = w.equity.Add(amount)
	w.refs.Flow(before, amount, false)
	// A flow moves the level of the peak, but not the time it was reached. A
	// drawdown measured before it keeps its figures.
	w.peak.Equity = w.refs.LifetimePeak
}

func (w *Walk) close(t *Trade) {
	if w.stats.Trades == 0 {
		w.stats.Capital = w.equity
	}
	if day := t.Time.In(w.zone).Format(time.DateOnly); day != w.day {
		w.endDay()
		w.day = day
		w.each(t.Time, func(r *risk.Rule) func(risk.Subject) { return r.Day })
	}
	w.each(t.Time, func(r *risk.Rule) func(risk.Subject) { return r.Hour })
	w.count(t)
	w.equity, w.today = w.equity.Add(t.PnL), w.today.Add(t.PnL)
	w.measure(t)
	w.judge(t)
}

// endDay compares the day that ends with the best and the worst one.
func (w *Walk) endDay() {
	if w.day == "" {
		return
	}
	d, s := &Day{w.day, w.today}, &w.stats
	if s.Best == nil || s.Best.PnL.Less(d.PnL) {
		s.Best = d
	}
	if s.Worst == nil || d.PnL.Less(s.Worst.PnL) {
		s.Worst = d
	}
	w.today = domain.Zero
}

// subject returns the scope of the series, as the breakers measure it.
func (w *Walk) subject(at time.Time) risk.Subject {
	return risk.Subject{Refs: &w.refs, Equity: w.equity, Streak: &w.streak, Time: at}
}

// each runs one hook of every breaker that has it.
func (w *Walk) each(at time.Time, what func(*risk.Rule) func(risk.Subject)) {
	for i := range w.rises {
		if hook := what(w.rises[i].rule); hook != nil {
			hook(w.subject(at))
		}
	}
}

func (w *Walk) count(t *Trade) {
	s := &w.stats
	s.Trades += 1 + t.More
	s.NetPnL = s.NetPnL.Add(t.PnL)
	s.Fees = s.Fees.Add(t.Fee)
	if t.PnL.Sign() > 0 {
		s.GrossProfit = s.GrossProfit.Add(t.PnL)
	} else {
		s.GrossLoss = s.GrossLoss.Sub(t.PnL)
	}
	if t.Result == "" {
		return
	}
	s.Results++
	switch t.Result {
	case domain.Win:
		s.Wins++
	case domain.Loss:
		s.Losses++
	case domain.Neutral:
		s.Neutral++
	}
	before := w.streak.Losses
	w.streak.Close(t.Result)
	w.streak.Results = nil // no trade is revised here
	if w.streak.Losses < before {
		w.ended[before]++
	}
	if t.Result != domain.Loss {
		return
	}
	if s.LongestLossStreak < w.streak.Losses {
		s.LongestLossStreak, s.StreakEnd = w.streak.Losses, Extreme{Trade: s.Trades, Time: t.Time}
	}
}

// measure updates the peak and the deepest drawdown.
func (w *Walk) measure(t *Trade) {
	before := w.refs.Max.Ratio
	oldPeak := w.refs.LifetimePeak
	w.refs.Perform(w.equity)
	if oldPeak.Less(w.refs.LifetimePeak) {
		w.peak = Extreme{Equity: w.equity, Trade: w.stats.Trades, Time: t.Time}
	}
	trough := Extreme{Equity: w.equity, Trade: w.stats.Trades, Time: t.Time}
	if before.Less(w.refs.Max.Ratio) {
		w.stats.MaxDrawdown = MaxDrawdown{Abs: w.refs.Max.Abs, Ratio: w.refs.Max.Ratio, Peak: w.peak, Trough: trough}
	}
	if fall := w.refs.LifetimePeak.Sub(w.equity); w.refs.Evaluated(w.equity) && w.stats.DeepestDrawdown.Abs.Less(fall) {
		w.stats.DeepestDrawdown = MaxDrawdown{Abs: fall, Ratio: fall.Div(w.refs.LifetimePeak).Min(domain.One), Peak: w.peak, Trough: trough}
	}
}

// judge notes at which trade each breaker would have tripped.
func (w *Walk) judge(t *Trade) {
	for i := range w.rises {
		r := &w.rises[i]
		r.note(r.rule.Value(w.subject(t.Time)), w.limits, w.stats.Trades, t.Time)
	}
}
