package commands

import (
	"pets/domain"
	"pets/domain/portfolio"
)

// PostAdjustment corrects an asset account by hand, with a reason.
type PostAdjustment struct {
	Account string         `json:"account"` // hot:treasury, cold:treasury or hot:bot/<id>
	Asset   string         `json:"asset,omitempty"`
	Amount  domain.Decimal `json:"amount"`
	Reason  string         `json:"reason"`
}

// Name implements Command.
func (PostAdjustment) Name() string { return "post_adjustment" }

// Roles implements Command.
func (PostAdjustment) Roles() []domain.Role { return []domain.Role{domain.RoleAdmin} }

// Actor implements Command.
func (PostAdjustment) Actor() string { return "" }

// Decide implements Command.
func (c PostAdjustment) Decide(d *portfolio.Decision) error {
	return d.Adjust(&domain.AdjustmentPosted{Account: c.Account, Asset: c.Asset, Amount: c.Amount, Reason: c.Reason})
}
