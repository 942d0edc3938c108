package portfolio

import (
	"slices"

	"pets/domain"
	"pets/domain/ledger"
	"pets/domain/payoff"
)

// Complements: with two outcomes "!YES" is read as "NO". What bots hold, and were permitted,
// under the name of a complement before their market was registered goes on under that of
// the outcome, or no request could name it any more.

// renamed is an instrument that is another outcome by another name.
type renamed struct {
	*Instrument
	to domain.Instrument
}

// others returns the instruments of a market that are another outcome by another name.
func (s *State) others(market string, outcomes []string) []renamed {
	var found []renamed
	for _, in := range s.instrumentsOf(market) {
		if name := payoff.Canonical(outcomes, in.Outcome); name != in.Outcome && in.Payout == nil {
			found = append(found, renamed{in, domain.Instrument{Market: market, Outcome: name}})
		}
	}
	return found
}

// joins reports whether what a bot holds of one instrument can go on as a holding of
// another: not if it is long in the one and short in the other, which one order would have
// to close for it, nor if fills of one can still be voided, because only each by itself can
// be folded again.
func joins(from, to *Holding) bool {
	switch {
	case to == nil, to.IsFlat() && len(to.Tail) == 0, from.IsFlat() && len(from.Tail) == 0:
		return true
	}
	return len(from.Tail)+len(to.Tail) == 0 && from.Quantity.Sign() == to.Quantity.Sign()
}

// checkJoins refuses to register a market with two outcomes in which a bot's holdings cannot
// be made one.
func (d *Decision) checkJoins(e *domain.MarketRegistered) error {
	for _, in := range d.s.others(e.Market, e.Outcomes) {
		other := d.s.Instruments[in.to]
		if other == nil {
			continue
		}
		if slices.ContainsFunc(in.Holdings, func(h *Holding) bool { return !joins(h, other.Holding(h.Bot)) }) {
			return &domain.Error{Code: domain.CodeConflict, Field: "outcomes", Message: "make " + payoff.Not + " of the one the other, and a bot is long in one and short in the other, or has fills in them that can still be voided; close one of them, or confirm the fills, first"}
		}
	}
	return nil
}

// joinComplements makes what stands under the names of complements in a market that is now
// registered with two outcomes part of the outcomes: holdings at their cost, permits and
// legs. No equity moves by that.
func (s *State) joinComplements(market string, m *Market) {
	for _, in := range s.others(market, m.Outcomes) {
		i, to := in.Instrument.Instrument, in.to
		for _, h := range slices.Clone(in.Holdings) {
			if joins(h, s.instrument(to).Holding(h.Bot)) {
				s.join(in.Instrument, h, to)
			}
		}
		s.renameOrders(i, to)
	}
}

// renameOrders has the permits and legs of one instrument be of another.
func (s *State) renameOrders(from, to domain.Instrument) {
	for _, p := range s.Permits {
		if p.Instrument != from {
			continue
		}
		if p.PaperFill {
			s.permits.dropPaper(p)
		}
		if p.Instrument = to; p.PaperFill {
			s.permits.addPaper(p)
		}
		s.changedPermit(p)
	}
	for _, a := range s.Arbitrages {
		for n := range a.Legs {
			if a.Legs[n].Instrument == from {
				a.Legs[n].Instrument = to
			}
		}
	}
}

// join moves a holding of one instrument into that of another.
func (s *State) join(from *Instrument, h *Holding, to domain.Instrument) {
	b := s.bot(h.Bot)
	into := s.hold(s.instrument(to), h.Bot)
	s.post(ledger.Move(ledger.PositionOf(s.BaseAsset, h.Bot, to), ledger.PositionOf(s.BaseAsset, h.Bot, from.Instrument), h.Cost)...)
	if into.IsFlat() && len(into.Tail) == 0 && into.OwnWord.IsZero() {
		into.Holding = h.Holding
	} else {
		into.Position = into.Join(h.Position)
	}
	into.Value, into.Oversold = into.Value.Add(h.Value), into.Oversold || h.Oversold
	s.moveProvisional(h.Bot, from.Instrument, to)
	if h.counted {
		s.setPositions(b, b.Positions-1)
	}
	s.countPositions(b, into)
	b.claims, h.weight = b.claims.Sub(h.weight), domain.Zero
	s.weigh(s.instrument(to), into)
	s.unhold(from, h.Bot)
	from.drop(h.Bot)
}

// formerly returns a fill by the name that its outcome may have been reported under before
// its market was registered with two outcomes, or nil.
func (s *State) formerly(e *domain.FillRecorded) *domain.FillRecorded {
	m := s.together(e.Instrument)
	if m == nil || len(m.Outcomes) != minOutcomes {
		return nil
	}
	at := slices.Index(m.Outcomes, e.Outcome)
	if at < 0 {
		return nil
	}
	older := *e
	older.Outcome = payoff.Complement(m.Outcomes[1-at])
	return &older
}
