package projections

import (
	"time"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/eventstore"
)

// Trade is one closed trade in its current form, including revisions.
type Trade struct {
	// Number counts the current trades of the portfolio from 1.
	Number    int        `json:"number"`
	Trade     string     `json:"trade"`
	Bot       string     `json:"bot"`
	Market    string     `json:"market"`
	Outcome   string     `json:"outcome"`
	Direction string     `json:"direction"` // empty for a reported trade
	ClosedBy  string     `json:"closed_by"`
	OpenedAt  *time.Time `json:"opened_at"`
	ClosedAt  time.Time  `json:"closed_at"`
	Revision  uint64     `json:"revision"`
	// The figures of domain.TradeFigures, including zeros.
	Quantity      domain.Decimal `json:"quantity"`
	EntryNotional domain.Decimal `json:"entry_notional"`
	ExitNotional  domain.Decimal `json:"exit_notional"`
	Fee           domain.Decimal `json:"fee"`
	Funding       domain.Decimal `json:"funding,omitzero"`
	PnL           domain.Decimal `json:"pnl"`
	Result        domain.Result  `json:"result"`
	TradeID       string         `json:"trade_id"` // reported by the bot, for a reported trade
	Revised       bool           `json:"revised"`
	// ResultID names the result that the trade is part of, if that is more than it.
	ResultID string `json:"result_id,omitempty"`

	gone     bool // revised to open or void
	deferred bool // it counts with the bot's next result in the market
}

// Trades collects the closed trades of a portfolio in their order.
type Trades struct {
	rows rowLog
	// touched are those that the last record closed or revised.
	touched []touch
}

// touch says that a trade was closed or revised.
type touch struct {
	row    int
	bot    string
	left   string // the result that the trade was part of, if it is not any more
	joins  string // the result that it is part of, if that is more than the trade
	moved  bool   // it was part of another one before
	closed bool   // just now
}

// NewTrades returns an empty collection. What is old is written to pieces, nil for memory.
func NewTrades(p Pieces) *Trades { return &Trades{rows: newRowLog(p)} }

// Err returns why there are no answers any more, or nil.
func (t *Trades) Err() error { return t.rows.Err() }

// Apply implements Projection.
func (t *Trades) Apply(rec eventstore.Record, event domain.Event, _ *portfolio.State) {
	t.touched = t.touched[:0]
	if t.Err() != nil {
		return
	}
	switch e := event.(type) {
	case *domain.TradeClosed:
		t.close(rec, e)
	case *domain.TradesClosed:
		for i := range e.Rows {
			t.close(rec, &e.Rows[i])
		}
	case *domain.TradeRevised:
		t.revise([]*domain.TradeRevised{e})
	case *domain.TradesRevised:
		all := make([]*domain.TradeRevised, len(e.Rows))
		for i := range e.Rows {
			all[i] = &e.Rows[i]
		}
		t.revise(all)
	}
}

func (t *Trades) close(rec eventstore.Record, e *domain.TradeClosed) {
	closed := Trade{
		Trade: e.Trade, Bot: e.Bot, Market: e.Market, Outcome: e.Outcome, Direction: e.Direction, ClosedBy: e.ClosedBy,
		ClosedAt: rec.Time.UTC(), Revision: rec.Revision, TradeID: e.TradeID,
		ResultID: e.ResultID, deferred: e.Deferred,
	}
	if e.OpenedAt != nil {
		at := e.OpenedAt.UTC()
		closed.OpenedAt = &at
	}
	closed.set(e.TradeFigures)
	t.touched = append(t.touched, touch{row: t.rows.size(), bot: e.Bot, joins: e.ResultID, closed: true})
	t.rows.add(row{Trade: closed})
}

// revise revises the trades of one record.
func (t *Trades) revise(all []*domain.TradeRevised) {
	found, err := t.rows.find(all)
	if err != nil {
		_ = t.rows.fail(err) // the event is missed
		return
	}
	for _, e := range all {
		i, ok := found[e.Trade]
		if !ok {
			continue
		}
		t.rows.change(i, func(r *row) {
			was := r.ResultID
			r.revise(e)
			now := touch{row: i, bot: r.Bot, joins: r.ResultID, moved: e.Joins != ""}
			if r.gone {
				now.joins = ""
			}
			if now.joins != was {
				now.left = was
			}
			t.touched = append(t.touched, now)
		})
	}
	t.rows.flush()
}

func (t *Trade) revise(e *domain.TradeRevised) {
	t.Revised = true
	if e.Joins != "" { // it counts where that result does
		t.ResultID, t.deferred = e.Joins, e.Deferred || e.Place != e.Number
	}
	switch {
	case e.Refunded:
		t.ClosedBy = domain.ClosedByRefund
	case e.Repaid:
		t.ClosedBy = domain.ClosedBySettlement
	}
	if e.After == nil {
		t.gone = true
		return
	}
	t.Direction = e.Direction
	t.set(*e.After)
}

func (t *Trade) set(f domain.TradeFigures) {
	t.Quantity, t.EntryNotional, t.ExitNotional = f.Quantity, f.EntryNotional, f.ExitNotional
	t.Fee, t.Funding, t.PnL, t.Result = f.Fee, f.Funding, f.PnL, f.Result
}

// result is the name of a result of several trades, among all bots.
type result struct{ bot, id string }

func (t *Trade) result() result { return result{t.Bot, t.ResultID} }

// List returns the current trades of one bot or ("") of all.
func (t *Trades) List(bot string) ([]Trade, error) {
	out := []Trade{}
	err := t.Each(bot, 0, func(one *Trade) bool {
		out = append(out, *one)
		return true
	})
	return out, err
}

// Each shows the current trades of one bot or ("") of all with numbers above after, until look
// returns false.
func (t *Trades) Each(bot string, after int, look func(*Trade) bool) error {
	return t.each(bot, start{number: after, row: -1}, func(_ int, one *Trade) bool { return look(one) })
}

// start is where a reading of trades starts: behind a number and behind a row.
type start struct{ number, row int }

// each shows the current trades of one bot or ("") of all, and the rows that they are, until look
// returns false.
func (t *Trades) each(bot string, behind start, look func(row int, one *Trade) bool) error {
	l, n := &t.rows, 0
	if err := l.Err(); err != nil {
		return err
	}
	through := func(first int, rows []row) bool {
		for i := range rows {
			r := &rows[i]
			if r.flow || r.gone {
				continue
			}
			if n++; n <= behind.number || first+i <= behind.row || bot != "" && bot != r.Bot {
				continue
			}
			one := r.Trade // other readers share the young rows
			if one.Number = n; !look(first+i, &one) {
				return false
			}
		}
		return true
	}
	var into []row
	for i := range l.sums {
		s := &l.sums[i]
		if n+s.standing <= behind.number || (i+1)*l.per <= behind.row+1 || bot != "" && !s.bots.mayHave(bot) {
			n += s.standing
			continue
		}
		rows, err := l.piece(i, into)
		if err != nil {
			return err
		}
		if into = rows; !through(i*l.per, rows) {
			return nil
		}
	}
	through(l.written(), l.young)
	return nil
}
