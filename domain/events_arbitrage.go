package domain

import "time"

// ArbitragePermitted: the legs, whose permits follow in the same append, may be
// placed together. Whatever the outcome, they pay more than they cost.
type ArbitragePermitted struct {
	Arbitrage string `json:"arbitrage"`
	Bot       string `json:"bot"`
	// Permits are those of the legs, in their order.
	Permits []string `json:"permits"`
	// Cost is the worst-case cost of all legs with their fees, less what selling
	// brings in; SurePayout is what they pay in the worst outcome. In base asset.
	Cost       Decimal `json:"cost"`
	SurePayout Decimal `json:"sure_payout"`
	// Deadline is the leg time-out: what is filled of one leg and not of the others
	// by then is a directional exposure. Less Ahead it is by the wall clock.
	Deadline time.Time `json:"deadline"`
	Ahead    Duration  `json:"ahead,omitzero"`
}

// ArbitrageDenied: no leg may be placed, with every reason that was found.
type ArbitrageDenied struct {
	Bot  string  `json:"bot"`
	Legs []Order `json:"legs"`
	// Cost and SurePayout are 0 where the legs are not those of an arbitrage.
	Cost       Decimal  `json:"cost"`
	SurePayout Decimal  `json:"sure_payout"`
	Reasons    []Reason `json:"reasons"`
}

// ArbitrageTimedOut precedes, in the same append, the first event after the leg
// time-out of an arbitrage that is not complete.
type ArbitrageTimedOut struct {
	Arbitrage string `json:"arbitrage"`
	Bot       string `json:"bot"`
	// Open is what other legs do not cover: directional exposure from now on.
	Open []OpenLeg `json:"open,omitempty"`
	// Resting are the permits of legs whose orders still rest at a venue. What is
	// filled of them is flagged leg_late.
	Resting []string `json:"resting,omitempty"`
}

// OpenLeg is the part of a leg that no other leg covers; below 0 for what was sold.
type OpenLeg struct {
	Instrument
	Quantity Decimal `json:"quantity"`
}

// ClockJumped: the wall clock moved against the monotonic one by more than 5 s
// since the last command. Permits granted before and not placed have expired.
type ClockJumped struct {
	// By is how far, negative for back.
	By Duration `json:"by"`
	// PermitsExpired are those permits.
	PermitsExpired []string `json:"permits_expired,omitempty"`
	// OrdersKept are permits of orders that rest until an expiry of their own. The venue
	// does not know our clock, so their expiry is moved by Moved and they stay reserved.
	OrdersKept []string `json:"orders_kept,omitempty"`
	Moved      Duration `json:"moved,omitzero"`
}

// Event types of this file.
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
