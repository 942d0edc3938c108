package commands

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/eventstore"
)

// twoClocks is a machine: time passes on both of its clocks, and one can be set.
type twoClocks struct {
	*rig
	elapsed ticks
	seen    []time.Duration
}

func newTwoClocks(t testing.TB) *twoClocks {
	m := &twoClocks{rig: newRig(t)}
	m.w.Close()
	m.restart()
	return m
}

func (m *twoClocks) restart() { m.again(Options{}) }

// again restarts the writer with other options.
func (m *twoClocks) again(o Options) {
	m.w.Close()
	o.Monotonic = m.elapsed.now
	o.Jumped = func(_ string, by time.Duration) { m.seen = append(m.seen, by) }
	m.w = m.writer(o)
}

func (m *twoClocks) pass(d time.Duration) { m.elapsed.add(d); m.clock.add(d) }

func (m *twoClocks) jumps() []domain.ClockJumped {
	var all []domain.ClockJumped
	for _, rec := range m.records() {
		if rec.Type == domain.ClockJumpedType {
			e, err := domain.Decode(rec.Type, rec.Data)
			require.NoError(m.t, err)
			jumped, ok := e.(*domain.ClockJumped)
			require.True(m.t, ok)
			all = append(all, *jumped)
		}
	}
	return all
}

// "A wall clock that jumps > 5 s against the monotonic one is recorded and alerted,
// and permits granted before it count as expired."
func TestAClockThatJumps(t *testing.T) {
	tests := []struct {
		name    string
		pass    time.Duration
		jump    time.Duration
		noticed bool
	}{
		{"time passes", 20 * time.Second, 0, false},
		{"5 s is tolerated", time.Second, 5 * time.Second, false},
		{"a little more is not", time.Second, 5*time.Second + 2*time.Millisecond, true},
		{"back by 5 s", 10 * time.Second, -5 * time.Second, false},
		{"back by more, and still ahead of the stream", 10 * time.Second, -6 * time.Second, true},
		{"a machine that slept", time.Millisecond, 20 * time.Second, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := newTwoClocks(t)
			m.opened("a")
			first := m.must(botCaller("a"), permit("a", "1")).Permit.PermitID
			placed := m.must(botCaller("a"), permit("a", "2")).Permit.PermitID
			m.must(botCaller("a"), PlacePermit{Permit: placed})
			m.pass(tt.pass)
			m.clock.add(tt.jump)
			_, err := m.do(botCaller("a"), "place", PlacePermit{Permit: first})
			if !tt.noticed {
				require.NoError(t, err)
				require.Empty(t, m.jumps())
				require.Empty(t, m.seen)
				m.check()
				return
			}
			requireCode(t, domain.CodeNotFound, err)
			require.Empty(t, m.jumps(), "a refused command records nothing")
			a := m.must(botCaller("a"), permit("a", "3"))
			require.Equal(t, []string{domain.ClockJumpedType, domain.PermitGrantedType}, types(a))
			require.Equal(t, []domain.ClockJumped{{By: domain.Duration(tt.jump), PermitsExpired: []string{first}}}, m.jumps())
			require.Equal(t, []time.Duration{tt.jump}, m.seen)
			s := fold(t, m.store)
			require.Nil(t, s.Permits[first], "what is not placed has expired")
			require.NotNil(t, s.Permits[placed], "an order that rests keeps its permit")
			m.must(botCaller("a"), permit("a", "4"))
			require.Len(t, m.jumps(), 1, "it is recorded once")
			m.check()
		})
	}
}

// A jump back that is undone before it was recorded is a jump all the same: it is unknown
// how long permits were held.
func TestAClockThatJumpsThereAndBack(t *testing.T) {
	m := newTwoClocks(t)
	m.opened("a")
	first := m.must(botCaller("a"), permit("a", "1")).Permit.PermitID
	m.clock.add(-time.Minute)
	m.refused(domain.CodeClock, botCaller("a"), permit("a", "1"))
	m.clock.add(time.Minute)
	m.must(botCaller("a"), permit("a", "1"))
	require.Equal(t, []domain.ClockJumped{{By: domain.Duration(-time.Minute), PermitsExpired: []string{first}}}, m.jumps())
	m.check()
}

// The jump stays pending while the store refuses it, and is recorded once however often
// the command is decided.
func TestAJumpSurvivesAFailedAppend(t *testing.T) {
	m := newTwoClocks(t)
	m.opened("a")
	m.must(botCaller("a"), permit("a", "1"))
	m.clock.add(time.Minute)
	m.store.plan(fault{err: &eventstore.Unavailable{}}, fault{err: &eventstore.Conflict{}}, fault{err: &eventstore.Ambiguous{}, write: true})
	m.refused(domain.CodeUnavailable, botCaller("a"), permit("a", "2"))
	a := m.must(botCaller("a"), permit("a", "3")) // conflict, then written and not acknowledged
	require.Equal(t, []string{domain.ClockJumpedType, domain.PermitGrantedType}, types(a))
	m.must(botCaller("a"), permit("a", "4"))
	require.Len(t, m.jumps(), 1)
	m.check()
}

// After a restart there is nothing to compare with. A stream that is being opened, or
// imported, has no permits to lose.
func TestAJumpNeedsACommandBefore(t *testing.T) {
	m := newTwoClocks(t)
	m.clock.add(time.Hour)
	m.opened("a")
	m.clock.add(time.Hour)
	m.restart()
	m.must(botCaller("a"), permit("a", "1"))
	require.Empty(t, m.jumps())
	m.check()
}

// With the machine's own clocks nothing jumps.
func TestOwnClocksAgree(t *testing.T) {
	r := newRig(t)
	w := NewWriter(r.store, "main", Options{Jumped: func(string, time.Duration) { t.Error("it jumped") }})
	t.Cleanup(w.Close)
	r.w.Close()
	r.w = w
	r.opened("a")
	r.must(botCaller("a"), permit("a", "1"))
	r.check()
}

// A retry of the command that recorded one jump does not affect the next.
func TestARetryForgetsNoJump(t *testing.T) {
	m := newTwoClocks(t)
	m.opened("a")
	m.clock.add(time.Minute)
	_, err := m.do(botCaller("a"), "X", permit("a", "1"))
	require.NoError(t, err)
	require.Len(t, m.jumps(), 1)
	live := m.must(botCaller("a"), permit("a", "2")).Permit.PermitID
	m.clock.add(10 * time.Second)
	m.refused(domain.CodeNotFound, botCaller("a"), PlacePermit{Permit: "p9999"})
	_, err = m.do(botCaller("a"), "X", permit("a", "1"))
	require.NoError(t, err)
	m.refused(domain.CodeNotFound, botCaller("a"), PlacePermit{Permit: live})
	m.must(botCaller("a"), permit("a", "3"))
	require.Len(t, m.jumps(), 2)
	m.check()
}

// Another server, whose clock did not jump, recorded the command that tried to record our
// jump: it still has to be recorded.
func TestAnotherServersRecordIsNoJump(t *testing.T) {
	m := newTwoClocks(t)
	m.opened("a")
	live := m.must(botCaller("a"), permit("a", "2")).Permit.PermitID
	other := m.writer(Options{})
	m.clock.add(10 * time.Second)
	r := Request{Caller: botCaller("a"), Key: "X", Command: permit("a", "1")}
	m.store.plan(fault{before: func() {
		_, err := other.Do(m.ctx(), r)
		require.NoError(t, err)
	}})
	a, err := m.w.Do(m.ctx(), r)
	require.NoError(t, err)
	require.True(t, a.Replayed)
	m.refused(domain.CodeNotFound, botCaller("a"), PlacePermit{Permit: live})
	m.must(botCaller("a"), permit("a", "3"))
	require.Len(t, m.jumps(), 1)
	m.check()
}

// ticks is the monotonic clock of a test; writers read it from their own goroutines.
type ticks struct{ n atomic.Int64 }

func (c *ticks) add(d time.Duration) { c.n.Add(int64(d)) }

func (c *ticks) now() time.Duration { return time.Duration(c.n.Load()) }
