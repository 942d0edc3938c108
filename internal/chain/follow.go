package chain

import (
	"context"
	"fmt"
	"reflect"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
)

// State is the state of a transaction.
type State string

// The states. Only Mined and Replaced with [Status.Final] are permanent. Every
// other state, and these two before, can change to any other.
const (
	// Pending means that an endpoint knows it, or that not all of them see it in
	// a block yet.
	Pending State = "pending"
	// Mined means that it is in a block on which the endpoints agree.
	Mined State = "mined"
	// Replaced means that its nonce was used in a block that does not contain it.
	Replaced State = "replaced"
	// Dropped means that no endpoint knows it and its nonce is free. It may still
	// reappear, because anyone who saw the bytes can send them. So send the same
	// bytes again, or use the nonce for another transaction; a new nonce would
	// pay twice.
	Dropped State = "dropped"
)

// Status is what the endpoints agree on about a transaction as of one block.
type Status struct {
	State State
	AsOf  Block
	// Block is the block that contains it, or in which its nonce was used.
	Block Block
	// Confirmations counts that block and those after it. Final reports that they
	// are enough, and that the chain has finalized the block: see finality.go.
	Confirmations uint64
	Final         bool

	// For a mined transaction: whether it was carried out (the fee is paid even
	// if not), the gas it used and paid for, and which tokens moved.
	Success bool
	GasUsed uint64
	Fee     Units // wei
	Moves   []Move

	// Rival is the transaction that used the nonce; zero if no transaction did (a
	// delegation, EIP-7702).
	Rival common.Hash
}

// Settled reports whether the money is at its destination as of now, which is
// permanent once the status is Final. A token may return failure without
// reverting, so for a token only its Transfer event counts.
func (s Status) Settled(u Unsigned) error {
	switch {
	case s.State != Mined:
		return fmt.Errorf("%w: it is %s", ErrNotMoved, s.State)
	case !s.Success:
		return fmt.Errorf("%w: it was reverted", ErrNotMoved)
	case len(u.Data) == 0:
		return nil
	}
	to, units := u.Recipient()
	for _, m := range s.Moves {
		if m == (Move{Token: u.To, From: u.From, To: to, Units: units}) {
			return nil
		}
	}
	return fmt.Errorf("%w: it succeeded, and the token did not move", ErrNotMoved)
}

// Status follows a transaction by its hash and the nonce it uses. It stores
// nothing, so a block removed by a reorganisation is simply gone at the next
// call.
func (c *Client) Status(ctx context.Context, hash common.Hash, from Address, nonce uint64) (Status, error) {
	v, err := c.look(ctx)
	if err != nil {
		return Status{}, err
	}
	receipts, err := ask(ctx, c, v.of, "a receipt", func(ctx context.Context, e *endpoint) (*receipt, error) {
		return e.receipt(ctx, hash, from)
	})
	if err != nil {
		return Status{}, err
	}
	seen, err := c.asOf(ctx, v, receipts)
	if err != nil {
		return Status{}, err
	}
	status := Status{State: Pending, AsOf: v.Block}
	at, all := seen.oldest()
	switch {
	case at == nil:
		return c.notMined(ctx, v, status, hash, from, nonce)
	case !all && v.Number-at.Number < c.chain.MaxLag:
		return status, nil // endpoints index receipts at their own speed
	}
	mined, err := seen.agreed("a receipt")
	if err != nil {
		return Status{}, err
	}
	status.State, status.Success = Mined, mined.Success
	status.GasUsed, status.Fee, status.Moves = mined.GasUsed, mined.Fee, mined.Moves
	return c.confirmed(ctx, v, status, mined.Block)
}

func (c *Client) confirmed(ctx context.Context, v view, s Status, at Block) (Status, error) {
	s.Block = at
	s.Confirmations = s.AsOf.Number - at.Number + 1
	var err error
	s.Final, err = c.final(ctx, v, at)
	return s, err
}

// receipt is what one endpoint reports of a mined transaction. Its time is that
// of the block, once the block is known to be part of the chain.
type receipt struct {
	Block
	Success bool
	GasUsed uint64
	Fee     Units
	Moves   []Move
}

type rawReceipt struct {
	Hash        common.Hash     `json:"transactionHash"`
	BlockHash   common.Hash     `json:"blockHash"`
	BlockNumber *hexutil.Uint64 `json:"blockNumber"`
	From        common.Address  `json:"from"`
	Status      *hexutil.Uint64 `json:"status"`
	GasUsed     *hexutil.Uint64 `json:"gasUsed"`
	GasPrice    *hexutil.Big    `json:"effectiveGasPrice"`
	Logs        []rawLog        `json:"logs"`
}

// receipt returns nil for a transaction that is in no block.
func (e *endpoint) receipt(ctx context.Context, hash common.Hash, from Address) (*receipt, error) {
	const call = "eth_getTransactionReceipt"
	var raw *rawReceipt
	if err := e.call(ctx, &raw, call, hash); err != nil || raw == nil {
		return nil, err
	}
	if raw.Hash != hash || Address(raw.From) != from || raw.BlockNumber == nil || raw.Status == nil || *raw.Status > 1 || raw.GasUsed == nil || raw.GasPrice == nil {
		return nil, e.malformed(call)
	}
	r := &receipt{
		Block:   Block{Number: uint64(*raw.BlockNumber), Hash: raw.BlockHash},
		Success: *raw.Status == 1, GasUsed: uint64(*raw.GasUsed), Moves: movesOf(raw.Logs),
	}
	price, err := unitsOf(raw.GasPrice.ToInt())
	fee, fits := price.times(r.GasUsed)
	if err != nil || !fits {
		return nil, e.malformed(call)
	}
	r.Fee = fee
	return r, nil
}

// asOf keeps the receipts that are valid as of the view. A receipt in a later
// block, or in a block that is no longer part of the chain, is dropped.
func (c *Client) asOf(ctx context.Context, v view, said answers[*receipt]) (seenReceipts, error) {
	out := seenReceipts{answers[*receipt]{from: said.from, values: make([]*receipt, len(said.values))}}
	canonical := map[uint64]Block{v.Number: v.Block}
	for i, r := range said.values {
		if r == nil || r.Number > v.Number {
			continue
		}
		at, known := canonical[r.Number]
		if !known {
			h, err := c.headerAgreed(ctx, v.of, r.Number)
			if err != nil {
				return out, err
			}
			at = h.Block
			canonical[r.Number] = at
		}
		if r.Hash == at.Hash {
			dated := *r
			dated.Block = at
			out.values[i] = &dated
		}
	}
	return out, nil
}

type seenReceipts struct{ answers[*receipt] }

// oldest returns the receipt in the lowest block, and whether every endpoint
// has one.
func (s seenReceipts) oldest() (at *receipt, all bool) {
	all = true
	for _, r := range s.values {
		switch {
		case r == nil:
			all = false
		case at == nil || r.Number < at.Number:
			at = r
		}
	}
	return at, all
}

// notMined distinguishes the three ways of not being in a block.
func (c *Client) notMined(ctx context.Context, v view, status Status, hash common.Hash, from Address, nonce uint64) (Status, error) {
	next, err := c.nonceAt(ctx, v.of, v.Block, from)
	if err != nil {
		return Status{}, err
	}
	if next > nonce {
		return c.replaced(ctx, v, status, hash, from, nonce)
	}
	known, err := ask(ctx, c, v.of, "a transaction", func(ctx context.Context, e *endpoint) (bool, error) {
		var tx *struct {
			Hash common.Hash `json:"hash"`
		}
		err := e.call(ctx, &tx, "eth_getTransactionByHash", hash)
		return tx != nil && tx.Hash == hash, err
	})
	if err != nil {
		return Status{}, err
	}
	status.State = Dropped
	if reflect.DeepEqual(known.values, make([]bool, len(known.values))) {
		return status, nil
	}
	status.State = Pending
	return status, nil
}
