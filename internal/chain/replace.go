package chain

import (
	"context"

	"pets/domain"
)

// Cancels reports whether the transaction only uses its nonce: it pays nothing, to the
// sender itself.
func (u Unsigned) Cancels() bool {
	return u.To == u.From && u.Value.IsZero() && len(u.Data) == 0
}

// Replacement says what replaces a transaction.
type Replacement struct {
	// HighestFee is the approved fee of the new transaction, in the native coin.
	HighestFee domain.Decimal
	// Cancel: the new transaction pays nothing, to the sender itself.
	Cancel bool
	// WholeFee offers all of the highest fee: see offerWhole.
	WholeFee bool
}

// Replace builds the transaction that replaces another one of the same nonce: the same
// payment, or one that cancels it. Its fees are at least a tenth higher, as endpoints
// demand, and within the highest fee.
func (c *Client) Replace(ctx context.Context, u Unsigned, r Replacement) (Unsigned, error) {
	highest, err := scaled("highest_fee", r.HighestFee, nativeDecimals)
	if err != nil {
		return Unsigned{}, err
	}
	v, err := c.look(ctx)
	if err != nil {
		return Unsigned{}, err
	}
	if r.Cancel && !u.Cancels() {
		u.To, u.Value, u.Data = u.From, Units{}, nil
		if u.Gas, err = c.gas(ctx, v, u); err != nil {
			return Unsigned{}, err
		}
	}
	u.HighestFee = highest
	if r.WholeFee {
		held, err := c.held(ctx, v, u, Asset{chain: c.chain.ID})
		if err != nil {
			return Unsigned{}, err
		}
		highest = lower(highest, held.native.less(u.Value))
	}
	fees, err := c.fees(ctx, v, u.Gas, highest, r.WholeFee)
	if err != nil {
		return Unsigned{}, err
	}
	return u.Reprice(fees)
}

// NextNonce returns the nonce of an account's next transaction at the newest block on
// which the endpoints agree. Nonces never fall along a chain, so one that is unused there
// is unused in every block before it, the final ones included.
func (c *Client) NextNonce(ctx context.Context, account Address) (uint64, Block, error) {
	v, err := c.look(ctx)
	if err != nil {
		return 0, Block{}, err
	}
	next, err := c.nonceAt(ctx, v.of, v.Block, account)
	return next, v.Block, err
}
