package domain

import "time"

// ArbitragePermitted records that the legs of an arbitrage may be placed
// together. Their permits follow in the same append. Filled completely, the legs
// pay more than they cost in every outcome.
type ArbitragePermitted struct {
	Arbitrage string `json:"arbitrage"`
	Bot       string `json:"bot"`
	// Permits are the permits of the legs, in the same order.
	Permits []string `json:"permits"`
	// Cost is the worst-case cost of all legs with fees, less what the sells
	// bring in. SurePayout is what the legs pay in the worst outcome. Both are in
	// base asset.
	Cost       Decimal `json:"cost"`
	SurePayout Decimal `json:"sure_payout"`
	// Deadline is the leg time-out. What is filled of one leg and not matched by
	// the others by then becomes a directional exposure. Deadline less Ahead is
	// the deadline by the wall clock.
	Deadline time.Time `json:"deadline"`
	Ahead    Duration  `json:"ahead,omitzero"`
	// Blocked reports that the price of a leg lies in a blocked zone: under the second
	// edition of the rules a bot has at most one such arbitrage open.
	Blocked bool `json:"blocked,omitempty"`
}

// ArbitrageDenied records that no leg may be placed, with every reason found.
type ArbitrageDenied struct {
	Bot  string  `json:"bot"`
	Legs []Order `json:"legs"`
	// Cost and SurePayout are 0 if the legs do not form an arbitrage.
	Cost       Decimal  `json:"cost"`
	SurePayout Decimal  `json:"sure_payout"`
	Reasons    []Reason `json:"reasons"`
}

// ArbitrageTimedOut records that an arbitrage was incomplete at its leg time-out.
// It stands directly before the first event after the time-out, in the same
// append.
type ArbitrageTimedOut struct {
	Arbitrage string `json:"arbitrage"`
	Bot       string `json:"bot"`
	// Open is the exposure that the other legs do not cover. It is directional
	// from now on.
	Open []OpenLeg `json:"open,omitempty"`
	// Resting lists the permits of legs whose orders still rest at a venue. Their
	// later fills are flagged leg_late.
	Resting []string `json:"resting,omitempty"`
	// Close directs the bot to close what is open, under the second edition of the
	// rules.
	Close bool `json:"close,omitempty"`
}

// OpenLeg is the part of a leg that no other leg covers. It is negative for a
// sold leg.
type OpenLeg struct {
	Instrument
	Quantity Decimal `json:"quantity"`
}

// ClockJumped records that the wall clock moved by more than 5 s against the
// monotonic clock since the last command. Permits that were granted before and
// not placed have expired.
type ClockJumped struct {
	// By is the size of the jump, negative if the clock went back.
	By Duration `json:"by"`
	// PermitsExpired lists the expired permits.
	PermitsExpired []string `json:"permits_expired,omitempty"`
	// OrdersKept lists the permits of orders that rest until an expiry of their
	// own. The venue does not know this server's clock, so their recorded expiry
	// moves by Moved and they stay reserved.
	OrdersKept []string `json:"orders_kept,omitempty"`
	Moved      Duration `json:"moved,omitzero"`
}

// The event types of this file.
const (
	ArbitragePermittedType = "arbitrage.permitted.v1"
	ArbitrageDeniedType    = "arbitrage.denied.v1"
	ArbitrageTimedOutType  = "arbitrage.timed_out.v1"
	ClockJumpedType        = "clock.jumped.v1"
)

// EventType implements Event.
func (e *ArbitragePermitted) EventType() string { return typeOf(e) }

// EventType implements Event.
func (e *ArbitrageDenied) EventType() string { return typeOf(e) }

// EventType implements Event.
func (e *ArbitrageTimedOut) EventType() string { return typeOf(e) }

// EventType implements Event.
func (e *ClockJumped) EventType() string { return typeOf(e) }
