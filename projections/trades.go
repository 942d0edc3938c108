package projections

import (
	"time"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/eventstore"
)

// Trade is one closed trade as it stands, revisions included.
type Trade struct {
	// Number counts the standing trades of the portfolio from 1.
	Number    int        `json:"number"`
	Trade     string     `json:"trade"`
	Bot       string     `json:"bot"`
	Market    string     `json:"market"`
	Outcome   string     `json:"outcome"`
	Direction string     `json:"direction,omitempty"`
	ClosedBy  string     `json:"closed_by"`
	OpenedAt  *time.Time `json:"opened_at"`
	ClosedAt  time.Time  `json:"closed_at"`
	Revision  uint64     `json:"revision"`
	domain.TradeFigures
	TradeID string `json:"trade_id,omitempty"`
	Revised bool   `json:"revised,omitempty"`

	gone bool // revised to open or void
}

// Trades collects the closed trades of a portfolio in their order.
type Trades struct {
	all []Trade
	at  map[string]int // trade → index of its latest closing
}

// NewTrades returns an empty collection.
func NewTrades() *Trades { return &Trades{at: map[string]int{}} }

// Apply implements Projection.
func (t *Trades) Apply(rec eventstore.Record, event domain.Event, _ *portfolio.State) {
	switch e := event.(type) {
	case *domain.TradeClosed:
		t.at[e.Trade] = len(t.all)
		t.all = append(t.all, Trade{
			Trade: e.Trade, Bot: e.Bot, Market: e.Market, Outcome: e.Outcome, Direction: e.Direction, ClosedBy: e.ClosedBy,
			OpenedAt: e.OpenedAt, ClosedAt: rec.Time, Revision: rec.Revision, TradeFigures: e.TradeFigures, TradeID: e.TradeID,
		})
	case *domain.TradeRevised:
		i, ok := t.at[e.Trade]
		if !ok {
			return
		}
		t.all[i].Revised = true
		if e.After == nil {
			t.all[i].gone = true
			return
		}
		t.all[i].TradeFigures = *e.After
	}
}

// List returns the trades that stand, of one bot or ("") of all.
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
