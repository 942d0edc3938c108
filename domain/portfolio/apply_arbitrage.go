package portfolio

import (
	"slices"
	"time"

	"pets/domain"
	"pets/domain/risk"
)

// fillLeg counts a fill of a leg.
func (s *State) fillLeg(p *risk.Permit, e *domain.FillRecorded) {
	if a := s.Arbitrages[p.Arbitrage]; a != nil {
		fillLegOf(a, p.ID, e)
	}
}

func fillLegOf(a *risk.Arbitrage, permit string, e *domain.FillRecorded) {
	leg := a.Leg(permit)
	if leg == nil {
		return
	}
	leg.Filled = leg.Filled.Add(e.Quantity)
	if e.Status == domain.FillProvisionalStatus {
		leg.Provisional = append(leg.Provisional, risk.LegFill{Fill: e.FillID, Quantity: e.Quantity})
	}
}

// fillLegAgain counts a fill of a leg that lives again, whether or not its permit still does.
func (s *State) fillLegAgain(e *domain.FillRecorded) {
	for _, a := range s.derived.arbitrages[e.Bot] {
		fillLegOf(a, e.Permit, e)
	}
}

// endLegFill handles a provisional fill of a leg that became final or was voided.
func (s *State) endLegFill(id domain.FillID, market string, voided bool) {
	for _, a := range s.derived.arbitrages[id.Bot] {
		for i := range a.Legs {
			leg := &a.Legs[i]
			n := slices.IndexFunc(leg.Provisional, func(f risk.LegFill) bool { return f.Fill == id && leg.Market == market })
			if n < 0 {
				continue
			}
			if voided {
				leg.Filled = leg.Filled.Sub(leg.Provisional[n].Quantity)
			}
			leg.Provisional = slices.Delete(leg.Provisional, n, n+1)
			return
		}
	}
}

// tidyArbitrages forgets the ended arbitrages of a bot ("" for all).
func (s *State) tidyArbitrages(bot string) {
	of := s.Arbitrages
	if bot != "" {
		of = s.derived.arbitrages[bot]
	}
	for _, a := range of {
		if s.ended(a) {
			s.forgetArbitrage(a)
		}
	}
}

// ended reports that every leg is finally filled, or that no order is left and
// everything held is covered.
func (s *State) ended(a *risk.Arbitrage) bool {
	if !a.Final() || len(a.Legs) == 0 {
		return false
	}
	if a.Complete() {
		return true
	}
	if slices.ContainsFunc(a.Legs, func(l risk.Leg) bool { return s.Permits[l.Permit] != nil }) {
		return false
	}
	return len(s.openLegs(a)) == 0 && !s.mayReopen(a)
}

// mayReopen reports that a void can bring back a holding that is closed now.
func (s *State) mayReopen(a *risk.Arbitrage) bool {
	return slices.ContainsFunc(a.Legs, func(l risk.Leg) bool { return s.derived.voidable[place{l.Market, a.Bot}] > 0 })
}

// coverOf returns the outcomes of a market of which one will win: a share of each of them
// pays 1 together.
func (s *State) coverOf(market string) []string {
	if m := s.exclusive(market); m != nil {
		return s.alive(m, market)
	}
	return s.outcomesOf(market)
}

// sureOf returns the outcomes of a market whose shares pay a certain sum together, or
// none. Under the second edition that takes an exclusive market.
func (s *State) sureOf(market string) []string {
	if s.Policy.Second() && s.exclusive(market) == nil {
		return nil
	}
	return s.coverOf(market)
}

// openBlocked returns an arbitrage of a bot with a leg in a blocked zone that is neither
// complete nor closed, or "". A leg whose fill can be voided is not complete.
func (s *State) openBlocked(bot string, now time.Time) string {
	var found string
	for id, a := range s.derived.arbitrages[bot] {
		open := !a.Final() || !a.Complete() && (len(s.resting(a, now)) > 0 || len(s.openLegs(a)) > 0)
		if a.Blocked && open && (found == "" || comparePermits(id, found) < 0) {
			found = id
		}
	}
	return found
}

// openLegs returns what is still held of legs that the others do not cover.
func (s *State) openLegs(a *risk.Arbitrage) []domain.OpenLeg {
	var open []domain.OpenLeg
	for _, o := range a.Filled().Open(s.coverOf) {
		if o.Quantity = s.openOf(a.Bot, o); !o.Quantity.IsZero() {
			open = append(open, o)
		}
	}
	return open
}

// openOf returns what a bot still holds of an open leg, signed, less what its
// other holdings cover.
func (s *State) openOf(bot string, o domain.OpenLeg) domain.Decimal {
	held := risk.Shares{}
	for _, in := range s.instrumentsOf(o.Market) {
		m := s.Markets[o.Market]
		if h := in.Holding(bot); h != nil && m != nil && m.has(in.Outcome) {
			held[in.Instrument] = h.Quantity
		}
	}
	for _, open := range held.Open(s.coverOf) {
		switch {
		case open.Instrument != o.Instrument || open.Quantity.Sign() != o.Quantity.Sign():
		case open.Quantity.Sign() < 0:
			return open.Quantity.Max(o.Quantity)
		default:
			return open.Quantity.Min(o.Quantity)
		}
	}
	return domain.Zero
}

// OpenLegs lists the uncovered holdings of arbitrages whose legs were not all
// filled in time.
func (s *State) OpenLegs(bot string) risk.Shares {
	open := risk.Shares{}
	for _, a := range s.derived.arbitrages[bot] {
		if !a.TimedOut {
			continue
		}
		for _, o := range a.Filled().Open(s.coverOf) {
			open[o.Instrument] = open[o.Instrument].Add(o.Quantity)
		}
	}
	for i, quantity := range open {
		if open[i] = s.openOf(bot, domain.OpenLeg{Instrument: i, Quantity: quantity}); open[i].IsZero() {
			delete(open, i)
		}
	}
	return open
}

// legLate reports that a permit belongs to a leg of an arbitrage past its leg
// time-out.
func (s *State) legLate(permit string, now time.Time) bool {
	p := s.Permits[permit]
	if p == nil {
		return false
	}
	a := s.Arbitrages[p.Arbitrage]
	return a != nil && !now.Before(a.Deadline)
}
