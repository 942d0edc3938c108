package bench

import (
	"context"
	"net/http"
)

// Rivals are the contenders that need modules of their own. The product has none.
type Rivals struct {
	Stores  []Rival
	Ledgers []Ledger
}

// Ledger is another ledger of permits and fills, with the same promise: what is answered
// survives a power cut.
type Ledger struct {
	Name string
	// Least is the goal: our trades a second ÷ theirs.
	Least float64
	// Open starts it in a new folder of its own below dir, with portfolios and the bots of each.
	// It returns a MissingError where what it needs is not installed.
	Open func(ctx context.Context, dir string, portfolios, bots int) (LedgerRun, error)
}

// LedgerTrade is one permit and the fill of its order.
type LedgerTrade struct {
	Portfolio int    `json:"portfolio"`
	Bot       int    `json:"bot"`
	TradeID   string `json:"trade_id"`
}

// LedgerRun is a ledger that runs.
type LedgerRun interface {
	// Trade asks for a permit and records the fill; both are durable when it returns.
	Trade(ctx context.Context, t LedgerTrade) error
	// Handler answers a posted LedgerTrade.
	Handler() http.Handler
	// Trades counts what the ledger holds.
	Trades(ctx context.Context) (int, error)
	// Close ends it and removes its folder.
	Close() error
}

// MissingError says that a rival cannot be measured here, and why.
type MissingError struct{ Why string }

func (e *MissingError) Error() string { return e.Why }
