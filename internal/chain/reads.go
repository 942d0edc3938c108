package chain

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rpc"

	"pets/domain"
)

// maxHoldings limits one reconciliation.
const maxHoldings = 256

// Holding is a wallet and an asset in it.
type Holding struct {
	Wallet Address
	Asset  Asset
}

// Snapshot is what wallets held at the end of one block.
type Snapshot struct {
	Block    Block
	Balances []Units // in the order of the request
}

// Balances reads what wallets hold at a block that [Client.Head] or
// [Client.Final] returned. A block that is no longer part of the chain, or that
// too few endpoints have, gives ErrUnavailable.
func (c *Client) Balances(ctx context.Context, at Block, holdings []Holding) (Snapshot, error) {
	if len(holdings) > maxHoldings {
		return Snapshot{}, domain.Invalid("holdings", "must be at most %d", maxHoldings)
	}
	for _, h := range holdings {
		if h.Asset.chain != c.chain.ID {
			return Snapshot{}, domain.Invalid("asset", "is not on %s", c.chain.ID)
		}
	}
	balances, err := agree(ctx, c, c.endpoints, fmt.Sprintf("balances at block %d", at.Number), func(ctx context.Context, e *endpoint) ([]Units, error) {
		out := make([]Units, 0, len(holdings))
		for _, h := range holdings {
			u, err := e.balance(ctx, at.Hash, h)
			if err != nil {
				return nil, err
			}
			out = append(out, u)
		}
		return out, nil
	})
	return Snapshot{at, balances}, err
}

func (e *endpoint) balance(ctx context.Context, at common.Hash, h Holding) (Units, error) {
	if h.Asset.Native() {
		const call = "eth_getBalance"
		var n *hexutil.Big
		if err := e.call(ctx, &n, call, common.Address(h.Wallet), atBlock(at)); err != nil {
			return Units{}, err
		}
		u, err := unitsOf(n.ToInt())
		if err != nil {
			return Units{}, e.malformed(call)
		}
		return u, nil
	}
	answer, err := e.callContract(ctx, at, Address{}, h.Asset.token, pack("balanceOf", common.Address(h.Wallet)))
	if err != nil {
		return Units{}, err
	}
	values, err := erc20.Unpack("balanceOf", answer.data)
	if answer.reverted || err != nil || len(answer.data) != 32 {
		return Units{}, e.malformed("balanceOf")
	}
	n, _ := values[0].(*big.Int)
	u, err := unitsOf(n)
	if err != nil {
		return Units{}, e.malformed("balanceOf")
	}
	return u, nil
}

// atBlock binds a read to one block, and requires that it is part of the chain.
func atBlock(hash common.Hash) rpc.BlockNumberOrHash {
	return rpc.BlockNumberOrHashWithHash(hash, true)
}

// contractAnswer is the result of a contract call. A revert is a valid result:
// endpoints have to agree about it.
type contractAnswer struct {
	data     []byte
	reverted bool
}

// callContract simulates a call at the end of a block.
func (e *endpoint) callContract(ctx context.Context, at common.Hash, from, to Address, data []byte) (contractAnswer, error) {
	args := map[string]any{"to": common.Address(to), "data": hexutil.Bytes(data)}
	if !from.IsZero() {
		args["from"] = common.Address(from)
	}
	var answer hexutil.Bytes
	err := e.call(ctx, &answer, "eth_call", args, atBlock(at))
	if errors.Is(err, ErrWouldFail) {
		return contractAnswer{reverted: true}, nil
	}
	if err != nil {
		return contractAnswer{}, err
	}
	return contractAnswer{data: answer}, nil
}

// nonceAt returns how many transactions an account has sent up to the end of a block: the
// nonce of its next one.
func (c *Client) nonceAt(ctx context.Context, of []*endpoint, at Block, account Address) (uint64, error) {
	return agree(ctx, c, of, fmt.Sprintf("the nonce at block %d", at.Number), func(ctx context.Context, e *endpoint) (uint64, error) {
		return e.nonce(ctx, account, atBlock(at.Hash))
	})
}

// pendingNonce returns the highest nonce that an endpoint would give the account's next
// transaction, those not yet in a block counted. Endpoints see different ones of these, so
// their answers need not agree.
func (c *Client) pendingNonce(ctx context.Context, of []*endpoint, account Address) (uint64, error) {
	got, err := ask(ctx, c, of, "the pending nonce", func(ctx context.Context, e *endpoint) (uint64, error) {
		return e.nonce(ctx, account, rpc.BlockNumberOrHashWithNumber(rpc.PendingBlockNumber))
	})
	if err != nil {
		return 0, err
	}
	return slices.Max(got.values), nil
}

func (e *endpoint) nonce(ctx context.Context, account Address, at rpc.BlockNumberOrHash) (uint64, error) {
	const call = "eth_getTransactionCount"
	var n *hexutil.Uint64
	if err := e.call(ctx, &n, call, common.Address(account), at); err != nil {
		return 0, err
	}
	if n == nil {
		return 0, e.malformed(call)
	}
	return uint64(*n), nil
}

// hasCode reports whether there is code at an address.
func (c *Client) hasCode(ctx context.Context, of []*endpoint, at Block, address Address) (bool, error) {
	code, err := agree(ctx, c, of, fmt.Sprintf("the code at block %d", at.Number), func(ctx context.Context, e *endpoint) (common.Hash, error) {
		var code hexutil.Bytes
		if err := e.call(ctx, &code, "eth_getCode", common.Address(address), atBlock(at.Hash)); err != nil {
			return common.Hash{}, err
		}
		if len(code) == 0 {
			return common.Hash{}, nil
		}
		return crypto.Keccak256Hash(code), nil
	})
	return code != common.Hash{}, err
}

// CheckToken compares a token's own data with the registry: a wrong number of
// decimals would change amounts by powers of ten. A difference is [ErrToken].
func (c *Client) CheckToken(ctx context.Context, at Block, asset Asset) error {
	if asset.chain != c.chain.ID || asset.Native() {
		return domain.Invalid("asset", "is not a token on %s", c.chain.ID)
	}
	code, err := c.hasCode(ctx, c.endpoints, at, asset.token)
	if err != nil {
		return err
	}
	if !code {
		return fmt.Errorf("%w: %s: there is no contract at its address", ErrToken, asset.Symbol)
	}
	decimals, err := c.tokenFact(ctx, at, asset, "decimals")
	if err != nil {
		return err
	}
	if n, ok := decimals.(uint8); !ok || int(n) != asset.Decimals {
		return fmt.Errorf("%w: %s: it does not have %d decimals", ErrToken, asset.Symbol, asset.Decimals)
	}
	symbol, err := c.tokenFact(ctx, at, asset, "symbol")
	if err != nil {
		return err
	}
	expected := asset.ChainSymbols
	if len(expected) == 0 {
		expected = []string{asset.Symbol}
	}
	if s, ok := symbol.(string); !ok || !slices.Contains(expected, s) {
		return fmt.Errorf("%w: %s: it calls itself something else", ErrToken, asset.Symbol)
	}
	return nil
}

// tokenFact returns nil if the contract's answer is not of the method's type.
func (c *Client) tokenFact(ctx context.Context, at Block, asset Asset, method string) (any, error) {
	answer, err := agree(ctx, c, c.endpoints, "the "+method+" of a token", func(ctx context.Context, e *endpoint) (contractAnswer, error) {
		return e.callContract(ctx, at.Hash, Address{}, asset.token, pack(method))
	})
	if err != nil {
		return nil, err
	}
	values, err := erc20.Unpack(method, answer.data)
	if answer.reverted || err != nil || len(values) != 1 {
		return nil, nil //nolint:nilerr,nilnil // the caller says what a token without the fact is
	}
	return values[0], nil
}
