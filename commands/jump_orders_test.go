package commands

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
)

// resting is an order for most of the bot's money that rests for ten more minutes.
func (m *twoClocks) resting() (id string, expires time.Time) {
	m.t.Helper()
	id = m.must(botCaller("a"), permit("a", "1600")).Permit.PermitID
	expires = m.clock.Now().Add(10 * time.Minute)
	m.must(botCaller("a"), PlacePermit{Permit: id, ExpiresAt: &expires})
	require.False(m.t, m.must(botCaller("a"), permit("a", "1601")).Permit.Allowed)
	return id, expires
}

// listed returns the live permits as the views show them, with the wall clock's time of
// their end.
func (m *twoClocks) listed() map[string]time.Time {
	s := fold(m.t, m.store)
	now, _ := s.ClockAt(m.clock.Now())
	all := map[string]time.Time{}
	for id, p := range s.Permits {
		if p.Live(now) {
			all[id] = p.WallExpiry()
		}
	}
	return all
}

// "Orders that rest keep theirs: the venue does not know our clock." A jump forward does
// not free the cash of a resting order: it stays reserved for the time left on the
// monotonic clock, or until the order is released or filled.
func TestAJumpForwardFreesNoCash(t *testing.T) {
	ends := map[string]func(m *twoClocks, id string){
		"over": func(m *twoClocks, _ string) { m.pass(10 * time.Minute) },
		"released": func(m *twoClocks, id string) {
			m.must(botCaller("a"), ReleasePermit{Permit: id, Reason: "cancelled"})
		},
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			m := newTwoClocks(t)
			m.opened("a")
			id, expires := m.resting()
			m.pass(time.Minute)
			m.clock.add(time.Hour)
			denied := m.must(botCaller("a"), permit("a", "1602"))
			require.False(t, denied.Permit.Allowed, "the first order may be filled yet")
			require.Equal(t, []domain.ClockJumped{{By: domain.Duration(time.Hour), OrdersKept: []string{id}, Moved: domain.Duration(time.Hour)}}, m.jumps())
			require.Equal(t, map[string]time.Time{id: expires}, m.listed(), "with the expiry that the venue was told")
			m.must(botCaller("a"), PlacePermit{Permit: id, ExpiresAt: &expires}) // reported again
			part := fill("a", "1", "buy", "100", "0.5")
			part.PermitID = id
			require.Empty(t, flagsOf(m.must(botCaller("a"), part)), "it is within its permit")
			m.pass(8 * time.Minute)
			require.False(t, m.must(botCaller("a"), permit("a", "1602")).Permit.Allowed)
			end(m, id)
			require.True(t, m.must(botCaller("a"), permit("a", "1602")).Permit.Allowed)
			m.check()
		})
	}
}

// Effects of time come after the jump: legs that become overdue by it do not drop an
// order that is kept.
func TestAJumpComesBeforeWhatIsDue(t *testing.T) {
	m := newTwoClocks(t)
	m.opened("a")
	m.must(olga, RegisterMarket{Market: "r", Kind: domain.KindOutcome, Outcomes: []string{"YES", "NO"}})
	leg := func(outcome string) Leg {
		return Leg{Instrument: domain.Instrument{Market: "r", Outcome: outcome}, Side: domain.Buy, Quantity: dec("10"), LimitPrice: dec("0.45")}
	}
	legs := m.must(botCaller("a"), AskPermit{Bot: "a", Intent: domain.IntentArbitrage, Legs: []Leg{leg("YES"), leg("NO")}})
	m.must(botCaller("a"), PlacePermit{Permit: legs.Permit.Legs[0].PermitID})
	id, _ := m.resting()
	m.clock.add(25 * time.Hour)
	a := m.must(olga, deposit("1"))
	require.Equal(t, []string{domain.DayOpenedType, domain.ClockJumpedType, domain.ArbitrageTimedOutType, domain.DepositRecordedType}, types(a))
	require.NotNil(t, fold(t, m.store).Permits[id])
	m.check()
}

// The same if two people accept a clock that was corrected after one record under a wrong
// one: "resting order, one mark under a clock ahead, clock set right, override". A server
// that was started under the wrong clock has nothing to compare it with, and keeps the
// order when the clock falls behind.
func TestAcceptingTheClockFreesNoCash(t *testing.T) {
	for name, start := range map[string]func(*twoClocks){"noticed": func(*twoClocks) {}, "after a start": (*twoClocks).restart} {
		t.Run(name, func(t *testing.T) {
			m := newTwoClocks(t)
			m.opened("a")
			id, expires := m.resting()
			m.clock.add(time.Hour)
			start(m)
			m.must(olga, deposit("1"))
			m.clock.add(-time.Hour)
			m.pass(time.Second)
			m.must(olga, deposit("1"))
			require.Equal(t, map[string]time.Time{id: expires}, m.listed(), "during the standstill")
			m.accept(t)
			require.Equal(t, map[string]time.Time{id: expires}, m.listed())
			m.pass(9 * time.Minute)
			require.False(t, m.must(botCaller("a"), permit("a", "1602")).Permit.Allowed)
			m.pass(time.Minute + keptTooLong)
			require.True(t, m.must(botCaller("a"), permit("a", "1602")).Permit.Allowed, "no longer than it rests")
			m.check()
		})
	}
}

// keptTooLong is by how much an order may be kept too long after its clock jumped.
const keptTooLong = 10 * time.Second

// A jump and its reverse keep nothing for long: the stream did not jump.
func TestAnOrderIsNotKeptForAJumpThatIsUndone(t *testing.T) {
	for name, by := range map[string]time.Duration{"forward": time.Hour, "back": -time.Hour} {
		t.Run(name, func(t *testing.T) {
			m := newTwoClocks(t)
			m.opened("a")
			m.resting()
			m.clock.add(by)
			m.refused(domain.CodeNotFound, botCaller("a"), PlacePermit{Permit: "p9999"})
			m.clock.add(-by)
			m.must(olga, deposit("1"))
			m.pass(10*time.Minute + keptTooLong)
			require.True(t, m.must(botCaller("a"), permit("a", "1602")).Permit.Allowed)
			m.check()
		})
	}
}

// Small steps add up: a permit does not outlive its time on the monotonic clock if the
// wall clock is slow, stands still, or is stepped back by less than the tolerance.
func TestSmallStepsAddUp(t *testing.T) {
	for name, tick := range map[string]func(m *twoClocks, i int){
		"stepped back": func(m *twoClocks, i int) {
			m.pass(2 * time.Second)
			if i%2 == 1 {
				m.clock.add(-4 * time.Second)
			}
		},
		"frozen": func(m *twoClocks, _ int) { m.elapsed.add(2 * time.Second) },
		"slow": func(m *twoClocks, _ int) {
			m.elapsed.add(2 * time.Second)
			m.clock.add(1500 * time.Millisecond)
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := newTwoClocks(t)
			m.opened("a")
			id := m.must(botCaller("a"), permit("a", "1")).Permit.PermitID
			for i := range 16 {
				tick(m, i)
				m.must(olga, deposit("1"))
			}
			m.refused(domain.CodeNotFound, botCaller("a"), PlacePermit{Permit: id})
			require.NotEmpty(t, m.seen, "and it is noticed")
			m.check()
		})
	}
}

// A permit ends by the monotonic clock even without a jump.
func TestAPermitEndsByTheMonotonicClock(t *testing.T) {
	m := newTwoClocks(t)
	m.opened("a")
	id := m.must(botCaller("a"), permit("a", "1")).Permit.PermitID
	m.pass(26 * time.Second)
	m.elapsed.add(4 * time.Second)
	a := m.must(olga, deposit("1"))
	require.Empty(t, m.seen)
	require.Equal(t, []string{domain.ClockJumpedType, domain.DepositRecordedType}, types(a))
	m.refused(domain.CodeNotFound, botCaller("a"), PlacePermit{Permit: id})
	m.check()
}

// "An ntp slew (500 ppm: 1.8 s an hour) must not trip it", however long it lasts.
func TestASlewIsNoJump(t *testing.T) {
	m := newTwoClocks(t)
	m.opened("a")
	for _, step := range []time.Duration{time.Second, time.Minute, time.Hour, 24 * time.Hour} {
		for range 50 {
			m.elapsed.add(step)
			m.clock.add(step - step/2000)
			m.must(olga, deposit("1"))
			m.elapsed.add(step)
			m.clock.add(step + step/2000)
			m.must(olga, deposit("1"))
		}
		for range 50 {
			m.elapsed.add(step)
			m.clock.add(step - step/2000)
			m.must(olga, deposit("1"))
		}
	}
	require.Empty(t, m.seen)
	require.Empty(t, m.jumps())
	m.check()
}
