package domain

import (
	"slices"
	"time"
)

// ReasonCode says why a permit was denied. The list is closed.
type ReasonCode string

// The reason codes.
const (
	ReasonEmergencyStop    ReasonCode = "emergency_stop"
	ReasonBreakerTripped   ReasonCode = "breaker_tripped"
	ReasonLimitReached     ReasonCode = "limit_reached"
	ReasonBotUnknown       ReasonCode = "bot_unknown"
	ReasonBotStopped       ReasonCode = "bot_stopped"
	ReasonMarketMismatch   ReasonCode = "market_mismatch"
	ReasonMarketSettled    ReasonCode = "market_settled"
	ReasonZoneBlocked      ReasonCode = "zone_blocked"
	ReasonInsufficientCash ReasonCode = "insufficient_cash"
	ReasonStaleMark        ReasonCode = "stale_mark"
	ReasonNotReducing      ReasonCode = "not_reducing"
	ReasonMaxOrder         ReasonCode = "max_order"
	ReasonMaxPosition      ReasonCode = "max_position"
	ReasonMaxOpenPositions ReasonCode = "max_open_positions"
	ReasonBotCapital       ReasonCode = "bot_capital"
	ReasonCategoryExposure ReasonCode = "category_exposure"
	ReasonOrderRate        ReasonCode = "order_rate"
	ReasonInventoryCap     ReasonCode = "inventory_cap"
	ReasonLegsInvalid      ReasonCode = "legs_invalid"
	ReasonLegsUnprofitable ReasonCode = "legs_not_profitable"

	ReasonRegisteredOnly  ReasonCode = "registered_only"
	ReasonMarkUnconfirmed ReasonCode = "mark_unconfirmed"
	ReasonUnreconciled    ReasonCode = "unreconciled"
	ReasonMaxMarket       ReasonCode = "max_market"
	ReasonOrdersPerDay    ReasonCode = "orders_per_day"
	ReasonMarketCooldown  ReasonCode = "market_cooldown"
	ReasonArbitrageOpen   ReasonCode = "arbitrage_open"
)

// ReasonCodes lists all reason codes, in the order in which answers show them.
func ReasonCodes() []ReasonCode {
	return []ReasonCode{
		ReasonEmergencyStop, ReasonBreakerTripped, ReasonLimitReached, ReasonBotUnknown, ReasonBotStopped, ReasonMarketMismatch,
		ReasonMarketSettled, ReasonZoneBlocked, ReasonInsufficientCash, ReasonMaxOrder, ReasonMaxPosition, ReasonMaxOpenPositions,
		ReasonBotCapital, ReasonCategoryExposure, ReasonOrderRate, ReasonStaleMark, ReasonNotReducing, ReasonLegsInvalid,
		ReasonLegsUnprofitable, ReasonInventoryCap, ReasonRegisteredOnly, ReasonMarkUnconfirmed, ReasonUnreconciled,
		ReasonMaxMarket, ReasonOrdersPerDay, ReasonMarketCooldown, ReasonArbitrageOpen,
	}
}

// Reason is one failed check of a permit. Value and Limit are empty if the check
// compares nothing.
type Reason struct {
	Code    ReasonCode `json:"code"`
	Value   string     `json:"value,omitempty"`
	Limit   string     `json:"limit,omitempty"`
	Message string     `json:"message"`
	// Leg is the number of the arbitrage leg that failed, from 1, or 0 for the
	// whole order.
	Leg int `json:"leg,omitempty"`
}

// Intent is the purpose of an order that opens exposure.
type Intent string

// The intents. An order that is not proven to have another intent is directional.
const (
	IntentDirectional  Intent = "directional" // stored as ""
	IntentArbitrage    Intent = "arbitrage"
	IntentMarketMaking Intent = "market_making"
)

// Order is the order that a bot requests a permit for.
type Order struct {
	Bot string `json:"bot"`
	Instrument
	Side       Side    `json:"side"`
	Quantity   Decimal `json:"quantity"`
	LimitPrice Decimal `json:"limit_price"`
	Fee        Decimal `json:"fee"`
	ReduceOnly bool    `json:"reduce_only,omitempty"`
	// Intent is "" for a directional order.
	Intent Intent `json:"intent,omitempty"`
	// PaperFill reports that the engine fills the order itself, in a paper
	// portfolio.
	PaperFill bool `json:"paper_fill,omitempty"`
	// Group joins orders of which only one is to be filled, such as a take-profit
	// and a stop: they count as the largest.
	Group string `json:"group,omitempty"`
	// TimeInForce is "" for good till cancelled, or gtd, ioc, fok.
	TimeInForce TimeInForce `json:"time_in_force,omitempty"`
}

// TimeInForce says how long an order rests.
type TimeInForce string

// The times in force. What an order of GoodTillCancelled is stored without.
const (
	GoodTillCancelled TimeInForce = "gtc"
	GoodTillDate      TimeInForce = "gtd"
	ImmediateOrCancel TimeInForce = "ioc"
	FillOrKill        TimeInForce = "fok"
)

// Known reports whether it is one of these, or absent.
func (t TimeInForce) Known() bool {
	switch t {
	case "", GoodTillCancelled, GoodTillDate, ImmediateOrCancel, FillOrKill:
		return true
	}
	return false
}

// Brief reports that an order of it does not rest: what the venue does not fill at once
// is gone.
func (t TimeInForce) Brief() bool { return t == ImmediateOrCancel || t == FillOrKill }

// PermitGranted records that an order may be placed until ExpiresAt. Its worst
// case is reserved from then on.
type PermitGranted struct {
	Permit string `json:"permit"`
	Order
	// Reducing is the part of the quantity that only closes what is held. The
	// rest opens exposure.
	Reducing Decimal `json:"reducing"`
	// Covered is the part of a sell in an exclusive market that is of shares which the
	// bot holds.
	Covered Decimal `json:"covered,omitzero"`
	// Reserved is the cash set aside, in base asset. Mark is the price that it
	// was calculated at, if that is not the limit price (an opening sell of a
	// perp).
	Reserved  Decimal   `json:"reserved"`
	Mark      Decimal   `json:"mark,omitzero"`
	ExpiresAt time.Time `json:"expires_at"`
	// Ahead is how far the stream's time was ahead of the wall clock: ExpiresAt
	// less Ahead is the expiry by the wall clock.
	Ahead Duration `json:"ahead,omitzero"`
	// Arbitrage is the arbitrage that the order is a leg of, or "".
	Arbitrage string `json:"arbitrage,omitempty"`
	// WayOut reports that an operator was permitted it in a halt: what it closes of the
	// outcome counts as reducing whatever it uncovers.
	WayOut bool `json:"way_out,omitempty"`
	// CancelOrders lists the permits of resting orders of the bot that would open now
	// because the way out closes what they were to close.
	CancelOrders []string `json:"cancel_orders,omitempty"`
}

// PermitDenied records that an order may not be placed, with every reason found.
type PermitDenied struct {
	Order
	Reasons []Reason `json:"reasons"`
}

// PermitPlaced records that the order rests at the venue. Its reservation stays
// until the order is filled or released, or reaches its own expiry, if it has
// one.
type PermitPlaced struct {
	Permit    string     `json:"permit"`
	ExpiresAt *time.Time `json:"expires_at,omitempty"`
	// ExpiresAt less Ahead is the expiry that the venue was told.
	Ahead Duration `json:"ahead,omitzero"`
}

// PermitReleased records that the order was cancelled, or was never placed.
type PermitReleased struct {
	Permit string `json:"permit"`
	Reason string `json:"reason,omitempty"`
}

// DayOpened marks a new calendar day in the policy's time zone. It stands
// directly before the first event of the day, in the same append.
type DayOpened struct {
	Date   string  `json:"date"` // 2006-01-02
	Equity Decimal `json:"equity"`
}

// BreakerWarned records that a value reached the warning level of its breaker.
type BreakerWarned struct {
	Breaker string  `json:"breaker"`
	Bot     string  `json:"bot,omitempty"`
	Value   Decimal `json:"value"`
	Level   Decimal `json:"level"`
	Limit   Decimal `json:"limit"`
}

// BreakerTripped records a trip, in the same append as its cause. The breaker
// stays tripped, and does not trip again, until a person resets it.
type BreakerTripped struct {
	Breaker string `json:"breaker"`
	// Scope is "bot" or "portfolio". Bot is set only for "bot".
	Scope string  `json:"scope"`
	Bot   string  `json:"bot,omitempty"`
	Value Decimal `json:"value"`
	Limit Decimal `json:"limit"`
	// Equity is the equity of the scope at the trip. Reference is the value that
	// the loss was measured from: the peak or the day-open. A streak has neither.
	Equity    *Decimal `json:"equity,omitempty"`
	Reference *Decimal `json:"reference,omitempty"`
	// Cause is the revision of the record that moved the value.
	Cause uint64 `json:"cause"`
	// Stops is what the trip stopped under the policy: all, or bot.
	Stops          string   `json:"stops"`
	BotsStopped    []string `json:"bots_stopped,omitempty"`
	PermitsRevoked []string `json:"permits_revoked,omitempty"`
	// ClosePositions reports that the policy asks the bots to close their
	// positions.
	ClosePositions bool `json:"close_positions,omitempty"`
	// CancelOrders lists the permits of resting orders that open, which the stopped
	// bots have to cancel.
	CancelOrders []string `json:"cancel_orders,omitempty"`
}

// BreakerReset records a person's decision to resume after a trip.
type BreakerReset struct {
	Breaker string `json:"breaker"`
	Bot     string `json:"bot,omitempty"`
	Reason  string `json:"reason"`
	// Rebase makes the current equity the new drawdown peak or day-open.
	Rebase bool   `json:"rebase"`
	User   string `json:"user"`
	// Before and After are the breaker's value before and after the reset.
	Before Decimal `json:"before"`
	After  Decimal `json:"after"`
	// RebasedTo is the equity that the breaker measures from after a rebase, under the
	// second edition of the rules.
	RebasedTo *Decimal `json:"rebased_to,omitempty"`
	// WaitingMarks are the marks of what the scope held that waited beyond the collar, and
	// priced nothing of what the reset measured.
	WaitingMarks []ConfirmedMark `json:"waiting_marks,omitempty"`
}

// The kinds of emergency stops.
const (
	StopManual            = "manual"
	StopSystemError       = "system_error"
	StopSecurityBreach    = "security_breach"
	StopPortfolioDrawdown = "portfolio_drawdown"
)

// Unreasoned is the reason recorded for a stop without one: a stop never fails for lack of a reason.
const Unreasoned = "stopped by a person, who gave no reason"

// stopKinds lists the kinds from the least to the most severe.
var stopKinds = []string{StopManual, StopPortfolioDrawdown, StopSystemError, StopSecurityBreach}

// GraverStop returns the more severe of two kinds of emergency stops. An unknown
// or empty kind counts as more severe than none.
func GraverStop(a, b string) string {
	if slices.Index(stopKinds, a) < slices.Index(stopKinds, b) {
		return b
	}
	return a
}

// EmergencyStopEngaged records that the portfolio is halted until two people
// clear the stop.
type EmergencyStopEngaged struct {
	// Kind is the kind in force from here on: the most severe one since the
	// portfolio was last clear. RequestedKind is the kind of this request, if it
	// differs. Older streams lack it; in those, the latest requested kind is in
	// force.
	Kind           string   `json:"kind"`
	RequestedKind  string   `json:"requested_kind,omitempty"`
	Reason         string   `json:"reason"`
	BotsStopped    []string `json:"bots_stopped,omitempty"`
	PermitsRevoked []string `json:"permits_revoked,omitempty"`
	// TransfersEnded are the transfers that were not signed yet: no approval from
	// before a stop is used after it. Older streams lack it, and ended none.
	TransfersEnded []string `json:"transfers_ended,omitempty"`
	// ClosePositions and CancelOrders are as those of a trip.
	ClosePositions bool     `json:"close_positions,omitempty"`
	CancelOrders   []string `json:"cancel_orders,omitempty"`
}

// EmergencyStopClearRequested records the request of the first person.
type EmergencyStopClearRequested struct {
	Request string `json:"request"`
	Reason  string `json:"reason"`
	User    string `json:"user"`
	// ExpiresAt is when the request ends. What is signed then holds it, and the time of the
	// request. Requests of older builds lack it, and do not end.
	ExpiresAt time.Time `json:"expires_at,omitzero"`
}

// EmergencyStopCleared records the confirmation by the second person. The bots
// stay stopped.
type EmergencyStopCleared struct {
	Request string `json:"request"`
	// RequestedBy and ConfirmedBy are two different users.
	RequestedBy string `json:"requested_by"`
	ConfirmedBy string `json:"confirmed_by"`
	// Signature is ConfirmedBy's over what was shown, in a portfolio with signed
	// approvals.
	Signature *ApprovalSignature `json:"signature,omitempty"`
	// TransfersEnded are the transfers that were not signed by then and need the
	// stop, such as sweeps.
	TransfersEnded []string `json:"transfers_ended,omitempty"`
}

// The event types of this file.
const (
	PermitGrantedType               = "permit.granted.v1"
	PermitDeniedType                = "permit.denied.v1"
	PermitPlacedType                = "permit.placed.v1"
	PermitReleasedType              = "permit.released.v1"
	DayOpenedType                   = "day.opened.v1"
	BreakerWarnedType               = "breaker.warned.v1"
	BreakerTrippedType              = "breaker.tripped.v1"
	BreakerResetType                = "breaker.reset.v1"
	EmergencyStopEngagedType        = "emergency_stop.engaged.v1"
	EmergencyStopClearRequestedType = "emergency_stop.clear_requested.v1"
	EmergencyStopClearedType        = "emergency_stop.cleared.v1"
)

// EventType implements Event.
func (e *PermitGranted) EventType() string { return typeOf(e) }

// EventType implements Event.
func (e *PermitDenied) EventType() string { return typeOf(e) }

// EventType implements Event.
func (e *PermitPlaced) EventType() string { return typeOf(e) }

// EventType implements Event.
func (e *PermitReleased) EventType() string { return typeOf(e) }

// EventType implements Event.
func (e *DayOpened) EventType() string { return typeOf(e) }

// EventType implements Event.
func (e *BreakerWarned) EventType() string { return typeOf(e) }

// EventType implements Event.
func (e *BreakerTripped) EventType() string { return typeOf(e) }

// EventType implements Event.
func (e *BreakerReset) EventType() string { return typeOf(e) }

// Requested returns the kind that was requested.
func (e *EmergencyStopEngaged) Requested() string {
	if e.RequestedKind != "" {
		return e.RequestedKind
	}
	return e.Kind
}

// EventType implements Event.
func (e *EmergencyStopEngaged) EventType() string { return typeOf(e) }

// EventType implements Event.
func (e *EmergencyStopClearRequested) EventType() string { return typeOf(e) }

// EventType implements Event.
func (e *EmergencyStopCleared) EventType() string { return typeOf(e) }
