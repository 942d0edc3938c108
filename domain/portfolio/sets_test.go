package portfolio

import (
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain"
)

func (h *harness) sets(bot, market, action, quantity, id string, fee ...string) func(*Decision) error {
	e := &domain.SetsChanged{Bot: bot, Market: market, Action: action, Quantity: dec(quantity), SetID: id}
	if len(fee) > 0 {
		e.Fee = dec(fee[0])
	}
	return func(d *Decision) error { return d.ChangeSets(e) }
}

// "Split: cash −q, q of each outcome at the share of q that its mark has among all;
// merge: q of each leaves at average cost for q in cash, shared out in proportion to
// the cost taken out".
func TestSetsMoveNoEquity(t *testing.T) {
	h := second(t, "1000", quietPolicy)
	h.exclusive("rain", "YES", "NO")
	h.mark("rain", "YES", "0.3")
	h.mark("rain", "NO", "0.7")
	h.must(h.sets("a", "rain", domain.SplitSets, "100", "s1"))
	require.Equal(t, "1000", h.equityOf("a"))
	h.equal("900", h.botOf("a").Cash)
	h.equal("30", h.position("a", "rain", "YES").Cost)
	h.equal("70", h.position("a", "rain", "NO").Cost)
	require.NotEqual(t, h.position("a", "rain", "YES").Episode.Trade, h.position("a", "rain", "NO").Episode.Trade)

	h.mark("rain", "YES", "0.9") // two outcomes: what both pay counts as cash
	require.Equal(t, "1000", h.equityOf("a"))
	h.must(h.sets("a", "rain", domain.MergeSets, "100", "s2"))
	require.Equal(t, "1000", h.equityOf("a"))
	b := h.botOf("a")
	require.Equal(t, []int{2, 0, 0, 1}, []int{b.Trades, b.Wins, b.Losses, b.Neutral}, "two trades, one result of 0")
}

// "in equal parts where a mark is missing, all are 0, or no cost is taken out; the
// rounding goes to the largest."
func TestSetsWithoutMarks(t *testing.T) {
	h := second(t, "1000", quietPolicy)
	h.exclusive("cup", "A", "B", "C")
	h.must(h.sets("a", "cup", domain.SplitSets, "100", "s1", "0.5"))
	require.Equal(t, "999.5", h.equityOf("a"))
	var sum domain.Decimal
	for _, outcome := range []string{"A", "B", "C"} {
		sum = sum.Add(h.position("a", "cup", outcome).Cost)
	}
	h.equal("100", sum)
	h.must(h.sets("a", "cup", domain.SplitSets, "100", "s1", "0.5"))
	require.Equal(t, []string{"command.noted"}, h.types(), "the same again")
	h.refused(domain.CodeConflict, h.sets("a", "cup", domain.SplitSets, "101", "s1", "0.5"))
}

// "by the bot's own key, only of what it holds (else 409 not_held: report the fills
// first)" — limit, limit + 1.
func TestSetsOfWhatIsHeld(t *testing.T) {
	h := second(t, "1000", quietPolicy)
	h.exclusive("rain", "YES", "NO")
	h.refused(domain.CodeNotHeld, h.sets("a", "rain", domain.SplitSets, "1000.000001", "s1"))
	h.refused(domain.CodeNotHeld, h.sets("a", "rain", domain.SplitSets, "1000", "s1", "0.000001"))
	h.must(h.sets("a", "rain", domain.SplitSets, "1000", "s1"))
	h.refused(domain.CodeNotHeld, h.sets("a", "rain", domain.MergeSets, "1000.000001", "s2"))
	h.fill("a", "rain", "YES", sell, "1", "0.5")
	h.refused(domain.CodeNotHeld, h.sets("a", "rain", domain.MergeSets, "1000", "s2"))
	h.must(h.sets("a", "rain", domain.MergeSets, "999", "s2"))
	h.settleOne("rain", "YES", "1")
	h.refused(domain.CodeConflict, h.sets("a", "rain", domain.SplitSets, "1", "s3"))
}
