package portfolio

import (
	"slices"

	"pets/domain"
)

// loosenedSecond names a limit that is looser than before, under the second edition of
// the rules: "loosening any limit that is set takes two people", whatever its default.
func loosenedSecond(old, now *domain.Policy) string {
	for _, r := range slices.Concat(looserRules, looserSecond) {
		if r.looser(now, old) {
			return r.key
		}
	}
	if now.Rules < old.Rules {
		return "rules"
	}
	return ""
}

// notTightened names a key in which a policy is not tighter than before, or the same. A key
// that is no limit is never tighter.
func notTightened(old, now *domain.Policy) string {
	for _, same := range []struct {
		key string
		is  bool
	}{
		{"breaker_warn_at", old.BreakerWarnAt == now.BreakerWarnAt},
		{"daily_loss_tz", old.DailyLossTZ == now.DailyLossTZ},
		{"fee_bps", old.FeeBPS == now.FeeBPS},
		{"paper_slippage_bps", old.PaperSlippageBPS == now.PaperSlippageBPS},
		{"rules", old.Rules == now.Rules},
	} {
		if !same.is {
			return same.key
		}
	}
	return loosenedSecond(old, now)
}

// looserSecond lists, beside those, what the second edition counts as a limit.
var looserSecond = []looserRule{
	{"max_order_usd", func(a, b *domain.Policy) bool { return higher(a.MaxOrderUSD, b.MaxOrderUSD) }},
	{"max_position_usd", func(a, b *domain.Policy) bool { return higher(a.MaxPositionUSD, b.MaxPositionUSD) }},
	{"max_open_positions", func(a, b *domain.Policy) bool { return more(a.MaxOpenPositions, b.MaxOpenPositions) }},
	{"max_bot_capital_pct", func(a, b *domain.Policy) bool { return higher(a.MaxBotCapitalPct, b.MaxBotCapitalPct) }},
	{"max_category_exposure_pct", func(a, b *domain.Policy) bool {
		return higher(a.MaxCategoryExposurePct, b.MaxCategoryExposurePct)
	}},
	{"max_orders_per_minute", func(a, b *domain.Policy) bool { return more(a.MaxOrdersPerMinute, b.MaxOrdersPerMinute) }},
	{"max_market_usd", func(a, b *domain.Policy) bool { return higher(a.MaxMarketUSD, b.MaxMarketUSD) }},
	{"max_orders_per_day", func(a, b *domain.Policy) bool { return more(a.MaxOrdersPerDay, b.MaxOrdersPerDay) }},
	{"market_cooldown", func(a, b *domain.Policy) bool { return a.MarketCooldown < b.MarketCooldown }},
	{"position_dust_usd", func(a, b *domain.Policy) bool { return b.PositionDustUSD.Less(a.PositionDustUSD) }},
	{"while_tripped", func(a, b *domain.Policy) bool {
		return leavesReducing(a) && !leavesReducing(b)
	}},
	// It opens a way for bots in an emergency stop that leaves them nothing.
	{"close_positions_on_trip", func(a, b *domain.Policy) bool { return a.ClosePositionsOnTrip && !b.ClosePositionsOnTrip }},
	{"mark_collar", func(a, b *domain.Policy) bool { return higher(a.MarkCollar, b.MarkCollar) }},
	{"mark_confirm_after", func(a, b *domain.Policy) bool { return a.ConfirmAfter() < b.ConfirmAfter() }},
	// A higher value lets a scope sleep sooner, a lower one measures it from less.
	{"min_capital", func(a, b *domain.Policy) bool { return a.MinCapital != b.MinCapital }},
	{"registered_only", func(a, b *domain.Policy) bool { return b.RegisteredOnly && !a.RegisteredOnly }},
}

// leavesReducing reports that a tripped breaker leaves bots reducing.
func leavesReducing(p *domain.Policy) bool {
	return p.WhileTripped == domain.WhileReduce || p.WhileTripped == "" && p.ClosePositionsOnTrip
}

// higher reports that a limit is above another that is set; 0 is none.
func higher(a, b domain.Decimal) bool { return !b.IsZero() && (a.IsZero() || b.Less(a)) }

// more is higher for limits that count.
func more(a, b int) bool { return b != 0 && (a == 0 || a > b) }
