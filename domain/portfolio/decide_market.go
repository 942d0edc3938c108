package portfolio

import (
	"slices"

	"pets/domain"
	"pets/domain/risk"
)

// Settle pays out one outcome. Its mark becomes the payout, and everything the
// holders (or the named one) have left is sold at it. Peaks and breakers are
// evaluated once, after the last holder.
func (d *Decision) Settle(e *domain.MarketSettled) error {
	if err := d.requireOpen(); err != nil {
		return err
	}
	if err := domain.CheckText("market", e.Market); err != nil {
		return err
	}
	if err := domain.CheckText("outcome", e.Outcome); err != nil {
		return err
	}
	if e.Payout.Sign() < 0 || domain.One.Less(e.Payout) {
		return domain.Invalid("payout", "must be between 0 and 1")
	}
	d.Look(e.Market)
	if d.s.KindOf(e.Market) != domain.KindOutcome {
		return domain.Invalid("market", "is not of kind outcome, so it does not settle")
	}
	if e.Bot != "" {
		if _, err := d.requireBot(e.Bot); err != nil {
			return err
		}
	}
	in := d.s.Instruments[e.Instrument]
	if in != nil && in.Payout != nil && (in.Refunded || *in.Payout != e.Payout) {
		return &domain.Error{Code: domain.CodeConflict, Field: "payout", Message: "differs from the payout this outcome was settled at: " + in.settledAs()}
	}
	e.Holders = in.holders(e.Bot)
	if len(e.Holders) == 0 && in != nil && in.Payout != nil && !in.mayHold(e.Bot) {
		d.Note(domain.NotedUnchanged, "the outcome is already settled and no bot holds it")
		return nil
	}
	e.Finding = e.Finding || len(e.Holders) == 0
	if d.s.strange(e.Instrument) {
		e.Flags = []string{domain.FlagOutcomeUnknown}
	}
	e.PermitsReleased = d.s.permitIDs(func(p *risk.Permit) bool { return p.Instrument == e.Instrument })

	effects := d.fact(e)
	closed := append([]ClosedEpisode(nil), effects.Closed...)
	moved := append([]string(nil), effects.Moved...)
	d.closeTrades(closed, domain.ClosedBySettlement)
	d.evaluate(moved)
	return nil
}

// holders lists the holders of the instrument in bot-id order, or only the given
// one.
func (i *Instrument) holders(only string) []domain.Holder {
	if i == nil {
		return nil
	}
	var out []domain.Holder
	for _, h := range i.Holdings {
		if !h.IsFlat() && (only == "" || only == h.Bot) {
			out = append(out, domain.Holder{Bot: h.Bot, Quantity: h.Quantity})
		}
	}
	return out
}

// mayHold reports that a void can still bring back a holding that a provisional
// fill closed. The settlement has to be remembered there.
func (i *Instrument) mayHold(only string) bool {
	return slices.ContainsFunc(i.Holdings, func(h *Holding) bool {
		return (only == "" || only == h.Bot) && (!h.IsFlat() || h.Voidable())
	})
}

// Redeem settles the one open outcome that a bot holds of a market, as a wallet's
// ledger reports it: by quantity and cash, without naming the outcome. All of it
// is settled, at cash ÷ quantity. In an exclusive market what is held of several outcomes
// is settled by the one payout that brings the cash. A quantity other than what is held is
// a finding, because the cash that moved then differs from what is booked. A market
// in which nothing is held is noted and ignored; found reports which it was.
func (d *Decision) Redeem(bot, market string, quantity, cash domain.Decimal) (found bool, err error) {
	if _, err := d.requireBot(bot); err != nil {
		return false, err
	}
	if quantity.Sign() < 0 || cash.Sign() < 0 {
		return false, domain.Invalid("quantity", "and cash must not be negative")
	}
	d.Look(market)
	open := d.s.openIn(bot, market)
	if len(open) == 0 {
		d.Note(domain.NotedIgnored, "redeem of a market in which nothing is held: ignored")
		return false, nil
	}
	for _, in := range open {
		if held := in.Holding(bot).Quantity; held.Sign() < 0 {
			return false, domain.Invalid("market", "is held short (%s): there is no long holding to redeem", held)
		}
	}
	r := Settlement{Market: market, Outcome: open[0].Outcome, Bot: bot}
	held := open[0].Holding(bot).Quantity
	switch {
	case len(open) > 1:
		payouts, err := d.s.redeemed(open, bot, cash)
		if err != nil {
			return false, err
		}
		r.Outcome, r.Payouts, held = "", payouts, cash
	case quantity.Sign() > 0:
		r.Payout = cash.Div(quantity)
	case cash.Sign() > 0:
		return false, domain.Invalid("quantity", "is 0, but cash is not")
	}
	r.Finding = quantity.Sign() > 0 && quantity != held
	return true, d.SettleMarket(r)
}

// openIn returns the instruments of a market that a bot holds something of.
func (s *State) openIn(bot, market string) []*Instrument {
	var open []*Instrument
	for _, in := range s.instrumentsOf(market) {
		if h := in.Holding(bot); h != nil && !h.IsFlat() {
			open = append(open, in)
		}
	}
	return open
}

// redeemed returns what the outcomes of an exclusive market paid, if that is the only way
// in which what a bot holds of several brings the cash: one of them won, or both of two
// paid a half.
func (s *State) redeemed(open []*Instrument, bot string, cash domain.Decimal) (map[string]domain.Decimal, error) {
	m := s.exclusive(open[0].Market)
	if m == nil || slices.ContainsFunc(open, func(in *Instrument) bool { return !m.has(in.Outcome) }) {
		return nil, domain.Invalid("market", "has two open outcomes; the row does not say which is redeemed")
	}
	h := s.held(m, open[0].Market, bot)
	payouts, won, total := map[string]domain.Decimal{}, 0, domain.Zero
	for n, pays := range h.Payoffs(nil) {
		payouts[h.Outcomes[n]] = domain.Zero
		total = total.Add(pays)
		if pays == cash {
			payouts[h.Outcomes[n]] = domain.One
			won++
		}
	}
	two := domain.FromInt(2)
	switch {
	case won == 1:
		return payouts, nil
	case won == 0 && len(m.Outcomes) == 2 && cash.Mul(two) == total:
		for outcome := range payouts {
			payouts[outcome] = domain.One.Div(two)
		}
		return payouts, nil
	}
	return nil, domain.Invalid("cash", "of %s does not tell which outcome of the market won: the bot holds several; write settlements that name the outcomes", cash)
}
