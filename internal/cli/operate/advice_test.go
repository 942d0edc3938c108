package operate_test

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

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
	require.Contains(t, bob.Run("clear", "--confirm", "c1", "-p", "paper2").Err, "is not the open request to clear the emergency stop: that is "+typed[2]+", of ann")
	bob.Ok(typed...)
	require.Contains(t, state, "--confirm "+typed[2]+" -p paper2", "and so does the state")
	require.NotContains(t, ann.Ok("-p", "main", "events", "--type", "emergency_stop.cleared", "--json"), "emergency_stop.cleared")
	require.Contains(t, ann.Ok("events", "--type", "emergency_stop.cleared", "--json"), "emergency_stop.cleared")
}

// "Every command that the command line prints names the portfolio that is meant": what status
// prints to one person is typed by another, whose settings name another portfolio, where a
// request has the same name.
func TestWhatStatusPrintsIsForOnePortfolio(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "store")
	p := twoPortfolios(t, folder)
	as := func(user, role, portfolio string) *petstest.Shell {
		s := &petstest.Shell{T: t, Dir: t.TempDir(), Ctx: t.Context(), Env: []string{"PETS_PORTFOLIO=" + portfolio, "PETS_SERVER=" + p.URL, "PETS_KEY=" + petstest.AdminKey}}
		var issued struct{ Secret string }
		petstest.ReadJSON(t, s.Ok("apikey", "issue", "--user", user, "--role", role, "--json"), &issued)
		s.Env[2] = "PETS_KEY=" + issued.Secret
		return s
	}
	ann, bob := as("ann", "operator", "main"), as("bob", "approver", "paper2")
	for _, id := range []string{"main", "paper2"} {
		ann.Ok("-p", id, "stop", "--emergency")
		ann.Ok("-p", id, "clear", "--reason", "x")
		ann.Ok("-p", id, "override", "request", "go_live", "--for", "real", "--reason", "x")
	}
	out := ann.Run("status").Out
	count := func(id, kind string) int {
		return strings.Count(ann.Ok("-p", id, "events", "--type", kind, "--json"), `"`+kind)
	}
	for command, kind := range map[string]string{"clear": "emergency_stop.cleared", "override": "override.recorded"} {
		found := regexp.MustCompile(`(?m)^ +pets (` + command + ` .* -p main)$`).FindStringSubmatch(out)
		require.NotNil(t, found, out)
		bob.Run(strings.Fields(found[1])...)
		require.Zero(t, count("paper2", kind), "nobody confirmed that")
		if command == "clear" {
			require.Equal(t, 1, count("main", kind))
		}
	}
	require.Len(t, regexp.MustCompile(`(?m)^ +pets .* -p (?:main|paper2)$`).FindAllString(out, -1), len(regexp.MustCompile(`(?m)^ +pets .*$`).FindAllString(out, -1)), out)
}

// "A portfolio that is not known is not guessed": where the setting that names it cannot be
// read, and where the key is for another one than the default.
func TestAStopThatFailedDoesNotGuessThePortfolio(t *testing.T) {
	s := petstest.New(t)
	s.Env = append(s.Env, "PETS_PORTFOLIO=not a name", "PETS_SERVER=http://127.0.0.1:1", "PETS_KEY="+petstest.SomeKey)
	r := s.Run("stop", "--emergency")
	require.Equal(t, 1, r.Code)
	require.Regexp(t, "Put its name in place of PORTFOLIO.*`sudo pets stop --emergency -p PORTFOLIO --store embedded:DIR`", r.Err)
	require.NotContains(t, r.Err, "-p main")
	require.Contains(t, s.Run("stop", "--emergency", "-p", "second").Err, "`sudo pets stop --emergency -p second --store embedded:DIR`")

	p := twoPortfolios(t, filepath.Join(t.TempDir(), "store"))
	admin := &petstest.Shell{T: t, Dir: t.TempDir(), Ctx: t.Context(), Env: []string{"PETS_SERVER=" + p.URL, "PETS_KEY=" + petstest.AdminKey}}
	var issued struct{ Secret string }
	petstest.ReadJSON(t, admin.Ok("apikey", "issue", "--user", "ann", "--role", "operator", "-p", "paper2", "--json"), &issued)
	ann := &petstest.Shell{T: t, Dir: t.TempDir(), Ctx: t.Context(), Env: []string{"PETS_SERVER=" + p.URL, "PETS_KEY=" + issued.Secret}}
	r = ann.Run("stop", "--emergency")
	require.Equal(t, 1, r.Code)
	require.Contains(t, r.Err, "NOT stopped: the key is for portfolio paper2, and this is main")
	ann.Ok(printed(t, r.Err, "which the key is for, `", "`")...)
	require.Contains(t, ann.Ok("-p", "paper2", "events", "--type", "emergency_stop", "--json"), "emergency_stop.engaged")
}

// "If it failed, the command prints `NOT stopped` and what to do next": also where what was
// named is not there, or was typed wrong.
func TestWhatIsNotThereSaysWhatIs(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "store")
	p := twoPortfolios(t, folder)
	for _, way := range []string{"http", "socket", "folder"} {
		env := []string{"PETS_STORE=embedded:" + folder}
		switch way {
		case "http":
			env = []string{"PETS_SERVER=" + p.URL, "PETS_KEY=" + petstest.AdminKey}
		case "folder":
			require.NoError(t, p.Cmd.Process.Signal(os.Interrupt))
			require.NoError(t, p.Cmd.Wait())
		}
		s := &petstest.Shell{T: t, Dir: t.TempDir(), Ctx: t.Context(), Env: env, Settle: time.Millisecond}
		for _, c := range []struct {
			args []string
			code int
			want []string
		}{
			{[]string{"stop", "gamma"}, 1, []string{"the portfolios are main, paper2", "`pets bot list -p main`", "`pets stop --emergency -p main`"}},
			{[]string{"stop", "paper2"}, 1, []string{"paper2 is a portfolio, which is stopped by `pets stop --emergency -p paper2`"}},
			{[]string{"stop", "all"}, 1, []string{"`pets stop --emergency --everywhere`"}},
			{[]string{"stop", "--emergency", "-p", "all"}, 1, []string{"main, paper2", "`pets stop --emergency --everywhere`"}},
			{[]string{"stop", "--emergency", "paper2"}, 2, []string{"`pets stop paper2 -p main`", "`pets stop --emergency -p paper2`"}},
			{[]string{"stop", "gamma", "-p", "nosuch"}, 1, []string{"there is no portfolio nosuch: the portfolios are main, paper2", "`pets stop gamma -p main`"}},
			{[]string{"stop", "--emergncy"}, 2, []string{"unknown flag"}},
			{[]string{"stop"}, 2, []string{"`pets stop --emergency -p main`"}},
		} {
			r := s.Run(c.args...)
			require.Equal(t, c.code, r.Code, "%s %v: %s", way, c.args, r.Err)
			require.Contains(t, r.Err, "NOT stopped", "%s %v", way, c.args)
			for _, want := range c.want {
				require.Contains(t, r.Err, want, "%s %v", way, c.args)
			}
		}
		for _, no := range []string{"Stop", "kill"} {
			require.Regexp(t, `pets has no such command: did you mean (fill or )?stop\?`, s.Run(no, "--emergency").Err, no)
		}
	}
}

// "A stop does not fail for its description": of a kind that there is not, it keeps the word.
func TestAStopDoesNotFailForItsKind(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "store")
	p := twoPortfolios(t, folder)
	require.NoError(t, p.Cmd.Process.Signal(os.Interrupt))
	require.NoError(t, p.Cmd.Wait())
	for said, kind := range map[string]string{"breach": "security_breach", "Security-Breach": "security_breach", "system": "system_error", "portfolio_drawdown": "manual", "": "manual"} {
		copied := filepath.Join(t.TempDir(), "store")
		require.NoError(t, os.CopyFS(copied, os.DirFS(folder)))
		s := &petstest.Shell{T: t, Dir: t.TempDir(), Ctx: t.Context(), Env: []string{"PETS_STORE=embedded:" + copied}}
		r := s.Run("stop", "--emergency", "-p", "main", "--kind", said)
		require.Equal(t, 0, r.Code, r.Err)
		var v struct {
			Stop struct{ Kind, Reason string } `json:"emergency_stop"`
		}
		petstest.ReadJSON(t, s.Ok("state", "-p", "main", "--json"), &v)
		require.Equal(t, kind, v.Stop.Kind, said)
		require.Equal(t, said != "" && said != "Security-Breach", strings.Contains(v.Stop.Reason, "(--kind "+said+")"), v.Stop.Reason)
	}
}
