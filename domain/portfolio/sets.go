package portfolio

import (
	"slices"

	"pets/domain"
	"pets/domain/ledger"
	"pets/domain/payoff"
)

// ChangeSets records that a bot split cash into complete sets of an exclusive market,
// 1 for each, or merged sets into cash. Neither moves equity, apart from the fee. It
// is a fact of the chain; one of more than the books hold is refused with not_held,
// because fills are missing then.
func (d *Decision) ChangeSets(e *domain.SetsChanged) error {
	b, err := d.requireBot(e.Bot)
	if err != nil {
		return err
	}
	d.Look(e.Market)
	if err := d.checkSets(e); err != nil {
		return err
	}
	id := setID(e)
	if ref, ok := d.s.Past.Find(id, ""); ok {
		if ref.Content != contentOfSets(e) {
			return &domain.Error{Code: domain.CodeConflict, Field: "set_id", Message: "is already recorded with different content"}
		}
		d.note("this change of sets is already recorded", ref.Revision)
		return nil
	}
	m := d.s.exclusive(e.Market)
	if err := d.holdsSets(e, b, m); err != nil {
		return err
	}
	e.Parts = d.s.setParts(e, m)
	if err := d.checkSetClaim(e, b); err != nil {
		return err
	}
	d.due() // before episodes are named after the revision
	effects := d.fact(e)
	closed, moved := slices.Clone(effects.Closed), slices.Clone(effects.Moved)
	d.closeTrades(closed, domain.ClosedBySets)
	d.evaluate(moved)
	return nil
}

func setID(e *domain.SetsChanged) domain.FillID {
	return domain.FillID{Bot: e.Bot, TradeID: e.SetID, Leg: domain.SetLeg}
}

func contentOfSets(e *domain.SetsChanged) Content {
	return digest(e.Market, e.Action, e.Quantity.String(), e.Fee.String())
}

func (d *Decision) checkSets(e *domain.SetsChanged) error {
	for _, t := range []struct{ field, text string }{{"market", e.Market}, {"set_id", e.SetID}} {
		if err := domain.CheckText(t.field, t.text); err != nil {
			return err
		}
	}
	if err := d.checkIdentity("set_id", e.SetID); err != nil {
		return err
	}
	m := d.s.Markets[e.Market]
	switch {
	case e.Action != domain.SplitSets && e.Action != domain.MergeSets:
		return domain.Invalid("action", "must be split or merge")
	case e.Quantity.Sign() <= 0:
		return domain.Invalid("quantity", "must be above 0")
	case e.Fee.Sign() < 0:
		return domain.Invalid("fee", "must not be negative")
	case m == nil || !m.Exclusive:
		return domain.Invalid("market", "is not registered as exclusive, so it has no complete sets")
	case !e.Quantity.Add(e.Fee).InRange():
		return domain.Invalid("quantity", "reaches 10^15")
	}
	return nil
}

// holdsSets refuses what the books say the bot does not have.
func (d *Decision) holdsSets(e *domain.SetsChanged, b *Bot, m *Market) error {
	for _, outcome := range m.Outcomes {
		in := d.s.Instruments[domain.Instrument{Market: e.Market, Outcome: outcome}]
		if in != nil && in.Payout != nil && (in.Refunded || !in.Payout.IsZero() || d.s.decided(e.Market)) {
			return &domain.Error{Code: domain.CodeConflict, Field: "market", Message: "is settled, so it has no complete sets any more"}
		}
	}
	if e.Action == domain.SplitSets {
		if need := e.Quantity.Add(e.Fee); b.Cash.Less(need) {
			return &domain.Error{Code: domain.CodeNotHeld, Field: "quantity", Message: "and fee are " + need.String() + ", and the bot's cash is " + b.Cash.String() + "; report its fills first"}
		}
		return nil
	}
	for _, outcome := range d.s.alive(m, e.Market) {
		held := d.s.quantityOf(b.ID, domain.Instrument{Market: e.Market, Outcome: outcome})
		if held.Less(e.Quantity) {
			return &domain.Error{Code: domain.CodeNotHeld, Field: "quantity", Message: "is more than the " + held.String() + " × " + outcome + " that the bot holds; report its fills first"}
		}
	}
	return nil
}

// quantityOf returns what a bot holds of an instrument.
func (s *State) quantityOf(bot string, i domain.Instrument) domain.Decimal {
	if h := s.holding(bot, i); h != nil {
		return h.Quantity
	}
	return domain.Zero
}

// holding returns what a bot holds of an instrument, or nil.
func (s *State) holding(bot string, i domain.Instrument) *Holding {
	if in := s.Instruments[i]; in != nil {
		return in.Holding(bot)
	}
	return nil
}

// setParts divides the cash among the outcomes that may still win, which pay 1 together: a
// split by the marks, a merge by the cost that it takes out.
func (s *State) setParts(e *domain.SetsChanged, m *Market) []domain.SetPart {
	var shares []domain.Decimal
	outcomes := s.alive(m, e.Market)
	if e.Action == domain.SplitSets {
		shares = payoff.SplitShares(e.Quantity, s.prices(outcomes, e.Market, e.Bot))
	} else {
		taken := make([]domain.Decimal, len(outcomes))
		for n, outcome := range outcomes {
			h := s.Instruments[domain.Instrument{Market: e.Market, Outcome: outcome}].Holding(e.Bot)
			taken[n] = h.Apply(ledger.Trade{Side: domain.Sell, Quantity: e.Quantity}).Money.Cost.Neg()
		}
		shares = payoff.MergeShares(e.Quantity, taken)
	}
	parts := make([]domain.SetPart, len(shares))
	for n, outcome := range outcomes {
		parts[n] = domain.SetPart{Outcome: outcome, Cash: shares[n]}
	}
	return parts
}

// applySets buys, or sells, the same quantity of each outcome.
func (s *State) applySets(at domain.Stamp, e *domain.SetsChanged) {
	s.remember(at, e)
	b := s.bot(e.Bot)
	fees := feeParts(e)
	for n, part := range e.Parts {
		i := domain.Instrument{Market: e.Market, Outcome: part.Outcome}
		in := s.instrument(i)
		fact := ledger.Fact{Side: domain.Buy, Quantity: e.Quantity, Notional: part.Cash, Fee: fees[n], Dust: s.Policy.PositionDustUSD, Revision: at.Revision, At: at.Time, Part: n}
		if e.Action == domain.MergeSets {
			fact.Side = domain.Sell
		}
		h := s.hold(in, e.Bot)
		effect := h.Record(fact)
		s.postBot(b, ledger.PositionOf(s.BaseAsset, b.ID, i), effect.Money)
		h.Oversold = h.Quantity.Sign() < 0 && h.Oversold
		s.closed(b, in, effect.Closed)
		s.boundPosition(h.Position)
		s.reclaim(at, e.Bot, in)
	}
	s.moved(e.Bot)
	for _, part := range e.Parts {
		s.revalueFor(s.instrument(domain.Instrument{Market: e.Market, Outcome: part.Outcome}), e.Bot)
	}
}

// feeParts divides the fee as the cash was divided.
func feeParts(e *domain.SetsChanged) []domain.Decimal {
	cash := make([]domain.Decimal, len(e.Parts))
	for n, part := range e.Parts {
		cash[n] = part.Cash
	}
	return payoff.MergeShares(e.Fee, cash)
}
