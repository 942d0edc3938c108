package commands

import (
	"pets/domain"
	"pets/domain/portfolio"
)

// RedeemPosition settles the one open outcome a bot holds of a market, as a wallet's ledger reports it.
type RedeemPosition struct {
	Bot      string         `json:"bot"`
	Market   string         `json:"market"`
	Quantity domain.Decimal `json:"quantity"`
	Cash     domain.Decimal `json:"cash"`
}

// Name implements Command.
func (RedeemPosition) Name() string { return "redeem_position" }

// Roles implements Command.
func (RedeemPosition) Roles() []domain.Role { return operators }

// Actor implements Command.
func (RedeemPosition) Actor() string { return "" }

// Decide implements Command.
func (c RedeemPosition) Decide(d *portfolio.Decision) error {
	_, err := d.Redeem(c.Bot, c.Market, c.Quantity, c.Cash)
	return err
}
