package typeddata

import (
	"encoding/hex"
	"math/big"
	"regexp"
	"strconv"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/go-json-experiment/json/jsontext"
)

// value is the value of one field of a message, read under its Solidity type.
type value struct {
	// text is its one canonical form: decimal, EIP-55, true or false, lower-case
	// hex, or the text of a string itself.
	text string
	n    *big.Int // of an integer, nil for others
	zero bool
	hash any // in the form that hashing takes
}

// The set of field types is closed. A struct in a struct, an array, bytes or a
// signed integer would need roles of their own.
const (
	typeAddress = "address"
	typeBool    = "bool"
	typeBytes32 = "bytes32"
	typeString  = "string"
)

// maxSafe is the first integer that is ambiguous as a JSON number: above it, many
// parsers round.
var maxSafe = new(big.Int).Lsh(big.NewInt(1), 53)

var (
	decimalText = regexp.MustCompile(`^(0|[1-9][0-9]{0,77})$`)
	hexText     = regexp.MustCompile(`^0x[0-9a-fA-F]{1,64}$`)
	bytes32Text = regexp.MustCompile(`^0x[0-9a-fA-F]{64}$`)
)

// bitsOf returns the width of uint8 … uint256, 0 for any other type.
func bitsOf(solidity string) int {
	width, ok := strings.CutPrefix(solidity, "uint")
	bits, err := strconv.Atoi(width)
	if !ok || err != nil || bits < 8 || bits > 256 || bits%8 != 0 || strconv.Itoa(bits) != width {
		return 0
	}
	return bits
}

func knownType(solidity string) bool {
	switch solidity {
	case typeAddress, typeBool, typeBytes32, typeString:
		return true
	}
	return bitsOf(solidity) > 0
}

// value decodes a JSON value of a known Solidity type.
func (p place) value(solidity string, raw jsontext.Value) (value, error) {
	switch solidity {
	case typeAddress:
		a, err := p.address(raw)
		return value{text: a.Hex(), zero: a == common.Address{}, hash: a.Hex()}, err
	case typeBool:
		return p.boolean(raw)
	case typeBytes32:
		return p.bytes32(raw)
	case typeString:
		text, err := p.text(raw)
		return value{text: text, zero: text == "", hash: text}, err
	}
	n, err := p.integer(bitsOf(solidity), raw)
	if err != nil {
		return value{}, err
	}
	return value{text: n.String(), n: n, zero: n.Sign() == 0, hash: n}, nil
}

// integer decodes an unsigned integer of so many bits: a decimal or 0x text, or a
// JSON integer that no parser rounds.
func (p place) integer(bits int, raw jsontext.Value) (*big.Int, error) {
	n, err := p.number(raw)
	if err != nil {
		return nil, err
	}
	if n.BitLen() > bits {
		return nil, p.refuse("must be below 2^%d", bits)
	}
	return n, nil
}

func (p place) number(raw jsontext.Value) (*big.Int, error) {
	digits, quoted := string(raw), raw.Kind() == '"'
	if quoted {
		text, err := p.text(raw)
		if err != nil {
			return nil, err
		}
		digits = text
	}
	base := 10
	switch {
	case quoted && hexText.MatchString(digits):
		digits, base = digits[2:], 16
	case !decimalText.MatchString(digits):
		return nil, p.refuse("must be a whole number from 0: a string of decimal digits or of 0x and hexadecimal ones, or a JSON integer below 2^53")
	}
	n, ok := new(big.Int).SetString(digits, base)
	if !ok || (!quoted && n.Cmp(maxSafe) >= 0) {
		return nil, p.refuse("must be a string: a JSON number from 2^53 on may be rounded")
	}
	return n, nil
}

// address decodes an address in EIP-55, or without a checksum in lower case.
func (p place) address(raw jsontext.Value) (common.Address, error) {
	text, err := p.text(raw)
	if err != nil {
		return common.Address{}, err
	}
	if len(text) != 2+2*common.AddressLength || text[:2] != "0x" || !common.IsHexAddress(text) {
		return common.Address{}, p.refuse("must be 0x and 40 hexadecimal digits")
	}
	a := common.HexToAddress(text)
	if text != a.Hex() && text != strings.ToLower(text) {
		return common.Address{}, p.refuse("has upper and lower case that are not its EIP-55 checksum")
	}
	return a, nil
}

func (p place) boolean(raw jsontext.Value) (value, error) {
	if k := raw.Kind(); k != 't' && k != 'f' {
		return value{}, p.refuse("must be true or false")
	}
	yes := raw.Kind() == 't'
	return value{text: strconv.FormatBool(yes), zero: !yes, hash: yes}, nil
}

func (p place) bytes32(raw jsontext.Value) (value, error) {
	text, err := p.text(raw)
	if err != nil {
		return value{}, err
	}
	if !bytes32Text.MatchString(text) {
		return value{}, p.refuse("must be 0x and 64 hexadecimal digits")
	}
	h := common.HexToHash(text)
	return value{text: "0x" + hex.EncodeToString(h[:]), zero: h == common.Hash{}, hash: h.Bytes()}, nil
}
