package portfolio

import (
	"encoding/json"
	"slices"

	"pets/domain"
	"pets/domain/ledger"
	"pets/domain/payoff"
	"pets/domain/risk"
)

// Correction says what a settled market pays after all. Its JSON is the content of an
// override of kind settlement.
type Correction struct {
	Market string `json:"market"`
	// Payouts name every outcome of an exclusive market, and elsewhere the settled
	// outcomes that change. Void gives every holder the cost back.
	Payouts map[string]domain.Decimal `json:"payouts,omitempty"`
	Void    bool                      `json:"void,omitempty"`
	// Rebase makes the equity after it the reference of all that it moved.
	Rebase bool `json:"rebase,omitempty"`
}

// AgreedPayouts are the payouts of an exclusive market that two people agree on, whatever
// their sum: the content of an override of kind payouts.
type AgreedPayouts struct {
	Market  string                    `json:"market"`
	Payouts map[string]domain.Decimal `json:"payouts"`
}

// CorrectSettlement replaces what a market paid. Each trade that the settlement closed
// is revised, and breakers are evaluated once, after all of them: a correction may trip
// one, and never untrips any. In a live portfolio it takes two people: an override of
// kind settlement.
func (d *Decision) CorrectSettlement(c Correction, reason string) error {
	if err := d.requireOpen(); err != nil {
		return err
	}
	if err := domain.CheckReason("reason", reason); err != nil {
		return err
	}
	if d.s.Mode == domain.ModeLive {
		return domain.Errorf(domain.CodeDenied, "the correction of a settlement takes two people in a live portfolio: POST …/overrides of kind settlement, confirmed by another user")
	}
	e, known, err := d.correctionOf(c, false)
	if err != nil {
		return err
	}
	if known {
		d.Note(domain.NotedUnchanged, "the market is already settled like this")
		return nil
	}
	e.Reason = reason
	d.correct(e)
	return nil
}

// correctionOf checks a correction. known reports that the market is settled like this
// already. agreed: two people answer for payouts that do not sum to 1.
func (d *Decision) correctionOf(c Correction, agreed bool) (e *domain.MarketCorrected, known bool, err error) {
	if err := domain.CheckText("market", c.Market); err != nil {
		return nil, false, err
	}
	switch {
	case len(c.Payouts) > 0 && c.Void:
		return nil, false, domain.Invalid("payouts", "are not allowed with void, which gives every holder the cost back")
	case len(c.Payouts) == 0 && !c.Void:
		return nil, false, domain.Invalid("payouts", "or void must say what the market pays")
	}
	d.Look(c.Market)
	if err := d.checkCorrected(c, agreed); err != nil {
		return nil, false, err
	}
	e = &domain.MarketCorrected{Market: c.Market, Payouts: c.Payouts, Void: c.Void, Rebase: c.Rebase, User: d.caller.User}
	settled := d.s.correctedBy(e)
	if len(settled) == 0 {
		return nil, false, &domain.Error{Code: domain.CodeConflict, Field: "market", Message: "is not settled, so there is nothing to correct: POST …/settlements"}
	}
	known = true
	for _, in := range settled {
		same := in.Refunded == c.Void && (c.Void || *in.Payout == payoutOf(payment(e), in.Outcome))
		if known = known && same; !same && !in.Corrigible {
			return nil, false, &domain.Error{Code: domain.CodeConflict, Field: "market", Message: "was settled under the first edition of the rules (" + in.Outcome + "), which does not remember what that closed; post adjustments for the amounts"}
		}
	}
	return e, known && (!d.s.settlesRest(e) || d.s.decided(c.Market)), nil
}

// checkCorrected checks the payouts of a correction: an exclusive market names all of its
// outcomes, and what is named beside them is settled.
func (d *Decision) checkCorrected(c Correction, agreed bool) error {
	m := d.s.exclusive(c.Market)
	ofMarket := map[string]domain.Decimal{}
	for outcome, payout := range c.Payouts {
		if m != nil && slices.Contains(m.Outcomes, outcome) {
			ofMarket[outcome] = payout
			continue
		}
		in := d.s.Instruments[domain.Instrument{Market: c.Market, Outcome: outcome}]
		switch {
		case in == nil || in.Payout == nil:
			return domain.Invalid("payouts", "name %q, which is not settled, or no outcome of the market", outcome)
		case m != nil && m.has(outcome):
			return domain.Invalid("payouts", "name %q, which pays 1 − the payout of the outcome; name the outcomes themselves", outcome)
		case payout.Sign() < 0 || domain.One.Less(payout):
			return domain.Invalid("payouts", "must be between 0 and 1")
		}
	}
	if m == nil || len(ofMarket) == 0 && len(c.Payouts) > 0 || c.Void {
		return nil
	}
	settled, err := payoff.Payouts(m.Outcomes, ofMarket)
	if err != nil {
		return err
	}
	if sum, one := payoff.SumToOne(settled); !one && !agreed {
		return &domain.Error{Code: domain.CodePayoutsSum, Field: "payouts", Message: "of an exclusive market sum to 1, and these to " + sum.String() + "; another sum takes two people: an override of kind settlement"}
	}
	return nil
}

// correct records a correction with the trades that it revises, those that it closes,
// and the breakers that it trips.
func (d *Decision) correct(e *domain.MarketCorrected) {
	revised := d.corrected(e)
	m := d.s.exclusive(e.Market)
	if m != nil {
		d.settleRest(e, m)
	}
	effects := d.fact(e)
	closed, moved := slices.Clone(effects.Closed), slices.Clone(effects.Moved)
	for _, r := range revised {
		d.row(r)
	}
	by := domain.ClosedBySettlement
	if e.Void {
		by = domain.ClosedByRefund
	}
	d.closeTrades(closed, by)
	for _, r := range revised {
		if !slices.Contains(moved, r.Bot) {
			moved = append(moved, r.Bot)
		}
	}
	d.evaluate(moved)
}

// corrected returns how the closed trades change: in the order of the bots, and of one
// bot in the order in which its results counted.
func (d *Decision) corrected(e *domain.MarketCorrected) []*domain.TradeRevised {
	var all []*domain.TradeRevised
	for _, in := range d.s.correctedBy(e) {
		payout := payoutOf(payment(e), in.Outcome)
		if e.Void {
			payout = in.last()
		}
		in.remembered(func(bot string, h *ledger.Holding) {
			for _, r := range h.Correct(payout, e.Void).Revised {
				all = append(all, d.revision(bot, in, h, r))
			}
		})
	}
	slices.SortStableFunc(all, compareRevised)
	return all
}

// settleRest names the holders and the permits of what the correction settles.
func (d *Decision) settleRest(e *domain.MarketCorrected, m *Market) {
	paid := payment(e)
	for _, in := range d.s.paidBy(paid) {
		if in.Payout == nil {
			e.Holders = append(e.Holders, in.heldBy("")...)
		}
	}
	slices.SortStableFunc(e.Holders, func(a, b domain.OutcomeHolder) int { return compareHolders(m, a, b) })
	e.PermitsReleased = d.s.permitIDs(func(p *risk.Permit) bool { return p.Market == e.Market && d.s.pays(paid, p.Outcome) })
}

// overriddenCorrection reads the content of an override of kind settlement.
func (d *Decision) overriddenCorrection(portfolio string, raw json.RawMessage, reason string) (*domain.MarketCorrected, error) {
	var c Correction
	if err := domain.DecodeObject(raw, &c); err != nil {
		return nil, &domain.Error{Code: domain.CodeInvalid, Field: "limits", Message: "must be {market, payouts or void, rebase} for an override of kind settlement"}
	}
	if portfolio != "" {
		return nil, domain.Invalid("portfolio", "is not allowed with settlement, which concerns this portfolio")
	}
	e, known, err := d.correctionOf(c, true)
	switch {
	case err != nil:
		return nil, err
	case known:
		return nil, domain.Errorf(domain.CodeConflict, "the market is settled like this already")
	}
	e.Reason = reason
	return e, nil
}

// overriddenPayouts reads the content of an override of kind payouts: what each outcome
// of an exclusive market pays, whatever the sum.
func (d *Decision) overriddenPayouts(portfolio string, raw json.RawMessage, override string) (*Settlement, error) {
	var c AgreedPayouts
	if err := domain.DecodeObject(raw, &c); err != nil || len(c.Payouts) == 0 {
		return nil, &domain.Error{Code: domain.CodeInvalid, Field: "limits", Message: "must be {market, payouts} for an override of kind payouts"}
	}
	d.Look(c.Market)
	r := &Settlement{Market: c.Market, Payouts: c.Payouts, Override: override}
	m := d.s.Markets[c.Market]
	switch {
	case portfolio != "":
		return nil, domain.Invalid("portfolio", "is not allowed with payouts, which concern this portfolio")
	case m == nil || !m.Exclusive:
		return nil, &domain.Error{Code: domain.CodeConflict, Field: "limits.market", Message: "is not registered as exclusive, so its payouts may have any sum without an override"}
	}
	e, err := d.settlementEvent(r, m, true)
	if err != nil {
		return nil, err
	}
	if again, err := d.s.settledBefore(e); err != nil {
		return nil, err
	} else if again {
		return nil, domain.Errorf(domain.CodeConflict, "the market is settled like this already, and no bot holds it")
	}
	return r, nil
}

// confirmCorrection corrects what a market paid, based on its current state.
func (d *Decision) confirmCorrection(o *Override, e *domain.OverrideRecorded) error {
	c, err := d.overriddenCorrection(o.Portfolio, o.Limits, o.Reason)
	if err != nil {
		return err
	}
	c.Override = e.Override
	d.emit(e)
	d.correct(c)
	return nil
}

// settleAgreed settles a market at the payouts that two people agreed on.
func (d *Decision) settleAgreed(o *Override, e *domain.OverrideRecorded) error {
	r, err := d.overriddenPayouts(o.Portfolio, o.Limits, e.Override) // based on its current state
	if err != nil {
		return err
	}
	d.emit(e)
	return d.SettleMarket(*r)
}
