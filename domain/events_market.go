package domain

import "encoding/json"

// MarketPaidOut records that a market settled: what each outcome paid, or that it
// was void, so that every holder got his cost back. It is the settlement of a market
// under the second edition of the rules; market.settled is that of one outcome.
type MarketPaidOut struct {
	Market string `json:"market"`
	// Payouts are per share, by outcome. In a market of which outcomes were settled
	// one by one, they are those that this record settles.
	Payouts map[string]Decimal `json:"payouts,omitempty"`
	// Void gives back the cost; the results are neutral.
	Void bool `json:"void,omitempty"`
	// Bot limits the settlement to one bot, in imports and in markets that are not
	// exclusive.
	Bot string `json:"bot,omitempty"`
	// Holders are in the order of bots, then of outcomes.
	Holders []OutcomeHolder `json:"holders,omitempty"`
	// PermitsReleased lists the permits in the market that ended with it.
	PermitsReleased []string `json:"permits_released,omitempty"`
	// Finding is set if no bot held the market, or if the reported quantities differ
	// from the held ones. Reconciliation has to explain it.
	Finding bool `json:"finding,omitempty"`
	// Override allowed payouts of an exclusive market that do not sum to 1.
	Override string `json:"override,omitempty"`
	// CancelOrders lists, by bot, the resting orders of halted bots that would open now
	// because of what was settled.
	CancelOrders []BotOrders `json:"cancel_orders,omitempty"`
}

// BotOrders are orders of one bot, by their permits.
type BotOrders struct {
	Bot     string   `json:"bot"`
	Permits []string `json:"permits"`
}

// OutcomeHolder is what one bot held of one outcome in a settlement.
type OutcomeHolder struct {
	Bot      string  `json:"bot"`
	Outcome  string  `json:"outcome"`
	Quantity Decimal `json:"quantity"`
}

// MarketCorrected replaces the payouts of a settled market. Each trade that the
// settlement closed changes by its quantity times the difference; the revisions
// follow in the same append. Outcomes of an exclusive market that were not settled
// yet are settled by it.
type MarketCorrected struct {
	Market  string             `json:"market"`
	Payouts map[string]Decimal `json:"payouts,omitempty"`
	Void    bool               `json:"void,omitempty"`
	Reason  string             `json:"reason"`
	// Holders are those of the outcomes that it settles, in the order of bots, then of
	// outcomes. PermitsReleased are the permits that ended with it.
	Holders         []OutcomeHolder `json:"holders,omitempty"`
	PermitsReleased []string        `json:"permits_released,omitempty"`
	// Rebase makes the equity after it the peak, the day-open and the hours of all
	// that it moved.
	Rebase bool   `json:"rebase,omitempty"`
	User   string `json:"user"`
	// Override is the confirmed request of two people, in a live portfolio.
	Override string `json:"override,omitempty"`
}

// MarketArchived takes a market out of the state that is settled, in which no bot holds
// anything, and of which nothing is open. Content is all of it that the state had, so that
// whatever still names the market finds it again: a late fill, a correction.
type MarketArchived struct {
	Market string `json:"market"`
	// Tokens are those of its outcomes, sorted: a token belongs to one market, also later.
	Tokens  []string        `json:"tokens,omitempty"`
	Content json.RawMessage `json:"content"`
}

// MarketRestored brings an archived market back into the state, because what is recorded
// next needs it.
type MarketRestored struct {
	Market string `json:"market"`
	// Archived is the revision of the market.archived, and Content its content.
	Archived uint64          `json:"archived"`
	Content  json.RawMessage `json:"content"`
}

// The changes of complete sets.
const (
	SplitSets = "split"
	MergeSets = "merge"
)

// SetsChanged records that a bot bought complete sets of an exclusive market for 1
// each (split), or gave them back for 1 each (merge).
type SetsChanged struct {
	Bot      string  `json:"bot"`
	Market   string  `json:"market"`
	Action   string  `json:"action"`
	Quantity Decimal `json:"quantity"`
	Fee      Decimal `json:"fee,omitzero"`
	SetID    string  `json:"set_id"`
	// Parts say, by outcome, how much of the cash is the cost of a split's shares,
	// or what a merge paid for them. They sum to the quantity.
	Parts []SetPart `json:"parts"`
	// CancelOrders is as that of a fill.
	CancelOrders []string `json:"cancel_orders,omitempty"`
}

// SetPart is the cash of one outcome in a set.
type SetPart struct {
	Outcome string  `json:"outcome"`
	Cash    Decimal `json:"cash"`
}

// FundingRecorded records what holding a position paid (positive) or cost. It is in
// the P&L of the open episode; without one it is the bot's, and of no trade.
type FundingRecorded struct {
	Bot string `json:"bot"`
	Instrument
	Amount    Decimal `json:"amount"`
	FundingID string  `json:"funding_id"`
}

// MarkConfirmed puts a mark into force that had waited beyond the collar: of an
// instrument, or of an asset.
type MarkConfirmed struct {
	Instrument
	Asset string  `json:"asset,omitempty"`
	Price Decimal `json:"price"`
	// With are the other marks that are confirmed at this moment. What is held is valued by
	// all of them before any reference is taken: what it would be worth by some of them, it
	// never was.
	With []ConfirmedMark `json:"with,omitempty"`
}

// ConfirmedMark is a mark of an instrument, or of an asset.
type ConfirmedMark struct {
	Market  string  `json:"market,omitempty"`
	Outcome string  `json:"outcome,omitempty"`
	Asset   string  `json:"asset,omitempty"`
	Price   Decimal `json:"price"`
}

// All lists every mark that the record confirms.
func (e *MarkConfirmed) All() []ConfirmedMark {
	return append([]ConfirmedMark{{Market: e.Market, Outcome: e.Outcome, Asset: e.Asset, Price: e.Price}}, e.With...)
}

// FillReinstated records that a voided fill was reported again as confirmed. It
// holds the new content, and takes a new place in the order of the fills.
type FillReinstated struct {
	FillRecorded
}

// SinglesPerCommand is how many events of a type one command records one by one. What
// it records beyond them stands in records of many.
const SinglesPerCommand = 100

// TradesClosed holds the trades of one command beyond the first 100, at most
// [RowsPerRecord]. Readers see them one by one; see [Flatten].
type TradesClosed struct {
	Rows []TradeClosed `json:"rows"`
}

// TradesRevised is the same for revisions.
type TradesRevised struct {
	Rows []TradeRevised `json:"rows"`
}

// BreakersTripped is the same for trips.
type BreakersTripped struct {
	Rows []BreakerTripped `json:"rows"`
}

// BreakersWarned is the same for warnings.
type BreakersWarned struct {
	Rows []BreakerWarned `json:"rows"`
}

// RowsPerRecord is the most rows of one of these records.
const RowsPerRecord = 250

// Flatten returns the single events that a record of many stands for, or the event
// itself.
func Flatten(e Event) []Event {
	switch e := e.(type) {
	case *TradesClosed:
		return rows[TradeClosed](e.Rows)
	case *TradesRevised:
		return rows[TradeRevised](e.Rows)
	case *BreakersTripped:
		return rows[BreakerTripped](e.Rows)
	case *BreakersWarned:
		return rows[BreakerWarned](e.Rows)
	}
	return []Event{e}
}

// RowType returns the type of the rows of a record of many, or "" for any other type.
func RowType(eventType string) string {
	switch eventType {
	case TradesClosedType:
		return TradeClosedType
	case TradesRevisedType:
		return TradeRevisedType
	case BreakersTrippedType:
		return BreakerTrippedType
	case BreakersWarnedType:
		return BreakerWarnedType
	}
	return ""
}

// Collect returns the record that begins with one row, for an event of which there may
// be many in one command. Any other event is returned as it is.
func Collect(e Event) Event {
	switch e := e.(type) {
	case *TradeClosed:
		return &TradesClosed{Rows: []TradeClosed{*e}}
	case *TradeRevised:
		return &TradesRevised{Rows: []TradeRevised{*e}}
	case *BreakerTripped:
		return &BreakersTripped{Rows: []BreakerTripped{*e}}
	case *BreakerWarned:
		return &BreakersWarned{Rows: []BreakerWarned{*e}}
	}
	return e
}

// Join adds an event to a record of many. It returns false if the record is full, or
// holds other events.
func Join(record, e Event) bool {
	switch r := record.(type) {
	case *TradesClosed:
		return join(&r.Rows, e)
	case *TradesRevised:
		return join(&r.Rows, e)
	case *BreakersTripped:
		return join(&r.Rows, e)
	case *BreakersWarned:
		return join(&r.Rows, e)
	}
	return false
}

func join[T any](list *[]T, e Event) bool {
	row, is := any(e).(*T)
	if !is || len(*list) >= RowsPerRecord {
		return false
	}
	*list = append(*list, *row)
	return true
}

func rows[T any, P eventOf[T]](list []T) []Event {
	all := make([]Event, len(list))
	for i := range list {
		all[i] = P(&list[i])
	}
	return all
}

// The event types of this file.
const (
	MarketPaidOutType   = "market.paid_out.v1"
	MarketCorrectedType = "market.corrected.v1"
	MarketArchivedType  = "market.archived.v1"
	MarketRestoredType  = "market.restored.v1"
	SetsChangedType     = "sets.changed.v1"
	FundingRecordedType = "funding.recorded.v1"
	MarkConfirmedType   = "mark.confirmed.v1"
	FillReinstatedType  = "fill.reinstated.v1"
	TradesClosedType    = "trades.closed.v1"
	TradesRevisedType   = "trades.revised.v1"
	BreakersTrippedType = "breakers.tripped.v1"
	BreakersWarnedType  = "breakers.warned.v1"
)

// EventType implements Event.
func (e *MarketPaidOut) EventType() string { return typeOf(e) }

// EventType implements Event.
func (e *MarketCorrected) EventType() string { return typeOf(e) }

// EventType implements Event.
func (e *MarketArchived) EventType() string { return typeOf(e) }

// EventType implements Event.
func (e *MarketRestored) EventType() string { return typeOf(e) }

// EventType implements Event.
func (e *SetsChanged) EventType() string { return typeOf(e) }

// EventType implements Event.
func (e *FundingRecorded) EventType() string { return typeOf(e) }

// EventType implements Event.
func (e *MarkConfirmed) EventType() string { return typeOf(e) }

// EventType implements Event.
func (e *FillReinstated) EventType() string { return typeOf(e) }

// EventType implements Event.
func (e *TradesClosed) EventType() string { return typeOf(e) }

// EventType implements Event.
func (e *TradesRevised) EventType() string { return typeOf(e) }

// EventType implements Event.
func (e *BreakersTripped) EventType() string { return typeOf(e) }

// EventType implements Event.
func (e *BreakersWarned) EventType() string { return typeOf(e) }
