package commands

import (
	"pets/domain"
	"pets/domain/portfolio"
)

// StopBot takes a bot out of trading.
type StopBot struct {
	Bot    string `json:"bot"`
	Reason string `json:"reason,omitempty"`
}

// Name implements Command.
func (StopBot) Name() string { return "stop_bot" }

// Roles implements Command.
func (StopBot) Roles() []domain.Role {
	return operators
}

// Actor implements Command.
func (StopBot) Actor() string { return "" }

// Decide implements Command.
func (c StopBot) Decide(d *portfolio.Decision) error {
	return d.StopBot(c.Bot, c.Reason)
}
