package demo_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/commands/client"
	"pets/domain"
	"pets/internal/pets/petstest"
)

// What the second edition of the rules asks of a bot, done by both of them.

// registered registers the bots' market with both of its outcomes.
func (r *botRig) registered() *botRig {
	r.t.Helper()
	r.post("/markets", map[string]any{"market": "rain-tomorrow", "kind": "outcome", "outcomes": []string{"YES", "NO"}})
	return r
}

// facts are the events of some types that the server recorded, as text.
func (r *botRig) facts(types ...string) []string {
	r.t.Helper()
	var out []string
	for line := range strings.Lines(r.server.Pets(r.folder, "", "--store=embedded:"+r.folder, "events", "--json").Out) {
		var e struct{ Type string }
		require.NoError(r.t, json.Unmarshal([]byte(line), &e))
		if slices.Contains(types, e.Type) {
			out = append(out, line)
		}
	}
	return out
}

// says waits until the bot has said something.
func (r *botRig) says(b *botProcess, words string) {
	r.t.Helper()
	r.eventually("it says "+words, b, func() bool { return strings.Contains(b.out.String(), words) })
}

// "A fill in the group leaves each at most G − what the group filled (directive
// group_shrunk)": the stop is left with what the take-profit leaves of it.
func TestExampleBotsShrinkAGroup(t *testing.T) {
	t.Parallel()
	eachExampleBot(t, map[string]any{}, func(r *botRig) {
		b := r.start(r.server.URL, "--orders", "1000", "--rest", "0.1", "--strategy", "exits")
		r.says(b, "filled: sell 1 of 10") // what rested of its buys it exited, too
		r.terminate(b)
		require.Contains(r.t, b.out.String(), "told: group_shrunk - another order of their group was filled")
		takes, stops := 0, 0
		for _, o := range r.venue() {
			switch {
			case o.Group == "":
			case o.Price == "0.30":
				stops++
				require.Equal(r.t, "0", o.Filled)
			case o.Filled == o.Quantity:
				takes++
			}
		}
		require.GreaterOrEqual(r.t, stops, takes)
		require.NotZero(r.t, takes)
		r.check(len(r.venue()))
	})
}

// The same where both go on resting, and after a crash: the server says what is left of them.
func TestExampleBotsRestAGroup(t *testing.T) {
	t.Parallel()
	eachExampleBot(t, map[string]any{}, func(r *botRig) {
		// The fourth order is a take-profit, of which one share is filled.
		r.end(r.start(r.server.URL, "--orders", "2", "--rest", "0.05"))
		b := r.start(r.server.URL, "--orders", "1000", "--rest", "60", "--strategy", "exits")
		both := func() bool {
			all := r.venue()
			return len(all) == 5 && all[3].Rests && all[4].Rests && all[4].Left == "9"
		}
		r.eventually("the stop is shrunk", b, both)
		for range 2 {
			var v struct {
				Permits []struct{ Group, Left, Status string }
			}
			require.NoError(r.t, r.main.Get(r.t.Context(), "/permits", &v))
			require.Len(r.t, v.Permits, 2)
			require.Equal(r.t, v.Permits[0], v.Permits[1])
			require.Equal(r.t, "9 working", v.Permits[0].Left+" "+v.Permits[0].Status)
			require.Regexp(r.t, "^t[0-9]+$", v.Permits[0].Group)
			require.NoError(r.t, b.cmd.Process.Kill())
			r.died(b)
			// A life that ended before the order was shrunk at the venue.
			raw, err := os.ReadFile(filepath.Join(r.dir, "alpha.venue"))
			require.NoError(r.t, err)
			whole := strings.Replace(strings.Split(string(raw), "\n")[4], `"left":"9"`, `"left":"10"`, 1)
			require.NoError(r.t, os.WriteFile(filepath.Join(r.dir, "alpha.venue"), []byte(string(raw)+whole+"\n"), 0o600))
			require.False(r.t, both())
			b = r.start(r.server.URL, "--orders", "1000", "--rest", "60", "--strategy", "exits")
			r.eventually("it is shrunk again", b, both)
		}
		r.terminate(b)
		r.check(5)
	})
}

// "cancel_orders (the opening ones that rest, by permit)" and "bot stopped by a person: reduce":
// what the stopped bot has resting to open is cancelled, and what was filled of it is sold.
func TestExampleBotsCancelWhatOpens(t *testing.T) {
	t.Parallel()
	eachExampleBot(t, map[string]any{}, func(r *botRig) {
		r.end(r.start(r.server.URL, "--orders", "7", "--rest", "0.05"))
		require.Equal(r.t, "0", r.held())
		b := r.start(r.server.URL, "--orders", "1000", "--rest", "60")
		r.resting(b, 8)
		require.Equal(r.t, "buy", r.venue()[7].Side)
		r.post("/bots/alpha/stop", struct{}{})
		// It also holds nothing before it has reported the one share that was filled.
		r.eventually("it has sold what was filled, and holds nothing", b, func() bool {
			return len(r.venue()) == 9 && r.held() == "0" && len(r.livePermits()) == 0
		})
		require.Contains(r.t, b.out.String(), "told: cancel_orders - stopped by an operator")
		require.NotContains(r.t, b.out.String(), "told: close_positions")
		r.terminate(b)
		r.check(9, domain.FlagHalted) // if it was stopped before it had reported that one share
		require.Equal(r.t, "sell 1 ioc", r.venue()[8].Side+" "+r.venue()[8].Filled+" "+r.venue()[8].TimeInForce)
	})
}

// "`while_tripped` decides what a breaker leaves permitted": reducing. An order that reduces goes
// on resting, and what is held is sold by permits that only reduce; nothing else is bought.
func TestExampleBotsReduceAfterATrip(t *testing.T) {
	t.Parallel()
	eachExampleBot(t, map[string]any{}, func(r *botRig) {
		b := r.start(r.server.URL, "--orders", "1000", "--rest", "2")
		r.resting(b, 4)
		r.post("/trades", map[string]any{"bot": "alpha", "market": "elsewhere", "pnl": "-700", "trade_id": "loss"})
		r.says(b, "told: stop - breaker daily_loss tripped")
		require.True(r.t, r.venue()[3].Rests, "it reduces")
		r.eventually("it holds nothing", b, func() bool { return r.held() == "0" })
		r.says(b, "filled: sell 9 of 9")
		r.terminate(b)
		require.NotContains(r.t, b.out.String(), "told: close_positions")
		r.check(5)
	})
}

// "after the time-out it is directed to close the leg": what one leg has more is sold, and the
// sets that are complete are merged.
func TestExampleBotsCloseLegs(t *testing.T) {
	t.Parallel()
	eachExampleBot(t, map[string]any{}, func(r *botRig) {
		r.registered()
		b := r.start(r.server.URL, "--orders", "1000", "--rest", "10", "--strategy", "pair")
		r.says(b, "sets: merge 10") // two legs and a merge; of the next legs the first is filled in part
		r.says(b, "told: close_legs - the legs of")
		r.says(b, "sets: merge 1\n")
		r.terminate(b)
		var legs, closing []venueOrder
		for _, o := range r.venue() {
			switch o.Side {
			case "sell":
				closing = append(closing, o)
			case "buy":
				legs = append(legs, o)
			}
		}
		require.GreaterOrEqual(r.t, len(legs), 4)
		require.NotEmpty(r.t, closing)
		require.Equal(r.t, "NO 9 of 9 ioc", closing[0].Outcome+" "+closing[0].Filled+" of "+closing[0].Quantity+" "+closing[0].TimeInForce)
		require.Len(r.t, r.facts(domain.ArbitrageTimedOutType), 1)
		require.Equal(r.t, 0, r.server.Pets(r.folder, "", "verify").Code)
	})
}

// "Sets: split: cash −q, q of each outcome …; merge: q of each leaves … for q in cash", also by a
// bot that is killed: every change is booked once.
func TestExampleBotsSplitAndMerge(t *testing.T) {
	t.Parallel()
	eachExampleBot(t, map[string]any{}, func(r *botRig) {
		r.registered()
		before := newBetween(r)
		for n := range 3 {
			for _, when := range []string{"before", "unheard", "heard"} {
				before.killAt(r.t, n+1, when)
				b := r.start(before.url, "--orders", "1000", "--strategy", "sets")
				before.bot <- b.cmd.Process
				r.died(b)
			}
		}
		changes := len(r.venue())
		changes += 4 + changes%2
		r.end(r.start(r.server.URL, "--orders", "1", "--strategy", "sets"))
		r.end(r.start(r.server.URL, "--orders", strconv.Itoa(changes), "--strategy", "sets"))
		require.Equal(r.t, "0", r.held())
		require.Len(r.t, r.facts(domain.SetsChangedType), changes)
		var state struct {
			Bots []struct{ Cash, Equity string }
		}
		require.NoError(r.t, r.main.Get(r.t.Context(), "/state", &state))
		require.Equal(r.t, "2000 2000", state.Bots[0].Cash+" "+state.Bots[0].Equity, "no split, merge or pair moves equity")
		require.Equal(r.t, 0, r.server.Pets(r.folder, "", "verify").Code)
	})
}

// "survive a restart of either side", with orders that rest together, and with legs.
func TestExampleBotsKilledWithManyOrders(t *testing.T) {
	t.Parallel()
	// Legs that are closed lose.
	limits := map[string]any{"max_consecutive_losses": 1000, "max_daily_loss_pct": "0.9", "max_bot_drawdown_pct": "0.9"}
	rounds := 5
	if testing.Short() {
		rounds = 2
	}
	for _, strategy := range []string{"exits", "pair"} {
		eachExampleBot(t, limits, func(r *botRig) {
			r.registered()
			before := newBetween(r)
			for n := range rounds {
				for _, when := range []string{"before", "unheard", "heard"} {
					before.killAt(r.t, n+1, when)
					b := r.start(before.url, "--orders", "1000", "--rest", "0.02", "--strategy", strategy)
					before.bot <- b.cmd.Process
					require.ErrorContains(r.t, r.over(b), "killed", b.out.String())
					r.late(b)
				}
			}
			orders := len(r.venue()) + 4
			b := r.start(r.server.URL, "--orders", strconv.Itoa(orders), "--rest", "0.02", "--strategy", strategy)
			require.NoError(r.t, r.over(b), b.out.String())
			r.late(b)
			require.Empty(r.t, r.livePermits(), "a permit leaked")
			reported := map[string]int{}
			for _, line := range r.facts(domain.FillRecordedType, domain.SetsChangedType) {
				var e struct {
					Data struct {
						TradeID string `json:"trade_id"`
						SetID   string `json:"set_id"`
					}
				}
				require.NoError(r.t, json.Unmarshal([]byte(line), &e))
				reported[e.Data.TradeID+e.Data.SetID]++
			}
			for _, o := range r.venue() {
				require.False(r.t, o.Rests, o.ID)
				if o.SetID != "" || o.Filled != "0" {
					require.Equal(r.t, 1, reported[o.TradeID+o.SetID], o.ID)
				}
			}
			require.Equal(r.t, 0, r.server.Pets(r.folder, "", "verify").Code)
		})
	}
}

// late expects no refusal but that of what was said too late: the legs of an arbitrage have to
// be placed within seconds.
func (r *botRig) late(b *botProcess) {
	r.t.Helper()
	for line := range strings.Lines(b.out.String()) {
		if strings.HasPrefix(line, "refused:") {
			require.Contains(r.t, line, "not live", b.out.String())
		}
	}
}

// "permits that open in that market are denied (mark_unconfirmed)", and nothing else: what the
// bot holds it sells, and once the mark is confirmed it goes on.
func TestExampleBotsWaitForAMark(t *testing.T) {
	t.Parallel()
	eachExampleBot(t, map[string]any{"mark_collar": "0.1", "mark_confirm_after": "1h"}, func(r *botRig) {
		r.end(r.start(r.server.URL, "--orders", "1"))
		require.Equal(r.t, "10", r.held())
		mark := func(price string) {
			r.post("/marks", map[string]any{"marks": []map[string]any{{"market": "rain-tomorrow", "outcome": "YES", "price": price}}})
		}
		mark("0.40")
		mark("0.55")
		b := r.start(r.server.URL, "--orders", "1000", "--rest", "0.05")
		r.says(b, "filled: sell 10 of 10")
		r.says(b, "denied: buy  mark_unconfirmed")
		require.Len(r.t, r.venue(), 2)
		mark("0.55")
		r.eventually("it buys again", b, func() bool { return len(r.venue()) > 2 })
		r.terminate(b)
		r.check(len(r.venue()))
	})
}

// "It denies increases … (unreconciled)" as long as base asset is missing on the chain: the bot
// asks again later, and goes on selling. The server here says so in a proxy, since it has no chain.
func TestExampleBotsWaitForTheChain(t *testing.T) {
	t.Parallel()
	eachExampleBot(t, map[string]any{}, func(r *botRig) {
		before := newBetween(r)
		denied := 0
		before.onPost(func(w http.ResponseWriter, q *http.Request, body []byte) {
			if denied < 1 && len(r.venue()) == 2 && strings.HasSuffix(q.URL.Path, "/permits") {
				denied++
				_, _ = w.Write([]byte(`{"allowed":false,"reserved":"0","reasons":[{"code":"unreconciled","message":"x"}],"revision":1,"events":[],"directives":[]}`))
				return
			}
			before.forward(w, q, body)
		})
		b := r.start(before.url, "--orders", "4", "--rest", "0.05")
		r.says(b, "denied: buy  unreconciled")
		r.end(b)
		r.check(4)
	})
}

// "Fees are signed (a rebate is negative)": the permit reserves none for a rebate, and the books
// have it as one.
func TestExampleBotsReportRebates(t *testing.T) {
	t.Parallel()
	eachExampleBot(t, map[string]any{}, func(r *botRig) {
		r.end(r.start(r.server.URL, "--orders", "3", "--rest", "0.05", "--fee=-0.005"))
		r.end(r.start(r.server.URL, "--orders", "4", "--rest", "0.05", "--fee=0.02"))
		r.check(4)
		fills := r.facts(domain.FillRecordedType)
		require.Len(r.t, fills, 4)
		for i, fee := range []string{"-0.005", "-0.005", "-0.005", "0.02"} {
			require.Contains(r.t, fills[i], `"fee":"`+fee+`"`)
		}
		for _, e := range r.facts(domain.PermitGrantedType)[:3] {
			require.NotContains(r.t, e, `"fee":"-`)
		}
	})
}

// "A wall clock behind the last record by more than 2 s still takes facts, marks and everything
// that stops or reduces …; it refuses what opens": the bot does not wait for an answer to what
// opens, so that it sells what it holds, and buys again once the clock is right.
func TestExampleBotsWithAClockThatIsBehind(t *testing.T) {
	t.Parallel()
	for _, bot := range exampleBots {
		t.Run(bot.name, func(t *testing.T) {
			command := bot.command(t)
			t.Parallel()
			var behind atomic.Int64
			url := serveHere(t, t.TempDir(), func() time.Time { return time.Now().Add(-time.Duration(behind.Load())) })
			admin, err := client.New(client.Options{URL: url, Key: petstest.AdminKey})
			require.NoError(t, err)
			r := &botRig{t: t, command: command, dir: t.TempDir()}
			r.opened(admin, map[string]any{})
			r.end(r.start(url, "--orders", "1"))
			require.Equal(t, "10", r.held())
			behind.Store(int64(time.Hour))
			b := r.start(url, "--orders", "1000", "--rest", "0.05")
			r.says(b, "filled: sell 10 of 10")
			r.says(b, "urn:pets:problem:clock")
			r.says(b, "denied: buy")
			require.Len(t, r.venue(), 2)
			require.Equal(t, "0", r.held())
			behind.Store(0)
			r.eventually("it buys again", b, func() bool { return len(r.venue()) > 2 })
			require.NoError(t, b.cmd.Process.Signal(syscall.SIGTERM))
			require.NoError(t, r.over(b), b.out.String())
			require.Empty(t, r.livePermits())
		})
	}
}

// "emergency stop `manual` …: nothing; reduce with `close_positions_on_trip`", and
// "`security_breach`, `system_error`: nothing": what rests is cancelled, and what is held is sold
// only where that is permitted.
func TestExampleBotsInAnEmergency(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind   string
		closes bool
		held   string
	}{
		{domain.StopManual, false, "9"},
		{domain.StopManual, true, "0"},
		{domain.StopSecurityBreach, true, "9"},
	} {
		eachExampleBot(t, map[string]any{"close_positions_on_trip": c.closes}, func(r *botRig) {
			b := r.start(r.server.URL, "--orders", "1000", "--rest", "60")
			r.resting(b, 4)
			r.says(b, "filled: sell 1 of 10")
			r.post("/emergency-stop", map[string]string{"kind": c.kind, "reason": "the feed is lying"})
			r.eventually("nothing rests", b, func() bool { return !r.venue()[3].Rests && len(r.livePermits()) == 0 && r.held() == c.held })
			require.Contains(r.t, b.out.String(), "told: stop - emergency stop: "+c.kind)
			time.Sleep(1500 * time.Millisecond) // it polls every second
			r.terminate(b)
			require.Equal(r.t, c.held == "0", strings.Contains(b.out.String(), "told: close_positions"))
			orders := 4
			if c.held == "0" {
				orders = 5
			}
			r.check(orders)
			require.Equal(r.t, c.held, r.held())
		})
	}
}
