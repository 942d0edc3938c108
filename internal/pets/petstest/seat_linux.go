package petstest

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

	"pets/internal/cli"
	"pets/internal/open"
	"pets/internal/pets"
	"pets/internal/testenv"
	"pets/internal/vault"
)

// AccountOf returns the address of an account derived from a mnemonic.
func AccountOf(t testing.TB, words string, index uint32) string {
	t.Helper()
	m, err := vault.RecoverMnemonic([]byte(words))
	require.NoError(t, err)
	defer m.Wipe()
	address, err := Derived(m, index)
	require.NoError(t, err)
	return address.String()
}

// Derived derives the address of an account with the product's own code; secretOf derives its
// private key with another library, to search for it.
func Derived(m *vault.Mnemonic, index uint32) (address vault.Address, err error) {
	err = m.Derive(vault.Path(index), nil, func(k *vault.PrivateKey) error {
		address = k.Address()
		return nil
	})
	return address, err
}

func lastOf(s *Seat) lastOfSeat { return lastOfSeat{s} }

// lastOfSeat formats the output of a seat when a test fails, not before.
type lastOfSeat struct{ s *Seat }

func (l lastOfSeat) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(l.s.Output())) }

func (l lastOfSeat) String() string { return l.s.Output() }

// NewSeat opens a pseudoterminal.
func NewSeat(t *testing.T) *Seat {
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
	s := &Seat{t: t, master: os.NewFile(uintptr(fd), "ptmx"), Slave: slave, Ended: make(chan int, 1)}
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
	t.Cleanup(func() { _ = s.Slave.Close(); _ = s.master.Close() })
	return s
}

// NoTrace fails if a text contains the key or the words, in any common encoding.
func NoTrace(t testing.TB, where string, text []byte, words string, index uint32) {
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

// NoTraceOnDisk is NoTrace for every file below a folder.
func NoTraceOnDisk(t testing.TB, dir, words string, index uint32) {
	t.Helper()
	files := 0
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		files++
		text, err := os.ReadFile(path)
		NoTrace(t, path, text, words, index)
		return err
	}))
	require.NotZero(t, files)
}

// NotEchoed fails if one of the words appeared on a terminal.
func NotEchoed(t testing.TB, output, words string) {
	t.Helper()
	for _, w := range strings.Fields(words) {
		require.False(t, regexp.MustCompile(`\b`+w+`\b`).MatchString(output), "%q in %q", w, output)
	}
}

// Seat is a pseudoterminal with the command line running at it, in this process.
type Seat struct {
	t      *testing.T
	master *os.File
	Slave  *os.File
	Ended  chan int

	mu   sync.Mutex
	seen bytes.Buffer
	read int // the offset up to which WaitFor has searched
}

// drain waits for the last bytes to pass the terminal: they have passed once a mark written
// after them arrives.
func (s *Seat) drain() {
	s.t.Helper()
	const mark = "\x00drained\x00"
	_, err := s.Slave.WriteString(mark)
	require.NoError(s.t, err)
	require.Eventually(s.t, func() bool { return strings.HasSuffix(s.Output(), mark) }, 10*time.Second, time.Millisecond)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen.Truncate(s.seen.Len() - len(mark))
}

// Ends waits for the command to exit with a status and returns all the output of the terminal.
func (s *Seat) Ends(code int) string {
	s.t.Helper()
	select {
	case got := <-s.Ended:
		s.drain()
		require.Equal(s.t, code, got, s.Output())
	case <-time.After(15 * time.Second):
		s.t.Fatal("it does not end: " + s.Output())
	}
	echo, err := unix.IoctlGetTermios(int(s.Slave.Fd()), unix.TCGETS)
	require.NoError(s.t, err)
	require.NotZero(s.t, echo.Lflag&unix.ECHO, "the terminal is put back")
	return s.Output()
}

// Output returns everything written to the terminal so far.
func (s *Seat) Output() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen.String()
}

// Types types keys as a person would; \r is Enter.
func (s *Seat) Types(keys string) *Seat {
	s.t.Helper()
	_, err := s.master.WriteString(keys)
	require.NoError(s.t, err)
	return s
}

// WaitFor waits until a text appears on the terminal after the previous one.
func (s *Seat) WaitFor(text string) *Seat {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		rest := s.Output()[s.read:]
		at := strings.Index(rest, text)
		if at >= 0 {
			s.read += at + len(text)
		}
		return at >= 0
	}, 10*time.Second, time.Millisecond, "%q is not in %q", text, lastOf(s))
	return s
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

// Sit runs a command at a terminal.
func (s *Shell) Sit(args ...string) *Seat {
	s.T.Helper()
	t, ok := s.T.(*testing.T)
	require.True(s.T, ok)
	return s.SitWith(t.Context(), nil, args...)
}

// SitWith runs a command at a terminal, with a changed App.
func (s *Shell) SitWith(ctx context.Context, change func(*cli.App), args ...string) *Seat {
	s.T.Helper()
	t, ok := s.T.(*testing.T)
	require.True(s.T, ok)
	seat := NewSeat(t)
	a := &cli.App{Place: open.Place{Err: seat.Slave}, In: seat.Slave, Out: seat.Slave, Environ: append([]string{"COLUMNS=200"}, s.Env...), Dir: s.Dir, Patience: 200 * time.Millisecond}
	if change != nil {
		change(a)
	}
	go func() { seat.Ended <- pets.Run(ctx, a, args) }()
	return seat
}

// Mnemonics without money, from the test vectors of BIP-39, and the first accounts of two of them.
const (
	TestWords   = "legal winner thank year wave sausage worth useful legal winner thank year wave sausage worth useful legal winner thank year wave sausage worth title"
	OtherWords  = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon art"
	OtherFirst  = "0xF278cF59F82eDcf871d630F28EcC8056f25C1cdb"
	TwelveWords = "test test test test test test test test test test test junk"
	TwelveFirst = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
)
