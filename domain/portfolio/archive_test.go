package portfolio

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain"
)

// archiving keeps so many settled markets in the state.
func (h *harness) archiving(kept int) *harness {
	h.kept = &kept
	return h
}

// archive returns the last event that archived a market.
func (h *harness) archive() *domain.MarketArchived {
	h.t.Helper()
	return h.last(domain.MarketArchivedType).(*domain.MarketArchived)
}

// traded is a portfolio of two bots in two markets, of which one settles outcome by outcome.
func traded(t testingT, kept int) *harness {
	h := second(t, "100000", quietPolicy).archiving(kept)
	h.deposit("1000")
	h.bot("b", "1000")
	h.must(func(d *Decision) error {
		return d.RegisterMarket(&domain.MarketRegistered{
			Market: "three", Kind: domain.KindOutcome, Outcomes: []string{"A", "B", "C"}, Category: "weather", Exclusive: true,
			Tokens: map[string]string{"A": "11", "B": "12", "C": "13"},
		})
	})
	first := h.fill("a", "three", "A", buy, "10", "0.3", provisional, atVenue("v"), withFee("0.1"))
	h.fill("a", "three", "B", buy, "4", "0.25")
	h.fill("b", "three", "A", sell, "5", "0.35")
	h.fill("b", "plain", "YES", buy, "8", "0.5")
	h.mark("three", "A", "0.4")
	h.must(func(d *Decision) error { return d.ConfirmFill(first, "three") })
	h.settleOne("three", "A", "0")
	return h
}

// A settled market that nothing is open of leaves the state with the settlement, and takes with
// it all that the state has of it.
func TestASettledMarketIsArchived(t *testing.T) {
	h := traded(t, 0)
	require.True(t, h.s.knows("three"), "an outcome is open")
	h.settleOne("three", "B", "1")
	require.Equal(t, []string{"market.paid_out", "trade.closed", "market.archived"}, h.types())
	require.Equal(t, []string{"11", "12", "13"}, h.archive().Tokens)
	require.False(t, h.s.knows("three"))
	h.settle("plain", "YES", "1")
	require.Equal(t, "plain", h.archive().Market)
	require.Empty(t, h.s.Instruments)
	require.Empty(t, h.s.Markets)

	whole := traded(t, SettledKept)
	whole.settleOne("three", "B", "1")
	whole.settle("plain", "YES", "1")
	require.Equal(t, whole.s.Equity(), h.s.Equity())
	require.Equal(t, whole.botOf("a").Equity(), h.botOf("a").Equity())
	require.Equal(t, whole.botOf("b").Streak, h.botOf("b").Streak)
}

// What is open of a market keeps it in the state.
func TestWhatIsOpenIsNotArchived(t *testing.T) {
	h := second(t, "100000", quietPolicy).archiving(0)
	id := h.fill("a", "m", "YES", buy, "1", "0.5", provisional)
	h.settle("m", "YES", "1")
	require.True(t, h.s.knows("m"), "a fill may still be voided")
	h.confirm(id)
	h.fill("a", "n", "YES", buy, "1", "0.5")
	h.fill("a", "n", "NO", buy, "1", "0.5")
	require.True(t, h.s.knows("m"), "its turn is with the next settlement")
	h.settle("n", "YES", "1")
	require.False(t, h.s.knows("m"))
	require.True(t, h.s.knows("n"), "NO is held")
	h.settle("n", "NO", "0")
	require.False(t, h.s.knows("n"))

	h.exclusive("p", "YES", "NO")
	h.must(func(d *Decision) error {
		return d.AskPermit(PermitRequest{Order: order("a", "p", "NO", buy, "1", "0.5")})
	})
	h.settleOne("p", "YES", "0")
	require.False(t, h.s.knows("p"), "the permit ended with it")
}

// namesArchived are the ways in which a command names an archived market.
var namesArchived = map[string]func(h *harness, d *Decision) error{
	"a correction": func(_ *harness, d *Decision) error { return d.CorrectSettlement(threeCorrected, "wrong") },
	"a correction that is none": func(_ *harness, d *Decision) error {
		return d.CorrectSettlement(Correction{Market: "three", Payouts: map[string]domain.Decimal{"A": dec("0"), "B": dec("1"), "C": dec("0")}}, "wrong")
	},
	"a correction to void": func(_ *harness, d *Decision) error {
		return d.CorrectSettlement(Correction{Market: "three", Void: true}, "wrong")
	},
	"a correction of another": func(_ *harness, d *Decision) error {
		return d.CorrectSettlement(Correction{Market: "none", Void: true}, "wrong")
	},
	"a late fill": func(h *harness, d *Decision) error {
		return d.RecordFill(h.report("a", "three", "B", buy, "3", "0.6"))
	},
	"a late fill of the complement": func(h *harness, d *Decision) error {
		return d.RecordFill(h.report("a", "three", "!B", sell, "3", "0.6"))
	},
	"a fill that is known": func(h *harness, d *Decision) error {
		r := h.report("b", "plain", "YES", buy, "8", "0.5")
		r.FillID = domain.FillID{Bot: "b", TradeID: "f4"}
		return d.RecordFill(r)
	},
	"a mark": func(_ *harness, d *Decision) error {
		return d.MarkPrices([]domain.Mark{{Market: "three", Outcome: "!B", Price: dec("0.3")}})
	},
	"a mark above 1": func(_ *harness, d *Decision) error {
		return d.MarkPrices([]domain.Mark{{Market: "three", Outcome: "B", Price: dec("1.1")}})
	},
	"a mark of no outcome": func(_ *harness, d *Decision) error {
		return d.MarkPrices([]domain.Mark{{Market: "plain", Price: dec("0.5")}, {Asset: "ETH", Price: dec("2")}})
	},
	"a permit": func(_ *harness, d *Decision) error {
		return d.AskPermit(PermitRequest{Order: order("a", "three", "C", buy, "1", "0.5")})
	},
	"a permit in another outcome": func(_ *harness, d *Decision) error {
		return d.AskPermit(PermitRequest{Order: order("a", "plain", "NO", buy, "1", "0.5")})
	},
	"the same settlement": func(_ *harness, d *Decision) error {
		return d.SettleMarket(Settlement{Market: "three", Outcome: "B", Payout: dec("1")})
	},
	"another settlement": func(_ *harness, d *Decision) error {
		return d.SettleMarket(Settlement{Market: "three", Outcome: "B", Payout: dec("0.5")})
	},
	"a settlement of what is not registered": func(_ *harness, d *Decision) error {
		return d.Settle(&domain.MarketSettled{Instrument: domain.Instrument{Market: "plain", Outcome: "YES"}, Payout: dec("0")})
	},
	"marks of settled ones": func(_ *harness, d *Decision) error {
		return d.MarkPrices([]domain.Mark{{Market: "three", Outcome: "A", Price: dec("0.3")}})
	},
	"a registration": func(_ *harness, d *Decision) error {
		return d.RegisterMarket(&domain.MarketRegistered{Market: "three", Kind: domain.KindOutcome, Outcomes: []string{"A", "B"}, Exclusive: true})
	},
	"a late registration": func(_ *harness, d *Decision) error {
		return d.RegisterMarket(&domain.MarketRegistered{Market: "plain", Kind: domain.KindOutcome, Outcomes: []string{"YES", "NO"}})
	},
	"a token of another market": func(_ *harness, d *Decision) error {
		return d.RegisterMarket(&domain.MarketRegistered{Market: "new", Kind: domain.KindOutcome, Outcomes: []string{"YES", "NO"}, Exclusive: true, Tokens: map[string]string{"YES": "12", "NO": "99"}})
	},
	"sets": func(_ *harness, d *Decision) error {
		return d.ChangeSets(&domain.SetsChanged{Bot: "a", Market: "three", Action: domain.SplitSets, Quantity: dec("1"), SetID: "s"})
	},
	"funding": func(_ *harness, d *Decision) error {
		return d.RecordFunding(&domain.FundingRecorded{Bot: "a", Instrument: domain.Instrument{Market: "three", Outcome: "A"}, Amount: dec("1"), FundingID: "x"})
	},
	"a redemption": func(_ *harness, d *Decision) error {
		_, err := d.Redeem("a", "three", dec("1"), dec("1"))
		return err
	},
	"an arbitrage": func(_ *harness, d *Decision) error {
		return d.AskArbitrage(ArbitrageRequest{Bot: "a", Legs: []PermitRequest{{Order: order("a", "three", "A", buy, "1", "0.3")}, {Order: order("a", "three", "B", buy, "1", "0.3")}}})
	},
	"payouts by two people": func(_ *harness, d *Decision) error {
		return d.RequestOverride(domain.OverridePayouts, "", json.RawMessage(`{"market":"three","payouts":{"A":"1","B":"1","C":"1"}}`), "odd")
	},
	"tokens by two people": func(_ *harness, d *Decision) error {
		return d.RequestOverride(domain.OverrideTokens, "", json.RawMessage(`{"market":"three","tokens":{"A":"21","B":"22","C":"23"}}`), "odd")
	},
}

var threeCorrected = Correction{Market: "three", Payouts: map[string]domain.Decimal{"A": dec("1"), "B": dec("0"), "C": dec("0")}}

// What names an archived market has the same effect as if it had stayed.
func TestWhatNamesAnArchivedMarket(t *testing.T) {
	for name, f := range namesArchived {
		t.Run(name, func(t *testing.T) {
			var said [2]string
			var states [2]*State
			for n, kept := range []int{0, SettledKept} {
				h := traded(t, kept)
				h.settleOne("three", "B", "1")
				h.settle("plain", "YES", "1")
				require.Equal(t, kept > 0, h.s.knows("three") && h.s.knows("plain"))
				*h.kept = SettledKept
				_, err := h.try(func(d *Decision) error { return f(h, d) })
				said[n] = fmt.Sprint(err)
				for _, e := range h.step {
					if e, is := e.(*domain.PermitDenied); is {
						said[n] += fmt.Sprint(e.Reasons)
					}
					if !ofArchive(e) && err == nil {
						said[n] += " " + e.EventType()
					}
				}
				d := h.s.Begin(h.now, h.caller)
				for _, market := range []string{"three", "plain"} {
					d.Look(market)
				}
				states[n] = h.s
			}
			require.Equal(t, said[1], said[0])
			require.Equal(t, jsonOf(t, states[1].SortedInstruments()), jsonOf(t, states[0].SortedInstruments()))
			require.Equal(t, jsonOf(t, states[1].Markets), jsonOf(t, states[0].Markets))
			require.Equal(t, jsonOf(t, states[1].Bots), jsonOf(t, states[0].Bots))
		})
	}
}

// jsonOf drops what tells the place in the stream, which archiving moves.
func jsonOf(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	require.NoError(t, err)
	var any any
	require.NoError(t, json.Unmarshal(b, &any))
	placeless(any)
	b, err = json.MarshalIndent(any, "", " ")
	require.NoError(t, err)
	return string(b)
}

func placeless(v any) {
	switch v := v.(type) {
	case map[string]any:
		for _, key := range []string{"revision", "trade", "in", "opened", "digest"} {
			delete(v, key)
		}
		for key, one := range v {
			if strings.HasPrefix(key, "t") || strings.HasPrefix(key, "r") {
				if rest := strings.Trim(key[1:], "0123456789."); rest == "" {
					delete(v, key)
				}
			}
			placeless(one)
		}
	case []any:
		for _, one := range v {
			placeless(one)
		}
	}
}

// What only asks about an archived market leaves it where it is: a denied permit, a repeat, a
// mark of what is settled, a request that is refused.
func TestWhatOnlyAsksRestoresNothing(t *testing.T) {
	h := traded(t, 0)
	h.settleOne("three", "B", "1")
	before := h.hash()
	h.refused(domain.CodeConflict, func(d *Decision) error {
		return d.SettleMarket(Settlement{Market: "three", Outcome: "B", Payout: dec("0")})
	})
	require.Equal(t, before, h.hash())
	h.must(func(d *Decision) error {
		return d.AskPermit(PermitRequest{Order: order("a", "three", "C", buy, "1", "0.5")})
	})
	require.Equal(t, []string{"permit.denied"}, h.types())
	preview, err := h.s.PreviewPermit(h.now, h.caller, PermitRequest{Order: order("a", "three", "C", buy, "1", "0.5")})
	require.NoError(t, err)
	require.Equal(t, domain.ReasonMarketSettled, preview.Reasons[0].Code)
	require.False(t, h.s.knows("three"))
	h.must(func(d *Decision) error {
		return d.SettleMarket(Settlement{Market: "three", Outcome: "B", Payout: dec("1")})
	})
	require.Equal(t, []string{"command.noted"}, h.types())
	h.must(func(d *Decision) error {
		return d.MarkPrices([]domain.Mark{{Market: "three", Outcome: "A", Price: dec("0.3")}, {Market: "plain", Outcome: "YES", Price: dec("0.5")}})
	})
	require.Equal(t, []string{"price.marked"}, h.types())
	require.Equal(t, []domain.Mark{{Market: "plain", Outcome: "YES", Price: dec("0.5")}}, h.events()[0].(*domain.PriceMarked).Marks)
	require.False(t, h.s.knows("three"))
	h.settle("plain", "YES", "1")
	require.False(t, h.s.knows("plain"))
	h.mark("plain", "NO", "0.3") // no bot holds it
	require.Equal(t, []string{"command.noted"}, h.types())
	m := h.s.Registered("three")
	require.Equal(t, []string{"A", "B", "C"}, m.Outcomes, "its tokens can be compared with a chain")
	_, is := h.s.MarketOf(json.RawMessage(`{"market":"three","tokens":{"A":"21","B":"22","C":"23"}}`))
	require.True(t, is)
	require.Nil(t, h.s.Registered("plain"))
	require.False(t, h.s.knows("three"))
}

// A market that is restored is archived again when it is over again, and found there.
func TestAMarketIsArchivedAgain(t *testing.T) {
	h := traded(t, 0)
	h.settleOne("three", "B", "1")
	for n := range 3 {
		archived := h.archive()
		h.fill("a", "three", "B", buy, "1", "0.6")
		restored := h.last(domain.MarketRestoredType).(*domain.MarketRestored)
		require.JSONEq(t, string(archived.Content), string(restored.Content))
		require.True(t, h.s.knows("three"))
		h.must(func(d *Decision) error {
			return d.SettleMarket(Settlement{Market: "three", Outcome: "B", Payout: dec("1")})
		})
		require.False(t, h.s.knows("three"), "%d", n)
		require.Greater(t, len(h.archive().Content), len(archived.Content), "it has the late fill, too")
	}
}

// The markets that were settled last stay: what is late mostly comes soon.
func TestTheNewestSettledMarketsStay(t *testing.T) {
	h := second(t, "100000", quietPolicy).archiving(3)
	for n := range 10 {
		market := fmt.Sprint("m", n)
		h.fill("a", market, "YES", buy, "1", "0.5")
		h.settle(market, "YES", "1")
		require.Equal(t, n < 3, h.count(domain.MarketArchivedType) == 0)
	}
	require.Len(t, h.s.Instruments, 3)
	require.True(t, h.s.knows("m9") && h.s.knows("m8") && h.s.knows("m7"))
}

// A market that is restored is the newest of those that are settled, also in a state that was
// folded from the log.
func TestARestoredMarketStays(t *testing.T) {
	h := second(t, "100000", quietPolicy).archiving(3)
	for n := range 6 {
		h.fill("a", fmt.Sprint("m", n), "YES", buy, "1", "0.5")
		h.settle(fmt.Sprint("m", n), "YES", "1")
	}
	h.refold()
	require.False(t, h.s.knows("m0"))
	h.must(func(d *Decision) error {
		return d.AskPermit(PermitRequest{Order: order("a", "m0", "NO", buy, "1", "0.5")})
	})
	require.Equal(t, []string{"market.restored", "permit.granted", "market.archived"}, h.types())
	require.Equal(t, "m3", h.archive().Market)
	require.True(t, h.s.knows("m0"))
}

// The markets of a history that was recorded by an earlier build leave step by step, and those
// that settled first leave first.
func TestFormerMarketsLeaveStepByStep(t *testing.T) {
	h := second(t, "100000", quietPolicy).archiving(SettledKept)
	for n := range 12 {
		h.fill("a", fmt.Sprint("m", n), "YES", buy, "1", "0.5")
		h.settle(fmt.Sprint("m", n), "YES", "1")
	}
	h.fill("a", "open", "YES", buy, "1", "0.5", provisional)
	h.settle("open", "YES", "1")
	*h.kept = 2
	h.refold()
	for n := range 6 {
		h.fill("a", "other", "YES", buy, "1", "0.5")
		require.Equal(t, min(2, 11-2*n), h.count(domain.MarketArchivedType))
		require.False(t, h.s.knows(fmt.Sprint("m", min(2*n, 10))))
	}
	require.True(t, h.s.knows("m11") && h.s.knows("open"))
	h.fill("a", "other", "YES", buy, "1", "0.5")
	require.Zero(t, h.count(domain.MarketArchivedType))
}

// Records of another program take no position away, and do not break the fold: an archive of a
// market that is open, or that the state does not know, and contents that no build writes.
func TestArchivesOfAnotherProgram(t *testing.T) {
	h := traded(t, SettledKept)
	held := h.position("a", "three", "B")
	h.apply(&domain.MarketArchived{Market: "three", Content: json.RawMessage(`{}`)})
	require.Equal(t, held, h.position("a", "three", "B"))
	for _, content := range []string{
		`null`, `[]`, `{"instruments":[null]}`, `{"instruments":[{"market":"x","outcome":"A"}]}`, `{"unknown":1}`,
		`{"instruments":[{"market":"gone","outcome":"A","payout":"1"}]}`,
		`{"instruments":[{"market":"gone","outcome":"A"},{"market":"gone","outcome":"A"}]}`,
		`{"instruments":[{"market":"gone","outcome":"A","holdings":[{"bot":"a","quantity":"1","cost":"1","value":"1"}]}]}`,
		`{"instruments":[{"market":"gone","outcome":"A","paid":[null]}]}`,
		`{"registered":{"kind":"outcome","outcomes":["A","B"],"exclusive":true,"held":[{"bot":"a","value":"7"}]}}`,
	} {
		h.apply(&domain.MarketArchived{Market: "gone", Content: json.RawMessage(content)})
		h.refused(domain.CodeInternal, func(d *Decision) error { return d.RecordFill(h.report("a", "gone", "A", buy, "1", "0.5")) })
		_, err := h.s.PreviewPermit(h.now, h.caller, PermitRequest{Order: order("a", "gone", "A", buy, "1", "0.5")})
		require.Equal(t, domain.CodeInternal, domain.CodeOf(err), content)
		h.apply(&domain.MarketRestored{Market: "gone", Archived: 7, Content: json.RawMessage(content)})
		require.False(t, h.s.knows("gone"), content)
		h.s = h.s.Clone() // which derives everything anew
	}
}

// What was archived is read for as long as the log is: each content of the golden events is
// read, and written again, as it is.
func TestWhatWasArchivedStaysReadable(t *testing.T) {
	files, err := filepath.Glob("../testdata/events/market.archived.v1*.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		b, err := os.ReadFile(file)
		require.NoError(t, err)
		var e domain.MarketArchived
		require.NoError(t, json.Unmarshal(b, &e))
		s := New()
		require.NoError(t, s.insert(e.Market, e.Content))
		content, err := s.Archived(e.Market)
		require.NoError(t, err)
		require.Equal(t, string(e.Content), string(content), "never change what this says, only add what may be left out")
	}
}
