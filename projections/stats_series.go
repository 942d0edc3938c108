package projections

import (
	"pets/domain/portfolio"
	"pets/domain/tradestats"
)

// entry is a step of the series with the bot that it concerns, or "" for the portfolio
// alone.
type entry struct {
	tradestats.Step
	bot  string
	gone bool // its result stands later
	open bool // trades of its result may follow
}

// of reports whether the entry is part of a scope's series: all results and the portfolio's
// own flows, or one bot's.
func (e *entry) of(scope string) bool {
	return !e.gone && (e.bot == scope || scope == "" && e.Trade != nil)
}

// series makes the closed-trade series of rows, and feeds each entry as soon as no further row
// can change it. A result of several trades stands where it was counted: at its first trade
// that is not deferred, or at its last one while it waits.
type series struct {
	s     *portfolio.State
	feed  func(*entry)
	queue []*entry         // from the first on that may still change
	open  map[result]*part // results of which trades are missing
	waits bool             // a result waits for the bot's next one in its market
}

// part is what was seen of a result.
type part struct {
	at       *entry
	counted  bool // it stands where it was counted
	seen, of int  // trades
}

func newSeries(s *portfolio.State, feed func(*entry)) *series {
	return &series{s: s, feed: feed, open: map[result]*part{}}
}

// take takes the next row.
func (q *series) take(r *row) {
	switch {
	case r.flow:
		q.add(&entry{Step: tradestats.Step{Flow: r.amount}, bot: r.Bot})
	case r.gone:
	case r.ResultID == "":
		q.add(&entry{Step: tradestats.Step{Trade: r.step()}, bot: r.Bot})
	default:
		q.join(r)
	}
}

func (t *Trade) step() *tradestats.Trade {
	return &tradestats.Trade{Bot: t.Bot, Time: t.ClosedAt, PnL: t.PnL, Fee: t.Fee, Result: t.Result}
}

// join takes a trade of a result of several.
func (q *series) join(r *row) {
	key, one := r.result(), r.step()
	p := q.open[key]
	if p == nil {
		p = &part{of: tradesOf(q.s, key)}
		q.open[key] = p
	}
	if p.seen++; p.counted {
		before := p.at.Trade
		before.PnL, before.Fee, before.More = before.PnL.Add(one.PnL), before.Fee.Add(one.Fee), before.More+1
	} else {
		if p.at != nil {
			before := p.at.Trade
			one.PnL, one.Fee, one.More = one.PnL.Add(before.PnL), one.Fee.Add(before.Fee), before.More+1
			p.at.gone, p.at.open = true, false
		}
		one.Result = q.s.ResultOf(r.Bot, r.ResultID)
		q.waits = q.waits || one.Result == ""
		p.at, p.counted = &entry{Step: tradestats.Step{Trade: one}, bot: r.Bot, open: true}, !r.deferred
		q.queue = append(q.queue, p.at)
	}
	if p.seen == p.of {
		p.at.open = false
		delete(q.open, key)
	}
	q.drain()
}

// tradesOf returns how many trades of a result stand.
func tradesOf(s *portfolio.State, of result) int {
	if b := s.Bots[of.bot]; b != nil && b.Results[of.id] != nil {
		return b.Results[of.id].Trades
	}
	return 0
}

func (q *series) add(e *entry) {
	if len(q.queue) == 0 {
		q.feed(e)
		return
	}
	q.queue = append(q.queue, e)
}

// drain feeds what cannot change any more.
func (q *series) drain() {
	n := 0
	for ; n < len(q.queue) && !q.queue[n].open; n++ {
		q.feed(q.queue[n])
	}
	if q.queue = q.queue[n:]; len(q.queue) == 0 {
		q.queue = nil
	}
}

// whole reports whether the series so far can be gone on from for good: no result has trades
// on both sides, and none waits for more.
func (q *series) whole() bool { return len(q.queue) == 0 && len(q.open) == 0 && !q.waits }

// finish feeds the rest, after the last row.
func (q *series) finish() {
	for _, e := range q.queue {
		q.feed(e)
	}
	q.queue = nil
}
