package portfolio

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"pets/domain"
)

// Properties of what is held in an exclusive market: the value is within what the market
// pays, and sets move no equity.

// fair is a world with two exclusive markets, in which two bots trade, and everybody marks.
type fair struct {
	*world
	markets map[string][]string
}

func newFair(t *rapid.T) *fair {
	more := []string{"A", "B", "C", "D", "E"}[:rapid.IntRange(3, 5).Draw(t, "outcomes")]
	f := &fair{markets: map[string][]string{"two": {"A", "B"}, "more": more}}
	f.world = newWorld(t, rapid.SampledFrom([]domain.Mode{domain.ModePaper, domain.ModeLive}).Draw(t, "mode"), func(p *domain.Policy) {
		p.MarkCollar = dec(rapid.SampledFrom([]string{"0", "0.25"}).Draw(t, "collar"))
		p.MarkMaxAge = domain.Duration(rapid.SampledFrom([]time.Duration{0, time.Minute}).Draw(t, "age"))
		p.PositionDustUSD = dec(rapid.SampledFrom([]string{"0", "0.1", "2"}).Draw(t, "dust"))
	})
	f.bot("a", "100000")
	f.bot("b", "100000")
	if f.yes() { // a registration may come after marks and fills
		for range rapid.IntRange(0, 4).Draw(t, "before") {
			f.step()
		}
	}
	for _, name := range []string{"two", "more"} {
		err := f.try(olga, func(d *Decision) error {
			return d.RegisterMarket(&domain.MarketRegistered{Market: name, Kind: domain.KindOutcome, Outcomes: f.markets[name], Exclusive: true})
		})
		if err != nil { // what is held as !A, and cannot be joined, keeps it from being exclusive
			t.SkipNow()
		}
	}
	return f
}

func (f *fair) step() {
	f.wall = f.wall.Add(oneOf(f.world, 0, time.Second, 11*time.Second, 2*time.Minute))
	market := oneOf(f.world, "two", "more", "more")
	outcomes := f.markets[market]
	bot := oneOf(f.world, "a", "b")
	switch oneOf(f.world, "fill", "fill", "fill", "fill", "mark", "mark", "mark", "void", "confirm", "one", "tick", "sets", "permit") {
	case "fill":
		r := f.anyFill(bot, market, namesOf(outcomes))
		if f.yes() {
			at := f.wall.Add(-time.Hour)
			r.EffectiveAt = &at
		}
		_ = f.fill(oneOf(f.world, olga, callerOf(bot)), r)
	case "mark":
		var marks []domain.Mark
		for range rapid.IntRange(1, 3).Draw(f.T, "marks") {
			marks = append(marks, domain.Mark{Market: market, Outcome: oneOf(f.world, namesOf(outcomes)...), Price: dec(f.price())})
		}
		f.mark(oneOf(f.world, feed, olga, callerOf(bot)), marks...)
	case "void", "confirm":
		f.takesBack(f.yes())
	case "one":
		if f.s.exclusive(market) != nil {
			s := Settlement{Market: market, Outcome: oneOf(f.world, outcomes...)}
			_ = f.try(olga, func(d *Decision) error { return d.SettleMarket(s) })
		}
	case "tick":
		_ = f.try(olga, func(d *Decision) error { return d.TimeOutLegs() })
	case "sets":
		_ = f.setsOf(bot, market, oneOf(f.world, domain.SplitSets, domain.MergeSets), f.quantity(), "0")
	case "permit":
		o := order(bot, market, oneOf(f.world, namesOf(outcomes)...), oneOf(f.world, buy, sell), f.quantity(), oneOf(f.world, "0.2", "0.5", "0.9"))
		o.PaperFill = f.s.Mode == domain.ModePaper
		_ = f.try(callerOf(bot), func(d *Decision) error { return d.AskPermit(PermitRequest{Order: o}) })
	}
}

// “Value = L + Σ over j of (P(j) − L) × mark(j), held within [min P, max P]”, whatever the
// marks, bots' own words, marks that wait, settlements of single outcomes, and voids.
func TestValueLiesWithinWhatTheMarketPays(t *testing.T) {
	property(t, 400, func(t *rapid.T) {
		f := newFair(t)
		for range rapid.IntRange(5, 25).Draw(t, "steps") {
			f.step()
			for market := range f.markets {
				m := f.s.exclusive(market)
				if m == nil || f.s.decided(market) { // it is archived, or “worth quantity × payout”: there is one outcome
					continue
				}
				for _, held := range m.Held {
					low, high := f.payoffs(held.Bot, market)
					require.False(t, held.Value.Less(low) || high.Less(held.Value), "%s holds %s of %s, worth %s to %s", held.Bot, held.Value, market, low, high)
				}
			}
		}
	})
}

// “Value depends on P alone, so no split, merge or pair moves equity”: by a fee it falls by
// that fee. Nor is another bot's equity moved, nor any ratio.
func TestNoSetsMoveEquity(t *testing.T) {
	property(t, 400, func(t *rapid.T) {
		f := newFair(t)
		for range rapid.IntRange(2, 15).Draw(t, "steps") {
			f.step()
		}
		for range 4 {
			fee := oneOf(f.world, "0", "0", "0.01", "1.5")
			market, action := oneOf(f.world, "two", "more"), oneOf(f.world, domain.SplitSets, domain.MergeSets)
			_ = f.try(olga, func(d *Decision) error { return d.TimeOutLegs() }) // what waited long enough is confirmed before
			all, a, b := f.s.Equity(), f.s.Bots["a"].Equity(), f.s.Bots["b"].Equity()
			drawdown, peak := f.s.Bots["a"].Refs.Drawdown(a), f.s.Bots["a"].Refs.Peak
			if f.setsOf("a", market, action, f.quantity(), fee) != nil {
				fee = "0"
			}
			require.Equal(t, a.Sub(dec(fee)).String(), f.s.Bots["a"].Equity().String())
			require.Equal(t, b.String(), f.s.Bots["b"].Equity().String())
			require.Equal(t, all.Sub(dec(fee)).String(), f.s.Equity().String())
			require.Equal(t, peak.String(), f.s.Bots["a"].Refs.Peak.String())
			if fee == "0" {
				require.Equal(t, drawdown.String(), f.s.Bots["a"].Refs.Drawdown(f.s.Bots["a"].Equity()).String())
			}
		}
	})
}
