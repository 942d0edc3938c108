package commands

import (
	"time"

	"pets/domain"
	"pets/domain/portfolio"
)

// AskPermit asks: may I place this order? The answer is a check and a reservation in one.
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
}

// Name implements Command.
func (AskPermit) Name() string { return "ask_permit" }

// Roles implements Command.
func (AskPermit) Roles() []domain.Role {
	return []domain.Role{domain.RoleBot, domain.RoleOperator, domain.RoleAdmin}
}

// Actor implements Command.
func (c AskPermit) Actor() string { return c.Bot }

// Decide implements PortfolioCommand.
func (c AskPermit) Decide(d *portfolio.Decision) error { return d.AskPermit(c.Request()) }

// Request is what is asked, as the domain takes it.
func (c AskPermit) Request() portfolio.PermitRequest {
	return portfolio.PermitRequest{
		Order: domain.Order{
			Bot: c.Bot, Instrument: c.Instrument, Side: c.Side, Quantity: c.Quantity, LimitPrice: c.LimitPrice, ReduceOnly: c.ReduceOnly,
		},
		Fee: c.Fee, Kind: c.Kind, TTL: time.Duration(c.TTL),
	}
}
