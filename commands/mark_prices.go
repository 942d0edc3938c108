package commands

import (
	"pets/domain"
	"pets/domain/portfolio"
)

// MarkPrices values instruments and assets.
type MarkPrices struct {
	Marks []domain.Mark `json:"marks"`
}

// Name implements Command.
func (MarkPrices) Name() string { return "mark_prices" }

// Roles implements Command.
func (MarkPrices) Roles() []domain.Role {
	return []domain.Role{domain.RoleBot, domain.RoleFeed, domain.RoleOperator, domain.RoleAdmin}
}

// Actor implements Command.
func (MarkPrices) Actor() string { return "" }

// Decide implements Command.
func (c MarkPrices) Decide(d *portfolio.Decision) error {
	return d.MarkPrices(c.Marks)
}
