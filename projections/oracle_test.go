package projections

import (
	"math/bits"
	"slices"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/eventstore"
)

// The oracles are earlier implementations that hold everything in memory. What replaced them has
// to answer what they answer.

// oracleTrades collects the closed trades of a portfolio in their order.
type oracleTrades struct {
	all []Trade
	at  map[string]int // trade → index of its latest closing
	// revised are the indexes of those that the last record revised.
	revised []int
	// current counts those that are not gone, of holds the indexes of a bot's.
	current counts
	of      map[string][]int
}

// newOracleTrades returns an empty collection.
func newOracleTrades() *oracleTrades {
	return &oracleTrades{at: map[string]int{}, of: map[string][]int{}}
}

// Apply implements Projection.
func (t *oracleTrades) Apply(rec eventstore.Record, event domain.Event, _ *portfolio.State) {
	t.revised = t.revised[:0]
	switch event.(type) {
	case *domain.TradesClosed, *domain.TradesRevised:
		for _, row := range domain.Flatten(event) {
			t.one(rec, row)
		}
	default:
		t.one(rec, event)
	}
}

func (t *oracleTrades) one(rec eventstore.Record, event domain.Event) {
	switch e := event.(type) {
	case *domain.TradeClosed:
		t.at[e.Trade] = len(t.all)
		closed := Trade{
			Trade: e.Trade, Bot: e.Bot, Market: e.Market, Outcome: e.Outcome, Direction: e.Direction, ClosedBy: e.ClosedBy,
			OpenedAt: e.OpenedAt, ClosedAt: rec.Time, Revision: rec.Revision, TradeID: e.TradeID,
			ResultID: e.ResultID, deferred: e.Deferred,
		}
		closed.set(e.TradeFigures)
		t.of[e.Bot] = append(t.of[e.Bot], len(t.all))
		t.all = append(t.all, closed)
		t.current.push()
	case *domain.TradeRevised:
		i, ok := t.at[e.Trade]
		if !ok {
			return
		}
		t.all[i].Revised = true
		t.revised = append(t.revised, i)
		if e.Joins != "" { // it counts where that result does
			t.all[i].ResultID, t.all[i].deferred = e.Joins, e.Deferred || e.Place != e.Number
		}
		switch {
		case e.Refunded:
			t.all[i].ClosedBy = domain.ClosedByRefund
		case e.Repaid:
			t.all[i].ClosedBy = domain.ClosedBySettlement
		}
		if e.After == nil {
			if !t.all[i].gone {
				t.current.drop(i)
			}
			t.all[i].gone = true
			return
		}
		t.all[i].Direction = e.Direction
		t.all[i].set(*e.After)
	}
}

// List returns the current trades of one bot or ("") of all.
func (t *oracleTrades) List(bot string) []Trade {
	out := make([]Trade, 0, len(t.all))
	n := 0
	for _, trade := range t.all {
		if trade.gone {
			continue
		}
		n++
		trade.Number = n
		if bot == "" || bot == trade.Bot {
			out = append(out, trade)
		}
	}
	return out
}

// Page returns at most limit of the current trades, of one bot or ("") of all,
// with numbers above after. more reports whether there are further ones. It
// costs as much as the trades that it returns, however long the history is.
func (t *oracleTrades) Page(bot string, after, limit int) (page []Trade, more bool) {
	page = []Trade{}
	first := t.current.find(after + 1)
	add := func(i int) (full bool) {
		switch {
		case t.all[i].gone:
			return false
		case len(page) == limit:
			more = true
			return true
		}
		page = append(page, t.all[i])
		page[len(page)-1].Number = t.current.upTo(i)
		return false
	}
	if bot == "" {
		for i := first; i < len(t.all) && !add(i); i++ {
		}
		return page, more
	}
	own := t.of[bot]
	n, _ := slices.BinarySearch(own, first)
	for ; n < len(own) && !add(own[n]); n++ {
	}
	return page, more
}

// counts says how many of the first elements of a list stand, in logarithmic time. It is a
// Fenwick tree: entry i, from 1, counts those of the last i&-i elements up to the i-th.
type counts struct{ sums []int }

// push adds an element that stands.
func (c *counts) push() {
	i := len(c.sums) + 1
	sum := 1
	for j := i - 1; j > i-i&-i; j -= j & -j { // what lies between
		sum += c.sums[j-1]
	}
	c.sums = append(c.sums, sum)
}

// drop takes out an element that stood.
func (c *counts) drop(i int) {
	for i++; i <= len(c.sums); i += i & -i {
		c.sums[i-1]--
	}
}

// upTo counts the elements up to and with one.
func (c *counts) upTo(i int) (n int) {
	for i++; i > 0; i -= i & -i {
		n += c.sums[i-1]
	}
	return n
}

// find returns the place of the n-th element that stands, from 1, or the length of the list
// if there are fewer.
func (c *counts) find(n int) int {
	at := 0
	for bit := 1 << bits.Len(uint(len(c.sums))); bit > 0; bit >>= 1 {
		if next := at + bit; next <= len(c.sums) && c.sums[next-1] < n {
			at, n = next, n-c.sums[next-1]
		}
	}
	return at
}
