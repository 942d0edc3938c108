package portfolio

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
)

func (h *harness) register(e domain.MarketRegistered) func(*Decision) error {
	return func(d *Decision) error { return d.RegisterMarket(&e) }
}

// "Markets (…, operator) are the authority on kind and category"
func TestMarketRegistry(t *testing.T) {
	h := paper(t, "100")
	m := domain.MarketRegistered{Market: "m", Kind: domain.KindOutcome, Outcomes: []string{"YES", "NO"}, Category: "sport"}
	h.must(h.register(m))
	require.Equal(t, &Market{Kind: domain.KindOutcome, Outcomes: []string{"YES", "NO"}, Category: "sport"}, h.s.Markets["m"])
	h.must(h.register(m))
	require.Equal(t, []string{"command.noted"}, h.types(), "the same again")
	for _, change := range []func(*domain.MarketRegistered){
		func(m *domain.MarketRegistered) { m.Kind = domain.KindPerp },
		func(m *domain.MarketRegistered) { m.Outcomes = []string{"YES"} },
		func(m *domain.MarketRegistered) { m.Category = "" },
	} {
		other := m
		change(&other)
		h.refused(domain.CodeConflict, h.register(other))
	}
	for _, wrong := range []domain.MarketRegistered{
		{Market: "", Kind: domain.KindOutcome},
		{Market: "x"},
		{Market: "x", Kind: "future"},
		{Market: "x", Kind: domain.KindOutcome, Outcomes: []string{"A", "A"}},
		{Market: "x", Kind: domain.KindOutcome, Outcomes: []string{""}},
		{Market: "x", Kind: domain.KindOutcome, Outcomes: make([]string, 101)},
	} {
		h.refused(domain.CodeInvalid, h.register(wrong))
	}
}

// "an unregistered market is kind outcome (prices in 0..1); a permit that
// disagrees is denied market_mismatch."
func TestMarketMismatch(t *testing.T) {
	h := paper(t, "1000")
	h.market("perp", domain.KindPerp)
	h.market("ab", domain.KindOutcome, "A", "B")
	ask := func(market, outcome string, kind domain.MarketKind, limit string) []domain.ReasonCode {
		o := order("a", market, outcome, buy, "1", limit)
		h.must(func(d *Decision) error { return d.AskPermit(PermitRequest{Order: o, Kind: kind}) })
		h.after(time.Minute)
		return h.reasons()
	}
	mismatch := []domain.ReasonCode{domain.ReasonMarketMismatch}
	require.Empty(t, ask("new", "YES", "", "0.5"))
	require.Empty(t, ask("new", "YES", domain.KindOutcome, "0.5"))
	require.Equal(t, mismatch, ask("new", "YES", domain.KindSpot, "0.5"))
	require.Equal(t, mismatch, ask("new", "YES", domain.KindPerp, "0.5"))
	require.Empty(t, ask("perp", "X", domain.KindPerp, "50"))
	require.Empty(t, ask("perp", "X", "", "50"))
	require.Equal(t, mismatch, ask("perp", "X", domain.KindOutcome, "0.5"))
	require.Empty(t, ask("ab", "A", "", "0.5"))
	require.Equal(t, mismatch, ask("ab", "C", "", "0.5"))
	require.Equal(t, []domain.ReasonCode{domain.ReasonMarketMismatch, domain.ReasonZoneBlocked}, ask("new", "YES", "", "1.000000000000000001"))
}

// What was traded, or permitted, as kind outcome cannot become another kind.
func TestKindIsFinalOnceTraded(t *testing.T) {
	perp := func(name string) domain.MarketRegistered {
		return domain.MarketRegistered{Market: name, Kind: domain.KindPerp}
	}
	h := paper(t, "100")
	h.fill("a", "filled", "YES", buy, "1", "0.5")
	h.refused(domain.CodeConflict, h.register(perp("filled")))
	h.mark("marked", "YES", "0.5")
	h.refused(domain.CodeConflict, h.register(perp("marked")))
	h.permit("a", "permitted", "YES", sell, "10", "0.9") // reserves 1; a perp's would be 9
	h.refused(domain.CodeConflict, h.register(perp("permitted")))
	h.after(30 * time.Second)
	h.must(h.register(perp("permitted")))
	h.market("filled", domain.KindOutcome, "YES", "NO")
}

// "Directional increases in Z4, Z5 (blocked_zones) or outside all zones are
// denied": every border, to the last decimal.
func TestZonesOfIncreases(t *testing.T) {
	h := paper(t, "1000")
	for limit, zone := range map[string]string{
		"0.05": "", "0.2": "", "0.4": "", "0.599999999999999999": "",
		"0.6": "Z4", "0.799999999999999999": "Z4", "0.8": "Z5", "0.98": "Z5",
		"0.049999999999999999": "-", "0.980000000000000001": "-", "1": "-", tiny: "-",
	} {
		o := order("a", "m", "YES", buy, "1", limit)
		if zone == "" {
			h.permit("a", "m", "YES", buy, "1", limit)
			continue
		}
		r := h.denied(domain.ReasonZoneBlocked, o)
		require.Equal(t, dec(limit).String(), r.Value)
		if zone != "-" {
			require.Equal(t, zone, r.Limit, limit)
		}
	}
}

// "Judged on the worst price the permit allows, of the outcome acquired: an
// opening sell of YES at .85 is a buy of NO at .15 (Z1)."
func TestZonesOfOpeningSells(t *testing.T) {
	h := paper(t, "1000")
	for limit, granted := range map[string]bool{
		"0.85": true, "0.95": true, "0.950000000000000001": false, "1": false,
		"0.400000000000000001": true, "0.4": false, "0.3": false, "0.02": false, "0.019999999999999999": false,
	} {
		h.ask(order("a", "m", "YES", sell, "1", limit))
		require.Equal(t, granted, h.count(domain.PermitGrantedType) == 1, limit)
		h.after(time.Minute)
		if !granted {
			require.Equal(t, []domain.ReasonCode{domain.ReasonZoneBlocked}, h.reasons(), limit)
		}
	}
}

// A flip closes one position and opens another: its opening part is judged.
func TestZonesOfFlips(t *testing.T) {
	h := paper(t, "1000")
	h.fill("a", "m", "YES", buy, "10", "0.5")
	h.permit("a", "m", "YES", sell, "10", "0.3")
	h.after(time.Minute)
	r := h.denied(domain.ReasonZoneBlocked, order("a", "m", "YES", sell, "10.000000000000000001", "0.3"))
	require.Equal(t, []string{"0.7", "Z4"}, []string{r.Value, r.Limit}, "a buy of NO at 0.7")
	h.permit("a", "m", "YES", sell, "20", "0.85")
	e := lastOf[*domain.PermitGranted](h)
	require.Equal(t, []string{"10", "1.5"}, []string{e.Reducing.String(), e.Reserved.String()})
}

// "(blocked_zones)", "(zone_bounds)" are the policy's.
func TestZonesAreThePolicys(t *testing.T) {
	h := paper(t, "1000")
	h.limits(`{"blocked_zones":[1]}`)
	h.permit("a", "m", "YES", buy, "1", "0.9")
	h.denied(domain.ReasonZoneBlocked, order("a", "m", "YES", buy, "1", "0.1"))
	h.limits(`{"blocked_zones":[],"zone_bounds":["0","0.2","0.4","0.6","0.8","1"]}`)
	h.permit("a", "m", "YES", buy, "1", "1")
	h.permit("a", "m", "YES", buy, "1", tiny)
}

// "Only markets of kind outcome have zones."
func TestOnlyOutcomeMarketsHaveZones(t *testing.T) {
	h := paper(t, "1000")
	h.market("spot", domain.KindSpot)
	h.market("perp", domain.KindPerp)
	h.permit("a", "spot", "X", buy, "1", "0.9")
	h.permit("a", "spot", "X", buy, "1", "100")
	h.permit("a", "perp", "X", buy, "1", "0.7")
	h.mark("perp", "X", "0.01")
	h.permit("a", "perp", "X", sell, "1", "0.01")
}

// "its opening part, …, denied elsewhere unless the market is a perp."
func TestSpotCannotBeSoldShort(t *testing.T) {
	h := paper(t, "1000")
	h.market("spot", domain.KindSpot)
	h.market("perp", domain.KindPerp)
	h.denied(domain.ReasonNotReducing, order("a", "spot", "X", sell, tiny, "100"))
	h.fill("a", "spot", "X", buy, "2", "100")
	h.permit("a", "spot", "X", sell, "2", "1")
	h.after(time.Minute)
	r := h.denied(domain.ReasonNotReducing, order("a", "spot", "X", sell, "2.000000000000000001", "1"))
	require.Equal(t, []string{"2.000000000000000001", "2"}, []string{r.Value, r.Limit})
	h.mark("perp", "X", "99")
	h.permit("a", "perp", "X", sell, "3", "100")
	h.equal("300", lastOf[*domain.PermitGranted](h).Reserved)
}

// "It releases permits; later permits are denied market_settled, later fills
// flagged."
func TestSettlementEndsPermits(t *testing.T) {
	h := newHarness(t).open(domain.ModePaper)
	h.deposit("200")
	h.bot("a", "100")
	h.bot("b", "100")
	unplaced := h.permit("a", "m", "YES", buy, "10", "0.5")
	working := h.permit("b", "m", "YES", buy, "10", "0.5")
	h.place(working)
	other := h.permit("a", "m", "NO", buy, "10", "0.5")
	h.fill("a", "m", "YES", buy, "1", "0.5")
	h.settle("m", "YES", "1", "a")
	require.Equal(t, []string{unplaced, working}, lastOf[*domain.MarketSettled](h).PermitsReleased)
	require.Equal(t, []string{"100.5", "95.5"}, []string{h.botOf("a").Cash.String(), h.free("a")})
	require.Equal(t, "100", h.free("b"))
	require.Contains(t, h.s.Permits, other, "YES = 1 does not settle NO")
	require.Equal(t, "1", h.denied(domain.ReasonMarketSettled, order("b", "m", "YES", buy, "1", "0.5")).Value)
	h.fill("b", "m", "YES", buy, "1", "0.5", withPermit(working))
	require.Equal(t, []string{domain.FlagPermitNotLive, domain.FlagMarketSettled}, h.flags())
	h.denied(domain.ReasonMarketSettled, order("b", "m", "YES", sell, "1", "0.5")) // reducing or not
}

// "A mark … older than mark_max_age (live 15 m, paper off; …) is stale: permits
// that increase exposure are denied"; "A market never marked is not stale."
func TestStaleMarks(t *testing.T) {
	for _, c := range []struct {
		age   time.Duration
		stale bool
	}{{15*time.Minute - 1, false}, {15 * time.Minute, false}, {15*time.Minute + 1, true}} {
		h := newHarness(t).open(domain.ModeLive)
		h.deposit("100")
		h.bot("a", "50")
		h.bot("b", "50")
		h.fill("a", "m", "YES", buy, "10", "0.5")
		h.after(c.age)
		h.ask(order("a", "elsewhere", "YES", buy, "1", "0.5"))
		require.Equal(t, c.stale, h.count(domain.PermitDeniedType) == 1, "%s", c.age)
		if c.stale {
			require.Equal(t, domain.ReasonStaleMark, h.reason().Code)
		}
		h.permit("b", "elsewhere", "YES", buy, "1", "0.5") // holds nothing of it
		h.permit("a", "m", "YES", sell, "10", "0.5")       // closing is never blocked by marks
		h.as(domain.RoleFeed, "feed").mark("m", "YES", "0.5")
		h.operator().permit("a", "elsewhere", "YES", buy, "1", "0.5")
	}
	h := paper(t, "100")
	h.fill("a", "m", "YES", buy, "10", "0.5")
	h.after(1000 * time.Hour)
	h.permit("a", "m", "YES", buy, "1", "0.5")
}

// "Marks come from keys of role feed or operator; in paper portfolios also from
// bots."
func TestMarksByBots(t *testing.T) {
	mark := func(d *Decision) error {
		return d.MarkPrices([]domain.Mark{{Market: "m", Outcome: "YES", Price: dec("0.5")}})
	}
	newHarness(t).open(domain.ModePaper).as(domain.RoleBot, "a").must(mark)
	newHarness(t).open(domain.ModeLive).as(domain.RoleBot, "a").refused(domain.CodeDenied, mark)
	newHarness(t).open(domain.ModeLive).as(domain.RoleFeed, "f").must(mark)
}
