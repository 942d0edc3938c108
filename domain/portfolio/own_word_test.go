package portfolio

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
)

// ownWord is a live portfolio with markets m, of two outcomes, and abc, of three.
func ownWord(t *testing.T) *harness {
	h := secondLive(t, func(p *domain.Policy) { p.BlockedZones, p.MaxOrderUSD = []int{4, 5}, dec("10") })
	h.exclusive("m", "YES", "NO")
	h.exclusive("abc", "A", "B", "C")
	return h
}

func (h *harness) halt() {
	h.operator().must(func(d *Decision) error { return d.StopBot("a", "x") })
	h.as(domain.RoleBot, "a")
}

func reduceOnly(o domain.Order) domain.Order { o.ReduceOnly = true; return o }

// "In a halt what a bot holds by fills without a permit, which only its own key reported,
// gives it nothing to reduce": an invented purchase, which a void takes back, would let it
// open past zones and max_order_usd. An operator may reduce it.
func TestAnInventedFillOpensNothingInAHalt(t *testing.T) {
	for _, tc := range []struct {
		name, market, outcome, invented string
		exit                            domain.Order
	}{
		{"the other outcome", "m", "YES", "buy", order("a", "m", "NO", buy, "1950", "0.99")},
		{"the same", "m", "YES", "buy", order("a", "m", "YES", sell, "1950", "0.01")},
		{"one of three", "abc", "A", "buy", order("a", "abc", "A", sell, "1950", "0.01")},
		{"a short of three", "abc", "A", "sell", order("a", "abc", "A", buy, "1950", "0.99")},
		{"not registered", "x", "Y", "buy", order("a", "x", "Y", sell, "1950", "0.01")},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := ownWord(t)
			h.halt()
			lie := h.fill("a", tc.market, tc.outcome, domain.Side(tc.invented), "1950", "0.000001", provisional)
			require.True(t, lastOf[*domain.FillRecorded](h).OwnWord)
			require.Contains(t, h.would(reduceOnly(tc.exit)), domain.ReasonNotReducing)
			require.Contains(t, h.would(tc.exit), domain.ReasonBotStopped)
			require.False(t, h.s.ToldToClose("a"))
			require.Empty(t, h.operator().would(tc.exit), "an operator reduces it")
			h.as(domain.RoleBot, "a").must(func(d *Decision) error { return d.VoidFill(lie, tc.market) })
			require.Contains(t, h.would(tc.exit), domain.ReasonBotStopped)

			h.fill("a", tc.market, tc.outcome, domain.Side(tc.invented), "1950", "0.000001", provisional)
			flat := domain.Sell
			if tc.invented == "sell" {
				flat = domain.Buy
			}
			lie = h.lastFill()
			h.fill("a", tc.market, tc.outcome, flat, "1950", "0.000001", provisional)
			h.must(func(d *Decision) error { return d.VoidFill(lie, tc.market) })
			back := tc.exit
			if back.Side = domain.Buy; tc.exit.Side == domain.Buy {
				back.Side = domain.Sell
			}
			require.Contains(t, h.would(back), domain.ReasonBotStopped, "what went back to flat was a word, too")
		})
	}
}

func (h *harness) lastFill() domain.FillID { return lastOf[*domain.FillRecorded](h).FillID }

// "The smaller of what reduces with and without it": what was permitted, or what an operator
// reported, a halted bot reduces; while nothing halts it, its word counts as before.
func TestWhatWasPermittedIsReducedInAHalt(t *testing.T) {
	h := ownWord(t)
	h.as(domain.RoleBot, "a")
	h.fill("a", "m", "YES", buy, "10", "0.5", withPermit(h.permit("a", "m", "YES", buy, "10", "0.5")))
	require.False(t, lastOf[*domain.FillRecorded](h).OwnWord)
	h.operator().fill("a", "m", "YES", buy, "5", "0.5")
	require.False(t, lastOf[*domain.FillRecorded](h).OwnWord)
	h.as(domain.RoleBot, "a").fill("a", "m", "YES", buy, "100", "0.5")
	require.Empty(t, h.would(order("a", "m", "YES", sell, "115", "0.01")), "nothing halts it")
	h.halt()
	for quantity, reduces := range map[string]bool{"14": true, "15": true, "16": false} {
		require.Equal(t, reduces, len(h.would(order("a", "m", "YES", sell, quantity, "0.5"))) == 0, quantity)
	}
	h.fill("a", "m", "YES", sell, "110", "0.5") // 5 are left, with its word 15
	require.Empty(t, h.would(order("a", "m", "YES", sell, "5", "0.01")))
	require.Equal(t, denied(domain.ReasonBotStopped), h.would(order("a", "m", "YES", sell, "6", "0.5")))
	h.fill("a", "m", "YES", sell, "5", "0.5")
	h.equal("0", h.s.quantityOf("a", domain.Instrument{Market: "m", Outcome: "YES"}))
	if held := h.s.holding("a", domain.Instrument{Market: "m", Outcome: "YES"}); held != nil {
		h.equal("0", held.OwnWord, "flat: it is gone")
	}
}

// "After a void a reducing permit of a halted bot that would now open is among what
// cancel_orders names, signs nothing and cannot be placed."
func TestAVoidEndsWhatWouldOpenInAHalt(t *testing.T) {
	h := ownWord(t)
	h.operator()
	bought := h.fill("a", "m", "YES", buy, "10", "0.5", provisional)
	h.halt()
	rests, new := h.permit("a", "m", "YES", sell, "4", "0.4"), h.permit("a", "m", "YES", sell, "6", "0.4")
	h.place(rests)
	require.Empty(t, h.s.ToCancel("a"))
	h.must(func(d *Decision) error { return d.VoidFill(bought, "m") })
	require.Equal(t, []string{rests}, h.s.ToCancel("a"))
	h.refused(domain.CodeHalted, func(d *Decision) error { return d.PlacePermit(new, nil) })
	var codes []domain.SignatureCode
	for _, o := range h.s.SignObstacles(h.now, h.caller, SignRequest{Permit: new, Order: domain.TypedOrder{
		Digest: "d", Side: sell, Quantity: dec("6"), Notional: dec("2.4"),
	}}) {
		codes = append(codes, o.Code)
	}
	require.Contains(t, codes, domain.SignPositionGone)
	require.False(t, h.s.Permits[new].Live(h.now.Add(time.Minute)))
}

// A fill that lives again is one without a permit, too: "also after reinstatement".
func TestAReinstatedFillIsStillItsWord(t *testing.T) {
	h := ownWord(t)
	h.halt()
	r := h.report("a", "m", "YES", buy, "100", "0.5", provisional)
	h.must(func(d *Decision) error { return d.RecordFill(r) })
	h.must(func(d *Decision) error { return d.VoidFill(r.FillID, "m") })
	r.Status = domain.FillConfirmedStatus
	h.must(func(d *Decision) error { return d.RecordFill(r) })
	require.Equal(t, "fill.reinstated", h.types()[0])
	h.equal("100", h.s.holding("a", r.Instrument).OwnWord)
	require.Equal(t, denied(domain.ReasonBotStopped), h.would(order("a", "m", "YES", sell, "1", "0.5")))
	h.operator().payouts("m", "1", "0")
	if held := h.s.holding("a", r.Instrument); held != nil {
		h.equal("0", held.OwnWord, "settled: it is gone")
	}
}
