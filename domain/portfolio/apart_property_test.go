package portfolio

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"pets/domain"
)

// Bots are apart: no key of one moves another's equity, and nothing that is recorded of one
// trips another's breakers. TestNoBotMovesAnothersEquity sends the requests of a key; here they
// come with permits, groups, arbitrages, funding, fees in other assets, dates, and days.

// neighbours is a world with two bots that hold the same things. a's key is used; of b, all stays.
type neighbours struct {
	*world
	things []domain.Instrument
}

func newApart(t *rapid.T, change ...func(*domain.Policy)) *neighbours {
	a := &neighbours{}
	a.world = newWorld(t, rapid.SampledFrom([]domain.Mode{domain.ModePaper, domain.ModeLive}).Draw(t, "mode"), append(change, func(p *domain.Policy) {
		p.MarkCollar, p.MarkMaxAge = dec("0.25"), domain.Duration(time.Minute)
		p.MarkConfirmAfter = domain.Duration(10 * time.Hour) // so no request confirms what waits for its time
		p.MaxRollingLossPct, p.MaxBotDailyLossPct = dec("0.9"), dec("0.9")
	})...)
	a.bot("a", "2000")
	a.bot("b", "2000")
	a.market("cup", true, "A", "B", "C")
	a.market("rain", true, "YES", "NO")
	a.must(olga, func(d *Decision) error {
		return d.RegisterMarket(&domain.MarketRegistered{Market: "perp", Kind: domain.KindPerp})
	})
	a.mark(feed, domain.Mark{Asset: "ETH", Price: dec("2")})
	for _, name := range []string{"cup/A", "cup/B", "cup/!B", "cup/!C", "rain/YES", "rain/NO", "perp/X", "m/YES", "m/NO"} {
		a.things = append(a.things, instrumentOf(name))
	}
	for range rapid.IntRange(1, 8).Draw(t, "held by b") {
		i := oneOf(a.world, a.things...)
		r := a.report("b", i, oneOf(a.world, buy, buy, sell), oneOf(a.world, "5", "40"), oneOf(a.world, "0.1", "0.4"))
		r.Status, r.FeeAsset, r.Fee = oneOf(a.world, "", domain.FillProvisionalStatus), oneOf(a.world, "", "ETH"), dec("0.1")
		_ = a.fill(oneOf(a.world, olga, callerOf("b")), r)
		switch oneOf(a.world, "", "mark", "own", "order") {
		case "mark":
			a.mark(feed, domain.Mark{Market: i.Market, Outcome: i.Outcome, Price: dec(oneOf(a.world, "0.1", "0.3", "0.9"))})
		case "own":
			a.mark(callerOf("b"), domain.Mark{Market: i.Market, Outcome: i.Outcome, Price: dec("0.2")})
		case "order":
			o := order("b", i.Market, i.Outcome, oneOf(a.world, buy, sell), "3", "0.25")
			o.PaperFill = a.s.Mode == domain.ModePaper
			_ = a.try(callerOf("b"), func(d *Decision) error { return d.AskPermit(PermitRequest{Order: o}) })
		}
	}
	a.fills = nil
	return a
}

// anyRequest sends a request of the caller about a.
func (a *neighbours) anyRequest(by domain.Caller) {
	i := oneOf(a.world, a.things...)
	switch oneOf(a.world, "fill", "fill", "fill", "mark", "mark", "take back", "sets", "funding", "permit", "permit", "legs", "end", "trade", "others") {
	case "fill":
		_ = a.fill(by, a.anyReport(i))
	case "mark":
		a.mark(by, domain.Mark{Market: i.Market, Outcome: i.Outcome, Price: dec(a.price())}, domain.Mark{Asset: "ETH", Price: dec("9")})
	case "take back":
		if len(a.fills) > 0 {
			r, void := oneOf(a.world, a.fills...), a.yes()
			_ = a.try(by, func(d *Decision) error {
				if void {
					return d.VoidFill(r.FillID, r.Market)
				}
				return d.ConfirmFill(r.FillID, r.Market)
			})
		}
	case "sets":
		e := &domain.SetsChanged{Bot: "a", Market: oneOf(a.world, "cup", "rain"), Action: oneOf(a.world, domain.SplitSets, domain.MergeSets), Quantity: dec(a.quantity()), SetID: a.name("s")}
		_ = a.try(by, func(d *Decision) error { return d.ChangeSets(e) })
	case "funding":
		e := &domain.FundingRecorded{Bot: "a", Instrument: i, Amount: dec(oneOf(a.world, "0.1", "-0.1", "-300", "500")), FundingID: a.name("u")}
		_ = a.try(by, func(d *Decision) error { return d.RecordFunding(e) })
	case "permit":
		o := order("a", i.Market, i.Outcome, oneOf(a.world, buy, sell), oneOf(a.world, "1", "30"), oneOf(a.world, "0.1", "0.5", "0.9"))
		o.Group, o.PaperFill = oneOf(a.world, "", "g"), a.s.Mode == domain.ModePaper && a.yes()
		_ = a.try(by, func(d *Decision) error { return d.AskPermit(PermitRequest{Order: o}) })
	case "legs":
		r := ArbitrageRequest{Bot: "a", PaperFill: a.s.Mode == domain.ModePaper && a.yes(), LegTimeout: 10 * time.Second}
		for _, outcome := range []string{"YES", "NO"} {
			r.Legs = append(r.Legs, PermitRequest{Order: order("a", "rain", outcome, buy, "10", oneOf(a.world, "0.3", "0.45"))})
		}
		_ = a.try(by, func(d *Decision) error { return d.AskArbitrage(r) })
	case "end":
		if ids := a.s.PermitIDs(); len(ids) > 0 { // another bot's too
			id, place := oneOf(a.world, ids...), a.yes()
			_ = a.try(by, func(d *Decision) error {
				if place {
					return d.PlacePermit(id, nil)
				}
				return d.ReleasePermit(id, "")
			})
		}
	case "trade":
		e := &domain.TradeClosed{Bot: "a", Instrument: i, TradeID: a.name("r"), TradeFigures: domain.TradeFigures{PnL: dec(oneOf(a.world, "-500", "-1", "700"))}}
		_ = a.try(by, func(d *Decision) error { return d.RecordTrade(e) })
	case "others": // what only people record of a bot
		a.others(by)
	}
}

// others are the facts of a that no bot's key may send.
func (a *neighbours) others(by domain.Caller) {
	if by.Role == domain.RoleBot {
		return
	}
	switch amount := oneOf(a.world, "0.01", "100", "1500"); oneOf(a.world, "fee", "adjust", "stop") {
	case "fee":
		e := &domain.FeeRecorded{Bot: "a", Amount: dec(amount), Kind: oneOf(a.world, domain.FeeTrading, domain.FeeRebate)}
		_ = a.try(by, func(d *Decision) error { return d.RecordFee(e) })
	case "adjust":
		e := &domain.AdjustmentPosted{Account: "hot:bot/a", Amount: dec(oneOf(a.world, "", "-") + amount), Reason: "x"}
		_ = a.try(by, func(d *Decision) error { return d.Adjust(e) })
	case "stop":
		_ = a.try(by, func(d *Decision) error { return d.StopBot("a", "x") })
	}
}

// anyReport is a fill of a, with all that a report may say. Its permit may be another bot's.
func (a *neighbours) anyReport(i domain.Instrument) FillReport {
	r := a.report("a", i, oneOf(a.world, buy, sell), a.quantity(), oneOf(a.world, a.price(), "41"))
	r.Status, r.Venue = oneOf(a.world, domain.FillConfirmedStatus, domain.FillProvisionalStatus), oneOf(a.world, "", "v")
	r.Fee, r.FeeAsset = dec(oneOf(a.world, "0", "0.1", "-0.01", "3")), oneOf(a.world, "", "", "ETH", "NEW", domain.FeeShares)
	if ids := a.s.PermitIDs(); len(ids) > 0 && a.yes() {
		r.PermitID = oneOf(a.world, ids...)
	}
	if a.yes() {
		at := a.wall.Add(-oneOf(a.world, time.Second, time.Hour))
		r.EffectiveAt = &at
	}
	if a.yes() {
		n := r.Quantity.Mul(dec(a.price()))
		r.Notional = &n
	}
	if len(a.fills) > 0 && oneOf(a.world, false, false, false, true) { // again, and it may have been voided
		r.FillID = oneOf(a.world, a.fills...).FillID
	}
	return r
}

// ofB is all that b has, and the treasury: its money, its holdings, and what they are worth.
func (a *neighbours) ofB() string {
	b := a.s.Bots["b"]
	var text strings.Builder
	fmt.Fprintf(&text, "cash %s, equity %s, other %v, treasury %s, trades %d\n", b.Cash, b.Equity(), b.Other, a.s.Treasury(domain.WalletHot), b.Trades)
	for _, in := range a.s.SortedInstruments() {
		if h := in.Holding("b"); h != nil {
			fmt.Fprintf(&text, "%s %s at %s\n", in, h.Quantity, h.Cost)
		}
	}
	return text.String()
}

func (a *neighbours) breakersOfB() string {
	var text strings.Builder
	for _, key := range a.s.BreakerKeys() {
		if key.Bot == "b" {
			r := a.s.ReadBreaker(key)
			fmt.Fprintln(&text, key, r.Status, r.Value)
		}
	}
	return text.String()
}

// “no bot's key can move another bot's equity”.
func TestNoKeyMovesAnothersEquity(t *testing.T) {
	property(t, 400, func(t *rapid.T) {
		a := newApart(t)
		before, breakers := a.ofB(), a.breakersOfB()
		for range rapid.IntRange(1, 20).Draw(t, "requests") {
			a.anyRequest(callerOf("a"))
			require.Equal(t, before, a.ofB())
			require.Equal(t, breakers, a.breakersOfB())
			a.wall = a.wall.Add(oneOf(a.world, 0, 0, time.Second, 40*time.Second))
		}
	})
}

// No flag or fact of one bot trips another bot's own breaker, by every role that may report it, and however
// near b is to each of its limits; the portfolio's breakers stop all.
func TestNoFactOfABotTripsAnothersBreaker(t *testing.T) {
	property(t, 400, func(t *rapid.T) {
		a := newApart(t, func(p *domain.Policy) {
			p.MaxBotDrawdownPct, p.MaxBotDailyLossPct, p.MaxConsecutiveLosses = dec("0.02"), dec("0.02"), 2
			p.MaxPortfolioDrawdownPct = dec(rapid.SampledFrom([]string{"0.3", "0.999"}).Draw(t, "all"))
			p.MaxDailyLossPct = dec(rapid.SampledFrom([]string{"0.1", "0.999"}).Draw(t, "day"))
			p.BreakerStops = rapid.SampledFrom([]string{domain.StopAll, domain.StopBot}).Draw(t, "stops")
			p.MinCapital = dec(rapid.SampledFrom([]string{"0", "1"}).Draw(t, "least"))
		})
		lost := &domain.FeeRecorded{Bot: "b", Amount: dec(oneOf(a.world, "1", "10", "39")), Kind: domain.FeeTrading}
		a.must(olga, func(d *Decision) error { return d.RecordFee(lost) })
		breakers := a.breakersOfB()
		for range rapid.IntRange(1, 20).Draw(t, "facts") {
			a.events = nil
			by := oneOf(a.world, olga, olga, callerOf("a"))
			if by.Role != domain.RoleBot { // a person's mark is the market's
				a.anyFact(by)
			} else {
				a.anyRequest(by)
			}
			require.Equal(t, breakers, a.breakersOfB())
			for _, e := range a.events {
				for _, row := range domain.Flatten(e) {
					if e, ok := row.(*domain.BreakerTripped); ok {
						require.NotEqual(t, "b", e.Bot)
						if e.Bot != "" && e.Stops == domain.StopBot {
							require.NotContains(t, e.BotsStopped, "b")
						}
					}
				}
			}
			a.wall = a.wall.Add(oneOf(a.world, 0, 0, time.Second, 40*time.Second))
		}
	})
}

// anyFact is a request about a that marks nothing for all.
func (a *neighbours) anyFact(by domain.Caller) {
	before := a.s.Clone()
	a.anyRequest(by)
	for _, e := range a.events {
		if e.EventType() == domain.PriceMarkedType || e.EventType() == domain.PermitReleasedType || e.EventType() == domain.PermitPlacedType {
			a.s, a.events = before, nil
			return
		}
	}
}
