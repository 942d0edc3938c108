package portfolio

import (
	"slices"

	"pets/domain"
	"pets/domain/ledger"
	"pets/domain/risk"
)

// Paid is a settled position of one bot: what it held, what it was paid, and the trade
// that this closed. It is all that a correction needs, and nothing else reads it.
type Paid struct {
	Bot string `json:"bot"`
	ledger.Holding
}

// leave notes that a flat holding is no more; the caller takes it out of the list. What a
// settlement paid for it is remembered.
func (s *State) leave(in *Instrument, h *Holding) {
	if len(h.Tail) > 0 {
		in.remember(&Paid{Bot: h.Bot, Holding: h.Holding})
	}
	s.unhold(in, h.Bot)
}

func (i *Instrument) remember(p *Paid) {
	i.Paid = append(i.Paid, p)
	i.indexPaid(p)
}

// indexPaid has a settled position found by its bot.
func (i *Instrument) indexPaid(p *Paid) {
	if i.paidTo == nil {
		i.paidTo = map[string][]*Paid{}
	}
	i.paidTo[p.Bot] = append(i.paidTo[p.Bot], p)
}

// closedIn returns the holding of a bot that remembers the facts of a trade that was
// just closed, or nil.
func (i *Instrument) closedIn(bot, trade string) *ledger.Holding {
	if h := i.Holding(bot); h != nil {
		return &h.Holding
	}
	for _, p := range slices.Backward(i.paidTo[bot]) {
		if slices.ContainsFunc(p.Tail, func(f ledger.Fact) bool { return f.In == trade || f.Opened == trade }) {
			return &p.Holding
		}
	}
	return nil
}

// remembered calls do for each holding that a settlement of the instrument paid, in the
// order of the payments, then of the bots whose fills may still be voided.
func (i *Instrument) remembered(do func(bot string, h *ledger.Holding)) {
	for _, p := range i.Paid {
		do(p.Bot, &p.Holding)
	}
	for _, h := range i.Holdings {
		if slices.ContainsFunc(h.Tail, func(f ledger.Fact) bool { return f.Payout != nil }) {
			do(h.Bot, &h.Holding)
		}
	}
}

// payment returns the settlement that a correction amounts to.
func payment(e *domain.MarketCorrected) *domain.MarketPaidOut {
	return &domain.MarketPaidOut{Market: e.Market, Payouts: e.Payouts, Void: e.Void, Holders: e.Holders, PermitsReleased: e.PermitsReleased}
}

// correctedBy returns the settled instruments that a correction changes, in the order
// of their names.
func (s *State) correctedBy(e *domain.MarketCorrected) []*Instrument {
	return slices.DeleteFunc(s.paidBy(payment(e)), func(in *Instrument) bool { return in.Payout == nil })
}

// settlesRest reports that a correction settles what is not settled yet: in an exclusive
// market it says what all outcomes pay.
func (s *State) settlesRest(e *domain.MarketCorrected) bool { return s.exclusive(e.Market) != nil }

// applyCorrected replaces what a market paid. Every remembered holding is folded again,
// with the payout that counts now, and the difference is posted.
func (s *State) applyCorrected(at domain.Stamp, e *domain.MarketCorrected) {
	paid, before := payment(e), s.equities(e.Rebase)
	s.endWaiting(e.Market)
	for _, in := range s.correctedBy(e) {
		payout := payoutOf(paid, in.Outcome)
		if e.Void {
			payout = in.last()
		}
		in.settle(at, payout, e.Void, in.Corrigible)
		in.remembered(func(bot string, h *ledger.Holding) { s.repay(in, bot, h) })
	}
	if s.settlesRest(e) {
		s.settleRest(at, paid)
	}
	for _, id := range e.PermitsReleased {
		s.dropPermit(id)
	}
	s.effects.Performed = true
	s.settled(e.Market)
	for _, in := range s.paidBy(paid) {
		s.revalue(in)
	}
	s.tidyArbitrages("")
	if e.Rebase {
		s.perform() // what wakes by the correction, wakes before it is rebased
		s.rebaseMoved(before)
	}
}

// equities returns the equity of each bot, and of the portfolio (""), if they are wanted.
func (s *State) equities(wanted bool) map[string]domain.Decimal {
	if !wanted {
		return nil
	}
	all := map[string]domain.Decimal{"": s.Equity()}
	for id, b := range s.Bots {
		all[id] = b.Equity()
	}
	return all
}

// repay folds a holding again at what its instrument pays now.
func (s *State) repay(in *Instrument, bot string, h *ledger.Holding) {
	refold := h.Correct(*in.Payout, in.Refunded)
	*h = refold.After
	s.boundPosition(h.Position)
	if refold.Money == (ledger.Money{}) {
		return
	}
	s.postBot(s.bot(bot), ledger.PositionOf(s.BaseAsset, bot, in.Instrument), refold.Money)
	s.moved(bot)
}

// settleRest settles the outcomes of a market that are not settled yet.
func (s *State) settleRest(at domain.Stamp, e *domain.MarketPaidOut) {
	for _, outcome := range s.outcomesPaid(e) {
		in := s.instrument(domain.Instrument{Market: e.Market, Outcome: outcome})
		if in.Payout == nil {
			s.payOutcome(at, in, e)
		}
	}
}

// rebaseMoved makes the equity now the reference of the portfolio and of the bots whose
// equity is another one than before. What a bot has lost elsewhere stays lost where two
// outcomes only paid each other.
func (s *State) rebaseMoved(before map[string]domain.Decimal) {
	bots := slices.DeleteFunc(slices.Clone(s.effects.Moved), func(id string) bool { return s.Bots[id].Equity() == before[id] })
	for r := range risk.Rules() {
		if r.Rebase == nil {
			continue
		}
		for _, key := range keysOf(r, bots) {
			if key.Bot == "" && s.Equity() == before[""] {
				continue
			}
			if subject, ok := s.subject(r, key.Bot); ok && evaluated(r, subject) {
				r.Rebase(subject)
			}
		}
	}
}
