package ledger

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"pets/domain"
)

func fill(n uint64, side domain.Side, quantity, notional string) Fact {
	return Fact{
		Fill: domain.FillID{Bot: "a", TradeID: fmt.Sprint(n)}, Side: side,
		Quantity: dec(quantity), Notional: dec(notional), Revision: n, At: noon,
	}
}

func provisionally(f Fact) Fact {
	f.Provisional = true
	return f
}

func payout(n uint64, at string) Fact {
	p := dec(at)
	return Fact{Payout: &p, Revision: n, At: noon}
}

func idOf(n uint64) domain.FillID { return domain.FillID{Bot: "a", TradeID: fmt.Sprint(n)} }

func hold(facts ...Fact) *Holding {
	h := &Holding{}
	for _, f := range facts {
		h.Record(f)
	}
	return h
}

// “provisional counts at once and can be confirmed or voided”. What
// is final is not remembered.
func TestHoldingRemembersOnlyWhatCanBeVoided(t *testing.T) {
	h := hold(fill(1, domain.Buy, "10", "5"), fill(2, domain.Buy, "10", "5"))
	require.Empty(t, h.Tail)
	h.Record(provisionally(fill(3, domain.Buy, "10", "5")))
	require.Equal(t, dec("30"), h.Quantity, "counts at once")
	require.Equal(t, dec("20"), h.Base.Quantity)
	h.Record(fill(4, domain.Sell, "30", "16"))
	require.Len(t, h.Tail, 2, "what stands behind a provisional fill may change with it")
	h.Closed("t1", Closing{Number: 7})
	h.Confirm(idOf(3))
	require.Equal(t, &Holding{}, h, "flat and final: nothing to remember")
	h.Confirm(idOf(9))
	require.Equal(t, &Holding{}, h)
}

// Confirming a later fill forgets nothing as long as an earlier one is open.
func TestConfirmOutOfOrder(t *testing.T) {
	h := hold(provisionally(fill(1, domain.Buy, "10", "5")), fill(2, domain.Buy, "1", "1"), provisionally(fill(3, domain.Buy, "10", "5")))
	h.Confirm(idOf(3))
	require.Len(t, h.Tail, 3)
	h.Confirm(idOf(1))
	require.Empty(t, h.Tail)
	require.Equal(t, dec("21"), h.Quantity)
}

func TestVoidUnknownFill(t *testing.T) {
	h := hold(fill(1, domain.Buy, "10", "5"), provisionally(fill(2, domain.Buy, "1", "1")))
	_, ok := h.Void(idOf(1))
	require.False(t, ok, "final")
	_, ok = h.Void(idOf(9))
	require.False(t, ok, "never seen")
}

// “episodes that merge keep the first trade's id (the others are
// revised to void)”.
func TestVoidMergesEpisodes(t *testing.T) {
	h := hold(
		fill(1, domain.Buy, "10", "5"), provisionally(fill(2, domain.Sell, "10", "6")), // t1: +1
		fill(3, domain.Buy, "10", "7"), fill(4, domain.Sell, "20", "16"), // t3: +1, and a short of 10, t4
		fill(5, domain.Buy, "10", "7"), // t4: +1, what the short was called
	)
	r, ok := h.Void(idOf(2))
	require.True(t, ok)
	require.Equal(t, money("-6", "7", "1", "0"), r.Money)
	require.Len(t, r.Revised, 3)
	require.Equal(t, "t1", r.Revised[0].Before.Trade)
	require.Equal(t, dec("4"), r.Revised[0].After.Figures(domain.Zero).PnL, "16 − 5 − 7")
	require.Equal(t, "t3", r.Revised[1].Before.Trade)
	require.Nil(t, r.Revised[1].After)
	require.False(t, r.Revised[1].Open, "void")
	require.Equal(t, "t4", r.Revised[2].Before.Trade)
	require.Nil(t, r.Revised[2].After)
	require.True(t, r.Revised[2].Open, "its only fact now opens a position")
	require.Empty(t, r.Closed)
	require.Equal(t, dec("10"), r.After.Quantity)
	require.Equal(t, "t4", r.After.Episode.Trade, "an episode keeps the first name that any of its facts had")
}

// A void can split an episode: the closing fill then flips, and what follows is
// an episode of its own, named after the fill that opens it.
func TestVoidSplitsEpisode(t *testing.T) {
	h := hold(
		fill(1, domain.Buy, "10", "5"), provisionally(fill(2, domain.Buy, "10", "5")),
		fill(3, domain.Sell, "15", "9"), fill(4, domain.Sell, "5", "3"), // t1: +2
	)
	r, ok := h.Void(idOf(2))
	require.True(t, ok)
	require.Len(t, r.Revised, 1)
	require.Equal(t, "t1", r.Revised[0].After.Trade)
	require.Equal(t, dec("1"), r.Revised[0].After.Figures(domain.Zero).PnL, "two thirds of 9, less 5")
	require.Equal(t, dec("-10"), r.After.Quantity)
	require.Equal(t, "t3", r.After.Episode.Trade)
	require.Equal(t, dec("-6"), r.After.Cost)
}

// The void of the opening fill leaves the episode its name.
func TestVoidOpeningFill(t *testing.T) {
	h := hold(provisionally(fill(1, domain.Buy, "10", "5")), fill(2, domain.Buy, "10", "6"), fill(3, domain.Sell, "20", "16"))
	r, ok := h.Void(idOf(1))
	require.True(t, ok)
	require.Len(t, r.Revised, 1)
	require.Equal(t, "t1", r.Revised[0].After.Trade)
	require.Equal(t, dec("2"), r.Revised[0].After.Figures(domain.Zero).PnL)
	require.Equal(t, dec("-10"), r.After.Quantity)
	require.Equal(t, "t3", r.After.Episode.Trade)
}

// A trade whose closing fill is voided is open again, and may close again.
func TestVoidReopensTrade(t *testing.T) {
	h := hold(fill(1, domain.Buy, "10", "5"), provisionally(fill(2, domain.Sell, "10", "6")))
	r, ok := h.Void(idOf(2))
	require.True(t, ok)
	require.Len(t, r.Revised, 1)
	require.True(t, r.Revised[0].Open)
	require.Nil(t, r.Revised[0].After)
	require.Equal(t, "t1", r.After.Episode.Trade)
	require.Empty(t, r.After.Tail, "nothing is left to void")
	e := r.After.Record(fill(3, domain.Sell, "10", "7"))
	require.Equal(t, "t1", e.Closed.Trade)
}

// A void can close a position that it leaves flat.
func TestVoidCloses(t *testing.T) {
	h := hold(fill(1, domain.Buy, "10", "5"), provisionally(fill(2, domain.Buy, "10", "5")), fill(3, domain.Sell, "10", "6"))
	require.Equal(t, dec("10"), h.Quantity)
	r, ok := h.Void(idOf(2))
	require.True(t, ok)
	require.Empty(t, r.Revised)
	require.Len(t, r.Closed, 1)
	require.Equal(t, dec("1"), r.Closed[0].Figures(domain.Zero).PnL)
	require.True(t, r.After.IsFlat())
}

// A settlement sells what would have been left, had the fill never been.
func TestVoidBeforeSettlement(t *testing.T) {
	h := hold(provisionally(fill(1, domain.Buy, "10", "5")), fill(2, domain.Buy, "10", "5"), payout(3, "1"))
	r, ok := h.Void(idOf(1))
	require.True(t, ok)
	require.Equal(t, money("-5", "0", "-5", "0"), r.Money)
	require.Equal(t, dec("5"), r.Revised[0].After.Figures(domain.Zero).PnL)
	h = hold(provisionally(fill(1, domain.Buy, "10", "5")), payout(2, "1"))
	r, ok = h.Void(idOf(1))
	require.True(t, ok)
	require.Nil(t, r.Revised[0].After)
	require.False(t, r.Revised[0].Open)
	h = hold(fill(1, domain.Buy, "10", "5"), provisionally(fill(2, domain.Sell, "10", "9")), payout(3, "1"))
	r, ok = h.Void(idOf(2))
	require.True(t, ok)
	require.True(t, r.After.IsFlat())
	require.Equal(t, money("1", "0", "1", "0"), r.Money, "10 from the settlement instead of 9")
}

// --- a void is as if the fill had never been

// history plays random facts into a holding and keeps its own list of them.
type history struct {
	h      Holding
	facts  []Fact
	money  Money
	trades map[string]Episode
	next   uint64
}

func (w *history) record(t *rapid.T, f Fact) {
	e := w.h.Record(f)
	w.facts, w.money = append(w.facts, f), w.money.Add(e.Money)
	if e.Closed != nil {
		require.NotContains(t, w.trades, e.Closed.Trade)
		w.trades[e.Closed.Trade] = *e.Closed
	}
}

func (w *history) void(t *rapid.T, id domain.FillID) {
	r, ok := w.h.Void(id)
	require.True(t, ok)
	before := w.h
	again, _ := before.Void(id)
	require.Equal(t, r, again, "asking changes nothing")
	w.h, w.money = r.After, w.money.Add(r.Money)
	w.facts = slices.DeleteFunc(w.facts, func(f Fact) bool { return f.Payout == nil && f.Fill == id })
	for _, v := range r.Revised {
		require.Equal(t, w.trades[v.Before.Trade], v.Before, "before is what stood")
		delete(w.trades, v.Before.Trade)
		require.Equal(t, v.Open, w.h.Episode.Trade == v.Before.Trade)
		if v.After != nil {
			require.False(t, v.Open)
			w.trades[v.After.Trade] = *v.After
		}
	}
	for _, e := range r.Closed {
		require.NotContains(t, w.trades, e.Trade)
		w.trades[e.Trade] = e
	}
}

// check folds the facts that are left from nothing and compares.
func (w *history) check(t *rapid.T) {
	var p Position
	var sum Money
	var want []Episode
	for _, f := range w.facts {
		if tr, ok := f.trade(p); ok {
			tr.Opens = domain.TradeName(f.Revision)
			e := p.Apply(tr)
			p, sum = e.After, sum.Add(e.Money)
			if e.Closed != nil {
				want = append(want, *e.Closed)
			}
		}
	}
	require.Equal(t, unnamed(p.Episode), unnamed(w.h.Episode))
	require.Equal(t, p.Quantity, w.h.Quantity)
	require.Equal(t, p.Cost, w.h.Cost)
	require.Equal(t, sum, w.money)
	var got []Episode
	for name, e := range w.trades {
		require.Equal(t, name, e.Trade)
		require.NotEqual(t, name, w.h.Episode.Trade, "a closed trade and the open one share a name")
		got = append(got, e)
	}
	require.Equal(t, sorted(want), sorted(got))
	text, err := json.Marshal(w.h)
	require.NoError(t, err)
	var back Holding
	require.NoError(t, json.Unmarshal(text, &back))
	again, err := json.Marshal(back)
	require.NoError(t, err)
	require.Equal(t, string(text), string(again))
	w.h = back
	if !slices.ContainsFunc(w.facts, func(f Fact) bool { return f.Provisional }) {
		require.Empty(t, w.h.Tail, "nothing can be voided, nothing is remembered")
	}
}

func unnamed(e Episode) Episode { e.Trade = ""; return e }

func sorted(all []Episode) []string {
	out := make([]string, 0, len(all))
	for _, e := range all {
		out = append(out, fmt.Sprint(unnamed(e)))
	}
	slices.SortFunc(out, cmp.Compare)
	return out
}

// A void “refolds that position as if the fill had never been”.
func TestVoidIsAsIfTheFillHadNeverBeen(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &history{trades: map[string]Episode{}}
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			w.next++
			var open []int
			for i, f := range w.facts {
				if f.Provisional {
					open = append(open, i)
				}
			}
			switch kind := rapid.IntRange(0, 9).Draw(t, "kind"); {
			case kind >= 8 && len(open) > 0:
				w.void(t, w.facts[rapid.SampledFrom(open).Draw(t, "void")].Fill)
			case kind == 7 && len(open) > 0:
				i := rapid.SampledFrom(open).Draw(t, "confirm")
				w.h.Confirm(w.facts[i].Fill)
				w.facts[i].Provisional = false
			case kind == 6:
				w.record(t, payout(w.next, rapid.SampledFrom([]string{"0", "1", "0.5"}).Draw(t, "payout")))
			default:
				f := fill(w.next, rapid.SampledFrom([]domain.Side{domain.Buy, domain.Sell}).Draw(t, "side"),
					rapid.SampledFrom([]string{"1", "2", "3", "7.5"}).Draw(t, "quantity"),
					rapid.SampledFrom([]string{"0", "1", "2.000000000000000001", "5"}).Draw(t, "notional"))
				f.Fee, f.At = domain.FromInt(rapid.Int64Range(0, 3).Draw(t, "fee")), noon.Add(time.Duration(w.next)*time.Second)
				f.Provisional = kind%2 == 0
				w.record(t, f)
			}
			w.check(t)
		}
	})
}
