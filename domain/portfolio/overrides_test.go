package portfolio

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/treasury"
)

// namedInTheDomain are the kinds that have a name: the constants of events_override.go.
func namedInTheDomain(t *testing.T) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../events_override.go", nil, 0)
	require.NoError(t, err)
	var names []string
	ast.Inspect(file, func(n ast.Node) bool {
		v, is := n.(*ast.ValueSpec)
		if is && !strings.HasSuffix(v.Names[0].Name, "Type") {
			literal, is := v.Values[0].(*ast.BasicLit)
			require.True(t, is)
			name, err := strconv.Unquote(literal.Value)
			require.NoError(t, err)
			names = append(names, name)
		}
		return true
	})
	return names
}

// "A new kind is one room": what has a name has a row, and a row says all that every place
// needs to know.
func TestEveryOverrideHasItsRow(t *testing.T) {
	var rows []string
	for _, k := range OverrideKinds() {
		rows = append(rows, k.Name)
		require.NotNil(t, k.check, k.Name)
		require.NotNil(t, k.confirm, k.Name)
		require.NotEmpty(t, k.About, k.Name)
		require.False(t, k.Patch && k.Content == nil, k.Name)
		got, known := OverrideKindOf(k.Name)
		require.True(t, known)
		require.Equal(t, k.Name, got.Name)
		require.Contains(t, NamedOverrides(), k.Name)
	}
	require.ElementsMatch(t, namedInTheDomain(t), rows)
	_, known := OverrideKindOf("world_peace")
	require.False(t, known)
}

// The columns, read the other way: every entry is a deliberate decision.
func TestColumnsOfTheOverrides(t *testing.T) {
	for column, tt := range map[string]struct {
		is   func(OverrideKind) bool
		want string
	}{
		"always signed": {func(k OverrideKind) bool { return k.AlwaysSigned }, "go_live signed_approvals"},
		"any clock":     {func(k OverrideKind) bool { return k.anyClock }, "clock"},
		"on chain":      {func(k OverrideKind) bool { return k.OnChain }, "transfer market_tokens"},
		"no content":    {func(k OverrideKind) bool { return k.Content == nil }, "go_live clock signed_approvals"},
		"patch":         {func(k OverrideKind) bool { return k.Patch }, "limits treasury_policy"},
		"apart":         {func(k OverrideKind) bool { return k.apart != nil }, "adjustment payouts settlement"},
	} {
		var got []string
		for _, k := range OverrideKinds() {
			if tt.is(k) {
				got = append(got, k.Name)
			}
		}
		require.Equal(t, strings.Fields(tt.want), got, column)
	}
}

// A request that a build does not know, because a later one recorded it, changes nothing.
func TestAnUnknownOverrideIsNotConfirmed(t *testing.T) {
	h := funded(t)
	h.applied(&domain.OverrideRequested{Override: "o99", Kind: "world_peace", Limits: json.RawMessage(`{"max_daily_loss_pct":"0.5"}`), Reason: "x", User: "olga", ExpiresAt: h.now.Add(time.Hour)})
	d := h.s.Begin(h.now, domain.Caller{User: "paul", Role: domain.RoleApprover})
	require.Equal(t, domain.CodeConflict, domain.CodeOf(d.ConfirmOverride("o99")))
}

// Lines that were signed by an older build are the same ones now, byte by byte; the file is
// never edited.
func TestLinesOfOldOverridesAreWhatWasSigned(t *testing.T) {
	s := New()
	at := time.Date(2026, 3, 3, 12, 0, 0, 0, time.UTC)
	s.Custody.Transfers["x7"] = &treasury.Transfer{TransferRequested: domain.TransferRequested{
		Payment:  domain.Payment{From: "hot-1", To: friend, Chain: polygon, AssetID: usdcID, Amount: dec("5"), HighestFee: dec("0.1")},
		Transfer: "x7", Kind: "withdrawal", Asset: "USDC", User: "olga", Reason: "rent", ExpiresAt: at,
	}}
	var got strings.Builder
	for _, o := range []*Override{
		{Kind: "go_live", Portfolio: "real"},
		{Kind: "limits", Limits: json.RawMessage(`{"max_daily_loss_pct":"0.08","blocked_zones":[4,5]}`)},
		{Kind: "treasury_policy", Limits: json.RawMessage(`{"approval_threshold_usd":"5000"}`)},
		{Kind: "transfer", Limits: json.RawMessage(`{"transfer":"x7","outcome":"failed","tx_hash":"0xab","block":7,"fee":"0"}`)},
		{Kind: "market_tokens", Limits: json.RawMessage(`{"market":"m1","tokens":{"YES":"4","NO":"3"}}`)},
		{Kind: "clock", Offset: domain.Duration(48 * time.Hour)},
		{Kind: "signed_approvals"},
	} {
		o.ID, o.User, o.Reason, o.ExpiresAt = "o9", "olga", "because \"so\"", at
		for _, line := range s.overrideLines(o) {
			got.WriteString(line + "\n")
		}
		got.WriteString("\n")
	}
	want, err := os.ReadFile("testdata/override_lines.txt")
	require.NoError(t, err)
	require.Equal(t, string(want), got.String())
}
