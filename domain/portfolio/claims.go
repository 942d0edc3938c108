package portfolio

import (
	"iter"
	"slices"
	"time"

	"pets/domain"
	"pets/domain/payoff"
	"pets/domain/risk"
)

// Claims: live permits share what there is to close, and the shares that are held. The
// oldest permit comes first. In an exclusive market they share what the bot holds of
// all its outcomes.

// claimOf is what a permit will close, as other orders see it.
func claimOf(p *risk.Permit) payoff.Order {
	return payoff.Order{Outcome: p.Outcome, Side: p.Side, Quantity: p.ReducingLeft, Group: p.Joined()}
}

// joined says how much of an order reduces, and with which group it counts: only an
// order that wholly reduces joins one, because the others of the group then take nothing
// from it.
func (d *Decision) joined(o domain.Order) (domain.Order, risk.Exposure) {
	x := d.split(o)
	if o.Group != "" && !x.Opening.IsZero() {
		o.Group = ""
		x = d.split(o)
	}
	return o, x
}

// split says how much of an order reduces, beside what live permits will close. In a halt
// a bot's own word gives it nothing to reduce: with an invented fill it could open.
func (d *Decision) split(o domain.Order) risk.Exposure {
	reducing := d.reducing(o, (*Holding).all)
	if d.doubts(o.Bot) {
		reducing = reducing.Min(d.reducing(o, (*Holding).proven))
	}
	return risk.Exposure{Reducing: reducing, Opening: o.Quantity.Sub(reducing)}
}

// doubts reports that a bot asks for itself in a halt of a live portfolio.
func (d *Decision) doubts(bot string) bool {
	return d.s.Policy.Second() && d.judgesBot() && d.s.Leaves(bot, false) != LeaveAll
}

// reducing says how much of an order reduces of that part of what is held.
func (d *Decision) reducing(o domain.Order, part func(*Holding) domain.Decimal) domain.Decimal {
	m := d.s.together(o.Instrument)
	if m == nil {
		held := domain.Zero
		if h := d.s.holding(o.Bot, o.Instrument); h != nil {
			held = part(h)
		}
		return risk.Split(o, held, d.pendingReduction(o)).Reducing
	}
	return d.reducingTogether(m, o, part)
}

// reducingTogether is reducing in an exclusive market.
func (d *Decision) reducingTogether(m *Market, o domain.Order, part func(*Holding) domain.Decimal) domain.Decimal {
	h := d.s.heldPart(m, o.Market, o.Bot, part)
	wanted := payoff.Order{Outcome: o.Outcome, Side: o.Side, Quantity: o.Quantity, Group: o.Group}
	var live []payoff.Order
	for p := range d.rivals(o.Bot, o.Market) {
		if p.Market == o.Market && p.ReducingLeft.Sign() > 0 {
			live = append(live, claimOf(p))
		}
	}
	reducing := h.Reducing(wanted, live)
	if d.leadsOut(o.Bot) { // see Permit.WayOut
		// "In a halt an operator's sale of what is held or purchase of what is short
		// counts as reducing whatever it uncovers."
		reducing = h.ReducingForOperator(wanted, live)
	}
	return reducing
}

// leadsOut reports that an operator acts for a bot in a halt that leaves him reducing.
func (d *Decision) leadsOut(bot string) bool {
	return d.s.Policy.Second() && d.byOperator() && d.s.Leaves(bot, true) == LeaveReduce
}

// rivals yields the live permits that an order shares with what there is to close. An
// operator who gets a bot out of a halt shares with other operators only: orders of the
// bot, which may be what the halt is about, must not block the way out.
func (d *Decision) rivals(bot, market string) iter.Seq[*risk.Permit] {
	all := d.live(d.s.claimsIn(bot, market))
	if !d.leadsOut(bot) {
		return all
	}
	return func(yield func(*risk.Permit) bool) {
		for p := range all {
			if p.WayOut && !yield(p) {
				return
			}
		}
	}
}

// pendingReduction returns what live permits will already close of the same
// holding.
func (d *Decision) pendingReduction(o domain.Order) domain.Decimal {
	if len(d.legs) == 0 && len(d.s.claimsIn(o.Bot, o.Market)) == 0 { // as for most orders, which open
		return domain.Zero
	}
	return d.takenByRivals(o)
}

// takenByRivals sums what the rivals of an order close of the same instrument.
func (d *Decision) takenByRivals(o domain.Order) domain.Decimal {
	var live []payoff.Order
	for p := range d.rivals(o.Bot, o.Market) {
		if p.Instrument == o.Instrument && p.Side == o.Side {
			live = append(live, claimOf(p))
		}
	}
	return payoff.Taken(live, o.Group, all)
}

func all(*payoff.Order) bool { return true }

// covered returns how much of a sell in an exclusive market is of shares that the bot
// holds and that no other live sell was promised.
func (d *Decision) covered(o domain.Order) domain.Decimal {
	if o.Side != domain.Sell {
		return domain.Zero
	}
	of := d.s.coverage(o.Bot, o.Instrument, d.counts)
	var promised []payoff.Order
	for p := range d.rivals(o.Bot, o.Market) {
		if p.Instrument == o.Instrument && p.Side == domain.Sell {
			covered, known := of[p.ID]
			if !known { // an earlier leg
				covered = p.Covered
			}
			promised = append(promised, payoff.Order{Quantity: covered, Group: p.Joined()})
		}
	}
	free := d.s.quantityOf(o.Bot, o.Instrument).Sub(payoff.Taken(promised, o.Group, all))
	return o.Quantity.Min(free.Max(domain.Zero))
}

// coverage returns how much each live sell of an outcome is of shares that the bot holds
// and that no earlier one was promised.
func (s *State) coverage(bot string, i domain.Instrument, live func(*risk.Permit) bool) map[string]domain.Decimal {
	held, of := s.quantityOf(bot, i), map[string]domain.Decimal{}
	var promised []payoff.Order
	for _, id := range s.claimants(bot, i.Market, func(p *risk.Permit) bool { return p.Instrument == i && p.Side == domain.Sell && live(p) }) {
		p := s.Permits[id]
		of[id] = p.Left.Min(held.Sub(payoff.Taken(promised, p.Joined(), all)).Max(domain.Zero))
		promised = append(promised, payoff.Order{Quantity: of[id], Group: p.Joined()})
	}
	return of
}

// Reserving yields the live permits of a bot, in no order, with what each reserves.
func (s *State) Reserving(bot string, now time.Time) iter.Seq2[*risk.Permit, domain.Decimal] {
	return s.reserving(bot, func(p *risk.Permit) bool { return p.Live(now) })
}

// reserving does so for those that a test takes for live. A sell in an exclusive market
// reserves "only for shares not held, or promised to another live sell": shares that were
// promised to one which is released, or has expired, cover the next one.
func (s *State) reserving(bot string, live func(*risk.Permit) bool) iter.Seq2[*risk.Permit, domain.Decimal] {
	return s.reservingOf(bot, s.permitsOf(bot), live)
}

// reservingOf is reserving for some of the bot's permits.
func (s *State) reservingOf(bot string, permits map[string]*risk.Permit, live func(*risk.Permit) bool) iter.Seq2[*risk.Permit, domain.Decimal] {
	return func(yield func(*risk.Permit, domain.Decimal) bool) {
		covered := map[domain.Instrument]map[string]domain.Decimal{}
		for id, p := range permits {
			if !live(p) {
				continue
			}
			reserved := p.Reserved
			if p.Side == domain.Sell && p.Covered.Less(p.Left) && s.together(p.Instrument) != nil {
				if covered[p.Instrument] == nil {
					covered[p.Instrument] = s.coverage(bot, p.Instrument, live)
				}
				reserved = p.ReservedWith(covered[p.Instrument][id])
			}
			if !yield(p, reserved) {
				return
			}
		}
	}
}

// execution returns a fill that is not booked yet, as its permit sees it.
func (s *State) execution(e *domain.FillRecorded) risk.Execution {
	x := risk.Execution{Quantity: e.Quantity, Price: e.Price, Fee: e.Fee, Anyhow: s.Policy.Second()}
	if e.FeeAsset != "" { // The permitted fee is one in the base asset.
		x.Fee = domain.Zero
	}
	held := s.quantityOf(e.Bot, e.Instrument)
	m := s.together(e.Instrument)
	if m == nil {
		o := domain.Order{Side: e.Side, Quantity: e.Quantity}
		x.Opens = risk.Split(o, held, domain.Zero).Opening
		return x
	}
	x.Together = true
	h := s.held(m, e.Market, e.Bot)
	x.Opens = e.Quantity.Sub(h.Reducing(payoff.Order{Outcome: e.Outcome, Side: e.Side, Quantity: e.Quantity}, nil))
	if e.Side == domain.Sell {
		x.Covered = e.Quantity.Min(held.Max(domain.Zero))
	}
	return x
}

// claimants returns permits of a bot in the order in which they claim what there is: those
// by which an operator gets it out of a halt before its own, and the oldest first.
func (s *State) claimants(bot, market string, claims func(*risk.Permit) bool) []string {
	ids := idsOf(s.claimsIn(bot, market), claims)
	slices.SortStableFunc(ids, func(a, b string) int {
		switch first, second := s.Permits[a].WayOut, s.Permits[b].WayOut; {
		case first == second:
			return 0
		case first:
			return -1
		}
		return 1
	})
	return ids
}

// reclaim limits what live permits will close to what there is. A fill of another order, a
// void, or an operator's order in a halt may have changed it.
func (s *State) reclaim(at domain.Stamp, bot string, in *Instrument) {
	if m := s.together(in.Instrument); m != nil {
		s.reclaimTogether(at, bot, in.Market, m)
		return
	}
	claimants := s.claimants(bot, in.Market, func(p *risk.Permit) bool {
		return p.Instrument == in.Instrument && p.Live(at.Time)
	})
	if len(claimants) == 0 {
		return
	}
	held := domain.Zero
	if h := in.Holding(bot); h != nil {
		held = h.Quantity
	}
	free := map[domain.Side]domain.Decimal{domain.Sell: held.Max(domain.Zero), domain.Buy: held.Neg().Max(domain.Zero)}
	var live []payoff.Order
	for _, id := range claimants {
		p := s.Permits[id]
		left := free[p.Side].Sub(payoff.Taken(live, p.Joined(), func(o *payoff.Order) bool { return o.Side == p.Side }))
		s.claimed(p, func() { p.Claim(left.Max(domain.Zero), s.KindOf(in.Market)) })
		live = append(live, claimOf(p))
	}
}

// shrinks lists what a fill leaves of the other orders of its group, oldest first:
// "A fill in the group leaves each at most G − what the group filled", where G is what is
// left of the largest. It leaves less of those that take of the same thing, if the largest
// of these is smaller: two orders that sell the one share of A do not both sell it because
// a third of their group sells three of B.
func (s *State) shrinks(now time.Time, by *risk.Permit, filled domain.Decimal) []domain.ShrunkOrder {
	group := by.Joined()
	if group == "" {
		return nil
	}
	ids := idsOf(s.permitsOf(by.Bot), func(p *risk.Permit) bool {
		return p.Market == by.Market && p.Joined() == group && p.Live(now)
	})
	left := make(map[string]domain.Decimal, len(ids))
	for _, id := range ids {
		left[id] = s.Permits[id].Left
	}
	for _, takes := range s.takenBy(by) {
		largest := domain.Zero
		for _, id := range ids {
			if p := s.Permits[id]; takes(p) {
				largest = largest.Max(p.Left)
			}
		}
		rest := largest.Sub(filled).Max(domain.Zero)
		for _, id := range ids {
			if takes(s.Permits[id]) {
				left[id] = left[id].Min(rest)
			}
		}
	}
	var all []domain.ShrunkOrder
	for _, id := range ids {
		if p := s.Permits[id]; p != by && left[id].Less(p.Left) {
			all = append(all, domain.ShrunkOrder{Permit: id, Left: left[id]})
		}
	}
	return all
}

// takenBy lists what an order of a group takes, each as a test of whether another order
// takes of it as well: the group's own quantity, the holding, and in an exclusive market of
// more than two outcomes each payoff that its fill lowers.
func (s *State) takenBy(by *risk.Permit) []func(*risk.Permit) bool {
	taken := []func(*risk.Permit) bool{
		func(*risk.Permit) bool { return true },
		func(p *risk.Permit) bool { return p.Instrument == by.Instrument && p.Side == by.Side },
	}
	m := s.together(by.Instrument)
	if m == nil || len(m.Outcomes) == 2 {
		return taken
	}
	for _, outcome := range m.Outcomes {
		lowers := func(p *risk.Permit) bool { return payoff.Order{Outcome: p.Outcome, Side: p.Side}.Lowers(outcome) }
		if lowers(by) {
			taken = append(taken, lowers)
		}
	}
	return taken
}

// shrink applies what a fill leaves of the other orders of its group.
func (s *State) shrink(orders []domain.ShrunkOrder) {
	for _, o := range orders {
		p := s.Permits[o.Permit]
		if p == nil {
			continue
		}
		s.changedPermit(p)
		if p.Shrink(o.Left, s.KindOf(p.Market)); p.Left.IsZero() {
			s.dropPermit(o.Permit)
		}
	}
}

// reclaimMarket does so for all bots in an exclusive market, where something else than their
// own trades changed what reduces: an outcome that cannot win any more, or a registration.
func (s *State) reclaimMarket(at domain.Stamp, market string) {
	m := s.exclusive(market)
	if m == nil {
		return
	}
	s.countChanged()
	for bot, x := range s.permits.byBot {
		if x.markets[market] != nil {
			s.reclaimTogether(at, bot, market, m)
		}
	}
}

func (s *State) reclaimTogether(at domain.Stamp, bot, market string, m *Market) {
	ids := s.claimants(bot, market, func(p *risk.Permit) bool {
		return p.Market == market && p.Live(at.Time) && m.has(p.Outcome)
	})
	if len(ids) == 0 {
		return
	}
	h := s.held(m, market, bot)
	live := make([]payoff.Order, 0, len(ids))
	var promised []payoff.Order
	for _, id := range ids {
		p := s.Permits[id]
		mine := payoff.Order{Outcome: p.Outcome, Side: p.Side, Quantity: p.Left.Sub(p.OpeningLeft), Group: p.Joined()}
		if p.WayOut {
			mine.Quantity = h.ReducingForOperator(mine, live)
		} else {
			mine.Quantity = h.Reducing(mine, live)
		}
		covered := domain.Zero
		if p.Side == domain.Sell {
			taken := payoff.Taken(promised, p.Joined(), func(o *payoff.Order) bool { return o.Outcome == p.Outcome })
			covered = p.Left.Min(h.Of(p.Outcome).Sub(taken).Max(domain.Zero))
			promised = append(promised, payoff.Order{Outcome: p.Outcome, Quantity: covered, Group: p.Joined()})
		}
		s.claimed(p, func() { p.ClaimTogether(mine.Quantity, covered) })
		if mine.Quantity.Sign() > 0 {
			live = append(live, mine)
		}
	}
}
