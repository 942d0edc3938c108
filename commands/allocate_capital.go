package commands

import (
	"pets/domain"
	"pets/domain/portfolio"
)

// AllocateCapital moves base asset from hot:treasury to a bot, or back when negative.
type AllocateCapital struct {
	Bot    string         `json:"bot"`
	Amount domain.Decimal `json:"amount"`
}

// Name implements Command.
func (AllocateCapital) Name() string { return "allocate_capital" }

// Roles implements Command.
func (AllocateCapital) Roles() []domain.Role { return operators }

// Actor implements Command.
func (AllocateCapital) Actor() string { return "" }

// Decide implements Command.
func (c AllocateCapital) Decide(d *portfolio.Decision) error {
	return d.Allocate(c.Bot, c.Amount)
}
