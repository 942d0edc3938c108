package projections

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/eventstore"
)

// A revision finds the latest row of its trade, in whatever piece it is and whatever the trade
// is named: one that was reopened and has closed again has several rows.
func TestRevisionsFindTheLatestRow(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		trades, oracle := NewTrades(nil), newOracleTrades()
		trades.rows.per = rapid.IntRange(1, 5).Draw(t, "rows of a piece")
		var standing, gone []string
		names := 0
		named := func(n int) string {
			return fmt.Sprintf(rapid.SampledFrom([]string{"t%d", "t%d", "t%d", "t0%d", "trade %d", "t9223372036854775%d"}).Draw(t, "name"), n)
		}
		closing := func(n int) domain.TradeClosed {
			id := named(max(n-rapid.IntRange(0, 30).Draw(t, "opened before"), 0)*1000 + names)
			names++
			if len(gone) > 0 && rapid.Bool().Draw(t, "again") {
				at := rapid.IntRange(0, len(gone)-1).Draw(t, "which")
				id = gone[at]
				gone = append(gone[:at], gone[at+1:]...)
			}
			standing = append(standing, id)
			return domain.TradeClosed{Trade: id, Bot: "a", TradeFigures: domain.TradeFigures{PnL: domain.FromInt(int64(n))}}
		}
		revising := func(n int) domain.TradeRevised {
			at := rapid.IntRange(0, len(standing)-1).Draw(t, "of")
			e := domain.TradeRevised{Trade: standing[at], Bot: "a", After: &domain.TradeFigures{PnL: domain.FromInt(int64(-n))}}
			if rapid.Bool().Draw(t, "gone") {
				e.After = nil
				gone, standing = append(gone, e.Trade), append(standing[:at], standing[at+1:]...)
			}
			return e
		}
		for n := range rapid.IntRange(1, 60).Draw(t, "records") {
			var e domain.Event
			several := rapid.IntRange(1, 4).Draw(t, "rows")
			if len(standing) == 0 || rapid.IntRange(0, 2).Draw(t, "what") > 0 {
				closed := &domain.TradesClosed{}
				for range several {
					closed.Rows = append(closed.Rows, closing(n))
				}
				e = closed
			} else {
				revised := &domain.TradesRevised{Rows: []domain.TradeRevised{{Trade: "unknown", Bot: "a"}}}
				for range min(several, len(standing)) {
					if len(standing) > 0 {
						revised.Rows = append(revised.Rows, revising(n))
					}
				}
				e = revised
			}
			rec := eventstore.Record{Revision: uint64(n*1000 + 999), Time: noon.Add(time.Duration(n) * time.Second)}
			trades.Apply(rec, e, nil)
			oracle.Apply(rec, e, nil)
			require.NoError(t, trades.Err())
		}
		require.Equal(t, oracle.List(""), list(t, trades, ""))
	})
}

// closedTrades appends closed trades.
func closedTrades(f *Trades, n int) {
	for i := range n {
		opened := noon.Add(time.Duration(i) * time.Second)
		f.Apply(eventstore.Record{Revision: uint64(3*i + 2), Time: opened.Add(1234567 * time.Microsecond)}, &domain.TradeClosed{
			Trade: fmt.Sprint("t", 3*i), Bot: fmt.Sprint("bot-", i%20), Instrument: domain.Instrument{Market: fmt.Sprint("market-", i%50), Outcome: "YES"},
			Direction: "long", ClosedBy: "fill", OpenedAt: &opened,
			TradeFigures: domain.TradeFigures{
				Quantity: domain.FromInt(int64(i % 97)), EntryNotional: domain.FromInt(int64(i % 9973)).Div(domain.FromInt(100)),
				ExitNotional: domain.FromInt(int64(i % 9949)).Div(domain.FromInt(100)), Fee: dec("0.0125"), PnL: dec("-1.25"), Result: domain.Loss,
			},
		}, nil)
	}
}

// pointsOf appends points to a series.
func pointsOf(q *Equity, n int) {
	for i := range n {
		q.add(EquityPoint{
			Revision: uint64(2 * i), Time: noon.Add(time.Duration(i) * 1500 * time.Millisecond), Equity: domain.FromInt(int64(i * 7919 % 1_000_003)).Div(domain.FromInt(100)),
			RealisedEquity: domain.FromInt(int64(i * 7907 % 1_000_003)).Div(domain.FromInt(100)), Drawdown: dec("0.012345678901"),
		})
	}
}

// What is in memory, and what a later start needs, is a summary of each piece and the youngest
// rows: far below a byte for each of the others.
func TestMemoryDoesNotGrowWithRows(t *testing.T) {
	t.Parallel()
	sizes := map[string][]int{}
	for _, n := range []int{10_000, 100_000} {
		stats, equity := NewStats(nil), NewEquity(nil)
		closedTrades(stats.Trades(), n)
		pointsOf(equity, n)
		require.Less(t, len(stats.trades.rows.young), 2*rowsPerPiece)
		require.LessOrEqual(t, cap(stats.trades.rows.young), 4*rowsPerPiece)
		require.LessOrEqual(t, cap(equity.young), 2*pointsPerPiece)
		require.Empty(t, stats.trades.rows.changed)
		for name, p := range map[string]Kept{"statistics": stats, "equity": equity} {
			b, err := p.Keep()
			require.NoError(t, err)
			sizes[name] = append(sizes[name], len(b))
		}
	}
	for name, s := range sizes {
		require.Less(t, s[1]-s[0], 90_000/3, "%s: bytes for 90,000 rows more", name)
	}
}

// flawed are pieces that return other bytes than those that were written.
type flawed struct{ PiecesInMemory }

func (p *flawed) Read(r Piece) ([]byte, error) {
	b, err := p.PiecesInMemory.Read(r)
	if err != nil || len(b) == 0 {
		return b, err
	}
	return b[:len(b)-1], nil
}

// A damaged piece is an error that says so, from the first answer that needs it on.
func TestADamagedPieceIsAnError(t *testing.T) {
	t.Parallel()
	broken := &PiecesInMemory{}
	for name, pieces := range map[string]Pieces{"another checksum": broken, "other bytes": &flawed{}} {
		stats, equity := NewStats(pieces), NewEquity(pieces)
		closedTrades(stats.Trades(), 2000)
		pointsOf(equity, 3000)
		for i := range broken.bytes {
			broken.bytes[i] ^= 1
		}
		page, err := stats.Trades().Page("", 1990, 5)
		require.NoError(t, err, "%s: it is young", name)
		require.Len(t, page.Trades, 5)
		_, err = stats.Trades().Page("", 0, 5)
		require.ErrorIs(t, err, ErrPiece, name)
		require.ErrorIs(t, stats.Err(), ErrPiece, name)
		_, err = stats.Trades().Page("", 1990, 5)
		require.ErrorIs(t, err, ErrPiece, name)
		_, err = equity.Points(time.Time{}, time.Time{}, 100)
		require.ErrorIs(t, err, ErrPiece, name)
		_, err = equity.Points(noon.Add(4400*time.Second), time.Time{}, 3)
		require.ErrorIs(t, err, ErrPiece, name)
		_, err = equity.Keep()
		require.ErrorIs(t, err, ErrPiece, name)
	}
}

// A revision of a trade in a piece that cannot be read is an error from then on.
func TestARevisionInADamagedPiece(t *testing.T) {
	t.Parallel()
	pieces := &PiecesInMemory{}
	stats := NewStats(pieces)
	closedTrades(stats.Trades(), 2000)
	pieces.bytes[0] ^= 1
	stats.Trades().Apply(eventstore.Record{Revision: 9000}, &domain.TradeRevised{Trade: "t0", Bot: "bot-0"}, nil)
	require.ErrorIs(t, stats.Err(), ErrPiece)
	_, err := stats.Trades().List("")
	require.ErrorIs(t, err, ErrPiece)
}

// Other bytes than those of Keep are refused: parts of them, more of them, another version, other
// pieces.
func TestRestoreRefusesOtherBytes(t *testing.T) {
	t.Parallel()
	stats, equity := NewStats(nil), NewEquity(nil)
	stats.trades.rows.per, equity.per = 5, 5
	closedTrades(stats.Trades(), 23)
	pointsOf(equity, 23)
	for name, fresh := range map[string]func() Kept{
		"statistics": func() Kept { f := NewStats(nil); f.trades.rows.per = 5; return f },
		"equity":     func() Kept { q := NewEquity(nil); q.per = 5; return q },
	} {
		of := map[string]Kept{"statistics": stats, "equity": equity}[name]
		b, err := of.Keep()
		require.NoError(t, err)
		require.NoError(t, fresh().Restore(b))
		for n := range b {
			require.Error(t, fresh().Restore(b[:n]), "%s: %d of %d bytes", name, n, len(b))
		}
		require.Error(t, fresh().Restore(append(b, 0)), name)
		another := append([]byte(nil), b...)
		another[0]++
		require.Error(t, fresh().Restore(another), name)
	}
	b, err := stats.Keep()
	require.NoError(t, err)
	require.Error(t, NewStats(nil).Restore(b), "pieces of another size")
	b, err = equity.Keep()
	require.NoError(t, err)
	require.Error(t, NewEquity(nil).Restore(b), "pieces of another size")
}

// A later start goes on from the walks of the one before, and not from nothing.
func TestWalksAreKept(t *testing.T) {
	t.Parallel()
	s, pieces := portfolio.New(), &torn{}
	s.Policy.DailyLossTZ = "Asia/Tokyo"
	for n := range 20 {
		s.Bots[fmt.Sprint("bot-", n)] = &portfolio.Bot{}
	}
	f := NewStats(pieces)
	closedTrades(f.Trades(), 20_000)
	want, err := f.View(s, nil)
	require.NoError(t, err)
	require.Len(t, f.kept.at, 2)
	kept, err := f.Keep()
	require.NoError(t, err)
	later := NewStats(pieces)
	require.NoError(t, later.Restore(kept))
	pieces.good = pieces.uses + 2
	got, err := later.View(s, nil)
	require.NoError(t, err, "all pieces were read again")
	require.Equal(t, want, got)
	at := bytes.Index(kept, []byte(`"rows":`))
	require.Positive(t, at)
	kept[at+len(`"rows":`)] = '9'
	require.Error(t, NewStats(pieces).Restore(kept), "walks over more rows than there are")
}

// Any bytes are refused, or are those of a projection that keeps the same again; and whatever is
// a piece does not panic.
func FuzzRestore(f *testing.F) {
	stats, equity := NewStats(nil), NewEquity(nil)
	stats.trades.rows.per, equity.per = 3, 3
	closedTrades(stats.Trades(), 8)
	pointsOf(equity, 8)
	for _, p := range []Kept{stats, equity} {
		b, err := p.Keep()
		require.NoError(f, err)
		f.Add(b)
	}
	f.Add(encodeRows(stats.trades.rows.young))
	f.Add(encodePoints(equity.young))
	f.Fuzz(func(t *testing.T, b []byte) {
		stats, equity := NewStats(nil), NewEquity(nil)
		stats.trades.rows.per, equity.per = 3, 3
		for _, p := range []Kept{stats, equity} {
			if p.Restore(b) == nil {
				again, err := p.Keep()
				require.NoError(t, err)
				require.Equal(t, b, again)
			}
		}
		_, _ = stats.Trades().Page("a", 1, 2)
		_, _ = equity.Points(noon, time.Time{}, 3)
		_, _ = decodeRows(b, 2, nil)
		_, _ = decodePoints(b, 2, nil)
	})
}
