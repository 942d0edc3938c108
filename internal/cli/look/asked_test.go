package look_test

import (
	"os"
	"regexp"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/internal/cli"
	"pets/internal/pets/petstest"
)

var overrideID = regexp.MustCompile(`\bo\d+\b`)

// What replaced a request, and what was confirmed, does not wait for a second person any more:
// status lists what is still open, once.
func TestStatusListsOnlyOpenOverrides(t *testing.T) {
	t.Parallel()
	s, p := secondEdition(t)
	s.Ok("market", "add", "cup", "--outcomes", "A,B,C")
	asks := func(pairs ...string) string {
		return overrideID.FindString(s.Ok(append([]string{"override", "request", "payouts", "--reason", "the venue keeps the rest"}, pairs...)...))
	}
	lists := func() []string {
		var ids []string
		for _, m := range regexp.MustCompile(`pets override confirm (o\d+)`).FindAllStringSubmatch(s.Run("status").Out, -1) {
			ids = append(ids, m[1])
		}
		return ids
	}
	require.Empty(t, lists())
	replaced := asks("market=cup", "A=0.5", "B=0.4", "C=0")
	require.Equal(t, []string{replaced}, lists())
	cup, rain := asks("market=cup", "A=0.4", "B=0.4", "C=0"), asks("market=rain", "YES=0.5", "NO=0.4")
	require.Equal(t, []string{cup, rain}, lists())
	bob := petstest.SecretPattern.FindString(s.Ok("apikey", "issue", "--user", "bob", "--role", "approver"))
	r := p.Pets(s.Store(), bob, "override", "confirm", cup)
	require.Equal(t, 0, r.Code, r.Err)
	require.Equal(t, []string{rain}, lists())
}

// "A wall clock behind the last record by more than 2 s …; it refuses what opens … Two people may
// accept the clock": state says so, from a folder as from its server, until they have.
func TestStateSaysThatTheClockIsBehind(t *testing.T) {
	t.Parallel()
	s, p := secondEdition(t)
	s.SetEnv("COLUMNS", "250")
	require.NoError(t, p.Cmd.Process.Signal(os.Interrupt))
	require.NoError(t, p.Cmd.Wait())
	s.SetEnv("PETS_SERVER", "")
	var behind atomic.Int64
	wall := func() time.Time { return time.Now().Add(-time.Duration(behind.Load())) }
	looks := func() string {
		r := s.RunWith(func(a *cli.App) { a.Wall = wall }, "state")
		require.Equal(t, 0, r.Code, r.Err)
		return squeezed(r.Out)
	}
	const says = `CLOCK the wall clock is (1h0m0s|59m5\ds) behind the last record\. Starts, .* refused \(clock\) .* \(pets override request clock --reason "…" -p main\); what stops or reduces is taken`
	require.NotContains(t, looks(), "CLOCK")
	behind.Store(int64(time.Hour))
	require.Regexp(t, says, looks())
	require.NotContains(t, s.Ok("state", "--at", "5"), "CLOCK", "the past has no clock")
	s.SetEnv("PETS_SERVER", s.ServedBy(wall))
	require.Regexp(t, says, looks())
	id := overrideID.FindString(s.Ok("override", "request", "clock", "--reason", "it was an hour ahead"))
	bob := petstest.SecretPattern.FindString(s.Ok("apikey", "issue", "--user", "bob", "--role", "approver"))
	require.Regexp(t, says, looks(), "one person has asked")
	s.SetEnv("PETS_KEY", bob)
	s.Ok("override", "confirm", id)
	s.SetEnv("PETS_KEY", petstest.AdminKey)
	require.NotContains(t, looks(), "CLOCK")
}
