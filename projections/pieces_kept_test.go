package projections

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/domain/tradestats"
	"pets/eventstore"
)

var errTorn = fmt.Errorf("%w: the disk is torn", ErrPiece)

// torn are pieces of which a test lets the next uses fail.
type torn struct {
	PiecesInMemory
	uses, good int // the use after the good ones fails; 0: none
	failed     bool
	busy       bool // nothing can be read for the moment
}

var errBusy = errors.New("too many open files")

func (p *torn) use() error {
	if p.uses++; p.good > 0 && p.uses > p.good {
		p.failed = true
		return errTorn
	}
	return nil
}

func (p *torn) Append(piece []byte) (Piece, error) {
	if err := p.use(); err != nil {
		return Piece{}, err
	}
	return p.PiecesInMemory.Append(piece)
}

func (p *torn) Read(r Piece) ([]byte, error) {
	if p.busy {
		return nil, errBusy
	}
	if err := p.use(); err != nil {
		return nil, err
	}
	return p.PiecesInMemory.Read(r)
}

// pair are the read models and their oracles, which see the same events.
type pair struct {
	t         *rapid.T
	s         *portfolio.State
	ofStats   *torn
	ofEquity  *torn
	stats     *StatsFold
	equity    *Equity
	oracle    *oracleStats
	points    *oracleEquity
	per       int
	pageFails int // answers that were errors
}

func newPair(t *rapid.T) *pair {
	p := &pair{t: t, s: portfolio.New(), ofStats: &torn{}, ofEquity: &torn{}, oracle: newOracleStats(), points: &oracleEquity{}, per: rapid.IntRange(1, 4).Draw(t, "rows of a piece")}
	p.points.per = p.per
	p.fresh()
	return p
}

func (p *pair) fresh() {
	p.stats, p.equity = NewStats(p.ofStats), NewEquity(p.ofEquity)
	p.stats.trades.rows.per, p.equity.per = p.per, p.per
}

func (p *pair) apply(rec eventstore.Record) {
	e, err := domain.Decode(rec.Type, rec.Data)
	require.NoError(p.t, err)
	p.s.Apply(domain.Stamp{Revision: rec.Revision, Time: rec.Time}, e)
	for _, one := range []Projection{p.stats, p.equity, p.oracle, p.points} {
		one.Apply(rec, e, p.s)
	}
}

// restart goes on with new read models from what the others keep.
func (p *pair) restart() {
	stats, err := p.stats.Keep()
	if p.ofStats.failed {
		require.ErrorIs(p.t, err, errTorn)
		return
	}
	require.NoError(p.t, err)
	equity, err := p.equity.Keep()
	if p.ofEquity.failed {
		require.ErrorIs(p.t, err, errTorn)
		return
	}
	require.NoError(p.t, err)
	p.fresh()
	require.NoError(p.t, p.stats.Restore(stats))
	require.NoError(p.t, p.equity.Restore(equity))
	again, err := p.stats.Keep()
	require.NoError(p.t, err)
	require.Equal(p.t, stats, again)
}

// check compares random answers.
func (p *pair) check() {
	t := p.t
	bot := rapid.SampledFrom([]string{"", "a", "b", "nobody"}).Draw(t, "whose")
	after, limit := rapid.IntRange(0, 12).Draw(t, "after"), rapid.IntRange(1, 5).Draw(t, "limit")
	page, err := p.stats.Trades().Page(bot, after, limit)
	if p.answered(p.ofStats, p.stats, err) {
		want, wantMore := p.oracle.trades.Page(bot, after, limit)
		require.Equal(t, want, page.Trades)
		require.Equal(t, wantMore, page.More)
	}
	all, err := p.stats.Trades().List(bot)
	if p.answered(p.ofStats, p.stats, err) {
		require.Equal(t, p.oracle.trades.List(bot), all)
	}
	if rapid.Bool().Draw(t, "statistics") {
		p.checkStats()
	}
	from, to := p.moment("from"), p.moment("to")
	most := rapid.IntRange(0, 20).Draw(t, "most")
	points, err := p.equity.Points(from, to, most)
	if p.answered(p.ofEquity, p.equity, err) {
		require.Equal(t, p.points.Points(from, to, most), points)
	}
}

func (p *pair) checkStats() {
	got, err := p.stats.View(p.s, nil)
	if p.answered(p.ofStats, p.stats, err) {
		require.Equal(p.t, whole(p.t, p.oracle, p.s), got)
	}
	limits := tradestats.Limits{domain.BotDrawdown: dec("0.001"), domain.ConsecutiveLosses: dec("1")}
	got, err = p.stats.View(p.s, limits)
	if !p.answered(p.ofStats, p.stats, err) {
		return
	}
	zone, err := p.s.Policy.Location()
	require.NoError(p.t, err)
	merged := tradestats.LimitsFor(&p.s.Policy)
	merged[domain.BotDrawdown], merged[domain.ConsecutiveLosses] = limits[domain.BotDrawdown], limits[domain.ConsecutiveLosses]
	w := tradestats.Begin(merged, zone)
	for _, e := range p.oracle.entries(p.s, 0, len(p.oracle.steps)) {
		if e.of("") {
			w.Step(e.Step)
		}
	}
	require.Equal(p.t, scopeOf(w.Stats(), p.s.Refs.Max, merged), got.Portfolio)
}

// moment is no time, or one in the history.
func (p *pair) moment(name string) time.Time {
	if len(p.points.points) == 0 || rapid.Bool().Draw(p.t, name+" is open") {
		return time.Time{}
	}
	return rapid.SampledFrom(p.points.points).Draw(p.t, name).Time
}

// answered reports whether there is an answer to compare. There is an error, and Err tells it,
// exactly if a piece could not be used.
func (p *pair) answered(pieces *torn, of Kept, err error) bool {
	if !pieces.failed {
		require.NoError(p.t, err)
		require.NoError(p.t, of.Err())
		return true
	}
	p.pageFails++
	require.ErrorIs(p.t, err, errTorn)
	require.ErrorIs(p.t, of.Err(), errTorn)
	return false
}

// random appends a random history, with results of several trades or without.
func random(t *rapid.T) *history {
	if rapid.Bool().Draw(t, "results") {
		h := cup(t, "A", "B", "C")
		h.bot("b", "1000")
		h.must(func(d *portfolio.Decision) error {
			return d.RegisterMarket(&domain.MarketRegistered{Market: "league", Kind: domain.KindOutcome, Outcomes: []string{"A", "B", "C"}, Exclusive: true})
		})
		results(t, h)
		return h
	}
	h := newHistory(t)
	scenario(t, h)
	return h
}

// Read models whose past is in tiny pieces answer what those answered that had it in memory, at
// any moment, whatever is revised, asked for and restarted in between.
func TestPiecesAnswerAsMemory(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		h, p := random(t), newPair(t)
		for _, rec := range h.records(h.s.Next) {
			p.apply(rec)
			switch rapid.IntRange(0, 7).Draw(t, "then") {
			case 0:
				p.restart()
			case 1, 2:
				p.check()
			}
		}
		p.check()
		p.restart()
		p.check()
		p.checkStats()
	})
}

// If a piece cannot be written or read, answers are errors from then on, and never wrong.
func TestTornPiecesAreErrors(t *testing.T) {
	t.Parallel()
	fails := 0
	rapid.Check(t, func(t *rapid.T) {
		h, p := random(t), newPair(t)
		p.ofStats.good = rapid.IntRange(1, 60).Draw(t, "good uses of statistics")
		p.ofEquity.good = rapid.IntRange(1, 60).Draw(t, "good uses of equity")
		for _, rec := range h.records(h.s.Next) {
			p.apply(rec)
			switch rapid.IntRange(0, 7).Draw(t, "then") {
			case 0:
				p.restart()
			case 1, 2:
				p.check()
			}
		}
		p.check()
		fails += p.pageFails
	})
	require.NotZero(t, fails, "nothing ever failed")
}

// A reading that fails for the moment is an error of one answer. One that an event needs is an
// error for good, because the event is missed.
func TestAReadingThatFailsForTheMoment(t *testing.T) {
	t.Parallel()
	s, pieces := portfolio.New(), &torn{}
	f, q := NewStats(pieces), NewEquity(pieces)
	closedTrades(f.Trades(), 5000)
	for n := range 5000 {
		q.add(EquityPoint{Revision: uint64(n), Equity: domain.FromInt(int64(n % 7))})
	}
	answers := func() (page TradePage, points []EquityPoint, stats Stats, err error) {
		var err1, err2, err3 error
		page, err1 = f.Trades().Page("", 3, 10)
		points, err2 = q.Points(time.Time{}, time.Time{}, 0)
		stats, err3 = f.View(s, nil)
		return page, points, stats, errors.Join(err1, err2, err3)
	}
	page, points, stats, err := answers()
	require.NoError(t, err)
	f.kept.forget(0) // so that it has to be read again
	pieces.busy = true
	for range 2 {
		_, _, _, err = answers()
		require.ErrorIs(t, err, errBusy)
		require.ErrorIs(t, err, ErrUnread)
		require.NotErrorIs(t, err, ErrPiece)
	}
	require.NoError(t, f.Err())
	require.NoError(t, q.Err())
	pieces.busy = false
	page2, points2, stats2, err := answers()
	require.NoError(t, err)
	require.Equal(t, page, page2)
	require.Equal(t, points, points2)
	require.Equal(t, stats, stats2)
	pieces.busy = true
	f.Apply(eventstore.Record{Revision: 9000}, &domain.TradeRevised{Trade: page.Trades[0].Trade, Bot: page.Trades[0].Bot}, s)
	pieces.busy = false
	require.ErrorIs(t, f.Err(), errBusy)
	_, err = f.Trades().Page("", 3, 10)
	require.ErrorIs(t, err, errBusy)
}
