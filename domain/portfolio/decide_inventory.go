package portfolio

import (
	"pets/domain"
	"pets/domain/risk"
)

// makesMarkets reports that a bot is registered as a market maker, whose cap
// replaces the zones.
func (s *State) makesMarkets(bot string) bool {
	b := s.Bots[bot]
	return b != nil && b.Kind == domain.BotMarketMaker && b.InventoryCap.Sign() > 0
}

// checkInventory requires that, whichever orders of a market maker are filled,
// its exposure in a market stays within its cap. This applies to all of its
// orders that open exposure, whatever their declared intent.
func (d *Decision) checkInventory(c *check, b *Bot) {
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
	rest := func(outcome string, side domain.Side, quantity domain.Decimal) {
		r := reach[outcome]
		if side == domain.Buy {
			r.High = r.High.Add(quantity)
		} else {
			r.Low = r.Low.Sub(quantity)
		}
		reach[outcome] = r
	}
	rest(o.Outcome, o.Side, o.Quantity)
	for p := range d.livePermits(o.Bot) {
		if p.Market == o.Market {
			rest(p.Outcome, p.Side, p.Left)
		}
	}
	for i, in := range d.s.Instruments {
		if i.Market != o.Market {
			continue
		}
		if h := in.Holding(o.Bot); h != nil {
			r := reach[i.Outcome]
			reach[i.Outcome] = risk.Reach{Low: r.Low.Add(h.Quantity), High: r.High.Add(h.Quantity)}
		}
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
