package portfolio

import (
	"pets/domain"
	"pets/domain/ledger"
)

// What one bot may have under the second edition: more than the largest amount is a typing
// error. No fact may bring it there, of whatever role. So no bot comes near the range
// of amounts, where the marks and settlements of all would be refused.

// weigh keeps Bot.claims in step with one holding: its quantity, of an outcome at 1, else at
// the highest mark that is known, or without one what it cost.
func (s *State) weigh(in *Instrument, h *Holding) {
	weight := h.Quantity.Abs()
	if price, marked := in.highestMark(h.Bot); s.KindOf(in.Market) != domain.KindOutcome {
		if weight = weight.Mul(price); !marked {
			weight = h.Cost.Abs()
		}
	}
	if weight != h.weight {
		b := s.bot(h.Bot)
		b.claims = b.claims.Add(weight).Sub(h.weight)
		h.weight = weight
	}
}

// highestMark returns the higher of the market's mark and the bot's own.
func (i *Instrument) highestMark(bot string) (price domain.Decimal, marked bool) {
	if i == nil {
		return domain.Zero, false
	}
	price, marked = i.priceFor(bot)
	if m := i.Mark(); m != nil {
		price, marked = price.Max(m.Price), true
	}
	return price, marked
}

// claim is a change of what a bot has: of its cash, of what its other assets are worth, and
// of one holding, at the price of the fact.
type claim struct {
	bot         *Bot
	cash, other domain.Decimal
	instrument  domain.Instrument
	price       domain.Decimal
	after       *ledger.Position // nil where no holding changes
	more        domain.Decimal   // of shares, where several holdings change
}

// checkClaim refuses a fact that brings what a bot has, |cash| and each holding at the
// highest price known, above the largest amount. One that lowers it is always taken.
func (d *Decision) checkClaim(field string, c claim) error {
	if !d.s.Policy.Second() {
		return nil
	}
	b := c.bot
	before := b.Cash.Abs().Add(b.OtherValue.Abs()).Add(b.claims)
	after := b.Cash.Add(c.cash).Abs().Add(b.OtherValue.Add(c.other).Abs()).Add(b.claims).Add(c.more)
	if c.after != nil {
		price := domain.One
		in, was, held := d.s.Instruments[c.instrument], domain.Zero, domain.Zero
		if d.s.KindOf(c.instrument.Market) != domain.KindOutcome {
			highest, _ := in.highestMark(b.ID)
			price = highest.Max(c.price)
		}
		if in != nil {
			if h := in.Holding(b.ID); h != nil {
				was, held = h.weight, h.Quantity.Abs()
			}
		}
		before = before.Sub(was).Add(held.Mul(price))
		after = after.Sub(was).Add(c.after.Quantity.Abs().Mul(price))
		if err := d.checkTurnover(field, c); err != nil {
			return err
		}
	}
	if largestAmount.Less(after) && before.Less(after) {
		return domain.Invalid(field, "would bring what bot %s has to %s: its cash, and each holding at its highest price. The bound is 10^12: check the amounts", b.ID, after)
	}
	return nil
}

// checkTurnover refuses a fact of a holding whose figures, added up over its episode, leave
// no room for its end.
func (d *Decision) checkTurnover(field string, c claim) error {
	e := c.after.Episode
	for _, figure := range []domain.Decimal{c.after.Quantity, e.Entered, e.EntryNotional, e.ExitNotional, e.Fees, e.Funding} {
		if reach.Less(figure.Abs()) {
			return domain.Invalid(field, "would bring what bot %s has turned over in %s above the bound of 5 × 10^14", c.bot.ID, c.instrument)
		}
	}
	return nil
}

// checkBooked refuses a fact of a bot whose income and fees leave no room for more.
func (d *Decision) checkBooked(field string, b *Bot, amounts ...domain.Decimal) error {
	if !d.s.Policy.Second() {
		return nil
	}
	by := domain.Zero
	for _, a := range amounts {
		by = by.Add(a.Abs())
	}
	asset := d.s.BaseAsset
	for _, account := range []ledger.Account{
		ledger.TradingIncome(asset, b.ID), ledger.RebateIncome(asset, b.ID), ledger.FundingIncome(asset, b.ID), ledger.Fees(asset, b.ID),
	} {
		if !by.IsZero() && reach.Less(d.s.Book[account].Abs().Add(by)) {
			return domain.Invalid(field, "would bring the income or fees of bot %s above the bound of 5 × 10^14", b.ID)
		}
	}
	return nil
}

// checkLargest refuses a fact that says more than the largest amount.
func (d *Decision) checkLargest(field string, amounts ...domain.Decimal) error {
	if !d.s.Policy.Second() {
		return nil
	}
	for _, a := range amounts {
		if largestAmount.Less(a.Abs()) {
			return domain.Invalid(field, "is above the bound of 10^12 for one fact, or comes to more: check it")
		}
	}
	return nil
}

// checkSize checks the amounts of a fill, and what it would leave.
func (d *Decision) checkSize(e *domain.FillRecorded) error {
	value, _ := d.s.feeValue(e)
	if err := d.checkLargest("quantity", e.Quantity, e.Notional); err != nil {
		return err
	}
	if err := d.checkLargest("fee", e.Fee, value); err != nil {
		return err
	}
	if err := d.checkOwed(e); err != nil {
		return err
	}
	priced := *e
	d.priceFee(&priced)
	return d.checkFilled(&priced)
}

// checkOwed refuses a fee that brings what a bot owes of another asset above the largest
// amount: one without a mark counts nothing in what it has.
func (d *Decision) checkOwed(e *domain.FillRecorded) error {
	if !d.s.Policy.Second() || e.FeeAsset == "" || e.FeeAsset == domain.FeeShares {
		return nil
	}
	before := d.s.bot(e.Bot).Other[e.FeeAsset]
	if after := before.Sub(e.Fee); largestAmount.Less(after.Abs()) && before.Abs().Less(after.Abs()) {
		return domain.Invalid("fee", "would bring what bot %s has or owes of %s to %s. The bound is 10^12: check it", e.Bot, e.FeeAsset, after)
	}
	return nil
}

// checkFilled checks what a fill would leave.
func (d *Decision) checkFilled(e *domain.FillRecorded) error {
	if !d.s.Policy.Second() {
		return nil
	}
	b := d.s.bot(e.Bot)
	effect := d.s.Instruments[e.Instrument].held(e.Bot).Preview(d.s.factOf(domain.Stamp{Revision: d.s.Next, Time: d.now}, e))
	if err := d.checkBooked("quantity", b, effect.Money.Income, effect.Money.Fee); err != nil {
		return err
	}
	price := e.Price
	if e.Quantity.Sign() > 0 {
		price = price.Max(e.Notional.Div(e.Quantity))
	}
	return d.checkClaim("quantity", claim{
		bot: b, cash: effect.Money.Cash, other: e.FeeValue.Neg(), instrument: e.Instrument, price: price, after: &effect.After,
	})
}

// checkReported checks the amounts of a reported trade.
func (d *Decision) checkReported(b *Bot, e *domain.TradeClosed) error {
	if err := d.checkLargest("pnl", e.PnL, e.Fee, e.PnL.Add(e.Fee)); err != nil {
		return err
	}
	if err := d.checkBooked("pnl", b, e.PnL, e.Fee); err != nil {
		return err
	}
	return d.checkClaim("pnl", claim{bot: b, cash: e.PnL})
}

// checkFunding checks the amount of a funding, and what it adds up to.
func (d *Decision) checkFunding(e *domain.FundingRecorded) error {
	b := d.s.Bots[e.Bot]
	if err := d.checkLargest("amount", e.Amount); err != nil {
		return err
	}
	if err := d.checkBooked("amount", b, e.Amount); err != nil {
		return err
	}
	return d.checkClaim("amount", claim{bot: b, cash: e.Amount})
}

// checkFeeSize checks the amount of a fee that belongs to no fill.
func (d *Decision) checkFeeSize(e *domain.FeeRecorded) error {
	if err := d.checkLargest("amount", e.Amount); err != nil || e.Bot == "" {
		return err
	}
	b, cash := d.s.Bots[e.Bot], e.Amount.Neg()
	if e.Kind == domain.FeeRebate {
		cash = e.Amount
	}
	if err := d.checkBooked("amount", b, e.Amount); err != nil {
		return err
	}
	return d.checkClaim("amount", claim{bot: b, cash: cash})
}

// checkSetClaim checks what a change of sets would leave: a split makes one share of each
// outcome of 1.
func (d *Decision) checkSetClaim(e *domain.SetsChanged, b *Bot) error {
	if !d.s.Policy.Second() {
		return nil
	}
	if err := d.checkLargest("quantity", e.Quantity, e.Quantity.Add(e.Fee)); err != nil {
		return err
	}
	cash, before, after := e.Quantity.Sub(e.Fee), b.claims, b.claims
	if e.Action == domain.SplitSets {
		cash = e.Quantity.Add(e.Fee).Neg()
	}
	for n, part := range e.Parts {
		i := domain.Instrument{Market: e.Market, Outcome: part.Outcome}
		held, fact := &ledger.Holding{}, ledger.Fact{Side: domain.Buy, Quantity: e.Quantity, Notional: part.Cash, Part: n}
		if e.Action == domain.MergeSets {
			fact.Side = domain.Sell
		}
		if in := d.s.Instruments[i]; in != nil {
			if h := in.Holding(b.ID); h != nil {
				held = &h.Holding
			}
		}
		effect := held.Preview(fact)
		after = after.Add(effect.After.Quantity.Abs()).Sub(held.Quantity.Abs())
		if err := d.checkTurnover("quantity", claim{bot: b, instrument: i, after: &effect.After}); err != nil {
			return err
		}
	}
	return d.checkClaim("quantity", claim{bot: b, cash: cash, more: after.Sub(before)})
}

// checkVoid checks what a void would leave: the fills that stay may have been covered by the
// one that goes.
func (d *Decision) checkVoid(id domain.FillID, p *ProvisionalFill) error {
	in := d.s.Instruments[p.In]
	if in == nil || !d.s.Policy.Second() {
		return nil
	}
	h := in.Holding(id.Bot)
	if h == nil {
		return nil
	}
	refold, ok := h.Void(id)
	if !ok {
		return nil
	}
	return d.checkClaim("trade_id", claim{bot: d.s.bot(id.Bot), cash: refold.Money.Cash, instrument: in.Instrument, after: &refold.After.Position})
}
