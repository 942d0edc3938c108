package commands

import (
	"encoding/json"

	"pets/domain"
	"pets/domain/portfolio"
)

// OpenPortfolio begins a portfolio's stream with its complete policy: the one it
// names, or defaults with the limits it names. The defaults are no part of the
// body, so that a retry after they were changed is the same request.
type OpenPortfolio struct {
	ID           string        `json:"id"`
	Mode         domain.Mode   `json:"mode"`
	BaseAsset    string        `json:"base_asset"`
	BaseDecimals int           `json:"base_decimals"`
	Policy       domain.Policy `json:"policy,omitzero"`
	// Clock is wall by default.
	Clock domain.Clock `json:"clock,omitempty"`
	// Limits is a JSON object of policy keys that replace those of Defaults.
	Limits json.RawMessage `json:"limits,omitempty"`
	// Gate is the record that allows a live portfolio; Evidence is that record.
	Gate *domain.Gate `json:"gate,omitempty"`

	Defaults domain.Policy `json:"-"`
	// Treasury are the treasury's rules; nil are the defaults. They are no part of the
	// body either.
	Treasury *domain.TreasuryPolicy `json:"-"`
	Evidence *portfolio.Evidence    `json:"-"`
}

// Name implements Command.
func (OpenPortfolio) Name() string { return "open_portfolio" }

// Roles implements Command.
func (OpenPortfolio) Roles() []domain.Role { return operators }

// Actor implements Command.
func (OpenPortfolio) Actor() string { return "" }

// Decide implements Command.
func (c OpenPortfolio) Decide(d *portfolio.Decision) error {
	if c.Clock == "" {
		c.Clock = domain.ClockWall
	}
	if c.Policy.MaxConsecutiveLosses == 0 { // none is named: a policy that is has one
		policy, err := c.patched()
		if err != nil {
			return err
		}
		c.Policy = policy
	}
	return d.Open(&domain.PortfolioOpened{
		Portfolio: c.ID, Mode: c.Mode, Clock: c.Clock, BaseAsset: c.BaseAsset, BaseDecimals: c.BaseDecimals, Policy: c.Policy, Treasury: c.Treasury, Gate: c.Gate,
	}, c.Evidence)
}

func (c *OpenPortfolio) patched() (domain.Policy, error) {
	if len(c.Limits) == 0 {
		return c.Defaults, nil
	}
	return portfolio.Patched(c.Defaults, c.Limits)
}
