package replay_test

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/treasury"
)

// section returns one section of the page on custody.
func section(t *testing.T, title string) string {
	t.Helper()
	page, err := os.ReadFile("../docs/semantics/custody.md")
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(page), "\n## "+title+"\n")
	require.True(t, found, title)
	text, _, _ := strings.Cut(rest, "\n## ")
	return text
}

// The worked cases of rebalancing are what the code proposes.
func TestRebalancingTable(t *testing.T) {
	rows := regexp.MustCompile(`(?m)^\| (0\.\d+) \|(.*)\|$`).FindAllStringSubmatch(section(t, "Rebalancing"), -1)
	require.Len(t, rows, 3)
	for _, row := range rows {
		var n []domain.Decimal
		cells := strings.Split(row[2], "|")
		for _, cell := range cells[:9] {
			n = append(n, domain.MustDecimal(strings.TrimSpace(cell)))
		}
		p := domain.DefaultTreasuryPolicy()
		p.HotWalletPercentage = domain.MustDecimal(row[1])
		figures, move := treasury.Propose(treasury.Holdings{HotCash: n[0], Deployed: n[1], Cold: n[2], Transit: n[3], FreeHot: n[4], FreeCold: n[5]}, &p, 6)
		require.Equal(t, n[6:9], []domain.Decimal{figures.Target, figures.Low, figures.High})
		require.Equal(t, strings.TrimSpace(cells[9]), move.From+" → "+move.To+" "+move.Amount.String())
	}
}

// The page has every failure, status, kind and key of custody, where it explains them.
// (internal/typeddata checks the codes of refused signatures.)
func TestCustodyListsAreComplete(t *testing.T) {
	transfers := section(t, "Transfers")
	for _, code := range []string{domain.FailedRefused, domain.FailedReverted, domain.FailedNotMoved, domain.FailedReplaced} {
		require.Contains(t, transfers, "| `"+code+"` |")
	}
	for _, word := range []string{
		domain.TransferInternal, domain.TransferRebalance, domain.TransferWithdrawal, domain.TransferSweep,
		string(treasury.Requested), string(treasury.Approved), string(treasury.Rejected), string(treasury.Expired), string(treasury.Prepared),
		string(treasury.Signed), string(treasury.Broadcast), string(treasury.Confirmed), string(treasury.Failed),
	} {
		require.Contains(t, transfers, "`"+word+"`")
	}
	keys := section(t, "Treasury policy keys")
	policy := reflect.TypeFor[domain.TreasuryPolicy]()
	for i := range policy.NumField() {
		require.Contains(t, keys, "| `"+policy.Field(i).Tag.Get("json")+"` |")
	}
}
