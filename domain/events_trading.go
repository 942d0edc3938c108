package domain

import "time"

// Side of an order or fill.
type Side string

// The sides.
const (
	Buy  Side = "buy"
	Sell Side = "sell"
)

// Fill statuses.
const (
	FillConfirmedStatus   = "confirmed"
	FillProvisionalStatus = "provisional"
)

// VenuePaper is where the engine itself fills orders, in paper portfolios.
const VenuePaper = "paper"

// Flags of a fill: what was wrong about a fact that is recorded all the same.
const (
	FlagNoPermit       = "no_permit"       // none was named
	FlagPermitNotLive  = "permit_not_live" // named, but expired, revoked, used up, or another bot's
	FlagPermitExceeded = "permit_exceeded" // more, or at a worse price, than permitted
	FlagHalted         = "halted"          // while the bot was stopped or a breaker tripped
	FlagOversold       = "oversold"        // a negative quantity, no perp, no permit
	FlagMarketSettled  = "market_settled"  // after the outcome was settled
	FlagVoided         = "voided"          // its void came first: posts nothing
	FlagLegLate        = "leg_late"        // of a leg, after its arbitrage timed out: directional
)

// FillRecorded: an order was filled, wholly or in part. A fact; never refused.
type FillRecorded struct {
	FillID
	Instrument
	Side     Side    `json:"side"`
	Quantity Decimal `json:"quantity"`
	Price    Decimal `json:"price"`
	// Notional is the cash that moved, without the fee: given by the venue, or
	// price × quantity.
	Notional Decimal `json:"notional"`
	Fee      Decimal `json:"fee"`
	Permit   string  `json:"permit,omitempty"`
	Status   string  `json:"status"`
	// EffectiveAt is when it happened by the bot's or the chain's word.
	EffectiveAt *time.Time `json:"effective_at,omitempty"`
	// Mark is the price it marks the instrument at; absent when it does not mark.
	Mark  *Decimal `json:"mark,omitempty"`
	Flags []string `json:"flags,omitempty"`
}

// FillConfirmed makes a provisional fill final.
type FillConfirmed struct {
	FillID
}

// FillVoided takes a provisional fill back. Unknown voids a fill that has not
// come yet: when it comes, it posts nothing.
type FillVoided struct {
	FillID
	Unknown bool `json:"unknown,omitempty"`
}

// MarketSettled: an outcome paid out. The instrument is marked at the payout
// and everything the holders have left is sold at it.
type MarketSettled struct {
	Instrument
	Payout Decimal `json:"payout"`
	// Bot narrows the settlement to one bot.
	Bot string `json:"bot,omitempty"`
	// Holders are in bot-id order.
	Holders []Holder `json:"holders,omitempty"`
	// PermitsReleased are the permits on the instrument that ended with it.
	PermitsReleased []string `json:"permits_released,omitempty"`
	// Finding: nobody held it, or what was reported differs from what was held;
	// reconciliation has to explain it.
	Finding bool `json:"finding,omitempty"`
}

// Holder is one bot's share of a settlement.
type Holder struct {
	Bot      string  `json:"bot"`
	Quantity Decimal `json:"quantity"`
}

// PriceMarked values instruments and assets.
type PriceMarked struct {
	// Source is the role it came from: feed, operator or bot.
	Source Role   `json:"source"`
	Marks  []Mark `json:"marks"`
}

// Mark is the price of an instrument, or of an asset in base asset.
type Mark struct {
	Market  string  `json:"market,omitempty"`
	Outcome string  `json:"outcome,omitempty"`
	Asset   string  `json:"asset,omitempty"`
	Price   Decimal `json:"price"`
}

// Result of a closed trade: the sign of its P&L, with |P&L| ≤ loss_dust neutral.
type Result string

// The results.
const (
	Win     Result = "win"
	Loss    Result = "loss"
	Neutral Result = "neutral"
)

// What closed a trade.
const (
	ClosedByFill       = "fill"
	ClosedBySettlement = "settlement"
	ClosedByReport     = "report"
	ClosedByVoid       = "void"
)

// Directions of a position.
const (
	Long  = "long"
	Short = "short"
)

// TradeFigures are the numbers of one closed position episode, in base asset.
type TradeFigures struct {
	Quantity Decimal `json:"quantity,omitzero"` // opened in all, absolute; 0 in a report
	// EntryNotional is what opening it moved, ExitNotional what closing it
	// moved, both absolute and without fees.
	EntryNotional Decimal `json:"entry_notional,omitzero"`
	ExitNotional  Decimal `json:"exit_notional,omitzero"`
	Fee           Decimal `json:"fee"`
	// PnL is net of every fee of the episode.
	PnL    Decimal `json:"pnl"`
	Result Result  `json:"result"`
}

// TradeClosed ends one position episode (bot, market, outcome): flat → flat, or
// settlement. It stands in the same append as the fill or settlement that
// closed it. A reported one is a fact of its own and carries its own postings.
type TradeClosed struct {
	// Trade is unique in the portfolio: t<revision of the opening fill>, or of
	// the report.
	Trade string `json:"trade"`
	Bot   string `json:"bot"`
	Instrument
	Direction string     `json:"direction,omitempty"`
	ClosedBy  string     `json:"closed_by"`
	OpenedAt  *time.Time `json:"opened_at,omitempty"`
	TradeFigures
	// TradeID and EffectiveAt are the bot's, for a reported trade.
	TradeID     string     `json:"trade_id,omitempty"`
	EffectiveAt *time.Time `json:"effective_at,omitempty"`
	// Flags of a reported trade: halted, when its bot should not have traded.
	Flags []string `json:"flags,omitempty"`
}

// TradeRevised corrects a closed trade after a void: to other figures, to open
// again, or to void when its episode merged into an earlier one. The trade
// keeps its place in the order.
type TradeRevised struct {
	Trade string `json:"trade"`
	Bot   string `json:"bot"`
	Instrument
	// Fill is the one that was voided.
	Fill FillID `json:"fill"`
	// Direction is the trade's now; a void can turn it round.
	Direction string `json:"direction,omitempty"`
	// Number is the place the trade keeps: it was the bot's n-th closing, from 0.
	Number int           `json:"number"`
	Before TradeFigures  `json:"before"`
	After  *TradeFigures `json:"after,omitempty"`
	Open   bool          `json:"open,omitempty"`
	Void   bool          `json:"void,omitempty"`
}

// Event types of this file.
const (
	FillRecordedType  = "fill.recorded.v1"
	FillConfirmedType = "fill.confirmed.v1"
	FillVoidedType    = "fill.voided.v1"
	MarketSettledType = "market.settled.v1"
	PriceMarkedType   = "price.marked.v1"
	TradeClosedType   = "trade.closed.v1"
	TradeRevisedType  = "trade.revised.v1"
)

// EventType implements Event.
func (e *FillRecorded) EventType() string { return typeOf(e) }

// EventType implements Event.
func (e *FillConfirmed) EventType() string { return typeOf(e) }

// EventType implements Event.
func (e *FillVoided) EventType() string { return typeOf(e) }

// EventType implements Event.
func (e *MarketSettled) EventType() string { return typeOf(e) }

// EventType implements Event.
func (e *PriceMarked) EventType() string { return typeOf(e) }

// EventType implements Event.
func (e *TradeClosed) EventType() string { return typeOf(e) }

// EventType implements Event.
func (e *TradeRevised) EventType() string { return typeOf(e) }
