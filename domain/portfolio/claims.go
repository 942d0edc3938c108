package portfolio

import (
	"pets/domain"
	"pets/domain/payoff"
	"pets/domain/risk"
)

// Claims: live permits share what there is to close, and the shares that are held. The
// oldest permit comes first. In an exclusive market they share what the bot holds of
// all its outcomes.

// split says how much of an order reduces, beside what live permits will close.
func (d *Decision) split(o domain.Order) risk.Exposure {
	m := d.s.together(o.Instrument)
	if m == nil {
		return risk.Split(o, d.s.quantityOf(o.Bot, o.Instrument), d.pendingReduction(o))
	}
	h := d.s.held(m, o.Market, o.Bot)
	wanted := payoff.Order{Outcome: o.Outcome, Side: o.Side, Quantity: o.Quantity}
	var live []payoff.Order
	for p := range d.livePermits(o.Bot) {
		if p.Market == o.Market && p.ReducingLeft.Sign() > 0 {
			live = append(live, payoff.Order{Outcome: p.Outcome, Side: p.Side, Quantity: p.ReducingLeft})
		}
	}
	reducing := h.Reducing(wanted, live)
	if d.byOperator() && d.s.Leaves(o.Bot, true) == LeaveReduce {
		// "In a halt an operator's sale of what is held or purchase of what is short
		// counts as reducing whatever it uncovers."
		reducing = h.ReducingForOperator(wanted, live)
	}
	return risk.Exposure{Reducing: reducing, Opening: o.Quantity.Sub(reducing)}
}

// pendingReduction returns what live permits will already close of the same
// holding.
func (d *Decision) pendingReduction(o domain.Order) domain.Decimal {
	sum := domain.Zero
	for p := range d.livePermits(o.Bot) {
		if p.Instrument == o.Instrument && p.Side == o.Side {
			sum = sum.Add(p.ReducingLeft)
		}
	}
	return sum
}

// covered returns how much of a sell in an exclusive market is of shares that the bot
// holds and that no other live sell was promised.
func (d *Decision) covered(o domain.Order) domain.Decimal {
	if o.Side != domain.Sell {
		return domain.Zero
	}
	free := d.s.quantityOf(o.Bot, o.Instrument)
	for p := range d.livePermits(o.Bot) {
		if p.Instrument == o.Instrument && p.Side == domain.Sell {
			free = free.Sub(p.Covered)
		}
	}
	return o.Quantity.Min(free.Max(domain.Zero))
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

// reclaim limits what live permits will close to what there is, the oldest permit
// first. A fill of another order, or a void, may have changed it.
func (s *State) reclaim(at domain.Stamp, bot string, in *Instrument) {
	if m := s.together(in.Instrument); m != nil {
		s.reclaimTogether(at, bot, in.Market, m)
		return
	}
	held := domain.Zero
	if h := in.Holding(bot); h != nil {
		held = h.Quantity
	}
	free := map[domain.Side]domain.Decimal{domain.Sell: held.Max(domain.Zero), domain.Buy: held.Neg().Max(domain.Zero)}
	for _, id := range idsOf(s.permitsOf(bot), func(p *risk.Permit) bool {
		return p.Instrument == in.Instrument && p.Live(at.Time)
	}) {
		p := s.Permits[id]
		free[p.Side] = free[p.Side].Sub(p.Claim(free[p.Side], s.KindOf(in.Market)))
	}
}

func (s *State) reclaimTogether(at domain.Stamp, bot, market string, m *Market) {
	ids := idsOf(s.permitsOf(bot), func(p *risk.Permit) bool {
		return p.Market == market && p.Live(at.Time) && m.has(p.Outcome)
	})
	if len(ids) == 0 {
		return
	}
	h := s.held(m, market, bot)
	live := make([]payoff.Order, 0, len(ids))
	promised := map[string]domain.Decimal{}
	for _, id := range ids {
		p := s.Permits[id]
		mine := payoff.Order{Outcome: p.Outcome, Side: p.Side, Quantity: p.Left.Sub(p.OpeningLeft)}
		mine.Quantity = h.Reducing(mine, live)
		covered := domain.Zero
		if p.Side == domain.Sell {
			covered = p.Left.Min(h.Of(p.Outcome).Sub(promised[p.Outcome]).Max(domain.Zero))
			promised[p.Outcome] = promised[p.Outcome].Add(covered)
		}
		p.ClaimTogether(mine.Quantity, covered)
		if mine.Quantity.Sign() > 0 {
			live = append(live, mine)
		}
	}
}
