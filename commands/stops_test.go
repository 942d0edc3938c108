package commands

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/portfolio"
)

func (e *engined) eventually(f func() bool, what string) {
	e.t.Helper()
	require.Eventually(e.t, f, 10*time.Second, 5*time.Millisecond, what)
}

func (e *engined) stopBot(p, bot string) (recorded bool) {
	e.t.Helper()
	_, recorded, err := e.engine.StopBot(e.t.Context(), p, Request{Caller: olga, Key: uuid.NewString(), Command: StopBot{Bot: bot}})
	require.NoError(e.t, err)
	return recorded
}

// count counts the records of a kind in a stream.
func (e *engined) count(p, eventType string) int {
	e.t.Helper()
	n := 0
	for rec, err := range e.store.Store.ReadStream(context.Background(), Stream(p), 0) {
		require.NoError(e.t, err)
		if rec.Type == eventType {
			n++
		}
	}
	return n
}

// restarting is an engine whose portfolios wait for a gate while they are folded.
func restarting(t *testing.T, ids ...string) (*engined, *slowReads, <-chan error) {
	t.Helper()
	e := newEngined(t).opened(ids...)
	e.engine.Close()
	slow := &slowReads{Store: e.store, gate: make(chan struct{}), reading: make(chan struct{}, 99)}
	e.engine = NewEngine(slow, EngineOptions{Options: Options{Now: newClock().Now}, Latch: NewLatchFile(e.latch)})
	t.Cleanup(e.engine.Close)
	loaded := make(chan error, 1)
	go func() { loaded <- e.engine.Load(context.Background(), nil) }()
	return e, slow, loaded
}

// "A stop during start-up … stop routes answer 202 and latch": it is in force at once,
// does not wait for a history, and is recorded as soon as its stream is folded.
func TestAStopWhileHistoriesAreFolded(t *testing.T) {
	t.Parallel()
	e, slow, loaded := restarting(t, "main")
	soon(t, slow.reading)
	require.False(t, e.engine.Health().Loaded)
	require.False(t, e.stop("main"))
	require.False(t, e.stopBot("main", "a"))
	require.Equal(t, 2, e.engine.Health().PendingStops)
	require.Equal(t, 1, e.engine.Health().PendingBots, "counted by kind")
	all, err := NewLatchFile(e.latch).Read()
	require.NoError(t, err)
	require.Len(t, all, 2, "a crash now would not lose them")
	require.Empty(t, e.engaged("main"))
	close(slow.gate)
	require.NoError(t, soon(t, loaded))
	require.Equal(t, []string{domain.StopManual}, e.engaged("main"), "before anything else is decided")
	require.Equal(t, 1, e.count("main", domain.CommandNotedType), "the bot was stopped by then, which is noted")
	e.unlatched()
	require.True(t, e.engine.Health().Loaded)
}

// "Recorded as its stream is folded", like the stop of one portfolio: it does not wait
// for the portfolios that take longer.
func TestAStopOfEverythingWhileHistoriesAreFolded(t *testing.T) {
	e, slow, loaded := restarting(t, "main", "other")
	soon(t, slow.reading)
	_, err := e.engine.StopAll(t.Context(), Request{Caller: olga, Key: uuid.NewString(), Command: manual()})
	require.NoError(t, err)
	for _, p := range []string{"main", "other"} {
		for _, l := range e.engine.stops.pending.of(p) {
			require.True(t, l.early, p)
		}
	}
	close(slow.gate)
	require.NoError(t, soon(t, loaded))
	for _, p := range []string{"main", "other"} {
		require.Equal(t, []string{domain.StopManual}, e.engaged(p), "before the engine is ready")
	}
}

// The same for a stop of everything, and before loading has begun.
func TestStopEverythingBeforeAnythingIsFolded(t *testing.T) {
	t.Parallel()
	e := newEngined(t).opened("main", "other")
	e.engine.Close()
	e.engine = NewEngine(e.store, EngineOptions{Options: Options{Now: newClock().Now}, Latch: NewLatchFile(e.latch)})
	t.Cleanup(e.engine.Close)
	all, err := e.engine.StopAll(t.Context(), Request{Caller: olga, Key: uuid.NewString(), Command: manual()})
	require.NoError(t, err)
	kept := true
	require.Equal(t, []Stopped{{Portfolio: "main", Kept: &kept}, {Portfolio: "other", Kept: &kept}}, all)
	require.NoError(t, e.engine.Load(t.Context(), nil))
	_, err = e.do("other", botCaller("a"), permit("a", "1"))
	if err == nil { // it is recorded by now
		require.Equal(t, []string{domain.StopManual}, e.engaged("other"))
	} else {
		requireCode(t, domain.CodeHalted, err)
	}
	e.unlatched()
	for _, p := range []string{"main", "other"} {
		require.Equal(t, []string{domain.StopManual}, e.engaged(p))
	}
}

// A store that cannot even list its portfolios accepts a stop of all of them.
func TestStopWhereTheStoreDoesNotAnswer(t *testing.T) {
	t.Parallel()
	e := newEngined(t).opened("main", "other")
	e.store.mu.Lock()
	e.store.headErr, e.store.streamsErr = errDown, errDown
	e.store.mu.Unlock()
	other := NewEngine(e.store, EngineOptions{Options: Options{Now: newClock().Now}})
	t.Cleanup(other.Close)
	_, recorded, err := other.Stop(t.Context(), "main", Request{Caller: olga, Key: "k", Command: manual()})
	require.NoError(t, err)
	require.False(t, recorded)
	all, err := e.engine.StopAll(t.Context(), Request{Caller: olga, Key: uuid.NewString(), Command: manual()})
	require.NoError(t, err)
	kept := true
	require.Equal(t, []Stopped{{Portfolio: everywhere, Kept: &kept}}, all)
	for _, p := range []string{"main", "other"} {
		require.ErrorContains(t, e.engine.stops.pending.hold(p, "a"), "manual")
	}
	e.store.mu.Lock()
	e.store.headErr, e.store.streamsErr = nil, nil
	e.store.mu.Unlock()
	e.unlatched()
	for _, p := range []string{"main", "other"} {
		require.Contains(t, e.engaged(p), domain.StopManual)
	}
}

// A store that does not say what there is to stop delays no stop: it is in force before the caller
// gives up, and holds everywhere.
func TestAStopDoesNotWaitToHearWhatThereIs(t *testing.T) {
	t.Parallel()
	e := newEngined(t).opened("main", "other")
	e.store.mu.Lock()
	e.store.mute, e.store.headErr = true, errDown
	e.store.mu.Unlock()
	ended := make(chan []Stopped)
	go func() {
		all, _ := e.engine.StopAll(t.Context(), Request{Caller: olga, Key: uuid.NewString(), Command: manual()})
		ended <- all
	}()
	kept := true
	require.Equal(t, []Stopped{{Portfolio: everywhere, Kept: &kept}}, <-ended) // the context of the call never ends
	require.ErrorContains(t, e.engine.stops.pending.hold("other", "a"), "manual")
	e.store.mu.Lock()
	e.store.mute, e.store.headErr = false, nil
	e.store.mu.Unlock()
	e.unlatched()
	require.Contains(t, e.engaged("other"), domain.StopManual)
}

// "Recorded as soon as it can", also for one bot: no other bot is held.
func TestABotsStopHoldsBeforeItIsRecorded(t *testing.T) {
	t.Parallel()
	e := newEngined(t).opened("main")
	e.must("main", olga, RegisterBot{ID: "b", Capital: dec("100"), Start: true})
	e.store.plan(fault{err: errDown})
	require.False(t, e.stopBot("main", "a"))
	_, err := e.do("main", botCaller("a"), permit("a", "1"))
	requireCode(t, domain.CodeHalted, err)
	require.ErrorContains(t, err, "a stop of bot a is in force")
	_, err = e.do("main", olga, StartBot{Bot: "a"})
	requireCode(t, domain.CodeHalted, err)
	require.True(t, e.must("main", botCaller("b"), permit("b", "1")).Permit.Allowed)
	e.unlatched()
	require.Equal(t, 1, e.count("main", domain.BotStoppedType))
	e.must("main", olga, StartBot{Bot: "a"}) // and then people decide again
}

// A stop is in force however it is sent: as a command, or as an item of a batch.
func TestEveryWayToStopHolds(t *testing.T) {
	ways := map[string]func(e *engined) error{
		"command": func(e *engined) error { _, err := e.do("main", olga, StopBot{Bot: "a"}); return err },
		"pointer": func(e *engined) error { _, err := e.do("main", olga, &StopBot{Bot: "a"}); return err },
		"emergency": func(e *engined) error {
			_, err := e.do("main", olga, manual())
			return err
		},
		"batch": func(e *engined) error {
			results, err := e.engine.DoEach(e.t.Context(), "main", []Request{{Caller: olga, Key: "k", Command: StopBot{Bot: "a"}}})
			return errors.Join(err, results[0].Err)
		},
	}
	for name, stop := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // each waits for a second until it is recorded
			e := newEngined(t).opened("main")
			e.store.plan(fault{err: errDown})
			requireCode(t, domain.CodeUnavailable, stop(e))
			_, err := e.do("main", botCaller("a"), permit("a", "1"))
			requireCode(t, domain.CodeHalted, err)
			e.unlatched()
			require.Equal(t, 1, e.count("main", domain.BotStoppedType)+len(e.engaged("main")))
		})
	}
}

// A stop that the domain refuses is refused, and holds no bot.
func TestAStopOfNobodyHoldsNobody(t *testing.T) {
	e := newEngined(t).opened("main")
	_, _, err := e.engine.StopBot(t.Context(), "main", Request{Caller: olga, Key: "k", Command: StopBot{Bot: "nobody"}})
	requireCode(t, domain.CodeNotFound, err)
	_, _, err = e.engine.StopBot(t.Context(), "nobody", Request{Caller: olga, Key: "k", Command: StopBot{Bot: "a"}})
	requireCode(t, domain.CodeNotFound, err)
	for _, r := range []Request{
		{Caller: botCaller("a"), Key: "k", Command: StopBot{Bot: "a"}},
		{Caller: olga, Key: "k", Command: StopBot{Bot: "no bot"}},
		{Caller: olga, Key: "k", Command: StopBot{Bot: "a", Reason: "\n"}},
		{Caller: olga, Command: StopBot{Bot: "a"}},
		{Caller: olga, Key: "k", Command: manual()},
	} {
		_, _, err := e.engine.StopBot(t.Context(), "main", r)
		require.Error(t, err)
	}
	require.Zero(t, e.engine.Health().PendingStops)
	e.unlatched()
}

// "One entry per portfolio and kind": the second person's stop is answered as held, and
// the first person's is recorded.
func TestTwoPeopleStopTheSame(t *testing.T) {
	t.Parallel()
	e := newEngined(t).opened("main")
	e.store.plan(fault{err: errDown}, fault{err: errDown}, fault{err: errDown})
	stop := func(c domain.Caller, kind string) bool {
		_, recorded, err := e.engine.Stop(t.Context(), "main", Request{Caller: c, Key: uuid.NewString(), Command: EngageStop{Kind: kind, Reason: "smoke"}})
		require.NoError(t, err)
		return recorded
	}
	require.False(t, stop(olga, domain.StopManual))
	require.False(t, stop(alice, domain.StopManual))
	require.False(t, stop(alice, domain.StopSecurityBreach))
	require.Equal(t, 2, e.engine.Health().PendingStops)
	e.unlatched()
	require.Equal(t, []string{domain.StopManual, domain.StopSecurityBreach}, e.engaged("main"))
}

// A stop that was answered as held is recorded, even if its key turns out to have been
// used for another command.
func TestAHeldStopWithAUsedKeyIsRecorded(t *testing.T) {
	t.Parallel()
	e := newEngined(t).opened("main")
	_, err := e.engine.Do(t.Context(), "main", Request{Caller: olga, Key: "used", Command: deposit("1")})
	require.NoError(t, err)
	r := Request{Caller: olga, Key: "used", Command: manual()}
	_, _, err = e.engine.Stop(t.Context(), "main", r)
	requireCode(t, domain.CodeIdempotencyMismatch, err)
	require.Zero(t, e.engine.Health().PendingStops)
	e.engine.Close()
	e.engine = NewEngine(e.store, EngineOptions{Options: Options{Now: newClock().Now}, Latch: NewLatchFile(e.latch)})
	t.Cleanup(e.engine.Close)
	_, recorded, err := e.engine.Stop(t.Context(), "main", r) // it is not known yet
	require.NoError(t, err)
	require.False(t, recorded)
	require.NoError(t, e.engine.Load(t.Context(), nil))
	e.unlatched()
	require.Equal(t, []string{domain.StopManual}, e.engaged("main"))
}

// "Written once a pass": a stop of everything writes its file once before the first
// record and once after the last, however many portfolios there are.
func TestTheFileIsWrittenOnceAPass(t *testing.T) {
	e := newEngined(t)
	var ids []string
	for n := range 50 {
		ids = append(ids, fmt.Sprint("p", n))
	}
	e.opened(ids...)
	e.engine.Close()
	var writes atomic.Int32 // each fails and is reported
	e.engine = NewEngine(e.store, EngineOptions{
		Options: Options{Now: newClock().Now}, Latch: NewLatchFile(filepath.Join(t.TempDir(), "none", "latch.json")),
		Failed: func(string, error) { writes.Add(1) },
	})
	t.Cleanup(e.engine.Close)
	require.NoError(t, e.engine.Load(t.Context(), nil))
	all, err := e.engine.StopAll(t.Context(), Request{Caller: olga, Key: uuid.NewString(), Command: manual()})
	require.NoError(t, err)
	for _, s := range all {
		require.True(t, s.Recorded, s.Portfolio)
	}
	require.Positive(t, writes.Load())
	require.LessOrEqual(t, writes.Load(), int32(2))
}

// "Recorded after ready": the stops in a marker file do not delay a start, and are in
// force all the same; the first command of a portfolio finds its stop recorded.
func TestWhatWasPendingIsRecordedAfterTheStart(t *testing.T) {
	e := newEngined(t).opened("main", "other")
	e.engine.Close()
	var all []PendingStop
	for _, p := range []string{"main", "other"} {
		all = append(all, PendingStop{Portfolio: p, Caller: olga, Key: "k", Kind: domain.StopManual, Reason: "smoke", At: noon})
	}
	require.NoError(t, NewLatchFile(e.latch).Write(all))
	gate := make(chan struct{})
	e.store.plan(fault{gate: gate}, fault{gate: gate})
	e.start() // and is ready
	require.Equal(t, 2, e.engine.Health().PendingStops)
	soon(t, e.store.blocked)
	close(gate)
	a := e.must("main", olga, deposit("1"))
	require.Equal(t, []string{domain.StopManual}, e.engaged("main"), "recorded before revision %d", a.Revision)
	e.unlatched()
	require.Equal(t, []string{domain.StopManual}, e.engaged("other"))
}

// "The first command of a portfolio finds it recorded", also if another goroutine is
// about to record it: the command waits for that one attempt, and for no further one.
func TestACommandWaitsForAStopThatIsBeingRecorded(t *testing.T) {
	s := newPending()
	l, _, err := s.add(PendingStop{Portfolio: "main", Caller: olga, Key: "k", Kind: domain.StopManual, Reason: "smoke"}, false)
	require.NoError(t, err)
	done := s.trying(l)
	mine, under := s.firstTry(l)
	require.Nil(t, mine)
	select {
	case <-under:
		t.Fatal("it is being recorded")
	default:
	}
	done()
	<-under
	mine, under = s.firstTry(l)
	require.Nil(t, mine)
	require.Nil(t, under, "it was tried, and holds")
}

// A file of the previous build is read: its entries are in one line.
func TestTheOldMarkerFileIsRead(t *testing.T) {
	e := newEngined(t).opened("main")
	e.engine.Close()
	old := `[{"portfolio":"main","caller":{"User":"olga","Role":"operator","Bot":""},"key":"k1","kind":"manual","reason":"smoke","at":"2026-03-10T12:00:00Z"},` +
		`{"portfolio":"main","caller":{"User":"server","Role":"admin","Bot":""},"key":"k2","kind":"system_error","reason":"poisoned","at":"2026-03-10T12:00:01Z"}]` + "\n"
	require.NoError(t, os.WriteFile(e.latch, []byte(old), 0o600))
	e.start()
	e.unlatched()
	require.Equal(t, []string{domain.StopManual, domain.StopSystemError}, e.engaged("main"))
	for _, none := range []string{"", "null\n", "[]\n"} {
		require.NoError(t, os.WriteFile(e.latch, []byte(none), 0o600))
		all, err := NewLatchFile(e.latch).Read()
		require.NoError(t, err)
		require.Empty(t, all)
	}
}

// "Above 16 MiB the server does not start": a long file is read like a short one.
func TestALongMarkerFile(t *testing.T) {
	file := NewLatchFile(filepath.Join(t.TempDir(), "latch.json"))
	all := make([]PendingStop, 20_000)
	for i := range all {
		all[i] = PendingStop{
			Portfolio: fmt.Sprint("p", i), Caller: olga, Key: "k", Kind: domain.StopManual, Reason: strings.Repeat("x", 1000), At: noon,
		}
	}
	require.NoError(t, file.Write(all))
	info, err := os.Stat(file.path)
	require.NoError(t, err)
	require.Greater(t, info.Size(), int64(16<<20))
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	read, err := file.Read()
	require.NoError(t, err)
	require.Equal(t, all, read)
}

// "A person can always stop, and always get out": if the marker cannot be understood, the
// server starts with everything stopped, says so, and keeps the file.
func TestAMarkerFileThatCannotBeUnderstood(t *testing.T) {
	sound := `{"portfolio":"main","caller":{"User":"olga","Role":"operator"},"key":"k","kind":"manual","reason":"smoke","at":"2026-03-10T12:00:00Z"}`
	for name, text := range map[string]string{
		"half": "[" + sound + ",{half", "cut": "[" + sound, "other": `{"portfolio":"main"}`, "kind": "[" + sound + `,{"portfolio":"main","kind":"party"}]`,
		"zeros": string(make([]byte, 4096)), "long entry": `["` + strings.Repeat("x", 2*maxPendingBytes) + `"]`,
	} {
		t.Run(name, func(t *testing.T) {
			e := newEngined(t).opened("main", "other")
			e.engine.Close()
			require.NoError(t, os.WriteFile(e.latch, []byte(text), 0o600))
			var mu sync.Mutex
			var told []string
			e.engine = NewEngine(e.store, EngineOptions{
				Options: Options{Now: newClock().Now}, Latch: NewLatchFile(e.latch),
				Failed: func(what string, _ error) { mu.Lock(); defer mu.Unlock(); told = append(told, what) },
			})
			t.Cleanup(e.engine.Close)
			require.Positive(t, e.engine.Health().PendingStops, "from the beginning")
			require.NoError(t, e.engine.Load(t.Context(), nil))
			e.unlatched()
			for _, p := range []string{"main", "other"} {
				require.Contains(t, e.engaged(p), domain.StopSystemError)
				require.False(t, e.must(p, botCaller("a"), permit("a", "1")).Permit.Allowed)
			}
			mu.Lock()
			defer mu.Unlock()
			require.Len(t, told, 1)
			aside, err := filepath.Glob(e.latch + ".unreadable-*")
			require.NoError(t, err)
			require.Len(t, aside, 1)
			require.Contains(t, told[0], aside[0])
			kept, err := os.ReadFile(aside[0])
			require.NoError(t, err)
			require.Equal(t, text, string(kept))
			e.engine.Close()
			e.start() // the next start is an ordinary one
			require.Zero(t, e.engine.Health().PendingStops)
		})
	}
}

// Unknown bots use a limited number of entries.
func TestPendingBotsAreBounded(t *testing.T) {
	s := newPending()
	p := PendingStop{Portfolio: "main", Caller: olga, Key: "k", Kind: kindBot}
	for n := range maxPendingBots {
		p.Bot = fmt.Sprint("b", n)
		_, isNew, err := s.add(p, false)
		require.NoError(t, err)
		require.True(t, isNew)
	}
	_, isNew, err := s.add(p, false)
	require.NoError(t, err, "one that holds")
	require.False(t, isNew)
	p.Bot = "more"
	_, _, err = s.add(p, false)
	requireCode(t, domain.CodeUnavailable, err)
	_, _, err = s.add(PendingStop{Portfolio: "main", Caller: olga, Key: "k", Kind: domain.StopManual, Reason: "x"}, false)
	require.NoError(t, err, "an emergency stop always fits")
}

// "system_error (store poisoned, …): engaged by the server itself", whatever finds it: a
// batch, an import, the system stream, a look, a stop that is recorded in the background.
func TestAPoisonedStoreStopsEverythingWhateverMeetsIt(t *testing.T) {
	one := []Request{{Caller: olga, Key: "k", Command: deposit("1")}}
	ways := map[string]func(e *engined){
		"Do":     func(e *engined) { _, _ = e.do("main", olga, deposit("1")) },
		"DoAll":  func(e *engined) { _, _ = e.engine.DoAll(e.t.Context(), "main", one) },
		"DoEach": func(e *engined) { _, _ = e.engine.DoEach(e.t.Context(), "main", one) },
		"System": func(e *engined) {
			_, _ = e.engine.System(e.t.Context(), Request{Caller: domain.Caller{User: "system", Role: domain.RoleAdmin}, Key: "k", Command: BootstrapKey{User: "anna", Hash: strings.Repeat("0", 64)}})
		},
		"Stop":        func(e *engined) { e.stop("main") },
		"SystemError": func(e *engined) { e.engine.SystemError(e.t.Context(), "main", "is inconsistent") },
		"its own word": func(e *engined) {
			e.store.mu.Lock()
			e.store.poison = errPoisoned
			e.store.mu.Unlock()
			e.engine.Health()
		},
	}
	for name, meet := range ways {
		t.Run(name, func(t *testing.T) {
			e := newEngined(t).opened("main", "other")
			require.NoError(t, e.engine.Health().Poisoned)
			if name != "its own word" {
				e.store.plan(fault{err: errPoisoned})
			}
			meet(e)
			require.Error(t, e.engine.Health().Poisoned)
			_, err := e.do("other", botCaller("a"), permit("a", "1"))
			requireCode(t, domain.CodeHalted, err)
			e.engine.Close()
			e.store.poison = nil // opened again
			e.start()
			e.unlatched()
			for _, p := range []string{"main", "other"} {
				require.Contains(t, e.engaged(p), domain.StopSystemError, p)
			}
		})
	}
}

// Poisoned is how a store reports that it is poisoned.
func (f *faulty) Poisoned() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.poison
}

// "SystemError … idempotent": a follower that reports the same each second adds nothing
// while the stop is engaged; after people have cleared it, it is engaged again.
func TestSystemErrorSaysItOnce(t *testing.T) {
	e := newEngined(t).opened("main")
	say := func() { e.engine.SystemError(t.Context(), "main", "the follower disagrees") }
	for range 5 {
		say()
	}
	require.Len(t, e.engaged("main"), 1)
	asked := e.must("main", olga, RequestClear{Reason: "looked into it"})
	e.must("main", domain.Caller{User: "bob", Role: domain.RoleApprover}, ConfirmClear{Request: asked.ID})
	for range 3 {
		say()
	}
	require.Len(t, e.engaged("main"), 2)
	e.engine.Close()
	e.start()
	say()
	require.Len(t, e.engaged("main"), 2, "nor after a restart")
	e.engine.SystemError(t.Context(), "other", "there is no such portfolio")
	require.Zero(t, e.engine.Health().PendingStops)
	e.engine.SystemError(t.Context(), "main", "words\nthat no record takes")
	require.Len(t, e.engaged("main"), 3)
}

// unbalanced is a command with a defect: its postings do not sum to zero.
func unbalanced() Command {
	return testCommand{"unbalanced", func(d *portfolio.Decision) error {
		return errors.Join(deposit("666").Decide(d), &domain.Error{Code: domain.CodeInternal, Message: "a defect", Cause: portfolio.ErrUnbalanced})
	}}
}

// "system_error (… postings ≠ 0 …): engaged by the server itself": nothing of the command
// is recorded, and the portfolio is stopped before any answer is given.
func TestPostingsThatDoNotAddUpStopThePortfolio(t *testing.T) {
	e := newEngined(t).opened("main", "other")
	before := e.count("main", domain.DepositRecordedType)
	gate := make(chan struct{})
	e.store.plan(fault{gate: gate}) // of the stop
	_, err := e.do("main", olga, unbalanced())
	requireCode(t, domain.CodeInternal, err)
	require.Equal(t, 1, e.engine.Health().PendingStops)
	close(gate)
	e.unlatched()
	require.Equal(t, []string{domain.StopSystemError}, e.engaged("main"))
	require.Empty(t, e.engaged("other"))
	require.Equal(t, before, e.count("main", domain.DepositRecordedType))
	_, err = e.do("main", olga, unbalanced())
	requireCode(t, domain.CodeInternal, err)
	e.must("main", olga, deposit("1")) // facts go on
	e.engine.stops.work.Wait()
	require.Len(t, e.engaged("main"), 1, "it stands")
}

// The same for folded balances, also from a snapshot, that do not sum to zero.
func TestBalancesThatDoNotAddUpStopThePortfolio(t *testing.T) {
	e := newEngined(t).opened("main")
	e.engine.Close()
	s, x := portfolio.New(), newAccepted(nil, 0)
	for rec, err := range e.store.ReadStream(t.Context(), Stream("main"), 0) {
		require.NoError(t, err)
		require.NoError(t, foldRecord(&domain.Decoder{}, &portfolioFold{"main", s}, x, rec))
	}
	for account := range s.Book {
		delete(s.Book, account)
		break
	}
	data, err := s.Snapshot()
	require.NoError(t, err)
	c := &cache{}
	c.Save(CheckpointState, Stream("main"), s.Next-1, data)
	e.engine = NewEngine(e.store, EngineOptions{Options: lookingUp(e.store, Options{Now: newClock().Now, Checkpoints: c}), Latch: NewLatchFile(e.latch)})
	t.Cleanup(e.engine.Close)
	require.NoError(t, e.engine.Load(t.Context(), nil))
	e.eventually(func() bool { return len(e.engaged("main")) == 1 }, "it is engaged")
	require.Equal(t, []string{domain.StopSystemError}, e.engaged("main"))
}

// "Below a reserve only stops and facts are taken": item by item, and repeats of accepted
// commands get their answers.
func TestAScarceDiskTakesStopsAndFacts(t *testing.T) {
	scarce, full := atomic.Bool{}, atomic.Bool{}
	store := newFaulty(t)
	engine := NewEngine(store, EngineOptions{Options: Options{Now: newClock().Now, Scarce: func(class Class) error {
		if scarce.Load() && class == ClassOther || full.Load() {
			return errors.New("12 MB are free, the reserve is 64 MB")
		}
		return nil
	}}})
	t.Cleanup(engine.Close)
	require.NoError(t, engine.Load(t.Context(), nil))
	e := &engined{t: t, store: store, engine: engine}
	e.opened("main")
	first, err := engine.Do(t.Context(), "main", Request{Caller: botCaller("a"), Key: "asked", Command: permit("a", "1")})
	require.NoError(t, err)
	scarce.Store(true)
	results, err := engine.DoEach(t.Context(), "main", []Request{
		{Caller: botCaller("a"), Key: "1", Command: permit("a", "1")},
		{Caller: botCaller("a"), Key: "2", Command: fill("a", "f", "buy", "1", "0.5")},
		{Caller: olga, Key: "3", Command: StartBot{Bot: "a"}},
		{Caller: olga, Key: "4", Command: StopBot{Bot: "a"}},
		{Caller: olga, Key: "5", Command: RegisterBot{ID: "b"}},
		{Caller: olga, Key: "6", Command: deposit("1")},
		{Caller: botCaller("a"), Key: "asked", Command: permit("a", "1")},
	})
	require.NoError(t, err)
	for i, res := range results {
		if i%2 == 0 && i < 5 {
			requireCode(t, domain.CodeUnavailable, res.Err)
			require.ErrorContains(t, res.Err, "disk")
			require.ErrorContains(t, res.Err, "12 MB are free")
			var refused *domain.Error // "do not retry what cannot pass within the patience"
			require.ErrorAs(t, res.Err, &refused)
			require.Equal(t, domain.Lasting, refused.After)
			continue
		}
		require.NoError(t, res.Err, "%d", i)
	}
	require.True(t, results[6].Answer.Replayed)
	require.Equal(t, first.Revision, results[6].Answer.Revision)
	require.Equal(t, PermitOver, results[6].Answer.Permit.Status, "the bot was stopped before it")

	// "Below a quarter of it only stops and revocations."
	full.Store(true)
	results, err = engine.DoEach(t.Context(), "main", []Request{
		{Caller: botCaller("a"), Key: "7", Command: fill("a", "g", "buy", "1", "0.5")},
		{Caller: olga, Key: "8", Command: StopBot{Bot: "a"}},
	})
	require.NoError(t, err)
	requireCode(t, domain.CodeUnavailable, results[0].Err)
	require.ErrorContains(t, results[0].Err, "same Idempotency-Key")
	_, err = e.do("main", botCaller("a"), permit("a", "1"))
	require.ErrorContains(t, err, "only stops are accepted", "no caller is told that facts are accepted")
	requireCode(t, domain.CodeUnavailable, engine.Takes(ClassOther))
	requireCode(t, domain.CodeUnavailable, engine.Takes(ClassFact))
	require.NoError(t, engine.Takes(ClassStop))
	require.NoError(t, results[1].Err)
	require.True(t, e.stop("main"))
	full.Store(false)
	scarce.Store(false)
	e.must("main", olga, RegisterBot{ID: "b"})
}

// The sender of a stop of an unknown bot was told that it holds: the log says whose stop
// it was, and that it stops nothing.
func TestARefusedStopSaysWhose(t *testing.T) {
	bot := PendingStop{Portfolio: "main", Caller: olga, Kind: kindBot, Bot: "zzz"}
	require.Equal(t, "the stop of bot zzz in portfolio main, asked for by "+olga.User+", was refused and stops nothing", bot.refused())
	all := PendingStop{Portfolio: "mian", Caller: olga, Kind: domain.StopManual}
	require.Contains(t, all.refused(), "(manual) of portfolio mian, asked for by "+olga.User)
}

// "A stop is kept in memory and in a marker file, and recorded once the store takes it, also
// after a restart": not even a store that has lost the beginning of the portfolio loses the stop.
// It is recorded when the portfolio is opened again.
func TestAStopOutlivesItsPortfolio(t *testing.T) {
	e := newEngined(t).opened("other")
	e.engine.Close()
	lost := PendingStop{Portfolio: "main", Caller: olga, Key: "k", Kind: domain.StopManual, Reason: "smoke", At: noon}
	bot := PendingStop{Portfolio: "other", Caller: olga, Key: "k2", Kind: kindBot, Bot: "zzz", Reason: "odd", At: noon}
	require.NoError(t, NewLatchFile(e.latch).Write([]PendingStop{lost, bot}))
	for range 2 { // and outlives further starts
		e.start()
		require.Eventually(t, func() bool {
			h := e.engine.Health()
			return slices.Equal(h.StopsNowhere, []string{"main"}) && h.PendingStops == 1
		}, 10*time.Second, time.Millisecond, "a bot that is not there is refused, as before")
		e.engine.Close()
		all, err := NewLatchFile(e.latch).Read()
		require.NoError(t, err)
		require.Equal(t, []PendingStop{lost}, all)
	}
	e.start()
	e.opened("main")
	e.unlatched()
	require.Equal(t, []string{domain.StopManual}, e.engaged("main"))
	require.Empty(t, e.engine.Health().StopsNowhere)
}

// Two people send the same stop, and it is refused to one of them: it is still in force
// for the other, who was told so.
func TestARefusedStopLeavesThatOfTheOthers(t *testing.T) {
	s := newPending()
	first := PendingStop{Portfolio: "main", Caller: olga, Key: "1", Kind: domain.StopManual, Reason: "smoke"}
	second := first
	second.Caller, second.Key = alice, "2"
	l, isNew, err := s.add(first, false)
	require.NoError(t, err)
	require.True(t, isNew)
	_, isNew, err = s.add(second, false)
	require.NoError(t, err)
	require.False(t, isNew)
	s.dropUnshared(l)
	require.Error(t, s.hold("main", "a"))
}

// A stop that cannot be recorded through no fault of its own is in force and is retried;
// an invalid one is refused.
func TestWhichStopsWait(t *testing.T) {
	for code, want := range map[domain.Code]bool{
		domain.CodeUnavailable: true, domain.CodeClock: true, domain.CodeInternal: true, domain.CodeTooLarge: true,
		domain.CodeInvalid: false, domain.CodeNotFound: false, domain.CodeDenied: false, domain.CodeConflict: false, domain.CodeIdempotencyMismatch: false,
	} {
		require.Equal(t, want, waits(domain.Errorf(code, "x")), code)
	}
}
