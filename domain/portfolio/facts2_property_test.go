package portfolio

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"pets/domain"
)

// Any order of the facts of the second edition keeps the books: the harness compares sums,
// caches, trades and a cold fold after every one, also while all that can be voided is
// voided in the end.
func TestAnyFactsOfTheSecondEditionBalance(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := second(t, "100000", quietPolicy, withDust("0.1"))
		h.market("perp", domain.KindPerp)
		h.exclusive("rain", "YES", "NO")
		w := factWalk{harness: h, t: t}
		for range rapid.IntRange(1, 25).Draw(t, "facts") {
			w.next()
		}
		for _, k := range w.open {
			h.must(func(d *Decision) error { return d.VoidFill(k.FillID, k.Market) })
		}
		require.Empty(t, h.s.Provisional)
		for _, in := range h.s.Instruments {
			for _, held := range in.Holdings {
				require.False(t, held.Voidable(), "nothing is left to void")
				if len(held.Tail) > 0 {
					require.True(t, held.Tail[0].Kept, "only a settlement is remembered, which may be corrected")
				}
			}
		}
	})
}

// factWalk draws facts. open are the provisional fills, voided those that may live again.
type factWalk struct {
	*harness
	t            *rapid.T
	open, voided []FillKey
	places       map[FillKey]domain.Instrument
	settled      bool
}

func (w *factWalk) next() {
	switch rapid.SampledFrom([]string{"fill", "fill", "fill", "end", "again", "fund", "mark", "settle"}).Draw(w.t, "fact") {
	case "fill":
		w.report("", w.instrument())
	case "end":
		w.end()
	case "again":
		if len(w.voided) > 0 {
			k := w.voided[len(w.voided)-1]
			w.voided = w.voided[:len(w.voided)-1]
			w.report(k.TradeID, w.places[k])
		}
	case "fund":
		w.must(w.fund("a", "perp", "X", rapid.SampledFrom([]string{"-1.5", "2"}).Draw(w.t, "amount"), fmt.Sprint("f", w.nextID, len(w.log))))
	case "mark":
		w.markAsset("ETH", rapid.SampledFrom([]string{"0.5", "3"}).Draw(w.t, "price"))
	case "settle":
		if !w.settled {
			w.settled = true
			w.payouts("rain", "1", "0")
		}
	}
}

func (w *factWalk) instrument() domain.Instrument {
	return rapid.SampledFrom([]domain.Instrument{
		{Market: "perp", Outcome: "X"}, {Market: "m", Outcome: "YES"}, {Market: "rain", Outcome: "YES"}, {Market: "rain", Outcome: "NO"},
	}).Draw(w.t, "instrument")
}

// report reports a fill; one with an id lives again.
func (w *factWalk) report(id string, i domain.Instrument) {
	side := rapid.SampledFrom([]domain.Side{buy, sell}).Draw(w.t, "side")
	r := w.harness.report("a", i.Market, i.Outcome, side,
		rapid.SampledFrom([]string{"0.05", "0.1", "1", "10", "9.95"}).Draw(w.t, "quantity"), rapid.SampledFrom([]string{"0.3", "0.5", "0.9"}).Draw(w.t, "price"),
		withFee(rapid.SampledFrom([]string{"0", "0.01", "-0.01"}).Draw(w.t, "fee")))
	if r.FeeAsset = rapid.SampledFrom([]string{"", "ETH", domain.FeeShares}).Draw(w.t, "asset"); r.FeeAsset == domain.FeeShares && (side == sell || r.Fee.Sign() < 0) {
		r.FeeAsset = ""
	}
	if id != "" {
		r.TradeID = id
	} else if rapid.Bool().Draw(w.t, "provisional") {
		r.Status = domain.FillProvisionalStatus
		k := FillKey{FillID: r.FillID, Market: i.Market}
		w.open = append(w.open, k)
		if w.places == nil {
			w.places = map[FillKey]domain.Instrument{}
		}
		w.places[k] = i
	}
	w.must(w.recordFill(r))
}

// end confirms or voids one of the provisional fills.
func (w *factWalk) end() {
	if len(w.open) == 0 {
		return
	}
	n := rapid.IntRange(0, len(w.open)-1).Draw(w.t, "which")
	k := w.open[n]
	w.open = append(w.open[:n:n], w.open[n+1:]...)
	if rapid.Bool().Draw(w.t, "confirm") {
		w.must(func(d *Decision) error { return d.ConfirmFill(k.FillID, k.Market) })
		return
	}
	w.must(func(d *Decision) error { return d.VoidFill(k.FillID, k.Market) })
	w.voided = append(w.voided, k)
}
