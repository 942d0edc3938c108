package commands

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/keys"
	"pets/domain/portfolio"
	"pets/eventstore"
	"pets/eventstore/memory"
)

// seam is an engine with a portfolio, and another server on the same store.
type seam struct {
	*rig
	engine *Engine
}

func newSeam(t *testing.T) *seam {
	t.Helper()
	s := &seam{rig: newRig(t).opened("a")}
	s.engine = NewEngine(s.store, EngineOptions{Options: Options{Now: s.clock.Now}})
	t.Cleanup(s.engine.Close)
	require.NoError(t, s.engine.Load(t.Context(), nil))
	return s
}

func nothing(*portfolio.State) error { return nil }

// "What another server has appended is folded first", without folding everything again.
func TestAtHeadCatchesUp(t *testing.T) {
	s := newSeam(t)
	see := func() (revision uint64, state *portfolio.State) {
		require.NoError(t, s.engine.AtHead(s.ctx(), "main", func(seen *portfolio.State) error {
			revision, state = seen.Next, seen
			return nil
		}))
		return revision, state
	}
	before, first := see()
	s.must(olga, deposit("7"))
	after, second := see()
	require.Greater(t, after, before)
	require.Same(t, first, second)
	s.engine.Close()
	all := s.records()
	require.Len(t, all, int(after))
	require.Equal(t, hashOf(t, foldOf(t, all)), hashOf(t, second))
}

// "When AtHead has returned, f has ended or will never run": also if the caller left
// first.
func TestAtHeadThatIsLeft(t *testing.T) {
	s := newSeam(t)
	require.NoError(t, s.engine.AtHead(s.ctx(), "main", nothing))
	ctx, cancel := context.WithCancel(s.ctx())
	inside, left, seen := make(chan struct{}), make(chan struct{}), 0
	go func() { // the writer is busy
		_ = s.engine.AtHead(s.ctx(), "main", func(*portfolio.State) error {
			close(inside)
			cancel()
			<-left
			return nil
		})
	}()
	<-inside
	err := s.engine.AtHead(ctx, "main", func(*portfolio.State) error { seen++; return nil })
	require.ErrorIs(t, err, context.Canceled)
	close(left)
	require.NoError(t, s.engine.AtHead(s.ctx(), "main", nothing))
	require.Zero(t, seen, "it never runs afterwards")
}

// "AtHead returns f's error, or why the state cannot be read": f panics, the stream
// cannot be read, the store does not answer, the engine is closed. The writer continues.
func TestAtHeadThatFails(t *testing.T) {
	s := newSeam(t)
	at := func() error { return s.engine.AtHead(s.ctx(), "main", nothing) }
	require.ErrorIs(t, s.engine.AtHead(s.ctx(), "main", func(*portfolio.State) error { return errDown }), errDown)
	var defect *Defect
	require.ErrorAs(t, s.engine.AtHead(s.ctx(), "main", func(*portfolio.State) error { panic("a defect") }), &defect)
	require.NoError(t, at())
	s.store.headErr = errDown
	requireCode(t, domain.CodeUnavailable, at())
	s.store.headErr = nil
	s.must(olga, deposit("7"))
	s.store.readErr = &eventstore.Unavailable{Cause: errors.New("no disk")}
	requireCode(t, domain.CodeUnavailable, at())
	s.store.readErr = nil
	require.NoError(t, at())
	requireCode(t, domain.CodeNotFound, s.engine.AtHead(s.ctx(), "nobody", nothing))
	s.engine.Close()
	requireCode(t, domain.CodeUnavailable, at())
}

// "Refuses while a stop holds that is not recorded yet": an emergency stop or, for a bot,
// its own. "The stop holds from this call on", whether the store takes it or not, and is
// engaged once.
func TestPendingStopsAreChecked(t *testing.T) {
	s := newSeam(t)
	require.NoError(t, s.engine.CheckPendingStops("main", "a"))
	_, _, err := s.engine.stops.pending.add(PendingStop{Portfolio: "main", Bot: "a", Caller: olga, Key: "stop", Kind: kindBot}, false)
	require.NoError(t, err)
	requireCode(t, domain.CodeHalted, s.engine.CheckPendingStops("main", "a"))
	require.NoError(t, s.engine.CheckPendingStops("main", "b"))
	require.NoError(t, s.engine.CheckPendingStops("main", ""))

	s = newSeam(t)
	s.store.headErr, s.store.readErr = errDown, errDown
	s.store.plan(fault{err: errDown}, fault{err: errDown})
	for range 2 {
		s.engine.EngageSecurityBreach(s.ctx(), "main", "security breach: a test")
		requireCode(t, domain.CodeHalted, s.engine.CheckPendingStops("main", ""))
	}
	require.Len(t, s.engine.Pending("main"), 1)
}

// "Would be refused whatever the state is": without a command, without a valid key, or
// from a caller who may not send it.
func TestRequestsAreChecked(t *testing.T) {
	require.NoError(t, CheckRequest(&Request{Caller: olga, Key: "k", Command: deposit("1")}))
	requireCode(t, domain.CodeInvalid, CheckRequest(&Request{Caller: olga, Key: "k"}))
	requireCode(t, domain.CodeInvalid, CheckRequest(&Request{Caller: olga, Command: deposit("1")}))
	requireCode(t, domain.CodeDenied, CheckRequest(&Request{Caller: botCaller("a"), Key: "k", Command: deposit("1")}))
	requireCode(t, domain.CodeDenied, CheckRequest(&Request{Caller: olga, Key: "k", Command: deposit("1"), Entitled: func() error {
		return domain.Errorf(domain.CodeDenied, "the key was revoked")
	}}))
}

// "The same parts give the same key", in every build: a step of a rotation that an
// earlier build has sent is found again.
func TestDerivedKey(t *testing.T) {
	require.Equal(t, "17e547da-9cd6-5f10-9cec-492ff9534a41", DerivedKey("key rotation", "complete", "r0"))
}

// The answer names the rotation: when it starts, on a retry, and when another caller
// resumes it. The system stream shows it.
func TestStartKeyRotationIsNamed(t *testing.T) {
	e := NewEngine(memory.New(), EngineOptions{Options: Options{Now: newClock().Now}})
	t.Cleanup(e.Close)
	send := func(key string, c domain.Caller, command Command) Answer {
		t.Helper()
		a, err := e.System(t.Context(), Request{Caller: c, Key: key, Command: command})
		require.NoError(t, err)
		return a
	}
	send("1", alice, ClaimWallet{Address: someAddress, Wallet: "a", Portfolio: "main"})
	start := StartKeyRotation{To: "bbbbbbbb", Wallets: []string{"a"}}
	first := send("2", alice, start)
	require.Equal(t, "r1", first.ID)
	same(t, first, send("2", alice, start))
	resumed := send("3", serverCaller, start)
	require.Equal(t, "r1", resumed.ID)
	require.Equal(t, []string{domain.CommandNotedType}, types(resumed))
	state, err := e.SystemState(t.Context())
	require.NoError(t, err)
	open, isOpen := state.Encryption().Open()
	require.True(t, isOpen)
	require.Equal(t, "r1", open.Name)
	// The second one cannot see the old key any more, and sends the same request.
	record := RecordReencrypted{Rotation: "r1", Wallet: "a", Address: someAddress, From: "aaaaaaaa", To: "bbbbbbbb"}
	recorded := send("4", alice, record)
	record.From = keys.Unknown
	same(t, recorded, send("4", alice, record))
	require.Equal(t, []string{domain.KeyRotationCompletedType}, types(send("5", alice, CompleteKeyRotation{Rotation: "r1"})))
}
