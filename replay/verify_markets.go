package replay

import (
	"cmp"
	"time"

	"pets/domain"
	"pets/domain/payoff"
	"pets/domain/portfolio"
)

// markets recomputes what the records of markets say of themselves: who held what, what a
// registration or a change of sets does to equity, which mark waited, and who agreed.
type markets struct {
	// agreed are the confirmed overrides of settlements that no settlement has used.
	agreed map[string]string // kind by id
	// after compares the state that the record leaves with what it says; nil for nothing.
	after func()
}

// checkMarket compares an event with the state before it.
func (v *verifier) checkMarket(at time.Time, event domain.Event) {
	v.markets.after = nil
	v.checkArchive(event)
	switch e := event.(type) {
	case *domain.OverrideRecorded:
		if e.Kind == domain.OverridePayouts || e.Kind == domain.OverrideSettlement {
			if v.markets.agreed == nil {
				v.markets.agreed = map[string]string{}
			}
			v.markets.agreed[e.Override] = e.Kind
		}
	case *domain.MarketRegistered:
		v.checkRegistered(e)
	case *domain.MarketPaidOut:
		v.checkPaidOut(e)
	case *domain.MarketCorrected:
		v.checkCorrected(e)
	case *domain.SetsChanged:
		v.checkSets(e)
	case *domain.MarkConfirmed:
		v.checkConfirmed(at, e)
	case *domain.FillReinstated:
		if ref, known := v.state.Past.Find(e.FillID, e.Market); !known || ref.Status != portfolio.Voided {
			v.problem("fill %s of %s is reinstated, but was not voided", e.TradeID, e.Bot)
		}
	default:
		if n := len(domain.Flatten(event)); n > domain.RowsPerRecord {
			v.problem("a record holds %d rows; at most %d do", n, domain.RowsPerRecord)
		}
	}
}

// checkRegistered requires that equity changes by what the registration says.
func (v *verifier) checkRegistered(e *domain.MarketRegistered) {
	before := v.equities()
	v.markets.after = func() {
		said := map[string]domain.Decimal{}
		for _, c := range e.Changes {
			said[c.Bot] = c.Amount
		}
		for scope, now := range v.equities() {
			if change := now.Sub(before[scope]); change != said[scope] {
				v.problem("registering %s changes the equity of %s by %s, and not by %s", e.Market, named(scope), change, said[scope])
			}
		}
	}
}

// equities are those of the bots, and of the portfolio under the empty name.
func (v *verifier) equities() map[string]domain.Decimal {
	all := map[string]domain.Decimal{"": v.state.Equity()}
	for id, b := range v.state.Bots {
		all[id] = b.Equity()
	}
	return all
}

func named(scope string) string {
	if scope == "" {
		return "the portfolio"
	}
	return scope
}

// checkPaidOut requires that a settlement names its holders as the books have them, and
// leaves them nothing.
func (v *verifier) checkPaidOut(e *domain.MarketPaidOut) {
	v.checkSum(e.Market, e.Payouts, e.Override)
	if e.Override != "" {
		v.checkOverride(e.Market, "settled", domain.OverridePayouts, e.Override)
	}
	v.checkHolders(e.Market, e.Holders)
	v.markets.after = func() {
		for _, in := range v.state.SortedInstruments() {
			_, paid := e.Payouts[in.Outcome]
			if in.Market != e.Market || !paid && !e.Void {
				continue
			}
			for _, h := range in.Holdings {
				if !h.IsFlat() && (e.Bot == "" || e.Bot == h.Bot) {
					v.problem("%s of %s is settled, but %s still holds %s", in.Outcome, e.Market, h.Bot, h.Quantity)
				}
			}
		}
	}
}

func (v *verifier) checkHolders(market string, holders []domain.OutcomeHolder) {
	for _, h := range holders {
		held := domain.Zero
		if in := v.state.Instruments[domain.Instrument{Market: market, Outcome: h.Outcome}]; in != nil {
			if own := in.Holding(h.Bot); own != nil {
				held = own.Quantity
			}
		}
		if held != h.Quantity {
			v.problem("%s is settled for %s with %s × %s, but it held %s", market, h.Bot, h.Quantity, h.Outcome, held)
		}
	}
}

// checkSum requires that payouts lie within 0 and 1, and that those of an exclusive market
// sum to 1 unless two people agreed to another sum.
func (v *verifier) checkSum(market string, payouts map[string]domain.Decimal, override string) {
	for outcome, payout := range payouts {
		if payout.Sign() < 0 || domain.One.Less(payout) {
			v.problem("%s of %s pays %s; a share pays between 0 and 1", outcome, market, payout)
		}
	}
	m := v.state.Markets[market]
	if m == nil || !m.Exclusive || override != "" || len(payouts) == 0 {
		return
	}
	var all []payoff.Payout
	for _, outcome := range m.Outcomes {
		payout, paid := payouts[outcome]
		if in := v.state.Instruments[domain.Instrument{Market: market, Outcome: outcome}]; !paid && in != nil && in.Payout != nil {
			payout, paid = *in.Payout, true
		}
		if !paid {
			return // the rest of it is open
		}
		all = append(all, payoff.Payout{Outcome: outcome, Price: payout})
	}
	if sum, one := payoff.SumToOne(all); !one {
		v.problem("the payouts of %s sum to %s without an override by two people", market, sum)
	}
}

// checkOverride requires a confirmed override, and uses it up.
func (v *verifier) checkOverride(market, done, kind, override string) {
	if v.markets.agreed[override] != kind {
		v.problem("%s is %s by override %s, which was not confirmed, or is used", market, done, override)
	}
	delete(v.markets.agreed, override)
}

func (v *verifier) checkCorrected(e *domain.MarketCorrected) {
	v.checkHolders(e.Market, e.Holders)
	switch {
	case e.Override != "":
		v.checkOverride(e.Market, "corrected", domain.OverrideSettlement, e.Override)
	case v.state.Mode == domain.ModeLive:
		v.problem("the settlement of %s is corrected without an override by two people", e.Market)
	default:
		v.checkSum(e.Market, e.Payouts, "")
	}
}

// checkSets requires that the cash of the parts is that of the sets, that a bot had what it
// gave, and that its equity changes by the fee alone.
func (v *verifier) checkSets(e *domain.SetsChanged) {
	m := v.state.Markets[e.Market]
	b := v.state.Bots[e.Bot]
	if m == nil || !m.Exclusive || b == nil {
		v.problem("sets of %s are changed for %s: no exclusive market, or no bot", e.Market, e.Bot)
		return
	}
	total, open := domain.Zero, 0
	for _, outcome := range m.Outcomes {
		if in := v.state.Instruments[domain.Instrument{Market: e.Market, Outcome: outcome}]; in == nil || in.Payout == nil {
			open++
		}
	}
	for _, part := range e.Parts {
		total = total.Add(part.Cash)
		in := v.state.Instruments[domain.Instrument{Market: e.Market, Outcome: part.Outcome}]
		if e.Action == domain.MergeSets && (in == nil || in.Holding(e.Bot) == nil || in.Holding(e.Bot).Quantity.Less(e.Quantity)) {
			v.problem("%s merges %s sets of %s, and does not hold as many of %s", e.Bot, e.Quantity, e.Market, part.Outcome)
		}
	}
	if total != e.Quantity || len(e.Parts) != open {
		v.problem("the parts of %s sets of %s sum to %s", e.Quantity, e.Market, total)
	}
	want := b.Equity().Sub(e.Fee)
	v.markets.after = func() {
		if now := v.state.Bots[e.Bot].Equity(); now != want {
			v.problem("sets of %s move the equity of %s to %s; apart from the fee it stays at %s", e.Market, e.Bot, now, want)
		}
	}
}

// checkConfirmed requires that each mark waited, at that price and long enough.
func (v *verifier) checkConfirmed(at time.Time, e *domain.MarkConfirmed) {
	for _, m := range e.All() {
		var waiting *portfolio.Waiting
		i := domain.Instrument{Market: m.Market, Outcome: m.Outcome}
		if a := v.state.Assets[m.Asset]; m.Asset != "" && a != nil {
			waiting = a.Waiting
		} else if in := v.state.Instruments[i]; m.Asset == "" && in != nil {
			waiting = in.Waiting
		}
		switch {
		case waiting == nil || waiting.Price != m.Price:
			v.problem("a mark of %s is confirmed at %s, but none waited at that price", cmp.Or(m.Asset, Short(i)), m.Price)
		case at.Sub(waiting.Since) < v.state.Policy.ConfirmAfter():
			v.problem("a mark at %s is confirmed after %s, which is sooner than %s", m.Price, at.Sub(waiting.Since), v.state.Policy.ConfirmAfter())
		}
	}
}
