package replay

import (
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain"
)

// What came with the second edition of the rules is described, too.
func TestDescriptionsOfTheSecondEdition(t *testing.T) {
	of, to := uint64(17), domain.MustDecimal("740")
	half := domain.MustDecimal("0.5")
	rain := domain.Instrument{Market: "rain", Outcome: "YES"}
	for want, event := range map[string]domain.Event{
		"2 marked by feed: rain/YES waits at 0.5, POL 0.5; 1 refused": &domain.PriceMarked{
			Source:  domain.RoleFeed,
			Marks:   []domain.Mark{{Market: "rain", Outcome: "YES", Price: half, Waits: true}, {Asset: "POL", Price: half}},
			Refused: []domain.RefusedMark{{Index: 2}},
		},
		"rain/YES is priced at 0.5: the mark that waited is confirmed": &domain.MarkConfirmed{Instrument: rain, Price: half},
		"POL is priced at 0.5: the mark that waited is confirmed":      &domain.MarkConfirmed{Asset: "POL", Price: half},
		"hot:treasury adjusted by 0.5 USDC, which corrects revision 17: mistyped": &domain.AdjustmentPosted{
			Account: "hot:treasury", Amount: half, Asset: "USDC", Reason: "mistyped", Flow: true, Of: &of,
		},
		"daily_loss reset (0.5 → 0), measured from 740: looked at it": &domain.BreakerReset{Breaker: "daily_loss", Before: half, Reason: "looked at it", RebasedTo: &to},
		"market cup is of kind outcome, exclusive: one of A, B, C": &domain.MarketRegistered{
			Market: "cup", Kind: domain.KindOutcome, Outcomes: []string{"A", "B", "C"}, Exclusive: true,
		},
		"market rain is of kind outcome, exclusive: one of YES, NO; valued together, that changes equity as a flow: alpha +0.5, portfolio +0.5": &domain.MarketRegistered{
			Market: "rain", Kind: domain.KindOutcome, Outcomes: []string{"YES", "NO"}, Exclusive: true,
			Changes: []domain.ScopeChange{{Bot: "alpha", Amount: half}, {Amount: half}},
		},
		"alpha closed t9 of rain/YES: loss of -0.5, fee 0, part of result r17": &domain.TradeClosed{
			Bot: "alpha", Trade: "t9", Instrument: rain, TradeFigures: domain.TradeFigures{PnL: half.Neg(), Result: domain.Loss}, ResultID: "r17",
		},
		"alpha closed t9 of rain/YES: loss of -0.5, fee 0, part of result r17, which waits for the next of the market": &domain.TradeClosed{
			Bot: "alpha", Trade: "t9", Instrument: rain, TradeFigures: domain.TradeFigures{PnL: half.Neg(), Result: domain.Loss}, ResultID: "r17", Deferred: true,
		},
		"rain pays NO 0.5, YES 0.5 for a 10 × YES": &domain.MarketPaidOut{
			Market: "rain", Payouts: map[string]domain.Decimal{"YES": half, "NO": half},
			Holders: []domain.OutcomeHolder{{Bot: "a", Outcome: "YES", Quantity: domain.FromInt(10)}},
		},
		"rain is void: every holder gets the cost back for no bot": &domain.MarketPaidOut{Market: "rain", Void: true},
		"rain corrected: pays NO 0.5: wrong":                       &domain.MarketCorrected{Market: "rain", Payouts: map[string]domain.Decimal{"NO": half}, Reason: "wrong"},
		"a split 10 into sets of rain, fee 0.5":                    &domain.SetsChanged{Bot: "a", Market: "rain", Action: domain.SplitSets, Quantity: domain.FromInt(10), Fee: half},
		"a merged 10 sets of rain, fee 0":                          &domain.SetsChanged{Bot: "a", Market: "rain", Action: domain.MergeSets, Quantity: domain.FromInt(10)},
		"a funding -0.5 of rain/YES":                               &domain.FundingRecorded{Bot: "a", Instrument: rain, Amount: half.Neg()},
	} {
		require.Equal(t, want, Describe(event))
		require.NotContains(t, Describe(event), "\n")
	}
}
