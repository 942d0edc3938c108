package commands

import (
	"pets/domain"
	"pets/domain/portfolio"
)

// RegisterMarket makes a market's kind, outcomes and category known.
type RegisterMarket struct {
	Market   string            `json:"market"`
	Kind     domain.MarketKind `json:"kind"`
	Outcomes []string          `json:"outcomes,omitempty"`
	Category string            `json:"category,omitempty"`
	// Tokens are the ids of the outcomes' tokens on the chain, decimal: without them no
	// order of the market is signed. They may be added later.
	Tokens map[string]string `json:"tokens,omitempty"`
}

// Name implements Command.
func (RegisterMarket) Name() string { return "register_market" }

// Roles implements Command.
func (RegisterMarket) Roles() []domain.Role { return operators }

// Actor implements Command.
func (RegisterMarket) Actor() string { return "" }

// Decide implements Command.
func (c RegisterMarket) Decide(d *portfolio.Decision) error {
	return d.RegisterMarket(&domain.MarketRegistered{Market: c.Market, Kind: c.Kind, Outcomes: c.Outcomes, Category: c.Category, Tokens: c.Tokens})
}
