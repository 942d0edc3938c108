package commands

import (
	"time"

	"pets/domain"
	"pets/domain/portfolio"
)

// AskPermit asks: may I place this order? A yes is also a reservation. With Legs it asks
// for several orders at once, and names no order itself.
type AskPermit struct {
	Bot string `json:"bot"`
	domain.Instrument
	Kind       domain.MarketKind `json:"kind,omitempty"`
	Side       domain.Side       `json:"side"`
	Quantity   domain.Decimal    `json:"quantity"`
	LimitPrice domain.Decimal    `json:"limit_price"`
	Fee        *domain.Decimal   `json:"fee,omitempty"` // of the whole order; the policy's fee_bps by default
	ReduceOnly bool              `json:"reduce_only,omitempty"`
	TTL        domain.Duration   `json:"ttl,omitempty"` // at most the policy's permit_ttl
	// Intent is directional, the default, arbitrage or market_making.
	Intent domain.Intent `json:"intent,omitempty"`
	// Group joins orders of which only one is to be filled, such as a take-profit and a
	// stop: those that wholly reduce count as the largest of them.
	Group string `json:"group,omitempty"`
	// TimeInForce is gtc, the default, gtd, ioc or fok.
	TimeInForce domain.TimeInForce `json:"time_in_force,omitempty"`
	// PaperFill asks the engine to fill the order, in a paper portfolio.
	PaperFill bool `json:"paper_fill,omitempty"`
	// Legs are the orders of an arbitrage, permitted together or not at all. LegTimeout is
	// how long one may be filled without the others; it is the policy's permit_ttl by
	// default.
	Legs       []Leg           `json:"legs,omitempty" strict:"instead=market,side,quantity,limit_price"`
	LegTimeout domain.Duration `json:"leg_timeout,omitempty"`
}

// Leg is one order of an arbitrage.
type Leg struct {
	domain.Instrument
	Kind       domain.MarketKind `json:"kind,omitempty"`
	Side       domain.Side       `json:"side"`
	Quantity   domain.Decimal    `json:"quantity"`
	LimitPrice domain.Decimal    `json:"limit_price"`
	Fee        *domain.Decimal   `json:"fee,omitempty"` // of the whole leg; the policy's fee_bps by default
}

func (AskPermit) spec() *Spec { return askPermit }

// Decide implements PortfolioCommand.
func (c AskPermit) Decide(d *portfolio.Decision) error {
	if err := c.checkForm(); err != nil {
		return err
	}
	if len(c.Legs) > 0 {
		return d.AskArbitrage(c.arbitrage())
	}
	return d.AskPermit(c.order())
}

// Preview runs every check and records nothing.
func (c AskPermit) Preview(s *portfolio.State, now time.Time, caller domain.Caller) (portfolio.PermitPreview, error) {
	if err := c.checkForm(); err != nil {
		return portfolio.PermitPreview{}, err
	}
	if len(c.Legs) > 0 {
		return s.PreviewArbitrage(now, caller, c.arbitrage())
	}
	return s.PreviewPermit(now, caller, c.order())
}

// checkForm refuses a request that mixes the fields of one order with legs.
func (c AskPermit) checkForm() error {
	if len(c.Legs) == 0 {
		if c.LegTimeout != 0 {
			return domain.Invalid("leg_timeout", "goes with legs")
		}
		return nil
	}
	switch {
	case c.Intent != domain.IntentArbitrage:
		return domain.Invalid("intent", "must be arbitrage where legs are asked for")
	case c.Market != "" || c.Outcome != "" || c.Kind != "" || c.Side != "" || !c.Quantity.IsZero() || !c.LimitPrice.IsZero() || c.Fee != nil || c.ReduceOnly || c.Group != "" || c.TimeInForce != "":
		return domain.Invalid("legs", "stand instead of an order: market, outcome, kind, side, quantity, limit_price and fee belong into each leg, and group and time_in_force go with one order")
	}
	return nil
}

// order returns the request in the form of the domain.
func (c AskPermit) order() portfolio.PermitRequest {
	return portfolio.PermitRequest{
		Order: domain.Order{
			Bot: c.Bot, Instrument: c.Instrument, Side: c.Side, Quantity: c.Quantity, LimitPrice: c.LimitPrice, ReduceOnly: c.ReduceOnly,
			Intent: c.Intent, PaperFill: c.PaperFill, Group: c.Group, TimeInForce: c.TimeInForce,
		},
		Fee: c.Fee, Kind: c.Kind, TTL: time.Duration(c.TTL),
	}
}

func (c AskPermit) arbitrage() portfolio.ArbitrageRequest {
	r := portfolio.ArbitrageRequest{Bot: c.Bot, TTL: time.Duration(c.TTL), LegTimeout: time.Duration(c.LegTimeout), PaperFill: c.PaperFill}
	for _, l := range c.Legs {
		r.Legs = append(r.Legs, portfolio.PermitRequest{
			Order: domain.Order{Instrument: l.Instrument, Side: l.Side, Quantity: l.Quantity, LimitPrice: l.LimitPrice}, Fee: l.Fee, Kind: l.Kind,
		})
	}
	return r
}

// PlacePermit reports that a permitted order rests at the venue.
type PlacePermit struct {
	Permit    string     `json:"permit"`
	ExpiresAt *time.Time `json:"expires_at,omitempty"` // the order's own expiry
}

func (PlacePermit) spec() *Spec { return placePermit }

// Decide implements PortfolioCommand.
func (c PlacePermit) Decide(d *portfolio.Decision) error {
	return d.PlacePermit(c.Permit, c.ExpiresAt)
}

// ReleasePermit releases a permit's reservation.
type ReleasePermit struct {
	Permit string `json:"permit"`
	Reason string `json:"reason,omitempty"`
}

func (ReleasePermit) spec() *Spec { return releasePermit }

// Decide implements PortfolioCommand.
func (c ReleasePermit) Decide(d *portfolio.Decision) error {
	return d.ReleasePermit(c.Permit, c.Reason)
}

// TimeOutLegs records legs of arbitrages that were not filled in time, and permits that
// the clocks have ended. The server sends it if no other command comes that would record
// them.
type TimeOutLegs struct{}

func (TimeOutLegs) spec() *Spec { return timeOutLegs }

// Decide implements PortfolioCommand.
func (TimeOutLegs) Decide(d *portfolio.Decision) error { return d.TimeOutLegs() }

// SignOrder asks for the signature of an order under a permit.
type SignOrder portfolio.SignRequest

func (SignOrder) spec() *Spec { return signOrder }

// Decide implements PortfolioCommand.
func (c SignOrder) Decide(d *portfolio.Decision) error {
	return d.SignOrder(portfolio.SignRequest(c))
}
