package portfolio

import (
	"slices"
	"strings"
	"time"

	"pets/domain"
	"pets/domain/payoff"
	"pets/domain/risk"
)

// Exposure is what can still be lost: of holdings, of what live permits may still
// open, and of the requested order. It is reserved in the same step as it is
// checked, so concurrent bots and permits cannot exceed a limit together.

// rateWindow is the minute of max_orders_per_minute.
const rateWindow = time.Minute

// maxGranted is the largest possible max_orders_per_minute: more permits than
// that within a minute exceed every rate.
const maxGranted = 10_000

// checkOptional checks an order that opens exposure against the optional limits.
func (d *Decision) checkOptional(c *orderCheck, b *Bot) {
	p, order := &d.s.Policy, c.opens()
	if limit := p.MaxOrderUSD; !limit.IsZero() && limit.Less(order) {
		c.fail(domain.ReasonMaxOrder, order.String(), limit.String(), "the worst case of the order is above max_order_usd")
	}
	if limit := p.MaxPositionUSD; !limit.IsZero() {
		if all := d.exposureIn(b.ID, c.order.Instrument).Add(order); limit.Less(all) {
			c.fail(domain.ReasonMaxPosition, all.String(), limit.String(), "%s would be above max_position_usd", d.where())
		}
	}
	if limit := p.MaxOpenPositions; limit > 0 {
		if open := d.openWith(b.ID, c.order.Instrument); open > limit {
			c.fail(domain.ReasonMaxOpenPositions, domain.FromInt(int64(open)).String(), domain.FromInt(int64(limit)).String(), "the bot would have exposure in more %s than max_open_positions", d.places())
		}
	}
	if limit := p.MaxBotCapitalPct; !limit.IsZero() {
		d.checkShare(c, domain.ReasonBotCapital, d.exposureOfBot(b.ID).Add(order), limit, "the bot's exposure would be above max_bot_capital_pct of the portfolio's equity")
	}
	if limit, category := p.MaxCategoryExposurePct, d.s.categoryOf(c.order.Market); !limit.IsZero() && category != "" {
		d.checkShare(c, domain.ReasonCategoryExposure, d.exposureOfCategory(category).Add(order), limit, "the exposure of all bots in the category would be above max_category_exposure_pct of the portfolio's equity")
	}
	d.checkSecond(c, b)
	if limit := p.MaxOrdersPerMinute; limit > 0 {
		if n := d.s.ordersWithin(b, d.now) + len(d.legs) + 1; n > limit {
			c.fail(domain.ReasonOrderRate, domain.FromInt(int64(n)).String(), domain.FromInt(int64(limit)).String(), "the bot would be granted more permits in 60 s than max_orders_per_minute")
		}
	}
}

// checkShare compares an exposure with a fraction of the portfolio's equity.
// Without equity no exposure is allowed.
func (d *Decision) checkShare(c *orderCheck, code domain.ReasonCode, exposure, limit domain.Decimal, message string) {
	equity := d.s.Equity()
	share := domain.One
	if equity.Sign() > 0 {
		share = exposure.Div(equity)
	}
	// Compare by multiplication, because a quotient is rounded.
	if equity.Sign() <= 0 || limit.Mul(equity).Less(exposure) {
		c.fail(code, share.Ratio().String(), limit.String(), "%s", message)
	}
}

// opens returns the worst case of the opening part of the order, without its fee.
func (c *orderCheck) opens() domain.Decimal {
	return opening(c.order, c.exposure.Opening, c.kind, c.mark)
}

func opening(o domain.Order, quantity domain.Decimal, kind domain.MarketKind, mark domain.Decimal) domain.Decimal {
	o.Quantity, o.Fee = quantity, domain.Zero
	return risk.Reservation(o, risk.Exposure{Opening: quantity}, kind, mark)
}

// pending returns what a permit may still open.
func (s *State) pending(p *risk.Permit) domain.Decimal {
	return opening(p.Order, p.Left.Sub(p.ReducingLeft), s.KindOf(p.Market), p.Mark)
}

// exposureIn returns the exposure of a bot where an order would open: in the market under
// the second edition, in the one outcome under the first. Live permits that open count at
// their worst case.
func (d *Decision) exposureIn(bot string, i domain.Instrument) domain.Decimal {
	markets := d.s.Policy.Second()
	sum := domain.Zero
	switch {
	case markets:
		sum = d.s.exposureAt(bot, i.Market)
	case d.s.Instruments[i] != nil:
		sum = d.s.exposureOf(d.s.Instruments[i], bot)
	}
	return sum.Add(d.pendingWhere(bot, func(p *risk.Permit) bool {
		return p.Instrument == i || markets && p.Market == i.Market
	}, func(x *botPermits) domain.Decimal {
		m := x.markets[i.Market]
		switch {
		case m == nil:
			return domain.Zero
		case markets:
			return m.pending
		case m.of(i.Outcome) == nil:
			return domain.Zero
		}
		return m.of(i.Outcome).pending
	}))
}

// pendingWhere returns what live permits of a bot may open where a test says: the sum of all
// that are remembered, unless one of these is dead.
func (d *Decision) pendingWhere(bot string, where func(*risk.Permit) bool, summed func(*botPermits) domain.Decimal) domain.Decimal {
	permits, sum := d.s.permitsOf(bot), domain.Zero
	if !d.dead().of(bot) {
		if x := d.s.permits.byBot[bot]; x != nil {
			sum = summed(x)
		}
		permits = nil // only the earlier legs are added
	}
	for p := range d.live(permits) {
		if where(p) {
			sum = sum.Add(d.s.pending(p))
		}
	}
	return sum
}

// exposureTogether returns what a bot can still lose in an exclusive market.
func (s *State) exposureTogether(bot, market string) domain.Decimal {
	f, _ := s.Figures(bot, market)
	return f.Exposure
}

// exposureOf returns what a holding can still lose: its cost if it is long, or its
// value if that is higher and the second edition is in force; if it is short, its cover
// less what its sale brought in. What is held of an exclusive market counts there.
func (s *State) exposureOf(in *Instrument, bot string) domain.Decimal {
	h := in.Holding(bot)
	switch {
	case h == nil || h.IsFlat() || s.together(in.Instrument) != nil:
		return domain.Zero
	case s.Policy.Second() && in.Payout != nil: // what came late is paid out: nothing of it can be lost
		return domain.Zero
	case h.Quantity.Sign() > 0 && s.Policy.Second():
		return h.Cost.Max(h.Value)
	case h.Quantity.Sign() > 0:
		return h.Cost
	default:
		return risk.ShortCover(h.Quantity, h.Cost, h.Value, s.KindOf(in.Market)).Sub(h.Cost.Abs()).Max(domain.Zero)
	}
}

func (d *Decision) exposureOfBot(bot string) domain.Decimal {
	sum := domain.Zero
	if d.s.Bots[bot].Positions > 0 {
		for market := range d.s.marketsOf(bot) {
			sum = sum.Add(d.s.exposureAt(bot, market))
		}
	}
	return sum.Add(d.pendingWhere(bot, func(*risk.Permit) bool { return true }, func(x *botPermits) domain.Decimal { return x.pending }))
}

// exposureOfCategory returns the exposure of all bots in a category of markets, while a limit
// asks for it.
func (d *Decision) exposureOfCategory(category string) domain.Decimal {
	sum := d.s.derived.exposed.category[category].Add(d.s.permits.pendingOf[category])
	return d.correctedPending(sum, func(p *risk.Permit) bool { return d.s.categoryOf(p.Market) == category })
}

// exposureOfMarket returns the exposure of all bots in a market, while a limit asks for it.
func (d *Decision) exposureOfMarket(market string) domain.Decimal {
	sum := d.s.derived.exposed.in[market].Add(d.s.permits.pendingIn[market])
	return d.correctedPending(sum, func(p *risk.Permit) bool { return p.Market == market })
}

// correctedPending takes out of a sum of what permits may open what the dead ones may, and
// adds what the earlier legs of the request may.
func (d *Decision) correctedPending(sum domain.Decimal, where func(*risk.Permit) bool) domain.Decimal {
	for _, p := range d.dead().all {
		if where(p) {
			sum = sum.Sub(d.s.pending(p))
		}
	}
	for _, p := range d.legs {
		if where(p) {
			sum = sum.Add(d.s.pending(p))
		}
	}
	return sum
}

// categoryOf returns the category of a market. An unregistered market has none.
func (s *State) categoryOf(market string) string {
	if m := s.Markets[market]; m != nil {
		return m.Category
	}
	return ""
}

// openWith counts where a bot has, or may get, exposure, including one more: markets
// under the second edition, outcomes under the first.
func (d *Decision) openWith(bot string, with domain.Instrument) int {
	open := map[domain.Instrument]bool{d.s.counted(with): true}
	if d.s.Bots[bot].Positions > 0 {
		for in, h := range d.s.holdingsOf(bot) {
			if !h.IsFlat() && !d.s.isDust(bot, in) && !d.s.paidLate(in) {
				open[d.s.counted(in.Instrument)] = true
			}
		}
	}
	x := d.s.permits.byBot[bot]
	summed := x != nil && !d.dead().of(bot)
	permits := d.s.permitsOf(bot)
	if summed {
		permits = nil
	}
	for p := range d.live(permits) {
		if p.ReducingLeft.Less(p.Left) {
			open[d.s.counted(p.Instrument)] = true
		}
	}
	if !summed {
		return len(open)
	}
	n := x.openOutcomes
	if d.s.Policy.Second() {
		n = x.openMarkets
	}
	for i := range open {
		if !x.opensIn(i) {
			n++
		}
	}
	return n
}

// opensIn reports that a permit of the bot may open something in a market, or with an outcome
// in that.
func (x *botPermits) opensIn(i domain.Instrument) bool {
	m := x.markets[i.Market]
	if m == nil || i.Outcome == "" {
		return m != nil && m.opening > 0
	}
	o := m.of(i.Outcome)
	return o != nil && o.opening > 0
}

// paidLate reports that an instrument, and under the second edition its market, is settled: what
// came late is no open position.
func (s *State) paidLate(in *Instrument) bool {
	if !s.Policy.Second() || in.Payout == nil {
		return false
	}
	return s.together(in.Instrument) == nil || s.decided(in.Market)
}

// counted is what an open position is counted as.
func (s *State) counted(i domain.Instrument) domain.Instrument {
	if s.Policy.Second() {
		i.Outcome = ""
	}
	return i
}

// isDust reports that what a bot holds is below position_dust_usd, by cost, by value and by
// what it can lose: it is no open position. Under the second edition that is all it holds in
// the market.
func (s *State) isDust(bot string, in *Instrument) bool {
	if s.Policy.Second() {
		return s.isDustIn(bot, in.Market)
	}
	h := in.Holding(bot)
	return h.Cost.Abs().Max(h.Value.Abs()).Less(s.Policy.PositionDustUSD)
}

// isDustIn reports that all that a bot holds in a market is dust.
func (s *State) isDustIn(bot, market string) bool {
	cost, value, exposure := domain.Zero, domain.Zero, domain.Zero
	for _, in := range s.instrumentsOf(market) {
		h := in.Holding(bot)
		if h == nil {
			continue
		}
		cost, exposure = cost.Add(h.Cost), exposure.Add(s.exposureOf(in, bot))
		if s.together(in.Instrument) == nil {
			value = value.Add(h.Value)
		}
	}
	if f, ok := s.Figures(bot, market); ok {
		value, exposure = value.Add(f.Value), exposure.Add(f.Exposure)
	}
	return cost.Abs().Max(value.Abs()).Max(exposure).Less(s.Policy.PositionDustUSD)
}

// ordersWithin counts the permits that a bot was granted in the minute before a
// time.
func (s *State) ordersWithin(b *Bot, now time.Time) int {
	first, _ := slices.BinarySearchFunc(b.Granted, momentOf(now.Add(-rateWindow)), func(t, from int64) int {
		if t > from {
			return 1
		}
		return -1
	})
	return len(b.Granted) - first
}

// countOrder notes when a permit was granted, even without a rate limit, because
// a new limit looks back one minute. Old entries are removed only once they make
// up half of the list, so that not every permit moves the others.
func (s *State) countOrder(now time.Time, bot string) {
	b := s.Bots[bot]
	if b == nil {
		return
	}
	if s.Policy.Second() {
		b.Today++
	}
	n := len(b.Granted)
	if drop := max(n-s.ordersWithin(b, now), n-maxGranted); drop > n/2 || drop >= maxGranted {
		b.Granted = slices.Delete(b.Granted, 0, drop)
	}
	b.Granted = append(b.Granted, momentOf(now))
}

// makesMarkets reports that a bot is registered as a market maker, whose cap
// replaces the zones.
func (s *State) makesMarkets(bot string) bool {
	b := s.Bots[bot]
	return b != nil && b.Kind == domain.BotMarketMaker && b.InventoryCap.Sign() > 0
}

// checkInventory requires that, whichever orders of a market maker are filled,
// its exposure in a market stays within its cap. This applies to all of its
// orders that open exposure, whatever their declared intent.
func (d *Decision) checkInventory(c *orderCheck, b *Bot) {
	if !d.s.makesMarkets(b.ID) {
		if c.order.Intent == domain.IntentMarketMaking {
			c.fail(domain.ReasonInventoryCap, "", "0", "the bot is not registered as a market_maker with an inventory_cap")
		}
		return
	}
	if all := d.inventory(c.order); b.InventoryCap.Less(all) {
		c.fail(domain.ReasonInventoryCap, all.String(), b.InventoryCap.String(), "the bot's exposure in the market could exceed its inventory_cap")
	}
}

// inventory returns the largest exposure, in shares, that the bot may get in the
// order's market if any of its live orders, and this one, are filled.
func (d *Decision) inventory(o domain.Order) domain.Decimal {
	reach := map[string]risk.Reach{}
	rest := func(i domain.Instrument, side domain.Side, quantity domain.Decimal) {
		outcome, buys := i.Outcome, side == domain.Buy
		// !A is cash less A: to buy it is to sell A.
		if name, is := strings.CutPrefix(outcome, payoff.Not); is && d.s.together(i) != nil {
			outcome, buys = name, !buys
		}
		r := reach[outcome]
		if buys {
			r.High = r.High.Add(quantity)
		} else {
			r.Low = r.Low.Sub(quantity)
		}
		reach[outcome] = r
	}
	rest(o.Instrument, o.Side, o.Quantity)
	permits := d.s.permitsOf(o.Bot)
	if x := d.s.permits.byBot[o.Bot]; x != nil && !d.dead().of(o.Bot) {
		permits = nil
		if m := x.markets[o.Market]; m != nil {
			for _, sum := range m.outcomes {
				i := domain.Instrument{Market: o.Market, Outcome: sum.outcome}
				rest(i, domain.Buy, sum.buys)
				rest(i, domain.Sell, sum.sells)
			}
		}
	}
	for p := range d.live(permits) {
		if p.Market == o.Market {
			rest(p.Instrument, p.Side, p.Left)
		}
	}
	for _, in := range d.s.instrumentsOf(o.Market) {
		h := in.Holding(o.Bot)
		if h == nil || d.s.Policy.Second() && h.IsFlat() {
			continue
		}
		outcome, quantity := in.Outcome, h.Quantity
		if name, is := strings.CutPrefix(outcome, payoff.Not); is && d.s.together(in.Instrument) != nil {
			outcome, quantity = name, quantity.Neg()
		}
		r := reach[outcome]
		reach[outcome] = risk.Reach{Low: r.Low.Add(quantity), High: r.High.Add(quantity)}
	}
	known := d.s.outcomesOf(o.Market)
	for _, outcome := range known {
		if _, held := reach[outcome]; !held { // an outcome without shares counts, too
			reach[outcome] = risk.Reach{}
		}
	}
	all := make([]risk.Reach, 0, len(reach))
	for _, r := range reach {
		all = append(all, r)
	}
	return risk.Inventory(all, d.s.KindOf(o.Market) == domain.KindOutcome && len(known) >= minLegs)
}

// Exposures returns what all bots together can still lose with what they hold, in each
// market in which that is anything.
func (s *State) Exposures() map[string]domain.Decimal {
	all := map[string]domain.Decimal{}
	add := func(market string, exposure domain.Decimal) {
		if !exposure.IsZero() {
			all[market] = all[market].Add(exposure)
		}
	}
	for i, in := range s.Instruments {
		for _, h := range in.Holdings {
			add(i.Market, s.exposureOf(in, h.Bot))
		}
	}
	for name, m := range s.Markets {
		for _, h := range m.Held {
			add(name, s.exposureTogether(h.Bot, name))
		}
	}
	return all
}
