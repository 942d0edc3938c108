package portfolio

import (
	"time"

	"pets/domain"
)

// The checks of an order that opens which came with the second edition of the rules.

// where names the scope of max_position_usd.
func (d *Decision) where() string {
	if d.s.Policy.Second() {
		return "the bot's exposure in the market"
	}
	return "the bot's exposure in the outcome"
}

// places names what max_open_positions counts.
func (d *Decision) places() string {
	if d.s.Policy.Second() {
		return "markets"
	}
	return "outcomes"
}

// checkSecond checks the limits of markets and days.
func (d *Decision) checkSecond(c *orderCheck, b *Bot) {
	p := &d.s.Policy
	if limit := p.MaxMarketUSD; !limit.IsZero() {
		all := d.exposureOfMarket(c.order.Market).Add(c.opens())
		if limit.Less(all) {
			c.fail(domain.ReasonMaxMarket, all.String(), limit.String(), "the exposure of all bots in the market would be above max_market_usd")
		}
	}
	if limit := p.MaxOrdersPerDay; limit > 0 {
		if n := d.s.ordersToday(b, d.now) + len(d.legs) + 1; n > limit {
			c.fail(domain.ReasonOrdersPerDay, domain.FromInt(int64(n)).String(), domain.FromInt(int64(limit)).String(), "the bot would be granted more permits today than max_orders_per_day")
		}
	}
	if wait := time.Duration(p.MarketCooldown); wait > 0 {
		if lost, ok := b.lastLoss(c.order.Market); ok && d.now.Sub(lost) < wait {
			c.fail(domain.ReasonMarketCooldown, d.now.Sub(lost).Round(time.Second).String(), wait.String(), "the bot lost in this market, and may open nothing there for market_cooldown")
		}
	}
	d.checkRegistered(c)
	d.checkUnconfirmed(c)
}

// checkReconciled denies increases while base asset is missing on the chain: what was
// recorded and never came must not switch the breakers off by the loss that it hides.
func (d *Decision) checkReconciled(c *orderCheck) {
	if short := &d.s.Custody; short.Unreconciled() {
		c.fail(domain.ReasonUnreconciled, short.Shortage.String(), "0", "two reconciliations in a row found less %s on the chain than is recorded and reserved; correct the books, and nothing is opened until a reconciliation finds no shortage", d.s.BaseAsset)
	}
}

// checkRegistered checks that the market is registered, and has the outcome.
func (d *Decision) checkRegistered(c *orderCheck) {
	if d.s.Policy.RegisteredOnly && d.s.Markets[c.order.Market] == nil {
		c.fail(domain.ReasonRegisteredOnly, "", "", "the market is not registered, and registered_only allows nothing else to be opened")
	}
}

// checkTreasury: "Besides its bot's own cash, a permit reserves no more than the
// base-asset cash of hot:treasury and all bots less all reservations": money that is
// recorded as gone cannot be spent. It holds for orders that open: "a halted bot, or an
// operator for it, can always get to flat" must not depend on what another bot reports.
func (d *Decision) checkTreasury(c *orderCheck) {
	if !d.s.Policy.Second() || c.reserve.IsZero() || c.reducing() {
		return
	}
	free := d.s.hotCash().Sub(d.s.reservedByAll(d.dead(), d.counts))
	for _, p := range d.legs {
		free = free.Sub(p.Reserved)
	}
	if free.Less(c.reserve) {
		c.fail(domain.ReasonInsufficientCash, c.reserve.String(), free.String(), "the worst case of the order is more than the hot wallet has beside all reservations")
	}
}

// ordersToday counts the permits that a bot was granted on the calendar day of a time.
func (s *State) ordersToday(b *Bot, now time.Time) int {
	if _, isNew := s.newDay(now); isNew {
		return 0
	}
	return b.Today
}

const day = 24 * time.Hour
