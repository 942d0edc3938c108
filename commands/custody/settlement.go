package custody

import (
	"context"
	"errors"

	"pets/commands"
	"pets/domain"
	"pets/domain/portfolio"
	"pets/domain/treasury"
	"pets/internal/notice"
)

// RequestOverride records the request of the first of two people. What it says of a
// transfer, or of the tokens of a market, must not contradict the chain.
func (c *Custodian) RequestOverride(ctx context.Context, id string, r commands.Request) (commands.Answer, error) {
	cmd, err := commandOf[commands.RequestOverride](&r)
	if err != nil {
		return commands.Answer{}, err
	}
	if cmd.Kind == domain.OverrideTransfer {
		if _, err := c.checkSettlement(ctx, id, func(s *portfolio.State) (portfolio.TransferSettlement, bool) {
			return portfolio.ReadSettlement(cmd.Limits)
		}); err != nil {
			return commands.Answer{}, err
		}
	}
	if cmd.Kind == domain.OverrideTokens {
		if cmd.Reading, err = c.readTokens(ctx, id, func(s *portfolio.State) (*domain.MarketRegistered, bool) {
			return s.MarketOf(cmd.Limits)
		}); err != nil {
			return commands.Answer{}, err
		}
		r.Command = cmd
	}
	return c.engine.Do(ctx, id, r)
}

// ConfirmOverride records the confirmation of the second person. What the request says of
// a transfer, or of tokens, is looked up on the chain again, whenever the endpoints answer. If they do
// not, two people are believed, and a notice says that nothing was compared: the end of a
// transfer is compared again later (see [Custodian.Recheck]).
func (c *Custodian) ConfirmOverride(ctx context.Context, id string, r commands.Request) (commands.Answer, error) {
	cmd, err := commandOf[commands.ConfirmOverride](&r)
	if err != nil {
		return commands.Answer{}, err
	}
	unknown, err := c.checkSettlement(ctx, id, func(s *portfolio.State) (portfolio.TransferSettlement, bool) {
		o := s.Overrides[cmd.Override]
		if o == nil || o.ConfirmedBy != "" || o.Kind != domain.OverrideTransfer {
			return portfolio.TransferSettlement{}, false
		}
		return portfolio.ReadSettlement(o.Limits)
	})
	if err != nil {
		return commands.Answer{}, err
	}
	cmd.Reading, err = c.readTokens(ctx, id, func(s *portfolio.State) (*domain.MarketRegistered, bool) {
		o := s.Overrides[cmd.Override]
		if o == nil || o.ConfirmedBy != "" || o.Kind != domain.OverrideTokens {
			return nil, false
		}
		return s.MarketOf(o.Limits)
	})
	if err != nil {
		return commands.Answer{}, err
	}
	r.Command = cmd
	answer, err := c.engine.Do(ctx, id, r)
	if err == nil && unknown != nil && !answer.Replayed {
		c.o.Notify(notice.Notice{Kind: notice.Unchecked, Portfolio: id, Subject: cmd.Override, Err: unknown})
	}
	return answer, err
}

// checkSettlement compares an outcome with the chain. It returns an error if the chain
// contradicts it, and unknown if the chain does not answer. What is no outcome of an open
// transfer is left to the decision, which refuses it.
func (c *Custodian) checkSettlement(ctx context.Context, id string, read func(*portfolio.State) (portfolio.TransferSettlement, bool)) (unknown, err error) {
	var t *treasury.Transfer
	var settlement portfolio.TransferSettlement
	var known portfolio.HashUse
	err = c.atHeadWithin(ctx, id, func(s *portfolio.State) error {
		var is bool
		if settlement, is = read(s); !is {
			return nil
		}
		if found := s.Custody.Transfers[settlement.Transfer]; found != nil && found.UnderWay() {
			t = copyOf(found)
			known = s.Custody.HashUse(found, settlement.TxHash)
		}
		return nil
	})
	if err != nil || t == nil {
		return nil, err
	}
	if c.o.Chain == nil {
		return errNoChain, nil
	}
	within, cancel := context.WithTimeout(ctx, c.o.StepTimeout)
	defer cancel()
	err = c.o.Chain.CheckSettlement(within, t, settlement, known)
	if errors.Is(err, ErrNotKnown) {
		return err, nil
	}
	return nil, err
}
