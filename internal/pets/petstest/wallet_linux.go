package petstest

import (
	"path/filepath"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/domain"
	"pets/internal/open"
	"pets/internal/testenv/signing"
	"pets/internal/vault"
)

// Patterns of the output on the terminal.
var (
	ShownWord = regexp.MustCompile(`(\d+)\. ([a-z]+)`)
	AskedWord = regexp.MustCompile(`Word (\d+) \(not shown\): $`)
)

// Atoi parses a number.
func Atoi(t testing.TB, text string) int {
	n, err := strconv.Atoi(text)
	require.NoError(t, err)
	return n
}

// LiveShell returns a shell with a live portfolio and the settings of a keystore.
func LiveShell(t testing.TB) *Shell {
	t.Helper()
	s := New(t)
	s.Env = append(s.Env, "PETS_KEYSTORE="+s.Keys(), "ENCRYPTION_KEY="+vault.GenerateKey(), "TERM=xterm")
	store, e, err := open.FreshEngine(s.Store())
	require.NoError(t, err)
	signing.Register(t, e, store, "bob")
	paper, live := domain.NewPolicy(domain.ModePaper, domain.ClockWall, "USDC"), domain.NewPolicy(domain.ModeLive, domain.ClockWall, "USDC")
	s.do(e, "paper", "olga", domain.RoleOperator, commands.OpenPortfolio{ID: "paper", Mode: domain.ModePaper, BaseAsset: "USDC", BaseDecimals: 6, Policy: paper})
	asked := s.do(e, "paper", "olga", domain.RoleOperator, commands.RequestOverride{Kind: domain.OverrideGoLive, Portfolio: "main", Reason: "a month on paper"})
	passed := s.do(e, "paper", "bob", domain.RoleApprover, signing.Signed(t, store, "paper", "bob", commands.ConfirmOverride{Override: asked.ID}))
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

// GiveBack answers the three questions about the words.
func (s *Seat) GiveBack(words []string) {
	s.t.Helper()
	for range vault.Asked {
		s.WaitFor("Word ").WaitFor("(not shown): ")
		asked := AskedWord.FindStringSubmatch(s.Output())
		require.NotNil(s.t, asked, s.Output())
		s.Types(words[Atoi(s.t, asked[1])-1] + "\r")
	}
}

// ReadWords reads the words from the screen.
func (s *Seat) ReadWords() []string {
	s.t.Helper()
	s.WaitFor("three are asked back: ")
	found := ShownWord.FindAllStringSubmatch(s.Output(), -1)
	require.Len(s.t, found, 24)
	sort.Slice(found, func(i, j int) bool { return Atoi(s.t, found[i][1]) < Atoi(s.t, found[j][1]) })
	var words []string
	for i, f := range found {
		require.Equal(s.t, strconv.Itoa(i+1), f[1])
		words = append(words, f[2])
	}
	return words
}

func (s *Shell) do(e *commands.Engine, portfolio, user string, role domain.Role, c commands.Command) commands.Answer {
	s.T.Helper()
	answer, err := e.Do(s.Ctx, portfolio, commands.Request{Caller: domain.Caller{User: user, Role: role}, Key: uuid.NewString(), Command: c})
	require.NoError(s.T, err)
	return answer
}

// engine opens the store in this process and calls f with an engine on it.
func (s *Shell) engine(f func(*commands.Engine)) {
	s.T.Helper()
	store, e, err := open.FreshEngine(s.Store())
	require.NoError(s.T, err)
	require.NoError(s.T, e.Load(s.Ctx, nil))
	f(e)
	e.Close()
	require.NoError(s.T, store.Close())
}

// Keys returns the folder of the keystore.
func (s *Shell) Keys() string { return filepath.Join(s.Dir, "keys") }

// Register registers a wallet as an admin does through the server.
func (s *Shell) Register(name, place, address string) {
	s.T.Helper()
	s.engine(func(e *commands.Engine) {
		_, err := e.System(s.Ctx, commands.Request{
			Caller: domain.Caller{User: "ada", Role: domain.RoleAdmin}, Key: uuid.NewString(),
			Command: commands.ClaimWallet{Address: address, Wallet: name, Portfolio: "main"},
		})
		require.NoError(s.T, err)
		s.do(e, "main", "ada", domain.RoleAdmin, commands.RegisterWallet{Wallet: name, Place: place, Chain: "eip155:137", Address: address, Assets: []domain.WalletAsset{
			{Asset: "USDC", ID: "eip155:137/erc20:0xC011a7E12a19f7B1f670d46F03B03f3342E82DFB", Decimals: 6},
			{Asset: "POL", ID: "eip155:137/slip44:966", Decimals: 18, Native: true},
		}})
	})
}

// WalletEvents returns the types of the events about wallets and keys.
func (s *Shell) WalletEvents() []string {
	s.T.Helper()
	var types []string
	for _, e := range s.Events() {
		if strings.HasPrefix(e.Type, "wallet.") || strings.HasPrefix(e.Type, "key.") {
			types = append(types, e.Type)
		}
	}
	return types
}
