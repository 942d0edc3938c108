package chain

import (
	"context"
	"math/big"
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"pets/domain"
)

// Conditional is a contract of conditional tokens, and the collaterals that tokens of a
// condition derive from.
type Conditional struct {
	Contract    string       `json:"contract"`
	Collaterals []Collateral `json:"collaterals"`

	contract Address
}

// Collateral is one of them, under a name for people.
type Collateral struct {
	Name  string `json:"name"`
	Token string `json:"token"`

	token Address
}

// maxCollaterals limits how many calls one market takes.
const maxCollaterals = 8

func (c *Conditional) check() (err error) {
	if c.contract, err = ParseAddress(c.Contract); err != nil || c.contract.IsZero() {
		return domain.Invalid("conditional_tokens.contract", "must be the address of a contract, written with its checksum")
	}
	if len(c.Collaterals) == 0 || len(c.Collaterals) > maxCollaterals {
		return domain.Invalid("conditional_tokens.collaterals", "must be 1 to %d", maxCollaterals)
	}
	for i := range c.Collaterals {
		l := &c.Collaterals[i]
		if l.token, err = ParseAddress(l.Token); err != nil || l.token.IsZero() {
			return domain.Invalid("conditional_tokens.collaterals.token", "must be the address of a token, written with its checksum")
		}
		twice := func(other Collateral) bool { return other.Name == l.Name || other.token == l.token }
		if !short(l.Name) || slices.ContainsFunc(c.Collaterals[:i], twice) {
			return domain.Invalid("conditional_tokens.collaterals.name", "must have 1 to 32 printable characters, and stand once")
		}
	}
	return nil
}

// conditional is the interface of such a contract: pure functions of their arguments, but
// for the number of outcomes.
var conditional = mustABI(`[
	{"type":"function","name":"getOutcomeSlotCount","stateMutability":"view","inputs":[{"name":"condition","type":"bytes32"}],"outputs":[{"name":"","type":"uint256"}]},
	{"type":"function","name":"getCollectionId","stateMutability":"view","inputs":[{"name":"parent","type":"bytes32"},{"name":"condition","type":"bytes32"},{"name":"indexSet","type":"uint256"}],"outputs":[{"name":"","type":"bytes32"}]},
	{"type":"function","name":"getPositionId","stateMutability":"pure","inputs":[{"name":"collateral","type":"address"},{"name":"collection","type":"bytes32"}],"outputs":[{"name":"","type":"uint256"}]}
]`)

// Positions are the tokens of a condition, at the end of one block.
type Positions struct {
	Block Block
	// Slots is how many outcomes the condition has, 0 if the contract does not know it.
	Slots uint64
	// Tokens are those of the first slots, in order, for each collateral of the registry.
	Tokens [][]string
}

// Positions asks the chain's contract which tokens derive from a condition: those of the
// first slots, without a parent. It refuses to ask where the registry knows no contract.
func (c *Client) Positions(ctx context.Context, at Block, condition common.Hash, slots int) (Positions, error) {
	of := c.chain.Conditional
	if of == nil {
		return Positions{}, domain.Errorf(domain.CodeConflict, "the registry knows no contract of conditional tokens on %s", c.chain.ID)
	}
	read, err := agree(ctx, c, c.endpoints, "the tokens of a condition", func(ctx context.Context, e *endpoint) (Positions, error) {
		return e.positions(ctx, at.Hash, of, condition, slots)
	})
	read.Block = at
	return read, err
}

func (e *endpoint) positions(ctx context.Context, at common.Hash, of *Conditional, condition common.Hash, slots int) (Positions, error) {
	n, err := e.word(ctx, at, of, "getOutcomeSlotCount", condition)
	if err != nil {
		return Positions{}, err
	}
	count := n.Big()
	if !count.IsUint64() {
		return Positions{}, e.malformed("getOutcomeSlotCount")
	}
	read := Positions{Slots: count.Uint64(), Tokens: make([][]string, len(of.Collaterals))}
	if read.Slots == 0 {
		return read, nil
	}
	for slot := range slots {
		collection, err := e.word(ctx, at, of, "getCollectionId", common.Hash{}, condition, new(big.Int).Lsh(big.NewInt(1), uint(slot)))
		if err != nil {
			return Positions{}, err
		}
		for i := range of.Collaterals {
			token, err := e.word(ctx, at, of, "getPositionId", common.Address(of.Collaterals[i].token), collection)
			if err != nil {
				return Positions{}, err
			}
			read.Tokens[i] = append(read.Tokens[i], token.Big().String())
		}
	}
	return read, nil
}

// word calls a method that answers with 32 bytes. A revert is no answer: the contract is
// not what the registry says, or the condition can have no tokens.
func (e *endpoint) word(ctx context.Context, at common.Hash, of *Conditional, method string, args ...any) (common.Hash, error) {
	data, err := conditional.Pack(method, args...)
	if err != nil {
		panic("chain: arguments do not fit " + method + ": " + err.Error())
	}
	answer, err := e.callContract(ctx, at, Address{}, of.contract, data)
	if err != nil {
		return common.Hash{}, err
	}
	if answer.reverted || len(answer.data) != common.HashLength {
		return common.Hash{}, e.malformed(method)
	}
	return common.BytesToHash(answer.data), nil
}
