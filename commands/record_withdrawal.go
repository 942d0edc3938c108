package commands

import (
	"pets/domain"
	"pets/domain/portfolio"
)

// RecordWithdrawal records money that went out.
type RecordWithdrawal struct {
	Wallet string         `json:"wallet"`          // hot or cold
	Asset  string         `json:"asset,omitempty"` // the base asset by default
	Amount domain.Decimal `json:"amount"`
	Tx     string         `json:"tx,omitempty"`
}

// Name implements Command.
func (RecordWithdrawal) Name() string { return "record_withdrawal" }

// Roles implements Command.
func (RecordWithdrawal) Roles() []domain.Role { return operators }

// Actor implements Command.
func (RecordWithdrawal) Actor() string { return "" }

// Decide implements Command.
func (c RecordWithdrawal) Decide(d *portfolio.Decision) error {
	return d.Withdraw(&domain.WithdrawalRecorded{Wallet: c.Wallet, Asset: c.Asset, Amount: c.Amount, Tx: c.Tx})
}
