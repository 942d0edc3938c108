package commands

import (
	"pets/domain"
	"pets/domain/portfolio"
)

// RegisterBot introduces a bot and gives it capital from hot:treasury.
type RegisterBot struct {
	ID       string `json:"id"`
	Strategy string `json:"strategy,omitempty"`
	Kind     string `json:"kind,omitempty" enum:"directional,market_maker"`
	// InventoryCap of a market maker is the most shares of one market it may come to
	// be exposed to.
	InventoryCap domain.Decimal `json:"inventory_cap,omitzero"`
	Capital      domain.Decimal `json:"capital"`
	// Start also starts it, unless something is tripped: an import does that.
	Start bool `json:"start,omitempty"`
}

// Name implements Command.
func (RegisterBot) Name() string { return "register_bot" }

// Roles implements Command.
func (RegisterBot) Roles() []domain.Role { return operators }

// Actor implements Command.
func (RegisterBot) Actor() string { return "" }

// Decide implements Command.
func (c RegisterBot) Decide(d *portfolio.Decision) error {
	return d.RegisterBot(&domain.BotRegistered{Bot: c.ID, Strategy: c.Strategy, Kind: c.Kind, InventoryCap: c.InventoryCap}, c.Capital, c.Start)
}
