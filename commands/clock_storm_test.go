package commands

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"pets/domain"
	"pets/domain/portfolio"
)

// grantedAt is when a permit was granted, on the monotonic clock.
type grantedAt map[string]time.Duration

// A storm of clocks: time passes, the wall clock is set back and forth by up to a year,
// servers restart, people accept the clock. In every case, facts and stops are never
// refused for the clock; nothing opens while the clock is behind; time never goes back in
// the stream; no permit that is not placed outlives its time on the monotonic clock while
// commands are decided; and no resting order loses its reservation early.
func TestStormOfClocks(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := newTwoClocks(t)
		m.opened("a")
		m.must(olga, fill("a", "first", "buy", "1000", "0.1"))
		granted, rests := grantedAt{}, restsUntil{}
		for range rapid.IntRange(5, 30).Draw(rt, "steps") {
			d := time.Duration(rapid.SampledFrom([]int64{1, 1e9, 3e9, 4e9, 29e9, 31e9, 3600e9, 86400e9, 365 * 86400e9}).Draw(rt, "by"))
			switch rapid.SampledFrom([]string{"pass", "pass", "back", "forth", "restart", "accept", "none"}).Draw(rt, "clock") {
			case "pass":
				m.pass(d)
			case "back":
				m.clock.add(-d)
			case "forth":
				m.clock.add(d)
			case "restart":
				m.restart()
				clear(rests) // a jump between two runs of a server is not noticed
			case "accept":
				m.accept(t)
			}
			m.storm(t, rt, granted, rests)
		}
		last := time.Time{}
		for _, rec := range m.records() {
			require.False(t, rec.Time.Before(last), "time goes back at revision %d", rec.Revision)
			last = rec.Time
		}
		m.check()
	})
}

// accept makes two people accept the clock, if it is behind.
func (m *twoClocks) accept(t *testing.T) {
	s := fold(t, m.store)
	a, err := m.do(olga, uuid.NewString(), RequestOverride{Kind: domain.OverrideClock, Reason: "go on"})
	if _, behind := s.ClockAt(m.clock.Now()); behind == 0 {
		requireCode(t, domain.CodeConflict, err)
		return
	}
	require.NoError(t, err)
	m.must(domain.Caller{User: "peter", Role: domain.RoleApprover}, ConfirmOverride{Override: a.ID})
	now, behind := fold(t, m.store).ClockAt(m.clock.Now())
	require.Zero(t, behind)
	require.Equal(t, s.Time, now)
}

// storm sends one command.
func (m *twoClocks) storm(t *testing.T, rt *rapid.T, granted grantedAt, rests restsUntil) {
	before := fold(t, m.store)
	_, behind := before.ClockAt(m.clock.Now())
	switch rapid.SampledFrom([]string{"fact", "stop", "start", "open", "close", "place"}).Draw(rt, "command") {
	case "fact":
		m.must(olga, deposit("1"))
	case "stop":
		m.must(olga, StopBot{Bot: "a"})
	case "start":
		_, err := m.do(olga, uuid.NewString(), StartBot{Bot: "a"})
		require.Equal(t, behind > 0, domain.CodeOf(err) == domain.CodeClock, "%v", err)
	case "open":
		a, err := m.do(botCaller("a"), uuid.NewString(), permit("a", "1"))
		require.Equal(t, behind > 0, domain.CodeOf(err) == domain.CodeClock, "%v", err)
		granted.note(a, m.elapsed.now())
	case "close":
		granted.note(m.must(botCaller("a"), sell("1")), m.elapsed.now())
	case "place":
		rest := rapid.SampledFrom([]time.Duration{time.Minute, 10 * time.Minute, 2 * time.Hour}).Draw(rt, "rests")
		expires := m.clock.Now().Add(rest)
		if unplaced := before.Unplaced(); len(unplaced) > 0 {
			id := unplaced[0]
			if _, err := m.do(botCaller("a"), uuid.NewString(), PlacePermit{Permit: id, ExpiresAt: &expires}); err != nil {
				requireCode(t, domain.CodeNotFound, err)
			} else {
				rests[id] = m.elapsed.now() + rest
			}
		}
	}
	after := fold(t, m.store)
	if after.Next > before.Next { // a command was decided
		granted.check(t, after, m.elapsed.now())
		rests.check(t, after, m.elapsed.now())
	}
}

// restsUntil is until when orders rest, on the monotonic clock.
type restsUntil map[string]time.Duration

// check: resting orders are reserved, but for clock steps that are too small to be
// noticed.
func (r restsUntil) check(t *testing.T, s *portfolio.State, elapsed time.Duration) {
	for id, until := range r {
		if p := s.Permits[id]; elapsed < until-portfolio.JumpTolerance {
			require.True(t, p != nil && p.Live(s.Time), "order %s rests for %s more", id, until-elapsed)
		}
	}
}

func (g grantedAt) note(a Answer, elapsed time.Duration) {
	if a.Permit != nil && a.Permit.Allowed {
		g[a.Permit.PermitID] = elapsed
	}
}

// check: live permits that are not placed were granted less than their time ago, but for
// clock steps that are too small to be noticed.
func (g grantedAt) check(t *testing.T, s *portfolio.State, elapsed time.Duration) {
	for id, p := range s.Permits {
		if at, ours := g[id]; ours && !p.Working && p.Live(s.Time) {
			require.Less(t, elapsed-at, 30*time.Second+portfolio.JumpTolerance, "permit %s", id)
		}
	}
}
