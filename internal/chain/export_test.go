package chain

import (
	"context"
	"fmt"
)

// Dial makes a client and checks the chain id of every endpoint that answers: enough of
// them must. A server does not wait for them, and asks for the id with every head.
func Dial(ctx context.Context, config Config) (*Client, error) {
	c, err := New(config)
	if err != nil {
		return nil, err
	}
	if _, err := ask(ctx, c, c.endpoints, "the chain id", c.checkChain); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// Final is the newest block that has the chain's confirmations.
func (c *Client) Final(ctx context.Context) (Block, error) {
	v, err := c.look(ctx)
	if err != nil {
		return Block{}, err
	}
	if v.Number+1 < c.chain.Confirmations {
		return Block{}, fmt.Errorf("%w: the chain has %d blocks, fewer than its confirmations", ErrUnavailable, v.Number+1)
	}
	final, err := c.headerAgreed(ctx, v.of, v.Number+1-c.chain.Confirmations)
	return final.Block, err
}

// Balance reads one balance at a block.
func (c *Client) Balance(ctx context.Context, at Block, wallet Address, asset Asset) (Units, error) {
	s, err := c.Balances(ctx, at, []Holding{{wallet, asset}})
	if err != nil {
		return Units{}, err
	}
	return s.Balances[0], nil
}

// Nonce is what the decisions of [Client.Prepare] rest on.
func (c *Client) Nonce(ctx context.Context, at Block, account Address) (uint64, error) {
	return c.nonceAt(ctx, c.endpoints, at, account)
}

// PendingNonce is that, too.
func (c *Client) PendingNonce(ctx context.Context, account Address) (uint64, error) {
	return c.pendingNonce(ctx, c.endpoints, account)
}

// IsContract reports whether there is code at an address.
func (c *Client) IsContract(ctx context.Context, at Block, address Address) (bool, error) {
	return c.hasCode(ctx, c.endpoints, at, address)
}

// Token is the contract of an asset.
func (a Asset) Token() Address { return a.token }
