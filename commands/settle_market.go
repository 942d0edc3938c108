package commands

import (
	"pets/domain"
	"pets/domain/portfolio"
)

// SettleMarket pays out one outcome of a market to its holders.
type SettleMarket struct {
	domain.Instrument
	Payout domain.Decimal `json:"payout"`        // 0..1 per share
	Bot    string         `json:"bot,omitempty"` // only this holder
}

// Name implements Command.
func (SettleMarket) Name() string { return "settle_market" }

// Roles implements Command.
func (SettleMarket) Roles() []domain.Role {
	return []domain.Role{domain.RoleFeed, domain.RoleOperator, domain.RoleAdmin}
}

// Actor implements Command.
func (SettleMarket) Actor() string { return "" }

// Decide implements Command.
func (c SettleMarket) Decide(d *portfolio.Decision) error {
	return d.Settle(&domain.MarketSettled{Instrument: c.Instrument, Payout: c.Payout, Bot: c.Bot})
}
