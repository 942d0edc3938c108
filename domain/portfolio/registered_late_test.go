package portfolio

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
)

// What stood under the name of a complement goes on under that of the market's outcome once
// the market is registered.

// "a market mark of `!A` (registered with two: of the other) is one of A, at 1 − it": also one
// that waits beyond the collar when its market is registered.
func TestALateRegistrationTakesTheMarkThatWaits(t *testing.T) {
	for _, outcomes := range [][]string{{"YES", "NO"}, {"YES", "NO", "DRAW"}} {
		h := second(t, "1000", quietPolicy, func(p *domain.Policy) { p.MarkCollar = dec("0.25") })
		h.mark("rain", "!YES", "0.40")
		h.mark("rain", "!YES", "0.95")
		h.exclusive("rain", outcomes...)
		waiting := h.s.WaitingMarks()
		require.Len(t, waiting, 1)
		require.Equal(t, "YES", waiting[0].Outcome)
		h.equal("0.05", waiting[0].Price)
		h.equal("0.6", *waiting[0].InForce)
		h.after(10 * time.Second).deposit("1")
		require.Equal(t, []string{"mark.confirmed", "deposit.recorded"}, h.types())
		h.equal("0.05", h.s.Instruments[domain.Instrument{Market: "rain", Outcome: "YES"}].Mark().Price)
		require.Empty(t, h.s.WaitingMarks())
	}
}

// "With two, `!YES` is read as `NO`": also what was bought as `!YES` before the market was
// registered is sold as NO. Registering moves no equity.
func TestWhatWasBoughtAsAComplementIsSoldAsTheOther(t *testing.T) {
	h := second(t, "1000", quietPolicy)
	h.fill("a", "rain", "!YES", buy, "100", "0.60")
	resting := h.grant(order("a", "rain", "!YES", sell, "30", "0.50"))
	h.place(resting.Permit)
	h.exclusive("rain", "YES", "NO")
	require.Empty(t, lastOf[*domain.MarketRegistered](h).Changes)
	require.Equal(t, "1000", h.equityOf("a"))
	h.equal("30", h.s.Permits[resting.Permit].ReducingLeft)
	require.Equal(t, 1, h.botOf("a").Positions)

	h.fill("a", "rain", "!YES", sell, "30", "0.60", withPermit(resting.Permit))
	require.Empty(t, h.flags(), "its permit is of the same shares")
	h.equal("70", h.grant(order("a", "rain", "!YES", sell, "70", "0.50")).Reducing)
	h.fill("a", "rain", "NO", sell, "70", "0.60")
	require.Equal(t, []string{"fill.recorded", "trade.closed"}, h.types())
	require.Equal(t, 0, h.botOf("a").Positions)
	require.Equal(t, "1000", h.equityOf("a"))
}

// Both names are one holding, at what both cost.
func TestHoldingsOfBothNamesAreOne(t *testing.T) {
	h := second(t, "1000", quietPolicy)
	h.fill("a", "rain", "!YES", buy, "100", "0.60")
	h.fill("a", "rain", "NO", buy, "50", "0.40")
	before := h.equityOf("a")
	h.exclusive("rain", "YES", "NO")
	changed := domain.Zero
	for _, c := range lastOf[*domain.MarketRegistered](h).Changes {
		if c.Bot == "a" {
			changed = c.Amount
		}
	}
	require.Equal(t, dec(before).Add(changed).String(), h.equityOf("a"), "only the recorded change")
	held := h.s.Instruments[domain.Instrument{Market: "rain", Outcome: "NO"}].Holding("a")
	require.Equal(t, []string{"150", "80"}, []string{held.Quantity.String(), held.Cost.String()})
	require.Equal(t, 1, h.botOf("a").Positions)
	h.fill("a", "rain", "NO", sell, "150", "0.60")
	closed := lastOf[*domain.TradeClosed](h)
	require.Equal(t, []string{"150", "80", "90", "10"}, []string{closed.Quantity.String(), closed.EntryNotional.String(), closed.ExitNotional.String(), closed.PnL.String()})
}

// A provisional fill of the other name is voided and repeated as before.
func TestAFillOfAComplementIsVoidedAfterTheRegistration(t *testing.T) {
	h := second(t, "1000", quietPolicy)
	first := FillReport{FillID: domain.FillID{Bot: "a", TradeID: "early"}, Instrument: domain.Instrument{Market: "rain", Outcome: "!YES"}, Side: buy, Quantity: dec("100"), Price: dec("0.60")}
	provisional(&first)
	h.must(func(d *Decision) error { return d.RecordFill(first) })
	h.exclusive("rain", "YES", "NO")
	h.must(func(d *Decision) error { return d.RecordFill(first) })
	require.Equal(t, []string{"command.noted"}, h.types(), "a repeat")
	h.must(func(d *Decision) error { return d.VoidFill(first.FillID, "rain") })
	require.Equal(t, "1000", h.equityOf("a"))
	require.Equal(t, 0, h.botOf("a").Positions)
	require.Nil(t, h.s.Instruments[domain.Instrument{Market: "rain", Outcome: "NO"}].Mark())
}

// What cannot be one holding is closed before the market is registered.
func TestALongAndAShortAreNotJoined(t *testing.T) {
	h := second(t, "1000", quietPolicy)
	h.fill("a", "rain", "!YES", buy, "100", "0.60")
	h.fill("a", "rain", "NO", sell, "50", "0.40")
	h.refused(domain.CodeConflict, func(d *Decision) error {
		return d.RegisterMarket(&domain.MarketRegistered{Market: "rain", Kind: domain.KindOutcome, Outcomes: []string{"YES", "NO"}, Exclusive: true})
	})
	h.fill("a", "rain", "NO", buy, "50", "0.40")
	h.exclusive("rain", "YES", "NO")
}

// "its event says by how much each scope's equity changes": permits that were granted outcome
// by outcome share what there is in the market, so no share is promised twice.
func TestALateRegistrationPromisesNoShareTwice(t *testing.T) {
	h := second(t, "1000", quietPolicy)
	h.fill("a", "rain", "YES", buy, "100", "0.50")
	h.fill("a", "rain", "NO", buy, "100", "0.40")
	one := h.grant(order("a", "rain", "YES", sell, "100", "0.50")).Permit
	two := h.grant(order("a", "rain", "NO", sell, "100", "0.40")).Permit
	h.exclusive("rain", "YES", "NO")
	h.equal("0", h.s.Permits[one].ReducingLeft) // a complete set: to sell one half opens the other
	h.equal("0", h.s.Permits[two].ReducingLeft)
	require.Equal(t, []string{"100", "100"}, []string{h.s.Permits[one].Covered.String(), h.s.Permits[two].Covered.String()})

	h = second(t, "1000", quietPolicy)
	h.fill("a", "rain", "YES", buy, "100", "0.50")
	h.fill("a", "rain", "NO", sell, "100", "0.40")
	one = h.grant(order("a", "rain", "YES", sell, "100", "0.50")).Permit
	two = h.grant(order("a", "rain", "NO", buy, "100", "0.50")).Permit
	h.exclusive("rain", "YES", "NO")
	h.equal("100", h.s.Permits[one].ReducingLeft)
	h.equal("100", h.s.Permits[two].ReducingLeft) // D is 200
	h.equal("0", h.grant(order("a", "rain", "YES", sell, "1", "0.50")).Reducing)
}

// The same state gives the same answer: a copy, and one from a snapshot, name the same mark that
// waits.
func TestADenialNamesTheSameMarkEverywhere(t *testing.T) {
	h := second(t, "1000", quietPolicy, func(p *domain.Policy) { p.MarkCollar = dec("0.25") })
	h.exclusive("rain", "YES", "NO", "DRAW")
	for _, outcome := range []string{"YES", "NO", "DRAW"} {
		h.mark("rain", outcome, "0.30")
	}
	h.mark("rain", "YES", "0.80")
	h.mark("rain", "DRAW", "0.90")
	snapshot, err := h.s.Snapshot()
	require.NoError(t, err)
	restored, err := Restore(snapshot)
	require.NoError(t, err)
	var denials []string
	for _, s := range []*State{h.s.Clone(), restored, h.s} {
		d := s.Begin(h.now, h.caller)
		require.NoError(t, d.AskPermit(PermitRequest{Order: order("a", "rain", "NO", buy, "1", "0.30")}))
		require.Len(t, d.Events(), 1)
		denied, is := d.Events()[0].(*domain.PermitDenied)
		require.True(t, is)
		denials = append(denials, denied.Reasons[0].Message)
	}
	require.Equal(t, []string{denials[0], denials[0]}, denials[1:])
}

// "its event says by how much each scope's equity changes by it": whatever was marked and
// traded before, by the market or by the bot's own word. An own word on a complement does not
// outdo the mark that the outcome has.
func TestALateRegistrationChangesWhatItSays(t *testing.T) {
	names := []string{"A", "!A", "B", "!B"}
	for _, outcomes := range [][]string{{"A", "B"}, {"A", "B", "C"}} {
		for _, marked := range names {
			for _, bought := range names {
				h := second(t, "5000", quietPolicy)
				h.mark("m", marked, "0.90")
				h.fill("a", "m", bought, buy, "100", "0.50")
				before, all := h.botOf("a").Equity(), h.s.Equity()
				h.exclusive("m", outcomes...)
				said := map[string]domain.Decimal{}
				for _, c := range lastOf[*domain.MarketRegistered](h).Changes {
					said[c.Bot] = c.Amount
				}
				require.Equal(t, h.botOf("a").Equity().Sub(before).String(), said["a"].String(), "%v, %s marked, %s bought", outcomes, marked, bought)
				require.Equal(t, h.s.Equity().Sub(all).String(), said[""].String())
			}
		}
	}
}
