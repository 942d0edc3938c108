package portfolio

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"pets/domain"
)

// Whatever happens in exclusive markets, in whatever order, the books balance, the trades
// add up to the income, the results to the trades, the counters to the results, and the
// recorded events alone give the same state: the harness checks all of it after every
// step. Settlements, voids of fills and corrections take turns here.
func TestAnyOrderKeepsTheBooks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := second(t, "1000", quietPolicy)
		h.deposit("1000")
		h.bot("b", "1000")
		h.exclusive("two", "A", "B")
		h.exclusive("three", "A", "B", "C")
		h.must(func(d *Decision) error {
			return d.RegisterMarket(&domain.MarketRegistered{Market: "free", Kind: domain.KindOutcome, Outcomes: []string{"A", "B"}})
		})
		w := &walker{t: t, h: h}
		for range rapid.IntRange(5, 30).Draw(t, "steps") {
			w.step()
		}
	})
}

type walker struct {
	t     *rapid.T
	h     *harness
	fills []domain.FillID
	next  int
}

func (w *walker) one(label string, of ...string) string {
	return rapid.SampledFrom(of).Draw(w.t, label)
}

func (w *walker) step() {
	market := w.one("market", "two", "three", "three", "free")
	outcomes := w.h.s.Markets[market].Outcomes
	switch w.one("action", "fill", "fill", "fill", "fill", "void", "confirm", "one", "payouts", "refund", "correct", "correct", "sets", "mark") {
	case "fill":
		w.fill(market, outcomes)
	case "void", "confirm":
		w.resolve()
	case "one":
		s := Settlement{Market: market, Outcome: w.one("outcome", outcomes...), Payout: dec(w.one("payout", "0", "0", "1", "0.5"))}
		_, _ = w.h.try(func(d *Decision) error { return d.SettleMarket(s) })
	case "payouts":
		s := Settlement{Market: market, Payouts: w.payouts(market, outcomes)}
		_, _ = w.h.try(func(d *Decision) error { return d.SettleMarket(s) })
	case "refund":
		_, _ = w.h.try(func(d *Decision) error { return d.SettleMarket(Settlement{Market: market, Void: true}) })
	case "correct":
		c := Correction{Market: market, Rebase: rapid.Bool().Draw(w.t, "rebase")}
		if c.Void = rapid.Bool().Draw(w.t, "void"); !c.Void {
			c.Payouts = w.payouts(market, outcomes)
		}
		_, _ = w.h.try(func(d *Decision) error { return d.CorrectSettlement(c, "it was wrong") })
	case "sets":
		w.next++
		set := w.h.sets(w.one("bot", "a", "b"), market, w.one("change", domain.SplitSets, domain.MergeSets), w.one("quantity", "1", "3"), fmt.Sprint("s", w.next))
		_, _ = w.h.try(set)
	case "mark":
		m := domain.Mark{Market: market, Outcome: w.one("outcome", outcomes...), Price: dec(w.one("price", "0.1", "0.35", "0.8"))}
		_, _ = w.h.try(func(d *Decision) error { return d.MarkPrices([]domain.Mark{m}) })
	}
}

func (w *walker) fill(market string, outcomes []string) {
	names := slices.Clone(outcomes)
	if market == "three" {
		names = append(names, "!A", "!C")
	}
	w.next++
	r := FillReport{
		FillID:     domain.FillID{Bot: w.one("bot", "a", "a", "b"), TradeID: fmt.Sprint("f", w.next)},
		Instrument: domain.Instrument{Market: market, Outcome: w.one("outcome", names...)},
		Side:       rapid.SampledFrom([]domain.Side{buy, buy, sell}).Draw(w.t, "side"),
		Quantity:   dec(w.one("quantity", "1", "2", "3", "1.5")), Price: dec(w.one("price", "0.1", "0.25", "0.5", "0.9")),
		Fee:    dec(w.one("fee", "0", "0.01")),
		Status: w.one("status", domain.FillConfirmedStatus, domain.FillProvisionalStatus),
	}
	if _, err := w.h.try(func(d *Decision) error { return d.RecordFill(r) }); err == nil && r.Status == domain.FillProvisionalStatus {
		w.fills = append(w.fills, r.FillID)
	}
}

// resolve confirms or voids a provisional fill.
func (w *walker) resolve() {
	if len(w.fills) == 0 {
		return
	}
	n := rapid.IntRange(0, len(w.fills)-1).Draw(w.t, "fill")
	id := w.fills[n]
	w.fills = slices.Delete(w.fills, n, n+1)
	if rapid.Bool().Draw(w.t, "confirm") {
		w.h.confirm(id)
		return
	}
	w.h.void(id)
}

// payouts are those of the outcomes that are left, or of all of them.
func (w *walker) payouts(market string, outcomes []string) map[string]domain.Decimal {
	left := outcomes
	if m := w.h.s.exclusive(market); m != nil && rapid.Bool().Draw(w.t, "of those left") {
		left = w.h.s.alive(m, market)
	}
	all := map[string]domain.Decimal{}
	for _, o := range left {
		all[o] = domain.Zero
	}
	winner := w.one("winner", left...)
	all[winner] = domain.One
	if other := w.one("other", left...); other != winner && rapid.Bool().Draw(w.t, "shared") {
		all[winner], all[other] = dec("0.4"), dec("0.6")
	}
	return all
}
