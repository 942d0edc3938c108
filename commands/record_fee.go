package commands

import (
	"pets/domain"
	"pets/domain/portfolio"
)

// RecordFee records a fee, or a rebate, that belongs to no fill.
type RecordFee struct {
	Bot    string         `json:"bot,omitempty"`
	Asset  string         `json:"asset,omitempty"`
	Amount domain.Decimal `json:"amount"`
	Kind   string         `json:"kind"` // trading, gas or rebate
}

// Name implements Command.
func (RecordFee) Name() string { return "record_fee" }

// Roles implements Command.
func (RecordFee) Roles() []domain.Role { return operators }

// Actor implements Command.
func (c RecordFee) Actor() string { return c.Bot }

// Decide implements Command.
func (c RecordFee) Decide(d *portfolio.Decision) error {
	return d.RecordFee(&domain.FeeRecorded{Bot: c.Bot, Asset: c.Asset, Amount: c.Amount, Kind: c.Kind})
}
