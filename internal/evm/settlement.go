package evm

import (
	"context"
	"fmt"

	"github.com/ethereum/go-ethereum/common"

	"pets/commands/custody"
	"pets/domain"
	"pets/domain/portfolio"
	"pets/domain/treasury"
	"pets/internal/chain"
)

// NextNonce implements custody.Chain.
func (c *Chain) NextNonce(ctx context.Context, id, address string) (custody.NextNonce, error) {
	if err := c.checkServed(id); err != nil {
		return custody.NextNonce{}, err
	}
	account, err := chain.ParseAddress(address)
	if err != nil {
		return custody.NextNonce{}, domain.Invalid("address", "%v", err)
	}
	next, at, err := c.client.NextNonce(ctx, account)
	return custody.NextNonce{Nonce: next, Block: at.Number, Time: at.Time}, classify(err)
}

// CheckSettlement implements custody.Chain.
func (c *Chain) CheckSettlement(ctx context.Context, t *treasury.Transfer, s portfolio.TransferSettlement, known portfolio.HashUse) error {
	last := t.Last()
	if last == nil {
		return domain.Errorf(domain.CodeConflict, "the transfer has no transaction")
	}
	// Of several transactions of a transfer, the first makes the payment; a later one may
	// cancel it.
	u, err := c.parse(t.Attempts[0].Transaction)
	if err != nil {
		return err
	}
	use, err := c.client.FindUse(ctx, common.HexToHash(s.TxHash), u)
	switch {
	case chain.Unknown(err):
		return &classified{custody.ErrNotKnown, err}
	case err != nil:
		return err
	case use.Next <= u.Nonce:
		return contradicts("tx_hash", "nonce %d of the wallet is unused", u.Nonce)
	case use.Status.State == chain.Replaced && !use.ByOther:
		return contradicts("tx_hash", "the transaction is in no block; %s used nonce %d of the wallet, in block %d", use.Status.Rival.Hex(), u.Nonce, use.Status.Block.Number)
	case use.Status.State == chain.Dropped && !use.ByOther:
		return contradicts("tx_hash", "the transaction did not use nonce %d of the wallet", u.Nonce)
	case use.Status.State == chain.Pending:
		return &classified{custody.ErrNotKnown, chain.ErrUnavailable}
	}
	return c.contradicted(use, s, known)
}

// contradicted compares a settlement with a transaction that did use the nonce. One
// transaction ends one transfer, and its fee is booked once: with the transfer that it ends,
// if that is known. If it may be a transaction of another open transfer, it can be booked
// with either.
func (c *Chain) contradicted(use chain.Use, s portfolio.TransferSettlement, known portfolio.HashUse) error {
	native, err := c.registry.Native(c.client.Chain().ID)
	if err != nil {
		return err
	}
	fee := domain.Zero
	if !use.ByOther && known.Other == "" && known.Booked == "" {
		if fee, err = native.Amount(use.Status.Fee); err != nil {
			return err
		}
	}
	outcome := string(treasury.Failed)
	if use.Pays && known.Other == "" {
		outcome = string(treasury.Confirmed)
	}
	others := known.Shared && !known.Own && s.Outcome == string(treasury.Failed)
	switch {
	case !use.Status.Final:
		return contradicts("block", "block %d, which has the transaction, is not final yet: wait", use.Status.Block.Number)
	case s.Outcome != outcome && (!others || !known.Twin):
		return contradicts("outcome", "the transaction makes it %s", outcome)
	case s.Block != use.Status.Block.Number:
		return contradicts("block", "it is %d", use.Status.Block.Number)
	case s.Fee != fee && (!others || !s.Fee.IsZero()):
		return contradicts("fee", "it is %s %s", fee, native.Symbol)
	}
	return nil
}

// contradicts refuses a settlement that is not what the chain has.
func contradicts(field, format string, args ...any) error {
	return &domain.Error{Code: domain.CodeConflict, Field: "limits." + field, Message: "contradicts the chain: " + fmt.Sprintf(format, args...)}
}
