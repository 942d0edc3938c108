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
	if d.s.KindOf(e.Market) != domain.KindOutcome {
		return domain.Invalid("market", "is not of kind outcome, so it does not settle")
	}
	if e.Bot != "" {
		if _, err := d.requireBot(e.Bot); err != nil {
			return err
		}
	}
	in := d.s.Instruments[e.Instrument]
	if in != nil && in.Payout != nil && *in.Payout != e.Payout {
		return &domain.Error{Code: domain.CodeConflict, Field: "payout", Message: "differs from the payout this outcome was settled at: " + in.Payout.String()}
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
// is settled, at cash ÷ quantity; in an exclusive market of two outcomes the other is
// settled with it, and of both the one whose quantity is the cash has won. A quantity other than what is held is a
// finding, because the cash that moved then differs from what is booked. A market
// in which nothing is held is noted and ignored; found reports which it was.
func (d *Decision) Redeem(bot, market string, quantity, cash domain.Decimal) (found bool, err error) {
	if _, err := d.requireBot(bot); err != nil {
		return false, err
	}
	if quantity.Sign() < 0 || cash.Sign() < 0 {
		return false, domain.Invalid("quantity", "and cash must not be negative")
	}
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
	payout := domain.Zero
	switch {
	case len(open) > 1:
		winner := d.winnerOf(open, bot, cash)
		if winner == nil {
			return false, domain.Invalid("market", "has two open outcomes; the row does not say which is redeemed")
		}
		payout, open = domain.One, []*Instrument{winner}
	case quantity.Sign() > 0:
		payout = cash.Div(quantity)
	case cash.Sign() > 0:
		return false, domain.Invalid("quantity", "is 0, but cash is not")
	}
	return true, d.SettleMarket(Settlement{
		Market: market, Outcome: open[0].Outcome, Payout: payout, Bot: bot,
		Finding: quantity.Sign() > 0 && quantity != open[0].Holding(bot).Quantity,
	})
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

// winnerOf returns the outcome that paid the cash of both sides of an exclusive market of
// two outcomes, or nil if the cash does not tell them apart.
func (d *Decision) winnerOf(open []*Instrument, bot string, cash domain.Decimal) *Instrument {
	m := d.s.exclusive(open[0].Market)
	if m == nil || len(m.Outcomes) != 2 || len(open) != 2 || !m.has(open[0].Outcome) || !m.has(open[1].Outcome) {
		return nil
	}
	first, second := open[0].Holding(bot).Quantity, open[1].Holding(bot).Quantity
	switch {
	case first == second:
		return nil
	case cash == first:
		return open[0]
	case cash == second:
		return open[1]
	}
	return nil
}
