package chain

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
)

// Use is what the chain has of a nonce, and of the transaction that is said to have used
// it.
type Use struct {
	// Next is the account's next nonce. The nonce is unused unless it is below.
	Next uint64
	// ByOther: the transaction is another account's, and the nonce was used in its block,
	// as a delegation (EIP-7702) does. The account paid no fee then.
	ByOther bool
	// Status says what became of the transaction, and of the nonce. A transaction that no
	// endpoint knows, of a nonce that another one used, is Replaced.
	Status Status
	// Pays reports that a mined transaction made the payment.
	Pays bool
}

// sentTx is the part of a transaction that a payment is read from.
type sentTx struct {
	Block *hexutil.Uint64 `json:"blockNumber"`
	From  common.Address  `json:"from"`
	Nonce hexutil.Uint64  `json:"nonce"`
	To    *common.Address `json:"to"`
	Value *hexutil.Big    `json:"value"`
	Data  hexutil.Bytes   `json:"input"`
}

// FindUse looks up what used a nonce, given the hash of a transaction that is said to have
// done it, and whether that transaction made the payment of u. It decides nothing on the
// word of one endpoint in live mode. ErrUnavailable means that it is not known.
func (c *Client) FindUse(ctx context.Context, hash common.Hash, u Unsigned) (Use, error) {
	v, err := c.look(ctx)
	if err != nil {
		return Use{}, err
	}
	use := Use{Status: Status{State: Dropped, AsOf: v.Block}}
	if use.Next, err = c.nonceAt(ctx, v.of, v.Block, u.From); err != nil || use.Next <= u.Nonce {
		return use, err
	}
	tx, err := agree(ctx, c, v.of, "a transaction", func(ctx context.Context, e *endpoint) (*sentTx, error) {
		var tx *sentTx
		err := e.call(ctx, &tx, "eth_getTransactionByHash", hash)
		return tx, err
	})
	switch {
	case err != nil:
		return use, err
	case tx == nil || tx.Block == nil || tx.Value == nil: // unknown, or in no block
		use.Status, err = c.replaced(ctx, v, use.Status, hash, u.From, u.Nonce)
		if err == nil && use.Status.State != Replaced {
			err = fmt.Errorf("%w: the block of the transaction is not complete yet", ErrUnavailable)
		}
		return use, err
	case Address(tx.From) != u.From || uint64(tx.Nonce) != u.Nonce:
		return c.usedBy(ctx, v, use, uint64(*tx.Block), u)
	}
	use.Status, err = c.Status(ctx, hash, u.From, u.Nonce)
	use.Pays = err == nil && use.Status.Settled(u) == nil && tx.makes(u)
	return use, err
}

// makes reports whether a transaction moves what u does. Of a token only its Transfer event
// counts, which Settled has looked at.
func (t *sentTx) makes(u Unsigned) bool {
	if len(u.Data) > 0 {
		return true
	}
	return t.To != nil && Address(*t.To) == u.To && t.Value.ToInt().Cmp(u.Value.Big()) == 0 && bytes.Equal(t.Data, u.Data)
}

// usedBy reports whether the nonce was used in the block of another account's transaction.
func (c *Client) usedBy(ctx context.Context, v view, use Use, number uint64, u Unsigned) (Use, error) {
	if number > v.Number || number == 0 {
		return use, fmt.Errorf("%w: the block of the transaction is not seen yet", ErrUnavailable)
	}
	at, err := c.headerAgreed(ctx, v.of, number)
	if err != nil {
		return use, err
	}
	used, err := c.usedIn(ctx, v, at.Block, u.From, u.Nonce)
	if err != nil || !used {
		return use, err
	}
	use.ByOther, use.Status.State = true, Replaced
	use.Status, err = c.confirmed(ctx, v, use.Status, at.Block)
	return use, err
}

// usedIn reports whether a nonce was used in a block.
func (c *Client) usedIn(ctx context.Context, v view, at Block, from Address, nonce uint64) (bool, error) {
	before, err := c.headerAgreed(ctx, v.of, at.Number-1)
	if err != nil {
		return false, err
	}
	earlier, err := c.nonceAt(ctx, v.of, before.Block, from)
	if err != nil {
		return false, err
	}
	later, err := c.nonceAt(ctx, v.of, at, from)
	return earlier <= nonce && later > nonce, err
}

// Unknown reports whether an error means that the endpoints did not answer, or did not
// agree: nothing is known then, and nothing is contradicted.
func Unknown(err error) bool {
	return errors.Is(err, ErrUnavailable) || errors.Is(err, ErrDisagreement) || errors.Is(err, ErrWrongChain)
}
