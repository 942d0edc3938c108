package commands

import (
	"pets/domain"
	"pets/domain/portfolio"
)

// FailTransfer records that the money of a transfer will not move any more. The server sends it.
type FailTransfer struct {
	Transfer string         `json:"transfer"`
	Code     string         `json:"code"`
	Detail   string         `json:"detail,omitempty"`
	TxHash   string         `json:"tx_hash,omitempty"`
	Fee      domain.Decimal `json:"fee,omitzero"`
}

// Name implements Command.
func (FailTransfer) Name() string { return "fail_transfer" }

// Roles implements Command.
func (FailTransfer) Roles() []domain.Role { return []domain.Role{domain.RoleAdmin} }

// Actor implements Command.
func (FailTransfer) Actor() string { return "" }

// Decide implements PortfolioCommand.
func (c FailTransfer) Decide(d *portfolio.Decision) error {
	return d.FailTransfer(&domain.TransferFailed{Transfer: c.Transfer, Code: c.Code, Detail: c.Detail, TxHash: c.TxHash, Fee: c.Fee})
}
