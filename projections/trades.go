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
	all []Trade
	at  map[string]int // trade → index of its latest closing
	// revised are the indexes of those that the last record revised.
	revised []int
}

// NewTrades returns an empty collection.
func NewTrades() *Trades { return &Trades{at: map[string]int{}} }

// Apply implements Projection.
func (t *Trades) Apply(rec eventstore.Record, event domain.Event, _ *portfolio.State) {
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

func (t *Trades) one(rec eventstore.Record, event domain.Event) {
	switch e := event.(type) {
	case *domain.TradeClosed:
		t.at[e.Trade] = len(t.all)
		closed := Trade{
			Trade: e.Trade, Bot: e.Bot, Market: e.Market, Outcome: e.Outcome, Direction: e.Direction, ClosedBy: e.ClosedBy,
			OpenedAt: e.OpenedAt, ClosedAt: rec.Time, Revision: rec.Revision, TradeID: e.TradeID,
			ResultID: e.ResultID, deferred: e.Deferred,
		}
		closed.set(e.TradeFigures)
		t.all = append(t.all, closed)
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
			t.all[i].gone = true
			return
		}
		t.all[i].Direction = e.Direction
		t.all[i].set(*e.After)
	}
}

func (t *Trade) set(f domain.TradeFigures) {
	t.Quantity, t.EntryNotional, t.ExitNotional = f.Quantity, f.EntryNotional, f.ExitNotional
	t.Fee, t.Funding, t.PnL, t.Result = f.Fee, f.Funding, f.PnL, f.Result
}

// List returns the current trades of one bot or ("") of all.
func (t *Trades) List(bot string) []Trade {
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
// copies only what it returns, so a page of a long history needs no more memory
// than one of a short history.
func (t *Trades) Page(bot string, after, limit int) (page []Trade, more bool) {
	page = []Trade{}
	n := 0
	for i := range t.all {
		if t.all[i].gone {
			continue
		}
		n++
		if n <= after || bot != "" && bot != t.all[i].Bot {
			continue
		}
		if len(page) == limit {
			return page, true
		}
		page = append(page, t.all[i])
		page[len(page)-1].Number = n
	}
	return page, false
}
