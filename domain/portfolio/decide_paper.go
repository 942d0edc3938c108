package portfolio

import (
	"strings"

	"pets/domain"
	"pets/domain/payoff"
	"pets/domain/risk"
)

// maxPaperFills limits the paper fills of one command beside its own records, so
// that they fit one append. The rest is filled with the next mark.
const maxPaperFills = 100

// fillOnPaper fills an order that has just been permitted, as a taker: at the
// mark, worsened by the policy's paper_slippage_bps, but never worse than its
// limit. Without a mark it fills at the limit. An order whose limit the mark does
// not reach rests.
func (d *Decision) fillOnPaper(permit string) {
	p := d.s.Permits[permit]
	if p == nil { // An earlier leg tripped a breaker.
		return
	}
	price := p.LimitPrice
	if mark, ok := d.s.PriceOf(p.Instrument, p.Bot); ok {
		if !reaches(p, mark) {
			return
		}
		price = d.slipped(p, mark)
	}
	d.paperFill(p, price)
}

// reaches reports that an order could be filled at a price.
func reaches(p *risk.Permit, price domain.Decimal) bool {
	if p.Side == domain.Buy {
		return !p.LimitPrice.Less(price)
	}
	return !price.Less(p.LimitPrice)
}

// slipped returns the mark as a taker gets it.
func (d *Decision) slipped(p *risk.Permit, mark domain.Decimal) domain.Decimal {
	slip := domain.MulDiv(mark, d.s.Policy.PaperSlippageBPS, domain.FromInt(10_000))
	if p.Side == domain.Buy {
		return mark.Add(slip).Min(p.LimitPrice)
	}
	return mark.Sub(slip).Max(p.LimitPrice)
}

// paperFill fills the order as far as it is still granted. Closing quantity that
// another order has closed meanwhile would open exposure, which was not checked.
// The fill marks only an instrument without a mark, because its price was derived
// from the mark.
func (d *Decision) paperFill(p *risk.Permit, price domain.Decimal) {
	quantity := p.OpeningLeft.Add(p.ReducingLeft)
	if quantity.Sign() <= 0 {
		return
	}
	e := &domain.FillRecorded{
		FillID:     d.s.paperFillID(p),
		Instrument: p.Instrument, Side: p.Side, Quantity: quantity, Price: price, Notional: quantity.Mul(price),
		Fee: d.paperFee(p, quantity, price), Permit: p.ID, Status: domain.FillConfirmedStatus,
	}
	if d.checkFilled(e) != nil { // more than a bot may have: the order rests
		return
	}
	if d.haltedFill(e, true) { // the order rested when the bot was stopped
		e.Flags = append(e.Flags, domain.FlagHalted)
	}
	if d.s.legLate(p.ID, d.now) {
		e.Flags = append(e.Flags, domain.FlagLegLate)
	}
	if _, marked := d.s.PriceOf(p.Instrument, p.Bot); !marked {
		e.Mark = &price
	}
	d.book(e, e, 0)
}

// paperFillID names the next fill of an order. A void may bring back closing
// quantity, which is then filled after the rest. An order may have many fills, so it looks for
// their end by doubling the leg, and then halving what is left. The leg that it finds is free
// even if an import left others free before it.
func (s *State) paperFillID(p *risk.Permit) domain.FillID {
	id := domain.FillID{Bot: p.Bot, Venue: domain.VenuePaper, TradeID: p.ID}
	taken := func(leg int) bool {
		id.Leg = leg
		_, _, known := s.fill(id, "")
		return known
	}
	first, free := 0, 0 // every leg that was found taken is below first
	for taken(free) {
		first, free = free+1, 2*free+1
	}
	for first < free {
		if middle := first + (free-first)/2; taken(middle) {
			first = middle + 1
		} else {
			free = middle
		}
	}
	id.Leg = free
	return id
}

// paperFee is fee_bps of the notional. For an order that named its fee it is the
// proportional part of that fee, less if the price is below the limit, because
// the named fee is the worst case.
func (d *Decision) paperFee(p *risk.Permit, quantity, price domain.Decimal) domain.Decimal {
	if p.Fee == d.orderFee(p.Order) {
		return d.defaultFee(quantity.Mul(price))
	}
	return domain.MulDiv(domain.MulDiv(p.Fee, quantity, p.Quantity), price.Min(p.LimitPrice), p.LimitPrice)
}

// fillRestingOnPaper fills the orders whose limit a new mark reaches, at the
// limit: they rested there. Under the second edition a bot's word fills only its own
// orders (only), because it moves no other bot's money, and a mark of an outcome is one of
// its complement at 1 − it.
func (d *Decision) fillRestingOnPaper(marks []domain.Mark, only string) {
	n := 0
	for _, m := range marks {
		i := domain.Instrument{Market: m.Market, Outcome: m.Outcome}
		d.fillRestingAt(i, m.Price, only, &n)
		if market := d.s.together(i); market != nil && len(market.Outcomes) > minOutcomes {
			name, is := strings.CutPrefix(i.Outcome, payoff.Not)
			if i.Outcome = name; !is {
				i.Outcome = payoff.Complement(name)
			}
			d.fillRestingAt(i, domain.One.Sub(m.Price), only, &n)
		}
	}
}

// fillRestingAt fills the orders of one instrument. n counts the fills of the command.
func (d *Decision) fillRestingAt(i domain.Instrument, price domain.Decimal, only string, n *int) {
	of := d.s.permits.paper[i]
	if only != "" {
		of = d.s.permitsOf(only)
	}
	for _, id := range idsOf(of, func(p *risk.Permit) bool {
		// No order has quantity or price 0, but a stream written by another
		// program may hold one.
		return p.PaperFill && p.Instrument == i && p.Left.Sign() > 0 && p.LimitPrice.Sign() > 0 && reaches(p, price)
	}) {
		// An earlier fill may have tripped a breaker and revoked it.
		if p := d.s.Permits[id]; p != nil && p.Live(d.now) && *n < maxPaperFills {
			d.paperFill(p, p.LimitPrice)
			*n++
		}
	}
}

// fillConfirmedOnPaper does so for the marks that have waited long enough.
func (d *Decision) fillConfirmedOnPaper(waited []domain.ConfirmedMark) {
	var marks []domain.Mark
	for _, e := range waited {
		if e.Asset == "" {
			marks = append(marks, domain.Mark{Market: e.Market, Outcome: e.Outcome, Price: e.Price})
		}
	}
	d.fillRestingOnPaper(marks, "")
}
