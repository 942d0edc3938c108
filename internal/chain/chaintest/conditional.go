package chaintest

import (
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/crypto"
)

// conditionalCode is a contract in place of the one of conditional tokens: a condition other
// than zero has two outcomes, and every other call is answered with the Keccak hash of its
// own data, so that tokens derive from all of their arguments.
//
//	    if calldatasize == 36 goto count
//	    calldatacopy(0, 0, calldatasize); return keccak256(0, calldatasize)
//	count: return calldataload(4) == 0 ? 0 : 2
const conditionalCode = "36602414601957" + "3660006000373660002060005260206000f3" + "5b600435151560011b60005260206000f3"

// DeployConditional deploys the contract.
func (c *Chain) DeployConditional() common.Address {
	c.t.Helper()
	code := common.FromHex(conditionalCode)
	// Copies the code behind these 12 bytes, and returns it.
	const size = byte(len(conditionalCode) / 2)
	deploy := []byte{0x60, size, 0x60, 12, 0x60, 0, 0x39, 0x60, size, 0x60, 0, 0xf3}
	return c.Send(nil, new(big.Int), append(deploy, code...))
}

// Position is the token that the contract derives for a slot of a condition.
func Position(collateral common.Address, condition common.Hash, slot int) string {
	word := func(n *big.Int) []byte { return common.BigToHash(n).Bytes() }
	set := new(big.Int).Lsh(big.NewInt(1), uint(slot))
	collection := crypto.Keccak256(common.FromHex("0x856296f7"), make([]byte, 32), condition.Bytes(), word(set))
	id := crypto.Keccak256(common.FromHex("0x39dd7530"), word(collateral.Big()), collection)
	return new(big.Int).SetBytes(id).String()
}
