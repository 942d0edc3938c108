package chain

import (
	"context"
	"errors"
	"fmt"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
)

// Sent is the result of a broadcast.
type Sent struct {
	Hash common.Hash
	// Took are the endpoints that have the transaction now.
	Took []int
	// Failed is what the other endpoints answered, for the log.
	Failed []error
}

// isRefusal reports whether an endpoint's answer is about the transaction.
func isRefusal(err error) bool {
	for _, kind := range []error{ErrUnderpriced, ErrNonceTooLow, ErrNonce, ErrInsufficientFunds, ErrWouldFail, ErrRefused} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}

// Broadcast sends the same bytes to every endpoint. It may be called again at any
// time, after a crash or a lost answer, with the same bytes: a transaction that
// is already known, or in a block, counts as sent.
//
// It fails only if no endpoint took it. ErrUnavailable then means that the
// outcome is unknown: an endpoint may have taken it without answering.
// ErrNonceTooLow means that another transaction used the nonce; [Client.Status]
// names it.
func (c *Client) Broadcast(ctx context.Context, raw []byte) (Sent, error) {
	u, hash, err := Decode(raw)
	if err != nil {
		return Sent{}, err
	}
	if u.ChainID != c.chain.number {
		return Sent{}, notTransfer("it is for another chain")
	}
	sent := Sent{Hash: hash}
	// Each outcome counts as an answer here, so that no endpoint delays the
	// others.
	one := *c
	one.need = 1
	got, err := ask(ctx, &one, c.endpoints, "a broadcast", func(ctx context.Context, e *endpoint) (error, error) {
		return c.send(ctx, e, raw, hash), nil
	})
	if err != nil {
		return sent, err
	}
	for i, said := range got.values {
		if said == nil {
			sent.Took = append(sent.Took, got.from[i].index)
		} else {
			sent.Failed = append(sent.Failed, said)
		}
	}
	if len(sent.Took) > 0 {
		return sent, nil
	}
	return c.refused(ctx, sent, u)
}

// send sends the bytes to one endpoint, if it serves the right chain.
func (c *Client) send(ctx context.Context, e *endpoint, raw []byte, hash common.Hash) error {
	if _, err := c.checkChain(ctx, e); err != nil {
		return err
	}
	const call = "eth_sendRawTransaction"
	var said common.Hash
	err := e.call(ctx, &said, call, hexutil.Bytes(raw))
	switch {
	case errors.Is(err, errKnown):
		return nil
	case err != nil:
		return err
	case said != hash: // it took some bytes or none, but not the ones sent
		return e.malformed(call)
	}
	return nil
}

// refused determines why no endpoint took a transaction. A nonce that is too low
// is no failure if this very transaction used it.
func (c *Client) refused(ctx context.Context, sent Sent, u Unsigned) (Sent, error) {
	for _, kind := range []error{ErrNonceTooLow, ErrUnderpriced, ErrInsufficientFunds, ErrNonce, ErrWouldFail, ErrRefused, ErrWrongChain} {
		for _, err := range sent.Failed {
			if !errors.Is(err, kind) {
				continue
			}
			if errors.Is(kind, ErrNonceTooLow) {
				return c.whoUsedIt(ctx, sent, u)
			}
			return sent, fmt.Errorf("%w: %s", kind, err.Error())
		}
	}
	return sent, tooFew("a broadcast", 1, len(c.endpoints), sent.Failed)
}

func (c *Client) whoUsedIt(ctx context.Context, sent Sent, u Unsigned) (Sent, error) {
	status, err := c.Status(ctx, sent.Hash, u.From, u.Nonce)
	if err != nil {
		return sent, err
	}
	switch status.State {
	case Mined, Pending:
		return sent, nil
	case Replaced:
		return sent, fmt.Errorf("%w: %s", ErrNonceTooLow, status.Rival)
	case Dropped:
	}
	return sent, fmt.Errorf("%w: the nonce is said to be used, and cannot be seen to be", ErrUnavailable)
}
