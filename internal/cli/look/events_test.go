package look_test

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/internal/cli"
	"pets/internal/cli/clitest"
	"pets/internal/pets/petstest"
)

// A folder and a server select the same events and refuse the same types.
func TestEventsByType(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "store")
	p := petstest.ServeFolder(t, folder)
	w := p.TwoPeople(folder)
	beside := "--store=embedded:" + folder
	w.Ok(w.Olga, "start", "alpha")
	w.Ok(w.Olga, "stop", "--emergency", "--reason", "smoke")
	for _, where := range [][]string{{}, {beside}} {
		for _, word := range []string{"emergency_stop", "engaged", "emergency_stop.engaged.v1"} {
			text := w.Ok(w.Olga, append(where, "events", "--type", word)...)
			require.Regexp(t, `(?m)^ +\d+  \S+ \S+  emergency_stop\.engaged\n        EMERGENCY STOP manual: smoke; stopped alpha; by olga\n$`, text)
		}
		require.NotEmpty(t, w.Ok(w.Olga, append(where, "events", "--type", "stop,started")...))
		none := p.Pets(folder, w.Olga, append(where, "events", "--type", "tripped")...)
		require.Equal(t, 0, none.Code)
		require.Empty(t, none.Out)
		require.Equal(t, "pets: no such events\n", none.Err)
		r := p.Pets(folder, w.Olga, append(where, "events", "--type", "breaker,breker")...)
		require.Equal(t, 2, r.Code)
		require.Empty(t, r.Out)
		require.Contains(t, r.Err, `pets: --type "breker" is not a type of event; there are:`)
		require.Regexp(t, `(?m)^pets:   breaker +warned, tripped, reset$`, r.Err)
		clitest.Fits(t, cli.UsualWidth, r.Err)
	}
}

// "a tripped state does not say what to do next", "state hides an open clear request and
// live orders": the commands it says are those that work, with the roles it names.
func TestStateSaysWhatToDoNext(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "store")
	p := petstest.ServeFolder(t, folder)
	w := p.TwoPeople(folder)
	beside := "--store=embedded:" + folder
	bot := w.Issue("--user", "alpha", "--role", "bot", "--bot", "alpha", "-p", "main")
	w.Ok(w.Olga, "start", "alpha")
	var permit struct {
		PermitID string `json:"permit_id"`
	}
	alpha := p.Client(bot).Portfolio("main")
	require.NoError(t, alpha.Post(t.Context(), "/permits", "ask", map[string]any{
		"bot": "alpha", "market": "m1", "outcome": "YES", "side": "buy", "quantity": "10", "limit_price": "0.4", "fee": "0",
	}, &permit))
	calm := w.Ok(w.Olga, "state")
	require.Regexp(t, `(?m)^`+permit.PermitID+` +alpha +m1/YES +buy +10 +10 +0\.4`, calm)
	require.NotContains(t, calm, "WHAT TO DO NEXT")
	require.Regexp(t, `(?m)^`+permit.PermitID+` +alpha`, w.Ok(bot, "state"), "a bot sees its own")
	require.NoError(t, alpha.Post(t.Context(), "/permits/"+permit.PermitID+"/placed", "place", struct{}{}, nil))

	w.Ok(w.Olga, "stop", "--emergency", "--reason", "smoke")
	stopped := w.Ok(w.Olga, "state")
	require.Regexp(t, `(?m)^`+permit.PermitID+` +alpha .* working `, stopped, "what rests at a venue stays there")
	require.Contains(t, stopped, `    pets clear --reason "…" -p main`)
	require.Contains(t, stopped, "may still be filled: a stop does not reach a venue")
	require.Contains(t, stopped, "    pets permit release "+permit.PermitID+" -p main\n")
	require.Contains(t, stopped, "    pets start alpha -p main\n")
	require.NotContains(t, w.Ok(w.Olga, "state", "--at", "4"), "WHAT TO DO NEXT", "nothing is done about the past")
	require.Contains(t, w.Ok(w.Olga, "breakers"), "    pets state -p main\n")

	request := regexp.MustCompile(`c\d+`).FindString(w.Ok(w.Olga, "clear", "--reason", "no fire"))
	asked := w.Ok(w.Olga, "state")
	require.Contains(t, asked, "olga asked to clear it ("+request+"): a second person has to confirm")
	require.Contains(t, asked, "    pets clear --confirm "+request+" -p main\n")
	require.NotContains(t, asked, "pets clear --reason")
	fromFolder := w.Ok(w.Olga, beside, "state")
	require.Contains(t, fromFolder, "    pets clear --confirm "+request)
	require.Equal(t, strings.Split(asked, "WHAT TO DO NEXT")[0], strings.Split(fromFolder, "WHAT TO DO NEXT")[0])
	clitest.Fits(t, 80, asked)

	w.Ok(w.Bob, "clear", "--confirm", request)
	require.Contains(t, w.Ok(w.Olga, "events", "--type", "cleared"), "emergency stop cleared ("+request+"): requested by olga, confirmed by bob")
	cleared := w.Ok(w.Olga, "state")
	require.NotContains(t, cleared, "pets clear")
	require.Contains(t, cleared, "    pets permit release "+permit.PermitID+" -p main\n", "it still rests")
	require.Contains(t, cleared, "    pets start alpha -p main\n", "nothing else is left to do")
	w.Ok(w.Olga, "start", "alpha")
	require.NotContains(t, w.Ok(w.Olga, "state"), "WHAT TO DO NEXT")
}
