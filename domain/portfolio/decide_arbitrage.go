package portfolio

import (
	"fmt"
	"slices"
	"time"

	"pets/domain"
	"pets/domain/risk"
)

const (
	minLegs = 2
	maxLegs = 16
	// maxLegTimeout limits how long a leg may be open without counting as
	// directional.
	maxLegTimeout = time.Hour
	// maxBotArbitrages and maxArbitrages limit the arbitrages of a bot and of the
	// portfolio whose legs are not all finally filled. maxTimeOuts limits how
	// many time-outs are recorded with one command, so that its records fit one
	// append; the rest follow with the next command.
	maxBotArbitrages = 100
	maxArbitrages    = 1_000
	maxTimeOuts      = 20
)

// ArbitrageRequest asks for permits for all of these orders together: either all
// legs are permitted, or none.
type ArbitrageRequest struct {
	Bot  string
	Legs []PermitRequest // Bot and Intent of the legs are those of the request.
	// TTL shortens the policy's permit_ttl; 0 keeps it.
	TTL time.Duration
	// LegTimeout is how long a leg may be filled without the others; 0 means the
	// policy's permit_ttl.
	LegTimeout time.Duration
	PaperFill  bool
}

// arbitrage is one request while it is checked.
type arbitrage struct {
	bot        string
	legs       []*orderCheck
	ttl        time.Duration
	deadline   time.Time
	cost, sure domain.Decimal
	reserve    domain.Decimal
	reasons    []domain.Reason
	blocked    bool // a leg lies in a blocked zone, under the second edition
}

// AskArbitrage checks all legs and reserves for all of them in one step.
func (d *Decision) AskArbitrage(r ArbitrageRequest) error {
	if err := d.requireOpen(); err != nil {
		return err
	}
	a, err := d.readArbitrage(r)
	if err != nil {
		return err
	}
	if err := d.checkArbitrageCount(a); err != nil {
		return err
	}
	d.catchUp()
	d.checkArbitrage(a, r)
	if len(a.reasons) > 0 {
		d.denyArbitrage(a)
		return nil
	}
	if err := d.RefusedByClock(); err != nil {
		return err
	}
	d.restoreLooked()
	name := domain.ArbitrageName(d.s.Next)
	e := &domain.ArbitragePermitted{Arbitrage: name, Bot: a.bot, Cost: a.cost, SurePayout: a.sure, Deadline: a.deadline, Ahead: d.clockOffset(), Blocked: a.blocked}
	for i := range a.legs {
		e.Permits = append(e.Permits, domain.PermitName(d.s.Next+1+uint64(i)))
	}
	d.emit(e)
	for _, c := range a.legs {
		d.grant(c, d.now.Add(a.ttl), name)
	}
	if r.PaperFill {
		for _, permit := range e.Permits {
			d.fillOnPaper(permit)
		}
	}
	return nil
}

// readArbitrage validates the request and fills in the defaults.
func (d *Decision) readArbitrage(r ArbitrageRequest) (*arbitrage, error) {
	a := &arbitrage{bot: r.Bot, ttl: time.Duration(d.s.Policy.PermitTTL)}
	if err := domain.CheckID("bot", r.Bot); err != nil {
		return nil, err
	}
	wait, moved, shares := a.ttl, domain.Zero, domain.Zero
	switch {
	case len(r.Legs) > maxLegs:
		return nil, domain.Invalid("legs", "has %d; the most is %d", len(r.Legs), maxLegs)
	case r.TTL < 0 || r.TTL > a.ttl:
		return nil, domain.Invalid("ttl", "must be above 0 and at most the policy's permit_ttl of %s", a.ttl)
	case r.LegTimeout < 0 || r.LegTimeout > maxLegTimeout:
		return nil, domain.Invalid("leg_timeout", "must be above 0 and at most %s", maxLegTimeout)
	}
	if r.TTL > 0 {
		a.ttl = r.TTL
	}
	if r.LegTimeout > 0 {
		wait = r.LegTimeout
	}
	a.ttl, a.deadline = min(a.ttl, wait), d.now.Add(wait)
	for i, leg := range r.Legs {
		leg.Bot, leg.Intent, leg.PaperFill = r.Bot, domain.IntentArbitrage, r.PaperFill
		o, _, err := d.checkOrder(leg)
		if err != nil {
			return nil, inLeg(i, err)
		}
		if o.ReduceOnly {
			return nil, domain.Invalid(legField(i, "reduce_only"), "is not allowed for an arbitrage: its legs are placed together")
		}
		a.legs = append(a.legs, &orderCheck{order: o, kind: d.s.KindOf(o.Market)})
		moved, shares = moved.Add(o.Quantity.Mul(o.LimitPrice)).Add(o.Fee), shares.Add(o.Quantity)
	}
	if !moved.InRange() || !shares.InRange() { // Every sum of legs is below this.
		return nil, domain.Invalid("legs", "reach 10^15 together")
	}
	return a, nil
}

// checkArbitrageCount refuses more permits, or more open arbitrages, than the
// portfolio can carry.
func (d *Decision) checkArbitrageCount(a *arbitrage) error {
	own := len(d.s.derived.arbitrages[a.bot])
	if own >= maxBotArbitrages || len(d.s.Arbitrages) >= maxArbitrages {
		return domain.Errorf(domain.CodeRateLimited, "the bot has %d arbitrages with open legs, and all bots together %d; the limits are %d and %d: close what is open, and release permits of orders that no longer rest",
			own, len(d.s.Arbitrages), maxBotArbitrages, maxArbitrages)
	}
	return d.checkPermitCount(a.bot, len(a.legs))
}

func legField(i int, field string) string { return fmt.Sprintf("legs[%d].%s", i, field) }

// inLeg adds the number of the leg to an error about one of its fields. Fields of
// the request itself have no leg.
func inLeg(i int, err error) error {
	e, ok := err.(*domain.Error) //nolint:errorlint // made by checkOrder, never wrapped
	if !ok || e.Field == "paper_fill" {
		return err
	}
	c := *e
	c.Field = legField(i, e.Field)
	return &c
}

// checkArbitrage compares the legs with the payout, then checks each against all
// other limits, with the legs before it counted as granted.
func (d *Decision) checkArbitrage(a *arbitrage, r ArbitrageRequest) {
	d.checkPayout(a)
	proven := len(a.reasons) == 0
	for i, c := range a.legs {
		c.proven = proven
		d.run(c, r.Legs[i].Kind)
		d.checkBlocked(a, c)
		a.take(i, c.reasons)
		a.reserve = a.reserve.Add(c.reserve)
		d.legs = append(d.legs, permitOf(c.permit("", d.now.Add(a.ttl))))
	}
	d.legs = nil
}

// checkBlocked: "A bot has at most one arbitrage with a leg in a blocked zone that is
// neither complete nor closed (arbitrage_open)". Filled on one side only, it is what the
// zones forbid.
func (d *Decision) checkBlocked(a *arbitrage, c *orderCheck) {
	p := &d.s.Policy
	zone := p.Zone(risk.AcquiredPrice(c.order))
	if !p.Second() || c.reducing() || zone != 0 && !slices.Contains(p.BlockedZones, zone) {
		return
	}
	a.blocked = true
	if open := d.s.openBlocked(a.bot, d.now); open != "" {
		c.fail(domain.ReasonArbitrageOpen, open, "", "a leg lies in a blocked zone, and arbitrage %s, which has one too, is neither complete nor closed", open)
	}
}

// checkPayout requires that all legs, filled at their limits with their fees,
// cost less than they pay in the worst outcome. That can be known only for
// markets that are registered with all of their outcomes.
func (d *Decision) checkPayout(a *arbitrage) {
	if n := len(a.legs); n < minLegs {
		a.fail(0, domain.ReasonLegsInvalid, fmt.Sprint(n), fmt.Sprint(minLegs), "an arbitrage needs at least two legs")
	}
	shares := risk.Shares{}
	for i, c := range a.legs {
		o := c.order
		_, twice := shares[o.Instrument]
		switch {
		case twice:
			a.fail(i+1, domain.ReasonLegsInvalid, o.Outcome, "", "two legs are of the same outcome")
		case c.kind != domain.KindOutcome:
			a.fail(i+1, domain.ReasonLegsInvalid, string(c.kind), string(domain.KindOutcome), "only the outcomes of an outcome market pay a certain sum")
		case len(d.s.sureOf(o.Market)) < minLegs:
			a.fail(i+1, domain.ReasonLegsInvalid, "", "", d.unsure(o.Market))
		case d.s.exclusive(o.Market) != nil && d.s.together(o.Instrument) == nil:
			a.fail(i+1, domain.ReasonLegsInvalid, o.Outcome, "", "the market has no such outcome")
		}
		shares.Add(o.Instrument, o.Side, o.Quantity)
		a.cost = a.cost.Add(risk.LegCost(o))
	}
	if len(a.reasons) > 0 {
		a.cost = domain.Zero
		return
	}
	if a.sure = shares.SurePayout(d.s.sureOf); !a.cost.Less(a.sure) {
		a.fail(0, domain.ReasonLegsUnprofitable, a.cost.String(), a.sure.String(), "the worst-case cost of all legs with their fees is not below what they pay in the worst outcome")
	}
}

// unsure says why no payout of a market is certain.
func (d *Decision) unsure(market string) string {
	if m := d.s.Markets[market]; m != nil && len(m.Outcomes) >= minLegs && !m.Exclusive {
		return "the market is not registered as exclusive, so no payout is certain"
	}
	return "the market is not registered with all of its outcomes, so no payout is certain"
}

// outcomesOf returns all outcomes of a market, or none if they were not
// registered.
func (s *State) outcomesOf(market string) []string {
	if m := s.Markets[market]; m != nil {
		return m.Outcomes
	}
	return nil
}

func (a *arbitrage) fail(leg int, code domain.ReasonCode, value, limit, message string) {
	a.reasons = append(a.reasons, domain.Reason{Code: code, Value: value, Limit: limit, Message: message, Leg: leg})
}

// ofBot returns the reasons that do not depend on the order. They are given once
// for all legs.
var ofBot = []domain.ReasonCode{
	domain.ReasonEmergencyStop, domain.ReasonBreakerTripped, domain.ReasonLimitReached, domain.ReasonBotUnknown, domain.ReasonBotStopped,
}

func (a *arbitrage) take(leg int, reasons []domain.Reason) {
	for _, r := range reasons {
		if !slices.Contains(ofBot, r.Code) {
			r.Leg = leg + 1
		} else if slices.Contains(a.reasons, r) {
			continue
		}
		a.reasons = append(a.reasons, r)
	}
}

func (a *arbitrage) orders() []domain.Order {
	orders := make([]domain.Order, len(a.legs))
	for i, c := range a.legs {
		orders[i] = c.order
	}
	return orders
}

func (d *Decision) denyArbitrage(a *arbitrage) {
	orders := a.orders()
	if !d.deniedBefore(a.bot, denialDigest(orders, a.reasons)) {
		d.emit(&domain.ArbitrageDenied{Bot: a.bot, Legs: orders, Cost: a.cost, SurePayout: a.sure, Reasons: a.reasons})
	}
}

// releaseOtherLegs ends the permits of unplaced legs once another leg will not be
// filled. Alone they would be directional, and they were not checked as such.
func (d *Decision) releaseOtherLegs(of *risk.Permit) {
	if of.Arbitrage == "" {
		return
	}
	for _, id := range idsOf(d.s.permitsOf(of.Bot), func(p *risk.Permit) bool {
		return p.Arbitrage == of.Arbitrage && !p.Working && p.Live(d.now)
	}) {
		d.emit(&domain.PermitReleased{Permit: id, Reason: "another leg of " + of.Arbitrage + " was released"})
	}
}

// timeOutLegs records, for each arbitrage whose legs were not all filled in time,
// which legs are open.
func (d *Decision) timeOutLegs() {
	all := d.s.overdue(d.now)
	for _, a := range all[:min(len(all), maxTimeOuts)] {
		d.add(&domain.ArbitrageTimedOut{Arbitrage: a.ID, Bot: a.Bot, Open: d.s.openLegs(a), Resting: d.s.resting(a, d.now), Close: d.s.Policy.Second() && d.s.Leaves(a.Bot, false) != LeaveNothing})
	}
}

// resting returns the permits of legs whose orders may still be filled.
func (s *State) resting(a *risk.Arbitrage, now time.Time) []string {
	return idsOf(s.permitsOf(a.Bot), func(p *risk.Permit) bool { return p.Arbitrage == a.ID && p.Live(now) })
}

// overdue lists the arbitrages past their leg time-out that are incomplete and
// still have an order or an open leg, the oldest first.
func (s *State) overdue(now time.Time) []*risk.Arbitrage {
	var all []*risk.Arbitrage
	s.derived.deadlines.until(now, 0, func(e expiring) {
		a := s.Arbitrages[e.id]
		if !e.runs(a) || a.Complete() || slices.Contains(all, a) {
			return
		}
		if len(s.openLegs(a)) > 0 || len(s.resting(a, now)) > 0 {
			all = append(all, a)
		}
	})
	slices.SortFunc(all, func(a, b *risk.Arbitrage) int { return comparePermits(a.ID, b.ID) })
	return all
}

// OverdueLegs names the oldest arbitrage whose leg time-out has passed without a
// record of it, or returns "". [Decision.TimeOutLegs] records it.
func (s *State) OverdueLegs(now time.Time) string {
	if all := s.overdue(now); len(all) > 0 {
		return all[0].ID
	}
	return ""
}

// TimeOutLegs records leg time-outs when no other command does.
func (d *Decision) TimeOutLegs() error {
	if err := d.requireOpen(); err != nil {
		return err
	}
	if d.due(); len(d.events) == 0 {
		d.Note(domain.NotedUnchanged, "no leg is overdue")
	}
	return nil
}
