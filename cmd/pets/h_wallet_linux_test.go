package main

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
	"pets/eventstore/embedded"
	"pets/internal/vault"
)

var (
	shownWord = regexp.MustCompile(`(\d+)\. ([a-z]+)`)
	askedWord = regexp.MustCompile(`Word (\d+) \(not shown\): $`)
)

func atoi(t testing.TB, text string) int {
	n, err := strconv.Atoi(text)
	require.NoError(t, err)
	return n
}

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

func (s *shell) do(e *commands.Engine, portfolio, user string, role domain.Role, c commands.Command) commands.Answer {
	s.t.Helper()
	answer, err := e.Do(s.ctx, portfolio, commands.Request{Caller: domain.Caller{User: user, Role: role}, Key: uuid.NewString(), Command: c})
	require.NoError(s.t, err)
	return answer
}

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

func (s *shell) getEnv(name string) string {
	for _, entry := range s.env {
		if v, ok := strings.CutPrefix(entry, name+"="); ok {
			return v
		}
	}
	return ""
}

func (s *shell) keys() string { return filepath.Join(s.dir, "keys") }

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
