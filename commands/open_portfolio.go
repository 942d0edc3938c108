package commands

import (
	"pets/domain"
	"pets/domain/portfolio"
)

// OpenPortfolio begins a portfolio's stream with its complete policy.
type OpenPortfolio struct {
	ID           string        `json:"id"`
	Mode         domain.Mode   `json:"mode"`
	BaseAsset    string        `json:"base_asset"`
	BaseDecimals int           `json:"base_decimals"`
	Policy       domain.Policy `json:"policy"`
	// Clock is wall by default.
	Clock domain.Clock `json:"clock,omitempty"`
}

// Name implements Command.
func (OpenPortfolio) Name() string { return "open_portfolio" }

// Roles implements Command.
func (OpenPortfolio) Roles() []domain.Role { return operators }

// Actor implements Command.
func (OpenPortfolio) Actor() string { return "" }

// Decide implements Command.
func (c OpenPortfolio) Decide(d *portfolio.Decision) error {
	if c.Clock == "" {
		c.Clock = domain.ClockWall
	}
	return d.Open(&domain.PortfolioOpened{
		Portfolio: c.ID, Mode: c.Mode, Clock: c.Clock, BaseAsset: c.BaseAsset, BaseDecimals: c.BaseDecimals, Policy: c.Policy,
	})
}
