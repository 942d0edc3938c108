package commands

import (
	"pets/domain"
	"pets/domain/portfolio"
)

// ConfirmTransfer records that the money of a transfer has arrived for good. The server sends it.
type ConfirmTransfer struct {
	Transfer string         `json:"transfer"`
	TxHash   string         `json:"tx_hash"`
	Block    uint64         `json:"block"`
	Fee      domain.Decimal `json:"fee"`
}

// Name implements Command.
func (ConfirmTransfer) Name() string { return "confirm_transfer" }

// Roles implements Command.
func (ConfirmTransfer) Roles() []domain.Role { return []domain.Role{domain.RoleAdmin} }

// Actor implements Command.
func (ConfirmTransfer) Actor() string { return "" }

// Decide implements PortfolioCommand.
func (c ConfirmTransfer) Decide(d *portfolio.Decision) error {
	return d.ConfirmTransfer(&domain.TransferConfirmed{Transfer: c.Transfer, TxHash: c.TxHash, Block: c.Block, Fee: c.Fee})
}
