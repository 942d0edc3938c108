package portfolio

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/risk"
)

// flatSteps are the commands that must not cost the number of holders.
var flatSteps = []string{"permit", "fill", "void", "confirm", "deposit", "allocate", "stop_bot", "own_mark"}

// spoil makes everything of all bots but one unusable, in such a way that a walk over it
// ends in a panic or in another answer: other bots, instruments of other markets, breakers
// and arbitrages are nil, and what others hold and reserve would exceed every limit.
func (h *holders) spoil(bot string) {
	s, most := h.s, dec("900000000000")
	for id := range s.Bots {
		if id != bot {
			s.Bots[id] = nil
			s.Breakers[risk.Key{Breaker: domain.BotDrawdown, Bot: id}] = nil
		}
	}
	for _, in := range s.instrumentsOf(holdersMarket) {
		for _, held := range in.Holdings {
			if held.Bot != bot {
				held.Cost, held.Value = most, most
			}
		}
	}
	for n, held := range s.Markets[holdersMarket].Held {
		if held.Bot != bot {
			s.Markets[holdersMarket].Held[n].Value = most
		}
	}
	for _, p := range s.Permits {
		if p.Bot != bot {
			p.Reserved, p.Left = most, most
		}
	}
	s.Instruments[domain.Instrument{Market: "another", Outcome: "YES"}] = nil
	s.Arbitrages["a1"] = nil
}

// A command of one bot gives the same events whether or not anything of the others can be
// looked at, and leaves them alone.
func TestNoCommandLooksAtTheOtherHolders(t *testing.T) {
	for _, name := range flatSteps {
		t.Run(name, func(t *testing.T) {
			sound, spoilt := newHolders(t, 20), newHolders(t, 20)
			bot := holderName(7)
			for _, h := range []*holders{sound, spoilt} {
				holdersSteps[name](h, bot, 0) // a first time, so that nothing is left to catch up with
				if name == "own_mark" {       // a bot's word counts once the market's mark is stale
					h.now = h.now.Add(2 * time.Hour)
				}
			}
			spoilt.spoil(bot)
			for _, h := range []*holders{sound, spoilt} {
				h.seen = nil
				holdersSteps[name](h, bot, 1)
			}
			require.Equal(t, sound.seen, spoilt.seen)
			for id, b := range spoilt.s.Bots {
				require.Equal(t, id == bot, b != nil, "%s", id)
			}
		})
	}
}

// The same fill of a venue under another bot is found without asking each of the bots: one
// that no index knows is not found.
func TestAFillUnderAnotherBotIsFoundByItsName(t *testing.T) {
	h := newHolders(t, 3)
	r := h.fill(holderName(0), "YES", "10", "same")
	h.do(r.Bot, func(d *Decision) error { return d.RecordFill(r) })
	flags := func(trade string) []string {
		own := h.fill(holderName(1), "YES", "10", "")
		own.TradeID = trade
		fill, ok := h.do(own.Bot, func(d *Decision) error { return d.RecordFill(own) })[0].(*domain.FillRecorded)
		require.True(t, ok)
		return fill.Flags
	}
	require.Contains(t, flags(r.TradeID), domain.FlagReportedTwice)
	hidden := r.FillID
	hidden.TradeID = "hidden"
	h.s.Past.(*wholePast).first[hidden] = FillRef{Status: Confirmed, Market: holdersMarket}
	require.NotContains(t, flags("hidden"), domain.FlagReportedTwice)
}

// What a command allocates does not depend on how many bots there are.
func TestACommandAllocatesTheSameForManyHolders(t *testing.T) {
	few, many := newHolders(t, 4), newHolders(t, 400)
	for _, name := range flatSteps {
		if name == "own_mark" {
			few.now, many.now = few.now.Add(2*time.Hour), many.now.Add(2*time.Hour)
		}
		allocations := func(h *holders) float64 {
			i := 0
			return testing.AllocsPerRun(20, func() { holdersSteps[name](h, holderName(2), i); i++ })
		}
		a, b := allocations(few), allocations(many)
		require.LessOrEqual(t, b, 1.1*a+20, "%s: %v allocations with 4 bots, %v with 400", name, a, b)
	}
}

// A bot's next permit does not look at its other permits that open: it is the same, and
// as cheap, with a thousand of them.
func TestAPermitDoesNotLookAtTheOthersOfItsBot(t *testing.T) {
	h := newHolders(t, 2)
	bot := holderName(0)
	ask := func() []domain.Event {
		return h.do(bot, func(d *Decision) error {
			return d.AskPermit(PermitRequest{Order: order(bot, holdersMarket, "YES", buy, "0.01", "0.50")})
		})
	}
	for range 300 {
		ask()
	}
	checkDerived(t, h.s)
	for _, p := range h.s.Permits {
		p.Reserved, p.Left = dec("900000000000"), dec("900000000000")
	}
	granted, ok := ask()[0].(*domain.PermitGranted)
	require.True(t, ok)
	require.Equal(t, "0.005", granted.Reserved.String())
}

// Sums are of all permits that are remembered; what has expired, or is over by the monotonic
// clock, is taken out of them at the moment of a decision.
func TestExpiredPermitsDoNotCount(t *testing.T) {
	h := newHolders(t, 3)
	require.Len(t, h.s.Permits, 3)
	var ids []string
	for id := range h.s.Permits {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for n, still := range []Standstill{{}, {Behind: time.Minute, Entered: true}, {Behind: time.Minute, Overdue: ids[:1]}, {Behind: time.Minute}} {
		checkDead(t, h.s, h.now, still)
		d := &Decision{s: h.s, now: h.now, still: still}
		require.Len(t, d.dead().all, []int{0, 3, 1, 0}[n], "%d", n)
	}
	later := h.now.Add(time.Duration(h.s.Policy.PermitTTL))
	checkDead(t, h.s, later.Add(-1), Standstill{})
	checkDead(t, h.s, later, Standstill{})
	require.Len(t, h.s.expired(later).all, 3)
	require.Equal(t, domain.Zero, h.s.reservedByAll(h.s.expired(later), func(p *risk.Permit) bool { return p.Live(later) }))
}

// A market with many holders is marked and settled, and what is derived stays right with
// uncovered sales, other assets and a second registration.
func TestDerivedIsWhatTheStateSays(t *testing.T) {
	h := newHolders(t, 12)
	check := func() {
		t.Helper()
		checkDerived(t, h.s)
		checkDead(t, h.s, h.now, Standstill{})
		bytes, err := h.s.Snapshot()
		require.NoError(t, err)
		restored, err := Restore(bytes)
		require.NoError(t, err)
		checkDerived(t, restored)
		require.Equal(t, derivedFigures(h.s), derivedFigures(restored))
	}
	check()
	for i, side := range []domain.Side{sell, sell, buy, sell} { // more than is held, of both outcomes
		bot := holderName(i)
		h.do("", func(d *Decision) error {
			return d.AskPermit(PermitRequest{Order: order(bot, holdersMarket, []string{"YES", "NO"}[i%2], side, "250", "0.50")})
		})
		check()
	}
	for i := range 3 {
		r := h.fill(holderName(i), "YES", "60", fmt.Sprint("x", i))
		r.Side, r.Fee, r.FeeAsset = sell, dec("0.1"), "BNB"
		h.do("", func(d *Decision) error { return d.RecordFill(r) })
		check()
	}
	h.do("", func(d *Decision) error { return d.MarkPrices([]domain.Mark{{Asset: "BNB", Price: dec("600")}}) })
	check()
	h.apply(&domain.MarketRegistered{Market: holdersMarket, Kind: domain.KindOutcome, Outcomes: []string{"YES", "NO"}, Exclusive: true, Category: "rain"})
	check()
	h.marks("0.41")
	check()
	h.settle()
	check()
	h.stop()
	check()
}
