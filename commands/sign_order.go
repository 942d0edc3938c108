package commands

import (
	"pets/domain"
	"pets/domain/portfolio"
)

// SignOrder asks for the signature of an order under a permit.
type SignOrder struct {
	Permit string            `json:"permit"`
	Order  domain.TypedOrder `json:"order"`
}

// Name implements Command.
func (SignOrder) Name() string { return "sign_order" }

// Roles implements Command.
func (SignOrder) Roles() []domain.Role { return []domain.Role{domain.RoleBot, domain.RoleOperator} }

// Actor implements Command.
func (SignOrder) Actor() string { return "" }

// Decide implements PortfolioCommand.
func (c SignOrder) Decide(d *portfolio.Decision) error {
	return d.SignOrder(c.request())
}

func (c SignOrder) request() portfolio.SignRequest {
	return portfolio.SignRequest{Permit: c.Permit, Order: c.Order}
}
