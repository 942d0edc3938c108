package chain

import (
	"context"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/rpc"
)

// maxSearch is how many blocks back the use of a nonce is searched for: some
// hours. Nodes keep old state no longer than that, many of them less.
const maxSearch = 8192

// replaced finds the block in which a nonce was used. A caller pays again for a
// replaced transaction, so a missing receipt, which may only be late, is not
// enough: the block that used the nonce has to be read in full, and must not
// contain the transaction.
func (c *Client) replaced(ctx context.Context, v view, status Status, hash common.Hash, from Address, nonce uint64) (Status, error) {
	number, err := c.findUse(ctx, v, from, nonce)
	if err != nil {
		return Status{}, err
	}
	at, err := c.headerAgreed(ctx, v.of, number)
	if err != nil {
		return Status{}, err
	}
	block, err := agree(ctx, c, v.of, fmt.Sprintf("the transactions of block %d", number), func(ctx context.Context, e *endpoint) ([]listed, error) {
		return e.transactions(ctx, at.Hash)
	})
	if err != nil {
		return Status{}, err
	}
	for _, tx := range block {
		if tx.Hash == hash {
			return status, nil // it is in the block; its receipt is late
		}
		if Address(tx.From) == from && uint64(tx.Nonce) == nonce {
			status.Rival = tx.Hash
		}
	}
	if err := c.checkUse(ctx, v, at.Block, from, nonce); err != nil {
		return Status{}, err
	}
	status.State = Replaced
	return c.confirmed(ctx, v, status, at.Block)
}

// findUse returns the number of the block after which a nonce is used. It
// searches back in doubling steps, then by halving.
func (c *Client) findUse(ctx context.Context, v view, from Address, nonce uint64) (uint64, error) {
	used := func(number uint64) (bool, error) {
		at := rpc.BlockNumberOrHashWithNumber(rpc.BlockNumber(number)) //nolint:gosec // the number of a block
		next, err := agree(ctx, c, v.of, fmt.Sprintf("the nonce at block %d", number), func(ctx context.Context, e *endpoint) (uint64, error) {
			return e.nonce(ctx, from, at)
		})
		return next > nonce, err
	}
	high, low := v.Number, v.Number // used after high; whether after low is checked
	for step := uint64(1); ; step *= 2 {
		if low == 0 || step > maxSearch {
			return 0, fmt.Errorf("%w: the nonce is used, and the block that used it is more than %d back", ErrUnavailable, maxSearch)
		}
		low -= min(low, step)
		before, err := used(low)
		if err != nil {
			return 0, err
		}
		if !before {
			break
		}
		high = low
	}
	for high-low > 1 {
		middle := low + (high-low)/2
		before, err := used(middle)
		if err != nil {
			return 0, err
		}
		if before {
			high = middle
		} else {
			low = middle
		}
	}
	return high, nil
}

// checkUse verifies, by hash, that the nonce was used in this block: the search
// went by numbers, and a reorganisation could have happened meanwhile.
func (c *Client) checkUse(ctx context.Context, v view, at Block, from Address, nonce uint64) error {
	used, err := c.usedIn(ctx, v, at, from, nonce)
	if err == nil && !used {
		err = fmt.Errorf("%w: the chain changed during the search for a nonce", ErrUnavailable)
	}
	return err
}

// listed is the part of a transaction in a block that is read. Some chains have
// kinds of transactions that Ethereum does not know; they must not stop the
// search.
type listed struct {
	Hash  common.Hash    `json:"hash"`
	From  common.Address `json:"from"`
	Nonce hexutil.Uint64 `json:"nonce"`
}

func (e *endpoint) transactions(ctx context.Context, block common.Hash) ([]listed, error) {
	const call = "eth_getBlockByHash"
	var raw *struct {
		Hash         common.Hash `json:"hash"`
		Transactions []listed    `json:"transactions"`
	}
	if err := e.call(ctx, &raw, call, block, true); err != nil {
		return nil, err
	}
	if raw == nil || raw.Hash != block {
		return nil, e.malformed(call)
	}
	return raw.Transactions, nil
}
