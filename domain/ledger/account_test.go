package ledger

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain"
)

func dec(s string) domain.Decimal { return domain.MustDecimal(s) }

// “Accounts are asset | place | owner.” and their list.
func TestAccountNames(t *testing.T) {
	yes := domain.Instrument{Market: "m", Outcome: "YES"}
	for _, c := range []struct {
		account Account
		want    string
		asset   bool
	}{
		{Wallet("USDC", domain.WalletHot), "hot:treasury", true},
		{Wallet("USDC", domain.WalletCold), "cold:treasury", true},
		{BotCash("USDC", "a"), "hot:bot/a", true},
		{PositionOf("USDC", "a", yes), "position:bot/a/m/YES", true},
		{External("USDC"), "external", false},
		{TradingIncome("USDC", "a"), "income:trading/a", false},
		{RebateIncome("USDC", "a"), "income:rebates/a", false},
		{Fees("USDC", "a"), "expense:fees/a", false},
		{Gas("USDC"), "expense:gas", false},
		{Adjustment("USDC"), "adjustment", false},
	} {
		require.Equal(t, c.want, c.account.Name())
		require.Equal(t, c.asset, c.account.IsAsset(), c.want)
		text, err := c.account.MarshalText()
		require.NoError(t, err)
		var back Account
		require.NoError(t, back.UnmarshalText(text))
		require.Equal(t, c.account, back)
	}
}

// No two positions share an account, whatever their markets are called.
func TestPositionAccountsAreDistinct(t *testing.T) {
	seen := map[Account]domain.Instrument{}
	parts := []string{"a", "b", "a/b", "a%2Fb", "a%252Fb", "%", "/", "//", "%2F", "|", "a|b", ""}
	for _, market := range parts {
		for _, outcome := range parts {
			i := domain.Instrument{Market: market, Outcome: outcome}
			a := PositionOf("USDC", "bot", i)
			require.NotContains(t, seen, a, "%q and %q", seen[a], i)
			seen[a] = i
			var back Account
			text, _ := a.MarshalText()
			require.NoError(t, back.UnmarshalText(text))
			require.Equal(t, a, back)
		}
	}
}

func TestAccountTextRefuses(t *testing.T) {
	for _, text := range []string{"", "USDC", "USDC|hot"} {
		require.ErrorContains(t, new(Account).UnmarshalText([]byte(text)), "is not asset|place|owner")
	}
}

// “Every event with money in it yields postings that sum to zero per
// asset; the sum over all accounts is zero after every event.”
func TestBookBalances(t *testing.T) {
	cash, out := Wallet("USDC", domain.WalletHot), External("USDC")
	b := Book{}
	for _, p := range Move(cash, out, dec("10.5")) {
		b.Post(p)
	}
	require.Equal(t, Book{cash: dec("10.5"), out: dec("-10.5")}, b, "debit positive, credit negative")
	require.Empty(t, b.TrialBalance())
	b.Post(Posting{BotCash("USDC", "a"), dec("0.000000000000000001")})
	b.Post(Posting{Gas("POL"), dec("2")})
	require.Equal(t, map[string]domain.Decimal{"USDC": dec("0.000000000000000001"), "POL": dec("2")}, b.TrialBalance())
	b.Post(Posting{BotCash("USDC", "a"), dec("-0.000000000000000001")})
	b.Post(Posting{Gas("POL"), dec("-2")})
	require.Empty(t, b.TrialBalance())
	require.Len(t, b, 2, "an account that comes to zero is forgotten")
	text, err := json.Marshal(b)
	require.NoError(t, err)
	var back Book
	require.NoError(t, json.Unmarshal(text, &back))
	require.Equal(t, b, back)
}

func TestSumKeepsAssetsApart(t *testing.T) {
	require.Equal(t, map[string]domain.Decimal{"A": dec("1"), "B": dec("-1")},
		Sum([]Posting{{External("A"), dec("1")}, {External("B"), dec("-1")}}))
	require.Empty(t, Sum(append(Move(External("A"), Gas("A"), dec("3")), Move(External("B"), Gas("B"), dec("-3"))...)))
}

// Balanced is what Sum says, also by its short way for one asset.
func TestBalanced(t *testing.T) {
	one, two := Wallet("USDC", domain.WalletHot), External("USDC")
	n := domain.FromInt
	require.True(t, Balanced(nil))
	require.True(t, Balanced(Move(one, two, n(3))))
	require.False(t, Balanced([]Posting{{one, n(3)}, {two, n(-2)}}))
	require.False(t, Balanced([]Posting{{one, n(3)}, {External("POL"), n(-3)}}))
	require.False(t, Balanced([]Posting{{one, n(3)}}))
	require.True(t, Balanced([]Posting{{one, n(3)}, {two, n(-1)}, {two, n(-2)}}))
	require.False(t, Balanced([]Posting{{one, n(3)}, {two, n(-1)}, {two, n(-1)}}))
}
