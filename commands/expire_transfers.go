package commands

import (
	"pets/domain"
	"pets/domain/portfolio"
)

// ExpireTransfers records transfers whose time is over. The server sends it where nothing else happens
// that would record it.
type ExpireTransfers struct{}

// Name implements Command.
func (ExpireTransfers) Name() string { return "expire_transfers" }

// Roles implements Command.
func (ExpireTransfers) Roles() []domain.Role { return []domain.Role{domain.RoleAdmin} }

// Actor implements Command.
func (ExpireTransfers) Actor() string { return "" }

// Decide implements PortfolioCommand.
func (ExpireTransfers) Decide(d *portfolio.Decision) error {
	return d.ExpireTransfers()
}
