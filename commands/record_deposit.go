package commands

import (
	"pets/domain"
	"pets/domain/portfolio"
)

// RecordDeposit records money that came in from outside.
type RecordDeposit struct {
	Wallet string         `json:"wallet"`          // hot or cold
	Asset  string         `json:"asset,omitempty"` // the base asset by default
	Amount domain.Decimal `json:"amount"`
	Tx     string         `json:"tx,omitempty"`
}

// Name implements Command.
func (RecordDeposit) Name() string { return "record_deposit" }

// Roles implements Command.
func (RecordDeposit) Roles() []domain.Role { return operators }

// Actor implements Command.
func (RecordDeposit) Actor() string { return "" }

// Decide implements Command.
func (c RecordDeposit) Decide(d *portfolio.Decision) error {
	return d.Deposit(&domain.DepositRecorded{Wallet: c.Wallet, Asset: c.Asset, Amount: c.Amount, Tx: c.Tx})
}
