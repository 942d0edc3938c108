package commands

import (
	"pets/domain"
	"pets/domain/portfolio"
)

// ProposeRebalance proposes a move between the wallets where one is due.
type ProposeRebalance struct{}

// Name implements Command.
func (ProposeRebalance) Name() string { return "propose_rebalance" }

// Roles implements Command.
func (ProposeRebalance) Roles() []domain.Role { return operators }

// Actor implements Command.
func (ProposeRebalance) Actor() string { return "" }

// Decide implements PortfolioCommand.
func (ProposeRebalance) Decide(d *portfolio.Decision) error {
	return d.ProposeRebalance()
}
