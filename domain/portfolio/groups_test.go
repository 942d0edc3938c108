package portfolio

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
)

// joined is an order of a group.
func joined(group string, o domain.Order) domain.Order { o.Group = group; return o }

// grant asks for a permit that has to be granted, and returns it.
func (h *harness) grant(o domain.Order) *domain.PermitGranted {
	h.t.Helper()
	h.ask(o)
	granted := stepOf[*domain.PermitGranted](h)
	require.Len(h.t, granted, 1, "denied: %v", h.reasons())
	return granted[0]
}

// "reducing permits of one bot and market with the same group (take-profit and stop) count
// as G, the largest. A fill in the group leaves each at most G − what the group filled
// (directive group_shrunk)."
func TestAGroupCountsAsItsLargest(t *testing.T) {
	for name, register := range map[string]func(*harness){
		"exclusive":    func(h *harness) { h.exclusive("m", "YES", "NO") },
		"three":        func(h *harness) { h.exclusive("m", "YES", "NO", "DRAW") },
		"unregistered": func(*harness) {},
	} {
		t.Run(name, func(t *testing.T) {
			h := second(t, "1000", quietPolicy)
			register(h)
			h.fill("a", "m", "YES", buy, "100", "0.5")
			exit := func(quantity, limit string) domain.Order {
				return joined("exit", order("a", "m", "YES", sell, quantity, limit))
			}
			takes, stops := h.grant(exit("100", "0.9")), h.grant(exit("80", "0.2"))
			require.Equal(t, []string{"100", "80"}, []string{takes.Reducing.String(), stops.Reducing.String()})
			require.Equal(t, "0", h.grant(order("a", "m", "YES", sell, "1", "0.5")).Reducing.String(), "nothing is left to close")
			opens := h.grant(exit("120", "0.5"))
			require.Empty(t, opens.Group, "only an order that wholly reduces has a group")
			require.Equal(t, "0", opens.Reducing.String())

			h.fill("a", "m", "YES", buy, "100", "0.5")
			require.Equal(t, "99", h.grant(order("a", "m", "YES", sell, "99", "0.2")).Reducing.String())
			require.Equal(t, "1", h.grant(order("a", "m", "YES", sell, "2", "0.5")).Reducing.String(), "the group counts as 100")

			h.fill("a", "m", "YES", sell, "30", "0.9", withPermit(takes.Permit))
			require.Empty(t, h.flags())
			require.Equal(t, []domain.ShrunkOrder{{Permit: stops.Permit, Left: dec("70")}}, lastOf[*domain.FillRecorded](h).Shrunk)
			h.equal("70", h.s.Permits[takes.Permit].Left)
			h.equal("70", h.s.Permits[stops.Permit].Left)
			h.fill("a", "m", "YES", sell, "70", "0.2", withPermit(stops.Permit))
			require.Equal(t, []domain.ShrunkOrder{{Permit: takes.Permit, Left: dec("0")}}, lastOf[*domain.FillRecorded](h).Shrunk)
			require.NotContains(t, h.s.Permits, takes.Permit)
			require.NotContains(t, h.s.Permits, stops.Permit)
		})
	}
}

// "A fill in the group leaves each at most G − what the group filled": also one that was voided
// and lives again.
func TestAReinstatedFillShrinksItsGroup(t *testing.T) {
	h := second(t, "1000", quietPolicy)
	h.exclusive("m", "YES", "NO")
	h.fill("a", "m", "YES", buy, "100", "0.5")
	takes := h.grant(joined("exit", order("a", "m", "YES", sell, "100", "0.9"))).Permit
	h.place(takes)
	h.void(h.fill("a", "m", "YES", sell, "30", "0.9", withID("one"), provisional))
	stops := h.grant(joined("exit", order("a", "m", "YES", sell, "100", "0.2"))).Permit
	h.must(h.recordFill(h.report("a", "m", "YES", sell, "30", "0.9", withID("one"), withPermit(takes))))
	require.Equal(t, []string{"fill.reinstated"}, h.types())
	require.Equal(t, []domain.ShrunkOrder{{Permit: stops, Left: dec("70")}}, lastOf[*domain.FillReinstated](h).Shrunk)
	h.equal("70", h.s.Permits[stops].Left)
	h.equal("70", h.s.Permits[takes].Left)
}

// A fill that leaves the others of a group as large as they are shrinks none.
func TestAGroupShrinksOnlyWhatIsTooLarge(t *testing.T) {
	for filled, shrunk := range map[string]int{"19": 0, "20": 0, "21": 1} {
		h := second(t, "1000", quietPolicy)
		h.exclusive("m", "YES", "NO")
		h.fill("a", "m", "YES", buy, "100", "0.5")
		big := h.grant(joined("exit", order("a", "m", "YES", sell, "100", "0.9")))
		h.grant(joined("exit", order("a", "m", "YES", sell, "80", "0.2")))
		h.grant(joined("exit", order("a", "m", "NO", buy, "80", "0.2")))
		h.fill("a", "m", "YES", sell, filled, "0.9", withPermit(big.Permit))
		require.Len(t, lastOf[*domain.FillRecorded](h).Shrunk, 2*shrunk, filled)
	}
}

// "Groups: reducing permits of one bot and market with the same group … count as G, the
// largest", and "filled in any order and any subset" they "never lower min P": of the one
// share of !C one is sold, although a third order of the group sells three of A.
func TestAGroupSellsNoShareTwice(t *testing.T) {
	for name, register := range map[string]func(*harness){
		"exclusive": func(h *harness) { h.exclusive("m", "A", "B", "C") },
		"other":     func(*harness) {},
	} {
		h := second(t, "1000", quietPolicy)
		register(h)
		h.fill("a", "m", "A", buy, "3", "0.3")
		h.fill("a", "m", "!C", buy, "1", "0.3")
		one := h.grant(joined("exit", order("a", "m", "!C", sell, "1", "0.3")))
		two := h.grant(joined("exit", order("a", "m", "!C", sell, "1", "0.4")))
		big := h.grant(joined("exit", order("a", "m", "A", sell, "3", "0.3")))
		h.fill("a", "m", "!C", sell, "1", "0.3", withPermit(one.Permit))
		require.Equal(t, []domain.ShrunkOrder{{Permit: two.Permit, Left: dec("0")}, {Permit: big.Permit, Left: dec("2")}}, lastOf[*domain.FillRecorded](h).Shrunk, name)
	}
}

// Of two shares that lower one payoff no more is sold than the larger order of them.
func TestAGroupLowersNoPayoffTwice(t *testing.T) {
	h := second(t, "1000", quietPolicy)
	h.exclusive("m", "A", "B", "C", "D")
	for outcome, quantity := range map[string]string{"A": "1", "!B": "1", "B": "1", "C": "1", "D": "9"} { // they pay 2, 1, 2, 10
		h.fill("a", "m", outcome, buy, quantity, "0.3")
	}
	exit := func(outcome, quantity string) string {
		return h.grant(joined("exit", order("a", "m", outcome, sell, quantity, "0.3"))).Permit
	}
	one, two, big := exit("A", "1"), exit("!B", "1"), exit("D", "9")
	h.fill("a", "m", "A", sell, "1", "0.3", withPermit(one))
	require.Equal(t, []domain.ShrunkOrder{{Permit: two, Left: dec("0")}, {Permit: big, Left: dec("8")}}, lastOf[*domain.FillRecorded](h).Shrunk)
	worst, _ := h.s.Figures("a", "m")
	h.equal("1", worst.PayoffMin)
}

// "selling what is held reduces as far as min P, with all live reducing sales of that bot in
// that market filled, is not below what it is now", and of an outcome that is settled at 0
// "min and max run over the rest": what a permit was to close may open then, and is not signed.
func TestASettledOutcomeLimitsWhatReduces(t *testing.T) {
	h := second(t, "1000", quietPolicy)
	h.exclusive("m", "A", "B", "C")
	h.fill("a", "m", "C", buy, "1", "0.3")
	h.fill("a", "m", "!A", sell, "1", "0.3") // A pays 0, B −1, C 0
	id := h.grant(order("a", "m", "C", sell, "1", "0.3")).Permit
	h.settleOne("m", "B", "0")
	h.equal("0", h.s.Permits[id].ReducingLeft, "the least that is paid is 0 now")

	// The same of a registration: one half of a set opens the other.
	h.fill("a", "late", "YES", buy, "10", "0.3")
	h.fill("a", "late", "NO", buy, "10", "0.3")
	id = h.grant(order("a", "late", "YES", sell, "10", "0.3")).Permit
	h.exclusive("late", "YES", "NO")
	h.equal("0", h.s.Permits[id].ReducingLeft)
}

// "Cash is reserved for each." Both ways to flatten a group is bought with need their cash.
func TestCashIsReservedForEachOfAGroup(t *testing.T) {
	h := second(t, "1000", quietPolicy)
	h.exclusive("m", "YES", "NO")
	h.fill("a", "m", "YES", buy, "100", "0.5") // 950 are left
	one := h.grant(joined("exit", order("a", "m", "NO", buy, "100", "0.6")))
	two := h.grant(joined("exit", order("a", "m", "NO", buy, "90", "0.5")))
	require.Equal(t, []string{"60", "45"}, []string{one.Reserved.String(), two.Reserved.String()})
	h.equal("845", h.s.freeCash(h.botOf("a"), h.now))
}

// "What an ioc or fok order did not fill is gone permit_ttl after it was placed or first
// filled, whichever is earlier."
func TestTimeInForce(t *testing.T) {
	for _, force := range []domain.TimeInForce{domain.ImmediateOrCancel, domain.FillOrKill} {
		o := order("a", "m", "YES", buy, "10", "0.5")
		o.TimeInForce = force
		t.Run(string(force), func(t *testing.T) {
			live := func(h *harness, id string, after time.Duration) bool {
				p := h.s.Permits[id]
				return p != nil && p.Live(h.now.Add(after))
			}
			h := second(t, "1000", quietPolicy)
			placed := h.grant(o).Permit
			h.after(20 * time.Second).place(placed)
			require.True(t, live(h, placed, 30*time.Second-1))
			require.False(t, live(h, placed, 30*time.Second), "30 s is permit_ttl")
			h.must(func(d *Decision) error { return d.PlacePermit(placed, nil) }) // a repeat
			require.Equal(t, 1, h.count(domain.CommandNotedType))

			filled := h.grant(o).Permit
			h.fill("a", "m", "YES", buy, "1", "0.5", withPermit(filled))
			h.after(10 * time.Second).place(filled)
			require.True(t, live(h, filled, 20*time.Second-1))
			require.False(t, live(h, filled, 20*time.Second), "it was filled before it was placed")
			h.after(5*time.Second).fill("a", "m", "YES", buy, "1", "0.5", withPermit(filled))
			require.False(t, live(h, filled, 15*time.Second), "a later fill gives no more time")

			soon := h.grant(o).Permit
			ends := h.now.Add(7 * time.Second)
			h.must(func(d *Decision) error { return d.PlacePermit(soon, &ends) })
			require.True(t, live(h, soon, 7*time.Second-1))
			require.False(t, live(h, soon, 7*time.Second), "its own expiry comes first")
			h.after(31 * time.Second)
			h.grant(order("a", "m", "YES", buy, "1", "0.5"))
			require.NotContains(t, h.s.Permits, soon)
			require.NotContains(t, h.s.Permits, filled)
			require.NotContains(t, h.s.Permits, placed)
		})
	}
	h := second(t, "1000", quietPolicy)
	o := order("a", "m", "YES", buy, "10", "0.5")
	for _, force := range []domain.TimeInForce{"", domain.GoodTillCancelled, domain.GoodTillDate} {
		o.TimeInForce = force
		id := h.grant(o).Permit
		h.place(id)
		require.True(t, h.s.Permits[id].Live(h.now.Add(24*time.Hour)), "%q rests", force)
	}
	o.TimeInForce = "day"
	h.refused(domain.CodeInvalid, func(d *Decision) error { return d.AskPermit(PermitRequest{Order: o}) })
}
