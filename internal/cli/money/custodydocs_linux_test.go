package money_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"pets/commands"
	"pets/domain"
	"pets/internal/approverkey"
	"pets/internal/cli"
	"pets/internal/cli/money"
	"pets/internal/pets"
	"pets/internal/pets/petstest"
	"pets/internal/testenv"
)

// Every console block of docs/custody.md is typed into a shell on a real terminal, as it
// stands there, in order: server$ and offline$ are two machines, serve$ is the server's own
// terminal. Every command has to succeed. No word, and no key, is on a disk afterwards.
func TestCustodyPage(t *testing.T) {
	t.Parallel()
	testenv.Need(t, "bash", "curl", "sed")
	page, err := os.ReadFile("../../../docs/custody.md")
	require.NoError(t, err)
	d := newDesk(t)
	inside := false
	for line := range strings.Lines(string(page)) {
		line = strings.TrimSuffix(line, "\n")
		switch prompt := machineLine.FindStringSubmatch(line); {
		case strings.HasPrefix(line, "```"):
			inside = line == "```console"
		case inside:
			require.NotNil(t, prompt, "%q has no prompt", line)
			d.run(prompt[1], prompt[2])
		}
	}
	for wallet, words := range d.words {
		require.Len(t, words, 24, wallet)
		all := strings.Join(words, " ")
		petstest.NoTraceOnDisk(t, d.Dir, all, 0)
		petstest.NoTraceOnDisk(t, d.offlineDir, all, 0)
		petstest.NoTrace(t, "the log", []byte(d.server.Errs.String()), all, 0)
	}
	require.Subset(t, d.WalletEvents(), []string{
		"wallet.registered.v1", "key.created.v1", "wallet.recovery_tested.v1", "wallet.loaded.v1", "key.used.v1", "key.imported.v1",
	})
	_, err = os.Stat(filepath.Join(d.offlineDir, "x12.signed.json"))
	require.NoError(t, err)
}

var (
	machineLine = regexp.MustCompile(`^(server|offline|serve)\$ (.+)$`)
	readKey     = regexp.MustCompile(`^read -rs (\w+)`)
	walletNamed = regexp.MustCompile(`^pets wallet (?:create|recover) (\S+)`)
	// passphraseAsked matches the questions for the passphrase of an approver's key.
	passphraseAsked = regexp.MustCompile(`(?:\(it is not shown(?:; Ctrl-C signs nothing)?\)|passphrase again): $`)
	publicHalf      = regexp.MustCompile(`pets-approver-[\w-]{43}`)
	readyAgain      = regexp.MustCompile(`<<(\d+)>>$`)
)

// desk is two machines, and the paper on which the words are written.
type desk struct {
	*custodial
	offlineDir string
	home       string // of who sits at the server
	seats      map[string]*petstest.Seat
	words      map[string][]string // words by wallet
	secrets    []string            // API keys, in the order they were shown; the first is none
}

// signedByBob returns the transfer with an approval by the key that bob has made on the page.
func (d *desk) signedByBob(f money.ColdUnsigned) money.ColdUnsigned {
	f.Version = money.ColdSignedVersion
	f.Approvals = []money.ColdApproval{approvalOf(d.T, &f, "bob")}
	key, err := approverkey.Open(filepath.Join(d.home, ".config", "pets", "approver.key"))
	require.NoError(d.T, err)
	f.Approvals[0].Signature, err = key.Sign(f.Approvals[0].Subject, []byte(petstest.Passphrase))
	require.NoError(d.T, err)
	return f
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	c := &custodial{Shell: petstest.New(t), symbol: "pUSD"}
	c.chainOf(t)
	d := &desk{custodial: c, offlineDir: t.TempDir(), seats: map[string]*petstest.Seat{}, words: map[string][]string{}, secrets: []string{""}}
	c.Env = append(c.Env, "PETS_LISTEN=127.0.0.1:0", "PETS_METRICS_LISTEN=off", "PETS_STORE=embedded:"+c.Store())
	bin := t.TempDir()
	d.home = bin
	self, err := os.Executable()
	require.NoError(t, err)
	wrapper := fmt.Sprintf("#!/bin/sh\n%s=1 exec %s \"$@\"\n", petstest.AsCommand, self)
	require.NoError(t, os.WriteFile(filepath.Join(bin, "pets"), []byte(wrapper), 0o700))
	base := []string{"PATH=" + bin + ":" + os.Getenv("PATH"), petstest.EndsAtOnce, "TERM=xterm", "PS1=<<$?>>", "HOME=" + bin}
	d.seats["server"] = bashAt(t, d.Dir, slices.Concat(base, c.Env))
	d.seats["offline"] = bashAt(t, d.offlineDir, base)
	return d
}

// bashAt starts a shell at a terminal.
func bashAt(t *testing.T, dir string, env []string) *petstest.Seat {
	t.Helper()
	s := petstest.NewSeat(t)
	require.NoError(t, unix.IoctlSetWinsize(int(s.Slave.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 200}))
	c := exec.CommandContext(t.Context(), "bash", "--norc", "--noprofile", "--noediting", "-i")
	c.Dir, c.Env = dir, env
	c.Stdin, c.Stdout, c.Stderr = s.Slave, s.Slave, s.Slave
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	require.NoError(t, c.Start())
	t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	s.WaitFor("<<0>>")
	return s
}

func (d *desk) run(machine, line string) {
	d.T.Helper()
	if machine == "serve" {
		d.serve()
		return
	}
	s := d.seats[machine]
	line = d.filledIn(line)
	if name, missing := d.unknown(line); missing {
		d.T.Logf("%s is not built in here", name)
		return
	}
	if strings.Contains(line, "cold sign") {
		f := unsignedTransfer(d.T, petstest.AccountOf(d.T, strings.Join(d.words["vault"], " "), 0))
		if strings.Contains(line, "--approvers") {
			f = d.signedByBob(f)
		}
		(&petstest.Shell{T: d.T, Dir: d.offlineDir}).Carry("x12.cold.json", f)
	}
	wallet := "vault"
	if m := walletNamed.FindStringSubmatch(line); m != nil {
		wallet = m[1]
	}
	from := len(s.Output())
	s.Types(line + "\n")
	typed, _, _ := strings.Cut(line, "\n") // a second line may be typed unseen
	d.attend(s, from+len(typed), wallet, line)
	d.secrets = append(d.secrets, petstest.SecretPattern.FindAllString(s.Output()[from+len(typed):], -1)...)
}

// attend answers a command's questions until the shell is ready again.
func (d *desk) attend(s *petstest.Seat, from int, wallet, line string) {
	d.T.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		screen := s.Output()
		screen = screen[min(from, len(screen)):]
		require.True(d.T, time.Now().Before(deadline), "%s: %s", line, screen)
		switch asked := petstest.AskedWord.FindStringSubmatch(screen); {
		case strings.HasSuffix(screen, "three are asked back: "):
			var words []string
			for range 24 {
				words = append(words, "")
			}
			for _, f := range petstest.ShownWord.FindAllStringSubmatch(screen, -1) {
				words[petstest.Atoi(d.T, f[1])-1] = f[2]
			}
			d.words[wallet] = words
			s.Types("\r")
		case asked != nil:
			s.Types(d.words[wallet][petstest.Atoi(d.T, asked[1])-1] + "\r")
		case strings.HasSuffix(screen, "they are not shown: "):
			s.Types(strings.Join(d.words[wallet], " ") + "\r")
		case strings.HasSuffix(screen, "first 8 digits, without 0x: "):
			s.Types(coldTo[2:10] + "\r")
		case strings.HasSuffix(screen, "last 8 digits, without 0x: "):
			s.Types(coldTo[len(coldTo)-8:] + "\r")
		case passphraseAsked.MatchString(screen):
			s.Types(petstest.Passphrase + "\r")
		case strings.HasSuffix(screen, "or nothing for none: "):
			s.Types("\r")
		default:
			if m := readyAgain.FindStringSubmatch(screen); m != nil {
				require.Equal(d.T, "0", m[1], "%s: %s", line, screen)
				return
			}
			continue
		}
		from += len(screen) // skip the questions that were answered
	}
}

// filledIn fills in what the page leaves to its reader.
func (d *desk) filledIn(line string) string {
	if m := readKey.FindStringSubmatch(line); m != nil { // what is pasted follows the line
		return line + "\n" + map[string]string{"PETS_KEY": petstest.AdminKey, "BOB": d.secrets[len(d.secrets)-1]}[m[1]]
	}
	name, dots := strings.CutSuffix(line, "=…")
	if !dots {
		return line
	}
	value := map[string]func() string{
		"HOT":      func() string { return petstest.AccountOf(d.T, strings.Join(d.words["trading"], " "), 0) },
		"COLD":     func() string { return petstest.AccountOf(d.T, strings.Join(d.words["vault"], " "), 0) },
		"EXCHANGE": func() string { return coldTo },
		"PUBLIC":   func() string { return d.lastOf(publicHalf) },
	}[name]
	require.NotNil(d.T, value, line)
	if name != "HOT" { // carried over, so both machines know it
		d.attendLine("offline", name+"="+value())
	}
	return name + "=" + value()
}

// lastOf is what the server's screen showed last of a kind.
func (d *desk) lastOf(what *regexp.Regexp) string {
	all := what.FindAllString(d.seats["server"].Output(), -1)
	require.NotEmpty(d.T, all)
	return all[len(all)-1]
}

func (d *desk) attendLine(machine, line string) {
	s := d.seats[machine]
	from := len(s.Output())
	s.Types(line + "\n")
	d.attend(s, from+len(line), "", line)
}

// unknown reports a command that this build does not have. What follows on the page still needs
// the wallet to be registered.
func (d *desk) unknown(line string) (string, bool) {
	if !strings.HasPrefix(line, "pets ") {
		return "", false
	}
	args := strings.Fields(line)[1:]
	c, _, err := pets.Root((&cli.App{})).Find(args)
	if err == nil && !c.HasSubCommands() {
		return "", false
	}
	if strings.Contains(line, "wallet register") {
		d.post("/wallets", commands.RegisterWallet{
			Wallet: args[2], Place: domain.WalletCold, Chain: "eip155:1337", Address: petstest.AccountOf(d.T, strings.Join(d.words["vault"], " "), 0),
		})
	}
	return strings.Join(args[:min(2, len(args))], " "), true
}

// serve restarts the server with the current .env.
func (d *desk) serve() {
	d.T.Helper()
	t, ok := d.T.(*testing.T)
	require.True(d.T, ok)
	if d.server != nil {
		require.NoError(t, d.server.Cmd.Process.Signal(os.Interrupt))
		_, _ = d.server.Cmd.Process.Wait()
	}
	d.server = petstest.ServeIn(t, d.Dir, "127.0.0.1:0", d.Store(), d.Env...)
	d.attendLine("server", "export PETS_SERVER="+d.server.URL)
}
