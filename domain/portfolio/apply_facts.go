package portfolio

import (
	"maps"
	"slices"

	"pets/domain"
	"pets/domain/ledger"
)

// applyReinstated books a voided fill that was reported as confirmed: with its new
// content, at a new place in the order of the fills. In a settled market it is paid at
// once.
func (s *State) applyReinstated(at domain.Stamp, e *domain.FillRecorded) {
	s.applyFill(at, e)
	in := s.instrument(e.Instrument)
	if in.Payout == nil {
		return
	}
	s.payHolder(in, e.Bot, s.payoutFact(at, in))
	s.revalueFor(in, e.Bot)
}

// applyFunding books what holding a position brought or cost: to the bot, and to the
// open episode if there is one.
func (s *State) applyFunding(at domain.Stamp, e *domain.FundingRecorded) {
	s.remember(at, e)
	b := s.bot(e.Bot)
	s.post(ledger.Move(ledger.BotCash(s.BaseAsset, b.ID), ledger.FundingIncome(s.BaseAsset, b.ID), e.Amount)...)
	b.Cash = b.Cash.Add(e.Amount)
	s.moved(b.ID)
	in := s.Instruments[e.Instrument]
	if in == nil {
		return
	}
	if h := in.Holding(b.ID); h != nil {
		h.Record(ledger.Fact{Funding: e.Amount, Revision: at.Revision, At: at.Time})
		s.boundPosition(h.Position)
	}
}

// unpayOtherFee gives back the fee of a voided fill. One that had no value when it was booked
// came into equity as a flow, by the first mark of its asset, and so it goes.
func (s *State) unpayOtherFee(b *Bot, fact *ledger.Fact) {
	all, before := s.Equity(), b.Equity()
	s.payOtherFee(b, fact.FeeAsset, fact.FeeAmount.Neg(), fact.FeeValue.Neg())
	flow := b.Equity().Sub(before)
	if flow.IsZero() || !fact.FeeValue.IsZero() || !s.Policy.Second() {
		return
	}
	s.flowed(&b.Refs, before, flow, b.Positions > 0)
	s.bound(b.Equity(), b.Refs.Peak, b.Refs.LifetimePeak, b.Refs.DayOpen)
	s.effects.Flows = append(s.effects.Flows, Flow{Bot: b.ID, Amount: flow})
	s.flow(all)
}

// payOtherFee takes a fee out of what a bot has of another asset, or gives it back.
func (s *State) payOtherFee(b *Bot, asset string, fee, value domain.Decimal) {
	if asset == "" || fee.IsZero() {
		return
	}
	s.post(ledger.Move(ledger.Fees(asset, b.ID), ledger.BotCash(asset, b.ID), fee)...)
	b.OtherFees = b.OtherFees.Add(value)
	s.bound(b.OtherFees)
	s.changeOther(b, asset, fee.Neg())
}

// changeOther changes what a bot has of another asset.
func (s *State) changeOther(b *Bot, asset string, amount domain.Decimal) {
	if b.Other == nil {
		b.Other = map[string]domain.Decimal{}
	}
	if b.Other[asset] = b.Other[asset].Add(amount); b.Other[asset].IsZero() {
		delete(b.Other, asset)
	}
	s.owes(b, asset, amount)
	s.valueOther(b)
}

// valueOther values what a bot has of other assets at their marks.
func (s *State) valueOther(b *Bot) {
	b.OtherValue = s.bearOther(b)
	s.bound(b.OtherValue)
}

// bearOther returns what a bot has of other assets at their marks, and notes what it would
// have beyond what counts.
func (s *State) bearOther(b *Bot) domain.Decimal {
	value, all := domain.Zero, domain.Zero
	for asset, balance := range b.Other { // The order does not matter: the sums are exact.
		if a := s.Assets[asset]; a != nil && a.Marked {
			all = all.Add(balance.Mul(a.Mark))
			value = value.Add(s.bearable(balance.Mul(a.Mark)))
		}
	}
	s.unbearable = s.unbearable.Add(all.Sub(value)).Sub(b.unbearable)
	b.unbearable = all.Sub(value)
	return value
}

// boundAsset limits what an asset is worth beside what bots owe of it, which is bearable.
func (s *State) boundAsset(name string) {
	a := s.Assets[name]
	owned := a.Balance
	if s.Policy.Second() {
		owned = owned.Sub(s.derived.owed[name])
	}
	s.bound(owned.Mul(a.Mark))
}

// revalueOther values an asset anew that bots have some of. As for the portfolio, its
// first mark is a flow, and later changes are performance.
func (s *State) revalueOther(asset string, first bool) {
	for _, id := range slices.Sorted(maps.Keys(s.derived.owing[asset])) {
		b := s.Bots[id]
		before := b.Equity()
		s.touch(b)
		s.valueOther(b)
		flow := b.Equity().Sub(before)
		switch {
		case flow.IsZero():
		case first:
			s.flowed(&b.Refs, before, flow, b.Positions > 0)
			s.bound(b.Equity(), b.Refs.Peak, b.Refs.LifetimePeak, b.Refs.DayOpen)
			s.effects.Flows = append(s.effects.Flows, Flow{Bot: id, Amount: flow})
		default:
			s.moved(id)
		}
	}
}
