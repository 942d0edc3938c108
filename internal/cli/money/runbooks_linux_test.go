package money_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain/approval/approvaltest"
	"pets/domain/treasury"
	"pets/internal/chain/chaintest"
	"pets/internal/cli"
	"pets/internal/cli/clitest"
	"pets/internal/pets/petstest"
	"pets/internal/testenv"
)

// Every console block of the runbooks is run, in order, by the person whose prompt it
// has, against a server and a chain, and answers what the page says. What a page cannot
// show is in comments: <!-- run: confirmed x9 -->. "The breach runbook is tested from a
// folder without a store": everybody sits in an empty folder, with PETS_SERVER and PETS_KEY.
func TestRunbooks(t *testing.T) {
	t.Parallel()
	root, err := filepath.Abs("../../..")
	require.NoError(t, err)
	for _, name := range []string{"docs/runbooks/transfers.md", "docs/runbooks/security-breach.md", "docs/runbooks/leaked-cold-words.md"} {
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			page, err := os.ReadFile(filepath.Join(root, name))
			require.NoError(t, err)
			b := &runbook{moneyWorld: newMoneyWorld(t).opened()}
			b.away = t.TempDir()
			if strings.Contains(string(page), "--registry registry.json") { // brought to the machine of the cold wallet
				facts, err := os.ReadFile(b.registry)
				require.NoError(t, err)
				require.NoError(t, os.WriteFile(filepath.Join(b.away, "registry.json"), facts, 0o600))
			}
			if strings.Contains(string(page), "--approvers approvers.txt") { // written there by hand
				require.NoError(t, os.WriteFile(filepath.Join(b.away, "approvers.txt"), []byte("bob "+approvaltest.Public("bob")+"\n"), 0o600))
			}
			got := b.run(string(page))
			require.False(t, b.fails, "nothing failed after the last <!-- run: one fails -->")
			b.releaseChain()
			b.leavesNothing()
			if *petstest.Rewrite {
				require.NoError(t, os.WriteFile(filepath.Join(root, name), []byte(got), 0o600))
				return
			}
			require.Equal(t, string(page), got, "go test ./internal/cli/money -run Runbooks -rewrite writes what is now")
		})
	}
}

// runbook is a page that is being run.
type runbook struct {
	*moneyWorld
	held chan struct{} // while approvals are given, what the server asks the chain waits for it
	// fails: one command of what follows is shown to be refused. Any other that fails fails the test.
	fails bool
}

var (
	promptLine = regexp.MustCompile(`^([a-z]+)\$ (.+)$`)
	stepLine   = regexp.MustCompile(`^<!-- run: (.+) -->$`)
)

func (b *runbook) run(page string) string {
	b.t.Helper()
	var out []string
	inside, pending, who := false, "", ""
	for _, line := range strings.Split(page, "\n") {
		switch prompt := promptLine.FindStringSubmatch(line); {
		case line == "```console":
			inside = true
		case line == "```" && inside:
			inside = false
		case !inside:
			if step := stepLine.FindStringSubmatch(line); step != nil {
				b.step(strings.Fields(step[1]))
			}
		case prompt != nil:
			who, pending = prompt[1], prompt[2]
		case pending != "": // the rest of a long command
			pending = strings.TrimSuffix(pending, `\`) + strings.TrimSpace(line)
		default: // the answer of an earlier run
			continue
		}
		out = append(out, line)
		if inside && pending != "" && !strings.HasSuffix(pending, `\`) {
			out = append(out, b.answer(who, pending)...)
			pending = ""
		}
	}
	return strings.Join(out, "\n")
}

// answer runs one command of a page.
func (b *runbook) answer(who, command string) []string {
	b.t.Helper()
	if who == "carol" {
		b.carol()
	}
	began := time.Now()
	words := splitWords(b.t, command)
	if slices.ContainsFunc(words, func(w string) bool { return w == "approve" || w == "raise" || w == "cancel" }) {
		b.holdChain()
	} else {
		b.releaseChain()
	}
	var text string
	code := 0
	switch {
	case who == "vault": // the machine of the cold wallet, at a terminal
		offline := &petstest.Shell{T: b.t, Dir: b.away, Env: []string{"COLUMNS=900"}}
		args := slices.Clone(words[1:])
		for i, arg := range args { // this process is in another folder than that machine's person
			if strings.Contains(arg, ".") {
				args[i] = filepath.Join(b.away, arg)
			}
		}
		seat := offline.SitWith(b.t.Context(), func(a *cli.App) { a.Wall = b.wall }, args...)
		text = strings.NewReplacer("\r", "", b.away+"/", "").Replace(b.typesWords(seat, args[2]))
	case words[0] == "pets" && words[1] == "cold" && words[2] != "evacuate": // it names its files as they lie in the person's folder
		r := b.petsApart(who, words[1:]...)
		text = b.actedOn(r.Err) + r.Out + petstest.Besides(r.Err)
	case words[0] == "pets":
		r := b.petsAsked(who, func(screen io.Writer, question string) (bool, bool) {
			_, _ = fmt.Fprintln(screen, question+" [y/N] y")
			return true, true
		}, words[1:]...)
		code = r.Code
		text = b.actedOn(r.Err) + r.Out + petstest.Besides(r.Err)
		if said, signs, found := strings.Cut(r.Err, "You sign, "); found { // what is read before it is signed
			before, after, asked := strings.Cut(r.Out, "[y/N] y\n")
			if asked {
				before += "[y/N] y\n"
			} else {
				before, after = "", r.Out
			}
			text = b.actedOn(said) + before + "You sign, " + signs + after
		}
		b.newKey(words, text)
	default:
		text = b.shell(who, command)
	}
	if code != 0 {
		require.True(b.t, b.fails, "%s: exit code %d, and no <!-- run: one fails --> stands before it:\n%s", command, code, text)
		b.fails = false
	}
	clitest.WholeCommands(b.t, text)
	b.t.Logf("%s for %s", time.Since(began).Round(time.Millisecond), command)
	return b.masked(text)
}

// petsApart runs the command line in a process of its own, in the person's folder.
func (b *runbook) petsApart(who string, args ...string) petstest.Ran {
	b.t.Helper()
	b.minutes(1)
	dir, environ := b.seat(who)
	var out, errs strings.Builder
	c := (&petstest.Shell{T: b.t, Dir: dir, Ctx: b.t.Context(), Env: environ}).Process(args...)
	c.Stdout, c.Stderr = &out, &errs
	require.NoError(b.t, c.Run(), &errs)
	return petstest.Ran{Out: out.String(), Err: errs.String()}
}

// holdChain keeps the server from taking what was approved further until the chain is released:
// its steps are revisions too, and would come before a second approval or after it, as fast as
// the machine is.
func (b *runbook) holdChain() {
	if b.held != nil {
		return
	}
	held := make(chan struct{})
	b.held = held
	b.proxy.Set(func(_ http.ResponseWriter, r chaintest.Request) bool {
		select {
		case <-held:
		case <-r.HTTP.Context().Done():
		}
		return false
	})
}

func (b *runbook) releaseChain() {
	if b.held == nil {
		return
	}
	b.proxy.Set(nil)
	close(b.held)
	b.held = nil
}

// actedOn is what a command says of its target, as a page shows it: the address of a test
// is another one each time.
func (b *runbook) actedOn(said string) string {
	lines := slices.DeleteFunc(petstest.ActingLine.FindAllString(said, -1), func(line string) bool {
		return strings.HasPrefix(line, "pets: waiting for ") // the machine is busy
	})
	return strings.ReplaceAll(strings.Join(lines, ""), b.url, "https://pets.example:7433")
}

// leavesNothing checks that the people's folders are empty but for the files that a cold wallet signs.
func (b *runbook) leavesNothing() {
	entries, err := os.ReadDir(b.away)
	require.NoError(b.t, err)
	for _, e := range entries {
		require.Regexp(b.t, `^(approvers\.txt|(registry|x\d+(\.cancel)?\.(cold|signed))\.json)$`, e.Name())
	}
}

// shell runs a command that is not pets.
func (b *runbook) shell(who, command string) string {
	testenv.Need(b.t, "bash", "curl")
	require.Contains(b.t, b.keys, who, "whose prompt is this?")
	b.minutes(1)
	c := exec.Command("bash", "-c", `uuid() { cat /proc/sys/kernel/random/uuid 2>/dev/null || uuidgen; }; `+command)
	c.Env = append(os.Environ(), "PETS_SERVER="+b.url, "PETS_KEY="+b.keys[who])
	text, err := c.CombinedOutput()
	require.NoError(b.t, err, string(text))
	return string(text)
}

// newKey makes a person use a key from when it was issued on.
func (b *runbook) newKey(words []string, text string) {
	secret := petstest.SecretPattern.FindString(text)
	for i, word := range words {
		if word == "--user" && secret != "" {
			b.keys[words[i+1]] = secret
		}
	}
}

// blockTime matches the chain's own time, which the test does not control.
var blockTime = regexp.MustCompile(`(block \d+ of )\d{4}-\d\d-\d\d \d\d:\d\d:\d\d`)

// ledgerID matches the id of a ledger, which is another one each time.
var ledgerID = regexp.MustCompile(`ledger-[0-9a-f]{32}`)

func (b *runbook) masked(text string) []string {
	text = blockTime.ReplaceAllString(text, "${1}"+cli.Clock(b.wall()))
	text = ledgerID.ReplaceAllString(text, "ledger-9f86d081884c7d659a2feaa0c55ad015")
	for _, m := range petstest.Masks[:2] {
		text = m.Pattern.ReplaceAllString(text, m.With)
	}
	lines := strings.Split(strings.Trim(text, "\n"), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return lines
}

// step does what happens outside of the pages: blocks, time, other machines, other people.
func (b *runbook) step(words []string) {
	b.t.Helper()
	began := time.Now()
	b.releaseChain()
	switch words[0] {
	case "confirmed": // mine blocks until the transfer is final
		b.confirmed(words[1])
	case "one":
		b.fails = true
	case "prepared":
		b.until(words[1], string(treasury.Prepared))
	case "offers": // wait until the latest transaction has another highest fee, in wei
		b.eventually(words[1], func(a attemptJSON) bool {
			return strings.Contains(string(a.Transaction), `"highest_fee":"`+words[2]+`"`)
		})
	case "cancelling": // wait until the transaction that cancels it is prepared
		b.eventually(words[1], func(a attemptJSON) bool { return a.Cancel })
	case "cancelled": // mine blocks until it is final
		b.mined(b.until(words[1], string(treasury.Broadcast)))
		b.until(words[1], string(treasury.Failed))
	case "day": // it is the same time on the next day
		b.mu.Lock()
		b.now = b.now.Add(24 * time.Hour)
		b.mu.Unlock()
	case "proposed": // wait for the server's proposal
		require.Equal(b.t, words[1], b.proposed())
	case "arrives": // send tokens to the hot wallet
		usd, err := strconv.ParseInt(words[1], 10, 64)
		require.NoError(b.t, err)
		b.fund(b.hot, usd, 0)
	default:
		require.Fail(b.t, "no such step", words)
	}
	b.t.Logf("%s for %v", time.Since(began).Round(time.Millisecond), words)
}

// eventually waits until the latest transaction of a transfer is as wanted.
func (b *runbook) eventually(id string, wanted func(attemptJSON) bool) {
	b.t.Helper()
	require.Eventually(b.t, func() bool {
		var list struct{ Transfers []transferJSON }
		b.get("/transfers", &list)
		i := slices.IndexFunc(list.Transfers, func(t transferJSON) bool { return t.Transfer == id })
		return i >= 0 && len(list.Transfers[i].Attempts) > 0 && wanted(list.Transfers[i].Attempts[len(list.Transfers[i].Attempts)-1])
	}, 20*time.Second, 20*time.Millisecond, "%s: %s", id, b.log)
}

// splitWords splits a command as a shell does, with double quotes only.
func splitWords(t *testing.T, command string) []string {
	t.Helper()
	var words []string
	for i, part := range strings.Split(command, `"`) {
		if i%2 == 1 {
			words = append(words, part)
			continue
		}
		words = append(words, strings.Fields(part)...)
	}
	require.NotEmpty(t, words)
	return words
}
