package portfolio

import (
	"math/big"
	"slices"
	"time"

	"pets/domain"
	"pets/domain/risk"
)

// verdict is what the book says of a request.
type verdict struct {
	reserved *big.Rat
	reasons  map[domain.ReasonCode]bool
	// unsure are reasons whose values differ from their limits by less than the engine
	// rounds.
	unsure map[domain.ReasonCode]bool
	cost   *big.Rat
	sure   *big.Rat
}

func (v *verdict) when(code domain.ReasonCode, fails bool) {
	if fails {
		v.reasons[code] = true
	}
}

func (v *verdict) above(code domain.ReasonCode, value, limit *big.Rat) {
	v.when(code, exceeds(value, limit))
	if borderline(value, limit) {
		v.unsure[code] = true
	}
}

// asked is a request: one order, or legs.
type asked struct {
	legs      []domain.Order
	arbitrage bool
}

// judge checks a request against docs/semantics/permits.md.
func (k *permitBook) judge(s *State, a asked, now time.Time) *verdict {
	v := &verdict{reserved: rat(0), reasons: map[domain.ReasonCode]bool{}, unsure: map[domain.ReasonCode]bool{}}
	proven := map[domain.Intent]bool{domain.IntentMarketMaking: k.caps[a.legs[0].Bot] != nil}[a.legs[0].Intent]
	if a.arbitrage {
		k.judgePayout(v, a.legs)
		proven = len(v.reasons) == 0
	}
	var before []*bookPermit
	for _, o := range a.legs {
		p := orderOf(o)
		if o.Fee.IsZero() {
			p.fee = over(times(times(p.quantity, p.limit), ratOf(k.policy.FeeBPS)), rat(10_000))
		}
		p.willClose = k.closes(p, now, before, 0)
		p.mayOpen = minus(p.quantity, p.willClose)
		k.judgeOrder(v, s, p, o, proven, before, now)
		v.reserved = plus(v.reserved, k.reserves(p))
		before = append(before, p)
	}
	return v
}

// judgePayout: every way the markets can end must pay more than the legs cost.
func (k *permitBook) judgePayout(v *verdict, legs []domain.Order) {
	v.cost = rat(0)
	net := map[domain.Instrument]*big.Rat{}
	v.when(domain.ReasonLegsInvalid, len(legs) < 2)
	markets := map[string]bool{}
	for _, o := range legs {
		p := orderOf(o)
		fee := p.fee
		if o.Fee.IsZero() {
			fee = over(times(times(p.quantity, p.limit), ratOf(k.policy.FeeBPS)), rat(10_000))
		}
		v.when(domain.ReasonLegsInvalid, net[o.Instrument] != nil)
		v.when(domain.ReasonLegsInvalid, k.kind(o.Market) != domain.KindOutcome || len(k.all[o.Market]) < 2)
		sign := rat(int64(p.sign()))
		net[o.Instrument] = times(sign, p.quantity)
		v.cost = plus(v.cost, plus(times(sign, times(p.quantity, p.limit)), fee))
		markets[o.Market] = true
	}
	if len(v.reasons) > 0 {
		return
	}
	v.sure = rat(0)
	for m := range markets {
		var worst *big.Rat
		for _, outcome := range k.all[m] {
			q := net[domain.Instrument{Market: m, Outcome: outcome}]
			if q == nil {
				q = rat(0)
			}
			if worst == nil || worst.Cmp(q) > 0 {
				worst = q
			}
		}
		v.sure = plus(v.sure, worst)
	}
	v.when(domain.ReasonLegsUnprofitable, v.cost.Cmp(v.sure) >= 0)
}

func (k *permitBook) kind(market string) domain.MarketKind {
	if kind := k.kinds[market]; kind != "" {
		return kind
	}
	return domain.KindOutcome
}

// closes is how much of an order closes what is held and nobody else is closing.
func (k *permitBook) closes(p *bookPermit, now time.Time, before []*bookPermit, without int) *big.Rat {
	held := k.holdings(p.bot, without)[p.i].quantity
	if held == nil || held.Sign() != -p.sign() {
		return rat(0)
	}
	free := size(held)
	for _, q := range append(slices.Clone(k.permits), before...) {
		if q.bot == p.bot && q.i == p.i && q.side == p.side && q.live(now) {
			free = minus(free, q.willClose)
		}
	}
	return least(positive(free), p.left)
}

// reserves is the worst case of what is left of an order, in cash.
func (k *permitBook) reserves(p *bookPermit) *big.Rat {
	fee := over(times(p.fee, p.left), p.quantity)
	if p.side == buy {
		return plus(times(p.left, p.limit), fee)
	}
	if minus(p.left, p.willClose).Sign() == 0 {
		return rat(0)
	}
	return plus(k.risked(p), fee)
}

// risked is the worst case of what is left of an order and opens exposure.
func (k *permitBook) risked(p *bookPermit) *big.Rat {
	opens := minus(p.left, p.willClose)
	switch {
	case p.side == buy:
		return times(opens, p.limit)
	case k.kind(p.i.Market) == domain.KindOutcome:
		return times(opens, minus(rat(1), p.limit))
	default:
		return times(opens, most(p.limit, p.mark))
	}
}

func (k *permitBook) judgeOrder(v *verdict, s *State, p *bookPermit, o domain.Order, proven bool, before []*bookPermit, now time.Time) {
	reducing := minus(p.left, p.willClose).Sign() == 0
	k.judgeHalted(v, s, p.bot, reducing, now)
	outcomes, outcomeMarket := k.all[o.Market], k.kind(o.Market) == domain.KindOutcome
	v.when(domain.ReasonMarketMismatch, len(outcomes) > 0 && !slices.Contains(outcomes, o.Outcome) || outcomeMarket && exceeds(p.limit, rat(1)))
	v.when(domain.ReasonMarketSettled, k.settled[o.Instrument])
	v.when(domain.ReasonNotReducing, o.ReduceOnly && !reducing)
	if !reducing {
		v.when(domain.ReasonNotReducing, o.Side == sell && k.kind(o.Market) == domain.KindSpot)
		if o.Side == sell && k.kind(o.Market) == domain.KindPerp {
			v.when(domain.ReasonStaleMark, k.price[o.Instrument] == nil)
			if k.price[o.Instrument] != nil {
				p.mark = k.price[o.Instrument]
			}
		}
		if outcomeMarket && !proven {
			v.when(domain.ReasonZoneBlocked, k.blocked(p))
		}
	}
	if k.status[p.bot] == "" {
		v.when(domain.ReasonBotUnknown, true)
		return
	}
	if !reducing {
		k.judgeLimits(v, s, p, before, now)
		v.when(domain.ReasonInventoryCap, o.Intent == domain.IntentMarketMaking && k.caps[p.bot] == nil)
		if k.caps[p.bot] != nil {
			v.above(domain.ReasonInventoryCap, k.inventory(p, before, now), k.caps[p.bot])
		}
	}
	k.judgeCash(v, p, reducing, before, now)
}

func (k *permitBook) judgeHalted(v *verdict, s *State, bot string, reducing bool, now time.Time) {
	v.when(domain.ReasonEmergencyStop, k.stopped)
	trips := false
	for key, stops := range k.tripped {
		trips = trips || stops == domain.StopAll || key.Bot == bot
	}
	closing := reducing && k.policy.ClosePositionsOnTrip
	v.when(domain.ReasonBreakerTripped, trips && !closing)
	status := k.status[bot]
	v.when(domain.ReasonBotStopped, status != "" && status != "running" && (!closing || !trips || status != "halted"))
	if closing || status == "" {
		return
	}
	for _, key := range []risk.Key{
		{Breaker: domain.ConsecutiveLosses, Bot: bot},
		{Breaker: domain.BotDrawdown, Bot: bot},
		{Breaker: domain.DailyLoss},
		{Breaker: domain.PortfolioDrawdown},
	} {
		_, tripped := k.tripped[key]
		at := s.readBreakerAt(key, now)
		v.when(domain.ReasonLimitReached, !tripped && at.Rule.Reached(&k.policy, at.Value))
	}
}

// blocked: the price of the outcome acquired lies in a blocked zone, or in none.
func (k *permitBook) blocked(p *bookPermit) bool {
	price := p.limit
	if p.side == sell {
		price = minus(rat(1), price)
	}
	for z := range 5 {
		low, high := ratOf(k.policy.ZoneBounds[z]), ratOf(k.policy.ZoneBounds[z+1])
		if price.Cmp(low) >= 0 && (price.Cmp(high) < 0 || z == 4 && price.Cmp(high) == 0) {
			return slices.Contains(k.policy.BlockedZones, z+1)
		}
	}
	return true
}

// others are the live orders beside the one asked for.
func (k *permitBook) others(bot string, before []*bookPermit, now time.Time) []*bookPermit {
	var all []*bookPermit
	for _, p := range append(slices.Clone(k.permits), before...) {
		if (bot == "" || p.bot == bot) && p.live(now) {
			all = append(all, p)
		}
	}
	return all
}

// atStake is what a holding can still lose.
func (k *permitBook) atStake(i domain.Instrument, h holding) *big.Rat {
	if h.quantity.Sign() >= 0 {
		return h.cost
	}
	return positive(minus(k.cover(i, h), size(h.cost)))
}

// cover is what an open short keeps from being spent.
func (k *permitBook) cover(i domain.Instrument, h holding) *big.Rat {
	switch {
	case h.quantity.Sign() >= 0:
		return rat(0)
	case k.kind(i.Market) == domain.KindOutcome:
		return size(h.quantity)
	}
	value := h.cost
	if k.price[i] != nil {
		value = times(h.quantity, k.price[i])
	}
	return plus(size(h.cost), most(size(h.cost), size(value)))
}

func (k *permitBook) judgeLimits(v *verdict, s *State, p *bookPermit, before []*bookPermit, now time.Time) {
	pol, order := k.policy, k.risked(p)
	if pol.MaxOrderUSD.Sign() > 0 {
		v.above(domain.ReasonMaxOrder, order, ratOf(pol.MaxOrderUSD))
	}
	here, bot, group := order, order, order
	open := map[domain.Instrument]bool{p.i: true}
	for _, owner := range []string{"a", "b", "c", "mm"} {
		for i, h := range k.holdings(owner, 0) {
			if h.quantity.Sign() == 0 {
				continue
			}
			stake := k.atStake(i, h)
			if k.groups[i.Market] == k.groups[p.i.Market] {
				group = plus(group, stake)
			}
			if owner != p.bot {
				continue
			}
			bot, open[i] = plus(bot, stake), true
			if i == p.i {
				here = plus(here, stake)
			}
			age := time.Duration(pol.MarkMaxAge)
			at, marked := k.marked[i]
			v.when(domain.ReasonStaleMark, age > 0 && marked && !k.settled[i] && now.Sub(at) > age)
		}
	}
	for _, q := range k.others("", before, now) {
		opens := k.risked(q)
		if k.groups[q.i.Market] == k.groups[p.i.Market] {
			group = plus(group, opens)
		}
		if q.bot != p.bot {
			continue
		}
		bot = plus(bot, opens)
		if q.i == p.i {
			here = plus(here, opens)
		}
		if exceeds(q.left, q.willClose) {
			open[q.i] = true
		}
	}
	if pol.MaxPositionUSD.Sign() > 0 {
		v.above(domain.ReasonMaxPosition, here, ratOf(pol.MaxPositionUSD))
	}
	v.when(domain.ReasonMaxOpenPositions, pol.MaxOpenPositions > 0 && len(open) > pol.MaxOpenPositions)
	equity := ratOf(s.Equity())
	if pol.MaxBotCapitalPct.Sign() > 0 {
		v.when(domain.ReasonBotCapital, equity.Sign() <= 0)
		v.above(domain.ReasonBotCapital, bot, times(equity, ratOf(pol.MaxBotCapitalPct)))
	}
	if pol.MaxCategoryExposurePct.Sign() > 0 && k.groups[p.i.Market] != "" {
		v.when(domain.ReasonCategoryExposure, equity.Sign() <= 0)
		v.above(domain.ReasonCategoryExposure, group, times(equity, ratOf(pol.MaxCategoryExposurePct)))
	}
	recent := len(before) + 1
	for _, at := range k.granted[p.bot] {
		if now.Sub(at) < time.Minute {
			recent++
		}
	}
	v.when(domain.ReasonOrderRate, pol.MaxOrdersPerMinute > 0 && recent > pol.MaxOrdersPerMinute)
}

// inventory tries every set of orders that may be filled.
func (k *permitBook) inventory(p *bookPermit, before []*bookPermit, now time.Time) *big.Rat {
	var orders []*bookPermit
	for _, q := range append(k.others(p.bot, before, now), p) {
		if q.i.Market == p.i.Market {
			orders = append(orders, q)
		}
	}
	held := map[string]*big.Rat{}
	for _, o := range k.all[p.i.Market] {
		held[o] = rat(0)
	}
	if k.kind(p.i.Market) != domain.KindOutcome || len(k.all[p.i.Market]) < 2 {
		held["none of these"] = rat(0)
	}
	for i, h := range k.holdings(p.bot, 0) {
		if i.Market == p.i.Market {
			held[i.Outcome] = h.quantity
		}
	}
	for _, q := range orders {
		if held[q.i.Outcome] == nil {
			held[q.i.Outcome] = rat(0)
		}
	}
	worst := rat(0)
	for set := range 1 << len(orders) {
		all := map[string]*big.Rat{}
		for o, q := range held {
			all[o] = q
		}
		for n, q := range orders {
			if set>>n&1 == 1 {
				all[q.i.Outcome] = plus(all[q.i.Outcome], times(rat(int64(q.sign())), q.left))
			}
		}
		for _, x := range all {
			for _, y := range all {
				worst = most(worst, minus(x, y))
			}
		}
	}
	return worst
}

func (k *permitBook) judgeCash(v *verdict, p *bookPermit, reducing bool, before []*bookPermit, now time.Time) {
	need := k.reserves(p)
	if p.side == sell && reducing {
		return
	}
	cash, free := k.cash(p.bot), k.cash(p.bot)
	held := k.holdings(p.bot, 0)
	for i, h := range held {
		free = minus(free, k.cover(i, h))
	}
	for _, q := range k.others(p.bot, before, now) {
		cash, free = minus(cash, k.reserves(q)), minus(free, k.reserves(q))
		if q.side == buy { // part of it is what covers the short that it closes
			free = plus(free, least(k.frees(held, q), times(q.left, q.limit)))
		}
	}
	if p.side == buy {
		relief := k.frees(held, p)
		free = plus(free, relief)
		if reducing {
			free = most(free, least(relief, cash))
		}
	}
	v.above(domain.ReasonInsufficientCash, need, free)
}

// frees is the part of a short's cover that goes with what an order closes of it.
func (k *permitBook) frees(held map[domain.Instrument]holding, p *bookPermit) *big.Rat {
	h := held[p.i]
	if h.quantity == nil || h.quantity.Sign() >= 0 || p.willClose.Sign() == 0 {
		return rat(0)
	}
	return over(times(k.cover(p.i, h), least(p.willClose, size(h.quantity))), size(h.quantity))
}
