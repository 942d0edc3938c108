package commands

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/portfolio"
)

// clocked is an engine with one bot, whose clock a test sets.
func clocked(t *testing.T) (*engined, *clock) {
	t.Helper()
	e := newEngined(t)
	e.engine.Close()
	wall := newClock()
	e.engine = NewEngine(e.store, EngineOptions{Options: Options{Now: wall.Now}, Latch: NewLatchFile(e.latch)})
	require.NoError(t, e.engine.Load(t.Context(), nil))
	t.Cleanup(e.engine.Close)
	e.opened("main")
	return e, wall
}

// "A replayed permit that is not as it was granted any more says so: allowed is false,
// and status says what became of it"; while it is, the repeated answer equals the first
// one.
func TestAReplayedPermitSaysWhetherItIsLive(t *testing.T) {
	for name, of := range map[string]struct {
		end    func(e *engined, wall *clock, permit string)
		status string
		reason domain.ReasonCode
		told   bool
	}{
		"as granted": {end: func(*engined, *clock, string) {}},
		"placed": {status: PermitWorking, end: func(e *engined, _ *clock, p string) {
			e.must("main", botCaller("a"), PlacePermit{Permit: p})
		}},
		"filled in part": {status: PermitWorking, end: func(e *engined, _ *clock, p string) {
			f := fill("a", "f", "buy", "1", "0.5")
			f.PermitID = p
			e.must("main", botCaller("a"), f)
		}},
		"used up": {status: PermitOver, end: func(e *engined, _ *clock, p string) {
			f := fill("a", "f", "buy", "10", "0.5")
			f.PermitID = p
			e.must("main", botCaller("a"), f)
		}},
		"released": {status: PermitOver, end: func(e *engined, _ *clock, p string) {
			e.must("main", botCaller("a"), ReleasePermit{Permit: p})
		}},
		"expired": {status: PermitOver, end: func(_ *engined, wall *clock, _ string) { wall.add(time.Minute) }},
		"revoked by the bot's stop": {status: PermitOver, reason: domain.ReasonBotStopped, told: true, end: func(e *engined, _ *clock, _ string) {
			require.True(e.t, e.stopBot("main", "a"))
		}},
		"revoked by an emergency stop": {status: PermitOver, reason: domain.ReasonEmergencyStop, told: true, end: func(e *engined, _ *clock, _ string) {
			require.True(e.t, e.stop("main"))
		}},
		"revoked, and the bot runs again": {status: PermitOver, end: func(e *engined, _ *clock, _ string) {
			require.True(e.t, e.stopBot("main", "a"))
			e.must("main", olga, StartBot{Bot: "a"})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			e, wall := clocked(t)
			ask := Request{Caller: botCaller("a"), Key: "K", Command: permit("a", "10")}
			first, err := e.engine.Do(t.Context(), "main", ask)
			require.NoError(t, err)
			require.True(t, first.Permit.Allowed)
			of.end(e, wall, first.Permit.PermitID)
			again, err := e.engine.Do(t.Context(), "main", ask)
			require.NoError(t, err)
			batch, err := e.engine.DoEach(t.Context(), "main", []Request{ask})
			require.NoError(t, err)
			require.Equal(t, again, batch[0].Answer, "a batch says the same")
			require.True(t, again.Replayed)
			if of.status == "" {
				same(t, first, again)
				return
			}
			require.Equal(t, of.status, again.Permit.Status)
			require.False(t, again.Permit.Allowed)
			require.Equal(t, first.Permit.PermitID, again.Permit.PermitID, "the first answer's fields stay")
			require.Equal(t, first.Permit.ExpiresAt, again.Permit.ExpiresAt)
			require.Equal(t, of.told, directs(again.Directives, ActionStop, "a"), "%v", again.Directives)
			if of.reason != "" {
				require.Equal(t, of.reason, again.Permit.Reasons[0].Code)
			}
		})
	}
}

// "Same after a permit, a kill, a stop that is written into the folder, and a restart."
func TestAReplayedPermitAfterARestart(t *testing.T) {
	e := newEngined(t).opened("main")
	ask := Request{Caller: botCaller("a"), Key: "K", Command: permit("a", "10")}
	first, err := e.engine.Do(t.Context(), "main", ask)
	require.NoError(t, err)
	require.True(t, first.Permit.Allowed)
	other := NewEngine(e.store, EngineOptions{Options: Options{Now: newClock().Now}}) // another process
	_, recorded, err := other.Stop(t.Context(), "main", Request{Caller: olga, Key: uuid.NewString(), Command: manual()})
	require.NoError(t, err)
	require.False(t, recorded, "it is not folded there")
	require.NoError(t, other.Load(t.Context(), nil))
	require.Eventually(t, func() bool { return len(e.engaged("main")) == 1 }, patience, time.Millisecond)
	other.Close()
	for range 2 { // by a server that did not know of it, and after a restart
		again, err := e.engine.Do(t.Context(), "main", ask)
		require.NoError(t, err)
		require.False(t, again.Permit.Allowed)
		require.Equal(t, PermitOver, again.Permit.Status)
		require.True(t, directs(again.Directives, ActionStop, "a"))
		e.engine.Close()
		e.start()
	}
}

// A stop that is not recorded yet also affects repeated answers, and the answers to
// facts: "directives of every answer".
func TestAHeldStopIsToldInEveryAnswer(t *testing.T) {
	for name, stop := range map[string]func(e *engined) bool{
		"emergency": func(e *engined) bool { return e.stop("main") },
		"bot":       func(e *engined) bool { return e.stopBot("main", "a") },
	} {
		t.Run(name, func(t *testing.T) {
			e := newEngined(t).opened("main")
			ask := Request{Caller: botCaller("a"), Key: "K", Command: permit("a", "10")}
			first, err := e.engine.Do(t.Context(), "main", ask)
			require.NoError(t, err)
			changed := e.engine.PendingChanged()
			e.store.plan(fault{err: errPoisoned})
			require.False(t, stop(e))
			require.NotEmpty(t, e.engine.Pending("main"))
			select {
			case <-changed:
			case <-time.After(patience):
				t.Fatal("those who wait for stops hear of it")
			}
			again, err := e.engine.Do(t.Context(), "main", ask)
			require.NoError(t, err)
			require.False(t, again.Permit.Allowed)
			require.Equal(t, PermitHeld, again.Permit.Status)
			require.Equal(t, first.Permit.PermitID, again.Permit.PermitID)
			require.True(t, again.Directives[0].Pending)
			require.Contains(t, again.Directives[0].Reason, "not recorded yet")
		})
	}
}

// A fact that is accepted while a stop waits tells its bot of the stop.
func TestAFactTellsOfAHeldStop(t *testing.T) {
	e := newEngined(t).opened("main")
	l, _, err := e.engine.stops.pending.add(PendingStop{Portfolio: everywhere, Caller: olga, Key: "x", Kind: domain.StopManual, Reason: "smoke"}, false)
	require.NoError(t, err)
	e.engine.stops.pending.first(l) // it was tried
	a := e.must("main", botCaller("a"), fill("a", "f", "buy", "1", "0.5"))
	require.Equal(t, []Directive{{Action: ActionStop, Bots: []string{"a"}, Reason: "emergency stop: manual (not recorded yet)", Pending: true}}, a.Directives)
}

// If the status cannot be determined there is no answer: "refuse beats guess".
func TestAReplayedPermitThatCannotBeLookedUp(t *testing.T) {
	e := newEngined(t).opened("main")
	ask := Request{Caller: botCaller("a"), Key: "K", Command: permit("a", "10")}
	_, err := e.engine.Do(t.Context(), "main", ask)
	require.NoError(t, err)
	e.store.mu.Lock()
	e.store.headErr = errDown
	e.store.mu.Unlock()
	_, err = e.engine.Do(t.Context(), "main", ask)
	requireCode(t, domain.CodeUnavailable, err)
}

// Each leg of an arbitrage has its own status, and either all legs may be placed or none.
func TestReplayedLegs(t *testing.T) {
	e, wall := clocked(t)
	e.must("main", olga, RegisterMarket{Market: "rain", Kind: domain.KindOutcome, Outcomes: []string{"YES", "NO"}})
	leg := func(outcome string) Leg {
		return Leg{Instrument: domain.Instrument{Market: "rain", Outcome: outcome}, Side: domain.Buy, Quantity: dec("10"), LimitPrice: dec("0.45")}
	}
	ask := Request{Caller: botCaller("a"), Key: "K", Command: AskPermit{Bot: "a", Intent: domain.IntentArbitrage, Legs: []Leg{leg("YES"), leg("NO")}}}
	do := func() *PermitAnswer {
		t.Helper()
		a, err := e.engine.Do(t.Context(), "main", ask)
		require.NoError(t, err)
		return a.Permit
	}
	first := do()
	require.True(t, first.Allowed)
	require.Equal(t, first, do())
	e.must("main", botCaller("a"), PlacePermit{Permit: first.Legs[1].PermitID})
	again := do()
	require.False(t, again.Allowed)
	require.Equal(t, []string{PermitWorking, "", PermitWorking}, []string{again.Status, again.Legs[0].Status, again.Legs[1].Status})
	wall.add(time.Minute) // the deadline
	again = do()
	require.False(t, again.Allowed)
	require.Equal(t, PermitOver, again.Status)
	require.Equal(t, PermitOver, again.Legs[0].Status)
}

// A fill on paper needs no placing: its repeated answer is the first one.
func TestAReplayedPaperFill(t *testing.T) {
	e, _ := clocked(t)
	e.must("main", olga, MarkPrices{Marks: []domain.Mark{{Market: "m", Outcome: "YES", Price: dec("0.4")}}})
	c := permit("a", "10")
	c.PaperFill = true
	ask := Request{Caller: botCaller("a"), Key: "K", Command: c}
	first, err := e.engine.Do(context.Background(), "main", ask)
	require.NoError(t, err)
	require.NotNil(t, first.Permit.Fill)
	again, err := e.engine.Do(context.Background(), "main", ask)
	require.NoError(t, err)
	same(t, first, again)
}

// The directives of a repeated answer are the current ones: one of the first answer that
// no longer applies is left out, and a new one is added.
func TestAReplayCarriesTodaysDirectives(t *testing.T) {
	e, _ := clocked(t)
	lose := func(id string) Request {
		return Request{Caller: botCaller("a"), Key: id, Command: RecordTrade{Bot: "a", Market: "z", PnL: dec("-1"), TradeID: id}}
	}
	var tripped Answer
	for _, id := range []string{"1", "2", "3"} {
		a, err := e.engine.Do(t.Context(), "main", lose(id))
		require.NoError(t, err)
		tripped = a
	}
	require.True(t, directs(tripped.Directives, ActionStop, "a"))
	again, err := e.engine.Do(t.Context(), "main", lose("3"))
	require.NoError(t, err)
	same(t, tripped, again)
	early, err := e.engine.Do(t.Context(), "main", lose("1"))
	require.NoError(t, err)
	require.True(t, directs(early.Directives, ActionStop, "a"), "it had told of none")
	e.must("main", olga, ResetBreaker{Breaker: domain.ConsecutiveLosses, Bot: "a", Reason: "looked at"})
	e.must("main", olga, StartBot{Bot: "a"})
	again, err = e.engine.Do(t.Context(), "main", lose("3"))
	require.NoError(t, err)
	require.Empty(t, again.Directives)
}

// A repeated stop, after a person has started the bot again, stops nothing, and says so.
func TestAReplayedStopDirectsNobody(t *testing.T) {
	e, _ := clocked(t)
	stop := Request{Caller: olga, Key: "K", Command: StopBot{Bot: "a"}}
	first, _, err := e.engine.StopBot(t.Context(), "main", stop)
	require.NoError(t, err)
	require.True(t, directs(first.Directives, ActionStop, "a"))
	e.must("main", olga, StartBot{Bot: "a"})
	again, recorded, err := e.engine.StopBot(t.Context(), "main", stop)
	require.NoError(t, err)
	require.True(t, recorded)
	require.True(t, again.Replayed)
	require.Empty(t, again.Directives)
}

// "In `reasons` what stands against trading now": also while a stop is not recorded yet,
// and for a permit under which an order works; of two emergency stops the more severe is
// named, wherever one is named.
func TestTheGraverOfTwoHeldStopsIsNamed(t *testing.T) {
	e := newEngined(t).opened("main")
	ask := func(key string) Answer {
		t.Helper()
		a, err := e.engine.Do(t.Context(), "main", Request{Caller: botCaller("a"), Key: key, Command: permit("a", "1")})
		require.NoError(t, err)
		return a
	}
	working := ask("working").Permit.PermitID
	ask("granted")
	e.must("main", botCaller("a"), PlacePermit{Permit: working})
	e.store.plan(fault{err: errPoisoned})
	require.False(t, e.stopBot("main", "a"))
	for _, kind := range []string{domain.StopSystemError, domain.StopSecurityBreach, domain.StopManual} {
		_, recorded, err := e.engine.Stop(t.Context(), "main", Request{Caller: olga, Key: uuid.NewString(), Command: EngageStop{Kind: kind, Reason: kind}})
		require.NoError(t, err)
		require.False(t, recorded)
	}
	for key, status := range map[string]string{"working": PermitWorking, "granted": PermitHeld} {
		a := ask(key)
		require.Equal(t, status, a.Permit.Status)
		require.Len(t, a.Permit.Reasons, 2)
		require.Equal(t, domain.ReasonEmergencyStop, a.Permit.Reasons[0].Code)
		require.Equal(t, domain.StopSecurityBreach, a.Permit.Reasons[0].Value)
		require.Equal(t, domain.ReasonBotStopped, a.Permit.Reasons[1].Code)
		require.Len(t, a.Directives, 1)
		require.Equal(t, "emergency stop: security_breach (not recorded yet)", a.Directives[0].Reason)
	}
	pending := e.engine.Pending("main")
	require.NoError(t, e.engine.AtHead(t.Context(), "main", func(s *portfolio.State) error {
		require.Equal(t, domain.StopSecurityBreach, Graver(s, pending).Kind)
		for _, d := range Standing(s, pending) {
			require.Contains(t, d.Reason, domain.StopSecurityBreach)
		}
		return nil
	}))
	require.ErrorContains(t, e.engine.stops.pending.hold("main", "a"), "security_breach")
}

// A recorded stop that is as severe is named as recorded; a less severe one is not.
func TestAHeldStopAndARecordedOne(t *testing.T) {
	s := portfolio.New()
	s.Stop = portfolio.Stop{Engaged: true, Kind: domain.StopSystemError}
	pending := func(kind string) []PendingStop { return []PendingStop{{Kind: kind}} }
	require.Nil(t, Graver(s, nil))
	require.Nil(t, Graver(s, pending(domain.StopManual)))
	require.Nil(t, Graver(s, pending(domain.StopSystemError)))
	require.Nil(t, Graver(s, []PendingStop{{Kind: kindBot, Bot: "a"}}))
	require.Equal(t, domain.StopSecurityBreach, Graver(s, pending(domain.StopSecurityBreach)).Kind)
	recorded := []domain.Reason{{Code: domain.ReasonEmergencyStop, Value: domain.StopSystemError, Message: "recorded"}}
	for kind, named := range map[string]string{domain.StopManual: domain.StopSystemError, domain.StopSecurityBreach: domain.StopSecurityBreach} {
		p := PendingStop{Kind: kind}
		why := p.Against(recorded)
		require.Len(t, why, 2)
		require.Equal(t, named, why[0].Value)
	}
	require.Equal(t, "recorded", recorded[0].Message)
}
