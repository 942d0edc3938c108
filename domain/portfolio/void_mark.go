package portfolio

import (
	"slices"

	"pets/domain"
	"pets/domain/ledger"
)

// unpermitted reports a flag of a fill that is not within a permit.
func unpermitted(flag string) bool {
	return flag == domain.FlagNoPermit || flag == domain.FlagPermitNotLive || flag == domain.FlagPermitExceeded
}

// voidMark returns the price at which a void values the bot's holding of the fill's instrument,
// or nil where the price in force stays. "Any word in live earns nothing": a word that the bot
// gave after the fill, while it held less, must not price what the void gives back above the
// cash that the void takes.
func (d *Decision) voidMark(id domain.FillID, p *ProvisionalFill) *domain.Decimal {
	in := d.s.Instruments[p.In]
	if !d.s.Policy.Second() || in == nil {
		return nil
	}
	h := in.Holding(id.Bot)
	if h == nil || !d.wordsEarn(in, id.Bot, p.Revision) {
		return nil
	}
	refold, ok := h.Void(id)
	if !ok {
		return nil
	}
	e := &domain.FillRecorded{FillID: id, Instrument: in.Instrument}
	worth, kinks, price, unmarked := d.worthVoided(in, h, refold, p.Revision)
	before := d.worthBefore(e)
	bound := before.Sub(refold.Money.Cash).Sub(refold.Money.Fee)
	if !bound.Less(unmarked) {
		return nil // also where the value falls: a voided purchase gives its cash back
	}
	allowed := func(m domain.Decimal) bool { return !bound.Less(worth(m)) }
	if mark := highest(price, kinks, allowed); mark != nil {
		return mark
	}
	// What a voided purchase leaves short earns the less, the higher it is priced.
	top := d.s.highestFor(in, refold.After.Quantity, price, bound)
	if mark := lowest(price, append(kinks, top), allowed); mark != nil {
		return mark
	}
	// At no price it earns nothing: then the one at which it earns least.
	return leastEarned(price, append(kinks, top), worth, unmarked)
}

// highestFor returns the highest price that a holding can be marked at: of an outcome 1,
// elsewhere that at which it comes to a worth.
func (s *State) highestFor(in *Instrument, quantity, price, worth domain.Decimal) domain.Decimal {
	switch {
	case s.KindOf(in.Market) == domain.KindOutcome:
		return domain.One
	case quantity.IsZero():
		return price
	}
	return price.Max(worth.Abs().Div(quantity.Abs()).Add(smallest)).Min(largestAmount.Max(price))
}

// smallest is the smallest amount.
var smallest = domain.MustDecimal("0.000000000000000001")

// wordsEarn reports whether a price that values a bot's holding of an instrument is the bot's
// own, from after a record, and may not earn anything.
func (d *Decision) wordsEarn(in *Instrument, bot string, after uint64) bool {
	i, _ := d.s.priced(in.Instrument, domain.Zero)
	own, together := []*Instrument{d.s.Instruments[i]}, d.s.together(in.Instrument)
	if together != nil {
		own = d.s.instrumentsOf(in.Market) // one without a mark has what the others leave
	}
	for _, o := range own {
		if o == nil || o.Payout != nil || d.s.together(o.Instrument) != together { // what the market has not prices nothing of it
			continue
		}
		if n, has := o.ownOf(bot); has {
			if m := o.Own[n].Marks.last(); m != nil && !m.Earns && m.Revision > after {
				return true
			}
		}
	}
	return false
}

// worthVoided returns what the bot's holdings of a market, or of an instrument elsewhere, are
// worth after a void at a mark of the instrument, the marks at which that may begin to rise or
// to fall, the price that values it then, which may be what the others leave, and what they
// are worth at that.
func (d *Decision) worthVoided(in *Instrument, h *Holding, refold ledger.Refold, revision uint64) (worth func(domain.Decimal) domain.Decimal, kinks []domain.Decimal, price, unmarked domain.Decimal) {
	price = domain.One
	i, _ := d.s.priced(in.Instrument, domain.Zero)
	known := false
	if p := d.s.Instruments[i]; p != nil {
		mark := p.Mark()
		if n, has := p.ownOf(h.Bot); has {
			own := slices.Clone(p.Own[n].Marks)
			if own.pull(revision); len(own) > 0 {
				mark = own.last()
			}
		}
		if mark != nil {
			_, price = d.s.priced(in.Instrument, mark.Price)
			known = true
		}
	}
	m := d.s.together(in.Instrument)
	if m == nil {
		if !known {
			return func(domain.Decimal) domain.Decimal { return refold.After.Cost }, nil, price, refold.After.Cost
		}
		worth = func(mark domain.Decimal) domain.Decimal { return d.s.bearable(refold.After.Quantity.Mul(mark)) }
		return worth, nil, price, worth(price)
	}
	held := d.s.held(m, in.Market, h.Bot)
	held.Add(in.Outcome, refold.After.Quantity.Sub(h.Quantity))
	marks := d.s.prices(held.Outcomes, in.Market, h.Bot)
	at := slices.Index(held.Outcomes, i.Outcome)
	if at < 0 {
		return func(domain.Decimal) domain.Decimal { return held.Min() }, nil, price, held.Min()
	}
	rest, missing := domain.One, 1
	for n, mark := range marks {
		switch {
		case n == at:
		case mark.Known:
			rest = rest.Sub(mark.Price)
		default:
			missing++
		}
	}
	_, kink := d.s.priced(in.Instrument, rest)
	_, marks[at].Price = d.s.priced(in.Instrument, price)
	if marks[at].Known = known; !known { // what the others leave, in equal parts
		_, price = d.s.priced(in.Instrument, rest.Max(domain.Zero).Div(domain.FromInt(int64(missing))))
	}
	unmarked = worthAt(held, marks)
	return func(mark domain.Decimal) domain.Decimal {
		_, marks[at].Price = d.s.priced(in.Instrument, mark)
		marks[at].Known = true
		return worthAt(held, marks)
	}, []domain.Decimal{kink}, price, unmarked
}

// markVoid makes the price that a void says that of the bot's own holding. It is as old as the
// price that it takes the place of.
func (s *State) markVoid(at domain.Stamp, e *domain.FillVoided, in *Instrument) {
	i, price := s.priced(in.Instrument, *e.Mark)
	s.bound(price)
	marked := s.instrument(i)
	mark := MarkEntry{Price: price, Revision: at.Revision, Time: at.Time, Source: MarkedByFill}
	if before := marked.priceInForce(e.Bot); before != nil {
		mark.Time = before.Time
	}
	marked.markFor(e.Bot, mark)
	if marked != in { // of a complement: what is held of its outcome has another price, too
		s.revalueFor(marked, e.Bot)
	}
}
