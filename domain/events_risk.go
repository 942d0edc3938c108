package domain

import (
	"slices"
	"time"
)

// ReasonCode says why a permit was denied; section 7 is the closed list.
type ReasonCode string

// The reason codes that exist so far.
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
)

// ReasonCodes are all of them, in the order of section 7.
func ReasonCodes() []ReasonCode {
	return []ReasonCode{
		ReasonEmergencyStop, ReasonBreakerTripped, ReasonLimitReached, ReasonBotUnknown, ReasonBotStopped, ReasonMarketMismatch,
		ReasonMarketSettled, ReasonZoneBlocked, ReasonInsufficientCash, ReasonMaxOrder, ReasonMaxPosition, ReasonMaxOpenPositions,
		ReasonBotCapital, ReasonCategoryExposure, ReasonOrderRate, ReasonStaleMark, ReasonNotReducing, ReasonLegsInvalid,
		ReasonLegsUnprofitable, ReasonInventoryCap,
	}
}

// Reason is one failed check of a permit. Value and Limit are empty where the
// check compares nothing.
type Reason struct {
	Code    ReasonCode `json:"code"`
	Value   string     `json:"value,omitempty"`
	Limit   string     `json:"limit,omitempty"`
	Message string     `json:"message"`
	// Leg is the leg of an arbitrage it is about, from 1; 0 for the whole order.
	Leg int `json:"leg,omitempty"`
}

// Intent says what an order that opens exposure is for.
type Intent string

// The intents. Anything that is not proven to be one of the others is directional.
const (
	IntentDirectional  Intent = "directional" // stored as ""
	IntentArbitrage    Intent = "arbitrage"
	IntentMarketMaking Intent = "market_making"
)

// Order is what a bot asks a permit for.
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
	// PaperFill: the engine fills it, in a paper portfolio.
	PaperFill bool `json:"paper_fill,omitempty"`
}

// PermitGranted: the order may be placed until ExpiresAt. Its worst case is
// reserved from then on.
type PermitGranted struct {
	Permit string `json:"permit"`
	Order
	// Reducing is the part of the quantity that only closes what is held; the
	// rest opens exposure.
	Reducing Decimal `json:"reducing"`
	// Reserved is the cash set aside, in base asset; Mark the price it was taken
	// at where that is not the limit (an opening sell of a perp).
	Reserved  Decimal   `json:"reserved"`
	Mark      Decimal   `json:"mark,omitzero"`
	ExpiresAt time.Time `json:"expires_at"`
	// Ahead is by how much the time of the stream was ahead of the wall clock: ExpiresAt
	// less this is by the wall clock.
	Ahead Duration `json:"ahead,omitzero"`
	// Arbitrage names what the order is a leg of, "" for nothing.
	Arbitrage string `json:"arbitrage,omitempty"`
}

// PermitDenied: no, with every reason that was found.
type PermitDenied struct {
	Order
	Reasons []Reason `json:"reasons"`
}

// PermitPlaced: the order rests at the venue. Its reservation stays until it is
// filled, released or expired by the order's own expiry (none: until then).
type PermitPlaced struct {
	Permit    string     `json:"permit"`
	ExpiresAt *time.Time `json:"expires_at,omitempty"`
	// Ahead: ExpiresAt less this is what the venue was told.
	Ahead Duration `json:"ahead,omitzero"`
}

// PermitReleased: the order was cancelled, or never placed.
type PermitReleased struct {
	Permit string `json:"permit"`
	Reason string `json:"reason,omitempty"`
}

// DayOpened precedes, in the same append, the first event of a new calendar day
// in the policy's time zone.
type DayOpened struct {
	Date   string  `json:"date"` // 2006-01-02
	Equity Decimal `json:"equity"`
}

// BreakerWarned: the value reached the warning level of its breaker.
type BreakerWarned struct {
	Breaker string  `json:"breaker"`
	Bot     string  `json:"bot,omitempty"`
	Value   Decimal `json:"value"`
	Level   Decimal `json:"level"`
	Limit   Decimal `json:"limit"`
}

// BreakerTripped stands in the same append as its cause. It stays tripped, and
// trips no second time, until it is reset by a person.
type BreakerTripped struct {
	Breaker string `json:"breaker"`
	// Scope is "bot" or "portfolio"; Bot is set for the former.
	Scope string  `json:"scope"`
	Bot   string  `json:"bot,omitempty"`
	Value Decimal `json:"value"`
	Limit Decimal `json:"limit"`
	// Equity is the scope's at the trip, Reference what it was measured from: the
	// peak, or the day-open. A streak has neither.
	Equity    *Decimal `json:"equity,omitempty"`
	Reference *Decimal `json:"reference,omitempty"`
	// Cause is the revision of the record that moved the value.
	Cause uint64 `json:"cause"`
	// Stops is what the policy had it stop: all, or bot.
	Stops          string   `json:"stops"`
	BotsStopped    []string `json:"bots_stopped,omitempty"`
	PermitsRevoked []string `json:"permits_revoked,omitempty"`
	// ClosePositions: the policy asks the bots to close what they hold.
	ClosePositions bool `json:"close_positions,omitempty"`
}

// BreakerReset is a person's decision to go on.
type BreakerReset struct {
	Breaker string `json:"breaker"`
	Bot     string `json:"bot,omitempty"`
	Reason  string `json:"reason"`
	// Rebase makes the drawdown peak, or the day-open, the equity now.
	Rebase bool   `json:"rebase"`
	User   string `json:"user"`
	// Before and After are the breaker's value around the reset.
	Before Decimal `json:"before"`
	After  Decimal `json:"after"`
}

// Kinds of emergency stops (section 6).
const (
	StopManual            = "manual"
	StopSystemError       = "system_error"
	StopSecurityBreach    = "security_breach"
	StopPortfolioDrawdown = "portfolio_drawdown"
)

// stopKinds are the kinds from the least to the gravest.
var stopKinds = []string{StopManual, StopPortfolioDrawdown, StopSystemError, StopSecurityBreach}

// GraverStop returns the graver of two kinds of emergency stops. A kind that is not
// known, or none, is graver than nothing.
func GraverStop(a, b string) string {
	if slices.Index(stopKinds, a) < slices.Index(stopKinds, b) {
		return b
	}
	return a
}

// EmergencyStopEngaged halts the portfolio until two people clear it.
type EmergencyStopEngaged struct {
	// Kind is in force from here on: the gravest since the portfolio was last clear.
	// RequestedKind is what was asked for now, where that is another. Older streams do
	// not have it: there, what was asked for last is in force.
	Kind           string   `json:"kind"`
	RequestedKind  string   `json:"requested_kind,omitempty"`
	Reason         string   `json:"reason"`
	BotsStopped    []string `json:"bots_stopped,omitempty"`
	PermitsRevoked []string `json:"permits_revoked,omitempty"`
}

// EmergencyStopClearRequested is the first of the two people.
type EmergencyStopClearRequested struct {
	Request string `json:"request"`
	Reason  string `json:"reason"`
	User    string `json:"user"`
}

// EmergencyStopCleared is the second. The bots stay stopped.
type EmergencyStopCleared struct {
	Request string `json:"request"`
	// RequestedBy and ConfirmedBy are two users.
	RequestedBy string `json:"requested_by"`
	ConfirmedBy string `json:"confirmed_by"`
}

// Event types of this file.
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

// Requested is the kind that was asked for.
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
