package portfolio

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/risk"
)

// exposureHeld sums what holdings can still lose, of one bot or of all, in the markets that
// are asked for, by a walk over all holdings.
func (s *State) exposureHeld(bot string, in func(market string) bool) domain.Decimal {
	sum := domain.Zero
	for i, instrument := range s.Instruments {
		for _, h := range instrument.Holdings {
			if in(i.Market) && (bot == "" || bot == h.Bot) {
				sum = sum.Add(s.exposureOf(instrument, h.Bot))
			}
		}
	}
	for name, m := range s.Markets {
		for _, h := range m.Held {
			if in(name) && (bot == "" || bot == h.Bot) {
				sum = sum.Add(s.exposureTogether(h.Bot, name))
			}
		}
	}
	return sum
}

// figures are what is derived, by name.
type figures map[string]string

func (f figures) put(value any, name string, args ...any) {
	if text := fmt.Sprint(value); text != "0" && text != "[]" {
		f[fmt.Sprintf(name, args...)] = text
	}
}

// derivedFigures writes down all that is derived, so that two states can be compared.
func derivedFigures(s *State) map[string]string {
	out := figures{}
	out.putState(s)
	out.putPermits(s)
	return out
}

func (f figures) putState(s *State) {
	d, put := &s.derived, f.put
	for bot, held := range d.held {
		for i, in := range held {
			put(in == s.Instruments[i] && in.Holding(bot) != nil, "held %s %s", bot, i)
		}
	}
	put(slices.Sorted(maps.Keys(d.running)), "running")
	put(slices.Sorted(maps.Keys(d.halted)), "halted")
	put(d.open, "open")
	put(slices.SortedFunc(maps.Keys(d.stopping), risk.Compare), "stopping")
	put(slices.SortedFunc(maps.Keys(d.warned), risk.Compare), "warned")
	for bot, keys := range d.tripped {
		put(slices.SortedFunc(maps.Keys(keys), risk.Compare), "tripped %s", bot)
	}
	for asset, bots := range d.owing {
		put(slices.Sorted(maps.Keys(bots)), "owing %s", asset)
	}
	for asset, sum := range d.owed {
		put(sum, "owed %s", asset)
	}
	for at, results := range d.deferred {
		put(slices.Sorted(maps.Keys(results)), "deferred %s", at)
	}
	for in := range d.waiting {
		put(in == s.Instruments[in.Instrument], "waiting %s", in.Instrument)
	}
	for bot, all := range d.arbitrages {
		for id, a := range all {
			put(a == s.Arbitrages[id], "arbitrage %s of %s", id, bot)
		}
	}
	for at, n := range d.voidable {
		put(n, "voidable %v", at)
	}
	if e := d.exposed; e != nil {
		for at, sum := range e.of {
			put(sum, "exposed %v", at)
		}
		for market, sum := range e.in {
			put(sum, "exposed in %s", market)
		}
		for category, sum := range e.category {
			put(sum, "exposed in the category %s", category)
		}
	}
	for _, in := range s.Instruments {
		for bot, paid := range in.paidTo {
			put(len(paid), "paid %s %s", in.Instrument, bot)
		}
	}
}

func (f figures) putPermits(s *State) {
	x, put := &s.permits, f.put
	put(slices.Sorted(maps.Keys(x.unplaced)), "unplaced")
	put(slices.Sorted(maps.Keys(x.resting)), "resting")
	put(slices.Sorted(maps.Keys(x.counted)), "counted")
	put(x.reserved, "reserved")
	for market, sum := range x.pendingIn {
		put(sum, "pending in %s", market)
	}
	for category, sum := range x.pendingOf {
		put(sum, "pending in the category %s", category)
	}
	for bot, b := range x.byBot {
		put(slices.Sorted(maps.Keys(b.all)), "permits of %s", bot)
		put(slices.Sorted(maps.Keys(b.uncovered)), "uncovered of %s", bot)
		put(slices.Sorted(maps.Keys(b.relieved)), "relieved of %s", bot)
		put(b.reserved, "reserved of %s", bot)
		put(b.lacking, "lacking of %s", bot)
		put(b.pending, "pending of %s", bot)
		put([]int{b.openMarkets, b.openOutcomes}, "open of %s", bot)
		for market, m := range b.markets {
			put(slices.Sorted(maps.Keys(m.claims)), "claims of %s in %s", bot, market)
			put([]any{m.count, m.opening, m.pending}, "permits of %s in %s", bot, market)
			for _, o := range m.outcomes {
				outcome := o.outcome
				put([]any{o.count, o.opening, o.pending, o.buys, o.sells}, "permits of %s in %s/%s", bot, market, outcome)
			}
		}
	}
}

// checkDerived compares what is kept step by step with what follows from the state alone,
// and the sums with walks over everything.
func checkDerived(t require.TestingT, s *State) {
	if h, ok := t.(interface{ Helper() }); ok {
		h.Helper()
	}
	require.Equal(t, derivedFigures(s.Clone()), derivedFigures(s), "what is derived is not what the state says")
	require.Empty(t, s.permits.changed, "a changed permit is not counted yet")
	require.Empty(t, s.permits.outdated)

	cash, reserved, always := s.Treasury(domain.WalletHot), domain.Zero, func(*risk.Permit) bool { return true }
	for id, b := range s.Bots {
		cash = cash.Add(b.Cash)
		for _, r := range s.reserving(id, always) {
			reserved = reserved.Add(r)
		}
	}
	require.Equal(t, cash, s.hotCash(), "the cash of the treasury and all bots")
	require.Equal(t, reserved, s.permits.reserved, "what all permits reserve")
	for bot := range s.derived.held {
		all := domain.Zero
		for market := range s.marketsOf(bot) {
			all = all.Add(s.exposureAt(bot, market))
		}
		require.Equal(t, s.exposureHeld(bot, func(string) bool { return true }), all, "what %s can lose", bot)
	}
	if x := s.derived.exposed; x != nil {
		for market := range s.byMarket {
			require.Equal(t, s.exposureHeld("", func(m string) bool { return m == market }), x.in[market], "what all can lose in %s", market)
		}
	}
	for _, f := range s.Facts() {
		if f.ID.Venue != "" && f.Market != "" && !f.unarrived() {
			require.Contains(t, slices.Collect(s.Past.OfBot(f.ID.Bot, f.Market, f.ID.TradeID)), f.ID, "it is found by its trade")
		}
	}
	for key, b := range s.Breakers { // what nothing has touched cannot be compared with another result
		r, known := risk.RuleOf(key.Breaker)
		if bot := s.Bots[key.Bot]; b.Status == risk.Warned && known && r.Scope == risk.OfBot && bot != nil && !bot.touched {
			require.False(t, r.Rearms(&s.Policy, s.ReadBreaker(key).Value), "%s has not been compared", key)
		}
	}
}

// checkDead compares the sums of a decision with walks over the permits that count for it.
func checkDead(t require.TestingT, s *State, now time.Time, still Standstill) {
	d := &Decision{s: s, now: now, still: still}
	reserved, dead, all := domain.Zero, d.dead(), domain.Zero
	for _, p := range s.Permits {
		require.Equal(t, !d.counts(p), slices.Contains(dead.all, p), "permit %s", p.ID)
		if d.counts(p) {
			all = all.Add(s.pending(p))
		}
	}
	for id, b := range s.Bots {
		own, pending, free := domain.Zero, domain.Zero, b.Cash.Sub(s.shortCover(id))
		for p, r := range s.reserving(id, d.counts) {
			own, pending = own.Add(r), pending.Add(s.pending(p))
		}
		released := map[domain.Instrument]domain.Decimal{}
		for p, r := range s.Reserving(id, now) {
			free = free.Sub(r)
			released[p.Instrument] = released[p.Instrument].Add(p.Relief(s.relief(p.Bot, p.Instrument, p.ReducingLeft)))
		}
		for i, sum := range released {
			free = free.Add(sum.Min(s.coverOfShort(id, i)))
		}
		require.Equal(t, own, d.reserved(b), "reserved of %s", id)
		require.Equal(t, free, s.freeCash(b, now), "free cash of %s", id)
		require.Equal(t, s.exposureHeld(id, func(string) bool { return b.Positions > 0 }).Add(pending), d.exposureOfBot(id), "exposure of %s", id)
		require.Equal(t, openWalked(d, id), d.openWith(id, domain.Instrument{Market: "another", Outcome: "one"}), "open of %s", id)
		reserved = reserved.Add(own)
	}
	require.Equal(t, reserved, s.reservedByAll(dead, d.counts), "reserved of all")
	if x := s.derived.exposed; x != nil {
		sum := s.exposureHeld("", func(string) bool { return true })
		for market := range marketsNamed(s) {
			all = all.Sub(d.exposureOfMarket(market))
		}
		require.Equal(t, domain.Zero, all.Add(sum), "the exposures of all markets add up to that of all bots")
	}
}

func marketsNamed(s *State) map[string]bool {
	names := map[string]bool{}
	for i := range s.Instruments {
		names[i.Market] = true
	}
	for _, p := range s.Permits {
		names[p.Market] = true
	}
	return names
}

// openWalked counts where a bot has or may get exposure, beside one place more, by a walk.
func openWalked(d *Decision, bot string) int {
	open := map[domain.Instrument]bool{}
	for i, in := range d.s.Instruments {
		if h := in.Holding(bot); h != nil && !h.IsFlat() && !d.s.isDust(bot, in) && !d.s.paidLate(in) {
			open[d.s.counted(i)] = true
		}
	}
	for _, p := range d.s.permitsOf(bot) {
		if d.counts(p) && p.ReducingLeft.Less(p.Left) {
			open[d.s.counted(p.Instrument)] = true
		}
	}
	return len(open) + 1
}
