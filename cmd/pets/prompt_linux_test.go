package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/btcsuite/btcd/btcutil/hdkeychain"
	"github.com/btcsuite/btcd/chaincfg"
	"github.com/stretchr/testify/require"
	"github.com/tyler-smith/go-bip39"
	"golang.org/x/sys/unix"

	"pets/internal/testenv"
	"pets/internal/vault"
)

// seat is a real pseudoterminal and the command line at it, in process.
type seat struct {
	t      *testing.T
	master *os.File
	slave  *os.File
	ended  chan int

	mu   sync.Mutex
	seen bytes.Buffer
	read int // up to where waitFor has looked
}

// newSeat opens a pseudoterminal.
func newSeat(t *testing.T) *seat {
	t.Helper()
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		testenv.Lacks(t, "no pseudoterminal can be opened")
	}
	require.NoError(t, unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	require.NoError(t, err)
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	require.NoError(t, err)
	s := &seat{t: t, master: os.NewFile(uintptr(fd), "ptmx"), slave: slave, ended: make(chan int, 1)}
	go func() {
		var b [4096]byte
		for {
			n, err := s.master.Read(b[:])
			s.mu.Lock()
			s.seen.Write(b[:n])
			s.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() { _ = s.slave.Close(); _ = s.master.Close() })
	return s
}

// sit runs a command at a terminal.
func (s *shell) sit(args ...string) *seat {
	s.t.Helper()
	t, ok := s.t.(*testing.T)
	require.True(s.t, ok)
	return s.sitWith(t.Context(), nil, args...)
}

func (s *shell) sitWith(ctx context.Context, change func(*app), args ...string) *seat {
	s.t.Helper()
	t, ok := s.t.(*testing.T)
	require.True(s.t, ok)
	seat := newSeat(t)
	a := &app{in: seat.slave, out: seat.slave, err: seat.slave, environ: s.env, dir: s.dir, patience: 200 * time.Millisecond}
	if change != nil {
		change(a)
	}
	go func() { seat.ended <- a.run(ctx, args) }()
	return seat
}

func (s *seat) output() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen.String()
}

// waitFor waits until a text stands on the terminal after the one before.
func (s *seat) waitFor(text string) *seat {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		rest := s.output()[s.read:]
		at := strings.Index(rest, text)
		if at >= 0 {
			s.read += at + len(text)
		}
		return at >= 0
	}, 10*time.Second, time.Millisecond, "%q is not in %q", text, lastOf(s))
	return s
}

// lastOf is printed late, when a test fails.
type lastOfSeat struct{ s *seat }

func lastOf(s *seat) lastOfSeat { return lastOfSeat{s} }

func (l lastOfSeat) String() string { return l.s.output() }

func (l lastOfSeat) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(l.s.output())) }

// types presses keys, as a person would; \r is Enter.
func (s *seat) types(keys string) *seat {
	s.t.Helper()
	_, err := s.master.WriteString(keys)
	require.NoError(s.t, err)
	return s
}

// ends waits for the command, and returns all that stood on the terminal.
func (s *seat) ends(code int) string {
	s.t.Helper()
	select {
	case got := <-s.ended:
		s.drain()
		require.Equal(s.t, code, got, s.output())
	case <-time.After(15 * time.Second):
		s.t.Fatal("it does not end: " + s.output())
	}
	echo, err := unix.IoctlGetTermios(int(s.slave.Fd()), unix.TCGETS)
	require.NoError(s.t, err)
	require.NotZero(s.t, echo.Lflag&unix.ECHO, "the terminal is put back")
	return s.output()
}

// drain waits for the last bytes to come through the terminal: they are there when what is
// written after them is.
func (s *seat) drain() {
	s.t.Helper()
	const mark = "\x00drained\x00"
	_, err := s.slave.WriteString(mark)
	require.NoError(s.t, err)
	require.Eventually(s.t, func() bool { return strings.HasSuffix(s.output(), mark) }, 10*time.Second, time.Millisecond)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen.Truncate(s.seen.Len() - len(mark))
}

// Words that nobody has money on: a vector of BIP-39, and the account of it.
const (
	testWords   = "legal winner thank year wave sausage worth useful legal winner thank year wave sausage worth useful legal winner thank year wave sausage worth title"
	otherWords  = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon art"
	otherFirst  = "0xF278cF59F82eDcf871d630F28EcC8056f25C1cdb"
	twelveWords = "test test test test test test test test test test test junk"
	twelveFirst = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
)

// accountOf derives an address with the product's own code; secretOf its private key with
// other people's, to look for it.
func accountOf(t testing.TB, words string, index uint32) string {
	t.Helper()
	m, err := vault.RecoverMnemonic([]byte(words))
	require.NoError(t, err)
	defer m.Wipe()
	address, err := addressAt(m, index)
	require.NoError(t, err)
	return address.String()
}

func secretOf(t testing.TB, words string, index uint32) []byte {
	t.Helper()
	k, err := hdkeychain.NewMaster(bip39.NewSeed(words, ""), &chaincfg.MainNetParams)
	require.NoError(t, err)
	for _, i := range []uint32{44 | 1<<31, 60 | 1<<31, 1 << 31, 0, index} {
		k, err = k.Derive(i)
		require.NoError(t, err)
	}
	private, err := k.ECPrivKey()
	require.NoError(t, err)
	return private.Serialize()
}

// noTrace says that neither a key nor words are in a text, in any way they could be
// written.
func noTrace(t testing.TB, where string, text []byte, words string, index uint32) {
	t.Helper()
	secret := secretOf(t, words, index)
	all := strings.Fields(words)
	forms := map[string]string{
		"raw": string(secret), "hex": hex.EncodeToString(secret), "HEX": strings.ToUpper(hex.EncodeToString(secret)),
		"base64": base64.RawStdEncoding.EncodeToString(secret)[:40], "URL": base64.RawURLEncoding.EncodeToString(secret)[:40],
		"decimal": strings.Trim(fmt.Sprintf("%d", secret), "[]"), "seed": string(bip39.NewSeed(words, "")[:32]),
	}
	for i := 1; i < len(all); i++ {
		for _, between := range []string{" ", "\n", ",", "\x00", "\", \""} {
			forms[fmt.Sprintf("words %d, %q", i, between)] = all[i-1] + between + all[i]
		}
	}
	for form, needle := range forms {
		require.False(t, bytes.Contains(text, []byte(needle)), "%s has the %s", where, form)
	}
}

// noTraceOnDisk looks through everything in a folder.
func noTraceOnDisk(t testing.TB, dir, words string, index uint32) {
	t.Helper()
	files := 0
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		files++
		text, err := os.ReadFile(path)
		noTrace(t, path, text, words, index)
		return err
	}))
	require.NotZero(t, files)
}

// notEchoed says that no word of some stood on a terminal.
func notEchoed(t testing.TB, output, words string) {
	t.Helper()
	for _, w := range strings.Fields(words) {
		require.False(t, regexp.MustCompile(`\b`+w+`\b`).MatchString(output), "%q in %q", w, output)
	}
}

// "typed, no echo": in one line or several, with corrections; nothing of it is shown, and
// what is wrong is said by position.
func TestWordsAreTypedUnseen(t *testing.T) {
	s := newSeat(t)
	p := &prompter{in: s.slave, out: s.slave}
	ask := func(words int) chan error {
		got := make(chan error, 1)
		go func() {
			m, err := p.mnemonic(t.Context(), words)
			if err == nil {
				address, e := addressAt(m, 0)
				err = e
				if want := accountOf(t, map[int]string{24: testWords, 12: twelveWords}[words], 0); address.String() != want {
					err = fmt.Errorf("%s, not %s", address, want)
				}
			}
			got <- err
		}()
		s.waitFor("they are not shown: ")
		return got
	}
	got := ask(24)
	s.types(testWords + "\r")
	require.NoError(t, <-got)

	half := strings.Fields(testWords)
	got = ask(24)
	s.types(strings.Join(half[:10], " ") + "\r").waitFor("10 of 24 words, go on")
	s.types("sausage\x15" + strings.ToUpper(strings.Join(half[10:20], "\t")) + " \r").waitFor("20 of 24 words, go on")
	s.types("zooo\x7f\x7f\x7f\x08" + strings.Join(half[20:], "  ") + "\r")
	require.NoError(t, <-got)

	got = ask(12)
	s.types(strings.Replace(twelveWords, "junk", "jumk", 1) + "\r").waitFor("word 12 is not in the English BIP-39 list").waitFor("Try again").waitFor("not shown: ")
	s.types(strings.Replace(twelveWords, "junk", "test", 1) + "\r").waitFor("checksum").waitFor("not shown: ")
	s.types("test test\r\r").waitFor("of 12 words") // an empty line ends
	require.ErrorContains(t, <-got, "has 2 words")

	got = ask(24)
	s.types("legal \x03")
	require.ErrorIs(t, <-got, errInterrupted)
	got = ask(24)
	s.types(strings.Repeat("x", maxTyped))
	require.ErrorContains(t, <-got, "too long")
	for _, w := range []string{"legal", "winner", "SAUSAGE", "sausage", "junk", "jumk", "zooo", "xx"} {
		require.NotContains(t, s.output(), w)
	}
}

// What is no secret is shown as it is typed; a program that is told to end does so while
// it waits for a key.
func TestLinesAreSeen(t *testing.T) {
	s := newSeat(t)
	p := &prompter{in: s.slave, out: s.slave}
	got := make(chan string, 1)
	go func() {
		text, err := p.line(t.Context(), "Amount: ")
		got <- fmt.Sprint(text, err)
	}()
	s.waitFor("Amount: ").types("1.26\x7f5\x1b\r").waitFor("1.26\b \b5")
	require.Equal(t, "1.25<nil>", <-got)

	ctx, stop := context.WithCancel(t.Context())
	go func() {
		_, err := p.secret(ctx, "Secret: ")
		got <- err.Error()
	}()
	s.waitFor("Secret: ")
	stop()
	require.Equal(t, context.Canceled.Error(), <-got)
}

// "words never reach stdout when it is no terminal": whatever of the two is none, nothing
// is drawn, shown or asked, and the exit status is that of a mistake in use.
func TestOnlyAtATerminal(t *testing.T) {
	s := newShell(t)
	s.env = append(s.env, "ENCRYPTION_KEY="+vault.GenerateKey(), "PETS_KEYSTORE="+filepath.Join(s.dir, "keys"))
	file := s.file("x1.json", "{}")
	for _, args := range [][]string{
		{"wallet", "create", "w"},
		{"wallet", "create", "w", "--place", "cold"},
		{"wallet", "recover", "w", "--address", otherFirst},
		{"wallet", "recover", "w", "--drill", "--address", otherFirst},
		{"cold", "sign", file},
	} {
		s.fails(2, []string{"standard input is no terminal"}, args...)
		seat := newSeat(t)
		var out, errs bytes.Buffer
		a := &app{in: seat.slave, out: &out, err: &errs, environ: s.env, dir: s.dir}
		require.Equal(t, 2, a.run(t.Context(), args))
		require.Empty(t, out.String())
		require.Contains(t, errs.String(), "standard output is no terminal")
		require.Empty(t, seat.output())
	}
	_, err := os.Stat(filepath.Join(s.dir, "keys"))
	require.ErrorIs(t, err, fs.ErrNotExist, "no keystore was made")
}
