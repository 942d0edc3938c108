package portfolio

import (
	"encoding/hex"
	"encoding/json"
	"math/big"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain"
)

var (
	condition = "0x" + strings.Repeat("0123456789abcdef", 4)
	another   = "0x" + strings.Repeat("fedcba9876543210", 4)
)

// said is what a chain says of a condition whose tokens are 101 and 102 by USDC.e, and 201
// and 202 by neg-risk.
func said(c string) *TokenReading {
	return &TokenReading{
		Condition: c, Chain: polygon, Block: 63, Slots: 2,
		Forms: []TokenForm{{"USDC.e", []string{"101", "102"}}, {"neg-risk", []string{"201", "202"}}},
	}
}

func silent(c string) *TokenReading {
	return &TokenReading{Condition: c, Unanswered: "no endpoint answered"}
}

func registering(e domain.MarketRegistered, r *TokenReading) func(*Decision) error {
	return func(d *Decision) error {
		again := e
		if again.Kind == "" {
			again.Kind = domain.KindOutcome
		}
		if again.Outcomes == nil {
			again.Outcomes = []string{"YES", "NO"}
		}
		d.TokensRead(r)
		return d.RegisterMarket(&again)
	}
}

func mending(content string, r *TokenReading) func(*Decision) error {
	return func(d *Decision) error {
		d.TokensRead(r)
		return d.RequestOverride(domain.OverrideTokens, "", json.RawMessage(content), "the wrong way round")
	}
}

func tokens(yes, no string) map[string]string { return map[string]string{"YES": yes, "NO": no} }

// "Given the market's registered condition id and its tokens, ask the chain whether each
// outcome's token is the one that derives from the condition … when the chain says otherwise
// it is refused with what the chain says."
func TestTokensThatTheChainContradictsAreRefused(t *testing.T) {
	h := funded(t)
	for _, x := range []struct {
		tokens map[string]string
		r      func(*TokenReading)
		says   string
	}{
		{tokens("102", "101"), nil, "what is given for YES is the token of NO (USDC.e)"},
		{tokens("101", "103"), nil, "the token of NO is 102 (USDC.e) or 202 (neg-risk), not 103"},
		{tokens("101", "202"), nil, "but not in the same way"},
		{tokens("101", "102"), func(r *TokenReading) { r.Slots = 0 }, "the contract has no condition " + condition},
		{tokens("101", "102"), func(r *TokenReading) { r.Slots = 3 }, "the condition has 3 outcomes, and the market 2"},
		{tokens("101", "102"), func(r *TokenReading) { r.Condition = another }, "was changed while the chain was asked"},
	} {
		r := said(condition)
		if x.r != nil {
			x.r(r)
		}
		err := h.refused(domain.CodeConflict, registering(domain.MarketRegistered{Market: "m", Tokens: x.tokens, Condition: condition}, r))
		require.ErrorContains(t, err, x.says)
	}
}

// "When no endpoint answers, it is allowed and said (recorded as unchecked)."
func TestTokensAreCheckedOrItIsSaid(t *testing.T) {
	h := funded(t)
	check := func(want string) {
		t.Helper()
		e := lastOf[*domain.MarketRegistered](h)
		require.Equal(t, want, TokensSaid(e.Checked))
		require.Equal(t, e.Checked, h.s.Markets[e.Market].Checked)
		require.Equal(t, e.Condition, h.s.Markets[e.Market].Condition)
	}
	h.must(registering(domain.MarketRegistered{Market: "a", Tokens: tokens("101", "102"), Condition: condition}, said(condition)))
	check("checked on chain eip155:137 at block 63 (USDC.e)")
	h.must(registering(domain.MarketRegistered{Market: "b", Tokens: tokens("201", "202"), Condition: condition}, said(condition)))
	check("checked on chain eip155:137 at block 63 (neg-risk)")
	h.must(registering(domain.MarketRegistered{Market: "c", Tokens: tokens("301", "302"), Condition: another}, silent(another)))
	check("not checked: no endpoint answered")
	h.must(registering(domain.MarketRegistered{Market: "d", Tokens: tokens("401", "402")}, nil))
	check("not checked: no condition id is registered for the market")
	h.must(registering(domain.MarketRegistered{Market: "e", Tokens: tokens("501", "502"), Condition: another}, nil))
	check("not checked: no endpoint was asked")
	// The outcomes may stand in any order: yes is the first of a condition, no the second.
	h.must(registering(domain.MarketRegistered{Market: "f", Outcomes: []string{"No", "Yes"}, Tokens: map[string]string{"Yes": "601", "No": "602"}, Condition: another},
		&TokenReading{Condition: another, Chain: polygon, Block: 64, Slots: 2, Forms: []TokenForm{{"USDC.e", []string{"601", "602"}}}}))
	check("checked on chain eip155:137 at block 64 (USDC.e)")
	h.must(registering(domain.MarketRegistered{Market: "g", Outcomes: []string{"Up", "Down"}, Tokens: map[string]string{"Up": "701", "Down": "702"}, Condition: another},
		&TokenReading{Condition: another, Chain: polygon, Block: 64, Slots: 2, Forms: []TokenForm{{"USDC.e", []string{"701", "702"}}}}))
	check("checked on chain eip155:137 at block 64 (USDC.e)")

	// The same again does nothing, but for what was not checked before.
	again := domain.MarketRegistered{Market: "c", Tokens: tokens("301", "302")}
	h.must(registering(again, silent(another)))
	require.Equal(t, []string{"command.noted"}, h.types())
	answer := &TokenReading{Condition: another, Chain: polygon, Block: 65, Slots: 2, Forms: []TokenForm{{"USDC.e", []string{"301", "302"}}}}
	h.must(registering(again, answer))
	check("checked on chain eip155:137 at block 65 (USDC.e)")
	h.must(registering(again, answer))
	require.Equal(t, []string{"command.noted"}, h.types())
	// A condition may become known later; it is changed by two people.
	h.must(registering(domain.MarketRegistered{Market: "d", Tokens: tokens("401", "402"), Condition: condition}, silent(condition)))
	check("not checked: no endpoint answered")
	h.refused(domain.CodeConflict, registering(domain.MarketRegistered{Market: "d", Tokens: tokens("401", "402"), Condition: another}, silent(another)))
	for _, wrong := range []string{condition[2:], "0x" + strings.Repeat("z", 64), condition + "0", "0x"} {
		h.refused(domain.CodeInvalid, registering(domain.MarketRegistered{Market: "w", Tokens: tokens("801", "802"), Condition: wrong}, nil))
	}
	h.refused(domain.CodeInvalid, registering(domain.MarketRegistered{Market: "w", Kind: domain.KindPerp, Condition: condition}, nil))
}

// "The same check for … the override request AND its confirmation", and "in the lines that
// the second person signs".
func TestMendedTokensAreCheckedTwice(t *testing.T) {
	h := funded(t)
	h.must(registering(domain.MarketRegistered{Market: "m", Tokens: tokens("102", "101"), Condition: condition}, nil))
	right, wrong := `{"market":"m","tokens":{"YES":"101","NO":"102"}}`, `{"market":"m","tokens":{"YES":"101","NO":"9"}}`
	require.ErrorContains(t, h.refused(domain.CodeConflict, mending(wrong, said(condition))), "the token of NO is 102")
	lines := func() []string {
		o := h.s.Overrides[lastOf[*domain.OverrideRequested](h).Override]
		return h.s.overrideLines(o)
	}
	confirm := func(id string, r *TokenReading) func(*Decision) error {
		return func(d *Decision) error {
			d.TokensRead(r)
			return d.ConfirmOverride(id)
		}
	}
	h.must(mending(wrong, silent(condition)))
	require.Contains(t, lines(), `tokens: "not checked: no endpoint answered"`)
	require.Contains(t, lines(), `condition of the tokens: "`+condition+`"`)
	id := lastOf[*domain.OverrideRequested](h).Override
	h.as(domain.RoleApprover, "paul").refused(domain.CodeConflict, confirm(id, said(condition)))

	h.operator().must(mending(right, said(condition)))
	require.Contains(t, lines(), `tokens: "checked on chain eip155:137 at block 63 (USDC.e)"`)
	id = lastOf[*domain.OverrideRequested](h).Override
	h.as(domain.RoleApprover, "paul").must(confirm(id, silent(condition)))
	require.Equal(t, uint64(63), lastOf[*domain.MarketRegistered](h).Checked.Block, "what derives from a condition never changes")
	require.Equal(t, tokens("101", "102"), h.s.Markets["m"].Tokens)

	// Two people change the condition, too.
	h.operator().must(mending(`{"market":"m","tokens":{"YES":"301","NO":"302"},"condition":"`+another+`"}`, silent(another)))
	require.Contains(t, lines(), `condition of the tokens: "`+another+`"`)
	id = lastOf[*domain.OverrideRequested](h).Override
	h.as(domain.RoleApprover, "paul").must(confirm(id, nil))
	require.Equal(t, another, h.s.Markets["m"].Condition)
	// The condition that was shown is the one that is decided on.
	h.operator().must(registering(domain.MarketRegistered{Market: "n", Tokens: tokens("901", "902")}, nil))
	h.must(mending(`{"market":"n","tokens":{"YES":"902","NO":"901"}}`, nil))
	id = lastOf[*domain.OverrideRequested](h).Override
	h.must(registering(domain.MarketRegistered{Market: "n", Tokens: tokens("901", "902"), Condition: condition}, nil))
	h.as(domain.RoleApprover, "paul").refused(domain.CodeConflict, confirm(id, nil))
}

// position is a token of the newer exchange.
func position(hash byte, outcome byte) string {
	var b [32]byte
	b[0], b[1], b[18], b[28], b[31] = 2, hash, 2, 1, outcome
	return new(big.Int).SetBytes(b[:]).String()
}

// "V3: structural check offline, same base hash for both outcomes, outcome bytes 0/1."
func TestTokensWithStructureAreCheckedOffline(t *testing.T) {
	h := funded(t)
	b, is := positionOf(position(7, 1))
	require.True(t, is)
	own := "0x" + hex.EncodeToString(b[:31])
	for says, m := range map[string]domain.MarketRegistered{
		"of YES ends in outcome 1 by its own digits": {Tokens: tokens(position(7, 1), position(7, 0))},
		"are of two conditions":                      {Tokens: tokens(position(7, 0), position(8, 1))},
		"of NO ends in outcome 2":                    {Tokens: tokens(position(7, 0), position(7, 2))},
		"are of two kinds: that of NO":               {Tokens: tokens(position(7, 0), "102")},
		"and the market has 3":                       {Outcomes: []string{"YES", "NO", "DRAW"}, Tokens: tokens(position(7, 0), position(7, 1))},
		"not of 0x" + strings.Repeat("ab", 31):       {Tokens: tokens(position(7, 0), position(7, 1)), Condition: "0x" + strings.Repeat("ab", 31)},
	} {
		m.Market = "m"
		require.ErrorContains(t, h.refused(domain.CodeConflict, registering(m, nil)), says)
	}
	h.refused(domain.CodeInvalid, registering(domain.MarketRegistered{Market: "m", Tokens: tokens("1", "2"), Condition: own}, nil))
	h.must(registering(domain.MarketRegistered{Market: "m", Tokens: tokens(position(7, 0), position(7, 1)), Condition: own}, nil))
	require.Equal(t, &domain.TokensCheck{Condition: own, Form: "v3"}, h.s.Markets["m"].Checked)
	require.Equal(t, "fit each other and their outcomes by their own digits (v3)", TokensSaid(h.s.Markets["m"].Checked))
	require.False(t, NeedsChain(&domain.MarketRegistered{Tokens: tokens(position(7, 0), position(7, 1)), Condition: condition}))
	require.True(t, NeedsChain(&domain.MarketRegistered{Tokens: tokens("1", "2"), Condition: condition}))
	require.False(t, NeedsChain(&domain.MarketRegistered{Tokens: tokens("1", "2")}))
}
