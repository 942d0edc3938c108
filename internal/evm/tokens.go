package evm

import (
	"context"

	"github.com/ethereum/go-ethereum/common"

	"pets/domain/portfolio"
)

// Tokens implements custody.Chain.
func (c *Chain) Tokens(ctx context.Context, condition string, slots int) (portfolio.TokenReading, error) {
	served := c.client.Chain()
	r := portfolio.TokenReading{Condition: condition, Chain: served.ID}
	if served.Conditional == nil {
		r.Unanswered = "the registry knows no contract of conditional tokens on " + served.ID
		return r, nil
	}
	at, err := c.client.Head(ctx)
	if err != nil {
		return r, classify(err)
	}
	read, err := c.client.Positions(ctx, at, common.HexToHash(condition), slots)
	if err != nil {
		return r, classify(err)
	}
	r.Block, r.Slots = read.Block.Number, read.Slots
	for i, tokens := range read.Tokens {
		r.Forms = append(r.Forms, portfolio.TokenForm{Name: served.Conditional.Collaterals[i].Name, Tokens: tokens})
	}
	return r, nil
}
