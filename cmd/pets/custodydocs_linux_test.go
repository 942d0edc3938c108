package main

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
	"pets/internal/testenv"
)

// Every console block of docs/custody.md is typed into a shell on a real terminal, as it
// stands there, in order: server$ and offline$ are two machines, serve$ is the server's own
// terminal. Every command has to succeed. No word, and no key, is on a disk afterwards.
func TestCustodyPage(t *testing.T) {
	testenv.Need(t, "bash", "curl", "sed")
	page, err := os.ReadFile("../../docs/custody.md")
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
		noTraceOnDisk(t, d.dir, all, 0)
		noTraceOnDisk(t, d.offlineDir, all, 0)
		noTrace(t, "the log", []byte(d.server.errs.String()), all, 0)
	}
	require.Subset(t, d.walletEvents(), []string{
		"wallet.registered.v1", "key.created.v1", "wallet.recovery_tested.v1", "wallet.loaded.v1", "key.used.v1", "key.imported.v1",
	})
	_, err = os.Stat(filepath.Join(d.offlineDir, "x12.signed.json"))
	require.NoError(t, err)
}

var (
	machineLine = regexp.MustCompile(`^(server|offline|serve)\$ (.+)$`)
	readKey     = regexp.MustCompile(`^read -rs (\w+)`)
	walletNamed = regexp.MustCompile(`^pets wallet (?:create|recover) (\S+)`)
	readyAgain  = regexp.MustCompile(`<<(\d+)>>$`)
)

// desk is two machines, and the paper on which words are written down.
type desk struct {
	*custodial
	offlineDir string
	seats      map[string]*seat
	words      map[string][]string // by wallet
	secrets    []string            // API keys, in the order they were shown; the first is none
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	c := &custodial{shell: newShell(t)}
	c.chainOf(t)
	d := &desk{custodial: c, offlineDir: t.TempDir(), seats: map[string]*seat{}, words: map[string][]string{}, secrets: []string{""}}
	c.env = append(c.env, "PETS_LISTEN=127.0.0.1:0", "PETS_METRICS_LISTEN=off", "PETS_STORE=embedded:"+c.store())
	bin := t.TempDir()
	self, err := os.Executable()
	require.NoError(t, err)
	wrapper := fmt.Sprintf("#!/bin/sh\n%s=1 exec %s \"$@\"\n", asCommand, self)
	require.NoError(t, os.WriteFile(filepath.Join(bin, "pets"), []byte(wrapper), 0o700))
	base := []string{"PATH=" + bin + ":" + os.Getenv("PATH"), "TERM=xterm", "PS1=<<$?>>", "HOME=" + bin}
	d.seats["server"] = bashAt(t, d.dir, slices.Concat(base, c.env))
	d.seats["offline"] = bashAt(t, d.offlineDir, base)
	return d
}

// bashAt is a shell at a terminal.
func bashAt(t *testing.T, dir string, env []string) *seat {
	t.Helper()
	s := newSeat(t)
	require.NoError(t, unix.IoctlSetWinsize(int(s.slave.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 200}))
	c := exec.CommandContext(t.Context(), "bash", "--norc", "--noprofile", "--noediting", "-i")
	c.Dir, c.Env = dir, env
	c.Stdin, c.Stdout, c.Stderr = s.slave, s.slave, s.slave
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	require.NoError(t, c.Start())
	t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	s.waitFor("<<0>>")
	return s
}

func (d *desk) run(machine, line string) {
	d.t.Helper()
	if machine == "serve" {
		d.serve()
		return
	}
	s := d.seats[machine]
	line = d.filledIn(line)
	if name, missing := d.unknown(line); missing {
		d.t.Logf("%s is not built in here", name)
		return
	}
	if strings.Contains(line, "cold sign") {
		f := unsignedTransfer(d.t, accountOf(d.t, strings.Join(d.words["vault"], " "), 0))
		(&shell{t: d.t, dir: d.offlineDir}).carry("x12.cold.json", f)
	}
	wallet := "vault"
	if m := walletNamed.FindStringSubmatch(line); m != nil {
		wallet = m[1]
	}
	from := len(s.output())
	s.types(line + "\n")
	typed, _, _ := strings.Cut(line, "\n") // a second line may be typed unseen
	d.attend(s, from+len(typed), wallet, line)
	d.secrets = append(d.secrets, secretPattern.FindAllString(s.output()[from+len(typed):], -1)...)
}

// attend answers what a command asks until the shell is ready again.
func (d *desk) attend(s *seat, from int, wallet, line string) {
	d.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		screen := s.output()
		screen = screen[min(from, len(screen)):]
		require.True(d.t, time.Now().Before(deadline), "%s: %s", line, screen)
		switch asked := askedWord.FindStringSubmatch(screen); {
		case strings.HasSuffix(screen, "three are asked back: "):
			var words []string
			for range 24 {
				words = append(words, "")
			}
			for _, f := range shownWord.FindAllStringSubmatch(screen, -1) {
				words[atoi(d.t, f[1])-1] = f[2]
			}
			d.words[wallet] = words
			s.types("\r")
		case asked != nil:
			s.types(d.words[wallet][atoi(d.t, asked[1])-1] + "\r")
		case strings.HasSuffix(screen, "they are not shown: "):
			s.types(strings.Join(d.words[wallet], " ") + "\r")
		case strings.HasSuffix(screen, "characters: "):
			s.types(coldTo[len(coldTo)-4:] + "\r")
		case strings.HasSuffix(screen, "or nothing for none: "):
			s.types("\r")
		default:
			if m := readyAgain.FindStringSubmatch(screen); m != nil {
				require.Equal(d.t, "0", m[1], "%s: %s", line, screen)
				return
			}
			continue
		}
		from += len(screen) // what was asked is behind us
	}
}

// filledIn puts in what the page leaves to its reader.
func (d *desk) filledIn(line string) string {
	if m := readKey.FindStringSubmatch(line); m != nil { // what is pasted follows the line
		return line + "\n" + map[string]string{"PETS_KEY": adminKey, "BOB": d.secrets[len(d.secrets)-1]}[m[1]]
	}
	name, dots := strings.CutSuffix(line, "=…")
	if !dots {
		return line
	}
	value := map[string]func() string{
		"HOT":      func() string { return accountOf(d.t, strings.Join(d.words["trading"], " "), 0) },
		"COLD":     func() string { return accountOf(d.t, strings.Join(d.words["vault"], " "), 0) },
		"EXCHANGE": func() string { return coldTo },
	}[name]
	require.NotNil(d.t, value, line)
	if name == "COLD" { // it was carried over: both machines know it
		d.attendLine("offline", name+"="+value())
	}
	return name + "=" + value()
}

func (d *desk) attendLine(machine, line string) {
	s := d.seats[machine]
	from := len(s.output())
	s.types(line + "\n")
	d.attend(s, from+len(line), "", line)
}

// unknown reports a command that this build does not have: another branch brings it. What
// comes after still needs the wallet to be registered.
func (d *desk) unknown(line string) (string, bool) {
	if !strings.HasPrefix(line, "pets ") {
		return "", false
	}
	args := strings.Fields(line)[1:]
	c, _, err := (&app{}).root().Find(args)
	if err == nil && !c.HasSubCommands() {
		return "", false
	}
	if strings.Contains(line, "wallet register") {
		d.post("/wallets", commands.RegisterWallet{
			Wallet: args[2], Place: domain.WalletCold, Chain: "eip155:1337", Address: accountOf(d.t, strings.Join(d.words["vault"], " "), 0),
		})
	}
	return strings.Join(args[:min(2, len(args))], " "), true
}

// serve starts the server anew, with the .env that is there.
func (d *desk) serve() {
	d.t.Helper()
	t, ok := d.t.(*testing.T)
	require.True(d.t, ok)
	if d.server != nil {
		require.NoError(t, d.server.cmd.Process.Signal(os.Interrupt))
		_, _ = d.server.cmd.Process.Wait()
	}
	d.server = serveIn(t, d.dir, "127.0.0.1:0", d.store(), d.env...)
	d.attendLine("server", "export PETS_SERVER="+d.server.url)
}
