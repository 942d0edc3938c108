package operate_test

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/internal/pets/petstest"
)

// printed is the command that a text names, as a shell takes it apart.
func printed(t *testing.T, text, before, after string) []string {
	t.Helper()
	found := regexp.MustCompile(before + `pets ([^` + after + `]+)`).FindStringSubmatch(text)
	require.NotNil(t, found, text)
	out, err := exec.CommandContext(t.Context(), "sh", "-c", `printf '%s\n' `+found[1]).Output()
	require.NoError(t, err, found[1])
	return strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
}

// twoPortfolios is a folder with two portfolios that have the same bot.
func twoPortfolios(t *testing.T, folder string) *petstest.Process {
	t.Helper()
	p := petstest.ServeFolder(t, folder)
	for _, id := range []string{"main", "paper2"} {
		post := func(path string, body any) {
			require.NoError(t, p.Client(petstest.AdminKey).Send(t.Context(), http.MethodPost, "/v1/portfolios"+path, id+path, body, nil))
		}
		post("", map[string]any{"id": id, "mode": "paper"})
		post("/"+id+"/deposits", map[string]any{"wallet": "hot", "amount": "100"})
		post("/"+id+"/bots", map[string]any{"id": "beta", "capital": "50"})
		post("/"+id+"/bots/beta/start", struct{}{})
	}
	return p
}

// "Every command line that is printed as advice is built from what was typed": what is printed
// after a stop that failed stops what was to be stopped, and nothing else.
func TestTheAdviceAfterAFailedStopStopsWhatWasMeant(t *testing.T) {
	t.Parallel()
	made := filepath.Join(t.TempDir(), "store")
	p := twoPortfolios(t, made)
	require.NoError(t, p.Cmd.Process.Signal(os.Interrupt))
	require.NoError(t, p.Cmd.Wait())
	const emergency, bot = "emergency_stop.engaged", "bot.stopped"
	for name, c := range map[string]struct {
		env, args []string
		want      map[string]string // portfolio to what stops
	}{
		"a portfolio":      {args: []string{"stop", "--emergency", "-p", "paper2", "--reason", "odd 'fills'"}, want: map[string]string{"paper2": emergency}},
		"of the settings":  {env: []string{"PETS_PORTFOLIO=paper2"}, args: []string{"stop", "--emergency"}, want: map[string]string{"paper2": emergency}},
		"one bot":          {args: []string{"stop", "beta"}, want: map[string]string{"main": bot}},
		"a bot, elsewhere": {args: []string{"-p", "paper2", "--server", "http://127.0.0.1:1", "stop", "beta", "--reason", "-x"}, want: map[string]string{"paper2": bot}},
		"everything":       {args: []string{"stop", "--emergency", "--everywhere"}, want: map[string]string{"main": emergency, "paper2": emergency}},
	} {
		t.Run(name, func(t *testing.T) {
			folder := filepath.Join(t.TempDir(), "store")
			require.NoError(t, os.CopyFS(folder, os.DirFS(made)))
			s := &petstest.Shell{T: t, Dir: t.TempDir(), Ctx: t.Context(), Env: append([]string{"PETS_SERVER=http://127.0.0.1:1", "PETS_KEY=" + petstest.SomeKey}, c.env...)}
			r := s.Run(c.args...)
			require.Equal(t, 1, r.Code, r.Out)
			require.Contains(t, r.Err, "NOT stopped")
			typed := printed(t, r.Err, "sudo ", "`")
			for i := range typed {
				typed[i] = strings.Replace(typed[i], ":DIR", ":"+folder, 1)
			}
			there := &petstest.Shell{T: t, Dir: t.TempDir(), Ctx: t.Context(), Env: []string{"PETS_PORTFOLIO=main", "PETS_WITNESS=" + filepath.Join(t.TempDir(), "w")}}
			r = there.Run(typed...)
			require.Equal(t, 0, r.Code, "%q: %s", typed, r.Err)
			for _, id := range []string{"main", "paper2"} {
				for _, kind := range []string{emergency, bot} {
					out := there.Ok("events", "-p", id, "--store", "embedded:"+folder, "--type", kind, "--json")
					require.Equal(t, c.want[id] == kind, strings.Contains(out, kind), "%s of %s: %q: %s", kind, id, typed, out)
				}
			}
		})
	}
}

// "Printed commands name their portfolio": who confirms a clearing may have another one in the
// settings.
func TestTheConfirmationNamesItsPortfolio(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "store")
	p := twoPortfolios(t, folder)
	as := func(user, role, portfolio string) *petstest.Shell {
		s := &petstest.Shell{T: t, Dir: t.TempDir(), Ctx: t.Context(), Env: []string{"PETS_PORTFOLIO=" + portfolio, "PETS_SERVER=" + p.URL, "PETS_KEY=" + petstest.AdminKey}}
		var issued struct{ Secret string }
		petstest.ReadJSON(t, s.Ok("apikey", "issue", "--user", user, "--role", role, "--json"), &issued)
		s.Env[2] = "PETS_KEY=" + issued.Secret
		return s
	}
	ann, bob := as("ann", "operator", "paper2"), as("bob", "approver", "main")
	for _, id := range []string{"main", "paper2"} {
		ann.Ok("-p", id, "stop", "--emergency")
	}
	ann.Ok("-p", "main", "clear", "--reason", "x")
	out := ann.Ok("clear", "--reason", "x")
	state := ann.Ok("state")
	typed := printed(t, out, `confirms with(?: \(revision \d+\))?:\s+`, `(\n`)
	bob.Ok(typed...)
	require.Contains(t, state, "--confirm "+typed[2]+" -p paper2", "and so does the state")
	require.NotContains(t, ann.Ok("-p", "main", "events", "--type", "emergency_stop.cleared", "--json"), "emergency_stop.cleared")
	require.Contains(t, ann.Ok("events", "--type", "emergency_stop.cleared", "--json"), "emergency_stop.cleared")
}
