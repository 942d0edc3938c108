package commands

import (
	"time"

	"pets/domain"
	"pets/domain/portfolio"
)

// Reconcile compares the ledger with the chain. What the chain says is no part of the body: see
// package commands/custody.
type Reconcile struct {
	Block     uint64              `json:"-"`
	BlockTime time.Time           `json:"-"`
	Readings  []portfolio.Reading `json:"-"`
	// Agreed: they agreed with the ledger when they were compared. Where they do not any
	// more the ledger has moved on, and nothing is known.
	Agreed bool `json:"-"`
}

// Name implements Command.
func (Reconcile) Name() string { return "reconcile" }

// Roles implements Command.
func (Reconcile) Roles() []domain.Role { return operators }

// Actor implements Command.
func (Reconcile) Actor() string { return "" }

// Decide implements PortfolioCommand.
func (c Reconcile) Decide(d *portfolio.Decision) error {
	if c.Agreed {
		found, err := d.State().Differences(c.Readings)
		if err == nil && len(found) > 0 {
			return ErrLedgerChanged
		}
	}
	return d.Reconcile(c.Block, c.BlockTime, c.Readings)
}
