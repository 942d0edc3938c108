package portfolio

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"pets/domain"
	"pets/domain/risk"
)

// Properties of permits that were granted as reducing. TestReducingPermitsNeverLowerTheWorst
// fills whole orders; here they are filled in parts, in groups, and with all that can come
// between.

// closer is a world in which one bot holds something of one market, and closes it.
type closer struct {
	*world
	outcomes []string
}

func newCloser(t *rapid.T) *closer {
	outcomes := []string{"A", "B", "C", "D", "E"}[:rapid.IntRange(2, 5).Draw(t, "outcomes")]
	c := &closer{newWorld(t, domain.ModePaper), outcomes}
	c.bot("a", "1000000")
	c.market("cup", true, outcomes...)
	for range rapid.IntRange(1, 6).Draw(t, "held") {
		c.opens(domain.FillConfirmedStatus)
	}
	return c
}

func (c *closer) instrument() domain.Instrument {
	return domain.Instrument{Market: "cup", Outcome: oneOf(c.world, namesOf(c.outcomes)...)}
}

func (c *closer) opens(status string) {
	r := c.report("a", c.instrument(), oneOf(c.world, buy, buy, sell), c.quantity(), "0.3")
	r.Status = status
	require.NoError(c, c.fill(olga, r))
}

// asks asks for a permit, and releases one that does not wholly reduce.
func (c *closer) asks() {
	i := c.instrument()
	o := order("a", "cup", i.Outcome, oneOf(c.world, buy, sell), c.quantity(), "0.3")
	if held := c.s.quantityOf("a", c.s.Named(i)); !held.IsZero() && c.yes() {
		if o.Quantity, o.Side = held.Abs(), sell; held.Sign() < 0 {
			o.Side = buy
		}
	}
	o.Group = oneOf(c.world, "", "", "exit", "other")
	_ = c.try(callerOf("a"), func(d *Decision) error { return d.AskPermit(PermitRequest{Order: o, Fee: &o.Fee}) })
	for _, e := range c.events {
		if e, ok := e.(*domain.PermitGranted); ok && e.Reducing.Less(e.Quantity) {
			c.must(olga, func(d *Decision) error { return d.ReleasePermit(e.Permit, "") })
		}
	}
}

// closes fills a part of a permit, of what is left of it or, claimed, of what it will close.
func (c *closer) closes(claimed bool) bool {
	live := c.s.permitIDs(func(p *risk.Permit) bool { return p.Live(c.wall) })
	if len(live) == 0 {
		return false
	}
	p := c.s.Permits[oneOf(c.world, live...)]
	most := p.Left
	if claimed {
		most = p.ReducingLeft
	}
	r := c.report("a", p.Instrument, p.Side, c.quantity(), "0.3")
	if r.Quantity = r.Quantity.Min(most); c.yes() {
		r.Quantity = most
	}
	if r.Quantity.IsZero() {
		return false
	}
	r.PermitID, r.Status = p.ID, oneOf(c.world, domain.FillConfirmedStatus, domain.FillProvisionalStatus)
	require.NoError(c, c.fill(callerOf("a"), r))
	i := slices.IndexFunc(c.events, func(e domain.Event) bool { return e.EventType() == domain.FillRecordedType })
	e, _ := c.events[i].(*domain.FillRecorded)
	require.Empty(c, e.Flags)
	return true
}

func (c *closer) worst() domain.Decimal { low, _ := c.payoffs("a", "cup"); return low }

// “permits granted as reducing, filled in any order and any subset, never lower min P”: in
// parts, and in groups, of which together no more is filled than the largest.
func TestPartsOfReducingPermitsNeverLowerTheWorst(t *testing.T) {
	property(t, 400, func(t *rapid.T) {
		c := newCloser(t)
		worst := c.worst()
		for range rapid.IntRange(2, 20).Draw(t, "steps") {
			if c.yes() {
				c.asks()
			} else {
				c.closes(false)
			}
			require.False(t, c.worst().Less(worst), "%s fell to %s", worst, c.worst())
		}
	})
}

// The same whatever comes between: voids, fills that open, sets, outcomes that are settled at
// 0. What a live permit says that it will close never lowers the least that is paid.
func TestWhatAPermitWillCloseNeverLowersTheWorst(t *testing.T) {
	property(t, 400, func(t *rapid.T) {
		c := newCloser(t)
		for range rapid.IntRange(3, 25).Draw(t, "steps") {
			switch oneOf(c.world, "ask", "ask", "close", "close", "close", "void", "open", "sets", "settle", "wait", "confirm") {
			case "ask":
				c.asks()
			case "close":
				if worst := c.worst(); c.closes(true) {
					require.False(t, c.worst().Less(worst), "%s fell to %s", worst, c.worst())
				}
			case "void", "confirm":
				c.takesBack(c.yes())
			case "open":
				c.opens(oneOf(c.world, domain.FillConfirmedStatus, domain.FillProvisionalStatus))
			case "sets":
				_ = c.setsOf("a", "cup", oneOf(c.world, domain.SplitSets, domain.MergeSets), c.quantity(), "0")
			case "settle":
				s := Settlement{Market: "cup", Outcome: oneOf(c.world, c.outcomes...)}
				if len(c.s.alive(c.s.Markets["cup"], "cup")) > 2 {
					_ = c.try(olga, func(d *Decision) error { return d.SettleMarket(s) })
				}
			case "wait":
				c.wall = c.wall.Add(oneOf(c.world, 0, 20*time.Second))
			}
		}
	})
}
