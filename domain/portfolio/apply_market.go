package portfolio

import (
	"cmp"
	"slices"
	"strings"

	"pets/domain"
	"pets/domain/ledger"
)

// applyPaidOut marks the outcomes of a market at their payouts, then sells what the
// named holders have left at them, without a fee. In a void market they get the cost
// back.
func (s *State) applyPaidOut(at domain.Stamp, e *domain.MarketPaidOut) {
	s.endWaiting(e.Market)
	for _, outcome := range s.outcomesPaid(e) {
		in := s.instrument(domain.Instrument{Market: e.Market, Outcome: outcome})
		s.payOutcome(at, in, e)
	}
	for _, id := range e.PermitsReleased {
		s.dropPermit(id)
	}
	s.effects.Performed = true
	s.settled(e.Market)
	for _, outcome := range s.outcomesPaid(e) {
		s.revalue(s.instrument(domain.Instrument{Market: e.Market, Outcome: outcome}))
	}
	s.reclaimMarket(at, e.Market)
	s.tidyArbitrages("")
}

// payOutcome settles one outcome, or complement, with its holders.
func (s *State) payOutcome(at domain.Stamp, in *Instrument, e *domain.MarketPaidOut) {
	payout := payoutOf(e, in.Outcome)
	if e.Void {
		payout = in.last()
	}
	in.settle(at, payout, e.Void, true)
	s.payHolders(at, in, e)
}

func (s *State) payHolders(at domain.Stamp, in *Instrument, e *domain.MarketPaidOut) {
	fact := s.payoutFact(at, in)
	for _, h := range in.Holdings {
		// A later void may show that this bot, flat now by a provisional fill, held
		// some.
		if h.IsFlat() && (e.Bot == "" || e.Bot == h.Bot) {
			h.Record(fact)
		}
	}
	for _, holder := range e.Holders {
		if holder.Outcome == in.Outcome {
			s.payHolder(in, holder.Bot, fact)
		}
	}
}

// payoutFact is what a settled instrument pays.
func (s *State) payoutFact(at domain.Stamp, in *Instrument) ledger.Fact {
	return ledger.Fact{Payout: in.Payout, Refund: in.Refunded, Kept: in.Corrigible, Dust: s.Policy.PositionDustUSD, Revision: at.Revision, At: at.Time}
}

// settledBy says how a settlement closes the trades of an instrument.
func (s *State) settledBy(i domain.Instrument) string {
	if in := s.Instruments[i]; in != nil && in.Refunded {
		return domain.ClosedByRefund
	}
	return domain.ClosedBySettlement
}

// payHolder sells what one bot has left of an instrument at its payout.
func (s *State) payHolder(in *Instrument, bot string, fact ledger.Fact) {
	h := in.Holding(bot)
	if h == nil || h.IsFlat() {
		return
	}
	effect := h.Record(fact)
	b := s.bot(bot)
	s.postBot(b, ledger.PositionOf(s.BaseAsset, b.ID, in.Instrument), effect.Money)
	h.Oversold = false
	s.closed(b, in, effect.Closed)
	s.moved(b.ID)
}

// settle sets the payout of an instrument: its last mark, over every bot's own.
func (i *Instrument) settle(at domain.Stamp, payout domain.Decimal, refunded, corrigible bool) {
	// What the first edition paid is forgotten, also if more is paid later.
	i.Corrigible = corrigible && (i.Payout == nil || i.Corrigible)
	i.Payout, i.Refunded, i.Own = &payout, refunded, nil
	i.Marks.push(MarkEntry{Price: payout, Revision: at.Revision, Time: at.Time, Source: MarkedBySettlement})
}

// last returns the mark in force, or 0.
func (i *Instrument) last() domain.Decimal {
	if m := i.Mark(); m != nil {
		return m.Price
	}
	return domain.Zero
}

func compareInstruments(a, b *Instrument) int {
	return cmp.Or(strings.Compare(a.Market, b.Market), strings.Compare(a.Outcome, b.Outcome))
}

// compareRevised orders revisions by bot, then by the place of the trade among the bot's
// results.
func compareRevised(a, b *domain.TradeRevised) int {
	return cmp.Or(strings.Compare(a.Bot, b.Bot), cmp.Compare(a.Number, b.Number))
}

// compareHolders orders holders by bot, then by outcome as registered, complements
// last.
func compareHolders(m *Market, a, b domain.OutcomeHolder) int {
	place := func(outcome string) int {
		if n := slices.Index(m.Outcomes, outcome); n >= 0 {
			return n
		}
		return len(m.Outcomes)
	}
	return cmp.Or(strings.Compare(a.Bot, b.Bot), cmp.Compare(place(a.Outcome), place(b.Outcome)), strings.Compare(a.Outcome, b.Outcome))
}
