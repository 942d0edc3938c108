package portfolio

import (
	"slices"

	"pets/domain"
	"pets/domain/risk"
)

// evaluate holds the breakers against what has just changed, in the order of
// section 6: consecutive_losses of each bot that moved, daily_loss, bot_drawdown
// of each, portfolio_drawdown. It runs in the decision that emitted the cause,
// so a trip stands in the same append.
func (d *Decision) evaluate(bots []string) {
	bots = slices.Sorted(slices.Values(bots))
	for _, b := range bots {
		d.judge(risk.Key{Breaker: domain.ConsecutiveLosses, Bot: b})
	}
	d.judge(risk.Key{Breaker: domain.DailyLoss})
	for _, b := range bots {
		d.judge(risk.Key{Breaker: domain.BotDrawdown, Bot: b})
	}
	d.judge(risk.Key{Breaker: domain.PortfolioDrawdown})
}

func (d *Decision) judge(key risk.Key) {
	s := d.s
	if !s.evaluated(key) {
		return
	}
	value := s.BreakerValue(key)
	switch s.breaker(key).Judge(&s.Policy, key.Breaker, value) {
	case risk.Trips:
		d.trip(key, value) // the line that trips a breaker
	case risk.Warns:
		d.emit(&domain.BreakerWarned{
			Breaker: key.Breaker, Bot: key.Bot, Value: value,
			Level: risk.WarnLevel(&s.Policy, key.Breaker), Limit: risk.LimitOf(&s.Policy, key.Breaker),
		})
	case risk.Quiet:
	}
}

// evaluated: a scope whose capital was withdrawn is not looked at until it has
// capital again; a streak needs none.
func (s *State) evaluated(key risk.Key) bool {
	switch {
	case key.Breaker == domain.ConsecutiveLosses:
		return s.Bots[key.Bot] != nil
	case key.Bot == "":
		return s.Refs.Evaluated(s.Equity())
	default:
		b := s.Bots[key.Bot]
		return b != nil && b.Refs.Evaluated(b.Equity())
	}
}

func (s *State) breaker(key risk.Key) risk.Breaker {
	if b := s.Breakers[key]; b != nil {
		return *b
	}
	return risk.Breaker{Status: risk.OK}
}

// BreakerKeys lists every breaker the portfolio has: two of its own and two of
// each bot, in the order they are evaluated.
func (s *State) BreakerKeys() []risk.Key {
	ids := s.BotIDs()
	keys := make([]risk.Key, 0, 2*len(ids)+2)
	for _, id := range ids {
		keys = append(keys, risk.Key{Breaker: domain.ConsecutiveLosses, Bot: id})
	}
	keys = append(keys, risk.Key{Breaker: domain.DailyLoss})
	for _, id := range ids {
		keys = append(keys, risk.Key{Breaker: domain.BotDrawdown, Bot: id})
	}
	return append(keys, risk.Key{Breaker: domain.PortfolioDrawdown})
}

// Breaker returns the status of a breaker and the revision that set it.
func (s *State) Breaker(key risk.Key) risk.Breaker { return s.breaker(key) }

// trip records the trip with everything it stops: all running bots, or only the
// breaker's own where the policy narrows it, and their permits not yet placed.
// portfolio_drawdown is an emergency stop as well.
func (d *Decision) trip(key risk.Key, value domain.Decimal) {
	s := d.s
	only := ""
	if key.Bot != "" && s.Policy.BreakerStops == domain.StopBot {
		only = key.Bot
	}
	stops := domain.StopAll
	if key.Bot != "" {
		stops = s.Policy.BreakerStops
	}
	equity, reference := s.measured(key)
	d.emit(&domain.BreakerTripped{
		Breaker: key.Breaker, Scope: key.Scope(), Bot: key.Bot, Equity: equity, Reference: reference, Stops: stops,
		Value: value, Limit: risk.LimitOf(&s.Policy, key.Breaker), Cause: d.cause,
		BotsStopped: s.runningBots(only), PermitsRevoked: s.unplacedPermits(only, d),
		ClosePositions: s.Policy.ClosePositionsOnTrip,
	})
	// It engages the emergency stop, or makes a lesser one graver.
	if key.Breaker == domain.PortfolioDrawdown && domain.GraverStop(s.Stop.Kind, domain.StopPortfolioDrawdown) != s.Stop.Kind {
		d.engage(domain.StopPortfolioDrawdown, "portfolio_drawdown tripped at "+value.Ratio().String()+", limit "+s.Policy.MaxPortfolioDrawdownPct.String())
	}
}

// measured returns the equity a ratio was taken of and the reference it was
// measured from; a streak has neither.
func (s *State) measured(key risk.Key) (equity, reference *domain.Decimal) {
	e, r := s.Equity(), s.Refs.Peak
	switch key.Breaker {
	case domain.ConsecutiveLosses:
		return nil, nil
	case domain.DailyLoss:
		r = s.Refs.DayOpen
	case domain.BotDrawdown:
		e, r = s.Bots[key.Bot].Equity(), s.Bots[key.Bot].Refs.Peak
	}
	return &e, &r
}

// runningBots lists the bots a stop would stop, all or one.
func (s *State) runningBots(only string) []string {
	var ids []string
	for _, id := range s.BotIDs() {
		if s.Bots[id].Status == Running && (only == "" || only == id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// PermitIDs lists the permits that are remembered, in the order they were granted.
func (s *State) PermitIDs() []string {
	return s.permitIDs(func(*risk.Permit) bool { return true })
}

// unplacedPermits lists the live permits whose orders do not rest at a venue yet.
func (s *State) unplacedPermits(only string, d *Decision) []string {
	return s.permitIDs(func(p *risk.Permit) bool {
		return !p.Working && p.Live(d.now) && (only == "" || only == p.Bot)
	})
}

// Unplaced are the permits that could still be placed at the time of the last record, in
// the order they were granted.
func (s *State) Unplaced() []string {
	return s.permitIDs(func(p *risk.Permit) bool { return !p.Working && p.Live(s.Time) })
}

func (s *State) permitIDs(keep func(*risk.Permit) bool) []string { return idsOf(s.Permits, keep) }

func idsOf(permits map[string]*risk.Permit, keep func(*risk.Permit) bool) []string {
	var ids []string
	for id, p := range permits {
		if keep(p) {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, comparePermits)
	return ids
}

// comparePermits orders p9 before p10.
func comparePermits(a, b string) int {
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	if a < b {
		return -1
	}
	return 1
}

// haltedBy returns the tripped breakers that keep a bot from trading: those that
// stop all, and its own.
func (s *State) haltedBy(bot string) []risk.Key {
	var keys []risk.Key
	for key, b := range s.Breakers {
		if b.Status == risk.Tripped && (b.Stops == domain.StopAll || key.Bot == bot) {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, func(a, b risk.Key) int {
		if a.Breaker != b.Breaker {
			return slices.Index(breakerOrder, a.Breaker) - slices.Index(breakerOrder, b.Breaker)
		}
		if a.Bot < b.Bot {
			return -1
		}
		return 1
	})
	return keys
}

var breakerOrder = []string{domain.ConsecutiveLosses, domain.DailyLoss, domain.BotDrawdown, domain.PortfolioDrawdown}
