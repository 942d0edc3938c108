package projections

import (
	"fmt"
	"maps"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"pets/domain"
	"pets/eventstore"
)

// coming are random trades: some close, some are voided, and flows come between.
type coming struct {
	t      *rapid.T
	stats  *StatsFold
	pieces *PiecesInMemory
	n      int // trades that were closed
	next   uint64
}

func (c *coming) record() {
	t, trades := c.t, c.stats.Trades()
	c.next++
	rec := eventstore.Record{Revision: c.next}
	switch what := rapid.IntRange(0, 9).Draw(t, "what"); {
	case what == 0:
		trades.rows.add(row{Trade: Trade{Bot: "a", Revision: c.next}, flow: true, amount: domain.One})
	case what < 4 && c.n > 0: // gone, perhaps again
		e := &domain.TradeRevised{Trade: fmt.Sprint("t", rapid.IntRange(0, c.n-1).Draw(t, "of")), Bot: "a"}
		e.Bot = c.bot(e.Trade)
		trades.Apply(rec, e, nil)
	default:
		e := &domain.TradesClosed{Rows: make([]domain.TradeClosed, rapid.IntRange(1, 3).Draw(t, "trades"))}
		for i := range e.Rows {
			e.Rows[i].Trade = fmt.Sprint("t", c.n)
			e.Rows[i].Bot = c.bot(e.Rows[i].Trade)
			c.n++
		}
		trades.Apply(rec, e, nil)
	}
}

func (c *coming) bot(trade string) string { return []string{"a", "b", "c"}[nameHash(trade)%3] }

func (c *coming) restart() {
	kept, err := c.stats.Keep()
	require.NoError(c.t, err)
	later := NewStats(c.pieces)
	later.trades.rows.per = c.stats.trades.rows.per
	require.NoError(c.t, later.Restore(kept))
	c.stats = later
}

// standing are where the trades that stand were closed.
func (c *coming) standing(bot string) map[Place]bool {
	all, err := c.stats.Trades().Page(bot, 0, 1<<30)
	require.NoError(c.t, err)
	of := map[Place]bool{}
	for n := range all.Trades {
		of[all.PlaceOf(n)] = true
	}
	return of
}

// Pages that are read one after another show no closed trade twice, and each one that stands all
// the while, whatever closes, is voided and restarted between two pages. Pages by numbers do not.
func TestPagesStayInPlaceWhenTradesAreRevised(t *testing.T) {
	t.Parallel()
	voided, skipped := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		c := &coming{t: t, pieces: &PiecesInMemory{}}
		c.stats = NewStats(c.pieces)
		c.stats.trades.rows.per = rapid.IntRange(1, 7).Draw(t, "rows of a piece")
		for range rapid.IntRange(5, 40).Draw(t, "records before") {
			c.record()
		}
		bot := rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "whose")
		limit := rapid.IntRange(1, 5).Draw(t, "limit")
		stand, seen, last := c.standing(bot), map[Place]bool{}, -1
		numbered, number := map[Place]bool{}, 0
		page, err := c.stats.Trades().Page(bot, 0, limit)
		for {
			require.NoError(t, err)
			for n := range page.Trades {
				at := page.PlaceOf(n)
				require.Greater(t, at.row, last, "shown again")
				seen[at], last = true, at.row
			}
			byNumber, err := c.stats.Trades().Page(bot, number, limit)
			require.NoError(t, err)
			for n := range byNumber.Trades {
				numbered[byNumber.PlaceOf(n)], number = true, byNumber.Trades[n].Number
			}
			if !page.More {
				break
			}
			for range rapid.IntRange(0, 3).Draw(t, "records between") {
				if c.next < 60 { // the reading ends
					c.record()
				}
			}
			now := c.standing(bot)
			maps.DeleteFunc(stand, func(at Place, _ bool) bool {
				if !now[at] {
					voided++
				}
				return !now[at]
			})
			if rapid.IntRange(0, 3).Draw(t, "restart") == 0 {
				c.restart()
			}
			at, ok := ParsePlace(page.PlaceOf(len(page.Trades) - 1).String())
			require.True(t, ok)
			page, err = c.stats.Trades().PageBehind(bot, at, limit)
			require.NoError(t, err)
		}
		for at := range stand {
			require.True(t, seen[at], "the trade at %s was skipped", at)
			if !numbered[at] {
				skipped++
			}
		}
	})
	if testing.Short() {
		return // too few cases to meet each
	}
	require.NotZero(t, voided, "nothing was ever voided between two pages")
	require.NotZero(t, skipped, "numbers never moved, so this shows nothing")
}

// The trade that ends a page is voided, and the one before it: the next page goes on.
func TestThePageBehindATradeThatIsGone(t *testing.T) {
	t.Parallel()
	for _, per := range []int{1, 3, rowsPerPiece} {
		trades := NewTrades(nil)
		trades.rows.per = per
		for n := range 9 {
			trades.Apply(eventstore.Record{Revision: uint64(100 + n/2)}, &domain.TradeClosed{Trade: fmt.Sprint("t", n), Bot: "a"}, nil)
		}
		first, err := trades.Page("a", 0, 4)
		require.NoError(t, err)
		at := first.PlaceOf(3)
		for n := range 4 {
			trades.Apply(eventstore.Record{Revision: 200}, &domain.TradeRevised{Trade: fmt.Sprint("t", n), Bot: "a"}, nil)
		}
		second, err := trades.PageBehind("a", at, 4)
		require.NoError(t, err)
		require.Equal(t, []string{"t4", "t5", "t6", "t7"}, names(second.Trades))
		require.Equal(t, 1, second.Trades[0].Number, "numbers count those that stand")
		require.True(t, second.More)
		third, err := trades.PageBehind("a", second.PlaceOf(3), 4)
		require.NoError(t, err)
		require.Equal(t, []string{"t8"}, names(third.Trades))
		require.False(t, third.More)
		end, err := trades.PageBehind("a", third.PlaceOf(0), 4)
		require.NoError(t, err)
		require.Empty(t, end.Trades)
		for _, of := range []struct {
			bot string
			at  Place
		}{{"b", at}, {"a", Place{at.row, at.revision + 1}}, {"a", Place{9, 104}}, {"", Place{1 << 40, 104}}} {
			_, err := trades.PageBehind(of.bot, of.at, 4)
			require.ErrorIs(t, err, ErrNoPlace)
		}
	}
}

func names(all []Trade) []string {
	var out []string
	for i := range all {
		out = append(out, all[i].Trade)
	}
	return out
}

func TestPlacesAreReadExactly(t *testing.T) {
	t.Parallel()
	p, ok := ParsePlace("12.3")
	require.True(t, ok)
	require.Equal(t, Place{row: 3, revision: 12}, p)
	for _, text := range []string{"", ".", "1.", ".1", "1.-1", "01.1", "1.01", "+1.1", "1.1.1", "1", "1.99999999999999999999", "99999999999999999999.1"} {
		_, ok := ParsePlace(text)
		require.False(t, ok, text)
	}
	require.True(t, IsPlace("1.x"))
	require.False(t, IsPlace("17"))
}
