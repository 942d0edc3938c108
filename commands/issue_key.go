package commands

import (
	"pets/domain"
	"pets/domain/system"
)

// IssueKey makes an API key known by its hash.
type IssueKey struct {
	User      string      `json:"user"`
	Role      domain.Role `json:"role"`
	Portfolio string      `json:"portfolio,omitempty"`
	Bot       string      `json:"bot,omitempty"`
	Note      string      `json:"note,omitempty"`
	// Hash is no part of the body: a retry draws another key, and is the same
	// request all the same.
	Hash string `json:"-"`
}

// Name implements Command.
func (IssueKey) Name() string { return "issue_api_key" }

// Roles implements Command.
func (IssueKey) Roles() []domain.Role { return []domain.Role{domain.RoleAdmin} }

// Actor implements Command.
func (IssueKey) Actor() string { return "" }

// DecideSystem implements SystemCommand.
func (c IssueKey) DecideSystem(d *system.Decision) error {
	return d.IssueKey(&domain.APIKeyIssued{User: c.User, Role: c.Role, Portfolio: c.Portfolio, Bot: c.Bot, Hash: c.Hash, Note: c.Note})
}
