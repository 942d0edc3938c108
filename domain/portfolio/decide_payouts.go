package portfolio

import (
	"maps"
	"slices"
	"strings"

	"pets/domain"
	"pets/domain/payoff"
	"pets/domain/risk"
)

// Settlement says what a market paid.
type Settlement struct {
	Market string
	// Outcome and Payout are the form with one outcome. Payouts name every outcome
	// of a registered market. Void gives every holder the cost back.
	Outcome string
	Payout  domain.Decimal
	Payouts map[string]domain.Decimal
	Void    bool
	Bot     string // only this holder
	// Override allows payouts that do not sum to 1.
	Override string
	// Finding: the reported quantity differs from the held one.
	Finding bool
}

// SettleMarket settles a market, or one outcome of it. All holders are paid in one
// record; peaks and breakers are evaluated once, after the last of them.
func (d *Decision) SettleMarket(r Settlement) error {
	if err := d.requireOpen(); err != nil {
		return err
	}
	r.Outcome = d.named(domain.Instrument{Market: r.Market, Outcome: r.Outcome}).Outcome
	m := d.s.Markets[r.Market]
	whole := len(r.Payouts) > 0 || r.Void
	if !whole && (m == nil || !m.Exclusive || !m.has(r.Outcome)) {
		return d.Settle(&domain.MarketSettled{Instrument: domain.Instrument{Market: r.Market, Outcome: r.Outcome}, Payout: r.Payout, Bot: r.Bot, Finding: r.Finding})
	}
	e, err := d.settlementEvent(&r, m, whole)
	if err != nil {
		return err
	}
	again, err := d.s.settledBefore(e)
	switch {
	case err != nil:
		return err
	case again:
		d.Note(domain.NotedUnchanged, "the market is already settled like this, and no bot holds it")
	default:
		d.payOut(e, m)
	}
	return nil
}

// settlementEvent checks a settlement and returns the event without its holders.
func (d *Decision) settlementEvent(r *Settlement, m *Market, whole bool) (*domain.MarketPaidOut, error) {
	if err := d.checkSettlement(r, m, whole); err != nil {
		return nil, err
	}
	e := &domain.MarketPaidOut{Market: r.Market, Void: r.Void, Bot: r.Bot, Override: r.Override, Finding: r.Finding}
	if r.Void {
		return e, nil
	}
	payouts, err := d.payoutsOf(r, m, whole)
	e.Payouts = payouts
	return e, err
}

func (d *Decision) checkSettlement(r *Settlement, m *Market, whole bool) error {
	if err := domain.CheckText("market", r.Market); err != nil {
		return err
	}
	switch {
	case whole && r.Outcome != "":
		return domain.Invalid("outcome", "is not allowed with payouts or void, which settle the whole market")
	case len(r.Payouts) > 0 && r.Void:
		return domain.Invalid("payouts", "are not allowed with void, which gives every holder the cost back")
	case m == nil || len(m.Outcomes) == 0:
		return domain.Invalid("market", "is not registered with its outcomes, so it is settled outcome by outcome")
	case m.Kind != domain.KindOutcome:
		return domain.Invalid("market", "is not of kind outcome, so it does not settle")
	case r.Bot != "" && m.Exclusive && !d.imported():
		return domain.Invalid("bot", "is allowed only in imports and in markets that are not exclusive: a market pays all its holders")
	}
	if r.Bot != "" {
		if _, err := d.requireBot(r.Bot); err != nil {
			return err
		}
	}
	return nil
}

// payoutsOf returns what the settlement pays, by outcome.
func (d *Decision) payoutsOf(r *Settlement, m *Market, whole bool) (map[string]domain.Decimal, error) {
	live := d.s.alive(m, r.Market)
	var settled []payoff.Payout
	var err error
	if whole {
		if settled, err = payoff.Payouts(d.s.named(live, m, r), r.Payouts); err != nil {
			return nil, err
		}
		if sum, one := payoff.SumToOne(settled); m.Exclusive && !one && r.Override == "" && !d.s.repeats(r.Market, settled) {
			return nil, &domain.Error{Code: domain.CodePayoutsSum, Field: "payouts", Message: "of an exclusive market sum to 1, and these to " + sum.String() + "; another sum takes two people: an override of kind payouts"}
		}
	} else if settled, _, err = payoff.SettleOne(m.Outcomes, live, r.Outcome, r.Payout); err != nil {
		if in := d.s.Instruments[domain.Instrument{Market: r.Market, Outcome: r.Outcome}]; in == nil || in.Payout == nil {
			return nil, err
		}
		// It is settled already: a repeat, or a conflict.
		return map[string]domain.Decimal{r.Outcome: r.Payout}, nil
	}
	payouts := make(map[string]domain.Decimal, len(settled))
	for _, p := range settled {
		payouts[p.Outcome] = p.Price
	}
	return payouts, nil
}

// repeats reports that a market was settled at just these payouts, which two people agreed on
// where they do not sum to 1. Repeating them pays out what came late.
func (s *State) repeats(market string, payouts []payoff.Payout) bool {
	return !slices.ContainsFunc(payouts, func(p payoff.Payout) bool {
		in := s.Instruments[domain.Instrument{Market: market, Outcome: p.Outcome}]
		return in == nil || in.Payout == nil || in.Refunded || *in.Payout != p.Price
	})
}

// named returns the outcomes that payouts have to name: those that are not settled,
// or all where a settled market is reported again.
func (s *State) named(live []string, m *Market, r *Settlement) []string {
	if s.decided(r.Market) || len(r.Payouts) == len(m.Outcomes) {
		return m.Outcomes
	}
	return live
}

// settledBefore compares a settlement with what is recorded. It returns true if all of
// it is known and nothing is left to pay.
func (s *State) settledBefore(e *domain.MarketPaidOut) (again bool, err error) {
	known, holds := true, false
	var differs *Instrument // an outcome before a complement: that is what the request named
	for _, in := range s.paidBy(e) {
		payout := payoutOf(e, in.Outcome)
		switch {
		case in.Payout == nil:
			known = false
		case in.Refunded != e.Void || !e.Void && *in.Payout != payout:
			if differs == nil || strings.HasPrefix(differs.Outcome, payoff.Not) {
				differs = in
			}
		}
		holds = holds || in.mayHold(e.Bot)
	}
	if differs != nil {
		return false, &domain.Error{Code: domain.CodeConflict, Field: "payouts", Message: "differ from what " + differs.Outcome + " was settled at: " + differs.settledAs() + "; two people, or an operator on paper, correct a settlement: POST …/settlements/correct"}
	}
	for outcome := range e.Payouts {
		in := s.Instruments[domain.Instrument{Market: e.Market, Outcome: outcome}]
		known = known && in != nil && in.Payout != nil
	}
	if e.Void {
		known = known && s.decided(e.Market)
	}
	return known && !holds, nil
}

// settledAs says how an outcome was settled.
func (i *Instrument) settledAs() string {
	if i.Refunded {
		return "void"
	}
	return i.Payout.String()
}

// payOut records a settlement with the trades that it closes and the breakers that it
// trips.
func (d *Decision) payOut(e *domain.MarketPaidOut, m *Market) {
	for _, in := range d.s.paidBy(e) {
		e.Holders = append(e.Holders, in.heldBy(e.Bot)...)
	}
	slices.SortStableFunc(e.Holders, func(a, b domain.OutcomeHolder) int { return compareHolders(m, a, b) })
	e.Finding = e.Finding || len(e.Holders) == 0
	e.PermitsReleased = d.s.permitIDs(func(p *risk.Permit) bool { return p.Market == e.Market && d.s.pays(e, p.Outcome) })
	effects := d.fact(e)
	closed, moved := slices.Clone(effects.Closed), slices.Clone(effects.Moved)
	by := domain.ClosedBySettlement
	if e.Void {
		by = domain.ClosedByRefund
	}
	d.closeTrades(closed, by)
	d.evaluate(moved)
}

// heldBy lists the holders of the instrument in the order of their ids, or only the
// given one.
func (i *Instrument) heldBy(only string) []domain.OutcomeHolder {
	var all []domain.OutcomeHolder
	for _, h := range i.holders(only) {
		all = append(all, domain.OutcomeHolder{Bot: h.Bot, Outcome: i.Outcome, Quantity: h.Quantity})
	}
	return all
}

// payoutOf returns what an instrument is paid by a settlement that settles it.
func payoutOf(e *domain.MarketPaidOut, outcome string) domain.Decimal {
	if p, ok := e.Payouts[outcome]; ok {
		return p
	}
	for name, p := range e.Payouts {
		if payoff.Complement(name) == outcome {
			return domain.One.Sub(p)
		}
	}
	return domain.Zero
}

// pays reports whether a settlement settles an instrument of its market.
func (s *State) pays(e *domain.MarketPaidOut, outcome string) bool {
	if e.Void {
		return true
	}
	if _, ok := e.Payouts[outcome]; ok {
		return true
	}
	m := s.Markets[e.Market]
	if m == nil || !m.Exclusive {
		return false
	}
	for name := range e.Payouts {
		if payoff.Complement(name) == outcome {
			return true
		}
	}
	return false
}

// paidBy returns the known instruments that a settlement settles, in the order of
// their names.
func (s *State) paidBy(e *domain.MarketPaidOut) []*Instrument {
	var paid []*Instrument
	for _, in := range s.instrumentsOf(e.Market) {
		if s.pays(e, in.Outcome) {
			paid = append(paid, in)
		}
	}
	slices.SortFunc(paid, compareInstruments)
	return paid
}

// outcomesPaid lists the outcomes that a settlement settles, the complements of those
// that are held or marked included.
func (s *State) outcomesPaid(e *domain.MarketPaidOut) []string {
	names := map[string]bool{}
	for outcome := range e.Payouts {
		names[outcome] = true
	}
	if m := s.Markets[e.Market]; m != nil && e.Void {
		for _, outcome := range m.Outcomes {
			names[outcome] = true
		}
	}
	for _, in := range s.paidBy(e) {
		names[in.Outcome] = true
	}
	return slices.Sorted(maps.Keys(names))
}
