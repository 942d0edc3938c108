package main

import (
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/domain"
	"pets/eventstore/embedded"
	"pets/internal/vault"
)

// liveShell is a folder with a live portfolio and a keystore's settings.
func liveShell(t testing.TB) *shell {
	t.Helper()
	s := newShell(t)
	s.env = append(s.env, "PETS_KEYSTORE="+s.keys(), "ENCRYPTION_KEY="+vault.GenerateKey(), "TERM=xterm")
	store, err := embedded.Open(s.store(), embedded.Options{})
	require.NoError(t, err)
	e := commands.NewEngine(store, commands.EngineOptions{})
	paper, live := domain.DefaultPolicy(domain.ModePaper), domain.DefaultPolicy(domain.ModeLive)
	s.do(e, "paper", "olga", domain.RoleOperator, commands.OpenPortfolio{ID: "paper", Mode: domain.ModePaper, BaseAsset: "USDC", BaseDecimals: 6, Policy: paper})
	asked := s.do(e, "paper", "olga", domain.RoleOperator, commands.RequestOverride{Kind: domain.OverrideGoLive, Portfolio: "main", Reason: "a month on paper"})
	passed := s.do(e, "paper", "bob", domain.RoleApprover, commands.ConfirmOverride{Override: asked.ID})
	gate := domain.Gate{Portfolio: "paper", Revision: passed.Revision}
	evidence, err := commands.ReadEvidence(t.Context(), store, gate)
	require.NoError(t, err)
	s.do(e, "main", "ada", domain.RoleAdmin, commands.OpenPortfolio{
		ID: "main", Mode: domain.ModeLive, BaseAsset: "USDC", BaseDecimals: 6, Policy: live, Gate: &gate, Evidence: evidence, Defaults: live,
	})
	e.Close()
	require.NoError(t, store.Close())
	return s
}

func (s *shell) keys() string { return filepath.Join(s.dir, "keys") }

// engine opens the store here, as a server would.
func (s *shell) engine(f func(*commands.Engine)) {
	s.t.Helper()
	store, err := embedded.Open(s.store(), embedded.Options{})
	require.NoError(s.t, err)
	e := commands.NewEngine(store, commands.EngineOptions{})
	require.NoError(s.t, e.Load(s.ctx, nil))
	f(e)
	e.Close()
	require.NoError(s.t, store.Close())
}

func (s *shell) do(e *commands.Engine, portfolio, user string, role domain.Role, c commands.Command) commands.Answer {
	s.t.Helper()
	answer, err := e.Do(s.ctx, portfolio, commands.Request{Caller: domain.Caller{User: user, Role: role}, Key: uuid.NewString(), Command: c})
	require.NoError(s.t, err)
	return answer
}

// register makes a wallet known, as an admin's server does.
func (s *shell) register(name, place, address string) {
	s.t.Helper()
	s.engine(func(e *commands.Engine) {
		_, err := e.System(s.ctx, commands.Request{
			Caller: domain.Caller{User: "ada", Role: domain.RoleAdmin}, Key: uuid.NewString(),
			Command: commands.ClaimWallet{Address: address, Wallet: name, Portfolio: "main"},
		})
		require.NoError(s.t, err)
		s.do(e, "main", "ada", domain.RoleAdmin, commands.RegisterWallet{Wallet: name, Place: place, Chain: "eip155:137", Address: address, Assets: []domain.WalletAsset{
			{Asset: "USDC", ID: "eip155:137/erc20:0x3c499c542cEF5E3811e1192ce70d8cC03d5c3359", Decimals: 6},
			{Asset: "POL", ID: "eip155:137/slip44:966", Decimals: 18, Native: true},
		}})
	})
}

// setEnv puts another value for a variable.
func (s *shell) setEnv(name, value string) {
	for i, entry := range s.env {
		if strings.HasPrefix(entry, name+"=") {
			s.env[i] = name + "=" + value
			return
		}
	}
	s.env = append(s.env, name+"="+value)
}

func (s *shell) getEnv(name string) string {
	for _, entry := range s.env {
		if v, ok := strings.CutPrefix(entry, name+"="); ok {
			return v
		}
	}
	return ""
}

// walletEvents are the types of events about wallets and keys.
func (s *shell) walletEvents() []string {
	s.t.Helper()
	var types []string
	for _, e := range s.events() {
		if strings.HasPrefix(e.Type, "wallet.") || strings.HasPrefix(e.Type, "key.") {
			types = append(types, e.Type)
		}
	}
	return types
}

var (
	shownWord = regexp.MustCompile(`(\d+)\. ([a-z]+)`)
	askedWord = regexp.MustCompile(`Word (\d+) \(not shown\): $`)
)

// readWords reads the words off the screen, as a person does.
func (s *seat) readWords() []string {
	s.t.Helper()
	s.waitFor("three are asked back: ")
	found := shownWord.FindAllStringSubmatch(s.output(), -1)
	require.Len(s.t, found, 24)
	sort.Slice(found, func(i, j int) bool { return atoi(s.t, found[i][1]) < atoi(s.t, found[j][1]) })
	var words []string
	for i, f := range found {
		require.Equal(s.t, strconv.Itoa(i+1), f[1])
		words = append(words, f[2])
	}
	return words
}

func atoi(t testing.TB, text string) int {
	n, err := strconv.Atoi(text)
	require.NoError(t, err)
	return n
}

// giveBack answers the three questions.
func (s *seat) giveBack(words []string) {
	s.t.Helper()
	for range vault.Asked {
		s.waitFor("Word ").waitFor("(not shown): ")
		asked := askedWord.FindStringSubmatch(s.output())
		require.NotNil(s.t, asked, s.output())
		s.types(words[atoi(s.t, asked[1])-1] + "\r")
	}
}

// afterScreen is what stood on the terminal after the words were wiped off it.
func afterScreen(t testing.TB, output string) string {
	t.Helper()
	before, rest, ok := strings.Cut(output, clearAll+firstScreen+clearAll)
	require.True(t, ok)
	require.Contains(t, before, otherScreen)
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
	require.NotContains(t, seat.waitFor("no key is ever overwritten").ends(1), otherScreen)
	s.register("other", domain.WalletHot, otherFirst)
	seat = s.sit("wallet", "create", "other")
	require.NotContains(t, seat.waitFor("pets wallet recover other").ends(1), otherScreen)
	for _, name := range []string{"hot", "a b", address} {
		seat = s.sit("wallet", "create", name)
		require.NotContains(t, seat.ends(2), otherScreen)
	}
}

// "three asked back … (3 tries, then nothing was kept)"
func TestCreateWithWrongWords(t *testing.T) {
	s := liveShell(t)
	seat := s.sit("wallet", "create", "trading")
	words := seat.readWords()
	seat.types("\r")
	for try := range tries {
		for range vault.Asked {
			seat.waitFor("(not shown): ").types("zoo\r")
		}
		if try < tries-1 {
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
	require.NotContains(t, output, otherScreen)
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
