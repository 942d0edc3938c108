package chart

import (
	"maps"
	"slices"
	"strings"
	"time"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/domain/risk"
	"pets/eventstore"
)

// whyMostSteps bounds what a picture of why something tripped remembers: changes of what was open
// or of a limit, and prices.
const whyMostSteps = 100_000

// Why collects, between two times, what a picture of why something tripped shows beside equity:
// the equity at which the portfolio's breakers trip, what was open in each market, who said which
// price, and when something was halted. The zero time is unbounded.
type Why struct {
	From, To time.Time

	steps []whyStep
	said  []whySaid
	more  bool // there were more steps than are remembered
}

// whyStep is what held from a record on.
type whyStep struct {
	at     time.Time
	limits []whyLimit
	open   map[string]float64
	halted string // what the halt leaves to bots, or ""
}

// whyLimit is the equity at which a breaker of the portfolio trips.
type whyLimit struct {
	name   string
	equity float64
}

// saidBy is who said a price, and what became of it.
type saidBy int

const (
	saidMarket saidBy = iota
	saidBot
	saidWaits
	saidPayout
)

// whySaid is a price that was said of an outcome.
type whySaid struct {
	at    time.Time
	by    saidBy
	i     domain.Instrument
	price domain.Decimal
}

// Apply implements projections.Projection.
func (w *Why) Apply(rec eventstore.Record, e domain.Event, s *portfolio.State) {
	switch {
	case rec.Time.Before(w.From) || !w.To.IsZero() && rec.Time.After(w.To):
		return
	case len(w.steps)+len(w.said) >= whyMostSteps:
		w.more = true
		return
	}
	w.say(rec.Time, e)
	step := whyStep{at: rec.Time, limits: limitsOf(s), open: map[string]float64{}, halted: haltedOf(s)}
	for market, exposure := range s.Exposures() {
		step.open[market] = exposure.Float()
	}
	if n := len(w.steps); n == 0 || !w.steps[n-1].same(&step) {
		w.steps = append(w.steps, step)
	}
}

// same reports that nothing changed between two steps.
func (s *whyStep) same(o *whyStep) bool {
	return s.halted == o.halted && slices.Equal(s.limits, o.limits) && maps.Equal(s.open, o.open)
}

// limitsOf returns the equity at which each breaker of the portfolio trips, once there is any
// capital.
func limitsOf(s *portfolio.State) []whyLimit {
	var all []whyLimit
	for r := range risk.Rules() {
		if r.Scope != risk.OfPortfolio || r.From == nil || !r.IsOn(&s.Policy) {
			continue
		}
		from := r.From(risk.Subject{Refs: &s.Refs, Equity: s.Equity(), Time: s.Time})
		if from.Sign() <= 0 {
			continue
		}
		all = append(all, whyLimit{r.Name, from.Mul(domain.One.Sub(r.Limit(&s.Policy))).Float()})
	}
	return all
}

// haltedOf returns what is left to bots while a breaker is tripped or everything is stopped: the
// most that any bot that has to stand still may do.
func haltedOf(s *portfolio.State) string {
	tripped := false
	for _, b := range s.Breakers {
		tripped = tripped || b.Status == risk.Tripped
	}
	if !tripped && !s.Stop.Engaged {
		return ""
	}
	for id := range s.Bots {
		if s.Leaves(id, false) == portfolio.LeaveReduce {
			return "halted: bots may only reduce"
		}
	}
	return "halted: bots may do nothing"
}

// say remembers the prices of an event.
func (w *Why) say(at time.Time, e domain.Event) {
	switch e := e.(type) {
	case *domain.PriceMarked:
		for _, m := range e.Marks {
			by := saidMarket
			switch {
			case m.Waits:
				by = saidWaits
			case e.Source == domain.RoleBot:
				by = saidBot
			}
			if m.Asset == "" {
				w.said = append(w.said, whySaid{at, by, domain.Instrument{Market: m.Market, Outcome: m.Outcome}, m.Price})
			}
		}
	case *domain.MarkConfirmed:
		for _, m := range e.All() {
			if m.Asset == "" {
				w.said = append(w.said, whySaid{at, saidMarket, domain.Instrument{Market: m.Market, Outcome: m.Outcome}, m.Price})
			}
		}
	case *domain.FillReinstated:
		w.say(at, &e.FillRecorded)
	case *domain.FillRecorded:
		if e.Mark != nil {
			w.said = append(w.said, whySaid{at, saidBot, e.Instrument, *e.Mark})
		}
	case *domain.MarketSettled:
		w.said = append(w.said, whySaid{at, saidPayout, e.Instrument, e.Payout})
	case *domain.MarketPaidOut:
		for outcome, payout := range e.Payouts {
			w.said = append(w.said, whySaid{at, saidPayout, domain.Instrument{Market: e.Market, Outcome: outcome}, payout})
		}
	}
}

// markets lists the markets in which something was open or priced, in the order in which they
// appeared.
func (w *Why) markets() []string {
	first := map[string]time.Time{}
	see := func(market string, at time.Time) {
		if t, ok := first[market]; !ok || at.Before(t) {
			first[market] = at
		}
	}
	for _, step := range w.steps {
		for market := range step.open {
			see(market, step.at)
		}
	}
	for _, said := range w.said {
		see(said.i.Market, said.at)
	}
	var all []string
	for market := range first {
		all = append(all, market)
	}
	slices.SortFunc(all, func(a, b string) int {
		if c := first[a].Compare(first[b]); c != 0 {
			return c
		}
		return strings.Compare(a, b)
	})
	return all
}

// outcome returns the outcome of a market whose prices are shown: the last one by name, which of
// YES and NO is YES.
func (w *Why) outcome(market string) string {
	name := ""
	for _, said := range w.said {
		if said.i.Market == market {
			name = max(name, said.i.Outcome)
		}
	}
	return name
}
