package commands

import (
	"time"

	"pets/domain"
	"pets/domain/portfolio"
)

// RecordFill reports that an order was filled, wholly or in part.
type RecordFill struct {
	domain.FillID
	domain.Instrument
	Side        domain.Side     `json:"side"`
	Quantity    domain.Decimal  `json:"quantity"`
	Price       domain.Decimal  `json:"price"`
	Notional    *domain.Decimal `json:"notional,omitempty"` // the cash that moved, where the venue says it
	Fee         domain.Decimal  `json:"fee,omitzero"`
	PermitID    string          `json:"permit_id,omitempty"`
	Status      string          `json:"status,omitempty" enum:"confirmed,provisional"` // confirmed by default, or provisional
	EffectiveAt *time.Time      `json:"effective_at,omitempty"`
}

// Name implements Command.
func (RecordFill) Name() string { return "record_fill" }

// Roles implements Command.
func (RecordFill) Roles() []domain.Role {
	return []domain.Role{domain.RoleBot, domain.RoleOperator, domain.RoleAdmin}
}

// Actor implements Command.
func (c RecordFill) Actor() string { return c.Bot }

// Decide implements Command.
func (c RecordFill) Decide(d *portfolio.Decision) error {
	return d.RecordFill(portfolio.FillReport{
		FillID: c.FillID, Instrument: c.Instrument, Side: c.Side, Quantity: c.Quantity, Price: c.Price, Notional: c.Notional,
		Fee: c.Fee, Permit: c.PermitID, Status: c.Status, EffectiveAt: c.EffectiveAt,
	})
}
