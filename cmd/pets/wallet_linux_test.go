package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/internal/vault"
)

// afterScreen is what stood on the terminal after the words were wiped off it.
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
	s := liveShell(t)
	seat := s.sit("wallet", "create", "trading")
	words := seat.readWords()
	seat.types("\r").giveBack(words)
	output := seat.waitFor("Its address:").waitFor("pets wallet record trading").ends(0)
	address := accountOf(t, strings.Join(words, " "), 0)
	require.Contains(t, output, "pets wallet register trading --place hot --chain eip155:137 --address "+address)
	notTwice := afterScreen(t, output)
	noTrace(t, "the terminal afterwards", []byte(notTwice), strings.Join(words, " "), 0)
	noTrace(t, "the terminal", []byte(strings.Join(shownWord.Split(output, -1), "")), strings.Join(words, " "), 0)
	noTraceOnDisk(t, s.dir, strings.Join(words, " "), 0)
	require.Contains(t, s.ok("wallet", "verify", "--offline"), "trading: its key opens, and is that of "+address)

	// Every partial state has one command that completes it.
	r := s.run("wallet", "list")
	require.Contains(t, r.out, "NOT REGISTERED")
	require.Contains(t, r.out, "pets wallet register trading --place hot --chain eip155:137 --address "+address)
	s.fails(1, []string{"no wallet trading", "pets wallet register trading"}, "wallet", "record", "trading")
	s.register("trading", domain.WalletHot, address)
	require.Contains(t, s.ok("wallet", "list"), "the key of trading is here and not recorded; run: pets wallet record trading")
	r = s.run("wallet", "record", "trading")
	require.Equal(t, 0, r.code, r.err)
	require.Contains(t, strings.Join(strings.Fields(r.out), " "), "is in the keystore")
	require.Contains(t, r.err, "there is no witness", "this test has made the store by hand")
	s.fails(1, []string{"recorded already"}, "wallet", "record", "trading")
	list := s.ok("wallet", "list")
	require.Contains(t, list, "hot (main)")
	require.Contains(t, list, "sealed under")
	require.Contains(t, list, "never")
	require.Contains(t, s.ok("wallet", "verify"), "trading: its key opens, and is that of "+address+" (revision")
	require.Equal(t, []string{"wallet.registered.v1", "key.created.v1", "key.used.v1"}, s.walletEvents())

	// A name that is taken is refused before anything is drawn.
	seat = s.sit("wallet", "create", "trading")
	require.NotContains(t, seat.waitFor("no key is ever overwritten").ends(1), alternateScreen)
	s.register("other", domain.WalletHot, otherFirst)
	seat = s.sit("wallet", "create", "other")
	require.NotContains(t, seat.waitFor("pets wallet recover other").ends(1), alternateScreen)
	for _, name := range []string{"hot", "a b", address} {
		seat = s.sit("wallet", "create", name)
		require.NotContains(t, seat.ends(2), alternateScreen)
	}
}

// "three asked back … (3 tries, then nothing was kept)"
func TestCreateWithWrongWords(t *testing.T) {
	s := liveShell(t)
	seat := s.sit("wallet", "create", "trading")
	words := seat.readWords()
	seat.types("\r")
	for try := range wordTries {
		for range vault.Asked {
			seat.waitFor("(not shown): ").types("zoo\r")
		}
		if try < wordTries-1 {
			seat.waitFor("tries are left")
		}
	}
	output := seat.waitFor("no wallet was made").ends(1)
	notEchoed(t, afterScreen(t, output), "zoo")
	noTraceOnDisk(t, s.dir, strings.Join(words, " "), 0)
	require.Contains(t, s.ok("wallet", "list"), "no wallets, and no keys")

	// Ctrl-C at any moment leaves a clean screen and no key.
	seat = s.sit("wallet", "create", "trading")
	seat.readWords()
	afterScreen(t, seat.types("\x03").waitFor("nothing was kept").ends(1))
	seat = s.sit("wallet", "create", "trading")
	seat.readWords()
	seat.types("\r").waitFor("(not shown): ").types("\x03").waitFor("nothing was kept").ends(1)
	require.Contains(t, s.ok("wallet", "list"), "no wallets, and no keys")
}

// "cold: shows address only, stores NO key"; it needs no store, key or server.
func TestCreateCold(t *testing.T) {
	s := newShell(t)
	output := s.sit("wallet", "create", "vault", "--place", "cold").waitFor("cannot take back").ends(2)
	require.NotContains(t, output, alternateScreen)
	s.setEnv("TERM", "xterm")
	seat := s.sit("wallet", "create", "vault", "--place", "cold", "--index", "3")
	words := seat.readWords()
	seat.types("\r").giveBack(words)
	output = seat.waitFor("No key was stored").ends(0)
	address := accountOf(t, strings.Join(words, " "), 3)
	require.Contains(t, output, "pets wallet register vault --place cold --chain eip155:137 --address "+address)
	left, err := os.ReadDir(s.dir)
	require.NoError(t, err)
	require.Empty(t, left)
}

// "recover (typed, no echo; derive, compare with the expected address …)"
func TestRecover(t *testing.T) {
	s := liveShell(t)
	address := accountOf(t, testWords, 2)
	s.register("trading", domain.WalletHot, address)
	require.Contains(t, s.ok("wallet", "list"), "NOT HERE")

	seat := s.sit("wallet", "recover", "trading")
	seat.waitFor("not shown: ").types(testWords + "\r").waitFor("is account 2 of them, not 0; use --index 2").ends(1)
	seat = s.sit("wallet", "recover", "trading")
	seat.waitFor("not shown: ").types(otherWords + "\r").waitFor("none of the first 10 accounts of these words is " + address).ends(1)
	seat = s.sit("wallet", "recover", "trading", "--address", otherFirst)
	seat.waitFor("is registered with address " + address + ", not " + otherFirst).ends(1)
	seat = s.sit("wallet", "recover", "trading", "--words", "13")
	seat.ends(2)
	require.Contains(t, s.ok("wallet", "list"), "NOT HERE")

	seat = s.sit("wallet", "recover", "trading", "--index", "2", "--address", address)
	output := seat.waitFor("not shown: ").types(testWords + "\r").waitFor("Recorded (revision").ends(0)
	require.Contains(t, output, "pets wallet verify trading --load")
	notEchoed(t, output, testWords)
	noTrace(t, "the terminal", []byte(output), testWords, 2)
	noTraceOnDisk(t, s.dir, testWords, 2)
	require.Contains(t, s.ok("wallet", "verify", "trading"), "is that of "+address)
	require.Equal(t, []string{"wallet.registered.v1", "key.imported.v1", "key.used.v1"}, s.walletEvents())

	seat = s.sit("wallet", "recover", "trading")
	seat.waitFor("is there already").waitFor("pets wallet recover trading --drill").ends(1)
	seat = s.sit("wallet", "recover", "nobody")
	seat.waitFor("--address is needed").ends(2)

	// Not registered: the key is stored, and what is left to do stands there.
	seat = s.sit("wallet", "recover", "spare", "--address", twelveFirst, "--words", "12")
	output = seat.waitFor("not shown: ").types(twelveWords + "\r").waitFor("pets wallet record spare --recovered").ends(0)
	require.Contains(t, output, "pets wallet register spare --place hot --chain eip155:137 --address "+twelveFirst)
	s.register("spare", domain.WalletHot, twelveFirst)
	s.ok("wallet", "record", "spare", "--recovered")
	events := s.walletEvents()
	require.Equal(t, "key.imported.v1", events[len(events)-1])
}

// "A recover --drill records wallet.recovery_tested without touching the stored key": not
// a byte, and not the time of a file.
func TestDrill(t *testing.T) {
	s := liveShell(t)
	s.register("trading", domain.WalletHot, otherFirst)
	s.sit("wallet", "recover", "trading").waitFor("not shown: ").types(otherWords + "\r").waitFor("Recorded").ends(0)
	past := time.Now().Add(-time.Hour).Truncate(time.Second)
	path := filepath.Join(s.keys(), "trading."+otherFirst+".key")
	require.NoError(t, os.Chtimes(path, past, past))
	before, err := os.ReadFile(path)
	require.NoError(t, err)
	names, err := os.ReadDir(s.keys())
	require.NoError(t, err)

	output := s.sit("wallet", "recover", "trading", "--drill").waitFor("not shown: ").types(otherWords + "\r").
		waitFor("No key was touched").waitFor("Recorded (revision").ends(0)
	notEchoed(t, output, "abandon art")
	after, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, before, after)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.True(t, info.ModTime().Equal(past))
	now, err := os.ReadDir(s.keys())
	require.NoError(t, err)
	require.Len(t, now, len(names))
	require.Contains(t, s.ok("wallet", "list"), "(less than a day ago)")

	// Wrong words record nothing. A drill needs no encryption key.
	s.setEnv("ENCRYPTION_KEY", "")
	s.sit("wallet", "recover", "trading", "--drill").waitFor("not shown: ").types(testWords + "\r").waitFor("none of the first 10").ends(1)
	require.Equal(t, []string{"wallet.registered.v1", "key.imported.v1", "wallet.recovery_tested.v1"}, s.walletEvents())

	// On a machine without a store it is said how to record it.
	away := newShell(t)
	away.sit("wallet", "recover", "trading", "--drill", "--address", otherFirst).waitFor("not shown: ").types(otherWords + "\r").
		waitFor("pets wallet record trading --tested --address " + otherFirst).ends(0)
	s.ok("wallet", "record", "trading", "--tested", "--address", otherFirst)
	s.fails(1, []string{"address"}, "wallet", "record", "trading", "--tested", "--address", twelveFirst)
	s.fails(2, []string{"EIP-55"}, "wallet", "record", "trading", "--tested", "--address", strings.ToLower(twelveFirst))
	s.fails(2, []string{"go together"}, "wallet", "record", "trading", "--tested")
	require.Len(t, s.walletEvents(), 4)
}

// What a terminal is sent (ECMA-48, and xterm's alternate screen), and how often words may be
// typed.
const (
	alternateScreen = "\x1b[?1049h"
	usualScreen     = "\x1b[?1049l"
	wipedScreen     = "\x1b[H\x1b[2J\x1b[3J"
	wordTries       = 3
)
