package portfolio

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/risk"
)

// reads decides on a copy of the state that has nothing of the past in memory, and returns how
// many records that read.
func (h *harness) reads(decide func(*Decision) error) (n int, err error) {
	s := h.s.Clone()
	h.past.known, h.past.read = s.Next, 0
	s.LookUp(h.past, 1)
	err = decide(s.Begin(h.now, h.caller))
	require.NoError(h.t, s.Past.Err())
	return h.past.read, err
}

// A decision reads few records of the past, however many fills of the same trade id there are
// in other markets or of other legs, and however often a fill was reported.
func TestADecisionReadsFewRecords(t *testing.T) {
	for _, n := range []int{1, 60} {
		h := second(t, "100000", quietPolicy)
		h.deposit("1000")
		h.bot("b", "1000")
		of := func(bot, market, id string, leg int, options ...fillOption) FillReport {
			r := h.report(bot, market, "YES", buy, "1", "0.5", append(options, withID(id), atVenue("v"))...)
			r.Leg = leg
			return r
		}
		for i := range n {
			r := of("a", fmt.Sprint("m", i), "1", 0, provisional)
			h.must(h.recordFill(r))
			h.must(func(d *Decision) error { return d.ConfirmFill(r.FillID, r.Market) })
			leg := of("a", "legs", "1", i, provisional)
			h.must(h.recordFill(leg))
			h.must(func(d *Decision) error { return d.VoidFill(leg.FillID, leg.Market) })
		}
		early := of("a", "m0", "early", 0)
		h.must(func(d *Decision) error { return d.VoidFill(early.FillID, early.Market) })
		for range n {
			h.must(h.recordFill(early))
		}
		for _, c := range []struct {
			name string
			most int
			code domain.Code
			do   func(d *Decision) error
		}{
			{"a new fill", 0, "", h.recordFill(of("a", "new", "1", 0))},
			{"a repeat", 2, domain.CodeTradeIDConflict, h.recordFill(of("a", "m0", "1", 0))},
			{"a repeat of an early void", 2, "", h.recordFill(early)},
			{"the same fill of another bot", 3, "", h.recordFill(of("b", "m0", "early", 0))},
			{"the result of fills that are voided", 2 * (maxVoidedAs + 1), "", func(d *Decision) error {
				return d.RecordTrade(&domain.TradeClosed{
					Bot: "a", Instrument: domain.Instrument{Market: "legs", Outcome: "YES"}, TradeID: "1", TradeFigures: domain.TradeFigures{PnL: dec("1")},
				})
			}},
			{"a void of what is in several markets", 4, domain.CodeInvalid, func(d *Decision) error {
				return d.VoidFill(domain.FillID{Bot: "a", Venue: "v", TradeID: "1"}, "")
			}},
		} {
			read, err := h.reads(c.do)
			require.Equal(t, c.code, domain.CodeOf(err), "%s: %v", c.name, err)
			require.LessOrEqual(t, read, c.most, "%s beside %d", c.name, n)
		}
	}
}

// A result is flagged if so many fills of its trade are voided that the search for one that
// stands ends.
func TestAResultBesideManyVoidedFills(t *testing.T) {
	h := second(t, "1000", quietPolicy)
	result := func(d *Decision) error {
		return d.RecordTrade(&domain.TradeClosed{
			Bot: "a", Instrument: domain.Instrument{Market: "m"}, TradeID: "1", TradeFigures: domain.TradeFigures{PnL: dec("1")},
		})
	}
	for leg := range maxVoidedAs {
		s := h.s.Clone()
		d := s.Begin(h.now, h.caller)
		require.NoError(t, result(d))
		require.Empty(t, d.events[0].(*domain.TradeClosed).Flags, "%d are voided", leg)
		r := h.report("a", "m", "YES", buy, "1", "0.5", withID("1"), provisional)
		r.Leg = leg
		h.must(h.recordFill(r))
		h.must(func(d *Decision) error { return d.VoidFill(r.FillID, r.Market) })
	}
	h.must(result)
	require.Equal(t, []string{domain.FlagReportedTwice}, lastOf[*domain.TradeClosed](h).Flags)
}

// The next fill of a paper order is found without a look at each of those before it.
func TestTheNextPaperFillIsFoundFast(t *testing.T) {
	s := New()
	past := &counted{Past: s.Past}
	s.Past = past
	p := &risk.Permit{ID: "p"}
	p.Bot = "a"
	for n := range 100 {
		past.finds = 0
		require.Equal(t, n, s.paperFillID(p).Leg)
		require.LessOrEqual(t, past.finds, 14)
		s.Past.keep(1, domain.FillID{Bot: "a", Venue: domain.VenuePaper, TradeID: p.ID, Leg: n}, FillRef{Revision: 1})
	}
}

// counted counts questions for one id.
type counted struct {
	Past
	finds int
}

func (p *counted) Find(id domain.FillID, market string) (FillRef, bool) {
	p.finds++
	return p.Past.Find(id, market)
}
