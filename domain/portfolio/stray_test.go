package portfolio

import (
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain"
)

// toldToCancel lists the orders that an event says are to be cancelled.
func toldToCancel(event domain.Event) (permits []string) {
	all := func(orders []domain.BotOrders) []string {
		for _, o := range orders {
			permits = append(permits, o.Permits...)
		}
		return permits
	}
	switch e := event.(type) {
	case *domain.BreakerTripped:
		return e.CancelOrders
	case *domain.EmergencyStopEngaged:
		return e.CancelOrders
	case *domain.BotStopped:
		return e.CancelOrders
	case *domain.PermitGranted:
		return e.CancelOrders
	case *domain.FillRecorded:
		return e.CancelOrders
	case *domain.FillReinstated:
		return e.CancelOrders
	case *domain.FillVoided:
		return e.CancelOrders
	case *domain.SetsChanged:
		return e.CancelOrders
	case *domain.MarketPaidOut:
		return all(e.CancelOrders)
	case *domain.MarketRegistered:
		return all(e.CancelOrders)
	}
	return nil
}

func (h *harness) toldToCancel() (permits []string) {
	for _, e := range h.step {
		permits = append(permits, toldToCancel(e)...)
	}
	return permits
}

// "Permits of the bot do not stand in its way: they are ignored for it, and close the less from
// then on; one of which nothing is left to close is among the orders to cancel." And what fills
// of it all the same, sells what nobody was permitted to sell short: "oversold: a sell that
// left a negative quantity, as far as no permit was granted to open it".
func TestAWayOutNamesTheOrdersThatItLeavesNothing(t *testing.T) {
	h := ownWord(t)
	h.operator()
	h.fill("a", "m", "YES", buy, "100", "0.5")
	h.as(domain.RoleBot, "a")
	takes := h.permit("a", "m", "YES", sell, "100", "0.55")
	h.place(takes)
	h.operator()
	h.must(func(d *Decision) error { return d.StopBot("a", "x") })
	require.Empty(t, h.toldToCancel(), "it only reduces")
	out := h.permit("a", "m", "YES", sell, "100", "0.40")
	require.Equal(t, []string{takes}, h.toldToCancel())
	h.place(out)
	require.Empty(t, h.toldToCancel(), "it is said once")
	h.fill("a", "m", "YES", sell, "100", "0.40", withPermit(out))
	require.Empty(t, h.flags())
	h.fill("a", "m", "YES", sell, "100", "0.55", withPermit(takes))
	require.ElementsMatch(t, []string{domain.FlagHalted, domain.FlagOversold}, h.flags())
	require.True(t, h.s.holding("a", domain.Instrument{Market: "m", Outcome: "YES"}).Oversold)
}

// "What a void leaves nothing to close for is among the orders to cancel."
func TestAVoidNamesTheOrdersThatItLeavesNothing(t *testing.T) {
	h := ownWord(t)
	h.operator()
	bought := h.fill("a", "m", "YES", buy, "100", "0.5", provisional)
	takes := h.permit("a", "m", "YES", sell, "60", "0.55")
	h.place(takes)
	h.must(func(d *Decision) error { return d.VoidFill(bought, "m") })
	require.Empty(t, h.toldToCancel(), "nothing halts the bot: its order reserves for what it would open")
	bought = h.fill("a", "m", "YES", buy, "100", "0.5", provisional)
	h.must(func(d *Decision) error { return d.StopBot("a", "x") })
	require.Empty(t, h.toldToCancel())
	h.must(func(d *Decision) error { return d.VoidFill(bought, "m") })
	require.Equal(t, []string{takes}, h.toldToCancel())
}

// "Every halt directs bots to cancel_orders (the opening ones that rest, by permit)": also what
// opens only later in it, by a fill of another order, by sets, by a settlement, or by a
// registration.
func TestWhatOpensLaterInAHaltIsNamed(t *testing.T) {
	for name, tc := range map[string]struct {
		market string
		hold   func(*harness)
		order  func(*harness) string
		later  func(*harness)
	}{
		"a fill": {"m", func(h *harness) { h.fill("a", "m", "YES", buy, "100", "0.5") }, func(h *harness) string { return h.permit("a", "m", "YES", sell, "100", "0.55") }, func(h *harness) {
			h.fill("a", "m", "YES", sell, "1", "0.5")
		}},
		"a merge": {"cup", func(h *harness) { // B pays 150, A 100
			for _, outcome := range []string{"A", "B", "C"} {
				h.fill("a", "cup", outcome, buy, "100", "0.3")
			}
			h.fill("a", "cup", "!A", buy, "50", "0.5")
		}, func(h *harness) string { return h.permit("a", "cup", "B", sell, "50", "0.55") }, func(h *harness) {
			h.must(func(d *Decision) error {
				return d.ChangeSets(&domain.SetsChanged{Bot: "a", Market: "cup", Action: domain.MergeSets, Quantity: dec("100"), SetID: "s"})
			})
		}},
		"a settlement of one outcome": {"cup", func(h *harness) {
			h.fill("a", "cup", "A", buy, "100", "0.3")
			h.fill("a", "cup", "B", buy, "30", "0.3")
		}, func(h *harness) string { return h.permit("a", "cup", "A", sell, "80", "0.55") }, func(h *harness) {
			h.must(func(d *Decision) error {
				return d.SettleMarket(Settlement{Market: "cup", Outcome: "C", Payout: dec("0")})
			})
		}},
		"a registration": {"new", func(h *harness) {
			h.fill("a", "new", "YES", buy, "100", "0.5")
			h.fill("a", "new", "NO", buy, "70", "0.4")
		}, func(h *harness) string { return h.permit("a", "new", "YES", sell, "60", "0.55") }, func(h *harness) { h.exclusive("new", "YES", "NO") }},
	} {
		t.Run(name, func(t *testing.T) {
			h := second(t, "1000")
			h.exclusive("m", "YES", "NO")
			h.exclusive("cup", "A", "B", "C")
			h.operator()
			tc.hold(h)
			rests := tc.order(h)
			h.place(rests)
			h.must(func(d *Decision) error { return d.StopBot("a", "x") })
			require.Empty(t, h.toldToCancel())
			tc.later(h)
			require.Equal(t, []string{rests}, h.toldToCancel())
			require.Equal(t, []string{rests}, h.s.ToCancel("a"))
		})
	}
}
