package chain

import (
	"bytes"
	"strings"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
)

// erc20 is the interface of a token: what is queried, and the one method that is
// called.
var erc20 = mustABI(`[
	{"type":"function","name":"balanceOf","stateMutability":"view","inputs":[{"name":"holder","type":"address"}],"outputs":[{"name":"","type":"uint256"}]},
	{"type":"function","name":"decimals","stateMutability":"view","inputs":[],"outputs":[{"name":"","type":"uint8"}]},
	{"type":"function","name":"symbol","stateMutability":"view","inputs":[],"outputs":[{"name":"","type":"string"}]},
	{"type":"function","name":"transfer","stateMutability":"nonpayable","inputs":[{"name":"to","type":"address"},{"name":"units","type":"uint256"}],"outputs":[{"name":"","type":"bool"}]}
]`)

// transferTopic identifies the event that an ERC-20 token emits when money moved.
var transferTopic = crypto.Keccak256Hash([]byte("Transfer(address,address,uint256)"))

func mustABI(text string) abi.ABI {
	parsed, err := abi.JSON(strings.NewReader(text))
	if err != nil {
		panic("chain: the ABI in this file is not valid: " + err.Error())
	}
	return parsed
}

// pack encodes a call of a method of this file with arguments of its types.
func pack(method string, args ...any) []byte {
	data, err := erc20.Pack(method, args...)
	if err != nil {
		panic("chain: arguments do not fit " + method + ": " + err.Error())
	}
	return data
}

// transferData returns the call that moves a token.
func transferData(to Address, units Units) []byte {
	return pack("transfer", common.Address(to), units.Big())
}

// parseTransfer is its inverse. Only the exact bytes of transferData are a
// transfer.
func parseTransfer(data []byte) (to Address, units Units, ok bool) {
	method := erc20.Methods["transfer"]
	if len(data) != 4+32+32 || !bytes.Equal(data[:4], method.ID) {
		return to, units, false
	}
	to = Address(data[16:36])
	units.n.SetBytes(data[36:68])
	return to, units, bytes.Equal(data, transferData(to, units))
}

// Move is one Transfer event of a token: what really moved.
type Move struct {
	Token Address `json:"token"`
	From  Address `json:"from"`
	To    Address `json:"to"`
	Units Units   `json:"units"`
}

type rawLog struct {
	Address common.Address `json:"address"`
	Topics  []common.Hash  `json:"topics"`
	Data    hexutil.Bytes  `json:"data"`
}

// movesOf returns the Transfer events and ignores all others. (ERC-721 has the
// same topic with the id as a fourth one.)
func movesOf(logs []rawLog) []Move {
	var out []Move
	for _, l := range logs {
		if len(l.Topics) != 3 || l.Topics[0] != transferTopic || len(l.Data) != 32 {
			continue
		}
		m := Move{Token: Address(l.Address), From: addressIn(l.Topics[1]), To: addressIn(l.Topics[2])}
		m.Units.n.SetBytes(l.Data)
		out = append(out, m)
	}
	return out
}

func addressIn(topic common.Hash) Address { return Address(topic[12:]) }
