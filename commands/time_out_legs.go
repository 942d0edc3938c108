package commands

import (
	"pets/domain"
	"pets/domain/portfolio"
)

// TimeOutLegs records legs of arbitrages that were not filled in time. The server sends it
// where nothing else happens that would record it, or what the clocks have ended.
type TimeOutLegs struct{}

// Name implements Command.
func (TimeOutLegs) Name() string { return "time_out_legs" }

// Roles implements Command.
func (TimeOutLegs) Roles() []domain.Role { return []domain.Role{domain.RoleAdmin} }

// Actor implements Command.
func (TimeOutLegs) Actor() string { return "" }

// Decide implements PortfolioCommand.
func (TimeOutLegs) Decide(d *portfolio.Decision) error { return d.TimeOutLegs() }
