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

// VenuePaper is the venue of the orders that the engine fills itself, in paper
// portfolios.
const VenuePaper = "paper"

// Flags of a fill. They mark violations; the fill is recorded all the same.
const (
	FlagNoPermit       = "no_permit"       // the fill names no permit
	FlagPermitNotLive  = "permit_not_live" // the permit has expired, is revoked or used up, or belongs to another bot
	FlagPermitExceeded = "permit_exceeded" // more than permitted, or at a worse price
	FlagHalted         = "halted"          // filled while the bot was stopped or a breaker tripped
	FlagOversold       = "oversold"        // would make the quantity negative, outside a perp, and no permit was granted to open that
	FlagMarketSettled  = "market_settled"  // filled after the outcome was settled
	FlagVoided         = "voided"          // voided before it arrived: posts nothing
	FlagLegLate        = "leg_late"        // fill of a leg after its arbitrage timed out: directional
	FlagPriceOff       = "price_off"       // notional ÷ quantity is no price of an outcome share: marks nothing
	FlagFeeExceeded    = "fee_exceeded"    // a higher fee than the permit reserved
	FlagFeeUnpriced    = "fee_unpriced"    // a fee in an asset without a mark: it counts 0
	FlagOutcomeUnknown = "outcome_unknown" // of an outcome that the registered market does not have
	FlagReportedTwice  = "reported_twice"  // the same fill under a second bot, or beside a reported trade
)

// FeeShares is the fee asset of a fee in the shares that were bought.
const FeeShares = "shares"

// FillRecorded records that an order was filled, wholly or in part. A fill is a
// fact and is never refused for a rule.
type FillRecorded struct {
	FillID
	Instrument
	Side     Side    `json:"side"`
	Quantity Decimal `json:"quantity"`
	Price    Decimal `json:"price"`
	// Notional is the cash that moved, without the fee: the amount given by the
	// venue, or price × quantity.
	Notional Decimal `json:"notional"`
	Fee      Decimal `json:"fee"`
	Permit   string  `json:"permit,omitempty"`
	Status   string  `json:"status"`
	// FeeAsset is what the fee was paid in: "" for the base asset, another asset, or
	// FeeShares, which the venue kept of what was bought. FeeValue is a fee in
	// another asset at its mark.
	FeeAsset string  `json:"fee_asset,omitempty"`
	FeeValue Decimal `json:"fee_value,omitzero"`
	// EffectiveAt is the time of the fill as the bot or the chain reports it.
	EffectiveAt *time.Time `json:"effective_at,omitempty"`
	// Mark is the price at which the fill marks the instrument, or nil if it does
	// not.
	Mark  *Decimal `json:"mark,omitempty"`
	Flags []string `json:"flags,omitempty"`
	// Shrunk are the other orders of the permit's group, of which less may be filled
	// from now on.
	Shrunk []ShrunkOrder `json:"shrunk,omitempty"`
	// OwnWord reports a fill of a live portfolio that is not within a permit, and that
	// only the bot's own key reported: in a halt it leaves the bot nothing to reduce.
	OwnWord bool `json:"own_word,omitempty"`
	// AsPermitted reports a voided fill that lives again just as it was: it is by its
	// permit, of which it took its part when it was first reported.
	AsPermitted bool `json:"as_permitted,omitempty"`
	// CancelOrders lists the permits of resting orders of the bot, which is halted, that
	// would open now because the fill closed what they were to close.
	CancelOrders []string `json:"cancel_orders,omitempty"`
}

// ShrunkOrder is an order of which at most Left may still be filled, because another
// order of its group was.
type ShrunkOrder struct {
	Permit string  `json:"permit"`
	Left   Decimal `json:"left"`
}

// FillConfirmed makes a provisional fill final. Market is set where the identity of
// fills includes it.
type FillConfirmed struct {
	FillID
	Market string `json:"market,omitempty"`
}

// FillVoided reverses a provisional fill. Unknown is set for a fill that has not
// arrived yet; when it arrives, it posts nothing.
type FillVoided struct {
	FillID
	Market  string `json:"market,omitempty"`
	Unknown bool   `json:"unknown,omitempty"`
	// Mark is the price at which the bot's holding is valued from now on, where a later word
	// of the bot would have raised what the void gave back.
	Mark *Decimal `json:"mark,omitempty"`
	// CancelOrders is as that of a fill: what the orders were to close was never there.
	CancelOrders []string `json:"cancel_orders,omitempty"`
}

// MarketSettled records that an outcome paid out. The instrument is marked at the
// payout, and everything held of it is sold at that price.
type MarketSettled struct {
	Instrument
	Payout Decimal `json:"payout"`
	// Bot limits the settlement to one bot.
	Bot string `json:"bot,omitempty"`
	// Holders are in bot-id order.
	Holders []Holder `json:"holders,omitempty"`
	// PermitsReleased lists the permits on the instrument that ended with the
	// settlement.
	PermitsReleased []string `json:"permits_released,omitempty"`
	// Finding is set if no bot held the outcome, or if the reported quantities
	// differ from the held ones. Reconciliation has to explain it.
	Finding bool `json:"finding,omitempty"`
	// Flags say that the registered market has no such outcome, under the second edition of
	// the rules.
	Flags []string `json:"flags,omitempty"`
}

// Holder is the share of one bot in a settlement.
type Holder struct {
	Bot      string  `json:"bot"`
	Quantity Decimal `json:"quantity"`
}

// PriceMarked values instruments and assets.
type PriceMarked struct {
	// Source is the role that sent the marks: feed, operator or bot.
	Source Role   `json:"source"`
	Marks  []Mark `json:"marks"`
	// Bot sent the marks, which price only its own holdings, under the second edition of
	// the rules.
	Bot string `json:"bot,omitempty"`
	// User is the feed behind marks of assets: a transfer is compared with the
	// approval threshold only at a mark that its requester did not send. Older
	// streams lack it.
	User string `json:"user,omitempty"`
	// Refused are the marks of the command that were not taken, under the second
	// edition of the rules.
	Refused []RefusedMark `json:"refused,omitempty"`
}

// RefusedMark says why a mark was not taken. Index is its place in the request, from 0.
type RefusedMark struct {
	Index   int    `json:"index"`
	Code    Code   `json:"code"`
	Message string `json:"message"`
}

// Mark is the price of an instrument, or of an asset in base asset.
type Mark struct {
	Market  string  `json:"market,omitempty"`
	Outcome string  `json:"outcome,omitempty"`
	Asset   string  `json:"asset,omitempty"`
	Price   Decimal `json:"price"`
	// Waits reports that the mark is beyond the collar: it prices nothing yet.
	Waits bool `json:"waits,omitempty"`
}

// Result is the sign of a closed trade's P&L; |P&L| ≤ loss_dust is neutral.
type Result string

// The results.
const (
	Win     Result = "win"
	Loss    Result = "loss"
	Neutral Result = "neutral"
)

// The events that close a trade.
const (
	ClosedByFill       = "fill"
	ClosedBySettlement = "settlement"
	ClosedBySets       = "sets"
	ClosedByRefund     = "refund" // the market was void
	ClosedByReport     = "report"
	ClosedByVoid       = "void"
)

// Directions of a position.
const (
	Long  = "long"
	Short = "short"
)

// TradeFigures are the figures of one closed position episode, in base asset.
type TradeFigures struct {
	Quantity Decimal `json:"quantity,omitzero"` // total quantity opened, absolute; 0 in a report
	// EntryNotional is the cash that opening moved, ExitNotional the cash that
	// closing moved. Both are absolute and without fees.
	EntryNotional Decimal `json:"entry_notional,omitzero"`
	ExitNotional  Decimal `json:"exit_notional,omitzero"`
	Fee           Decimal `json:"fee"`
	// Funding is what holding the position brought (positive) or cost.
	Funding Decimal `json:"funding,omitzero"`
	// PnL is net of every fee of the episode, with its funding.
	PnL    Decimal `json:"pnl"`
	Result Result  `json:"result"`
	// Dust reports that the position was never worth more than position_dust_usd: the
	// result is neutral.
	Dust bool `json:"dust,omitempty"`
}

// TradeClosed ends one position episode (bot, market, outcome), from flat to flat
// or to settlement. It stands in the same append as the fill or settlement that
// closed it. A reported trade is a fact of its own and carries its own postings.
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
	// TradeID and EffectiveAt come from the bot, for a reported trade.
	TradeID     string     `json:"trade_id,omitempty"`
	EffectiveAt *time.Time `json:"effective_at,omitempty"`
	// Flags holds "halted" for a reported trade whose bot should not have traded.
	Flags []string `json:"flags,omitempty"`
	// ResultID names the result that the trade is part of, if that is more than the
	// trade: r<revision of its first trade.closed>. Wins, losses and streaks count
	// results.
	ResultID string `json:"result_id,omitempty"`
	// Deferred reports that the trade counts with the bot's next result in the
	// market.
	Deferred bool `json:"deferred,omitempty"`
}

// TradeRevised corrects a closed trade after a void. The trade gets other
// figures, is open again, or becomes void because its episode merged into an
// earlier one. It keeps its place in the order.
type TradeRevised struct {
	Trade string `json:"trade"`
	Bot   string `json:"bot"`
	Instrument
	// Fill is the voided fill. It is empty where a settlement was corrected.
	Fill FillID `json:"fill,omitzero"`
	// Direction is the direction of the trade after the revision; a void can
	// reverse it.
	Direction string `json:"direction,omitempty"`
	// Number is the position of the trade among the bot's closed trades, from 0.
	// A revision keeps it.
	Number int           `json:"number"`
	Before TradeFigures  `json:"before"`
	After  *TradeFigures `json:"after,omitempty"`
	Open   bool          `json:"open,omitempty"`
	Void   bool          `json:"void,omitempty"`
	// ResultID is the result that the trade is part of; see TradeClosed. Repaid
	// reports that a void market was corrected, so that its result is no longer
	// neutral; Refunded the opposite.
	ResultID string `json:"result_id,omitempty"`
	Repaid   bool   `json:"repaid,omitempty"`
	Refunded bool   `json:"refunded,omitempty"`
	// Joins is the result that the trade is part of from now on, where a void moved it to
	// what a settlement closed, or out of that. Place is that result's place among the
	// bot's, if it begins with this trade; Deferred says that it is not counted yet.
	Joins    string `json:"joins,omitempty"`
	Place    int    `json:"place,omitempty"`
	Deferred bool   `json:"deferred,omitempty"`
}

// The event types of this file.
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
