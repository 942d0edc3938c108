package commands

import (
	"pets/domain"
	"pets/domain/portfolio"
)

// BroadcastTransfer records that a transaction may be on its way from now on. The server sends it.
type BroadcastTransfer struct {
	Transfer string `json:"transfer"`
	TxHash   string `json:"tx_hash"`
}

// Name implements Command.
func (BroadcastTransfer) Name() string { return "broadcast_transfer" }

// Roles implements Command.
func (BroadcastTransfer) Roles() []domain.Role { return []domain.Role{domain.RoleAdmin} }

// Actor implements Command.
func (BroadcastTransfer) Actor() string { return "" }

// Decide implements PortfolioCommand.
func (c BroadcastTransfer) Decide(d *portfolio.Decision) error {
	return d.BroadcastTransfer(c.Transfer, c.TxHash)
}
