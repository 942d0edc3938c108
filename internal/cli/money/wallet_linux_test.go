package money_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/internal/pets/petstest"
	"pets/internal/vault"
)

// afterScreen returns the output after the words were wiped from the terminal.
func afterScreen(t testing.TB, output string) string {
	t.Helper()
	before, rest, ok := strings.Cut(output, wipedScreen+usualScreen+wipedScreen)
	require.True(t, ok)
	require.Contains(t, before, alternateScreen)
	return rest
}

// "pets wallet create (terminal only: words shown once, three asked back)": the words give
// the key that is stored, are on the other screen only, and nowhere else.
func TestCreate(t *testing.T) {
	t.Parallel()
	s := petstest.LiveShell(t)
	seat := s.Sit("wallet", "create", "trading")
	words := seat.ReadWords()
	seat.Types("\r").GiveBack(words)
	output := seat.WaitFor("Its address:").WaitFor("pets wallet record trading").Ends(0)
	address := petstest.AccountOf(t, strings.Join(words, " "), 0)
	require.Contains(t, output, "pets wallet register trading --place hot --chain eip155:137 --address "+address)
	notTwice := afterScreen(t, output)
	petstest.NoTrace(t, "the terminal afterwards", []byte(notTwice), strings.Join(words, " "), 0)
	petstest.NoTrace(t, "the terminal", []byte(strings.Join(petstest.ShownWord.Split(output, -1), "")), strings.Join(words, " "), 0)
	petstest.NoTraceOnDisk(t, s.Dir, strings.Join(words, " "), 0)
	require.Contains(t, s.Ok("wallet", "verify", "--offline"), "trading: its key opens, and is that of "+address)

	// Every partial state has one command that completes it.
	r := s.Run("wallet", "list")
	require.Contains(t, r.Out, "NOT REGISTERED")
	require.Contains(t, strings.ReplaceAll(r.Out, " \\\n   ", ""), "pets wallet register trading --place hot --chain eip155:137 --address "+address)
	s.Fails(1, []string{"no wallet trading", "pets wallet register trading"}, "wallet", "record", "trading")
	s.Register("trading", domain.WalletHot, address)
	require.Contains(t, s.Ok("wallet", "list"), "the key of trading is here and not recorded; run:\n  pets wallet record trading -p ")
	r = s.Run("wallet", "record", "trading")
	require.Equal(t, 0, r.Code, r.Err)
	require.Contains(t, strings.Join(strings.Fields(r.Out), " "), "is in the keystore")
	require.Contains(t, r.Err, "there is no witness", "this test has made the store by hand")
	s.Fails(1, []string{"recorded already"}, "wallet", "record", "trading")
	list := s.Ok("wallet", "list")
	require.Contains(t, list, "hot (main)")
	require.Contains(t, list, "sealed under")
	require.Contains(t, list, "never")
	require.Contains(t, s.Ok("wallet", "verify"), "trading: its key opens, and is that of "+address+" (revision")
	require.Equal(t, []string{"wallet.registered.v1", "key.created.v1", "key.used.v1"}, s.WalletEvents())

	// A name that is taken is refused before words are generated.
	seat = s.Sit("wallet", "create", "trading")
	require.NotContains(t, seat.WaitFor("no key is ever overwritten").Ends(1), alternateScreen)
	s.Register("other", domain.WalletHot, petstest.OtherFirst)
	seat = s.Sit("wallet", "create", "other")
	require.NotContains(t, seat.WaitFor("pets wallet recover other").Ends(1), alternateScreen)
	for _, name := range []string{"hot", "a b", address} {
		seat = s.Sit("wallet", "create", name)
		require.NotContains(t, seat.Ends(2), alternateScreen)
	}
}

// "three asked back … (3 tries, then nothing was kept)"
func TestCreateWithWrongWords(t *testing.T) {
	t.Parallel()
	s := petstest.LiveShell(t)
	seat := s.Sit("wallet", "create", "trading")
	words := seat.ReadWords()
	seat.Types("\r")
	for try := range wordTries {
		for range vault.Asked {
			seat.WaitFor("(not shown): ").Types("zoo\r")
		}
		if try < wordTries-1 {
			seat.WaitFor("tries are left")
		}
	}
	output := seat.WaitFor("no wallet was made").Ends(1)
	petstest.NotEchoed(t, afterScreen(t, output), "zoo")
	petstest.NoTraceOnDisk(t, s.Dir, strings.Join(words, " "), 0)
	require.Contains(t, s.Ok("wallet", "list"), "no wallets, and no keys")

	// Ctrl-C at any moment leaves a clean screen and no key.
	seat = s.Sit("wallet", "create", "trading")
	seat.ReadWords()
	afterScreen(t, seat.Types("\x03").WaitFor("interrupted").Ends(1))
	seat = s.Sit("wallet", "create", "trading")
	seat.ReadWords()
	seat.Types("\r").WaitFor("(not shown): ").Types("\x03").WaitFor("interrupted").Ends(1)
	require.Contains(t, s.Ok("wallet", "list"), "no wallets, and no keys")
}

// "cold: shows address only, stores NO key"; it needs no store, key or server.
func TestCreateCold(t *testing.T) {
	t.Parallel()
	s := petstest.New(t)
	output := s.Sit("wallet", "create", "vault", "--place", "cold").WaitFor("cannot take back").Ends(2)
	require.NotContains(t, output, alternateScreen)
	s.SetEnv("TERM", "xterm")
	seat := s.Sit("wallet", "create", "vault", "--place", "cold", "--index", "3")
	words := seat.ReadWords()
	seat.Types("\r").GiveBack(words)
	output = seat.WaitFor("No key was stored").Ends(0)
	address := petstest.AccountOf(t, strings.Join(words, " "), 3)
	require.Contains(t, output, "pets wallet register vault --place cold --chain eip155:137 --address "+address)
	left, err := os.ReadDir(s.Dir)
	require.NoError(t, err)
	require.Empty(t, left)
}

// "recover (typed, no echo; derive, compare with the expected address …)"
func TestRecover(t *testing.T) {
	t.Parallel()
	s := petstest.LiveShell(t)
	address := petstest.AccountOf(t, petstest.TestWords, 2)
	s.Register("trading", domain.WalletHot, address)
	require.Contains(t, s.Ok("wallet", "list"), "NOT HERE")

	seat := s.Sit("wallet", "recover", "trading")
	seat.WaitFor("not shown: ").Types(petstest.TestWords + "\r").WaitFor("is account 2 of them, not 0; use --index 2").Ends(1)
	seat = s.Sit("wallet", "recover", "trading")
	seat.WaitFor("not shown: ").Types(petstest.OtherWords + "\r").WaitFor("none of the first 10 accounts of these words is " + address).Ends(1)
	seat = s.Sit("wallet", "recover", "trading", "--address", petstest.OtherFirst)
	seat.WaitFor("is registered with address " + address + ", not " + petstest.OtherFirst).Ends(1)
	seat = s.Sit("wallet", "recover", "trading", "--words", "13")
	seat.Ends(2)
	require.Contains(t, s.Ok("wallet", "list"), "NOT HERE")

	seat = s.Sit("wallet", "recover", "trading", "--index", "2", "--address", address)
	output := seat.WaitFor("not shown: ").Types(petstest.TestWords + "\r").WaitFor("Recorded (revision").Ends(0)
	require.Contains(t, output, "pets wallet verify trading --load")
	petstest.NotEchoed(t, output, petstest.TestWords)
	petstest.NoTrace(t, "the terminal", []byte(output), petstest.TestWords, 2)
	petstest.NoTraceOnDisk(t, s.Dir, petstest.TestWords, 2)
	require.Contains(t, s.Ok("wallet", "verify", "trading"), "is that of "+address)
	require.Equal(t, []string{"wallet.registered.v1", "key.imported.v1", "key.used.v1"}, s.WalletEvents())

	seat = s.Sit("wallet", "recover", "trading")
	seat.WaitFor("already has a key").WaitFor("pets wallet recover trading --drill").Ends(1)
	seat = s.Sit("wallet", "recover", "nobody")
	seat.WaitFor("--address is needed").Ends(2)

	// If the wallet is not registered, the key is stored, and the output says what is left to do.
	seat = s.Sit("wallet", "recover", "spare", "--address", petstest.TwelveFirst, "--words", "12")
	output = seat.WaitFor("not shown: ").Types(petstest.TwelveWords + "\r").WaitFor("pets wallet record spare --recovered").Ends(0)
	require.Contains(t, output, "pets wallet register spare --place hot --chain eip155:137 --address "+petstest.TwelveFirst)
	s.Register("spare", domain.WalletHot, petstest.TwelveFirst)
	s.Ok("wallet", "record", "spare", "--recovered")
	events := s.WalletEvents()
	require.Equal(t, "key.imported.v1", events[len(events)-1])
}

// "A recover --drill records wallet.recovery_tested without touching the stored key": not
// a byte, and not the time of a file.
func TestDrill(t *testing.T) {
	t.Parallel()
	s := petstest.LiveShell(t)
	s.Register("trading", domain.WalletHot, petstest.OtherFirst)
	s.Sit("wallet", "recover", "trading").WaitFor("not shown: ").Types(petstest.OtherWords + "\r").WaitFor("Recorded").Ends(0)
	past := time.Now().Add(-time.Hour).Truncate(time.Second)
	path := filepath.Join(s.Keys(), "trading."+petstest.OtherFirst+".key")
	require.NoError(t, os.Chtimes(path, past, past))
	before, err := os.ReadFile(path)
	require.NoError(t, err)
	names, err := os.ReadDir(s.Keys())
	require.NoError(t, err)

	output := s.Sit("wallet", "recover", "trading", "--drill").WaitFor("not shown: ").Types(petstest.OtherWords + "\r").
		WaitFor("No key was touched").WaitFor("Recorded (revision").Ends(0)
	petstest.NotEchoed(t, output, "abandon art")
	after, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, before, after)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.True(t, info.ModTime().Equal(past))
	now, err := os.ReadDir(s.Keys())
	require.NoError(t, err)
	require.Len(t, now, len(names))
	require.Contains(t, s.Ok("wallet", "list"), "(less than a day ago)")

	// Wrong words record nothing. A drill needs no encryption key.
	s.SetEnv("ENCRYPTION_KEY", "")
	s.Sit("wallet", "recover", "trading", "--drill").WaitFor("not shown: ").Types(petstest.TestWords + "\r").WaitFor("none of the first 10").Ends(1)
	require.Equal(t, []string{"wallet.registered.v1", "key.imported.v1", "wallet.recovery_tested.v1"}, s.WalletEvents())

	// On a machine without a store, the output says how to record the drill.
	away := petstest.New(t)
	away.Sit("wallet", "recover", "trading", "--drill", "--address", petstest.OtherFirst).WaitFor("not shown: ").Types(petstest.OtherWords + "\r").
		WaitFor("pets wallet record trading --tested --address " + petstest.OtherFirst).Ends(0)
	s.Ok("wallet", "record", "trading", "--tested", "--address", petstest.OtherFirst)
	s.Fails(1, []string{"address"}, "wallet", "record", "trading", "--tested", "--address", petstest.TwelveFirst)
	s.Fails(2, []string{"EIP-55"}, "wallet", "record", "trading", "--tested", "--address", strings.ToLower(petstest.TwelveFirst))
	s.Fails(2, []string{"go together"}, "wallet", "record", "trading", "--tested")
	require.Len(t, s.WalletEvents(), 4)
}

// What a terminal receives (ECMA-48, and xterm's alternate screen), and how often words may be
// typed.
const (
	alternateScreen = "\x1b[?1049h"
	usualScreen     = "\x1b[?1049l"
	wipedScreen     = "\x1b[H\x1b[2J\x1b[3J"
	wordTries       = 3
)
