package commands

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/eventstore"
	"pets/eventstore/memory"
	"pets/internal/testenv"
)

// stormRounds is the number of rounds of TestBotsAtEveryLimit for each limit, as set by
// make torture.
var stormRounds = flag.Int("storm.rounds", 0, "rounds of 64 askers at each limit")

// limitStorm is one limit that 64 askers reach at the same time; fits of them pass.
type limitStorm struct {
	name   string
	policy string
	fits   int
	// ask is the request of asker i in a round.
	ask func(i int) AskPermit
	// bots are the askers; only one if the limit is per bot.
	bots int
	// value is the limited quantity, of the permits that are live together.
	value func(live []*domain.PermitGranted) domain.Decimal
	limit string
	wait  time.Duration // between rounds
}

const askers = 64

func someBot(i int) string { return fmt.Sprintf("b%d", i) }

func bid(bot, market, quantity string) AskPermit {
	return AskPermit{
		Bot: bot, Instrument: domain.Instrument{Market: market, Outcome: "YES"}, Side: domain.Buy, Quantity: dec(quantity), LimitPrice: dec("0.5"),
	}
}

func notional(live []*domain.PermitGranted) domain.Decimal {
	sum := domain.Zero
	for _, p := range live {
		sum = sum.Add(p.Quantity.Mul(p.LimitPrice))
	}
	return sum
}

func shares(live []*domain.PermitGranted) domain.Decimal {
	sum := domain.Zero
	for _, p := range live {
		sum = sum.Add(p.Quantity)
	}
	return sum
}

func number(live []*domain.PermitGranted) domain.Decimal { return domain.FromInt(int64(len(live))) }

// limitStorms has every limit of a permit. Equity is 10,000, of which b0 has 1,000 and
// each of the others 100.
func limitStorms() []limitStorm {
	same := func(quantity string) func(int) AskPermit {
		return func(int) AskPermit { return bid("b0", "m", quantity) }
	}
	return []limitStorm{
		{name: "cash", fits: 20, ask: same("100"), bots: 1, value: notional, limit: "1000"},
		{name: "max_order_usd", policy: `{"max_order_usd":"4"}`, fits: 8, bots: askers, value: number, limit: "8", ask: func(i int) AskPermit {
			return bid(someBot(i), "m", fmt.Sprint(1+i)) // 1 … 64 shares at 0.5: 8 of them cost 4 at most
		}},
		{name: "max_position_usd", policy: `{"max_position_usd":"30"}`, fits: 12, ask: same("5"), bots: 1, value: notional, limit: "30"},
		{name: "max_open_positions", policy: `{"max_open_positions":7}`, fits: 7, bots: 1, value: number, limit: "7", ask: func(i int) AskPermit {
			return bid("b0", fmt.Sprint("m", i), "1")
		}},
		{name: "max_bot_capital_pct", policy: `{"max_bot_capital_pct":"0.005"}`, fits: 10, bots: 1, value: notional, limit: "50", ask: func(i int) AskPermit {
			return bid("b0", fmt.Sprint("m", i), "10")
		}},
		{name: "max_category_exposure_pct", policy: `{"max_category_exposure_pct":"0.01"}`, fits: 20, bots: askers, value: notional, limit: "100", ask: func(i int) AskPermit {
			return bid(someBot(i), []string{"news1", "news2"}[i%2], "10")
		}},
		{name: "max_orders_per_minute", policy: `{"max_orders_per_minute":11}`, fits: 11, ask: same("1"), bots: 1, value: number, limit: "11", wait: time.Minute},
		{name: "inventory_cap", fits: 16, bots: 1, value: shares, limit: "160", ask: func(int) AskPermit {
			c := bid("maker", "m", "10")
			c.Intent = domain.IntentMarketMaking
			return c
		}},
		{name: "arbitrage legs and cash", fits: 5, bots: 1, value: notional, limit: "1000", ask: func(int) AskPermit {
			leg := func(outcome string) Leg {
				return Leg{Instrument: domain.Instrument{Market: "news1", Outcome: outcome}, Side: domain.Buy, Quantity: dec("200"), LimitPrice: dec("0.49")}
			}
			return AskPermit{Bot: "b0", Intent: domain.IntentArbitrage, Legs: []Leg{leg("YES"), leg("NO")}}
		}},
		{name: "zones", fits: 0, bots: 1, value: number, limit: "0", ask: func(int) AskPermit {
			c := bid("b0", "m", "1")
			c.LimitPrice = dec("0.7")
			return c
		}},
		{name: "what is held", fits: 4, bots: 1, value: shares, limit: "40", ask: func(int) AskPermit {
			c := bid("b0", "held", "10")
			c.Side, c.ReduceOnly = domain.Sell, true
			return c
		}},
	}
}

// "64 bots at every limit, 10,000 rounds each, 0 overruns." In a round 64 askers ask at
// the same time, in every 100th at two servers on one store. The permits that are live
// together, according to the recorded events, never pass the limit, and those that fit
// are granted. Then all are released.
func TestBotsAtEveryLimit(t *testing.T) {
	rounds := testenv.Rounds(20, 100, 1_000) // the 100th is one of two servers
	if *stormRounds > 0 {
		rounds = *stormRounds
	}
	for _, l := range limitStorms() {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			const each = 250 // rounds on one store, so that memory stays small
			for n := 0; n < rounds; n += each {
				l.run(t, min(each, rounds-n))
			}
			t.Logf("%d rounds of %d askers: %d granted in each, never above %s", rounds, askers, l.fits, l.limit)
		})
	}
}

func (l *limitStorm) run(t *testing.T, rounds int) {
	t.Helper()
	store, clock := memory.New(), newClock()
	writers := []*Writer{NewWriter(store, "main", Options{Now: clock.Now}), NewWriter(store, "main", Options{Now: clock.Now})}
	defer writers[0].Close()
	defer writers[1].Close()
	l.prepare(t, writers[0])
	for round := range rounds {
		granted := l.round(t, writers, round)
		require.Len(t, granted, l.fits, "round %d", round)
		live := l.live(t, store, granted)
		require.False(t, dec(l.limit).Less(l.value(live)), "round %d: %s is above %s", round, l.value(live), l.limit)
		l.release(t, writers[0], live)
		clock.add(l.wait)
	}
}

func (l *limitStorm) prepare(t *testing.T, w *Writer) {
	t.Helper()
	open := openMain()
	if l.policy != "" {
		require.NoError(t, json.Unmarshal([]byte(l.policy), &open.Policy))
	}
	all := []Command{open, deposit("10000"), RegisterBot{ID: "b0", Capital: dec("1000"), Start: true}}
	for i := 1; i < l.bots; i++ {
		all = append(all, RegisterBot{ID: someBot(i), Capital: dec("100"), Start: true})
	}
	all = append(all, RegisterBot{ID: "maker", Kind: domain.BotMarketMaker, InventoryCap: dec("160"), Capital: dec("1000"), Start: true})
	for _, m := range []string{"news1", "news2"} {
		all = append(all, RegisterMarket{Market: m, Kind: domain.KindOutcome, Outcomes: []string{"YES", "NO"}, Category: "news"})
	}
	bought := fill("b0", "f1", "buy", "40", "0.5")
	bought.Market = "held"
	if l.name == "what is held" {
		all = append(all, bought)
	}
	for i, c := range all {
		_, err := w.Do(t.Context(), Request{Caller: olga, Key: fmt.Sprint("prepare", i), Command: c})
		require.NoError(t, err)
	}
}

// round returns the revisions of the granted permits.
func (l *limitStorm) round(t *testing.T, writers []*Writer, round int) []uint64 {
	t.Helper()
	answers := make([]Answer, askers)
	var wg sync.WaitGroup
	for i := range answers {
		wg.Go(func() {
			ask := l.ask(i)
			var err error
			w := writers[0]
			if round%100 == 99 { // costs a fold of the stream for each conflict
				w = writers[i%2]
			}
			answers[i], err = w.Do(t.Context(), Request{Caller: botCaller(ask.Bot), Key: fmt.Sprint(round, "ask", i), Command: ask})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
	var granted []uint64
	for _, a := range answers {
		if a.Permit.Allowed {
			granted = append(granted, a.Events[0].Revision)
		}
	}
	return granted
}

// live reads the permits that were granted at the revisions from the store.
func (l *limitStorm) live(t *testing.T, store eventstore.Store, granted []uint64) []*domain.PermitGranted {
	t.Helper()
	var all []*domain.PermitGranted
	if len(granted) == 0 {
		return nil
	}
	first := granted[0]
	for _, r := range granted {
		first = min(first, r)
	}
	for rec, err := range store.ReadStream(context.Background(), Stream("main"), first) {
		require.NoError(t, err)
		if rec.Type != domain.PermitGrantedType {
			continue
		}
		e, err := domain.Decode(rec.Type, rec.Data)
		require.NoError(t, err)
		p, ok := e.(*domain.PermitGranted)
		require.True(t, ok)
		all = append(all, p)
	}
	return all
}

func (l *limitStorm) release(t *testing.T, w *Writer, live []*domain.PermitGranted) {
	t.Helper()
	var releases []Request
	ended := map[string]bool{}
	for _, p := range live {
		if ended[p.Arbitrage] { // with its first leg
			continue
		}
		ended[p.Arbitrage] = p.Arbitrage != ""
		releases = append(releases, Request{Caller: olga, Key: "release " + p.Permit, Command: ReleasePermit{Permit: p.Permit}})
	}
	results, err := w.DoAll(t.Context(), releases)
	require.NoError(t, err)
	for _, r := range results {
		require.NoError(t, r.Err)
	}
}
