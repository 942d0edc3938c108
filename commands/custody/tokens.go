package custody

import (
	"context"
	"errors"
	"maps"
	"strings"

	"pets/commands"
	"pets/domain"
	"pets/domain/portfolio"
)

// RegisterMarket registers a market. What its tokens derive from is compared with the
// chain, if it has a condition and the endpoints answer.
func (c *Custodian) RegisterMarket(ctx context.Context, id string, r commands.Request) (commands.Answer, error) {
	cmd, err := commandOf[commands.RegisterMarket](&r)
	if err != nil {
		return commands.Answer{}, err
	}
	cmd.Reading, err = c.readTokens(ctx, id, func(s *portfolio.State) (*domain.MarketRegistered, bool) {
		e := &domain.MarketRegistered{Kind: cmd.Kind, Outcomes: cmd.Outcomes, Tokens: cmd.Tokens, Condition: strings.ToLower(cmd.Condition)}
		m := s.Registered(cmd.Market)
		if m != nil && e.Condition == "" {
			e.Condition = m.Condition
		}
		// What derives from a condition never changes: a bot that registers its markets at
		// every start does not ask for what was checked.
		known := m != nil && m.Condition == e.Condition && maps.Equal(m.Tokens, e.Tokens) && m.Checked != nil && m.Checked.Unchecked == ""
		return e, !known
	})
	if err != nil {
		return commands.Answer{}, err
	}
	r.Command = cmd
	return c.engine.Do(ctx, id, r)
}

// readTokens asks the chain which tokens derive from the condition of a market. It returns
// nil if there is nothing to ask. Endpoints that do not answer are part of the reading:
// the decision goes on, and records that nothing was compared. Endpoints that disagree are
// an error.
func (c *Custodian) readTokens(ctx context.Context, id string, read func(*portfolio.State) (*domain.MarketRegistered, bool)) (*portfolio.TokenReading, error) {
	var market *domain.MarketRegistered
	err := c.atHeadWithin(ctx, id, func(s *portfolio.State) error {
		if m, is := read(s); is && portfolio.NeedsChain(m) {
			market = m
		}
		return nil
	})
	if err != nil || market == nil {
		return nil, err
	}
	silent := func(why string) *portfolio.TokenReading {
		return &portfolio.TokenReading{Condition: market.Condition, Unanswered: why}
	}
	switch {
	case c.o.Chain == nil:
		return silent("no endpoint is known to the server"), nil
	case len(market.Outcomes) > portfolio.MaxSlots:
		return silent("the market has too many outcomes to ask for"), nil
	}
	within, cancel := context.WithTimeout(ctx, c.o.StepTimeout)
	defer cancel()
	r, err := c.o.Chain.Tokens(within, market.Condition, len(market.Outcomes))
	switch {
	case errors.Is(err, ErrChainDisagrees):
		return nil, err
	case err != nil:
		return silent("no endpoint answered"), nil //nolint:nilerr // it is part of the reading
	}
	return &r, nil
}
