package chaintest

import (
	_ "embed" // the compiled token
	"encoding/json"
	"math/big"
	"strings"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
)

// tokenJSON is what token/compile.js made of token/Token.sol.
//
//go:embed token/Token.json
var tokenJSON []byte

// Mode is how a token behaves when it is asked to transfer.
type Mode uint8

// The modes of Token.sol.
const (
	Honest         Mode = iota
	Reverts             // like a paused token
	AnswersFalse        // and transfers nothing
	AnswersNothing      // but transfers, like USDT on Ethereum
	AnswersTwo          // which is not a bool
)

// Token is a deployed ERC-20.
type Token struct {
	common.Address
	chain *Chain
	abi   abi.ABI
}

// Deploy deploys a token on the chain.
func (c *Chain) Deploy(symbol string, decimals uint8) *Token {
	c.t.Helper()
	var compiled struct {
		ABI      json.RawMessage `json:"abi"`
		Bytecode string          `json:"bytecode"`
	}
	c.check(json.Unmarshal(tokenJSON, &compiled))
	parsed, err := abi.JSON(strings.NewReader(string(compiled.ABI)))
	c.check(err)
	args, err := parsed.Pack("", symbol, decimals)
	c.check(err)
	at := c.Send(nil, new(big.Int), append(common.FromHex(compiled.Bytecode), args...))
	return &Token{at, c, parsed}
}

// Mint gives units to an account, in a separate block.
func (k *Token) Mint(to common.Address, units int64) {
	k.chain.t.Helper()
	k.send("mint", to, big.NewInt(units))
}

// SetMode changes how the token behaves. It mines a block, which also includes any
// pending transactions, before or after the change.
func (k *Token) SetMode(mode Mode) {
	k.chain.t.Helper()
	k.send("setMode", uint8(mode))
}

func (k *Token) send(method string, args ...any) {
	k.chain.t.Helper()
	data, err := k.abi.Pack(method, args...)
	k.chain.check(err)
	k.chain.Send(&k.Address, new(big.Int), data)
}
