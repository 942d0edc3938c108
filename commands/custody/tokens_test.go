package custody_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/domain"
	"pets/domain/portfolio"
	"pets/internal/chain"
	"pets/internal/chain/chaintest"
)

var (
	collateral = common.HexToAddress("0x2791Bca1f2de4661ED88A30C99A7a9449Aa84174")
	condition  = "0x" + strings.Repeat("ab", 32)
)

// withConditional gives the world a contract of conditional tokens, before a server starts.
func (w *world) withConditional() {
	w.t.Helper()
	at := w.node.DeployConditional()
	var err error
	w.registry, err = chain.ParseRegistry("test.json", []byte(fmt.Sprintf(`{
		"chains": [{"id": %q, "name": "Test", "confirmations": 3, "max_lag": 4, "head_max_age": "1h", "max_gas": 300000,
			"min_tip_gwei": "1", "max_tip_gwei": "5", "max_fee_gwei": "100",
			"conditional_tokens": {"contract": %q, "collaterals": [{"name": "USDC.e", "token": %q}]}}],
		"assets": [{"id": %q, "symbol": "COIN", "decimals": 18}, {"id": %q, "symbol": "USDC", "decimals": 6}]}`,
		chainID, at.Hex(), collateral.Hex(), chainID+"/slip44:1", w.usdc())))
	require.NoError(w.t, err)
	w.client = w.dial(chain.Config{Live: true}, w.a.URL, w.b.URL)
}

// derived is the token of a slot of the condition.
func derived(slot int) string {
	return chaintest.Position(collateral, common.HexToHash(condition), slot)
}

func market(id, yes, no string) commands.RegisterMarket {
	return commands.RegisterMarket{
		Market: id, Kind: domain.KindOutcome, Outcomes: []string{"YES", "NO"}, Tokens: map[string]string{"YES": yes, "NO": no}, Condition: condition,
	}
}

func (s *server) registers(m commands.RegisterMarket) error {
	_, err := s.custody.RegisterMarket(s.ctx(), main, by(olga, m))
	return err
}

func (s *server) mends(id, yes, no string) (string, error) {
	a, err := s.custody.RequestOverride(s.ctx(), main, by(olga, commands.RequestOverride{
		Kind: domain.OverrideTokens, Reason: "the wrong way round", Limits: json.RawMessage(fmt.Sprintf(`{"market":%q,"tokens":{"YES":%q,"NO":%q}}`, id, yes, no)),
	}))
	return a.ID, err
}

func (s *server) agreed(id string) error {
	_, err := s.custody.ConfirmOverride(s.ctx(), main, by(paul, s.signed(commands.ConfirmOverride{Override: id})))
	return err
}

// "Ask the chain (two endpoints as everywhere) whether each outcome's token is the one that
// derives from the condition … the same check for registration of markets with tokens and for
// the override request AND its confirmation. When no endpoint answers, it is allowed and said;
// when the chain says otherwise it is refused with what the chain says."
func TestTokensOfAMarketAreComparedWithTheChain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.withConditional()
	s := w.inMemory()
	checked := func(id string) string {
		t.Helper()
		m := s.state().Markets[id]
		require.NotNil(t, m)
		return portfolio.TokensSaid(m.Checked)
	}
	silence := func() {
		for _, p := range []*chaintest.Proxy{w.a, w.b} {
			p.Set(chaintest.Status(http.StatusBadGateway, ""))
		}
	}
	answers := func() {
		w.a.Set(nil)
		w.b.Set(nil)
	}

	err := s.registers(market("rain", derived(1), derived(0)))
	s.code(domain.CodeConflict, err)
	require.ErrorContains(t, err, "what is given for YES is the token of NO (USDC.e)")
	err = s.registers(market("rain", derived(0), "77"))
	s.code(domain.CodeConflict, err)
	require.ErrorContains(t, err, "the token of NO is "+derived(1)+" (USDC.e), not 77")
	require.Nil(t, s.state().Markets["rain"])

	silence()
	require.NoError(t, s.registers(market("rain", derived(1), derived(0))), "the wrong way round, and nobody to ask")
	require.Equal(t, "not checked: no endpoint answered", checked("rain"))
	id, err := s.mends("rain", derived(0), "77")
	require.NoError(t, err)
	require.Contains(t, strings.Join(s.lines(id), "\n"), `tokens: "not checked: no endpoint answered"`)
	answers()
	err = s.agreed(id)
	s.code(domain.CodeConflict, err)
	require.ErrorContains(t, err, "the token of NO is "+derived(1))

	_, err = s.mends("rain", derived(0), "77")
	s.code(domain.CodeConflict, err)
	id, err = s.mends("rain", derived(0), derived(1))
	require.NoError(t, err)
	require.Contains(t, strings.Join(s.lines(id), "\n"), `tokens: "checked on chain `+chainID+` at block `)
	require.NoError(t, s.agreed(id))
	require.Contains(t, checked("rain"), "checked on chain "+chainID+" at block ")
	require.Equal(t, derived(0), s.state().Markets["rain"].Tokens["YES"])

	// What was checked is not asked for again.
	silence()
	require.NoError(t, s.registers(market("rain", derived(0), derived(1))))
	require.Contains(t, checked("rain"), "checked on chain "+chainID+" at block ")
	answers()

	// Two endpoints that disagree: one of them lies, and nothing is recorded.
	w.b.Set(chaintest.On("eth_call", chaintest.Result(`"0x`+strings.Repeat("00", 31)+`02"`)))
	other := market("snow", "1", "2")
	require.ErrorContains(t, s.registers(other), "disagree")
	require.Nil(t, s.state().Markets["snow"])
	answers()
	other.Condition = "0x" + strings.Repeat("0", 64)
	err = s.registers(other)
	s.code(domain.CodeConflict, err)
	require.ErrorContains(t, err, "the contract has no condition")
	other.Condition = ""
	require.NoError(t, s.registers(other))
	require.Equal(t, "not checked: no condition id is registered for the market", checked("snow"))
}

// A chain of which the registry knows no contract of conditional tokens checks nothing, and
// that is said.
func TestTokensOnAChainWithoutTheContract(t *testing.T) {
	t.Parallel()
	s := newWorld(t).inMemory()
	require.NoError(t, s.registers(market("rain", "1", "2")))
	require.Equal(t, "not checked: the registry knows no contract of conditional tokens on "+chainID, portfolio.TokensSaid(s.state().Markets["rain"].Checked))
}

// lines are those of an open override.
func (s *server) lines(id string) []string {
	s.t.Helper()
	for _, a := range s.state().Approvals("ledger", s.state().Time) {
		if a.ID == id {
			return a.Subject.Lines
		}
	}
	s.t.Fatal("nothing waits under " + id)
	return nil
}
