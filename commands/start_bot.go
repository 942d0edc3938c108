package commands

import (
	"pets/domain"
	"pets/domain/portfolio"
)

// StartBot lets a bot ask for permits.
type StartBot struct {
	Bot string `json:"bot"`
}

// Name implements Command.
func (StartBot) Name() string { return "start_bot" }

// Roles implements Command.
func (StartBot) Roles() []domain.Role { return operators }

// Actor implements Command.
func (StartBot) Actor() string { return "" }

// Decide implements Command.
func (c StartBot) Decide(d *portfolio.Decision) error {
	return d.StartBot(c.Bot)
}
