package commands

import (
	"context"
	"encoding/json"
	"errors"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/eventstore"
)

// OpenPortfolio begins a portfolio's stream with its complete policy: Policy, or Defaults
// with Limits applied. The defaults are not part of the body, so that a retry after they
// were changed is the same request.
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
	// Treasury are the treasury's rules; nil stands for the defaults. They are not part of
	// the body either.
	Treasury *domain.TreasuryPolicy `json:"-"`
	Evidence *portfolio.Evidence    `json:"-"`
	// Unpayable is why no order of a live portfolio could be paid in its base asset. It comes
	// from the server's registries, and is looked at only when the portfolio is opened.
	Unpayable error `json:"-"`
}

func (OpenPortfolio) spec() *Spec { return openPortfolio }

// Decide implements PortfolioCommand.
func (c OpenPortfolio) Decide(d *portfolio.Decision) error {
	if c.Clock == "" {
		c.Clock = domain.ClockWall
	}
	if c.Policy.MaxConsecutiveLosses == 0 { // no policy is given: every valid one sets this
		policy, err := c.patched()
		if err != nil {
			return err
		}
		c.Policy = policy
	}
	if c.Mode == domain.ModeLive && c.Unpayable != nil {
		return c.Unpayable
	}
	return d.Open(&domain.PortfolioOpened{
		Portfolio: c.ID, Mode: c.Mode, Clock: c.Clock, BaseAsset: c.BaseAsset, BaseDecimals: c.BaseDecimals, Policy: c.Policy, Treasury: c.Treasury, Gate: c.Gate,
	}, c.Evidence)
}

func (c *OpenPortfolio) patched() (domain.Policy, error) {
	if len(c.Limits) == 0 {
		return c.Defaults, nil
	}
	p, err := portfolio.Patched(c.Defaults, c.Limits)
	if err == nil && p.Rules < c.Defaults.Rules {
		return p, domain.Invalid("limits.rules", "must be %d, or absent: a new portfolio lives by the newest edition of the rules", c.Defaults.Rules)
	}
	return p, err
}

// RegisterBot introduces a bot and gives it capital from hot:treasury.
type RegisterBot struct {
	ID       string `json:"id"`
	Strategy string `json:"strategy,omitempty"`
	Kind     string `json:"kind,omitempty" enum:"directional,market_maker"`
	// InventoryCap of a market maker is the most shares of one market that it may become
	// exposed to.
	InventoryCap domain.Decimal `json:"inventory_cap,omitzero"`
	Capital      domain.Decimal `json:"capital"`
	// Start also starts the bot, unless a breaker is tripped. Imports use it.
	Start bool `json:"start,omitempty"`
}

func (RegisterBot) spec() *Spec { return registerBot }

// Decide implements PortfolioCommand.
func (c RegisterBot) Decide(d *portfolio.Decision) error {
	return d.RegisterBot(&domain.BotRegistered{Bot: c.ID, Strategy: c.Strategy, Kind: c.Kind, InventoryCap: c.InventoryCap}, c.Capital, c.Start)
}

// ReadEvidence reads the record that a gate points to, and the mode and clock of its
// portfolio. Records never change, so it can be read before the decision that uses it.
func ReadEvidence(ctx context.Context, store eventstore.Store, g domain.Gate) (*portfolio.Evidence, error) {
	if err := domain.CheckID("gate.portfolio", g.Portfolio); err != nil {
		return nil, err
	}
	opened, err := recordAt(ctx, store, g.Portfolio, 0)
	if err != nil {
		return nil, err
	}
	rec, err := recordAt(ctx, store, g.Portfolio, g.Revision)
	if err != nil {
		return nil, err
	}
	first, err := domain.Decode(opened.Type, opened.Data)
	if err != nil {
		return nil, err
	}
	e, err := domain.Decode(rec.Type, rec.Data)
	if err != nil {
		return nil, err
	}
	ev := &portfolio.Evidence{Event: e, Time: rec.Time}
	if o, ok := first.(*domain.PortfolioOpened); ok {
		ev.Mode, ev.Clock = o.Mode, o.Clock
	}
	return ev, nil
}

func recordAt(ctx context.Context, store eventstore.Store, id string, revision uint64) (eventstore.Record, error) {
	for rec, err := range store.ReadStream(ctx, Stream(id), revision) {
		var missing *eventstore.NotFound
		switch {
		case errors.As(err, &missing):
			return rec, &domain.Error{Code: domain.CodeNotFound, Field: "gate.portfolio", Message: "is no portfolio"}
		case err != nil:
			return rec, &domain.Error{Code: domain.CodeUnavailable, Message: "the gate's record cannot be read now", Cause: err}
		}
		return rec, nil
	}
	return eventstore.Record{}, &domain.Error{Code: domain.CodeNotFound, Field: "gate.revision", Message: "lies beyond the end of that portfolio's history"}
}

// ModeOf reads the mode of a portfolio, which never changes.
func ModeOf(ctx context.Context, store eventstore.Store, id string) (domain.Mode, error) {
	rec, err := recordAt(ctx, store, id, 0)
	if err != nil {
		return "", err
	}
	e, err := domain.Decode(rec.Type, rec.Data)
	if err != nil {
		return "", err
	}
	opened, ok := e.(*domain.PortfolioOpened)
	if !ok {
		return "", domain.Errorf(domain.CodeInternal, "the stream of portfolio %s does not begin with its opening", id)
	}
	return opened.Mode, nil
}
