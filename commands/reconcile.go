package commands

import (
	"time"

	"pets/domain"
	"pets/domain/portfolio"
)

// Reconcile holds the ledger against the chain. What the chain says is no part of the body: see
// [Custody.Reconcile].
type Reconcile struct {
	Block     uint64              `json:"-"`
	BlockTime time.Time           `json:"-"`
	Readings  []portfolio.Reading `json:"-"`
}

// Name implements Command.
func (Reconcile) Name() string { return "reconcile" }

// Roles implements Command.
func (Reconcile) Roles() []domain.Role { return operators }

// Actor implements Command.
func (Reconcile) Actor() string { return "" }

// Decide implements PortfolioCommand.
func (c Reconcile) Decide(d *portfolio.Decision) error {
	return d.Reconcile(c.Block, c.BlockTime, c.Readings)
}
