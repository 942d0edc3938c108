package portfolio

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"pets/domain"
	"pets/domain/risk"
)

// Nothing keeps an operator from flat. TestAWayOutStaysOpen says what a halt leaves to a bot;
// here whatever can stand in the way of an order stands there: every limit, marks that wait
// or are stale, a chain that is not reconciled, a clock that is behind, a cooldown, no cash.

// cornered is a bot that is halted, with something in every kind of market.
type cornered struct {
	*world
	things []domain.Instrument
}

func newCornered(t *rapid.T) *cornered {
	mode := rapid.SampledFrom([]domain.Mode{domain.ModePaper, domain.ModeLive}).Draw(t, "mode")
	c := &cornered{}
	c.world = newWorld(t, mode, func(p *domain.Policy) {
		p.WhileTripped = rapid.SampledFrom([]string{domain.WhileReduce, domain.WhileNothing}).Draw(t, "while")
		p.ClosePositionsOnTrip, p.BreakerStops = rapid.Bool().Draw(t, "close"), rapid.SampledFrom([]string{domain.StopAll, domain.StopBot}).Draw(t, "stops")
		p.MaxBotDrawdownPct, p.MaxConsecutiveLosses = dec("0.3"), rapid.SampledFrom([]int{1, 100}).Draw(t, "streak")
		p.MaxPortfolioDrawdownPct = dec(rapid.SampledFrom([]string{"0.2", "0.9"}).Draw(t, "all"))
		p.MarkCollar, p.MarkMaxAge = dec("0.25"), domain.Duration(time.Minute)
		p.BlockedZones, p.RegisteredOnly = []int{1, 2, 3, 4, 5}, true
		p.MaxOrderUSD, p.MaxPositionUSD, p.MaxMarketUSD, p.MaxBotCapitalPct = dec("0.01"), dec("0.01"), dec("0.01"), dec("0.000001")
		p.MaxOpenPositions, p.MaxOrdersPerMinute, p.MaxOrdersPerDay, p.MarketCooldown = 1, 1, 1, domain.Duration(24*time.Hour)
		p.FeeBPS, p.PositionDustUSD = dec(rapid.SampledFrom([]string{"0", "100"}).Draw(t, "fee")), dec(rapid.SampledFrom([]string{"0", "0.1", "5"}).Draw(t, "dust"))
		p.MinCapital = dec(rapid.SampledFrom([]string{"0", "1", "100000"}).Draw(t, "least"))
	})
	if mode == domain.ModeLive {
		c.s.Apply(domain.Stamp{Revision: c.s.Next, Time: c.wall}, &domain.WalletRegistered{Wallet: "hot-1", Place: domain.WalletHot, Chain: polygon, Address: friend, Assets: []domain.WalletAsset{{Asset: "USDC", Decimals: 6}}})
	}
	c.bot("a", "1000")
	c.bot("b", "1000")
	for _, name := range []string{"m/YES", "m/NO", "abc/A", "abc/B", "abc/C", "abc/!A", "abc/!C", "free/A", "free/B", "perp/X", "spot/S", "x/Y", "m/MAYBE"} {
		c.things = append(c.things, instrumentOf(name))
	}
	c.registers("m", domain.KindOutcome, true, "YES", "NO")
	c.registers("abc", domain.KindOutcome, true, "A", "B", "C")
	c.registers("free", domain.KindOutcome, false, "A", "B")
	c.registers("perp", domain.KindPerp, false)
	c.registers("spot", domain.KindSpot, false)
	return c
}

// registers a market with a token for each outcome.
func (c *cornered) registers(name string, kind domain.MarketKind, exclusive bool, outcomes ...string) {
	e := &domain.MarketRegistered{Market: name, Kind: kind, Outcomes: outcomes, Exclusive: exclusive}
	if len(outcomes) > 0 {
		e.Tokens = map[string]string{}
		for _, o := range outcomes {
			e.Tokens[o] = name + " " + o
		}
	}
	c.s.Apply(domain.Stamp{Revision: c.s.Next, Time: c.wall}, e)
}

// holds reports something of the bot, by whatever way.
func (c *cornered) holds() {
	i := oneOf(c.world, c.things...)
	c.wall = c.wall.Add(oneOf(c.world, 0, 0, time.Second, 2*time.Minute, -time.Minute))
	switch oneOf(c.world, "fill", "fill", "fill", "fill", "mark", "sets", "order", "order", "one", "void", "funding") {
	case "fill":
		r := c.report("a", i, oneOf(c.world, buy, buy, sell), oneOf(c.world, "1", "20", "60.5", "0.000001"), oneOf(c.world, "0.1", "0.4", "0.8"))
		r.Status = oneOf(c.world, domain.FillConfirmedStatus, domain.FillProvisionalStatus)
		_ = c.fill(olga, r)
	case "mark": // one far from the mark in force waits
		c.mark(feed, domain.Mark{Market: i.Market, Outcome: i.Outcome, Price: dec(oneOf(c.world, "0", "0.1", "0.5", "0.9"))})
	case "sets":
		_ = c.setsOf("a", oneOf(c.world, "m", "abc"), oneOf(c.world, domain.SplitSets, domain.MergeSets), "10", "0")
	case "order": // it rests, and takes of what there is to close
		o := order("a", i.Market, i.Outcome, oneOf(c.world, buy, sell), oneOf(c.world, "1", "20", "60.5"), "0.5")
		o.Group = oneOf(c.world, "", "g")
		_ = c.try(oneOf(c.world, olga, callerOf("a")), func(d *Decision) error { return d.AskPermit(PermitRequest{Order: o}) })
		for _, e := range c.events {
			if e, ok := e.(*domain.PermitGranted); ok && c.yes() {
				_ = c.try(olga, func(d *Decision) error { return d.PlacePermit(e.Permit, nil) })
			}
		}
	case "one":
		if i.Market == "abc" && !strings.HasPrefix(i.Outcome, "!") && c.yes() {
			_ = c.try(olga, func(d *Decision) error { return d.SettleMarket(Settlement{Market: "abc", Outcome: i.Outcome}) })
		}
	case "void":
		c.takesBack(true)
	case "funding":
		e := &domain.FundingRecorded{Bot: "a", Instrument: i, Amount: dec(oneOf(c.world, "1", "-5")), FundingID: c.name("u")}
		_ = c.try(olga, func(d *Decision) error { return d.RecordFunding(e) })
	}
}

// halts halts the bot, often in several ways.
func (c *cornered) halts() {
	halts := func(f func(*Decision) error) { _ = c.try(olga, f) }
	loses := func(amount string) {
		e := &domain.FeeRecorded{Bot: "a", Amount: dec(amount), Kind: domain.FeeTrading}
		halts(func(d *Decision) error { return d.RecordFee(e) })
	}
	for range rapid.IntRange(1, 3).Draw(c.T, "halts") {
		switch oneOf(c.world, "stop", "full", "loss", "all", "manual", "gone") {
		case "stop":
			halts(func(d *Decision) error { return d.StopBot("a", "x") })
		case "full":
			halts(func(d *Decision) error { return d.StopBotFully("a", "x") })
		case "loss":
			loses("400")
		case "all":
			loses("1200")
		case "manual":
			halts(func(d *Decision) error { return d.EngageStop(domain.StopManual, "x") })
		case "gone": // the chain has less than the books, twice in a row
			for range 2 {
				halts(func(d *Decision) error {
					return d.Reconcile(uint64(c.n), c.wall, []Reading{{Wallet: "hot-1", Asset: "USDC", Amount: dec("1")}})
				})
			}
		}
	}
	if c.s.Leaves("a", true) == LeaveAll {
		halts(func(d *Decision) error { return d.StopBot("a", "x") })
	}
}

// closes asks for a permit to close a holding, signs and places it, and fills it.
func (c *cornered) closes(by domain.Caller, i domain.Instrument) {
	held := c.s.quantityOf("a", i)
	o := order("a", i.Market, i.Outcome, sell, "1", oneOf(c.world, "0.000001", "0.3"))
	if o.Quantity = held.Abs(); held.Sign() < 0 {
		o.Side, o.LimitPrice = buy, dec(oneOf(c.world, "0.3", "1"))
	}
	if oneOf(c.world, false, false, false, true) {
		o.Quantity = o.Quantity.Min(dec("7")) // a part of it
	}
	p, err := c.s.PreviewPermit(c.wall, by, PermitRequest{Order: o})
	require.NoError(c, err, "%s %s", held, i)
	other := func(r domain.Reason) bool { return r.Code != domain.ReasonInsufficientCash }
	if !p.Allowed && o.Side == buy && !slices.ContainsFunc(p.Reasons, other) {
		c.funds() // “its cash is needed”: an operator brings it
		p, err = c.s.PreviewPermit(c.wall, by, PermitRequest{Order: o})
		require.NoError(c, err)
	}
	require.True(c, p.Allowed, "%s of %s is held, and %s is denied: %v", held, i, o.Side, p.Reasons)
	c.must(by, func(d *Decision) error { return d.AskPermit(PermitRequest{Order: o}) })
	at := slices.IndexFunc(c.events, isGranted)
	require.GreaterOrEqual(c, at, 0)
	granted, _ := c.events[at].(*domain.PermitGranted)
	c.signs(by, granted)
	if c.yes() {
		_ = c.try(by, func(d *Decision) error { return d.PlacePermit(granted.Permit, nil) })
	}
	r := c.report("a", i, o.Side, o.Quantity.String(), o.LimitPrice.String())
	r.PermitID = granted.Permit
	require.NoError(c, c.fill(by, r))
	f := c.events[slices.IndexFunc(c.events, func(e domain.Event) bool { return e.EventType() == domain.FillRecordedType })]
	recorded, _ := f.(*domain.FillRecorded)
	for _, flag := range []string{domain.FlagHalted, domain.FlagNoPermit, domain.FlagPermitNotLive, domain.FlagPermitExceeded} {
		require.NotContains(c, recorded.Flags, flag)
	}
}

// signs has the order signed, where it is one of a token of a live portfolio.
func (c *cornered) signs(by domain.Caller, e *domain.PermitGranted) {
	m := c.s.Markets[e.Market]
	if c.s.Mode != domain.ModeLive || m == nil || m.Tokens[e.Outcome] == "" {
		return
	}
	o := domain.TypedOrder{
		Digest: strings.Repeat("ab", 32), Chain: polygon, Signer: friend, Maker: friend, Token: m.Tokens[e.Outcome], Side: e.Side,
		Quantity: e.Quantity, Notional: e.Quantity.Mul(e.LimitPrice),
	}
	if o.Notional.IsZero() {
		return
	}
	c.must(by, func(d *Decision) error {
		if err := d.SignatureRefusedByClock(e.Permit); err != nil {
			return err
		}
		return d.SignOrder(SignRequest{Permit: e.Permit, Order: o})
	})
	require.True(c, slices.ContainsFunc(c.events, func(e domain.Event) bool { return e.EventType() == domain.SignatureMadeType }), "it is not signed")
}

// funds gives the bot, and the hot wallet, all the cash that an order can need.
func (c *cornered) funds() {
	c.must(olga, func(d *Decision) error {
		return d.Deposit(&domain.DepositRecorded{Wallet: domain.WalletHot, Amount: dec("100000")})
	})
	c.must(olga, func(d *Decision) error { return d.Allocate("a", dec("50000")) })
}

// held is the first thing that the bot holds.
func (c *cornered) held() (i domain.Instrument, any bool) {
	for _, in := range c.s.SortedInstruments() {
		if !c.s.quantityOf("a", in.Instrument).IsZero() {
			return in.Instrument, true
		}
	}
	return i, false
}

// “a halted bot, or an operator for it, can always get to flat (but in `security_breach` and
// `system_error`)”: whatever the bot holds, and whatever stands in the way.
func TestNothingKeepsAnOperatorFromFlat(t *testing.T) {
	property(t, 300, func(t *rapid.T) {
		c := newCornered(t)
		for range rapid.IntRange(1, 15).Draw(t, "facts") {
			c.holds()
		}
		c.halts()
		for _, p := range c.s.permitIDs(func(p *risk.Permit) bool { return p.Bot == "a" && p.Live(c.s.Time) }) {
			_ = c.try(olga, func(d *Decision) error { return d.ReleasePermit(p, "") }) // orders that rest are cancelled first
		}
		c.wall = c.wall.Add(oneOf(c.world, 0, time.Second, -time.Hour, time.Hour))
		for range 60 {
			i, any := c.held()
			if !any {
				return
			}
			if payout := c.s.payoutAt(i); payout != nil { // what came after it was settled is paid by settling it again
				c.must(olga, func(d *Decision) error {
					return d.SettleMarket(Settlement{Market: i.Market, Outcome: i.Outcome, Payout: *payout})
				})
				continue
			}
			c.closes(olga, i)
		}
		i, any := c.held()
		require.False(t, any, "%s of %s is still held", c.s.quantityOf("a", i), i)
	})
}
