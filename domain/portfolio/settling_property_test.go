package portfolio

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"pets/domain"
	"pets/domain/ledger"
	"pets/domain/risk"
)

// No order of settlements of one market changes the final state.

// settling is a world in which one market ends. trades are the results of the trades that
// stand, as the records say them.
type settling struct {
	*world
	outcomes []string
	trades   map[string]string
	// apart reports that a trade ended otherwise than by a settlement: it keeps a result of
	// its own, whatever becomes of it later.
	apart bool
}

var settlers = []string{"a", "b", "c"}

func newSettling(t *rapid.T) *settling {
	s := &settling{outcomes: []string{"A", "B", "C", "D"}[:rapid.IntRange(2, 4).Draw(t, "outcomes")], trades: map[string]string{}}
	s.world = newWorld(t, domain.ModePaper, func(p *domain.Policy) {
		p.MaxConsecutiveLosses = rapid.SampledFrom([]int{1, 2, 1000}).Draw(t, "streak")
		p.BreakerStops = rapid.SampledFrom([]string{domain.StopAll, domain.StopBot}).Draw(t, "stops")
		p.LossDust = dec(rapid.SampledFrom([]string{"0", "0.5"}).Draw(t, "loss dust"))
		p.PositionDustUSD = dec(rapid.SampledFrom([]string{"0", "0.1", "2"}).Draw(t, "dust"))
	})
	for _, bot := range settlers {
		s.bot(bot, "100000")
	}
	s.market("cup", true, s.outcomes...)
	for range rapid.IntRange(1, 12).Draw(t, "facts") {
		s.acts(oneOf(s.world, settlers...))
	}
	return s
}

// acts fills, marks, or changes sets.
func (s *settling) acts(bot string) {
	switch oneOf(s.world, "fill", "fill", "fill", "sets", "mark") {
	case "fill":
		_ = s.fill(olga, s.anyFill(bot, "cup", namesOf(s.outcomes)))
		s.reads()
	case "sets":
		_ = s.setsOf(bot, "cup", oneOf(s.world, domain.SplitSets, domain.MergeSets), s.quantity(), oneOf(s.world, "0", "0.01"))
		s.reads()
	case "mark":
		s.mark(feed, domain.Mark{Market: "cup", Outcome: oneOf(s.world, s.outcomes...), Price: dec(s.price())})
	}
}

// reads keeps the results of the trades of the last command.
func (s *settling) reads() {
	for _, e := range s.events {
		for _, row := range domain.Flatten(e) {
			switch e := row.(type) {
			case *domain.TradeClosed:
				s.trades[e.Bot+" "+e.Trade] = e.Bot + ": " + e.PnL.String() + string(e.Result)
				s.apart = s.apart || e.ClosedBy != domain.ClosedBySettlement && e.ClosedBy != domain.ClosedByRefund
			case *domain.TradeRevised:
				delete(s.trades, e.Bot+" "+e.Trade)
				if e.After != nil {
					s.trades[e.Bot+" "+e.Trade] = e.Bot + ": " + e.After.PnL.String() + string(e.After.Result)
				}
			}
		}
	}
}

func (s *settling) copy() *settling {
	w := *s.world
	w.s, w.fills = s.s.Clone(), slices.Clone(s.fills)
	w.past = s.past.copyFor(s, w.s)
	return &settling{&w, s.outcomes, maps.Clone(s.trades), s.apart}
}

// act is one command of an order in which things happen.
type act func(*settling)

func settles(r Settlement) act {
	return func(s *settling) {
		s.Logf("settles %+v", r)
		s.must(olga, func(d *Decision) error { return d.SettleMarket(r) })
		s.reads()
	}
}

func corrects(c Correction) act {
	return func(s *settling) {
		s.must(olga, func(d *Decision) error { return d.CorrectSettlement(c, "it was wrong") })
		s.reads()
	}
}

func voids(r FillReport) act {
	return func(s *settling) {
		s.must(olga, func(d *Decision) error { return d.VoidFill(r.FillID, r.Market) })
		s.reads()
	}
}

func outcomeAt(outcome, payout string) act {
	return settles(Settlement{Market: "cup", Outcome: outcome, Payout: dec(payout)})
}

// ends are orders in which the market comes to pay the winner, or two share it: all at once,
// the winner alone, and others first. The first direct of them settle it by one command.
func (s *settling) ends(winner string, shared bool) (all [][]act, direct int, payouts map[string]domain.Decimal) {
	payouts = map[string]domain.Decimal{}
	for _, o := range s.outcomes {
		payouts[o] = domain.Zero
	}
	losers := slices.DeleteFunc(slices.Clone(s.outcomes), func(o string) bool { return o == winner })
	payouts[winner] = domain.One
	if shared {
		payouts[winner], payouts[losers[0]] = dec("0.6"), dec("0.4")
		losers = losers[1:]
	}
	whole := settles(Settlement{Market: "cup", Payouts: payouts})
	all = append(all, []act{whole})
	if !shared {
		all = append(all, []act{outcomeAt(winner, "1")})
		if len(losers) == 1 {
			all = append(all, []act{outcomeAt(losers[0], "0")})
		}
	}
	direct = len(all)
	if len(losers) == 0 || len(s.outcomes) == 2 {
		return all, direct, payouts
	}
	most := len(losers)
	if !shared { // the last outcome is settled with the one before it
		most--
	}
	for range 3 {
		order := rapid.Permutation(losers).Draw(s.T, "losers")[:rapid.IntRange(1, most).Draw(s.T, "one by one")]
		rest := maps.Clone(payouts)
		var acts []act
		for _, o := range order {
			acts = append(acts, outcomeAt(o, "0"))
			if s.yes() {
				delete(rest, o)
			}
		}
		if len(rest)+len(order) != len(payouts) { // all outcomes are named, or those that are left
			rest = payouts
		}
		last := settles(Settlement{Market: "cup", Payouts: rest})
		if !shared && s.yes() {
			last = outcomeAt(winner, "1")
		}
		all = append(all, append(acts, last))
	}
	return all, direct, payouts
}

// money is what each bot has: what no order of anything changes.
func (s *settling) money() string {
	var text strings.Builder
	for _, id := range settlers {
		b := s.s.Bots[id]
		income := s.s.Book[ledger.TradingIncome(s.s.BaseAsset, id)].Neg().Sub(s.s.Book[ledger.Fees(s.s.BaseAsset, id)])
		fmt.Fprintf(&text, "%s: cash %s, equity %s, positions %d, profit %s\n", id, b.Cash, b.Equity(), b.Positions, income)
	}
	return text.String()
}

func lastLossOf(b *Bot, market string) time.Time {
	at, _ := b.lastLoss(market)
	return at
}

// results is what each bot's trades came to, and what counts them.
func (s *settling) results() string {
	var text strings.Builder
	for _, id := range settlers {
		b := s.s.Bots[id]
		fmt.Fprintf(&text, "%s: trades %d, wins %d, losses %d, neutral %d, streak %d, lost %s\n", id, b.Trades, b.Wins, b.Losses, b.Neutral, b.Streak.Losses, lastLossOf(b, "cup"))
	}
	// A trade that is opened late has the name of a later record.
	return text.String() + strings.Join(slices.Sorted(maps.Values(s.trades)), "\n")
}

// breakers is what is tripped, and who runs.
func (s *settling) breakers() string {
	var text strings.Builder
	for _, key := range s.s.BreakerKeys() {
		if s.s.Breaker(key).Status == risk.Tripped {
			fmt.Fprintf(&text, "%s is tripped\n", key)
		}
	}
	for _, id := range settlers {
		fmt.Fprintf(&text, "%s %s\n", id, s.s.Bots[id].Status)
	}
	return text.String()
}

// references are the peaks: what settles at once leaves the same.
func (s *settling) references() string {
	text := ""
	for _, refs := range []risk.References{s.s.Refs, s.s.Bots["a"].Refs, s.s.Bots["b"].Refs, s.s.Bots["c"].Refs} {
		refs.Flows = nil // they did not change, and are a pointer
		text += fmt.Sprintf("%+v\n", refs)
	}
	return text
}

// Whole, the winner alone, or one outcome at a time: in the end a market leaves the same, and
// so do late fills, which are paid when the market is settled again.
func TestNoOrderOfSettlementsChangesTheEnd(t *testing.T) {
	property(t, 300, func(t *rapid.T) {
		s := newSettling(t)
		all, direct, _ := s.ends(oneOf(s.world, s.outcomes...), s.yes())
		var late []FillReport
		for range rapid.IntRange(0, 3).Draw(t, "late") {
			late = append(late, s.anyFill(oneOf(s.world, settlers...), "cup", namesOf(s.outcomes)))
		}
		var first, references string
		for n, acts := range all {
			c := s.copy()
			for _, do := range acts {
				do(c)
			}
			at := c.references()
			for _, r := range late {
				_ = c.fill(olga, r)
				c.reads()
			}
			all[0][0](c) // what is left of them
			end := c.money() + c.results() + c.breakers()
			if n == 0 {
				first, references = end, at
			}
			require.Equal(t, first, end, "order %d", n)
			if n < direct {
				require.Equal(t, references, at, "order %d", n)
			}
		}
	})
}

// The same with voids of fills and with corrections, before, between and after: what a void
// takes away is gone, wherever it stands.
func TestNoOrderOfVoidsAndSettlementsChangesTheEnd(t *testing.T) {
	property(t, 300, func(t *rapid.T) {
		s := newSettling(t)
		s.s.Policy.MaxConsecutiveLosses = 1000 // a trip stays, whatever is voided later
		all, _, payouts := s.ends(oneOf(s.world, s.outcomes...), s.yes())
		wrong, _, _ := s.ends(oneOf(s.world, s.outcomes...), s.yes())
		wrong = append(wrong, []act{settles(Settlement{Market: "cup", Void: true})}, wrong[len(wrong)-1][:1])
		for _, acts := range wrong {
			all = append(all, append(slices.Clone(acts), corrects(Correction{Market: "cup", Payouts: payouts})))
		}
		var gone []FillReport
		for _, r := range s.fills {
			if r.Status == domain.FillProvisionalStatus && s.yes() {
				gone = append(gone, r)
			}
		}
		var first, counts string
		for n, acts := range all {
			c := s.copy()
			order := slices.Clone(acts)
			for _, r := range rapid.Permutation(gone).Draw(t, "voids") {
				at := 0
				if n > 0 {
					at = rapid.IntRange(0, len(order)).Draw(t, "at")
				}
				order = slices.Insert(order, at, voids(r))
			}
			for _, do := range order {
				do(c)
			}
			if n == 0 {
				first, counts = c.money(), c.counts()
			}
			require.Equal(t, first, c.money(), "order %d", n)
			if s.apart = s.apart || c.apart; !s.apart {
				require.Equal(t, counts, c.counts(), "order %d", n)
			}
		}
	})
}

// counts are the trades and results of each bot.
func (s *settling) counts() string {
	var text strings.Builder
	for _, id := range settlers {
		b := s.s.Bots[id]
		fmt.Fprintf(&text, "%s: trades %d, wins %d, losses %d, neutral %d\n", id, b.Trades, b.Wins, b.Losses, b.Neutral)
	}
	return text.String()
}
