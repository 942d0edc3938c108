package commands

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/eventstore/memory"
	"pets/internal/testenv"
	"pets/internal/work"
)

// engined is an engine on a store that can fail.
type engined struct {
	t      *testing.T
	store  *faulty
	latch  string
	engine *Engine
}

func newEngined(t *testing.T) *engined {
	t.Helper()
	e := &engined{t: t, store: newFaulty(t), latch: filepath.Join(t.TempDir(), "latch.json")}
	e.start()
	return e
}

func (e *engined) start() {
	e.t.Helper()
	e.engine = NewEngine(e.store, EngineOptions{Options: Options{Now: newClock().Now, Work: work.New(1)}, Latch: NewLatchFile(e.latch)})
	require.NoError(e.t, e.engine.Load(e.t.Context(), nil))
	e.t.Cleanup(e.engine.Close)
}

func (e *engined) do(p string, c domain.Caller, command Command) (Answer, error) {
	return e.engine.Do(e.t.Context(), p, Request{Caller: c, Key: uuid.NewString(), Command: command})
}

func (e *engined) must(p string, c domain.Caller, command Command) Answer {
	e.t.Helper()
	a, err := e.do(p, c, command)
	require.NoError(e.t, err)
	return a
}

func (e *engined) opened(ids ...string) *engined {
	e.t.Helper()
	for _, id := range ids {
		open := openMain()
		open.ID = id
		e.must(id, olga, open)
		e.must(id, olga, deposit("1000"))
		e.must(id, olga, RegisterBot{ID: "a", Capital: dec("100"), Start: true})
	}
	return e
}

func manual() EngageStop { return EngageStop{Kind: domain.StopManual, Reason: "smoke"} }

func (e *engined) stop(p string) (recorded bool) {
	e.t.Helper()
	_, recorded, err := e.engine.Stop(e.t.Context(), p, Request{Caller: olga, Key: uuid.NewString(), Command: manual()})
	require.NoError(e.t, err)
	return recorded
}

// engaged returns the stops that are recorded in a stream.
func (e *engined) engaged(p string) []string {
	e.t.Helper()
	var kinds []string
	for rec, err := range e.store.Store.ReadStream(context.Background(), Stream(p), 0) {
		require.NoError(e.t, err)
		if rec.Type == domain.EmergencyStopEngagedType {
			ev, err := domain.Decode(rec.Type, rec.Data)
			require.NoError(e.t, err)
			kinds = append(kinds, ev.(*domain.EmergencyStopEngaged).Kind) //nolint:forcetypeassert // by its type
		}
	}
	return kinds
}

// "It latches in memory and in a local marker file even when the store cannot be
// written (202 recorded:false), and is recorded as soon as it can."
func TestStopHoldsBeforeItIsRecorded(t *testing.T) {
	t.Parallel()
	e := newEngined(t).opened("main", "other")
	e.store.plan(fault{err: errDown})
	require.False(t, e.stop("main"))
	_, err := e.do("main", botCaller("a"), permit("a", "1"))
	requireCode(t, domain.CodeHalted, err)
	_, err = e.do("main", olga, StartBot{Bot: "a"})
	requireCode(t, domain.CodeHalted, err)
	require.Empty(t, e.engaged("main"))
	e.must("main", olga, deposit("1")) // facts go on
	granted := e.must("other", botCaller("a"), permit("a", "1"))
	require.True(t, granted.Permit.Allowed, "another portfolio is not stopped")
	require.Eventually(t, func() bool { return len(e.engaged("main")) == 1 }, 5*time.Second, 10*time.Millisecond, "as soon as it can")
	require.Eventually(t, func() bool {
		a, err := e.do("main", botCaller("a"), permit("a", "1"))
		return err == nil && !a.Permit.Allowed && a.Permit.Reasons[0].Code == domain.ReasonEmergencyStop
	}, 5*time.Second, 10*time.Millisecond, "then the stop itself denies")
	e.unlatched()
}

// unlatched waits until the marker file holds nothing: it is cleaned in the background.
func (e *engined) unlatched() {
	e.t.Helper()
	require.Eventually(e.t, func() bool {
		all, err := NewLatchFile(e.latch).Read()
		return err == nil && len(all) == 0 && e.engine.Health().PendingStops == 0
	}, 10*time.Second, 5*time.Millisecond)
}

// A restart reads the stops from the marker file, and records them.
func TestStopSurvivesARestart(t *testing.T) {
	e := newEngined(t).opened("main", "other")
	e.store.plan(fault{err: errPoisoned}) // and from then on nothing is accepted
	_, err := e.engine.StopAll(t.Context(), Request{Caller: olga, Key: uuid.NewString(), Command: manual()})
	require.NoError(t, err)
	_, err = e.do("main", botCaller("a"), permit("a", "1"))
	require.Error(t, err)
	e.engine.Close()
	require.Empty(t, e.engaged("main"))

	e.store.poison = nil // opened again
	e.start()
	e.unlatched()
	for _, p := range []string{"main", "other"} {
		require.Equal(t, []string{domain.StopManual, domain.StopSystemError}, e.engaged(p), "%s: and the poisoned store is one more reason", p)
		a := e.must(p, botCaller("a"), permit("a", "1"))
		require.False(t, a.Permit.Allowed)
	}
	e.engine.Close()
	e.start()
	require.Len(t, e.engaged("main"), 2, "each is recorded once")
}

// "system_error (store poisoned …): engaged by the server itself", also after a mismatch
// that a reader finds.
func TestSystemErrorIsEngagedByTheServer(t *testing.T) {
	e := newEngined(t).opened("main")
	e.store.plan(fault{err: errPoisoned})
	_, err := e.do("main", olga, deposit("1"))
	requireCode(t, domain.CodeUnavailable, err)
	e.engine.Close()
	e.store.poison = nil
	e.start()
	e.unlatched()
	require.Equal(t, []string{domain.StopSystemError}, e.engaged("main"))

	two := newEngined(t).opened("main")
	two.engine.SystemError(t.Context(), "main", "the postings do not sum to zero")
	require.Equal(t, []string{domain.StopSystemError}, two.engaged("main"))
}

// A stop that could never be recorded is refused, and is not latched.
func TestAStopThatMakesNoSense(t *testing.T) {
	e := newEngined(t).opened("main")
	for _, r := range []Request{
		{Caller: olga, Key: "k", Command: EngageStop{Kind: "party", Reason: "x"}},
		{Caller: olga, Key: "k", Command: EngageStop{Kind: domain.StopManual}},
		{Caller: botCaller("a"), Key: "k", Command: manual()},
		{Caller: olga, Command: manual()},
		{Caller: olga, Key: "k", Command: deposit("1")},
	} {
		_, _, err := e.engine.Stop(t.Context(), "main", r)
		require.Error(t, err)
		_, err = e.engine.StopAll(t.Context(), r)
		require.Error(t, err)
	}
	_, _, err := e.engine.Stop(t.Context(), "nobody", Request{Caller: olga, Key: "k", Command: manual()})
	requireCode(t, domain.CodeNotFound, err)
	require.True(t, e.must("main", botCaller("a"), permit("a", "1")).Permit.Allowed)
}

// Attempts with unknown names use no memory.
func TestUnknownPortfolios(t *testing.T) {
	e := newEngined(t)
	for n := range 2_000 {
		_, err := e.do(fmt.Sprint("p", n), olga, deposit("1"))
		requireCode(t, domain.CodeNotFound, err)
		open := openMain()
		open.ID, open.Mode = fmt.Sprint("p", n), "neither"
		_, err = e.do(open.ID, olga, open)
		requireCode(t, domain.CodeInvalid, err)
	}
	require.Empty(t, e.engine.writers)
	_, err := e.do("not a name", olga, openMain())
	requireCode(t, domain.CodeInvalid, err)
}

// Commands of the system stream behave like any other: idempotent, decided again after a
// conflict, refused in the wrong stream.
func TestSystemCommands(t *testing.T) {
	e := newEngined(t).opened("main")
	other := NewEngine(e.store, EngineOptions{Options: Options{Now: newClock().Now}})
	t.Cleanup(other.Close)
	system := domain.Caller{User: "system", Role: domain.RoleAdmin}
	hash := func(n int) string { return fmt.Sprintf("%064x", n) }
	_, err := e.engine.System(t.Context(), Request{Caller: system, Key: "first", Command: BootstrapKey{User: "anna", Hash: hash(0)}})
	require.NoError(t, err)
	_, err = other.System(t.Context(), Request{Caller: system, Key: "second", Command: BootstrapKey{User: "eve", Hash: hash(1)}})
	requireCode(t, domain.CodeConflict, err)
	var wg sync.WaitGroup
	for n := range 40 { // two servers, each key requested at both
		for _, engine := range []*Engine{e.engine, other} {
			wg.Go(func() {
				_, err := engine.System(t.Context(), Request{Caller: alice, Key: fmt.Sprint("key", n), Command: IssueKey{
					User: fmt.Sprint("u", n), Role: domain.RoleOperator, Hash: hash(100 + n),
				}})
				if err != nil {
					t.Error(err)
				}
			})
		}
	}
	wg.Wait()
	issued := 0
	for rec, err := range e.store.ReadStream(t.Context(), SystemStream, 0) {
		require.NoError(t, err)
		if rec.Type == domain.APIKeyIssuedType {
			issued++
		}
	}
	require.Equal(t, 41, issued)
	_, err = e.engine.System(t.Context(), Request{Caller: olga, Key: "x", Command: deposit("1")})
	requireCode(t, domain.CodeInternal, err)
	_, err = e.do("main", alice, RevokeKey{Key: "k0"})
	requireCode(t, domain.CodeInternal, err)
}

// DoEach: every request is decided on its own, and answered in full.
func TestDoEach(t *testing.T) {
	r := newRig(t).opened("a")
	requests := []Request{
		{Caller: olga, Key: "1", Command: deposit("1")},
		{Caller: olga, Key: "2", Command: deposit("-1")},
		{Caller: olga, Key: "3", Command: permit("a", "1")},
		{Caller: olga, Key: "1", Command: deposit("1")},
	}
	results, err := r.w.DoEach(r.ctx(), requests)
	require.NoError(t, err)
	require.NoError(t, results[0].Err)
	requireCode(t, domain.CodeInvalid, results[1].Err)
	require.True(t, results[2].Answer.Permit.Allowed)
	require.Len(t, results[2].Answer.Events, 1)
	require.True(t, results[3].Answer.Replayed)
	require.Equal(t, results[0].Answer.Events, results[3].Answer.Events)
	r.check()
}

// "64 bots at one cash limit, 10,000 rounds, 0 overruns": 64 at a time ask for a
// twentieth of the cash.
func Test64AtOneCashLimit(t *testing.T) {
	rounds := testenv.Rounds(100, 200, 10_000)
	const each = 500 // rounds on one store, so that memory stays small
	granted := 0
	for n := 0; n < rounds; n += each {
		granted += roundsAtOneCashLimit(t, min(each, rounds-n))
	}
	require.Equal(t, 20*rounds, granted)
	t.Logf("%d rounds of 64: never more than 20 of 20 granted", rounds)
}

func roundsAtOneCashLimit(t *testing.T, rounds int) int {
	t.Helper()
	w := NewWriter(memory.New(), "main", Options{})
	defer w.Close()
	for i, c := range []Command{openMain(), deposit("10000"), RegisterBot{ID: "a", Capital: dec("1000"), Start: true}} {
		_, err := w.Do(t.Context(), Request{Caller: olga, Key: fmt.Sprint("open", i), Command: c})
		require.NoError(t, err)
	}
	total := 0
	for round := range rounds {
		answers := make([]Answer, 64)
		var wg sync.WaitGroup
		for i := range answers {
			wg.Go(func() {
				var err error
				answers[i], err = w.Do(t.Context(), Request{Caller: botCaller("a"), Key: fmt.Sprint(round, "ask", i), Command: permit("a", "100")})
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		var releases []Request
		for i, a := range answers {
			if a.Permit != nil && a.Permit.Allowed {
				releases = append(releases, Request{Caller: olga, Key: fmt.Sprint(round, "release", i), Command: ReleasePermit{Permit: a.Permit.PermitID}})
			}
		}
		require.Len(t, releases, 20, "round %d", round)
		total += len(releases)
		_, err := w.DoAll(t.Context(), releases)
		require.NoError(t, err)
	}
	return total
}

// An imported portfolio, in which nothing is traded, accepts no stop; the others are
// stopped all the same, whatever their place in the list.
func TestStopEverywherePastAnImportedPortfolio(t *testing.T) {
	e := newEngined(t).opened("a-first", "z-last")
	open := openMain()
	open.ID, open.Clock = "m-imported", domain.ClockImported
	_, err := e.engine.DoAll(t.Context(), "m-imported", []Request{{
		Caller: olga, Key: "open", Command: open, Import: &Import{At: newClock().Now(), Source: "x.csv:1"},
	}})
	require.NoError(t, err)
	all, err := e.engine.StopAll(t.Context(), Request{Caller: olga, Key: uuid.NewString(), Command: manual()})
	require.NoError(t, err)
	require.Len(t, all, 3)
	require.True(t, all[0].Recorded)
	require.NotEmpty(t, all[1].Refused)
	require.True(t, all[2].Recorded)
	pending, err := NewLatchFile(e.latch).Read()
	require.NoError(t, err)
	require.Empty(t, pending)
}
