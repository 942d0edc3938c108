package portfolio

import (
	"math/big"
	"slices"
	"time"

	"pets/domain"
	"pets/domain/risk"
)

// permitBook is the other opinion on permits: what docs/semantics/permits.md says about them,
// in fractions and flat lists, read from the recorded events from the beginning on.
// Positions and cash come from the plain model (modelOf), which knows no permits.
// Three things it takes from the engine, because other tests hold those against
// models of their own: equity, the value of a breaker, and what is open of a leg.
type permitBook struct {
	policy  domain.Policy
	kinds   map[string]domain.MarketKind
	all     map[string][]string // outcomes
	groups  map[string]string   // categories
	caps    map[string]*big.Rat // market makers
	status  map[string]string
	stopped bool
	tripped map[risk.Key]string // what it stops
	settled map[domain.Instrument]bool
	marked  map[domain.Instrument]time.Time
	price   map[domain.Instrument]*big.Rat
	permits []*bookPermit // in the order they were granted
	granted map[string][]time.Time
	log     []recorded
}

// bookPermit is one granted order.
type bookPermit struct {
	id, bot                    string
	i                          domain.Instrument
	side                       domain.Side
	limit, quantity, fee, mark *big.Rat
	left, mayOpen, willClose   *big.Rat
	working                    bool
	until                      time.Time // zero: no end
	arbitrage                  string
}

func newPermitBook() *permitBook {
	return &permitBook{
		kinds: map[string]domain.MarketKind{}, all: map[string][]string{}, groups: map[string]string{}, caps: map[string]*big.Rat{},
		status: map[string]string{}, tripped: map[risk.Key]string{}, settled: map[domain.Instrument]bool{},
		marked: map[domain.Instrument]time.Time{}, price: map[domain.Instrument]*big.Rat{}, granted: map[string][]time.Time{},
	}
}

// --- fractions

func rat(n int64) *big.Rat          { return big.NewRat(n, 1) }
func plus(a, b *big.Rat) *big.Rat   { return new(big.Rat).Add(a, b) }
func minus(a, b *big.Rat) *big.Rat  { return new(big.Rat).Sub(a, b) }
func times(a, b *big.Rat) *big.Rat  { return new(big.Rat).Mul(a, b) }
func over(a, b *big.Rat) *big.Rat   { return new(big.Rat).Quo(a, b) }
func least(a, b *big.Rat) *big.Rat  { return map[bool]*big.Rat{true: a, false: b}[a.Cmp(b) <= 0] }
func most(a, b *big.Rat) *big.Rat   { return map[bool]*big.Rat{true: a, false: b}[a.Cmp(b) >= 0] }
func size(a *big.Rat) *big.Rat      { return new(big.Rat).Abs(a) }
func positive(a *big.Rat) *big.Rat  { return most(a, rat(0)) }
func exceeds(a, b *big.Rat) bool    { return a.Cmp(b) > 0 }
func borderline(a, b *big.Rat) bool { return near(a, b) && a.Cmp(b) != 0 }

// --- reading the log

func (k *permitBook) read(rec recorded) {
	k.log = append(k.log, rec)
	switch e := rec.event.(type) {
	case *domain.PortfolioOpened:
		k.policy = e.Policy
	case *domain.LimitsChanged:
		k.policy = e.Policy
	case *domain.MarketRegistered:
		k.kinds[e.Market], k.all[e.Market], k.groups[e.Market] = e.Kind, e.Outcomes, e.Category
	case *domain.BotRegistered:
		k.status[e.Bot] = "registered"
		if e.Kind == domain.BotMarketMaker {
			k.caps[e.Bot] = ratOf(e.InventoryCap)
		}
	case *domain.BotStarted:
		k.status[e.Bot] = "running"
	case *domain.BotStopped:
		k.status[e.Bot] = "stopped"
	case *domain.BreakerTripped:
		k.tripped[risk.Key{Breaker: e.Breaker, Bot: e.Bot}] = e.Stops
		k.end(e.BotsStopped, e.PermitsRevoked)
	case *domain.BreakerReset:
		delete(k.tripped, risk.Key{Breaker: e.Breaker, Bot: e.Bot})
	case *domain.EmergencyStopEngaged:
		k.stopped = true
		k.end(e.BotsStopped, e.PermitsRevoked)
		for bot, status := range k.status {
			if status == "halted" && e.Kind != domain.StopPortfolioDrawdown { // a person's word on all bots
				k.status[bot] = "stopped"
			}
		}
	case *domain.EmergencyStopCleared:
		k.stopped = false
	case *domain.PriceMarked:
		for _, m := range e.Marks {
			k.setMark(domain.Instrument{Market: m.Market, Outcome: m.Outcome}, m.Price, rec.at.Time)
		}
	default:
		k.readPermit(rec)
	}
}

func (k *permitBook) end(bots, permits []string) {
	for _, b := range bots {
		k.status[b] = "halted" // by a trip, not by a person
	}
	for _, id := range permits {
		k.drop(id)
	}
}

func (k *permitBook) setMark(i domain.Instrument, price domain.Decimal, at time.Time) {
	k.marked[i], k.price[i] = at, ratOf(price)
}

func (k *permitBook) drop(id string) {
	k.permits = slices.DeleteFunc(k.permits, func(p *bookPermit) bool { return p.id == id })
}

func (k *permitBook) find(id string, now time.Time) *bookPermit {
	for _, p := range k.permits {
		if p.id == id && p.live(now) {
			return p
		}
	}
	return nil
}

func (p *bookPermit) live(now time.Time) bool { return p.until.IsZero() || now.Before(p.until) }

func (k *permitBook) readPermit(rec recorded) {
	switch e := rec.event.(type) {
	case *domain.PermitGranted:
		p := orderOf(e.Order)
		p.id, p.until, p.arbitrage, p.mark = e.Permit, e.ExpiresAt, e.Arbitrage, ratOf(e.Mark)
		p.willClose = k.closes(p, rec.at.Time, nil, 1)
		p.mayOpen = minus(p.quantity, p.willClose)
		k.permits = append(k.permits, p)
		k.granted[e.Bot] = append(k.granted[e.Bot], rec.at.Time)
	case *domain.PermitPlaced:
		if p := k.find(e.Permit, rec.at.Time); p != nil {
			p.working, p.until = true, time.Time{}
			if e.ExpiresAt != nil {
				p.until = *e.ExpiresAt
			}
		}
	case *domain.PermitReleased:
		k.drop(e.Permit)
	case *domain.MarketSettled:
		k.settled[e.Instrument] = true
		k.setMark(e.Instrument, e.Payout, rec.at.Time)
		k.end(nil, e.PermitsReleased)
	case *domain.ClockJumped:
		k.end(nil, e.PermitsExpired)
		for _, p := range k.permits { // live or not: "Orders that rest with an expiry stay reserved for as long as the jump."
			if slices.Contains(e.OrdersKept, p.id) {
				p.until = p.until.Add(time.Duration(e.Moved))
			}
		}
	case *domain.FillRecorded:
		if e.Mark != nil {
			k.setMark(e.Instrument, *e.Mark, rec.at.Time)
		}
		k.fill(e, rec.at.Time)
	case *domain.FillVoided:
		k.reread()
		for i := range k.holdings(e.Bot, 0) {
			k.reclaim(e.Bot, i, rec.at.Time)
		}
	}
}

// reread finds the mark of each instrument anew: that of a voided fill goes back.
func (k *permitBook) reread() {
	gone := map[domain.FillID]bool{}
	for _, rec := range k.log {
		if e, ok := rec.event.(*domain.FillVoided); ok {
			gone[e.FillID] = true
		}
	}
	k.marked, k.price = map[domain.Instrument]time.Time{}, map[domain.Instrument]*big.Rat{}
	for _, rec := range k.log {
		switch e := rec.event.(type) {
		case *domain.PriceMarked:
			for _, m := range e.Marks {
				k.setMark(domain.Instrument{Market: m.Market, Outcome: m.Outcome}, m.Price, rec.at.Time)
			}
		case *domain.MarketSettled:
			k.setMark(e.Instrument, e.Payout, rec.at.Time)
		case *domain.FillRecorded:
			if e.Mark != nil && !gone[e.FillID] {
				k.setMark(e.Instrument, *e.Mark, rec.at.Time)
			}
		}
	}
}

func orderOf(o domain.Order) *bookPermit {
	return &bookPermit{
		bot: o.Bot, i: o.Instrument, side: o.Side, limit: ratOf(o.LimitPrice), quantity: ratOf(o.Quantity), left: ratOf(o.Quantity),
		fee: ratOf(o.Fee), mark: rat(0),
	}
}

// holding is what a bot has of an outcome.
type holding struct{ quantity, cost *big.Rat }

// holdings of a bot, as the fills in the log made them; the newest ones left out.
func (k *permitBook) holdings(bot string, without int) map[domain.Instrument]holding {
	m := modelOf(k.log[:len(k.log)-without])
	all := map[domain.Instrument]holding{}
	for h, facts := range m.facts {
		if h.bot != bot {
			continue
		}
		p := &plain{new(big.Rat), new(big.Rat), new(big.Rat), new(big.Rat), nil}
		for _, f := range facts {
			p.play(f)
		}
		all[h.Instrument] = holding{p.quantity, p.cost}
	}
	return all
}

func (k *permitBook) cash(bot string) *big.Rat {
	m := modelOf(k.log)
	sum := rat(0)
	if m.cash[bot] != nil {
		sum = plus(sum, m.cash[bot])
	}
	for h, facts := range m.facts {
		if h.bot == bot {
			p := &plain{new(big.Rat), new(big.Rat), new(big.Rat), new(big.Rat), nil}
			for _, f := range facts {
				p.play(f)
			}
			sum = plus(sum, p.cash)
		}
	}
	return sum
}

// fill takes a fill off its permit: what it closes is closed first.
func (k *permitBook) fill(e *domain.FillRecorded, now time.Time) {
	if slices.Contains(e.Flags, domain.FlagVoided) {
		return
	}
	if p := k.find(e.Permit, now); p != nil && p.bot == e.Bot && p.i == e.Instrument && p.side == e.Side {
		before := k.holdings(e.Bot, 1)[e.Instrument]
		q := ratOf(e.Quantity)
		opens := q
		if before.quantity != nil && before.quantity.Sign() == -p.sign() {
			opens = positive(minus(q, size(before.quantity)))
		}
		right := p.mayOpen
		if !p.working {
			p.working, p.until = true, time.Time{}
		}
		p.left = positive(minus(p.left, q))
		p.mayOpen = least(positive(minus(p.mayOpen, opens)), p.left)
		p.willClose = positive(minus(p.willClose, q))
		k.passOn(p, positive(minus(minus(right, opens), p.mayOpen)), now)
		if p.left.Sign() == 0 {
			k.drop(p.id)
		}
	}
	k.reclaim(e.Bot, e.Instrument, now)
}

func (p *bookPermit) sign() int { return map[domain.Side]int{buy: 1, sell: -1}[p.side] }

// passOn: an order that filled against what another was granted to close leaves its
// right to open to that one, if both have one limit.
func (k *permitBook) passOn(from *bookPermit, unused *big.Rat, now time.Time) {
	for _, p := range k.permits {
		if p != from && p.bot == from.bot && p.i == from.i && p.side == from.side && p.limit.Cmp(from.limit) == 0 && p.live(now) {
			took := least(unused, minus(p.left, p.mayOpen))
			p.mayOpen, unused = plus(p.mayOpen, took), minus(unused, took)
		}
	}
}

// reclaim shares what is held among the orders that were granted to close it, the
// oldest first.
func (k *permitBook) reclaim(bot string, i domain.Instrument, now time.Time) {
	held := k.holdings(bot, 0)[i].quantity
	if held == nil {
		held = rat(0)
	}
	free := map[domain.Side]*big.Rat{sell: positive(held), buy: positive(new(big.Rat).Neg(held))}
	for _, p := range k.permits {
		if p.bot == bot && p.i == i && p.live(now) {
			p.willClose = least(minus(p.left, p.mayOpen), free[p.side])
			free[p.side] = minus(free[p.side], p.willClose)
		}
	}
}
