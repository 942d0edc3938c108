package commands

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/portfolio"
)

// bySecond has portfolio main live by the second edition of the rules, with an exclusive
// market m.
func (e *engined) bySecond(patch string) *engined {
	e.t.Helper()
	e.must("main", adam, ChangeLimits{Limits: json.RawMessage(`{"rules":2,"max_bot_drawdown_pct":"0.9","max_daily_loss_pct":"0.9","max_portfolio_drawdown_pct":"0.9"` + patch + `}`), Reason: "second edition"})
	e.must("main", olga, RegisterMarket{Market: "m", Kind: domain.KindOutcome, Outcomes: []string{"YES", "NO"}})
	return e
}

var adam = domain.Caller{User: "adam", Role: domain.RoleAdmin}

func (e *engined) standing() []Directive {
	e.t.Helper()
	var told []Directive
	require.NoError(e.t, e.engine.AtHead(e.t.Context(), "main", func(s *portfolio.State) error {
		told = Standing(s, e.engine.Pending("main"))
		return nil
	}))
	return told
}

// resting has an order of a rest at its venue, and returns its permit.
func (e *engined) resting(c AskPermit) string {
	e.t.Helper()
	a := e.must("main", botCaller("a"), c)
	require.True(e.t, a.Permit.Allowed, "%v", a.Permit.Reasons)
	e.must("main", botCaller("a"), PlacePermit{Permit: a.Permit.PermitID})
	return a.Permit.PermitID
}

func exit(group, quantity, limit string) AskPermit {
	c := permit("a", quantity)
	c.Side, c.LimitPrice, c.Group = domain.Sell, dec(limit), group
	return c
}

func actionsOf(all []Directive) (actions []string) {
	for _, d := range all {
		actions = append(actions, d.Action)
	}
	return actions
}

// "Every halt directs bots to cancel_orders (the opening ones that rest, by permit);
// close_positions is said only where closing is permitted."
func TestAHaltSaysWhichOrdersToCancelAndWhetherToClose(t *testing.T) {
	for name, tc := range map[string]struct {
		patch   string
		halt    Command
		actions []string
	}{
		"stopped by a person": {`,"close_positions_on_trip":true`, StopBot{Bot: "a"}, []string{ActionStop, ActionCancelOrders}},
		"stopped fully":       {`,"close_positions_on_trip":true`, StopBot{Bot: "a", Full: true}, []string{ActionStop, ActionCancelOrders}},
		"manual":              {``, manual(), []string{ActionStop, ActionCancelOrders}},
		"manual, told to close": {
			`,"close_positions_on_trip":true`, manual(), []string{ActionStop, ActionCancelOrders, ActionClosePositions},
		},
		"breach": {`,"close_positions_on_trip":true`, EngageStop{Kind: domain.StopSecurityBreach, Reason: "x"}, []string{ActionStop, ActionCancelOrders}},
		"trip":   {`,"close_positions_on_trip":true`, lost("60"), []string{ActionStop, ActionCancelOrders, ActionClosePositions}},
		"trip, nothing is left": {
			`,"close_positions_on_trip":true,"while_tripped":"nothing"`, lost("60"), []string{ActionStop, ActionCancelOrders},
		},
		"trip, reduce": {`,"while_tripped":"reduce"`, lost("60"), []string{ActionStop, ActionCancelOrders}},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEngined(t).opened("main").bySecond(tc.patch + `,"max_bot_drawdown_pct":"0.5"`)
			e.must("main", botCaller("a"), fill("a", "f", "buy", "10", "0.5"))
			opens := e.resting(permit("a", "10"))
			reduces := e.resting(exit("", "10", "0.4"))
			first := Request{Caller: olga, Key: "halt", Command: tc.halt}
			if SpecOf(tc.halt).Name == "post_adjustment" {
				first.Caller = adam
			}
			a, err := e.engine.Do(t.Context(), "main", first)
			require.NoError(t, err)
			require.Equal(t, tc.actions, actionsOf(a.Directives))
			for _, told := range [][]Directive{a.Directives, e.standing()} {
				require.Contains(t, told[1].Permits, opens)
				require.NotContains(t, told[1].Permits, reduces)
				require.Equal(t, tc.actions, actionsOf(told))
			}
			e.must("main", botCaller("a"), ReleasePermit{Permit: opens})
			require.NotContains(t, actionsOf(e.standing()), ActionCancelOrders, "it is cancelled")
			again, err := e.engine.Do(t.Context(), "main", first)
			require.NoError(t, err)
			require.NotContains(t, actionsOf(again.Directives), ActionCancelOrders)
		})
	}
}

// "close_positions is said only where closing is permitted", and "Every halt directs bots to
// cancel_orders": each bot its own, and who has nothing to close is not told to close it.
func TestAHaltTellsEachBotWhatIsIts(t *testing.T) {
	e := newEngined(t).opened("main").bySecond(`,"close_positions_on_trip":true`)
	e.must("main", olga, RegisterBot{ID: "b"})
	e.must("main", olga, StartBot{Bot: "b"})
	e.must("main", botCaller("a"), fill("a", "f", "buy", "10", "0.5"))
	opens := e.resting(permit("a", "10"))
	told := e.must("main", olga, manual()).Directives
	require.Equal(t, []string{ActionStop, ActionCancelOrders, ActionClosePositions}, actionsOf(told))
	require.Equal(t, []string{"a", "b"}, told[0].Bots)
	require.Equal(t, []string{"a"}, told[1].Bots)
	require.Equal(t, []string{opens}, told[1].Permits)
	require.Equal(t, []string{"a"}, told[2].Bots)
}

// lost books a loss of bot a that is no trade.
func lost(amount string) Command {
	return PostAdjustment{Account: "hot:bot/a", Amount: dec(amount).Neg(), Reason: "test"}
}

// "A fill in the group leaves each at most G − what the group filled (directive
// group_shrunk)."
func TestAFillSaysWhatItLeavesOfItsGroup(t *testing.T) {
	e := newEngined(t).opened("main").bySecond("")
	e.must("main", botCaller("a"), fill("a", "f", "buy", "100", "0.5"))
	takes, stops := e.resting(exit("exit", "100", "0.9")), e.resting(exit("exit", "80", "0.2"))
	f := fill("a", "g", "sell", "30", "0.9")
	f.PermitID = takes
	r := Request{Caller: botCaller("a"), Key: "fill", Command: f}
	for range 2 { // a repeat says it again
		a, err := e.engine.Do(t.Context(), "main", r)
		require.NoError(t, err)
		require.Equal(t, []Directive{{
			Action: ActionGroupShrunk, Bots: []string{"a"}, Reason: "another order of their group was filled",
			Shrunk: []domain.ShrunkOrder{{Permit: stops, Left: dec("70")}},
		}}, a.Directives)
	}
	// A repeat never raises what a later fill has left: first 50, then nothing.
	later := fill("a", "h", "sell", "20", "0.9")
	later.PermitID = takes
	e.must("main", botCaller("a"), later)
	a, err := e.engine.Do(t.Context(), "main", r)
	require.NoError(t, err)
	require.Equal(t, []domain.ShrunkOrder{{Permit: stops, Left: dec("50")}}, a.Directives[0].Shrunk)
	e.must("main", botCaller("a"), ReleasePermit{Permit: stops})
	a, err = e.engine.Do(t.Context(), "main", r)
	require.NoError(t, err)
	require.Equal(t, []domain.ShrunkOrder{{Permit: stops, Left: domain.Zero}}, a.Directives[0].Shrunk)
}

// A fill that was voided and lives again tells the bot likewise what it leaves.
func TestAReinstatedFillSaysWhatItLeaves(t *testing.T) {
	shrunk := []domain.ShrunkOrder{{Permit: "p2", Left: dec("70")}}
	told := DirectivesOf(&domain.FillReinstated{FillRecorded: domain.FillRecorded{FillID: domain.FillID{Bot: "a"}, Shrunk: shrunk}})
	require.Equal(t, []string{ActionGroupShrunk}, actionsOf(told))
	require.Equal(t, shrunk, told[0].Shrunk)
}

// "after the time-out it is directed to close the leg"
func TestALegThatWasNotMatchedIsToBeClosed(t *testing.T) {
	e, wall := clocked(t)
	e.bySecond("")
	leg := func(outcome, limit string) Leg {
		return Leg{Instrument: domain.Instrument{Market: "m", Outcome: outcome}, Side: domain.Buy, Quantity: dec("10"), LimitPrice: dec(limit)}
	}
	a := e.must("main", botCaller("a"), AskPermit{Bot: "a", Intent: domain.IntentArbitrage, Legs: []Leg{leg("YES", "0.5"), leg("NO", "0.4")}})
	require.True(t, a.Permit.Allowed, "%v", a.Permit.Reasons)
	f := fill("a", "f", "buy", "10", "0.5")
	f.PermitID = a.Permit.Legs[0].PermitID
	e.must("main", botCaller("a"), f)
	require.Empty(t, e.standing())
	wall.add(time.Minute)
	late := e.must("main", adam, TimeOutLegs{})
	open := []domain.OpenLeg{{Instrument: domain.Instrument{Market: "m", Outcome: "YES"}, Quantity: dec("10")}}
	require.Equal(t, []string{ActionCloseLegs}, actionsOf(late.Directives))
	require.Equal(t, open, late.Directives[0].Legs)
	require.Equal(t, open, e.standing()[0].Legs)
	e.must("main", botCaller("a"), fill("a", "g", "sell", "10", "0.5"))
	require.Empty(t, e.standing(), "it is closed")
}

// "stop {full:true}": it is in force before it is recorded, survives in its marker, and is
// recorded beside a stop that is not full.
func TestAFullStopIsNotLostInAnother(t *testing.T) {
	t.Parallel()
	e := newEngined(t).opened("main").bySecond("")
	e.must("main", botCaller("a"), fill("a", "f", "buy", "10", "0.5"))
	e.store.plan(fault{err: errDown}, fault{err: errDown})
	require.False(t, e.stopBot("main", "a"))
	_, recorded, err := e.engine.StopBot(t.Context(), "main", Request{Caller: olga, Key: "full", Command: StopBot{Bot: "a", Full: true}})
	require.NoError(t, err)
	if !recorded {
		held, err := NewLatchFile(e.latch).Read()
		require.NoError(t, err)
		full := 0
		for _, p := range held {
			if p.Full {
				full++
			}
		}
		require.Equal(t, 1, full, "%v", held)
	}
	e.unlatched()
	e.engine.Close()
	e.start()
	require.NoError(t, e.engine.AtHead(t.Context(), "main", func(s *portfolio.State) error {
		require.True(t, s.Bots["a"].Full)
		require.Equal(t, portfolio.LeaveNothing, s.Leaves("a", false))
		require.Equal(t, portfolio.LeaveReduce, s.Leaves("a", true))
		return nil
	}))
	a := e.must("main", botCaller("a"), exit("", "10", "0.4"))
	require.Equal(t, domain.ReasonBotStopped, a.Permit.Reasons[0].Code)
	require.True(t, e.must("main", olga, exit("", "10", "0.4")).Permit.Allowed, "an operator may reduce")
}

// "Directives come with answers and on the event stream": also that of an order which an
// operator's way out, or a void, leaves nothing to close. The stream says what DirectivesOf says.
func TestWhatLosesWhatItClosesIsToBeCancelled(t *testing.T) {
	for name, later := range map[string]func(bought RecordFill) Command{
		"a way out": func(RecordFill) Command { return exit("", "100", "0.4") },
		"a void":    func(bought RecordFill) Command { return VoidFill{FillID: bought.FillID, Market: "m"} },
	} {
		t.Run(name, func(t *testing.T) {
			e := newEngined(t).opened("main").bySecond("")
			bought := fill("a", "f", "buy", "100", "0.5")
			bought.Status = domain.FillProvisionalStatus
			e.must("main", olga, bought)
			takes := e.resting(exit("", "60", "0.55"))
			require.Equal(t, []string{ActionStop}, actionsOf(e.must("main", olga, StopBot{Bot: "a"}).Directives))
			require.NotContains(t, actionsOf(e.standing()), ActionCancelOrders)
			r := Request{Caller: olga, Key: "later", Command: later(bought)}
			a, err := e.engine.Do(t.Context(), "main", r)
			require.NoError(t, err)
			var streamed []Directive
			for _, event := range a.Decoded() {
				streamed = append(streamed, DirectivesOf(event)...)
			}
			for _, told := range [][]Directive{a.Directives, streamed} {
				require.Equal(t, []string{ActionCancelOrders}, actionsOf(told))
				require.Equal(t, []string{"a"}, told[0].Bots)
				require.Equal(t, []string{takes}, told[0].Permits)
			}
			require.Contains(t, actionsOf(e.standing()), ActionCancelOrders, "who comes later learns of it, too")
			again, err := e.engine.Do(t.Context(), "main", r)
			require.NoError(t, err)
			require.Contains(t, actionsOf(again.Directives), ActionCancelOrders, "a repeat says it while it rests")
		})
	}
}
