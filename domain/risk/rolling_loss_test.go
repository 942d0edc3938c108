package risk

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// at is the scope as a rule measures it, so many hours after a midnight.
func (s *scope) at(hour int64) Subject {
	return s.when(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(hour) * time.Hour))
}

func (s *scope) when(t time.Time) Subject {
	return Subject{Refs: &s.References, Equity: s.equity, Time: t}
}

// rolling is a scope with capital whose hours are followed from hour 0 on.
func rolling(t *testing.T, capital string) (*Rule, *scope) {
	t.Helper()
	r := ruleOf(t, RollingLoss)
	s := &scope{}
	r.On(s.at(0))
	return r, s.flow(capital)
}

func (s *scope) loses(t *testing.T, r *Rule, hour int64, want string) {
	t.Helper()
	require.Equal(t, want, r.Value(s.at(hour)).String(), "at hour %d", hour)
}

// “fall from the highest flow-adjusted equity of this clock hour (UTC) and the 24
// before, what was in force when they began included: 25 numbers”
func TestRollingLossForgetsAfterTwentyFiveHours(t *testing.T) {
	r, s := rolling(t, "1000")
	require.Len(t, s.Hours.Highs, 25)
	r.Hour(s.at(2))
	s.perform("250") // 1,250 in hour 2
	r.Hour(s.at(3))
	s.perform("-250") // 1,250 was in force when hour 3 began
	s.loses(t, r, 3, "0.2")
	s.loses(t, r, 26, "0.2")
	s.loses(t, r, 27, "0.2")
	s.loses(t, r, 28, "0")
	r.Hour(s.at(27)) // to have been told in between changes nothing
	s.loses(t, r, 27, "0.2")
	s.loses(t, r, 28, "0")
	require.Equal(t, dec("1250"), r.From(s.at(27)))
	require.Equal(t, dec("1000"), r.From(s.at(28)))
	r.Hour(s.at(1_000_000)) // a year without a record is no loop
	require.Len(t, s.Hours.Highs, 25)
	s.loses(t, r, 1_000_000, "0")
}

// Hours are those of the clock in UTC, also before 1970 and in zones half an hour off.
func TestHoursAreClockHours(t *testing.T) {
	zone := time.FixedZone("half", 5*3600+1800)
	first := time.Date(1969, 12, 31, 23, 59, 59, 0, time.UTC)
	require.EqualValues(t, -1, hourOf(first))
	require.EqualValues(t, 0, hourOf(first.Add(time.Second)))
	require.EqualValues(t, 0, hourOf(first.Add(time.Hour).In(zone)))
	require.EqualValues(t, 1, hourOf(first.Add(time.Hour+time.Second).In(zone)))
}

// “(a reset with rebase makes all of them the equity now)”
func TestRebaseMakesAllHoursTheEquityNow(t *testing.T) {
	r, s := rolling(t, "1000")
	r.Hour(s.at(1))
	s.perform("-300")
	s.loses(t, r, 1, "0.3")
	r.Rebase(s.at(1))
	for _, high := range s.Hours.Highs {
		require.Equal(t, dec("700"), high)
	}
	s.loses(t, r, 1, "0")
}

// Flows are not performance: they scale each number, and one that empties the scope
// carries the ratio, which then leaves with its hours.
func TestFlowsKeepTheRollingLoss(t *testing.T) {
	r, s := rolling(t, "1000")
	r.Hour(s.at(1))
	s.perform("-300")
	s.flow("700").loses(t, r, 1, "0.3")
	s.flow("-1300").loses(t, r, 1, "0.3")
	s.flow("-100").loses(t, r, 1, "0.3") // nothing is left
	require.True(t, s.Dormant)
	s.loses(t, r, 25, "0.3")
	s.loses(t, r, 26, "0")
	r.Hour(s.at(10))
	s.flow("70").loses(t, r, 10, "0.3")
	s.loses(t, r, 25, "0.3")
	s.loses(t, r, 26, "0")
	require.Empty(t, s.Hours.Carried)
}

// “where the carried ratio is 1, the references become old reference + F”
func TestRollingLossOfADebt(t *testing.T) {
	r, s := rolling(t, "100")
	s.perform("-150").loses(t, r, 0, "1")
	s.flow("30").loses(t, r, 0, "1") // a part of the debt
	s.flow("120").loses(t, r, 0, "0.6")
	require.Equal(t, dec("250"), r.From(s.at(0)))
}

// Switched on while the scope sleeps, it has nothing to carry.
func TestRollingLossBegunAsleep(t *testing.T) {
	r := ruleOf(t, RollingLoss)
	s := (&scope{}).flow("100").perform("-20").flow("-80")
	r.On(s.at(0))
	s.loses(t, r, 0, "0")
	r.Hour(s.at(5))
	s.flow("50").loses(t, r, 5, "0")
	require.Equal(t, "0.2", s.Drawdown(s.equity).String())
	s.perform("-5").loses(t, r, 5, "0.1")
}

// Off, nothing is kept, and what is left of a trip can still be reset.
func TestRollingLossSwitchedOff(t *testing.T) {
	r, s := rolling(t, "100")
	r.Off(s.at(0))
	require.Nil(t, s.Hours)
	require.True(t, s.Hours.Complete())
	r.Hour(s.at(1))
	r.Rebase(s.at(1))
	s.perform("-50").loses(t, r, 1, "0")
	require.Equal(t, dec("50"), r.From(s.at(1)))
}

// A snapshot without one of the numbers is none.
func TestHoursAreComplete(t *testing.T) {
	_, s := rolling(t, "100")
	require.True(t, s.Hours.Complete())
	s.Hours.Carried = s.Hours.Highs[1:]
	require.False(t, s.Hours.Complete())
	s.Hours.Carried, s.Hours.Highs = nil, s.Hours.Highs[1:]
	require.False(t, s.Hours.Complete())
}
