package commands

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/domain"
)

// running reports whether the bot runs.
func (e *engined) running(p, bot string) bool {
	e.t.Helper()
	last := ""
	for rec, err := range e.store.Store.ReadStream(e.t.Context(), Stream(p), 0) {
		require.NoError(e.t, err)
		if rec.Type == domain.BotStartedType || rec.Type == domain.BotStoppedType || rec.Type == domain.EmergencyStopEngagedType {
			last = rec.Type
		}
	}
	return last == domain.BotStartedType
}

// "It must not undo a stop that was sent after it, however long it took to arrive": a start that waits
// for its turn is overtaken by a stop, and then refused.
func TestAStopIsNotUndoneByAnEarlierStart(t *testing.T) {
	for name, stop := range map[string]func(e *engined) bool{
		"bot":       func(e *engined) bool { return e.stopBot("main", "a") },
		"emergency": func(e *engined) bool { return e.stop("main") },
		"everything": func(e *engined) bool {
			all, err := e.engine.StopAll(e.t.Context(), Request{Caller: olga, Key: uuid.NewString(), Command: manual()})
			require.NoError(e.t, err)
			return all[0].Recorded
		},
		"batch": func(e *engined) bool {
			results, err := e.engine.DoEach(e.t.Context(), "main", []Request{{Caller: alice, Key: uuid.NewString(), Command: StopBot{Bot: "a"}}})
			return err != nil || results[0].Err != nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEngined(t).opened("main")
			w, err := e.engine.known("main")
			require.NoError(t, err)
			gate := make(chan struct{})
			e.store.plan(fault{gate: gate})
			done := make(chan error, 3)
			do := func(c Command, caller domain.Caller) { go func() { _, err := e.do("main", caller, c); done <- err }() }
			do(deposit("1"), olga)
			soon(t, e.store.blocked)
			do(StartBot{Bot: "a"}, olga)
			require.Eventually(t, func() bool { return w.queue.waiting() == 1 }, patience, time.Millisecond)
			stopped := make(chan struct{})
			go func() { stop(e); close(stopped) }()
			require.Eventually(t, func() bool { return w.queue.waiting() == 2 }, patience, time.Millisecond)
			close(gate)
			<-stopped
			refused := 0
			for range 2 {
				if err := <-done; err != nil {
					requireCode(t, domain.CodeHalted, err)
					refused++
				}
			}
			require.Equal(t, 1, refused)
			require.False(t, e.running("main", "a"))
		})
	}
}

// Every command that lets trading go on is refused if it was sent before a stop and
// decided after it; sent anew it is accepted.
func TestWhatWasSentBeforeAStopDoesNotGoOn(t *testing.T) {
	e := newEngined(t).opened("main")
	for i := range 3 {
		e.must("main", botCaller("a"), RecordTrade{Bot: "a", Market: "z", PnL: dec("-1"), TradeID: fmt.Sprint(i)})
	}
	send := func(c domain.Caller, command Command, seen uint64) error {
		_, err := e.engine.Do(t.Context(), "main", Request{Caller: c, Key: uuid.NewString(), Command: command, Seen: seen})
		return err
	}
	before := e.engine.StopsSeen()
	require.True(t, e.stopBot("main", "a"))
	reset := ResetBreaker{Breaker: domain.ConsecutiveLosses, Bot: "a", Reason: "looked at"}
	for _, c := range []Command{StartBot{Bot: "a"}, &StartBot{Bot: "a"}, reset} {
		requireCode(t, domain.CodeHalted, send(olga, c, before))
	}
	require.NoError(t, send(olga, reset, 0))
	require.NoError(t, send(olga, StartBot{Bot: "a"}, 0))
	require.NoError(t, send(olga, StopBot{Bot: "a"}, before), "a stop is never refused")
	other := e.engine.StopsSeen()
	require.Error(t, send(olga, StopBot{Bot: "zz"}, 0), "there is none")
	require.NoError(t, send(olga, StartBot{Bot: "a"}, other), "the stop of another bot is none of its own")
}

// The two people of a clear, or of an override, did not know of a later stop.
func TestAConfirmationFromBeforeAStop(t *testing.T) {
	e := newEngined(t).opened("main")
	paul := domain.Caller{User: "paul", Role: domain.RoleApprover}
	require.True(t, e.stop("main"))
	asked := e.must("main", olga, RequestClear{Reason: "over"})
	before := e.engine.StopsSeen()
	require.True(t, e.stop("main"), "somebody stops it again")
	for _, c := range []Command{ConfirmClear{Request: asked.ID}, ConfirmOverride{Override: "o1"}} {
		_, err := e.engine.Do(t.Context(), "main", Request{Caller: paul, Key: uuid.NewString(), Command: c, Seen: before})
		requireCode(t, domain.CodeHalted, err)
	}
}

// In a batch, its own order counts: stopping a bot and then starting it leaves it
// running.
func TestABatchThatStopsAndStarts(t *testing.T) {
	e := newEngined(t).opened("main")
	for _, order := range [][]Command{{StopBot{Bot: "a"}, StartBot{Bot: "a"}}, {StopBot{Bot: "a"}, StartBot{Bot: "a"}, StopBot{Bot: "a"}}} {
		var requests []Request
		for _, c := range order {
			requests = append(requests, Request{Caller: olga, Key: uuid.NewString(), Command: c})
		}
		results, err := e.engine.DoEach(t.Context(), "main", requests)
		require.NoError(t, err)
		for _, r := range results {
			require.NoError(t, r.Err)
		}
		require.Equal(t, len(order) == 2, e.running("main", "a"))
		require.Zero(t, requests[1].Seen, "they are the caller's")
	}
}

// A forgotten stop counts as later, never as earlier.
func TestForgottenStopsCountAsLater(t *testing.T) {
	a := arrivals{last: 1, latest: map[stopped]uint64{}}
	seen := a.last
	for i := range maxLatest + 1 {
		a.stop(stopped{"p", fmt.Sprint("bot", i)})
	}
	require.Len(t, a.latest, 1)
	require.True(t, a.since("p", "bot0", seen))
	require.False(t, a.since("p", "bot0", a.last))
}
